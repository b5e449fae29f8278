import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  CancelMessageMoveTaskCommand,
  ListMessageMoveTasksCommand,
  ReceiveMessageCommand,
  ResourceNotFoundException,
  SendMessageCommand,
  SQSServiceException,
  StartMessageMoveTaskCommand,
  UnsupportedOperation,
} from "@aws-sdk/client-sqs";
import type { QueueEngine } from "../runtime/local/queue/engine.ts";
import type { ReceivedMessage } from "../runtime/local/queue/message.ts";
import { bodies, DEAD_LETTER, engineWithClock, FIFO, QUEUE } from "./helpers/queue-engine.ts";
import { serverWithClient } from "./helpers/queue-server.ts";
import { until } from "./helpers/until.ts";

const OTHER = "other.fifo";
const NO_SOURCE = "CouldNotDetermineMessageSource";

/** An engine whose QUEUE dead-letters on the second receive. */
function world(t: TestContext, attributes: Readonly<Record<string, string>> = {}) {
  const clocked = engineWithClock(t, { VisibilityTimeout: "30", ...attributes });
  const { engine } = clocked;
  pipe(engine, QUEUE);
  return { clocked, engine, sourceArn: engine.queueArn(DEAD_LETTER), destinationArn: engine.queueArn(QUEUE) };
}

function pipe(engine: QueueEngine, name: string): void {
  const deadLetterTargetArn = engine.queueArn(DEAD_LETTER);
  engine.setQueueAttributes(name, { RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 }) });
}

/** Sends messages and receives them until they are in the dead-letter queue. */
async function deadLetter(engine: QueueEngine, name: string, texts: readonly string[], groupId = "g"): Promise<void> {
  const before = engine.messageIds(DEAD_LETTER).size;
  for (const body of texts) engine.send(name, { groupId, body });
  while (engine.messageIds(DEAD_LETTER).size < before + texts.length) {
    await engine.receive(name, { maxMessages: 10, visibilityTimeoutSeconds: 0 });
  }
}

/** Sends straight to the dead-letter queue, as the consumer does. */
const sendDead = (engine: QueueEngine, groupId: string, body: string) =>
  engine.send(DEAD_LETTER, { groupId, body, deduplicationId: crypto.randomUUID() });

async function receiveAll(engine: QueueEngine, name: string): Promise<ReceivedMessage[]> {
  const all: ReceivedMessage[] = [];
  for (;;) {
    const messages = await engine.receive(name, { maxMessages: 10 });
    if (messages.length === 0) return all;
    all.push(...messages);
    for (const { receiptHandle } of messages) engine.delete(name, receiptHandle);
  }
}

const refused = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof SQSServiceException && Reflect.get(error, "Code") === code && message.test(error.message);
const missing = (parameter: string) => (error: unknown) =>
  error instanceof ResourceNotFoundException &&
  error.$metadata.httpStatusCode === 404 &&
  error.message === `The resource that you specified for the ${parameter} parameter doesn't exist.`;
const handleOf = (document: object) => Buffer.from(JSON.stringify(document)).toString("base64");

const task = (engine: QueueEngine) => {
  const [latest] = engine.moveTasks(engine.queueArn(DEAD_LETTER));
  assert.ok(latest);
  return latest;
};

