import { texts, typeInWords } from "../attributes.ts";
import { type Change, was, will } from "../change.ts";
import type { Finding, NotKnown, Rule } from "../risk.ts";

/** AWS's own policies that allow everything, or everything of a service. */
const BROAD_MANAGED = /:iam::aws:policy\/(?:.*\/)?(?:AdministratorAccess|PowerUserAccess|\w*FullAccess)(?:-|$)/;

const LOST = "the limit: whoever gets at it can do all of that, also to what is added later";
const INSTEAD = "name the actions and the ARNs that it needs";

/** What can happen to who may do what, by attachments and by the function's own permissions. */
export const accessRules: readonly Rule[] = [
  {
    id: "wildcard-gained",
    types: [
      "aws_iam_role_policy_attachment",
      "aws_iam_policy_attachment",
      "aws_iam_user_policy_attachment",
      "aws_iam_group_policy_attachment",
    ],
    look: (change) => {
      if (change.after === undefined || change.action === "none") return [];
      const arn = will(change, "policy_arn");
      if (!arn.known) return [{ unknown: "policy_arn", what: "which policy is attached" }];
      const gained = holders(change.after).filter((holder) => !holders(change.before).includes(holder));
      if (change.action === "update" && gained.length === 0) return [];
      return judge(change, String(arn.value), gained[0] ?? change.name);
    },
  },
  {
    id: "wildcard-gained",
    types: ["aws_iam_role", "aws_iam_role_policy_attachments_exclusive"],
    look: (change) => {
      const attribute = change.type === "aws_iam_role" ? "managed_policy_arns" : "policy_arns";
      if (change.after === undefined || change.action === "none" || !will(change, attribute).known) return [];
      const had = new Set(texts(was(change, attribute)));
      return texts(change.after[attribute])
        .filter((arn) => !had.has(arn) && BROAD_MANAGED.test(arn))
        .flatMap((arn) =>
          judge(change, arn, String(change.after?.["name"] ?? change.after?.["role_name"] ?? change.name)),
        );
    },
  },
  {
    id: "public-principal",
    types: ["aws_lambda_function_url"],
    look: (change) => {
      const after = will(change, "authorization_type");
      if (change.after === undefined || change.action === "none") return [];
      if (!after.known) return [{ unknown: "authorization_type", what: "who may call the function's URL" }];
      if (after.value !== "NONE" || was(change, "authorization_type") === "NONE") return [];
      return [
        {
          severity: "high",
          what: "everyone may call the function by its URL",
          reason: `authorization_type ${was(change, "authorization_type") ?? "none"} -> NONE`,
          lost: "the limit: anyone can hand the consumer messages that are in no queue",
          instead: "leave the URL out: messages come from the queues",
        },
      ];
    },
  },
  {
    id: "public-principal",
    types: ["aws_lambda_permission", "aws_lambda_layer_version_permission", "aws_cloudwatch_event_permission"],
    look: (change) => {
      if (change.after === undefined || change.action === "none") return [];
      const principal = will(change, "principal");
      if (!principal.known) return [{ unknown: "principal", what: "who is let in" }];
      if (principal.value !== "*" || (change.action === "update" && was(change, "principal") === "*")) return [];
      const limits = ["principal_org_id", "organization_id", "source_account", "source_arn"];
      const isLimited = limits.some((limit) => typeof change.after?.[limit] === "string" && change.after[limit] !== "");
      return [
        {
          severity: isLimited ? "medium" : "high",
          what: `${typeInWords(change.type)} ${change.name} lets in everyone${isLimited ? " who meets a condition" : ""}`,
          reason: "principal *",
          lost: "the limit: any AWS account can hand the consumer messages that are in no queue",
          instead: "name the service and its source_arn",
        },
      ];
    },
  },
];

function judge(change: Change, arn: string, holder: string): (Finding | NotKnown)[] {
  const name = arn.split("/").at(-1);
  if (BROAD_MANAGED.test(arn))
    return [
      { severity: "high", what: `${holder} gets ${name}`, reason: `policy ${arn}`, lost: LOST, instead: INSTEAD },
    ];
  return arn.includes(":iam::aws:")
    ? [{ unknown: "policy_arn", what: `what AWS's own policy ${name} allows: it is not in the plan` }]
    : [];
}

/** Whom an attachment is for. */
function holders(attributes: Change["before"]): string[] {
  return ["role", "roles", "user", "users", "group", "groups"].flatMap((attribute) => texts(attributes?.[attribute]));
}
