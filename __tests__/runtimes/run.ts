/**
 * Runs the client, as it is published, on everything that it says it runs on: `node __tests__/runtimes/run.ts`, after
 * `npm ci --prefix __tests__/runtimes`. Prints a line for each runtime, and `N passed, N failed, N skipped` at the end.
 * Exit code 1 when one failed, 0 else: Node 24 is always there, so that never everything is skipped. Names choose:
 * `node __tests__/runtimes/run.ts Deno Chromium`.
 */
import { existsSync, rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Ended } from "./child.ts";
import { type Check, facts } from "./facts.ts";
import { startFront } from "./front.ts";
import { startLocalGateway } from "./gateway.ts";
import { servePage } from "./pages.ts";
import { installPublished } from "./published.ts";
import { type Place, type Runtime, runtimes } from "./runtimes.ts";

const verdictSchema = z.object({
  userAgent: z.string(),
  checks: z.array(z.object({ name: z.string(), problem: z.string().optional() })).min(1),
});

/** Stands in every payload. */
const CANARY = "canary-PayloadThatIsNeverPrinted";

/** In milliseconds. A process that a forgotten timer of the client keeps alive, e.g. of an attempt (30 s), lives on longer. */
const LINGERING = 10_000;

type Outcome = { readonly skipped: string } | { readonly userAgent: string; readonly checks: readonly Check[] };

const chosen = choose(process.argv.slice(2));
const work = await mkdtemp(join(tmpdir(), "runtimes-"));
process.once("exit", () => rmSync(work, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
const open: { close(): Promise<void> }[] = [];
const totals = { passed: 0, failed: 0, skipped: 0 };
try {
  let script = "";
  const allowed = await servePage(() => script);
  const foreign = await servePage(() => script);
  open.push(allowed, foreign);
  const gateway = await startLocalGateway({ folder: work, pageOrigin: allowed.origin });
  open.push(gateway);
  const front = await startFront(gateway.url);
  open.push(front);
  const installed = await installPublished(work);
  script = installed.page;
  const pages = { allowed: allowed.origin, foreign: foreign.origin };

  /** One runtime's run, and what it left on the servers. */
  async function examine(runtime: Runtime): Promise<Outcome> {
    const binary = binaryOf(runtime);
    if (binary.missing !== undefined) return { skipped: binary.missing };
    const lack = await runtime.lacks?.(binary.path);
    if (lack !== undefined) return { skipped: lack };
    const name = runtime.name.toLowerCase().replace(" ", "-");
    const folder = join(work, name);
    await mkdir(folder);
    const { endpoint, stuck, moved, arrived } = front;
    const { key, slowKey } = gateway;
    const world = { endpoint, stuck, moved, arrived, key, slowKey, run: name, canary: CANARY };
    const from = front.seen.length;
    const ended = await runtime.run(binary.path, { installed, folder, world, pages } satisfies Place);
    const cannotRun = /^CANNOT RUN (.*)$/m.exec(ended.stdout)?.[1];
    if (cannotRun !== undefined) return { skipped: cannotRun };
    const traces = {
      run: name,
      seen: front.seen.slice(from),
      queued: await gateway.take(),
      output: ended.output,
      secrets: [key, slowKey, CANARY],
      elsewhere: front.elsewhere,
      pages: runtime.name === "Chromium" ? pages : undefined,
    };
    const { userAgent, checks } = verdictOf(runtime, ended);
    return { userAgent, checks: [...checks, ...facts(traces)] };
  }

  for (const runtime of chosen) {
    const began = performance.now();
    report(runtime, await examine(runtime), performance.now() - began);
  }
} finally {
  for (const server of open.toReversed()) await server.close();
}
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 ? 1 : 0;

function binaryOf({ binaries }: Runtime): { path: string; missing?: undefined } | { missing: string } {
  if (binaries === undefined) return { path: process.execPath };
  const platform = `${process.platform}-${process.arch}`;
  const file = binaries[platform];
  if (file === undefined) return { missing: `there is no package of it for ${platform}` };
  const path = join(import.meta.dirname, "node_modules", file);
  return existsSync(path) ? { path } : { missing: "it is not installed: npm ci --prefix __tests__/runtimes" };
}

function verdictOf(runtime: Runtime, ended: Ended): { userAgent: string; checks: Check[] } {
  const line = /^VERDICT (.*)$/m.exec(ended.stdout)?.[1];
  const end = ended.timedOut ? "it was killed after its time" : `it ended with ${ended.code}`;
  const lingers = `it lived on for ${Math.round(ended.silent / 1_000)} s when all was done`;
  const problem = ended.code !== 0 ? end : ended.silent > LINGERING ? lingers : undefined;
  const ends = { name: "ends by itself", problem };
  if (line === undefined)
    return { userAgent: "unknown", checks: [{ ...ends, problem: `${end}:\n${ended.output.slice(-2_000)}` }] };
  const { userAgent, checks } = verdictSchema.parse(JSON.parse(line));
  const other = runtime.userAgent.test(userAgent) ? undefined : `it says ${userAgent}`;
  return { userAgent, checks: [...checks, ends, { name: `is ${runtime.name}`, problem: other }] };
}

function choose(names: readonly string[]): readonly Runtime[] {
  const unknown = names.filter((name) => !runtimes.some((runtime) => runtime.name === name));
  if (unknown.length > 0) {
    throw new Error(`no runtime ${unknown.join(", ")}, only ${runtimes.map(({ name }) => name).join(", ")}`);
  }
  return names.length === 0 ? runtimes : runtimes.filter(({ name }) => names.includes(name));
}

function report({ name }: Runtime, outcome: Outcome, milliseconds: number): void {
  if ("skipped" in outcome) {
    totals.skipped += 1;
    console.log(`${name}: SKIPPED, ${outcome.skipped}`);
    return;
  }
  const failed = outcome.checks.filter(({ problem }) => problem !== undefined);
  totals[failed.length > 0 ? "failed" : "passed"] += 1;
  const verdict = failed.length > 0 ? "failed" : "passed";
  const seconds = (milliseconds / 1_000).toFixed(1);
  console.log(`${name}: ${verdict}, ${outcome.checks.length} checks in ${seconds} s, ${outcome.userAgent}`);
  for (const check of failed) console.log(`  ${check.name}: ${check.problem}`);
}
