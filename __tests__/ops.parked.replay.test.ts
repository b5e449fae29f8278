import assert from "node:assert/strict";
import { test } from "node:test";
import { SQSClient } from "@aws-sdk/client-sqs";
import { systemClock } from "../sdk/client/src/clock.ts";
import { connect, planReplay, type ReplayProgress, replay } from "../sdk/ops/src/index.ts";
import { PASS, serveFaults } from "./helpers/fault-proxy.ts";
import { startOpsConsumer } from "./helpers/ops-consumer.ts";
import { credentials, type OpsWorld, region, startOpsWorld } from "./helpers/ops-world.ts";
import { startBackend } from "./helpers/scripted-backend.ts";

const accepted = { body: '{"status_code":200}' };

function numbersIn(received: readonly { readonly body: Buffer }[]): unknown[] {
  return received.map(({ body }) => JSON.parse(body.toString()).data.n);
}

test("has a group delivered in order, and sees it end", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend(accepted);
  const connection = await connect({ local: world.folder });
  await world.park("10", 12);
  await world.park("11", 1);
  await using consumer = startOpsConsumer(world, backend.url);
  const seen: ReplayProgress[] = [];
  const onProgress = (progress: ReplayProgress) => seen.push(progress);
  const [replayed, ...others] = await replay({ connection, queue: "queue-2", groupId: "10", onProgress });
  assert.deepEqual(others, []);
  assert.match(replayed?.controlSequenceNumber ?? "", /^\d{20}$/);
  assert.deepEqual(
    { ...replayed, controlSequenceNumber: "" },
    {
      queue: "queue-2",
      groupId: "10",
      controlSequenceNumber: "",
      result: "delivered",
      delivered: 12,
      remaining: 0,
    },
  );
  assert.deepEqual(
    numbersIn(backend.received),
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
  assert.deepEqual(seen[0], { groups: 1, groupsEnded: 0, messages: 12, remaining: 12 });
  assert.deepEqual(seen.at(-1), { groups: 1, groupsEnded: 1, messages: 12, remaining: 0 });
  assert.notEqual(await world.parkingLot.oldest("queue-2", "11"), undefined);
  assert.deepEqual(consumer.errors(), []);
  connection.close();
});

test("says where a replay stopped, why, and what is left", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend(accepted, accepted, { status: 422 });
  const connection = await connect({ local: world.folder });
  const parked = await world.park("10", 5);
  await using consumer = startOpsConsumer(world, backend.url);
  const [replayed] = await replay({ connection, queue: "queue-2", groupId: "10" });
  assert.equal(replayed?.result, "stopped");
  assert.equal(replayed.delivered, 2);
  assert.equal(replayed.remaining, 3);
  assert.equal(replayed.stoppedAt?.sequenceNumber, parked[2]?.sequenceNumber);
  assert.equal(replayed.stoppedAt?.reason, "rejected");
  assert.equal(replayed.stoppedAt.httpStatus, 422);
  assert.equal("body" in replayed.stoppedAt, false);
  assert.deepEqual(consumer.errors(), []);
  connection.close();
});

test("counts what was on its way into the parking lot when the replay was sent", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend(accepted, { status: 422 });
  const connection = await connect({ local: world.folder });
  await world.park("10", 1);
  await world.send("queue-2", "10", { n: 2 });
  const replaying = replay({ connection, queue: "queue-2", groupId: "10" });
  await using consumer = startOpsConsumer(world, backend.url);
  const [replayed] = await replaying;
  assert.equal(replayed?.result, "stopped");
  assert.equal(
    replayed.stoppedAt?.sequenceNumber,
    (await world.parkingLot.read("queue-2", "10", 1))[0]?.sequenceNumber,
  );
  assert.deepEqual([replayed.delivered, replayed.remaining], [1, 1]);
  assert.deepEqual(consumer.errors(), []);
  connection.close();
});

