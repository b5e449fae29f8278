import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group/index.js";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import type { EncryptionKey } from "../messaging/encryption-key.ts";
import { accessLogGroup, executionLogGroup } from "../names.ts";
import { ACCESS_LOG_FORMAT } from "./access-log-format.ts";
import { AccountRole } from "./account-role.ts";
import type { RestApi } from "./rest-api.ts";

interface GatewayLogsProps {
  readonly deployment: DeploymentConfig;
  readonly api: RestApi;
  /** Encrypts the groups; without it CloudWatch does, with a key of its own. */
  readonly key: EncryptionKey | undefined;
}

/**
 * Where the gateway's logs go: one line for each request, and errors.
 *
 * API Gateway would make the group of errors by itself, one that is kept forever. An account that has it already, since logs were
 * turned on by hand, has to hand it over: `terraform import aws_cloudwatch_log_group.gateway-logs_execution <its name>`.
 */
export class GatewayLogs extends Construct {
  readonly access: { readonly destinationArn: string; readonly format: string };
  /** What has to be there before logs are turned on. */
  readonly ready: ITerraformDependable[];

  constructor(scope: Construct, { deployment, api, key }: GatewayLogsProps) {
    super(scope, "gateway-logs");
    const { accountRole, logRetentionDays } = deployment.gateway;
    const kept = { retentionInDays: logRetentionDays, ...(key === undefined ? {} : { kmsKeyId: key.arn }) };
    const access = new CloudwatchLogGroup(this, "access", { name: accessLogGroup(deployment), ...kept });
    // An error can repeat what a sender wrote, e.g. the group id that a model refused, so it is encrypted as messages are.
    const execution = new CloudwatchLogGroup(this, "execution", {
      name: executionLogGroup(api.id, deployment.stage),
      ...kept,
    });
    this.access = { destinationArn: access.arn, format: ACCESS_LOG_FORMAT };
    const account = accountRole === "own" ? [new AccountRole(this, deployment).setting] : [];
    this.ready = [access, execution, ...account];
  }
}
