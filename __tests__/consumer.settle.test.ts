import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { outageWait } from "../runtime/consumer/backoff.ts";
import type { Refusal } from "../runtime/consumer/failure-policy.ts";
import type { LogEvent, LogFields } from "../runtime/consumer/log.ts";
import type { Outcome } from "../runtime/consumer/outcome.ts";
import { CALL_MILLISECONDS, type Delivery, type Ports } from "../runtime/consumer/ports.ts";
import { settle } from "../runtime/consumer/settle.ts";
import type { QueueMessage } from "../runtime/message.ts";
import { ReferenceParkingLot } from "./helpers/reference-parking-lot.ts";
import { happyPorts, ReferenceQueue, referenceSettings } from "./helpers/reference-queue.ts";

const queue = referenceSettings;
const limits = { backendTimeoutMilliseconds: 10_000 };
/** Two tries of the hold, and the wait between them. */
const HOLD_MILLISECONDS = 4_500;
const body = (groupId: string, n: number) => `{"data":{"MessageGroupID":"${groupId}","n":${n}}}`;

/** What happens to one call of a port. After a crash, no call of that invocation does anything. */
type Fault = "none" | "throws-before" | "throws-after" | "crashes-before" | "crashes-after" | "refuses-some";
/** What the backend says to one delivery. */
type Say = Outcome["kind"] | "throws";

/** @returns the ids for which the call was refused */
function some(
  messages: readonly QueueMessage[],
  fault: Fault,
  apply: (message: QueueMessage) => boolean,
): ReadonlySet<string> {
  const refused = messages.filter((message, n) => (fault === "refuses-some" && n % 2 === 0) || !apply(message));
  return new Set(refused.map((message) => message.messageId));
}

/** Everything the consumer touches, with faults by script. */
class World {
  readonly queue = new ReferenceQueue(queue.visibilityTimeoutSeconds);
  readonly sent: string[] = [];
  readonly groupOf = new Map<string, string>();
  readonly says = new Map<string, Say[]>();
  readonly deadLetters = new Map<string, Refusal>();
  readonly table = new ReferenceParkingLot();
  readonly firstAccepted: string[] = [];
  readonly deliveries: (Delivery & { readonly invocation: number; readonly said: Say })[] = [];
  readonly logged: { readonly invocation: number; readonly event: LogEvent; readonly fields: LogFields }[] = [];
  readonly sides = { deletes: 0, changes: [] as number[] };
  /** Written down, not thrown: the core would take an error of a port for the port's. */
  readonly violations: string[] = [];
  faults: Fault[] = [];
  invocations = 0;
  starts = 0;
  remaining = () => 60_000;
  /** Called when a call of a port begins, with the most milliseconds that it may take. */
  takes: (most: number) => void = () => {};

  send(groupId: string, says: Say[], own?: string): string {
    const id = `id-${this.sent.length + 1}`;
    this.queue.send(groupId, own ?? body(groupId, this.sent.length));
    this.sent.push(id);
    this.groupOf.set(id, groupId);
    this.says.set(id, [...says]);
    return id;
  }

