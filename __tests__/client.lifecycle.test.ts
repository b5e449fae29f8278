import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import type { Clock } from "../sdk/client/src/clock.ts";
import { type FifoClientOptions, isFifoClientError, type StandardSchema } from "../sdk/client/src/index.ts";
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

const turn = () => new Promise((done) => setImmediate(done));

/** Whether a promise has settled, a few turns of the event loop later. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const end = () => {
    done = true;
  };
  promise.then(end, end);
  for (let left = 5; left > 0; left -= 1) await turn();
  return done;
}

async function codesOf(promise: Promise<unknown>): Promise<unknown[]> {
  const error: unknown = await promise.then(
    () => assert.fail("it resolved"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AggregateError, String(error));
  return error.errors.map((one) => isFifoClientError(one) && one.code);
}

/** A client that is ended with its test, so that no retry goes on after it. */
function open(t: TestContext, endpoint: string, clock: Clock, options: Partial<FifoClientOptions> = {}) {
  const client = openClient(endpoint, clock, options);
  t.after(() => client.close({ timeout: 0 }));
  return client;
}

/** Refuses group "bad", never answers group "hang", accepts the rest. */
const byGroup = ({ groupId }: Seen, index: number): Reply =>
  groupId === "bad" ? refused(400, "INVALID_BODY") : groupId === "hang" ? "hang" : accepted(index);

/** Runs a program that knows `createFifoClient` and `endpoint`; rejections that nobody handles end it. */
async function run(endpoint: string, program: string): Promise<string> {
  const source = `
    import { createFifoClient } from ${JSON.stringify(new URL("../sdk/client/src/index.ts", import.meta.url).href)};
    const options = { endpoint: ${JSON.stringify(endpoint)}, apiKey: "k", queue: "queue-1" };
    ${program}
  `;
  const flags = ["--input-type=module-typescript", "--unhandled-rejections=strict", "-e", source];
  // One that does not end by itself is ended, and then has no exit code.
  const child = spawn(process.execPath, flags, { timeout: 15_000 });
  let errors = "";
  let output = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, "close");
  assert.equal(code, 0, errors);
  return output;
}

// flush

test("flush of nothing resolves", async () => {
  await openClient("http://127.0.0.1:9", fastClock(1)).flush();
});

test("flush waits for all that is kept, and for nothing that is sent later", async (t) => {
  const { endpoint } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1));
  let taken = 0;
  for (const groupId of ["a", "a", "b"]) {
    void client.send(groupId, {}).then(() => (taken += 1));
  }
  const flushed = client.flush();
  await turn();
  client.send("hang", {});
  await flushed;
  assert.equal(taken, 3);
});

test("flush rejects with all that failed meanwhile, in the order of the calls, once everything has settled", async (t) => {
  const { endpoint, seen } = await serveGateway(t, async (one, index) => {
    if (one.groupId === "late") await turn();
    return byGroup(one, index);
  });
  const client = open(t, endpoint, fastClock(1));
  for (const groupId of ["late", "bad", "late", "bad"]) client.send(groupId, {});
  client.send("late", { a: 1n });
  assert.deepEqual(await codesOf(client.flush()), ["INVALID_BODY", "GROUP_PAUSED"]);
  assert.equal(seen.filter(({ groupId }) => groupId === "late").length, 2);
});

test("flush rejects with the causes of groups that were paused before, until they are resumed", async (t) => {
  const { endpoint } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1));
  await assert.rejects(client.send("bad", {}));
  await client.send("good", {});
  await assert.rejects(client.flush(), (error) => {
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(error.errors, [client.pausedGroups()[0]?.cause]);
    return true;
  });
  await client.resume("bad", "skip");
  await client.flush();
});

test("flush waits for a replay", async (t) => {
  let broken = true;
  const { endpoint } = await serveGateway(t, (_, index) => (broken ? refused(403, "FORBIDDEN") : accepted(index)));
  const client = open(t, endpoint, fastClock(1));
  await assert.rejects(client.send("10", {}));
  broken = false;
  client.resume("10", "replay");
  await client.flush();
  assert.equal(client.activeGroups, 0);
});

test("several flushes at once all end", async (t) => {
  const { endpoint } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1));
  client.send("a", {});
  const first = client.flush();
  client.send("bad", {});
  const others = [client.flush(), client.flush()];
  await first;
  for (const one of others) assert.deepEqual(await codesOf(one), ["INVALID_BODY"]);
});

