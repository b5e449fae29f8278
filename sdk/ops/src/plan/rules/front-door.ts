import { blocks } from "../attributes.ts";
import { type Change, goes, stays, was } from "../change.ts";
import { goesAlone } from "../owner.ts";
import type { Rule } from "../risk.ts";
import { becomes, differences, notKnown } from "./comparison.ts";
import { howAndWhyItGoes } from "./wording.ts";

const RECORD = "aws_route53_record";

/** What can happen to the addresses that producers send to. */
export const frontDoorRules: readonly Rule[] = [
  {
    id: "api-lost",
    types: ["aws_api_gateway_rest_api"],
    look: (change) =>
      goes(change)
        ? [
            {
              severity: "high",
              ...howAndWhyItGoes(`REST API ${was(change, "name")}`, change, "another one with another address"),
              lost:
                change.action === "replace"
                  ? "the address that AWS gave it, and all routes and stages for minutes; usage plans and keys stay, and open no stage until they are updated"
                  : "every address of it, for good",
              instead: "keep it; what must differ can be changed in place, or in a second deployment beside it",
            },
          ]
        : [],
  },
  {
    id: "stage-lost",
    types: ["aws_api_gateway_stage"],
    look: (change, { plan }) =>
      goesAlone(change, plan)
        ? [
            {
              severity: "high",
              ...howAndWhyItGoes(`stage ${was(change, "stage_name")}`, change, "another one"),
              lost: "every request until it is there again, and after that: a new stage is in no usage plan (403) and has no limits until an apply after this one. With a domain, API Gateway refuses to delete it while the mapping leads to it, and the apply stops halfway",
              instead:
                "keep the stage's name; a new one belongs beside it, until every producer has moved. If it has to be, plan again right after the apply",
            },
          ]
        : [],
  },
  {
    id: "domain-lost",
    types: ["aws_api_gateway_domain_name", "aws_api_gateway_base_path_mapping", "aws_route53_zone", RECORD],
    look: (change, { plan }) => {
      if (!goesAlone(change, plan)) return [];
      const told = howAndWhyItGoes(labelOf(change), change, "another one");
      if (change.type === RECORD && !isAlias(change)) {
        // A certificate that goes needs its record no more.
        if (plan.changes.some((other) => other.type === "aws_acm_certificate" && goes(other))) return [];
        const lost = "the certificate's next renewal: ACM looks for this record";
        return [{ severity: "medium", ...told, lost, instead: "keep the record as long as the certificate is in use" }];
      }
      const instead = "keep it; put another domain beside it and move the producers first";
      const other = plan.changes.find((record) => record !== change && isAlias(record) && staysAtName(record, change));
      if (change.type === RECORD && other !== undefined) {
        const lost = `every request of clients that have only the addresses of record ${was(change, "type")}; ${was(other, "type")} stays`;
        return [{ severity: "medium", ...told, lost, instead }];
      }
      return [
        {
          severity: "high",
          ...told,
          lost: "every request to the domain: no answer until it is there again, and for as long as resolvers remember that it was not",
          instead,
        },
      ];
    },
  },
  {
    id: "domain-moved",
    types: ["aws_api_gateway_base_path_mapping", RECORD, "aws_api_gateway_rest_api"],
    look: (change) => {
      const attributes =
        change.type === RECORD ? (isAlias(change) ? ["alias", "records"] : []) : (MOVES[change.type] ?? []);
      const what = "whether producers' requests still arrive";
      const reasons = differences(change, attributes);
      if (reasons.length === 0) return notKnown(change, attributes, what);
      return [
        {
          severity: "high",
          what: `${change.type === "aws_api_gateway_rest_api" ? `REST API ${was(change, "name")}` : labelOf(change)} leads or asks for something else`,
          reason: reasons.join(", "),
          lost: "every request that comes the old way: none arrives from this apply on, or it is refused with a 403",
          instead: "put the new way beside the old one, and move the producers first",
        },
      ];
    },
  },
  {
    id: "address-switched-off",
    types: ["aws_api_gateway_rest_api"],
    look: (change) =>
      becomes(change, "disable_execute_api_endpoint", true, "whether AWS's address goes on working", () => ({
        severity: "high",
        what: "AWS's own address of the API (execute-api) stops working",
        reason: "disable_execute_api_endpoint false -> true",
        lost: "every request of a producer that still uses it: 403",
        instead: "set gateway.domain.keepAwsAddress until the access log shows none any more",
      })),
  },
  {
    id: "tls-weakened",
    types: ["aws_api_gateway_domain_name"],
    look: (change) =>
      becomes(change, "security_policy", "TLS_1_0", "whether the domain accepts TLS 1.0", () => ({
        severity: "high",
        what: `${was(change, "domain_name")} accepts TLS 1.0 and 1.1`,
        reason: `security_policy ${was(change, "security_policy")} -> TLS_1_0`,
        lost: "secrecy on the way: keys and messages of whoever speaks an old version can be read",
        instead: "keep TLS_1_2",
      })),
  },
  {
    id: "firewall-off",
    types: ["aws_wafv2_web_acl", "aws_wafv2_web_acl_association"],
    look: (change, { plan }) => {
      const lost = "the limit per address: one that floods the gateway uses up what all producers share";
      const instead = "have another protection in place first";
      if (goesAlone(change, plan)) {
        const label = change.type.endsWith("association")
          ? "the firewall's association with the stage"
          : "the firewall's web ACL";
        return [
          {
            severity: "medium",
            ...howAndWhyItGoes(label, change, "another one"),
            lost,
            instead,
          },
        ];
      }
      const kept = new Set(blocks(change.after, "rule").map(({ name }) => name));
      const gone = stays(change) ? blocks(change.before, "rule").filter(({ name }) => !kept.has(name)) : [];
      if (gone.length === 0) return notKnown(change, ["rule"], "whether the firewall still refuses what it refused");
      const reason = `rule ${gone.map(({ name }) => name).join(", ")} is gone`;
      return [{ severity: "medium", what: "the firewall refuses less", reason, lost, instead }];
    },
  },
];

const MOVES: Readonly<Record<string, readonly string[]>> = {
  aws_api_gateway_base_path_mapping: ["base_path", "api_id", "stage_name"],
  aws_api_gateway_rest_api: ["api_key_source"],
};

/** A record that producers' requests are led by, not one that proves something. */
function isAlias({ type, before, after }: Change): boolean {
  return type === RECORD && ["A", "AAAA"].includes(String(before?.["type"] ?? after?.["type"]));
}

function staysAtName(record: Change, change: Change): boolean {
  return !goes(record) && record.before !== undefined && was(record, "name") === was(change, "name");
}

function labelOf({ type, before, name }: Change): string {
  switch (type) {
    case "aws_api_gateway_domain_name":
      return `domain ${before?.["domain_name"]}`;
    case "aws_api_gateway_base_path_mapping":
      return `the mapping of domain ${before?.["domain_name"]}`;
    case "aws_route53_zone":
      return `zone ${before?.["name"]}`;
    default:
      return `record ${before?.["name"] ?? name} ${before?.["type"]}`;
  }
}
