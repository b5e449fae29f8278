import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Connection, connect } from "../sdk/ops/src/connection.ts";
import {
  type DeadLetterQueue,
  discardDeadLetters,
  listDeadLetters,
  planRedrive,
  redriveDeadLetters,
  showDeadLetter,
} from "../sdk/ops/src/dlq/index.ts";
import { deadLetterUrl, queueUrl } from "../sdk/ops/src/names.ts";
import { startOpsWorld } from "./helpers/ops-world.ts";

const FAST = { waitSeconds: 0 } as const;
const readme = readFileSync(join(import.meta.dirname, "../sdk/ops/README.md"), "utf8");

/** What the README grants the verb of a row: `sqs:SendMessage queue-1`, or `... queue-1-dead-letter`. */
function grantedTo(row: string): Set<string> {
  const lines = readme.split("\n");
  const first = lines.findIndex((line) => line.startsWith(`| ${row} | \`sqs:`));
  assert.ok(first !== -1, `the README has no row for ${row}`);
  const granted = lines.slice(first, first + 2).flatMap((line) => {
    const [, actions = "", resource = ""] = line.split(" | ");
    const [, name = ""] = /prod-([\w-]+)\.fifo/.exec(resource) ?? [];
    return [...actions.matchAll(/`(sqs:[A-Za-z]+)`/g)].map(([, action]) => `${action} ${name}`);
  });
  return new Set(granted);
}

/** The permissions that the connection's calls need, as they are made. */
function watchCalls({ sqs }: Connection): Set<string> {
  const calls = new Set<string>();
  sqs.middlewareStack.add(
    (next, { commandName = "" }) =>
      (args) => {
        const [, name = ""] = /dev-([\w-]+)\.fifo/.exec(JSON.stringify(args.input)) ?? [];
        // SQS has no permission for a batch: it is that of the single call.
        calls.add(`sqs:${commandName.replace(/(Batch)?Command$/, "")} ${name}`);
        return next(args);
      },
    { step: "initialize" },
  );
  return calls;
}

test("each verb asks SQS for what the README says, and for nothing else", async () => {
  await using world = await startOpsWorld();
  for (let n = 0; n < 3; n += 1) await world.deadLetter("10", { n });
  const queue = { sqs: world.sqs, queueUrl: world.queueUrl("queue-1"), deadLetterUrl: world.deadLetterUrl };
  const [first, second] = (await listDeadLetters(queue, FAST)).messages;
  const [messageId, other] = [first?.messageId ?? "", second?.messageId ?? ""];
  const verbs: readonly (readonly [row: string, verb: (queue: DeadLetterQueue) => Promise<unknown>])[] = [
    ["`dlq list`, `discard --dry-run`", (given) => listDeadLetters(given, FAST)],
    ["`dlq show`", (given) => showDeadLetter(given, messageId, FAST)],
    ["`dlq redrive --dry-run`", (given) => planRedrive(given, { all: true }, FAST)],
    // The command lists before it asks.
    [
      "`dlq discard`",
      async (given) => {
        await listDeadLetters(given, FAST);
        return discardDeadLetters(given, { messageIds: [messageId] }, FAST);
      },
    ],
    ["`dlq redrive`", (given) => redriveDeadLetters(given, { messageId: other }, FAST)],
  ];
  for (const [row, verb] of verbs) {
    const connection = await connect({ local: world.folder });
    const calls = watchCalls(connection);
    const source = await queueUrl(connection, "queue-1");
    await verb({ sqs: connection.sqs, queueUrl: source, deadLetterUrl: await deadLetterUrl(connection, "queue-1") });
    connection.close();
    assert.deepEqual(calls, grantedTo(row), row);
  }
});
