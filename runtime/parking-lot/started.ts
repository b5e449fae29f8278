import { DeleteItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { giveUpAfter } from "../give-up.ts";
import { itemKey } from "./keys.ts";
import { expiresAt, type ParkingLotTable } from "./table.ts";

/** A message as its marker names it. */
export interface StartedMessage {
  readonly groupId: string;
  readonly sequenceNumber: string;
}

/** Markers of deliveries that were started: what an orderly end clears, and a killed function leaves behind. */
export interface Started {
  /**
   * Marks a start.
   *
   * @param start its own id, so that a repeated request marks it once
   * @returns the starts that are marked now, this one included
   */
  mark(
    queue: { readonly name: string; readonly retentionSeconds: number },
    message: StartedMessage,
    start: string,
  ): Promise<number>;
  /** Clears all marks of the message. */
  clear(queue: string, message: StartedMessage): Promise<void>;
}

/**
 * The markers in the parking-lot table: attribute `starts`, a set of start ids, and `expiresAt` (epoch seconds) for the table's TTL.
 *
 * @throws the SDK's errors
 * @example await createStarted({ client, table: "dev-parking-lot", callMilliseconds: 900, now: Date.now }).mark(queue, message, id) // 1
 */
export function createStarted({ client, table, callMilliseconds, now }: ParkingLotTable): Started {
  return {
    async mark({ name, retentionSeconds }, { groupId, sequenceNumber }, start) {
      const command = new UpdateItemCommand({
        TableName: table,
        Key: { ...itemKey(name, groupId, "started", sequenceNumber) },
        UpdateExpression: "ADD #starts :start SET #expiresAt = :expiresAt",
        ExpressionAttributeNames: { "#starts": "starts", "#expiresAt": "expiresAt" },
        ExpressionAttributeValues: {
          ":start": { SS: [start] },
          ":expiresAt": expiresAt({ now }, retentionSeconds),
        },
        ReturnValues: "UPDATED_NEW",
      });
      const { Attributes } = await giveUpAfter(callMilliseconds, (abortSignal) =>
        client.send(command, { abortSignal }),
      );
      return Attributes?.["starts"]?.SS?.length ?? 0;
    },
    async clear(queue, { groupId, sequenceNumber }) {
      const Key = { ...itemKey(queue, groupId, "started", sequenceNumber) };
      const command = new DeleteItemCommand({ TableName: table, Key });
      await giveUpAfter(callMilliseconds, (abortSignal) => client.send(command, { abortSignal }));
    },
  };
}
