import { z } from "zod";
import { MAX_MESSAGE_BYTES, SQS_MAX_MESSAGE_BYTES } from "../sdk/client/src/contract.ts";
import { consumerEnvironment } from "./delivery/consumer-environment.ts";

/** Names become parts of AWS names, Terraform addresses and URL paths: what is valid in all of them. */
const nameSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    "lower-case letters, digits and single hyphens, a letter first, e.g. queue-1",
  );

const seconds = (lowest: number, highest: number) => z.int().min(lowest).max(highest);

/** DynamoDB's items end at 400 KiB (409,600 bytes). 20 KiB of it are for what a parked message has besides its body. */
const PARKED_MAX_MESSAGE_BYTES = 389_120;

/** What a queue has unless it says otherwise, and how large its messages may be at most. */
const POLICIES = {
  "dead-letter": { maxMessageBytes: MAX_MESSAGE_BYTES, maxReceiveCount: 1_000 },
  // No redrive by SQS at all: a head that it moved away would let its followers pass.
  park: { maxMessageBytes: PARKED_MAX_MESSAGE_BYTES, maxReceiveCount: undefined },
} as const;

const queueFields = z.strictObject({
  /** The queue's name in the deployment: its path in the gateway (`POST /<name>`) and the middle of its SQS name. */
  name: nameSchema,
  /**
   * How long a received message stays hidden, in seconds: 1 to 21,600. SQS takes 43,200, counted from the receive, and the
   * consumer sets the whole time anew when it starts, which must still fit in. @default 360
   */
  visibilityTimeoutSeconds: seconds(1, 21_600).default(360),
  /** How long an undelivered message is kept, in seconds (SQS: 60 to 1,209,600). @default 1,209,600 (14 days) */
  retentionSeconds: seconds(60, 1_209_600).default(1_209_600),
  /** How long a dead-lettered message is kept, in seconds. @default 1,209,600 (14 days) */
  deadLetterRetentionSeconds: seconds(60, 1_209_600).default(1_209_600),
  /**
   * What happens to a message that the backend refuses.
   *
   * `dead-letter`: it goes to the dead-letter queue, and its group goes on without it.
   *
   * `park`: it is stored in the parking lot, and so is every later message of its group, untried and in order, until a person
   * has put the first one right. Nothing of a group is delivered past a message that was not; other groups go on.
   *
   * Before it is changed, the queue and its parking lot have to be empty: see F43 and F44 of docs/order-and-loss.md.
   *
   * @default "dead-letter"
   */
  failurePolicy: z.enum(["dead-letter", "park"]).default("dead-letter"),
  /**
   * Largest message, envelope included, in bytes (SQS: 1,024 to 1,048,576). At most 1,044,480 under `dead-letter`, and 389,120
   * (380 KiB) under `park`, since DynamoDB's items end at 400 KiB. @default the most that the failure policy allows
   */
  maxMessageBytes: z.int().min(1_024).max(SQS_MAX_MESSAGE_BYTES).optional(),
  /** How many failed attempts (5xx that is not "unavailable") make a message refused. @default 5 */
  maxAttempts: z.int().min(1).max(100).default(5),
  /**
   * SQS's own redrive, a backstop behind the failure policy `dead-letter` (SQS: 1 to 1,000 receives). Not to be given under
   * `park`, where SQS must move nothing. @default 1,000 under `dead-letter`
   */
  maxReceiveCount: z.int().min(1).max(1_000).optional(),
  /** Messages in one invocation (Lambda, FIFO: 1 to 10). @default 10 */
  batchSize: z.int().min(1).default(10),
  /** Invocations at the same time for this queue (Lambda: 2 to 1,000). @default 10 */
  maximumConcurrency: z.int().min(2).max(1_000).default(10),
});

