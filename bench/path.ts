import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAccepted, readAccepted } from "../runtime/local/accepted.ts";
import { startBackend } from "../runtime/local/backend.ts";
import { type BurstMessage, sendBurst } from "../runtime/local/burst.ts";
import { report } from "../runtime/local/report.ts";
import { startLocal } from "../runtime/local/start-local.ts";
import { compare, median } from "./compare.ts";

// The whole local path, from the client's send to the message's being settled, beside the same bodies posted straight to the
// same response server: what is left of a backend's own speed when gateway, queue and function are in between.

const MESSAGES = 1_500;
const GROUPS = 50;
const ROUNDS = 5;
const TARGET_RATIO = 0.1;
const TARGET_PER_SECOND = 300;

const folder = mkdtempSync(join(tmpdir(), "fifo-gateway-bench-"));
const local = await startLocal({ data: join(folder, "path") });
const peer = await startBackend({ port: 0, logFolder: join(folder, "peer"), onFailure: console.error });
const accepted = await openAccepted(join(folder, "accepted.jsonl"));
const bursts: BurstMessage[][] = [];
const rates: number[] = [];
try {
  await compare({
    name: `the local path, ${MESSAGES} messages over ${GROUPS} groups`,
    peer: "a loop that posts them to the response server",
    rounds: ROUNDS,
    target: `>= ${TARGET_RATIO}`,
    ours: async () => {
      const started = performance.now();
      const burst = await sendBurst(local, {
        size: { messages: MESSAGES, groups: GROUPS },
        accepted,
        signal: new AbortController().signal,
        patienceMilliseconds: 60_000,
        onProgress: () => undefined,
      });
      rates.push((MESSAGES * 1_000) / (performance.now() - started));
      bursts.push(burst);
    },
    theirs: () => postAll(peer.url),
  });
  // The first one, which starts the function's processes, does not count.
  const rate = median(rates.slice(1));
  console.log(
    `the local path: ${rate.toFixed(0)} messages/s; target ${TARGET_PER_SECOND} messages/s; ` +
      `ours / target = ${(rate / TARGET_PER_SECOND).toFixed(2)} (>= 1; median of ${ROUNDS})`,
  );
  await checkAll();
} finally {
  await accepted.close();
  await peer.close();
  await local.close();
  rmSync(folder, { recursive: true, force: true });
}

/** Figures of a run that lost a message or its order are none. */
async function checkAll(): Promise<void> {
  await local.flushLog();
  const found = await report({
    accepted: await readAccepted(join(folder, "accepted.jsonl")),
    burst: bursts.flat(),
    logFolder: local.logFolder,
    waiting: local.waiting(),
  });
  if (found.delivered !== MESSAGES * bursts.length || !found.ordered || found.lost > 0) {
    throw new Error(JSON.stringify(found));
  }
}

async function postAll(url: string): Promise<void> {
  await Promise.all(
    Array.from({ length: GROUPS }, async (_, group) => {
      for (let number = 1; number <= MESSAGES / GROUPS; number += 1) {
        const data = { MessageGroupID: String(group), transSeq: String(number), time_out: 0.5, http_status: 200 };
        const response = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": crypto.randomUUID() },
          body: JSON.stringify({ data }),
        });
        await response.text();
      }
    }),
  );
}
