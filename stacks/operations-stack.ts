import type { Construct } from "constructs";
import type { DeploymentConfig } from "./config.ts";
import { DeploymentStack } from "./deployment-stack.ts";

/** What tells people that something is wrong, and shows where: alarms and a dashboard. It knows the others by their names alone. */
export class OperationsStack extends DeploymentStack {
  constructor(scope: Construct, deployment: DeploymentConfig) {
    super(scope, "operations", deployment);
  }
}
