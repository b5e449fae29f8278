import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { type ParkedMessage, parseTombstone } from "../runtime/parking-lot/parked-message.ts";
import {
  type ConsumerWorld,
  type GroupBackend,
  startConsumerWorld,
  startGroupBackend,
  type TableRequest,
} from "./helpers/consumer-world.ts";
import { until } from "./helpers/until.ts";

test("a replay delivers in order, with the first key and the next attempt, and the group goes on behind it", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2, 3]);
  const parked = await world.parked("10");
  await world.control({ verb: "replay" }, "10");
  await world.send("10", 4);
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });

  assert.deepEqual(backend.delivered(), ["10/1", "10/1", "10/2", "10/3", "10/4"]);
  const replayed = backend.received.slice(1, 4);
  assert.deepEqual(
    replayed.map(({ headers, body }) => [
      headers["idempotency-key"],
      headers["x-message-id"],
      headers["x-message-sequence-number"],
      body.toString(),
    ]),
    parked.map((message) => [message.idempotencyKey, message.messageId, message.sequenceNumber, message.body]),
  );
  assert.deepEqual(
    replayed.map(({ headers }) => headers["x-message-attempt"]),
    ["2", "1", "1"],
  );
  assert.deepEqual(await world.items(), []);
  assert.deepEqual(await world.groups(), []);
  assert.equal(await world.left(), 0);
  assert.deepEqual(controls(world), [["replay", "delivered", 3]]);
  assert.equal(world.logged.filter(({ event }) => event === "group.released").length, 1);
});

test("a replay stops at what is refused again, and leaves it and the rest, and what comes later, parked", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2, 3]);
  const before = await world.parked("10");
  backend.answer = (_, n) => (n === 2 ? 422 : 200);
  const replay = await world.control({ verb: "replay" }, "10");
  await world.send("10", 4);
  await world.settleAll();

  assert.deepEqual(backend.delivered(), ["10/1", "10/1", "10/2"]);
  const after = await world.parked("10");
  assert.deepEqual(after.map(numberOf), [2, 3, 4]);
  const [stopped, ...rest] = after;
  assert.deepEqual(
    [stopped?.stoppedBy, stopped?.reason, stopped?.httpStatus, stopped?.attempts, stopped?.detail],
    [replay, "rejected", 422, 1, "http 422"],
  );
  assert.ok((stopped?.firstFailureAt ?? "") >= (before[0]?.parkedAt ?? ""));
  assert.deepEqual(rest[0], before[2]);
  assert.equal(rest[1]?.reason, "behind");
  assert.deepEqual(
    (await world.groups()).map(({ sequenceNumber }) => sequenceNumber),
    [stopped?.sequenceNumber],
  );
  assert.deepEqual(controls(world), [["replay", "stopped", 1]]);

  // And again, once the backend takes it.
  backend.answer = () => 200;
  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  assert.deepEqual(backend.delivered().slice(3), ["10/2", "10/3", "10/4"]);
  assert.deepEqual(await world.items(), []);
});

test("a message that is refused by one replay after the other keeps its first failure and has the last one's facts", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park", maxAttempts: 1 });
  await park(world, backend, "10", [1]);
  const [first] = await world.parked("10");
  backend.answer = () => 500;
  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  const [second] = await world.parked("10");
  assert.deepEqual(
    [second?.reason, second?.outcome, second?.httpStatus, second?.attempts],
    ["attempts-exhausted", "failed", 500, 2],
  );
  assert.equal(second?.firstFailureAt, first?.firstFailureAt);
  assert.ok((second?.lastFailureAt ?? "") > (first?.lastFailureAt ?? ""));
  assert.equal(second?.parkedAt, first?.parkedAt);
});

test("what was sent before the replay is delivered before what was sent behind it, in one batch", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1]);
  for (const n of [2, 3]) await world.send("10", n);
  await world.control({ verb: "replay" }, "10");
  for (const n of [4, 5]) await world.send("10", n);
  assert.deepEqual(await world.invoke(await world.receive()), { batchItemFailures: [] });
  assert.deepEqual(backend.delivered(), ["10/1", "10/1", "10/2", "10/3", "10/4", "10/5"]);
  assert.equal(await world.left(), 0);
  assert.deepEqual(await world.items(), []);
});

