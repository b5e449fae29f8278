import assert from "node:assert/strict";
import { test } from "node:test";
import { type Connection, connect, listGroups, listMessages } from "../sdk/ops/src/index.ts";
import { startOpsWorld } from "./helpers/ops-world.ts";

async function collect<Row>(rows: AsyncIterable<Row>): Promise<Row[]> {
  const found: Row[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

const groupsOf = (connection: Connection, queue?: string) => collect(listGroups({ connection, queue }));

test("lists the parked groups of all queues, the longest parked first, each by its oldest message", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [younger] = await world.park("10", 2);
  const [older] = await world.park("11", 1, () => ({ parkedAt: "2026-11-01T00:00:00.000Z" }));
  const expected = [older, younger].map((message) => ({
    queue: "queue-2",
    groupId: message?.groupId,
    sequenceNumber: message?.sequenceNumber,
    parkedAt: message?.parkedAt,
  }));
  assert.deepEqual(await groupsOf(connection), expected);
  assert.deepEqual(await groupsOf(connection, "queue-2"), expected);
  assert.deepEqual(await groupsOf(connection, "queue-1"), []);
  connection.close();
});

test("lists the messages of a group in order, over pages of a megabyte, without a body", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const filler = "f".repeat(300_000);
  const body = JSON.stringify({ data: { MessageGroupID: "a#b", filler } });
  const parked = await world.park("a#b", 8, (n) => (n === 3 ? { body, editedBy: "18000000000000000009" } : { body }));
  const messages = await collect(listMessages({ connection, queue: "queue-2", groupId: "a#b" }));
  assert.deepEqual(
    messages.map(({ sequenceNumber, reason, bytes, edited }) => ({ sequenceNumber, reason, bytes, edited })),
    parked.map(({ sequenceNumber }, index) => ({
      sequenceNumber,
      reason: index === 0 ? "rejected" : "behind",
      bytes: body.length,
      edited: index === 2,
    })),
  );
  assert.ok(!JSON.stringify(messages).includes("ffff"));
  const after = parked[5]?.sequenceNumber;
  const rest = await collect(listMessages({ connection, queue: "queue-2", groupId: "a#b", after }));
  assert.deepEqual(
    rest.map(({ sequenceNumber }) => sequenceNumber),
    parked.slice(6).map(({ sequenceNumber }) => sequenceNumber),
  );
  connection.close();
});

test("lists no other group's messages, whatever its name begins with", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  await world.park("1", 1);
  await world.park("10", 2);
  assert.equal((await collect(listMessages({ connection, queue: "queue-2", groupId: "1" }))).length, 1);
  assert.deepEqual(await collect(listMessages({ connection, queue: "queue-1", groupId: "10" })), []);
  connection.close();
});

test("says which queues there are when a queue is unknown, and what a name looks like when it is none", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  await assert.rejects(groupsOf(connection, "queue-3"), {
    code: "UNKNOWN_QUEUE",
    message: /dev-queue-3\.fifo; it has .*dev-queue-2\.fifo.*--deployment/,
  });
  await assert.rejects(groupsOf(connection, "dev-queue-2.fifo"), {
    code: "INVALID_ARGUMENT",
    message: /queue is "dev-queue-2\.fifo".*without dev- and \.fifo/,
  });
  await assert.rejects(collect(listMessages({ connection, queue: "queue-2", groupId: "a b" })), {
    code: "INVALID_ARGUMENT",
    message: /group is "a b"/,
  });
  connection.close();
});
