import assert from "node:assert/strict";
import * as fc from "fast-check";
import { CONTROL_ATTRIBUTES } from "../../runtime/parking-lot/control.ts";
import { envelope, type Fault, type Forever, type Say, World } from "./consumer-model-world.ts";

const GROUPS = ["a", "b", "c"] as const;
const DAY = 86_400_000;

/** Which message an operator means, of those that there are when the step comes. */
interface Target {
  readonly of: "parked" | "sent" | "unknown" | "future";
  readonly pick: number;
}

export type Step =
  | {
      readonly do: "send";
      readonly group: string;
      readonly says?: readonly Say[];
      readonly forever?: Forever;
      /** Not an envelope of its group. */
      readonly isNonsense?: boolean;
      /** With an id of the producer's own: groups have the same ones. */
      readonly hasOwnId?: boolean;
      /** Received so often before. */
      readonly receives?: number;
    }
  /** Starts an invocation, so many milliseconds after the receive. */
  | { readonly do: "poll"; readonly late?: number }
  | { readonly do: "wait"; readonly milliseconds: number }
  /** Polls and waits until the queue is empty. */
  | { readonly do: "drain" }
  | { readonly do: "replay"; readonly pick: number }
  | { readonly do: "discard"; readonly target: Target }
  | { readonly do: "edit"; readonly target: Target; readonly to: "valid" | "of another group" | "no JSON" }
  | { readonly do: "nonsense"; readonly group: string; readonly kind: number };

/** What happens in one run of the model. */
export interface Plan {
  readonly policy: "park" | "dead-letter";
  readonly batchSize: number;
  /** Parked messages in a page of the table. */
  readonly pageLimit: number;
  readonly steps: readonly Step[];
  /** For the calls of the ports, in the order in which they begin. */
  readonly faults: readonly Fault[];
  /** For the nth call of one port, counted from 0. */
  readonly namedFaults: readonly { readonly call: string; readonly nth: number; readonly fault: Fault }[];
  /** How long an invocation may take. */
  readonly functionMilliseconds?: number;
  /** How long they take: parts of the longest they may, in turn. */
  readonly takes: readonly number[];
}

/** Every await of the consumer. */
export const CALLS =
  `hold, changeVisibility, delete, deliver, deadLetter, oldest, read, get, park, markOldest, recordFailure, replaceBody,
  keepOriginal, bury, remove, attempts.read, attempts.add, attempts.clear, started.mark, started.clear, answer`.split(
    /,\s+/,
  );

/** Those that are made for an operator, and so more seldom. */
const RARE = ["markOldest", "recordFailure", "replaceBody", "keepOriginal", "bury", "remove", "started.clear"];

const NONSENSE = [
  { [CONTROL_ATTRIBUTES.verb]: "explode" },
  { [CONTROL_ATTRIBUTES.verb]: "" },
  { [CONTROL_ATTRIBUTES.verb]: "discard" },
  { [CONTROL_ATTRIBUTES.verb]: "edit", [CONTROL_ATTRIBUTES.sequenceNumber]: "first" },
] as const;

