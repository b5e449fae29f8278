import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { MAX_WAIT_SECONDS, outageWait } from "../runtime/consumer/backoff.ts";
import { createLog } from "../runtime/consumer/log.ts";
import { settle } from "../runtime/consumer/settle.ts";
import { ConfigError, type DeploymentInput, parseDeployment } from "../stacks/config.ts";
import { consumerAlarms, LONGEST_WAIT_SECONDS } from "../stacks/operations/consumer-alarms.ts";
import { startConsumerWorld, startGroupBackend } from "./helpers/consumer-world.ts";
import { emitDeployment, emitOperations } from "./helpers/emit-deployment.ts";
import { type Emitted, json, projectRoot, resource, resources, synth } from "./helpers/emitted.ts";
import { happyPorts, ReferenceQueue, referenceSettings } from "./helpers/reference-queue.ts";

/** Three queues, and no value that is a default. */
const three: DeploymentInput = {
  name: "three",
  region: "eu-central-1",
  stage: "live",
  backend: { url: "https://backend.example/" },
  queues: [{ name: "orders" }, { name: "audit", failurePolicy: "park" }, { name: "gateway" }],
  producers: [{ name: "alarms" }],
  operations: {
    emails: ["b@kimalarm.example", "a.b+c_d@kimalarm.example"],
    oldestMessageSeconds: 61,
    backlogMessages: 62,
    clientErrorPercent: 63,
    latencyMilliseconds: 64,
    backendUnavailableMinutes: 7,
  },
};
const emitted = emitDeployment(three);
const operations = emitted.stack("three-operations");
const main = synth();

const metricSchema = z.object({
  namespace: z.string(),
  metric_name: z.string(),
  dimensions: z.record(z.string(), z.string()).optional(),
  period: z.int(),
});
const alarmSchema = z.object({
  alarm_name: z.string(),
  alarm_description: z.string(),
  alarm_actions: z.array(z.string()),
  ok_actions: z.array(z.string()),
  insufficient_data_actions: z.array(z.string()).optional(),
  comparison_operator: z.literal("GreaterThanOrEqualToThreshold"),
  threshold: z.number(),
  evaluation_periods: z.int(),
  datapoints_to_alarm: z.int(),
  treat_missing_data: z.enum(["notBreaching", "ignore", "missing"]),
  statistic: z.enum(["Sum", "Maximum"]).optional(),
  extended_statistic: z.literal("p99").optional(),
  ...metricSchema.partial().shape,
  metric_query: z
    .array(
      z.object({
        id: z.string().regex(/^[a-z]\w*$/),
        expression: z.string().optional(),
        return_data: z.boolean().optional(),
        metric: metricSchema.extend({ stat: z.literal("Sum") }).optional(),
      }),
    )
    .optional(),
  depends_on: z.array(z.string()),
});
type Alarm = z.output<typeof alarmSchema>;
type Metric = z.output<typeof metricSchema>;

/** A deployment's alarms by name, without the deployment's. */
function alarmsOf(from: Emitted, deployment: string): ReadonlyMap<string, Alarm> {
  const found = Object.values(resources(from.stack(`${deployment}-operations`), "aws_cloudwatch_metric_alarm"));
  return new Map(
    found
      .map((each) => alarmSchema.parse(each))
      .map((each) => {
        assert.ok(each.alarm_name.startsWith(`${deployment}-`), each.alarm_name);
        return [each.alarm_name.slice(deployment.length + 1), each];
      }),
  );
}

const alarms = alarmsOf(emitted, "three");
const prodAlarms = alarmsOf(main, "prod");

function alarm(name: string): Alarm {
  const found = alarms.get(name);
  assert.ok(found !== undefined, `no ${name} among ${[...alarms.keys()].join(", ")}`);
  return found;
}

/** The metrics that an alarm looks at. */
function metricsOf({ metric_query, ...own }: Alarm): Metric[] {
  if (metric_query === undefined) return [metricSchema.parse(own)];
  return metric_query.flatMap(({ metric }) => (metric === undefined ? [] : [metric]));
}

/**
 * Metrics and their dimensions as AWS documents them: API Gateway, "Amazon API Gateway dimensions and metrics"; SQS, "Available
 * CloudWatch metrics for Amazon SQS"; Lambda, "Types of metrics for Lambda functions".
 */
