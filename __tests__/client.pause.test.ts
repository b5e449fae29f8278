import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { isGroupPausedError, isSendError } from "../sdk/client/src/index.ts";
import { accepted, fastClock, openClient, refused, serveGateway, steppedClock } from "./helpers/client-gateway.ts";

const GATEWAY_LIMIT = 30_000;

/** On a clock that stands still, a wait that should not be never ends: the test does, in milliseconds of the real one. */
const STEPPED = { timeout: 20_000 };

/** Requests begin after the calls of a tick. */
const tick = () => new Promise((done) => setImmediate(done));

function order(seen: readonly { body: Record<string, unknown> }[]): unknown[] {
  return seen.map((one) => one.body["n"]);
}

test("a refused message pauses its group and fails what is queued behind it, unsent", async (t) => {
  const { endpoint, seen } = await serveGateway(t, ({ body }, index) =>
    body["n"] === 2 ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(100));
  const [one, two, three] = await Promise.allSettled([1, 2, 3].map((n) => client.send("10", { n })));
  assert.equal(one?.status, "fulfilled");
  assert.ok(two?.status === "rejected" && isSendError(two.reason));
  assert.ok(three?.status === "rejected" && isGroupPausedError(three.reason));
  assert.equal(three.reason.groupId, "10");
  assert.equal(three.reason.cause, two.reason);
  assert.equal(three.reason.outcome, "unsent");
  await assert.rejects(client.send("10", { n: 4 }), { code: "GROUP_PAUSED" });
  assert.deepEqual(order(seen), [1, 2]);
  assert.deepEqual(client.pausedGroups(), [{ groupId: "10", cause: two.reason }]);
});

test("other groups go on while one is paused", async (t) => {
  const { endpoint } = await serveGateway(t, ({ groupId }, index) =>
    groupId === "bad" ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(100));
  await assert.rejects(client.send("bad", {}));
  await client.send("good", {});
  assert.deepEqual(
    client.pausedGroups().map((group) => group.groupId),
    ["bad"],
  );
});

test("what is refused locally fails that call only", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(100));
  const results = await Promise.allSettled([
    client.send("10", { n: 1 }),
    client.send("10", { n: 2n }),
    client.send("10", { n: 3 }),
  ]);
  assert.deepEqual(
    results.map((result) => result.status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.deepEqual(order(seen), [1, 3]);
  assert.deepEqual(client.pausedGroups(), []);
});

test("replay sends the failed message first, with its own deduplication id", async (t) => {
  let broken = true;
  const { endpoint, seen } = await serveGateway(t, (_, index) =>
    broken ? refused(403, "FORBIDDEN") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(100));
  await assert.rejects(client.send("10", { n: 1 }));
  broken = false;
  const replayed = client.resume("10", "replay");
  const next = client.send("10", { n: 2 });
  assert.equal((await replayed).deduplicationId, seen[0]?.deduplicationId);
  await next;
  assert.deepEqual(order(seen), [1, 1, 2]);
  assert.equal(seen[1]?.deduplicationId, seen[0]?.deduplicationId);
  assert.equal(client.activeGroups, 0);
});

test("a replay that fails pauses the group again and counts all attempts", async (t) => {
  const { endpoint } = await serveGateway(t, () => refused(403, "FORBIDDEN"));
  const client = openClient(endpoint, fastClock(100));
  await assert.rejects(client.send("10", { n: 1 }));
  const replayed = client.resume("10", "replay");
  const next = client.send("10", { n: 2 });
  await assert.rejects(replayed, { code: "FORBIDDEN", attempts: 2 });
  await assert.rejects(next, { code: "GROUP_PAUSED" });
  assert.equal(client.pausedGroups()[0]?.cause.attempts, 2);
});

test("skip gives a refused message up and goes on at once", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) =>
    index === 0 ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const clock = fastClock(100);
  const client = openClient(endpoint, clock, { attemptTimeoutMilliseconds: 200_000 });
  await assert.rejects(client.send("10", { n: 1 }));
  await client.resume("10", "skip");
  assert.equal(client.activeGroups, 0);
  await client.send("10", { n: 2 });
  assert.deepEqual(order(seen), [1, 2]);
  assert.deepEqual(clock.waits, [200_000, 200_000]);
});

test('after outcome "unknown", skip holds the group for 30 s and no other', STEPPED, async (t) => {
  const { endpoint, seen } = await serveGateway(t, ({ body }, index) => (body["n"] === 1 ? "hang" : accepted(index)));
  const clock = steppedClock();
  const client = openClient(endpoint, clock, { retryBudgetMilliseconds: 20_000 });
  const first = client.send("10", { n: 1 });
  await tick();
  clock.advance(20_000);
  await assert.rejects(first, { code: "TIMEOUT", outcome: "unknown" });
  clock.waits.length = 0;
  await client.resume("10", "skip");
  const held = client.send("10", { n: 2 });
  await tick();
  clock.advance(GATEWAY_LIMIT - 1);
  await tick();
  assert.deepEqual(clock.waits, [GATEWAY_LIMIT]);
  await client.send("11", { n: 3 });
  assert.equal(client.activeGroups, 1);
  clock.advance(1);
  await held;
  assert.deepEqual(
    order(seen).filter((n) => n !== 1),
    [3, 2],
  );
  assert.equal(client.activeGroups, 0);
});