// close

test("close of an idle client resolves to nothing, without a wait", STEPPED, async () => {
  assert.deepEqual(await openClient("http://127.0.0.1:9", steppedClock()).close(), []);
});

test("close lets everything end that is on its way, retries included", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) =>
    index < 2 ? refused(503, "GATEWAY_UNAVAILABLE") : accepted(index),
  );
  const client = open(t, endpoint, fastClock(10));
  const sends = ["a", "b", "a", "a"].map((groupId, n) => client.send(groupId, { n }));
  assert.deepEqual(await client.close(), []);
  await Promise.all(sends);
  assert.equal(seen.length, 6);
});

test("close with timeout 0 returns what was not sent, in the order of the calls, with all that a restart needs", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1));
  const payloads = [
    { groupId: "hang", payload: { n: 1, 1: "one", nested: { MessageGroupID: "x" } } },
    { groupId: "a", payload: { n: 2 } },
    { groupId: "hang", payload: JSON.parse('{"__proto__":1,"text":"\\ufffe é"}') },
    { groupId: "bad", payload: { n: 4 } },
    { groupId: "hang", payload: {} },
  ];
  const sends = payloads.map(({ groupId, payload }, at) =>
    client.send(groupId, payload, { deduplicationId: `id-${at}` }),
  );
  await until(() => seen.length === 3);
  // Only so that all that is answered has been read.
  const fourth = openClient(endpoint, fastClock(1)).send("a", {});
  await fourth;
  // One request for the three groups, so none of them has its answer.
  const unsent = await client.close({ timeout: 0 });
  assert.deepEqual(
    unsent.map(({ groupId, deduplicationId, outcome }) => [groupId, deduplicationId, outcome]),
    [
      ["hang", "id-0", "unknown"],
      ["a", "id-1", "unknown"],
      ["hang", "id-2", "unsent"],
      ["bad", "id-3", "unknown"],
      ["hang", "id-4", "unsent"],
    ],
  );
  assert.deepEqual(
    unsent.map(({ payload }) => JSON.stringify(payload)),
    payloads.map(({ payload }) => JSON.stringify(payload)),
  );
  for (const result of await Promise.allSettled(sends)) assert.equal(result.status, "rejected");
});

test("what close returns goes to a new client with its own ids, and the queue can tell what it knows already", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => (index === 0 ? "hang" : accepted(index)));
  const first = open(t, endpoint, fastClock(1));
  for (const n of [1, 2, 3]) first.send("10", { n });
  await until(() => seen.length === 1);
  const unsent = await first.close({ timeout: 0 });
  const second = open(t, endpoint, fastClock(1));
  await second.sendMany(unsent.map((one) => ({ ...one, payload: one.payload as Record<string, unknown> })));
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [1, 1, 2, 3],
  );
  assert.equal(seen[1]?.deduplicationId, seen[0]?.deduplicationId);
  assert.equal(seen[1]?.text, seen[0]?.text);
});

test("what close cuts off fails with ABORTED, unsent when no request was made for it", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1), { concurrency: 1, maxBatchSize: 1 });
  const flying = client.send("hang", {});
  const waiting = client.send("a", {});
  await until(() => seen.length === 1);
  await client.close({ timeout: 0 });
  await assert.rejects(flying, { name: "SendError", code: "ABORTED", outcome: "unknown", attempts: 1 });
  await assert.rejects(waiting, { name: "FifoClientError", code: "ABORTED", outcome: "unsent", attempts: 0 });
});

test("close waits 30 s when nothing else is said", STEPPED, async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  const clock = steppedClock();
  const client = open(t, endpoint, clock);
  client.send("hang", {});
  await until(() => seen.length === 1);
  const closed = client.close();
  clock.advance(29_999);
  assert.equal(await settled(closed), false);
  clock.advance(1);
  assert.equal((await closed).length, 1);
});

