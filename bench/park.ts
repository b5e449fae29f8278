import { fork } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Local, startLocal } from "../runtime/local/start-local.ts";
import { createFifoClient } from "../sdk/client/src/index.ts";
import { median } from "./compare.ts";
import { answerSlowly, portOf } from "./park/backend.ts";

// What strict order costs: the whole local path under the policy `park`, with one message in a hundred refused and with none, in
// turns. A refused one blocks its group, and all behind it in that group are parked. Then the requests to the table, counted at the
// table's own server, under both policies.

const MESSAGES = 2_000;
const GROUPS = 50;
const ROUNDS = 5;
const PATIENCE_MILLISECONDS = 120_000;
/** Each refuses one message in a hundred: at once, or until its attempts are used up, or the first time only. */
const FAILURES = ["none", "rejected", "failed-once"] as const;
type Failures = (typeof FAILURES)[number];

interface Run {
  readonly milliseconds: number;
  /** From the call of `send` to the message's being settled, of the groups without a refused message, in milliseconds. */
  readonly others: readonly number[];
  /** To the table, by operation. */
  readonly requests: ReadonlyMap<string, number>;
  readonly outcomes: ReadonlyMap<string, number>;
}

let runCount = 0;
const counted = new Map<string, number>();
subscribe("http.server.request.start", (message) => {
  const { request } = message as { request: IncomingMessage };
  const target = request.headers["x-amz-target"];
  if (typeof target !== "string" || !target.startsWith("DynamoDB_")) return;
  const verb = target.slice(target.indexOf(".") + 1);
  counted.set(verb, (counted.get(verb) ?? 0) + 1);
});

if (process.send !== undefined) {
  answerSlowly((port) => process.send?.(port));
} else {
  const backend = fork(import.meta.filename);
  const folder = mkdtempSync(join(tmpdir(), "fifo-gateway-bench-"));
  const backendUrl = `http://127.0.0.1:${await portOf(backend)}/`;
  const local = await startLocal({ data: folder, backendUrl });
  try {
    await compareParked(local);
    for (const policy of ["park", "dead-letter"] as const) {
      for (const failures of FAILURES) printRequests(policy, failures, await run(local, policy, failures));
    }
  } finally {
    await local.close();
    backend.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compareParked(local: Local): Promise<void> {
  const runs: Record<"none" | "rejected", Run[]> = { none: [], rejected: [] };
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const failures of ["none", "rejected"] as const) {
      const one = await run(local, "park", failures);
      // The first ones, in which the function's processes start, do not count.
      if (round >= 0) runs[failures].push(one);
    }
  }
  const rate = (of: readonly Run[]) => (MESSAGES * 1_000) / median(of.map(({ milliseconds }) => milliseconds));
  const p99 = (of: readonly Run[]) => median(of.map(({ others }) => percentile(others, 0.99)));
  const [none, some] = [rate(runs.none), rate(runs.rejected)];
  console.log(
    `park, ${MESSAGES} messages over ${GROUPS} groups, 1 % rejected: ${some.toFixed(0)} messages/s; none rejected: ${none.toFixed(0)}; ` +
      `ours / none = ${(some / none).toFixed(2)} (>= 0.7; medians of ${ROUNDS})`,
  );
  const [quiet, beside] = [p99(runs.none), p99(runs.rejected)];
  console.log(
    `park, p99 of the groups without a rejected message: ${beside.toFixed(0)} ms; the same groups with none rejected: ${quiet.toFixed(0)} ms; ` +
      `ours / none = ${(beside / quiet).toFixed(2)} (<= 2; medians of ${ROUNDS})`,
  );
}

/** Sends all, and waits until each is settled; groups are new ones each time, since some of the last ones are blocked. */
async function run(local: Local, policy: "park" | "dead-letter", failures: Failures): Promise<Run> {
  runCount += 1;
  const queue = policy === "park" ? "queue-2" : "queue-1";
  const [key] = local.keys;
  if (key === undefined) throw new Error("the deployment has no producer's key");
  const client = createFifoClient({ endpoint: local.endpoint, apiKey: key.value, queue, concurrency: 64 });
  const settled = new Map<string, number>();
  const outcomes = new Map<string, number>();
  const stop = local.onSettled(({ messageId, outcome }) => {
    settled.set(messageId, performance.now());
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  });
  counted.clear();
  const began = performance.now();
  const sent: { messageId: string; group: number; at: number }[] = [];
  await Promise.all(
    Array.from({ length: MESSAGES }, async (_, n) => {
      const group = n % GROUPS;
      // One in a hundred, spread over the groups and over their length.
      const refused = failures !== "none" && n % 100 === Math.floor(n / 100) % 100;
      const at = performance.now();
      const answer = refused ? failures : "accepted";
      const { messageId } = await client.send(`${runCount}-${group}`, { n, answer, filler: "x".repeat(900) });
      sent.push({ messageId, group, at });
    }),
  );
  const end = Date.now() + PATIENCE_MILLISECONDS;
  while (sent.some(({ messageId }) => !settled.has(messageId))) {
    if (Date.now() > end) throw new Error(`${sent.length - settled.size} messages are not settled`);
    await new Promise((done) => setTimeout(done, 5));
  }
  const milliseconds = Math.max(...settled.values()) - began;
  stop();
  await client.close();
  const others = sent
    .filter(({ group }) => !hasRefused(group))
    .map(({ messageId, at }) => (settled.get(messageId) ?? 0) - at);
  return { milliseconds, others, requests: new Map(counted), outcomes };
}

function hasRefused(group: number): boolean {
  return Array.from({ length: MESSAGES }, (_, n) => n).some(
    (n) => n % GROUPS === group && n % 100 === Math.floor(n / 100) % 100,
  );
}

function printRequests(policy: string, failures: Failures, { requests, outcomes }: Run): void {
  const each = [...requests].map(([verb, count]) => `${((count * 1_000) / MESSAGES).toFixed(0)} ${verb}`).toSorted();
  const what = [...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
  console.log(
    `table, policy ${policy}, 1 % ${failures}: per 1,000 messages ${each.length === 0 ? "no request" : each.join(", ")} (${what})`,
  );
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
