import { addressOnly, argument, arn, globalArn, identity, type ResourceTypes } from "../resource-type.ts";
import { LOGS_ARE_FILES, METRICS_ARE_LINES, PERMISSIONS_UNCHECKED } from "./reasons.ts";

const functionArn = arn("lambda", (subject) => `function:${subject.text("function_name")}`);
const policyArn = globalArn("iam", (subject) => `policy/${subject.text("name")}`);

/** The function, what invokes it, what it may do and where it writes to. */
export const DELIVERY_TYPES: ResourceTypes = {
  aws_lambda_function: {
    computed: {
      id: argument("function_name"),
      arn: functionArn,
      invoke_arn: (subject) =>
        `arn:${subject.place.partition}:apigateway:${subject.place.region}:lambda:path/2015-03-31/functions/${functionArn(subject)}/invocations`,
      qualified_arn: (subject) => `${functionArn(subject)}:$LATEST`,
      version: () => "$LATEST",
    },
  },
  aws_lambda_event_source_mapping: { computed: { id: identity, uuid: identity } },
  aws_lambda_permission: { computed: { id: argument("statement_id") }, ignoredBecause: PERMISSIONS_UNCHECKED },

  aws_iam_role: {
    computed: {
      id: argument("name"),
      arn: globalArn("iam", (subject) => `role/${subject.text("name")}`),
      unique_id: (subject) => `AROA${subject.identity.toUpperCase()}`,
    },
    ignoredBecause: PERMISSIONS_UNCHECKED,
  },
  aws_iam_role_policy: {
    computed: { id: (subject) => `${subject.text("role")}:${subject.text("name")}` },
    ignoredBecause: PERMISSIONS_UNCHECKED,
  },
  aws_iam_policy: { computed: { id: policyArn, arn: policyArn }, ignoredBecause: PERMISSIONS_UNCHECKED },
  aws_iam_role_policy_attachment: { computed: addressOnly, ignoredBecause: PERMISSIONS_UNCHECKED },
  aws_iam_instance_profile: {
    computed: {
      id: argument("name"),
      arn: globalArn("iam", (subject) => `instance-profile/${subject.text("name")}`),
      unique_id: (subject) => `AIPA${subject.identity.toUpperCase()}`,
    },
    ignoredBecause: PERMISSIONS_UNCHECKED,
  },

  aws_cloudwatch_log_group: {
    computed: { id: argument("name"), arn: arn("logs", (subject) => `log-group:${subject.text("name")}`) },
    ignoredBecause: LOGS_ARE_FILES,
  },
  aws_cloudwatch_log_metric_filter: { computed: { id: argument("name") }, ignoredBecause: METRICS_ARE_LINES },
  aws_cloudwatch_event_rule: {
    computed: { id: argument("name"), arn: arn("events", (subject) => `rule/${subject.text("name")}`) },
  },
  aws_cloudwatch_event_target: {
    computed: { id: (subject) => `${subject.text("rule")}-${subject.text("target_id")}` },
  },
};