test("moves everything back to the queue it came from, oldest first, as new messages with their old contents", async (t) => {
  const { clocked, engine, sourceArn } = world(t);
  engine.createQueue(OTHER, FIFO);
  pipe(engine, OTHER);
  const messageAttributes = { reason: { dataType: "String", stringValue: "none" } };
  const sent = engine.send(QUEUE, { groupId: "a", body: "a1", messageAttributes, traceHeader: "Root=1-2-3" });
  await deadLetter(engine, QUEUE, ["a2", "a3"], "a");
  await deadLetter(engine, OTHER, ["b1", "b2"], "a");
  clocked.pass(3_600);
  engine.startMoveTask({ sourceArn });
  assert.deepEqual([task(engine).status, task(engine).moved, task(engine).toMove], ["RUNNING", 0, 5]);
  clocked.pass(0);
  const { taskHandle, startedAt, ...done } = task(engine);
  assert.deepEqual(done, {
    sourceArn,
    destinationArn: undefined,
    maxPerSecond: undefined,
    status: "COMPLETED",
    moved: 5,
    toMove: 5,
    failureReason: undefined,
  });
  assert.deepEqual([taskHandle, startedAt], [undefined, clocked.now()]);
  assert.deepEqual([...engine.messageIds(DEAD_LETTER)], []);
  const messages = await receiveAll(clocked.restart(), QUEUE);
  assert.deepEqual(bodies(messages), ["a1", "a2", "a3"]);
  assert.deepEqual(bodies(await receiveAll(clocked.engine, OTHER)), ["b1", "b2"]);
  const [first] = messages;
  assert.ok(first);
  assert.notEqual(first.messageId, sent.messageId);
  assert.equal(first.deduplicationId, sent.messageId);
  assert.ok(first.sequenceNumber > sent.sequenceNumber);
  assert.deepEqual([first.groupId, first.traceHeader, first.messageAttributes], ["a", "Root=1-2-3", messageAttributes]);
  assert.deepEqual([first.receiveCount, first.sentAt, first.deadLetterSourceArn], [1, clocked.now(), undefined]);
});

test("a message whose five minutes are not over arrives all the same, however often it goes round", async (t) => {
  const { clocked, engine, sourceArn } = world(t);
  for (let round = 0; round < 3; round += 1) {
    if (round === 0) await deadLetter(engine, QUEUE, ["1"]);
    else await engine.receive(QUEUE);
    engine.startMoveTask({ sourceArn });
    clocked.pass(0);
    assert.equal(engine.messageIds(QUEUE).size, 1);
    const [message] = await engine.receive(QUEUE, { visibilityTimeoutSeconds: 0 });
    assert.equal(message?.body, "1");
  }
});

test("moved messages stand behind what their group was sent meanwhile", async (t) => {
  const { clocked, engine, sourceArn } = world(t);
  await deadLetter(engine, QUEUE, ["1"]);
  engine.send(QUEUE, { groupId: "g", body: "2" });
  engine.startMoveTask({ sourceArn });
  clocked.pass(0);
  engine.send(QUEUE, { groupId: "g", body: "3" });
  assert.deepEqual(bodies(await receiveAll(engine, QUEUE)), ["2", "1", "3"]);
});

test("a move wakes the receive that waits for it", async (t) => {
  const { engine, sourceArn, destinationArn } = world(t);
  sendDead(engine, "g", "1");
  const waiting = engine.receive(QUEUE, { waitSeconds: 20 });
  engine.startMoveTask({ sourceArn, destinationArn });
  assert.deepEqual(bodies(await waiting), ["1"]);
});

test("keeps to its rate, and a cancelled task leaves the rest where it is", async (t) => {
  const { clocked, engine, sourceArn } = world(t);
  await deadLetter(engine, QUEUE, ["1", "2", "3", "4", "5", "6"]);
  const handle = engine.startMoveTask({ sourceArn, maxPerSecond: 2 });
  const moved = [];
  for (const seconds of [0, 0.4, 0.1, 0.5, 0.5]) {
    clocked.pass(seconds);
    moved.push(task(engine).moved);
  }
  assert.deepEqual(moved, [1, 1, 2, 3, 4]);
  assert.equal(task(engine).taskHandle, handle);
  assert.throws(() => engine.startMoveTask({ sourceArn }), /There is already a task running/);
  assert.equal(engine.cancelMoveTask(handle), 4);
  clocked.pass(60);
  assert.deepEqual([task(engine).status, task(engine).moved, task(engine).toMove], ["CANCELLED", 4, 6]);
  assert.throws(
    () => engine.cancelMoveTask(handle),
    /Only a task that is RUNNING can be cancelled; this one is CANCELLED/,
  );
  assert.deepEqual(bodies(await receiveAll(engine, QUEUE)), ["1", "2", "3", "4"]);
  assert.deepEqual(bodies(await receiveAll(engine, DEAD_LETTER)), ["5", "6"]);
});