const AWS_METRICS: Readonly<Record<string, { readonly names: string; readonly dimensions: readonly string[] }>> = {
  "AWS/ApiGateway": {
    names: "4XXError 5XXError CacheHitCount CacheMissCount Count IntegrationLatency Latency",
    dimensions: ["ApiName", "Stage"],
  },
  "AWS/SQS": {
    names: `ApproximateAgeOfOldestMessage ApproximateNumberOfGroupsWithInflightMessages ApproximateNumberOfMessagesDelayed
      ApproximateNumberOfMessagesNotVisible ApproximateNumberOfMessagesVisible NumberOfEmptyReceives
      NumberOfDeduplicatedSentMessages NumberOfMessagesDeleted NumberOfMessagesReceived NumberOfMessagesSent SentMessageSize`,
    dimensions: ["QueueName"],
  },
  "AWS/Lambda": {
    names: "Invocations Errors DeadLetterErrors DestinationDeliveryFailures Throttles Duration ConcurrentExecutions",
    dimensions: ["FunctionName"],
  },
};

const transformationSchema = z.object({
  name: z.string(),
  namespace: z.string(),
  value: z.string(),
  default_value: z.string().optional(),
  dimensions: z.record(z.string(), z.string()).optional(),
});

/** Says what is wrong with a metric: AWS has none of that name, or what it is of is not emitted. */
function faultOf(
  { namespace, metric_name, dimensions = {} }: Metric,
  from: Emitted,
  deployment: string,
): string | undefined {
  const stack = (part: string) => from.stack(`${deployment}-${part}`);
  const values = (part: string, type: string, argument: string) =>
    Object.values(resources(stack(part), type)).map((each) => String(each[argument]));
  const known = AWS_METRICS[namespace];
  if (known === undefined) {
    const own = Object.values(resources(stack("delivery"), "aws_cloudwatch_log_metric_filter"))
      .map(({ metric_transformation }) => transformationSchema.parse(metric_transformation))
      .find((each) => each.namespace === namespace && each.name === metric_name);
    if (own === undefined) return `no filter makes ${namespace} ${metric_name}`;
    if (Object.keys(own.dimensions ?? {}).join() !== Object.keys(dimensions).join()) return "other dimensions";
    const queues = consumerQueues(from, deployment);
    const { queue } = dimensions;
    return queue === undefined || queues.includes(queue) ? undefined : `the consumer knows no queue ${queue}`;
  }
  if (!known.names.split(/\s+/).includes(metric_name)) return `${namespace} has no ${metric_name}`;
  if (known.dimensions.join() !== Object.keys(dimensions).join()) return `${namespace} has other dimensions`;
  const emittedValues: Readonly<Record<string, string[]>> = {
    QueueName: values("messaging", "aws_sqs_queue", "name"),
    FunctionName: values("delivery", "aws_lambda_function", "function_name"),
    ApiName: values("gateway", "aws_api_gateway_rest_api", "name"),
    Stage: values("gateway", "aws_api_gateway_stage", "stage_name"),
  };
  const missing = Object.entries(dimensions).find(([name, value]) => !emittedValues[name]?.includes(value));
  return missing === undefined ? undefined : `${missing.join(" ")} is not emitted`;
}

/** The names of queues that the consumer writes in its lines. */
function consumerQueues(from: Emitted, deployment: string): string[] {
  const { environment } = resource(from.stack(`${deployment}-delivery`), "aws_lambda_function", "consumer_function");
  const { variables } = z.object({ variables: z.object({ QUEUES: z.string() }) }).parse(environment);
  return Object.values(z.record(z.string(), z.object({ name: z.string() })).parse(json(variables.QUEUES))).map(
    ({ name }) => name,
  );
}

describe("a deployment without operations", () => {
  test("has no such stack, and no metric for its alarms", () => {
    assert.ok(![...main.files.keys()].some((file) => file.includes("dev-operations")));
    const filters = resources(main.stack("dev-delivery"), "aws_cloudwatch_log_metric_filter");
    assert.deepEqual(Object.keys(filters), ["parked-groups_metric"]);
  });
});

