import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { z } from "zod";
import { type Ended, endsWithThis } from "./child.ts";

/** What workerd writes to its control pipe when it listens. */
const listeningSchema = z.object({ event: z.literal("listen"), socket: z.literal("http"), port: z.int() });

const pipe = z.instanceof(Readable);
const pipesSchema = z.tuple([pipe, pipe, pipe]);

/** The date of the behaviour that is asked for: newer versions of workerd keep to it. */
const COMPATIBILITY_DATE = "2026-11-01";

/** workerd lets a worker reach public addresses only, unless it is told otherwise. */
const CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "this-machine", network = (allow = ["local"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  globalOutbound = "this-machine",
);
`;

/**
 * Serves a worker with workerd, sends it one request, and ends it.
 *
 * @param options.binary workerd
 * @param options.worker the worker's source, one file
 * @param options.body what it is sent
 * @param options.timeout for all of it, in milliseconds
 * @returns what it answered, as a line of a verdict, and what workerd printed
 */
export async function runWorker(options: {
  binary: string;
  folder: string;
  worker: string;
  body: string;
  timeout: number;
}): Promise<Ended> {
  await writeFile(join(options.folder, "worker.js"), options.worker);
  await writeFile(join(options.folder, "worker.capnp"), CONFIG);
  const child = spawn(options.binary, ["serve", "--control-fd=3", "worker.capnp"], {
    cwd: options.folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  endsWithThis(child);
  const [stdout, stderr, control] = pipesSchema.parse(child.stdio.slice(1, 4));
  const output: string[] = [];
  for (const stream of [stdout, stderr]) stream.setEncoding("utf8").on("data", (text: string) => output.push(text));
  const ended = new Promise<number | null>((resolve) => {
    child.once("error", (error) => output.push(String(error)));
    child.once("close", resolve);
  });
  const signal = AbortSignal.timeout(options.timeout);
  try {
    const port = await Promise.race([portFrom(control, signal), ended.then(() => undefined)]);
    if (port === undefined)
      return { code: await ended, stdout: "", output: output.join(""), timedOut: false, silent: 0 };
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: options.body, signal });
    const text = await answer.text();
    child.kill("SIGTERM");
    await ended;
    const verdict = answer.ok ? `VERDICT ${text}\n` : "";
    return {
      code: answer.ok ? 0 : 1,
      stdout: verdict,
      output: `${output.join("")}${text}\n`,
      timedOut: false,
      silent: 0,
    };
  } catch (error) {
    if (!signal.aborted) throw error;
    return { code: null, stdout: "", output: output.join(""), timedOut: true, silent: 0 };
  } finally {
    child.kill("SIGKILL");
  }
}

async function portFrom(control: Readable, signal: AbortSignal): Promise<number> {
  for await (const line of createInterface({ input: control, signal })) {
    const listening = listeningSchema.safeParse(JSON.parse(line));
    if (listening.success) return listening.data.port;
  }
  throw new Error("workerd closed its control pipe before it listened");
}
