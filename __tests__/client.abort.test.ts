import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { isGroupPausedError, isSendError, type StandardSchema } from "../sdk/client/src/index.ts";
import {
  accepted,
  fastClock,
  openClient,
  type Reply,
  refused,
  type Seen,
  serveGateway,
  steppedClock,
} from "./helpers/client-gateway.ts";
import { until } from "./helpers/until.ts";

/** On a clock that stands still, a wait that should not be never ends: the test does, in milliseconds of the real one. */
const STEPPED = { timeout: 20_000 };

const GATEWAY_LIMIT = 30_000;

/** A gateway that keeps the requests of group "slow" until they are let go. */
async function keepSlow(t: Parameters<typeof serveGateway>[0], answer: (one: Seen, index: number) => Reply) {
  const waiting: (() => void)[] = [];
  const served = await serveGateway(t, async (one, index) => {
    if (one.groupId === "slow") await new Promise<void>((go) => waiting.push(go));
    return answer(one, index);
  });
  return { ...served, waiting };
}

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

test("a signal that was aborted before fails the call alone, and nothing is sent", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(1));
  const signal = AbortSignal.abort(new Error("secret reason"));
  await assert.rejects(client.send("10", { n: 1 }, { signal }), { code: "ABORTED", outcome: "unsent", attempts: 0 });
  await client.send("10", { n: 2 });
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [2],
  );
  assert.equal(listeners(signal), 0);
  assert.equal(client.activeGroups, 0);
});

test("aborted while queued: only that call fails, what is behind it moves up", async (t) => {
  const { endpoint, seen, waiting } = await keepSlow(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(1));
  const controller = new AbortController();
  const first = client.send("slow", { n: 1 });
  const second = client.send("slow", { n: 2 }, { signal: controller.signal, deduplicationId: "two" });
  const third = client.send("slow", { n: 3 });
  await until(() => waiting.length === 1);
  controller.abort();
  await assert.rejects(second, { code: "ABORTED", outcome: "unsent", groupId: "slow", deduplicationId: "two" });
  assert.equal(isSendError(await second.catch((reason: unknown) => reason)), false);
  waiting.shift()?.();
  await first;
  await until(() => waiting.length === 1);
  waiting.shift()?.();
  await third;
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [1, 3],
  );
  assert.deepEqual(client.pausedGroups(), []);
});

test("aborted in the tick of its call: no request is made for it", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(1));
  const controller = new AbortController();
  const alone = client.send("10", { n: 1 }, { signal: controller.signal });
  const behind = client.send("10", { n: 2 });
  const other = client.send("11", { n: 3 }, { signal: controller.signal });
  controller.abort();
  await assert.rejects(alone, { code: "ABORTED", outcome: "unsent" });
  await assert.rejects(other, { code: "ABORTED", outcome: "unsent" });
  await behind;
  assert.equal(seen.length, 1);
  assert.equal(client.activeGroups, 0);
});

test("aborted while its payload is validated: only that call fails", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  const pending: (() => void)[] = [];
  const schema: StandardSchema = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => new Promise((done) => pending.push(() => done({ value }))),
    },
  };
  const client = openClient(endpoint, fastClock(1), { schema });
  const controller = new AbortController();
  const first = client.send("10", { n: 1 }, { signal: controller.signal });
  const second = client.send("10", { n: 2 });
  controller.abort();
  await assert.rejects(first, { code: "ABORTED", outcome: "unsent" });
  for (const go of pending) go();
  await second;
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [2],
  );
  assert.equal(listeners(controller.signal), 0);
});

for (const [name, reply, outcome] of [
  ["a clear refusal", refused(429, "THROTTLED", { "retry-after": "100" }), "rejected"],
  ["no clear answer", refused(503, "GATEWAY_UNAVAILABLE", { "retry-after": "100" }), "unknown"],
] as const) {
  test(
    `aborted while it waits for a retry after ${name}: outcome "${outcome}", the group pauses`,
    STEPPED,
    async (t) => {
      const { endpoint, seen } = await serveGateway(t, () => reply);
      let retries = 0;
      const client = openClient(endpoint, steppedClock(), { onRetry: () => void (retries += 1) });
      const controller = new AbortController();
      const first = client.send("10", { n: 1 }, { signal: controller.signal });
      const second = client.send("10", { n: 2 });
      await until(() => retries === 1);
      controller.abort();
      await assert.rejects(first, { name: "SendError", code: "ABORTED", outcome, attempts: 1 });
      await assert.rejects(second, { code: "GROUP_PAUSED" });
      assert.equal(client.pausedGroups()[0]?.cause.code, "ABORTED");
      assert.equal(seen.length, 1);
    },
  );
}

