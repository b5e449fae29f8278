import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { redriveDeadLetters } from "../sdk/ops/src/dlq/index.ts";
import { serveClockedQueues } from "./helpers/clocked-queues.ts";
import type { Fault } from "./helpers/fault-proxy.ts";

const GROUPS = ["10", "20", "30"];
const FAST = { waitSeconds: 0 } as const;
/** So that answers which never come cost little. */
const HASTY = { ...FAST, callMilliseconds: 300 } as const;

const weather = fc.record({
  fault: fc.oneof(
    { weight: 60, arbitrary: fc.constant<Fault>({ kind: "pass" }) },
    { weight: 2, arbitrary: fc.constant<Fault>({ kind: "reset" }) },
    { weight: 2, arbitrary: fc.constant<Fault>({ kind: "reset", taken: true }) },
    { weight: 2, arbitrary: fc.constant<Fault>({ kind: "answer", status: 500, body: "{}" }) },
    { weight: 2, arbitrary: fc.constant<Fault>({ kind: "answer", status: 500, body: "{}", taken: true }) },
    { weight: 1, arbitrary: fc.constant<Fault>({ kind: "late", milliseconds: 20 }) },
  ),
  /** Seconds that pass before the request reaches the queue: some end visibilities, some deduplication windows. */
  pause: fc.oneof(
    { weight: 40, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.constant(30) },
    { weight: 1, arbitrary: fc.constant(90) },
    { weight: 1, arbitrary: fc.constant(400) },
  ),
});

const scenario = fc.record({
  refused: fc.array(fc.constantFrom(...GROUPS), { minLength: 12, maxLength: 35 }),
  weather: fc.array(weather, { minLength: 5, maxLength: 60 }),
  /** Redrives at the same time, for each round. */
  operators: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
  between: fc.constantFrom(0, 61, 400),
});

test("whatever fails, each group arrives in the order of the dead-letter queue and nothing is lost", async (t) => {
  const world = await serveClockedQueues(t);
  let moved = 0;
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async ({ refused, weather: days, operators, between }) => {
      const { source, deadLetter, queue, refuse, drain } = world.createQueues();
      const bodies = refused.map((groupId, n) => ({ groupId, body: `${groupId}/${n}` }));
      for (const { groupId, body } of bodies) refuse(groupId, body);
      let calls = 0;
      world.follow(({ action }) => {
        if (action === "GetQueueAttributes") return { kind: "pass" };
        calls += 1;
        const day = days[calls % days.length];
        if (day === undefined || calls > 150) return { kind: "pass" };
        if (day.pause > 0) world.pass(day.pause);
        // New messages come meanwhile.
        if (calls % 7 === 0)
          world.engine.send(source, { groupId: "10", body: `new/${calls}`, deduplicationId: `${calls}` });
        // A failed receive ends a redrive: most of them pass, so that sends and deletes come to fail too.
        return action === "ReceiveMessage" && calls % 4 > 0 ? { kind: "pass" } : day.fault;
      });
      for (const count of operators) {
        const reports = await Promise.all(
          Array.from({ length: count }, () =>
            redriveDeadLetters(queue, { all: true }, { ...HASTY, now: world.now }).catch((error: unknown) => {
              // On a busy machine its first call may take too long, too: then it received nothing.
              assert.ok(error instanceof Error && error.name === "TimeoutError", String(error));
              return { moved: [], kept: [] };
            }),
          ),
        );
        for (const report of reports) {
          moved += report.moved.length;
          kept += report.kept.length;
        }
        await world.settled();
        world.pass(between);
      }
      world.follow(() => ({ kind: "pass" }));
      world.pass(61);
      const last = await redriveDeadLetters(queue, { all: true }, { ...FAST, now: world.now });
      assert.deepEqual(
        { kept: last.kept, ended: last.ended, remaining: last.remaining },
        { kept: [], ended: "complete", remaining: 0 },
      );
      assert.deepEqual(await drain(deadLetter), []);
      const arrived = (await drain(source)).filter(({ body }) => !body.startsWith("new/"));
      for (const groupId of GROUPS) {
        const first = [...new Set(arrived.filter((one) => one.groupId === groupId).map(({ body }) => body))];
        assert.deepEqual(
          first,
          bodies.filter((one) => one.groupId === groupId).map(({ body }) => body),
        );
      }
      for (const { body, key } of arrived) assert.equal(key, `key-of-${body}`);
    }),
    { numRuns: 20 },
  );
  t.diagnostic(`${moved} moved under faults, ${kept} kept`);
  assert.ok(moved > 20, "the redrives under faults moved something");
  assert.ok(kept > 20, "faults stopped some groups");
});