  /** One invocation over a batch, and what the event source does with its answer. */
  async invoke(batch: readonly QueueMessage[]): Promise<readonly string[] | undefined> {
    const invocation = (this.invocations += 1);
    let crashed = false;
    const busy = new Set<string>();
    const call = async <Result>(effect: (fault: Fault) => Result, most = CALL_MILLISECONDS): Promise<Result> => {
      this.takes(most);
      if (crashed) throw new Error("crashed");
      const fault = this.faults.shift() ?? "none";
      await Promise.resolve();
      if (fault === "crashes-before" || crashed) {
        crashed = true;
        throw new Error("crashed");
      }
      if (fault === "throws-before") throw new Error("not reached");
      const result = effect(fault);
      if (fault === "crashes-after") crashed = true;
      if (fault === "crashes-after" || fault === "throws-after") throw new Error("no answer");
      return result;
    };
    const change = (messages: readonly QueueMessage[], seconds: number) => (fault: Fault) => {
      this.sides.changes.push(seconds);
      return some(messages, fault, (message) => this.queue.changeVisibility(message.receiptHandle, seconds));
    };
    const ports: Ports = {
      queue: {
        hold: (_url, messages, seconds) => call(change(messages, seconds), HOLD_MILLISECONDS),
        changeVisibility: (_url, messages, seconds) => call(change(messages, seconds)),
        delete: (_url, messages) =>
          call((fault) => {
            this.sides.deletes += 1;
            return some(messages, fault, (message) => this.queue.delete(message.receiptHandle));
          }),
      },
      backend: {
        deliver: async (delivery) => {
          if (busy.has(delivery.groupId)) this.violations.push(`two deliveries of ${delivery.groupId} at once`);
          busy.add(delivery.groupId);
          try {
            return await call(() => this.#answer(delivery, invocation), limits.backendTimeoutMilliseconds);
          } finally {
            busy.delete(delivery.groupId);
          }
        },
      },
      deadLetter: (_queue, refusal) =>
        call(() => {
          const { messageId } = refusal.message;
          if (!this.deadLetters.has(messageId)) this.deadLetters.set(messageId, refusal);
        }),
      ...this.table.ports(
        (effect) => call(effect),
        () => this.queue.now,
      ),
      now: () => this.queue.now,
      random: () => 0.5,
      uniqueId: () => `start-${(this.starts += 1)}`,
      remaining: () => this.remaining(),
      log: (_level, event, fields) => this.logged.push({ invocation, event, fields }),
    };
    const kept = await settle(queue, batch, limits, ports);
    if (crashed) return undefined;
    for (const message of batch) if (!kept.includes(message.messageId)) this.queue.delete(message.receiptHandle);
    return kept;
  }

  #answer(delivery: Delivery, invocation: number): Outcome {
    const said = this.says.get(delivery.messageId)?.shift() ?? "accepted";
    // Order, at the moment in which it counts: all that was sent before it in its group is out of the way.
    const before = this.sent.slice(0, this.sent.indexOf(delivery.messageId));
    for (const id of before.filter((one) => this.groupOf.get(one) === delivery.groupId)) {
      if (!this.firstAccepted.includes(id) && !this.deadLetters.has(id)) {
        this.violations.push(`${delivery.messageId} overtook ${id}`);
      }
    }
    this.deliveries.push({ ...delivery, invocation, said });
    if (said === "throws") throw new Error("a bug");
    if (said === "accepted" && !this.firstAccepted.includes(delivery.messageId)) {
      this.firstAccepted.push(delivery.messageId);
    }
    return said === "accepted" ? { kind: said } : { kind: said, detail: said };
  }

  /** Receives and settles until the queue is empty. */
  async drain(): Promise<void> {
    for (let turn = 0; this.queue.length > 0; turn += 1) {
      assert.ok(turn < 500, `${this.queue.length} messages left after 500 turns`);
      const batch = this.queue.receive(10);
      if (batch.length === 0) this.queue.advance();
      else await this.invoke(batch);
    }
  }
}

const say = fc.constantFrom<Say>("accepted", "rejected", "unavailable", "failed", "throws");
const plan = fc.array(
  fc.record({ group: fc.constantFrom("a", "b", "c", "d"), says: fc.array(say, { maxLength: 5 }) }),
  { minLength: 1, maxLength: 20 },
);
const fault = fc.constantFrom<Fault>(
  "none",
  "none",
  "none",
  "throws-before",
  "throws-after",
  "crashes-before",
  "crashes-after",
  "refuses-some",
);