describe("alarms", () => {
  test("look at every hop, every queue, every dead-letter queue, and the parking lot of each queue that parks", () => {
    assert.deepEqual([...alarms.keys()].toSorted(), [
      "audit-backlog",
      "audit-dead-letters",
      "audit-oldest-message",
      "audit-parked-groups",
      "backend-unavailable",
      "consumer-errors",
      "consumer-throttles",
      "gateway-backlog",
      "gateway-client-errors",
      "gateway-dead-letters",
      "gateway-latency",
      "gateway-oldest-message",
      "gateway-server-errors",
      "orders-backlog",
      "orders-dead-letters",
      "orders-oldest-message",
    ]);
  });

  test("look at metrics that exist, of queues, function, API and stage that are emitted under these very names", () => {
    for (const [from, deployment, all] of [
      [emitted, "three", alarms],
      [main, "prod", prodAlarms],
    ] as const) {
      for (const [name, each] of all)
        for (const metric of metricsOf(each)) assert.equal(faultOf(metric, from, deployment), undefined, name);
    }
  });

  test("look at the right one of two queues", () => {
    const names = ["orders-oldest-message", "orders-backlog", "orders-dead-letters"].map(
      (name) => alarm(name).dimensions?.["QueueName"],
    );
    assert.deepEqual(names, ["three-orders.fifo", "three-orders.fifo", "three-orders-dead-letter.fifo"]);
    assert.deepEqual(alarm("audit-parked-groups").dimensions, { queue: "audit" });
  });

  test("are raised at what is configured", () => {
    const thresholds = [
      "orders-oldest-message",
      "orders-backlog",
      "gateway-client-errors",
      "gateway-latency",
      "backend-unavailable",
    ].map((name) => alarm(name).threshold);
    assert.deepEqual(thresholds, [61, 62, 63, 64, 1]);
    const { datapoints_to_alarm, evaluation_periods } = alarm("backend-unavailable");
    assert.deepEqual([datapoints_to_alarm, evaluation_periods], [7, 42]);
    assert.equal(prodAlarms.get("queue-1-backlog")?.threshold, 80_000);
  });

  test("are raised by a single dead letter, a single parked group and a single error of the consumer", () => {
    for (const name of ["orders-dead-letters", "audit-dead-letters", "audit-parked-groups", "consumer-errors"]) {
      const { threshold, datapoints_to_alarm, evaluation_periods } = alarm(name);
      assert.deepEqual([threshold, datapoints_to_alarm, evaluation_periods], [1, 1, 1], name);
    }
  });

  test("have periods that CloudWatch takes, and look no further back than it does", () => {
    for (const [name, each] of [...alarms, ...prodAlarms]) {
      for (const { period } of metricsOf(each)) {
        assert.ok(period >= 60 && period % 60 === 0, name);
        assert.ok(period * each.evaluation_periods <= 86_400, `${name}: a day for periods below an hour`);
      }
      assert.ok(each.datapoints_to_alarm >= 1 && each.datapoints_to_alarm <= each.evaluation_periods, name);
    }
  });

  test("count parked groups as often as they are counted, and say so when nobody counts", () => {
    const rule = resource(emitted.stack("three-delivery"), "aws_cloudwatch_event_rule", "parked-groups_rule");
    const [, minutes] = /^rate\((\d+) minutes\)$/.exec(String(rule.schedule_expression)) ?? [];
    const { period, statistic, treat_missing_data, insufficient_data_actions } = alarm("audit-parked-groups");
    assert.deepEqual([period, statistic, treat_missing_data], [60 * Number(minutes), "Maximum", "missing"]);
    assert.deepEqual(insufficient_data_actions, alarm("audit-parked-groups").alarm_actions);
  });

  test("stay raised for a dead-letter queue of which SQS has fallen silent, and for nothing else", () => {
    const silent = [...alarms].filter(([, { treat_missing_data }]) => treat_missing_data === "ignore");
    assert.deepEqual(silent.map(([name]) => name).toSorted(), [
      "audit-dead-letters",
      "gateway-dead-letters",
      "orders-dead-letters",
    ]);
    const good = [...alarms].filter(([, { treat_missing_data }]) => treat_missing_data === "notBreaching");
    assert.equal(good.length, alarms.size - silent.length - 1);
  });

  test("take refused requests by their share of all, and not for a few of them", () => {
    const queries = alarm("gateway-client-errors").metric_query ?? [];
    const [expression, ...others] = queries.flatMap(({ expression: text }) => (text === undefined ? [] : [text]));
    assert.deepEqual(others, []);
    const [, least] = /^IF\(errors >= (\d+), 100 \* errors \/ requests, 0\)$/.exec(expression ?? "") ?? [];
    assert.ok(Number(least) >= 2, "one bad request at night");
    const named = Object.fromEntries(queries.map(({ id, metric }) => [id, metric?.metric_name]));
    assert.deepEqual(
      { errors: named["errors"], requests: named["requests"] },
      { errors: "4XXError", requests: "Count" },
    );
    assert.deepEqual(
      queries.filter(({ return_data }) => return_data).map(({ expression: text }) => text),
      [expression],
    );
  });

  test("tell the topic when they are raised and when they are over, once they may", () => {
    const topic = ["${aws_sns_topic.topic_topic.arn}"];
    for (const [name, { alarm_actions, ok_actions, depends_on }] of alarms) {
      assert.deepEqual([alarm_actions, ok_actions], [topic, topic], name);
      assert.deepEqual(depends_on, ["aws_sns_topic_policy.topic_policy"], name);
    }
  });

  test("say what to do first, with a command on a line of its own", () => {
    for (const [name, { alarm_description }] of [...alarms, ...prodAlarms])
      assert.match(alarm_description, /^\S[^]+\.\)?\n\nFirst, [^\n]+:\n\n {4}(?:aws|npm run ops --) \S/, name);
  });

  test("type ops verbs that there are, with options that they take", () => {
    const typed = [...prodAlarms.values()].flatMap(({ alarm_description }) =>
      [...alarm_description.matchAll(/^ {4}npm run ops -- (.+)$/gm)].map(([, command = ""]) => command),
    );
    const verbs = new Map(typed.map((command) => [command.split(" ").slice(0, 2).join(" "), command]));
    assert.deepEqual([...verbs.keys()].toSorted(), [
      "dlq list",
      "dlq redrive",
      "parked list",
      "parked replay",
      "parked show",
    ]);
    const nowhere = {
      AWS_ENDPOINT_URL: "http://127.0.0.1:1",
      AWS_ACCESS_KEY_ID: "none",
      AWS_SECRET_ACCESS_KEY: "none",
    };
    for (const command of verbs.values()) {
      const { status, stderr } = spawnSync(
        process.execPath,
        [join(projectRoot, "sdk/ops/src/cli.ts"), ...command.split(" ")],
        { env: { ...process.env, ...nowhere }, encoding: "utf8" },
      );
      // 2 would be a usage error; it gets as far as AWS, which is not there.
      assert.equal(status, 1, `${command}: ${stderr}`);
      assert.match(stderr, /ECONNREFUSED/);
    }
  });

  test("read the log group that the consumer writes to", () => {
    const { name } = resource(emitted.stack("three-delivery"), "aws_cloudwatch_log_group", "consumer_logs");
    const read = [...alarms.values()].flatMap(({ alarm_description }) => [
      ...alarm_description.matchAll(/logs tail (\/aws\/lambda\/\S+)/g),
    ]);
    assert.ok(read.length > 0);
    for (const [, group] of read) assert.equal(group, name);
  });

  test("have the key and the topic let in what they are named", () => {
    const allowed = `arn:aws:cloudwatch:ap-northeast-2:\${data.aws_caller_identity.encryption_account.account_id}:alarm:prod-*`;
    const { policy } = resource(main.stack("prod-messaging"), "aws_kms_key", "encryption_key");
    assert.ok(JSON.stringify(json(policy)).includes(JSON.stringify(allowed)));
  });
});

