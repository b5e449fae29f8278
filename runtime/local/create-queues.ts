import { z } from "zod";
import { initialAttributes } from "./queue/attributes.ts";
import type { QueueEngine } from "./queue/engine.ts";
import type { EmittedResource } from "./terraform/model.ts";

const flag = z.boolean().transform(String);
const count = z.int().transform(String);

/** Arguments of `aws_sqs_queue`, in the order of their attributes in SQS. Strict: another one is an error that names it. */
const queueSchema = z.strictObject({
  name: z.string(),
  fifo_queue: z.literal(true).transform(String),
  content_based_deduplication: flag.optional(),
  deduplication_scope: z.string().optional(),
  fifo_throughput_limit: z.string().optional(),
  delay_seconds: count.optional(),
  max_message_size: count.optional(),
  message_retention_seconds: count.optional(),
  receive_wait_time_seconds: count.optional(),
  visibility_timeout_seconds: count.optional(),
  sqs_managed_sse_enabled: flag.optional(),
  kms_master_key_id: z.string().optional(),
  kms_data_key_reuse_period_seconds: count.optional(),
  id: z.string(),
  url: z.string(),
  arn: z.string(),
});
const redriveSchema = z.strictObject({ queue_url: z.string(), redrive_policy: z.string(), id: z.string() });
const redriveAllowSchema = z.strictObject({ queue_url: z.string(), redrive_allow_policy: z.string(), id: z.string() });

/** What a queue of an earlier start may have besides, and an emitted one has not unless it says so. */
const UNSET = { Policy: "", KmsMasterKeyId: "", RedriveAllowPolicy: "", RedrivePolicy: "" };

/**
 * Creates the emitted `aws_sqs_queue`s, or brings those that exist to exactly the emitted attributes, SQS's defaults where
 * nothing is emitted; their messages stay.
 *
 * @throws Error that names the queue's address and argument; SqsError for a value that SQS refuses
 * @example createQueues(engine, resources);
 */
export function createQueues(engine: QueueEngine, resources: readonly EmittedResource[]): void {
  const queues = resources
    .filter(({ type }) => type === "aws_sqs_queue")
    .map((resource) => parse(queueSchema, resource));
  const names = new Map(queues.map(({ url, name }) => [url, name]));
  // A redrive policy is refused until its dead-letter queue exists and allows it: so queues, then allowances, then policies.
  // The policies of an earlier start go first: they name ARNs of its region.
  for (const queue of queues) {
    const attributes = { ...UNSET, ...initialAttributes(), ...toAttributes(queue) };
    if (engine.hasQueue(queue.name)) engine.setQueueAttributes(queue.name, attributes);
    else engine.createQueue(queue.name, { FifoQueue: queue.fifo_queue, ...attributes });
  }
  const nameOf = ({ address }: EmittedResource, url: string) => {
    const name = names.get(url);
    if (name === undefined) throw new Error(`${address}: queue_url is ${url}, which is no queue here`);
    return name;
  };
  for (const resource of resources.filter(({ type }) => type === "aws_sqs_queue_redrive_allow_policy")) {
    const allow = parse(redriveAllowSchema, resource);
    engine.setQueueAttributes(nameOf(resource, allow.queue_url), { RedriveAllowPolicy: allow.redrive_allow_policy });
  }
  for (const resource of resources.filter(({ type }) => type === "aws_sqs_queue_redrive_policy")) {
    const redrive = parse(redriveSchema, resource);
    engine.setQueueAttributes(nameOf(resource, redrive.queue_url), { RedrivePolicy: redrive.redrive_policy });
  }
}

function toAttributes(queue: z.output<typeof queueSchema>): Record<string, string> {
  return Object.fromEntries(
    Object.entries({
      ContentBasedDeduplication: queue.content_based_deduplication,
      DeduplicationScope: queue.deduplication_scope,
      FifoThroughputLimit: queue.fifo_throughput_limit,
      DelaySeconds: queue.delay_seconds,
      MaximumMessageSize: queue.max_message_size,
      MessageRetentionPeriod: queue.message_retention_seconds,
      ReceiveMessageWaitTimeSeconds: queue.receive_wait_time_seconds,
      VisibilityTimeout: queue.visibility_timeout_seconds,
      // A key of the account's own takes the place of SQS's (SQS API reference, "SetQueueAttributes").
      SqsManagedSseEnabled: queue.kms_master_key_id === undefined ? queue.sqs_managed_sse_enabled : "false",
      KmsMasterKeyId: queue.kms_master_key_id,
      KmsDataKeyReusePeriodSeconds: queue.kms_data_key_reuse_period_seconds,
    }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function parse<Schema extends z.ZodType>(schema: Schema, resource: EmittedResource): z.output<Schema> {
  const parsed = schema.safeParse(resource.values);
  if (!parsed.success) throw new Error(`${resource.address}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
