import { TerraformOutput, TerraformVariable } from "cdktf";
import type { Construct } from "constructs";
import type { DeploymentConfig } from "./config.ts";
import { BackendUnavailableMetric } from "./delivery/backend-unavailable-metric.ts";
import { Consumer } from "./delivery/consumer.ts";
import { Network } from "./delivery/network.ts";
import { backendUrlOf } from "./delivery/network-plan.ts";
import { ParkedGroupsMetric } from "./delivery/parked-groups-metric.ts";
import { ResponseServer } from "./delivery/response-server.ts";
import { DeploymentStack } from "./deployment-stack.ts";
import type { EncryptionKey } from "./messaging/encryption-key.ts";
import type { MessagingStack } from "./messaging-stack.ts";

/** What takes messages from the queues to the backend. */
export class DeliveryStack extends DeploymentStack {
  constructor(scope: Construct, deployment: DeploymentConfig, messaging: MessagingStack) {
    super(scope, "delivery", deployment);
    const backendUrl = new TerraformVariable(this, "backend_url", {
      type: "string",
      description: "Where the consumer posts each message to",
      default: backendUrlOf(deployment),
      nullable: false,
    });
    const network = deployment.backend === "response-server" ? new Network(this, deployment) : undefined;
    const consumer = new Consumer(this, {
      deployment,
      queues: messaging.queues,
      parkingLot: messaging.parkingLot,
      key: messaging.key,
      network,
      backendUrl: backendUrl.stringValue,
    });
    if (deployment.queues.some(({ failurePolicy }) => failurePolicy === "park")) {
      new ParkedGroupsMetric(this, { deployment, consumer });
    }
    if (deployment.operations !== undefined) new BackendUnavailableMetric(this, { deployment, consumer });
    new TerraformOutput(this, "consumer_function", {
      value: consumer.functionName,
      description: "The consumer's name in Lambda",
    });
    if (network !== undefined) this.serveResponses(network, messaging.key);
  }

  private serveResponses(network: Network, key: EncryptionKey | undefined): void {
    const server = new ResponseServer(this, { deployment: this.deployment, network, key });
    new TerraformOutput(this, "response_server_instance", {
      value: server.instanceId,
      description: "The response server's instance, e.g. for aws ssm start-session --target",
    });
    new TerraformOutput(this, "response_server_address", {
      value: server.privateAddress,
      description: "The response server's address in the network",
    });
  }
}