test("replays more than it reads at once", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const numbers = Array.from({ length: 23 }, (_, at) => at + 1);
  await park(world, backend, "10", numbers);
  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  assert.deepEqual(
    backend.delivered().slice(1),
    numbers.map((n) => `10/${n}`),
  );
  assert.deepEqual(await world.items(), []);
});

test("a replay that runs out of time goes on in the next invocation, where it was", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2, 3, 4, 5]);
  await world.control({ verb: "replay" }, "10");
  await world.send("10", 6);
  const before = backend.received.length;
  const messages = await world.receive();
  // After two deliveries there is less left than one more could need.
  const remaining = () => (backend.received.length - before >= 2 ? 5_000 : 60_000);
  const { batchItemFailures } = await world.invoke(messages, remaining);
  assert.deepEqual(
    batchItemFailures.map(({ itemIdentifier }) => itemIdentifier),
    messages.map(({ MessageId }) => MessageId),
  );
  assert.deepEqual(backend.delivered().slice(before), ["10/1", "10/2"]);
  assert.deepEqual((await world.parked("10")).map(numberOf), [3, 4, 5]);
  const { event, reason, seconds } = world.logged.at(-1) ?? {};
  assert.deepEqual([event, reason, seconds], ["group.waiting", "deadline", 1]);
  await world.makeVisible(messages);
  await world.settleAll();
  assert.deepEqual(backend.delivered().slice(before), ["10/1", "10/2", "10/3", "10/4", "10/5", "10/6"]);
  assert.deepEqual(await world.items(), []);
});

test("a replay waits while the backend is unavailable: nothing is counted, and nothing behind it goes ahead", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2, 3]);
  backend.answer = (_, n) => (n === 2 ? 503 : 200);
  await world.control({ verb: "replay" }, "10");
  await world.send("10", 4);
  const messages = await world.receive();
  assert.equal((await world.invoke(messages)).batchItemFailures.length, messages.length);
  assert.deepEqual((await world.parked("10")).map(numberOf), [2, 3]);
  assert.deepEqual(await world.counters(), []);
  const { event, reason, seconds } = world.logged.at(-1) ?? {};
  assert.deepEqual([event, reason, seconds], ["group.waiting", "unavailable", 1]);
  await world.makeVisible(messages);
  backend.answer = () => 200;
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/1", "10/1", "10/2", "10/2", "10/3", "10/4"]);
  assert.deepEqual(await world.items(), []);
});

test("what fails in a replay is tried as often as any message, and then stops it", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park", maxAttempts: 2 });
  await park(world, backend, "10", [1, 2, 3]);
  backend.answer = (_, n) => (n === 2 ? 500 : 200);
  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  const replayed = backend.received.slice(1).map(({ headers }) => headers["x-message-attempt"]);
  assert.deepEqual(backend.delivered().slice(1), ["10/1", "10/2", "10/2"]);
  assert.deepEqual(replayed, ["2", "1", "2"]);
  const [stopped, ...rest] = await world.parked("10");
  assert.deepEqual([stopped?.reason, stopped?.outcome, stopped?.attempts], ["attempts-exhausted", "failed", 2]);
  assert.deepEqual(rest.map(numberOf), [3]);
  assert.deepEqual(await world.counters(), []);

  // It fails once more, and is delivered with the next attempt.
  let failures = 1;
  backend.answer = (_, n) => (n === 2 && failures-- > 0 ? 500 : 200);
  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  assert.deepEqual(backend.delivered().slice(4), ["10/2", "10/2", "10/3"]);
  assert.deepEqual(
    backend.received.slice(4).map(({ headers }) => headers["x-message-attempt"]),
    ["3", "4", "1"],
  );
  assert.deepEqual(await world.items(), []);
});

