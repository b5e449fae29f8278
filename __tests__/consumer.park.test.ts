import assert from "node:assert/strict";
import { test } from "node:test";
import type { ParkedMessage } from "../runtime/parking-lot/parked-message.ts";
import { startConsumerWorld, startGroupBackend, type TableRequest } from "./helpers/consumer-world.ts";
import { startBackend } from "./helpers/scripted-backend.ts";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

test("parks what the backend refuses with all that a person needs to know", async () => {
  await using backend = await startBackend({ status: 409, body: "secret words" });
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const messageId = await world.send("10", 1, "order-1");
  const [received] = await world.receive();
  assert.ok(received !== undefined);
  assert.deepEqual(await world.invoke([received]), { batchItemFailures: [] });
  const [parked, ...others] = await world.parked("10");
  assert.deepEqual(others, []);
  assert.ok(parked !== undefined);
  const { sentAt, parkedAt, firstFailureAt, lastFailureAt, ...facts } = parked;
  assert.deepEqual(facts, {
    queue: "queue-1",
    groupId: "10",
    sequenceNumber: received.Attributes?.SequenceNumber,
    messageId,
    deduplicationId: "order-1",
    idempotencyKey: "queue-1/10/order-1",
    body: '{"data":{"MessageGroupID":"10","n":1}}',
    reason: "rejected",
    detail: "http 409",
    httpStatus: 409,
    outcome: "rejected",
    attempts: 1,
  });
  assert.equal(backend.received[0]?.headers["idempotency-key"], parked.idempotencyKey);
  assert.equal(sentAt, new Date(Number(received.Attributes?.SentTimestamp)).toISOString());
  for (const time of [parkedAt, firstFailureAt, lastFailureAt]) assert.match(time ?? "", ISO);
  assert.equal(firstFailureAt, lastFailureAt);
  assert.equal(await world.left(), 0);
  assert.deepEqual(await world.deadLetters(), []);
  assert.deepEqual(await world.groups(), [
    { queue: "queue-1", groupId: "10", sequenceNumber: parked.sequenceNumber, parkedAt },
  ]);
});

test("parks what follows behind it, unattempted and in order, and other groups go on", async () => {
  await using backend = await startGroupBackend((_, n) => (n === 2 ? 422 : 200));
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  for (const n of [1, 2, 3, 4]) await world.send("10", n);
  for (const n of [11, 12, 13]) await world.send("20", n);
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });
  // In a batch of its own: the table alone knows now.
  await world.send("10", 5);
  await world.send("20", 14);
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });

  const ofGroup = (group: string) => backend.delivered().filter((name) => name.startsWith(`${group}/`));
  assert.deepEqual(ofGroup("10"), ["10/1", "10/2"]);
  assert.deepEqual(ofGroup("20"), ["20/11", "20/12", "20/13", "20/14"]);
  const parked = await world.parked("10");
  assert.deepEqual(
    parked.map(({ body, reason, outcome, attempts }) => [numberIn(body), reason, outcome, attempts]),
    [
      [2, "rejected", "rejected", 1],
      [3, "behind", "unattempted", 0],
      [4, "behind", "unattempted", 0],
      [5, "behind", "unattempted", 0],
    ],
  );
  for (const { firstFailureAt, lastFailureAt, httpStatus } of parked.slice(1)) {
    assert.deepEqual([firstFailureAt, lastFailureAt, httpStatus], [undefined, undefined, undefined]);
  }
  assert.deepEqual(
    (await world.groups()).map(({ groupId, sequenceNumber }) => [groupId, sequenceNumber]),
    [["10", parked[0]?.sequenceNumber]],
  );
  assert.deepEqual(await world.parked("20"), []);
  assert.equal(await world.left(), 0);
  assert.equal(world.logged.filter(({ event }) => event === "group.blocked").length, 1);
});

