import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type DeadLetterQueue,
  discardDeadLetters,
  listDeadLetters,
  planRedrive,
  showDeadLetter,
} from "../sdk/ops/src/dlq/index.ts";
import { serveClockedQueues } from "./helpers/clocked-queues.ts";
import { type OpsWorld, startOpsWorld } from "./helpers/ops-world.ts";

const FAST = { waitSeconds: 0 } as const;

function queueOf(world: OpsWorld): DeadLetterQueue {
  return { sqs: world.sqs, queueUrl: world.queueUrl("queue-1"), deadLetterUrl: world.deadLetterUrl };
}

describe("a list of dead letters", () => {
  test("says of each message why it is there and what it was, and nothing of its body", async () => {
    await using world = await startOpsWorld();
    const payload = { secret: "a person's name" };
    const original = await world.deadLetter("10", payload, {
      detail: "HTTP 422",
      httpStatus: 422,
      deduplicationId: "order-1",
    });
    const before = Date.now();
    const listed = await listDeadLetters(queueOf(world), FAST);
    const [message, ...others] = listed.messages;
    assert.ok(message);
    const { messageId, sequenceNumber, deadLetteredAt, ...known } = message;
    assert.equal(others.length, 0);
    assert.deepEqual(known, {
      groupId: "10",
      originalMessageId: original.messageId,
      originalSequenceNumber: original.sequenceNumber,
      reason: "rejected",
      detail: "HTTP 422",
      httpStatus: 422,
      bytes: JSON.stringify({ data: { MessageGroupID: "10", ...payload } }).length,
      idempotencyKey: "queue-1/10/order-1",
    });
    assert.match(sequenceNumber, /^\d{20}$/);
    assert.notEqual(messageId, original.messageId);
    assert.ok(Date.parse(deadLetteredAt) <= before);
    assert.doesNotMatch(JSON.stringify(listed), /person/);
  });

  test("gives everything back: a second one sees the same, and so does whoever receives next", async () => {
    await using world = await startOpsWorld();
    for (let n = 0; n < 45; n += 1) await world.deadLetter(String(n % 15), { n });
    const first = await listDeadLetters(queueOf(world), FAST);
    assert.equal(first.messages.length, 45);
    assert.deepEqual([first.total, first.notSeen, first.fullGroups, first.stillHidden], [45, 0, [], 0]);
    const inOrder = (messages: typeof first.messages) =>
      messages.toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1));
    const second = await listDeadLetters(queueOf(world), FAST);
    assert.deepEqual(inOrder(second.messages), inOrder(first.messages));
    assert.equal((await world.receive(world.deadLetterUrl)).length, 10);
  });

  test("shows the first ten of every group, and says how many it could not see", async () => {
    await using world = await startOpsWorld();
    for (const [groupId, count] of [
      ["a", 4],
      ["b", 13],
      ["c", 10],
      ["d", 25],
    ] as const) {
      for (let n = 0; n < count; n += 1) await world.deadLetter(groupId, { n });
    }
    const listed = await listDeadLetters(queueOf(world), FAST);
    const counts = [...Map.groupBy(listed.messages, ({ groupId }) => groupId)].map(([name, { length }]) => [
      name,
      length,
    ]);
    assert.deepEqual(Object.fromEntries(counts), { a: 4, b: 10, c: 10, d: 10 });
    assert.deepEqual([listed.total, listed.notSeen, listed.fullGroups.toSorted()], [52, 18, ["b", "c", "d"]]);
    for (const group of Map.groupBy(listed.messages, ({ groupId }) => groupId).values()) {
      const numbers = group.map(({ originalSequenceNumber }) => originalSequenceNumber);
      assert.deepEqual(numbers, numbers.toSorted());
    }
  });

  test("of one group has that group alone, of a limit no more than that", async () => {
    await using world = await startOpsWorld();
    for (let n = 0; n < 30; n += 1) await world.deadLetter(String(n % 6), { n });
    const group = await listDeadLetters(queueOf(world), { ...FAST, groupId: "3" });
    assert.deepEqual(
      group.messages.map(({ groupId }) => groupId),
      Array(5).fill("3"),
    );
    const limited = await listDeadLetters(queueOf(world), { ...FAST, limit: 3 });
    assert.deepEqual([limited.messages.length, limited.notSeen], [3, 27]);
    assert.equal((await listDeadLetters(queueOf(world), FAST)).messages.length, 30);
  });

  test("says what somebody else holds as not seen", async () => {
    await using world = await startOpsWorld();
    for (const groupId of ["a", "a", "b"]) await world.deadLetter(groupId);
    const held = await world.receive(world.deadLetterUrl);
    assert.equal(held.length, 3);
    await world.deadLetter("c");
    const listed = await listDeadLetters(queueOf(world), FAST);
    assert.deepEqual(
      listed.messages.map(({ groupId }) => groupId),
      ["c"],
    );
    assert.deepEqual([listed.total, listed.notSeen], [4, 3]);
  });

  test("gives back what it has when a receive fails, and when it is interrupted", async (t) => {
    const world = await serveClockedQueues(t);
    const { deadLetter, queue, refuse } = world.createQueues();
    for (let n = 0; n < 30; n += 1) refuse(String(n % 3), `${n}`);
    const options = { ...FAST, now: world.now };
    let receives = 0;
    world.follow(({ action }) =>
      action === "ReceiveMessage" && ++receives === 3 ? { kind: "reset" } : { kind: "pass" },
    );
    await assert.rejects(listDeadLetters(queue, options));
    assert.equal(world.engine.queueAttributes(deadLetter).ApproximateNumberOfMessagesNotVisible, "0");
    const stopping = new AbortController();
    const listed = await listDeadLetters(queue, {
      ...options,
      signal: stopping.signal,
      progress: () => stopping.abort(),
    });
    assert.deepEqual([listed.ended, listed.messages.length, listed.notSeen], ["interrupted", 0, 30]);
    assert.equal(world.engine.queueAttributes(deadLetter).ApproximateNumberOfMessagesNotVisible, "0");
  });

  test("keeps what it has seen hidden for as long as it takes, so that nothing comes twice", async (t) => {
    const world = await serveClockedQueues(t);
    const { queue, refuse } = world.createQueues();
    for (let n = 0; n < 80; n += 1) refuse(`${n % 8}`, `${n}`);
    let receives = 0;
    world.follow(({ action }) => {
      // Eight receives of ten seconds are more than two visibilities.
      if (action === "ReceiveMessage") {
        world.pass(10);
        receives += 1;
      }
      return { kind: "pass" };
    });
    const listed = await listDeadLetters(queue, { ...FAST, now: world.now });
    assert.equal(listed.messages.length, 80);
    assert.equal(receives, 9);
  });

  test("fails when it cannot keep hidden what it has seen, in place of seeing it for ever", async (t) => {
    const world = await serveClockedQueues(t);
    const { queue, refuse } = world.createQueues();
    for (let n = 0; n < 80; n += 1) refuse(`${n % 8}`, `${n}`);
    world.follow(({ action }) => {
      if (action === "ReceiveMessage") world.pass(10);
      return action === "ChangeMessageVisibilityBatch" ? { kind: "answer", status: 500, body: "{}" } : { kind: "pass" };
    });
    await assert.rejects(listDeadLetters(queue, { ...FAST, now: world.now }));
  });

  test("counts what could not be given back", async (t) => {
    const world = await serveClockedQueues(t);
    const { queue, refuse } = world.createQueues();
    refuse("a", "a1");
    world.follow(({ action }) =>
      action === "ChangeMessageVisibilityBatch" ? { kind: "answer", status: 500, body: "{}" } : { kind: "pass" },
    );
    const listed = await listDeadLetters(queue, { ...FAST, now: world.now });
    assert.deepEqual([listed.messages.length, listed.stillHidden], [1, 1]);
  });
});