test("replays every parked group, and reports each", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend((response, request) => {
    const isRefused = request.headers["x-message-group-id"] === "g7";
    response.writeHead(isRefused ? 400 : 200);
    response.end();
  });
  const connection = await connect({ local: world.folder });
  for (let group = 0; group < 20; group += 1) await world.park(`g${group}`, 2);
  await using consumer = startOpsConsumer(world, backend.url);
  const replayed = await replay({ connection, queue: "queue-2" });
  assert.equal(replayed.length, 20);
  const stopped = replayed.filter(({ result }) => result === "stopped");
  assert.deepEqual(
    stopped.map(({ groupId, delivered, remaining }) => ({ groupId, delivered, remaining })),
    [{ groupId: "g7", delivered: 0, remaining: 2 }],
  );
  assert.equal(replayed.filter(({ result, delivered }) => result === "delivered" && delivered === 2).length, 19);
  assert.deepEqual(await replay({ connection, queue: "queue-1" }), []);
  assert.deepEqual(consumer.errors(), []);
  connection.close();
});

test("gives up waiting at the timeout, or when it is told to, and the replay stays in the queue", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  await world.park("10", 2);
  const group = { connection, queue: "queue-2", groupId: "10" };
  const [late] = await replay({ ...group, timeoutSeconds: 0.2 });
  assert.deepEqual([late?.result, late?.delivered, late?.remaining], ["timed-out", 0, 2]);
  const [aborted] = await replay({ ...group, signal: AbortSignal.timeout(100) });
  assert.equal(aborted?.result, "timed-out");
  const [sent] = await replay({ ...group, wait: false });
  assert.equal(sent?.result, "sent");
  const messages = await world.receive(world.queueUrl("queue-2"));
  assert.deepEqual(
    messages.map(({ Attributes, MessageAttributes }) => [
      Attributes?.SequenceNumber,
      MessageAttributes?.["control"]?.StringValue,
    ]),
    [late, aborted, sent].map((one) => [one?.controlSequenceNumber, "replay"]),
  );
  connection.close();
});

test("sends nothing when nothing of the group is parked, and nothing on a dry run", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const parked = await world.park("10", 3);
  const group = { connection, queue: "queue-2", groupId: "10" };
  assert.deepEqual(await planReplay(group), [
    {
      queue: "queue-2",
      groupId: "10",
      messages: 3,
      oldest: parked[0]?.sequenceNumber,
      newest: parked[2]?.sequenceNumber,
    },
  ]);
  await assert.rejects(replay({ ...group, groupId: "11" }), { code: "NOT_PARKED" });
  await assert.rejects(replay({ ...group, queue: "queue-1" }), { code: "NOT_PARKED" });
  assert.deepEqual(await world.receive(world.queueUrl("queue-2")), []);
  assert.deepEqual(await world.receive(world.queueUrl("queue-1")), []);
  connection.close();
});

/** Waits for the control message, and takes it out of the group's way as a consumer does. */
async function controlNumber(world: OpsWorld): Promise<string> {
  for (;;) {
    const [message] = await world.receive(world.queueUrl("queue-2"));
    if (message !== undefined) return message.Attributes?.SequenceNumber ?? "";
  }
}

test("counts what was parked between the sending and the replay, and stops there for its own replay's sake only", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1, () => ({ stoppedBy: "17500000000000000000" }));
  const parked = first ?? assert.fail();
  const seen: number[] = [];
  const replaying = replay({
    connection,
    queue: "queue-2",
    groupId: "10",
    onProgress: ({ messages }) => seen.push(messages),
  });
  const control = await controlNumber(world);
  const late = { ...parked, sequenceNumber: "17900000000000000000" };
  await world.parkingLot.park(late, false);
  await world.parkingLot.remove(parked);
  await world.parkingLot.recordFailure(late, { ...parked, detail: "http 409", httpStatus: 409 }, control);
  const [replayed] = await replaying;
  assert.deepEqual([replayed?.result, replayed?.delivered, replayed?.remaining], ["stopped", 1, 1]);
  assert.equal(replayed?.stoppedAt?.sequenceNumber, late.sequenceNumber);
  assert.equal(replayed.stoppedAt.detail, "http 409");
  assert.equal(seen.at(-1), 2);
  connection.close();
});

