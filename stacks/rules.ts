import { MAX_MESSAGE_BYTES, SQS_MAX_MESSAGE_BYTES } from "../sdk/client/src/contract.ts";
import type { DeploymentConfig, ProducerConfig, QueueConfig } from "./config.ts";
import { consumerEnvironment } from "./delivery/consumer-environment.ts";
import { backendUrlOf, isNetwork } from "./delivery/network-plan.ts";
import * as limits from "./limits.ts";
import { consumerRoleName, deadLetterName, parkingLotName, queueName, workspaceName } from "./names.ts";
import { notedReads } from "./noted-reads.ts";

/** A rule between values: what it looks at, when it is broken, and what to say then. */
interface Rule<T> {
  readonly when: (subject: T, deployment: DeploymentConfig) => boolean;
  readonly say: (subject: T, deployment: DeploymentConfig) => string;
}

/**
 * So many receives of the consumer's growing waits last three days on average, the outage that must dead-letter nothing
 * (`runtime/consumer/backoff.ts`; a test holds the two together).
 */
export const OUTAGE_RECEIVES = 960;

/** Messages this close to the end of the queue's retention count as expired, in seconds (a day). */
const EXPIRY_MARGIN_SECONDS = 86_400;

/** Names that a construct beside the queues has, in one of the stacks. */
const TAKEN_NAMES = new Set(
  "answers api api_key_ids api_keys aws backend backend-unavailable backend_url code domain encryption endpoint execution firewall function gateway-logs logs network parked-groups parking-lot producers response-server stage".split(
    " ",
  ),
);

/** Paths that API Gateway keeps for itself at the root of an API ("Amazon API Gateway important notes"). */
const RESERVED_PATHS = new Set(["ping", "sping"]);

const queueRules: readonly Rule<QueueConfig>[] = [
  {
    when: (queue, { consumer }) => queue.visibilityTimeoutSeconds < 6 * consumer.timeoutSeconds,
    say: (queue, { consumer }) =>
      `visibilityTimeoutSeconds is ${queue.visibilityTimeoutSeconds}; it must be at least 6 x consumer.timeoutSeconds = ${6 * consumer.timeoutSeconds}, or throttled retries find it visible again (Lambda's rule for SQS event sources)`,
  },
  {
    when: (queue) => queue.batchSize > 10,
    say: (queue) => `batchSize is ${queue.batchSize}; an event source of a FIFO queue takes at most 10`,
  },
  {
    when: (queue) => queue.failurePolicy === "dead-letter" && queue.maxMessageBytes > MAX_MESSAGE_BYTES,
    say: (queue) =>
      `maxMessageBytes is ${queue.maxMessageBytes}; at most ${MAX_MESSAGE_BYTES}, so that a dead-lettered copy with its attributes still fits in ${SQS_MAX_MESSAGE_BYTES}`,
  },
  {
    when: (queue) => queue.failurePolicy === "park" && queue.maxMessageBytes > limits.PARKED_MAX_MESSAGE_BYTES,
    say: (queue) =>
      `maxMessageBytes is ${queue.maxMessageBytes}; at most ${limits.PARKED_MAX_MESSAGE_BYTES} under failurePolicy park, so that a parked message still fits in DynamoDB's 400 KiB`,
  },
  {
    when: (queue) => queue.deadLetterRetentionSeconds < queue.retentionSeconds,
    say: (queue) =>
      `deadLetterRetentionSeconds is ${queue.deadLetterRetentionSeconds}; it must be at least retentionSeconds = ${queue.retentionSeconds}, so that a person has as long for a refused message as the queue had`,
  },
  {
    when: (queue) => queue.failurePolicy === "park" && queue.maxReceiveCount !== undefined,
    say: (queue) =>
      `maxReceiveCount is ${queue.maxReceiveCount}; under failurePolicy park it must not be given, since SQS moving a group's first message away would let the others pass`,
  },
  {
    when: (queue) => queue.failurePolicy === "dead-letter" && (queue.maxReceiveCount ?? 0) < OUTAGE_RECEIVES,
    say: (queue) =>
      `maxReceiveCount is ${queue.maxReceiveCount}; at least ${OUTAGE_RECEIVES}, which an outage of three days does not reach, or SQS dead-letters messages that no backend refused`,
  },
  {
    when: (queue) => queue.retentionSeconds <= 2 * EXPIRY_MARGIN_SECONDS,
    say: (queue) =>
      `retentionSeconds is ${queue.retentionSeconds}; it must be more than ${2 * EXPIRY_MARGIN_SECONDS} (two days), since messages within a day of it count as expired`,
  },
  {
    when: (queue, deployment) => deadLetterName(deployment, queue).length > limits.SQS_NAME_CHARACTERS,
    say: (queue, deployment) =>
      `name gives ${deadLetterName(deployment, queue)}, ${deadLetterName(deployment, queue).length} characters; SQS takes ${limits.SQS_NAME_CHARACTERS}`,
  },
  {
    when: (queue, { queues }) => queues.filter(({ name }) => name === queue.name).length > 1,
    say: (queue) => `name ${queue.name} is given more than once`,
  },
  {
    when: (queue) => queue.name.endsWith("-dead-letter"),
    say: (queue) => `name ${queue.name} ends as the names of dead-letter queues do; choose another ending`,
  },
  {
    when: (queue) => RESERVED_PATHS.has(queue.name),
    say: (queue) => `name ${queue.name} is a path that API Gateway keeps for itself`,
  },
  {
    when: (queue, deployment) => TAKEN_NAMES.has(queue.name) || queue.name === `${deployment.name}-messaging`,
    say: (queue) => `name ${queue.name} is taken by another part of the stacks`,
  },
];