for (const [name, reply, outcome] of [
  ["a clear refusal", refused(429, "THROTTLED", { "retry-after": "100" }), "rejected"],
  ["no clear answer", refused(503, "GATEWAY_UNAVAILABLE", { "retry-after": "100" }), "unknown"],
] as const) {
  test(
    `close that times out while a retry waits after ${name} returns its message as "${outcome}"`,
    STEPPED,
    async (t) => {
      const { endpoint, seen } = await serveGateway(t, () => reply);
      const clock = steppedClock();
      let retries = 0;
      const client = open(t, endpoint, clock, { onRetry: () => void (retries += 1) });
      const sent = client.send("10", { n: 1 });
      client.send("10", { n: 2 });
      await until(() => retries === 1);
      const closed = client.close({ timeout: 10_000 });
      clock.advance(10_000);
      assert.deepEqual(
        (await closed).map(({ payload, outcome: its }) => [payload, its]),
        [
          [{ n: 1 }, outcome],
          [{ n: 2 }, "unsent"],
        ],
      );
      await assert.rejects(sent, { code: "ABORTED", outcome });
      clock.advance(1_000_000);
      await turn();
      assert.equal(seen.length, 1);
    },
  );
}

test("close returns the failed message of a paused group, and not what had failed behind it", async (t) => {
  const { endpoint } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1));
  await Promise.allSettled([1, 2].map((n) => client.send("bad", { n })));
  await client.send("good", {});
  assert.deepEqual(
    (await client.close()).map(({ payload, outcome }) => [payload, outcome]),
    [[{ n: 1 }, "rejected"]],
  );
});

test("close returns what fails while it waits, and all behind it", async (t) => {
  const { endpoint } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1));
  for (const [n, groupId] of ["bad", "good", "bad"].entries()) client.send(groupId, { n });
  assert.deepEqual(
    (await client.close()).map(({ payload, outcome }) => [payload, outcome]),
    [
      [{ n: 0 }, "rejected"],
      [{ n: 2 }, "unsent"],
    ],
  );
});

test("close returns the payload of a message that its schema still looks at", async () => {
  const schema: StandardSchema = {
    "~standard": { version: 1, vendor: "test", validate: () => new Promise<never>(() => undefined) },
  };
  const client = openClient("http://127.0.0.1:9", fastClock(1), { schema });
  const sent = client.send("10", { n: 1 });
  const unsent = await client.close({ timeout: 0 });
  await assert.rejects(sent, { code: "ABORTED", outcome: "unsent" });
  assert.deepEqual(
    unsent.map(({ payload, outcome }) => [payload, outcome]),
    [[{ n: 1 }, "unsent"]],
  );
});

test("close twice at once: both end, and each message is returned once", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1));
  client.send("hang", { n: 1 });
  client.send("hang", { n: 2 });
  await until(() => seen.length === 1);
  const patient = client.close();
  const hasty = client.close({ timeout: 0 });
  const returned = [...(await patient), ...(await hasty)];
  assert.deepEqual(
    returned.map(({ payload }) => payload),
    [{ n: 1 }, { n: 2 }],
  );
  assert.deepEqual(await client.close(), []);
});

test("after close everything that would send is refused with CLOSED", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1));
  await assert.rejects(client.send("bad", {}));
  const closed = client.close();
  const refusals = () => [
    client.send("10", {}),
    client.resume("bad", "replay"),
    client.resume("bad", "skip"),
    client.ready(),
  ];
  for (const one of refusals()) await assert.rejects(one, { name: "FifoClientError", code: "CLOSED" });
  await closed;
  for (const one of refusals()) await assert.rejects(one, { code: "CLOSED" });
  assert.deepEqual(await codesOf(client.sendMany([{ groupId: "10", payload: {} }])), ["CLOSED"]);
  assert.deepEqual(await codesOf(client.resumeAll("replay")), ["CLOSED"]);
  assert.equal(seen.length, 1);
});

test("a timeout that no timer can hold does not cut off what is on its way", async (t) => {
  const { endpoint } = await serveGateway(t, async (one, index) => {
    await new Promise((done) => setTimeout(done, 50));
    return byGroup(one, index);
  });
  const client = open(t, endpoint, fastClock(1));
  const sent = client.send("10", {});
  await Promise.allSettled([client.close({ timeout: Number.POSITIVE_INFINITY })]);
  await sent;
});

