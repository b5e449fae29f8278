import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import type { Clock } from "../sdk/client/src/clock.ts";
import type {
  FifoClientOptions,
  Hooks,
  PausedGroup,
  RequestEvent,
  ResponseEvent,
  RetryEvent,
  SequenceWarning,
} from "../sdk/client/src/index.ts";
import {
  accepted,
  fastClock,
  openClient,
  type Reply,
  refused,
  serveGateway,
  steppedClock,
} from "./helpers/client-gateway.ts";
import { until } from "./helpers/until.ts";

/** On a clock that stands still, a wait that should not be never ends: the test does, in milliseconds of the real one. */
const STEPPED = { timeout: 20_000 };

/** A client that is ended with its test. */
function open(t: TestContext, endpoint: string, clock: Clock, options: Partial<FifoClientOptions> = {}) {
  const client = openClient(endpoint, clock, options);
  t.after(() => client.close({ timeout: 0 }));
  return client;
}

/** Hooks that write down what they are told. */
function record() {
  const told = {
    requests: [] as RequestEvent[],
    responses: [] as ResponseEvent[],
    retries: [] as RetryEvent[],
    paused: [] as PausedGroup[],
    warnings: [] as SequenceWarning[],
    order: [] as string[],
  };
  const hooks: Hooks = {
    onRequest: (event) => void (told.requests.push(event), told.order.push("request")),
    onResponse: (event) => void (told.responses.push(event), told.order.push("response")),
    onRetry: (event) => void (told.retries.push(event), told.order.push("retry")),
    onGroupPaused: (event) => void (told.paused.push(event), told.order.push("paused")),
    onWarning: (event) => void (told.warnings.push(event), told.order.push("warning")),
  };
  return { told, hooks };
}

const numbered = (sequenceNumber: string): Reply => ({ status: 200, body: { messageId: "m", sequenceNumber } });

test("the hooks tell a message's way: ids, attempts, codes, status, request id and times", async (t) => {
  const { endpoint } = await serveGateway(t, (_, index) =>
    index === 0 ? refused(429, "THROTTLED", { "retry-after": "7" }) : accepted(index),
  );
  const { told, hooks } = record();
  await open(t, endpoint, fastClock(100), hooks).send("10", { n: 1 }, { deduplicationId: "a1" });
  assert.deepEqual(told.order, ["request", "response", "retry", "request", "response"]);
  const message = { groupId: "10", deduplicationId: "a1" };
  assert.deepEqual(
    told.requests.map(({ messages }) => messages),
    [[{ ...message, attempt: 1, code: undefined }], [{ ...message, attempt: 2, code: "THROTTLED" }]],
    "of a retry, why the attempt before did not take it",
  );
  assert.deepEqual(
    told.responses.map(({ messages, status, requestId }) => [messages, status, requestId]),
    [
      [[{ ...message, attempt: 1, code: "THROTTLED" }], 429, "0f2d8c1e-3f59-4d4f-9a6b-1f7f6d1f2a3b"],
      [[{ ...message, attempt: 2, code: undefined }], 200, undefined],
    ],
  );
  assert.deepEqual(told.retries, [
    { messages: [{ ...message, attempt: 1, code: "THROTTLED" }], delayMilliseconds: 7000 },
  ]);
});

test("a response's time is from the request's begin to the end of its answer", STEPPED, async (t) => {
  let answer: (() => void) | undefined;
  const { endpoint } = await serveGateway(t, async (_, index) => {
    await new Promise<void>((go) => (answer = go));
    return accepted(index);
  });
  const clock = steppedClock();
  const { told, hooks } = record();
  const sent = open(t, endpoint, clock, hooks).send("10", {});
  await until(() => answer !== undefined);
  clock.advance(1234);
  answer?.();
  await sent;
  assert.deepEqual(
    told.responses.map(({ milliseconds }) => milliseconds),
    [1234],
  );
});

/** Group, attempt and code of each message of each event. */
const read = (events: readonly RequestEvent[]) =>
  events.map(({ messages }) => messages.map(({ groupId, attempt, code }) => [groupId, attempt, code]));

