import assert from "node:assert/strict";
import { test } from "node:test";
import { ENVELOPE_PREFIX, ENVELOPE_SUFFIX } from "../sdk/client/src/contract.ts";
import { isFifoClientError, isGroupPausedError, isSendError, type SendError } from "../sdk/client/src/index.ts";
import {
  accepted,
  fastClock,
  openClient,
  type Reply,
  refused,
  type Seen,
  serveGateway,
} from "./helpers/client-gateway.ts";

const SINGLE = "/kimalarm/queue-1";
const BATCH = "/kimalarm/queue-1/batch";
const LIMIT = 1_048_576;

/** Accepts everything, with an id that tells the group. */
const named = ({ groupId }: Seen, index: number): Reply => ({
  status: 200,
  body: { messageId: `of-${groupId}`, sequenceNumber: String(index + 1) },
});

/** A payload with which the message of `groupId` is that many bytes in the queue. */
function ofBytes(groupId: string, bytes: number, letter = "x"): { a: string } {
  const empty = `${ENVELOPE_PREFIX}${JSON.stringify({ MessageGroupID: groupId, a: "" })}${ENVELOPE_SUFFIX}`.length;
  return { a: letter.repeat((bytes - empty) / Buffer.byteLength(letter)) };
}

/** Holds every request until it is let go. */
function gate() {
  const waiting: (() => void)[] = [];
  return {
    arrive: () => new Promise<void>((go) => waiting.push(go)),
    async letGo(count = 1) {
      while (waiting.length < count) await new Promise((done) => setTimeout(done, 1));
      for (const go of waiting.splice(0)) go();
    },
    async arrived(count = 1) {
      while (waiting.length < count) await new Promise((done) => setTimeout(done, 1));
    },
  };
}

async function sendErrors(promises: readonly Promise<unknown>[]): Promise<SendError[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    assert.ok(result.status === "rejected" && isSendError(result.reason));
    return result.reason;
  });
}

test("the sends of one tick share requests of ten, none with two messages of a group", async (t) => {
  const { endpoint, seen, requests } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1));
  const sends = Array.from({ length: 50 }, (_, n) => client.send(`g-${n % 25}`, { n }));
  await Promise.all(sends);
  assert.equal(seen.length, 50);
  assert.deepEqual(requests.map(({ groupIds }) => groupIds.length).toSorted(), [10, 10, 10, 10, 5, 5]);
  for (const { groupIds } of requests) assert.equal(new Set(groupIds).size, groupIds.length);
  for (let group = 0; group < 25; group += 1) {
    const own = seen.filter(({ groupId }) => groupId === `g-${group}`).map(({ body }) => body["n"]);
    assert.deepEqual(own, [group, group + 25]);
  }
});

test("many messages of one group go one by one, each to the single route", async (t) => {
  const { endpoint, seen, requests } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1));
  await Promise.all([1, 2, 3].map((n) => client.send("10", { n })));
  assert.deepEqual(
    requests.map(({ url }) => url),
    [SINGLE, SINGLE, SINGLE],
  );
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [1, 2, 3],
  );
});

test("one waiting message goes to the single route, two go to the batch route", async (t) => {
  const { endpoint, requests } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1));
  await client.send("a", {});
  await Promise.all([client.send("a", {}), client.send("b", {})]);
  assert.deepEqual(
    requests.map(({ url }) => url),
    [SINGLE, BATCH],
  );
});

test("an entry holds the very bytes that a single send would have as its body", async (t) => {
  const { endpoint, requests, seen } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1));
  const payload = { 1: 'é\u0000\uFFFE\u2028"\\/', n: 1.5e300, nested: { MessageGroupID: "x" } };
  await client.send("a", payload, { deduplicationId: "alone" });
  await Promise.all([client.send("a", payload, { deduplicationId: "!~" }), client.send("b", {})]);
  const { entries } = JSON.parse(requests[1]?.text ?? "");
  assert.deepEqual(entries[0], { id: "0", groupId: "a", idempotencyKey: "!~", body: seen[0]?.text });
  assert.equal(entries[1].groupId, "b");
  assert.equal(requests[1]?.headers["idempotency-key"], undefined);
});