test("a pause of the machine is not made up for at once", async (t) => {
  const { clocked, engine, sourceArn } = world(t);
  await deadLetter(engine, QUEUE, ["1", "2", "3", "4", "5", "6"]);
  engine.startMoveTask({ sourceArn, maxPerSecond: 2 });
  clocked.pass(3_600);
  assert.equal(task(engine).moved, 3, "the first, and a second's worth");
});

test("goes on after a restart, with the messages that it began with", async (t) => {
  const { clocked, engine, sourceArn } = world(t);
  await deadLetter(engine, QUEUE, ["1", "2", "3"]);
  const handle = engine.startMoveTask({ sourceArn, maxPerSecond: 1 });
  clocked.pass(0);
  sendDead(engine, "g", "later");
  const again = clocked.restart();
  assert.deepEqual([task(again).status, task(again).moved, task(again).taskHandle], ["RUNNING", 1, handle]);
  for (let second = 0; second < 5; second += 1) clocked.pass(1);
  assert.deepEqual([task(again).status, task(again).moved, task(again).toMove], ["COMPLETED", 3, 3]);
  assert.deepEqual(bodies(await receiveAll(again, DEAD_LETTER)), ["later"]);
});

test("a message in flight holds its group until it is visible or gone; other groups move", async (t) => {
  const { clocked, engine, sourceArn, destinationArn } = world(t);
  engine.setQueueAttributes(DEAD_LETTER, { VisibilityTimeout: "30" });
  for (const body of ["a1", "a2", "c1"]) sendDead(engine, body.slice(0, 1), body);
  const [held] = await engine.receive(DEAD_LETTER);
  assert.equal(held?.body, "a1");
  const [other] = await engine.receive(DEAD_LETTER);
  assert.equal(other?.body, "c1");
  sendDead(engine, "b", "b1");
  engine.startMoveTask({ sourceArn, destinationArn });
  clocked.pass(0);
  assert.deepEqual(bodies(await receiveAll(engine, QUEUE)), ["b1"]);
  assert.deepEqual([task(engine).status, task(engine).moved, task(engine).toMove], ["RUNNING", 1, 4]);
  engine.delete(DEAD_LETTER, other.receiptHandle);
  clocked.pass(29);
  assert.deepEqual(await receiveAll(engine, QUEUE), []);
  clocked.pass(1);
  assert.deepEqual(bodies(await receiveAll(engine, QUEUE)), ["a1", "a2"]);
  assert.deepEqual([task(engine).status, task(engine).moved], ["COMPLETED", 3]);
});

test("fails at a message whose way back is unknown, gone or too narrow, and keeps it", async (t) => {
  const { clocked, engine, sourceArn } = world(t);
  engine.createQueue(OTHER, { ...FIFO, MaximumMessageSize: "1024" });
  await deadLetter(engine, QUEUE, ["1"]);
  sendDead(engine, "g", "sent-here");
  engine.startMoveTask({ sourceArn });
  clocked.pass(0);
  assert.deepEqual([task(engine).status, task(engine).moved, task(engine).failureReason], ["FAILED", 1, NO_SOURCE]);
  assert.deepEqual(bodies(await receiveAll(engine, DEAD_LETTER)), ["sent-here"]);

  sendDead(engine, "g", "x".repeat(1_025));
  engine.startMoveTask({ sourceArn, destinationArn: engine.queueArn(OTHER) });
  clocked.pass(0);
  assert.equal(task(engine).failureReason, "InvalidParameterValue");

  engine.startMoveTask({ sourceArn, destinationArn: engine.queueArn(OTHER) });
  engine.deleteQueue(OTHER);
  clocked.pass(0);
  assert.equal(task(engine).failureReason, "AWS.SimpleQueueService.NonExistentQueue");
  assert.equal(engine.messageIds(DEAD_LETTER).size, 1);
  assert.deepEqual(
    engine.moveTasks(sourceArn, 10).map(({ status }) => status),
    ["FAILED", "FAILED", "FAILED"],
  );
});