const queueSchema = queueFields.transform((queue) => {
  const { maxMessageBytes, maxReceiveCount } = POLICIES[queue.failurePolicy];
  return {
    ...queue,
    maxMessageBytes: queue.maxMessageBytes ?? maxMessageBytes,
    /** Undefined where SQS must move nothing. */
    maxReceiveCount: queue.maxReceiveCount ?? maxReceiveCount,
  };
});

const producerSchema = z.strictObject({
  /** Who sends: names the producer's usage plan and its keys. */
  name: nameSchema,
  /** Generations of this producer's key. Adding or removing one never touches another. @default ["a"] */
  keys: z.array(nameSchema).min(1).default(["a"]),
  /** Requests a second, of each key (API Gateway, token bucket's rate). @default 1,000 */
  rateLimit: z.number().positive().max(10_000).default(1_000),
  /** Requests at once, of each key (API Gateway, token bucket's size). @default 2,000 */
  burstLimit: z.int().min(1).max(10_000).default(2_000),
  /** Requests a period, of each key. @default 10,000,000 a month */
  quota: z
    .strictObject({ limit: z.int().min(1).max(2_147_483_647), period: z.enum(["DAY", "WEEK", "MONTH"]) })
    .default({ limit: 10_000_000, period: "MONTH" }),
});

const consumerSchema = z.strictObject({
  /** The function is ended after this long, in seconds (Lambda: 1 to 900). @default 60 */
  timeoutSeconds: seconds(1, 900).default(60),
  /** Memory, and with it CPU, in MiB (Lambda: 128 to 10,240). @default 512 */
  memoryMegabytes: z.int().min(128).max(10_240).default(512),
  /** How long the consumer waits for one answer of the backend, in milliseconds. @default 10,000 */
  backendTimeoutMilliseconds: z.int().min(100).max(890_000).default(10_000),
  /** How long its logs are kept, in days, one of CloudWatch's choices. @default 30 */
  logRetentionDays: z
    .union(
      [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653,
      ].map((days) => z.literal(days)),
    )
    .default(30),
});

/** `https` for every host, `http` for the machine itself only: what a page on a plain `http` origin sends, others can read. */
const ORIGIN =
  /^(?:https:\/\/(?:[a-z0-9_.-]+|\[[0-9a-f:]+\])|http:\/\/(?:localhost|[a-z0-9-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\]))(?::\d+)?$/;

const originSchema = z
  .string()
  .refine(
    (text) => text === "*" || (ORIGIN.test(text) && URL.canParse(text) && new URL(text).origin === text),
    'an origin as browsers send it, e.g. https://app.example or http://localhost:5173 (lower case, no path, no default port; http only for a loopback host), or "*"',
  );

const gatewaySchema = z.strictObject({
  /**
   * Origins whose pages may call the gateway from a browser (CORS), e.g. `["https://app.kimalarm.example"]`; `["*"]` for any.
   * The key is then in the page: everyone who can open it can send. @default none, no browser can call the gateway
   */
  corsOrigins: z.array(originSchema).default([]),
});

const deploymentSchema = z.strictObject({
  /** Names the deployment's stacks and all its resources, e.g. `dev`. */
  name: nameSchema,
  /** AWS region, e.g. `ap-northeast-2`. */
  region: z
    .string()
    .regex(
      /^(?!cn-|us-gov-|us-iso)[a-z]{2}(-[a-z]+)+-\d$/,
      "a region of AWS's own partition, e.g. ap-northeast-2 (China and GovCloud have other ARNs)",
    ),
  /** The gateway's stage: the first part of every path, e.g. `kimalarm`. */
  stage: z.string().regex(/^[A-Za-z0-9_]{1,128}$/, "1 to 128 letters, digits and underscores"),
  /** Where the messages go. The value is the default of the Terraform variable `backend_url`. */
  backend: z.strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .refine(
        (url) => !/^https?:\/\/[^/]*@/.test(url),
        "no user and password in the URL: it stands in state and plans",
      ),
  }),
  queues: z.array(queueSchema).min(1),
  producers: z.array(producerSchema).min(1),
  gateway: gatewaySchema.prefault({}),
  consumer: consumerSchema.prefault({}),
  /**
   * Guards queues and table against replacement and `terraform destroy`, and gives the table deletion protection. It cannot
   * guard a queue that is taken out of `queues` or renamed there: Terraform forgets the guard with the queue and deletes both
   * it and its dead-letter queue. @default true
   */
  protect: z.boolean().default(true),
});

