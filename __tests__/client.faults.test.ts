import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { FifoClientOptions } from "../sdk/client/src/index.ts";
import { fastClock } from "./helpers/client-gateway.ts";
import { type Fault, PASS, type Proxied } from "./helpers/fault-proxy.ts";
import { type FaultWorld, openFaultWorld, type Queued, type Sent } from "./helpers/fault-world.ts";

/** The longest that a request can take to land after its attempt, in milliseconds of the client's clock. */
const GATEWAY_LIMIT = 30_000;

/** What waits for something that never comes, waits for ever: the test does not, in milliseconds of the real clock. */
const LIMIT = { timeout: 30_000 };

/** What another proxy on the way says when it is at a loss. */
const HTML = "<html><head><title>502 Bad Gateway</title></head></html>";
const html = (status: number, more: { taken?: boolean; headers?: Record<string, string> } = {}): Fault => ({
  kind: "answer",
  status,
  body: HTML,
  ...more,
  headers: { "content-type": "text/html", ...more.headers },
});

/** API Gateway's own answer of a usage plan that is used up. */
const throttled = (headers: Record<string, string> = {}): Fault => ({
  kind: "answer",
  status: 429,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify({ message: "no", code: "THROTTLED", requestId: "0f2d8c1e-3f59-4d4f-9a6b-1f7f6d1f2a3b" }),
});

/** Faults of the first requests, in their order; all later ones pass. */
const first =
  (...faults: readonly Fault[]) =>
  ({ index }: Proxied): Fault =>
    faults[index] ?? PASS;

/** The numbers of the messages that the queue has of a group, in its order. */
const numbers = (queue: ReadonlyMap<string, readonly Queued[]>, groupId: string) =>
  (queue.get(groupId) ?? []).map(({ n }) => n);

/** How each request ended for its first message, and with which status. */
const endings = ({ heard }: FaultWorld) =>
  heard.responses.map(({ messages: [message], status }) => [status, message?.code].filter(Boolean).join(" "));

/** The deduplication ids of a request, as the proxy saw it. */
function idsOf({ headers, text }: Proxied): string[] {
  const own = headers["idempotency-key"];
  if (typeof own === "string") return [own];
  return JSON.parse(text).entries.map(({ idempotencyKey }: { idempotencyKey: string }) => idempotencyKey);
}

/** What the caller of a failed call was told. */
function failureOf({ told }: Sent) {
  assert(told && "outcome" in told, `told: ${JSON.stringify(told)}`);
  return told;
}

/** What the caller of an accepted call was told. */
function acceptedOf({ told }: Sent) {
  assert(told && "accepted" in told, `told: ${JSON.stringify(told)}`);
  return told.accepted;
}

/** Faults after which the client asks again, and what it calls them. `landed`: the message was in the queue at once. */
const passing: readonly { what: string; fault: Fault; ending: string; landed: boolean }[] = [
  {
    what: "a connection cut before the request is passed on",
    fault: { kind: "reset" },
    ending: "NETWORK_ERROR",
    landed: false,
  },
  {
    what: "a connection cut after the queue took the message",
    fault: { kind: "reset", taken: true },
    ending: "NETWORK_ERROR",
    landed: true,
  },
  {
    what: "an answer that ends early",
    fault: { kind: "truncate", how: "end" },
    ending: "200 INVALID_ANSWER",
    landed: true,
  },
  {
    what: "an answer that is cut",
    fault: { kind: "truncate", how: "reset" },
    ending: "200 INVALID_ANSWER",
    landed: true,
  },
  {
    what: "an answer that is cut where nobody can tell",
    fault: { kind: "truncate", how: "unnoticed" },
    ending: "200 INVALID_ANSWER",
    landed: true,
  },
  {
    what: "a proxy's 502 in HTML before the gateway",
    fault: html(502),
    ending: "502 UNEXPECTED_STATUS",
    landed: false,
  },
  {
    what: "a proxy's 502 in HTML in the place of the gateway's 200",
    fault: html(502, { taken: true }),
    ending: "502 UNEXPECTED_STATUS",
    landed: true,
  },
  { what: "a portal's 200 in HTML", fault: html(200), ending: "200 INVALID_ANSWER", landed: false },
  { what: "a socket that is read and never answered", fault: { kind: "hang" }, ending: "TIMEOUT", landed: false },
  {
    what: "a body that trickles for longer than the attempt may last",
    fault: { kind: "trickle", milliseconds: 60_000 },
    ending: "200 INVALID_ANSWER",
    landed: true,
  },
  { what: "a 429", fault: throttled(), ending: "429 THROTTLED", landed: false },
  { what: "a proxy's 429 in HTML", fault: html(429), ending: "429 UNEXPECTED_STATUS", landed: false },
];

