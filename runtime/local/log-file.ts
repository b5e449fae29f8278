import { once } from "node:events";
import { createWriteStream } from "node:fs";

/** A log that grows by lines. */
export interface LogFile {
  /** Does nothing after `close()`: an answer under way may still come. */
  write(line: string): void;
  /** Resolves when all lines so far are with the system, or could not be written. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a log to append to.
 *
 * @param onFailure told once, with the file and the system's reason, when a line cannot be written; the later ones are not either
 * @throws Error that names the file when it cannot be opened
 * @example const log = await openLogFile(".local/logs/gateway.jsonl", console.error);
 */
export async function openLogFile(path: string, onFailure: (what: string) => void): Promise<LogFile> {
  const stream = createWriteStream(path, { flags: "a" });
  try {
    await once(stream, "open");
  } catch (cause) {
    throw new Error(`cannot open the log ${path} (${reason(cause)}): see what is there, or use another --data`, {
      cause,
    });
  }
  let failed = false;
  let closing = false;
  stream.on("error", (error) => {
    if (failed) return;
    failed = true;
    onFailure(`cannot write the log ${path} (${reason(error)}): it ends here, and what is counted from it is too low`);
  });
  return {
    write(line) {
      if (!failed && !closing) stream.write(`${line}\n`);
    },
    async flush() {
      if (failed || closing) return;
      // Called in turn, after every write before it, also when that failed.
      await new Promise<void>((resolve) => {
        stream.write("", () => resolve());
      });
    },
    async close() {
      if (stream.closed) return;
      closing = true;
      await new Promise<void>((resolve) => {
        stream.once("close", resolve);
        stream.end();
      });
    },
  };
}

const reason = (error: unknown): string =>
  error instanceof Error ? ("code" in error ? String(error.code) : error.message) : "unknown reason";
