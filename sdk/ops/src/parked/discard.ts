import { MAX_REASON_CHARACTERS } from "../../../../runtime/parking-lot/control.ts";
import type { Connection } from "../connection.ts";
import { OpsError } from "../errors.ts";
import { checkGroupId, parseSequenceNumber, queueUrl } from "../names.ts";
import { findItem, oldestParked, type ParkedSummary, parkedMessage, summary } from "./messages.ts";
import { readTombstone } from "./read-item.ts";
import { checkReach, newControl, sendControl } from "./send-control.ts";
import { deadlineOf, telling, type WaitOptions, waitFor } from "./wait.ts";

export interface DiscardOptions extends WaitOptions {
  readonly connection: Connection;
  /** Name in `main.ts`. */
  readonly queue: string;
  readonly groupId: string;
  /** Up to 20 digits. */
  readonly sequenceNumber: string;
  /** Kept with the tombstone: 1 to 256 characters, none of them a control character. */
  readonly reason: string;
}

/** What a discard came to. */
export interface Discarded {
  readonly queue: string;
  readonly groupId: string;
  readonly sequenceNumber: string;
  readonly controlSequenceNumber: string;
  /**
   * `discarded`: it is a tombstone now. `gone`: somebody else's replay or discard was before us. `timed-out`: it goes on without us.
   * `sent`: nobody waited.
   */
  readonly result: "discarded" | "gone" | "timed-out" | "sent";
  /** Whether other messages of the group are parked. Missing when nobody waited. */
  readonly groupIsParked?: boolean;
}

/**
 * Says what a discard would destroy; changes nothing.
 *
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_PARKED`, `NOT_A_PARKED_MESSAGE`; the SDK's errors
 */
export async function planDiscard({
  connection,
  queue,
  groupId,
  sequenceNumber,
  reason,
}: Omit<DiscardOptions, keyof WaitOptions>): Promise<ParkedSummary> {
  checkGroupId(groupId);
  checkReason(reason);
  const wanted = parseSequenceNumber(sequenceNumber);
  await queueUrl(connection, queue);
  return summary(await parkedMessage(connection, queue, groupId, wanted));
}

/**
 * Takes one message out of the parking lot, undelivered, and leaves a tombstone for as long as the queue keeps messages. Those behind
 * it stay parked until a replay.
 *
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_PARKED`, `QUEUE_MADE_ANEW`, `NOT_A_PARKED_MESSAGE`; the SDK's errors
 * @example await discard({ connection, queue: "queue-2", groupId: "10", sequenceNumber: "18870000000000000001", reason: "a test" });
 */
export async function discard(options: DiscardOptions): Promise<Discarded> {
  const { connection, queue, groupId, reason, wait = true } = options;
  const { sequenceNumber } = await planDiscard(options);
  const url = await queueUrl(connection, queue);
  const control = newControl({ verb: "discard", sequenceNumber, reason }, groupId);
  const controlSequenceNumber = await sendControl(connection, url, control);
  const what = `discard ${controlSequenceNumber} of message ${sequenceNumber}`;
  checkReach(`${what} of group ${groupId}`, controlSequenceNumber, sequenceNumber);
  const sent = { queue, groupId, sequenceNumber, controlSequenceNumber };
  if (!wait) return { ...sent, result: "sent" };
  const look = async () => {
    // In this order: the tombstone is written before the message goes.
    if ((await findItem(connection, queue, groupId, "parked", sequenceNumber)) !== undefined) return undefined;
    const tombstone = await findItem(connection, queue, groupId, "discarded", sequenceNumber);
    const ours = tombstone !== undefined && readTombstone(tombstone).discardedBy === controlSequenceNumber;
    return ours ? "discarded" : "gone";
  };
  const waiting = waitFor(look, deadlineOf(options), options.signal);
  const result = await telling(what, waiting);
  if (result === undefined) return { ...sent, result: "timed-out" };
  return { ...sent, result, groupIsParked: (await oldestParked(connection, queue, groupId)) !== undefined };
}

/** @throws OpsError `INVALID_ARGUMENT` */
function checkReason(reason: string): void {
  const { length } = reason;
  // What SQS takes in an attribute, less what a terminal takes for a command.
  const isText = /^[^\p{Cc}\p{Cs}\p{Bidi_Control}\uFFFE\uFFFF]+$/u.test(reason);
  if (length <= MAX_REASON_CHARACTERS && isText && reason.trim() !== "") return;
  const received = length > MAX_REASON_CHARACTERS ? `${length} characters long` : JSON.stringify(reason);
  throw new OpsError(
    "INVALID_ARGUMENT",
    `reason is ${received}: expected 1 to ${MAX_REASON_CHARACTERS} characters on one line, without control characters`,
  );
}
