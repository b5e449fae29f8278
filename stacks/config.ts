import { z } from "zod";
import { MAX_MESSAGE_BYTES, SQS_MAX_MESSAGE_BYTES } from "../sdk/client/src/contract.ts";
import { PARKED_MAX_MESSAGE_BYTES } from "./limits.ts";
import { brokenRules } from "./rules.ts";

/** Names become parts of AWS names, Terraform addresses and URL paths: what is valid in all of them. */
const nameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, "lower-case letters, digits and single hyphens, a letter first, e.g. queue-1")
  // A construct of that name is there in every scope, as JavaScript has it.
  .refine((name) => name !== "constructor", "any name but constructor");

/** The largest number that AWS's 32-bit integers hold. */
const MAX_INTEGER = 2_147_483_647;

const seconds = (lowest: number, highest: number) => z.int().min(lowest).max(highest);

/** How long a log group keeps its lines, in days: one of CloudWatch's choices. */
const logRetentionDays = z
  .union(
    [
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653,
    ].map((days) => z.literal(days)),
    "one of the days that CloudWatch takes: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653",
  )
  .default(30);

const HOST_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const domainName = z.string().refine(
  (text) =>
    text.length <= 253 &&
    text.includes(".") &&
    text.split(".").every((label) => HOST_LABEL.test(label)) &&
    // No top-level domain is a number or has one letter.
    /\.[a-z][a-z0-9-]*[a-z0-9]$/.test(text),
  "a domain name in lower case without a final dot, e.g. fifo.kimalarm.example",
);

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
  /** Not to be given: Lambda waits for no further messages on a FIFO queue (Lambda, "CreateEventSourceMapping"). */
  maximumBatchingWindowSeconds: z
    .undefined("must not be given: an event source of a FIFO queue has no batching window")
    .optional(),
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

const keySchema = z.union(
  [
    nameSchema.transform((generation) => ({ generation, enabled: true })),
    z.strictObject({ generation: nameSchema, enabled: z.boolean().default(true) }),
  ],
  'a generation of lower-case letters, digits and single hyphens, a letter first, e.g. "b" or { generation: "a", enabled: false }',
);