test("a request holds 1,048,576 bytes of messages as SQS counts them, and not one more", async (t) => {
  const { endpoint, requests } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1), { concurrency: 1 });
  const groups = ["a", "b", "c", "d"];
  await Promise.all(groups.map((groupId) => client.send(groupId, ofBytes(groupId, LIMIT / 4))));
  assert.deepEqual(
    requests.map(({ groupIds }) => groupIds),
    [groups],
  );
  const more = groups.map((groupId, at) => client.send(groupId, ofBytes(groupId, LIMIT / 4 + (at === 3 ? 1 : 0))));
  await Promise.all(more);
  assert.deepEqual(
    requests.slice(1).map(({ groupIds }) => groupIds),
    [["a", "b", "c"], ["d"]],
  );
});

test("the bytes of a request are those of UTF-8", async (t) => {
  const { endpoint, requests } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1), { concurrency: 1 });
  // Each over half of the limit in bytes, but not in characters.
  await Promise.all(["a", "b"].map((groupId) => client.send(groupId, ofBytes(groupId, LIMIT / 2 + 3, "é"))));
  assert.deepEqual(
    requests.map(({ groupIds }) => groupIds),
    [["a"], ["b"]],
  );
});

test("a big message that does not fit goes first into the next request, small ones do not pass it", async (t) => {
  const { endpoint, requests } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1), { concurrency: 1 });
  await Promise.all([
    client.send("a", ofBytes("a", LIMIT - 10_000)),
    client.send("b", ofBytes("b", LIMIT - 10_000)),
    client.send("c", {}),
  ]);
  assert.deepEqual(
    requests.map(({ groupIds }) => groupIds),
    [["a"], ["b", "c"]],
  );
});

test("a batch forms from what waits while requests are in flight", async (t) => {
  const { arrive, arrived, letGo } = gate();
  const { endpoint, requests } = await serveGateway(t, async (one, index) => {
    if (index === 0) await arrive();
    return named(one, index);
  });
  const client = openClient(endpoint, fastClock(1), { concurrency: 1 });
  const sends = [client.send("a", {})];
  await arrived();
  for (const groupId of ["b", "c", "b", "d"]) {
    sends.push(client.send(groupId, {}));
    await new Promise((done) => setImmediate(done));
  }
  await letGo();
  await Promise.all(sends);
  assert.deepEqual(
    requests.map(({ groupIds }) => groupIds),
    [["a"], ["b", "c", "d"], ["b"]],
  );
});

test("a busy group does not keep the others waiting", async (t) => {
  const { endpoint, seen } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1), { concurrency: 1, maxBatchSize: 2 });
  const busy = Array.from({ length: 6 }, () => client.send("busy", {}));
  const others = ["a", "b", "c"].map((groupId) => client.send(groupId, {}));
  await Promise.all([...busy, ...others]);
  const last = Math.max(...["a", "b", "c"].map((groupId) => seen.findIndex((one) => one.groupId === groupId)));
  assert.ok(last < 6, seen.map(({ groupId }) => groupId).join());
});

test("each call gets the result of its own entry, in whatever order the answer names them", async (t) => {
  const { endpoint } = await serveGateway(t, named, {
    wholeBatch: (messages) => ({
      status: 200,
      body: {
        successful: messages
          .map(({ groupId }, at) => ({ id: String(at), messageId: `of-${groupId}`, sequenceNumber: `${at}7` }))
          .toReversed(),
        failed: [],
      },
    }),
  });
  const client = openClient(endpoint, fastClock(1));
  const results = await Promise.all(
    ["a", "b", "c"].map((groupId) => client.send(groupId, {}, { deduplicationId: `id-${groupId}` })),
  );
  assert.deepEqual(results, [
    { messageId: "of-a", sequenceNumber: "07", deduplicationId: "id-a" },
    { messageId: "of-b", sequenceNumber: "17", deduplicationId: "id-b" },
    { messageId: "of-c", sequenceNumber: "27", deduplicationId: "id-c" },
  ]);
});