for (const { what, fault, ending, landed } of passing) {
  test(
    `${what} costs one more attempt: each message is there once, in order, and no group pauses`,
    LIMIT,
    async (t) => {
      const world = await openFaultWorld(t, {
        faults: first(fault, PASS, PASS, fault),
      });
      // One alone, then a batch of three groups; a second message of one group waits behind it.
      await Promise.all([world.send("10"), world.send("10")]);
      await Promise.all([world.send("10"), world.send("11"), world.send("12"), world.send("11")]);
      assert.deepEqual(endings(world), [ending, "200", "200", ending, "200", "200"]);
      const [one, again, , batch, batchAgain] = world.proxy.requests;
      assert(one && again && batch && batchAgain);
      assert.deepEqual([again.url, again.text, idsOf(again)], [one.url, one.text, idsOf(one)]);
      assert(batch.url.endsWith("/queue-1/batch"));
      assert.equal(idsOf(batch).length, 3);
      assert.deepEqual([batchAgain.url, batchAgain.text], [batch.url, batch.text]);
      assert.deepEqual([one.answered, batch.answered], landed ? [200, 200] : [undefined, undefined]);
      // The queue's answer to a repetition is that of the message itself: what was lost with the first answer is told.
      if (landed) assert.equal(one.answer, again.answer);
      const queue = await world.judge();
      assert.deepEqual(
        ["10", "11", "12"].map((groupId) => numbers(queue, groupId)),
        [[1, 2, 3], [4, 6], [5]],
      );
      assert.deepEqual(world.heard.paused, []);
      assert.deepEqual(world.heard.warnings, []);
    },
  );
}

test("a body that trickles within the attempt's time costs nothing", LIMIT, async (t) => {
  const world = await openFaultWorld(t, {
    faults: first({ kind: "trickle", milliseconds: 20_000 }),
  });
  await Promise.all([world.send("10"), world.send("10")]);
  assert.deepEqual(endings(world), ["200", "200"]);
  assert.deepEqual(numbers(await world.judge(), "10"), [1, 2]);
});

test(
  "a half-open socket, taken and never answered, costs an attempt, and other groups go on meanwhile",
  LIMIT,
  async (t) => {
    const world = await openFaultWorld(t, {
      client: { maxBatchSize: 1 },
      hold: (connection) => connection === 0,
    });
    await Promise.all(["10", "10", "11", "12", "11"].map((groupId) => world.send(groupId)));
    assert.deepEqual(endings(world), ["200", "200", "200", "TIMEOUT", "200", "200"]);
    const queue = await world.judge();
    assert.deepEqual(
      ["10", "11", "12"].map((groupId) => numbers(queue, groupId)),
      [[1, 2], [3, 5], [4]],
    );
    assert.deepEqual(world.heard.paused, []);
  },
);

test(
  "a request that lands after its attempt timed out, and after its repetition, changes nothing",
  LIMIT,
  async (t) => {
    const world = await openFaultWorld(t, { faults: first({ kind: "late", milliseconds: GATEWAY_LIMIT - 1_000 }) });
    await Promise.all([world.send("10"), world.send("10"), world.send("10")]);
    const [late] = world.proxy.requests;
    assert.equal(late?.answered, undefined);
    assert.deepEqual(numbers(await world.judge(), "10"), [1, 2, 3]);
    assert.equal(late?.answered, 200);
  },
);

