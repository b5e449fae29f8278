import { CloudwatchLogMetricFilter } from "@cdktf/provider-aws/lib/cloudwatch-log-metric-filter/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { BACKEND_UNAVAILABLE_METRIC, backendUnavailableName, metricNamespace } from "../names.ts";
import type { Consumer } from "./consumer.ts";

interface BackendUnavailableMetricProps {
  readonly deployment: DeploymentConfig;
  readonly consumer: Pick<Consumer, "logGroupName">;
}

/**
 * How often a group was given back to its queue since the backend was unavailable: metric `BackendUnavailable` in the namespace
 * `FifoGateway/<deployment>`. Statistic: `Sum`.
 *
 * It is made of the consumer's lines `group.waiting` with the reason `unavailable`, which no other cause has. There is one metric
 * for all queues, since there is one backend for all.
 */
export class BackendUnavailableMetric extends Construct {
  constructor(scope: Construct, { deployment, consumer }: BackendUnavailableMetricProps) {
    super(scope, "backend-unavailable");
    new CloudwatchLogMetricFilter(this, "metric", {
      name: backendUnavailableName(deployment),
      logGroupName: consumer.logGroupName,
      pattern: '{ ($.event = "group.waiting") && ($.reason = "unavailable") }',
      metricTransformation: {
        name: BACKEND_UNAVAILABLE_METRIC,
        namespace: metricNamespace(deployment),
        value: "1",
        // For minutes with lines of which none matches (CloudWatch Logs, "Creating metrics from log events using filters"): a graph
        // then shows that there was something to look at. Minutes without any line stay without a value.
        defaultValue: "0",
      },
    });
  }
}
