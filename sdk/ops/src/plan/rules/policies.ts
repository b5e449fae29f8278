import { typeInWords } from "../attributes.ts";
import { type Change, stays, was, will } from "../change.ts";
import { goesAlone, isGone } from "../owner.ts";
import type { Plan } from "../plan.ts";
import {
  exceptedRanges,
  gainedPermissions,
  isWideAction,
  isWideResource,
  narrowingKeys,
  type Permission,
  type PolicyDocument,
  readPolicy,
} from "../policy-document.ts";
import type { Rule } from "../risk.ts";
import { comparePolicies } from "./compare-policies.ts";
import { howAndWhyItGoes } from "./wording.ts";

/** Actions that AWS limits to no resource, or to none that could be named (Service Authorization Reference), of those that such a deployment needs. */
export const UNSCOPED_ACTIONS: ReadonlySet<string> = new Set([
  "xray:PutTraceSegments",
  "xray:PutTelemetryRecords",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ssm:UpdateInstanceInformation",
  "ssmmessages:CreateControlChannel",
  "ssmmessages:CreateDataChannel",
  "ssmmessages:OpenControlChannel",
  "ssmmessages:OpenDataChannel",
  "cloudwatch:PutMetricData",
  "sqs:ListQueues",
  // Lambda makes a function's network interfaces and deletes them: nobody knows their ids before.
  "ec2:CreateNetworkInterface",
  "ec2:DeleteNetworkInterface",
  "ec2:AssignPrivateIpAddresses",
  "ec2:UnassignPrivateIpAddresses",
]);

/** What can happen to who may do what, by policies. */
export const policyRules: readonly Rule[] = [
  {
    id: "wildcard-gained",
    types: ["*"],
    look: (change, { plan }) =>
      comparePolicies(change, plan, "whether it gains a wildcard", (before, after, isIdentity) => {
        const gained = gainedPermissions(before.allowed, after.allowed).filter((permission) =>
          isWide(permission, change, isIdentity),
        );
        if (gained.length === 0) return undefined;
        return {
          severity: "high",
          what: `${nameOf(change)} may do more than it names`,
          reason: `its policy gains ${list(gained.map(({ action, resource }) => `${action} on ${resource}`))}`,
          lost: "the limit: whoever gets at it can do all of that, also to what is added later",
          instead: "name the actions and the ARNs that it needs",
        };
      }),
  },
  {
    id: "public-principal",
    types: ["*"],
    look: (change, { plan }) =>
      comparePolicies(change, plan, "whether it lets in everyone", (before, after) => {
        const gained = gainedPermissions(before.allowed, after.allowed).filter(
          (permission) => permission.principal === "*" && !isMeantForAll(change, permission, before),
        );
        if (gained.length === 0) return undefined;
        const open = gained.filter((permission) => narrowingKeys(permission).length === 0);
        const keys = [...new Set(gained.flatMap(narrowingKeys))];
        return {
          severity: open.length > 0 ? "high" : "medium",
          what: `${nameOf(change)} lets in everyone${open.length > 0 ? "" : ` who meets a condition (${keys.join(", ")})`}`,
          reason: `its policy gains principal * for ${list((open.length > 0 ? open : gained).map(({ action }) => action))}`,
          lost: "the limit: any AWS account, or anyone at all, can do that to it",
          instead:
            "name the principal; where it has to be a service of AWS's, limit it with aws:SourceArn or aws:SourceAccount",
        };
      }),
  },
  {
    id: "foreign-account",
    types: ["*"],
    look: (change, { plan }) =>
      comparePolicies(change, plan, "whether it lets in another account", (before, after) => {
        const named = gainedPermissions(before.allowed, after.allowed).filter(({ principal }) => accountIn(principal));
        // Looked up last: it takes a look at every resource of the stack.
        const own = named.length === 0 ? undefined : accountOf(plan);
        const gained = own === undefined ? [] : named.filter(({ principal }) => accountIn(principal) !== own);
        if (gained.length === 0) return undefined;
        return {
          severity: "medium",
          what: `${nameOf(change)} lets in another account`,
          reason: `its policy gains ${list(gained.map(({ principal, action }) => `${principal} for ${action}`))}, and this account is ${own}`,
          lost: "the limit to this account: what that one does with it is out of sight here",
          instead: "make sure that the account is yours, and that it needs it",
        };
      }),
  },
  {
    id: "permissions-lost",
    types: ["aws_iam_role", "aws_iam_role_policy", "aws_iam_role_policy_attachment", "aws_iam_instance_profile"],
    look: (change, { plan, plans }) => {
      const lost = "what it allowed: whoever still needs it is refused, and groups wait";
      if (goesAlone(change, plan)) {
        const label = nameOf({ ...change, after: undefined });
        const instead = "attach the new one before the old one goes";
        return [
          {
            severity: "medium",
            ...howAndWhyItGoes(label, change, "another one"),
            lost,
            instead,
          },
        ];
      }
      if (!stays(change) || change.type !== "aws_iam_role_policy") return [];
      const after = will(change, "policy");
      if (!after.known) return [{ unknown: "policy", what: "whether it still allows what it allowed" }];
      const had = readPolicy(was(change, "policy"))?.allowed ?? [];
      const gone = gainedPermissions(readPolicy(after.value)?.allowed ?? [], had).filter(
        ({ resource }) => !isGone(resource, plans),
      );
      if (gone.length === 0) return [];
      return [
        {
          severity: "medium",
          what: `${nameOf(change)} allows less`,
          reason: `it loses ${list(gone.map(({ action, resource }) => `${action} on ${resource}`))}`,
          lost,
          instead: "make sure that nothing uses it any more, code included",
        },
      ];
    },
  },
  {
    id: "refusal-dropped",
    types: ["*"],
    look: (change, { plan }) => {
      if (change.before === undefined || change.action === "replace") return [];
      // What carries its own policy and goes has nothing left to refuse.
      if (change.action === "destroy" && !(change.type.endsWith("_policy") && goesAlone(change, plan))) return [];
      return comparePolicies(change, plan, "whether it still refuses what it refused", (before, after) => {
        const gone = gainedPermissions(after.denied, before.denied);
        if (gone.length === 0 || exceptsFewer(before, after)) return undefined;
        return {
          severity: "medium",
          what: `${nameOf(change)} refuses less`,
          reason: `its policy loses a Deny of ${list(gone.map(({ action }) => action))}, or a part of it`,
          lost: "what that Deny kept out, e.g. plain HTTP or sources that are not listed",
          instead: "keep the Deny, or say in the pull request what takes its place",
        };
      });
    },
  },
  {
    id: "refusal-gained",
    types: ["*"],
    look: (change, { plan }) =>
      comparePolicies(change, plan, "whether it refuses more", (before, after) => {
        // What is new with its own policy has refused nobody; a route's policy is a change of the API.
        if (change.before === undefined && !change.type.startsWith("aws_api_gateway_")) return undefined;
        const gained = gainedPermissions(before.denied, after.denied).filter((permission) => !isPlainHttp(permission));
        if (gained.length === 0 || exceptsFewer(after, before)) return undefined;
        const isForAll = gained.some(({ condition, principal }) => condition === "" && principal === "*");
        return {
          severity: isForAll || change.type.startsWith("aws_api_gateway_") ? "high" : "medium",
          what: `${nameOf(change)} refuses more`,
          reason: `its policy gains a Deny of ${list(gained.map(({ action }) => action))}${isForAll ? " to everyone, without a condition" : ""}`,
          lost: change.type.startsWith("aws_api_gateway_")
            ? "every request that it now refuses: 403"
            : "every call that it now refuses: messages are not sent, received or parked, and groups wait",
          instead: change.type.startsWith("aws_api_gateway_")
            ? "see in the access log that nobody comes from there any more"
            : "make sure that neither the gateway nor the consumer does that",
        };
      }),
  },
];