const producerSchema = z.strictObject({
  /** Who sends: names the producer's usage plan and its keys. */
  name: nameSchema,
  /**
   * Generations of this producer's key, the one to use first: `["a"]`, then `["a", "b"]` to add one, `["b", "a"]` to promote it,
   * `["b", { generation: "a", enabled: false }]` to see whether the old one is still in use, and `["b"]` to retire it. Each key
   * is a resource of its own: none of these steps touches another one. @default ["a"]
   */
  keys: z
    .array(keySchema)
    .min(1)
    .default([{ generation: "a", enabled: true }]),
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
  logRetentionDays,
  /**
   * Invocations at the same time that are kept for this function, and its most (Lambda: the account's own limit, 1,000 unless
   * raised, less 100 that stay for others). It must be at least the sum of the queues' `maximumConcurrency`.
   * @default none kept: the function shares the account's
   */
  reservedConcurrency: z.int().min(2).max(MAX_INTEGER).optional(),
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

const domainSchema = z.strictObject({
  /** The host that producers use, e.g. `fifo.kimalarm.example`. Its certificate, DNS records and TLS 1.2 or better come with it. */
  name: domainName,
  /** The public Route53 zone that the name is in, e.g. `kimalarm.example`. */
  zone: domainName,
  /**
   * Whether the zone is made here. It then resolves once its parent points to the name servers in the output `zone_name_servers`,
   * and until it does the certificate stays unissued and the first apply waits. @default false, it is there already
   */
  createZone: z.boolean().default(false),
  /**
   * Whether the address that AWS gives the API (execute-api) goes on working beside it: for a gateway in use that gets a domain, as
   * long as its producers move to it. @default false, it is switched off
   */
  keepAwsAddress: z.boolean().default(false),
});

/** A range of IPv4 or IPv6 addresses. */
const addressRange = z.union([z.cidrv4(), z.cidrv6()], "a range of addresses, e.g. 203.0.113.0/24 or 2001:db8::/32");

const gatewaySchema = z.strictObject({
  /**
   * Origins whose pages may call the gateway from a browser (CORS), e.g. `["https://app.kimalarm.example"]`; `["*"]` for any.
   * The key is then in the page: everyone who can open it can send. @default none, no browser can call the gateway
   */
  corsOrigins: z.array(originSchema).default([]),
  /** The gateway's own host name, in the place of the address that AWS gives it. @default none */
  domain: domainSchema.optional(),
  /**
   * Logs of requests (JSON; no bodies, no keys) and of errors. API Gateway writes them with one role for the whole account and
   * region: `own` sets it here, which one deployment of an account and region may do; `existing` takes it that it is set.
   * @default no logs
   */
  accountRole: z.enum(["own", "existing"]).optional(),
  /** How long its logs are kept, in days, one of CloudWatch's choices. @default 30 */
  logRetentionDays,
  /** Limits of all producers together, on each route (API Gateway, token bucket). */
  throttle: z
    .strictObject({
      /** Requests a second. @default 10,000, the account's own limit in most regions unless raised */
      rateLimit: z.number().positive().max(MAX_INTEGER).default(10_000),
      /** Requests at once. @default 5,000 */
      burstLimit: z.int().min(1).max(MAX_INTEGER).default(5_000),
    })
    .prefault({}),
  /**
   * Answers of at least this many bytes are compressed for who asks for it, and compressed requests are taken (API Gateway: 0 to
   * 10,485,760). @default nothing is compressed
   */
  minimumCompressionBytes: z.int().min(0).max(10_485_760).optional(),
  /** A firewall (WAF) in front of the stage that refuses an address which asks too often. @default none */
  firewall: z
    .strictObject({
      /** Requests of one address in a window (WAF: 10 to 2,000,000,000). */
      requestsPerAddress: z.int().min(10).max(2_000_000_000),
      /** The window, in seconds (WAF: 60, 120, 300 or 600). @default 300 */
      windowSeconds: z
        .union([z.literal(60), z.literal(120), z.literal(300), z.literal(600)], "60, 120, 300 or 600 seconds")
        .default(300),
    })
    .optional(),
  /** Ranges of addresses that may call the gateway, e.g. `["203.0.113.0/24"]`: a resource policy refuses all others. @default any */
  allowedSources: z.array(addressRange).default([]),
});

/** Spelt as the file of the zone is on Linux: JavaScript takes other cases, offsets and old names as well. */
const TIME_ZONE =
  /^(?:UTC|(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Etc|Europe|Indian|Pacific)(?:\/[A-Z](?![A-Z]{2}[A-Z])[\w+-]+)+)$/;

function isTimeZone(name: string): boolean {
  try {
    return TIME_ZONE.test(name) && new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

const zoneLetter = z.string().regex(/^[a-z]$/, "a zone's letter, e.g. a");

const responseServerSchema = z.strictObject({
  /** An EC2 type with an arm64 processor. @default "t4g.small" */
  instanceType: z
    .string()
    .regex(/^[a-z]+\d+g[a-z]*\.[a-z0-9]+$/, "an EC2 type with an arm64 (Graviton) processor, e.g. t4g.small")
    .default("t4g.small"),
  /** The instance's disk (gp3, encrypted), in GiB: 8 to 16,384. Amazon Linux 2023 needs 8. @default 8 */
  diskGibibytes: z.int().min(8).max(16_384).default(8),
  /** The instance's time zone, a name of the IANA database. @default "Asia/Seoul" */
  timeZone: z.string().refine(isTimeZone, "a time zone of the IANA database, e.g. Asia/Seoul").default("Asia/Seoul"),
  /** The instance's host name. @default "<deployment>-response-server" */
  hostName: z.string().regex(HOST_LABEL, "1 to 63 lower-case letters, digits and hyphens").optional(),
  /** The network's addresses, a private IPv4 range of /16 to /26; a quarter of it is for each of the three subnets. @default "10.42.0.0/24" */
  network: z.cidrv4("an IPv4 range, e.g. 10.42.0.0/24").default("10.42.0.0/24"),
  /** Letters of the region's two zones that the subnets are in; the instance is in the first. @default ["a", "b"] */
  zones: z.tuple([zoneLetter, zoneLetter], "two letters of zones, e.g. a and c").default(["a", "b"]),
});

const operationsSchema = z.strictObject({
  /**
   * Who gets a mail for each alarm. Each has to confirm AWS's first mail within 48 hours: SNS forgets the address then, and the
   * next apply sends another one. @default nobody
   */
  emails: z.array(z.email("an e-mail address, e.g. ops@kimalarm.example")).default([]),
  /** Alarm: the oldest message of a queue has waited so long, in seconds. @default 900 */
  oldestMessageSeconds: seconds(60, 1_209_600).default(900),
  /** Alarm: so many messages wait in a queue. SQS looks for groups among the first 120,000 only. @default 80,000 */
  backlogMessages: z.int().min(1).default(80_000),
  /** Alarm: so many of 100 requests in five minutes were answered 4xx, and ten at least. @default 20 */
  clientErrorPercent: z.number().positive().max(100).default(20),
  /** Alarm: the slowest of 100 requests took longer, in milliseconds (p99 over five minutes), for a quarter of an hour. @default 2,000 */
  latencyMilliseconds: z.int().min(1).max(29_000).default(2_000),
  /**
   * Alarm: groups were given back to their queue for an unavailable backend in so many minutes, of the last six times as many: a
   * group that has waited long is tried every five minutes only. @default 5
   */
  backendUnavailableMinutes: z.int().min(1).max(60).default(5),
});

const terraformCloudSchema = z.strictObject({
  /** The organization that the workspaces are in. */
  organization: z.string().regex(/^[A-Za-z0-9_-]{3,40}$/, "an organization's name, 3 to 40 letters, digits, _ and -"),
  /** Terraform Enterprise's host. @default "app.terraform.io" */
  hostname: domainName.default("app.terraform.io"),
  /** The project that new workspaces are made in. @default the organization's default project */
  project: z
    .string()
    .regex(/^[\w -]{3,40}$/, "a project's name, 3 to 40 letters, digits, spaces, _ and -")
    .optional(),
  /** What goes before a stack's name to make its workspace's. @default "fifo-gateway-", e.g. `fifo-gateway-prod-messaging` */
  workspacePrefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]*$/, "letters, digits, _ and -")
    .default("fifo-gateway-"),
});

const awsSchema = z.strictObject({
  /** Accounts that this may be deployed to; with others' credentials, Terraform stops. @default any */
  accountIds: z.array(z.string().regex(/^\d{12}$/, "an account id of 12 digits")).default([]),
  /** A role that Terraform assumes to deploy. @default none, the credentials are used as they are */
  assumeRole: z
    .strictObject({
      arn: z
        .string()
        .regex(/^arn:aws:iam::\d{12}:role\/[\w+=,.@/-]+$/, "a role's ARN, e.g. arn:aws:iam::123456789012:role/deploy"),
      externalId: z
        .string()
        .regex(/^[\w+=,.@:/-]{2,1224}$/, "2 to 1,224 characters that STS takes")
        .optional(),
    })
    .optional(),
});

/** A tag's key and value (AWS, "Tag naming limits and requirements"). */
const tagsSchema = z.record(
  z
    .string()
    .regex(/^(?!aws:)[\w .:/=+@-]{1,128}$/i, "a tag's key: 1 to 128 letters, digits, spaces and _.:/=+-@, not aws:"),
  z.string().regex(/^[\w .:/=+@-]{0,256}$/, "a tag's value: up to 256 letters, digits, spaces and _.:/=+-@"),
);

const urlBackendSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: "an http or https URL, e.g. https://backend.kimalarm.example/" })
    .refine((text) => {
      const url = URL.parse(text);
      return url === null || (url.username === "" && url.password === "");
    }, "no user and password in the URL: it stands in state and plans"),
});

