import { type ParkedGroup, parkedGroups } from "../../../../runtime/parking-lot/groups.ts";
import type { Connection } from "../connection.ts";
import { checkGroupId, parkingLotName, queueNames, queueUrl } from "../names.ts";
import { items, type ParkedSummary, summary } from "./messages.ts";
import { readParked } from "./read-item.ts";

/**
 * The groups that wait for a person: of one queue, or of all queues of the deployment. In each queue those come first whose oldest
 * message was parked first. Reads the index alone, so no body; it follows the table within about a second.
 *
 * @param options.queue name in `main.ts` @default all queues
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`; the SDK's errors
 * @example for await (const { queue, groupId } of listGroups({ connection })) console.log(queue, groupId);
 */
export async function* listGroups({
  connection,
  queue,
}: {
  readonly connection: Connection;
  readonly queue?: string | undefined;
}): AsyncGenerator<ParkedGroup, void, void> {
  // A queue that does not exist has no parked groups, which is not what a mistyped name should say.
  if (queue !== undefined) await queueUrl(connection, queue);
  const queues = queue === undefined ? await queueNames(connection) : [queue];
  for (const name of queues) yield* parkedGroups(connection.dynamodb, parkingLotName(connection.deployment), name);
}

/**
 * The parked messages of a group, oldest first, without their bodies. DynamoDB reads them nevertheless: a read unit for each 4 KB.
 *
 * @param options.after only those above this sequence number (20 digits)
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_A_PARKED_MESSAGE`; the SDK's errors
 * @example for await (const { sequenceNumber, reason } of listMessages({ connection, queue: "queue-2", groupId: "10" })) {}
 */
export async function* listMessages({
  connection,
  queue,
  groupId,
  after,
}: {
  readonly connection: Connection;
  readonly queue: string;
  readonly groupId: string;
  readonly after?: string | undefined;
}): AsyncGenerator<ParkedSummary, void, void> {
  checkGroupId(groupId);
  await queueUrl(connection, queue);
  for await (const item of items(connection, queue, groupId, "parked", { after })) yield summary(readParked(item));
}