/** The clauses of a filter pattern that only compares fields with text (CloudWatch Logs, "Filter pattern syntax"). */
function matches(pattern: unknown, line: Readonly<Record<string, unknown>>): boolean {
  const [, inner] = /^\{ (.+) \}$/.exec(String(pattern)) ?? [];
  assert.ok(inner !== undefined, `${pattern}`);
  return inner.split(" && ").every((clause) => {
    const [, field, text] = /^\(\$\.(\w+) = "([\w.-]+)"\)$/.exec(clause) ?? [];
    assert.ok(field !== undefined, clause);
    return line[field] === text;
  });
}

describe("the metric of an unavailable backend", () => {
  const filter = resource(
    emitted.stack("three-delivery"),
    "aws_cloudwatch_log_metric_filter",
    "backend-unavailable_metric",
  );
  const counted = (lines: readonly Readonly<Record<string, unknown>>[]) =>
    lines.filter((line) => matches(filter.pattern, line)).length;

  test("counts the consumer's lines, as one metric, and zero where there are other lines", () => {
    assert.equal(filter.log_group_name, "${aws_cloudwatch_log_group.consumer_logs.name}");
    assert.deepEqual(transformationSchema.parse(filter.metric_transformation), {
      name: "BackendUnavailable",
      namespace: "FifoGateway/three",
      value: "1",
      default_value: "0",
    });
  });

  test("counts each group that is given back for a backend that is gone, or says 503", async () => {
    await using backend = await startGroupBackend((group) => (group === "10" ? 200 : 503));
    await using world = await startConsumerWorld({ backendUrl: backend.url });
    for (const group of ["10", "20", "30"]) for (const n of [1, 2]) await world.send(group, n);
    const messages = await world.receive();
    await world.invoke(messages);
    assert.equal(counted(world.logged), 2);
    await backend[Symbol.asyncDispose]();
    await world.makeVisible(messages.slice(2));
    await world.invoke(await world.receive());
    assert.equal(counted(world.logged), 4);
  });

  test("counts a replay that waits for the backend", async () => {
    await using backend = await startGroupBackend(() => 409);
    await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
    await world.send("10", 1);
    await world.settleAll();
    assert.equal(counted(world.logged), 0);
    backend.answer = () => 503;
    await world.control({ verb: "replay" }, "10");
    await world.invoke(await world.receive());
    assert.equal(counted(world.logged), 1);
  });

  test("does not count what the backend accepts, refuses or fails at", async () => {
    await using backend = await startGroupBackend((_, n) => n);
    await using world = await startConsumerWorld({ backendUrl: backend.url });
    for (const status of [200, 409, 500]) await world.send(String(status), status);
    await world.invoke(await world.receive());
    assert.deepEqual(world.logged.map(({ event }) => event).toSorted(), [
      "group.waiting",
      "message.settled",
      "message.settled",
    ]);
    assert.equal(counted(world.logged), 0);
  });

  test("does not count groups and control messages that wait for the table", async () => {
    await using backend = await startGroupBackend();
    await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
    world.tableWire.lose = () => "request";
    await world.send("10", 1);
    await world.control({ verb: "replay" }, "20");
    await world.invoke(await world.receive());
    assert.deepEqual(
      world.logged.map(({ event }) => event),
      ["group.waiting", "group.waiting"],
    );
    assert.equal(counted(world.logged), 0);
  });

  test("does not count a group that waits for its dead-letter queue", async () => {
    const queue = new ReferenceQueue(360);
    queue.send("10", '{"data":{"MessageGroupID":"10"}}');
    const lines: Record<string, unknown>[] = [];
    const write = (line: string) => lines.push(z.record(z.string(), z.unknown()).parse(JSON.parse(line)));
    const ports = happyPorts({ deliver: async () => ({ kind: "rejected", detail: "http 409" }) }, () => queue.now);
    await settle(
      referenceSettings,
      queue.receive(10),
      { backendTimeoutMilliseconds: 10_000 },
      {
        ...ports,
        queue: { ...ports.queue, delete: async () => new Set(), changeVisibility: async () => new Set() },
        log: createLog(write, () => queue.now),
      },
    );
    assert.deepEqual(
      lines.map(({ event }) => event),
      ["group.waiting"],
    );
    assert.equal(counted(lines), 0);
  });
});

