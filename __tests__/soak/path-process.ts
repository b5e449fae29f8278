import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { lateSchema, type orderSchema, type pathArgumentsSchema, servingSchema } from "./serving.ts";

/** Where the running path is. */
export type Serving = z.infer<typeof servingSchema>;

/** The whole path as a process group, and its life. */
export interface PathProcess {
  /** Undefined while it is down. */
  readonly serving: Serving | undefined;
  /** Whether a batch waits that is to begin late: a kill would take it away. */
  readonly isLate: boolean;
  /** Batches that began late, or were to. */
  readonly lateBatches: number;
  /**
   * Starts it, and resolves when it serves.
   *
   * @param faults whether batches may start late
   * @throws Error with the end of its log, when it ends before
   */
  start(faults: boolean): Promise<Serving>;
  /** SIGKILL for the whole group; resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends it in good order. */
  stop(): Promise<void>;
  /** SIGKILL for one process of the function, or for all of them. */
  killFunctions(order: Exclude<z.infer<typeof orderSchema>, "stop">): void;
  /** For the way out of this process: no waiting. */
  killNow(): void;
}

const LOG_LINES = 20;
/** The first start and each fourth one after it have batches that begin late. */
const LATE_EVERY = 4;
/** From the end of its wait until the batch has been dropped. */
const LATE_GRACE_MILLISECONDS = 3_000;
/** An orderly stop takes three seconds for invocations under way. */
const STOP_MILLISECONDS = 15_000;

/**
 * @param options.onEnd told of an end that nobody asked for
 * @example const path = createPathProcess({ data, synthesised, backendUrl, seed: 1, onEnd: console.error });
 */
export function createPathProcess(
  options: Omit<z.infer<typeof pathArgumentsSchema>, "faults" | "late" | "start"> & {
    readonly onEnd: (what: string) => void;
  },
): PathProcess {
  const { onEnd, ...given } = options;
  const log = join(options.data, "logs", "soak-path.log");
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();
  let starts = 0;
  let wanted = false;
  let serving: Serving | undefined;
  let lateUntil = 0;
  let lateBatches = 0;

  function killNow(): void {
    if (child?.pid === undefined) return;
    try {
      // Negative: the group that it leads, the function's processes included.
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // Nothing of it is left.
    }
  }

  return {
    get serving() {
      return serving;
    },
    get isLate() {
      return performance.now() < lateUntil;
    },
    get lateBatches() {
      return lateBatches;
    },
    async start(faults) {
      await mkdir(join(options.data, "logs"), { recursive: true });
      const output = openSync(log, "a");
      const started = spawn(
        process.execPath,
        [
          "--disable-warning=DEP0044",
          join(import.meta.dirname, "local-path.ts"),
          JSON.stringify({ ...given, faults, late: starts % LATE_EVERY === 0, start: starts }),
        ],
        { stdio: ["ignore", output, output, "ipc"], detached: true },
      );
      closeSync(output);
      starts += 1;
      wanted = true;
      child = started;
      gone = new Promise((resolve) => {
        started.once("exit", (code, signal) => {
          child = undefined;
          serving = undefined;
          resolve();
          if (wanted) onEnd(`the path ended by itself (${signal ?? code}): ${log} says why`);
        });
      });
      const said = await new Promise<unknown>((resolve) => {
        started.once("message", resolve);
        void gone.then(() => resolve(undefined));
      });
      if (said === undefined) {
        const lines = (await readFile(log, "utf8")).trimEnd().split("\n");
        throw new Error(`the path did not start:\n${lines.slice(-LOG_LINES).join("\n")}`);
      }
      serving = servingSchema.parse(said);
      started.on("message", (message) => {
        lateUntil = performance.now() + lateSchema.parse(message).late + LATE_GRACE_MILLISECONDS;
        lateBatches += 1;
      });
      return serving;
    },
    async kill() {
      wanted = false;
      serving = undefined;
      killNow();
      await gone;
    },
    async stop() {
      wanted = false;
      if (child?.connected === true) child.send("stop");
      const timer = setTimeout(killNow, STOP_MILLISECONDS);
      await gone;
      clearTimeout(timer);
    },
    killFunctions(order) {
      if (child?.connected === true) child.send(order);
    },
    killNow,
  };
}