const producerRules: readonly Rule<ProducerConfig>[] = [
  {
    when: (producer) => producer.quota.limit < producer.burstLimit,
    say: (producer) =>
      `quota.limit is ${producer.quota.limit}; it must be at least burstLimit = ${producer.burstLimit}`,
  },
  {
    when: (producer, { producers }) => producers.filter(({ name }) => name === producer.name).length > 1,
    say: (producer) => `name ${producer.name} is given more than once`,
  },
  {
    when: ({ keys }) => new Set(keys.map(({ generation }) => generation)).size < keys.length,
    say: ({ keys }) =>
      `keys are ${keys.map(({ generation }) => generation).join(", ")}; each generation may stand there once`,
  },
  {
    when: ({ keys }) => keys[0]?.enabled === false,
    say: ({ keys }) =>
      `keys.0 is ${keys[0]?.generation}, which is not enabled; the first generation is the one to use: put an enabled one before it`,
  },
  {
    when: ({ rateLimit }, { gateway }) => rateLimit > gateway.throttle.rateLimit,
    say: ({ rateLimit }, { gateway }) =>
      `rateLimit is ${rateLimit}; it must be at most gateway.throttle.rateLimit = ${gateway.throttle.rateLimit}, which ends it first`,
  },
  {
    when: ({ burstLimit }, { gateway }) => burstLimit > gateway.throttle.burstLimit,
    say: ({ burstLimit }, { gateway }) =>
      `burstLimit is ${burstLimit}; it must be at most gateway.throttle.burstLimit = ${gateway.throttle.burstLimit}, which ends it first`,
  },
];

/**
 * The consumer starts no delivery unless this much is left behind it for what follows a failure, in milliseconds. It is the
 * consumer's own number (`runtime/consumer/ports.ts`), which the stacks do not import; a test holds the two together.
 */
export const FAILING_PATH_RESERVE_MILLISECONDS = 7_000;

/** Tags that every resource has (`stacks/deployment-stack.ts`). */
const OWN_TAGS = ["Project", "Deployment", "ManagedBy"];

const ownTags = (tags: Readonly<Record<string, string>>) =>
  Object.keys(tags).filter((key) => OWN_TAGS.some((own) => own.toLowerCase() === key.toLowerCase()));