test("a failed entry pauses its own group and no other", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (one, index) =>
    one.groupId === "bad" ? refused(400, "MESSAGE_REFUSED") : named(one, index),
  );
  const client = openClient(endpoint, fastClock(1));
  const results = await Promise.allSettled(
    ["a", "bad", "b", "bad", "a"].map((groupId, n) => client.send(groupId, { n })),
  );
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"],
  );
  const [, failed, , behind] = results;
  assert.ok(failed?.status === "rejected" && isSendError(failed.reason));
  assert.equal(failed.reason.code, "MESSAGE_REFUSED");
  assert.equal(failed.reason.outcome, "rejected");
  assert.ok(behind?.status === "rejected" && isGroupPausedError(behind.reason));
  assert.equal(behind.reason.cause, failed.reason);
  assert.deepEqual(
    client.pausedGroups().map(({ groupId }) => groupId),
    ["bad"],
  );
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [0, 1, 2, 4],
  );
});

/** Answers the first batch with this for group "b" and accepts the rest. */
function onceForB(entry: object | undefined) {
  let asked = 0;
  return (messages: readonly Seen[]): Reply | undefined => {
    asked += 1;
    if (asked > 1) return undefined;
    const successful = messages.flatMap((message, at) =>
      message.groupId === "b" ? [] : { id: String(at), messageId: `of-${message.groupId}`, sequenceNumber: "1" },
    );
    const at = messages.findIndex(({ groupId }) => groupId === "b");
    return { status: 200, body: { successful, failed: entry ? [{ id: String(at), ...entry }] : [] } };
  };
}

for (const [name, entry] of [
  ["THROTTLED", { code: "THROTTLED", message: "no", senderFault: false }],
  ["THROTTLED whosever fault it is said to be", { code: "THROTTLED", message: "no", senderFault: true }],
  ["QUEUE_ERROR", { code: "QUEUE_ERROR", message: "no", senderFault: false }],
  ["a code of SQS's own that is not the sender's fault", { code: "InternalError", message: "no", senderFault: false }],
  ["a code without a word on whose fault it is", { code: "Strange" }],
  ["nothing at all", undefined],
] as const) {
  test(`an entry that got ${name} is sent again with the same deduplication id`, async (t) => {
    const { endpoint, seen, requests } = await serveGateway(t, named, { wholeBatch: onceForB(entry) });
    const client = openClient(endpoint, fastClock(100));
    const [a, b] = await Promise.all([client.send("a", { n: 1 }), client.send("b", { n: 2 })]);
    assert.equal(a?.messageId, "of-a");
    assert.equal(b?.messageId, "of-b");
    assert.deepEqual(
      requests.map(({ groupIds }) => groupIds),
      [["a", "b"], ["b"]],
    );
    assert.equal(seen[2]?.deduplicationId, seen[1]?.deduplicationId);
    assert.equal(seen[2]?.text, seen[1]?.text);
  });
}

test("an entry with a code of SQS's own that is the sender's fault is refused for good", async (t) => {
  const entry = { code: "InvalidMessageContents", message: "no", senderFault: true };
  const { endpoint, requests } = await serveGateway(t, named, { wholeBatch: onceForB(entry) });
  const client = openClient(endpoint, fastClock(100));
  const [a, b] = await Promise.allSettled([client.send("a", {}), client.send("b", {})]);
  assert.equal(a?.status, "fulfilled");
  assert.ok(b?.status === "rejected" && isSendError(b.reason));
  assert.equal(b.reason.code, "UNEXPECTED_STATUS");
  assert.equal(b.reason.outcome, "rejected");
  assert.equal(requests.length, 1);
});

