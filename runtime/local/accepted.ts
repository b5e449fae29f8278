import { z } from "zod";
import { openLineFile } from "../response-server/line-file.ts";
import { readLines } from "./read-lines.ts";

const acceptedSchema = z.object({
  queue: z.string(),
  groupId: z.string(),
  transSeq: z.string(),
  messageId: z.string(),
  sequenceNumber: z.string(),
});

/** A message of a burst that the gateway answered with 200. */
export type Accepted = z.infer<typeof acceptedSchema>;

/** The file that says what was accepted, over all runs in a data folder. */
export interface AcceptedFile {
  /** Resolves when the line is on disk. Lines that come together are written together. */
  append(message: Accepted): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens `accepted.jsonl`, one JSON object a line. A line that a kill left unfinished is cut off: it had not counted yet.
 *
 * @throws the file system's errors: a file that cannot be read stays as it is
 * @example const file = await openAccepted(".local/accepted.jsonl");
 */
export async function openAccepted(path: string): Promise<AcceptedFile> {
  const file = await openLineFile(path);
  let lines = "";
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  async function write(): Promise<void> {
    const text = lines;
    lines = "";
    next = undefined;
    await file.append(Buffer.from(text));
  }

  return {
    append(message) {
      lines += `${JSON.stringify(message)}\n`;
      // One write at a time; what comes meanwhile goes into the next.
      next ??= writing = writing.then(write);
      return next;
    },
    async close() {
      await writing;
      await file.close();
    },
  };
}

/**
 * Reads all of it; nothing when there is no file.
 *
 * @throws Error when a line is none of this file's; the file system's errors
 */
export async function readAccepted(path: string): Promise<Accepted[]> {
  const messages: Accepted[] = [];
  for await (const line of readLines(path)) {
    try {
      messages.push(acceptedSchema.parse(JSON.parse(line)));
    } catch (cause) {
      throw new Error(`${path}, line ${messages.length + 1}: not a message that was accepted`, { cause });
    }
  }
  return messages;
}