test("a shown message has its body and its place in its group; one that is not there has nothing", async () => {
  await using world = await startOpsWorld();
  for (let n = 0; n < 5; n += 1) await world.deadLetter("a", { n });
  for (let n = 0; n < 8; n += 1) await world.deadLetter("b", { n });
  const { messages } = await listDeadLetters(queueOf(world), FAST);
  const seventh = messages.filter(({ groupId }) => groupId === "b")[6];
  const shown = await showDeadLetter(queueOf(world), seventh?.messageId ?? "", FAST);
  assert.deepEqual(JSON.parse(shown.message?.body ?? "").data, { MessageGroupID: "b", n: 6 });
  assert.deepEqual([shown.message?.before, shown.ended, shown.stillHidden], [6, "complete", 0]);
  const unknown = await showDeadLetter(queueOf(world), crypto.randomUUID(), FAST);
  assert.deepEqual(unknown, { ended: "complete", stillHidden: 0 });
  assert.equal((await listDeadLetters(queueOf(world), FAST)).messages.length, 13);
});

test("a look for one message, and a plan of it, say that they were interrupted, and what they could not give back", async (t) => {
  const world = await serveClockedQueues(t);
  const { queue, refuse } = world.createQueues();
  for (let n = 0; n < 3; n += 1) refuse("10", `${n}`);
  const messageId = (await listDeadLetters(queue, { ...FAST, now: world.now })).messages[1]?.messageId ?? "";
  const options = () => {
    const stopping = new AbortController();
    return { ...FAST, now: world.now, signal: stopping.signal, progress: () => stopping.abort() };
  };
  assert.deepEqual(await showDeadLetter(queue, messageId, options()), { ended: "interrupted", stillHidden: 0 });
  const plan = await planRedrive(queue, { messageId }, options());
  assert.deepEqual([plan.moves.length, plan.ended, plan.stillHidden], [0, "interrupted", 0]);
  world.follow(({ action }) =>
    action === "ChangeMessageVisibilityBatch" ? { kind: "answer", status: 400, body: "{}" } : { kind: "pass" },
  );
  const shown = await showDeadLetter(queue, messageId, { ...FAST, now: world.now });
  assert.deepEqual([shown.message?.messageId, shown.message?.before, shown.stillHidden], [messageId, 1, 3]);
  world.pass(60);
  const hidden = await planRedrive(queue, { messageId }, { ...FAST, now: world.now });
  assert.deepEqual([hidden.moves.length, hidden.overtakes, hidden.ended, hidden.stillHidden], [1, 1, "complete", 3]);
});