test("attempts that were counted before the parking, and could not be cleared, cost a replay none of its own", async () => {
  for (const first of [503, 500]) {
    await using backend = await startGroupBackend(() => 500);
    await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park", maxAttempts: 2 });
    await world.send("10", 1);
    // As when the function is killed behind the parking.
    world.tableWire.lose = ({ verb }) => (verb === "DeleteItem" ? "request" : undefined);
    await world.settleAll();
    world.tableWire.lose = () => undefined;
    assert.equal((await world.counters())[0]?.["attempts"]?.N, "2");
    let answers = 0;
    backend.answer = () => (++answers === 1 ? first : 200);
    await world.control({ verb: "replay" }, "10");
    await world.settleAll();
    assert.deepEqual(
      backend.received.map(({ headers }) => headers["x-message-attempt"]),
      ["1", "2", "3", first === 500 ? "4" : "3"],
    );
    assert.deepEqual(await world.items(), []);
  }
});

test("a replay whose stop was written down, unheard, is over when it comes again, and the next one has all attempts", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park", maxAttempts: 2 });
  await park(world, backend, "10", [1, 2]);
  backend.answer = () => 500;
  const replay = await world.control({ verb: "replay" }, "10");
  world.tableWire.lose = ({ verb, input }) =>
    verb === "UpdateItem" && JSON.stringify(input).includes("stoppedBy") ? "answer" : undefined;
  for (const _ of ["counted", "refused and unheard"]) {
    const messages = await world.receive();
    await world.invoke(messages);
    await world.makeVisible(messages);
  }
  world.tableWire.lose = () => undefined;
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/1", "10/1", "10/1"]);
  assert.equal((await world.parked("10"))[0]?.stoppedBy, replay);
  let answers = 0;
  backend.answer = () => (++answers === 1 ? 500 : 200);
  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  assert.deepEqual(backend.delivered().slice(3), ["10/1", "10/1", "10/2"]);
  assert.deepEqual(await world.items(), []);
});

test("a replay that comes again is a no-op: after it delivered, and after it stopped", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2]);
  await park(world, backend, "20", [1, 2]);
  backend.answer = (group) => (group === "20" ? 409 : 200);
  await world.control({ verb: "replay" }, "10");
  await world.control({ verb: "replay" }, "20");
  const messages = await world.receive();
  // Beside another group the consumer deletes what it has settled itself, so each has a batch of its own.
  for (const message of messages) await world.invokeUnheard([message]);
  const delivered = backend.delivered();
  const before = await world.items();
  const again = await world.receive();
  assert.deepEqual(
    again.map(({ Attributes }) => Attributes?.ApproximateReceiveCount),
    ["2", "2"],
  );
  // The backend would take it now; but that replay is over.
  backend.answer = () => 200;
  await world.invoke(again);
  assert.deepEqual(backend.delivered(), delivered);
  assert.deepEqual(await world.items(), before);
  assert.deepEqual(
    controls(world)
      .map(([verb, result]) => `${verb} ${result}`)
      .toSorted(),
    ["replay delivered", "replay nothing-to-do", "replay nothing-to-do", "replay stopped"],
  );
});

test("a replay of a group with nothing parked does nothing, and the group goes on", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await world.send("10", 1);
  await world.control({ verb: "replay" }, "10");
  await world.send("10", 2);
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/1", "10/2"]);
  assert.deepEqual(controls(world), [["replay", "nothing-to-do", 0]]);
});

test("a replay leaves what was sent behind it, should it be carried out late", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2]);
  const [first, second] = await world.parked("10");
  assert.ok(first !== undefined && second !== undefined);
  const behind = { ...second, sequenceNumber: "9".repeat(20) };
  await world.parkingLot.remove(second);
  await world.parkingLot.park(behind, false);
  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/1", "10/1"]);
  assert.deepEqual(await world.parked("10"), [behind]);
  assert.deepEqual(
    (await world.groups()).map(({ sequenceNumber }) => sequenceNumber),
    [behind.sequenceNumber],
  );
});