function assertOutcome(world: World): void {
  assert.deepEqual(world.violations, []);
  // First acceptances are in the order of sending, less what was dead-lettered: after a crash behind that, the backend
  // is asked again, and may have changed its mind.
  for (const group of new Set(world.groupOf.values())) {
    const accepted = world.firstAccepted.filter((id) => world.groupOf.get(id) === group && !world.deadLetters.has(id));
    const sent = world.sent.filter((id) => accepted.includes(id));
    assert.deepEqual(accepted, sent);
  }
  // Nothing is lost.
  for (const id of world.sent) {
    assert.ok(world.firstAccepted.includes(id) || world.deadLetters.has(id) || world.queue.has(id), `${id} is lost`);
  }
  // One key a message, over all deliveries and the dead-lettered copy; no two messages share one.
  const keys = new Map<string, Set<string>>();
  const used = [
    ...world.deliveries.map((one) => [one.messageId, one.idempotencyKey] as const),
    ...[...world.deadLetters].map(([id, refusal]) => [id, refusal.idempotencyKey] as const),
  ];
  for (const [id, key] of used) keys.set(id, (keys.get(id) ?? new Set()).add(key));
  assert.ok([...keys.values()].every((all) => all.size === 1));
  assert.equal(new Set([...keys.values()].flatMap((all) => [...all])).size, keys.size);
  // Nothing of a dropped group was delivered by the invocation that dropped it.
  for (const { invocation, fields } of world.logged.filter((line) => line.event === "group.dropped")) {
    const same = (one: { groupId: string; invocation: number }) =>
      one.invocation === invocation && one.groupId === fields["groupId"];
    assert.ok(!world.deliveries.some(same));
  }
  // Nobody is given up for attempts that it did not have.
  for (const [id, refusal] of world.deadLetters) {
    const said = world.deliveries.filter((one) => one.messageId === id).map((one) => one.said);
    if (refusal.failure.reason === "attempts-exhausted") {
      assert.ok(said.filter((one) => one === "failed").length >= queue.maxAttempts, said.join());
    } else {
      assert.ok(said.includes("rejected"));
    }
  }
}

test("keeps order and loses nothing, whatever the backend says", async () => {
  await fc.assert(
    fc.asyncProperty(plan, async (messages) => {
      const world = new World();
      for (const { group, says } of messages) world.send(group, says);
      await world.drain();
      assertOutcome(world);
      // Without faults of our own, every message is in exactly one place and no counter is left behind.
      for (const id of world.sent) assert.notEqual(world.firstAccepted.includes(id), world.deadLetters.has(id), id);
      assert.equal(world.table.attempts.size, 0);
      for (const { messageId, attempt, said } of world.deliveries) {
        const failedBefore = world.deliveries
          .filter((one) => one.messageId === messageId)
          .slice(0, attempt - 1)
          .every((one) => one.said !== "accepted");
        assert.ok(failedBefore && attempt <= queue.maxAttempts, `${messageId} ${attempt} ${said}`);
      }
    }),
    { numRuns: 150 },
  );
});

test("keeps order and loses nothing, whatever call fails or never returns", async () => {
  await fc.assert(
    fc.asyncProperty(plan, fc.array(fault, { maxLength: 60 }), async (messages, faults) => {
      const world = new World();
      for (const { group, says } of messages) world.send(group, says);
      world.faults = [...faults];
      await world.drain();
      assertOutcome(world);
    }),
    { numRuns: 1_500 },
  );
});

test("keeps order and loses nothing when invocations start late or side by side", async () => {
  await fc.assert(
    fc.asyncProperty(
      plan,
      fc.array(fault, { maxLength: 30 }),
      fc.array(fc.constantFrom("late", "beside", "plain"), { minLength: 1, maxLength: 8 }),
      async (messages, faults, starts) => {
        const world = new World();
        for (const { group, says } of messages) world.send(group, says);
        world.faults = [...faults];
        for (const start of starts) {
          const batch = world.queue.receive(4);
          if (batch.length === 0) {
            world.queue.advance();
            continue;
          }
          if (start === "late") world.queue.now += (queue.visibilityTimeoutSeconds + 1) * 1000;
          const other = start === "plain" ? [] : world.queue.receive(4);
          if (other.length === 0) await world.invoke(batch);
          else await Promise.all([world.invoke(other), world.invoke(batch)]);
        }
        await world.drain();
        assertOutcome(world);
      },
    ),
    { numRuns: 800 },
  );
});

test("stops before the deadline, and what was not started costs no attempt", async () => {
  await fc.assert(
    fc.asyncProperty(plan, fc.integer({ min: 1, max: 5 }), async (messages, deliveriesEach) => {
      const world = new World();
      for (const { group, says } of messages) world.send(group, says);
      for (let turn = 0; world.queue.length > 0 && turn < 500; turn += 1) {
        const batch = world.queue.receive(10);
        if (batch.length === 0) world.queue.advance();
        const start = world.deliveries.length;
        world.remaining = () => (world.deliveries.length - start < deliveriesEach ? 17_000 : 16_999);
        if (batch.length > 0) await world.invoke(batch);
        // Groups that looked at the clock in the same turn have started theirs: four groups, three more.
        assert.ok(world.deliveries.length - start <= deliveriesEach + 3);
      }
      assert.equal(world.queue.length, 0);
      assertOutcome(world);
    }),
    { numRuns: 100 },
  );
});

