import { isWorldRange } from "../address-range.ts";
import { blocks, texts } from "../attributes.ts";
import { type Change, will } from "../change.ts";
import { movesToOther } from "../owner.ts";
import type { Plan } from "../plan.ts";
import type { Finding, NotKnown, Rule, Surroundings } from "../risk.ts";

type Direction = "in" | "out";

/** What is open to so much of the world that it may as well be all of it. */
interface Opening {
  /** e.g. `tcp`; `-1` is every one */
  readonly protocol: string;
  readonly from: number;
  readonly to: number;
  /** e.g. `0.0.0.0/0` */
  readonly range: string;
}

const MOST_PORTS = 65_535;

/** What can happen to who gets to the instance and what it gets to. */
export const securityGroupRules: readonly Rule[] = [
  {
    id: "open-to-world",
    types: ["aws_security_group", "aws_default_security_group"],
    look,
  },
  {
    id: "open-to-world",
    types: ["aws_security_group_rule", "aws_vpc_security_group_ingress_rule", "aws_vpc_security_group_egress_rule"],
    look,
  },
];

function look(change: Change, { plan }: Surroundings): (Finding | NotKnown)[] {
  const { after } = change;
  if (after === undefined || change.action === "none" || change.action === "forget") return [];
  return (["in", "out"] as const).flatMap((direction): (Finding | NotKnown)[] => {
    const open = sources(change, direction)
      .filter((attribute) => !will(change, attribute).known && change.configured?.has(attribute) !== false)
      .slice(0, 1)
      .map((unknown) => ({ unknown, what: "whether the world gets in or out" }));
    const own = movesToOther(change) ? [] : openings(change.type, change.before, direction);
    const had = [...own, ...openedElsewhere(change, plan, direction)];
    const gained = openings(change.type, after, direction).filter(
      (opening) => !had.some((wider) => holds(wider, opening)),
    );
    return gained.length === 0 ? open : [finding(change, direction, gained), ...open];
  });
}

function finding({ type, name, before, after }: Change, direction: Direction, gained: readonly Opening[]): Finding {
  const isIn = direction === "in";
  const attributes = { ...before, ...after };
  const label = type.endsWith("_rule")
    ? `rule ${name} of ${attributes["security_group_id"] ?? "a new security group"}`
    : `security group ${attributes["name"] ?? name}`;
  // What the response server updates itself by, and Session Manager: HTTPS to AWS's public addresses.
  const isHttps = !isIn && gained.every(({ protocol, from, to }) => protocol === "tcp" && from === 443 && to === 443);
  return {
    severity: isIn ? "high" : isHttps ? "low" : "medium",
    what: `${label} ${isIn ? "lets the world in" : "reaches the whole world"}`,
    reason: `it gains ${gained.map((opening) => text(opening, direction)).join(", ")}`,
    lost: isIn
      ? "the wall around the backend: anyone can send it messages that went through no gateway and no queue"
      : "the wall around what is inside: whatever runs there can send messages and keys anywhere",
    instead: "refer to the other security group, or name the addresses",
  };
}

/** What rules of their own open in a group. The group has it, too, from the next refresh on; they are looked at themselves. */
function openedElsewhere({ type, before }: Change, { changes }: Plan, direction: Direction): Opening[] {
  if (type !== "aws_security_group") return [];
  return changes
    .filter((rule) => /^aws_(?:vpc_)?security_group_.*rule$/.test(rule.type))
    .filter((rule) => before !== undefined && rule.before?.["security_group_id"] === before["id"])
    .flatMap((rule) => openings(rule.type, rule.before, direction));
}

function sources({ type, before, after }: Change, direction: Direction): string[] {
  const block = direction === "in" ? "ingress" : "egress";
  if (type === "aws_security_group_rule")
    return (after ?? before)?.["type"] === block ? ["cidr_blocks", "ipv6_cidr_blocks"] : [];
  if (type.startsWith("aws_vpc_security_group_")) return type.includes(`_${block}_`) ? ["cidr_ipv4", "cidr_ipv6"] : [];
  return [block];
}

function openings(type: string, attributes: Change["before"], direction: Direction): Opening[] {
  if (attributes === undefined) return [];
  const block = direction === "in" ? "ingress" : "egress";
  if (type.startsWith("aws_vpc_security_group_") && !type.includes(`_${block}_`)) return [];
  if (type === "aws_security_group_rule" && attributes["type"] !== block) return [];
  const rules = type.endsWith("_rule") ? [attributes] : blocks(attributes, block);
  return rules.flatMap((rule) => {
    const protocol = String(rule["ip_protocol"] ?? rule["protocol"]).toLowerCase();
    const isAll = protocol === "-1" || protocol === "all";
    const [from, to] = isAll
      ? [0, MOST_PORTS]
      : [Number(rule["from_port"] ?? 0), Number(rule["to_port"] ?? MOST_PORTS)];
    return ["cidr_ipv4", "cidr_ipv6", "cidr_blocks", "ipv6_cidr_blocks"]
      .flatMap((attribute) => texts(rule[attribute]))
      .filter(isWorldRange)
      .map((range) => ({ protocol: isAll ? "-1" : protocol, from, to, range }));
  });
}

/** Whether what was open holds all that is. */
function holds(wider: Opening, opening: Opening): boolean {
  const isFamily = wider.range.includes(":") === opening.range.includes(":");
  return (
    (wider.protocol === "-1" || wider.protocol === opening.protocol) &&
    wider.from <= opening.from &&
    wider.to >= opening.to &&
    (wider.range === opening.range || (isFamily && wider.range.endsWith("/0")))
  );
}

function text({ protocol, from, to, range }: Opening, direction: Direction): string {
  const ports = from === to ? `${from}` : `${from}-${to}`;
  return `${protocol === "-1" ? "everything" : `${protocol} ${ports}`} ${direction === "in" ? "from" : "to"} ${range}`;
}
