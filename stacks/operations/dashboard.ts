import { CloudwatchDashboard } from "@cdktf/provider-aws/lib/cloudwatch-dashboard/index.js";
import { Construct } from "constructs";
import type { DeploymentConfig, OperationsConfig, QueueConfig } from "../config.ts";
import { GROUPS_FOUND_WITHIN } from "../limits.ts";
import { dashboardName, deadLetterName, queueName } from "../names.ts";
import { count, ops } from "./alarm.ts";
import {
  backendUnavailable,
  consumerMetric,
  gatewayMetric,
  parkedGroups,
  queueMetric,
  type Statistic,
} from "./metrics.ts";
import { dashboardBody, type Graph, type Section } from "./widgets.ts";

interface DashboardProps {
  readonly deployment: DeploymentConfig;
  readonly operations: OperationsConfig;
  /** Of all alarms. */
  readonly alarms: readonly string[];
}

/** About so many alarms stand beside one another. */
const ALARMS_ABREAST = 6;

/**
 * One page that reads down the path of a message: gateway, queues, consumer, backend, and where refused messages wait.
 *
 * The response server has no place in it: its metrics go by the instance's id, which only another stack's state knows. Whether it answers
 * shows in the backend's row.
 */
export class Dashboard extends Construct {
  readonly name: string;

  constructor(scope: Construct, { deployment, operations, alarms }: DashboardProps) {
    super(scope, "dashboard");
    this.name = dashboardName(deployment);
    new CloudwatchDashboard(this, "dashboard", {
      dashboardName: this.name,
      dashboardBody: dashboardBody({
        region: deployment.region,
        head: { words: head(deployment), height: 3 },
        alarms: {
          title: "Alarms, raised ones first",
          arns: alarms,
          height: 1 + Math.ceil(alarms.length / ALARMS_ABREAST),
        },
        sections: [
          gateway(deployment, operations),
          queues(deployment, operations),
          consumer(deployment),
          backend(deployment, operations),
          setAside(deployment),
        ],
      }),
    });
  }
}

function head(deployment: DeploymentConfig): string {
  return [
    `# ${deployment.name}: from producer to backend`,
    "Read it downwards, the way that a message goes: the first row that looks wrong is where to begin. Each alarm's description has its first step.",
    "Terraform writes this page, so what is changed here is lost with the next apply. Commands are typed in the project's folder.",
  ].join("\n\n");
}

function gateway(deployment: DeploymentConfig, operations: OperationsConfig): Section {
  const line = (name: Parameters<typeof gatewayMetric>[1], statistic: Statistic, label: string) => ({
    metric: gatewayMetric(deployment, name),
    statistic,
    label,
  });
  return {
    words: [
      "## 1 Gateway",
      "What producers send. No requests: look at the producers.",
      "**4xx**: refused, and in no queue; the answer's code says why.",
      "**5xx**: SQS is not reached. Producers send again.",
      "**Latency** is nearly all SQS's, the integration's: if that is low, requests wait in front of it.",
    ].join("\n\n"),
    rows: [
      [
        {
          title: "Requests",
          lines: [line("Count", "Sum", "requests"), line("4XXError", "Sum", "4xx"), line("5XXError", "Sum", "5xx")],
        },
        {
          title: `Errors, per cent of requests (alarm: 4xx at ${operations.clientErrorPercent})`,
          every: 300,
          lines: [
            { ...line("4XXError", "Average", "4xx"), id: "client", hidden: true },
            { ...line("5XXError", "Average", "5xx"), id: "server", hidden: true },
            { expression: "100 * client", label: "4xx", id: "clientPercent" },
            { expression: "100 * server", label: "5xx", id: "serverPercent" },
          ],
        },
        {
          title: `Latency, ms (alarm: p99 at ${count(operations.latencyMilliseconds)})`,
          lines: [
            line("Latency", "p50", "p50"),
            line("Latency", "p99", "p99"),
            line("IntegrationLatency", "p99", "p99 of the integration"),
          ],
        },
      ],
    ],
  };
}

