import { type Change, isSame } from "./change.ts";
import { changesOf, type Plan } from "./plan.ts";

/**
 * Arguments that another resource of the stack sets as a whole: the state of the first has them after the next refresh only, so that
 * Terraform takes its own doing for somebody else's.
 */
const SET_BY: readonly (readonly [type: string, attribute: string, by: string, owner: string])[] = [
  ["aws_sqs_queue", "policy", "aws_sqs_queue_policy", "queue_url"],
  ["aws_sqs_queue", "redrive_policy", "aws_sqs_queue_redrive_policy", "queue_url"],
  ["aws_sqs_queue", "redrive_allow_policy", "aws_sqs_queue_redrive_allow_policy", "queue_url"],
  ["aws_api_gateway_stage", "web_acl_arn", "aws_wafv2_web_acl_association", "resource_arn"],
  ["aws_api_gateway_rest_api", "policy", "aws_api_gateway_rest_api_policy", "rest_api_id"],
  ["aws_sns_topic", "policy", "aws_sns_topic_policy", "arn"],
];

/** Whether an argument of a resource is what another resource of its stack sets, and goes on setting. */
export function isSetElsewhere(change: Change, attribute: string, plan: Plan): boolean {
  const [, , by, owner] = SET_BY.find(([type, name]) => type === change.type && name === attribute) ?? [];
  if (by === undefined || owner === undefined) return false;
  const names = new Set(["id", "arn", "url"].map((name) => change.before?.[name]));
  names.delete(undefined);
  return changesOf(plan, by).some(
    ({ before, after, action }) =>
      names.has(before?.[owner] ?? after?.[owner]) &&
      // One that goes sets nothing any more; what it had set is what counts then.
      (change.origin === "outside" || (after !== undefined && action !== "forget")) &&
      (change.origin === "outside" || isSame(change.after?.[attribute], after?.[attribute])),
  );
}
