import type { DeploymentConfig, OperationsConfig } from "../config.ts";
import { consumerName } from "../names.ts";
import { type Alarm, aws, typed } from "./alarm.ts";
import { backendUnavailable, consumerMetric } from "./metrics.ts";

/**
 * No group waits longer than this between two tries, in seconds, unless the backend asked for it (`Retry-After`). It is the consumer's
 * own number (`runtime/consumer/backoff.ts`), which the stacks do not import; a test holds the two together.
 */
export const LONGEST_WAIT_SECONDS = 300;

/** Until a message that is visible again has been received, at most: one long poll, in seconds. */
const POLL_SECONDS = 20;

/** Whether messages are delivered. */
export function consumerAlarms(deployment: DeploymentConfig, { backendUnavailableMinutes }: OperationsConfig): Alarm[] {
  const tail = (filter?: string) =>
    aws(
      deployment,
      `logs tail /aws/lambda/${consumerName(deployment)} --since 15m${filter === undefined ? "" : ` --filter-pattern '${filter}'`}`,
    );
  return [
    {
      // One is enough: whatever backend, queue and table do is an outcome to the consumer, and no error.
      id: "consumer-errors",
      watches: { metric: consumerMetric(deployment, "Errors"), statistic: "Sum" },
      atLeast: 1,
      every: 300,
      bad: [1, 1],
      missing: "good",
      means:
        "An invocation of the consumer ended with an error: killed at its timeout or for its memory, wrongly configured, or a bug. Its messages stay in the queue and come again, in order. A message that kills the function again and again is refused in the end.",
      first: [
        "First, read the lines around it:",
        typed(tail()),
        '"Task timed out": see the duration on the dashboard, and consumer.timeoutSeconds in main.ts. "consumer.failed": its detail names what is wrong.',
      ],
    },
    {
      // Two of three: Lambda itself tries again, and a moment's throttling while it scales is settled by that.
      id: "consumer-throttles",
      watches: { metric: consumerMetric(deployment, "Throttles"), statistic: "Sum" },
      atLeast: 1,
      every: 300,
      bad: [2, 3],
      missing: "good",
      means:
        "Lambda starts fewer invocations of the consumer than the queues ask for: the account's concurrency is used up, or consumer.reservedConcurrency is too low. Groups wait up to a visibility timeout more; nothing is lost, and order holds.",
      first: [
        "First, see what the account has:",
        typed(aws(deployment, "lambda get-account-settings --query AccountLimit")),
        "Then have other functions take less, reserve concurrency for the consumer in main.ts, or ask AWS for more.",
      ],
    },
    {
      // Minutes, not lines: 1,000 groups that wait for a second are no outage. A group alone is tried every minute or more often for
      // the first eight minutes of an outage and every five minutes in the end, so the last six times as many minutes count: the
      // alarm then lasts as long as the outage, and is over within that time after it.
      id: "backend-unavailable",
      watches: { metric: backendUnavailable(deployment), statistic: "Sum" },
      atLeast: 1,
      every: 60,
      bad: [backendUnavailableMinutes, backendUnavailableMinutes * minutesBetweenTries(deployment)],
      // No line at all: no group waits.
      missing: "good",
      means: `In ${backendUnavailableMinutes} of the last ${backendUnavailableMinutes * minutesBetweenTries(deployment)} minutes the backend did not answer, or answered 408, 425, 429, 502, 503 or 504. Groups wait in their queues, in order; no attempt is counted, nothing is set aside.`,
      first: [
        "First, see what it says:",
        typed(tail('{ ($.event = "group.waiting") && ($.reason = "unavailable") }')),
        "The detail is ECONNREFUSED, timeout, http 503 and the like. Bring the backend back: groups go on by themselves within five minutes, and there is nothing to replay.",
      ],
    },
  ];
}

/** Within so many minutes a group that waits has been tried: the longest wait, a poll, and an answer that does not come. */
function minutesBetweenTries({ consumer }: DeploymentConfig): number {
  return Math.ceil((LONGEST_WAIT_SECONDS + POLL_SECONDS + consumer.backendTimeoutMilliseconds / 1_000) / 60);
}
