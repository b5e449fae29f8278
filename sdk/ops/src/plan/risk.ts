import type { Change } from "./change.ts";
import type { Hop } from "./hop.ts";
import type { Plan } from "./plan.ts";

/**
 * How bad it is, the worst first.
 *
 * `critical`: messages, or their order, are lost for good. `high`: producers or groups stand still, or a door is open.
 * `medium`: something behaves otherwise under load, or gets less safe. `low`: worth knowing.
 */
export const SEVERITIES = ["critical", "high", "medium", "low"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a rule says of a change. */
export interface Finding {
  readonly severity: Severity;
  /** What happens, e.g. `queue prod-queue-1 is replaced by an empty one`. */
  readonly what: string;
  /** What in the plan leads to it. */
  readonly reason: string;
  /** What would be lost. */
  readonly lost: string;
  /** What to do instead. */
  readonly instead: string;
}

/** That a rule cannot tell, since a value is known after the apply only. */
export interface NotKnown {
  /** The attribute, e.g. `policy`. */
  readonly unknown: string;
  /** What therefore was not looked at. */
  readonly what: string;
}

/** A finding about one resource. */
export interface Risk extends Finding {
  /** The rule's id, e.g. `queue-lost`. */
  readonly rule: string;
  readonly stack: string;
  readonly hop: Hop;
  readonly address: string;
  readonly origin: Change["origin"];
}

/** What could not be judged, and why. */
export interface NotJudged extends NotKnown {
  readonly rule: string;
  readonly stack: string;
  readonly address: string;
}

/** What a rule can look at besides the change. */
export interface Surroundings {
  /** The plan that the change is in. */
  readonly plan: Plan;
  /** All plans of this review. */
  readonly plans: readonly Plan[];
}

/** One way in which a change can hurt. */
export interface Rule {
  readonly id: string;
  /** The types of resources that it looks at; `*` for all. */
  readonly types: readonly string[];
  readonly look: (change: Change, surroundings: Surroundings) => readonly (Finding | NotKnown)[];
}
