import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import { z } from "zod";
import { readLines } from "../../runtime/local/read-lines.ts";
import { startTableServer } from "../../runtime/local/table/server.ts";
import { parseParked, parseTombstone } from "../../runtime/parking-lot/parked-message.ts";
import { bodySchema, type Delivery, deliverySchema } from "./delivery.ts";
import { DEPLOYMENT, type SoakQueue } from "./queues.ts";
import type { Found, SetAside } from "./verdict.ts";

/** What is on disk once everything has ended. */
export interface OnDisk {
  readonly deliveries: readonly Delivery[];
  readonly deadLettered: readonly SetAside[];
  readonly waiting: readonly Found[];
  readonly parked: readonly Found[];
  readonly discarded: readonly SetAside[];
  readonly edited: readonly Found[];
  /** Messages that the consumer's log says were parked, by their ids. */
  readonly parkedIds: ReadonlySet<string>;
}

/**
 * Reads the files that the path left behind, by none of the path's own ways of counting: the backend's deliveries, the queues'
 * rows, the table's items.
 *
 * @throws Error when a process still has the data folder
 */
export async function readEvidence(
  data: string,
  deliveriesFile: string,
  queues: readonly SoakQueue[],
): Promise<OnDisk> {
  const deliveries: Delivery[] = [];
  for await (const line of readLines(deliveriesFile)) deliveries.push(deliverySchema.parse(JSON.parse(line)));
  return {
    deliveries,
    ...readQueues(join(data, "queues.sqlite"), queues),
    ...(await readTable(join(data, "table"))),
    parkedIds: await readParkedIds(join(data, "logs")),
  };
}

const rowSchema = z.object({
  name: z.string(),
  body: z.string(),
  enqueued_at: z.number(),
  message_attributes: z.string().nullable(),
});

function readQueues(file: string, queues: readonly SoakQueue[]): Pick<OnDisk, "deadLettered" | "waiting"> {
  const deadLettered: SetAside[] = [];
  const waiting: Found[] = [];
  const database = new DatabaseSync(file);
  try {
    const rows = database.prepare(
      "SELECT name, body, enqueued_at, message_attributes FROM messages JOIN queues ON queues.id = queue_id ORDER BY sequence",
    );
    for (const row of rows.iterate()) {
      const { name, body, enqueued_at: at, message_attributes: attributes } = rowSchema.parse(row);
      // A control message is an operator's, not a producer's.
      if (attributes !== null && Object.hasOwn(z.looseObject({}).parse(JSON.parse(attributes)), "control")) continue;
      const found = identify(body);
      if (queues.some((queue) => name === `${DEPLOYMENT}-${queue.name}.fifo`)) waiting.push(found);
      else deadLettered.push({ ...found, at });
    }
  } finally {
    database.close();
  }
  return { deadLettered, waiting };
}

async function readTable(folder: string): Promise<Pick<OnDisk, "parked" | "discarded" | "edited">> {
  const server = await startTableServer({ resources: [], folder, region: "local" });
  const client = new DynamoDBClient({
    endpoint: server.url,
    region: "local",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  const parked: Found[] = [];
  const discarded: SetAside[] = [];
  const edited: Found[] = [];
  try {
    for await (const { Items = [] } of paginateScan({ client }, { TableName: `${DEPLOYMENT}-parking-lot` })) {
      for (const item of Items) {
        const kind = item["sk"]?.S?.split("#")[0];
        if (kind === "parked") parked.push(identify(parseParked(item).body));
        else if (kind === "original") edited.push(identify(parseParked(item).body));
        else if (kind === "discarded") {
          const tombstone = parseTombstone(item);
          discarded.push({ ...identify(tombstone.body), at: Date.parse(tombstone.discardedAt) });
        }
      }
    }
  } finally {
    client.destroy();
    await server.close();
  }
  return { parked, discarded, edited };
}

const settledSchema = z.object({
  event: z.literal("message.settled"),
  outcome: z.literal("parked"),
  messageId: z.string(),
});

async function readParkedIds(folder: string): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  if (!(await readdir(folder)).includes("consumer.jsonl")) return ids;
  for await (const line of readLines(join(folder, "consumer.jsonl"))) {
    if (!line.includes('"parked"')) continue;
    const settled = settledSchema.safeParse(parse(line));
    if (settled.success) ids.add(settled.data.messageId);
  }
  return ids;
}

function identify(body: string): Found {
  const { data } = bodySchema.parse(JSON.parse(body));
  return { queue: data.queue, groupId: data.MessageGroupID, n: data.n };
}

/** @returns undefined for what a kill has cut */
function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