test(
  "after a skip nothing passes a request that can still land: the group sends nothing for 30 s",
  LIMIT,
  async (t) => {
    const begun: number[] = [];
    const ended: number[] = [];
    const world = await openFaultWorld(t, {
      client: {
        attemptTimeoutMilliseconds: 10_000,
        retryBudgetMilliseconds: 10_000,
      },
      faults: first({ kind: "late", milliseconds: GATEWAY_LIMIT - 1_000 }),
      onRequest: (now) => begun.push(now),
      onResponse: (now) => ended.push(now),
    });
    const [one, two] = await Promise.all([world.send("10"), world.send("10")]);
    assert.deepEqual(failureOf(one), { outcome: "unknown", code: "TIMEOUT", attempts: 1 });
    assert.deepEqual(failureOf(two), { outcome: "unsent", code: "GROUP_PAUSED", attempts: 0 });
    await world.client.resume("10", "skip");
    assert.deepEqual(world.client.pausedGroups(), []);
    const calls = await Promise.all([world.send("10"), world.send("10"), world.send("11")]);
    for (const call of calls) acceptedOf(call);
    const [timedOut = Number.NaN] = ended;
    const [, other = Number.NaN, next = Number.NaN] = begun;
    assert(other - timedOut < 1_000, "another group waits for nothing");
    assert(next - timedOut >= GATEWAY_LIMIT, `only ${next - timedOut} ms after the last attempt`);
    // The message that was given up is there after all, ahead of what was sent behind it.
    const queue = await world.judge();
    assert.deepEqual(
      ["10", "11"].map((groupId) => numbers(queue, groupId)),
      [[1, 3, 4], [5]],
    );
  },
);

test(
  "a gateway that nobody reaches: unknown, the group pauses, and a replay sends it in its place",
  LIMIT,
  async (t) => {
    let broken = true;
    const world = await openFaultWorld(t, {
      client: { retryBudgetMilliseconds: 20_000 },
      faults: () => (broken ? { kind: "reset" } : PASS),
    });
    const [one, two, three] = await Promise.all([world.send("10"), world.send("10"), world.send("10")]);
    const failure = failureOf(one);
    assert.deepEqual([failure.outcome, failure.code], ["unknown", "NETWORK_ERROR"]);
    assert.equal(failure.attempts, world.proxy.requests.length);
    assert(failure.attempts > 3);
    for (const behind of [two, three]) {
      assert.deepEqual(failureOf(behind), { outcome: "unsent", code: "GROUP_PAUSED", attempts: 0 });
    }
    assert.deepEqual(world.heard.paused, world.client.pausedGroups());
    assert.deepEqual(failureOf(await world.send("10")), { outcome: "unsent", code: "GROUP_PAUSED", attempts: 0 });

    broken = false;
    const replayed = world.replay(one);
    await Promise.all([world.send("10"), world.send("10")]);
    assert.equal(new Set(world.proxy.requests.slice(0, failure.attempts + 1).flatMap(idsOf)).size, 1);
    acceptedOf(await replayed);
    assert.deepEqual(numbers(await world.judge(), "10"), [1, 5, 6]);
  },
);

test("answers that never come back: unknown and in the queue, and a replay learns its ids", LIMIT, async (t) => {
  let broken = true;
  const world = await openFaultWorld(t, {
    client: { retryBudgetMilliseconds: 20_000 },
    faults: () => (broken ? { kind: "reset", taken: true } : PASS),
  });
  const [one] = await Promise.all([world.send("10"), world.send("10")]);
  assert.equal(failureOf(one).outcome, "unknown");
  broken = false;
  const replayed = world.replay(one);
  await world.send("10");
  const { messageId } = acceptedOf(await replayed);
  assert.equal(JSON.parse(world.proxy.requests[0]?.answer ?? "").messageId, messageId);
  assert.deepEqual(numbers(await world.judge(), "10"), [1, 3]);
});

