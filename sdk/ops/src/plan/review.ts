import { OpsError } from "../errors.ts";
import { type Action, type Change, changedAttributes, isSame, secretsOf, will } from "./change.ts";
import { HOPS, type Hop, hopOf } from "./hop.ts";
import type { Plan } from "./plan.ts";
import { type Finding, type NotJudged, type NotKnown, type Risk, SEVERITIES, type Severity } from "./risk.ts";
import { rules } from "./rules/index.ts";

/** One resource that a plan changes. */
export interface ReviewedChange {
  readonly stack: string;
  readonly address: string;
  readonly action: Exclude<Action, "none"> | "move" | "import";
  /** Which attributes: those that an update changes or may change, or that force a replacement. */
  readonly attributes: readonly string[];
}

/** What a review says. */
export interface Review {
  readonly stacks: readonly { readonly stack: string; readonly source: string; readonly terraformVersion: string }[];
  /** What changes, by hop of a message's path; hops where nothing changes are left out. */
  readonly hops: readonly { readonly hop: Hop; readonly changes: readonly ReviewedChange[] }[];
  /** The worst first; of the same severity, in the order in which a message travels. */
  readonly risks: readonly Risk[];
  /** What could not be judged, since it is known after the apply only, or is not in the plan. */
  readonly notJudged: readonly NotJudged[];
  /** Updates after which everything says the same: JSON that AWS has printed anew. */
  readonly cosmetic: number;
}

/**
 * Reviews plans for what they mean to messages in order. Plans of the same deployment belong into one review: some rules
 * look at more than one stack.
 *
 * @throws OpsError `INVALID_ARGUMENT` without a plan
 * @example reviewPlans(readPlans([{ source: "plan.json", text }])).risks[0]?.rule // "queue-lost"
 */
export function reviewPlans(plans: readonly Plan[]): Review {
  if (plans.length === 0) throw new OpsError("INVALID_ARGUMENT", "no plan was given: there is nothing to review");
  const risks: Risk[] = plans.flatMap(judgePlan);
  const notJudged: NotJudged[] = [];
  for (const plan of plans) {
    for (const change of [...plan.changes, ...plan.outside]) {
      const found = judgeChange(change, plan, plans);
      risks.push(...found.risks);
      notJudged.push(...found.notJudged);
    }
  }
  const changes = plans.flatMap((plan) => plan.changes.filter((change) => change.action !== "none" || isMoved(change)));
  const real = changes.filter((change) => !isCosmetic(change));
  return {
    stacks: plans.map(({ stack, source, terraformVersion }) => ({ stack, source, terraformVersion })),
    hops: HOPS.map((hop) => ({ hop, changes: real.filter((change) => hopOf(change) === hop).map(reviewed) })).filter(
      (row) => row.changes.length > 0,
    ),
    risks: risks.toSorted(
      (a, b) =>
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
        HOPS.indexOf(a.hop) - HOPS.indexOf(b.hop) ||
        (a.address < b.address ? -1 : a.address > b.address ? 1 : 0),
    ),
    notJudged,
    cosmetic: changes.length - real.length,
  };
}

/** Risks at or above a severity. @example risksFrom("high", review).length > 0 */
export function risksFrom(severity: Severity, { risks }: Pick<Review, "risks">): Risk[] {
  return risks.filter((risk) => SEVERITIES.indexOf(risk.severity) <= SEVERITIES.indexOf(severity));
}

/** What the plan as a whole does not show. */
function judgePlan({ stack, source, isWhole, isComplete }: Plan): Risk[] {
  const at = { rule: "plan-unfinished", stack, hop: "other", address: source, origin: "plan" } as const;
  if (!isWhole)
    return [
      {
        ...at,
        severity: "high",
        what: "this plan is incomplete",
        reason: "planning ended in an error (errored: true)",
        lost: "sight of what else would change",
        instead: "mend the error and plan again",
      },
    ];
  if (isComplete) return [];
  return [
    {
      ...at,
      severity: "low",
      what: "another plan is needed after this one",
      reason: "it leaves changes out (complete: false), as with -target or where something is known later only",
      lost: "sight of what comes then",
      instead: "review that one, too",
    },
  ];
}

