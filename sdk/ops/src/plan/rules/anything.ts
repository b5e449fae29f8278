import { type Change, changedAttributes, isSameButForZeros, was } from "../change.ts";
import { hopOf } from "../hop.ts";
import { goesAlone } from "../owner.ts";
import { arePartsSetElsewhere } from "../parts-elsewhere.ts";
import type { Plan } from "../plan.ts";
import type { Rule } from "../risk.ts";
import { isSetElsewhere } from "../set-elsewhere.ts";
import { howAndWhyItGoes } from "./wording.ts";

/** What holds nothing, and is told by what it belongs to. */
const PARTS =
  /^aws_api_gateway_(?:resource|method_response|integration_response|integration|model|request_validator|gateway_response|deployment|usage_plan_key|usage_plan|api_key)$|^aws_(?:kms_alias|acm_certificate_validation|lambda_event_source_mapping)$/;

/** What can happen to any resource. */
export const anythingRules: readonly Rule[] = [
  {
    // Only where no other rule says more.
    id: "destroyed",
    types: ["*"],
    look: (change, { plan }) => {
      if (change.origin === "outside" || PARTS.test(change.type) || !goesAlone(change, plan)) return [];
      if (change.action === "replace" && hopOf(change) !== "other") return [];
      return [
        {
          severity: "low",
          ...howAndWhyItGoes(`${change.type} ${change.name}`, change, "another one"),
          lost: "not known here: no rule looks at this",
          instead: "look for yourself what is in it, and who uses it",
        },
      ];
    },
  },
  {
    id: "forgotten",
    types: ["*"],
    look: (change) =>
      change.action === "forget"
        ? [
            {
              severity: "low",
              what: `Terraform forgets ${change.address}, and AWS keeps it`,
              reason: "its actions are forget: a removed block says so",
              lost: "nothing; from now on no plan shows what happens to it",
              instead: "see that somebody else looks after it",
            },
          ]
        : [],
  },
  {
    id: "drift",
    types: ["*"],
    look: (change, { plan }) => {
      if (change.origin !== "outside") return [];
      const isGone = change.action === "destroy";
      const attributes = isGone ? [] : drifted(change, plan);
      if (!isGone && attributes.length === 0) return [];
      return [
        {
          severity: "low",
          what: isGone ? `${change.address} was destroyed` : `${change.address} was changed`,
          reason: isGone
            ? "it is in the state, and AWS has it no more"
            : `${attributes.join(", ")} differ from the last apply`,
          lost: "whatever the change was for, if this plan puts it back; that the code tells how it is, if it does not",
          instead: "find out who did it and why, and put it into the code or take it back",
        },
      ];
    },
  },
];

/** What somebody else has changed: not what AWS fills in, and not what another resource of the stack sets. */
function drifted(change: Change, plan: Plan): string[] {
  return changedAttributes(change).filter((attribute) => {
    const isOurs = change.configured === undefined || change.configured.has(attribute);
    if (isSameButForZeros(was(change, attribute), change.after?.[attribute])) return false;
    if (isSetElsewhere(change, attribute, plan) || arePartsSetElsewhere(change, attribute, plan)) return false;
    return isOurs || !isFilledIn(attribute);
  });
}

/** What only AWS can have set: an id, a date, a size. */
function isFilledIn(attribute: string): boolean {
  return /(?:^|_)(?:id|arn|date|version|modified|hash|url|status|size)$/.test(attribute);
}