test("what cannot be taken out of the table is delivered again under the same key, and then the rest in order", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2, 3]);
  await world.control({ verb: "replay" }, "10");
  world.tableWire.lose = ({ verb }) => (verb === "DeleteItem" ? "request" : undefined);
  const messages = await world.receive();
  assert.equal((await world.invoke(messages)).batchItemFailures.length, 1);
  assert.deepEqual((await world.parked("10")).map(numberOf), [1, 2, 3]);
  // Marked by both now, and listed once, by its oldest.
  assert.deepEqual(
    (await world.groups()).map(({ sequenceNumber }) => sequenceNumber),
    [(await world.parked("10"))[0]?.sequenceNumber],
  );
  world.tableWire.lose = () => undefined;
  await world.makeVisible(messages);
  await world.settleAll();
  assert.deepEqual(backend.delivered().slice(1), ["10/1", "10/1", "10/2", "10/3"]);
  const keys = backend.received.slice(0, 3).map(({ headers }) => headers["idempotency-key"]);
  assert.equal(new Set(keys).size, 1);
  assert.deepEqual(await world.items(), []);
});

test("a discard takes one message out undelivered, and leaves a tombstone with its reason", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2, 3]);
  const [first, second, third] = await world.parked("10");
  const discard = await world.control({ verb: "discard", sequenceNumber: number(second), reason: "a duplicate" }, "10");
  await world.settleAll();
  assert.deepEqual(await world.parked("10"), [first, third]);
  const [buried, ...others] = await tombstones(world);
  assert.deepEqual(others, []);
  assert.ok(buried !== undefined);
  const { discardedBy, discardedAt, discardReason, ...had } = buried;
  assert.deepEqual(had, second);
  assert.deepEqual([discardedBy, discardReason], [discard, "a duplicate"]);
  assert.match(discardedAt, /^\d{4}-/);
  assert.deepEqual(controls(world), [["discard", "discarded", undefined]]);

  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/1", "10/1", "10/3"]);
});

test("discarding the oldest lists the group by the next one, and discarding the last one releases the group", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2, 3]);
  const parked = await world.parked("10");
  const discard = async (at: number) => {
    await world.control({ verb: "discard", sequenceNumber: number(parked[at]), reason: "not wanted" }, "10");
    await world.settleAll();
    return (await world.groups()).map(({ sequenceNumber }) => sequenceNumber);
  };
  assert.deepEqual(await discard(1), [parked[0]?.sequenceNumber]);
  assert.deepEqual(await discard(0), [parked[2]?.sequenceNumber]);
  assert.deepEqual(await discard(2), []);
  assert.equal(world.logged.filter(({ event }) => event === "group.released").length, 1);
  await world.send("10", 4);
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/1", "10/4"]);
  assert.deepEqual((await tombstones(world)).map(numberOf), [1, 2, 3]);
});

test("a discard that comes again is a no-op, and so is one of a message that is not parked", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2]);
  const [first] = await world.parked("10");
  await world.control({ verb: "discard", sequenceNumber: number(first), reason: "once" }, "10");
  await world.invokeUnheard(await world.receive());
  const before = await world.items();
  await world.control({ verb: "discard", sequenceNumber: "12345", reason: "never was" }, "10");
  await world.invoke(await world.receive());
  assert.deepEqual(await world.items(), before);
  assert.deepEqual(
    controls(world).map(([, result]) => result),
    ["discarded", "nothing-to-do", "nothing-to-do"],
  );
});

test("when an answer of the table to a discard is lost, whichever it is, the discard is done when it comes again", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  // In each group another call's answers are lost.
  const verbs = ["GetItem", "PutItem", "Query", "UpdateItem", "DeleteItem"];
  const parked = new Map<string, readonly ParkedMessage[]>();
  for (const verb of verbs) {
    await park(world, backend, verb, [1, 2]);
    parked.set(verb, await world.parked(verb));
  }
  for (const verb of verbs) {
    await world.control({ verb: "discard", sequenceNumber: number(parked.get(verb)?.[0]), reason: verb }, verb);
  }
  world.tableWire.lose = (request) => (groupOf(request) === request.verb ? "answer" : undefined);
  const messages = await world.receive();
  assert.equal((await world.invoke(messages)).batchItemFailures.length, verbs.length);
  world.tableWire.lose = () => undefined;
  await world.makeVisible(messages);
  await world.settleAll();
  for (const verb of verbs) assert.deepEqual(await world.parked(verb), parked.get(verb)?.slice(1), verb);
  assert.deepEqual(
    (await tombstones(world))
      .map(({ groupId, body, discardReason }) => [groupId, numberOf({ body }), discardReason])
      .toSorted(),
    verbs.toSorted().map((verb) => [verb, 1, verb]),
  );
  assert.deepEqual(
    (await world.groups()).map(({ groupId, sequenceNumber }) => [groupId, sequenceNumber]),
    verbs.map((verb) => [verb, number(parked.get(verb)?.[1])]),
  );
});