test("what is parked after the replay has ended is another matter", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const parked = first ?? assert.fail();
  const replaying = replay({ connection, queue: "queue-2", groupId: "10", timeoutSeconds: 10 });
  await controlNumber(world);
  await world.parkingLot.park({ ...parked, sequenceNumber: "19000000000000000000" }, false);
  await world.parkingLot.remove(parked);
  const [replayed] = await replaying;
  assert.deepEqual([replayed?.result, replayed?.delivered, replayed?.remaining], ["delivered", 1, 0]);
  connection.close();
});

test("an answer that was lost leaves one replay in the queue, and the wait goes by its sequence number", async (t) => {
  await using world = await startOpsWorld();
  const parked = await world.park("10", 1);
  let sends = 0;
  const proxy = await serveFaults(t, {
    target: world.endpoints.sqs,
    clock: systemClock,
    script: ({ headers }) => {
      if (headers["x-amz-target"] !== "AmazonSQS.SendMessage") return PASS;
      sends += 1;
      return sends === 1 ? { kind: "reset", taken: true } : PASS;
    },
  });
  const local = await connect({ local: world.folder });
  const sqs = new SQSClient({ credentials, region, endpoint: proxy.url, useQueueUrlAsEndpoint: false });
  const connection = { ...local, sqs };
  const [sent] = await replay({ connection, queue: "queue-2", groupId: "10", wait: false });
  assert.equal(sends, 2);
  const messages = await world.receive(world.queueUrl("queue-2"));
  assert.deepEqual(
    messages.map(({ Attributes }) => Attributes?.SequenceNumber),
    [sent?.controlSequenceNumber],
  );
  assert.deepEqual([sent?.result, sent?.remaining], ["sent", parked.length]);
  sqs.destroy();
  local.close();
});

test("a table that fails while it waits says that the replay is sent and goes on; of several groups, each is told of", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  await world.park("10", 1);
  await world.park("11", 1);
  const broken = new Error("no table");
  let isBroken = false;
  connection.dynamodb.middlewareStack.add((next) => (args) => (isBroken ? Promise.reject(broken) : next(args)), {
    step: "initialize",
  });
  connection.sqs.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        isBroken = commandName === "SendMessageCommand";
        return next(args);
      },
    { step: "initialize" },
  );
  const queue = { connection, queue: "queue-2" };
  await assert.rejects(replay({ ...queue, groupId: "10" }), {
    code: "AWS_FAILED",
    message: /replay \d{20} of group 10 is sent, and goes on; its effect could not be read \(Error: no table\)/,
  });
  isBroken = false;
  const all = await replay(queue);
  assert.deepEqual(
    all.map(({ groupId, result, remaining }) => [groupId, result, remaining]),
    [
      ["10", "sent", 1],
      ["11", "sent", 1],
    ],
  );
  for (const { error } of all) assert.match(error ?? "", /goes on/);
  connection.close();
});

test("does not call delivered what a queue that was made anew can never reach, and says the way out", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend(accepted);
  const connection = await connect({ local: world.folder });
  const old = ["19000000000000000001", "19000000000000000002"];
  await world.park("10", 2, (n) => ({ sequenceNumber: old[n - 1] ?? "" }));
  await world.park("11", 1);
  await using consumer = startOpsConsumer(world, backend.url);
  const madeAnew = {
    code: "QUEUE_MADE_ANEW",
    message: /replay \d{20} of group 10 .*numbers lower than 19000000000000000002.*show --payload.*by hand/,
  } as const;
  const group = { connection, queue: "queue-2", groupId: "10" };
  await assert.rejects(replay(group), madeAnew);
  await assert.rejects(replay({ ...group, wait: false }), madeAnew);
  const [ten, eleven] = await replay({ connection, queue: "queue-2" });
  assert.deepEqual([ten?.groupId, ten?.result, ten?.delivered, ten?.remaining], ["10", "sent", 0, 2]);
  assert.match(ten?.error ?? "", madeAnew.message);
  assert.deepEqual([eleven?.groupId, eleven?.result, eleven?.delivered], ["11", "delivered", 1]);
  assert.equal(backend.received.length, 1);
  assert.equal((await world.parkingLot.read("queue-2", "10", 10)).length, 2);
  assert.deepEqual(consumer.errors(), []);
  connection.close();
});
