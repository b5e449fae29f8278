import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** One message attribute; `binaryValue` in base64, as the JSON protocol has it. */
export interface MessageAttribute {
  readonly dataType: string;
  readonly stringValue?: string;
  readonly binaryValue?: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** A message to send. */
export interface OutgoingMessage {
  readonly body: string;
  /** 1 to 128 of SQS's characters. */
  readonly groupId: string;
  /** @default the SHA-256 of the body, if the queue's ContentBasedDeduplication is on */
  readonly deduplicationId?: string | undefined;
  readonly messageAttributes?: MessageAttributes | undefined;
  /** The system attribute `AWSTraceHeader`. */
  readonly traceHeader?: string | undefined;
  /** FIFO queues have a delay per queue only: anything but 0 is refused. */
  readonly delaySeconds?: number | undefined;
}

/** SQS's answer to a send; for a duplicate, the ids of the first message. */
export interface SentMessage {
  readonly messageId: string;
  readonly sequenceNumber: string;
  readonly md5OfBody: string;
  readonly md5OfMessageAttributes: string | undefined;
  readonly md5OfSystemAttributes: string | undefined;
}

/** A message as received. Times in milliseconds since 1970. */
export interface ReceivedMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly md5OfBody: string;
  readonly groupId: string;
  readonly deduplicationId: string;
  /** 20 digits; compares as text and as a number. */
  readonly sequenceNumber: string;
  readonly senderId: string;
  readonly sentAt: number;
  readonly receiveCount: number;
  readonly firstReceivedAt: number;
  readonly traceHeader: string | undefined;
  /** ARN of the queue it was dead-lettered from. */
  readonly deadLetterSourceArn: string | undefined;
  readonly messageAttributes: MessageAttributes;
}

/**
 * The system attributes under SQS's names, all as strings: what ReceiveMessage and a Lambda event's `attributes` hold.
 *
 * @example systemAttributes(message).ApproximateReceiveCount // "1"
 */
export function systemAttributes(message: ReceivedMessage): Record<string, string> {
  return {
    SenderId: message.senderId,
    SentTimestamp: String(message.sentAt),
    ApproximateReceiveCount: String(message.receiveCount),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
    SequenceNumber: message.sequenceNumber,
    MessageDeduplicationId: message.deduplicationId,
    MessageGroupId: message.groupId,
    ...(message.traceHeader === undefined ? {} : { AWSTraceHeader: message.traceHeader }),
    ...(message.deadLetterSourceArn === undefined ? {} : { DeadLetterQueueSourceArn: message.deadLetterSourceArn }),
  };
}

// Added to the file's own count, so that every sequence number has 20 digits from the first one on.
const FIRST_SEQUENCE_NUMBER = 18_000_000_000_000_000_000n;

/** The 20-digit sequence number of the file's n-th message. */
export const formatSequenceNumber = (sequence: number): string => (FIRST_SEQUENCE_NUMBER + BigInt(sequence)).toString();

/** MD5 in hex, which the SDKs compare with their own: corruption check, nothing secret. */
export const md5 = (data: string | Buffer): string => createHash("md5").update(data).digest("hex");

/** SHA-256 of the body in hex: the deduplication id of content-based deduplication. */
export const contentDeduplicationId = (body: string): string => createHash("sha256").update(body).digest("hex");

/**
 * MD5 of message attributes (SQS Developer Guide, "Calculating the MD5 message digest for message attributes"): sorted by
 * name; name, type and value each behind its length in four bytes, big-endian; 1 for a string or 2 for bytes before the value.
 *
 * @returns undefined when there are none
 */
export function md5OfAttributes(attributes: MessageAttributes | undefined): string | undefined {
  const names = Object.keys(attributes ?? {}).toSorted();
  if (attributes === undefined || names.length === 0) return undefined;
  const hash = createHash("md5");
  const update = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of names) {
    const attribute = attributes[name];
    if (attribute === undefined) continue;
    update(Buffer.from(name));
    update(Buffer.from(attribute.dataType));
    const isBinary = attribute.binaryValue !== undefined;
    hash.update(Buffer.of(isBinary ? 2 : 1));
    update(isBinary ? Buffer.from(attribute.binaryValue ?? "", "base64") : Buffer.from(attribute.stringValue ?? ""));
  }
  return hash.digest("hex");
}

/** Bytes that count against the size limits: body, and name, type and value of each message attribute. */
export function messageBytes(body: string, attributes: MessageAttributes | undefined): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, { dataType, stringValue, binaryValue }] of Object.entries(attributes ?? {})) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(dataType) + Buffer.byteLength(stringValue ?? "");
    bytes += Buffer.byteLength(binaryValue ?? "", "base64");
  }
  return bytes;
}
