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