test("a plan moves nothing and says the order", async () => {
  await using world = await startOpsWorld();
  for (let n = 0; n < 24; n += 1) await world.deadLetter(String(n % 2), { n });
  const plan = await planRedrive(queueOf(world), { all: true }, FAST);
  assert.deepEqual([plan.moves.length, plan.notSeen, plan.fullGroups.length], [20, 4, 2]);
  for (const group of Map.groupBy(plan.moves, ({ message }) => message.groupId).values()) {
    const numbers = group.map(({ message }) => message.originalSequenceNumber);
    assert.deepEqual(numbers, numbers.toSorted());
  }
  assert.equal((await listDeadLetters(queueOf(world), FAST)).total, 24);
  assert.deepEqual(await world.receive(world.queueUrl("queue-1")), []);
});

describe("a discard of dead letters", () => {
  test("removes exactly what it names, in whatever group and place", async () => {
    await using world = await startOpsWorld();
    for (let n = 0; n < 26; n += 1) await world.deadLetter(String(n % 4), { n });
    const { messages } = await listDeadLetters(queueOf(world), FAST);
    const named = [3, 7, 8, 25].map((index) => messages[index]?.messageId ?? "");
    const absent = crypto.randomUUID();
    const report = await discardDeadLetters(queueOf(world), { messageIds: [...named, absent] }, FAST);
    assert.deepEqual(report.discarded.map(({ messageId }) => messageId).toSorted(), named.toSorted());
    assert.deepEqual([report.failed, report.notFound, report.ended], [[], [absent], "complete"]);
    const left = (await listDeadLetters(queueOf(world), FAST)).messages.map(({ messageId }) => messageId);
    const expected = messages.map(({ messageId }) => messageId).filter((messageId) => !named.includes(messageId));
    assert.deepEqual(left.toSorted(), expected.toSorted());
  });

  test("of a group removes all of it, and nothing of the others", async () => {
    await using world = await startOpsWorld();
    for (let n = 0; n < 46; n += 1) await world.deadLetter(String(n % 2), { n });
    const report = await discardDeadLetters(queueOf(world), { groupId: "1" }, FAST);
    assert.equal(report.discarded.length, 23);
    const left = await listDeadLetters(queueOf(world), FAST);
    assert.deepEqual([left.total, left.fullGroups], [23, ["0"]]);
  });

  test("does not call deleted what SQS has not acknowledged", async (t) => {
    const world = await serveClockedQueues(t);
    const { queue, refuse } = world.createQueues();
    const messageId = refuse("a", "a1");
    world.follow(({ action }) => (action === "DeleteMessage" ? { kind: "reset" } : { kind: "pass" }));
    const report = await discardDeadLetters(queue, { messageIds: [messageId] }, { ...FAST, now: world.now });
    assert.deepEqual([report.discarded, report.failed.map((one) => one.messageId)], [[], [messageId]]);
    assert.equal((await listDeadLetters(queue, { ...FAST, now: world.now })).total, 1);
  });
});
