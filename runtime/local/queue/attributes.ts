import { z } from "zod";
import { SQS_MAX_MESSAGE_BYTES } from "../../../sdk/client/src/contract.ts";
import { SqsError } from "./errors.ts";
import { MAX_VISIBILITY_SECONDS, MAX_WAIT_SECONDS } from "./limits.ts";

/** Where a queue's rejected messages go. */
export interface RedrivePolicy {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

/** Which queues may dead-letter into this one. */
export interface RedriveAllowPolicy {
  readonly redrivePermission: "allowAll" | "denyAll" | "byQueue";
  readonly sourceQueueArns: readonly string[];
}

/** A queue's settings, parsed. Seconds and bytes, as SQS has them. */
export interface QueueSettings {
  readonly delaySeconds: number;
  readonly maximumMessageBytes: number;
  readonly retentionSeconds: number;
  readonly waitSeconds: number;
  readonly visibilitySeconds: number;
  readonly contentBasedDeduplication: boolean;
  readonly deduplicationPerGroup: boolean;
  readonly redrive: RedrivePolicy | undefined;
  readonly redriveAllow: RedriveAllowPolicy | undefined;
}

const invalidValue = (name: string, reason: string): SqsError =>
  new SqsError("InvalidAttributeValue", `Invalid value for the parameter ${name}. Reason: ${reason}`);

type Parse = (name: string, value: string) => string;

const whole =
  (least: number, most: number): Parse =>
  (name, value) => {
    if (!/^\d{1,9}$/.test(value) || Number(value) < least || Number(value) > most) {
      throw invalidValue(name, `"${value}" is not a whole number from ${least} to ${most}.`);
    }
    return String(Number(value));
  };

const oneOf =
  (...allowed: readonly string[]): Parse =>
  (name, value) => {
    if (!allowed.includes(value)) throw invalidValue(name, `"${value}" is none of ${allowed.join(", ")}.`);
    return value;
  };

const json =
  (schema: z.ZodType, expected: string): Parse =>
  (name, value) => {
    if (value === "") return "";
    const parsed = schema.safeParse(parseJson(value));
    if (!parsed.success) throw invalidValue(name, `"${value}" is not ${expected}.`);
    return JSON.stringify(parsed.data);
  };

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

const queueArn = z.string().regex(/^arn:[^:]+:sqs:[^:]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?$/);
const redrivePolicy = z.object({
  deadLetterTargetArn: queueArn,
  maxReceiveCount: z.coerce.number().int().min(1).max(1000),
});
const redriveAllowPolicy = z.discriminatedUnion("redrivePermission", [
  z.object({ redrivePermission: z.enum(["allowAll", "denyAll"]), sourceQueueArns: z.undefined().optional() }),
  z.object({ redrivePermission: z.literal("byQueue"), sourceQueueArns: z.array(queueArn).min(1).max(10) }),
]);

/** Every attribute that can be set, with its rule and its default (API reference, `SetQueueAttributes`). */
const SETTABLE: Readonly<Record<string, { readonly parse: Parse; readonly initial?: string }>> = {
  DelaySeconds: { parse: whole(0, 900), initial: "0" },
  MaximumMessageSize: { parse: whole(1_024, SQS_MAX_MESSAGE_BYTES), initial: String(SQS_MAX_MESSAGE_BYTES) },
  MessageRetentionPeriod: { parse: whole(60, 1_209_600), initial: "345600" },
  ReceiveMessageWaitTimeSeconds: { parse: whole(0, MAX_WAIT_SECONDS), initial: "0" },
  VisibilityTimeout: { parse: whole(0, MAX_VISIBILITY_SECONDS), initial: "30" },
  FifoQueue: { parse: oneOf("true"), initial: "true" },
  ContentBasedDeduplication: { parse: oneOf("true", "false"), initial: "false" },
  DeduplicationScope: { parse: oneOf("queue", "messageGroup"), initial: "queue" },
  FifoThroughputLimit: { parse: oneOf("perQueue", "perMessageGroupId"), initial: "perQueue" },
  SqsManagedSseEnabled: { parse: oneOf("true", "false"), initial: "true" },
  KmsMasterKeyId: { parse: (_name, value) => value },
  KmsDataKeyReusePeriodSeconds: { parse: whole(60, 86_400), initial: "300" },
  Policy: { parse: json(z.looseObject({}), "a JSON policy") },
  RedrivePolicy: {
    parse: json(redrivePolicy, 'JSON with "deadLetterTargetArn" (a queue\'s ARN) and "maxReceiveCount" (1 to 1000)'),
  },
  RedriveAllowPolicy: {
    parse: json(
      redriveAllowPolicy,
      'JSON with "redrivePermission" (allowAll, denyAll or byQueue) and, for byQueue alone, one to ten "sourceQueueArns"',
    ),
  },
};

/** Attributes that only the service computes. */
export const COMPUTED_ATTRIBUTES = [
  "ApproximateNumberOfMessages",
  "ApproximateNumberOfMessagesDelayed",
  "ApproximateNumberOfMessagesNotVisible",
  "CreatedTimestamp",
  "LastModifiedTimestamp",
  "QueueArn",
] as const;

/** The attributes of a new queue before any is set. */
export const initialAttributes = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(SETTABLE).flatMap(([name, { initial }]) => (initial === undefined ? [] : [[name, initial]])),
  );

