import { all, rewriteJson, type Scenario, set, without } from "../scenario.ts";

const dev = { deployment: "dev", parts: ["messaging"] } as const;
const prod = { deployment: "prod", parts: ["messaging"] } as const;

const QUEUE = "aws_sqs_queue";
const POLICY = "aws_sqs_queue_policy";
const TABLE = "aws_dynamodb_table";
const KEY = "aws_kms_key";

/** An edit of the plain-HTTP policy of queue-1 that adds a statement. */
const alsoAllow = (statement: Readonly<Record<string, unknown>>) =>
  rewriteJson(POLICY, "queue-1_transport", "policy", (policy) => ({
    ...policy,
    Statement: [
      ...(policy["Statement"] ?? []),
      { Effect: "Allow", Resource: "${aws_sqs_queue.queue-1_queue.arn}", ...statement },
    ],
  }));

export const messagingScenarios: readonly Scenario[] = [
  {
    ...dev,
    name: "queue-removed",
    how: "queue-2 taken out of main.ts",
    configure: (base) => ({ ...base, queues: base.queues.slice(0, 1) }),
    rules: { "queue-lost": "critical" },
  },
  {
    ...dev,
    name: "queue-replaced",
    how: "another name of queue-1 in SQS, which cannot be changed in place",
    edit: set(QUEUE, "queue-1_queue", { name: "dev-orders.fifo" }),
    rules: { "queue-lost": "critical" },
    notJudged: ["foreign-account", "public-principal", "refusal-gained", "wildcard-gained"],
  },
  {
    ...dev,
    name: "dead-letter-queue-removed",
    how: "the dead-letter queue of queue-2 and its policy taken out of what was emitted",
    edit: without(`${QUEUE}.queue-2_dead-letter`, `${POLICY}.queue-2_dead-letter-transport`),
    rules: { "queue-lost": "critical" },
  },
  {
    ...dev,
    name: "queue-added",
    how: "queue-3 added to main.ts, with a redrive policy of its own",
    configure: (base) => ({ ...base, queues: [...base.queues, { name: "queue-3" }] }),
    rules: {},
    nearMissOf: ["queue-lost", "redrive-changed", "wildcard-gained", "public-principal"],
    notJudged: ["foreign-account", "public-principal", "refusal-gained", "wildcard-gained"],
  },
  {
    ...dev,
    name: "queue-moved",
    how: "queue-1 has another address in the configuration, and a moved block says so",
    edit: (document) => {
      const queues = document.resource[QUEUE] ?? {};
      const text = JSON.stringify(document).replaceAll(`${QUEUE}.queue-1_queue`, `${QUEUE}.orders_queue`);
      Object.assign(document, JSON.parse(text), {
        moved: [{ from: `${QUEUE}.queue-1_queue`, to: `${QUEUE}.orders_queue` }],
      });
      const { "queue-1_queue": moved = {}, ...others } = queues;
      document.resource[QUEUE] = { ...others, orders_queue: moved };
    },
    rules: {},
    nearMissOf: ["queue-lost", "forgotten"],
  },
  {
    ...dev,
    name: "queue-forgotten",
    how: "the dead-letter queue of queue-2 and its policy leave the configuration by removed blocks that destroy nothing",
    edit: (document) => {
      const gone = [`${QUEUE}.queue-2_dead-letter`, `${POLICY}.queue-2_dead-letter-transport`];
      without(...gone)(document);
      Object.assign(document, { removed: gone.map((from) => ({ from, lifecycle: { destroy: false } })) });
    },
    rules: { forgotten: "low" },
    nearMissOf: ["queue-lost"],
  },
  {
    ...dev,
    name: "retention-shortened",
    how: "queue-1 keeps messages for 4 days instead of 10",
    configure: (base) => withQueue(base, { retentionSeconds: 345_600 }),
    rules: { "retention-shortened": "critical" },
  },
  {
    ...dev,
    name: "retention-lengthened",
    how: "queue-1 keeps messages for 14 days instead of 10",
    configure: (base) => withQueue(base, { retentionSeconds: 1_209_600 }),
    rules: {},
    nearMissOf: ["retention-shortened"],
  },
  {
    ...dev,
    name: "visibility-lowered",
    how: "queue-1 hides received messages for 360 s instead of 720 s",
    configure: (base) => withQueue(base, { visibilityTimeoutSeconds: 360 }),
    rules: { "visibility-changed": "medium" },
  },
  {
    ...dev,
    name: "visibility-raised",
    how: "queue-1 hides received messages for 900 s instead of 720 s",
    configure: (base) => withQueue(base, { visibilityTimeoutSeconds: 900 }),
    rules: { "visibility-changed": "low" },
  },
  {
    ...dev,
    name: "visibility-of-dead-letters",
    how: "the dead-letter queue of queue-1, which no consumer reads, hides received messages for 60 s instead of 30 s",
    edit: set(QUEUE, "queue-1_dead-letter", { visibility_timeout_seconds: 60 }),
    rules: {},
    nearMissOf: ["visibility-changed"],
  },
  {
    ...dev,
    name: "content-deduplication-off",
    how: "content_based_deduplication of queue-1 switched off",
    edit: set(QUEUE, "queue-1_queue", { content_based_deduplication: false }),
    rules: { "deduplication-changed": "high" },
  },
  {
    ...dev,
    name: "deduplication-per-queue",
    how: "queue-1 deduplicates in the queue as a whole, and has the throughput of one",
    edit: set(QUEUE, "queue-1_queue", { deduplication_scope: "queue", fifo_throughput_limit: "perQueue" }),
    rules: { "deduplication-changed": "critical" },
  },
  {
    ...dev,
    name: "long-poll-shortened",
    how: "queue-1 lets a receive wait for 10 s instead of 20 s, and is tagged",
    edit: set(QUEUE, "queue-1_queue", { receive_wait_time_seconds: 10, tags: { Team: "alarms" } }),
    rules: {},
    nearMissOf: ["deduplication-changed", "redrive-changed", "visibility-changed", "encryption-off"],
  },
  {
    ...dev,
    name: "redrive-lowered",
    how: "maxReceiveCount of queue-1 from 980 to 960",
    configure: (base) => withQueue(base, { maxReceiveCount: 960 }),
    rules: { "redrive-changed": "medium" },
  },
  {
    ...dev,
    name: "redrive-too-soon",
    how: "maxReceiveCount of queue-1 from 980 to 3, which main.ts would refuse",
    edit: rewriteJson("aws_sqs_queue_redrive_policy", "queue-1_redrive", "redrive_policy", (policy) => ({
      ...policy,
      maxReceiveCount: 3,
    })),
    rules: { "redrive-changed": "critical" },
  },
  {
    ...dev,
    name: "redrive-raised",
    how: "maxReceiveCount of queue-1 from 980 to 1,000",
    configure: (base) => withQueue(base, { maxReceiveCount: 1_000 }),
    rules: {},
    nearMissOf: ["redrive-changed"],
  },
  {
    ...dev,
    name: "queue-refuses-everyone",
    how: "the policy of queue-1 refuses everything, not plain HTTP alone",
    edit: rewriteJson(POLICY, "queue-1_transport", "policy", (policy) => ({
      ...policy,
      Statement: (policy["Statement"] ?? []).map((statement) => ({ ...Object(statement), Condition: undefined })),
    })),
    rules: { "refusal-gained": "high" },
  },
  {
    ...dev,
    name: "recovery-shortened",
    how: "the parking lot can be taken back 7 days instead of 35",
    edit: set(TABLE, "parking-lot_table", { point_in_time_recovery: { enabled: true, recovery_period_in_days: 7 } }),
    rules: { "recovery-off": "medium" },
  },
  {
    ...dev,
    name: "redrive-reprinted",
    how: "the same redrive policy of queue-1 in another order and with spaces",
    edit: rewriteJson("aws_sqs_queue_redrive_policy", "queue-1_redrive", "redrive_policy", (policy) =>
      Object.fromEntries(Object.entries(policy).toReversed()),
    ),
    rules: {},
    nearMissOf: ["redrive-changed"],
  },
  {
    ...dev,
    name: "redrive-gained",
    how: "queue-2 from failure policy park to dead-letter",
    configure: (base) => ({ ...base, queues: [...base.queues.slice(0, 1), { name: "queue-2" }] }),
    rules: { "redrive-changed": "high" },
  },
  {
    ...dev,
    name: "redrive-dropped",
    how: "queue-1 from failure policy dead-letter to park",
    configure: (base) => withQueue(base, { failurePolicy: "park", maxReceiveCount: undefined }),
    rules: { "redrive-changed": "medium" },
  },
  {
    ...dev,
    name: "messages-smaller",
    how: "queue-1 takes 65,536 bytes instead of 131,072",
    configure: (base) => withQueue(base, { maxMessageBytes: 65_536 }),
    rules: { "message-size-lowered": "medium" },
  },
  {
    ...dev,
    name: "messages-larger",
    how: "queue-1 takes 262,144 bytes instead of 131,072",
    configure: (base) => withQueue(base, { maxMessageBytes: 262_144 }),
    rules: {},
    nearMissOf: ["message-size-lowered"],
  },
  {
    ...dev,
    name: "queue-unencrypted",
    how: "SQS's own encryption of queue-1 switched off",
    edit: set(QUEUE, "queue-1_queue", { sqs_managed_sse_enabled: false }),
    rules: { "encryption-off": "high" },
  },
  {
    ...prod,
    name: "key-given-up",
    how: 'encryption from "customer-managed" to "aws-managed"',
    configure: (base) => ({ ...base, encryption: "aws-managed" }),
    rules: { "key-lost": "critical", "encryption-off": "medium" },
  },
  {
    ...prod,
    name: "key-switched-off",
    how: "is_enabled of the deployment's key false",
    edit: set(KEY, "encryption_key", { is_enabled: false }),
    rules: { "key-lost": "high" },
  },
  {
    ...prod,
    name: "key-not-renewed",
    how: "enable_key_rotation of the deployment's key false",
    edit: set(KEY, "encryption_key", { enable_key_rotation: false }),
    rules: { "encryption-off": "low" },
  },
  {
    ...prod,
    name: "data-keys-kept-longer",
    how: "SQS uses a data key for an hour instead of five minutes, and the key has another description",
    edit: all(
      set(QUEUE, "queue-1_queue", { kms_data_key_reuse_period_seconds: 3_600 }),
      set(KEY, "encryption_key", { description: "of the deployment" }),
    ),
    rules: {},
    nearMissOf: ["encryption-off", "key-lost", "wildcard-gained", "public-principal"],
  },
  {
    ...dev,
    name: "table-replaced",
    how: "another range key of the parking lot",
    edit: (document) => {
      const text = JSON.stringify(document.resource[TABLE]).replaceAll('"sk"', '"sequence"');
      document.resource[TABLE] = JSON.parse(text);
    },
    rules: { "table-lost": "critical" },
  },
  {
    ...dev,
    name: "table-kept",
    how: "another table class of the parking lot, and a tag",
    edit: set(TABLE, "parking-lot_table", { table_class: "STANDARD_INFREQUENT_ACCESS", tags: { Team: "alarms" } }),
    rules: {},
    nearMissOf: ["table-lost", "recovery-off", "encryption-off", "table-expiry-changed", "table-index-changed"],
  },
  {
    ...dev,
    name: "table-expires-by-other",
    how: "DynamoDB expires items of the parking lot by parkedAt",
    edit: set(TABLE, "parking-lot_table", { ttl: { attribute_name: "parkedAt", enabled: true } }),
    rules: { "table-expiry-changed": "critical" },
  },
  {
    ...dev,
    name: "table-index-wider",
    how: "the index of parked groups holds whole items",
    edit: (document) => {
      const text = JSON.stringify(document.resource[TABLE]).replaceAll("KEYS_ONLY", "ALL");
      document.resource[TABLE] = JSON.parse(text);
    },
    rules: { "table-index-changed": "medium" },
  },
  {
    ...dev,
    name: "recovery-off",
    how: "point-in-time recovery of the parking lot switched off",
    edit: set(TABLE, "parking-lot_table", { point_in_time_recovery: { enabled: false } }),
    rules: { "recovery-off": "high" },
  },
  {
    ...prod,
    name: "protection-off",
    how: "protect: false",
    configure: (base) => ({ ...base, protect: false }),
    rules: { "recovery-off": "medium" },
  },
  {
    ...dev,
    name: "protection-on",
    how: "protect: true",
    configure: (base) => ({ ...base, protect: true }),
    rules: {},
    nearMissOf: ["recovery-off", "table-lost"],
  },
  {
    ...dev,
    name: "table-encrypted-by-aws",
    how: "server_side_encryption of the parking lot switched off, which leaves it to a key of AWS's own",
    edit: set(TABLE, "parking-lot_table", { server_side_encryption: { enabled: false } }),
    rules: { "encryption-off": "medium" },
  },
  {
    ...dev,
    name: "plain-http-allowed",
    how: "the policy of queue-1 that refuses plain HTTP taken out of what was emitted",
    edit: without(`${POLICY}.queue-1_transport`),
    rules: { "refusal-dropped": "medium" },
  },
  {
    ...dev,
    name: "plain-http-refused-anew",
    how: "the same refusal in the policy of queue-1 under another Sid, and of one more action",
    edit: rewriteJson(POLICY, "queue-1_transport", "policy", (policy) => ({
      ...policy,
      Statement: (policy["Statement"] ?? []).map((statement) => ({
        ...Object(statement),
        Sid: "EncryptedOnly",
        Action: ["sqs:*", "sqs:SendMessage"],
      })),
    })),
    rules: {},
    nearMissOf: ["refusal-dropped", "refusal-gained", "wildcard-gained", "public-principal"],
  },
  {
    ...dev,
    name: "queue-public",
    how: "the policy of queue-1 lets everyone send",
    edit: alsoAllow({ Principal: { AWS: ["*"] }, Action: ["sqs:SendMessage"] }),
    rules: { "public-principal": "high" },
  },
  {
    ...dev,
    name: "queue-public-on-condition",
    how: "the policy of queue-1 lets everyone send who comes from one topic",
    edit: alsoAllow({
      Principal: "*",
      Action: "sqs:SendMessage",
      Condition: { ArnEquals: { "aws:SourceArn": "arn:aws:sns:ap-northeast-2:123456789012:orders" } },
    }),
    rules: { "public-principal": "medium" },
  },
  {
    ...dev,
    name: "queue-shared",
    how: "the policy of queue-1 lets one role send",
    edit: alsoAllow({ Principal: { AWS: "arn:aws:iam::123456789012:role/orders" }, Action: "sqs:SendMessage" }),
    rules: {},
    nearMissOf: ["public-principal", "wildcard-gained", "refusal-dropped", "foreign-account"],
  },
  {
    ...dev,
    name: "queue-shared-abroad",
    how: "the policy of queue-1 lets a role of another account send",
    edit: alsoAllow({ Principal: { AWS: "arn:aws:iam::210987654321:role/orders" }, Action: "sqs:SendMessage" }),
    rules: { "foreign-account": "medium" },
  },
  {
    ...dev,
    name: "queue-public-in-effect",
    how: "the policy of queue-1 lets everyone send whose address is anywhere, and whose agent is named like a limit",
    edit: alsoAllow({
      Principal: "*",
      Action: "sqs:SendMessage",
      Condition: {
        IpAddress: { "aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"] },
        StringEquals: { "aws:UserAgent": "aws:SourceArn" },
      },
    }),
    rules: { "public-principal": "high" },
  },
  {
    ...dev,
    name: "everything-destroyed",
    how: "terraform plan -destroy",
    options: ["-destroy"],
    rules: { "queue-lost": "critical", "table-lost": "critical" },
  },
  {
    ...prod,
    name: "plan-unfinished",
    how: "another name of queue-1 in SQS while protect is on, so that planning ends in an error",
    edit: set(QUEUE, "queue-1_queue", { name: "prod-orders.fifo" }),
    rules: { "plan-unfinished": "high", "queue-lost": "critical" },
  },
  {
    ...prod,
    name: "protected-queue-removed",
    how: "queue-2 taken out of main.ts while protect is on: what is no longer in the configuration has no prevent_destroy either",
    configure: (base) => ({ ...base, queues: base.queues.slice(0, 1) }),
    rules: { "queue-lost": "critical" },
    nearMissOf: ["plan-unfinished", "refusal-dropped"],
  },
  {
    ...dev,
    name: "plan-of-a-part",
    how: "terraform plan -target of the parking lot, with retention of queue-1 shortened",
    configure: (base) => withQueue(base, { retentionSeconds: 345_600 }),
    options: [`-target=${TABLE}.parking-lot_table`],
    rules: { "plan-unfinished": "low" },
    nearMissOf: ["retention-shortened"],
  },
  {
    ...dev,
    name: "queue-tuned-by-hand",
    how: "somebody set the visibility timeout of queue-1 to 60 s past Terraform; the plan puts it back",
    outside: {
      act: (aws) => setAttribute(aws, "dev-queue-1.fifo", "VisibilityTimeout", "60"),
      undo: (aws) => setAttribute(aws, "dev-queue-1.fifo", "VisibilityTimeout", "720"),
    },
    rules: { "visibility-changed": "medium" },
  },
  {
    ...dev,
    name: "strict-queue-redriven-by-hand",
    how: "somebody gave queue-2, which parks, a redrive policy past Terraform; the plan leaves it",
    outside: {
      act: (aws) =>
        setAttribute(
          aws,
          "dev-queue-2.fifo",
          "RedrivePolicy",
          '{"deadLetterTargetArn":"arn:aws:sqs:ap-northeast-2:123456789012:dev-queue-2-dead-letter.fifo","maxReceiveCount":3}',
        ),
      undo: (aws) => setAttribute(aws, "dev-queue-2.fifo", "RedrivePolicy", ""),
    },
    rules: { "redrive-changed": "critical" },
  },
  {
    ...dev,
    name: "queue-tagged-by-hand",
    how: "somebody tagged queue-1 past Terraform",
    outside: {
      act: (aws) => tag(aws, "TagQueue", { "Tag.1.Key": "Owner", "Tag.1.Value": "ops" }),
      undo: (aws) => tag(aws, "UntagQueue", { "TagKey.1": "Owner" }),
    },
    rules: { drift: "low" },
  },
];

