import { COPY_ATTRIBUTES, type OutgoingMessage, type QueueMessage } from "../message.ts";
import type { Failure, ParkedMessage } from "../parking-lot/parked-message.ts";
import type { QueueSettings } from "./environment.ts";

/** A message that will not be delivered any more, unless a person wants it. */
export interface Refusal {
  readonly message: QueueMessage;
  readonly idempotencyKey: string;
  readonly failure: Failure;
}

/** Takes what was refused. Once it resolves, the message may leave the queue; whatever it throws keeps the message there. */
export type DeadLetter = (
  queue: QueueSettings & { readonly failurePolicy: "dead-letter" },
  refusal: Refusal,
) => Promise<void>;

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
export function deadLetter(send: (queueUrl: string, message: OutgoingMessage) => Promise<void>): DeadLetter {
  return (queue, { message, idempotencyKey, failure: { reason, detail, httpStatus } }) =>
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
    });
}

/**
 * A refused message as the policy `park` stores it, or one that is parked behind it.
 *
 * @param now milliseconds since the epoch
 */
export function toParked(
  queue: Pick<QueueSettings, "name">,
  { message, idempotencyKey, failure }: Refusal,
  now: number,
): ParkedMessage {
  return {
    queue: queue.name,
    groupId: message.groupId,
    sequenceNumber: message.sequenceNumber.padStart(20, "0"),
    messageId: message.messageId,
    deduplicationId: message.deduplicationId,
    idempotencyKey,
    body: message.body,
    sentAt: new Date(message.sentAt).toISOString(),
    parkedAt: new Date(now).toISOString(),
    ...failure,
  };
}

/** Of a message that waits for those before it in its group, and was not tried. */
export const BEHIND: Failure = {
  reason: "behind",
  detail: "a message before it in its group is parked",
  outcome: "unattempted",
  attempts: 0,
};
