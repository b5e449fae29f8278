import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isFifoClientError, isGroupPausedError, isSendError } from "../sdk/client/src/index.ts";
import {
  accepted,
  fastClock,
  openClient,
  type Reply,
  refused,
  type Seen,
  serveGateway,
  watchRequests,
} from "./helpers/client-gateway.ts";

/** Milliseconds of the clock of these tests in one real millisecond. */
const FACTOR = 200;

/**
 * What the server does with one attempt. `lost` takes the message and cuts the connection, `late` gives no answer and
 * takes it 20 s later, `odd` takes it and answers with something else.
 */
type Fate = "accept" | "slow" | "busy" | "broken" | "reset" | "lost" | "late" | "odd" | "refuse";

/** The fates of one message's attempts; the last one repeats, so that there are messages that never get through. */
const fates = fc.array(
  fc.constantFrom<Fate>("accept", "accept", "slow", "busy", "broken", "reset", "lost", "late", "odd", "refuse"),
  { minLength: 1, maxLength: 3 },
);

const plans = fc.record({
  /** The group of each message, in the order of the calls, in two waves. */
  first: fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 9 }),
  second: fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 6 }),
  fates: fc.array(fates, { minLength: 1, maxLength: 15 }),
  resume: fc.array(fc.constantFrom("replay" as const, "skip" as const), { minLength: 1, maxLength: 4 }),
  onFailure: fc.constantFrom("pause" as const, "continue" as const),
  concurrency: fc.integer({ min: 1, max: 4 }),
});

/** A queue that drops repeated deduplication ids, behind a gateway that follows the fates. */
function scriptedQueue(script: readonly (readonly Fate[])[]) {
  const attempts = new Map<string, number>();
  const taken = new Map<string, { groupId: string; n: number }>();
  let late = 0;
  const take = ({ deduplicationId, groupId, body }: Seen): Reply => {
    if (!taken.has(deduplicationId)) taken.set(deduplicationId, { groupId, n: Number(body["n"]) });
    return accepted([...taken.keys()].indexOf(deduplicationId) + 1);
  };
  async function answer(request: Seen, index: number): Promise<Reply> {
    const { deduplicationId, body } = request;
    const attempt = attempts.get(deduplicationId) ?? 0;
    attempts.set(deduplicationId, attempt + 1);
    const own = script[Number(body["n"]) % script.length] ?? [];
    const fate = own[Math.min(attempt, own.length - 1)] ?? "accept";
    if (fate === "late") {
      late += 1;
      setTimeout(() => {
        late -= 1;
        take(request);
      }, 20_000 / FACTOR);
      return "hang";
    }
    await new Promise((done) => setTimeout(done, fate === "slow" ? 8 : index % 3));
    if (fate === "busy") return refused(429, "THROTTLED");
    if (fate === "broken") return refused(503, "GATEWAY_UNAVAILABLE");
    if (fate === "refuse") return refused(400, "MESSAGE_REFUSED");
    if (fate === "reset") return "reset";
    const reply = take(request);
    if (fate === "lost") return "reset";
    return fate === "odd" ? { status: 200, body: "welcome" } : reply;
  }
  return { taken, answer, waitingToLand: () => late };
}

