import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";

/** The parking-lot table, as all that is kept in it is reached. */
export interface ParkingLotTable {
  readonly client: DynamoDBClient;
  /** Its name in DynamoDB. */
  readonly table: string;
  /** How long a call may take, its retries included. */
  readonly callMilliseconds: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** The attribute of the table's TTL: epoch seconds, so that an item outlives the message that it is about. */
export function expiresAt({ now }: Pick<ParkingLotTable, "now">, retentionSeconds: number): { readonly N: string } {
  return { N: String(Math.ceil(now() / 1000) + retentionSeconds) };
}