test("parks after the last attempt, with the first and the last failure, and its followers had none", async () => {
  await using backend = await startGroupBackend(() => new Promise((resolve) => setTimeout(resolve, 5, 500)));
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park", maxAttempts: 2 });
  await world.send("10", 1);
  await world.send("10", 2);
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/1", "10/1"]);
  const [head, follower, ...others] = await world.parked("10");
  assert.deepEqual(others, []);
  assert.ok(head?.firstFailureAt !== undefined && head.lastFailureAt !== undefined);
  assert.deepEqual(
    [head.reason, head.outcome, head.attempts, head.httpStatus, head.detail],
    ["attempts-exhausted", "failed", 2, 500, "http 500"],
  );
  assert.ok(head.firstFailureAt < head.lastFailureAt);
  assert.deepEqual([follower?.reason, follower?.attempts], ["behind", 0]);
  assert.deepEqual(await world.counters(), []);
});

test("parks what is no envelope, untried", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const bodies = ["not json: secret words", '{"data":[]}', '{"data":{"MessageGroupID":"11"}}'];
  for (const [at, body] of bodies.entries()) await world.sendBody(`10-${at}`, body);
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });
  assert.deepEqual(backend.received, []);
  const parked = (await Promise.all(bodies.map((_, at) => world.parked(`10-${at}`)))).flat();
  assert.deepEqual(
    parked.map(({ body, reason, detail, outcome, attempts }) => [body, reason, detail, outcome, attempts]),
    [
      [bodies[0], "no-envelope", "not-json", "unattempted", 0],
      [bodies[1], "no-envelope", "not-an-envelope", "unattempted", 0],
      [bodies[2], "no-envelope", "group-mismatch", "unattempted", 0],
    ],
  );
  assert.ok(!JSON.stringify(world.logged).includes("secret"));
});

test("parks what would expire within a day, untried, and what follows it behind", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await world.send("10", 1);
  await world.send("10", 2);
  const old = String(Date.now() - 13 * 86_400_000 - 1_000);
  const [head, ...rest] = await world.receive();
  assert.ok(head !== undefined);
  const aged = { ...head, Attributes: { ...head.Attributes, SentTimestamp: old } };
  assert.deepEqual(await world.invoke([aged, ...rest]), { batchItemFailures: [] });
  assert.deepEqual(backend.received, []);
  const parked = await world.parked("10");
  assert.deepEqual(
    parked.map(({ body, reason, outcome }) => [numberIn(body), reason, outcome]),
    [
      [1, "expired", "unattempted"],
      [2, "behind", "unattempted"],
    ],
  );
  assert.equal(parked[0]?.sentAt, new Date(Number(old)).toISOString());
});

test("a message that comes again after it was parked stays parked as it was, once, and is not tried", async () => {
  await using backend = await startGroupBackend(() => 409);
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  for (const n of [1, 2]) await world.send("10", n);
  await world.invokeUnheard(await world.receive());
  const before = await world.items();
  await world.send("10", 3);
  const again = await world.receive();
  assert.deepEqual(
    again.map(({ Attributes }) => Attributes?.ApproximateReceiveCount),
    ["2", "2", "1"],
  );
  await world.invoke(again);
  const after = await world.items();
  assert.equal(before.length, 2);
  assert.equal(after.length, 3);
  assert.deepEqual(after.slice(0, 2), before);
  assert.deepEqual(backend.delivered(), ["10/1"]);
  assert.equal((await world.groups()).length, 1);
});

test("what was settled before the message that is parked has left the queue by then, and is never parked behind it", async () => {
  await using backend = await startGroupBackend((_, n) => (n === 3 ? 409 : 200));
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  for (const n of [1, 2, 3, 4]) await world.send("10", n);
  await world.invokeUnheard(await world.receive());
  const again = await world.receive();
  assert.deepEqual(
    again.map(({ Body = "" }) => numberIn(Body)),
    [3, 4],
  );
  await world.invoke(again);
  assert.deepEqual(backend.delivered(), ["10/1", "10/2", "10/3"]);
  assert.deepEqual(
    (await world.parked("10")).map(({ body }) => numberIn(body)),
    [3, 4],
  );
});

