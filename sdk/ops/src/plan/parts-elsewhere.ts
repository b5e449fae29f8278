import { blocks, texts } from "./attributes.ts";
import { type Change, isSame } from "./change.ts";
import type { Plan } from "./plan.ts";

type Block = Readonly<Record<string, unknown>>;

/** A list of a resource, each part of which may be set by a resource of its own. */
interface Parts {
  readonly type: string;
  readonly attribute: string;
  /** The types that set a part, and by which attribute they name this resource, and which of its own that is. */
  readonly by: RegExp;
  readonly owner: readonly [attribute: string, own: string];
  /** What a part is made of, e.g. `tcp 443-443 10.0.0.0/8`. */
  readonly keysOf: (part: unknown) => readonly string[];
  readonly keysOfSetter: (setter: Block) => readonly string[];
}

const PARTS: readonly Parts[] = [
  ...["ingress", "egress"].map(
    (attribute): Parts => ({
      type: "aws_security_group",
      attribute,
      by: new RegExp(`^aws_(?:vpc_security_group_${attribute}_rule|security_group_rule)$`),
      owner: ["security_group_id", "id"],
      keysOf: (part) => openings(block(part)),
      keysOfSetter: openings,
    }),
  ),
  {
    type: "aws_iam_role",
    attribute: "inline_policy",
    by: /^aws_iam_role_policy$/,
    owner: ["role", "name"],
    keysOf: (part) => [JSON.stringify([block(part)["name"], policyText(block(part)["policy"])])],
    keysOfSetter: ({ name, policy }) => [JSON.stringify([name, policyText(policy)])],
  },
  {
    type: "aws_iam_role",
    attribute: "managed_policy_arns",
    by: /^aws_iam_role_policy_attachment$/,
    owner: ["role", "name"],
    keysOf: (part) => [String(part)],
    keysOfSetter: ({ policy_arn }) => [String(policy_arn)],
  },
  {
    type: "aws_route_table",
    attribute: "route",
    by: /^aws_route$/,
    owner: ["route_table_id", "id"],
    keysOf: (part) => destinations(block(part), "cidr_block", "ipv6_cidr_block"),
    keysOfSetter: (setter) => destinations(setter, "destination_cidr_block", "destination_ipv6_cidr_block"),
  },
];

/** Whether all that differs in a list of a resource is what other resources of the stack set in it. */
export function arePartsSetElsewhere(change: Change, attribute: string, { changes }: Plan): boolean {
  const parts = PARTS.find(({ type, attribute: name }) => type === change.type && name === attribute);
  if (parts === undefined) return false;
  const [naming, own] = parts.owner;
  const setters = changes.filter(
    ({ type, before }) => parts.by.test(type) && before?.[naming] === change.before?.[own] && before !== undefined,
  );
  const known = new Set(setters.flatMap(({ before }) => parts.keysOfSetter(before ?? {})));
  const [old, next] = [change.before, change.after].map((attributes) => [attributes?.[attribute]].flat(1));
  const isKnown = (part: unknown) => parts.keysOf(part).every((key) => known.has(key));
  const gained = (next ?? []).filter((part) => !(old ?? []).some((other) => isSame(part, other)));
  const gone = (old ?? []).filter((part) => !(next ?? []).some((other) => isSame(part, other)));
  return [...gained, ...gone].every((part) => part === undefined || part === null || isKnown(part));
}

function block(part: unknown): Block {
  return blocks({ part }, "part")[0] ?? {};
}

/** Each protocol, range of ports and source that a rule of a security group has, in whatever way it is written. */
function openings(rule: Block): string[] {
  const protocol = String(rule["ip_protocol"] ?? rule["protocol"]);
  const ports = protocol === "-1" ? "all" : `${rule["from_port"]}-${rule["to_port"]}`;
  const names =
    "cidr_ipv4 cidr_ipv6 referenced_security_group_id prefix_list_id cidr_blocks ipv6_cidr_blocks security_groups prefix_list_ids source_security_group_id";
  return names
    .split(" ")
    .flatMap((name) => texts(rule[name]))
    .filter((source) => source !== "")
    .map((source) => `${protocol} ${ports} ${source}`);
}

function destinations(route: Block, ...attributes: readonly string[]): string[] {
  return attributes.flatMap((attribute) => texts(route[attribute])).filter((range) => range !== "");
}

function policyText(policy: unknown): string {
  try {
    return JSON.stringify(JSON.parse(String(policy)));
  } catch {
    return String(policy);
  }
}
