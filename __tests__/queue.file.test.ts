import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_IN_FLIGHT } from "../runtime/local/queue/limits.ts";
import { bodies, engineWithClock, QUEUE } from "./helpers/queue-engine.ts";

const TEN = { maxMessages: 10 } as const;

const entry = (body: string) => ({ id: body, groupId: "h", body });

/** From then on the file refuses one kind of write, as a full disk would in the middle of a transaction. */
const refuse = (write: string, condition: string) =>
  `CREATE TRIGGER refusal BEFORE ${write} WHEN ${condition} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`;

test("a batch that the file refuses half-way leaves nothing behind, and waiting receives go on", async (t) => {
  const clocked = engineWithClock(t);
  clocked.engine.send(QUEUE, { groupId: "g", body: "before" });
  const engine = clocked.restart(refuse("INSERT ON messages", "NEW.body = 'refused'"));
  const [before] = await engine.receive(QUEUE);
  assert.ok(before);
  const waiting = engine.receive(QUEUE, { ...TEN, waitSeconds: 20 });
  const told: string[] = [];
  engine.on("sent", ({ messageId }) => told.push(messageId));
  assert.throws(() => engine.sendBatch(QUEUE, ["first", "refused"].map(entry)), /the disk is full/);
  assert.deepEqual([...engine.messageIds(QUEUE)], [before.messageId]);
  assert.deepEqual(told, []);
  const { messageId } = engine.send(QUEUE, entry("first"));
  assert.deepEqual(told, [messageId], "not taken for a duplicate of the one that was undone");
  assert.deepEqual(bodies(await waiting), ["first"]);
  engine.delete(QUEUE, before.receiptHandle);
  assert.deepEqual([...clocked.restart().messageIds(QUEUE)], [messageId]);
});

test("a receive that the file refuses hides nothing and counts for nothing", async (t) => {
  const clocked = engineWithClock(t);
  for (const body of ["1", "2"]) clocked.engine.send(QUEUE, { groupId: "g", body });
  const engine = clocked.restart(refuse("INSERT ON deliveries", "NEW.sequence % 2 = 0 AND NEW.receive_count = 1"));
  await assert.rejects(engine.receive(QUEUE, TEN), /the disk is full/);
  const { ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible } = engine.queueAttributes(QUEUE);
  assert.deepEqual([ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible], ["2", "0"]);
  const messages = await clocked.restart("DROP TRIGGER refusal").receive(QUEUE, TEN);
  assert.deepEqual(
    messages.map(({ body, receiveCount }) => [body, receiveCount]),
    [
      ["1", 1],
      ["2", 1],
    ],
  );
});

test("deletes that the file refuses half-way delete nothing, tell of nothing and keep the group locked", async (t) => {
  const clocked = engineWithClock(t);
  for (const body of ["1", "refused", "3"]) clocked.engine.send(QUEUE, { groupId: "g", body });
  const engine = clocked.restart(refuse("DELETE ON messages", "OLD.body = 'refused'"));
  const told: string[] = [];
  engine.on("deleted", ({ messageId }) => told.push(messageId));
  const messages = await engine.receive(QUEUE, { maxMessages: 2 });
  const entries = messages.map(({ receiptHandle }, index) => ({ id: String(index), receiptHandle }));
  assert.throws(() => engine.deleteBatch(QUEUE, entries), /the disk is full/);
  assert.equal(engine.queueAttributes(QUEUE).ApproximateNumberOfMessagesNotVisible, "2");
  assert.deepEqual(await engine.receive(QUEUE, TEN), []);
  assert.deepEqual(told, []);
  const again = clocked.restart("DROP TRIGGER refusal");
  assert.deepEqual(again.deleteBatch(QUEUE, entries).successful, [{ id: "0" }, { id: "1" }], "the handles still hold");
  assert.deepEqual(bodies(await again.receive(QUEUE, TEN)), ["3"]);
});

test("no more than 120,000 messages are in flight, and each that leaves makes room for one", async (t) => {
  const clocked = engineWithClock(t);
  clocked.engine.send(QUEUE, { groupId: "0", body: "in flight" });
  assert.equal((await clocked.engine.receive(QUEUE)).length, 1);
  // The message in flight as often as leaves room for three more, each in a group of its own.
  const copies = `WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < ${MAX_IN_FLIGHT - 4})`;
  const engine = clocked.restart(`
    INSERT INTO deliveries ${copies}
      SELECT sequence + n, receive_count, first_received_at, received_at, visible_at FROM deliveries, copy;
    INSERT INTO messages ${copies}
      SELECT sequence + n, queue_id, n, message_id, n, enqueued_at, NULL, NULL, NULL, body FROM messages, copy;
    UPDATE meta SET value = value + ${MAX_IN_FLIGHT};
  `);
  assert.equal(engine.queueAttributes(QUEUE).ApproximateNumberOfMessagesNotVisible, "119997");
  for (const groupId of ["a", "b", "c", "d", "e"]) engine.send(QUEUE, { groupId, body: groupId });
  const messages = await engine.receive(QUEUE, TEN);
  assert.deepEqual(bodies(messages), ["a", "b", "c"]);
  assert.deepEqual(await engine.receive(QUEUE, TEN), []);
  engine.delete(QUEUE, messages[0]?.receiptHandle ?? "");
  assert.deepEqual(bodies(await engine.receive(QUEUE, TEN)), ["d"]);
});
