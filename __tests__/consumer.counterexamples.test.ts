import assert from "node:assert/strict";
import { test } from "node:test";
import { type Plan, play, type Step } from "./helpers/consumer-model-plan.ts";
import type { Fault, Say, World } from "./helpers/consumer-model-world.ts";

/** The simplest plan of each kind that the model once found a broken promise with. */
async function keepsItsPromises(plan: Partial<Plan>): Promise<World> {
  return play({ policy: "park", ...plan });
}

const send = (...says: Say[]): Step => ({ do: "send", group: "a", says });
const replay: Step = { do: "replay", pick: 0 };
const drain: Step = { do: "drain" };
const well = (calls: number): Fault[] => Array.from<unknown, Fault>({ length: calls }, () => "none");

test("a message that the backend has is not parked behind the one after it, when the function is killed behind the park", async () => {
  await keepsItsPromises({
    // hold, oldest, deliver, deliver, delete, park
    faults: [...well(5), "crashes-after"],
    steps: [
      send(),
      send("rejected"),
      { do: "poll" },
      { do: "wait", milliseconds: 361_000 },
      { do: "poll" },
      { do: "wait", milliseconds: 10_000 },
      { do: "discard", target: { of: "sent", pick: 1 } },
      drain,
    ],
  });
});

test("what kills the function is refused though a healthy message stands before it", async () => {
  const world = await keepsItsPromises({
    steps: [
      { do: "send", group: "a", receives: 25 },
      { do: "send", group: "a", receives: 25, forever: "kills" },
      { do: "send", group: "a", receives: 25 },
      drain,
    ],
  });
  const settled = world.logged.filter(({ event }) => event === "message.settled").map(({ fields }) => fields);
  assert.ok(settled.some(({ messageId, reason }) => messageId === "id-2" && reason === "crashed"));
});

test("a counter that was not cleared when its message was parked is not held against it in a replay", async () => {
  const steps = [send("failed", "failed", "failed", "unavailable", "failed"), drain, replay, drain];
  const at = (await keepsItsPromises({ steps })).calls.findIndex(({ name }) => name === "attempts.clear");
  assert.ok(at > 0);
  for (const fault of ["throws-before", "crashes-before"] as const) {
    const world = await keepsItsPromises({ faults: [...well(at), fault], steps });
    // Three failures; then the replay, which has tries left after one.
    assert.equal(world.deliveries.length, 6);
    assert.equal(world.logged.filter(({ fields }) => fields["result"] === "stopped").length, 0);
  }
});

test("marks that were not cleared when what killed the function was parked do not stop the replay of the mended one", async () => {
  const steps: Step[] = [{ do: "send", group: "a", receives: 25, forever: "kills" }, drain];
  const { calls } = await keepsItsPromises({ steps });
  const at = calls.findIndex(({ name }) => name === "started.clear");
  assert.ok(at > 0);
  for (const fault of ["throws-before", "crashes-before"] as const) {
    const world = await keepsItsPromises({
      faults: [...well(at), fault],
      steps: [...steps, { do: "edit", target: { of: "parked", pick: 0 }, to: "valid" }, replay, drain],
    });
    assert.deepEqual(
      world.deliveries.map(({ said }) => said).filter((said) => said !== "kills"),
      ["accepted"],
    );
    assert.equal(world.logged.filter(({ fields }) => fields["result"] === "stopped").length, 0);
  }
});

test("a discard that comes again does not take what was parked only after it", async () => {
  const world = await keepsItsPromises({
    // Of the second batch: hold, the discard's read, then oldest and park for what is behind it; its answer is lost.
    faults: [...well(6), ...well(4), "crashes-before"],
    steps: [
      send("rejected"),
      drain,
      // Names the message that is sent next.
      { do: "discard", target: { of: "future", pick: 1 } },
      send(),
      drain,
    ],
  });
  assert.equal(world.accepted.size, 2);
});

test("what one suspect settled does not come again when the next one kills the function", async () => {
  const world = await keepsItsPromises({
    steps: [
      { do: "send", group: "b", receives: 25, forever: "kills" },
      { do: "send", group: "a", receives: 25 },
      drain,
    ],
  });
  // The model's random number makes the second group the first to run.
  assert.deepEqual(world.deliveries[0]?.groupId, "a");
  assert.equal(world.deliveries.filter(({ groupId }) => groupId === "a").length, 1);
});
