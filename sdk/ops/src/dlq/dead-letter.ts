import { Buffer } from "node:buffer";
import type { Message } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { COPY_ATTRIBUTES } from "../../../../runtime/message.ts";
import { CONTROL_ATTRIBUTES } from "../../../../runtime/parking-lot/control.ts";

/** A message in a dead-letter queue, without its body. */
export interface DeadLetter {
  /** In the dead-letter queue: what `show`, `redrive` and `discard` take. */
  readonly messageId: string;
  readonly groupId: string;
  /** In the dead-letter queue, 20 digits: its place behind the others of its group. */
  readonly sequenceNumber: string;
  /** In the queue that it was dead-lettered from. */
  readonly originalMessageId: string;
  /** In the queue that it was dead-lettered from; missing when SQS moved it, which gives it a new one. */
  readonly originalSequenceNumber?: string;
  /** The consumer's word for it, `max-receive-count` when SQS moved it, `unknown` when somebody else put it there. */
  readonly reason: string;
  /** In the consumer's words. */
  readonly detail?: string;
  /** Of the backend's last answer, when there was one. */
  readonly httpStatus?: number;
  /** ISO 8601, in UTC. */
  readonly deadLetteredAt: string;
  /** Of the body, in bytes of UTF-8. */
  readonly bytes: number;
  /** Under which the backend gets it once it is redriven. */
  readonly idempotencyKey: string;
  /** The verb of a control message. It is never redriven: it would be carried out at another place of its group's order. */
  readonly control?: string;
}

/** A message as this process received it: hidden from others, and its group locked, until it is given back or deleted. */
export interface ReceivedDeadLetter extends DeadLetter {
  readonly receiptHandle: string;
  /** Never log it. */
  readonly body: string;
}

const digits = z.string().regex(/^\d+$/);
const received = z.object({
  MessageId: z.string().min(1),
  ReceiptHandle: z.string().min(1),
  Body: z.string(),
  Attributes: z.object({
    MessageGroupId: z.string().min(1),
    SequenceNumber: digits,
    SentTimestamp: digits,
    DeadLetterQueueSourceArn: z.string().optional(),
  }),
  MessageAttributes: z.record(z.string(), z.object({ StringValue: z.string().optional() })).optional(),
});

/**
 * Reads a message that was received with all of its attributes.
 *
 * @throws ZodError when it is no message of a FIFO queue; its text has field names, no values
 */
export function parseDeadLetter(message: Message): ReceivedDeadLetter {
  const { MessageId, ReceiptHandle, Body, Attributes, MessageAttributes = {} } = received.parse(message);
  const attribute = (name: string) => MessageAttributes[name]?.StringValue;
  const reason = attribute(COPY_ATTRIBUTES.reason);
  const detail = attribute(COPY_ATTRIBUTES.detail);
  const httpStatus = attribute(COPY_ATTRIBUTES.httpStatus);
  const control = attribute(CONTROL_ATTRIBUTES.verb);
  // SQS keeps the MessageId and the attributes of what it moves. So without a reason the attributes, if there are any, tell
  // of an earlier dead-lettering, and the message's own id is the one that it had in its queue.
  const originalMessageId =
    reason === undefined ? MessageId : (attribute(COPY_ATTRIBUTES.originalMessageId) ?? MessageId);
  const originalSequenceNumber = reason === undefined ? undefined : attribute(COPY_ATTRIBUTES.originalSequenceNumber);
  return {
    messageId: MessageId,
    groupId: Attributes.MessageGroupId,
    sequenceNumber: Attributes.SequenceNumber,
    originalMessageId,
    ...(originalSequenceNumber === undefined ? {} : { originalSequenceNumber }),
    reason: reason ?? (Attributes.DeadLetterQueueSourceArn === undefined ? "unknown" : "max-receive-count"),
    ...(detail === undefined ? {} : { detail }),
    ...(httpStatus === undefined ? {} : { httpStatus: Number(httpStatus) }),
    deadLetteredAt: new Date(Number(Attributes.SentTimestamp)).toISOString(),
    bytes: Buffer.byteLength(Body),
    idempotencyKey: keyOf(attribute(COPY_ATTRIBUTES.idempotencyKey), MessageId),
    ...(control === undefined ? {} : { control }),
    receiptHandle: ReceiptHandle,
    body: Body,
  };
}

/**
 * The key that a copy carries, as the consumer wrote it; else its MessageId.
 *
 * What SQS moved by itself, after too many receives, carries none. SQS keeps its MessageId, which was its key if the producer
 * gave no id of its own. If the producer gave one, that is lost: SQS replaces the deduplication id of what it moves. The
 * backend then gets the message under another key than at its earlier deliveries, and cannot tell that it is the same.
 */
function keyOf(carried: string | undefined, messageId: string): string {
  // What the consumer would not take as a key must not be sent as one.
  return carried !== undefined && /^[!-~]+$/.test(carried) ? carried : messageId;
}

/** Without receipt handle and body: what may be shown and kept in memory for thousands of them. */
export function withoutBody(message: ReceivedDeadLetter): DeadLetter {
  const { receiptHandle: _, body: __, ...deadLetter } = message;
  return deadLetter;
}
