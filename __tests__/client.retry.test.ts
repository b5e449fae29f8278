import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { test } from "node:test";
import { isSendError, type SendError } from "../sdk/client/src/index.ts";
import { accepted, fastClock, openClient, type Reply, refused, serveGateway } from "./helpers/client-gateway.ts";

/** Plays `replies`, then accepts everything. */
function inTurn(...replies: Reply[]) {
  return (_: unknown, index: number): Reply => replies[index] ?? accepted(index);
}

async function failure(promise: Promise<unknown>): Promise<SendError> {
  const error: unknown = await promise.then(
    () => assert.fail("it was accepted"),
    (reason: unknown) => reason,
  );
  assert.ok(isSendError(error), String(error));
  return error;
}

const TEMPORARY: [string, Reply][] = [
  ["a reset connection", "reset"],
  ["a 408", refused(408, "x")],
  ["a 425", refused(425, "x")],
  ["a 429", refused(429, "THROTTLED")],
  ["a 500", refused(500, "GATEWAY_ERROR")],
  ["a 502", refused(502, "QUEUE_ERROR")],
  ["a 503 that is not JSON", { status: 503, body: "<html>" }],
  ["a 504", refused(504, "QUEUE_TIMEOUT")],
  ["a 200 that is not JSON", { status: 200, body: "<html>welcome</html>" }],
  ["a 200 without a sequence number", { status: 200, body: { messageId: "m" } }],
  ["a 202", { status: 202, body: { messageId: "m", sequenceNumber: "1" } }],
];

for (const [name, reply] of TEMPORARY) {
  test(`sends the same message with the same deduplication id again after ${name}`, async (t) => {
    const { endpoint, seen } = await serveGateway(t, inTurn(reply, reply));
    const result = await openClient(endpoint, fastClock(100)).send("10", { transSeq: "1" });
    assert.equal(result.messageId, "message-2");
    assert.equal(seen.length, 3);
    assert.deepEqual(new Set(seen.map((one) => one.deduplicationId)), new Set([result.deduplicationId]));
    assert.equal(new Set(seen.map((one) => one.text)).size, 1);
  });
}

const FINAL: [string, Reply, string][] = [
  ["a 400", refused(400, "INVALID_BODY"), "INVALID_BODY"],
  ["a 403", refused(403, "FORBIDDEN"), "FORBIDDEN"],
  ["a 404 of something else", { status: 404, body: "not found" }, "UNEXPECTED_STATUS"],
  ["a 413", refused(413, "MESSAGE_TOO_LARGE"), "MESSAGE_TOO_LARGE"],
  ["a code that the contract does not know", refused(400, "constructor"), "UNEXPECTED_STATUS"],
  ["a used-up quota", refused(429, "QUOTA_EXCEEDED"), "QUOTA_EXCEEDED"],
];

for (const [name, reply, code] of FINAL) {
  test(`gives up at once, with outcome "rejected", after ${name}`, async (t) => {
    const { endpoint, seen } = await serveGateway(t, () => reply);
    const error = await failure(openClient(endpoint, fastClock(100)).send("10", {}));
    assert.equal(error.code, code);
    assert.equal(error.outcome, "rejected");
    assert.equal(error.attempts, 1);
    assert.equal(seen.length, 1);
  });
}

test("an error carries status, request id, group and deduplication id", async (t) => {
  const { endpoint } = await serveGateway(t, () => refused(400, "INVALID_BODY"));
  const error = await failure(openClient(endpoint, fastClock(100)).send("10", {}, { deduplicationId: "mine" }));
  assert.equal(error.status, 400);
  assert.equal(error.requestId, "0f2d8c1e-3f59-4d4f-9a6b-1f7f6d1f2a3b");
  assert.equal(error.groupId, "10");
  assert.equal(error.deduplicationId, "mine");
  assert.equal(error.gatewayMessage, "no");
});

test("obeys Retry-After in seconds", async (t) => {
  const { endpoint } = await serveGateway(t, inTurn(refused(429, "THROTTLED", { "retry-after": "7" })));
  const clock = fastClock(100);
  await openClient(endpoint, clock).send("10", {});
  assert.ok(clock.waits.includes(7000), String(clock.waits));
});

test("obeys Retry-After as a date", async (t) => {
  const { endpoint } = await serveGateway(t, (_, index) =>
    index === 0 ? refused(503, "x", { "retry-after": new Date(Date.now() + 30_000).toUTCString() }) : accepted(index),
  );
  const clock = fastClock(1000);
  await openClient(endpoint, clock).send("10", {});
  // A date has whole seconds, and the request took a moment.
  assert.ok(
    clock.waits.some((wait) => wait > 20_000 && wait <= 30_000),
    String(clock.waits),
  );
});

