import type { DeploymentConfig } from "./config.ts";
import { alarmName } from "./names.ts";

/**
 * Refuses whoever speaks plain HTTP to a resource, whatever they may do otherwise. It allows nobody anything.
 *
 * @param action what is refused, e.g. `sqs:*`
 * @param resource its ARN
 */
export function refusedByPlainHttp(action: string, resource: string): object {
  return {
    Sid: "RefusePlainHttp",
    Effect: "Deny",
    Principal: "*",
    Action: action,
    Resource: resource,
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
}

/** The condition of what CloudWatch may do for alarms of this deployment alone. @param account their account's id */
export function forAlarmsOf(deployment: DeploymentConfig, account: string): object {
  return {
    StringEquals: { "aws:SourceAccount": account },
    ArnLike: {
      "aws:SourceArn": `arn:aws:cloudwatch:${deployment.region}:${account}:alarm:${alarmName(deployment, "*")}`,
    },
  };
}
