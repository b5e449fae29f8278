import type { Construct } from "constructs";
import { ConfigError, type DeploymentConfig, type DeploymentInput, parseDeployment } from "./config.ts";
import { DeliveryStack } from "./delivery-stack.ts";
import { GatewayStack } from "./gateway-stack.ts";
import { MessagingStack } from "./messaging-stack.ts";
import { deadLetterName, queueName } from "./names.ts";
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
  const problems = sharedNames(app, deployment);
  if (problems.length > 0) throw new ConfigError(deployment.name, problems);

  const messaging = new MessagingStack(app, deployment);
  new DeliveryStack(app, deployment, messaging);
  new GatewayStack(app, deployment, messaging);
  const { operations } = deployment;
  if (operations !== undefined) new OperationsStack(app, deployment, operations, messaging);
}

/** What another deployment of the app has as well, and only one may have. */
function sharedNames(app: Construct, deployment: DeploymentConfig): string[] {
  const others = app.node.children
    .filter((construct) => construct instanceof MessagingStack)
    .map((stack) => stack.deployment);
  if (others.some(({ name }) => name === deployment.name))
    return [`name ${deployment.name} is given to another deployment already`];
  return others.flatMap((other) => {
    const domain = deployment.gateway.domain?.name;
    const sameDomain =
      domain !== undefined && domain === other.gateway.domain?.name
        ? [`gateway.domain.name is ${domain}, which deployment ${other.name} has as well`]
        : [];
    if (other.region !== deployment.region || !mayShareAccount(other, deployment)) return sameDomain;
    // `dev` with `a-b` and `dev-a` with `b` are one queue.
    const taken = new Set(sqsNames(other));
    const sameQueues = sqsNames(deployment)
      .filter((name) => taken.has(name))
      .map((name) => `queues give ${name}, which deployment ${other.name} has as well`);
    const sameRole =
      deployment.gateway.accountRole === "own" && other.gateway.accountRole === "own"
        ? [
            `gateway.accountRole is own, as deployment ${other.name}'s; one deployment of an account and region may own it: say existing here, or keep the two apart with aws.accountIds`,
          ]
        : [];
    return [...sameDomain, ...sameQueues, ...sameRole];
  });
}

/** Two deployments are in different accounts for sure when each names its own, and no account is named twice. */
function mayShareAccount(one: DeploymentConfig, other: DeploymentConfig): boolean {
  const [ids, otherIds] = [one.aws.accountIds, other.aws.accountIds];
  return ids.length === 0 || otherIds.length === 0 || ids.some((id) => otherIds.includes(id));
}

function sqsNames(deployment: DeploymentConfig): string[] {
  return deployment.queues.flatMap((queue) => [queueName(deployment, queue), deadLetterName(deployment, queue)]);
}