test("an entry that no answer ever names may be in the queue: its outcome is unknown", async (t) => {
  const { endpoint } = await serveGateway(t, () => ({ status: 200, body: {} }), {
    wholeBatch: () => ({ status: 200, body: { successful: [], failed: [] } }),
  });
  const client = openClient(endpoint, fastClock(20), { retryBudgetMilliseconds: 20_000 });
  for (const error of await sendErrors(["a", "b"].map((groupId) => client.send(groupId, {})))) {
    assert.equal(error.code, "INVALID_ANSWER");
    assert.equal(error.outcome, "unknown");
  }
});

for (const [name, body] of [
  ["no lists", {}],
  ["lists that are none", { successful: "yes", failed: 7 }],
  ["entries that are none", { successful: [null, 1, "0", []], failed: [null] }],
  ["ids of other entries", { successful: [{ id: "7", messageId: "m", sequenceNumber: "1" }], failed: [{ id: 0 }] }],
  ["entries without a sequence number", { successful: [{ id: "0", messageId: "m" }], failed: [] }],
  ["a single send's answer", { messageId: "m", sequenceNumber: "1" }],
  ["no JSON", "<html>"],
] as const) {
  test(`a batch whose answer has ${name} is sent again, both messages`, async (t) => {
    let asked = 0;
    const { endpoint, requests } = await serveGateway(t, named, {
      wholeBatch: () => {
        asked += 1;
        return asked === 1 ? { status: 200, body } : undefined;
      },
    });
    const client = openClient(endpoint, fastClock(100));
    const results = await Promise.all(["a", "b"].map((groupId) => client.send(groupId, {})));
    assert.deepEqual(
      results.map(({ messageId }) => messageId),
      ["of-a", "of-b"],
    );
    assert.equal(requests.length, 2);
  });
}

for (const [status, code] of [
  [400, "INVALID_BODY"],
  [403, "FORBIDDEN"],
  [404, "ROUTE_NOT_FOUND"],
  [413, "MESSAGE_TOO_LARGE"],
] as const) {
  test(`after a ${status} for a whole batch each message goes alone once, so that a bad one pauses only its group`, async (t) => {
    const { endpoint, requests, seen } = await serveGateway(
      t,
      (one, index) => (one.groupId === "bad" ? refused(status, code) : named(one, index)),
      { wholeBatch: () => refused(status, code) },
    );
    const client = openClient(endpoint, fastClock(100));
    const [a, bad, b] = await Promise.allSettled(["a", "bad", "b"].map((groupId) => client.send(groupId, {})));
    assert.equal(a?.status, "fulfilled");
    assert.equal(b?.status, "fulfilled");
    assert.ok(bad?.status === "rejected" && isSendError(bad.reason));
    assert.equal(bad.reason.code, code);
    assert.equal(bad.reason.status, status);
    assert.equal(bad.reason.outcome, "rejected");
    assert.equal(bad.reason.attempts, 2);
    assert.deepEqual(requests.map(({ url }) => url).toSorted(), [SINGLE, SINGLE, SINGLE, BATCH]);
    assert.equal(new Set(seen.map(({ deduplicationId }) => deduplicationId)).size, 3);
  });
}

test("going alone is for one request: what was taken alone shares requests again", async (t) => {
  let asked = 0;
  const { endpoint, requests } = await serveGateway(t, named, {
    wholeBatch: () => {
      asked += 1;
      return asked === 1 ? refused(400, "INVALID_BODY") : undefined;
    },
  });
  const client = openClient(endpoint, fastClock(100));
  await Promise.all(["a", "b"].map((groupId) => client.send(groupId, {})));
  await Promise.all(["a", "b"].map((groupId) => client.send(groupId, {})));
  assert.deepEqual(requests.at(-1)?.groupIds, ["a", "b"]);
  assert.equal(requests.length, 4);
});

