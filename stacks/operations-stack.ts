import { TerraformOutput } from "cdktf";
import type { Construct } from "constructs";
import type { DeploymentConfig, OperationsConfig } from "./config.ts";
import { DeploymentStack } from "./deployment-stack.ts";
import type { MessagingStack } from "./messaging-stack.ts";
import { Alarms } from "./operations/alarms.ts";
import { Dashboard } from "./operations/dashboard.ts";
import { AlarmTopic } from "./operations/topic.ts";

/**
 * What tells people that something is wrong, and shows where: alarms and a dashboard.
 *
 * It knows the other stacks' resources by their names alone, so it needs no state of theirs but the key's, when there is one.
 */
export class OperationsStack extends DeploymentStack {
  constructor(
    scope: Construct,
    deployment: DeploymentConfig,
    operations: OperationsConfig,
    messaging: Pick<MessagingStack, "key">,
  ) {
    super(scope, "operations", deployment);
    const topic = new AlarmTopic(this, { deployment, emails: operations.emails, key: messaging.key });
    const alarms = new Alarms(this, { deployment, operations, topic });
    const dashboard = new Dashboard(this, { deployment, operations, alarms: alarms.arns });
    const { region } = deployment;

    new TerraformOutput(this, "dashboard_url", {
      value: `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${dashboard.name}`,
      description: "The dashboard, in AWS's console",
    });
    new TerraformOutput(this, "alarm_topic", {
      value: topic.arn,
      description: "Where alarms are sent to, for a chat or a pager to subscribe to",
    });
  }
}
