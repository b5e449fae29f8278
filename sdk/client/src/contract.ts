/**
 * The wire contract between producers, the gateway, the queue and the consumer.
 *
 * The client, the gateway's models and templates, the consumer and the tests all take these values from here, so that
 * none of them can drift from the others.
 */

/** Largest message SQS takes, in bytes, and also the largest sum of a batch (SQS quota "Message size": 1 MiB). */
export const SQS_MAX_MESSAGE_BYTES = 1_048_576;

/** Kept free for what a dead-lettered copy carries besides its body (reason, original ids), in bytes. */
export const DEAD_LETTER_ATTRIBUTE_BYTES = 4_096;

/** Largest message in a queue, envelope included, in bytes: the queue's `max_message_size`. */
export const MAX_MESSAGE_BYTES = SQS_MAX_MESSAGE_BYTES - DEAD_LETTER_ATTRIBUTE_BYTES;

/** What stands before the producer's body in the queue's message. */
export const ENVELOPE_PREFIX = '{"data":';

/** What stands behind it. */
export const ENVELOPE_SUFFIX = "}";

/** Largest body of a single send, in bytes of UTF-8. */
export const MAX_BODY_BYTES = MAX_MESSAGE_BYTES - ENVELOPE_PREFIX.length - ENVELOPE_SUFFIX.length;

/** Most entries of one batch request (SQS `SendMessageBatch`). */
export const MAX_BATCH_ENTRIES = 10;

/** What the gateway's path takes as a queue: 1 to 75 letters, digits, "-" or "_" (SQS: 80 characters, `.fifo` among them). */
export const QUEUE_PATTERN = "^[A-Za-z0-9_-]{1,75}$";

/** The payload's field that holds the group id. */
export const GROUP_ID_FIELD = "MessageGroupID";

/**
 * A group id: 1 to 128 ASCII letters, digits and punctuation (SQS `MessageGroupId`). Space and everything outside
 * `!`..`~` is refused.
 */
export const GROUP_ID_PATTERN = "^[!-~]{1,128}$";

/** A deduplication id, sent as the `idempotency-key` header: the same characters and length (SQS `MessageDeduplicationId`). */
export const DEDUPLICATION_ID_PATTERN = "^[!-~]{1,128}$";

/** A batch entry's id: 1 to 80 letters, digits, hyphens and underscores (SQS `BatchEntryId`). */
export const BATCH_ENTRY_ID_PATTERN = "^[A-Za-z0-9_-]{1,80}$";

/** Request header of the producer's API key. */
export const API_KEY_HEADER = "x-api-key";

/** Request header of the deduplication id; to the backend, the header that stays the same over redeliveries. */
export const IDEMPOTENCY_KEY_HEADER = "idempotency-key";

/** Request header of the W3C trace context; passed on by the client, when the producer has one. */
export const TRACEPARENT_HEADER = "traceparent";

/** Headers that the consumer sends to the backend besides {@link IDEMPOTENCY_KEY_HEADER}. */
export const DELIVERY_HEADERS = {
  messageId: "x-message-id",
  groupId: "x-message-group-id",
  sequenceNumber: "x-message-sequence-number",
  attempt: "x-message-attempt",
} as const;

/** SQS forgets a deduplication id this long after the first send, in milliseconds (five minutes). */
export const DEDUPLICATION_WINDOW_MILLISECONDS = 300_000;

/** The gateway waits this long for the queue's answer, in milliseconds: a timed-out request can land until then (REST API default quota, 29 s; 30 s with a margin). */
export const GATEWAY_TIMEOUT_MILLISECONDS = 30_000;

/** `code` of every answer other than 200, with the status each comes with. */
export const ERROR_STATUS = {
  INVALID_BODY: 400,
  INVALID_PARAMETER: 400,
  INVALID_REQUEST: 400,
  MESSAGE_REFUSED: 400,
  FORBIDDEN: 403,
  ROUTE_NOT_FOUND: 404,
  MESSAGE_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  THROTTLED: 429,
  QUOTA_EXCEEDED: 429,
  GATEWAY_ERROR: 500,
  QUEUE_ERROR: 502,
  GATEWAY_UNAVAILABLE: 503,
  QUEUE_TIMEOUT: 504,
} as const;

/** One of the gateway's error codes. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** Body of every answer other than 200. */
export interface ErrorBody {
  readonly message: string;
  readonly code: ErrorCode;
  readonly requestId: string;
}

/** Body of a 200 to `POST {endpoint}/{queue}`. */
export interface SendAnswer {
  readonly messageId: string;
  readonly sequenceNumber: string;
}

/** One entry of `POST {endpoint}/{queue}/batch`. `body` is the JSON text that a single send would have as its body. */
export interface BatchEntry {
  readonly id: string;
  readonly groupId: string;
  readonly idempotencyKey?: string;
  readonly body: string;
}

/** Body of a 200 to `POST {endpoint}/{queue}/batch`. */
export interface BatchAnswer {
  readonly successful: readonly { readonly id: string; readonly messageId: string; readonly sequenceNumber: string }[];
  readonly failed: readonly {
    readonly id: string;
    readonly code: string;
    readonly message: string;
    readonly senderFault: boolean;
  }[];
}
