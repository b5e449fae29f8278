import { rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readKept, writeKept } from "./kept-file.ts";

const url = z.url({ protocol: /^https?$/ });
const fileSchema = z.object({
  deployment: z.string().min(1),
  region: z.string().min(1),
  endpoints: z.object({ sqs: url, dynamodb: url, gateway: url }),
  pid: z.int().min(1),
});

/** A running local mode, as other programs find it. */
export interface RunningLocal {
  readonly deployment: string;
  readonly region: string;
  /** The gateway's with its stage, e.g. `http://127.0.0.1:41234/kimalarm`. */
  readonly endpoints: { readonly sqs: string; readonly dynamodb: string; readonly gateway: string };
}

/** There is no local mode to talk to in a data folder. */
export class LocalFileError extends Error {
  override readonly name = "LocalFileError";
  /** `NOT_A_LOCAL_FILE`: something else wrote the file. */
  readonly code: "NOT_RUNNING" | "NOT_A_LOCAL_FILE";

  constructor(code: LocalFileError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const pathOf = (data: string): string => join(data, "local.json");

/**
 * Says in `<data>/local.json` where local mode listens; no keys. For the process that has the data folder, when all of it listens.
 *
 * @throws the file system's errors
 * @example writeLocalFile(".local", { deployment: "dev", region: "ap-northeast-2", endpoints });
 */
export function writeLocalFile(data: string, running: RunningLocal): void {
  const { deployment, region, endpoints } = running;
  const { sqs, dynamodb, gateway } = endpoints;
  const document = { deployment, region, endpoints: { sqs, dynamodb, gateway }, pid: process.pid };
  writeKept(pathOf(data), `${JSON.stringify(document, undefined, 2)}\n`, 0o644);
}

/** Takes it away; one that is not there is no error. */
export function removeLocalFile(data: string): void {
  rmSync(pathOf(data), { force: true });
}

/**
 * Finds the local mode that runs in a data folder.
 *
 * @param data the folder, as `npm start` has it with `--data`; a relative one starts at the working directory
 * @throws LocalFileError `NOT_RUNNING` when there is no file, or its process is gone; `NOT_A_LOCAL_FILE`; the file system's
 *   other errors
 * @example const { endpoints } = readLocalFile(".local");
 */
export function readLocalFile(data: string): RunningLocal {
  const text = readKept(pathOf(data));
  const start = `npm start${data === ".local" ? "" : ` -- --data ${data}`}`;
  if (text === undefined) throw new LocalFileError("NOT_RUNNING", `no local mode is running in ${data}: ${start}`);
  const { deployment, region, endpoints, pid } = parse(data, text);
  if (!isAlive(pid)) {
    throw new LocalFileError("NOT_RUNNING", `the local mode in ${data} was process ${pid}, which is gone: ${start}`);
  }
  return { deployment, region, endpoints };
}

function parse(data: string, text: string): z.output<typeof fileSchema> {
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    const way = "stop local mode, delete the file, and start it again";
    throw new LocalFileError("NOT_A_LOCAL_FILE", `${pathOf(data)} is not what local mode writes: ${way}`, { cause });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process is one, too.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
