import { HOPS, type Hop, PATH } from "./hop.ts";
import type { Review, ReviewedChange } from "./review.ts";
import { type NotJudged, type Risk, SEVERITIES } from "./risk.ts";

/** One row of the summary by hop. */
export interface HopRow {
  readonly hop: Hop;
  /** e.g. `1 replaced, 2 changed`; empty where nothing changes */
  readonly counts: string;
  readonly changes: readonly ReviewedChange[];
}

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
    return changes.length === 0 && !PATH.some((step) => step === hop)
      ? []
      : [{ hop, counts: countActions(changes), changes }];
  });
}

/** What is destroyed is named first. */
function rank({ action }: ReviewedChange): number {
  return PAST.findIndex(([of]) => of === action);
}

function countActions(changes: readonly ReviewedChange[]): string {
  return PAST.map(([action, past]) => [changes.filter((change) => change.action === action).length, past] as const)
    .filter(([count]) => count > 0)
    .map(([count, past]) => `${count} ${past}`)
    .join(", ");
}

/** @example headline(review) // "1 critical risk, 2 low ones" */
export function headline({ risks, hops }: Review): string {
  if (risks.length === 0) return hops.length === 0 ? "nothing changes" : "no risks found";
  return SEVERITIES.map((severity) => [risks.filter((risk) => risk.severity === severity).length, severity] as const)
    .filter(([count]) => count > 0)
    .map(([count, severity]) => `${count} ${severity}`)
    .join(", ");
}

/** A change as short as it can be found by: `queue-1_queue (visibility_timeout_seconds)`, with the type where `types` asks for it. */
export function shortChange({ address, attributes }: ReviewedChange): string {
  const [first, second, ...more] = attributes;
  const named = [first, second].filter((attribute) => attribute !== undefined).join(", ");
  const suffix = more.length === 0 ? named : `${named} and ${more.length} more`;
  return suffix === "" ? address : `${address} (${suffix})`;
}

/** Risks that differ in their resource only. */
export interface RiskGroup {
  readonly first: Risk;
  readonly others: readonly Risk[];
}

/** Risks of one rule with the same loss and the same way out are read once, in the place of the first. */
export function riskGroups(risks: readonly Risk[]): RiskGroup[] {
  const groups = Map.groupBy(risks, ({ rule, severity, origin, lost, instead }) =>
    JSON.stringify([rule, severity, origin, lost, instead]),
  );
  return [...groups.values()].flatMap(([first, ...others]) => (first === undefined ? [] : [{ first, others }]));
}

/** Where it is: `aws_sqs_queue.queue-1_queue in prod-messaging`. */
export function whereAre(places: readonly Pick<Risk, "address" | "stack">[]): string {
  return [...Map.groupBy(places, ({ stack }) => stack)]
    .map(([stack, all]) => `${all.map(({ address }) => address).join(", ")} in ${stack}`)
    .join("; ");
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
    return first === undefined ? [] : [{ first, what: items.map(({ what }) => what).join(", ") }];
  });
}