test("a task that waits for 36 hours fails; an empty source's completes; the last ten are kept", async (t) => {
  const { clocked, engine, sourceArn, destinationArn } = world(t);
  engine.setQueueAttributes(DEAD_LETTER, { MessageRetentionPeriod: "1209600" });
  sendDead(engine, "g", "held");
  engine.startMoveTask({ sourceArn, destinationArn, maxPerSecond: 1 });
  for (let hour = 0; hour < 36; hour += 9) {
    const [held] = await engine.receive(DEAD_LETTER, { visibilityTimeoutSeconds: 43_200 });
    assert.ok(held);
    clocked.pass(9 * 3_600);
    if (hour < 27) engine.changeVisibility(DEAD_LETTER, held.receiptHandle, 0);
  }
  assert.deepEqual([task(engine).status, task(engine).moved], ["FAILED", 0]);
  assert.match(task(engine).failureReason ?? "", /36 hours/);
  engine.purgeQueue(DEAD_LETTER);
  for (let round = 0; round < 11; round += 1) {
    engine.startMoveTask({ sourceArn });
    clocked.pass(1);
  }
  const kept = clocked.restart().moveTasks(sourceArn, 10);
  assert.deepEqual(new Set(kept.map(({ status, toMove }) => `${status} ${toMove}`)), new Set(["COMPLETED 0"]));
  const started = kept.map(({ startedAt }) => startedAt);
  assert.deepEqual(
    started,
    started.toSorted((one, other) => other - one),
  );
  assert.equal(started.length, 10);
});

test("sends and receives go on while thousands of messages are moved", async (t) => {
  const { client, createQueue, server } = await serverWithClient(t);
  const { engine } = server;
  await createQueue("dead.fifo");
  const sourceArn = engine.queueArn("dead.fifo");
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: sourceArn, maxReceiveCount: 3 });
  const QueueUrl = await createQueue("orders.fifo", { RedrivePolicy });
  for (let start = 0; start < 4_000; start += 10) {
    const entries = Array.from({ length: 10 }, (_, index) => String(start + index));
    engine.sendBatch(
      "dead.fifo",
      entries.map((id) => ({ id, groupId: "g", body: id })),
    );
  }
  engine.startMoveTask({ sourceArn, destinationArn: engine.queueArn("orders.fifo") });
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "new", MessageGroupId: "h" }));
  const [moving] = engine.moveTasks(sourceArn);
  assert.equal(moving?.status, "RUNNING", "the send did not wait for the end of the move");
  await until(() => engine.moveTasks(sourceArn)[0]?.status === "COMPLETED");
  assert.equal(engine.messageIds("orders.fifo").size, 4_001);
});

test("a batch that the file refuses half-way moves nothing, and is tried again", async (t) => {
  const { clocked, sourceArn, destinationArn } = world(t);
  for (const body of ["1", "refused", "3"]) sendDead(clocked.engine, "g", body);
  const queue = `(SELECT id FROM queues WHERE name = '${QUEUE}')`;
  const engine = clocked.restart(
    `CREATE TRIGGER refusal BEFORE INSERT ON messages WHEN NEW.body = 'refused' AND NEW.queue_id = ${queue}
     BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`,
  );
  engine.startMoveTask({ sourceArn, destinationArn });
  clocked.pass(0);
  assert.deepEqual([task(engine).status, task(engine).moved], ["RUNNING", 0]);
  assert.deepEqual([engine.messageIds(DEAD_LETTER).size, engine.messageIds(QUEUE).size], [3, 0]);
  const again = clocked.restart("DROP TRIGGER refusal");
  clocked.pass(0);
  assert.deepEqual([task(again).status, task(again).moved], ["COMPLETED", 3]);
  assert.deepEqual(bodies(await receiveAll(again, QUEUE)), ["1", "refused", "3"]);
});