/**
 * Checks attributes to be set and writes each in one form, so that two of the same meaning are the same text.
 *
 * @throws SqsError `InvalidAttributeName` or `InvalidAttributeValue`, naming the attribute and what it takes
 */
export function parseAttributes(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => {
      const rule = Object.hasOwn(SETTABLE, name) ? SETTABLE[name] : undefined;
      if (rule === undefined) throw new SqsError("InvalidAttributeName", `Unknown Attribute ${name}.`);
      return [name, rule.parse(name, value)];
    }),
  );
}

/** Applies parsed attributes; an empty text takes one away. Checks the rule between two of them. */
export function mergeAttributes(
  current: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string>>,
): Record<string, string> {
  const merged = { ...current, ...changes };
  for (const [name, value] of Object.entries(merged)) if (value === "") delete merged[name];
  if (merged.FifoThroughputLimit === "perMessageGroupId" && merged.DeduplicationScope !== "messageGroup") {
    throw invalidValue("FifoThroughputLimit", "perMessageGroupId needs DeduplicationScope messageGroup.");
  }
  return merged;
}

/**
 * Refuses attribute names that GetQueueAttributes does not know.
 *
 * @throws SqsError `InvalidAttributeName`
 */
export function checkAttributeNames(names: readonly string[]): void {
  for (const name of names) {
    if (name === "All" || Object.hasOwn(SETTABLE, name) || COMPUTED_ATTRIBUTES.some((known) => known === name))
      continue;
    throw new SqsError("InvalidAttributeName", `Unknown Attribute ${name}.`);
  }
}

const settings = z.object({
  DelaySeconds: z.coerce.number(),
  MaximumMessageSize: z.coerce.number(),
  MessageRetentionPeriod: z.coerce.number(),
  ReceiveMessageWaitTimeSeconds: z.coerce.number(),
  VisibilityTimeout: z.coerce.number(),
  ContentBasedDeduplication: z.string(),
  DeduplicationScope: z.string(),
  RedrivePolicy: z.string().transform(parseJson).pipe(redrivePolicy).optional(),
  RedriveAllowPolicy: z.string().transform(parseJson).pipe(redriveAllowPolicy).optional(),
});

/** What the attributes mean. */
export function readSettings(attributes: Readonly<Record<string, string>>): QueueSettings {
  const parsed = settings.parse(attributes);
  const allow = parsed.RedriveAllowPolicy;
  return {
    delaySeconds: parsed.DelaySeconds,
    maximumMessageBytes: parsed.MaximumMessageSize,
    retentionSeconds: parsed.MessageRetentionPeriod,
    waitSeconds: parsed.ReceiveMessageWaitTimeSeconds,
    visibilitySeconds: parsed.VisibilityTimeout,
    contentBasedDeduplication: parsed.ContentBasedDeduplication === "true",
    deduplicationPerGroup: parsed.DeduplicationScope === "messageGroup",
    redrive: parsed.RedrivePolicy,
    redriveAllow: allow && { redrivePermission: allow.redrivePermission, sourceQueueArns: allow.sourceQueueArns ?? [] },
  };
}

/** Whether a dead-letter queue takes messages of that source. */
export function allowsRedrive(policy: RedriveAllowPolicy | undefined, sourceArn: string): boolean {
  if (policy === undefined || policy.redrivePermission === "allowAll") return true;
  return policy.redrivePermission === "byQueue" && policy.sourceQueueArns.includes(sourceArn);
}
