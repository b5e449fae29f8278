import { DeleteItemCommand, GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { giveUpAfter } from "../give-up.ts";
import { itemKey } from "./keys.ts";
import type { Item } from "./parked-message.ts";
import { expiresAt, type ParkingLotTable } from "./table.ts";

/** A message as its counter names it. */
export interface CountedMessage {
  readonly groupId: string;
  readonly sequenceNumber: string;
}

/** What was counted of one message. */
export interface Count {
  readonly attempts: number;
  /** When the first of them failed: ISO 8601, in UTC; missing when nothing was counted. */
  readonly firstFailureAt?: string | undefined;
}

/** Counted attempts, one item a message, written on the failing path only. */
export interface Attempts {
  read(queue: string, message: CountedMessage): Promise<Count>;
  /**
   * Counts one more, atomically, and lets the counter outlive the message.
   *
   * @returns the count with this one
   */
  add(queue: { readonly name: string; readonly retentionSeconds: number }, message: CountedMessage): Promise<Count>;
  clear(queue: string, message: CountedMessage): Promise<void>;
}

/**
 * The counters in the parking-lot table: attributes `attempts`, `firstFailureAt`, and `expiresAt` (epoch seconds) for the table's TTL.
 *
 * A lost answer makes the SDK send an `ADD` again, and one that was given up can still land, so a count can be too high: the
 * message is rejected an attempt early.
 *
 * @throws the SDK's errors; and AttemptsError when an item has no number where the count should be
 * @example await createAttempts({ client, table: "dev-parking-lot", callMilliseconds: 900, now: Date.now }).add(queue, message) // { attempts: 1, ... }
 */
export function createAttempts({ client, table, callMilliseconds, now }: ParkingLotTable): Attempts {
  return {
    async read(queue, { groupId, sequenceNumber }) {
      const Key = { ...itemKey(queue, groupId, "attempts", sequenceNumber) };
      const command = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
      const { Item } = await giveUpAfter(callMilliseconds, (abortSignal) => client.send(command, { abortSignal }));
      return Item === undefined ? { attempts: 0 } : parseCount(Item);
    },
    async add({ name, retentionSeconds }, { groupId, sequenceNumber }) {
      const command = new UpdateItemCommand({
        TableName: table,
        Key: { ...itemKey(name, groupId, "attempts", sequenceNumber) },
        UpdateExpression: "ADD #attempts :one SET #expiresAt = :expiresAt, #first = if_not_exists(#first, :now)",
        ExpressionAttributeNames: { "#attempts": "attempts", "#expiresAt": "expiresAt", "#first": "firstFailureAt" },
        ExpressionAttributeValues: {
          ":one": { N: "1" },
          ":now": { S: new Date(now()).toISOString() },
          ":expiresAt": expiresAt({ now }, retentionSeconds),
        },
        ReturnValues: "ALL_NEW",
      });
      const { Attributes } = await giveUpAfter(callMilliseconds, (abortSignal) =>
        client.send(command, { abortSignal }),
      );
      return parseCount(Attributes ?? {});
    },
    async clear(queue, { groupId, sequenceNumber }) {
      const Key = { ...itemKey(queue, groupId, "attempts", sequenceNumber) };
      const command = new DeleteItemCommand({ TableName: table, Key });
      await giveUpAfter(callMilliseconds, (abortSignal) => client.send(command, { abortSignal }));
    },
  };
}

/** The table holds something that no consumer writes. */
export class AttemptsError extends Error {
  readonly code = "NOT_A_COUNT";
  constructor(received: string | undefined) {
    super(`attempts is ${received ?? "missing"}; expected a whole number`);
    this.name = "AttemptsError";
  }
}

function parseCount(item: Item): Count {
  const text = item["attempts"]?.N;
  if (text === undefined || !/^\d+$/.test(text)) throw new AttemptsError(text);
  return { attempts: Number(text), firstFailureAt: item["firstFailureAt"]?.S };
}
