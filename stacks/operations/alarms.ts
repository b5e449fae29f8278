import {
  CloudwatchMetricAlarm,
  type CloudwatchMetricAlarmConfig,
} from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig, OperationsConfig } from "../config.ts";
import { alarmName } from "../names.ts";
import { type Alarm, description, type Series } from "./alarm.ts";
import { consumerAlarms } from "./consumer-alarms.ts";
import { gatewayAlarms } from "./gateway-alarms.ts";
import type { Metric, Statistic } from "./metrics.ts";
import { queueAlarms } from "./queue-alarms.ts";
import { setAsideAlarms } from "./set-aside-alarms.ts";
import type { AlarmTopic } from "./topic.ts";

interface AlarmsProps {
  readonly deployment: DeploymentConfig;
  readonly operations: OperationsConfig;
  readonly topic: AlarmTopic;
}

/** All alarms of a deployment, along the path. Each says on the topic when it is raised, and when it is over. */
export class Alarms extends Construct {
  /** In the order of the path. */
  readonly arns: readonly string[];

  constructor(scope: Construct, { deployment, operations, topic }: AlarmsProps) {
    super(scope, "alarms");
    const rows = [
      ...gatewayAlarms(deployment, operations),
      ...deployment.queues.flatMap((queue) => queueAlarms(deployment, queue, operations)),
      ...consumerAlarms(deployment, operations),
      ...deployment.queues.flatMap((queue) => setAsideAlarms(deployment, queue)),
    ];
    this.arns = rows.map((row) => {
      const [datapointsToAlarm, evaluationPeriods] = row.bad;
      return new CloudwatchMetricAlarm(this, row.id, {
        alarmName: alarmName(deployment, row.id),
        alarmDescription: description(row),
        ...watched(row),
        comparisonOperator: "GreaterThanOrEqualToThreshold",
        threshold: row.atLeast,
        evaluationPeriods,
        datapointsToAlarm,
        treatMissingData: MISSING[row.missing],
        alarmActions: [topic.arn],
        okActions: [topic.arn],
        ...(row.missing === "unknown" ? { insufficientDataActions: [topic.arn] } : {}),
        // An alarm that is raised at once would find that it may not publish.
        dependsOn: [topic.policy],
      }).arn;
    });
  }
}

const MISSING: Readonly<Record<Alarm["missing"], string>> = {
  good: "notBreaching",
  "as-before": "ignore",
  unknown: "missing",
};

type Watched = Pick<
  CloudwatchMetricAlarmConfig,
  "namespace" | "metricName" | "dimensions" | "period" | "statistic" | "extendedStatistic" | "metricQuery"
>;

function watched({ watches, every }: Alarm): Watched {
  if (!("expression" in watches)) {
    const { metric, statistic } = watches;
    return { ...named(metric), period: every, ...aggregated(statistic) };
  }
  const series = Object.entries(watches.of).map(([id, { metric, statistic }]: [string, Series]) => ({
    id,
    metric: { ...named(metric), period: every, stat: statistic },
  }));
  return {
    metricQuery: [{ id: "watched", expression: watches.expression, label: "watched", returnData: true }, ...series],
  };
}

function named({ namespace, name, dimensions }: Metric) {
  return { namespace, metricName: name, ...(Object.keys(dimensions).length === 0 ? {} : { dimensions }) };
}

/** CloudWatch takes percentiles apart from the other statistics. */
function aggregated(statistic: Statistic) {
  return statistic.startsWith("p") ? { extendedStatistic: statistic } : { statistic };
}
