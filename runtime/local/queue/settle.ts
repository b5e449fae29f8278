import type { Entry } from "./backlog.ts";
import { type BatchOutcome, checkBatch, eachEntry } from "./check-batch.ts";
import { between } from "./check-range.ts";
import { invalidParameter, SqsError } from "./errors.ts";
import { MAX_VISIBILITY_SECONDS } from "./limits.ts";
import { formatSequenceNumber } from "./message.ts";
import type { Queue } from "./queue.ts";
import type { Queues } from "./queues.ts";
import { parseReceipt } from "./receipt.ts";

const EXPIRED = "The receipt handle has expired";
const NOT_AVAILABLE = "Message does not exist or is not available for visibility timeout change";

/** The message that a handle holds. FIFO refuses a handle whose visibility timeout is over, received again or not. */
function findHeld(queues: Queues, queue: Queue, receiptHandle: string, now: number): Entry | "gone" | "expired" {
  const { sequence, receiveCount } = parseReceipt(receiptHandle, queue.id);
  queues.expire(queue, now);
  const entry = queue.backlog.entry(sequence);
  if (entry === undefined) return "gone";
  return entry.receiveCount === receiveCount && entry.visibleAt > now ? entry : "expired";
}

/** `QueueEngine.changeVisibility`. */
export function changeVisibility(queues: Queues, name: string, receiptHandle: string, seconds: number): void {
  const queue = queues.get(name);
  const now = queues.now();
  const entry = findHeld(queues, queue, receiptHandle, now);
  if (typeof entry === "string") throw invalidParameter("ReceiptHandle", receiptHandle, `${NOT_AVAILABLE}.`);
  checkVisibility(entry, seconds, now);
  queues.write(() => queues.hide(queue, entry, now + seconds * 1_000, now));
  queue.polls.wake();
}

/** `QueueEngine.changeVisibilityBatch`. */
export function changeVisibilityBatch(
  queues: Queues,
  name: string,
  entries: readonly { readonly id: string; readonly receiptHandle: string; readonly seconds: number }[],
): BatchOutcome<{ readonly id: string }> {
  const queue = queues.get(name);
  checkBatch(entries, "ChangeMessageVisibilityBatchRequestEntry");
  const now = queues.now();
  const changes = new Map<Entry, number>();
  const outcome = eachEntry(entries, ({ id, receiptHandle, seconds }) => {
    const entry = findHeld(queues, queue, receiptHandle, now);
    if (typeof entry === "string") throw new SqsError("ReceiptHandleIsInvalid", NOT_AVAILABLE);
    checkVisibility(entry, seconds, now);
    changes.set(entry, now + seconds * 1_000);
    return { id };
  });
  if (changes.size > 0) {
    queues.write(() => {
      for (const [entry, visibleAt] of changes) queues.hide(queue, entry, visibleAt, now);
    });
  }
  queue.polls.wake();
  return outcome;
}

function checkVisibility(entry: Entry, seconds: number, now: number): void {
  between("VisibilityTimeout", seconds, 0, MAX_VISIBILITY_SECONDS);
  if (now + seconds * 1_000 <= entry.receivedAt + MAX_VISIBILITY_SECONDS * 1_000) return;
  const limit = `Total VisibilityTimeout for the message is beyond the limit [${MAX_VISIBILITY_SECONDS} seconds].`;
  throw invalidParameter("VisibilityTimeout", seconds, limit);
}

/** `QueueEngine.releaseInFlight`. */
export function releaseInFlight(queues: Queues): void {
  const now = queues.now();
  queues.write(() => {
    for (const queue of queues.all()) {
      for (let entry = queue.backlog.oldest; entry !== undefined; entry = entry.nextInQueue) {
        if (entry.visibleAt > now) queues.hide(queue, entry, now, now);
      }
    }
  });
  for (const queue of queues.all()) queue.polls.wake();
}

/** `QueueEngine.delete`. */
export function deleteMessage(queues: Queues, name: string, receiptHandle: string): void {
  const queue = queues.get(name);
  const now = queues.now();
  const found = findHeld(queues, queue, receiptHandle, now);
  if (found === "expired") throw invalidParameter("ReceiptHandle", receiptHandle, `${EXPIRED}.`);
  if (found !== "gone") deleteEntries(queues, queue, [found], now);
}

/** `QueueEngine.deleteBatch`. */
export function deleteMessageBatch(
  queues: Queues,
  name: string,
  entries: readonly { readonly id: string; readonly receiptHandle: string }[],
): BatchOutcome<{ readonly id: string }> {
  const queue = queues.get(name);
  checkBatch(entries, "DeleteMessageBatchRequestEntry");
  const now = queues.now();
  const found = new Set<Entry>();
  const outcome = eachEntry(entries, ({ id, receiptHandle }) => {
    const entry = findHeld(queues, queue, receiptHandle, now);
    if (entry === "expired") throw new SqsError("ReceiptHandleIsInvalid", EXPIRED);
    if (entry !== "gone") found.add(entry);
    return { id };
  });
  if (found.size > 0) deleteEntries(queues, queue, [...found], now);
  return outcome;
}

function deleteEntries(queues: Queues, queue: Queue, entries: readonly Entry[], now: number): void {
  queues.write(() => {
    for (const entry of entries) queues.forget(queue, entry, now);
  });
  for (const { messageId, group, sequence } of entries) {
    const sequenceNumber = formatSequenceNumber(sequence);
    queues.events.emit("deleted", { queueName: queue.name, messageId, groupId: group.id, sequenceNumber });
  }
  queue.polls.wake();
}
