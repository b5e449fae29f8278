import assert from "node:assert/strict";
import { test } from "node:test";
import { SqsError } from "../runtime/local/queue/errors.ts";
import { bodies, DEAD_LETTER, engineWithClock, FIFO, QUEUE } from "./helpers/queue-engine.ts";

const TEN = { maxMessages: 10 } as const;
const refusal = (code: string) => (error: unknown) => error instanceof SqsError && error.code === code;

test("takes as many messages of one group as it can before the next group, oldest head first", async (t) => {
  const { engine } = engineWithClock(t);
  for (const [groupId, body] of [
    ["b", "b1"],
    ["a", "a1"],
    ["b", "b2"],
    ["a", "a2"],
    ["b", "b3"],
  ] as const) {
    engine.send(QUEUE, { groupId, body });
  }
  assert.deepEqual(bodies(await engine.receive(QUEUE, { maxMessages: 4 })), ["b1", "b2", "b3", "a1"]);
  assert.deepEqual(await engine.receive(QUEUE, TEN), [], "a2 waits for a1");
});

test("a group stays locked until the last of its messages in flight is deleted or visible again", async (t) => {
  const clocked = engineWithClock(t, { VisibilityTimeout: "30" });
  const { engine } = clocked;
  for (const body of ["1", "2", "3"]) engine.send(QUEUE, { groupId: "g", body });
  const [one, two] = await engine.receive(QUEUE, { maxMessages: 2 });
  assert.ok(one && two);
  engine.delete(QUEUE, one.receiptHandle);
  assert.deepEqual(await engine.receive(QUEUE, TEN), [], "2 is still in flight");
  engine.changeVisibility(QUEUE, two.receiptHandle, 60);
  clocked.pass(59);
  assert.deepEqual(await engine.receive(QUEUE, TEN), []);
  clocked.pass(1);
  assert.deepEqual(bodies(await engine.receive(QUEUE, TEN)), ["2", "3"]);
});

test("a receipt handle does nothing once its visibility timeout is over, and a newer one works", async (t) => {
  const clocked = engineWithClock(t, { VisibilityTimeout: "30" });
  const { engine } = clocked;
  engine.send(QUEUE, { groupId: "g", body: "1" });
  const [first] = await engine.receive(QUEUE);
  assert.ok(first);
  clocked.pass(30);
  assert.throws(() => engine.delete(QUEUE, first.receiptHandle), /The receipt handle has expired\./);
  assert.throws(() => engine.changeVisibility(QUEUE, first.receiptHandle, 0), refusal("InvalidParameterValue"));
  const [second] = await engine.receive(QUEUE);
  assert.ok(second);
  assert.equal(second.receiveCount, 2);
  assert.notEqual(second.receiptHandle, first.receiptHandle);
  assert.throws(() => engine.delete(QUEUE, first.receiptHandle), refusal("InvalidParameterValue"));
  const entries = [first, second].map(({ receiptHandle }, index) => ({ id: String(index), receiptHandle }));
  assert.deepEqual(engine.deleteBatch(QUEUE, entries), {
    successful: [{ id: "1" }],
    failed: [{ id: "0", code: "ReceiptHandleIsInvalid", message: "The receipt handle has expired", senderFault: true }],
  });
  engine.delete(QUEUE, second.receiptHandle);
});

test("a message cannot be hidden beyond twelve hours after its receive", async (t) => {
  const clocked = engineWithClock(t, { VisibilityTimeout: "3600" });
  clocked.engine.send(QUEUE, { groupId: "g", body: "1" });
  const [message] = await clocked.engine.receive(QUEUE);
  assert.ok(message);
  clocked.pass(10);
  assert.throws(() => clocked.engine.changeVisibility(QUEUE, message.receiptHandle, 43_200), /Total VisibilityTimeout/);
  clocked.engine.changeVisibility(QUEUE, message.receiptHandle, 43_190);
});

test("a duplicate answers with the first message's ids for five minutes, also after a restart and the delete", async (t) => {
  const clocked = engineWithClock(t);
  const message = { groupId: "g", body: "same" };
  const first = clocked.engine.send(QUEUE, message);
  const [received] = await clocked.engine.receive(QUEUE);
  assert.ok(received);
  clocked.engine.delete(QUEUE, received.receiptHandle);
  clocked.pass(299);
  assert.deepEqual(clocked.restart().send(QUEUE, message), first);
  assert.deepEqual(await clocked.engine.receive(QUEUE), []);
  clocked.pass(1);
  const again = clocked.engine.send(QUEUE, message);
  assert.notEqual(again.messageId, first.messageId);
  assert.ok(again.sequenceNumber > first.sequenceNumber);
  assert.match(again.sequenceNumber, /^\d{20}$/);
});