const deploymentSchema = z.strictObject({
  /** Names the deployment's stacks and all its resources, e.g. `dev`. */
  name: nameSchema,
  /** AWS region, e.g. `ap-northeast-2`. */
  region: z
    .string()
    .regex(
      /^(?!cn-|us-gov-|[a-z]{2}-iso)[a-z]{2}(-[a-z]+)+-\d$/,
      "a region of AWS's own partition, e.g. ap-northeast-2 (China and GovCloud have other ARNs)",
    ),
  /** The gateway's stage: the first part of every path, e.g. `kimalarm`. */
  stage: z.string().regex(/^[A-Za-z0-9_]{1,128}$/, "1 to 128 letters, digits and underscores"),
  /**
   * Where the messages go: a URL, or `"response-server"` for the example backend on an EC2 instance, in a network of its own that
   * the consumer is then in as well. The address is the default of the Terraform variable `backend_url`.
   */
  backend: z.union([z.literal("response-server"), urlBackendSchema], '"response-server", or { url: "https://..." }'),
  /** The instance and its network; looked at for backend `"response-server"` only. */
  responseServer: responseServerSchema.prefault({}),
  queues: z.array(queueSchema).min(1),
  producers: z.array(producerSchema).min(1),
  gateway: gatewaySchema.prefault({}),
  consumer: consumerSchema.prefault({}),
  /** Whether X-Ray traces a part of the requests, in the gateway and in the consumer. @default false */
  tracing: z.boolean().default(false),
  /**
   * Whose key encrypts what is stored. `aws-managed`: keys that AWS keeps, at no cost. `customer-managed`: a KMS key of this
   * deployment, for queues, table, logs, the function's environment, the response server's disk and the alarms' topic; who reads
   * messages then needs `kms:Decrypt` on it, operators included. Going back destroys the key while the table still uses it, since the
   * provider leaves a table's key as it is where none is named: see docs/plan-review.md. @default "aws-managed"
   */
  encryption: z.enum(["aws-managed", "customer-managed"]).default("aws-managed"),
  /** Alarms, and a dashboard that reads along the path. @default none */
  operations: operationsSchema.optional(),
  /** Keeps each stack's state in a Terraform Cloud workspace. @default in files beside the project */
  terraformCloud: terraformCloudSchema.optional(),
  /** Which account, and as whom. */
  aws: awsSchema.prefault({}),
  /** Tags of all resources, besides `Project`, `Deployment` and `ManagedBy`. @default none */
  tags: tagsSchema.default({}),
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
export type OperationsConfig = NonNullable<DeploymentConfig["operations"]>;

/** A deployment's configuration was refused. `problems` holds one sentence for every broken rule, all at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  // Not fields of their own: Node would print them all a second time below the message.
  readonly #problems: readonly string[];

  constructor(deployment: string, problems: readonly string[]) {
    super(
      [`deployment ${deployment}: ${problems.length} problem(s)`, ...problems.map((problem) => `  - ${problem}`)].join(
        "\n",
      ),
    );
    this.#problems = problems;
  }

  get code() {
    return "INVALID_CONFIG" as const;
  }

  get problems(): readonly string[] {
    return this.#problems;
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
    const { issues } = parsed.error;
    throw new ConfigError(String(input?.name), [
      ...issues.flatMap((issue) => told(issue, input)),
      ...rulesBesides(input, issues),
    ]);
  }
  const deployment = parsed.data;
  const problems = brokenRules(deployment);
  if (problems.length > 0) throw new ConfigError(deployment.name, problems);
  return deployment;
}

/** What is wrong with one value. */
function told(issue: z.core.$ZodIssue, input: unknown): string[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `${[...path, key].join(".")}: there is no such field; is it misspelt?`);
  }
  // Of a record's key, zod's own words stand inside.
  const message = issue.code === "invalid_key" ? issue.issues[0]?.message : issue.message;
  return [`${path.join(".") || "deployment"}: ${message}; received ${received(input, path)}`];
}