/** Minutes of an outage in which a group that waits alone is given back: each try takes as long as it can. */
function minutesWithLines(outageMinutes: number, backendTimeoutSeconds: number): ReadonlySet<number> {
  const minutes = new Set<number>();
  let at = 0;
  for (let receives = 1; at < outageMinutes * 60; receives += 1) {
    at += backendTimeoutSeconds;
    minutes.add(Math.floor(at / 60));
    // A long poll may pass before it is received again.
    at += outageWait(receives, 1) + 20;
  }
  return minutes;
}

describe("the alarm of an unavailable backend", () => {
  test("knows the consumer's longest wait", () => {
    assert.equal(LONGEST_WAIT_SECONDS, MAX_WAIT_SECONDS);
  });

  for (const [minutes, backendTimeoutSeconds] of [
    [1, 10],
    [5, 10],
    [5, 600],
    [60, 10],
    [60, 890],
  ] as const) {
    test(`at ${minutes} minutes and a backend timeout of ${backendTimeoutSeconds} s, lasts as long as an outage that one group sees`, () => {
      const deployment = parseDeployment({
        ...three,
        queues: [{ name: "q", visibilityTimeoutSeconds: 6 * 900 }],
        consumer: { timeoutSeconds: 900, backendTimeoutMilliseconds: backendTimeoutSeconds * 1_000 },
        operations: { backendUnavailableMinutes: minutes },
      });
      const rows = deployment.operations === undefined ? [] : consumerAlarms(deployment, deployment.operations);
      const [bad, of] = rows.find(({ id }) => id === "backend-unavailable")?.bad ?? [0, 0];
      assert.ok(60 * of <= 86_400);
      const outage = 3 * 1_440;
      const lines = minutesWithLines(outage, backendTimeoutSeconds);
      const isRaised = (now: number) =>
        Array.from({ length: of }, (_, back) => lines.has(now - back)).filter(Boolean).length >= bad;
      const last = Math.max(...lines);
      const first = Array.from({ length: outage }, (_, minute) => minute).find(isRaised);
      assert.ok(first !== undefined, "it is raised");
      if (minutes === 5 && backendTimeoutSeconds === 10) assert.ok(first <= 5, `after ${first} minutes`);
      for (let minute = first; minute <= last; minute += 1) assert.ok(isRaised(minute), `minute ${minute}`);
      assert.ok(!isRaised(last + of), "and is over once the window has passed");
    });
  }
});

