import type { Construct } from "constructs";
import { type DeploymentInput, parseDeployment } from "./config.ts";
import { DeliveryStack } from "./delivery-stack.ts";
import { GatewayStack } from "./gateway-stack.ts";
import { MessagingStack } from "./messaging-stack.ts";

/**
 * Declares a deployment's three stacks, `<name>-messaging`, `<name>-delivery` and `<name>-gateway`.
 *
 * @throws {ConfigError} with every rule that the configuration breaks
 * @example
 * deploy(app, { name: "dev", region: "ap-northeast-2", stage: "kimalarm", backend: { url: "https://backend.example/" },
 *   queues: [{ name: "queue-1" }], producers: [{ name: "alarms" }] });
 */
export function deploy(app: Construct, input: DeploymentInput): void {
  const deployment = parseDeployment(input);
  const messaging = new MessagingStack(app, deployment);
  new DeliveryStack(app, deployment, messaging);
  new GatewayStack(app, deployment, messaging);
}