test("a batch is one event with all its messages, its retry one with those that are sent again", async (t) => {
  const { endpoint } = await serveGateway(t, ({ groupId }, index) =>
    index < 3 && groupId === "b"
      ? refused(502, "QUEUE_ERROR")
      : groupId === "bad"
        ? refused(400, "MESSAGE_REFUSED")
        : accepted(index),
  );
  const { told, hooks } = record();
  const client = open(t, endpoint, fastClock(100), hooks);
  await Promise.allSettled(["a", "b", "bad"].map((groupId) => client.send(groupId, {})));
  assert.deepEqual(read(told.requests), [
    [
      ["a", 1, undefined],
      ["b", 1, undefined],
      ["bad", 1, undefined],
    ],
    [["b", 2, "QUEUE_ERROR"]],
  ]);
  assert.deepEqual(read(told.responses), [
    [
      ["a", 1, undefined],
      ["b", 1, "QUEUE_ERROR"],
      ["bad", 1, "MESSAGE_REFUSED"],
    ],
    [["b", 2, undefined]],
  ]);
  assert.deepEqual(read(told.retries), [[["b", 1, "QUEUE_ERROR"]]]);
  assert.deepEqual(
    told.paused.map(({ groupId, cause }) => [groupId, cause.code]),
    [["bad", "MESSAGE_REFUSED"]],
  );
});

test("a request without an answer has no status", async (t) => {
  const { endpoint } = await serveGateway(t, (_, index) => (index === 0 ? "reset" : accepted(index)));
  const { told, hooks } = record();
  await open(t, endpoint, fastClock(100), hooks).send("10", {});
  assert.equal(told.responses[0]?.status, undefined);
  assert.equal(told.responses[0]?.messages[0]?.code, "NETWORK_ERROR");
});

test("attempts go on counting over a replay", async (t) => {
  const { endpoint } = await serveGateway(t, (_, index) => (index === 0 ? refused(403, "FORBIDDEN") : accepted(index)));
  const { told, hooks } = record();
  const client = open(t, endpoint, fastClock(1), hooks);
  await assert.rejects(client.send("10", {}));
  await client.resume("10", "replay");
  assert.deepEqual(
    told.requests.map(({ messages }) => messages[0]?.attempt),
    [1, 2],
  );
});

test("onGroupPaused tells each pause once, with the error of the call, and none with onFailure continue", async (t) => {
  const { endpoint } = await serveGateway(t, () => refused(400, "INVALID_BODY"));
  const { told, hooks } = record();
  const client = open(t, endpoint, fastClock(1), hooks);
  const results = await Promise.allSettled([1, 2, 3].map((n) => client.send("10", { n })));
  assert.equal(told.paused.length, 1);
  assert.ok(results[0]?.status === "rejected");
  assert.equal(told.paused[0]?.cause, results[0].reason);
  await assert.rejects(client.resume("10", "replay"));
  assert.equal(told.paused.length, 2);
  const second = record();
  const other = open(t, endpoint, fastClock(1), { ...second.hooks, onFailure: "continue" });
  await assert.rejects(other.send("10", {}));
  assert.deepEqual(second.told.paused, []);
});

test("no event holds the key or a payload", async (t) => {
  const { endpoint } = await serveGateway(t, ({ groupId }, index) =>
    groupId === "bad" ? refused(400, "INVALID_BODY") : index === 0 ? refused(503, "x") : numbered("1"),
  );
  const { told, hooks } = record();
  const client = open(t, endpoint, fastClock(100), hooks);
  for (const groupId of ["10", "10", "bad"]) await client.send(groupId, { a: "secret-payload" }).catch(() => undefined);
  const shown = inspect(told, { depth: Number.POSITIVE_INFINITY, showHidden: true }) + JSON.stringify(told);
  assert.equal(told.warnings.length, 1);
  assert.ok(!shown.includes("secret-payload") && !shown.includes("TopSecretKey"), shown);
});

