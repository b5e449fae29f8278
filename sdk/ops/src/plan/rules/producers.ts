import { blocks } from "../attributes.ts";
import { type Change, goes, isSame, stays, was, will } from "../change.ts";
import { changesOf, type Plan } from "../plan.ts";
import type { Finding, Rule } from "../risk.ts";
import { becomes, notKnown } from "./comparison.ts";
import { routeName } from "./route-name.ts";
import { howAndWhyItGoes, howItGoes, number, whyItGoes } from "./wording.ts";

const KEY = "aws_api_gateway_api_key";
const PLAN_KEY = "aws_api_gateway_usage_plan_key";
const USAGE_PLAN = "aws_api_gateway_usage_plan";

const ADD_FIRST =
  'if the producer stays, give it another key first (keys: ["b", "a"]), then switch the old one off ({ generation: "a", enabled: false }) and see that nobody uses it';

/** What can happen to producers' keys and limits. */
export const producerRules: readonly Rule[] = [
  {
    id: "producer-locked-out",
    types: [KEY],
    look: (change, { plan }) => {
      const label = `API key ${change.before?.["name"]}`;
      const say = (what: string, reason: string) =>
        lockedOut(change, String(change.before?.["id"]), plan, what, reason);
      // One that is switched off opens nothing any more.
      if (goes(change) && isOff(change, plan)) return [];
      if (goes(change)) return [say(howItGoes(label, change, "one with another value"), whyItGoes(change))];
      const isOther =
        stays(change) && will(change, "value").known && !isSame(was(change, "value"), change.after?.["value"]);
      return [
        ...becomes(change, "enabled", false, "whether the key is switched off", () =>
          say(`${label} is switched off`, "enabled true -> false"),
        ),
        ...(isOther ? [say(`${label} gets another value`, "value differs (not shown)")] : []),
      ];
    },
  },
  {
    id: "producer-locked-out",
    types: [PLAN_KEY],
    look: (change, { plan }) => {
      if (!goes(change)) return [];
      const id = String(was(change, "key_id"));
      // The key itself goes too, and that has been told; or it is switched off, and opens nothing any more.
      const key = keyWith(id, plan);
      if (key !== undefined && (goes(key) || isOff(key, plan))) return [];
      const what = howItGoes(`API key ${was(change, "name")}'s association with its usage plan`, change, "another one");
      return [lockedOut(change, id, plan, what, whyItGoes(change))];
    },
  },
  {
    id: "producer-locked-out",
    types: [USAGE_PLAN],
    look: (change, { plan }) => {
      const label = `usage plan ${change.before?.["name"]}`;
      const lost = "every request with one of its keys: 403 as soon as it is gone";
      if (goes(change)) {
        // Its keys go, too: that has been told.
        if (keysOf(plan, change).every((key) => key !== undefined && goes(key))) return [];
        const instead = "keep the plan; each of its arguments can be changed in place";
        return [{ severity: "high", ...howAndWhyItGoes(label, change, "another one"), lost, instead }];
      }
      if (!stays(change)) return [];
      const after = will(change, "api_stages");
      if (!after.known) return [{ unknown: "api_stages", what: "whether the usage plan still opens every stage" }];
      const stages = new Set(blocks(change.after, "api_stages").map(stageOf));
      const gone = blocks(change.before, "api_stages")
        .map(stageOf)
        .filter((stage) => !stages.has(stage));
      if (gone.length === 0) return [];
      const instead = "add the new stage beside the old one, move the producers, and take the old one out afterwards";
      return [
        {
          severity: "high",
          what: `${label} no longer opens a stage`,
          reason: `api_stages lose ${gone.join(", ")}`,
          lost,
          instead,
        },
      ];
    },
  },
  {
    id: "producer-throttled",
    types: [USAGE_PLAN, "aws_api_gateway_method_settings"],
    look: (change) => {
      if (!stays(change)) return [];
      const isPlan = change.type === USAGE_PLAN;
      const [block, rate, burst] = isPlan
        ? ["throttle_settings", "rate_limit", "burst_limit"]
        : ["settings", "throttling_rate_limit", "throttling_burst_limit"];
      const open = notKnown(change, isPlan ? [block, "quota_settings"] : [block], "whether producers may send less");
      const speed = [...fewer(change, block, rate), ...fewer(change, block, burst)];
      const quota = isPlan ? lessQuota(change) : [];
      if (speed.length + quota.length === 0) return open;
      const lost = [
        ...(speed.length > 0
          ? ["no message that was taken; what is over the rate gets a 429, and clients wait and send it again"]
          : []),
        ...(quota.length > 0
          ? ["where this period's count is over the new quota already, every request until the period ends (429)"]
          : []),
      ];
      return [
        {
          severity: "medium",
          what: isPlan
            ? `producers of usage plan ${was(change, "name")} may send less`
            : "all producers together may send less",
          reason: [...speed, ...quota].join(", "),
          lost: lost.join("; "),
          instead: "compare it with what the producers sent in the last weeks (metric Count of the stage) first",
        },
        ...open,
      ];
    },
  },
  {
    id: "producer-throttled",
    types: ["aws_wafv2_web_acl"],
    look: (change) => {
      if (!stays(change)) return [];
      const before = new Map(blocks(change.before, "rule").map((rule) => [rule["name"], addressLimit(rule)]));
      const less = blocks(change.after, "rule").flatMap((rule) => {
        const [old, next] = [before.get(rule["name"]), addressLimit(rule)];
        return old !== undefined && next !== undefined && next < old
          ? [`${rule["name"]} ${number(old)} -> ${number(next)}`]
          : [];
      });
      if (less.length === 0) return [];
      return [
        {
          severity: "medium",
          what: "an address may send less before the firewall refuses it",
          reason: less.join(", "),
          lost: "no message that was taken; what is over the limit gets a 429, and clients wait and send it again",
          instead: "look whether many producers share an address first",
        },
      ];
    },
  },
  {
    id: "key-not-required",
    types: ["aws_api_gateway_method"],
    look: (change, { plan }) => {
      // A browser asks without a key before it sends with one.
      if (change.after === undefined || change.action === "none" || change.after["http_method"] === "OPTIONS")
        return [];
      const open = ["api_key_required", "authorization"].find((attribute) => !will(change, attribute).known);
      if (open !== undefined) return [{ unknown: open, what: "whether everyone may call the route" }];
      if (!isOpen(change.after) || (change.before !== undefined && isOpen(change.before))) return [];
      return [
        {
          severity: "high",
          what: `route ${routeName(change, plan)} is open to everyone`,
          reason: "api_key_required is false, and authorization is NONE",
          lost: "who sent what: anyone can put messages into any group, and no usage plan limits them",
          instead: "keep api_key_required = true",
        },
      ];
    },
  },
];