type Base = Parameters<NonNullable<Scenario["configure"]>>[0];

/** The deployment with other settings of queue-1. */
function withQueue(base: Base, values: Readonly<Partial<Base["queues"][number]>>): Base {
  return { ...base, queues: base.queues.map((queue, at) => (at === 0 ? { ...queue, ...values } : queue)) };
}

type Aws = Parameters<NonNullable<Scenario["outside"]>["act"]>[0];

async function setAttribute(aws: Aws, queue: string, name: string, value: string): Promise<void> {
  const resource = `arn:aws:sqs:ap-northeast-2:123456789012:${queue}`;
  const refusal = {
    Sid: "RefusePlainHttp",
    Effect: "Deny",
    Principal: "*",
    Action: "sqs:*",
    Resource: resource,
    Condition: { Bool: { "aws:SecureTransport": "false" } },
  };
  await aws("sqs", "SetQueueAttributes", {
    QueueUrl: url(queue),
    "Attribute.1.Name": name,
    "Attribute.1.Value": value,
    // moto takes a set of some attributes for a reset of the policy.
    "Attribute.2.Name": "Policy",
    "Attribute.2.Value": JSON.stringify({ Version: "2012-10-17", Statement: [refusal] }),
  });
}

async function tag(aws: Aws, action: string, parameters: Readonly<Record<string, string>>): Promise<void> {
  await aws("sqs", action, { QueueUrl: url("dev-queue-1.fifo"), ...parameters });
}

/** An address, of which SQS reads the path alone. */
function url(queue: string): string {
  return `https://sqs.ap-northeast-2.amazonaws.com/123456789012/${queue}`;
}