test("close ends a skip's 30 s and a retry's wait: the process can end", STEPPED, async (t) => {
  const { endpoint } = await serveGateway(t, ({ groupId }) =>
    groupId === "hang" ? "hang" : refused(503, "GATEWAY_UNAVAILABLE", { "retry-after": "200" }),
  );
  const output = await run(
    endpoint,
    `
    let retries = 0;
    const client = createFifoClient({ ...options, maxBatchSize: 1, onRetry: () => { retries += 1; } });
    const controller = new AbortController();
    client.send("a", { n: 1 });
    client.send("a", { n: 2 });
    client.send("skipped", { n: 3 }, { signal: controller.signal });
    client.send("hang", { n: 4 });
    while (retries < 2) await new Promise((done) => setTimeout(done, 5));
    controller.abort();
    await client.resume("skipped", "skip");
    client.send("skipped", { n: 5 });
    console.log(JSON.stringify((await client.close({ timeout: 0 })).map(({ payload, outcome }) => [payload.n, outcome])));
  `,
  );
  assert.deepEqual(JSON.parse(output), [
    [1, "unknown"],
    [2, "unsent"],
    [4, "unknown"],
    [5, "unsent"],
  ]);
});

test('with onFailure "continue" too, the process can end after close', STEPPED, async (t) => {
  const { endpoint } = await serveGateway(t, () => "hang");
  const output = await run(
    endpoint,
    `
    let requests = 0;
    const client = createFifoClient({ ...options, onFailure: "continue", onRequest: () => { requests += 1; } });
    for (const n of [1, 2]) client.send("a", { n });
    while (requests === 0) await new Promise((done) => setTimeout(done, 5));
    console.log(JSON.stringify((await client.close({ timeout: 0 })).map(({ payload, outcome }) => [payload.n, outcome])));
  `,
  );
  assert.deepEqual(JSON.parse(output), [
    [1, "unknown"],
    [2, "unsent"],
  ]);
});

test("an aborted client signal lets the process end too", STEPPED, async (t) => {
  const { endpoint } = await serveGateway(t, () => refused(429, "THROTTLED", { "retry-after": "200" }));
  const output = await run(
    endpoint,
    `
    const controller = new AbortController();
    const client = createFifoClient({ ...options, signal: controller.signal, onRetry: () => controller.abort() });
    await client.send("a", {}).catch((error) => console.log(error.code, error.outcome));
  `,
  );
  assert.equal(output.trim(), "ABORTED rejected");
});

// await using

test("an await using block ends when all that was sent in it is in the queue", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  {
    await using client = openClient(endpoint, fastClock(1));
    for (const groupId of ["a", "b", "a"]) client.send(groupId, {});
  }
  assert.equal(seen.length, 3);
});

test("an await using block throws NOT_SENT when a message of it is not in the queue", async (t) => {
  const { endpoint } = await serveGateway(t, byGroup);
  const block = async () => {
    await using client = openClient(endpoint, fastClock(1));
    client.send("bad", { secret: "secret-payload" });
    client.send("bad", {});
  };
  await assert.rejects(block(), (error) => {
    assert.ok(isFifoClientError(error) && error.code === "NOT_SENT");
    assert.match(error.message, /close\(\)/);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
});

test("an await using block whose client was closed in it does not throw: close has returned what was left", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  let left = 0;
  {
    await using client = openClient(endpoint, fastClock(1));
    client.send("hang", {});
    await until(() => seen.length === 1);
    left = (await client.close({ timeout: 0 })).length;
  }
  assert.equal(left, 1);
});

test("an await using block waits for a close() in it that nobody awaited", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  {
    await using client = openClient(endpoint, fastClock(1));
    for (const n of [1, 2, 3]) client.send("a", { n });
    void client.close();
  }
  assert.equal(seen.length, 3);
});

// maxPending and ready

test("beyond maxPending a send fails alone, and there is room again when one has settled", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1), { maxPending: 2 });
  const [one, two] = [client.send("a", { n: 1 }), client.send("a", { n: 2 })];
  const beyond = [client.send("a", { n: 3 }), client.send("b", { n: 4 })];
  for (const promise of beyond) {
    await assert.rejects(promise, { name: "FifoClientError", code: "TOO_MANY_PENDING", outcome: "unsent" });
  }
  await Promise.all([one, two]);
  await client.send("a", { n: 5 });
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [1, 2, 5],
  );
});

test("a message that its schema still looks at takes room, one that it has refused does not", async (t) => {
  const { endpoint } = await serveGateway(t, byGroup);
  const pending: (() => void)[] = [];
  const schema: StandardSchema = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: () => new Promise((done) => pending.push(() => done({ issues: [{ message: "no" }] }))),
    },
  };
  const client = open(t, endpoint, fastClock(1), { schema, maxPending: 1 });
  const first = client.send("a", {});
  await assert.rejects(client.send("b", {}), { code: "TOO_MANY_PENDING" });
  pending.shift()?.();
  await assert.rejects(first, { code: "INVALID_PAYLOAD" });
  await client.ready();
  assert.equal(client.activeGroups, 0);
});

