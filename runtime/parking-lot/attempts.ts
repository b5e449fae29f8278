import { DeleteItemCommand, type DynamoDBClient, GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { giveUpAfter } from "../consumer/give-up.ts";
import { itemKey } from "./keys.ts";

/** A message as its counter names it. */
export interface CountedMessage {
  readonly groupId: string;
  readonly sequenceNumber: string;
}

/** Counted attempts, one item a message, written on the failing path only. */
export interface Attempts {
  /** @returns 0 when nothing was counted */
  read(queue: string, message: CountedMessage): Promise<number>;
  /**
   * Counts one more, atomically, and lets the counter outlive the message.
   *
   * @returns the count with this one
   */
  add(queue: { readonly name: string; readonly retentionSeconds: number }, message: CountedMessage): Promise<number>;
  clear(queue: string, message: CountedMessage): Promise<void>;
}

/**
 * The counters in the parking-lot table: attribute `attempts`, and `expiresAt` (epoch seconds) for the table's TTL.
 *
 * A lost answer makes the SDK send an `ADD` again, and one that was given up can still land, so a count can be too high: the
 * message is rejected an attempt early.
 *
 * @param options.callMilliseconds how long a call may take, its retries included
 * @param options.now milliseconds since the epoch
 * @throws the SDK's errors; and AttemptsError when an item has no number where the count should be
 * @example await createAttempts({ client, table: "dev-parking-lot", callMilliseconds: 900, now: Date.now }).add(queue, message) // 1
 */
export function createAttempts({
  client,
  table,
  callMilliseconds,
  now,
}: {
  readonly client: DynamoDBClient;
  readonly table: string;
  readonly callMilliseconds: number;
  readonly now: () => number;
}): Attempts {
  return {
    async read(queue, { groupId, sequenceNumber }) {
      const Key = { ...itemKey(queue, groupId, "attempts", sequenceNumber) };
      const command = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
      const { Item } = await giveUpAfter(callMilliseconds, (abortSignal) => client.send(command, { abortSignal }));
      return Item === undefined ? 0 : parseCount(Item["attempts"]?.N);
    },
    async add({ name, retentionSeconds }, { groupId, sequenceNumber }) {
      const command = new UpdateItemCommand({
        TableName: table,
        Key: { ...itemKey(name, groupId, "attempts", sequenceNumber) },
        UpdateExpression: "ADD #attempts :one SET #expiresAt = :expiresAt",
        ExpressionAttributeNames: { "#attempts": "attempts", "#expiresAt": "expiresAt" },
        ExpressionAttributeValues: {
          ":one": { N: "1" },
          ":expiresAt": { N: String(Math.ceil(now() / 1000) + retentionSeconds) },
        },
        ReturnValues: "UPDATED_NEW",
      });
      const { Attributes } = await giveUpAfter(callMilliseconds, (abortSignal) =>
        client.send(command, { abortSignal }),
      );
      return parseCount(Attributes?.["attempts"]?.N);
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

function parseCount(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) throw new AttemptsError(text);
  return Number(text);
}
