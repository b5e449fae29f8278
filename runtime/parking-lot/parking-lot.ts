import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { giveUpAfter } from "../give-up.ts";
import { itemKey, itemRange, sequenceNumberOf } from "./keys.ts";
import {
  type Failure,
  type Item,
  type ParkedMessage,
  parseParked,
  type Tombstone,
  toAttributes,
  toItem,
} from "./parked-message.ts";
import { expiresAt, type ParkingLotTable } from "./table.ts";

/** A message as its item's key names it. */
export interface ParkedKey {
  /** Name in the configuration. */
  readonly queue: string;
  readonly groupId: string;
  /** 20 digits. */
  readonly sequenceNumber: string;
}

/** The message that blocks its group. */
export interface OldestParked {
  /** 20 digits. */
  readonly sequenceNumber: string;
  /** Whether the index lists the group by it. */
  readonly isMarked: boolean;
}

/**
 * A group's parked messages. Each call is one request to DynamoDB; the consumer puts them in an order in which it may be killed
 * between any two. All calls throw the SDK's errors, and end within the time that the store was given.
 *
 * Only the consumer that holds the group's messages in the queue may write.
 */
export interface ParkingLot {
  /**
   * The message that blocks the group: a consistent read of one item at most.
   *
   * @returns undefined when nothing of the group is parked
   */
  oldest(queue: string, groupId: string): Promise<OldestParked | undefined>;
  /**
   * The group's oldest messages, oldest first: one page of a consistent read.
   *
   * @param most how many at most; a page ends at 1 MiB as well
   * @param after only those above this sequence number
   * @returns an empty page at the end only
   */
  read(queue: string, groupId: string, most: number, after?: string): Promise<readonly ParkedMessage[]>;
  /** @returns undefined when that message is not parked */
  get(key: ParkedKey): Promise<ParkedMessage | undefined>;
  /**
   * Stores a message, or does nothing when it is stored already.
   *
   * @param isOldest the index of parked groups lists the group by this message then
   */
  park(message: ParkedMessage, isOldest: boolean): Promise<void>;
  /** Lists the group by this message. Nothing when it is not parked any more. */
  markOldest(key: ParkedKey): Promise<void>;
  /** Writes down why a parked message could not be delivered again, and which replay stopped there, unless a later one has. */
  recordFailure(key: ParkedKey, failure: Failure, stoppedBy: string): Promise<void>;
  /** Gives a parked message another body. Nothing when it is not parked any more, or a later edit gave it one. */
  replaceBody(key: ParkedKey, body: string, editedBy: string): Promise<void>;
  /** Keeps the body that was sent. The first one stays, however often the message is edited. */
  keepOriginal(message: ParkedMessage): Promise<void>;
  /** Writes down that a message is discarded, with all it had. */
  bury(tombstone: Tombstone, retentionSeconds: number): Promise<void>;
  /** Takes a message out of the parking lot. */
  remove(key: ParkedKey): Promise<void>;
}

const NOT_STORED_YET = "attribute_not_exists(pk)";
const STILL_STORED = "attribute_exists(pk)";
/** A request that was given up may land after those of a later control message. Sequence numbers of one length compare as text. */
const notLaterThan = (name: string) => `${STILL_STORED} AND (attribute_not_exists(#${name}) OR #${name} < :${name})`;

/**
 * The parking lot in DynamoDB.
 *
 * @example await createParkingLot({ client, table: "dev-parking-lot", callMilliseconds: 900, now: Date.now }).oldest("queue-1", "10")
 */
export function createParkingLot({ client, table, callMilliseconds, now }: ParkingLotTable): ParkingLot {
  const limited = <Result>(call: (abortSignal: AbortSignal) => Promise<Result>) => giveUpAfter(callMilliseconds, call);
  const put = (Item: Item, ConditionExpression?: string) =>
    limited((abortSignal) =>
      client.send(new PutItemCommand({ TableName: table, Item, ConditionExpression }), { abortSignal }),
    );
  const update = async (key: ParkedKey, values: Item, condition = STILL_STORED, gone: readonly string[] = []) => {
    const names = [...Object.keys(values), ...gone];
    const sets = Object.keys(values).map((name) => `#${name} = :${name}`);
    const removes = gone.map((name) => `#${name}`);
    const command = new UpdateItemCommand({
      TableName: table,
      Key: keyOf(key),
      UpdateExpression: `SET ${sets.join(", ")}${removes.length === 0 ? "" : ` REMOVE ${removes.join(", ")}`}`,
      ConditionExpression: condition,
      ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
      ExpressionAttributeValues: Object.fromEntries(Object.entries(values).map(([name, value]) => [`:${name}`, value])),
    });
    await limited((abortSignal) => client.send(command, { abortSignal })).catch(unlessConditionFailed);
  };
  const query = async (queue: string, groupId: string, most: number, after?: string, projection?: string) => {
    const command = new QueryCommand({
      TableName: table,
      ConsistentRead: true,
      Limit: most,
      ProjectionExpression: projection,
      ...itemRange(queue, groupId, "parked", { after }),
    });
    const { Items } = await limited((abortSignal) => client.send(command, { abortSignal }));
    return Items ?? [];
  };

  return {
    async oldest(queue, groupId) {
      const [item] = await query(queue, groupId, 1, undefined, "sk, parkedQueue");
      if (item === undefined) return undefined;
      return { sequenceNumber: sequenceNumberOf(item), isMarked: item["parkedQueue"] !== undefined };
    },
    async read(queue, groupId, most, after) {
      return (await query(queue, groupId, most, after)).map(parseParked);
    },
    async get(key) {
      const command = new GetItemCommand({ TableName: table, Key: keyOf(key), ConsistentRead: true });
      const { Item } = await limited((abortSignal) => client.send(command, { abortSignal }));
      return Item === undefined ? undefined : parseParked(Item);
    },
    async park(message, isOldest) {
      const item = { ...toItem("parked", message), ...(isOldest ? { parkedQueue: { S: message.queue } } : {}) };
      await put(item, NOT_STORED_YET).catch(unlessConditionFailed);
    },
    async markOldest(key) {
      await update(key, { parkedQueue: { S: key.queue } });
    },
    async recordFailure(key, failure, stoppedBy) {
      const { reason, detail, outcome, attempts, httpStatus, firstFailureAt, lastFailureAt } = failure;
      const values = { reason, detail, outcome, attempts, httpStatus, firstFailureAt, lastFailureAt, stoppedBy };
      const gone = httpStatus === undefined ? ["httpStatus"] : [];
      await update(key, toAttributes(values), notLaterThan("stoppedBy"), gone);
    },
    async replaceBody(key, body, editedBy) {
      await update(key, toAttributes({ body, editedBy }), notLaterThan("editedBy"));
    },
    async keepOriginal(message) {
      await put(toItem("original", message), NOT_STORED_YET).catch(unlessConditionFailed);
    },
    async bury(tombstone, retentionSeconds) {
      await put({ ...toItem("discarded", tombstone), expiresAt: expiresAt({ now }, retentionSeconds) });
    },
    async remove(key) {
      const command = new DeleteItemCommand({ TableName: table, Key: keyOf(key) });
      await limited((abortSignal) => client.send(command, { abortSignal }));
    },
  };
}

function keyOf({ queue, groupId, sequenceNumber }: ParkedKey) {
  return { ...itemKey(queue, groupId, "parked", sequenceNumber) };
}

/** What the condition asked for is so already, since this call was made before and its answer was lost. */
function unlessConditionFailed(error: unknown): void {
  if (!(error instanceof ConditionalCheckFailedException)) throw error;
}
