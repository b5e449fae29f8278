import assert from "node:assert/strict";
import { test } from "node:test";
import { EventError, parseEvent } from "../runtime/consumer/event.ts";
import { startConsumerWorld, toRecord } from "./helpers/consumer-world.ts";
import { startBackend } from "./helpers/scripted-backend.ts";

const accepted = { headers: { "content-type": "application/json" }, body: '{"status_code":200}' };

test("delivers a group in order and leaves nothing behind", async () => {
  await using backend = await startBackend(accepted);
  await using world = await startConsumerWorld({ backendUrl: backend.url });
  const first = await world.send("10", 1);
  await world.send("10", 2, "order-2");
  await world.send("a/b", 3, "order-3");
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });
  assert.deepEqual(
    backend.received.map(({ headers }) => headers["idempotency-key"]).toSorted(),
    [first, "queue-1/10/order-2", "queue-1/a%2Fb/order-3"].toSorted(),
  );
  assert.deepEqual(await world.receive(), []);
  assert.deepEqual(await world.counters(), []);
  assert.ok(world.logged.every(({ event, outcome }) => event === "message.settled" && outcome === "accepted"));
});

test("leaves the environment as it was", async () => {
  const before = { ...process.env };
  await using backend = await startBackend(accepted);
  await (await startConsumerWorld({ backendUrl: backend.url }))[Symbol.asyncDispose]();
  assert.deepEqual({ ...process.env }, before);
});

test("gives a group back when the table does not answer, and counts nothing", { timeout: 10_000 }, async () => {
  await using backend = await startBackend({ status: 500 });
  await using silent = await startBackend(() => {});
  await using world = await startConsumerWorld({ backendUrl: backend.url, tableUrl: silent.url });
  const id = await world.send("10", 1);
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [{ itemIdentifier: id }] });
  const [line] = world.logged;
  assert.equal(line?.["event"], "group.waiting");
  // Ours, for all tries together; the SDK's own for one of them is ETIMEDOUT.
  assert.equal(line["detail"], "http 500; not counted: TimeoutError");
});

test("sends what the backend refuses to the dead-letter queue, with its group, reason and key, and goes on", async () => {
  await using backend = await startBackend({ status: 409, body: "secret words" }, accepted);
  await using world = await startConsumerWorld({ backendUrl: backend.url });
  const refused = await world.send("10", 1, "order-1");
  await world.send("10", 2, "order-2");
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });
  const [copy, ...others] = await world.deadLetters();
  assert.equal(others.length, 0);
  assert.equal(copy?.Body, '{"data":{"MessageGroupID":"10","n":1}}');
  assert.equal(copy.Attributes?.MessageGroupId, "10");
  assert.equal(copy.Attributes.MessageDeduplicationId, refused);
  const attributes = Object.fromEntries(
    Object.entries(copy.MessageAttributes ?? {}).map(([name, value]) => [name, value.StringValue]),
  );
  const sequenceNumber = String(backend.received[0]?.headers["x-message-sequence-number"]);
  assert.deepEqual(attributes, {
    reason: "rejected",
    detail: "http 409",
    "http-status": "409",
    "original-message-id": refused,
    "original-sequence-number": sequenceNumber,
    "idempotency-key": "queue-1/10/order-1",
  });
  assert.equal(backend.received.length, 2);
  assert.ok(!JSON.stringify(world.logged).includes("secret"));
});

test("gives a copy that came back the key of its original", async () => {
  await using backend = await startBackend(accepted);
  await using world = await startConsumerWorld({ backendUrl: backend.url });
  await world.send("10", 1, "redrive-1");
  const [message] = await world.receive();
  assert.ok(message !== undefined);
  const attribute = { DataType: "String", StringValue: "queue-1/10/first" };
  await world.invoke([{ ...message, MessageAttributes: { "idempotency-key": attribute } }]);
  assert.equal(backend.received[0]?.headers["idempotency-key"], "queue-1/10/first");
});

