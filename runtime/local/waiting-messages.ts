import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { QueueEngine } from "./queue/engine.ts";

const rowSchema = z.object({ message_id: z.string(), message_attributes: z.string().nullable() });
const attributesSchema = z.object({
  "original-message-id": z.object({ stringValue: z.string() }).optional(),
});

/** Which messages are in the queues: what is neither there nor delivered is lost. */
export interface WaitingMessages {
  /** Whether a message is in a queue, or a copy of it in a dead-letter queue. */
  has(messageId: string): boolean;
}

/**
 * Reads which messages a queue file holds. Before the engine opens the file, since then it is the engine's alone.
 *
 * @throws Error when another process has the file
 * @example const ids = readWaitingMessages(".local/queues.sqlite");
 */
export function readWaitingMessages(file: string): Set<string> {
  const ids = new Set<string>();
  if (!existsSync(file)) return ids;
  const database = new DatabaseSync(file, { timeout: 1_000 });
  try {
    for (const row of database.prepare("SELECT message_id, message_attributes FROM messages").iterate()) {
      const { message_id: id, message_attributes: attributes } = rowSchema.parse(row);
      ids.add(id);
      // The consumer's dead-lettered copy has an id of its own, and names the first one.
      const original = attributes === null ? undefined : attributesSchema.parse(JSON.parse(attributes));
      if (original?.["original-message-id"] !== undefined) ids.add(original["original-message-id"].stringValue);
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
  return ids;
}

/**
 * Keeps account of the messages in the queues from now on.
 *
 * @param ids what {@link readWaitingMessages} found
 */
export function followWaitingMessages(engine: QueueEngine, ids: Set<string>): WaitingMessages {
  engine.on("sent", ({ messageId }) => ids.add(messageId));
  engine.on("deleted", ({ messageId }) => ids.delete(messageId));
  return { has: (messageId) => ids.has(messageId) };
}
