import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { happyPorts, referenceSettings } from "../__tests__/helpers/reference-queue.ts";
import { createBackend } from "../runtime/consumer/backend.ts";
import type { Ports } from "../runtime/consumer/ports.ts";
import { settle } from "../runtime/consumer/settle.ts";
import type { QueueMessage } from "../runtime/message.ts";
import { median } from "./compare.ts";

// A batch of ten over G groups, with a backend in a process of its own that answers after 20 ms. The ideal is what the
// longest group needs, 20 ms a message. A timer and a loopback request are not exact, so the same requests are made by
// plain fetches in the same run, in turns with ours.

const MESSAGES = 10;
const BACKEND_MILLISECONDS = 20;
const ROUNDS = 15;
// Rounds that do not count: a function that has just started runs code that is not compiled yet.
const WARM_UP = 20;
const TARGET = 1.15;

if (process.send === undefined) {
  const child = fork(import.meta.filename);
  try {
    await measure(`http://127.0.0.1:${await portOf(child)}/`);
  } finally {
    child.kill();
  }
} else {
  process.once("disconnect", () => process.exit());
  serve((port) => process.send?.(port));
}

async function portOf(child: ChildProcess): Promise<string> {
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the backend's process ended with ${String(code)}`);
  });
  const [port] = await Promise.race([once(child, "message"), ended]);
  return String(port);
}

async function measure(url: string): Promise<void> {
  const backend = createBackend({ url, timeoutMilliseconds: 10_000 });
  // What is not on the happy path keeps messages, and that ends the bench.
  const ports = happyPorts(backend, Date.now);
  for (const groups of [1, 2, 5, 10]) {
    const messages = batch(groups);
    const times: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
    for (let round = -WARM_UP; round < ROUNDS; round += 1) {
      const ours = await milliseconds(() => settleAll(messages, ports));
      const peer = await milliseconds(() => fetchAll(messages, url));
      if (round < 0) continue;
      times.ours.push(ours);
      times.peer.push(peer);
    }
    const ideal = (MESSAGES / groups) * BACKEND_MILLISECONDS;
    const [ours, peer] = [median(times.ours), median(times.peer)];
    console.log(
      `consumer, ${MESSAGES} messages over ${String(groups).padStart(2)} groups: ${ours.toFixed(1)} ms; ideal ${ideal} ms; ours / ideal = ${(ours / ideal).toFixed(2)} (<= ${TARGET}); plain fetches ${peer.toFixed(1)} ms; ours / plain fetches = ${(ours / peer).toFixed(2)}; medians of ${ROUNDS}`,
    );
  }
}

async function settleAll(messages: readonly QueueMessage[], ports: Ports): Promise<void> {
  const kept = await settle(referenceSettings, messages, { backendTimeoutMilliseconds: 10_000 }, ports);
  if (kept.length > 0) throw new Error(`${kept.length} messages were not settled`);
}

async function fetchAll(messages: readonly QueueMessage[], url: string): Promise<void> {
  const groups = [...Map.groupBy(messages, (message) => message.groupId).values()];
  await Promise.all(
    groups.map(async (group) => {
      for (const { body } of group) {
        const headers = { "content-type": "application/json" };
        await (await fetch(url, { method: "POST", body, headers })).json();
      }
    }),
  );
}

function batch(groups: number): QueueMessage[] {
  return Array.from({ length: MESSAGES }, (_, n) => {
    const groupId = String(n % groups);
    return {
      messageId: `id-${n}`,
      receiptHandle: `receipt-${n}`,
      body: JSON.stringify({ data: { MessageGroupID: groupId, transSeq: String(n), filler: "x".repeat(1_000) } }),
      groupId,
      sequenceNumber: String(n).padStart(20, "0"),
      deduplicationId: `send-${n}`,
      sentAt: Date.now(),
      receiveCount: 1,
      attributes: {},
    };
  });
}

async function milliseconds(run: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

function serve(listening: (port: number) => void): void {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      setTimeout(() => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end('{"status_code":200}');
      }, BACKEND_MILLISECONDS);
    });
  });
  server.listen(0, "127.0.0.1", () => listening((server.address() as AddressInfo).port));
}
