import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { listDeadLetters } from "../sdk/ops/src/dlq/index.ts";
import { startOpsWorld } from "./helpers/ops-world.ts";

const cli = join(import.meta.dirname, "../sdk/ops/src/cli.ts");
/** Compiled once for all runs: they are a second each otherwise. */
const compileCache = mkdtempSync(join(tmpdir(), "ops-dlq-"));
after(() => rmSync(compileCache, { recursive: true, force: true }));

function start(folder: string, args: readonly string[]) {
  const child = spawn(process.execPath, [cli, "dlq", ...args, `--local=${folder}`], {
    env: { PATH: process.env.PATH, HOME: "/nowhere", NODE_COMPILE_CACHE: compileCache },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, ended };
}

async function dlq(folder: string, ...args: readonly string[]) {
  const { child, ended } = start(folder, args);
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { out, err, code };
}

test("the command lists, plans, redrives and discards, and asks before it destroys", async () => {
  await using world = await startOpsWorld();
  const { folder } = world;
  const queue = { sqs: world.sqs, queueUrl: world.queueUrl("queue-1"), deadLetterUrl: world.deadLetterUrl };
  for (let n = 0; n < 12; n += 1) await world.deadLetter("10", { n, secret: "a person's name" });
  await world.deadLetter("20", { n: 99 });

  const [listed, plan, human] = await Promise.all([
    listDeadLetters(queue, { waitSeconds: 0 }),
    dlq(folder, "redrive", "queue-1"),
    dlq(folder, "show", "queue-1", crypto.randomUUID(), "--json"),
  ]);
  const only = listed.messages.find(({ groupId }) => groupId === "20");
  assert.ok(only);
  assert.deepEqual([plan.code, human.code, JSON.parse(human.out).error.code], [2, 1, "NOT_DEAD_LETTERED"]);
  assert.match(plan.err, /--group <id>, --message <id>, or --all/);

  const table = await dlq(folder, "list", "queue-1");
  assert.equal(table.code, 0);
  assert.match(table.out, new RegExp(`20 .*${only.messageId}.*rejected.*HTTP 400.*400.*${only.originalMessageId}`));
  assert.match(table.err, /not listed: about 2 of 13 messages/);
  assert.doesNotMatch(table.out + table.err, /person/);
  const shown = await dlq(folder, "show", "queue-1", only.messageId, "--body");
  assert.match(shown.out, /"n":99/);

  const dry = await dlq(folder, "redrive", "queue-1", "--group", "10", "--dry-run", "--json");
  assert.equal(JSON.parse(dry.out).moves.length, 10);
  const refused = await dlq(folder, "discard", "queue-1", only.messageId);
  assert.equal(refused.code, 2);
  assert.match(refused.err, new RegExp(`${only.messageId} of group 20 \\(rejected, ${only.bytes} bytes\\)`));
  assert.equal((await listDeadLetters(queue, { waitSeconds: 0 })).total, 13);

  const discarded = await dlq(folder, "discard", "queue-1", only.messageId, "--yes", "--json");
  assert.equal(discarded.code, 0);
  assert.deepEqual(
    JSON.parse(discarded.out).discarded.map((one: { messageId: string }) => one.messageId),
    [only.messageId],
  );
  const redriven = await dlq(folder, "redrive", "queue-1", "--all");
  assert.deepEqual([redriven.code, redriven.out], [0, "12 messages of 1 group moved back to queue-1\n"]);
  assert.equal((await listDeadLetters(queue, { waitSeconds: 0 })).total, 0);
});

test("Ctrl-C gives back what the command has received", async () => {
  await using world = await startOpsWorld();
  const queue = { sqs: world.sqs, queueUrl: world.queueUrl("queue-1"), deadLetterUrl: world.deadLetterUrl };
  await world.deadLetter("10");
  const { child, ended } = start(world.folder, ["list", "queue-1"]);
  // It holds the message for the second that its last receive waits.
  while ((await listDeadLetters(queue, { waitSeconds: 0 })).messages.length > 0);
  child.kill("SIGINT");
  assert.equal(await ended, 130);
  assert.equal((await listDeadLetters(queue, { waitSeconds: 0 })).messages.length, 1);
});

test("Ctrl-C is told as such, not as a message that is gone", async () => {
  await using world = await startOpsWorld();
  const queue = { sqs: world.sqs, queueUrl: world.queueUrl("queue-1"), deadLetterUrl: world.deadLetterUrl };
  await world.deadLetter("10");
  const absent = crypto.randomUUID();
  const verbs = [
    ["show", "queue-1", absent, "--json"],
    ["redrive", "queue-1", "--message", absent, "--dry-run", "--json"],
    ["discard", "queue-1", absent, "--yes", "--json"],
  ];
  for (const verb of verbs) {
    const { child, ended } = start(world.folder, verb);
    const outputs = Promise.all([text(child.stdout), text(child.stderr)]);
    // It holds the message for the second that its last receive waits.
    while ((await listDeadLetters(queue, { waitSeconds: 0 })).messages.length > 0);
    child.kill("SIGINT");
    const [out, err] = await outputs;
    assert.equal(await ended, 130);
    assert.equal(JSON.parse(out).ended, "interrupted", verb.join(" "));
    assert.match(err, /interrupted/);
    assert.doesNotMatch(err, /gone/);
  }
});

test("a message with nothing before it overtakes nothing", async () => {
  await using world = await startOpsWorld();
  const queue = { sqs: world.sqs, queueUrl: world.queueUrl("queue-1"), deadLetterUrl: world.deadLetterUrl };
  for (let n = 0; n < 3; n += 1) await world.deadLetter("10", { n });
  const [first, , third] = (await listDeadLetters(queue, { waitSeconds: 0 })).messages;
  const overtaking = await dlq(world.folder, "redrive", "queue-1", "--message", third?.messageId ?? "");
  assert.match(overtaking.err, /overtook 2 messages/);
  const next = await dlq(world.folder, "redrive", "queue-1", "--message", first?.messageId ?? "");
  assert.equal(next.code, 0);
  assert.doesNotMatch(next.err, /overtook/);
});
