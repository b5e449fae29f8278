import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after } from "node:test";
import { projectRoot } from "./emitted.ts";

const cli = join(projectRoot, "sdk/ops/src/cli.ts");

/** Compiled once for all runs: they are a second each otherwise. */
const compileCache = mkdtempSync(join(tmpdir(), "ops-cli-"));
after(() => rmSync(compileCache, { recursive: true, force: true }));

/** How a run of the command ended, and what it printed. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts `fifo-ops` as a script would: no terminal, nothing of AWS in its environment but what is given. */
export function startFifoOps(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const quiet = { PATH: process.env.PATH, HOME: "/nowhere", AWS_EC2_METADATA_DISABLED: "true" };
  const child = spawn(process.execPath, [cli, ...args], {
    env: { ...quiet, NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: "pipe",
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const ran = async (): Promise<Ran> => {
    const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { code, out, err };
  };
  return { child, ran: ran() };
}

/** Runs it to its end. */
export function fifoOps(
  args: readonly string[],
  options: { input?: string | Uint8Array; env?: Record<string, string> } = {},
): Promise<Ran> {
  const { child, ran } = startFifoOps(args, options.env);
  child.stdin.end(options.input ?? "");
  return ran;
}
