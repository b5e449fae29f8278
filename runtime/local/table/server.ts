import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  ResourceInUseException,
} from "@aws-sdk/client-dynamodb";
import dynalite from "dynalite";
import { z } from "zod";
import { listen, stopListening } from "../listen.ts";
import type { EmittedResource } from "../terraform/model.ts";

const LOOK_EVERY_MILLISECONDS = 5;

/** A running DynamoDB with the deployment's tables. */
export interface TableServer {
  /** What `AWS_ENDPOINT_URL_DYNAMODB` takes, e.g. `http://127.0.0.1:41236`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Arguments of `aws_dynamodb_table` that are read and not acted on, each with the reason. */
export const IGNORED_TABLE_ARGUMENTS: Readonly<Record<string, string>> = {
  ttl: "dynalite never expires items; what expires here is a counter or a marker, read with its time",
  point_in_time_recovery: "backups are copies of the data folder",
  server_side_encryption: "the data folder is as private as the machine",
  deletion_protection_enabled: "nothing here deletes a table",
  tags: "nothing reads them",
};

const attributeType = z.enum(["S", "N", "B"]);
const tableSchema = z.object({
  name: z.string(),
  billing_mode: z.literal("PAY_PER_REQUEST"),
  hash_key: z.string(),
  range_key: z.string().optional(),
  attribute: z.array(z.object({ name: z.string(), type: attributeType })),
  global_secondary_index: z
    .array(
      z.strictObject({
        name: z.string(),
        hash_key: z.string(),
        range_key: z.string().optional(),
        projection_type: z.enum(["ALL", "KEYS_ONLY"]),
      }),
    )
    .default([]),
});
const READ_ARGUMENTS: ReadonlySet<string> = new Set([
  ...Object.keys(tableSchema.shape),
  ...Object.keys(IGNORED_TABLE_ARGUMENTS),
  "id",
  "arn",
]);

/**
 * Starts a DynamoDB on 127.0.0.1 and creates the emitted tables that it does not have yet.
 *
 * @param options.folder where the tables are kept; one process at a time
 * @param options.port 0 or nothing: a free one
 * @throws Error that names the table's address and the argument, when a table asks for what local mode does not do
 * @example const table = await startTableServer({ resources, folder: ".local/table", region: "ap-northeast-2" });
 */
export async function startTableServer(options: {
  readonly resources: readonly EmittedResource[];
  readonly folder: string;
  readonly port?: number;
  readonly region: string;
}): Promise<TableServer> {
  const tables = options.resources.filter(({ type }) => type === "aws_dynamodb_table").map(createTable);
  await mkdir(dirname(options.folder), { recursive: true });
  const server = dynalite({ path: options.folder, createTableMs: 0 });
  const url = await listen(server, options.port);
  const client = new DynamoDBClient({
    endpoint: url,
    region: options.region,
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  for (const table of tables) {
    await client.send(table).catch((error: unknown) => {
      // It was created by an earlier run in the same data folder.
      if (!(error instanceof ResourceInUseException)) throw error;
    });
    await isActive(client, table.input.TableName);
  }
  client.destroy();
  return {
    url,
    close: () => stopListening(server),
  };
}

/** dynalite answers a little before the table can be used. */
async function isActive(client: DynamoDBClient, TableName: string | undefined): Promise<void> {
  for (;;) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName }));
    if (Table?.TableStatus === "ACTIVE") return;
    await sleep(LOOK_EVERY_MILLISECONDS);
  }
}

function createTable(resource: EmittedResource): CreateTableCommand {
  const unknown = Object.keys(resource.values).find((key) => !READ_ARGUMENTS.has(key));
  if (unknown !== undefined) {
    throw new Error(`${resource.address}: local mode does not know the argument ${unknown} of a table`);
  }
  const parsed = tableSchema.safeParse(resource.values);
  if (!parsed.success) throw new Error(`${resource.address}: ${z.prettifyError(parsed.error)}`);
  const table = parsed.data;
  return new CreateTableCommand({
    TableName: table.name,
    BillingMode: table.billing_mode,
    AttributeDefinitions: table.attribute.map(({ name, type }) => ({ AttributeName: name, AttributeType: type })),
    KeySchema: keySchema(table),
    ...(table.global_secondary_index.length === 0
      ? {}
      : {
          GlobalSecondaryIndexes: table.global_secondary_index.map((index) => ({
            IndexName: index.name,
            KeySchema: keySchema(index),
            Projection: { ProjectionType: index.projection_type },
          })),
        }),
  });
}

function keySchema(keys: { readonly hash_key: string; readonly range_key?: string | undefined }) {
  const hash = { AttributeName: keys.hash_key, KeyType: "HASH" } as const;
  return keys.range_key === undefined ? [hash] : [hash, { AttributeName: keys.range_key, KeyType: "RANGE" } as const];
}
