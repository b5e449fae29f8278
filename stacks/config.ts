import { z } from "zod";
import { MAX_MESSAGE_BYTES, SQS_MAX_MESSAGE_BYTES } from "../sdk/client/src/contract.ts";

/** Names become parts of AWS names, Terraform addresses and URL paths: what is valid in all of them. */
const nameSchema = z
  .string()
  .regex(
    /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
    "lower-case letters, digits and single hyphens, a letter first, e.g. queue-1",
  );

const seconds = (lowest: number, highest: number) => z.int().min(lowest).max(highest);

const queueSchema = z.strictObject({
  /** The queue's name in the deployment: its path in the gateway (`POST /<name>`) and the middle of its SQS name. */
  name: nameSchema,
  /** How long a received message stays hidden, in seconds (SQS: 0 to 43,200). @default 360 */
  visibilityTimeoutSeconds: seconds(0, 43_200).default(360),
  /** How long an undelivered message is kept, in seconds (SQS: 60 to 1,209,600). @default 1,209,600 (14 days) */
  retentionSeconds: seconds(60, 1_209_600).default(1_209_600),
  /** How long a dead-lettered message is kept, in seconds. @default 1,209,600 (14 days) */
  deadLetterRetentionSeconds: seconds(60, 1_209_600).default(1_209_600),
  /** Largest message, envelope included, in bytes (SQS: 1,024 to 1,048,576). @default 1,044,480 */
  maxMessageBytes: z.int().min(1_024).max(SQS_MAX_MESSAGE_BYTES).default(MAX_MESSAGE_BYTES),
  /** What happens to a message that the backend refuses: `dead-letter` sets it aside and lets its group go on. @default "dead-letter" */
  failurePolicy: z.literal("dead-letter").default("dead-letter"),
  /** How many failed attempts (5xx that is not "unavailable") make a message refused. @default 5 */
  maxAttempts: z.int().min(1).max(100).default(5),
  /** SQS's own redrive, a backstop behind the failure policy (SQS: 1 to 1,000 receives). @default 1,000 */
  maxReceiveCount: z.int().min(1).max(1_000).default(1_000),
  /** Messages in one invocation (Lambda, FIFO: 1 to 10). @default 10 */
  batchSize: z.int().min(1).default(10),
  /** Invocations at the same time for this queue (Lambda: 2 to 1,000). @default 10 */
  maximumConcurrency: z.int().min(2).max(1_000).default(10),
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
    .strictObject({ limit: z.int().min(1), period: z.enum(["DAY", "WEEK", "MONTH"]) })
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
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 3_653].map((days) =>
        z.literal(days),
      ),
    )
    .default(30),
});

const deploymentSchema = z.strictObject({
  /** Names the deployment's stacks and all its resources, e.g. `dev`. */
  name: nameSchema,
  /** AWS region, e.g. `ap-northeast-2`. */
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "an AWS region, e.g. ap-northeast-2"),
  /** The gateway's stage: the first part of every path, e.g. `kimalarm`. */
  stage: z.string().regex(/^[A-Za-z0-9_]{1,128}$/, "1 to 128 letters, digits and underscores"),
  /** Where the messages go. The value is the default of the Terraform variable `backend_url`. */
  backend: z.strictObject({ url: z.url({ protocol: /^https?$/ }) }),
  queues: z.array(queueSchema).min(1),
  producers: z.array(producerSchema).min(1),
  consumer: consumerSchema.prefault({}),
  /** Guards queues and table against `terraform destroy`, and gives the table deletion protection. @default true */
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

/** Longest Lambda function name (Lambda API, `FunctionName`). */
const FUNCTION_NAME_CHARACTERS = 64;

/** Longest wait between two receives of a group whose backend is unavailable, in seconds. */
const BACKOFF_CAP_SECONDS = 300;

/** An outage this long must dead-letter nothing, in seconds (three days). */
const OUTAGE_TOLERANCE_SECONDS = 259_200;

const queueRules: readonly Rule<QueueConfig>[] = [
  {
    // Lambda's own advice for SQS event sources: six function timeouts, so that throttled retries fit in.
    when: (queue, { consumer }) => queue.visibilityTimeoutSeconds < 6 * consumer.timeoutSeconds,
    say: (queue, { consumer }) =>
      `visibilityTimeoutSeconds is ${queue.visibilityTimeoutSeconds}; it must be at least 6 x consumer.timeoutSeconds = ${6 * consumer.timeoutSeconds}, or a message is received twice while it is being delivered`,
  },
  {
    when: (queue) => queue.batchSize > 10,
    say: (queue) => `batchSize is ${queue.batchSize}; an event source of a FIFO queue takes at most 10`,
  },
  {
    when: (queue) => queue.maxMessageBytes > MAX_MESSAGE_BYTES,
    say: (queue) =>
      `maxMessageBytes is ${queue.maxMessageBytes}; at most ${MAX_MESSAGE_BYTES}, so that a dead-lettered copy with its attributes still fits in ${SQS_MAX_MESSAGE_BYTES}`,
  },
  {
    when: (queue) => queue.deadLetterRetentionSeconds < queue.retentionSeconds,
    say: (queue) =>
      `deadLetterRetentionSeconds is ${queue.deadLetterRetentionSeconds}; it must be at least retentionSeconds = ${queue.retentionSeconds}: what SQS itself moves there keeps its age`,
  },
  {
    when: (queue) => queue.maxReceiveCount * BACKOFF_CAP_SECONDS < OUTAGE_TOLERANCE_SECONDS,
    say: (queue) =>
      `maxReceiveCount is ${queue.maxReceiveCount}; at least ${Math.ceil(OUTAGE_TOLERANCE_SECONDS / BACKOFF_CAP_SECONDS)} (x ${BACKOFF_CAP_SECONDS} s of backoff = three days), or an outage dead-letters messages`,
  },
  {
    when: (queue) => queue.retentionSeconds <= 2 * 86_400,
    say: (queue) =>
      `retentionSeconds is ${queue.retentionSeconds}; it must be more than 172800 (two days), since messages within a day of it count as expired`,
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
 * consumer's own number (`runtime/consumer/settle.ts`), which the stacks do not import; a test holds the two together.
 */
export const FAILING_PATH_RESERVE_MILLISECONDS = 5_000;

const deploymentRules: readonly Rule<DeploymentConfig>[] = [
  {
    when: ({ consumer }) =>
      consumer.timeoutSeconds * 1_000 <= consumer.backendTimeoutMilliseconds + FAILING_PATH_RESERVE_MILLISECONDS,
    say: ({ consumer }) =>
      `consumer.timeoutSeconds is ${consumer.timeoutSeconds}; it must be more than ${(consumer.backendTimeoutMilliseconds + FAILING_PATH_RESERVE_MILLISECONDS) / 1_000} s (consumer.backendTimeoutMilliseconds = ${consumer.backendTimeoutMilliseconds}, and ${FAILING_PATH_RESERVE_MILLISECONDS} kept free), or no delivery can start before the deadline`,
  },
  {
    when: (deployment) => consumerName(deployment).length > FUNCTION_NAME_CHARACTERS,
    say: (deployment) =>
      `name gives ${consumerName(deployment)}, ${consumerName(deployment).length} characters; Lambda takes ${FUNCTION_NAME_CHARACTERS}`,
  },
];

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
  return JSON.stringify(value) ?? "nothing";
}
