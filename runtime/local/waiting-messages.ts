import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import { z } from "zod";
import { COPY_ATTRIBUTES } from "../message.ts";
import type { QueueEngine } from "./queue/engine.ts";
import type { EmittedResource } from "./terraform/model.ts";

const rowSchema = z.object({ message_id: z.string(), message_attributes: z.string() });
const attributesSchema = z.object({
  [COPY_ATTRIBUTES.originalMessageId]: z.object({ stringValue: z.string() }).optional(),
});

/** Of a message in a dead-letter queue that an earlier run's consumer put there: the id that it had before, by its own. */
export type OriginalIds = ReadonlyMap<string, string>;

/**
 * Reads the original ids of the dead-lettered copies in a queue file. Before the engine opens the file, since then it is the
 * engine's alone.
 *
 * @throws Error when another process has the file
 * @example const originals = readOriginalIds(".local/queues.sqlite");
 */
export function readOriginalIds(file: string): OriginalIds {
  const originals = new Map<string, string>();
  if (!existsSync(file)) return originals;
  const database = new DatabaseSync(file, { timeout: 1_000 });
  try {
    // A kill between the file's making and its tables' leaves it empty.
    const table = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'messages'").get();
    if (table === undefined) return originals;
    const rows = database.prepare(
      "SELECT message_id, message_attributes FROM messages WHERE message_attributes IS NOT NULL",
    );
    for (const row of rows.iterate()) {
      const { message_id: id, message_attributes: attributes } = rowSchema.parse(row);
      const { [COPY_ATTRIBUTES.originalMessageId]: original } = attributesSchema.parse(JSON.parse(attributes));
      if (original !== undefined) originals.set(id, original.stringValue);
    }
  } catch (cause) {
    if (!(cause instanceof Error) || !cause.message.includes("locked")) throw cause;
    throw new Error(
      `${dirname(file)} is in use by another process: stop that one, or name another folder with --data`,
      { cause },
    );
  } finally {
    database.close();
  }
  return originals;
}

/**
 * Ids of the messages that are in a queue right now, dead-letter queues included: asked of the queues themselves, since what a
 * purge or the retention takes away is told by no event.
 *
 * @param originals what {@link readOriginalIds} found: a copy that is still there stands for its original
 */
export function waitingMessages(engine: QueueEngine, originals: OriginalIds): ReadonlySet<string> {
  const waiting = new Set<string>();
  for (const name of engine.listQueues()) {
    for (const id of engine.messageIds(name)) {
      waiting.add(id);
      const original = originals.get(id);
      if (original !== undefined) waiting.add(original);
    }
  }
  return waiting;
}

/**
 * Ids of the messages that an earlier run's consumer parked, discarded ones included: a kill may have cut off the log line that
 * told of it.
 *
 * @param options.url of the table server
 * @throws the SDK's errors
 * @example const parked = await readParkedIds({ resources, url: table.url, region: "ap-northeast-2" });
 */
export async function readParkedIds(options: {
  readonly resources: readonly EmittedResource[];
  readonly url: string;
  readonly region: string;
}): Promise<ReadonlySet<string>> {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const client = new DynamoDBClient({ endpoint: options.url, region: options.region, credentials });
  const parked = new Set<string>();
  try {
    for (const { values } of options.resources.filter(({ type }) => type === "aws_dynamodb_table")) {
      const TableName = z.string().parse(values["name"]);
      // Counters and markers have none.
      for await (const { Items = [] } of paginateScan({ client }, { TableName, ProjectionExpression: "messageId" })) {
        for (const { messageId } of Items) if (messageId?.S !== undefined) parked.add(messageId.S);
      }
    }
  } finally {
    client.destroy();
  }
  return parked;
}