for (const [name, hook] of [
  [
    "throw",
    () => {
      throw new Error("from a hook");
    },
  ],
  ["reject", () => Promise.reject(new Error("from a hook"))],
  [
    "throw nothing at all",
    () => {
      throw undefined;
    },
  ],
  ["never end", () => new Promise<void>(() => undefined)],
] as [string, () => void][]) {
  test(`hooks that ${name} change nothing`, async (t) => {
    const { endpoint, seen } = await serveGateway(t, ({ groupId }, index) =>
      groupId === "bad" ? refused(400, "INVALID_BODY") : index === 0 ? refused(503, "x") : numbered("1"),
    );
    const client = open(t, endpoint, fastClock(100), {
      onRequest: hook,
      onResponse: hook,
      onRetry: hook,
      onGroupPaused: hook,
      onWarning: hook,
    });
    await client.send("10", { n: 1 });
    await client.send("10", { n: 2 });
    await assert.rejects(client.send("bad", { n: 3 }), { code: "INVALID_BODY" });
    assert.deepEqual(
      seen.map(({ body }) => body["n"]),
      [1, 1, 2, 3],
    );
  });
}

test("a hook may resume the group that was paused, and send to it, in order", async (t) => {
  const { endpoint, seen } = await serveGateway(t, ({ body }, index) =>
    body["n"] === 1 ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const later: Promise<unknown>[] = [];
  const client = open(t, endpoint, fastClock(1), {
    onGroupPaused({ groupId }) {
      void client.resume(groupId, "skip");
      for (const n of [3, 4]) later.push(client.send(groupId, { n }));
    },
  });
  const [first, second] = [client.send("10", { n: 1 }), client.send("10", { n: 2 })];
  await assert.rejects(first, { code: "INVALID_BODY" });
  await assert.rejects(second, { code: "GROUP_PAUSED" });
  await client.send("10", { n: 5 });
  await Promise.all(later);
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [1, 3, 4, 5],
  );
  assert.equal(client.activeGroups, 0);
});

test("a hook may replay at once, until the message is taken", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) =>
    index < 3 ? refused(403, "FORBIDDEN") : accepted(index),
  );
  const client = open(t, endpoint, fastClock(1), {
    onGroupPaused: ({ groupId }) => void client.resume(groupId, "replay"),
  });
  await assert.rejects(client.send("10", {}), { code: "FORBIDDEN" });
  while (client.activeGroups > 0) await client.flush().catch(() => undefined);
  assert.equal(seen.length, 4);
  assert.equal(new Set(seen.map(({ deduplicationId }) => deduplicationId)).size, 1);
});

test(
  "a hook may send to a group of the same request that is about to be sent again: its wait and its order stay",
  STEPPED,
  async (t) => {
    const { endpoint, requests } = await serveGateway(t, ({ groupId, body }, index) => {
      if (groupId === "bad") return refused(400, "INVALID_BODY");
      return index < 2 && body["n"] === 1 ? refused(502, "QUEUE_ERROR") : accepted(index);
    });
    const clock = steppedClock();
    const extra: Promise<unknown>[] = [];
    const { told, hooks } = record();
    const client = open(t, endpoint, clock, {
      ...hooks,
      onGroupPaused: () => void extra.push(client.send("alerts", { n: 2 })),
    });
    const first = client.send("alerts", { n: 1 });
    await assert.rejects(client.send("bad", {}));
    await new Promise((done) => setImmediate(done));
    assert.equal(requests.length, 1);
    clock.advance(told.retries[0]?.delayMilliseconds ?? assert.fail());
    await first;
    await Promise.all(extra);
    assert.deepEqual(
      requests.map(({ groupIds }) => groupIds),
      [["alerts", "bad"], ["alerts"], ["alerts"]],
    );
  },
);

