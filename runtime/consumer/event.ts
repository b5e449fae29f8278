import * as z from "zod/mini";
import type { QueueMessage } from "../message.ts";

/** An event is not what an SQS event source sends. */
export class EventError extends Error {
  readonly code: "INVALID_EVENT" | "MIXED_SOURCES" | "UNKNOWN_QUEUE";
  constructor(code: EventError["code"], message: string) {
    super(message);
    this.name = "EventError";
    this.code = code;
  }
}

const digits = z.string().check(z.regex(/^\d+$/));

/** Only what the consumer reads; Lambda sends more, and may send more yet. */
const recordSchema = z.object({
  messageId: z.string().check(z.minLength(1)),
  receiptHandle: z.string().check(z.minLength(1)),
  body: z.string(),
  attributes: z.object({
    ApproximateReceiveCount: digits,
    SentTimestamp: digits,
    SequenceNumber: digits,
    MessageGroupId: z.string().check(z.minLength(1)),
    MessageDeduplicationId: z.string().check(z.minLength(1)),
  }),
  messageAttributes: z.optional(z.record(z.string(), z.object({ stringValue: z.optional(z.nullable(z.string())) }))),
  eventSourceARN: z.string().check(z.minLength(1)),
});
const eventSchema = z.object({ Records: z.array(recordSchema).check(z.minLength(1)) });

const countSchema = z.strictObject({ countParkedGroups: z.literal(true) });

/** Whether the event is the schedule's: `{"countParkedGroups":true}`. */
export function isCountRequest(event: unknown): boolean {
  return countSchema.safeParse(event).success;
}

/** A batch of one queue. */
export interface Batch {
  readonly queueArn: string;
  readonly messages: readonly QueueMessage[];
}

/**
 * Reads an event of the SQS event source mapping.
 *
 * @throws EventError `INVALID_EVENT` with the field's path, or `MIXED_SOURCES` when the records are of several queues
 * @example parseEvent(event).messages[0]?.groupId // "10"
 */
export function parseEvent(event: unknown): Batch {
  const parsed = eventSchema.safeParse(event);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new EventError("INVALID_EVENT", `event.${issue?.path.join(".")}: ${issue?.message} (not an SQS FIFO event)`);
  }
  const [queueArn, ...others] = new Set(parsed.data.Records.map((record) => record.eventSourceARN));
  if (queueArn === undefined || others.length > 0) {
    throw new EventError("MIXED_SOURCES", `records of ${[queueArn, ...others].join(", ")}; expected one event source`);
  }
  return { queueArn, messages: parsed.data.Records.map(toMessage) };
}

function toMessage(record: z.infer<typeof recordSchema>): QueueMessage {
  const { attributes } = record;
  return {
    messageId: record.messageId,
    receiptHandle: record.receiptHandle,
    body: record.body,
    groupId: attributes.MessageGroupId,
    sequenceNumber: attributes.SequenceNumber,
    deduplicationId: attributes.MessageDeduplicationId,
    sentAt: Number(attributes.SentTimestamp),
    receiveCount: Number(attributes.ApproximateReceiveCount),
    attributes: Object.fromEntries(
      Object.entries(record.messageAttributes ?? {}).flatMap(([name, { stringValue }]) =>
        typeof stringValue === "string" ? [[name, stringValue]] : [],
      ),
    ),
  };
}
