import type { DeploymentConfig, QueueConfig } from "../config.ts";
import { deadLetterName } from "../names.ts";
import { type Alarm, days as daysOf, ops, typed } from "./alarm.ts";
import { parkedGroups, queueMetric } from "./metrics.ts";

/** Whether messages wait for a person. */
export function setAsideAlarms(deployment: DeploymentConfig, queue: QueueConfig): Alarm[] {
  return [deadLetters(deployment, queue), ...(queue.failurePolicy === "park" ? [parked(deployment, queue)] : [])];
}

/**
 * Under `park` as well, though the consumer sends nothing there: what was dead-lettered before the policy changed is forgotten by
 * everyone but SQS, which drops it at the end of its retention.
 */
function deadLetters(deployment: DeploymentConfig, queue: QueueConfig): Alarm {
  const days = daysOf(queue.deadLetterRetentionSeconds);
  const why =
    queue.failurePolicy === "park"
      ? `Messages are in the dead-letter queue of ${queue.name}, which parks now: they were put there by hand, or before its policy changed.`
      : `The backend refused messages of ${queue.name}, and their groups have gone on without them.`;
  return {
    id: `${queue.name}-dead-letters`,
    // The most of five minutes: a verb that looks hides them for a while, and that is no end of it.
    watches: {
      metric: queueMetric(deadLetterName(deployment, queue), "ApproximateNumberOfMessagesVisible"),
      statistic: "Maximum",
    },
    atLeast: 1,
    every: 300,
    bad: [1, 1],
    // SQS reports of queues in use only, and nobody uses this one while a person is asleep. What empties it is a use, so it is told.
    missing: "as-before",
    means: `${why} SQS keeps them for ${days} days.`,
    first: [
      "First, see which, and why:",
      typed(ops(deployment, `dlq list ${queue.name}`)),
      "Then, with the backend mended, send them again, each group's in order, behind what was sent since (or dlq discard):",
      typed(ops(deployment, `dlq redrive ${queue.name} --all`)),
    ],
  };
}

/**
 * The gauge has a value every five minutes, zeros included, so one value is enough, and none for long means that nobody counts. A
 * count that comes a little late does no harm: CloudWatch then takes the last one there was.
 */
function parked(deployment: DeploymentConfig, queue: QueueConfig): Alarm {
  return {
    id: `${queue.name}-parked-groups`,
    watches: { metric: parkedGroups(deployment, queue.name), statistic: "Maximum" },
    atLeast: 1,
    every: 300,
    bad: [1, 1],
    missing: "unknown",
    means: `Groups of ${queue.name} are blocked: the backend refused a message, and all that follows it in its group is parked behind it, in order. Other groups go on; nothing is lost. (INSUFFICIENT_DATA: nobody counts; see the consumer's other alarms.)`,
    first: [
      "First, see which groups, and since when:",
      typed(ops(deployment, `parked list ${queue.name}`)),
      "Then see why one is blocked and, with the backend mended, replay that one before the others:",
      typed(ops(deployment, `parked show ${queue.name} GROUP`)),
      typed(ops(deployment, `parked replay ${queue.name} GROUP`)),
    ],
  };
}
