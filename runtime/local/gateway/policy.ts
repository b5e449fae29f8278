import { z } from "zod";
import { GatewayError } from "./error.ts";
import type { Declared } from "./resources.ts";

const list = z.union([z.string(), z.array(z.string())]).transform((value) => (Array.isArray(value) ? value : [value]));
const effect = z.enum(["Allow", "Deny"]);

const trustSchema = z.strictObject({
  Version: z.literal("2012-10-17"),
  Statement: z.array(
    z.strictObject({
      Sid: z.string().optional(),
      Effect: effect,
      Principal: z.strictObject({ Service: list }),
      Action: list,
    }),
  ),
});

const permissionsSchema = z.strictObject({
  Version: z.literal("2012-10-17"),
  Statement: z.array(z.strictObject({ Sid: z.string().optional(), Effect: effect, Action: list, Resource: list })),
});

/** Whether a role may do an action on a resource. */
export type Permissions = (action: string, resourceArn: string) => boolean;

/**
 * What an integration's role may do, as IAM reads its inline policies: an explicit deny wins, without an allow it is denied.
 *
 * @throws GatewayError naming the address, where API Gateway may not assume the role or a policy has a part that is not known here
 */
export function rolePermissions(
  role: Declared<"aws_iam_role">,
  policies: readonly Declared<"aws_iam_role_policy">[],
): Permissions {
  const trust = parsePolicy(role.address, "assume_role_policy", trustSchema, role.values.assume_role_policy);
  const assumable = trust.Statement.some(
    (statement) =>
      statement.Effect === "Allow" &&
      statement.Action.includes("sts:AssumeRole") &&
      statement.Principal.Service.includes("apigateway.amazonaws.com"),
  );
  if (!assumable) {
    throw new GatewayError(
      "RESOURCE_INVALID",
      `${role.address}: assume_role_policy: apigateway.amazonaws.com may not assume the role`,
    );
  }
  const statements = policies
    .filter(({ values }) => values.role === role.values.name || values.role === role.values.id)
    .flatMap(({ address, values }) => parsePolicy(address, "policy", permissionsSchema, values.policy).Statement);
  const applies = (wanted: "Allow" | "Deny", action: string, resource: string) =>
    statements.some(
      (statement) =>
        statement.Effect === wanted &&
        statement.Action.some((pattern) => matches(pattern.toLowerCase(), action.toLowerCase())) &&
        statement.Resource.some((pattern) => matches(pattern, resource)),
    );
  const decided = new Map<string, boolean>();
  return (action, resource) => {
    const asked = `${action} ${resource}`;
    const known = decided.get(asked);
    if (known !== undefined) return known;
    const allowed = applies("Allow", action, resource) && !applies("Deny", action, resource);
    decided.set(asked, allowed);
    return allowed;
  };
}

/**
 * Reads a policy's text.
 *
 * @throws GatewayError RESOURCE_INVALID, naming the address, the argument and what is not known here
 */
export function parsePolicy<T>(address: string, argument: string, schema: z.ZodType<T>, document: string): T {
  let value: unknown;
  try {
    value = JSON.parse(document);
  } catch {
    throw new GatewayError("RESOURCE_INVALID", `${address}: ${argument}: is no JSON`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${argument}.${issue.path.join(".")}: ${issue.message}`);
  throw new GatewayError("RESOURCE_INVALID", `${address}: ${problems.join("; ")}`);
}

/** IAM's wildcards: `*` any characters, `?` one. */
function matches(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(text);
}
