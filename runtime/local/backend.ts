import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { openLogFile } from "./log-file.ts";

/** The example backend, in a process of its own. */
export interface BackendProcess {
  /** What `BACKEND_URL` takes. */
  readonly url: string;
  readonly pid: number | undefined;
  close(): Promise<void>;
}

const RESTART_MILLISECONDS = 200;

/**
 * Starts the response server and starts it again when it dies.
 *
 * @param options.port 0 takes a free one
 * @param options.logFolder for `res_server.txt`, `res_server_Seq.txt` and the server's own log
 * @param options.onFailure told of a death that nobody asked for, and of a log that cannot be written
 * @throws Error when it does not come up
 * @example const backend = await startBackend({ port: 8000, logFolder: ".local/logs", onFailure: console.error });
 */
export async function startBackend(options: {
  readonly port: number;
  readonly logFolder: string;
  readonly onFailure: (what: string) => void;
}): Promise<BackendProcess> {
  await mkdir(options.logFolder, { recursive: true });
  const log = await openLogFile(join(options.logFolder, "response-server.jsonl"), options.onFailure);
  // A free one at first, the same one ever after: who knows the URL goes on using it.
  let port = options.port;
  let closing = false;
  let child: ChildProcess;
  let restart: NodeJS.Timeout | undefined;
  let gone: Promise<void> = Promise.resolve();

  function start(): Promise<string> {
    const started = spawn(process.execPath, [join(import.meta.dirname, "backend-process.ts")], {
      env: { PORT: String(port), HOST: "127.0.0.1", LOG_DIR: options.logFolder, TZ: ":UTC" },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    child = started;
    const errors: string[] = [];
    const listening = new Promise<string>((resolve, reject) => {
      onLine(started.stdout, (line) => {
        log.write(line);
        const listens = /"server\.listening".*"url":"([^"]+)"/.exec(line);
        if (listens?.[1] !== undefined) resolve(listens[1]);
      });
      onLine(started.stderr, (line) => {
        log.write(line);
        errors.push(line);
      });
      started.on("error", reject);
      started.once("close", () => reject(new Error(`the response server did not start:\n${errors.join("\n")}`)));
    });
    gone = new Promise((resolve) => {
      // Closed: its last lines were read, too.
      started.once("close", (code, signal) => {
        resolve();
        if (closing) return;
        options.onFailure(`the response server ended (${signal ?? code}): starting it again`);
        restart = setTimeout(() => {
          // Its end, should it not come up, is this handler's again.
          start().catch(() => undefined);
        }, RESTART_MILLISECONDS);
      });
    });
    return listening;
  }

  let url: string;
  try {
    url = await start();
    port = Number(new URL(url).port);
  } catch (error) {
    closing = true;
    clearTimeout(restart);
    await log.close();
    throw error;
  }
  return {
    url,
    get pid() {
      return child.pid;
    },
    async close() {
      closing = true;
      clearTimeout(restart);
      child.kill("SIGTERM");
      await gone;
      await log.close();
    },
  };
}

function onLine(input: Readable | null, listener: (line: string) => void): void {
  if (input !== null) createInterface({ input }).on("line", listener);
}