const WHOLE: [string, Reply, string][] = [
  ["a used-up quota", refused(429, "QUOTA_EXCEEDED"), "QUOTA_EXCEEDED"],
  ["a redirect", { status: 307, headers: { location: "/elsewhere" } }, "REDIRECTED"],
];
for (const [name, reply, code] of WHOLE) {
  test(`${name} is each message's end, none goes alone`, async (t) => {
    const { endpoint, requests } = await serveGateway(t, named, { wholeBatch: () => reply });
    const client = openClient(endpoint, fastClock(100));
    for (const error of await sendErrors(["a", "b"].map((groupId) => client.send(groupId, {})))) {
      assert.equal(error.code, code);
      assert.equal(error.outcome, "rejected");
      assert.equal(error.attempts, 1);
    }
    assert.equal(requests.length, 1);
    assert.equal(client.pausedGroups().length, 2);
  });
}

const TEMPORARY: [string, Reply][] = [
  ["a 429", refused(429, "THROTTLED", { "retry-after": "7" })],
  ["a 500", refused(500, "GATEWAY_ERROR")],
  ["a 503", refused(503, "GATEWAY_UNAVAILABLE")],
  ["a 504", refused(504, "QUEUE_TIMEOUT")],
  ["a 408", refused(408, "x")],
  ["a reset connection", "reset"],
];
for (const [name, reply] of TEMPORARY) {
  test(`after ${name} the same messages share the next request, with the same deduplication ids`, async (t) => {
    let asked = 0;
    const { endpoint, requests } = await serveGateway(t, named, {
      wholeBatch: () => {
        asked += 1;
        return asked < 3 ? reply : undefined;
      },
    });
    const clock = fastClock(100);
    const client = openClient(endpoint, clock);
    await Promise.all(["a", "b", "c"].map((groupId) => client.send(groupId, {})));
    assert.equal(requests.length, 3);
    assert.equal(new Set(requests.map(({ text }) => text)).size, 1);
    if (name === "a 429") assert.ok(clock.waits.filter((wait) => wait === 7000).length === 2, String(clock.waits));
  });
}

const FINAL: [number, string][] = [
  [400, "INVALID_BODY"],
  [400, "MESSAGE_REFUSED"],
  [400, "INVALID_PARAMETER"],
  [429, "THROTTLED"],
  [502, "QUEUE_ERROR"],
];
for (const [status, code] of FINAL) {
  test(`${code} is the same error in a batch as alone`, async (t) => {
    const { endpoint } = await serveGateway(t, (one, index) =>
      one.groupId.startsWith("bad") ? refused(status, code) : named(one, index),
    );
    const options = { retryBudgetMilliseconds: 20_000 };
    const client = openClient(endpoint, fastClock(20), options);
    const other = openClient(endpoint, fastClock(20), options);
    const shared = [client.send("a", {}), client.send("bad-2", {})];
    const [[alone], [, together]] = await Promise.all([
      sendErrors([other.send("bad-1", {})]),
      Promise.allSettled(shared),
    ]);
    assert.ok(alone && together?.status === "rejected" && isSendError(together.reason));
    const { reason } = together;
    assert.deepEqual(
      [reason.code, reason.status, reason.outcome, reason.gatewayMessage],
      [alone.code, alone.status, alone.outcome, alone.gatewayMessage],
    );
  });
}

test("with maxBatchSize 1 the batch route is never used", async (t) => {
  const { endpoint, requests } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1), { maxBatchSize: 1 });
  await Promise.all(Array.from({ length: 20 }, (_, n) => client.send(`g-${n}`, {})));
  assert.deepEqual(new Set(requests.map(({ url }) => url)), new Set([SINGLE]));
  assert.equal(requests.length, 20);
});

