import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { TestContext } from "node:test";

/** `npm start` as a process. */
export interface LocalProcess {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Its end: the code, or the signal's name. */
  readonly ended: Promise<number | string>;
  /** Waits until stdout matches. @throws Error with what it wrote, when it ends before */
  matches(pattern: RegExp): Promise<RegExpExecArray>;
}

const START = join(import.meta.dirname, "../../runtime/local/start.js");

/**
 * Runs what `npm start -- <args>` runs; it is killed when the test ends.
 *
 * @example const { ended } = startProcess(t, ["--once", "--data", folder]);
 */
export function startProcess(t: TestContext, args: readonly string[]): LocalProcess {
  return follow(t, spawn(process.execPath, [START, ...args], { stdio: ["ignore", "pipe", "pipe"] }));
}

/**
 * Runs `npm start -- <args>` as a terminal does: npm, its shell and all that they start are one process group, which
 * `process.kill(-child.pid, "SIGINT")` reaches as Ctrl-C would.
 */
export function startGroup(t: TestContext, args: readonly string[]): LocalProcess {
  const npm = spawn("npm", ["start", "--silent", "--", ...args], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    shell: process.platform === "win32",
  });
  return follow(t, npm, true);
}

function follow(t: TestContext, child: ChildProcessByStdio<null, Readable, Readable>, isGroup = false): LocalProcess {
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  t.after(async () => {
    try {
      if (isGroup && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // Nothing of the group is left.
    }
    child.kill("SIGKILL");
    await ended;
  });
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    matches: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(stdout);
          if (found !== null) resolve(found);
        };
        child.stdout.on("data", look);
        look();
        void ended.then(() => reject(new Error(`it ended without ${pattern}:\n${stdout}\n${stderr}`)));
      }),
  };
}

/** A data folder that goes with the test. */
export async function dataFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "fifo-local-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
