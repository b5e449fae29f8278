import type { QueueMessage } from "../message.ts";
import { IDEMPOTENCY_KEY_ATTRIBUTE } from "../message.ts";
import type { QueueSettings } from "./environment.ts";

/** Why a message goes to the failure policy. */
export type RefusalReason = "rejected" | "attempts-exhausted" | "no-envelope" | "expired";

/** A message that will not be delivered any more. */
export interface Refusal {
  readonly message: QueueMessage;
  readonly idempotencyKey: string;
  readonly reason: RefusalReason;
  /** In our words, never the backend's. */
  readonly detail: string;
  readonly httpStatus?: number;
}

/** Takes what the backend refused. Once `take` resolves, the message may leave the queue. */
export interface FailurePolicy {
  /** The word for it in `message.settled`. */
  readonly outcome: "dead-lettered";
  /** @throws whatever kept the message from being taken; it then stays in the queue */
  take(queue: QueueSettings, refusal: Refusal): Promise<void>;
}

/** A message for another queue. */
export interface OutgoingMessage {
  readonly body: string;
  readonly groupId: string;
  readonly deduplicationId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * The policy `dead-letter`: the message goes to the queue's dead-letter queue, and the group goes on.
 *
 * The copy keeps body and group. Its deduplication id is the message's id, so that a crash between this send and the delete
 * adds no second copy when the next try comes within SQS's five minutes. `idempotency-key`, `reason`, `detail`, `http-status`,
 * `original-message-id` and `original-sequence-number` are message attributes.
 *
 * @param send resolves when the queue has acknowledged the message
 * @example deadLetter((url, message) => queue.send(url, message))
 */
export function deadLetter(send: (queueUrl: string, message: OutgoingMessage) => Promise<void>): FailurePolicy {
  return {
    outcome: "dead-lettered",
    take: (queue, { message, idempotencyKey, reason, detail, httpStatus }) =>
      send(queue.deadLetterUrl, {
        body: message.body,
        groupId: message.groupId,
        deduplicationId: message.messageId,
        attributes: {
          reason,
          detail,
          ...(httpStatus === undefined ? {} : { "http-status": String(httpStatus) }),
          "original-message-id": message.messageId,
          "original-sequence-number": message.sequenceNumber,
          [IDEMPOTENCY_KEY_ATTRIBUTE]: idempotencyKey,
        },
      }),
  };
}