test("gives up at once when Retry-After is later than the budget's end", async (t) => {
  const { endpoint, seen } = await serveGateway(t, () => refused(429, "THROTTLED", { "retry-after": "600" }));
  const error = await failure(openClient(endpoint, fastClock(1)).send("10", {}));
  assert.equal(error.code, "THROTTLED");
  assert.equal(error.outcome, "rejected");
  assert.equal(seen.length, 1);
});

for (const status of [408, 500, 502, 504]) {
  test(`after a ${status} the message may be in the queue: the outcome is unknown, whatever came later`, async (t) => {
    const { endpoint } = await serveGateway(t, inTurn(refused(status, "x"), refused(403, "FORBIDDEN")));
    const error = await failure(openClient(endpoint, fastClock(100)).send("10", {}));
    assert.equal(error.code, "FORBIDDEN");
    assert.equal(error.outcome, "unknown");
    assert.equal(error.attempts, 2);
  });
}

test("ignores a Retry-After that is neither seconds nor a date", async (t) => {
  const { endpoint, seen } = await serveGateway(t, inTurn(refused(503, "x", { "retry-after": "soon" })));
  await openClient(endpoint, fastClock(100)).send("10", {});
  assert.equal(seen.length, 2);
});

test("an attempt without an answer times out and is made again", async (t) => {
  const { endpoint, seen } = await serveGateway(t, inTurn("hang"));
  const options = { attemptTimeoutMilliseconds: 200 };
  const { deduplicationId } = await openClient(endpoint, fastClock(1), options).send("10", {});
  assert.ok(seen.length >= 2);
  assert.ok(seen.every((one) => one.deduplicationId === deduplicationId));
});

test("an answer whose body never ends times out too", async (t) => {
  const endless: Reply = { status: 200, body: '{"messageId":', unfinished: true };
  const { endpoint, seen } = await serveGateway(t, inTurn(endless));
  await openClient(endpoint, fastClock(1), { attemptTimeoutMilliseconds: 200 }).send("10", {});
  assert.ok(seen.length >= 2);
});

test("a refusal whose body never ends is a refusal", async (t) => {
  const { endpoint } = await serveGateway(t, () => ({ status: 400, body: '{"message":', unfinished: true }));
  const error = await failure(openClient(endpoint, fastClock(1), { attemptTimeoutMilliseconds: 200 }).send("10", {}));
  assert.equal(error.code, "UNEXPECTED_STATUS");
  assert.equal(error.outcome, "rejected");
});

test('ends with outcome "unknown" when the budget runs out on timeouts', async (t) => {
  const { endpoint } = await serveGateway(t, () => "hang");
  const options = { attemptTimeoutMilliseconds: 50, retryBudgetMilliseconds: 200 };
  const error = await failure(openClient(endpoint, fastClock(1), options).send("10", {}));
  assert.equal(error.code, "TIMEOUT");
  assert.equal(error.outcome, "unknown");
});

test('ends with outcome "rejected" when every attempt was throttled', async (t) => {
  const { endpoint, seen } = await serveGateway(t, () => refused(429, "THROTTLED"));
  const options = { retryBudgetMilliseconds: 20_000 };
  const error = await failure(openClient(endpoint, fastClock(50), options).send("10", {}));
  assert.equal(error.code, "THROTTLED");
  assert.equal(error.attempts, seen.length);
  assert.ok(seen.length > 1);
  assert.equal(error.outcome, "rejected");
});

test('a refusal after a reset stays "unknown": the first request may have been taken', async (t) => {
  const { endpoint } = await serveGateway(t, inTurn("reset", refused(403, "FORBIDDEN")));
  const error = await failure(openClient(endpoint, fastClock(100)).send("10", {}));
  assert.equal(error.code, "FORBIDDEN");
  assert.equal(error.outcome, "unknown");
  assert.equal(error.attempts, 2);
});

for (const status of [301, 302, 303, 307, 308]) {
  test(`does not follow a ${status}`, async (t) => {
    const elsewhere = await serveGateway(t, () => accepted(1));
    const { endpoint, seen } = await serveGateway(t, () => ({
      status,
      headers: { location: `${elsewhere.endpoint}/queue-1` },
    }));
    const error = await failure(openClient(endpoint, fastClock(100)).send("10", {}));
    assert.equal(error.code, "REDIRECTED");
    assert.equal(seen.length, 1);
    assert.equal(elsewhere.seen.length, 0);
  });
}

test("names the system's error when nothing listens", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  const nobody = openClient(`http://127.0.0.1:${port}`, fastClock(100), { retryBudgetMilliseconds: 1000 });
  const error = await failure(nobody.send("10", {}));
  assert.equal(error.code, "NETWORK_ERROR");
  assert.match(error.message, /ECONNREFUSED/);
});
