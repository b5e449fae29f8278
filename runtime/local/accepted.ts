import { open, readFile } from "node:fs/promises";
import { z } from "zod";

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
 * @example const file = await openAccepted(".local/accepted.jsonl");
 */
export async function openAccepted(path: string): Promise<AcceptedFile> {
  const before = await readFile(path).catch(() => Buffer.alloc(0));
  const file = await open(path, "a");
  await file.truncate(before.lastIndexOf("\n") + 1);
  let lines = "";
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  async function write(): Promise<void> {
    const text = lines;
    lines = "";
    next = undefined;
    await file.appendFile(text);
    await file.datasync();
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

/** Reads all of it. @throws Error when a line is none of this file's */
export async function readAccepted(path: string): Promise<Accepted[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line, index) => {
      try {
        return acceptedSchema.parse(JSON.parse(line));
      } catch (cause) {
        throw new Error(`${path}, line ${index + 1}: not a message that was accepted`, { cause });
      }
    });
}