function isOpen(attributes: NonNullable<Change["before"]>): boolean {
  return attributes["api_key_required"] !== true && attributes["authorization"] === "NONE";
}

/** Of what is no longer in the configuration, a plan has the values of the last apply: what somebody did since is in its drift. */
function isOff(key: Change, { outside }: Plan): boolean {
  const since = outside.find(({ address }) => address === key.address)?.after;
  return (since ?? key.before)?.["enabled"] === false;
}

function lockedOut(change: Change, id: string, plan: Plan, what: string, reason: string): Finding {
  const others = otherKeys(plan, id);
  const has = others.length > 0;
  return {
    severity: has ? "medium" : "high",
    what,
    reason,
    lost: has
      ? `every request with this key: 403. The producer's other keys stay (${others.join(", ")})`
      : "every request of this producer: 403. It has no other key",
    instead: has ? "see in the access log that nobody uses this key any more, and switch it off before" : ADD_FIRST,
  };
}

/** Names of the other keys of the same usage plan that go on working. */
function otherKeys(plan: Plan, id: string): string[] {
  const memberships = changesOf(plan, PLAN_KEY);
  const usagePlan = memberships.find(({ before }) => before?.["key_id"] === id)?.before?.["usage_plan_id"];
  const isInUse = changesOf(plan, USAGE_PLAN).some(
    ({ before, action }) => before?.["id"] === usagePlan && (action === "none" || action === "update"),
  );
  if (usagePlan === undefined || !isInUse) return [];
  return memberships
    .filter(
      (member) => !goes(member) && member.before?.["usage_plan_id"] === usagePlan && member.before?.["key_id"] !== id,
    )
    .filter(({ before }) => {
      const key = keyWith(before?.["key_id"], plan);
      return key !== undefined && !goes(key) && key.after?.["enabled"] === true;
    })
    .map(({ before }) => String(before?.["name"]));
}

/** The API keys of a usage plan; undefined for one that the stack has not made. */
function keysOf(plan: Plan, usagePlan: Change): (Change | undefined)[] {
  return changesOf(plan, PLAN_KEY)
    .filter(({ before }) => before?.["usage_plan_id"] === usagePlan.before?.["id"])
    .map(({ before }) => keyWith(before?.["key_id"], plan));
}

function keyWith(id: unknown, plan: Plan): Change | undefined {
  return changesOf(plan, KEY).find(({ before }) => before?.["id"] === id);
}

function stageOf(stage: Readonly<Record<string, unknown>>): string {
  return `${stage["api_id"]}:${stage["stage"]}`;
}

/** No limit, as API Gateway has it: none at all, or -1. */
function limitOf(value: unknown): number {
  return typeof value === "number" && value >= 0 ? value : Number.POSITIVE_INFINITY;
}

/** A number of a block that is lower than before. */
function fewer(change: Change, block: string, attribute: string): string[] {
  const [before, after] = [change.before, change.after].map((attributes) =>
    limitOf(blocks(attributes, block)[0]?.[attribute]),
  );
  return before === undefined || after === undefined || after >= before
    ? []
    : [`${attribute} ${count(before)} -> ${count(after)}`];
}

const DAYS: Readonly<Record<string, number>> = { DAY: 1, WEEK: 7, MONTH: 30 };

/** A quota that is lower than before, for its period. */
function lessQuota(change: Change): string[] {
  const [before, after] = [change.before, change.after].map((attributes) => {
    const [quota] = blocks(attributes, "quota_settings");
    const [limit, period] = [limitOf(quota?.["limit"]), String(quota?.["period"] ?? "MONTH")];
    return { aDay: limit / (DAYS[period] ?? 1), text: `${count(limit)} a ${period.toLowerCase()}` };
  });
  return before === undefined || after === undefined || after.aDay >= before.aDay
    ? []
    : [`quota ${before.text} -> ${after.text}`];
}

function count(limit: number): string {
  return Number.isFinite(limit) ? number(limit) : "no limit";
}

/** Requests of one address that a rule of the firewall lets through in its window. */
function addressLimit(rule: Readonly<Record<string, unknown>>): number | undefined {
  const limit = blocks(blocks(rule, "statement")[0], "rate_based_statement")[0]?.["limit"];
  return typeof limit === "number" ? limit : undefined;
}