/** The rules that the rest breaks, with defaults in the place of values that were refused and that none of these rules looks at. */
function rulesBesides(input: DeploymentInput, issues: readonly z.core.$ZodIssue[]): string[] {
  const refused = issues
    .flatMap((issue) =>
      issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path],
    )
    .map((path) => path.join("."));
  const parsed = deploymentSchema.safeParse(without(input, new Set(refused), ""));
  return parsed.success ? brokenRules(parsed.data, refused) : [];
}

/** A copy without the fields at these paths. What stands in a list stays, since others would move up. */
function without(value: unknown, paths: ReadonlySet<string>, at: string): unknown {
  const below = (key: PropertyKey) => (at === "" ? String(key) : `${at}.${String(key)}`);
  if (Array.isArray(value)) return value.map((item: unknown, index) => without(item, paths, below(index)));
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([key]) => !paths.has(below(key)));
  return Object.fromEntries(kept.map(([key, item]) => [key, without(item, paths, below(key))]));
}

function received(input: unknown, path: readonly PropertyKey[]): string {
  const value = valueAt(input, path);
  // What may be a secret: an external id, and whatever stands before an @ in what was meant as a URL.
  if (path.at(-1) === "externalId") return "a value that is not shown";
  let text: string;
  try {
    text = JSON.stringify(value) ?? "nothing";
  } catch {
    return `a ${typeof value} that is no JSON`;
  }
  if (path[0] === "backend" && text.includes("@")) return "a value with an @, which is not shown";
  return text.replaceAll(/:\/\/[^"]*@/g, "://***@");
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = input;
  for (const key of path) value = isObject(value) ? Reflect.get(value, key) : undefined;
  return value;
}

function isObject(value: unknown): value is object {
  return value !== null && typeof value === "object";
}
