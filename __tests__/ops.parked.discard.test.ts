import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, discard, planDiscard, replay, show } from "../sdk/ops/src/index.ts";
import { startOpsConsumer } from "./helpers/ops-consumer.ts";
import { startOpsWorld } from "./helpers/ops-world.ts";
import { startBackend } from "./helpers/scripted-backend.ts";

test("discards one message, keeps it as a tombstone with the reason, and delivers nothing", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend({ body: '{"status_code":200}' });
  const connection = await connect({ local: world.folder });
  const [first, second] = await world.park("10", 2);
  await using consumer = startOpsConsumer(world, backend.url);
  const group = { connection, queue: "queue-2", groupId: "10" };
  const reason = "cancelled, ¿sí? 한글";
  const one = await discard({ ...group, sequenceNumber: first?.sequenceNumber ?? "", reason });
  assert.deepEqual([one.result, one.groupIsParked], ["discarded", true]);
  const left = await world.parkingLot.read("queue-2", "10", 10);
  assert.deepEqual(
    left.map(({ sequenceNumber }) => sequenceNumber),
    [second?.sequenceNumber],
  );
  const { discarded } = await show(group);
  assert.deepEqual(
    discarded.map(({ sequenceNumber, discardReason, discardedBy }) => [sequenceNumber, discardReason, discardedBy]),
    [[first?.sequenceNumber, reason, one.controlSequenceNumber]],
  );
  const other = await discard({ ...group, sequenceNumber: second?.sequenceNumber ?? "", reason });
  assert.deepEqual([other.result, other.groupIsParked], ["discarded", false]);
  assert.equal(backend.received.length, 0);
  assert.deepEqual(consumer.errors(), []);
  connection.close();
});

test("says so when a replay that was sent before delivered the message", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend({ body: '{"status_code":200}' });
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const group = { connection, queue: "queue-2", groupId: "10" };
  await replay({ ...group, wait: false });
  const discarding = discard({ ...group, sequenceNumber: first?.sequenceNumber ?? "", reason: "too late" });
  // The consumer starts when both are in the queue, the discard behind the replay.
  while ((await world.waiting("queue-2")) < 2) await sleep(5);
  await using consumer = startOpsConsumer(world, backend.url);
  assert.equal((await discarding).result, "gone");
  assert.equal(backend.received.length, 1);
  assert.deepEqual(consumer.errors(), []);
  connection.close();
});

test("sends nothing when the message is not parked, the reason is none, or it is only a plan", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const sequenceNumber = first?.sequenceNumber ?? "";
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber, reason: "a test" };
  const plan = await planDiscard(wanted);
  assert.equal(plan.messageId, first?.messageId);
  assert.equal("body" in plan, false);
  await assert.rejects(discard({ ...wanted, sequenceNumber: "17" }), {
    code: "NOT_PARKED",
    message: /00000000000000000017 of group 10 is not parked in queue-2: parked list queue-2 --group 10/,
  });
  for (const reason of ["", "  ", "two\nlines", "\u001b[2J", "\ud800", "x".repeat(257)]) {
    await assert.rejects(discard({ ...wanted, reason }), { code: "INVALID_ARGUMENT", message: /^reason is / });
  }
  assert.equal(await world.waiting("queue-2"), 0);
  connection.close();
});

test("gives up waiting at the timeout, and the discard stays in the queue", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const sequenceNumber = first?.sequenceNumber ?? "";
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber, reason: "x".repeat(256) };
  assert.equal((await discard({ ...wanted, timeoutSeconds: 0.1 })).result, "timed-out");
  assert.equal((await discard({ ...wanted, wait: false })).result, "sent");
  assert.equal(await world.waiting("queue-2"), 2);
  connection.close();
});

test("somebody else's discard of the message is not taken for this one", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const parked = first ?? assert.fail();
  const { sequenceNumber } = parked;
  const discarding = discard({ connection, queue: "queue-2", groupId: "10", sequenceNumber, reason: "a test" });
  while ((await world.waiting("queue-2")) < 1) await sleep(5);
  const theirs = { discardedBy: "17500000000000000000", discardedAt: parked.parkedAt, discardReason: "theirs" };
  await world.parkingLot.bury({ ...parked, ...theirs }, 60);
  await world.parkingLot.remove(parked);
  assert.equal((await discarding).result, "gone");
  connection.close();
});

test("fails at once when the queue numbers lower than the message, since it was made anew: the discard does nothing", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend();
  const connection = await connect({ local: world.folder });
  const sequenceNumber = "19000000000000000001";
  await world.park("10", 1, () => ({ sequenceNumber }));
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber, reason: "a test" };
  const madeAnew = {
    code: "QUEUE_MADE_ANEW",
    message: /discard \d{20} of message 19000000000000000001 of group 10 .*by hand/,
  } as const;
  await assert.rejects(discard(wanted), madeAnew);
  await assert.rejects(discard({ ...wanted, wait: false }), madeAnew);
  await using consumer = startOpsConsumer(world, backend.url);
  while ((await world.waiting("queue-2")) > 0) await sleep(5);
  while (consumer.logged.filter(({ result }) => result === "nothing-to-do").length < 2) await sleep(5);
  assert.equal((await world.parkingLot.oldest("queue-2", "10"))?.sequenceNumber, sequenceNumber);
  connection.close();
});