const groups = fc.constantFrom(...GROUPS);
const answers = fc.array(
  fc.constantFrom<Say>("accepted", "rejected", "rejected", "unavailable", "failed", "failed", "throws"),
  { maxLength: 4 },
);
const targets: fc.Arbitrary<Target> = fc.record({
  of: fc.constantFrom("parked", "parked", "parked", "sent", "unknown", "future"),
  pick: fc.nat(20),
});
const send = fc.record({
  do: fc.constant("send" as const),
  group: groups,
  says: answers,
  forever: fc.oneof(
    { weight: 20, arbitrary: fc.constant<Forever>("accepted") },
    { weight: 4, arbitrary: fc.constant<Forever>("rejected") },
    { weight: 1, arbitrary: fc.constant<Forever>("kills") },
  ),
  isNonsense: fc.constantFrom(false, false, false, false, false, true),
  hasOwnId: fc.boolean(),
  receives: fc.constantFrom(0, 0, 0, 25),
});
const operatorStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("replay" as const), pick: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("discard" as const), target: targets }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("edit" as const),
      target: targets,
      to: fc.constantFrom("valid", "valid", "of another group", "no JSON"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("nonsense" as const), group: groups, kind: fc.nat(NONSENSE.length - 1) }),
  },
);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: send },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("poll" as const),
      late: fc.constantFrom(0, 0, 0, 0, 300_000, 359_000, 361_000),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      milliseconds: fc.constantFrom(1, 100, 1_000, 1_000, 10_000, 61_000, 361_000, 361_000, 13.5 * DAY),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: "drain" as const }) },
  { weight: 8, arbitrary: operatorStep },
);
/** Every fault that a call can have. */
export const HARM: readonly Fault[] = [
  "throws-before",
  "throws-after",
  "lands-late",
  "crashes-before",
  "crashes-after",
  "refuses-some",
];
const harm = fc.constantFrom(...HARM);
const anyFault = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Fault>("none") },
  {
    weight: 2,
    arbitrary: harm,
  },
);

const drain = fc.constant<Step[]>([{ do: "drain" }]);
const some = (step: fc.Arbitrary<Step>) => fc.array(step, { minLength: 1, maxLength: 6 });
/** A group is blocked, and an operator is at it. */
const operated: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.constant<Step[]>([{ do: "send", group: "a", says: ["rejected"] }]),
    some(send.map((one) => ({ ...one, group: "a" }))),
    drain,
    some(operatorStep),
    some(anyStep),
    drain,
    some(operatorStep),
    drain,
  )
  .map((parts) => parts.flat());

export const plans: fc.Arbitrary<Plan> = fc.record({
  policy: fc.constantFrom("park", "park", "park", "dead-letter"),
  batchSize: fc.integer({ min: 1, max: 10 }),
  pageLimit: fc.constantFrom(2, 3, 100),
  steps: fc.oneof(fc.array(anyStep, { minLength: 1, maxLength: 40, size: "max" }), operated),
  faults: fc.oneof(fc.constant<Fault[]>([]), fc.array(anyFault, { maxLength: 150, size: "max" })),
  namedFaults: fc.array(
    fc.record({ call: fc.constantFrom(...CALLS, ...RARE), nth: fc.constantFrom(0, 0, 1, 2), fault: harm }),
    { maxLength: 6 },
  ),
  takes: fc.oneof(
    fc.array(fc.constantFrom(0.01, 0.01, 0.1, 0.9, 1), { minLength: 1, maxLength: 8 }),
    fc.constant<number[]>([1]),
  ),
});

/** Groups of which much is to be done, some of it one after the other, and calls that take nearly as long as they may. */
export const slowPlans: fc.Arbitrary<Partial<Plan>> = fc.record({
  policy: fc.constantFrom("park", "dead-letter"),
  steps: fc
    .tuple(
      fc.array(
        fc.record({
          do: fc.constant("send" as const),
          group: fc.constantFrom("a", "b", "c", "d", "e", "f"),
          says: fc.oneof(answers, fc.constant<Say[]>(["failed", "failed", "failed"])),
          receives: fc.constantFrom(0, 25, 25),
        }),
        { minLength: 4, maxLength: 10 },
      ),
      drain,
      fc.constant<Step[]>([{ do: "replay", pick: 0 }]),
      drain,
    )
    .map((parts) => parts.flat()),
  functionMilliseconds: fc.integer({ min: 30_000, max: 60_000 }),
  takes: fc.array(fc.double({ min: 0.8, max: 1, noNaN: true }), { minLength: 5, maxLength: 30 }),
});

