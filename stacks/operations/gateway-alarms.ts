import type { DeploymentConfig, OperationsConfig } from "../config.ts";
import { dashboardName, logGroupPrefixes } from "../names.ts";
import { type Alarm, aws, count, raisedAlarms, typed } from "./alarm.ts";
import { gatewayMetric } from "./metrics.ts";

/** So few refused requests in five minutes raise nothing, however few there are in all: one bad request at night is no incident. */
const FEWEST_CLIENT_ERRORS = 10;

/** Whether what producers send gets into the queues. */
export function gatewayAlarms(
  deployment: DeploymentConfig,
  { clientErrorPercent, latencyMilliseconds }: OperationsConfig,
): Alarm[] {
  return [
    {
      id: "gateway-client-errors",
      watches: {
        expression: `IF(errors >= ${FEWEST_CLIENT_ERRORS}, 100 * errors / requests, 0)`,
        of: {
          errors: { metric: gatewayMetric(deployment, "4XXError"), statistic: "Sum" },
          requests: { metric: gatewayMetric(deployment, "Count"), statistic: "Sum" },
        },
      },
      atLeast: clientErrorPercent,
      every: 300,
      bad: [1, 1],
      missing: "good",
      means: `At least ${clientErrorPercent} of 100 requests in five minutes were refused with 4xx. What was refused is in no queue: body or group id (400), key (403), size (413), content type (415), a producer's limit (429).`,
      first: [
        ...firstLook(deployment),
        "Each answer's code says what was refused; the README's table says what each code means.",
      ],
    },
    {
      // Two of three: the client sends again what was answered 5xx, and a single one, as SQS has now and then, is settled by that.
      id: "gateway-server-errors",
      watches: { metric: gatewayMetric(deployment, "5XXError"), statistic: "Sum" },
      atLeast: 1,
      every: 300,
      bad: [2, 3],
      missing: "good",
      means:
        "Requests are answered 5xx again and again: API Gateway does not reach SQS, or may not send. Producers keep what they have and send it again; it may be in its queue all the same.",
      first: [
        "First, see that SQS answers and that the queues are there:",
        typed(aws(deployment, `sqs list-queues --queue-name-prefix ${deployment.name}-`)),
        "After an apply that changed the gateway's role or the key, apply once more. Else see the AWS Health Dashboard, and the gateway's error logs where it keeps them.",
      ],
    },
    {
      // Three of three, since with little traffic the slowest of 100 is the slowest of all, and one request may be slow. It is
      // judged by few values too: else it would stay raised when the traffic that raised it ends.
      id: "gateway-latency",
      watches: { metric: gatewayMetric(deployment, "Latency"), statistic: "p99" },
      atLeast: latencyMilliseconds,
      every: 300,
      bad: [3, 3],
      missing: "good",
      means: `For a quarter of an hour, one request of 100 took ${count(latencyMilliseconds)} ms or more. Nothing is lost; producers wait, and send less.`,
      first: [
        "First, see what else is raised:",
        typed(raisedAlarms(deployment)),
        `Then look at the latency under 1 on dashboard ${dashboardName(deployment)}. If the integration's is as high, SQS is slow: see the AWS Health Dashboard. Else requests are large, or wait in front of it.`,
      ],
    },
  ];
}

function firstLook(deployment: DeploymentConfig): string[] {
  const prefix = logGroupPrefixes(deployment).find((each) => each.startsWith("/aws/apigateway/"));
  return deployment.gateway.accountRole === undefined
    ? [
        "First, see what each producer may send, and ask who sends for the answers' code and requestId (gateway.accountRole in main.ts would keep logs of requests):",
        typed(aws(deployment, 'apigateway get-usage-plans --query "items[].[name,throttle,quota]"')),
      ]
    : [
        "First, find the gateway's logs, and read them:",
        typed(
          aws(
            deployment,
            `logs describe-log-groups --log-group-name-prefix ${prefix} --query "logGroups[].logGroupName"`,
          ),
        ),
        typed(aws(deployment, "logs tail NAME --since 15m")),
      ];
}
