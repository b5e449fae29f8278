import { record, texts, typeInWords } from "../attributes.ts";
import { type Change, goes, stays, was, will } from "../change.ts";
import { goesAlone } from "../owner.ts";
import type { Finding, NotKnown, Rule } from "../risk.ts";
import { becomes, differences, notKnown } from "./comparison.ts";
import { howAndWhyItGoes } from "./wording.ts";

/** Attributes that stop and start an instance when they change in place (provider's documentation of `aws_instance`). */
const RESTARTS = ["instance_type", "user_data", "user_data_base64", "ebs_optimized", "cpu_options"];

/** What a delivery goes through on its way: without it the consumer reaches neither queues nor backend. */
const WAY = [
  "aws_vpc",
  "aws_subnet",
  "aws_route",
  "aws_route_table",
  "aws_route_table_association",
  "aws_internet_gateway",
  "aws_nat_gateway",
  "aws_vpc_endpoint",
  "aws_security_group",
  "aws_vpc_security_group_ingress_rule",
  "aws_vpc_security_group_egress_rule",
  "aws_security_group_rule",
];

/** What can happen to the backend's instance and the way to it. */
export const backendRules: readonly Rule[] = [
  {
    id: "instance-replaced",
    types: ["aws_instance"],
    look: (change) =>
      goes(change)
        ? [
            {
              severity: "high",
              ...howAndWhyItGoes(`instance ${nameOf(change.before, change.name)}`, change, "a new one"),
              lost: `its disk: both logs, and which idempotency keys it has answered, so that a redelivered message counts as new. ${change.action === "replace" ? "It is down for minutes; groups wait meanwhile, in order" : "There is no backend any more; groups wait, in order"}`,
              instead: "copy its logs off it first if they matter, and apply it while the queues are empty",
            },
          ]
        : [],
  },
  {
    id: "instance-restarted",
    types: ["aws_instance"],
    look: (change) => {
      const reasons = differences(change, RESTARTS);
      if (reasons.length === 0) return notKnown(change, RESTARTS, "whether the instance is stopped and started");
      return [
        {
          severity: "medium",
          what: `instance ${nameOf(change.before, change.name)} is stopped and started`,
          reason: reasons.join(", "),
          lost: "nothing; it is down for a minute or two, and groups wait",
          instead: "apply it when traffic is low",
        },
      ];
    },
  },
  {
    id: "network-path-cut",
    types: WAY,
    look: (change, { plan }) => {
      if (stays(change)) return narrower(change);
      if (!goesAlone(change, plan) || change.isDeposed) return [];
      const isBack = change.action === "replace";
      return [
        {
          severity: isBack ? "medium" : "high",
          ...howAndWhyItGoes(`${typeInWords(change.type)} ${change.name}`, change, "another one"),
          lost: isBack
            ? "nothing; until the new one is there deliveries fail, and groups wait"
            : "the way to the queues, the table or the backend, if this was it: groups wait until there is another",
          instead: isBack ? "apply it when traffic is low" : "make sure that no delivery goes this way any more",
        },
      ];
    },
  },
];

/** Lists that a way gets narrower by when they lose one. */
const LISTS = ["route_table_ids", "subnet_ids", "security_group_ids"];

/** A way that stays, and that less goes through. */
function narrower(change: Change): (Finding | NotKnown)[] {
  const what = `${typeInWords(change.type)} ${change.name} reaches less`;
  const lost = "the way to the queues, the table or the backend, if this was it: groups wait until there is another";
  const instead = "make sure that no delivery goes this way any more";
  const leads = "whether deliveries still get through";
  const fewer = LISTS.flatMap((list) => {
    const kept = new Set(texts(change.after?.[list]));
    const gone = texts(was(change, list)).filter((id) => !kept.has(id));
    return will(change, list).known && gone.length > 0 ? [`${list} lose ${gone.join(", ")}`] : [];
  });
  const reasons = [...fewer, ...(change.type === "aws_route" ? differences(change, TARGETS) : [])];
  const cut: Finding[] =
    reasons.length === 0 ? [] : [{ severity: "medium", what, reason: reasons.join(", "), lost, instead }];
  return [
    ...becomes(change, "private_dns_enabled", false, leads, () => ({
      severity: "high",
      what,
      reason: "private_dns_enabled true -> false: the service's own name leads out of the network again",
      lost,
      instead,
    })),
    ...cut,
    ...notKnown(change, LISTS, leads),
  ];
}

/** Where a route leads. */
const TARGETS = ["gateway_id", "nat_gateway_id", "network_interface_id", "vpc_endpoint_id", "transit_gateway_id"];

function nameOf(attributes: Readonly<Record<string, unknown>> | undefined, otherwise: string): string {
  const name = record(attributes?.["tags"])["Name"];
  return typeof name === "string" ? name : otherwise;
}
