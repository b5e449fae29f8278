import { all, argumentsOf, rewrite, type Scenario, set, without } from "../scenario.ts";

const prod = { deployment: "prod", parts: ["operations"] } as const;

const ALARM = "aws_cloudwatch_metric_alarm";

export const operationsScenarios: readonly Scenario[] = [
  {
    ...prod,
    name: "first-plan-after-apply",
    parts: ["messaging", "delivery", "gateway", "operations"],
    how: "nothing, right after the first apply: what AWS fills in looks as if somebody had changed it",
    isFirst: true,
    rules: {},
    nearMissOf: ["drift", "redrive-changed", "refusal-dropped", "public-principal", "open-to-world"],
  },
  {
    ...prod,
    name: "alarm-removed",
    how: "the alarm on the consumer's errors taken out of what was emitted, and off the dashboard",
    edit: all(
      rewrite("aws_cloudwatch_dashboard", "dashboard_dashboard", "dashboard_body", (body) =>
        body.replaceAll(`"\${${ALARM}.alarms_consumer-errors.arn}",`, ""),
      ),
      without(`${ALARM}.alarms_consumer-errors`),
    ),
    rules: { "alarm-silenced": "medium" },
  },
  {
    ...prod,
    name: "alarm-silenced",
    how: "the alarm on the consumer's errors tells nobody",
    edit: (document) => {
      argumentsOf(document, ALARM, "alarms_consumer-errors")["actions_enabled"] = false;
    },
    rules: { "alarm-silenced": "medium" },
  },
  {
    ...prod,
    name: "alarm-raised",
    how: "the alarm on the consumer's errors waits for more of them",
    edit: set(ALARM, "alarms_consumer-errors", { threshold: 5 }),
    rules: {},
    nearMissOf: ["alarm-silenced"],
  },
  {
    ...prod,
    name: "address-changed",
    how: "another address for alarms in main.ts",
    configure: (base) => ({ ...base, operations: { emails: ["oncall@kimalarm.example"] } }),
    rules: { "alarm-silenced": "medium" },
  },
  {
    ...prod,
    name: "topic-unencrypted",
    how: "the alarms' topic without the deployment's key",
    edit: (document) => {
      delete argumentsOf(document, "aws_sns_topic", "topic_topic")["kms_master_key_id"];
    },
    rules: { "encryption-off": "low" },
  },
];