test("a group that is blocked and in no list is listed when its next message comes", async () => {
  await using backend = await startGroupBackend(() => 409);
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await world.send("10", 1);
  await world.settleAll();
  const [head] = await world.parked("10");
  assert.ok(head !== undefined);
  // As a write leaves it that was given up, and landed when the message had left.
  await world.parkingLot.remove(head);
  await world.parkingLot.park(head, false);
  assert.deepEqual(await world.groups(), []);
  await world.send("10", 2);
  await world.settleAll();
  assert.deepEqual(
    (await world.groups()).map(({ groupId, sequenceNumber }) => [groupId, sequenceNumber]),
    [["10", head.sequenceNumber]],
  );
  assert.equal((await world.parked("10")).length, 2);
});

test("when the answer of the table is lost, the message is parked once and the group waits for nothing", async () => {
  await using backend = await startGroupBackend(() => 409);
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await world.send("10", 1);
  let lost = 0;
  world.tableWire.lose = ({ verb }) => (verb === "PutItem" && ++lost === 1 ? "answer" : undefined);
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });
  assert.equal(puts(world.tableWire.requests).length, 2);
  const [parked, ...others] = await world.parked("10");
  assert.deepEqual([parked?.reason, others], ["rejected", []]);
  assert.equal((await world.groups()).length, 1);
});

test("a table that loses every answer of a park makes the group wait, and it is parked once", async () => {
  await using backend = await startGroupBackend(() => 409);
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const head = await world.send("10", 1);
  const follower = await world.send("10", 2);
  world.tableWire.lose = ({ verb }) => (verb === "PutItem" ? "answer" : undefined);
  const messages = await world.receive();
  const { batchItemFailures } = await world.invoke(messages);
  assert.deepEqual(
    batchItemFailures.map(({ itemIdentifier }) => itemIdentifier),
    [head, follower],
  );
  world.tableWire.lose = () => undefined;
  const [stored] = await world.parked("10");
  await world.makeVisible(messages);
  await world.settleAll();
  const parked = await world.parked("10");
  assert.deepEqual(parked[0], stored);
  assert.deepEqual(
    parked.map(({ body, reason }) => [numberIn(body), reason]),
    [
      [1, "rejected"],
      [2, "behind"],
    ],
  );
  assert.deepEqual(backend.delivered(), ["10/1"]);
  assert.equal((await world.groups())[0]?.sequenceNumber, stored?.sequenceNumber);
});

test("while the table is down every group waits, nothing is delivered or lost, and all goes on after it", async () => {
  await using backend = await startGroupBackend((_, n) => (n === 1 ? 409 : 200));
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  for (const n of [1, 2]) await world.send("10", n);
  for (const n of [11, 12]) await world.send("20", n);
  world.tableWire.lose = () => "request";
  const messages = await world.receive();
  const { batchItemFailures } = await world.invoke(messages);
  assert.deepEqual(
    batchItemFailures.map(({ itemIdentifier }) => itemIdentifier),
    messages.map(({ MessageId }) => MessageId),
  );
  assert.deepEqual(backend.received, []);
  const waits = world.logged.map(({ event, reason, seconds }) => [event, reason, seconds]);
  assert.deepEqual(waits, [
    ["group.waiting", "storage-unavailable", 1],
    ["group.waiting", "storage-unavailable", 1],
  ]);
  world.tableWire.lose = () => undefined;
  await world.makeVisible(messages);
  await world.settleAll();
  assert.deepEqual(backend.delivered().toSorted(), ["10/1", "20/11", "20/12"]);
  assert.deepEqual(
    (await world.parked("10")).map(({ body, reason }) => [numberIn(body), reason]),
    [
      [1, "rejected"],
      [2, "behind"],
    ],
  );
});