test("counts failed attempts in the table, one item a message, and clears them", async () => {
  await using backend = await startBackend({ status: 500 }, { status: 500 }, accepted);
  await using world = await startConsumerWorld({ backendUrl: backend.url });
  await world.send("10", 1);
  const follower = await world.send("10", 2);
  const batch = await world.receive();
  const { batchItemFailures } = await world.invoke(batch);
  assert.deepEqual(
    batchItemFailures.map((failure) => failure.itemIdentifier),
    batch.map((message) => message.MessageId),
  );
  const [counter, ...others] = await world.counters();
  assert.equal(others.length, 0);
  const sequenceNumber = batch[0]?.Attributes?.SequenceNumber ?? "";
  assert.deepEqual(counter?.["pk"], { S: "queue-1#10" });
  assert.deepEqual(counter["sk"], { S: `attempts#${sequenceNumber}` });
  assert.deepEqual(counter["attempts"], { N: "1" });
  assert.match(JSON.stringify(counter["expiresAt"]), /^\{"N":"\d{10}"\}$/);
  for (let left = 2; left > 0; ) {
    const next = await world.receive();
    if (next.length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    else left = (await world.invoke(next)).batchItemFailures.length;
  }
  assert.deepEqual(
    backend.received.map(({ headers }) => headers["x-message-attempt"]),
    ["1", "2", "3", "1"],
  );
  assert.equal(backend.received.at(-1)?.headers["x-message-id"], follower);
  assert.deepEqual(await world.counters(), []);
});

test("gives up after maxAttempts, and the follower has all of its own", async () => {
  await using backend = await startBackend({ status: 500 }, accepted);
  await using world = await startConsumerWorld({ backendUrl: backend.url, maxAttempts: 1 });
  const head = await world.send("10", 1);
  await world.send("10", 2);
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });
  const [copy] = await world.deadLetters();
  assert.equal(copy?.MessageAttributes?.["reason"]?.StringValue, "attempts-exhausted");
  assert.equal(copy.MessageAttributes["original-message-id"]?.StringValue, head);
  assert.equal(backend.received.at(-1)?.headers["x-message-attempt"], "1");
  assert.deepEqual(await world.counters(), []);
});

test("drops a group that another invocation has by now, and delivers the others", async () => {
  await using backend = await startBackend(accepted);
  await using world = await startConsumerWorld({ backendUrl: backend.url });
  await world.send("10", 1);
  await world.send("20", 2);
  const late = await world.receive();
  // The first group's receipt is no longer the message's: another invocation took the message and settled it.
  await world.invoke(late.slice(0, 1));
  const answer = await world.invoke(late);
  assert.deepEqual(answer.batchItemFailures, [{ itemIdentifier: late[0]?.MessageId }]);
  assert.deepEqual(
    backend.received.map(({ headers }) => headers["x-message-group-id"]),
    ["10", "20"],
  );
});

test("keeps a group in the queue, with a short visibility, while nobody listens at the backend", async () => {
  const gone = await startBackend(accepted);
  await gone[Symbol.asyncDispose]();
  await using world = await startConsumerWorld({ backendUrl: gone.url });
  const [first, second] = [await world.send("10", 1), await world.send("10", 2)];
  const { batchItemFailures } = await world.invoke(await world.receive());
  assert.deepEqual(
    batchItemFailures.map((failure) => failure.itemIdentifier),
    [first, second],
  );
  const [line] = world.logged;
  assert.equal(line?.["event"], "group.waiting");
  assert.equal(line["reason"], "unavailable");
  assert.equal(line["seconds"], 1);
  assert.deepEqual(await world.counters(), []);
});

const code = (expected: EventError["code"]) => (error: unknown) =>
  error instanceof EventError && error.code === expected && !error.message.includes("MessageGroupID");

test("refuses an event that is not of one known queue, so that all of it stays in the queue", async () => {
  await using backend = await startBackend(accepted);
  await using world = await startConsumerWorld({ backendUrl: backend.url });
  await world.send("10", 1);
  const [message] = await world.receive();
  assert.ok(message !== undefined);
  const record = toRecord(message);
  const other = { ...record, eventSourceARN: "arn:aws:sqs:ap-northeast-2:000000000000:other.fifo" };
  assert.throws(() => parseEvent({ Records: [record, other] }), code("MIXED_SOURCES"));
  assert.throws(() => parseEvent({ Records: [{ ...record, messageId: 1 }] }), code("INVALID_EVENT"));
  assert.throws(() => parseEvent({}), code("INVALID_EVENT"));
  assert.equal(backend.received.length, 0);
});