test("an id deduplicates over the whole queue, or within its group where the queue says so", (t) => {
  const { engine } = engineWithClock(t);
  engine.createQueue("per-group.fifo", { ...FIFO, DeduplicationScope: "messageGroup" });
  const send = (queue: string, groupId: string) =>
    engine.send(queue, { groupId, body: groupId, deduplicationId: "id" }).messageId;
  assert.equal(send(QUEUE, "a"), send(QUEUE, "b"));
  assert.notEqual(send("per-group.fifo", "a"), send("per-group.fifo", "b"));
  assert.equal(send("per-group.fifo", "a"), send("per-group.fifo", "a"));
});

test("an explicit deduplication id goes before the body's, and a batch deduplicates within itself", (t) => {
  const { engine } = engineWithClock(t);
  const one = engine.send(QUEUE, { groupId: "g", body: "x", deduplicationId: "1" });
  assert.notEqual(engine.send(QUEUE, { groupId: "g", body: "x", deduplicationId: "2" }).messageId, one.messageId);
  const { successful } = engine.sendBatch(QUEUE, [
    { id: "a", groupId: "g", body: "y" },
    { id: "b", groupId: "g", body: "y" },
  ]);
  assert.equal(successful[0]?.messageId, successful[1]?.messageId);
});

test("a message received too often goes to the dead-letter queue, and its followers come", async (t) => {
  const clocked = engineWithClock(t, { VisibilityTimeout: "30" });
  const { engine } = clocked;
  const deadLettered: unknown[] = [];
  engine.on("dead-lettered", (event) => deadLettered.push(event));
  const deadLetterTargetArn = engine.queueArn(DEAD_LETTER);
  engine.setQueueAttributes(QUEUE, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 }) });
  const messageAttributes = { reason: { dataType: "String", stringValue: "none" } };
  const sent = engine.send(QUEUE, { groupId: "g", body: "bad", messageAttributes });
  for (let receive = 1; receive <= 2; receive += 1) {
    assert.deepEqual(bodies(await engine.receive(QUEUE)), ["bad"]);
    clocked.pass(30);
  }
  engine.send(QUEUE, { groupId: "g", body: "good" });
  assert.deepEqual(bodies(await clocked.restart().receive(QUEUE)), ["good"]);
  const [dead] = await clocked.engine.receive(DEAD_LETTER);
  assert.ok(dead);
  assert.equal(dead.messageId, sent.messageId);
  assert.equal(dead.groupId, "g");
  assert.equal(dead.body, "bad");
  assert.deepEqual(dead.messageAttributes, messageAttributes);
  assert.equal(dead.deadLetterSourceArn, engine.queueArn(QUEUE));
  assert.equal(dead.receiveCount, 3);
  assert.ok(dead.sequenceNumber > sent.sequenceNumber);
  assert.equal(
    dead.deduplicationId,
    sent.messageId,
    "as SQS does on the way from a FIFO queue to its dead-letter queue",
  );
});

test("tells of messages sent, deleted and dead-lettered", async (t) => {
  const { engine } = engineWithClock(t, { VisibilityTimeout: "0" });
  const events: unknown[] = [];
  engine.on("sent", (event) => events.push(["sent", event.queueName, event.messageId]));
  engine.on("deleted", (event) => events.push(["deleted", event.queueName, event.messageId]));
  engine.on("dead-lettered", (event) => events.push(["dead-lettered", event.queueName, event.messageId]));
  const deadLetterTargetArn = engine.queueArn(DEAD_LETTER);
  engine.setQueueAttributes(QUEUE, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 }) });
  const { messageId } = engine.send(QUEUE, { groupId: "g", body: "1" });
  engine.send(QUEUE, { groupId: "g", body: "1" });
  await engine.receive(QUEUE);
  await engine.receive(QUEUE);
  const [dead] = await engine.receive(DEAD_LETTER);
  assert.ok(dead);
  engine.delete(DEAD_LETTER, dead.receiptHandle);
  assert.deepEqual(events, [
    ["sent", QUEUE, messageId],
    ["dead-lettered", QUEUE, messageId],
    ["deleted", DEAD_LETTER, messageId],
  ]);
});

