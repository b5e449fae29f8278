import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import * as z from "zod/mini";
import { type ItemKey, type ItemKind, itemKey } from "./keys.ts";

/** Why a message is parked: `behind` when it was not tried, since a message before it in its group is parked. */
export type ParkedReason = "rejected" | "attempts-exhausted" | "no-envelope" | "expired" | "crashed" | "behind";

/** What the last delivery came to; `unattempted` when there was none, or none that ended. */
export type ParkedOutcome = "rejected" | "failed" | "unattempted";

/** Why a message could not be delivered, as its item says it. */
export interface Failure {
  readonly reason: ParkedReason;
  /** In our words, never the backend's. */
  readonly detail: string;
  readonly httpStatus?: number | undefined;
  readonly outcome: ParkedOutcome;
  /** Deliveries whose failure was counted, the last one included. */
  readonly attempts: number;
  /** ISO 8601, in UTC; missing as long as no delivery failed. */
  readonly firstFailureAt?: string | undefined;
  readonly lastFailureAt?: string | undefined;
}

/** A message in the parking lot. Never log its body. */
export interface ParkedMessage extends Failure {
  /** Name in the configuration, e.g. `queue-1`. */
  readonly queue: string;
  readonly groupId: string;
  /** 20 digits. */
  readonly sequenceNumber: string;
  readonly messageId: string;
  readonly deduplicationId: string;
  /** What every delivery of it has had, and will have. */
  readonly idempotencyKey: string;
  /** What the backend gets, byte for byte. */
  readonly body: string;
  /** When the queue took it: ISO 8601, in UTC. */
  readonly sentAt: string;
  /** ISO 8601, in UTC. */
  readonly parkedAt: string;
  /** Sequence number of the replay that stopped at this message last. */
  readonly stoppedBy?: string | undefined;
  /** Sequence number of the last edit. The body that was sent is in the item `original`. */
  readonly editedBy?: string | undefined;
}

/** A discarded message: the parked one, and why it is no more. It expires, as counters do. */
export interface Tombstone extends ParkedMessage {
  /** Sequence number of the control message. */
  readonly discardedBy: string;
  readonly discardedAt: string;
  readonly discardReason: string;
}

/** An item of the table as DynamoDB has it. */
export type Item = Record<string, AttributeValue>;

/** The table holds something that no consumer writes. */
export class ParkedItemError extends Error {
  readonly code = "NOT_A_PARKED_MESSAGE";
  constructor(key: string, problem: string) {
    super(`item ${key} of the parking lot: ${problem}`);
    this.name = "ParkedItemError";
  }
}

const text = z.string();
const optionalText = z.optional(text);
const fields = {
  queue: text,
  groupId: text,
  sequenceNumber: text.check(z.regex(/^\d{20}$/)),
  messageId: text,
  deduplicationId: text,
  idempotencyKey: text,
  body: text,
  sentAt: text,
  parkedAt: text,
  reason: z.enum(["rejected", "attempts-exhausted", "no-envelope", "expired", "crashed", "behind"]),
  detail: text,
  httpStatus: z.optional(z.int()),
  outcome: z.enum(["rejected", "failed", "unattempted"]),
  attempts: z.int(),
  firstFailureAt: optionalText,
  lastFailureAt: optionalText,
  stoppedBy: optionalText,
  editedBy: optionalText,
};
const parkedSchema = z.object(fields);
const tombstoneSchema = z.object({ ...fields, discardedBy: text, discardedAt: text, discardReason: text });

/**
 * A parked message, or a tombstone, as an item: one attribute a field, under the field's name.
 *
 * @example toItem("parked", message).sk // { S: "parked#18870000000000000001" }
 */
export function toItem(kind: ItemKind, message: ParkedMessage): Item & ItemKey {
  const { queue, groupId, sequenceNumber } = message;
  return { ...toAttributes({ ...message }), ...itemKey(queue, groupId, kind, sequenceNumber) };
}

/** Strings and numbers as attributes; what is undefined is left out. */
export function toAttributes(values: Readonly<Record<string, string | number | undefined>>): Item {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => {
      if (value === undefined) return [];
      return [[name, typeof value === "number" ? { N: String(value) } : { S: value }]];
    }),
  );
}

/** @throws ParkedItemError that names the attribute */
export function parseParked(item: Item): ParkedMessage {
  return parse(parkedSchema, item);
}

/** @throws ParkedItemError that names the attribute */
export function parseTombstone(item: Item): Tombstone {
  return parse(tombstoneSchema, item);
}

function parse<Schema extends z.ZodMiniType>(schema: Schema, item: Item): z.output<Schema> {
  const values = Object.fromEntries(
    Object.entries(item).map(([name, value]) => [name, value.N === undefined ? value.S : Number(value.N)]),
  );
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ParkedItemError(
    `${item["pk"]?.S} ${item["sk"]?.S}`,
    `${issue?.path.join(".")} is not what a consumer writes`,
  );
}
