import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { CALLS, HARM, type Plan, plans, play, slowPlans } from "./helpers/consumer-model-plan.ts";
import { envelope, type Say, World } from "./helpers/consumer-model-world.ts";

/** What the random plans together must have gone through, so that none of it is left out unseen. */
const EXPECTED =
  `replay delivered, replay stopped, replay nothing-to-do, discard discarded, discard nothing-to-do, edit edited, edit refused,
  edit nothing-to-do, unknown refused, group.dropped late-start, group.dropped queue-unavailable, group.waiting unavailable,
  group.waiting storage-unavailable, group.waiting failed, group.waiting error, group.blocked rejected,
  group.blocked no-envelope, group.blocked expired, dead-lettered rejected, dead-lettered no-envelope, parked behind, side by side`.split(
    /,\s+/,
  );

test("keeps order and loses nothing, whatever fails, whoever is killed and whatever an operator does", async () => {
  const happened = new Set<string>();
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const world = await play(plan);
      if (world.mostRunning > 1) happened.add("side by side");
      for (const { event, fields } of world.logged) {
        if (event === "control.settled") happened.add(`${fields["verb"]} ${fields["result"]}`);
        else happened.add(`${event === "message.settled" ? fields["outcome"] : event} ${fields["reason"]}`);
      }
    }),
    { numRuns: 500 },
  );
  assert.deepEqual(
    EXPECTED.filter((what) => !happened.has(what)),
    [],
  );
});

/** Each goes through every call that the consumer makes to settle, to park, or to carry out what an operator wants. */
const tours: readonly Partial<Plan>[] = [
  {
    policy: "park",
    batchSize: 3,
    steps: [
      { do: "send", group: "a", hasOwnId: true },
      { do: "send", group: "a", says: ["failed", "failed", "failed", "unavailable", "failed", "failed", "failed"] },
      { do: "send", group: "a", says: ["rejected"] },
      { do: "send", group: "b", forever: "rejected" },
      { do: "send", group: "b", hasOwnId: true },
      { do: "drain" },
      { do: "send", group: "a" },
      { do: "replay", pick: 0 },
      { do: "edit", target: { of: "parked", pick: 3 }, to: "valid" },
      { do: "drain" },
      { do: "replay", pick: 0 },
      { do: "replay", pick: 1 },
      { do: "send", group: "a", says: ["rejected"] },
      { do: "drain" },
      { do: "discard", target: { of: "parked", pick: 0 } },
      { do: "drain" },
      { do: "replay", pick: 0 },
      { do: "drain" },
    ],
  },
  {
    policy: "park",
    batchSize: 10,
    pageLimit: 2,
    steps: [
      { do: "send", group: "a", says: ["rejected"] },
      { do: "send", group: "a" },
      { do: "send", group: "a", says: ["rejected"] },
      { do: "drain" },
      { do: "discard", target: { of: "parked", pick: 0 } },
      { do: "discard", target: { of: "parked", pick: 1 } },
      { do: "send", group: "a" },
      { do: "replay", pick: 0 },
      { do: "send", group: "a", says: ["rejected"] },
      { do: "drain" },
      { do: "edit", target: { of: "parked", pick: 0 }, to: "valid" },
      { do: "edit", target: { of: "parked", pick: 0 }, to: "valid" },
      { do: "replay", pick: 0 },
      { do: "drain" },
    ],
  },
  {
    policy: "dead-letter",
    batchSize: 3,
    steps: [
      { do: "send", group: "a", hasOwnId: true },
      { do: "send", group: "a", says: ["failed", "failed", "failed"] },
      { do: "send", group: "a", says: ["rejected"], receives: 25 },
      { do: "send", group: "b", says: ["unavailable", "rejected"], receives: 25 },
      { do: "replay", pick: 0 },
      { do: "send", group: "b", hasOwnId: true },
      { do: "drain" },
    ],
  },
];

test("keeps order and loses nothing, whichever one call fails, is lost, comes late or is the last", async () => {
  const called = new Set<string>();
  for (const tour of tours) {
    const { calls } = await play(tour);
    for (const { name } of calls) called.add(name);
    for (const fault of HARM) {
      for (const [at, { name }] of calls.entries()) {
        if (fault === "refuses-some" && !["hold", "changeVisibility", "delete"].includes(name)) continue;
        // Before a read or after it is the same.
        if (["oldest", "read", "get", "attempts.read"].includes(name) && !fault.endsWith("-before")) continue;
        const none = Array.from({ length: at }, () => "none" as const);
        const plan: Partial<Plan> = { ...tour, faults: [...none, fault] };
        await play(plan).catch((error: unknown) => {
          throw new Error(`${fault} at call ${at + 1}, ${name}, of ${JSON.stringify(tour)}`, { cause: error });
        });
      }
    }
  }
  assert.deepEqual(
    CALLS.filter((name) => !called.has(name)),
    [],
  );
});

