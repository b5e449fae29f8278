import * as fc from "fast-check";
import type { Fate, Lands } from "./client-model-gateway.ts";

/** How the schema treats one message. */
export type Check =
  | { readonly kind: "sync" }
  | { readonly kind: "async"; readonly after: number }
  | { readonly kind: "refuse" }
  | { readonly kind: "refuse-async"; readonly after: number };

/** One thing that a producer does. Between two of them no time passes, not even a tick, except for `pass`. */
export type Step =
  | { readonly do: "send"; readonly group: string }
  | { readonly do: "sendMany"; readonly groups: readonly string[] }
  /** Waits for room, then sends. */
  | { readonly do: "sendWhenReady"; readonly group: string }
  | { readonly do: "pass"; readonly milliseconds: number }
  /** Aborts the signal of one message, counted back from the last one sent; of those that are pending, if there are any. */
  | { readonly do: "abort"; readonly back: number }
  /** Resumes one of the paused groups, or when there is none, one that is not. */
  | { readonly do: "resume"; readonly at: number; readonly how: "replay" | "skip" }
  | { readonly do: "resumeAll"; readonly how: "replay" | "skip" }
  | { readonly do: "flush" }
  | { readonly do: "abortClient" }
  | { readonly do: "close"; readonly timeout: number };

/** Everything that one run is made of. */
export interface Plan {
  readonly concurrency: number;
  readonly maxBatchSize: number;
  readonly maxPending: number;
  readonly attemptTimeoutMilliseconds: number;
  readonly retryBudgetMilliseconds: number;
  readonly onFailure: "pause" | "continue";
  /** What becomes of a message's attempts, by the message's number modulo the length; the last one of a row repeats. */
  readonly fates: readonly (readonly Fate[])[];
  /** The same for the schema; none when empty. */
  readonly checks: readonly Check[];
  readonly steps: readonly Step[];
  /** Whether all settles before the client is closed at the end. */
  readonly settled: boolean;
  /** Of that `close()`; undefined for the default. */
  readonly timeout: number | undefined;
}

export const GROUPS = ["a", "b", "c", "d"] as const;

const group = fc.constantFrom(...GROUPS, "a" as const, "a" as const);
const how = fc.constantFrom("replay" as const, "skip" as const);
const lands: fc.Arbitrary<Lands> = fc.constantFrom<Lands>("never", "now", 0, 10_000, 29_999);

const vague = (...kinds: ("broken" | "unnamed" | "down" | "odd" | "reset" | "cut" | "hang" | "stall")[]) =>
  fc.record({ kind: fc.constantFrom(...kinds), lands });

const fate: fc.Arbitrary<Fate> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("accept" as const), after: fc.constantFrom(0, 20, 5_000) }),
  },
  { weight: 8, arbitrary: vague("broken", "unnamed", "down", "odd", "reset", "cut", "hang", "stall") },
  { weight: 4, arbitrary: vague("hang") },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("busy" as const, "refuse" as const, "poison" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("storm" as const), seconds: fc.constantFrom(1, 45, 1_000) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("quota" as const, "moved" as const) }) },
);

const check: fc.Arbitrary<Check> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("sync" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("async" as const), after: fc.constantFrom(0, 30, 2_000, 60_000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refuse" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("refuse-async" as const), after: fc.constantFrom(0, 2_000) }),
  },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ do: fc.constant("send" as const), group }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("pass" as const),
      milliseconds: fc.constantFrom(0, 0, 1, 100, 5_000, 29_999, 30_000, 31_000, 120_000, 290_000, 310_000),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant("abort" as const), back: fc.nat(5) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant("resume" as const), at: fc.nat(3), how }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("resumeAll" as const), how }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("sendMany" as const), groups: fc.array(group, { maxLength: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("sendWhenReady" as const), group }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("flush" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("abortClient" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("close" as const), timeout: fc.constantFrom(0, 1_000, 30_000, 300_000) }),
  },
);

export const plans: fc.Arbitrary<Plan> = fc.record({
  concurrency: fc.constantFrom(1, 2, 16),
  maxBatchSize: fc.constantFrom(10, 10, 3, 1),
  maxPending: fc.constantFrom(1_000, 1_000, 4),
  attemptTimeoutMilliseconds: fc.constantFrom(30_000, 30_000, 2_000),
  retryBudgetMilliseconds: fc.constantFrom(240_000, 270_000, 20_000, 2_000),
  onFailure: fc.constantFrom("pause" as const, "pause" as const, "continue" as const),
  fates: fc.array(fc.array(fate, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
  checks: fc.oneof(fc.constant([]), fc.array(check, { minLength: 1, maxLength: 5 })),
  steps: fc.array(step, { minLength: 1, maxLength: 30, size: "max" }),
  settled: fc.boolean(),
  timeout: fc.constantFrom(undefined, 0, 1_000, 100_000),
});
