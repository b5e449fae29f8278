import { blocks } from "../attributes.ts";
import { type Change, isSame, isUnknown, was, will } from "../change.ts";
import { movesToOther } from "../owner.ts";
import type { Plan } from "../plan.ts";
import { NO_POLICY, type PolicyDocument, readPolicy } from "../policy-document.ts";
import type { Finding, NotKnown } from "../risk.ts";
import { isSetElsewhere } from "../set-elsewhere.ts";

/** Policies that belong to an identity. Of every other policy, resource `*` is what it is attached to. */
const OF_IDENTITIES: ReadonlySet<string> = new Set(
  "aws_iam_role_policy aws_iam_policy aws_iam_user_policy aws_iam_group_policy".split(" "),
);

/** Arguments that hold a policy, whatever the type. */
const POLICY_ARGUMENTS = [
  "policy",
  "assume_role_policy",
  "access_policy",
  "access_policies",
  "resource_policy",
  "policy_document",
];

/** What a rule says of a policy that was one thing and is another. */
type Compare = (before: PolicyDocument, after: PolicyDocument, isIdentity: boolean) => Finding | undefined;

/**
 * Holds each policy of a resource against what it was before.
 *
 * @param what what was not looked at where a text is not known yet, or cannot be read
 */
export function comparePolicies(change: Change, plan: Plan, what: string, compare: Compare): (Finding | NotKnown)[] {
  if (change.action === "none" || change.action === "forget") return [];
  // What carries its own policy and goes lets nobody in any more.
  if (change.after === undefined && !change.type.endsWith("_policy")) return [];
  const held = POLICY_ARGUMENTS.flatMap((attribute) => compareAttribute(change, plan, attribute, what, compare));
  return [...held, ...compareInline(change, plan, what, compare)];
}

function compareAttribute(
  change: Change,
  plan: Plan,
  attribute: string,
  what: string,
  compare: Compare,
): (Finding | NotKnown)[] {
  // A queue's own, say, is what its policy's resource sets: that one is looked at.
  if (isSetElsewhere(change, attribute, plan)) return [];
  const after = will(change, attribute);
  if (!after.known) return isComputed(change, attribute) ? [] : [{ unknown: attribute, what }];
  // Attached to something else, all of it is new there.
  const before = movesToOther(change) ? undefined : was(change, attribute);
  if (isSame(before, after.value)) return [];
  const [old, next] = [readPolicy(before), readPolicy(after.value)];
  const finding = compare(
    old ?? NO_POLICY,
    next ?? NO_POLICY,
    OF_IDENTITIES.has(change.type) && attribute === "policy",
  );
  return [
    ...(finding === undefined ? [] : [finding]),
    ...(next?.isOpen === true ? [{ unknown: attribute, what: `${what}: part of it cannot be read` }] : []),
  ];
}

function compareInline(change: Change, plan: Plan, what: string, compare: Compare): (Finding | NotKnown)[] {
  if (change.type !== "aws_iam_role") return [];
  const after = will(change, "inline_policy");
  if (!after.known) return isComputed(change, "inline_policy") ? [] : [{ unknown: "inline_policy", what }];
  // A role has, of its own, what the policies' resources of the stack set as well: those are looked at themselves.
  const elsewhere = new Set(
    plan.changes
      .filter(({ type, before }) => type === "aws_iam_role_policy" && before?.["role"] === was(change, "name"))
      .map(({ before }) => before?.["name"]),
  );
  const all = (attributes: Change["before"]): PolicyDocument => {
    const own = blocks(attributes, "inline_policy").filter(({ name }) => !elsewhere.has(name));
    const documents = own.map(({ policy }) => readPolicy(policy) ?? NO_POLICY);
    return {
      allowed: documents.flatMap(({ allowed }) => allowed),
      denied: documents.flatMap(({ denied }) => denied),
      isOpen: documents.some(({ isOpen }) => isOpen),
    };
  };
  const finding = compare(all(change.before), all(change.after), true);
  return finding === undefined ? [] : [finding];
}

/** AWS fills it in, and no one's configuration does: there is nothing to judge. */
function isComputed(change: Change, attribute: string): boolean {
  return change.configured !== undefined && !change.configured.has(attribute) && isUnknown(change.unknown);
}