/** Plays the plan, then heals everything and lets an operator see to what is parked, until every message is in its last place. */
export async function play(plan: Partial<Plan>): Promise<World> {
  const {
    policy = "park",
    batchSize = 10,
    pageLimit = 100,
    steps = [],
    faults = [],
    namedFaults = [],
    takes = [0.01],
  } = plan;
  const world = new World(policy);
  world.table.pageLimit = pageLimit;
  world.faults = [...faults];
  world.namedFaults = namedFaults;
  if (plan.functionMilliseconds !== undefined) world.functionMilliseconds = plan.functionMilliseconds;
  world.takes = takes;
  for (const one of steps) await make(world, one, batchSize);
  let isOver = false;
  void Promise.all(world.running).finally(() => (isOver = true));
  await world.clock.runUntil(() => isOver);
  await putRight(world, batchSize);
  world.assertPromises();
  return world;
}

async function make(world: World, step: Step, batchSize: number): Promise<void> {
  switch (step.do) {
    case "send": {
      const { group, says, forever, receives, isNonsense, hasOwnId } = step;
      const ofGroup = [...world.sent.values()].filter(({ groupId }) => groupId === group).length;
      world.send(group, says, {
        forever,
        receives,
        ...(isNonsense ? { body: `nonsense ${world.sent.size}` } : {}),
        ...(hasOwnId ? { key: `own-${ofGroup}` } : {}),
      });
      break;
    }
    case "poll": {
      const batch = world.receive(batchSize);
      if (batch.length > 0) void world.start(batch, step.late);
      break;
    }
    case "wait":
      await world.clock.run(step.milliseconds);
      break;
    case "drain":
      await world.drain(batchSize);
      break;
    case "replay": {
      const blocked = [...world.blockedGroups];
      world.order({ verb: "replay" }, blocked[step.pick % blocked.length] ?? GROUPS[step.pick % GROUPS.length] ?? "a");
      break;
    }
    case "discard": {
      const { group, sequenceNumber } = aim(world, step.target);
      world.order({ verb: "discard", sequenceNumber, reason: "a test" }, group);
      break;
    }
    case "edit": {
      const { group, sequenceNumber } = aim(world, step.target);
      const text = `edit${world.controls.size}`;
      const body = { valid: envelope(group, text), "of another group": envelope("other", text), "no JSON": text }[
        step.to
      ];
      world.order({ verb: "edit", sequenceNumber, body }, group);
      break;
    }
    case "nonsense":
      world.orderNonsense(NONSENSE[step.kind] ?? NONSENSE[0], step.group);
      break;
  }
}

function aim(world: World, { of, pick }: Target): { readonly group: string; readonly sequenceNumber: string } {
  const parked = [...world.table.parked.values()].map(({ message }) => message);
  const sent = [...world.sent.values()];
  const among = of === "parked" && parked.length > 0 ? parked : sent;
  const one = among[pick % among.length];
  const ahead = world.sent.size + world.controls.size + 1 + (pick % 4);
  if (one === undefined || of === "future") {
    return { group: GROUPS[pick % GROUPS.length] ?? "a", sequenceNumber: String(ahead).padStart(20, "0") };
  }
  const { groupId, sequenceNumber } = one;
  return { group: of === "unknown" ? `${groupId}-other` : groupId, sequenceNumber };
}

/** The last of it: no fault, no script, and a person who replays, and discards what is refused for ever. */
async function putRight(world: World, batchSize: number): Promise<void> {
  world.faults = [];
  world.namedFaults = [];
  world.takes = [0.01];
  for (const one of world.sent.values()) one.says = [];
  for (let round = 0; ; round += 1) {
    await world.drain(batchSize);
    if (world.blockedGroups.size === 0) return;
    assert.ok(round < 100, `${[...world.blockedGroups].join()} are blocked for ever`);
    for (const group of world.blockedGroups) {
      const [oldest] = world.parkedOf(group);
      const forever = world.sent.get(oldest?.messageId ?? "")?.forever;
      const isHopeless = oldest?.stoppedBy !== undefined && (forever !== "accepted" || oldest.reason === "no-envelope");
      if (oldest !== undefined && isHopeless) {
        world.order({ verb: "discard", sequenceNumber: oldest.sequenceNumber, reason: "hopeless" }, group);
      } else world.order({ verb: "replay" }, group);
    }
  }
}
