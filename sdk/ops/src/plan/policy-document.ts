import { z } from "zod";
import { isWorldRange } from "./address-range.ts";

/** What a policy lets somebody do, one row a statement, action and resource (IAM, "IAM JSON policy elements"). */
export interface Permission {
  /** e.g. `sqs:SendMessage`, `sqs:*`; `every action but ...` of a NotAction */
  readonly action: string;
  /** e.g. an ARN, `*`; `everything but ...` of a NotResource */
  readonly resource: string;
  /** e.g. `*`, `AWS:arn:aws:iam::123456789012:root`, `Service:ec2.amazonaws.com`; undefined in a policy of an identity */
  readonly principal: string | undefined;
  /** The statement's conditions as JSON text, each way of writing the same alike; empty without any. */
  readonly condition: string;
}

export interface PolicyDocument {
  readonly allowed: readonly Permission[];
  readonly denied: readonly Permission[];
  /** Whether a part of it could not be read. */
  readonly isOpen: boolean;
}

export const NO_POLICY: PolicyDocument = { allowed: [], denied: [], isOpen: false };

const text = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const oneOrMore = z.union([text, z.array(text)]).transform((value) => [value].flat());
const conditionSchema = z.record(z.string(), z.record(z.string(), oneOrMore));
const statementSchema = z.object({
  Effect: z.enum(["Allow", "Deny"]),
  Action: oneOrMore.optional(),
  NotAction: oneOrMore.optional(),
  Resource: oneOrMore.optional(),
  NotResource: oneOrMore.optional(),
  Principal: z.union([z.string(), z.record(z.string(), oneOrMore)]).optional(),
  NotPrincipal: z.unknown().optional(),
  Condition: conditionSchema.optional(),
});
const documentSchema = z.object({
  Statement: z.union([z.array(z.unknown()), z.unknown()]).transform((value) => [value].flat()),
});

/**
 * Reads a policy.
 *
 * @returns undefined when there is none
 * @example readPolicy('{"Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}')?.allowed[0]?.action // "sqs:*"
 */
export function readPolicy(policy: unknown): PolicyDocument | undefined {
  if (typeof policy !== "string" || policy.trim() === "") return undefined;
  const document = documentSchema.safeParse(parsed(policy));
  if (!document.success) return { ...NO_POLICY, isOpen: true };
  const statements = document.data.Statement.map((statement) => statementSchema.safeParse(statement));
  const of = (effect: "Allow" | "Deny") =>
    statements.flatMap(({ data }) => (data?.Effect === effect ? permissions(data) : []));
  return { allowed: of("Allow"), denied: of("Deny"), isOpen: statements.some(({ success }) => !success) };
}

function parsed(policy: string): unknown {
  try {
    return JSON.parse(policy);
  } catch {
    return undefined;
  }
}

function permissions(statement: z.output<typeof statementSchema>): Permission[] {
  const { Action: named, NotAction: others, Resource: targets, NotResource: rest, Condition: tests = {} } = statement;
  // What is said by its exceptions is one thing: with another exception it is another.
  const actions = others === undefined ? (named ?? []) : [`every action but ${others.toSorted().join(", ")}`];
  const resources = rest === undefined ? (targets ?? ["*"]) : [`everything but ${rest.toSorted().join(", ")}`];
  const condition = Object.keys(tests).length === 0 ? "" : JSON.stringify(sorted(tests));
  return principals(statement).flatMap((principal) =>
    actions.flatMap((action) => resources.map((resource) => ({ action, resource, principal, condition }))),
  );
}

function sorted(tests: z.output<typeof conditionSchema>): z.output<typeof conditionSchema> {
  return byName(
    Object.entries(tests).map(([operator, keys]) => [
      operator,
      byName(Object.entries(keys).map(([key, values]) => [key, values.toSorted()])),
    ]),
  );
}

function byName<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function principals({
  Principal: principal,
  NotPrincipal: other,
}: z.output<typeof statementSchema>): (string | undefined)[] {
  // Whoever is not named is allowed (IAM, "NotPrincipal with Allow").
  if (other !== undefined) return ["*"];
  if (principal === undefined) return [undefined];
  if (typeof principal === "string") return [principal];
  return Object.entries(principal).flatMap(([kind, names]) =>
    names.map((name) => {
      if (kind !== "AWS") return `${kind}:${name}`;
      // An account can be written as its number (IAM, "AWS account principals").
      return name === "*" ? "*" : `AWS:${/^\d{12}$/.test(name) ? `arn:aws:iam::${name}:root` : name}`;
    }),
  );
}

