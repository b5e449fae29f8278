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

/** The name of what makes a metric of the groups that wait for the backend. */
export function backendUnavailableName(deployment: Named): string {
  return `${deployment.name}-backend-unavailable`;
}

/** The REST API's name in API Gateway, which is also its name among CloudWatch's metrics. */
export function gatewayName(deployment: Named): string {
  return `${deployment.name}-fifo-gateway`;
}

/** The name in IAM of the role that API Gateway writes the account's logs with. */
export function gatewayLogsRoleName(deployment: Named): string {
  return `${deployment.name}-gateway-logs`;
}

/** The group of the gateway's access log. */
export function accessLogGroup(deployment: Named): string {
  return `/aws/apigateway/${deployment.name}-access`;
}

/** The group of a stage's execution log, as API Gateway names it ("Set up CloudWatch logging for REST APIs"). */
export function executionLogGroup(apiId: string, stage: string): string {
  return `API-Gateway-Execution-Logs_${apiId}/${stage}`;
}

/** The name of the gateway's web ACL in WAF, and of its metric. */
export function firewallName(deployment: Named): string {
  return `${deployment.name}-fifo-gateway`;
}

/** The name of the rule in it that refuses an address, and of that rule's metric. */
export function firewallRuleName(deployment: Named): string {
  return `${deployment.name}-requests-per-address`;
}

/** The name that the deployment's own key has in KMS. */
export function encryptionKeyAlias(deployment: Named): string {
  return `alias/${deployment.name}-fifo-gateway`;
}

/** What the names of the deployment's log groups begin with, where they can be chosen: the consumer's, and the gateway's. */
export function logGroupPrefixes(deployment: Named): readonly string[] {
  return [`/aws/lambda/${deployment.name}-`, `/aws/apigateway/${deployment.name}-`];
}

/** The name of a stack's workspace in Terraform Cloud. @param stack its name, e.g. `prod-messaging` */
export function workspaceName({ workspacePrefix }: { readonly workspacePrefix: string }, stack: string): string {
  return `${workspacePrefix}${stack}`;
}

/** Where the deployment's own metrics are in CloudWatch, i.e. those that are made of the consumer's log lines. */
export function metricNamespace(deployment: Named): string {
  return `FifoGateway/${deployment.name}`;
}

/** In that namespace, by dimension `queue`: how many groups wait for a person. */
export const PARKED_GROUPS_METRIC = "ParkedGroups";

/** In that namespace: how often a group was given back to its queue since the backend was unavailable. */
export const BACKEND_UNAVAILABLE_METRIC = "BackendUnavailable";

/** The name of an alarm in CloudWatch. The key's policy and the topic's let alarms use them by its beginning. */
export function alarmName(deployment: Named, id: string): string {
  return `${deployment.name}-${id}`;
}

/** The name of the topic that alarms are sent to. */
export function alarmTopicName(deployment: Named): string {
  return `${deployment.name}-alarms`;
}

/** The dashboard's name. Dashboards belong to an account and to no region of it. */
export function dashboardName(deployment: Named): string {
  return `${deployment.name}-fifo-gateway`;
}