test('after outcome "unknown", the same message may be replayed at once', STEPPED, async (t) => {
  let broken = true;
  const { endpoint, seen } = await serveGateway(t, (_, index) => (broken ? "hang" : accepted(index)));
  const clock = steppedClock();
  const client = openClient(endpoint, clock, { retryBudgetMilliseconds: 20_000 });
  const first = client.send("10", { n: 1 });
  await tick();
  clock.advance(20_000);
  await assert.rejects(first, { outcome: "unknown" });
  const [group] = client.pausedGroups();
  broken = false;
  // The clock stands still: what had to wait would wait for ever.
  const { deduplicationId } = await client.resume("10", "replay");
  assert.equal(deduplicationId, group?.cause.deduplicationId);
  assert.equal(seen.at(-1)?.deduplicationId, deduplicationId);
});

test("resume refuses a group that is not paused and a way that it does not know", async (t) => {
  const { endpoint } = await serveGateway(t, () => refused(400, "INVALID_BODY"));
  const client = openClient(endpoint, fastClock(100));
  await assert.rejects(client.resume("10", "skip"), { code: "GROUP_NOT_PAUSED" });
  await assert.rejects(client.send("10", {}));
  // @ts-expect-error only "replay" and "skip" exist
  await assert.rejects(client.resume("10", "retry"), { code: "INVALID_OPTION" });
  assert.equal(client.pausedGroups().length, 1);
});

test('with onFailure "continue" the next message follows, after an unknown outcome 30 s later', STEPPED, async (t) => {
  const { endpoint, seen } = await serveGateway(t, ({ body }, index) => {
    if (body["n"] === 1) return refused(400, "INVALID_BODY");
    return body["n"] === 2 ? "hang" : accepted(index);
  });
  const clock = steppedClock();
  const client = openClient(endpoint, clock, { onFailure: "continue", retryBudgetMilliseconds: 20_000 });
  const [one, two, three] = [1, 2, 3].map((n) => client.send("10", { n }));
  await assert.rejects(one ?? Promise.resolve(), { outcome: "rejected" });
  await tick();
  clock.advance(20_000);
  await assert.rejects(two ?? Promise.resolve(), { outcome: "unknown" });
  clock.advance(GATEWAY_LIMIT - 1);
  // An attempt would have asked for its timeout by now.
  assert.equal(clock.waits.at(-1), GATEWAY_LIMIT);
  clock.advance(1);
  await three;
  assert.equal(order(seen).at(-1), 3);
  assert.deepEqual(client.pausedGroups(), []);
});

test("resumeAll replays every paused group, each ahead of what is sent from then on", async (t) => {
  let broken = true;
  const { endpoint, seen } = await serveGateway(t, (_, index) =>
    broken ? refused(403, "FORBIDDEN") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(100));
  const groups = ["a", "b", "c"];
  await Promise.allSettled(groups.map((groupId) => client.send(groupId, { n: 1 })));
  const ids = new Set(seen.map(({ deduplicationId }) => deduplicationId));
  assert.equal(client.pausedGroups().length, 3);
  broken = false;
  seen.length = 0;
  const resumed = client.resumeAll("replay");
  assert.deepEqual(client.pausedGroups(), []);
  await Promise.all(groups.map((groupId) => client.send(groupId, { n: 2 })));
  await resumed;
  for (const groupId of groups) {
    assert.deepEqual(order(seen.filter((one) => one.groupId === groupId)), [1, 2]);
  }
  assert.deepEqual(new Set(seen.slice(0, 3).map(({ deduplicationId }) => deduplicationId)), ids);
});

test("the replays of resumeAll share requests", async (t) => {
  let broken = true;
  const { endpoint, requests } = await serveGateway(t, (_, index) =>
    broken ? refused(400, "MESSAGE_REFUSED") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(100));
  await Promise.allSettled(["a", "b", "c"].map((groupId) => client.send(groupId, {})));
  broken = false;
  await client.resumeAll("replay");
  assert.deepEqual(requests.at(-1)?.groupIds, ["a", "b", "c"]);
});