describe("the topic", () => {
  const statementSchema = z.strictObject({
    Sid: z.string(),
    Effect: z.enum(["Allow", "Deny"]),
    Principal: z.union([z.literal("*"), z.strictObject({ Service: z.string() })]),
    Action: z.literal("sns:Publish"),
    Resource: z.literal("${aws_sns_topic.topic_topic.arn}"),
    Condition: z.record(z.string(), z.record(z.string(), z.string())),
  });
  const { arn, policy } = resource(operations, "aws_sns_topic_policy", "topic_policy");
  const statements = z.object({ Statement: z.array(statementSchema) }).parse(json(policy)).Statement;

  test("lets alarms of this deployment publish, and nobody else", () => {
    assert.equal(arn, "${aws_sns_topic.topic_topic.arn}");
    const account = "${data.aws_caller_identity.topic_account.account_id}";
    assert.deepEqual(
      statements
        .filter(({ Effect }) => Effect === "Allow")
        .map(({ Principal, Condition }) => ({ Principal, Condition })),
      [
        {
          Principal: { Service: "cloudwatch.amazonaws.com" },
          Condition: {
            StringEquals: { "aws:SourceAccount": account },
            ArnLike: { "aws:SourceArn": `arn:aws:cloudwatch:eu-central-1:${account}:alarm:three-*` },
          },
        },
      ],
    );
  });

  test("refuses plain HTTP to everyone", () => {
    assert.deepEqual(
      statements
        .filter(({ Effect }) => Effect === "Deny")
        .map(({ Principal, Condition }) => ({ Principal, Condition })),
      [{ Principal: "*", Condition: { Bool: { "aws:SecureTransport": "false" } } }],
    );
  });

  test("is encrypted with the deployment's own key where there is one, and else with none: CloudWatch could not use AWS's", () => {
    const prod = main.stack("prod-operations");
    assert.equal(
      resource(prod, "aws_sns_topic", "topic_topic").kms_master_key_id,
      "${data.terraform_remote_state.prod-messaging.outputs.encryption_key_arn}",
    );
    assert.equal(resource(operations, "aws_sns_topic", "topic_topic").kms_master_key_id, undefined);
    assert.deepEqual(Object.keys(operations.data ?? {}), ["aws_caller_identity"], "and no other stack's state is read");
  });

  test("mails each address, under a name that is the address's own", () => {
    const byName = (emails: string[]) =>
      Object.fromEntries(
        Object.entries(
          emitOperations({ ...three, operations: { emails } }).stack("three-operations").resource[
            "aws_sns_topic_subscription"
          ] ?? {},
        ).map(([name, { endpoint, protocol, topic_arn }]) => [name, { endpoint, protocol, topic_arn }]),
      );
    const [one = "", other = ""] = three.operations?.emails ?? [];
    const all = byName([one, other]);
    assert.deepEqual(
      Object.values(all)
        .map(({ endpoint }) => endpoint)
        .toSorted(),
      [one, other].toSorted(),
    );
    for (const [name, { protocol, topic_arn }] of Object.entries(all)) {
      assert.match(name, /^[A-Za-z_][A-Za-z0-9_-]*$/);
      assert.deepEqual([protocol, topic_arn], ["email", "${aws_sns_topic.topic_topic.arn}"]);
    }
    assert.deepEqual(byName([other, one]), all, "their order means nothing");
    const [[name] = []] = Object.entries(byName([other]));
    assert.equal(all[name ?? ""]?.endpoint, other, "and one taken out changes no other");
    assert.deepEqual(byName([]), {});
  });
});

