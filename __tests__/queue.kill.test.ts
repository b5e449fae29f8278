import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { QueueEngine } from "../runtime/local/queue/engine.ts";
import type { ReceivedMessage } from "../runtime/local/queue/message.ts";
import { DEAD_LETTER, QUEUE, REGION, temporaryFolder } from "./helpers/queue-engine.ts";

const sender = join(import.meta.dirname, "helpers", "queue-sender.ts");
const mover = join(import.meta.dirname, "helpers", "queue-mover.ts");

async function runUntilKilled(script: string, file: string, log: string, lines: number): Promise<void> {
  const output = openSync(log, "a");
  const child = spawn(process.execPath, [script, file], { stdio: ["ignore", output, "inherit"] });
  closeSync(output);
  const before = readFileSync(log, "utf8").split("\n").length;
  const exited = once(child, "exit");
  while (child.exitCode === null && readFileSync(log, "utf8").split("\n").length - before < lines) await sleep(5);
  child.kill("SIGKILL");
  const [, signal] = await exited;
  assert.equal(signal, "SIGKILL");
}

async function receiveAll(engine: QueueEngine, queue = QUEUE): Promise<ReceivedMessage[]> {
  const all: ReceivedMessage[] = [];
  for (;;) {
    const messages = await engine.receive(queue, { maxMessages: 10 });
    if (messages.length === 0) return all;
    all.push(...messages);
    for (const { receiptHandle } of messages) engine.delete(queue, receiptHandle);
  }
}

test("keeps every acknowledged send, and no acknowledged delete's message, in order, over kill -9", async (t) => {
  const folder = temporaryFolder(t);
  const [file, log] = [join(folder, "queues.sqlite"), join(folder, "log")];
  const kills = [300, 500, 200];
  for (const lines of kills) await runUntilKilled(sender, file, log, lines);

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

test("a message move that kill -9 cuts off loses, doubles and reorders nothing, and goes on at the next start", async (t) => {
  const folder = temporaryFolder(t);
  const [file, log] = [join(folder, "queues.sqlite"), join(folder, "log")];
  const open = () => new QueueEngine({ file, region: REGION });
  const first = open();
  for (const name of [QUEUE, DEAD_LETTER]) first.createQueue(name, { FifoQueue: "true" });
  // Each is the other's dead-letter queue, so that a move can go either way.
  for (const [name, target] of [
    [QUEUE, DEAD_LETTER],
    [DEAD_LETTER, QUEUE],
  ] as const) {
    const deadLetterTargetArn = first.queueArn(target);
    first.setQueueAttributes(name, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1_000 }) });
  }
  const sent = Array.from({ length: 3_000 }, (_, number) => String(number));
  for (let start = 0; start < sent.length; start += 10) {
    const entries = sent.slice(start, start + 10).map((id) => ({ id, groupId: "g", body: id, deduplicationId: id }));
    first.sendBatch(QUEUE, entries);
  }
  first.close();
  let cutOff = 0;
  for (const lines of [3, 17, 40, 71]) {
    await runUntilKilled(mover, file, log, lines);
    const engine = open();
    const tasks = [QUEUE, DEAD_LETTER].map((name) => engine.moveTasks(engine.queueArn(name))[0]);
    for (const task of tasks) {
      if (task?.status !== "RUNNING" || task.moved === 0) continue;
      cutOff += 1;
      const left = engine.messageIds(task.sourceArn === engine.queueArn(QUEUE) ? QUEUE : DEAD_LETTER).size;
      assert.equal(task.moved + left, sent.length, "counted in the transaction that moves");
    }
    engine.close();
  }
  assert.ok(cutOff > 0, "no kill came in the middle of a move");

  const last = open();
  t.after(() => last.close());
  last.tick();
  const found = [...(await receiveAll(last)), ...(await receiveAll(last, DEAD_LETTER))];
  assert.deepEqual(
    found.map(({ body }) => body),
    sent,
  );
});

test("refuses a file that another engine has open, and says so", (t) => {
  const file = join(temporaryFolder(t), "queues.sqlite");
  const engine = new QueueEngine({ file, region: REGION });
  t.after(() => engine.close());
  assert.throws(() => new QueueEngine({ file, region: REGION }), /is open in another process/);
});
