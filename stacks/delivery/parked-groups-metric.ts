import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule/index.js";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target/index.js";
import { CloudwatchLogMetricFilter } from "@cdktf/provider-aws/lib/cloudwatch-log-metric-filter/index.js";
import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { consumerName, metricNamespace, PARKED_GROUPS_METRIC, parkedGroupsName } from "../names.ts";
import type { Consumer } from "./consumer.ts";

interface ParkedGroupsMetricProps {
  readonly deployment: DeploymentConfig;
  readonly consumer: Pick<Consumer, "functionName" | "functionArn" | "logGroupName">;
}

/** How often the groups are counted (EventBridge, "rate expressions"). */
const COUNT_EVERY = "rate(5 minutes)";

/** The event that has the consumer count, in the place of a batch of messages. */
const COUNT_EVENT = { countParkedGroups: true } as const;

/**
 * How many groups wait for a person: metric `ParkedGroups` in the namespace `FifoGateway/<deployment>`, by dimension `queue`.
 *
 * It is a gauge, counted anew every five minutes, so it is right when nothing moves as well: a metric made of the lines for
 * blocked and released groups would be silent then, and go wrong for good with one line that is lost. Statistics: `Maximum` or
 * `Minimum` over five minutes or more; a sum means nothing.
 */
export class ParkedGroupsMetric extends Construct {
  constructor(scope: Construct, { deployment, consumer }: ParkedGroupsMetricProps) {
    super(scope, "parked-groups");
    const rule = new CloudwatchEventRule(this, "rule", {
      name: parkedGroupsName(deployment),
      description: `Has ${consumerName(deployment)} count the groups that have parked messages`,
      scheduleExpression: COUNT_EVERY,
    });
    const permission = new LambdaPermission(this, "permission", {
      statementId: "CountParkedGroups",
      functionName: consumer.functionName,
      action: "lambda:InvokeFunction",
      principal: "events.amazonaws.com",
      sourceArn: rule.arn,
    });
    new CloudwatchEventTarget(this, "target", {
      rule: rule.name,
      targetId: "consumer",
      arn: consumer.functionArn,
      input: JSON.stringify(COUNT_EVENT),
      dependsOn: [permission],
    });
    new CloudwatchLogMetricFilter(this, "metric", {
      name: parkedGroupsName(deployment),
      logGroupName: consumer.logGroupName,
      pattern: '{ $.event = "parked.groups" }',
      metricTransformation: {
        name: PARKED_GROUPS_METRIC,
        namespace: metricNamespace(deployment),
        // No default value: CloudWatch takes none where there are dimensions, and none is needed since zeros are counted too.
        value: "$.groups",
        dimensions: { queue: "$.queue" },
      },
    });
  }
}