test("aborted in flight alone: the request ends, the outcome is unknown, the group pauses", STEPPED, async (t) => {
  const { endpoint, requests } = await serveGateway(t, () => "hang");
  let ended = 0;
  const client = openClient(endpoint, steppedClock(), { onResponse: () => void (ended += 1) });
  const controller = new AbortController();
  const first = client.send("10", { n: 1 }, { signal: controller.signal });
  const second = client.send("10", { n: 2 });
  await until(() => requests.length === 1);
  controller.abort();
  await assert.rejects(first, { name: "SendError", code: "ABORTED", outcome: "unknown", attempts: 1 });
  await assert.rejects(second, (error) => isGroupPausedError(error) && error.cause.code === "ABORTED");
  // On a clock that stands still nothing but the abort can end it.
  await until(() => ended === 1);
});

test("the connection of an aborted request is closed", STEPPED, async (t) => {
  let closed = false;
  let arrived = false;
  const server = createServer((request) => {
    arrived = true;
    request.socket.on("close", () => {
      closed = true;
    });
  }).listen(0, "127.0.0.1");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await until(() => server.listening);
  const { port } = server.address() as AddressInfo;
  const controller = new AbortController();
  const sent = openClient(`http://127.0.0.1:${port}`, steppedClock()).send("10", {}, { signal: controller.signal });
  await until(() => arrived);
  controller.abort();
  await assert.rejects(sent, { code: "ABORTED" });
  await until(() => closed);
});

test("a message aborted in flight is replayed with its own id, once its request has ended", STEPPED, async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => (index === 0 ? "hang" : accepted(index)));
  const client = openClient(endpoint, steppedClock());
  const controller = new AbortController();
  const first = client.send("10", { n: 1 }, { signal: controller.signal });
  await until(() => seen.length === 1);
  controller.abort();
  await assert.rejects(first, { code: "ABORTED" });
  const replayed = client.resume("10", "replay");
  const next = client.send("10", { n: 2 });
  assert.equal((await replayed).deduplicationId, seen[0]?.deduplicationId);
  await next;
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [1, 1, 2],
  );
});

test("aborted in flight in a batch: the others get their results, the request goes on for them", STEPPED, async (t) => {
  const { endpoint, requests, waiting } = await keepSlow(t, (_, index) => accepted(index));
  const client = openClient(endpoint, steppedClock());
  const controller = new AbortController();
  const slow = client.send("slow", {}, { signal: controller.signal });
  const other = client.send("other", { n: 1 });
  const behind = client.send("other", { n: 2 });
  await until(() => waiting.length === 1);
  controller.abort();
  await assert.rejects(slow, { code: "ABORTED", outcome: "unknown" });
  waiting.shift()?.();
  assert.equal((await other).messageId, "message-1");
  await behind;
  assert.deepEqual(
    requests.map(({ groupIds }) => groupIds),
    [["slow", "other"], ["other"]],
  );
  assert.deepEqual(
    client.pausedGroups().map(({ groupId }) => groupId),
    ["slow"],
  );
});

test("when every message of a batch is aborted its request ends", STEPPED, async (t) => {
  const { endpoint, requests } = await serveGateway(t, () => "hang");
  let ended = 0;
  const client = openClient(endpoint, steppedClock(), { onResponse: () => void (ended += 1) });
  const controllers = ["a", "b"].map(() => new AbortController());
  const sends = ["a", "b"].map((groupId, at) => client.send(groupId, {}, { signal: controllers[at]?.signal }));
  await until(() => requests.length === 1);
  controllers[0]?.abort();
  await assert.rejects(sends[0] ?? Promise.resolve(), { code: "ABORTED" });
  assert.equal(ended, 0);
  controllers[1]?.abort();
  await assert.rejects(sends[1] ?? Promise.resolve(), { code: "ABORTED" });
  await until(() => ended === 1);
});

