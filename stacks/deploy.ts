import type { Construct } from "constructs";
import { clashesWith } from "./clashes.ts";
import { ConfigError, type DeploymentInput, parseDeployment } from "./config.ts";
import { DeliveryStack } from "./delivery-stack.ts";
import { GatewayStack } from "./gateway-stack.ts";
import { MessagingStack } from "./messaging-stack.ts";
import { OperationsStack } from "./operations-stack.ts";

/**
 * Declares a deployment's three stacks, `<name>-messaging`, `<name>-delivery` and `<name>-gateway`, and `<name>-operations` when
 * `operations` is configured.
 *
 * @throws {ConfigError} with every rule that the configuration breaks, names of another deployment of the app included
 * @example
 * deploy(app, { name: "dev", region: "ap-northeast-2", stage: "kimalarm", backend: { url: "https://backend.example/" },
 *   queues: [{ name: "queue-1" }], producers: [{ name: "alarms" }] });
 */
export function deploy(app: Construct, input: DeploymentInput): void {
  const deployment = parseDeployment(input);
  const others = app.node.children.filter((construct) => construct instanceof MessagingStack);
  const problems = clashesWith(
    others.map((stack) => stack.deployment),
    deployment,
  );
  if (problems.length > 0) throw new ConfigError(deployment.name, problems);

  const messaging = new MessagingStack(app, deployment);
  new DeliveryStack(app, deployment, messaging);
  new GatewayStack(app, deployment, messaging);
  const { operations } = deployment;
  if (operations !== undefined) new OperationsStack(app, deployment, operations, messaging);
}
