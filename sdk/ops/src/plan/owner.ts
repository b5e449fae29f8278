import { type Change, goes } from "./change.ts";
import { once, type Plan } from "./plan.ts";

/** What hangs on another resource, by which attribute, and which attributes of the other that may be. */
const OWNERS: readonly (readonly [owned: RegExp, attribute: string, owner: string, by: readonly string[]])[] = [
  [/^aws_sqs_queue_/, "queue_url", "aws_sqs_queue", ["id", "url"]],
  [/^aws_api_gateway_/, "rest_api_id", "aws_api_gateway_rest_api", ["id"]],
  [/^aws_api_gateway_base_path_mapping$/, "domain_name", "aws_api_gateway_domain_name", ["domain_name"]],
  [/^aws_wafv2_web_acl_association$/, "web_acl_arn", "aws_wafv2_web_acl", ["arn"]],
  [/^aws_wafv2_web_acl_association$/, "resource_arn", "aws_api_gateway_stage", ["arn"]],
  [/^aws_route53_record$/, "zone_id", "aws_route53_zone", ["zone_id"]],
  [/^aws_lambda_event_source_mapping$/, "function_arn", "aws_lambda_function", ["arn"]],
  [/^aws_lambda_permission$/, "function_name", "aws_lambda_function", ["function_name", "arn"]],
  [/^aws_iam_role_policy/, "role", "aws_iam_role", ["id", "name"]],
  [/^aws_iam_instance_profile$/, "role", "aws_iam_role", ["name"]],
  [/^aws_/, "vpc_id", "aws_vpc", ["id"]],
  [/^aws_.*security_group_.*rule$/, "security_group_id", "aws_security_group", ["id"]],
  [/^aws_route/, "route_table_id", "aws_route_table", ["id"]],
  [/^aws_route_table_association$/, "subnet_id", "aws_subnet", ["id"]],
  [/^aws_sns_topic_/, "topic_arn", "aws_sns_topic", ["arn"]],
];

/** Whether a resource goes, and not merely since what it hangs on does: that is told there. */
export function goesAlone(change: Change, plan: Plan): boolean {
  if (!goes(change)) return false;
  const going = goingIn(plan);
  return !OWNERS.some(([owned, attribute, type, by]) => {
    const named = change.before?.[attribute];
    return named !== undefined && owned.test(change.type) && by.some((own) => going.has(keyOf(type, own, named)));
  });
}

/** What goes in a plan, by type, attribute and value: looked up once a plan. */
const goingIn = once((plan) => {
  const going = plan.changes.filter(goes);
  const keys = OWNERS.flatMap(([, , type, by]) =>
    going
      .filter((change) => change.type === type)
      .flatMap(({ before }) => by.map((own) => keyOf(type, own, before?.[own]))),
  );
  return new Set(keys);
});

function keyOf(type: string, attribute: string, value: unknown): string {
  return JSON.stringify([type, attribute, value]);
}

/** Whether a resource is new with what it hangs on, so that nothing has relied on it. */
export function isNew(change: Change): boolean {
  const [, attribute] = OWNERS.find(([owned]) => owned.test(change.type)) ?? [];
  return change.before === undefined && attribute !== undefined && change.after?.[attribute] === undefined;
}

/** Whether a resource hangs on something else than before: what it was means nothing there. */
export function movesToOther({ type, before, after }: Change): boolean {
  return OWNERS.some(([owned, attribute]) => {
    const [old, next] = [before?.[attribute], after?.[attribute]];
    return owned.test(type) && typeof old === "string" && typeof next === "string" && old !== next;
  });
}

/** Whether a resource, or what a part of it is called by (`arn:.../index/x`), goes with one of these plans. */
export function isGone(arn: string, plans: readonly Plan[]): boolean {
  return plans.some((plan) => goingArns(plan).some((gone) => arn.startsWith(gone)));
}

const goingArns = once((plan) =>
  plan.changes.flatMap((change) =>
    goes(change) && typeof change.before?.["arn"] === "string" ? [change.before["arn"]] : [],
  ),
);