for (const how of ["replay", "skip"] as const) {
  test(`aborted in a batch, then ${how}: the group sends nothing until that request has ended`, STEPPED, async (t) => {
    const { endpoint, seen, requests, waiting } = await keepSlow(t, (_, index) => accepted(index));
    const clock = steppedClock();
    const client = openClient(endpoint, clock);
    const controller = new AbortController();
    const slow = client.send("slow", { n: 1 }, { signal: controller.signal });
    const other = client.send("other", {});
    await until(() => waiting.length === 1);
    controller.abort();
    await assert.rejects(slow, { code: "ABORTED" });
    const resumed: Promise<unknown> = how === "replay" ? client.resume("slow", how) : client.resume("slow", how);
    const next = client.send("slow", { n: 2 });
    // Time does not help, and other groups are not concerned.
    clock.advance(GATEWAY_LIMIT * 2);
    await client.send("third", {});
    assert.deepEqual(
      requests.map(({ groupIds }) => groupIds),
      [["slow", "other"], ["third"]],
    );
    waiting.shift()?.();
    await other;
    if (how === "skip") {
      // From the request's end on it can still land for 30 s.
      clock.advance(GATEWAY_LIMIT - 1);
      await client.send("third", {});
      assert.equal(seen.filter(({ groupId }) => groupId === "slow").length, 1);
      clock.advance(1);
    }
    for (let left = how === "replay" ? 2 : 1; left > 0; left -= 1) {
      await until(() => waiting.length === 1);
      waiting.shift()?.();
    }
    await resumed;
    await next;
    assert.deepEqual(
      seen.filter(({ groupId }) => groupId === "slow").map(({ body }) => body["n"]),
      how === "replay" ? [1, 1, 2] : [1, 2],
    );
  });
}

test("a replay may be aborted client-wide, and its outcome stays that of all its attempts", STEPPED, async (t) => {
  const { endpoint, seen } = await serveGateway(t, () => "hang");
  const whole = new AbortController();
  const own = new AbortController();
  const client = openClient(endpoint, steppedClock(), { signal: whole.signal });
  const sent = client.send("10", {}, { signal: own.signal });
  await until(() => seen.length === 1);
  own.abort();
  await assert.rejects(sent, { code: "ABORTED" });
  const replayed = client.resume("10", "replay");
  await until(() => seen.length === 2);
  whole.abort();
  await assert.rejects(replayed, { code: "ABORTED", outcome: "unknown", attempts: 2 });
});

test(
  'with onFailure "continue", a message aborted in flight lets the next one follow after 30 s',
  STEPPED,
  async (t) => {
    const { endpoint, seen } = await serveGateway(t, ({ body }, index) => (body["n"] === 1 ? "hang" : accepted(index)));
    const clock = steppedClock();
    let ended = 0;
    const client = openClient(endpoint, clock, { onFailure: "continue", onResponse: () => void (ended += 1) });
    const controller = new AbortController();
    const first = client.send("10", { n: 1 }, { signal: controller.signal });
    const second = client.send("10", { n: 2 });
    await until(() => seen.length === 1);
    controller.abort();
    await assert.rejects(first, { code: "ABORTED", outcome: "unknown" });
    await until(() => ended === 1);
    await new Promise((done) => setImmediate(done));
    clock.advance(GATEWAY_LIMIT - 1);
    await client.send("other", {});
    assert.equal(seen.length, 2);
    clock.advance(1);
    await second;
    assert.equal(seen.length, 3);
  },
);

test(
  'with onFailure "continue", a message aborted while it waits for a slot is followed 30 s after its last attempt',
  STEPPED,
  async (t) => {
    const { endpoint, seen, waiting } = await keepSlow(t, ({ body }, index) =>
      body["n"] === 1 ? refused(503, "GATEWAY_UNAVAILABLE", { "retry-after": "5" }) : accepted(index),
    );
    const clock = steppedClock();
    let retries = 0;
    const client = openClient(endpoint, clock, {
      onFailure: "continue",
      concurrency: 1,
      onRetry: () => void (retries += 1),
    });
    const controller = new AbortController();
    const first = client.send("10", { n: 1 }, { signal: controller.signal });
    const second = client.send("10", { n: 2 });
    await until(() => retries === 1);
    const slow = client.send("slow", {});
    await until(() => waiting.length === 1);
    clock.advance(5_000);
    controller.abort();
    await assert.rejects(first, { code: "ABORTED", outcome: "unknown" });
    waiting.shift()?.();
    await slow;
    await new Promise((done) => setImmediate(done));
    clock.advance(GATEWAY_LIMIT - 5_001);
    await client.send("other", {});
    assert.deepEqual(
      seen.map(({ groupId }) => groupId),
      ["10", "slow", "other"],
    );
    clock.advance(1);
    await second;
  },
);

