import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { QueueEngine } from "../runtime/local/queue/engine.ts";
import type { ReceivedMessage } from "../runtime/local/queue/message.ts";
import { QUEUE, REGION, temporaryFolder } from "./helpers/queue-engine.ts";

const sender = join(import.meta.dirname, "helpers", "queue-sender.ts");

async function sendUntilKilled(file: string, log: string, lines: number): Promise<void> {
  const output = openSync(log, "a");
  const child = spawn(process.execPath, [sender, file], { stdio: ["ignore", output, "inherit"] });
  closeSync(output);
  const before = readFileSync(log, "utf8").split("\n").length;
  const exited = once(child, "exit");
  while (child.exitCode === null && readFileSync(log, "utf8").split("\n").length - before < lines) await sleep(5);
  child.kill("SIGKILL");
  const [, signal] = await exited;
  assert.equal(signal, "SIGKILL");
}

async function receiveAll(engine: QueueEngine): Promise<ReceivedMessage[]> {
  const all: ReceivedMessage[] = [];
  for (;;) {
    const messages = await engine.receive(QUEUE, { maxMessages: 10 });
    if (messages.length === 0) return all;
    all.push(...messages);
    for (const { receiptHandle } of messages) engine.delete(QUEUE, receiptHandle);
  }
}

test("keeps every acknowledged send, and no acknowledged delete's message, in order, over kill -9", async (t) => {
  const folder = temporaryFolder(t);
  const [file, log] = [join(folder, "queues.sqlite"), join(folder, "log")];
  const kills = [300, 500, 200];
  for (const lines of kills) await sendUntilKilled(file, log, lines);

  const calls = readFileSync(log, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(" "));
  const idsOf = (verb: string) => new Set(calls.filter((call) => call[0] === verb).map(([, , messageId]) => messageId));
  const [sentIds, deleting, deleted] = [idsOf("sent"), idsOf("deleting"), idsOf("deleted")];
  const kept = calls.filter(([verb, , messageId]) => verb === "sent" && !deleted.has(messageId));
  assert.ok(deleted.size > 50 && kept.length > 300);

  const engine = new QueueEngine({ file, region: REGION });
  t.after(() => engine.close());
  engine.releaseInFlight();
  const messages = await receiveAll(engine);
  const place = new Map(messages.map(({ messageId }, index) => [messageId, index]));
  assert.equal(place.size, messages.length, "a message came twice");
  // A delete that had begun when the kill came may be done or not; every other acknowledged send is there.
  const missing = kept.filter(([, , messageId]) => !place.has(messageId ?? "") && !deleting.has(messageId));
  assert.deepEqual(missing, [], "acknowledged messages are missing");
  assert.deepEqual(
    messages.filter(({ messageId }) => deleted.has(messageId)),
    [],
  );
  // A send may be in the file without its line, one per kill: the last of its process.
  assert.ok(messages.filter(({ messageId }) => !sentIds.has(messageId)).length <= kills.length);
  for (let group = 0; group < 7; group += 1) {
    const received = messages.filter(({ groupId }) => groupId === String(group)).map((one) => one.sequenceNumber);
    const sent = kept
      .filter(([, groupId, id = ""]) => groupId === String(group) && place.has(id))
      .map((call) => call[3]);
    assert.deepEqual(received, received.toSorted(), "sequence numbers grow within the group");
    assert.deepEqual(
      received.filter((number) => sent.includes(number)),
      sent,
      "the order of the sends is kept",
    );
  }
});

test("refuses a file that another engine has open, and says so", (t) => {
  const file = join(temporaryFolder(t), "queues.sqlite");
  const engine = new QueueEngine({ file, region: REGION });
  t.after(() => engine.close());
  assert.throws(() => new QueueEngine({ file, region: REGION }), /is open in another process/);
});