test('resumeAll("skip") gives all failed messages up, and no other', async (t) => {
  const { endpoint, seen } = await serveGateway(t, ({ body }, index) =>
    body["n"] === 1 ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(100));
  await Promise.allSettled(["a", "b"].map((groupId) => client.send(groupId, { n: 1 })));
  await client.resumeAll("skip");
  assert.equal(client.activeGroups, 0);
  await Promise.all(["a", "b"].map((groupId) => client.send(groupId, { n: 2 })));
  assert.deepEqual(order(seen).toSorted(), [1, 1, 2, 2]);
});

test("resumeAll rejects with every failure once all have settled; what failed is paused again, the rest goes on", async (t) => {
  let broken = true;
  const { endpoint } = await serveGateway(t, ({ groupId }, index) =>
    broken || groupId !== "good" ? refused(400, groupId === "b" ? "MESSAGE_REFUSED" : "INVALID_BODY") : accepted(index),
  );
  const client = openClient(endpoint, fastClock(100));
  await Promise.allSettled(["a", "good", "b"].map((groupId) => client.send(groupId, {})));
  broken = false;
  await assert.rejects(client.resumeAll("replay"), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(
      error.errors,
      client.pausedGroups().map(({ cause }) => cause),
    );
    assert.deepEqual(
      error.errors.map((one) => isSendError(one) && [one.groupId, one.code, one.attempts]),
      [
        ["a", "INVALID_BODY", 2],
        ["b", "MESSAGE_REFUSED", 2],
      ],
    );
    return true;
  });
  await client.send("good", {});
});

test("resumeAll of nothing resolves, and a way that it does not know changes nothing", async (t) => {
  const { endpoint } = await serveGateway(t, () => refused(400, "INVALID_BODY"));
  const client = openClient(endpoint, fastClock(100));
  await client.resumeAll("replay");
  await client.resumeAll("skip");
  await assert.rejects(client.send("10", {}));
  // @ts-expect-error only "replay" and "skip" exist
  await assert.rejects(client.resumeAll("again"), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.equal(error.errors[0].code, "INVALID_OPTION");
    return true;
  });
  assert.equal(client.pausedGroups().length, 1);
});

test(
  'resumeAll("skip") holds each group for 30 s after its own last attempt, where the outcome is unknown',
  STEPPED,
  async (t) => {
    const { endpoint, seen } = await serveGateway(t, ({ groupId, body }, index) => {
      if (body["n"] === 1) return groupId === "refused" ? refused(400, "INVALID_BODY") : "hang";
      return accepted(index);
    });
    const clock = steppedClock();
    const client = openClient(endpoint, clock, { retryBudgetMilliseconds: 20_000, maxBatchSize: 1 });
    const early = client.send("early", { n: 1 });
    await tick();
    clock.advance(10_000);
    const late = client.send("late", { n: 1 });
    const clear = client.send("refused", { n: 1 });
    await assert.rejects(clear, { outcome: "rejected" });
    clock.advance(10_000);
    await assert.rejects(early, { outcome: "unknown" });
    clock.advance(10_000);
    await assert.rejects(late, { outcome: "unknown" });
    await client.resumeAll("skip");
    const sent = (groupId: string) => seen.some((one) => one.groupId === groupId && one.body["n"] === 2);
    const next = ["early", "late"].map((groupId) => client.send(groupId, { n: 2 }));
    await client.send("refused", { n: 2 });
    clock.advance(GATEWAY_LIMIT - 10_001);
    await client.send("other", {});
    assert.deepEqual([sent("early"), sent("late")], [false, false]);
    clock.advance(1);
    await next[0];
    assert.equal(sent("late"), false);
    clock.advance(10_000);
    await next[1];
  },
);

test("sends that nobody awaits never become an unhandled rejection", async (t) => {
  const { endpoint } = await serveGateway(t, () => refused(400, "INVALID_BODY"));
  const source = `
    import { createFifoClient } from ${JSON.stringify(new URL("../sdk/client/src/index.ts", import.meta.url).href)};
    const client = createFifoClient({ endpoint: ${JSON.stringify(endpoint)}, apiKey: "k", queue: "queue-1" });
    client.send("10", { n: 1 });
    client.send("10", { n: 2 });
    client.send("not a group id", {});
    client.resume("nobody", "skip");
    while (client.pausedGroups().length === 0) await new Promise((done) => setTimeout(done, 10));
    client.send("10", { n: 3 });
    client.resume("10", "replay");
  `;
  const child = spawn(process.execPath, [
    "--input-type=module-typescript",
    "--unhandled-rejections=strict",
    "-e",
    source,
  ]);
  const errors: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  const [code] = await once(child, "close");
  assert.equal(code, 0, Buffer.concat(errors).toString());
});

test("a group at rest costs nothing", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(1));
  const sends = Array.from({ length: 500 }, (_, n) => client.send(`group-${n}`, { n }));
  assert.equal(client.activeGroups, 500);
  await Promise.all(sends);
  assert.equal(client.activeGroups, 0);
  assert.equal(seen.length, 500);
});