test("ends before it is killed, however late it begins, however long its calls take and whatever they say", async () => {
  const failing = fc.constantFrom<Say>("failed", "failed", "failed", "failed", "rejected", "unavailable", "accepted");
  const calls = fc.constantFrom<Fault>("none", "none", "none", "none", "throws-before", "throws-after", "refuses-some");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(failing, { maxLength: 5 }), { minLength: 1, maxLength: 12 }),
      fc.array(calls, { maxLength: 60 }),
      fc.array(fc.integer({ min: 35_000, max: 45_000 }), { minLength: 1, maxLength: 10 }),
      fc.array(fc.constantFrom(0.9, 1, 1, 1), { minLength: 1, maxLength: 30 }),
      async (messages, faults, begins, parts) => {
        const world = new World();
        for (const says of messages) world.send("a", says);
        world.faults = [...faults];
        let made = 0;
        let spent = 0;
        world.takes = (most) => (spent += most * (parts[(made += 1) % parts.length] ?? 1));
        world.remaining = () => 60_000 - spent;
        for (let turn = 0; world.queue.length > 0 && turn < 100; turn += 1) {
          spent = begins[turn % begins.length] ?? 0;
          const batch = world.queue.receive(10);
          if (batch.length === 0) world.queue.advance();
          else await world.invoke(batch);
          assert.ok(world.remaining() >= 0, `killed ${-world.remaining()} ms before its end`);
        }
        assertOutcome(world);
      },
    ),
    { numRuns: 300 },
  );
});

test("starts no delivery when reading the attempts took the time that it needs", async () => {
  const world = new World();
  const head = world.send("a", ["unavailable"]);
  await once(world);
  world.queue.now += 1_000;
  world.remaining = () => (world.table.calls.reads === 0 ? 17_000 : 16_999);
  assert.deepEqual((await once(world)).kept, [head]);
  assert.equal(world.deliveries.length, 1);
  assert.equal(world.logged.at(-1)?.fields["reason"], "deadline");
});

test("waits a second for what was refused behind a message settled just now, however often it was received", async () => {
  const world = new World();
  const [head, second] = [
    world.send(
      "a",
      Array.from({ length: 40 }, () => "unavailable"),
    ),
    world.send("a", ["unavailable"]),
  ];
  while (!world.firstAccepted.includes(head)) {
    await once(world);
    if (world.firstAccepted.includes(head)) break;
    world.queue.advance();
  }
  // The head's own waits had grown, and the second one was received as often.
  const waits = world.logged.filter(({ event }) => event === "group.waiting").map(({ fields }) => fields);
  assert.ok(Number(waits.at(-2)?.["seconds"]) > 60);
  assert.equal(waits.at(-1)?.["messageId"], second);
  assert.equal(waits.at(-1)?.["seconds"], 1);
});

async function once(world: World) {
  const batch = world.queue.receive(10);
  const kept = await world.invoke(batch);
  return { batch, kept };
}

test("touches neither the table nor the queue when all is well, but for the hold at the beginning", async () => {
  const world = new World();
  for (let n = 0; n < 10; n += 1) world.send(n % 2 === 0 ? "a" : "b", []);
  const { kept } = await once(world);
  assert.deepEqual(kept, []);
  assert.deepEqual(world.sides, { deletes: 0, changes: [360] });
  assert.deepEqual(world.table.calls, { oldest: 0, reads: 0, adds: 0, clears: 0, writes: 0, marks: 0 });
});

