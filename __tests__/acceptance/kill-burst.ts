import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { projectRoot } from "../helpers/emitted.ts";

// kill -9 of `npm start` in the middle of a burst of 2,000 messages over 20 groups, then `npm start` again. What was accepted and
// what was delivered is read from the files alone, by code that shares nothing with the report that `npm start` prints.

const MESSAGES = 2_000;
const GROUPS = 20;
const KILL_AT = [300, 1_100];

const acceptedSchema = z.object({
  queue: z.string(),
  groupId: z.string(),
  messageId: z.string(),
  sequenceNumber: z.string().regex(/^\d{20}$/),
});
const deliveredSchema = z.object({ messageId: z.string(), data: z.object({ MessageGroupID: z.string() }) });

let failed = 0;
for (const killAt of KILL_AT) {
  const data = mkdtempSync(join(tmpdir(), "fifo-gateway-kill-"));
  try {
    const burst = start("--once", "--messages", String(MESSAGES), "--groups", String(GROUPS), "--data", data);
    while (lines(join(data, "accepted.jsonl")).length < killAt) {
      if (burst.exitCode !== null) throw new Error(`the burst ended with ${burst.exitCode} before it could be killed`);
      await sleep(20);
    }
    // npm's own process, as a person would: what it started has to notice.
    burst.kill("SIGKILL");
    await once(burst, "exit");
    const again = start("--once", "--messages", "0", "--data", data);
    const [code] = await once(again, "exit");
    const problems = [...judge(data), ...(code === 0 ? [] : [`the restart ended with ${String(code)}`])];
    const count = lines(join(data, "accepted.jsonl")).length;
    console.log(
      `killed at ${killAt}: ${count} accepted, ${problems.length === 0 ? "all delivered, in order" : problems.join("; ")}`,
    );
    if (count >= MESSAGES) throw new Error("the burst was over before it was killed: nothing was proven");
    if (problems.length > 0) failed += 1;
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}
console.log(`${KILL_AT.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function start(...options: string[]): ChildProcess {
  return spawn("npm", ["start", "--silent", "--", ...options], {
    cwd: projectRoot,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** What is wrong with what the files say; nothing if every accepted message was delivered, each group's first deliveries in order. */
function judge(data: string): string[] {
  const accepted = lines(join(data, "accepted.jsonl")).map((line) => acceptedSchema.parse(JSON.parse(line)));
  const deliveries = lines(join(data, "logs", "res_server.txt")).map((line) => deliveredSchema.parse(JSON.parse(line)));
  const place = new Map<string, number>();
  for (const [index, { messageId }] of deliveries.entries()) if (!place.has(messageId)) place.set(messageId, index);
  const lost = accepted.filter(({ messageId }) => !place.has(messageId));
  const groups = Map.groupBy(accepted, ({ queue, groupId }) => `${queue}/${groupId}`);
  const disordered = [...groups].filter(([, messages]) => {
    const bySequence = messages.toSorted((a, b) => (a.sequenceNumber < b.sequenceNumber ? -1 : 1));
    const places = bySequence.map(({ messageId }) => place.get(messageId) ?? -1);
    return places.some((at, index) => index > 0 && at < (places[index - 1] ?? 0));
  });
  return [
    ...(lost.length > 0 ? [`${lost.length} lost`] : []),
    ...(disordered.length > 0 ? [`out of order in ${disordered.map(([group]) => group).join(", ")}`] : []),
  ];
}

/** Whole lines of a file; a line that is being written, or was cut, does not count. */
function lines(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .slice(0, -1);
}
