import { ApiGatewayAccount } from "@cdktf/provider-aws/lib/api-gateway-account/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig } from "../config.ts";
import { gatewayLogsRoleName } from "../names.ts";
import { ServiceRole } from "../role.ts";

/**
 * The role that API Gateway writes its logs with. It is a setting of the account and region, not of an API: one deployment may
 * own it, and with it goes every other API's leave to write logs when it is destroyed.
 */
export class AccountRole extends Construct {
  /** To be depended on by what turns logs on: API Gateway refuses that until the account has its role. */
  readonly setting: ApiGatewayAccount;

  constructor(scope: Construct, deployment: DeploymentConfig) {
    super(scope, "account");
    const role = new ServiceRole(this, "role", {
      name: gatewayLogsRoleName(deployment),
      service: "apigateway.amazonaws.com",
    });
    const mayWrite = role.attach("AmazonAPIGatewayPushToCloudWatchLogs");
    // API Gateway looks at what the role may do before it takes it.
    this.setting = new ApiGatewayAccount(this, "setting", { cloudwatchRoleArn: role.arn, dependsOn: [mayWrite] });
  }
}