test("a 429 with Retry-After: nothing of the group is sent sooner", LIMIT, async (t) => {
  const world = await openFaultWorld(t, {
    faults: first(throttled({ "retry-after": "7" }), throttled({ "retry-after": "9" })),
  });
  await Promise.all([world.send("10"), world.send("11"), world.send("10")]);
  assert.deepEqual(
    world.heard.retries.map(({ delayMilliseconds }) => delayMilliseconds),
    [7_000, 9_000],
  );
  assert.deepEqual(endings(world), ["429 THROTTLED", "429 THROTTLED", "200", "200"]);
  const queue = await world.judge();
  assert.deepEqual([numbers(queue, "10"), numbers(queue, "11")], [[1, 3], [2]]);
});

test("a 429 storm that outlasts the budget: rejected, and nothing of it is in the queue", LIMIT, async (t) => {
  let storm = true;
  const world = await openFaultWorld(t, {
    client: { retryBudgetMilliseconds: 20_000 },
    faults: () => (storm ? throttled() : PASS),
  });
  const calls = await Promise.all([world.send("10"), world.send("11"), world.send("10"), world.send("12")]);
  const [one, other, behind] = calls;
  for (const call of [one, other]) {
    const { outcome, code, attempts } = failureOf(call);
    assert.deepEqual([outcome, code], ["rejected", "THROTTLED"]);
    assert(attempts > 3);
  }
  assert(behind);
  assert.equal(failureOf(behind).outcome, "unsent");
  assert.deepEqual(
    world.client.pausedGroups().map(({ groupId }) => groupId),
    ["10", "11", "12"],
  );
  storm = false;
  // Refused for sure, so there is nothing to wait for: the next message is the one request that follows.
  await world.client.resume("10", "skip");
  const requests = world.proxy.requests.length;
  await world.send("10");
  assert.equal(world.proxy.requests.length, requests + 1);
  await world.replay(other);
  const queue = await world.judge();
  assert.deepEqual(
    ["10", "11", "12"].map((groupId) => numbers(queue, groupId)),
    [[5], [2], []],
  );
});

test("the usage plan's own throttle only slows down", LIMIT, async (t) => {
  const world = await openFaultWorld(t, {
    // The gateway's bucket fills in real time, and its Retry-After is a second: 50 ms here.
    clock: fastClock(20),
    client: { maxBatchSize: 1 },
    throttle: { rate_limit: 60, burst_limit: 5 },
  });
  await Promise.all(Array.from({ length: 60 }, (_, at) => world.send(`group-${at % 20}`)));
  assert(endings(world).filter((ending) => ending === "429 THROTTLED").length > 0);
  assert(world.heard.retries.every(({ delayMilliseconds }) => delayMilliseconds >= 1_000));
  const queue = await world.judge();
  assert.equal(queue.size, 20);
  assert.deepEqual(numbers(queue, "group-0"), [1, 21, 41]);
  assert.deepEqual(world.heard.paused, []);
});

