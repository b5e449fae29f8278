import type { Change } from "../change.ts";
import { changesOf, type Plan } from "../plan.ts";

/**
 * A route as producers know it, e.g. `POST /queue-2/batch`; as Terraform does where its path is not in the plan.
 *
 * @param change a method, or what belongs to one
 */
export function routeName({ name, before, after }: Change, plan: Plan): string {
  const [method, id] = ["http_method", "resource_id"].map((attribute) => before?.[attribute] ?? after?.[attribute]);
  const resource = changesOf(plan, "aws_api_gateway_resource").find(({ before: old }) => old?.["id"] === id);
  const path = resource?.before?.["path"];
  return typeof path === "string" && typeof method === "string" ? `${method} ${path}` : name;
}