/** Names of keys that two producers would have: `x` with `b-a` and `x-b` with `a`. */
function sharedKeyNames(producers: readonly ProducerConfig[]): string[] {
  const names = producers.flatMap(({ name, keys }) => [
    ...new Set(keys.map(({ generation }) => `${name}-${generation}`)),
  ]);
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}

/** These and `Name`, which parts of a network have. */
const TAGS_BESIDES = OWN_TAGS.length + 1;

const concurrency = (queues: readonly QueueConfig[]) =>
  queues.reduce((sum, { maximumConcurrency }) => sum + maximumConcurrency, 0);

const isInside = ({ name, zone }: { readonly name: string; readonly zone: string }) =>
  name === zone || name.endsWith(`.${zone}`);

/** The root, the path of pages that misspell a queue, and two for each queue. */
const apiResources = (queues: readonly QueueConfig[]) => 2 + 2 * queues.length;

/** What a resource policy has around its ranges, with an ARN in full, and each range in quotes and with a comma. */
const resourcePolicyCharacters = (ranges: readonly string[]) =>
  500 + ranges.reduce((sum, range) => sum + range.length + 3, 0);

/** The account in an ARN. */
const accountOf = (arn: string) => arn.split(":")[4] ?? "";

const longestWorkspace = ({ name, terraformCloud }: DeploymentConfig) =>
  terraformCloud === undefined ? "" : workspaceName(terraformCloud, `${name}-operations`);