test("an abort after the message was accepted or has failed changes nothing", async (t) => {
  const { endpoint, seen } = await serveGateway(t, ({ groupId }, index) =>
    groupId === "bad" ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(1));
  const controller = new AbortController();
  const { signal } = controller;
  await client.send("good", {}, { signal });
  await assert.rejects(client.send("bad", {}, { signal }), { code: "INVALID_BODY" });
  controller.abort();
  assert.equal(client.pausedGroups()[0]?.cause.code, "INVALID_BODY");
  await client.send("good", {});
  assert.equal(seen.length, 3);
});

test("whatever becomes of a call, its signal has no listener left", async (t) => {
  const { endpoint } = await serveGateway(t, ({ groupId }, index) =>
    groupId === "bad" ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(1), { maxPending: 4 });
  const { signal } = new AbortController();
  const calls = ["bad", "bad", "good", "good", "one too many"].map((groupId, n) =>
    client.send(groupId, { n }, { signal }),
  );
  calls.push(client.send("good", { n: 1n }, { signal }), client.send("no group", {}, { signal }));
  assert.equal(listeners(signal), 4);
  await Promise.allSettled(calls);
  assert.equal(listeners(signal), 0);
  await Promise.allSettled([client.resume("bad", "replay")]);
  assert.equal(listeners(signal), 0);
});

test("one signal for a thousand calls takes each of them back", async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on("warning", onWarning);
  t.after(() => process.off("warning", onWarning));
  const { endpoint, requests } = await serveGateway(t, () => "hang");
  const client = openClient(endpoint, fastClock(1));
  const controller = new AbortController();
  const sends = Array.from({ length: 1000 }, (_, n) => client.send(`g-${n % 50}`, { n }, controller));
  await until(() => requests.length === 5);
  controller.abort();
  const results = await Promise.allSettled(sends);
  assert.ok(results.every(({ status }) => status === "rejected"));
  assert.equal(client.pausedGroups().length, 50);
  assert.equal(listeners(controller.signal), 0);
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(warnings, []);
});

test("the client's signal ends what is in flight and queued, and the client is closed", STEPPED, async (t) => {
  const { endpoint, requests } = await serveGateway(t, () => "hang");
  let ended = 0;
  const controller = new AbortController();
  const client = openClient(endpoint, steppedClock(), {
    concurrency: 1,
    maxBatchSize: 1,
    signal: controller.signal,
    onResponse: () => void (ended += 1),
  });
  const flying = client.send("a", { n: 1 });
  const behind = client.send("a", { n: 2 });
  const queued = client.send("b", { n: 3 });
  await until(() => requests.length === 1);
  controller.abort();
  await assert.rejects(flying, { code: "ABORTED", outcome: "unknown" });
  await assert.rejects(behind, { outcome: "unsent" });
  await assert.rejects(queued, { code: "ABORTED", outcome: "unsent" });
  await until(() => ended === 1);
  await assert.rejects(client.send("c", {}), { code: "CLOSED" });
  await assert.rejects(client.ready(), { code: "CLOSED" });
  assert.equal(requests.length, 1);
});

test("a client whose signal was aborted before is closed from the start", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(1), { signal: AbortSignal.abort() });
  await assert.rejects(client.send("10", {}), { code: "CLOSED", outcome: "unsent" });
  assert.deepEqual(await client.close(), []);
  assert.equal(seen.length, 0);
});

test("a closed client leaves its signal alone", async () => {
  const { signal } = new AbortController();
  const client = openClient("http://127.0.0.1:9", fastClock(1), { signal });
  await client.close();
  assert.equal(listeners(signal), 0);
});