function judgeChange(change: Change, plan: Plan, plans: readonly Plan[]): { risks: Risk[]; notJudged: NotJudged[] } {
  const risks: Risk[] = [];
  const notJudged: NotJudged[] = [];
  const where = { stack: change.stack, address: change.address };
  for (const { id: rule, types, look } of rules) {
    if (!types.includes("*") && !types.includes(change.type)) continue;
    // They are the last of the rules, and for what no other one says more of.
    if (LAST.has(rule) && risks.length > 0) continue;
    for (const finding of look(change, { plan, plans })) {
      if (isNotKnown(finding)) notJudged.push({ rule, ...where, ...finding });
      else
        risks.push({
          rule,
          ...where,
          hop: hopOf(change),
          origin: change.origin,
          ...withoutSecrets(asItHappened(finding, change, plan), change),
        });
    }
  }
  return { risks, notJudged };
}

const LAST: ReadonlySet<string> = new Set(["destroyed", "drift"]);

function isNotKnown(finding: Finding | NotKnown): finding is NotKnown {
  return "unknown" in finding;
}

/** A rule names what it speaks of; where Terraform marks that as secret, nobody is told. */
function withoutSecrets(finding: Finding, change: Change): Finding {
  const secrets = secretsOf(change);
  const clean = (text: string) => secrets.reduce((left, secret) => left.replaceAll(secret, "(not shown)"), text);
  const { what, reason, lost, instead } = finding;
  return { ...finding, what: clean(what), reason: clean(reason), lost: clean(lost), instead: clean(instead) };
}

/** What has happened already cannot be done otherwise. */
function asItHappened(finding: Finding, change: Change, plan: Plan): Finding {
  if (change.origin === "plan") return finding;
  const does = whatThePlanDoes(change, plan);
  const isBack = does === PUTS_BACK;
  return {
    ...finding,
    what: `changed outside Terraform: ${finding.what}`,
    reason: `since the last apply: ${finding.reason}`,
    instead: `find out who did it and why (CloudTrail); ${does}${isBack ? "" : `. In general: ${finding.instead}`}`,
  };
}

const PUTS_BACK = "this plan puts it back";

function whatThePlanDoes(change: Change, { changes }: Plan): string {
  const planned = changes.find(({ address, isDeposed }) => address === change.address && !isDeposed);
  switch (planned?.action) {
    case "create":
      return "this plan makes a new one";
    case "update": {
      const differing = new Set(changedAttributes(planned));
      const now = changedAttributes(change);
      const isBack = (name: string) => isSame(planned.after?.[name], change.before?.[name]);
      const back = now.filter((name) => differing.has(name) && isBack(name));
      const other = now.filter((name) => differing.has(name) && !isBack(name));
      const kept = now.filter((name) => !differing.has(name));
      if (back.length === now.length) return PUTS_BACK;
      const parts = [
        ...(back.length > 0 ? [`puts ${back.join(", ")} back`] : []),
        ...(other.length > 0 ? [`sets ${other.join(", ")} to another value`] : []),
        ...(kept.length > 0 ? [`leaves ${kept.join(", ")} as now`] : []),
      ];
      return `this plan ${parts.join(", and ")}`;
    }
    case "replace":
    case "destroy":
      return "this plan destroys it";
    default:
      return "this plan leaves it as it is now";
  }
}

function isMoved({ movedFrom, isImported }: Change): boolean {
  return movedFrom !== undefined || isImported;
}

function isCosmetic(change: Change): boolean {
  return change.action === "update" && !isMoved(change) && changedAttributes(change).length === 0;
}

function reviewed(change: Change): ReviewedChange {
  const { stack, address, action, isImported, configured } = change;
  // What AWS fills in anew with every update tells a reviewer nothing.
  const told = changedAttributes(change).filter(
    (attribute) => configured === undefined || configured.has(attribute) || will(change, attribute).known,
  );
  const attributes = action === "update" ? told : action === "replace" ? change.replacedFor : [];
  const isOnlyMoved = action === "none" || (action === "update" && told.length === 0);
  return { stack, address, action: isOnlyMoved ? (isImported ? "import" : "move") : action, attributes };
}
