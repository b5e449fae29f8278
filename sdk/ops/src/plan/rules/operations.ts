import { texts, typeInWords } from "../attributes.ts";
import { goes, stays, was, will } from "../change.ts";
import { goesAlone } from "../owner.ts";
import type { Rule } from "../risk.ts";
import { becomes, compared } from "./comparison.ts";
import { howAndWhyItGoes } from "./wording.ts";

/** What can happen to what tells people, and to what they look into afterwards. */
export const operationsRules: readonly Rule[] = [
  {
    id: "alarm-silenced",
    types: ["aws_cloudwatch_metric_alarm"],
    look: (change) => {
      const label = `alarm ${change.before?.["alarm_name"]}`;
      const lost = "the alarm: nobody is told when it happens";
      if (goes(change)) {
        const instead = "keep the alarm, or say in the pull request what takes its place";
        return [
          {
            severity: change.action === "replace" ? "low" : "medium",
            ...howAndWhyItGoes(label, change, "another one"),
            lost,
            instead,
          },
        ];
      }
      if (!stays(change)) return [];
      const actions = will(change, "alarm_actions");
      const off = was(change, "actions_enabled") === true && change.after?.["actions_enabled"] === false;
      const none = actions.known && texts(was(change, "alarm_actions")).length > 0 && texts(actions.value).length === 0;
      if (!off && !none) return [];
      return [
        {
          severity: "medium",
          what: `${label} tells nobody`,
          reason: off ? "actions_enabled true -> false" : "alarm_actions are empty",
          lost,
          instead: "raise its threshold, or fix what it tells",
        },
      ];
    },
  },
  {
    id: "alarm-silenced",
    types: ["aws_sns_topic", "aws_sns_topic_subscription"],
    look: (change, { plan }) => {
      if (!goesAlone(change, plan)) return [];
      const isTopic = change.type === "aws_sns_topic";
      return [
        {
          severity: "medium",
          ...howAndWhyItGoes(
            isTopic ? `topic ${was(change, "name")}` : `the subscription of ${change.name}`,
            change,
            "another one",
          ),
          lost: isTopic
            ? "alarms, until every address has confirmed its subscription anew"
            : "alarms to that address; the others keep it",
          instead: isTopic ? "keep the topic's name" : "subscribe the new address first",
        },
      ];
    },
  },
  {
    id: "alarm-silenced",
    types: [
      "aws_cloudwatch_event_rule",
      "aws_cloudwatch_event_target",
      "aws_cloudwatch_log_metric_filter",
      "aws_lambda_permission",
    ],
    look: (change, { plan }) => {
      const label = `${typeInWords(change.type)} ${change.name}`;
      const lost = "the metric that it makes: an alarm on it sees nothing, and tells nobody";
      const instead = "keep it as long as an alarm looks at what it makes";
      if (change.type === "aws_lambda_permission" && change.action === "replace") return [];
      if (goesAlone(change, plan))
        return [
          {
            severity: change.action === "replace" ? "low" : "medium",
            ...howAndWhyItGoes(label, change, "another one"),
            lost,
            instead,
          },
        ];
      return becomes(change, "state", "DISABLED", "whether the rule goes on", () => ({
        severity: "medium",
        what: `${label} is switched off`,
        reason: `state ${was(change, "state")} -> DISABLED`,
        lost,
        instead,
      }));
    },
  },
  {
    id: "logs-lost",
    types: ["aws_cloudwatch_log_group"],
    look: (change) => {
      const label = `log group ${change.before?.["name"]}`;
      if (goes(change))
        return [
          {
            severity: "medium",
            ...howAndWhyItGoes(label, change),
            lost: "every line in it: which message went when, and why one was refused",
            instead: "keep it, or export it to S3 first",
          },
        ];
      return compared(change, "retention_in_days", (before, after) => {
        // 0: for ever.
        if (after === 0 || (before !== 0 && after >= before)) return undefined;
        return {
          severity: "low",
          what: `${label} keeps lines for ${after} days instead of ${before === 0 ? "for ever" : before}`,
          reason: `retention_in_days ${before} -> ${after}`,
          lost: `typically within three days, every line older than ${after} days`,
          instead: "export them to S3 first if somebody may ask",
        };
      });
    },
  },
];