const deploymentRules: readonly Rule<DeploymentConfig>[] = [
  {
    when: ({ gateway }) => gateway.corsOrigins.includes("*") && gateway.corsOrigins.length > 1,
    say: ({ gateway }) =>
      `gateway.corsOrigins is ${gateway.corsOrigins.join(", ")}; "*" stands alone, or the origins are listed one by one`,
  },
  {
    when: ({ gateway }) => new Set(gateway.corsOrigins).size < gateway.corsOrigins.length,
    say: ({ gateway }) => `gateway.corsOrigins ${gateway.corsOrigins.join(", ")} name an origin more than once`,
  },
  {
    when: ({ consumer }) =>
      consumer.timeoutSeconds * 1_000 <= consumer.backendTimeoutMilliseconds + FAILING_PATH_RESERVE_MILLISECONDS,
    say: ({ consumer }) =>
      `consumer.timeoutSeconds is ${consumer.timeoutSeconds}; it must be more than ${(consumer.backendTimeoutMilliseconds + FAILING_PATH_RESERVE_MILLISECONDS) / 1_000} s (consumer.backendTimeoutMilliseconds = ${consumer.backendTimeoutMilliseconds}, and ${FAILING_PATH_RESERVE_MILLISECONDS} kept free), or no delivery can start before the deadline`,
  },
  {
    when: ({ consumer, queues }) => (consumer.reservedConcurrency ?? Number.POSITIVE_INFINITY) < concurrency(queues),
    say: ({ consumer, queues }) =>
      `consumer.reservedConcurrency is ${consumer.reservedConcurrency}; it must be at least the sum of the queues' maximumConcurrency = ${concurrency(queues)}, or event sources are throttled and messages become visible untried`,
  },
  {
    when: ({ gateway: { domain } }) => domain !== undefined && !isInside(domain),
    say: ({ gateway: { domain } }) =>
      `gateway.domain.name is ${domain?.name}; it must be ${domain?.zone} or end in .${domain?.zone} (gateway.domain.zone), or no record of it can be made there`,
  },
  {
    when: ({ gateway: { domain } }) => (domain?.name.length ?? 0) > limits.CERTIFICATE_NAME_CHARACTERS,
    say: ({ gateway: { domain } }) =>
      `gateway.domain.name is ${domain?.name.length} characters; ACM issues certificates for up to ${limits.CERTIFICATE_NAME_CHARACTERS}`,
  },
  {
    when: ({ gateway }) => new Set(gateway.allowedSources).size < gateway.allowedSources.length,
    say: ({ gateway }) => `gateway.allowedSources ${gateway.allowedSources.join(", ")} name a range more than once`,
  },
  {
    when: ({ gateway }) => resourcePolicyCharacters(gateway.allowedSources) > limits.RESOURCE_POLICY_CHARACTERS,
    say: ({ gateway }) =>
      `gateway.allowedSources are ${gateway.allowedSources.length}, which make a resource policy of about ${resourcePolicyCharacters(gateway.allowedSources)} characters; API Gateway takes ${limits.RESOURCE_POLICY_CHARACTERS}: use wider ranges`,
  },
  {
    when: ({ queues }) => apiResources(queues) > limits.API_RESOURCES,
    say: ({ queues }) =>
      `queues are ${queues.length}, which make ${apiResources(queues)} resources of the API; API Gateway takes ${limits.API_RESOURCES}: use a second deployment`,
  },
  {
    when: ({ producers }) => producers.length > limits.USAGE_PLANS,
    say: ({ producers }) =>
      `producers are ${producers.length}, each with a usage plan; API Gateway takes ${limits.USAGE_PLANS} in an account and region`,
  },
  {
    when: ({ backend, responseServer }) => backend === "response-server" && !isNetwork(responseServer.network),
    say: ({ responseServer }) =>
      `responseServer.network is ${responseServer.network}; it must be a private range (RFC 1918) of /16 to /26 that begins at its first address, e.g. 10.42.0.0/24`,
  },
  {
    when: ({ backend, responseServer: { zones } }) => backend === "response-server" && zones[0] === zones[1],
    say: ({ responseServer: { zones } }) =>
      `responseServer.zones are ${zones.join(", ")}; they must be two different ones`,
  },
  {
    when: ({ operations }) => (operations?.backlogMessages ?? 0) >= limits.GROUPS_FOUND_WITHIN,
    say: ({ operations }) =>
      `operations.backlogMessages is ${operations?.backlogMessages}; it must be less than ${limits.GROUPS_FOUND_WITHIN}, the messages among which SQS looks for groups, or the alarm comes when others wait already`,
  },
  {
    when: ({ operations }) => new Set(operations?.emails).size < (operations?.emails.length ?? 0),
    say: ({ operations }) => `operations.emails ${operations?.emails.join(", ")} name an address more than once`,
  },
  {
    when: ({ aws: { accountIds, assumeRole } }) =>
      assumeRole !== undefined && accountIds.length > 0 && !accountIds.includes(accountOf(assumeRole.arn)),
    say: ({ aws: { accountIds, assumeRole } }) =>
      `aws.assumeRole.arn is ${assumeRole?.arn}; its account must be one of aws.accountIds = ${accountIds.join(", ")}, or Terraform stops at every plan`,
  },
  {
    when: ({ tags }) => ownTags(tags).length > 0,
    say: ({ tags }) =>
      `tags name ${ownTags(tags).join(", ")}; ${OWN_TAGS.join(", ")} are set already, to find a deployment's resources by, and IAM takes no keys that differ by case only`,
  },
  {
    when: ({ tags }) => new Set(Object.keys(tags).map((key) => key.toLowerCase())).size < Object.keys(tags).length,
    say: ({ tags }) => `tags are ${Object.keys(tags).join(", ")}; IAM takes no keys that differ by case only`,
  },
  {
    // The groups are named `<deployment>-delivery-...`.
    when: ({ name, backend }) => backend === "response-server" && `${name}-`.startsWith("sg-"),
    say: ({ name }) =>
      `name is ${name}; EC2 takes no security group whose name begins with sg-, as their ids do: choose another one`,
  },
  {
    when: ({ producers }) => sharedKeyNames(producers).length > 0,
    say: ({ producers }) =>
      `producers and their keys give ${sharedKeyNames(producers).join(", ")} more than once: nobody could tell these keys apart`,
  },
  {
    when: ({ tags }) => Object.keys(tags).length + TAGS_BESIDES > limits.TAGS,
    say: ({ tags }) =>
      `tags are ${Object.keys(tags).length}; at most ${limits.TAGS - TAGS_BESIDES}, since AWS takes ${limits.TAGS} and ${TAGS_BESIDES} are needed here`,
  },
  {
    when: (deployment) => longestWorkspace(deployment).length > limits.WORKSPACE_NAME_CHARACTERS,
    say: (deployment) =>
      `terraformCloud.workspacePrefix gives the workspace ${longestWorkspace(deployment)}, ${longestWorkspace(deployment).length} characters; Terraform Cloud takes ${limits.WORKSPACE_NAME_CHARACTERS}`,
  },
  {
    when: (deployment) => consumerRoleName(deployment).length > limits.ROLE_NAME_CHARACTERS,
    say: (deployment) =>
      `name gives the role ${consumerRoleName(deployment)}, ${consumerRoleName(deployment).length} characters; IAM takes ${limits.ROLE_NAME_CHARACTERS}`,
  },
  {
    when: (deployment) => environmentBytes(deployment) > limits.ENVIRONMENT_BYTES,
    say: (deployment) =>
      `queues are ${deployment.queues.length}, and their settings make an environment of about ${environmentBytes(deployment)} bytes; Lambda takes ${limits.ENVIRONMENT_BYTES}: use fewer queues, shorter names or a second deployment`,
  },
];