test("the failed message of a paused group takes room, what failed behind it does not", async (t) => {
  const { endpoint } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1), { maxPending: 3 });
  await Promise.allSettled([1, 2, 3].map((n) => client.send("bad", { n })));
  const [one, two, three] = ["a", "a", "a"].map((groupId) => client.send(groupId, {}));
  await assert.rejects(three ?? Promise.resolve(), { code: "TOO_MANY_PENDING" });
  await Promise.all([one, two]);
});

for (const maxPending of [1, 3, 10]) {
  test(`ready() lets a hundred producers through side by side, at most ${maxPending} at a time`, async (t) => {
    const { endpoint, seen } = await serveGateway(t, byGroup);
    const client = open(t, endpoint, fastClock(1), { maxPending });
    let pending = 0;
    let most = 0;
    const produce = async (_: unknown, n: number) => {
      await client.ready();
      pending += 1;
      most = Math.max(most, pending);
      await client.send(`g-${n % 7}`, { n });
      pending -= 1;
    };
    await Promise.all(Array.from({ length: 100 }, produce));
    assert.equal(seen.length, 100);
    assert.ok(most <= maxPending, String(most));
  });
}

test("ready() lets producers through in the order in which they came", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1), { maxPending: 2 });
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  await Promise.all(numbers.map((n) => client.ready().then(() => client.send("10", { n }))));
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    numbers,
  );
});

test("ready() waits while there is no room, and rejects when only resume can make some", STEPPED, async (t) => {
  let go: (() => void) | undefined;
  const { endpoint } = await serveGateway(t, async (one, index) => {
    await new Promise<void>((done) => (go = done));
    return byGroup(one, index);
  });
  const client = open(t, endpoint, fastClock(1), { maxPending: 1 });
  const sent = client.send("bad", {});
  const [first, second] = [client.ready(), client.ready()];
  assert.equal(await settled(first), false);
  await turn();
  await until(() => (go?.(), client.pausedGroups().length > 0));
  await assert.rejects(sent, { code: "INVALID_BODY" });
  for (const one of [first, second, client.ready()]) await assert.rejects(one, { code: "TOO_MANY_PENDING" });
  await client.resume("bad", "skip");
  await client.ready();
});

test("a ready() that waits is refused when the client is closed", async (t) => {
  const { endpoint, seen } = await serveGateway(t, byGroup);
  const client = open(t, endpoint, fastClock(1), { maxPending: 1 });
  client.send("hang", {});
  await until(() => seen.length === 1);
  const [first, second] = [client.ready(), client.ready()];
  assert.equal(await settled(first), false);
  const closed = client.close({ timeout: 0 });
  await assert.rejects(first, { code: "CLOSED" });
  await assert.rejects(second, { code: "CLOSED" });
  await closed;
});

for (const maxPending of [0, 1.5, 100_001]) {
  test(`refuses ${maxPending} as maxPending`, () => {
    assert.throws(() => openClient("http://127.0.0.1:9", fastClock(1), { maxPending }), {
      code: "INVALID_OPTION",
      message: /maxPending/,
    });
  });
}

test("promises of flush, close, ready, resume, resumeAll and sendMany may be ignored", STEPPED, async (t) => {
  const { endpoint } = await serveGateway(t, () => refused(400, "INVALID_BODY"));
  const output = await run(
    endpoint,
    `
    const client = createFifoClient({ ...options, maxPending: 1, onGroupPaused: async () => { throw new Error("hook"); } });
    const rest = () => new Promise((done) => setTimeout(done, 20));
    client.sendMany([{ groupId: "10", payload: {} }, { groupId: "11", payload: {} }]);
    client.flush();
    client.ready();
    while (client.pausedGroups().length === 0) await rest();
    client.flush();
    client.ready();
    client.resumeAll("again");
    client.resume("nobody", "skip");
    client.resumeAll("replay");
    client.ready();
    await rest();
    while (client.pausedGroups().length === 0) await rest();
    client.close();
    client.resumeAll("skip");
    client.sendMany([{ groupId: "12", payload: {} }]);
    client.ready();
    client.flush();
    client.close({ timeout: 0 });
    await rest();
    console.log("done");
  `,
  );
  assert.equal(output.trim(), "done");
});
