import { randomUUID } from "node:crypto";
import type { Entry } from "./backlog.ts";
import { parseMessageAttributes } from "./columns.ts";
import { SqsError } from "./errors.ts";
import { messageBytes } from "./message.ts";
import type { Queue } from "./queue.ts";
import type { Queues } from "./queues.ts";
import { optionalText, text } from "./store.ts";

/** Why SQS ends a move without a destination at a message that was sent to the dead-letter queue, not moved there. */
const NO_SOURCE = "CouldNotDetermineMessageSource";

/** A message cannot be moved, and with it the task ends. */
export class MoveFailure extends Error {
  override readonly name = "MoveFailure";
}

/**
 * Moves a message out of a dead-letter queue, within `queues.write`. To its destination it is a new message: message id,
 * sequence number, sent time and receive count are new; group, body, attributes and trace header stay.
 *
 * Its deduplication id becomes its message id before the move, as on the way into a dead-letter queue, and takes no part in
 * deduplication: a message that was acknowledged must not vanish in a window of five minutes.
 *
 * @param destinationArn undefined for the queue that it was dead-lettered from
 * @returns the queue that has it now
 * @throws MoveFailure with SQS's reason, before anything is changed
 */
export function moveMessage(
  queues: Queues,
  source: Queue,
  entry: Entry,
  destinationArn: string | undefined,
  now: number,
): Queue {
  const row = queues.store.selectMessage.get(entry.sequence);
  if (row === undefined)
    throw new Error(`queue file: message ${entry.messageId} is in the backlog and not in the file`);
  const arn = destinationArn ?? optionalText(row, "source_arn");
  if (arn === undefined) throw new MoveFailure(NO_SOURCE);
  const destination = queues.findArn(arn);
  if (destination === undefined) throw new MoveFailure(new SqsError("QueueDoesNotExist", "").queryCode);
  const bytes = messageBytes(text(row, "body"), parseMessageAttributes(optionalText(row, "message_attributes")));
  // A queue's limit is what its consumer relies on, however a message comes.
  if (bytes > destination.settings.maximumMessageBytes) throw new MoveFailure("InvalidParameterValue");
  const sequence = queues.nextSequence();
  const messageId = randomUUID();
  queues.store.redriveMessage.run(sequence, destination.id, messageId, entry.messageId, now, entry.sequence);
  queues.forget(source, entry, now);
  const delivery = { receiveCount: 0, firstReceivedAt: 0, receivedAt: 0, visibleAt: 0 };
  const groupId = entry.group.id;
  destination.backlog.append({ ...delivery, sequence, messageId, groupId, enqueuedAt: now }, now);
  return destination;
}
