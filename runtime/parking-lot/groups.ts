import { type DynamoDBClient, paginateQuery } from "@aws-sdk/client-dynamodb";
import { PARKED_GROUPS_INDEX, sequenceNumberOf } from "./keys.ts";

/** A group that waits for a person. */
export interface ParkedGroup {
  readonly queue: string;
  readonly groupId: string;
  /** Its oldest parked message: 20 digits. */
  readonly sequenceNumber: string;
  /** When that message was parked: ISO 8601, in UTC. */
  readonly parkedAt: string;
}

/**
 * The parked groups of a queue, those first whose oldest message was parked first. Reads the index alone, so no body; the index
 * follows the table within about a second.
 *
 * @param queue name in the configuration
 * @throws the SDK's errors
 * @example for await (const { groupId } of parkedGroups(client, "dev-parking-lot", "queue-1")) console.log(groupId)
 */
export async function* parkedGroups(
  client: DynamoDBClient,
  table: string,
  queue: string,
): AsyncGenerator<ParkedGroup, void, void> {
  const pages = paginateQuery(
    { client },
    {
      TableName: table,
      IndexName: PARKED_GROUPS_INDEX,
      KeyConditionExpression: "parkedQueue = :queue",
      ExpressionAttributeValues: { ":queue": { S: queue } },
    },
  );
  // A consumer marks the next message before it takes the oldest one away: for a moment, the group is listed by both.
  const seen = new Set<string>();
  for await (const { Items = [] } of pages) {
    for (const item of Items) {
      const groupId = (item["pk"]?.S ?? "").slice(queue.length + 1);
      if (seen.has(groupId)) continue;
      seen.add(groupId);
      const sequenceNumber = sequenceNumberOf(item);
      yield { queue, groupId, sequenceNumber, parkedAt: item["parkedAt"]?.S ?? "" };
    }
  }
}