/** What `main.ts` writes: everything with a default may be left out. */
export type DeploymentInput = z.input<typeof deploymentSchema>;

/** A deployment with every value in place. */
export type DeploymentConfig = z.output<typeof deploymentSchema>;
export type QueueConfig = DeploymentConfig["queues"][number];
export type ProducerConfig = DeploymentConfig["producers"][number];

/** A rule between values: what it looks at, when it is broken, and what to say then. */
interface Rule<T> {
  readonly when: (subject: T, deployment: DeploymentConfig) => boolean;
  readonly say: (subject: T, deployment: DeploymentConfig) => string;
}

/** Longest SQS name, `.fifo` included (SQS quota "Queue name"). */
const SQS_NAME_CHARACTERS = 80;

/** Longest role name (IAM quota). The consumer's role has the longest name of a deployment's, longer than its function's. */
const ROLE_NAME_CHARACTERS = 64;

/** All of a function's environment, names and values, in bytes (Lambda quota). */
const ENVIRONMENT_BYTES = 4_096;

/**
 * So many receives of the consumer's growing waits last three days on average, the outage that must dead-letter nothing
 * (`runtime/consumer/backoff.ts`; a test holds the two together).
 */
export const OUTAGE_RECEIVES = 960;

/** Messages this close to the end of the queue's retention count as expired, in seconds (a day). */
const EXPIRY_MARGIN_SECONDS = 86_400;

/** Names that a construct beside the queues has, in one of the stacks. */
const TAKEN_NAMES = new Set(
  "answers api api_key_ids api_keys aws backend backend_url code endpoint execution function logs parked-groups parking-lot producers stage".split(
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
    when: (queue) => queue.failurePolicy === "park" && queue.maxMessageBytes > PARKED_MAX_MESSAGE_BYTES,
    say: (queue) =>
      `maxMessageBytes is ${queue.maxMessageBytes}; at most ${PARKED_MAX_MESSAGE_BYTES} under failurePolicy park, so that a parked message still fits in DynamoDB's 400 KiB`,
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
    when: (queue, deployment) => deadLetterName(deployment, queue).length > SQS_NAME_CHARACTERS,
    say: (queue, deployment) =>
      `name gives ${deadLetterName(deployment, queue)}, ${deadLetterName(deployment, queue).length} characters; SQS takes ${SQS_NAME_CHARACTERS}`,
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
    when: (producer) => new Set(producer.keys).size < producer.keys.length,
    say: (producer) => `keys ${producer.keys.join(", ")} name a generation more than once`,
  },
];

/**
 * The consumer starts no delivery unless this much is left behind it for what follows a failure, in milliseconds. It is the
 * consumer's own number (`runtime/consumer/ports.ts`), which the stacks do not import; a test holds the two together.
 */
export const FAILING_PATH_RESERVE_MILLISECONDS = 7_000;

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
    when: (deployment) => consumerRoleName(deployment).length > ROLE_NAME_CHARACTERS,
    say: (deployment) =>
      `name gives the role ${consumerRoleName(deployment)}, ${consumerRoleName(deployment).length} characters; IAM takes ${ROLE_NAME_CHARACTERS}`,
  },
  {
    when: (deployment) => environmentBytes(deployment) > ENVIRONMENT_BYTES,
    say: (deployment) =>
      `queues are ${deployment.queues.length}, and their settings make an environment of about ${environmentBytes(deployment)} bytes; Lambda takes ${ENVIRONMENT_BYTES}: use fewer queues, shorter names or a second deployment`,
  },
];