test("a dead-letter queue that does not allow the source refuses the policy, and later its messages", async (t) => {
  const { engine } = engineWithClock(t, { VisibilityTimeout: "0" });
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: engine.queueArn(DEAD_LETTER), maxReceiveCount: 1 });
  const allow = (policy: object) =>
    engine.setQueueAttributes(DEAD_LETTER, { RedriveAllowPolicy: JSON.stringify(policy) });
  allow({ redrivePermission: "byQueue", sourceQueueArns: [engine.queueArn("other.fifo")] });
  assert.throws(() => engine.setQueueAttributes(QUEUE, { RedrivePolicy }), /does not allow/);
  allow({ redrivePermission: "byQueue", sourceQueueArns: [engine.queueArn(QUEUE)] });
  engine.setQueueAttributes(QUEUE, { RedrivePolicy });
  allow({ redrivePermission: "denyAll" });
  engine.send(QUEUE, { groupId: "g", body: "1" });
  for (let receive = 1; receive <= 3; receive += 1) assert.deepEqual(bodies(await engine.receive(QUEUE)), ["1"]);
});

test("a repeated ReceiveRequestAttemptId gets the same messages and handles, and their visibility starts anew", async (t) => {
  const clocked = engineWithClock(t, { VisibilityTimeout: "30" });
  const { engine } = clocked;
  for (const body of ["1", "2"]) engine.send(QUEUE, { groupId: "g", body });
  const options = { ...TEN, attemptId: "attempt" };
  const first = await engine.receive(QUEUE, options);
  clocked.pass(20);
  assert.deepEqual(await engine.receive(QUEUE, options), first);
  clocked.pass(20);
  assert.deepEqual(await engine.receive(QUEUE, TEN), [], "still hidden by the second receive");
  const [one] = first;
  assert.ok(one);
  engine.delete(QUEUE, one.receiptHandle);
  assert.deepEqual(await engine.receive(QUEUE, options), [], "one of its messages is gone: this is a new receive");
  clocked.pass(10);
  const later = await engine.receive(QUEUE, options);
  assert.deepEqual(
    later.map(({ body, receiveCount }) => [body, receiveCount]),
    [["2", 2]],
  );
});

test("a queue's delay hides new messages and keeps their group's order; a change holds for queued ones too", async (t) => {
  const clocked = engineWithClock(t, { DelaySeconds: "10" });
  const { engine } = clocked;
  engine.send(QUEUE, { groupId: "g", body: "1" });
  clocked.pass(5);
  engine.send(QUEUE, { groupId: "g", body: "2" });
  assert.equal(engine.queueAttributes(QUEUE).ApproximateNumberOfMessagesDelayed, "2");
  clocked.pass(5);
  const [one, ...others] = await engine.receive(QUEUE, TEN);
  assert.deepEqual([one?.body, others], ["1", []]);
  engine.changeVisibility(QUEUE, one?.receiptHandle ?? "", 0);
  engine.setQueueAttributes(QUEUE, { DelaySeconds: "0" });
  assert.deepEqual(bodies(await engine.receive(QUEUE, TEN)), ["1", "2"]);
  assert.throws(
    () => engine.send(QUEUE, { groupId: "g", body: "3", delaySeconds: 1 }),
    /Value 1 for parameter DelaySeconds is invalid/,
  );
});

test("messages older than the retention are gone, in flight or not, and unlock their group", async (t) => {
  const clocked = engineWithClock(t, { MessageRetentionPeriod: "60", VisibilityTimeout: "600" });
  const { engine } = clocked;
  engine.send(QUEUE, { groupId: "g", body: "1" });
  const [message] = await engine.receive(QUEUE);
  assert.ok(message);
  clocked.pass(30);
  engine.send(QUEUE, { groupId: "g", body: "2" });
  clocked.pass(30);
  assert.deepEqual(bodies(await engine.receive(QUEUE)), ["2"]);
  engine.delete(QUEUE, message.receiptHandle);
  assert.equal(clocked.restart().queueAttributes(QUEUE).ApproximateNumberOfMessagesNotVisible, "1");
});

