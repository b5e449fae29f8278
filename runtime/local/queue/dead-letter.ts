import { allowsRedrive, readSettings } from "./attributes.ts";
import type { Entry } from "./backlog.ts";
import { invalidParameter } from "./errors.ts";
import type { Queue } from "./queue.ts";
import type { Queues } from "./queues.ts";

/** Where a queue's messages go instead of being received once more. */
export interface DeadLetterTarget {
  readonly queue: Queue;
  readonly maxReceiveCount: number;
}

/** Refuses a redrive policy that could not be followed. @throws SqsError `InvalidParameterValue` */
export function checkRedrive(queues: Queues, name: string, attributes: Readonly<Record<string, string>>): void {
  const { redrive } = readSettings(attributes);
  if (redrive === undefined) return;
  const refuse = (reason: string) => invalidParameter("RedrivePolicy", attributes.RedrivePolicy ?? "", reason);
  const target = queues.findArn(redrive.deadLetterTargetArn);
  if (target === undefined) throw refuse("Dead letter target does not exist.");
  if (target.name === name) throw refuse("A queue cannot be its own dead letter target.");
  if (!allowsRedrive(target.settings.redriveAllow, queues.arn(name))) {
    throw refuse("Dead letter target's RedriveAllowPolicy does not allow this queue.");
  }
}

/** Where messages received too often go now; nowhere while that queue is missing or does not allow it. */
export function deadLetterTarget(queues: Queues, queue: Queue): DeadLetterTarget | undefined {
  const { redrive } = queue.settings;
  const target = redrive && queues.findArn(redrive.deadLetterTargetArn);
  if (target === undefined || !allowsRedrive(target.settings.redriveAllow, queue.arn)) return undefined;
  return { queue: target, maxReceiveCount: redrive?.maxReceiveCount ?? Number.POSITIVE_INFINITY };
}

/**
 * Moves a message, within `queues.write`. It keeps message id, group, attributes and receive count (which SQS counts
 * "across all queues"); sequence number, deduplication id (its message id) and sent time are new.
 */
export function deadLetter(queues: Queues, queue: Queue, entry: Entry, target: Queue, now: number): void {
  const sequence = queues.nextSequence();
  queues.store.moveMessage.run(sequence, target.id, entry.messageId, now, queue.arn, entry.sequence);
  queues.forget(queue, entry, now);
  const { messageId, receiveCount, firstReceivedAt, receivedAt, group } = entry;
  queues.store.saveDelivery.run(sequence, receiveCount, firstReceivedAt, receivedAt, 0);
  const delivery = { receiveCount, firstReceivedAt, receivedAt, visibleAt: 0 };
  target.backlog.append({ ...delivery, sequence, messageId, groupId: group.id, enqueuedAt: now }, now);
}
