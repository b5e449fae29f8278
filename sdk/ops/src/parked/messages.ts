import { Buffer } from "node:buffer";
import { paginateQuery, QueryCommand } from "@aws-sdk/client-dynamodb";
import { type ItemKind, itemKey, itemRange, sequenceNumberOf } from "../../../../runtime/parking-lot/keys.ts";
import type { Item, ParkedMessage } from "../../../../runtime/parking-lot/parked-message.ts";
import type { Connection } from "../connection.ts";
import { OpsError } from "../errors.ts";
import { parkingLotName } from "../names.ts";
import { readParked } from "./read-item.ts";

/** A parked message without its body. */
export interface ParkedSummary extends Omit<ParkedMessage, "body"> {
  /** Of the body, in UTF-8. */
  readonly bytes: number;
  /** Whether its body is another than the one that was sent. */
  readonly edited: boolean;
}

/** The message at which a group waits, as far as its wait is concerned. */
export interface BlockingMessage {
  readonly sequenceNumber: string;
  readonly stoppedBy: string | undefined;
}

/**
 * A group's items of one kind, as the table has them.
 *
 * @param range.after only those above this sequence number
 * @param range.below only those below this one
 */
export async function* items(
  { dynamodb, deployment }: Connection,
  queue: string,
  groupId: string,
  kind: ItemKind,
  range: {
    readonly after?: string | undefined;
    readonly below?: string | undefined;
    readonly newestFirst?: boolean;
  } = {},
  projection?: string,
): AsyncGenerator<Item, void, void> {
  const pages = paginateQuery(
    { client: dynamodb },
    {
      TableName: parkingLotName(deployment),
      ConsistentRead: true,
      ScanIndexForward: range.newestFirst !== true,
      ProjectionExpression: projection,
      ...itemRange(queue, groupId, kind, range),
    },
  );
  for await (const { Items = [] } of pages) yield* Items;
}

/**
 * Sequence numbers of a group's parked messages, oldest first. DynamoDB reads the bodies for it, and sends none.
 *
 * @throws the SDK's errors
 */
export async function sequenceNumbers(
  connection: Connection,
  queue: string,
  groupId: string,
  range: { readonly after?: string | undefined; readonly below?: string | undefined } = {},
): Promise<string[]> {
  const found: string[] = [];
  for await (const item of items(connection, queue, groupId, "parked", range, "sk")) found.push(sequenceNumberOf(item));
  return found;
}

/**
 * The group's oldest parked message: one item of a consistent read.
 *
 * @returns undefined when nothing is parked
 * @throws the SDK's errors
 */
export async function oldestParked(
  { dynamodb, deployment }: Connection,
  queue: string,
  groupId: string,
): Promise<BlockingMessage | undefined> {
  const { Items } = await dynamodb.send(
    new QueryCommand({
      TableName: parkingLotName(deployment),
      ConsistentRead: true,
      Limit: 1,
      ProjectionExpression: "sk, stoppedBy",
      ...itemRange(queue, groupId, "parked"),
    }),
  );
  const [item] = Items ?? [];
  if (item === undefined) return undefined;
  return { sequenceNumber: sequenceNumberOf(item), stoppedBy: item["stoppedBy"]?.S };
}

/**
 * One item of a group, by a Query: then all of `fifo-ops` needs no other permission on the table.
 *
 * @returns undefined when there is none
 * @throws the SDK's errors
 */
export async function findItem(
  connection: Connection,
  queue: string,
  groupId: string,
  kind: ItemKind,
  sequenceNumber: string,
): Promise<Item | undefined> {
  const { dynamodb, deployment } = connection;
  const { pk, sk } = itemKey(queue, groupId, kind, sequenceNumber);
  const { Items } = await dynamodb.send(
    new QueryCommand({
      TableName: parkingLotName(deployment),
      ConsistentRead: true,
      KeyConditionExpression: "pk = :pk AND sk = :sk",
      ExpressionAttributeValues: {
        ":pk": pk,
        ":sk": sk,
      },
    }),
  );
  return Items?.[0];
}

/**
 * The parked message of that number, or the group's oldest one.
 *
 * @throws OpsError `NOT_PARKED`, `NOT_A_PARKED_MESSAGE`; the SDK's errors
 */
export async function parkedMessage(
  connection: Connection,
  queue: string,
  groupId: string,
  sequenceNumber: string | undefined,
): Promise<ParkedMessage> {
  if (sequenceNumber !== undefined) {
    const item = await findItem(connection, queue, groupId, "parked", sequenceNumber);
    if (item !== undefined) return readParked(item);
    throw notParked(queue, groupId, sequenceNumber);
  }
  const oldest = await oldestParked(connection, queue, groupId);
  if (oldest === undefined) throw notParked(queue, groupId);
  return parkedMessage(connection, queue, groupId, oldest.sequenceNumber);
}

/** Nothing of that name is parked. */
export function notParked(queue: string, groupId: string, sequenceNumber?: string): OpsError {
  const what = sequenceNumber === undefined ? `group ${groupId}` : `message ${sequenceNumber} of group ${groupId}`;
  const way = sequenceNumber === undefined ? `parked list ${queue}` : `parked list ${queue} --group ${groupId}`;
  const seen = sequenceNumber === undefined ? "groups" : "messages";
  return new OpsError("NOT_PARKED", `${what} is not parked in ${queue}: ${way} shows the ${seen} that are`);
}

/** Leaves the body out. */
export function summary({ body, ...message }: ParkedMessage): ParkedSummary {
  return { ...message, bytes: Buffer.byteLength(body), edited: message.editedBy !== undefined };
}