test("maxBatchSize bounds every request", async (t) => {
  const { endpoint, requests } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1), { maxBatchSize: 3 });
  await Promise.all(Array.from({ length: 7 }, (_, n) => client.send(`g-${n}`, {})));
  assert.deepEqual(
    requests.map(({ groupIds }) => groupIds.length),
    [3, 3, 1],
  );
});

for (const maxBatchSize of [0, 11, 1.5, Number.NaN]) {
  test(`refuses ${maxBatchSize} as maxBatchSize`, () => {
    assert.throws(() => openClient("http://127.0.0.1:9", fastClock(1), { maxBatchSize }), {
      code: "INVALID_OPTION",
      message: /maxBatchSize/,
    });
  });
}

test("a group's next message goes out when its own request has ended, not when all have", async (t) => {
  const { arrive, arrived, letGo } = gate();
  const { endpoint, seen } = await serveGateway(t, async (one, index) => {
    if (one.groupId === "slow") await arrive();
    return named(one, index);
  });
  const client = openClient(endpoint, fastClock(1));
  const slow = client.send("slow", {});
  await arrived();
  await client.send("quick", { n: 1 });
  await client.send("quick", { n: 2 });
  assert.equal(seen.length, 3);
  await letGo();
  await slow;
});

test("sendMany resolves to the results in the order of its messages, whatever their groups", async (t) => {
  const { endpoint, seen, requests } = await serveGateway(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(1));
  const results = await client.sendMany(
    ["a", "b", "a", "c", "b", "a"].map((groupId, n) => ({ groupId, payload: { n }, deduplicationId: `id-${n}` })),
  );
  assert.deepEqual(
    results.map(({ deduplicationId }) => deduplicationId),
    ["id-0", "id-1", "id-2", "id-3", "id-4", "id-5"],
  );
  assert.deepEqual(
    requests.map(({ groupIds }) => groupIds),
    [["a", "b", "c"], ["a", "b"], ["a"]],
  );
  assert.deepEqual(
    seen.filter(({ groupId }) => groupId === "a").map(({ body }) => body["n"]),
    [0, 2, 5],
  );
});

test("sendMany of nothing resolves to nothing", async (t) => {
  const { endpoint, requests } = await serveGateway(t, named);
  assert.deepEqual(await openClient(endpoint, fastClock(1)).sendMany([]), []);
  assert.equal(requests.length, 0);
});

test("sendMany rejects with every failure in the order of its messages, once all have settled", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (one, index) =>
    one.groupId === "bad" ? refused(400, "INVALID_BODY") : named(one, index),
  );
  const client = openClient(endpoint, fastClock(1));
  const sent = client.sendMany([
    { groupId: "bad", payload: { n: 0 } },
    { groupId: "a", payload: { n: 1n } },
    { groupId: "a", payload: { n: 2 } },
    { groupId: "bad", payload: { n: 3 } },
    { groupId: "no group", payload: { n: 4 } },
    { groupId: "a", payload: { n: 5 } },
  ]);
  await assert.rejects(sent, (error) => {
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(
      error.errors.map((one) => isFifoClientError(one) && one.code),
      ["INVALID_BODY", "INVALID_PAYLOAD", "GROUP_PAUSED", "INVALID_GROUP_ID"],
    );
    return true;
  });
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [0, 2, 5],
  );
  assert.equal(client.activeGroups, 1);
});

test("sendMany stands behind earlier sends of its groups and before later ones", async (t) => {
  const { endpoint, seen } = await serveGateway(t, named);
  const client = openClient(endpoint, fastClock(1));
  const before = client.send("a", { n: 1 });
  const many = client.sendMany([2, 3].map((n) => ({ groupId: "a", payload: { n } })));
  const after = client.send("a", { n: 4 });
  await Promise.all([before, many, after]);
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [1, 2, 3, 4],
  );
});