const lineOptions = z.strictObject({
  stat: z.enum(["Sum", "Average", "Maximum", "p50", "p99"]).optional(),
  label: z.string().min(1),
  id: z
    .string()
    .regex(/^[a-z]\w*$/)
    .optional(),
  visible: z.boolean().optional(),
  expression: z.string().optional(),
});
const place = {
  x: z.int().min(0).max(23),
  y: z.int().min(0),
  width: z.int().min(1).max(24),
  height: z.int().min(1).max(1_000),
};
/** As far as it is used here (CloudWatch API, "Dashboard Body Structure and Syntax"). */
const bodySchema = z.strictObject({
  widgets: z
    .array(
      z.discriminatedUnion("type", [
        z.strictObject({
          type: z.literal("text"),
          ...place,
          properties: z.strictObject({ markdown: z.string().startsWith("#") }),
        }),
        z.strictObject({
          type: z.literal("alarm"),
          ...place,
          properties: z.strictObject({
            title: z.string(),
            alarms: z.array(z.string()).min(1).max(100),
            sortBy: z.enum(["default", "stateUpdatedTimestamp", "timestamp"]),
          }),
        }),
        z.strictObject({
          type: z.literal("metric"),
          ...place,
          properties: z.strictObject({
            title: z.string(),
            view: z.literal("timeSeries"),
            region: z.string(),
            period: z.int().multipleOf(60),
            // [namespace, name, dimension, value, ..., options], or [options] of an expression.
            metrics: z
              .array(z.union([z.tuple([lineOptions]), z.tuple([z.string(), z.string()]).rest(z.unknown())]))
              .min(1)
              .max(500),
            yAxis: z.strictObject({ left: z.strictObject({ min: z.number(), showUnits: z.boolean() }) }),
          }),
        }),
      ]),
    )
    .max(100),
});
type Widget = z.output<typeof bodySchema>["widgets"][number];

function widgetsOf(from: Emitted, deployment: string): Widget[] {
  const { dashboard_body } = resource(
    from.stack(`${deployment}-operations`),
    "aws_cloudwatch_dashboard",
    "dashboard_dashboard",
  );
  return bodySchema.parse(json(dashboard_body)).widgets;
}

/** The metrics in a widget's graph, as an alarm has them. */
function graphed(widget: Widget): Metric[] {
  if (widget.type !== "metric") return [];
  return widget.properties.metrics.flatMap((line) => {
    const [namespace, metric_name, ...rest] = line;
    if (typeof namespace !== "string" || metric_name === undefined) return [];
    lineOptions.parse(rest.at(-1));
    const words = z.array(z.string()).parse(rest.slice(0, -1));
    const names = words.filter((_, index) => index % 2 === 0);
    const dimensions = Object.fromEntries(names.map((name, index) => [name, words[2 * index + 1] ?? ""]));
    return [{ namespace, metric_name, dimensions, period: widget.properties.period }];
  });
}

