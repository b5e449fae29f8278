import type { DeploymentConfig } from "./config.ts";
import { deadLetterName, queueName, workspaceName } from "./names.ts";

/** What only one deployment of an app may have. */
interface Clash {
  /** Whether it matters only where both are in one account and region, as far as the configuration can tell. @default false */
  readonly sameAccount?: true;
  readonly when: (deployment: DeploymentConfig, other: DeploymentConfig) => boolean;
  readonly say: (deployment: DeploymentConfig, other: DeploymentConfig) => string;
}

const clashes: readonly Clash[] = [
  {
    when: (deployment, other) => deployment.name === other.name,
    say: ({ name }) => `name ${name} is given to another deployment already`,
  },
  {
    when: (deployment, other) => domainOf(deployment) !== undefined && domainOf(deployment) === domainOf(other),
    say: (deployment, { name }) =>
      `gateway.domain.name is ${domainOf(deployment)}, which deployment ${name} has as well`,
  },
  {
    when: (deployment, other) => madeZone(deployment) !== undefined && madeZone(deployment) === madeZone(other),
    say: (deployment, { name }) =>
      `gateway.domain.createZone is true, as deployment ${name}'s, which makes ${madeZone(deployment)} as well; their parent can point to one of two zones only: say false here`,
  },
  {
    when: (deployment, other) => workspaces(deployment) !== undefined && workspaces(deployment) === workspaces(other),
    say: (_, { name }) =>
      `terraformCloud gives the workspaces that deployment ${name} has as well: choose another workspacePrefix`,
  },
  {
    // `dev` with `a-b` and `dev-a` with `b` are one queue.
    sameAccount: true,
    when: (deployment, other) => sharedQueues(deployment, other).length > 0,
    say: (deployment, other) =>
      `queues give ${sharedQueues(deployment, other).join(", ")}, which deployment ${other.name} has as well`,
  },
  {
    sameAccount: true,
    when: ({ gateway }, other) => gateway.accountRole === "own" && other.gateway.accountRole === "own",
    say: (_, { name }) =>
      `gateway.accountRole is own, as deployment ${name}'s; one deployment of an account and region may own it: say existing here, or keep the two apart with aws.accountIds`,
  },
];

/**
 * What a deployment has that others of the same app have already.
 *
 * @returns sentences, none where all is well
 */
export function clashesWith(others: readonly DeploymentConfig[], deployment: DeploymentConfig): string[] {
  return others.flatMap((other) =>
    clashes
      .filter(({ sameAccount }) => sameAccount === undefined || mayShareAccount(deployment, other))
      .filter(({ when }) => when(deployment, other))
      .map(({ say }) => say(deployment, other)),
  );
}

/** Two deployments are in different accounts for sure when each names its own, and no account is named twice. */
function mayShareAccount(one: DeploymentConfig, other: DeploymentConfig): boolean {
  const [ids, otherIds] = [one.aws.accountIds, other.aws.accountIds];
  if (one.region !== other.region) return false;
  return ids.length === 0 || otherIds.length === 0 || ids.some((id) => otherIds.includes(id));
}

const domainOf = ({ gateway }: DeploymentConfig) => gateway.domain?.name;

const madeZone = ({ gateway }: DeploymentConfig) =>
  gateway.domain?.createZone === true ? gateway.domain.zone : undefined;

/** What its workspaces' names begin with, and where they are. */
const workspaces = ({ name, terraformCloud }: DeploymentConfig) =>
  terraformCloud === undefined
    ? undefined
    : `${terraformCloud.hostname} ${terraformCloud.organization} ${workspaceName(terraformCloud, name)}`;

function sharedQueues(deployment: DeploymentConfig, other: DeploymentConfig): string[] {
  const taken = new Set(sqsNames(other));
  return sqsNames(deployment).filter((name) => taken.has(name));
}

function sqsNames(deployment: DeploymentConfig): string[] {
  return deployment.queues.flatMap((queue) => [queueName(deployment, queue), deadLetterName(deployment, queue)]);
}