test("the AWS SDK starts, lists and cancels moves, and is refused with SQS's own errors", async (t) => {
  const { client, createQueue, server } = await serverWithClient(t);
  const { engine } = server;
  const deadLetterUrl = await createQueue("dead.fifo");
  const SourceArn = engine.queueArn("dead.fifo");
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: SourceArn, maxReceiveCount: 3 });
  const QueueUrl = await createQueue("orders.fifo", { RedrivePolicy });
  const DestinationArn = engine.queueArn("orders.fifo");
  const start = (input: object) => client.send(new StartMessageMoveTaskCommand({ SourceArn, ...input }));
  const list = async (input: object = {}) =>
    (await client.send(new ListMessageMoveTasksCommand({ SourceArn, ...input }))).Results;
  const cancel = (TaskHandle: string | undefined) => client.send(new CancelMessageMoveTaskCommand({ TaskHandle }));

  assert.deepEqual(await list(), []);
  for (const MessageBody of ["1", "2", "3"]) {
    await client.send(new SendMessageCommand({ QueueUrl: deadLetterUrl, MessageBody, MessageGroupId: "g" }));
  }
  const nowhere = `${SourceArn}x`;
  await assert.rejects(start({ SourceArn: nowhere }), missing("SourceArn"));
  await assert.rejects(start({ SourceArn: undefined }), refused("MissingParameter", /SourceArn/));
  await assert.rejects(start({ DestinationArn: nowhere }), missing("DestinationArn"));
  await assert.rejects(start({ DestinationArn: SourceArn }), refused("InvalidParameterValue", /not be the source/));
  await assert.rejects(
    start({ SourceArn: DestinationArn }),
    refused("InvalidParameterValue", /^Source queue must be configured as a Dead Letter Queue\.$/),
  );
  for (const [rate, code] of [
    [0, "InvalidParameterValue"],
    [501, "InvalidParameterValue"],
    [1.5, "MalformedInput"],
  ] as const) {
    const input = { DestinationArn, MaxNumberOfMessagesPerSecond: rate };
    await assert.rejects(start(input), refused(code, /MaxNumberOfMessagesPerSecond/));
  }
  await assert.rejects(list({ SourceArn: nowhere }), missing("SourceArn"));
  await assert.rejects(list({ MaxResults: 11 }), refused("InvalidParameterValue", /MaxResults/));
  await assert.rejects(
    cancel("foobared"),
    refused("InvalidParameterValue", /^Value for parameter TaskHandle is invalid/),
  );
  await assert.rejects(cancel(""), refused("MissingParameter", /TaskHandle/));
  await assert.rejects(cancel(handleOf({ taskId: "t", sourceArn: nowhere })), missing("SourceArn"));
  await assert.rejects(
    cancel(handleOf({ taskId: "t", sourceArn: SourceArn })),
    refused("ResourceNotFoundException", /^Task does not exist\.$/),
  );

  const before = Date.now();
  const { TaskHandle } = await start({ DestinationArn, MaxNumberOfMessagesPerSecond: 1 });
  const receive = new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20, MessageSystemAttributeNames: ["All"] });
  const { Messages: [first] = [] } = await client.send(receive);
  assert.equal(first?.Body, "1");
  assert.equal(first.Attributes?.MessageGroupId, "g");
  const [{ StartedTimestamp = 0, ...running } = {}] = (await list()) ?? [];
  assert.deepEqual(running, {
    TaskHandle,
    Status: "RUNNING",
    SourceArn,
    DestinationArn,
    MaxNumberOfMessagesPerSecond: 1,
    ApproximateNumberOfMessagesMoved: 1,
    ApproximateNumberOfMessagesToMove: 3,
  });
  assert.ok(StartedTimestamp >= before && StartedTimestamp <= Date.now(), "milliseconds");
  await assert.rejects(
    start({ DestinationArn }),
    refused("InvalidParameterValue", /^There is already a task running\./),
  );
  assert.equal((await cancel(TaskHandle)).ApproximateNumberOfMessagesMoved, 1);
  await assert.rejects(cancel(TaskHandle), UnsupportedOperation);
  await start({});
  let latest = await list({ MaxResults: 2 });
  while (latest?.[0]?.Status === "RUNNING") latest = await list({ MaxResults: 2 });
  assert.deepEqual(
    latest?.map(({ Status, FailureReason, TaskHandle: handle }) => [Status, FailureReason, handle]),
    [
      ["FAILED", NO_SOURCE, undefined],
      ["CANCELLED", undefined, undefined],
    ],
  );
});