describe("the dashboard", () => {
  const widgets = widgetsOf(emitted, "three");

  test("stands within 24 columns, and nothing lies on anything else", () => {
    const taken = new Set<string>();
    for (const { x, y, width, height } of widgets) {
      assert.ok(x + width <= 24, `${x} + ${width}`);
      for (let column = x; column < x + width; column += 1) {
        for (let row = y; row < y + height; row += 1) {
          assert.ok(!taken.has(`${column}/${row}`), `${column}/${row}`);
          taken.add(`${column}/${row}`);
        }
      }
    }
    const rows = Math.max(...widgets.map(({ y, height }) => y + height));
    assert.equal(taken.size, 24 * rows, "and leaves no hole");
  });

  test("shows the state of every alarm above all graphs", () => {
    const [shown, ...others] = widgets.flatMap((widget) => (widget.type === "alarm" ? [widget] : []));
    assert.deepEqual(others, []);
    const addresses = Object.keys(resources(operations, "aws_cloudwatch_metric_alarm"));
    assert.deepEqual(
      shown?.properties.alarms.toSorted(),
      addresses.map((name) => `\${aws_cloudwatch_metric_alarm.${name}.arn}`).toSorted(),
    );
    for (const graph of widgets.filter(({ type }) => type === "metric")) assert.ok(graph.y > (shown?.y ?? Infinity));
  });

  test("reads along the path, a head beside the graphs of each hop", () => {
    const heads = widgets.flatMap((widget) =>
      widget.type === "text" ? [{ y: widget.y, words: widget.properties.markdown }] : [],
    );
    assert.deepEqual(
      heads.map(({ words }) => words.split("\n")[0]),
      [
        "# three: from producer to backend",
        "## 1 Gateway",
        "## 2 Queues",
        "## 3 Consumer",
        "## 4 Backend",
        "## 5 Set aside",
      ],
    );
    const namespaces = heads
      .slice(1)
      .map(({ y }) => widgets.filter((each) => each.y === y).flatMap(graphed)[0]?.namespace);
    assert.deepEqual(namespaces, ["AWS/ApiGateway", "AWS/SQS", "AWS/Lambda", "FifoGateway/three", "AWS/SQS"]);
    assert.match(heads.at(-1)?.words ?? "", /npm run ops -- dlq list orders --deployment three[^]+parked list audit/);
  });

  test("graphs every metric that an alarm looks at, and none that is not there", () => {
    for (const [from, deployment, all] of [
      [emitted, "three", alarms],
      [main, "prod", prodAlarms],
    ] as const) {
      const shown = widgetsOf(from, deployment).flatMap(graphed);
      for (const metric of shown) assert.equal(faultOf(metric, from, deployment), undefined, metric.metric_name);
      const identity = ({ namespace, metric_name, dimensions = {} }: Metric) =>
        JSON.stringify([namespace, metric_name, dimensions]);
      const seen = new Set(shown.map(identity));
      for (const [name, each] of all) for (const metric of metricsOf(each)) assert.ok(seen.has(identity(metric)), name);
    }
  });

  test("has a line for each queue, dead-letter queue and parking lot", () => {
    const lines = widgets
      .flatMap(graphed)
      .filter(({ metric_name }) => metric_name === "ApproximateNumberOfMessagesVisible")
      .map(({ dimensions }) => dimensions?.["QueueName"]);
    const queues = Object.values(resources(emitted.stack("three-messaging"), "aws_sqs_queue")).map(({ name }) => name);
    assert.deepEqual(lines.toSorted(), queues.toSorted());
  });

  test("without a queue that parks has no empty graph", () => {
    const plain = emitOperations({ ...three, queues: [{ name: "orders" }] });
    const last = widgetsOf(plain, "three").at(-1);
    assert.deepEqual([last?.x, last?.width], [6, 18]);
    assert.ok(!JSON.stringify(widgetsOf(plain, "three")).includes("parked"));
  });

  test("and alarms and topic keep within CloudWatch's and SNS's limits, however much a configuration may hold", () => {
    // Each of the rules in stacks/rules.ts ends one of these before a limit of CloudWatch's would be reached.
    const most = Array.from({ length: 40 }, (_, index) => 40 - index)
      .map((length) => ({
        ...three,
        queues: Array.from({ length }, (_, index) => ({ name: `q${index}`, failurePolicy: "park" as const })),
      }))
      .find(isValid);
    const longName = { ...three, name: `d${"e".repeat(44)}`, queues: [{ name: "q".repeat(17) }] };
    const longQueue = { ...three, name: "d", queues: [{ name: "q".repeat(61) }] };
    assert.ok(most !== undefined && most.queues.length > 10 && isValid(longName) && isValid(longQueue));
    assert.ok(!isValid({ ...longName, name: `${longName.name}e` }));
    assert.ok(!isValid({ ...longQueue, queues: [{ name: "q".repeat(62) }] }));
    for (const input of [most, longName, longQueue]) {
      const extreme = emitOperations(input);
      for (const [, { alarm_name, alarm_description }] of alarmsOf(extreme, input.name))
        assert.ok(
          alarm_name.length <= 255 && alarm_description.length <= 1_024,
          `${alarm_name}, ${alarm_description.length}`,
        );
      // 500 lines a graph and 100 alarms a widget are in the schema; 2,500 lines in all (CloudWatch, "CloudWatch service quotas").
      assert.ok(widgetsOf(extreme, input.name).flatMap(graphed).length <= 2_500);
      const stack = extreme.stack(`${input.name}-operations`);
      assert.ok(String(resource(stack, "aws_sns_topic", "topic_topic").display_name).length <= 100);
      const { dashboard_name } = resource(stack, "aws_cloudwatch_dashboard", "dashboard_dashboard");
      assert.match(String(dashboard_name), /^[A-Za-z0-9_-]{1,255}$/);
    }
  });
});

function isValid(input: DeploymentInput): boolean {
  try {
    parseDeployment(input);
    return true;
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return false;
  }
}
