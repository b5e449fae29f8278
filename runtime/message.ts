import { createHash } from "node:crypto";
import {
  ENVELOPE_PREFIX,
  ENVELOPE_SUFFIX,
  GROUP_ID_FIELD,
  IDEMPOTENCY_KEY_HEADER,
} from "../sdk/client/src/contract.ts";

/** A message as the queue handed it to the consumer. */
export interface QueueMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  /** What the backend gets, byte for byte. Never log it. */
  readonly body: string;
  readonly groupId: string;
  /** 20 digits, ascending within a queue's group: a string always, since a number would lose its last ones. */
  readonly sequenceNumber: string;
  readonly deduplicationId: string;
  /** Milliseconds since the epoch. */
  readonly sentAt: number;
  /** Deliveries of this message by SQS, this one included: a receive is not an attempt. */
  readonly receiveCount: number;
  /** String attributes of the message. The gateway cannot set any: redriven copies have them, and control messages. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** A message for a queue. */
export interface OutgoingMessage {
  readonly body: string;
  readonly groupId: string;
  readonly deduplicationId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * Message attributes as SQS takes them, all of them texts.
 *
 * @example messageAttributes({ control: "replay" }) // { control: { DataType: "String", StringValue: "replay" } }
 */
export function messageAttributes(texts: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(texts).map(([name, StringValue]) => [name, { DataType: TEXT_ATTRIBUTE, StringValue }]),
  );
}

/** SQS's name for the type of a text. */
export const TEXT_ATTRIBUTE = "String";

/** Message attributes of a dead-lettered copy, and of what is redriven from it. All of them are strings. */
export const COPY_ATTRIBUTES = {
  /** The message's first idempotency key, which its copies keep. */
  idempotencyKey: IDEMPOTENCY_KEY_HEADER,
  /** Why it was dead-lettered, in one word and in a few. */
  reason: "reason",
  detail: "detail",
  /** Of the backend's answer, when there was one. */
  httpStatus: "http-status",
  /** The MessageId and the sequence number that it had in its queue: the copy has new ones. */
  originalMessageId: "original-message-id",
  originalSequenceNumber: "original-sequence-number",
} as const;

/** `{"data": <payload>}`, with the payload's group id checked against the queue's. */
export interface Envelope {
  readonly data: Readonly<Record<string, unknown>>;
}

/** Why a queue body is no envelope; the words go to logs and to the dead-letter queue, so they hold nothing of the body. */
export type EnvelopeFault = "not-json" | "not-an-envelope" | "group-mismatch";

/**
 * Reads a queue message's body. It is a check: what goes to the backend is the body itself, never a re-serialisation of
 * what comes out here, so repeated keys and numbers beyond 2^53 keep their bytes.
 *
 * @returns the envelope, or the reason why the body is none. Of a repeated key the last one counts, as in `JSON.parse`.
 * @example parseEnvelope('{"data":{"MessageGroupID":"10"}}', "10") // { envelope: { data: { MessageGroupID: "10" } } }
 */
export function parseEnvelope(
  body: string,
  groupId: string,
): { readonly envelope: Envelope } | { readonly fault: EnvelopeFault } {
  const enveloped = body.startsWith(ENVELOPE_PREFIX) && body.endsWith(ENVELOPE_SUFFIX);
  // Not the whole is parsed: `{"data":1,"data":{...}}` is JSON too, and readers differ in which of the two they take.
  const data = enveloped ? parse(body.slice(ENVELOPE_PREFIX.length, -ENVELOPE_SUFFIX.length)) : undefined;
  if (!isObject(data)) return { fault: parse(body) === undefined ? "not-json" : "not-an-envelope" };
  if (!Object.hasOwn(data, GROUP_ID_FIELD) || data[GROUP_ID_FIELD] !== groupId) return { fault: "group-mismatch" };
  return { envelope: { data } };
}

/**
 * The key under which the backend can tell a second delivery from a new message. Every delivery and every copy of a
 * message has the same one, and two messages never share it:
 * - a copy that came back from the dead-letter queue carries its first key as an attribute;
 * - `<queue>/<group>/<id>` when the producer gave an id (`%` and `/` of the group are percent-encoded, since
 *   group `a/b` with id `c` and group `a` with id `b/c` are two messages);
 * - the message's id otherwise. The producer gave none when the deduplication id is the body's SHA-256, which is what SQS
 *   puts there by content-based deduplication.
 *
 * @example idempotencyKey("queue-1", message) // "queue-1/10/order-4711"
 */
export function idempotencyKey(
  queue: string,
  message: Pick<QueueMessage, "attributes" | "body" | "deduplicationId" | "groupId" | "messageId">,
): string {
  const carried = message.attributes[COPY_ATTRIBUTES.idempotencyKey];
  // It becomes a header; what could not be one was not written by the consumer.
  if (carried !== undefined && /^[!-~]+$/.test(carried)) return carried;
  if (message.deduplicationId === createHash("sha256").update(message.body).digest("hex")) return message.messageId;
  const group = message.groupId.replaceAll("%", "%25").replaceAll("/", "%2F");
  return `${queue}/${group}/${message.deduplicationId}`;
}

/** @returns undefined when the text is no JSON */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
