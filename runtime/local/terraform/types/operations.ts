import { type Attribute, argument, arn, globalArn, type ResourceTypes, uuid } from "../resource-type.ts";
import { METRICS_ARE_LINES, PERMISSIONS_UNCHECKED } from "./reasons.ts";

const topicArn = arn("sns", argument("name"));
const subscriptionArn: Attribute = (subject) => `${subject.text("topic_arn")}:${uuid(subject)}`;

/** What tells people that something is wrong, and shows where. */
export const OPERATIONS_TYPES: ResourceTypes = {
  aws_sns_topic: {
    computed: { id: topicArn, arn: topicArn, owner: ({ place }) => place.accountId },
    ignoredBecause: METRICS_ARE_LINES,
  },
  aws_sns_topic_policy: { computed: { id: argument("arn") }, ignoredBecause: PERMISSIONS_UNCHECKED },
  aws_sns_topic_subscription: {
    computed: { id: subscriptionArn, arn: subscriptionArn, owner_id: ({ place }) => place.accountId },
    ignoredBecause: METRICS_ARE_LINES,
  },
  aws_cloudwatch_metric_alarm: {
    computed: {
      id: argument("alarm_name"),
      arn: arn("cloudwatch", (subject) => `alarm:${subject.text("alarm_name")}`),
    },
    ignoredBecause: METRICS_ARE_LINES,
  },
  aws_cloudwatch_dashboard: {
    computed: {
      id: argument("dashboard_name"),
      dashboard_arn: globalArn("cloudwatch", (subject) => `dashboard/${subject.text("dashboard_name")}`),
    },
    ignoredBecause: METRICS_ARE_LINES,
  },
};