test("a redirect is not followed: rejected at the first attempt, and its target sees nothing", LIMIT, async (t) => {
  let followed = 0;
  const elsewhere = createServer((_, response) => {
    followed += 1;
    response.end();
  }).listen(0, "127.0.0.1");
  await new Promise((done) => elsewhere.once("listening", done));
  t.after(() => elsewhere.close());
  const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/kimalarm/queue-1`;
  for (const status of [301, 302, 307, 308]) {
    const world = await openFaultWorld(t, {
      faults: first(html(status, { headers: { location } })),
    });
    const [one, behind] = await Promise.all([world.send("10"), world.send("10")]);
    assert.deepEqual(failureOf(one), { outcome: "rejected", code: "REDIRECTED", attempts: 1 });
    assert.equal(failureOf(behind).code, "GROUP_PAUSED");
    await world.replay(one);
    await world.send("10");
    assert.deepEqual(numbers(await world.judge(), "10"), [1, 3]);
  }
  assert.equal(followed, 0);
});

test("a firewall that refuses one message of a batch pauses that message's group alone", LIMIT, async (t) => {
  const world = await openFaultWorld(t, {
    faults: ({ text }) => (text.includes("<script>") ? html(403) : PASS),
  });
  const calls = await Promise.all(
    Array.from({ length: 10 }, (_, at) => world.send(`group-${at}`, at === 4 ? { text: "<script>" } : {})),
  );
  const bad = calls.splice(4, 1)[0];
  assert(bad);
  assert.deepEqual(failureOf(bad), { outcome: "rejected", code: "UNEXPECTED_STATUS", attempts: 2 });
  for (const call of calls) acceptedOf(call);
  assert.deepEqual(
    world.client.pausedGroups().map(({ groupId }) => groupId),
    ["group-4"],
  );
  assert.equal((await world.judge()).size, 9);
});

test("a queue that takes a part of a batch: what it did not take goes again, nothing else", LIMIT, async (t) => {
  let batches = 0;
  const world = await openFaultWorld(t, {
    queueFaults: ({ headers }) => {
      if (headers["x-amz-target"] !== "AmazonSQS.SendMessageBatch" || batches++ > 0) return PASS;
      return {
        kind: "change",
        request(text) {
          const { Entries, ...rest } = JSON.parse(text);
          return JSON.stringify({ ...rest, Entries: Entries.toSpliced(1, 1) });
        },
        answer(text) {
          const Failed = [{ Id: "1", Code: "InternalError", Message: "no", SenderFault: false }];
          return JSON.stringify({ ...JSON.parse(text), Failed });
        },
      };
    },
  });
  await Promise.all([world.send("10"), world.send("11"), world.send("12"), world.send("11")]);
  const [batch, again, last] = world.proxy.requests;
  assert(batch && again && last);
  assert.equal(idsOf(batch).length, 3);
  assert.deepEqual(idsOf(again), [idsOf(batch)[1]]);
  assert.equal(world.proxy.requests.length, 3);
  const queue = await world.judge();
  assert.deepEqual(
    ["10", "11", "12"].map((groupId) => numbers(queue, groupId)),
    [[1], [2, 4], [3]],
  );
});

test("a queue whose answer the gateway never gets: asked again, once in the queue", LIMIT, async (t) => {
  const world = await openFaultWorld(t, {
    queueFaults: first({ kind: "reset", taken: true }, { kind: "reset" }),
  });
  await Promise.all([world.send("10"), world.send("10")]);
  assert.deepEqual(endings(world).slice(-2), ["200", "200"]);
  assert(endings(world)[0]?.startsWith("50"), endings(world)[0]);
  assert.deepEqual(numbers(await world.judge(), "10"), [1, 2]);
});

test(
  "a batch answer that leaves an entry out: that entry is asked for again, alone, and is there once",
  LIMIT,
  async (t) => {
    const world = await openFaultWorld(t, {
      faults: first({
        kind: "change",
        request: (text) => text,
        answer(text) {
          const { successful, ...rest } = JSON.parse(text);
          return JSON.stringify({ ...rest, successful: successful.toSpliced(1, 1) });
        },
      }),
    });
    const calls = await Promise.all([world.send("10"), world.send("11"), world.send("12")]);
    for (const call of calls) acceptedOf(call);
    const [batch, again] = world.proxy.requests;
    assert(batch && again);
    assert.deepEqual(idsOf(again), [idsOf(batch)[1]]);
    assert.equal((await world.judge()).size, 3);
  },
);

test("a repetition that the queue drops, long after, is told by a warning", LIMIT, async (t) => {
  const world = await openFaultWorld(t, {
    client: { retryBudgetMilliseconds: 20_000 },
    faults: first({ kind: "reset", taken: true }, html(403)),
  });
  const one = await world.send("10");
  assert.deepEqual(failureOf(one), { outcome: "unknown", code: "UNEXPECTED_STATUS", attempts: 2 });
  const [message] = world.client.pausedGroups();
  assert(message);
  const { deduplicationId = "" } = message.cause;
  acceptedOf(await world.replay(one));
  await world.send("10");
  const { sequenceNumber } = await world.client.send("10", { n: 1 }, { deduplicationId });
  assert.equal(sequenceNumber, acceptedOf(one).sequenceNumber);
  assert.deepEqual(
    world.heard.warnings.map(({ code, groupId, deduplicationId: id }) => [code, groupId, id]),
    [["SEQUENCE_NOT_GROWING", "10", deduplicationId]],
  );
  assert.deepEqual(numbers(await world.judge(), "10"), [1, 2]);
});

test("what close() returns in a storm, sent again by another client, is there once and in order", LIMIT, async (t) => {
  let over = false;
  const storm: readonly Fault[] = [
    { kind: "reset", taken: true },
    { kind: "hang" },
    { kind: "late", milliseconds: 5_000 },
    throttled(),
    html(502, { taken: true }),
  ];
  const world = await openFaultWorld(t, {
    client: { concurrency: 4 },
    faults: ({ index }) => (index < 4 || over ? PASS : (storm[index % storm.length] ?? PASS)),
  });
  const calls = Array.from({ length: 200 }, (_, at) => world.send(`group-${at % 20}`));
  await calls[0];
  const left = await world.client.close({ timeout: 10_000 });
  await Promise.all(calls);
  assert(left.length > 0);
  const told = world.sent.filter((call) => call.told && "outcome" in call.told);
  assert.deepEqual(
    left.map(({ payload, outcome }) => [Object(payload).n, outcome]),
    told.map((call) => [call.n, failureOf(call).outcome]),
  );
  over = true;
  const other = world.open();
  await Promise.all(left.map((message) => world.sendAgain(other, message)));
  const queue = await world.judge();
  for (let group = 0; group < 20; group += 1) {
    assert.deepEqual(
      numbers(queue, `group-${group}`),
      Array.from({ length: 10 }, (_, at) => 20 * at + group + 1),
    );
  }
});

/** One of each kind, with what they cost; a deck of these and of four times as many that pass is shuffled again and again. */
const DECK: readonly Fault[] = [
  { kind: "reset" },
  { kind: "reset", taken: true },
  { kind: "truncate", how: "end" },
  { kind: "truncate", how: "reset" },
  { kind: "truncate", how: "unnoticed" },
  { kind: "trickle", milliseconds: 10_000 },
  { kind: "trickle", milliseconds: 60_000 },
  { kind: "hang" },
  { kind: "late", milliseconds: 1_000 },
  { kind: "late", milliseconds: 25_000 },
  throttled(),
  throttled({ "retry-after": "2" }),
  html(502),
  html(502, { taken: true }),
  html(200),
  html(307, { headers: { location: "http://127.0.0.1:1/" } }),
  html(403),
];

/** The same numbers in [0, 1) for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A fault for each fifth request, every kind of them in its turn, and for `doomed` messages all of their first attempts. */
function shuffled(random: () => number): (request: Proxied) => Fault {
  let deck: Fault[] = [];
  const doomed = new Map<string, { left: number; readonly fault: Fault }>();
  const known = new Set<string>();
  const draw = (from: readonly Fault[]): Fault => from[Math.floor(random() * from.length)] ?? PASS;
  return (request) => {
    for (const id of idsOf(request)) {
      if (!known.has(id) && random() < 0.006) doomed.set(id, { left: 20, fault: draw(DECK.slice(0, 11)) });
      known.add(id);
      const doom = doomed.get(id);
      if (doom && doom.left-- > 0) return doom.fault;
    }
    if (deck.length === 0) {
      deck = [...DECK, ...DECK.flatMap(() => [PASS, PASS, PASS, PASS])]
        .map((fault) => ({ fault, at: random() }))
        .toSorted((a, b) => a.at - b.at)
        .map(({ fault }) => fault);
    }
    return deck.pop() ?? PASS;
  };
}

/**
 * Sends `count` messages to a group as a careful producer does: some awaited, some not; with `ready`, never more than the client keeps.
 * After a failure it resumes the group, unless the client goes on by itself, then sends again what was not sent, in its
 * order.
 */
async function produce(
  world: FaultWorld,
  { groupId, count, ready, random }: { groupId: string; count: number; ready: boolean; random: () => number },
): Promise<void> {
  let left = count;
  while (left > 0) {
    const calls: Promise<Sent>[] = [];
    for (const size = 1 + Math.floor(random() * 8); left > 0 && calls.length < size; left -= 1) {
      if (ready) await world.client.ready();
      const call = world.send(groupId);
      calls.push(call);
      if (random() < 0.3) await call;
      else if (random() < 0.2) await new Promise<void>((done) => void world.clock.after(random() * 2_000, done));
    }
    for (const call of await Promise.all(calls)) {
      if (call.told && "outcome" in call.told && call.told.outcome === "unsent") left += 1;
      else await goOn(world, call, random);
    }
  }
}

async function goOn(world: FaultWorld, call: Sent, random: () => number): Promise<void> {
  const isPaused = () => world.client.pausedGroups().some(({ groupId }) => groupId === call.groupId);
  while (call.told && "outcome" in call.told && isPaused()) {
    if (random() < 0.5) {
      await world.client.resume(call.groupId, "skip");
      return;
    }
    await world.replay(call);
  }
}

const runs: readonly { what: string; messages: number; groups: number; client: Partial<FifoClientOptions> }[] = [
  { what: "in batches", messages: 1_000, groups: 50, client: {} },
  { what: "one by one", messages: 300, groups: 30, client: { maxBatchSize: 1, concurrency: 32, maxPending: 60 } },
  { what: "by a client that goes on by itself", messages: 300, groups: 30, client: { onFailure: "continue" } },
];

for (const { what, messages, groups, client } of runs) {
  test(
    `${messages} messages of ${groups} groups ${what}, a fifth of the requests with faults: each group has what was accepted, once, in order`,
    LIMIT,
    async (t) => {
      const seed = Number(process.env["FAULTS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
      t.diagnostic(`FAULTS_SEED=${seed}`);
      const random = seeded(seed);
      const world = await openFaultWorld(t, {
        client,
        faults: shuffled(random),
      });
      await Promise.all(
        Array.from({ length: groups }, (_, at) =>
          produce(world, {
            groupId: `group-${at}`,
            count: messages / groups,
            ready: client.maxPending !== undefined,
            random: seeded(Math.floor(random() * 2 ** 31)),
          }),
        ),
      );
      const queue = await world.judge();
      const outcomes = world.sent.map(({ told }) => (told && "outcome" in told ? told.outcome : "accepted"));
      const count = (outcome: string) => outcomes.filter((one) => one === outcome).length;
      const kinds = Object.entries(Object.groupBy(world.proxy.requests, ({ fault }) => fault));
      t.diagnostic(
        `${world.proxy.requests.length} requests (${kinds.map(([kind, some]) => `${some?.length} ${kind}`).join(", ")}); ` +
          `${world.sent.length} calls: ${count("accepted")} accepted, ${count("rejected")} rejected, ${count("unknown")} unknown ` +
          `(${[...queue.values()].flat().length - count("accepted")} of them in the queue), ${count("unsent")} unsent; ${world.heard.paused.length} pauses`,
      );
      assert.equal(queue.size, groups);
      // Whatever was not taken was given up by its producer or on its behalf, and its call was told.
      assert.equal(count("accepted") + count("rejected") + count("unknown"), messages);
      assert(client.onFailure !== "continue" || world.heard.paused.length === 0);
      assert.deepEqual(world.client.pausedGroups(), []);
      assert.deepEqual(world.heard.warnings, []);
      assert(!world.sent.some(({ told }) => told && "code" in told && told.code === "TOO_MANY_PENDING"));
    },
  );
}
