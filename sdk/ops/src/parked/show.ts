import { Buffer } from "node:buffer";
import type { ParkedMessage } from "../../../../runtime/parking-lot/parked-message.ts";
import { ENVELOPE_PREFIX, ENVELOPE_SUFFIX } from "../../../client/src/contract.ts";
import type { Connection } from "../connection.ts";
import { OpsError } from "../errors.ts";
import { checkGroupId, parseSequenceNumber, queueUrl } from "../names.ts";
import { findItem, items, notParked, oldestParked, type ParkedSummary, parkedMessage, summary } from "./messages.ts";
import { readParked, readTombstone } from "./read-item.ts";

/** A discarded message, without its body. */
export interface DiscardedSummary extends ParkedSummary {
  readonly discardedBy: string;
  readonly discardedAt: string;
  readonly discardReason: string;
}

/** All that is known of one message, and of what was discarded in its group. */
export interface Shown {
  /** Missing when the message was discarded, or nothing of the group is parked any more. Its body only if it was asked for. */
  readonly message?: ParkedSummary & { readonly body?: string };
  /** What was sent, when the message is another one by now. */
  readonly original?: { readonly bytes: number; readonly body?: string };
  /** The group's newest first. Of the message that was asked for by its number, with the body if that was asked for. */
  readonly discarded: readonly (DiscardedSummary & { readonly body?: string })[];
}

/** Tombstones that are shown of a group. */
const MOST_DISCARDED = 20;

/**
 * Shows one parked message: the one that was asked for, or the group's oldest, which is the one that blocks it.
 *
 * @param options.sequenceNumber up to 20 digits
 * @param options.body whether bodies, which are people's data, are wanted @default false
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_PARKED`, `NOT_A_PARKED_MESSAGE`; the SDK's errors
 * @example const { message } = await show({ connection, queue: "queue-2", groupId: "10" });
 */
export async function show({
  connection,
  queue,
  groupId,
  sequenceNumber,
  body = false,
}: {
  readonly connection: Connection;
  readonly queue: string;
  readonly groupId: string;
  readonly sequenceNumber?: string | undefined;
  readonly body?: boolean | undefined;
}): Promise<Shown> {
  checkGroupId(groupId);
  const wanted = sequenceNumber === undefined ? undefined : parseSequenceNumber(sequenceNumber);
  await queueUrl(connection, queue);
  const discarded = await listDiscarded(connection, queue, groupId, wanted, body);
  const number = wanted ?? (await oldestParked(connection, queue, groupId))?.sequenceNumber;
  const item = number === undefined ? undefined : await findItem(connection, queue, groupId, "parked", number);
  if (number === undefined || item === undefined) {
    const found = wanted === undefined ? discarded.length > 0 : discarded.some((one) => one.sequenceNumber === wanted);
    if (!found) throw notParked(queue, groupId, wanted);
    return { discarded };
  }
  const original = await findItem(connection, queue, groupId, "original", number);
  return {
    message: view(readParked(item), body),
    ...(original === undefined ? {} : { original: viewBody(readParked(original).body, body) }),
    discarded,
  };
}

/**
 * The producer's payload of a parked message, as `edit` takes it: what follows `"data":`, byte for byte.
 *
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_PARKED`, `PAYLOAD_REFUSED` when the body is no envelope; the SDK's errors
 * @example await writeFile("payload.json", await readPayload({ connection, queue: "queue-2", groupId: "10" }));
 */
export async function readPayload({
  connection,
  queue,
  groupId,
  sequenceNumber,
}: {
  readonly connection: Connection;
  readonly queue: string;
  readonly groupId: string;
  readonly sequenceNumber?: string | undefined;
}): Promise<string> {
  checkGroupId(groupId);
  const wanted = sequenceNumber === undefined ? undefined : parseSequenceNumber(sequenceNumber);
  await queueUrl(connection, queue);
  const message = await parkedMessage(connection, queue, groupId, wanted);
  const { body } = message;
  if (body.startsWith(ENVELOPE_PREFIX) && body.endsWith(ENVELOPE_SUFFIX)) {
    return body.slice(ENVELOPE_PREFIX.length, -ENVELOPE_SUFFIX.length);
  }
  throw new OpsError(
    "PAYLOAD_REFUSED",
    `message ${message.sequenceNumber} of group ${groupId} is no envelope ${ENVELOPE_PREFIX}...${ENVELOPE_SUFFIX}: parked show --body has all of it`,
  );
}

async function listDiscarded(
  connection: Connection,
  queue: string,
  groupId: string,
  wanted: string | undefined,
  body: boolean,
): Promise<(DiscardedSummary & { readonly body?: string })[]> {
  const found: (DiscardedSummary & { readonly body?: string })[] = [];
  if (wanted !== undefined) {
    const item = await findItem(connection, queue, groupId, "discarded", wanted);
    return item === undefined ? [] : [view(readTombstone(item), body)];
  }
  for await (const item of items(connection, queue, groupId, "discarded", { newestFirst: true })) {
    found.push(view(readTombstone(item), false));
    if (found.length === MOST_DISCARDED) break;
  }
  return found;
}

function view<Message extends ParkedMessage>(message: Message, body: boolean) {
  const { body: text, ...rest } = message;
  return { ...rest, ...summary(message), ...(body ? { body: text } : {}) };
}

function viewBody(text: string, body: boolean) {
  return { bytes: Buffer.byteLength(text), ...(body ? { body: text } : {}) };
}
