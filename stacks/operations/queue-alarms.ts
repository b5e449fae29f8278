import type { DeploymentConfig, OperationsConfig, QueueConfig } from "../config.ts";
import { GROUPS_FOUND_WITHIN } from "../limits.ts";
import { consumerName, queueName } from "../names.ts";
import { type Alarm, aws, count, days, raisedAlarms, typed } from "./alarm.ts";
import { queueMetric } from "./metrics.ts";

/** Whether what is in a queue leaves it. Lambda polls each queue all the time, so its metrics are there all the time. */
export function queueAlarms(
  deployment: DeploymentConfig,
  queue: QueueConfig,
  { oldestMessageSeconds, backlogMessages }: OperationsConfig,
): Alarm[] {
  const name = queueName(deployment, queue);
  return [
    {
      // Without a message there is no age, which is as well as can be. SQS leaves out what was received again and again and not
      // deleted (SQS, "Available CloudWatch metrics for Amazon SQS"): a few groups that wait alone show in backend-unavailable.
      id: `${queue.name}-oldest-message`,
      watches: { metric: queueMetric(name, "ApproximateAgeOfOldestMessage"), statistic: "Maximum" },
      atLeast: oldestMessageSeconds,
      every: 60,
      bad: [3, 3],
      missing: "good",
      means: `The oldest message of ${queue.name} has waited ${count(oldestMessageSeconds)} s: its group, or all of them, are delivered too slowly or not at all. Nothing is lost before the queue's retention of ${days(queue.retentionSeconds)} days.`,
      first: [
        "First, see why groups wait:",
        typed(
          aws(
            deployment,
            `logs tail /aws/lambda/${consumerName(deployment)} --since 15m --filter-pattern '{ ($.event = "group.waiting") && ($.queue = "${queue.name}") }'`,
          ),
        ),
        "The reason is the backend (unavailable, failed), the table or the dead-letter queue (storage-unavailable), or time (deadline). No lines: see what else is raised, and whether the event source is enabled.",
      ],
    },
    {
      // What waits, without what is in flight: only a little more is, ten messages for each concurrent invocation. Five minutes, so that a
      // burst that is being delivered raises nothing.
      id: `${queue.name}-backlog`,
      watches: { metric: queueMetric(name, "ApproximateNumberOfMessagesVisible"), statistic: "Maximum" },
      atLeast: backlogMessages,
      every: 60,
      bad: [5, 5],
      missing: "good",
      means: `${count(backlogMessages)} messages wait in ${queue.name}. SQS looks for groups among the first ${count(GROUPS_FOUND_WITHIN)} only: beyond that, groups that could be delivered wait for those that cannot.`,
      first: [
        "First, see what else is raised:",
        typed(raisedAlarms(deployment)),
        "With backend-unavailable, bring the backend back. Alone, deliveries are too slow: raise the queue's maximumConcurrency in main.ts, or have producers send less. Do not purge the queue: its messages are nowhere else.",
      ],
    },
  ];
}
