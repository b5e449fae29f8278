import { COPY_ATTRIBUTES, type OutgoingMessage, type QueueMessage } from "../message.ts";
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

/**
 * The policy `dead-letter`: the message goes to the queue's dead-letter queue, and the group goes on.
 *
 * The copy keeps body and group, and has {@link COPY_ATTRIBUTES}. Its deduplication id is the message's id: a try that follows
 * within SQS's five minutes, as when the acknowledgement was lost, adds no second copy. After a crash between this send and the
 * message's delete, the next try comes with the queue's visibility timeout. That is 360 s by default, so there is a second copy
 * then, with the same attributes but perhaps for another reason. It is what the delivery guarantee allows: twice, never lost.
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
          [COPY_ATTRIBUTES.reason]: reason,
          [COPY_ATTRIBUTES.detail]: detail,
          ...(httpStatus === undefined ? {} : { [COPY_ATTRIBUTES.httpStatus]: String(httpStatus) }),
          [COPY_ATTRIBUTES.originalMessageId]: message.messageId,
          [COPY_ATTRIBUTES.originalSequenceNumber]: message.sequenceNumber,
          [COPY_ATTRIBUTES.idempotencyKey]: idempotencyKey,
        },
      }),
  };
}