test(
  "a group that is skipped and used in a hook stays one group, also when its message waited for a slot",
  STEPPED,
  async (t) => {
    const held: (() => void)[] = [];
    let inFlight = 0;
    let most = 0;
    const { endpoint } = await serveGateway(t, async ({ groupId, body }, index) => {
      if (body["n"] === 1) return refused(429, "THROTTLED", { "retry-after": "5" });
      if (groupId === "a") most = Math.max(most, (inFlight += 1));
      await new Promise<void>((go) => held.push(go));
      if (groupId === "a") inFlight -= 1;
      return accepted(index);
    });
    const clock = steppedClock();
    let retries = 0;
    const later: Promise<unknown>[] = [];
    const client = open(t, endpoint, clock, {
      concurrency: 2,
      maxBatchSize: 1,
      onRetry: () => void (retries += 1),
      onGroupPaused({ groupId }) {
        void client.resume(groupId, "skip");
        later.push(client.send(groupId, { n: 2 }));
      },
    });
    const controller = new AbortController();
    const first = client.send("a", { n: 1 }, { signal: controller.signal });
    await until(() => retries === 1);
    const others = [client.send("b", {}), client.send("c", {})];
    await until(() => held.length === 2);
    clock.advance(5000);
    controller.abort();
    await assert.rejects(first, { code: "ABORTED", outcome: "rejected" });
    later.push(client.send("a", { n: 3 }));
    for (const go of held.splice(0)) go();
    await Promise.all(others);
    await until(() => held.length > 0);
    // Whatever else would go out has gone out now.
    later.push(client.send("d", {}));
    await until(() => held.length === 2);
    const letGo = setInterval(() => held.shift()?.(), 1);
    t.after(() => clearInterval(letGo));
    await Promise.all(later);
    assert.equal(most, 1);
  },
);

test("a warning's hook that sends, takes back and sends again leaves the group one group", async (t) => {
  let inFlight = 0;
  let most = 0;
  const { endpoint } = await serveGateway(t, async ({ body }) => {
    most = Math.max(most, (inFlight += 1));
    await new Promise((done) => setTimeout(done, 5));
    inFlight -= 1;
    return numbered(String(body["sequence"]));
  });
  const later: Promise<unknown>[] = [];
  const client = open(t, endpoint, fastClock(1), {
    onWarning() {
      const controller = new AbortController();
      client.send("a", {}, { signal: controller.signal });
      controller.abort();
      later.push(client.send("a", { sequence: 10 }));
    },
  });
  await client.send("a", { sequence: 9 });
  await client.send("a", { sequence: 5 });
  await client.send("a", { sequence: 11 });
  await Promise.all(later);
  assert.equal(most, 1);
});

test("hooks may close the client", async (t) => {
  const { endpoint, seen } = await serveGateway(t, ({ groupId }, index) =>
    groupId === "bad" ? refused(400, "INVALID_BODY") : accepted(index),
  );
  let closed: Promise<{ readonly payload: unknown }[]> | undefined;
  const client = open(t, endpoint, fastClock(1), {
    onGroupPaused: () => void (closed = client.close()),
  });
  const sends = [client.send("bad", { n: 1 }), client.send("good", { n: 2 }), client.send("good", { n: 3 })];
  const results = await Promise.allSettled(sends);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "fulfilled", "fulfilled"],
  );
  assert.deepEqual(
    (await closed)?.map(({ payload }) => payload),
    [{ n: 1 }],
  );
  assert.equal(seen.length, 3);
});

for (const name of ["onRequest", "onResponse", "onRetry", "onGroupPaused"] as const) {
  test(`a client whose signal is aborted in ${name} ends, and every call settles`, STEPPED, async (t) => {
    const { endpoint } = await serveGateway(t, ({ groupId }, index) =>
      groupId === "bad" ? refused(400, "INVALID_BODY") : groupId === "b" ? refused(503, "x") : accepted(index),
    );
    const controller = new AbortController();
    const clock = steppedClock();
    const client = open(t, endpoint, clock, { signal: controller.signal, [name]: () => controller.abort() });
    const sends = ["a", "b", "bad", "a", "b"].map((groupId) => client.send(groupId, {}));
    await Promise.allSettled(sends);
    await assert.rejects(client.send("c", {}), { code: "CLOSED" });
  });
}

// Sequence numbers