test("reads the table once for each group and batch, consistently, and writes nothing when all is well", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  for (const n of [1, 2, 3, 4]) await world.send("10", n);
  for (const n of [11, 12, 13]) await world.send("20", n);
  await world.send("30", 21);
  await world.invoke(await world.receive());
  const { requests } = world.tableWire;
  assert.deepEqual(
    requests.map(({ verb, input }) => [verb, input["ConsistentRead"], input["Limit"], partition(input)]).toSorted(),
    ["10", "20", "30"].map((group) => ["Query", true, 1, `queue-1#${group}`]),
  );
  // It reads keys, not a body that could be a third of a megabyte.
  for (const { input } of requests) assert.equal(input["ProjectionExpression"], "sk, parkedQueue");
});

test("parks a message with one write more, and each one behind it with one", async () => {
  await using backend = await startGroupBackend((_, n) => (n === 1 ? 409 : 200));
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  for (const n of [1, 2, 3]) await world.send("10", n);
  await world.invoke(await world.receive());
  assert.deepEqual(
    world.tableWire.requests.map(({ verb }) => verb),
    ["Query", "PutItem", "PutItem", "PutItem"],
  );
});

test("under the policy dead-letter the table is not asked", async () => {
  await using backend = await startGroupBackend((_, n) => (n === 1 ? 409 : 200));
  await using world = await startConsumerWorld({ backendUrl: backend.url });
  for (const n of [1, 2]) await world.send("10", n);
  await world.invoke(await world.receive());
  assert.deepEqual(world.tableWire.requests, []);
  assert.deepEqual(backend.delivered(), ["10/1", "10/2"]);
});

test("no log line has a message's body, whatever becomes of the message", async () => {
  await using backend = await startGroupBackend((group) => ({ "10": 409, "20": 500, "30": 503 })[group] ?? 200);
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park", maxAttempts: 1 });
  for (const group of ["10", "20", "30", "40"]) {
    for (const n of [1, 2]) await world.sendBody(group, secretBody(group, n));
  }
  await world.sendBody("50", "secret words");
  await world.invoke(await world.receive());
  await world.control({ verb: "replay" }, "10");
  await world.control({ verb: "edit", sequenceNumber: "1", body: secretBody("20", 3) }, "20");
  await world.invoke(await world.receive());
  const outcomes = new Set(world.logged.map(({ event, outcome, verb }) => `${event} ${outcome ?? verb ?? ""}`.trim()));
  for (const expected of [
    "message.settled accepted",
    "message.settled parked",
    "group.waiting",
    "group.blocked",
    "control.settled replay",
    "control.settled edit",
  ]) {
    assert.ok(outcomes.has(expected), `${expected} is not in ${[...outcomes]}`);
  }
  assert.ok(!JSON.stringify(world.logged).includes("secret"));
});

test("counts the parked groups for the metric, not their messages", async () => {
  await using backend = await startGroupBackend((group) => (group === "30" ? 200 : 409));
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  for (const [at, group] of ["10", "10", "20", "30"].entries()) await world.send(group, at);
  await world.invoke(await world.receive());
  await world.countParkedGroups();
  const { event, queue, groups } = world.logged.at(-1) ?? {};
  assert.deepEqual([event, queue, groups], ["parked.groups", "queue-1", 2]);
});

function secretBody(group: string, n: number): string {
  return `{"data":{"MessageGroupID":"${group}","n":${n},"text":"secret words"}}`;
}

function numberIn(body: ParkedMessage["body"]): number {
  return (JSON.parse(body) as { data: { n: number } }).data.n;
}

function puts(requests: readonly TableRequest[]): readonly TableRequest[] {
  return requests.filter(({ verb }) => verb === "PutItem");
}

function partition(input: TableRequest["input"]): string | undefined {
  return (input["ExpressionAttributeValues"] as Record<string, { S?: string }>)[":pk"]?.S;
}