test("ends before it is killed, however long its calls take", async () => {
  await fc.assert(
    fc.asyncProperty(slowPlans, async (plan) => {
      await play(plan);
    }),
    { numRuns: 200 },
  );
});

const DAY = 86_400_000;
const policies = ["dead-letter", "park"] as const;

for (const policy of policies) {
  test(`gives nothing up while the backend is down for two days, and goes on in order after it (${policy})`, async () => {
    const world = new World(policy);
    world.random = seeded();
    for (let n = 0; n < 9; n += 1) world.send(`group-${n % 3}`);
    world.outage = "unavailable";
    await world.poll(2 * DAY);
    assert.equal(world.deadLetters.size + world.table.parked.size + world.accepted.size, 0);
    assert.ok(world.queue.mostReceives > 400, `${world.queue.mostReceives}`);
    world.outage = undefined;
    const back = world.clock.now;
    await world.drain();
    assert.ok(world.clock.now - back < 310_000, `${world.clock.now - back} ms`);
    world.assertPromises();
    assert.equal(world.accepted.size, 9);
    assert.equal(world.table.attempts.size + world.table.starts.size, 0);
  });

  test(`touches nothing when it begins after its visibility ran out, and another one holds the group (${policy})`, async () => {
    const world = new World(policy);
    for (const group of ["a", "a", "b", "b"]) world.send(group);
    // Slow enough that both are under way at the same time.
    world.deliveryMilliseconds = 9_000;
    void world.start(world.receive(), 361_000);
    await world.clock.run(360_500);
    await Promise.all([world.start(world.receive()), world.clock.run(60_000)]);
    assert.deepEqual(
      new Set(world.calls.filter((one) => one.invocation === 2).map((one) => one.name)),
      new Set(["hold", "answer"]),
    );
    assert.equal(world.logged.filter(({ event }) => event === "group.dropped").length, 2);
    assert.equal(world.deliveries.length, 4);
    await world.drain();
    world.assertPromises();
  });

  test(`a head that fails maxAttempts times costs its followers no attempt (${policy})`, async () => {
    const world = new World(policy);
    const head = world.send("a", ["failed", "failed", "failed"]);
    const followers = [world.send("a", ["failed", "failed"]), world.send("a", ["failed", "failed"])];
    await world.drain();
    if (policy === "park") {
      assert.deepEqual(
        world.parkedOf("a").map(({ reason, attempts }) => [reason, attempts]),
        [
          ["attempts-exhausted", 3],
          ["behind", 0],
          ["behind", 0],
        ],
      );
      world.order({ verb: "replay" }, "a");
      await world.drain();
    }
    const attempts = (id: string) =>
      world.deliveries.filter(({ messageId }) => messageId === id).map(({ attempt }) => attempt);
    assert.deepEqual(attempts(head.id), policy === "park" ? [1, 2, 3, 4] : [1, 2, 3]);
    for (const { id } of followers) assert.deepEqual(attempts(id), [1, 2, 3]);
    assert.equal(world.accepted.size, policy === "park" ? 3 : 2);
    world.assertPromises();
  });

  test(`refuses what kills the function, wherever in its batch it stands, and nothing else (${policy})`, async () => {
    for (const at of [0, 1, 3]) {
      const world = new World(policy);
      world.random = seeded();
      const killer = { id: "" };
      for (let n = 0; n < 4; n += 1) {
        for (const group of ["a", "b", "c"]) {
          // Its neighbours were received as often: they are suspects as well.
          const { id } = world.send(group, [], {
            forever: group === "b" && n === at ? "kills" : "accepted",
            receives: n % 2 === 0 ? 21 : 0,
          });
          if (group === "b" && n === at) killer.id = id;
        }
      }
      await world.drain(12, 300);
      assert.deepEqual(world.violations, []);
      const refused =
        policy === "park"
          ? [...world.table.parked.values()].map(({ message }) => message)
          : [...world.deadLetters.values()].map(({ message, failure }) => ({ ...message, ...failure }));
      assert.deepEqual(
        refused.filter(({ reason }) => reason !== "behind").map(({ messageId, reason }) => [messageId, reason]),
        [[killer.id, "crashed"]],
      );
      const waiting = policy === "park" ? 3 - at : 0;
      assert.equal(world.accepted.size, 11 - waiting);
      assert.ok(world.crashes <= 25, `${world.crashes} crashes`);
      assert.equal(world.table.starts.size, 0);
    }
  });
}