test("when an answer of the table to a replay is lost, whichever it is, all is delivered in order when it comes again", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const verbs = ["Query", "UpdateItem", "DeleteItem"];
  for (const verb of verbs) await park(world, backend, verb, [1, 2, 3]);
  const before = backend.delivered().length;
  for (const verb of verbs) await world.control({ verb: "replay" }, verb);
  world.tableWire.lose = (request) => (groupOf(request) === request.verb ? "answer" : undefined);
  const messages = await world.receive();
  assert.equal((await world.invoke(messages)).batchItemFailures.length, verbs.length);
  world.tableWire.lose = () => undefined;
  await world.makeVisible(messages);
  await world.settleAll();
  const delivered = (verb: string) =>
    backend
      .delivered()
      .slice(before)
      .filter((name) => name.startsWith(verb));
  assert.deepEqual(delivered("Query"), ["Query/1", "Query/2", "Query/3"]);
  assert.deepEqual(delivered("UpdateItem"), ["UpdateItem/1", "UpdateItem/1", "UpdateItem/2", "UpdateItem/3"]);
  // It was taken out, though nobody heard of it.
  assert.deepEqual(delivered("DeleteItem"), ["DeleteItem/1", "DeleteItem/2", "DeleteItem/3"]);
  assert.deepEqual(await world.items(), []);
});

test("a discard or an edit reaches nothing that was sent behind it, however often it comes", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1]);
  // The queue's numbers go up by one here, so a person could guess the number of a message that is not sent yet.
  const behind = String(BigInt(number((await world.parked("10"))[0])) + 3n).padStart(20, "0");
  await world.control({ verb: "discard", sequenceNumber: behind, reason: "too early" }, "10");
  const body = '{"data":{"MessageGroupID":"10","n":92}}';
  await world.control({ verb: "edit", sequenceNumber: behind, body }, "10");
  await world.send("10", 2);
  await world.invokeUnheard(await world.receive());
  await world.settleAll();
  const parked = await world.parked("10");
  assert.deepEqual(parked.map(numberOf), [1, 2]);
  assert.equal(parked[1]?.sequenceNumber, behind);
  assert.ok(controls(world).every(([, result]) => result === "nothing-to-do"));
});

test("a discard needs no reason", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1]);
  const [first] = await world.parked("10");
  await world.control({ verb: "discard", sequenceNumber: number(first), reason: "" }, "10");
  await world.settleAll();
  assert.equal((await tombstones(world))[0]?.discardReason, "");
});

test("an edit replaces the body and keeps the first one; the replay delivers the new one under the old key", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2]);
  const [first] = await world.parked("10");
  await world.control({ verb: "edit", sequenceNumber: number(first), body: editedBody(91) }, "10");
  const second = await world.control({ verb: "edit", sequenceNumber: number(first), body: editedBody(92) }, "10");
  await world.control({ verb: "replay" }, "10");
  const messages = await world.receive();
  await world.invoke(messages.slice(0, 2));
  assert.deepEqual((await world.parked("10"))[0], { ...first, body: editedBody(92), editedBy: second });
  await world.invoke(messages.slice(2));
  assert.deepEqual(backend.delivered(), ["10/1", "10/92", "10/2"]);
  assert.equal(backend.received[1]?.body.toString(), editedBody(92));
  assert.equal(backend.received[1]?.headers["idempotency-key"], first?.idempotencyKey);
  assert.equal(backend.received[1]?.headers["x-message-id"], first?.messageId);
  const [original, ...others] = await world.items();
  assert.deepEqual(others, []);
  assert.equal(original?.["sk"]?.S, `original#${number(first)}`);
  assert.equal(original?.["body"]?.S, first?.body);
});