/** @param watchedRequests is told how many requests a run saw in flight */
const property = (watchedRequests: (count: number) => void) =>
  fc.asyncProperty(plans, async (plan) => {
    const cleanups: (() => Promise<void>)[] = [];
    const queue = scriptedQueue(plan.fates);
    const { endpoint } = await serveGateway(
      { after: (fn) => void cleanups.push(fn as () => Promise<void>) },
      (one, index) => queue.answer(one, index),
    );
    const groups = new Map<string, string>();
    using watched = watchRequests(endpoint, (id) => groups.get(id));
    try {
      const client = openClient(endpoint, fastClock(FACTOR), {
        onFailure: plan.onFailure,
        concurrency: plan.concurrency,
        maxBatchSize: 1,
        attemptTimeoutMilliseconds: 30 * FACTOR,
        retryBudgetMilliseconds: 60 * FACTOR,
      });
      const sent: { groupId: string; id: string; result: PromiseSettledResult<unknown> }[] = [];
      let n = 0;
      const wave = async (wanted: readonly string[]) => {
        const calls = wanted.map((groupId) => {
          n += 1;
          const id = `id-${n}`;
          groups.set(id, groupId);
          return { groupId, id, promise: client.send(groupId, { n }, { deduplicationId: id }) };
        });
        const results = await Promise.allSettled(calls.map((call) => call.promise));
        for (const [at, result] of results.entries()) {
          const call = calls[at];
          if (call) sent.push({ groupId: call.groupId, id: call.id, result });
        }
      };

      await wave(plan.first);
      const failures = new Map(client.pausedGroups().map(({ groupId, cause }) => [groupId, cause.deduplicationId]));
      const resumed = client
        .pausedGroups()
        .map(({ groupId }, at) =>
          plan.resume[at % plan.resume.length] === "skip"
            ? client.resume(groupId, "skip")
            : client.resume(groupId, "replay"),
        );
      await wave(plan.second);
      const replayed = await Promise.allSettled(resumed);
      while (queue.waitingToLand() > 0) await new Promise((done) => setTimeout(done, 10));

      watchedRequests(watched.count());
      assert.deepEqual(watched.overlaps, []);
      for (const groupId of ["a", "b", "c"]) {
        const order = [...queue.taken.values()].filter((one) => one.groupId === groupId).map((one) => one.n);
        assert.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
          `group ${groupId}`,
        );
      }
      const replays = new Set(
        replayed.flatMap((one) => (one.status === "fulfilled" && one.value ? [one.value.deduplicationId] : [])),
      );
      for (const { id, groupId, result } of sent) {
        if (result.status === "fulfilled") {
          assert.ok(queue.taken.has(id), `${id} was reported as accepted`);
          continue;
        }
        assert.ok(isFifoClientError(result.reason));
        if (isGroupPausedError(result.reason)) assert.ok(!queue.taken.has(id), `${id} was reported as unsent`);
        if (isSendError(result.reason) && result.reason.outcome === "rejected" && failures.get(groupId) !== id) {
          assert.ok(!queue.taken.has(id), `${id} was reported as rejected`);
        }
      }
      for (const id of replays) assert.ok(queue.taken.has(id), `${id} was reported as replayed`);
      if (plan.onFailure === "pause") {
        for (const groupId of ["a", "b", "c"]) {
          const settled = sent.slice(0, plan.first.length).filter((one) => one.groupId === groupId);
          const failed = settled.findIndex((one) => one.result.status === "rejected");
          const after = failed < 0 ? [] : settled.slice(failed + 1);
          assert.ok(after.every(({ result }) => result.status === "rejected" && isGroupPausedError(result.reason)));
        }
      }
    } finally {
      for (const cleanup of cleanups) await cleanup();
    }
  });

test("whatever the network and the gateway do, each group is accepted in the order of the calls, one request at a time", async () => {
  let runs = 0;
  let seen = 0;
  const plan = property((count) => {
    runs += 1;
    seen += count;
  });
  // Side by side, since a run is mostly waiting.
  const asserts = Array.from({ length: 4 }, () => fc.assert(plan, { numRuns: 15, endOnFailure: true }));
  for (const result of await Promise.allSettled(asserts)) if (result.status === "rejected") throw result.reason;
  // On a busy machine a run with one message can give up each attempt before it has a connection, and see none; not all can.
  assert.ok(seen > runs, `${seen} requests in ${runs} runs`);
});

test("groups run side by side up to the concurrency, one request of a group at a time", async (t) => {
  const waiting: (() => void)[] = [];
  const { endpoint, seen } = await serveGateway(t, async (_, index) => {
    await new Promise<void>((go) => waiting.push(go));
    return accepted(index);
  });
  const client = openClient(endpoint, fastClock(1), { concurrency: 3, maxBatchSize: 1 });
  const sends = ["a", "a", "b", "c", "d"].map((groupId, n) => client.send(groupId, { n }));
  // Answered oldest first, so the groups in flight are the last ones seen.
  for (const inFlight of [["a", "b", "c"], ["b", "c", "d"], ["c", "d", "a"], ["d", "a"], ["a"]]) {
    while (waiting.length < inFlight.length) await new Promise((done) => setTimeout(done, 1));
    assert.deepEqual(
      seen.slice(-waiting.length).map((one) => one.groupId),
      inFlight,
    );
    waiting.shift()?.();
  }
  await Promise.all(sends);
});

test("a group that waits for its retry leaves its slot to the others", async (t) => {
  const { endpoint, seen } = await serveGateway(t, ({ groupId }, index) =>
    groupId === "stuck" && index === 0 ? refused(503, "x", { "retry-after": "20" }) : accepted(index),
  );
  const client = openClient(endpoint, fastClock(100), { concurrency: 1 });
  await Promise.all([client.send("stuck", {}), client.send("free", {}), client.send("free", {})]);
  assert.deepEqual(
    seen.map((one) => one.groupId),
    ["stuck", "free", "free", "stuck"],
  );
});

test("a busy group does not keep the others waiting", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(1), { concurrency: 1 });
  await Promise.all(["busy", "busy", "busy", "other"].map((groupId) => client.send(groupId, {})));
  assert.deepEqual(
    seen.map((one) => one.groupId),
    ["busy", "other", "busy", "busy"],
  );
});
