import { Buffer } from "node:buffer";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { type EnvelopeFault, type OutgoingMessage, parseEnvelope } from "../../../../runtime/message.ts";
import { ENVELOPE_PREFIX, ENVELOPE_SUFFIX, GROUP_ID_FIELD } from "../../../client/src/contract.ts";
import type { Connection } from "../connection.ts";
import { OpsError } from "../errors.ts";
import { checkGroupId, parseSequenceNumber, queueUrl } from "../names.ts";
import { findItem, type ParkedSummary, parkedMessage, summary } from "./messages.ts";
import { readParked } from "./read-item.ts";
import { checkReach, messageBytes, newControl, sendControl } from "./send-control.ts";
import { deadlineOf, telling, type WaitOptions, waitFor } from "./wait.ts";

export interface EditOptions extends WaitOptions {
  readonly connection: Connection;
  /** Name in `main.ts`. */
  readonly queue: string;
  readonly groupId: string;
  /** Up to 20 digits. */
  readonly sequenceNumber: string;
  /** What the producer would have sent: JSON with the same `MessageGroupID`, in UTF-8. It is kept byte for byte. */
  readonly payload: Uint8Array;
}

/** What an edit would change. */
export interface EditPlan {
  readonly message: ParkedSummary;
  /** Of the new body, envelope included. */
  readonly bytes: number;
}

/**
 * Largest body of a parked message, in bytes: 380 KiB, what the stack gives a queue as its `MaximumMessageSize` under the policy
 * `park`, since DynamoDB's items end at 400 KiB. A queue that was given the policy `dead-letter` meanwhile takes more.
 */
const PARKED_BODY_BYTES = 389_120;

/** What an edit came to. */
export interface Edited {
  readonly queue: string;
  readonly groupId: string;
  readonly sequenceNumber: string;
  readonly controlSequenceNumber: string;
  /** Of the new body, envelope included. */
  readonly bytes: number;
  /**
   * `edited`: the next replay delivers the new body. `gone`: somebody's replay or discard was before us. `timed-out`: it goes on
   * without us. `sent`: nobody waited.
   */
  readonly result: "edited" | "gone" | "timed-out" | "sent";
}

/**
 * Says what an edit would change, and whether the payload can be taken; changes nothing.
 *
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_PARKED`, `PAYLOAD_REFUSED`, `NOT_A_PARKED_MESSAGE`; the SDK's errors
 */
export async function planEdit(options: Omit<EditOptions, keyof WaitOptions>): Promise<EditPlan> {
  const { message, control } = await prepare(options);
  return { message, bytes: Buffer.byteLength(control.body) };
}

/**
 * Gives a parked message another payload. The body that was sent is kept; the message's place, ids and idempotency key stay.
 *
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_PARKED`, `PAYLOAD_REFUSED`, `QUEUE_MADE_ANEW`, `NOT_A_PARKED_MESSAGE`; the SDK's errors
 * @example await edit({ connection, queue: "queue-2", groupId: "10", sequenceNumber, payload: await readFile("payload.json") });
 */
export async function edit(options: EditOptions): Promise<Edited> {
  const { connection, queue, groupId, wait = true } = options;
  const { url, message, control } = await prepare(options);
  const { sequenceNumber } = message;
  const controlSequenceNumber = await sendControl(connection, url, control);
  const what = `edit ${controlSequenceNumber} of message ${sequenceNumber}`;
  checkReach(`${what} of group ${groupId}`, controlSequenceNumber, sequenceNumber);
  const bytes = Buffer.byteLength(control.body);
  const sent = { queue, groupId, sequenceNumber, controlSequenceNumber, bytes };
  if (!wait) return { ...sent, result: "sent" };
  const look = async () => {
    const item = await findItem(connection, queue, groupId, "parked", sequenceNumber);
    if (item === undefined) return "gone";
    const { editedBy } = readParked(item);
    // A later edit is carried out after ours.
    return editedBy !== undefined && editedBy >= controlSequenceNumber ? "edited" : undefined;
  };
  const waiting = waitFor(look, deadlineOf(options), options.signal);
  const result = await telling(what, waiting);
  return { ...sent, result: result ?? "timed-out" };
}

async function prepare(options: Omit<EditOptions, keyof WaitOptions>): Promise<{
  readonly url: string;
  readonly message: ParkedSummary;
  readonly control: OutgoingMessage;
}> {
  const { connection, queue, groupId } = options;
  checkGroupId(groupId);
  const sequenceNumber = parseSequenceNumber(options.sequenceNumber);
  const body = envelope(options.payload, groupId);
  checkBodySize(body);
  const url = await queueUrl(connection, queue);
  const parked = await parkedMessage(connection, queue, groupId, sequenceNumber);
  const control = newControl({ verb: "edit", sequenceNumber, body }, groupId);
  await checkSize(connection, queue, url, control);
  return { url, message: summary(parked), control };
}

const FAULTS: Readonly<Record<EnvelopeFault, string>> = {
  "not-json": "is no JSON",
  "not-an-envelope": "is no JSON object",
  "group-mismatch": `has another ${GROUP_ID_FIELD}, or none`,
};

/** Puts the payload into an envelope, and checks it as the consumer will. */
function envelope(payload: Uint8Array, groupId: string): string {
  const text = decode(payload);
  if (text.trim() === "") throw refused("is empty: parked show --payload writes the one that is parked");
  const body = `${ENVELOPE_PREFIX}${text}${ENVELOPE_SUFFIX}`;
  const parsed = parseEnvelope(body, groupId);
  if (!("fault" in parsed)) return body;
  const hint = text.startsWith("\uFEFF") ? "; it begins with a byte order mark, which JSON has not" : "";
  throw refused(
    `${FAULTS[parsed.fault]}${hint}: expected a JSON object whose ${GROUP_ID_FIELD} is ${JSON.stringify(groupId)}, as parked show --payload writes it`,
  );
}

function decode(payload: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
  } catch {
    throw refused("is not in UTF-8: save it anew in UTF-8");
  }
}

function checkBodySize(body: string): void {
  const bytes = Buffer.byteLength(body);
  if (bytes <= PARKED_BODY_BYTES) return;
  const over = bytes - PARKED_BODY_BYTES;
  throw refused(
    `makes a body of ${bytes} bytes, and a parked message has ${PARKED_BODY_BYTES} at most: shorten it by ${over} bytes`,
  );
}

async function checkSize(
  { sqs }: Connection,
  queue: string,
  QueueUrl: string,
  control: OutgoingMessage,
): Promise<void> {
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["MaximumMessageSize"] }),
  );
  const most = Number(Attributes?.MaximumMessageSize);
  const bytes = messageBytes(control);
  if (bytes <= most) return;
  throw refused(`makes a message of ${bytes} bytes, and ${queue} takes ${most}: shorten it by ${bytes - most} bytes`);
}

function refused(problem: string): OpsError {
  return new OpsError("PAYLOAD_REFUSED", `the payload ${problem}`);
}