test("stays below SQS's thousand receives in three days, when every delivery takes the whole timeout", async () => {
  const world = new World("park");
  world.random = seeded();
  world.deliveryMilliseconds = world.limits.backendTimeoutMilliseconds;
  for (let n = 0; n < 12; n += 1) world.send(`group-${n % 10}`);
  world.outage = "unavailable";
  await world.poll(3 * DAY);
  assert.ok(world.queue.mostReceives < 1_000, `${world.queue.mostReceives} receives`);
  assert.equal(world.deadLetters.size + world.table.parked.size, 0);
  world.outage = undefined;
  await world.drain();
  world.assertPromises();
  assert.equal(world.accepted.size, 12);
});

test("a parked message that kills the function under replay stops the replay, and the next one once it is fixed goes on", async () => {
  for (const at of [0, 1, 2]) {
    const world = new World("park");
    const sent = Array.from({ length: 4 }, (_, n) => world.send("a", n === 0 ? ["rejected"] : []));
    await world.drain();
    const killer = sent[at];
    assert.ok(killer !== undefined);
    killer.forever = "kills";
    world.send("b");
    for (let n = 0; n < 2; n += 1) {
      const { sequenceNumber } = world.order({ verb: "replay" }, "a");
      await world.drain(10, 300);
      const [oldest] = world.parkedOf("a");
      assert.deepEqual([oldest?.messageId, oldest?.reason, oldest?.stoppedBy], [killer.id, "crashed", sequenceNumber]);
    }
    killer.forever = "accepted";
    world.order({ verb: "replay" }, "a");
    await world.drain();
    world.assertPromises();
    assert.equal(world.accepted.size, 5);
    assert.equal(world.table.starts.size, 0);
  }
});

test("a control message that is carried out a second time changes nothing", async () => {
  const verbs = fc.constantFrom("replay", "discard", "edit", "nonsense");
  const said = fc.constantFrom<Say>("accepted", "rejected", "failed", "unavailable");
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(said, { maxLength: 3 }), { minLength: 1, maxLength: 6 }),
      fc.array(verbs, { minLength: 1, maxLength: 3 }),
      verbs,
      fc.nat(8),
      fc.array(fc.array(said, { maxLength: 1 }), { maxLength: 3 }),
      async (messages, earlier, verb, pick, later) => {
        const world = new World("park");
        world.send("a", ["rejected"]);
        for (const says of messages) world.send("a", says);
        await world.drain();
        const order = (one: typeof verb) => {
          const sequenceNumber = String(1 + (pick % 10)).padStart(20, "0");
          if (one === "replay") return world.order({ verb: one }, "a");
          if (one === "discard") return world.order({ verb: one, sequenceNumber, reason: "a test" }, "a");
          if (one === "edit")
            return world.order({ verb: one, sequenceNumber, body: envelope("a", `edit${world.controls.size}`) }, "a");
          return world.orderNonsense({ control: "explode" }, "a");
        };
        for (const one of earlier) order(one);
        await world.drain();
        const { id } = order(verb);
        for (const says of later) world.send("a", says);
        // Alone, to its end; and then it is not deleted, and comes again together with what is behind it.
        let last = "";
        for (let turn = 0; last === "" || world.queue.has(id); turn += 1) {
          assert.ok(turn < 100);
          const batch = world.receive(turn === 0 || last === "" ? 10 : 1);
          if (batch.length === 0) {
            await world.clock.run(361_000);
            continue;
          }
          const settled = () =>
            world.logged.filter(({ event, fields }) => event === "control.settled" && fields["messageId"] === id)
              .length;
          const before = { settled: settled(), table: world.table.snapshot(), deliveries: world.deliveries.length };
          if (last === "") {
            // Its answer is lost: nothing is deleted.
            world.loseAnswers = true;
            await world.invoke(batch);
            world.loseAnswers = false;
            if (settled() > before.settled) last = world.table.snapshot();
          } else {
            assert.equal(batch[0]?.messageId, id);
            await world.invoke(batch.slice(0, 1));
            assert.equal(world.table.snapshot(), before.table);
            assert.equal(world.deliveries.length, before.deliveries);
          }
        }
        await world.drain();
        assert.deepEqual(world.violations, []);
      },
    ),
    { numRuns: 300 },
  );
});

/** Random numbers that are the same ones each time. */
function seeded(): () => number {
  let state = 42;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}