test("returns the rest of a group when the backend is unavailable, deletes what is settled, and goes on with the others", async () => {
  const world = new World();
  const [, second, third] = [world.send("a", []), world.send("a", ["unavailable"]), world.send("a", [])];
  world.send("b", []);
  const { kept } = await once(world);
  assert.deepEqual(kept, [second, third]);
  assert.deepEqual(world.firstAccepted.toSorted(), ["id-1", "id-4"]);
  assert.deepEqual(world.sides, { deletes: 1, changes: [360, 1] });
  assert.deepEqual(world.table.calls, { oldest: 0, reads: 0, adds: 0, clears: 0, writes: 0, marks: 0 });
  world.queue.now += 1_000;
  assert.deepEqual(
    world.queue.receive(10).map((message) => message.messageId),
    [second, third],
  );
});

test("gives a group that is done back to SQS when another one of its batch takes long", async () => {
  const world = new World();
  const slow = Array.from({ length: 5 }, () => world.send("a", []));
  const done = world.send("b", []);
  const left: boolean[] = [];
  world.takes = () => {
    // A second and a half for each call that is made.
    world.queue.now += 1_500;
    left.push(world.queue.has(done));
  };
  assert.deepEqual((await once(world)).kept, []);
  // Not when it was accepted, but long before the slow group's last delivery.
  assert.deepEqual(world.firstAccepted.toSorted(), [...slow, done].toSorted());
  assert.deepEqual([left[0], left.at(-1)], [true, false]);
  assert.equal(world.sides.deletes, 1);
});

test("drops a group of which one receipt has expired, and delivers the others", async () => {
  const world = new World();
  world.send("a", []);
  world.send("a", []);
  world.send("b", []);
  const batch = world.queue.receive(10);
  world.queue.delete(batch[0]?.receiptHandle ?? "");
  assert.deepEqual(await world.invoke(batch), ["id-1", "id-2"]);
  assert.deepEqual(world.firstAccepted, ["id-3"]);
  const dropped = world.logged.filter((line) => line.event === "group.dropped");
  assert.deepEqual(
    dropped.map(({ fields }) => [fields["groupId"], fields["reason"], fields["messages"]]),
    [["a", "late-start", 2]],
  );
  assert.deepEqual(world.sides.changes, [360]);
});

test("touches nothing when the queue does not answer the hold", async () => {
  const world = new World();
  world.send("a", []);
  world.send("b", []);
  world.faults = ["throws-before"];
  const { kept } = await once(world);
  assert.deepEqual(kept, ["id-1", "id-2"]);
  assert.equal(world.deliveries.length, 0);
  assert.deepEqual(world.sides.changes, []);
});

test("gives a message up after maxAttempts failed ones, tells the backend which attempt it is, and goes on", async () => {
  const world = new World();
  const head = world.send("a", ["failed", "unavailable", "failed", "failed", "failed"]);
  const follower = world.send("a", []);
  await world.drain();
  assert.deepEqual(
    world.deliveries.map((one) => [one.messageId, one.attempt]),
    [
      [head, 1],
      [head, 2],
      [head, 2],
      [head, 3],
      [follower, 1],
    ],
  );
  assert.equal(world.deadLetters.get(head)?.failure.reason, "attempts-exhausted");
  assert.deepEqual(world.firstAccepted, [follower]);
  assert.equal(world.table.attempts.size, 0);
});

test("does not deliver again what was given up, when the dead-letter queue did not take it", async () => {
  const world = new World();
  const head = world.send("a", ["failed", "failed", "failed"]);
  await once(world);
  world.queue.now += 300_000;
  await once(world);
  world.queue.now += 300_000;
  world.faults = ["none", "none", "none", "none", "throws-before"];
  assert.deepEqual((await once(world)).kept, [head]);
  await world.drain();
  assert.equal(world.deliveries.length, 3);
  assert.equal(world.deadLetters.get(head)?.failure.reason, "attempts-exhausted");
});