test("an edit that comes again is a no-op, also when a later one came between", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1]);
  const [first] = await world.parked("10");
  const body = '{"data":{"MessageGroupID":"10","n":91}}';
  await world.control({ verb: "edit", sequenceNumber: number(first), body }, "10");
  await world.invokeUnheard(await world.receive());
  const before = await world.items();
  await world.invoke(await world.receive());
  assert.deepEqual(await world.items(), before);
  assert.deepEqual(
    controls(world).map(([, result]) => result),
    ["edited", "nothing-to-do"],
  );
});

test("an edit whose body is no envelope of the group changes nothing and is told", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1]);
  const before = await world.items();
  const [first] = await world.parked("10");
  for (const body of ['{"data":{"MessageGroupID":"11","n":1}}', "secret words", '{"MessageGroupID":"10"}']) {
    await world.control({ verb: "edit", sequenceNumber: number(first), body }, "10");
  }
  await world.settleAll();
  assert.deepEqual(await world.items(), before);
  assert.deepEqual(
    controls(world).map(([, result]) => result),
    ["refused", "refused", "refused"],
  );
  assert.ok(!JSON.stringify(world.logged).includes("secret"));
});

test("a control message that makes no sense leaves the queue, is told, and is neither delivered nor parked", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const attributes: readonly Readonly<Record<string, string>>[] = [
    { control: "purge" },
    { control: "constructor" },
    { control: "REPLAY" },
    { control: "discard" },
    { control: "edit", "control-sequence-number": "1#" },
    { control: "discard", "control-sequence-number": "1".repeat(21) },
  ];
  for (const [at, each] of attributes.entries()) {
    const body = '{"data":{"MessageGroupID":"10","n":1}}';
    await world.sendMessage({ body, groupId: "10", deduplicationId: `control-${at}`, attributes: each });
  }
  await world.send("10", 2);
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/2"]);
  assert.deepEqual(await world.items(), []);
  assert.deepEqual(
    controls(world).map(([, result]) => result),
    attributes.map(() => "refused"),
  );
});

test("a control message waits while the table is down, and is never parked or dead-lettered", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await park(world, backend, "10", [1, 2]);
  const before = await world.items();
  world.tableWire.lose = () => "request";
  await world.control({ verb: "replay" }, "10");
  for (const seconds of [1, 1]) {
    const messages = await world.receive();
    assert.equal((await world.invoke(messages)).batchItemFailures.length, 1);
    await world.makeVisible(messages);
    const { event, reason, ...line } = world.logged.at(-1) ?? {};
    assert.deepEqual([event, reason, line["seconds"]], ["group.waiting", "storage-unavailable", seconds]);
  }
  assert.deepEqual(await world.items(), before);
  world.tableWire.lose = () => undefined;
  await world.settleAll();
  assert.deepEqual(backend.delivered(), ["10/1", "10/1", "10/2"]);
});

test("control messages work on what is parked under the policy dead-letter too, where nobody is blocked", async () => {
  await using parking = await startGroupBackend();
  await using world = await startConsumerWorld({ backendUrl: parking.url });
  // Parked when the queue's policy was another one.
  for (const n of [1, 2, 3]) {
    const sequenceNumber = String(n).padStart(20, "0");
    await world.parkingLot.park(
      {
        queue: "queue-1",
        groupId: "10",
        sequenceNumber,
        messageId: `id-${n}`,
        deduplicationId: `order-${n}`,
        idempotencyKey: `queue-1/10/order-${n}`,
        body: `{"data":{"MessageGroupID":"10","n":${n}}}`,
        sentAt: "2026-11-22T12:00:00.000Z",
        parkedAt: "2026-11-22T12:00:01.000Z",
        reason: n === 1 ? "rejected" : "behind",
        detail: "http 409",
        outcome: n === 1 ? "rejected" : "unattempted",
        attempts: n === 1 ? 1 : 0,
      },
      n === 1,
    );
  }
  await world.send("10", 4);
  await world.control({ verb: "discard", sequenceNumber: "2", reason: "not wanted" }, "10");
  await world.control({ verb: "edit", sequenceNumber: "3", body: '{"data":{"MessageGroupID":"10","n":93}}' }, "10");
  await world.control({ verb: "replay" }, "10");
  await world.settleAll();
  assert.deepEqual(parking.delivered(), ["10/4", "10/1", "10/93"]);
  assert.deepEqual(await world.groups(), []);
  assert.deepEqual(await world.deadLetters(), []);
});

