import { HOPS, type Hop, PATH } from "./hop.ts";
import type { Review, ReviewedChange } from "./review.ts";
import { risksFrom } from "./review.ts";
import { type NotJudged, type Risk, SEVERITIES, type Severity } from "./risk.ts";

/** From which severity on a review fails. */
export type FailOn = Severity | "none";

/** One row of the summary by hop. */
export interface HopRow {
  readonly hop: Hop;
  /** e.g. `1 replaced, 2 changed`; empty where nothing changes */
  readonly counts: string;
  /** What is destroyed comes first. */
  readonly changes: readonly ReviewedChange[];
}

/** The gravest first. */
const PAST: readonly (readonly [ReviewedChange["action"], string])[] = [
  ["destroy", "destroyed"],
  ["replace", "replaced"],
  ["update", "changed"],
  ["create", "created"],
  ["forget", "forgotten"],
  ["move", "moved"],
  ["import", "imported"],
];

/** What changes, by hop, in the order in which a message travels. The path is there as a whole, so that one sees where nothing changes. */
export function hopRows({ hops }: Review): HopRow[] {
  return HOPS.flatMap((hop) => {
    const changes = (hops.find((row) => row.hop === hop)?.changes ?? []).toSorted((a, b) => rank(a) - rank(b));
    return changes.length === 0 && !isOnPath(hop) ? [] : [{ hop, counts: countActions(changes), changes }];
  });
}

/** Whether a hop is on a message's path, or where it is set aside. */
export function isOnPath(hop: Hop): boolean {
  return PATH.some((step) => step === hop);
}

function rank({ action }: ReviewedChange): number {
  return PAST.findIndex(([of]) => of === action);
}

function countActions(changes: readonly ReviewedChange[]): string {
  return PAST.map(([action, past]) => [changes.filter((change) => change.action === action).length, past] as const)
    .filter(([count]) => count > 0)
    .map(([count, past]) => `${count} ${past}`)
    .join(", ");
}

/** @example headline(review, "high") // "1 critical, 2 low: it fails, with 1 at high or worse" */
export function headline(review: Review, failOn: FailOn): string {
  const { risks, hops } = review;
  if (risks.length === 0) return hops.length === 0 ? "nothing changes" : "no risks found";
  const counts = SEVERITIES.map(
    (severity) => [risks.filter((risk) => risk.severity === severity).length, severity] as const,
  )
    .filter(([count]) => count > 0)
    .map(([count, severity]) => `${count} ${severity}`)
    .join(", ");
  const grave = failOn === "none" ? 0 : risksFrom(failOn, review).length;
  return grave === 0
    ? counts
    : `${counts}: it fails, with ${grave} at ${failOn}${failOn === "critical" ? "" : " or worse"}`;
}

/** A change in one line, e.g. `aws_sqs_queue.queue-1_queue (visibility_timeout_seconds)`. */
export function shortChange({ address, attributes }: ReviewedChange): string {
  const [first, second, ...more] = attributes;
  const named = [first, second].filter((attribute) => attribute !== undefined).join(", ");
  const suffix = more.length === 0 ? named : `${named} and ${more.length} more`;
  return suffix === "" ? address : `${address} (${suffix})`;
}

/** Risks that differ in their resource only: one of each rule, reason, loss and way out. */
export interface RiskGroup {
  readonly first: Risk;
  /** What happens, of each. */
  readonly titles: readonly string[];
  /** Addresses by stack. */
  readonly places: readonly (readonly [stack: string, addresses: readonly string[]])[];
}

/** What is read once, in the place of the first. */
export function riskGroups(risks: readonly Risk[]): RiskGroup[] {
  const groups = Map.groupBy(risks, ({ rule, severity, origin, reason, lost, instead }) =>
    JSON.stringify([rule, severity, origin, reason, lost, instead]),
  );
  return [...groups.values()].flatMap((all) => {
    const [first] = all;
    if (first === undefined) return [];
    return [{ first, titles: [...new Set(all.map(({ what }) => what))], places: placesOf(all) }];
  });
}

/** Addresses by stack, each once. */
function placesOf(all: readonly Pick<Risk, "address" | "stack">[]): RiskGroup["places"] {
  return [...Map.groupBy(all, ({ stack }) => stack)].map(([stack, here]) => [
    stack,
    [...new Set(here.map(({ address }) => address))],
  ]);
}

/** What could not be judged of one attribute, whatever the rules. */
export interface NotJudgedGroup {
  readonly first: NotJudged;
  /** e.g. `whether it gains a wildcard, whether it lets in everyone` */
  readonly what: string;
}

/** What could not be judged, one row an attribute. */
export function notJudgedGroups(all: readonly NotJudged[]): NotJudgedGroup[] {
  const groups = Map.groupBy(all, ({ stack, address, unknown }) => JSON.stringify([stack, address, unknown]));
  return [...groups.values()].flatMap((items) => {
    const [first] = items;
    return first === undefined ? [] : [{ first, what: [...new Set(items.map(({ what }) => what))].join(", ") }];
  });
}

/** What is changed and says the same, in one line; empty where there is none. */
export function cosmeticLine({ cosmetic }: Review): string {
  return cosmetic === 0
    ? ""
    : `not counted: ${cosmetic} changed without effect (JSON printed anew, or empty for absent)`;
}