function isWide({ action, resource, principal }: Permission, change: Change, isIdentity: boolean): boolean {
  const isRoot = principal?.startsWith("AWS:arn:") === true && principal.endsWith(":root");
  // KMS, "Default key policy": without it nobody could change the key again.
  if (change.type.startsWith("aws_kms_") && action === "kms:*" && isRoot) return false;
  if (isWideAction(action)) return true;
  return isIdentity && isWideResource(resource) && !UNSCOPED_ACTIONS.has(action);
}

/** Where everyone is let in by design, and was before, if there was anybody at all. */
function isMeantForAll({ type }: Change, { action }: Permission, before: PolicyDocument): boolean {
  // The policy of an endpoint only limits what its network may do.
  if (type.startsWith("aws_vpc_endpoint")) return true;
  // Producers have no identity at AWS.
  const isInvoke = type.startsWith("aws_api_gateway_rest_api") && /^execute-api:Invoke$/i.test(action);
  return isInvoke && !before.allowed.some(({ condition }) => condition !== "");
}

/** Whether a Deny of all but some ranges leaves out fewer of them than another, and all of those: then it refuses more. */
function exceptsFewer(one: PolicyDocument, other: PolicyDocument): boolean {
  const [ranges, others] = [exceptedRanges(other), new Set(exceptedRanges(one))];
  if (ranges === undefined || others.size === 0) return false;
  return ranges.length < others.size && ranges.every((range) => others.has(range));
}

/** The refusal that every queue of the stacks has. */
function isPlainHttp({ condition }: Permission): boolean {
  return condition === '{"Bool":{"aws:SecureTransport":["false"]}}';
}

/** The account of a principal that is an account, a role or a user; undefined of others. */
function accountIn(principal: string | undefined): string | undefined {
  return /^AWS:arn:[^:]*:(?:iam|sts)::(\d{12}):/.exec(principal ?? "")?.[1];
}

/** The account that most of a stack's resources are in. */
function accountOf({ changes }: Plan): string | undefined {
  const accounts = changes.flatMap(({ before, after }) => {
    const arn = before?.["arn"] ?? after?.["arn"];
    return typeof arn === "string" && /:\d{12}:/.test(arn) ? [arn.split(":")[4] ?? ""] : [];
  });
  const counted = [...Map.groupBy(accounts, (account) => account)].toSorted(([, a], [, b]) => b.length - a.length);
  return counted[0]?.[0];
}

function nameOf({ type, name, before, after }: Change): string {
  const attributes = { ...before, ...after };
  const own = attributes["role"] ?? attributes["name"] ?? attributes["queue_url"] ?? attributes["arn"];
  const short = typeof own === "string" ? (own.split("/").at(-1) ?? own) : name;
  return `${typeInWords(type)} ${short}`;
}

function list(items: readonly string[]): string {
  const unique = [...new Set(items)];
  return unique.length > 4 ? `${unique.slice(0, 3).join(", ")} and ${unique.length - 3} more` : unique.join(", ");
}