test("a long replay does not hold back the deletes of what other groups have settled", async () => {
  await using backend = await startGroupBackend();
  await using world = await startConsumerWorld({
    backendUrl: backend.url,
    failurePolicy: "park",
    backendTimeoutMilliseconds: 20_000,
  });
  await park(world, backend, "10", [1, 2, 3]);
  await world.control({ verb: "replay" }, "10");
  for (const n of [11, 12]) await world.send("20", n);
  const others = Promise.withResolvers<number>();
  backend.answer = (_, n) => (n === 2 ? others.promise : 200);
  const invocation = world.invoke(await world.receive());
  await until(() => backend.delivered().includes("10/2") && backend.delivered().includes("20/12"));
  // The invocation is in the middle of the replay; what group 20 had is out of the queue, so group 20 can go on.
  const end = Date.now() + 10_000;
  while ((await world.left()) > 1 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await world.left(), 1);
  await world.send("20", 13);
  const next = await world.receive();
  assert.equal(next.length, 1);
  await world.invoke(next);
  others.resolve(200);
  assert.deepEqual(await invocation, { batchItemFailures: [] });
  assert.deepEqual(
    backend.delivered().filter((name) => name.startsWith("10/")),
    ["10/1", "10/1", "10/2", "10/3"],
  );
  assert.deepEqual(
    backend.delivered().filter((name) => name.startsWith("20/")),
    ["20/11", "20/12", "20/13"],
  );
});

/** Its fields in another order than the one that was sent. */
function editedBody(n: number): string {
  return `{"data":{"n":${n},"MessageGroupID":"10"}}`;
}

/** Has the backend refuse the first one, once, so that all of them are parked. */
async function park(
  world: ConsumerWorld,
  backend: GroupBackend,
  groupId: string,
  numbers: readonly number[],
): Promise<void> {
  backend.answer = () => 409;
  for (const n of numbers) await world.send(groupId, n, `order-${groupId}-${n}`);
  await world.settleAll();
  assert.equal((await world.parked(groupId)).length, numbers.length);
  backend.answer = () => 200;
}

/** What became of each control message: verb, result, and how many a replay delivered. */
function controls(world: ConsumerWorld) {
  return world.logged
    .filter(({ event }) => event === "control.settled")
    .map(({ verb, result, delivered }) => [verb, result, delivered]);
}

/** The group that a request is about. */
function groupOf({ input }: TableRequest): string | undefined {
  const keys = z.looseObject({ pk: z.object({ S: z.string() }) });
  const values = z.looseObject({ ":pk": z.object({ S: z.string() }) });
  const named = z.looseObject({
    Key: keys.optional(),
    Item: keys.optional(),
    ExpressionAttributeValues: values.optional().catch(undefined),
  });
  const { Key, Item, ExpressionAttributeValues } = named.parse(input);
  return (Key?.pk ?? Item?.pk ?? ExpressionAttributeValues?.[":pk"])?.S.replace("queue-1#", "");
}

async function tombstones(world: ConsumerWorld) {
  return (await world.items()).filter(({ sk }) => sk?.S?.startsWith("discarded#")).map(parseTombstone);
}

function numberOf({ body }: { readonly body: string }): number {
  return (JSON.parse(body) as { data: { n: number } }).data.n;
}

function number(message: { readonly sequenceNumber: string } | undefined): string {
  assert.ok(message !== undefined);
  return message.sequenceNumber;
}