test("never delivers what is no envelope of its group", async () => {
  const bodies = [
    "not json",
    "[]",
    "null",
    '"text"',
    "{}",
    '{"data":null}',
    '{"data":[]}',
    '{"data":{}}',
    '{"data":{"MessageGroupID":"b"}}',
    '{"data":{"MessageGroupID":["a"]}}',
    '{"data":{"MessageGroupID":"a"},"more":1}',
    '{"__proto__":{"data":{"MessageGroupID":"a"}}}',
    '{"data":{"__proto__":{"MessageGroupID":"a"}}}',
    '{"data":{"MessageGroupID":"a"}',
    '{"data":1,"data":{"MessageGroupID":"a"}}',
    '{"data":{"MessageGroupID":"a"},"data":{"MessageGroupID":"a"}}',
  ];
  const world = new World();
  for (const one of bodies) world.send("a", [], one);
  await world.drain();
  assert.equal(world.deliveries.length, 0);
  assert.equal(world.deadLetters.size, bodies.length);
  for (const { failure, message } of world.deadLetters.values()) {
    assert.equal(failure.reason, "no-envelope");
    assert.ok(bodies.includes(message.body));
  }
});

test("delivers repeated keys and big numbers byte for byte", async () => {
  const own = '{"data":{"MessageGroupID":"x","MessageGroupID":"a", "n":12345678901234567890, "n":1e400}}';
  const world = new World();
  world.send("a", [], own);
  await world.drain();
  assert.deepEqual(
    world.deliveries.map((one) => one.body),
    [own],
  );
});

test("hands a message to the failure policy a day before the queue would drop it", async () => {
  const world = new World();
  const old = world.send("a", []);
  world.queue.now += (queue.retentionSeconds - 86_400) * 1000;
  const young = world.send("a", []);
  await world.drain();
  assert.equal(world.deadLetters.get(old)?.failure.reason, "expired");
  assert.deepEqual(
    world.deliveries.map((one) => one.messageId),
    [young],
  );
});

test("waits as long as the backend asks for, and never beyond what SQS allows", async () => {
  for (const [asked, seconds] of [
    [120, 120],
    [0, 1],
    [1e9, 43_200 - 720],
  ] as const) {
    const changes: number[] = [];
    const world = new World();
    world.send("a", []);
    const deliver = async () => ({ kind: "unavailable", detail: "http 503", retryAfterSeconds: asked }) as const;
    const ports = happyPorts({ deliver }, () => world.queue.now);
    const changeVisibility: Ports["queue"]["changeVisibility"] = async (_url, _messages, given) => {
      changes.push(given);
      return new Set();
    };
    const given = { ...ports, queue: { ...ports.queue, changeVisibility } };
    await settle(queue, world.queue.receive(1), limits, given);
    assert.deepEqual(changes, [seconds]);
  }
});

/** Seconds from the end of an outage to the first receive after it. */
function overshoot(outage: number, random: (receives: number) => number): number {
  let age = 0;
  for (let receives = 1; age < outage; receives += 1) age += outageWait(receives, random(receives));
  return age - outage;
}

test("is back within a seventh of an outage's length, a quarter with the worst of luck, five minutes at most", () => {
  assert.ok(overshoot(30, () => 0.5) <= 5);
  for (let outage = 10; outage <= 1_500; outage += 1) {
    const seconds = overshoot(outage, () => 0.5);
    assert.ok(seconds <= outage / 7 + 1, `${seconds} s after ${outage} s`);
  }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
      (outage, randoms) => {
        const seconds = overshoot(outage, (receives) => randoms[receives % 5] ?? 0);
        assert.ok(seconds <= Math.min(300, outage / 4 + 1), `${seconds} s after ${outage} s`);
      },
    ),
  );
});

test("a thousand receives, where SQS's own redrive begins, outlast an outage of three days", () => {
  let age = 0;
  for (let receives = 1; receives <= 1_000; receives += 1) age += outageWait(receives, 0.5);
  assert.ok(age > 3 * 86_400, `${age} s`);
});

test("logs ids and reasons, never a body or an idempotency key", async () => {
  const world = new World();
  world.queue.send("a", '{"data":{"MessageGroupID":"a","secret":"s3cret"}}', "k3y");
  world.sent.push("id-1");
  world.groupOf.set("id-1", "a");
  world.says.set("id-1", ["unavailable", "failed", "rejected"]);
  await world.drain();
  const text = JSON.stringify(world.logged);
  assert.ok(!text.includes("s3cret") && !text.includes("k3y"));
  assert.deepEqual(
    world.logged.map(({ event }) => event),
    ["group.waiting", "group.waiting", "message.settled"],
  );
});