function queues(deployment: DeploymentConfig, operations: OperationsConfig): Section {
  const each = (name: Parameters<typeof queueMetric>[1], statistic: Statistic, suffix = "") =>
    deployment.queues.map((queue) => ({
      metric: queueMetric(queueName(deployment, queue), name),
      statistic,
      label: `${queue.name}${suffix}`,
    }));
  return {
    words: [
      "## 2 Queues",
      "**Age** rises with nothing in flight: nobody takes messages, see the consumer. Rises with messages in flight: deliveries wait, see the backend.",
      "SQS leaves out of it what was received many times: a few groups that wait alone show under 4.",
      `**Waiting**: beyond ${count(GROUPS_FOUND_WITHIN)} SQS finds no further groups.`,
      "**Sent** above **deleted** for long: deliveries are too slow; raise `maximumConcurrency`.",
      "Messages in flight for minutes are groups that wait between two tries. Do not purge a queue: its messages are nowhere else.",
    ].join("\n\n"),
    rows: [
      [
        {
          title: `Age of the oldest message, s (alarm: ${count(operations.oldestMessageSeconds)})`,
          lines: each("ApproximateAgeOfOldestMessage", "Maximum"),
        },
        {
          title: `Waiting messages (alarm: ${count(operations.backlogMessages)})`,
          lines: each("ApproximateNumberOfMessagesVisible", "Maximum"),
        },
      ],
      [
        {
          title: "Messages in flight",
          lines: each("ApproximateNumberOfMessagesNotVisible", "Maximum"),
        },
        {
          title: "Messages sent and deleted",
          lines: [
            ...each("NumberOfMessagesSent", "Sum", " sent"),
            ...each("NumberOfMessagesDeleted", "Sum", " deleted"),
          ],
        },
      ],
    ],
  };
}

function consumer(deployment: DeploymentConfig): Section {
  const line = (name: Parameters<typeof consumerMetric>[1], statistic: Statistic, label: string) => ({
    metric: consumerMetric(deployment, name),
    statistic,
    label,
  });
  const { timeoutSeconds, reservedConcurrency } = deployment.consumer;
  const most = deployment.queues.reduce((sum, { maximumConcurrency }) => sum + maximumConcurrency, 0);
  const kept = reservedConcurrency === undefined ? "" : `, ${reservedConcurrency} reserved`;
  return {
    words: [
      "## 3 Consumer",
      "**Errors** are never the backend's: the function was killed, or is wrong. Its log group says which.",
      "**Throttled**: Lambda starts fewer than the queues ask for.",
      "**Concurrency** at its most and messages waiting: raise `maximumConcurrency`, or the backend is too slow.",
    ].join("\n\n"),
    rows: [
      [
        {
          title: "Invocations",
          lines: [
            line("Invocations", "Sum", "invocations"),
            line("Errors", "Sum", "errors"),
            line("Throttles", "Sum", "throttled"),
          ],
        },
        {
          title: `Duration, ms (killed at ${count(timeoutSeconds * 1_000)})`,
          lines: [
            line("Duration", "p50", "p50"),
            line("Duration", "p99", "p99"),
            line("Duration", "Maximum", "longest"),
          ],
        },
        {
          title: `Concurrent invocations (most: ${most}${kept})`,
          lines: [line("ConcurrentExecutions", "Maximum", "concurrent")],
        },
      ],
    ],
  };
}

function backend(deployment: DeploymentConfig, operations: OperationsConfig): Section {
  return {
    words: [
      "## 4 Backend",
      "Each time a group was given back to its queue since the backend did not answer, or answered 408, 425, 429, 502, 503 or 504.",
      "Bring it back: groups go on by themselves within five minutes, and there is nothing to replay.",
    ].join("\n\n"),
    rows: [
      [
        {
          title: `Waits for the backend that began (alarm: any, in ${operations.backendUnavailableMinutes} minutes)`,
          lines: [{ metric: backendUnavailable(deployment), statistic: "Sum", label: "waits" }],
        },
      ],
    ],
  };
}

function setAside(deployment: DeploymentConfig): Section {
  const parking = deployment.queues.filter(({ failurePolicy }) => failurePolicy === "park");
  const goingOn = deployment.queues.filter(({ failurePolicy }) => failurePolicy === "dead-letter");
  const forExample = (verb: string, those: readonly QueueConfig[]) =>
    those.slice(0, 1).map(({ name }) => `\`${ops(deployment, `${verb} ${name}`)}\``);
  const dead: Graph = {
    title: "Messages in dead-letter queues (alarm: any)",
    lines: deployment.queues.map((queue) => ({
      metric: queueMetric(deadLetterName(deployment, queue), "ApproximateNumberOfMessagesVisible"),
      statistic: "Maximum",
      label: queue.name,
    })),
  };
  const parked: Graph = {
    title: "Parked groups, counted every five minutes (alarm: any)",
    every: 300,
    lines: parking.map(({ name }) => ({
      metric: parkedGroups(deployment, name),
      statistic: "Maximum",
      label: name,
    })),
  };
  return {
    words: [
      "## 5 Set aside",
      "What the backend refused, and waits for a person.",
      ...(goingOn.length === 0 ? [] : ["Dead letters: their groups went on.", ...forExample("dlq list", goingOn)]),
      ...(parking.length === 0
        ? []
        : ["Parked groups: blocked until replayed.", ...forExample("parked list", parking)]),
    ].join("\n\n"),
    rows: [parking.length === 0 ? [dead] : [dead, parked]],
  };
}