test("a sequence number that does not grow is a warning, with both numbers", async (t) => {
  const numbers = ["00000000000000000009", "00000000000000000009", "00000000000000000003", "00000000000000000004"];
  const { endpoint } = await serveGateway(t, (_, index) => numbered(numbers[index] ?? ""));
  const { told, hooks } = record();
  const client = open(t, endpoint, fastClock(1), hooks);
  for (const n of [0, 1, 2, 3]) await client.send("10", { n }, { deduplicationId: `id-${n}` });
  const warning = { code: "SEQUENCE_NOT_GROWING", groupId: "10" };
  assert.deepEqual(told.warnings, [
    { ...warning, deduplicationId: "id-1", sequenceNumber: numbers[1], previousSequenceNumber: numbers[0] },
    { ...warning, deduplicationId: "id-2", sequenceNumber: numbers[2], previousSequenceNumber: numbers[1] },
  ]);
});

test("numbers are compared as numbers, whatever their length, and each group has its own", async (t) => {
  const { endpoint } = await serveGateway(t, ({ body }) => numbered(String(body["as"])));
  const { told, hooks } = record();
  const client = open(t, endpoint, fastClock(1), hooks);
  for (const as of ["9", "10", "11", "18446744073709551616", "18446744073709551617", "9".repeat(128)]) {
    await client.send("10", { as });
  }
  for (const as of ["5", "6"]) await client.send("11", { as });
  assert.deepEqual(told.warnings, []);
  await client.send("11", { as: "6" });
  assert.equal(told.warnings.length, 1);
});

test("neither failures nor replays nor a rest between messages make a warning of what grows", async (t) => {
  const { endpoint } = await serveGateway(t, ({ body }, index) =>
    index % 2 === 0 ? refused(503, "x") : body["n"] === 2 && index < 6 ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const { told, hooks } = record();
  const client = open(t, endpoint, fastClock(100), hooks);
  await client.send("10", { n: 1 });
  await assert.rejects(client.send("10", { n: 2 }));
  while (client.pausedGroups().length > 0) await client.resume("10", "replay").catch(() => undefined);
  await client.send("10", { n: 3 });
  assert.deepEqual(told.warnings, []);
});

// traceparent

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER_TRACE = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

test("traceparent is a header of a single request, and of each of its retries", async (t) => {
  const { endpoint, requests } = await serveGateway(t, (_, index) =>
    index === 0 ? refused(503, "x") : accepted(index),
  );
  const client = open(t, endpoint, fastClock(100));
  await client.send("10", {}, { traceparent: TRACE });
  await client.send("10", {});
  assert.deepEqual(
    requests.map(({ headers }) => headers["traceparent"]),
    [TRACE, TRACE, undefined],
  );
});

for (const [name, traces, header] of [
  ["a batch whose messages share a traceparent has it", [TRACE, TRACE], TRACE],
  ["a batch with different traceparents has none", [TRACE, OTHER_TRACE], undefined],
  ["a batch in which one has none has none", [TRACE, undefined], undefined],
  ["a batch in which only a later one has one has none", [undefined, TRACE], undefined],
] as const) {
  test(name, async (t) => {
    const { endpoint, requests } = await serveGateway(t, (_, index) => accepted(index));
    const client = open(t, endpoint, fastClock(1));
    await client.sendMany(traces.map((traceparent, n) => ({ groupId: `g-${n}`, payload: {}, traceparent })));
    assert.deepEqual(
      requests.map(({ headers, groupIds }) => [groupIds.length, headers["traceparent"]]),
      [[2, header]],
    );
  });
}

for (const traceparent of ["two words", "line\nbreak", "é", "x".repeat(129), 7, {}]) {
  test(`leaves ${JSON.stringify(traceparent).slice(0, 20)} out as a traceparent: tracing costs no message`, async (t) => {
    const { endpoint, requests } = await serveGateway(t, (_, index) => accepted(index));
    const client = open(t, endpoint, fastClock(1));
    await Reflect.apply(client.send, client, ["10", {}, { traceparent }]);
    assert.deepEqual(
      requests.map(({ headers }) => "traceparent" in headers),
      [false],
    );
  });
}