/** What the consumer's environment will need, with an account's 12 digits in the place of what is known after apply. */
function environmentBytes(deployment: DeploymentConfig): number {
  const arn = (name: string) => `arn:aws:sqs:${deployment.region}:000000000000:${name}`;
  const url = (name: string) => `https://sqs.${deployment.region}.amazonaws.com/000000000000/${name}`;
  const variables = consumerEnvironment(deployment, {
    backendUrl: deployment.backend.url,
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

/** The queue's name in SQS. */
export function queueName(deployment: Pick<DeploymentConfig, "name">, queue: Pick<QueueConfig, "name">): string {
  return `${deployment.name}-${queue.name}.fifo`;
}

/** The dead-letter queue's name in SQS. */
export function deadLetterName(deployment: Pick<DeploymentConfig, "name">, queue: Pick<QueueConfig, "name">): string {
  return `${deployment.name}-${queue.name}-dead-letter.fifo`;
}

/** The consumer function's name in Lambda. */
export function consumerName(deployment: Pick<DeploymentConfig, "name">): string {
  return `${deployment.name}-consumer`;
}

/** The name of the consumer's role in IAM. */
export function consumerRoleName(deployment: Pick<DeploymentConfig, "name">): string {
  return `${consumerName(deployment)}-execution`;
}

/** The parking lot's name in DynamoDB. */
export function parkingLotName(deployment: Pick<DeploymentConfig, "name">): string {
  return `${deployment.name}-parking-lot`;
}

/** The name of the rule that has the consumer count parked groups. */
export function parkedGroupsName(deployment: Pick<DeploymentConfig, "name">): string {
  return `${deployment.name}-parked-groups`;
}

/** A deployment's configuration was refused. `problems` holds one sentence for every broken rule, all at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "INVALID_CONFIG";
  readonly problems: readonly string[];

  constructor(deployment: string, problems: readonly string[]) {
    super(
      [`deployment ${deployment}: ${problems.length} problem(s)`, ...problems.map((problem) => `  - ${problem}`)].join(
        "\n",
      ),
    );
    this.problems = problems;
  }
}

/**
 * Checks a deployment and fills in its defaults.
 *
 * @throws {ConfigError} with every broken rule at once, each naming the field, the value and the bound.
 * @example
 * parseDeployment({ name: "dev", region: "ap-northeast-2", stage: "kimalarm", backend: { url: "https://backend.example/" },
 *   queues: [{ name: "queue-1" }], producers: [{ name: "alarms" }] });
 */
export function parseDeployment(input: DeploymentInput): DeploymentConfig {
  const parsed = deploymentSchema.safeParse(input);
  if (!parsed.success) {
    throw new ConfigError(
      String(input?.name),
      parsed.error.issues.map(
        ({ path, message }) => `${path.join(".") || "deployment"}: ${message}; received ${received(input, path)}`,
      ),
    );
  }
  const deployment = parsed.data;
  const problems = [
    ...broken(deploymentRules, [deployment], deployment).map(({ say }) => say),
    ...broken(queueRules, deployment.queues, deployment).map(({ index, say }) => `queues.${index}.${say}`),
    ...broken(producerRules, deployment.producers, deployment).map(({ index, say }) => `producers.${index}.${say}`),
  ];
  if (problems.length > 0) throw new ConfigError(deployment.name, problems);
  return deployment;
}

function broken<T>(rules: readonly Rule<T>[], subjects: readonly T[], deployment: DeploymentConfig) {
  return subjects.flatMap((subject, index) =>
    rules.filter(({ when }) => when(subject, deployment)).map(({ say }) => ({ index, say: say(subject, deployment) })),
  );
}

function received(input: unknown, path: readonly PropertyKey[]): string {
  let value: unknown = input;
  for (const key of path) value = value !== null && typeof value === "object" ? Reflect.get(value, key) : undefined;
  // A URL's user and password are the one secret that a configuration can hold.
  return (JSON.stringify(value) ?? "nothing").replace(/:\/\/[^/"]*@/, "://***@");
}
