import type { DeploymentConfig } from "../config.ts";
import {
  BACKEND_UNAVAILABLE_METRIC,
  consumerName,
  gatewayName,
  metricNamespace,
  PARKED_GROUPS_METRIC,
} from "../names.ts";

/** What CloudWatch knows a metric by. With one dimension that is not the service's own there is no error, and no data. */
export interface Metric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** How the values of a period become one. */
export type Statistic = "Sum" | "Average" | "Maximum" | "p50" | "p99";

/** Of one stage of a REST API (API Gateway, "Amazon API Gateway dimensions and metrics": `ApiName, Stage`). */
export function gatewayMetric(
  deployment: DeploymentConfig,
  name: "Count" | "4XXError" | "5XXError" | "Latency" | "IntegrationLatency",
): Metric {
  const dimensions = { ApiName: gatewayName(deployment), Stage: deployment.stage };
  return { namespace: "AWS/ApiGateway", name, dimensions };
}

/** Of one queue (SQS, "Available CloudWatch metrics for Amazon SQS"). @param queueName its name in SQS */
export function queueMetric(
  queueName: string,
  name:
    | "ApproximateAgeOfOldestMessage"
    | "ApproximateNumberOfMessagesVisible"
    | "ApproximateNumberOfMessagesNotVisible"
    | "NumberOfMessagesSent"
    | "NumberOfMessagesDeleted",
): Metric {
  return { namespace: "AWS/SQS", name, dimensions: { QueueName: queueName } };
}

/** Of all versions of the consumer (Lambda, "Types of metrics for Lambda functions": by `FunctionName`). */
export function consumerMetric(
  deployment: DeploymentConfig,
  name: "Invocations" | "Errors" | "Throttles" | "Duration" | "ConcurrentExecutions",
): Metric {
  return { namespace: "AWS/Lambda", name, dimensions: { FunctionName: consumerName(deployment) } };
}

/** Made of the consumer's lines: `stacks/delivery/backend-unavailable-metric.ts`. */
export function backendUnavailable(deployment: DeploymentConfig): Metric {
  return { namespace: metricNamespace(deployment), name: BACKEND_UNAVAILABLE_METRIC, dimensions: {} };
}

/** Made of the consumer's lines: `stacks/delivery/parked-groups-metric.ts`. @param queue its name in the deployment */
export function parkedGroups(deployment: DeploymentConfig, queue: string): Metric {
  return { namespace: metricNamespace(deployment), name: PARKED_GROUPS_METRIC, dimensions: { queue } };
}
