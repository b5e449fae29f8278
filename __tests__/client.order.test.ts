import assert from "node:assert/strict";
import { test } from "node:test";
import { accepted, fastClock, openClient, refused, serveGateway } from "./helpers/client-gateway.ts";

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
