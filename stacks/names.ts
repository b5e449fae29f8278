import type { DeploymentConfig, QueueConfig } from "./config.ts";

// What things are called in AWS. `sdk/ops` finds them by the same names.

type Named = Pick<DeploymentConfig, "name">;

/** The queue's name in SQS. */
export function queueName(deployment: Named, queue: Pick<QueueConfig, "name">): string {
  return `${deployment.name}-${queue.name}.fifo`;
}

/** The dead-letter queue's name in SQS. */
export function deadLetterName(deployment: Named, queue: Pick<QueueConfig, "name">): string {
  return `${deployment.name}-${queue.name}-dead-letter.fifo`;
}

/** The consumer function's name in Lambda. */
export function consumerName(deployment: Named): string {
  return `${deployment.name}-consumer`;
}

/** The name of the consumer's role in IAM. */
export function consumerRoleName(deployment: Named): string {
  return `${consumerName(deployment)}-execution`;
}

/** The name of the response server: its host name unless configured otherwise, and its role in IAM. */
export function responseServerName(deployment: Named): string {
  return `${deployment.name}-response-server`;
}

/** The name of the consumer's and the response server's network; what its parts' names begin with. */
export function networkName(deployment: Named): string {
  return `${deployment.name}-delivery`;
}

/** The parking lot's name in DynamoDB. */
export function parkingLotName(deployment: Named): string {
  return `${deployment.name}-parking-lot`;
}

/** The name of the rule that has the consumer count parked groups. */
export function parkedGroupsName(deployment: Named): string {
  return `${deployment.name}-parked-groups`;
}

/** The REST API's name in API Gateway, which is also its name among CloudWatch's metrics. */
export function gatewayName(deployment: Named): string {
  return `${deployment.name}-fifo-gateway`;
}

/** The name that the deployment's own key has in KMS. */
export function encryptionKeyAlias(deployment: Named): string {
  return `alias/${deployment.name}-fifo-gateway`;
}

/** What the names of the deployment's log groups begin with: the consumer's, and the gateway's. */
export function logGroupPrefixes(deployment: Named): readonly string[] {
  return [`/aws/lambda/${deployment.name}-`, `/aws/apigateway/${deployment.name}-`];
}

/** Where the deployment's own metrics are in CloudWatch, i.e. those that are made of the consumer's log lines. */
export function metricNamespace(deployment: Named): string {
  return `FifoGateway/${deployment.name}`;
}