/**
 * Every rule that a deployment breaks, all at once, each with its field, its value and the bound.
 *
 * @param refused paths of values that were refused for themselves, e.g. `queues.0.batchSize`, and that something else stands for
 *   here: a rule that looks at one of them says nothing
 * @returns sentences, none where all is well
 */
export function brokenRules(deployment: DeploymentConfig, refused: readonly string[] = []): string[] {
  const broken = <T extends object>(rules: readonly Rule<T>[], subject: T, path: string) =>
    rules
      .filter((rule) => isBroken(rule, subject, path, deployment, refused))
      .map(({ say }) => (path === "" ? say(subject, deployment) : `${path}.${say(subject, deployment)}`));
  return [
    ...broken(deploymentRules, deployment, ""),
    ...deployment.queues.flatMap((queue, index) => broken(queueRules, queue, `queues.${index}`)),
    ...deployment.producers.flatMap((producer, index) => broken(producerRules, producer, `producers.${index}`)),
  ];
}

function isBroken<T extends object>(
  { when }: Rule<T>,
  subject: T,
  path: string,
  deployment: DeploymentConfig,
  refused: readonly string[],
): boolean {
  // Usually: what a rule looks at matters only where something was refused.
  if (refused.length === 0) return when(subject, deployment);
  const reads = new Set<string>();
  const note = (read: string) => void reads.add(read);
  if (!when(notedReads(subject, path, note), notedReads(deployment, "", note))) return false;
  return !refused.some((at) => [...reads].some((read) => read === at || read.startsWith(`${at}.`)));
}

/** What the consumer's environment will need, with an account's 12 digits in the place of what is known after apply. */
function environmentBytes(deployment: DeploymentConfig): number {
  const arn = (name: string) => `arn:aws:sqs:${deployment.region}:000000000000:${name}`;
  const url = (name: string) => `https://sqs.${deployment.region}.amazonaws.com/000000000000/${name}`;
  const variables = consumerEnvironment(deployment, {
    backendUrl: backendUrlOf(deployment),
    parkingLotTable: parkingLotName(deployment),
    queues: deployment.queues.map((queue) => ({
      config: queue,
      arn: arn(queueName(deployment, queue)),
      url: url(queueName(deployment, queue)),
      deadLetterUrl: url(deadLetterName(deployment, queue)),
    })),
  });
  return Object.entries(variables).reduce((sum, [key, value]) => sum + Buffer.byteLength(key + value), 0);
}