/** What is in one list, and in the other neither so nor as part of something wider. */
export function gainedPermissions(before: readonly Permission[], after: readonly Permission[]): Permission[] {
  return after.filter((permission) => !before.some((wider) => covers(wider, permission)));
}

/** Whether one permission holds all that another does. */
function covers(wider: Permission, permission: Permission): boolean {
  return (
    (wider.principal === permission.principal || wider.principal === "*") &&
    (wider.condition === permission.condition || wider.condition === "") &&
    matches(wider.action.toLowerCase(), permission.action.toLowerCase()) &&
    matches(wider.resource, permission.resource)
  );
}

/** IAM's wildcards: `*` for any characters, `?` for one. What is said by its exceptions only matches itself. */
function matches(pattern: string, name: string): boolean {
  if (pattern === name || pattern === "*") return true;
  if (pattern.startsWith("every") || name.startsWith("every")) return false;
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(name);
}

/** Whether it lets more than one action. */
export function isWideAction(action: string): boolean {
  return action.includes("*") || action.includes("?") || action.startsWith("every action");
}

/** Whether it is every resource of a service or of a kind, e.g. `*`, `arn:aws:sqs:*:*:*`, `...:table/*`, `...:*.fifo`. */
export function isWideResource(resource: string): boolean {
  if (!/[*?]|^everything but/.test(resource)) return false;
  const parts = resource.split(":");
  const [, , service = "", , , ...rest] = parts;
  if (parts.length < 6 || /[*?]/.test(service)) return true;
  // `bucket/*` is what is in one bucket; of other services `table/` is a kind, and what comes after it a name.
  const name = service === "s3" ? rest.join(":") : rest.join(":").replace(/^[a-z*?-]+[/:]/i, "");
  return /^[*?]/.test(name);
}

/** Condition keys that limit who asks, or from where, in lower case (IAM, "AWS global condition context keys"; KMS and STS have their own). */
const NARROWING = new Set(
  [
    "aws:PrincipalAccount aws:PrincipalArn aws:PrincipalOrgID aws:PrincipalOrgPaths",
    "aws:SourceAccount aws:SourceArn aws:SourceOrgID aws:SourceOrgPaths aws:SourceOwner",
    "aws:SourceIp aws:VpcSourceIp aws:SourceVpc aws:SourceVpce",
    "kms:CallerAccount kms:ViaService sts:ExternalId",
  ]
    .join(" ")
    .toLowerCase()
    .split(" "),
);

/** Names of the condition keys that limit who is meant by `*`; none where a condition only excludes, or matches everything. */
export function narrowingKeys(permission: Permission): string[] {
  return Object.entries(testsOf(permission)).flatMap(([operator, keys]) =>
    // With "...IfExists", and with "ForAllValues:", a request without the key passes, too.
    /Not|IfExists|Null|ForAllValues/i.test(operator)
      ? []
      : Object.entries(keys)
          .filter(([key, values]) => NARROWING.has(key.toLowerCase()) && values.length > 0 && !values.some(matchesMost))
          .map(([key]) => key),
  );
}

/** `*`, `arn:aws:*`, `????????????`, `0.0.0.0/0`: there is nothing in it that somebody else would not have. */
function matchesMost(value: string): boolean {
  if (isWorldRange(value)) return true;
  return /[*?]/.test(value) && !/\d{12}|\bo-[a-z0-9]{10,}/.test(value);
}

/** The ranges that a Deny of all others leaves out; undefined where there is no such Deny. */
export function exceptedRanges({ denied }: PolicyDocument): string[] | undefined {
  const found = denied.flatMap((permission) => Object.values(testsOf(permission)["NotIpAddress"] ?? {}).flat());
  return found.length === 0 ? undefined : found;
}

/** A permission's conditions, by operator and key. */
function testsOf({ condition }: Permission): z.output<typeof conditionSchema> {
  return condition === "" ? {} : conditionSchema.parse(JSON.parse(condition));
}
