import { isDeepStrictEqual } from "node:util";
import { record } from "./attributes.ts";

/** What Terraform does to a resource. `replace` destroys it and creates another. */
export type Action = "create" | "update" | "replace" | "destroy" | "forget" | "none";

/** A resource's attributes, as the provider has them. */
export type Attributes = Readonly<Record<string, unknown>>;

/** An attribute's value, or that it is known after the apply only. */
export type Reading = { readonly known: true; readonly value: unknown } | { readonly known: false };

/** What happens to one resource. */
export interface Change {
  /** The stack whose plan it is in, e.g. `prod-messaging`. */
  readonly stack: string;
  /** e.g. `aws_sqs_queue.queue-1_queue` */
  readonly address: string;
  /** Where the state had it, if somewhere else. */
  readonly movedFrom: string | undefined;
  readonly type: string;
  readonly name: string;
  readonly action: Action;
  /** Of a replacement: whether the new one is there before the old one goes. */
  readonly createsFirst: boolean;
  /** Whether it is what an earlier apply could not destroy: what is in use has been replaced since. */
  readonly isDeposed: boolean;
  readonly isImported: boolean;
  /** `plan`: this apply does it. `outside`: it has happened, past Terraform, since the last apply. */
  readonly origin: "plan" | "outside";
  /** Why, in Terraform's words, e.g. `replace_because_tainted`. */
  readonly actionReason: string | undefined;
  /** Attributes that force a replacement. */
  readonly replacedFor: readonly string[];
  readonly before: Attributes | undefined;
  readonly after: Attributes | undefined;
  /** As `after`, with `true` in the place of each value that is not known yet. */
  readonly unknown: unknown;
  /** As `before` and `after`, with `true` in the place of each value that must not be shown. */
  readonly secret: readonly unknown[];
  /** Attributes that the configuration sets; undefined where it cannot be told. */
  readonly configured: ReadonlySet<string> | undefined;
}

/** A resource that is there before, and is not after. */
export function goes(change: Change): boolean {
  return change.action === "replace" || change.action === "destroy";
}

/** A resource that goes on with other values: nothing in it is lost by that alone. */
export function stays(change: Change): boolean {
  return change.action === "update";
}

/** What an attribute was. */
export function was(change: Change, attribute: string): unknown {
  return change.before?.[attribute];
}

/** What an attribute will be. */
export function will(change: Change, attribute: string): Reading {
  if (isUnknown(at(change.unknown, attribute))) return { known: false };
  return { known: true, value: change.after?.[attribute] };
}

/** Whether a value, or part of it, is known after the apply only. */
export function isUnknown(unknown: unknown): boolean {
  if (unknown === true) return true;
  return typeof unknown === "object" && unknown !== null && Object.values(unknown).some(isUnknown);
}

/** Names of the attributes that change or may change. Text that is JSON is compared by what it says, and empty is as good as absent. */
export function changedAttributes(change: Change): string[] {
  const names = Object.keys({ ...change.before, ...change.after, ...record(change.unknown) });
  return names.filter((name) => {
    if (isUnknown(at(change.unknown, name))) return true;
    return !isSame(change.before?.[name], change.after?.[name]);
  });
}

/** Whether two values say the same. */
export function isSame(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(meaning(one), meaning(other));
}

function isZero(value: unknown): boolean {
  return value === 0 || value === false;
}

/** The same where 0 and false are as good as absent: so a provider reads back what nobody set. */
export function isSameButForZeros(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(meaning(one, isZero), meaning(other, isZero));
}

/**
 * A value as a reader may see it: of a few attributes only, short, and never one that Terraform marks as a secret. It does not mark all of
 * them: `value` of a usage-plan key is an API key in plain text, and endpoints, environments and triggers hold what people put there.
 */
export function shown(change: Change, attribute: string, value: unknown): string {
  if (change.secret.some((secret) => isUnknown(at(secret, attribute)))) return HIDDEN;
  if (value === undefined || value === null || value === "") return "none";
  if (!SHOWN.has(attribute)) return HIDDEN;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > SHOWN_CHARACTERS ? `(${text.length} characters)` : text;
}

const HIDDEN = "(not shown)";

/** Attributes whose values are told: names, numbers and switches. Of all others, only that they differ. */
const SHOWN: ReadonlySet<string> = new Set(
  [
    "name domain_name zone_id type stage_name http_method status_code selection_pattern response_type base_path path_part",
    "fifo_queue content_based_deduplication deduplication_scope fifo_throughput_limit redrive_policy queue_url",
    "hash_key range_key function_name event_source_arn function_arn batch_size instance_type ami availability_zone",
    "kms_master_key_id kms_key_id kms_key_arn security_policy api_id api_key_source key_id usage_plan_id rest_api_id resource_id",
    "cidr_block vpc_id subnet_id role policy_arn runtime gateway_id nat_gateway_id vpc_endpoint_id deployment_id alarm_name",
    "reserved_concurrent_executions ebs_optimized state sqs_managed_sse_enabled authorization",
  ]
    .join(" ")
    .split(" "),
);

/** Of one value. */
const SHOWN_CHARACTERS = 160;

/** The values of a resource that Terraform marks as secret, as text; those too short to be one are left out. */
export function secretsOf({ before, after, secret }: Change): string[] {
  const [old, next] = secret;
  return (
    [...marked(before, old), ...marked(after, next)]
      // A queue is called by its name without the ending, too.
      .flatMap((value) => [value, value.replace(/\.fifo$/, "")])
      .filter((value) => value.length >= SHORTEST_SECRET)
  );
}

/** In characters. */
const SHORTEST_SECRET = 4;

function marked(value: unknown, mark: unknown): string[] {
  if (mark === true)
    return typeof value === "object" && value !== null
      ? Object.values(value).flatMap((item) => marked(item, true))
      : [String(value ?? "")];
  if (typeof mark !== "object" || mark === null) return [];
  return Object.entries(mark).flatMap(([name, inner]) =>
    marked(Array.isArray(value) ? value[Number(name)] : record(value)[name], inner),
  );
}

/** JSON text in a state may have been printed anew by AWS, and what is empty may be left out. */
function meaning(value: unknown, isAbsent: (value: unknown) => boolean = () => false): unknown {
  if (value === null || value === undefined || value === "" || isAbsent(value)) return undefined;
  if (typeof value === "string") {
    if (!/^\s*[[{]/.test(value)) return value;
    try {
      return meaning(JSON.parse(value));
    } catch {
      return value;
    }
  }
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => meaning(item, isAbsent));
  const entries = Object.entries(value).map(([name, item]) => [name, meaning(item, isAbsent)] as const);
  const filled = entries.filter(([, item]) => item !== undefined);
  return filled.length === 0 ? undefined : Object.fromEntries(filled);
}

function at(value: unknown, name: string): unknown {
  if (value === true) return true;
  return record(value)[name];
}
