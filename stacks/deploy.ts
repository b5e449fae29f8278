import type { Construct } from "constructs";
import {
  ConfigError,
  type DeploymentConfig,
  type DeploymentInput,
  deadLetterName,
  parseDeployment,
  queueName,
} from "./config.ts";
import { DeliveryStack } from "./delivery-stack.ts";
import { GatewayStack } from "./gateway-stack.ts";
import { MessagingStack } from "./messaging-stack.ts";

/**
 * Declares a deployment's three stacks, `<name>-messaging`, `<name>-delivery` and `<name>-gateway`.
 *
 * @throws {ConfigError} with every rule that the configuration breaks, names of another deployment of the app included
 * @example
 * deploy(app, { name: "dev", region: "ap-northeast-2", stage: "kimalarm", backend: { url: "https://backend.example/" },
 *   queues: [{ name: "queue-1" }], producers: [{ name: "alarms" }] });
 */
export function deploy(app: Construct, input: DeploymentInput): void {
  const deployment = parseDeployment(input);
  const problems = sharedNames(app, deployment);
  if (problems.length > 0) throw new ConfigError(deployment.name, problems);

  const messaging = new MessagingStack(app, deployment);
  new DeliveryStack(app, deployment, messaging);
  new GatewayStack(app, deployment, messaging);
}

/** SQS names that another deployment in the region has as well: `dev` with `a-b` and `dev-a` with `b` are one queue. */
function sharedNames(app: Construct, deployment: DeploymentConfig): string[] {
  const others = app.node.children
    .filter((construct) => construct instanceof MessagingStack)
    .filter((stack) => stack.deployment.region === deployment.region);
  return others.flatMap((other) => {
    const taken = new Set(sqsNames(other.deployment));
    return sqsNames(deployment)
      .filter((name) => taken.has(name))
      .map((name) => `queues give ${name}, which deployment ${other.deployment.name} has as well`);
  });
}

function sqsNames(deployment: DeploymentConfig): string[] {
  return deployment.queues.flatMap((queue) => [queueName(deployment, queue), deadLetterName(deployment, queue)]);
}