test("a long poll wakes on a send, on a delete, on a given-back message and on a timeout's end", async (t) => {
  const clocked = engineWithClock(t, { VisibilityTimeout: "30" });
  const { engine } = clocked;
  const poll = () => engine.receive(QUEUE, { waitSeconds: 20 });
  const onSend = poll();
  for (const body of ["1", "2"]) engine.send(QUEUE, { groupId: "g", body });
  const [one] = await onSend;
  assert.equal(one?.body, "1");
  const onDelete = poll();
  engine.delete(QUEUE, one.receiptHandle);
  const [two] = await onDelete;
  assert.equal(two?.body, "2");
  const onChange = poll();
  engine.changeVisibility(QUEUE, two.receiptHandle, 0);
  assert.deepEqual(bodies(await onChange), ["2"]);
  clocked.pass(15);
  const onTimeout = poll();
  clocked.pass(15);
  assert.deepEqual(bodies(await onTimeout), ["2"]);
  const inVain = poll();
  clocked.pass(20);
  assert.deepEqual(await inVain, []);
});

test("polls are served in turn, an aborted one takes nothing, and a deleted queue ends them", async (t) => {
  const { engine } = engineWithClock(t);
  const hangUp = new AbortController();
  const aborted = engine.receive(QUEUE, { waitSeconds: 20, signal: hangUp.signal });
  const first = engine.receive(QUEUE, { waitSeconds: 20 });
  const second = engine.receive(QUEUE, { waitSeconds: 20 });
  hangUp.abort();
  assert.deepEqual(await aborted, []);
  engine.send(QUEUE, { groupId: "a", body: "1" });
  assert.deepEqual(bodies(await first), ["1"]);
  engine.deleteQueue(QUEUE);
  await assert.rejects(second, refusal("QueueDoesNotExist"));
});

test("a message in flight stays in flight over a restart, and is free after releaseInFlight", async (t) => {
  const clocked = engineWithClock(t, { VisibilityTimeout: "360" });
  clocked.engine.send(QUEUE, { groupId: "g", body: "1" });
  const [message] = await clocked.engine.receive(QUEUE);
  assert.ok(message);
  const engine = clocked.restart();
  assert.deepEqual(await engine.receive(QUEUE), []);
  engine.changeVisibility(QUEUE, message.receiptHandle, 400);
  engine.releaseInFlight();
  const [again] = await engine.receive(QUEUE);
  assert.equal(again?.receiveCount, 2);
});

test("a purge and a deleted queue's name need 60 seconds before the next", async (t) => {
  const clocked = engineWithClock(t);
  const { engine } = clocked;
  engine.send(QUEUE, { groupId: "g", body: "1" });
  engine.purgeQueue(QUEUE);
  assert.equal(engine.queueAttributes(QUEUE).ApproximateNumberOfMessages, "0");
  assert.throws(() => engine.purgeQueue(QUEUE), refusal("PurgeQueueInProgress"));
  clocked.pass(60);
  engine.purgeQueue(QUEUE);
  engine.deleteQueue(QUEUE);
  assert.throws(() => clocked.restart().createQueue(QUEUE, FIFO), refusal("QueueDeletedRecently"));
  clocked.pass(60);
  clocked.engine.createQueue(QUEUE, FIFO);
  assert.deepEqual(await clocked.engine.receive(QUEUE), []);
});

test("messageIds names what is in the queue: waiting, in flight and delayed, and no longer what has left it", async (t) => {
  const clocked = engineWithClock(t, { MessageRetentionPeriod: "60", DelaySeconds: "10" });
  const { engine } = clocked;
  const send = (groupId: string) => engine.send(QUEUE, { groupId, body: groupId }).messageId;
  const [deleted, expired] = [send("deleted"), send("expired")];
  clocked.pass(10);
  const [received] = await engine.receive(QUEUE);
  assert.ok(received);
  engine.delete(QUEUE, received.receiptHandle);
  const waiting = [send("in-flight"), send("waiting")];
  clocked.pass(10);
  const [, inFlight] = await engine.receive(QUEUE, { maxMessages: 2 });
  assert.equal(inFlight?.body, "in-flight");
  const delayed = send("delayed");
  assert.deepEqual([...engine.messageIds(QUEUE)], [expired, ...waiting, delayed]);
  assert.equal(received.messageId, deleted);
  clocked.pass(40);
  assert.deepEqual([...clocked.restart().messageIds(QUEUE)], [...waiting, delayed]);
  assert.deepEqual([...clocked.engine.messageIds(DEAD_LETTER)], []);
  assert.throws(() => clocked.engine.messageIds("none.fifo"), refusal("QueueDoesNotExist"));
});
