import { all, argumentsOf, rewrite, rewriteJson, type Scenario, set, without } from "../scenario.ts";

const dev = { deployment: "dev", parts: ["delivery"] } as const;
const prod = { deployment: "prod", parts: ["delivery"] } as const;

const FUNCTION = "aws_lambda_function";
const EVENT_SOURCE = "aws_lambda_event_source_mapping";
const ROLE_POLICY = "aws_iam_role_policy";
const INGRESS = "aws_vpc_security_group_ingress_rule";
const EGRESS = "aws_vpc_security_group_egress_rule";
const RESPONSE_SERVER = "${aws_security_group.network_groups_response-server.id}";

/** An edit that adds a resource. */
const add =
  (type: string, name: string, values: Readonly<Record<string, unknown>>): NonNullable<Scenario["edit"]> =>
  (document) => {
    document.resource[type] = { ...document.resource[type], [name]: { ...values } };
  };

/** An edit of the consumer's policy that adds a statement. */
const alsoAllow = (statement: Readonly<Record<string, unknown>>) =>
  rewriteJson(ROLE_POLICY, "consumer_execution_policy", "policy", (policy) => ({
    ...policy,
    Statement: [...(policy["Statement"] ?? []), { Effect: "Allow", ...statement }],
  }));

export const deliveryScenarios: readonly Scenario[] = [
  {
    ...dev,
    name: "everyday-change",
    parts: ["messaging", "delivery", "gateway"],
    how: "queue-1 keeps messages for 14 days instead of 10, more attempts for it, its log is kept longer, and producer kimalarm gets key c and twice its rate; all three stacks' plans",
    configure: (base) => ({
      ...base,
      queues: base.queues.map((queue, at) =>
        at === 0 ? { ...queue, retentionSeconds: 1_209_600, maxAttempts: 8 } : queue,
      ),
      consumer: { logRetentionDays: 90 },
      producers: base.producers.map((producer, at) =>
        at === 0 ? { ...producer, keys: ["c", "b", "a"], rateLimit: 1_000 } : producer,
      ),
    }),
    rules: {},
    nearMissOf: [
      "retention-shortened",
      "producer-locked-out",
      "producer-throttled",
      "logs-lost",
      "failure-policy-changed",
    ],
  },
  {
    ...dev,
    name: "queue-removed-everywhere",
    parts: ["messaging", "delivery", "gateway"],
    how: "queue-2 taken out of main.ts; all three stacks' plans",
    configure: (base) => ({ ...base, queues: base.queues.slice(0, 1) }),
    rules: { "queue-lost": "critical", "route-lost": "high", "alarm-silenced": "medium" },
  },
  {
    ...dev,
    name: "event-source-removed",
    how: "the event source mapping of queue-2 taken out of what was emitted",
    edit: without(`${EVENT_SOURCE}.consumer_queue-2`),
    rules: { "consumer-stopped": "high" },
  },
  {
    ...dev,
    name: "event-source-off",
    how: "the event source mapping of queue-1 switched off",
    edit: set(EVENT_SOURCE, "consumer_queue-1", { enabled: false }),
    rules: { "consumer-stopped": "high" },
  },
  {
    ...dev,
    name: "event-source-tuned",
    how: "queue-1 with batches of 5 and at most 20 invocations",
    configure: (base) => ({
      ...base,
      queues: base.queues.map((queue, at) => (at === 0 ? { ...queue, batchSize: 5, maximumConcurrency: 20 } : queue)),
    }),
    rules: {},
    nearMissOf: ["consumer-stopped", "failures-count-as-done", "messages-filtered"],
  },
  {
    ...prod,
    name: "function-without-concurrency",
    how: "reserved_concurrent_executions 0 of the consumer",
    edit: set(FUNCTION, "consumer_function", { reserved_concurrent_executions: 0 }),
    rules: { "consumer-stopped": "high" },
  },
  {
    ...prod,
    name: "function-with-less-concurrency",
    how: "reserved_concurrent_executions 5 of the consumer instead of 25",
    edit: set(FUNCTION, "consumer_function", { reserved_concurrent_executions: 5 }),
    rules: { "consumer-stopped": "medium" },
  },
  {
    ...dev,
    name: "function-renamed",
    how: "another name of the function, which cannot be changed in place",
    edit: set(FUNCTION, "consumer_function", { function_name: "dev-deliverer" }),
    rules: { "consumer-stopped": "medium" },
  },
  {
    ...dev,
    name: "failures-count-as-done",
    how: "the event source mapping of queue-1 without ReportBatchItemFailures",
    edit: set(EVENT_SOURCE, "consumer_queue-1", { function_response_types: [] }),
    rules: { "failures-count-as-done": "critical" },
  },
  {
    ...dev,
    name: "messages-filtered",
    how: "a filter on the event source mapping of queue-1",
    edit: set(EVENT_SOURCE, "consumer_queue-1", {
      filter_criteria: { filter: [{ pattern: '{"body":{"data":{"kind":["alarm"]}}}' }] },
    }),
    rules: { "messages-filtered": "critical" },
  },
  {
    ...dev,
    name: "visibility-too-short",
    parts: ["messaging", "delivery"],
    how: "queue-1 hides received messages for 30 s, and the function's timeout is 60 s; both stacks' plans",
    edit: (document) => {
      if (document.resource["aws_sqs_queue"] !== undefined)
        set("aws_sqs_queue", "queue-1_queue", { visibility_timeout_seconds: 30 })(document);
    },
    rules: { "visibility-too-short": "high", "visibility-changed": "medium" },
  },
  {
    ...dev,
    name: "timeout-too-long",
    parts: ["messaging", "delivery"],
    how: "the function's timeout is 100 s instead of 60 s, and queue-2 hides received messages for 360 s; both stacks' plans",
    edit: (document) => {
      if (document.resource[FUNCTION] !== undefined) set(FUNCTION, "consumer_function", { timeout: 100 })(document);
    },
    rules: { "visibility-too-short": "medium" },
  },
  {
    ...dev,
    name: "timeout-shorter",
    parts: ["messaging", "delivery"],
    how: "the function's timeout is 30 s instead of 60 s; both stacks' plans",
    configure: (base) => ({ ...base, consumer: { timeoutSeconds: 30 } }),
    rules: {},
    nearMissOf: ["visibility-too-short"],
  },
  {
    ...dev,
    name: "failure-policy-changed",
    how: "queue-1 from failure policy dead-letter to park",
    configure: (base) => ({
      ...base,
      queues: base.queues.map((queue, at) =>
        at === 0 ? { ...queue, failurePolicy: "park" as const, maxReceiveCount: undefined } : queue,
      ),
    }),
    rules: { "failure-policy-changed": "critical", "permissions-lost": "medium" },
  },
  {
    ...dev,
    name: "more-attempts",
    how: "queue-1 with maxAttempts 8, and a longer wait for the backend",
    configure: (base) => ({
      ...base,
      queues: base.queues.map((queue, at) => (at === 0 ? { ...queue, maxAttempts: 8 } : queue)),
      consumer: { backendTimeoutMilliseconds: 20_000 },
    }),
    rules: {},
    nearMissOf: ["failure-policy-changed", "backend-changed", "consumer-stopped"],
  },
  {
    ...dev,
    name: "backend-changed",
    how: "another backend in main.ts, with a token in its query",
    configure: (base) => ({ ...base, backend: { url: "https://other.kimalarm.example/?token=not-to-be-shown" } }),
    rules: { "backend-changed": "medium" },
  },
  {
    ...dev,
    name: "consumer-code",
    how: "other code of the function",
    edit: set(FUNCTION, "consumer_function", { source_code_hash: "b3RoZXIgY29kZQ==" }),
    rules: {},
    nearMissOf: ["consumer-stopped", "failure-policy-changed", "visibility-too-short"],
  },
  {
    ...prod,
    name: "instance-replaced",
    how: "another time zone of the response server, which is in its user data",
    configure: (base) => ({ ...base, responseServer: { zones: ["a", "c"], timeZone: "Europe/Berlin" } }),
    rules: { "instance-replaced": "high" },
  },
  {
    ...prod,
    name: "instance-resized",
    how: "another instance type",
    configure: (base) => ({ ...base, responseServer: { zones: ["a", "c"], instanceType: "c7g.large" } }),
    rules: { "instance-restarted": "medium" },
    nearMissOf: ["instance-replaced"],
  },
  {
    ...prod,
    name: "instance-tagged",
    how: "another tag of the instance, and another image, which it ignores",
    edit: set("aws_instance", "response-server_instance", {
      ami: "ami-0123456789abcdef0",
      tags: { Name: "response-server" },
    }),
    rules: {},
    nearMissOf: ["instance-replaced", "instance-restarted"],
  },
  {
    ...prod,
    name: "way-to-queues-cut",
    how: "the endpoint of SQS taken out of what was emitted",
    edit: without("aws_vpc_endpoint.network_endpoints_sqs"),
    rules: { "network-path-cut": "high" },
  },
  {
    ...prod,
    name: "way-to-queues-unnamed",
    how: "the endpoint of SQS no longer answers to SQS's own name",
    edit: set("aws_vpc_endpoint", "network_endpoints_sqs", { private_dns_enabled: false }),
    rules: { "network-path-cut": "high" },
  },
  {
    ...prod,
    name: "way-tagged",
    how: "another tag of the endpoint of SQS and of a subnet",
    edit: all(
      set("aws_vpc_endpoint", "network_endpoints_sqs", { tags: { Name: "sqs" } }),
      set("aws_subnet", "network_public", { tags: { Name: "public" } }),
    ),
    rules: {},
    nearMissOf: ["network-path-cut", "public-principal", "wildcard-gained"],
  },
  {
    ...prod,
    name: "world-let-in",
    how: "everyone may connect to port 22 of the response server",
    edit: add(INGRESS, "anyone", {
      security_group_id: RESPONSE_SERVER,
      ip_protocol: "tcp",
      from_port: 22,
      to_port: 22,
      cidr_ipv4: "0.0.0.0/0",
    }),
    rules: { "open-to-world": "high" },
  },
  {
    ...prod,
    name: "half-the-world-let-in",
    how: "half of all IPv6 addresses may connect to every port of the response server",
    edit: add(INGRESS, "anyone", { security_group_id: RESPONSE_SERVER, ip_protocol: "-1", cidr_ipv6: "8000::/1" }),
    rules: { "open-to-world": "high" },
  },
  {
    ...prod,
    name: "world-reached",
    how: "the response server may connect to every host",
    edit: add(EGRESS, "anywhere", { security_group_id: RESPONSE_SERVER, ip_protocol: "-1", cidr_ipv4: "0.0.0.0/0" }),
    rules: { "open-to-world": "medium" },
  },
  {
    ...prod,
    name: "network-let-in",
    how: "the largest private network may connect to the response server",
    edit: add(INGRESS, "office", {
      security_group_id: RESPONSE_SERVER,
      ip_protocol: "tcp",
      from_port: 443,
      to_port: 443,
      cidr_ipv4: "10.0.0.0/8",
    }),
    rules: {},
    nearMissOf: ["open-to-world"],
  },
  {
    ...dev,
    name: "consumer-may-do-all",
    how: "the consumer may delete from every table",
    edit: alsoAllow({
      Action: ["dynamodb:DeleteItem"],
      Resource: "arn:aws:dynamodb:ap-northeast-2:123456789012:table/*",
    }),
    rules: { "wildcard-gained": "high" },
  },
  {
    ...dev,
    name: "consumer-may-trace",
    how: "tracing: true, whose two actions AWS limits to no resource",
    configure: (base) => ({ ...base, tracing: true }),
    rules: {},
    nearMissOf: ["wildcard-gained"],
  },
  {
    ...dev,
    name: "consumer-may-do-more",
    how: "the consumer may look at one more queue, and is refused everything else of SQS",
    edit: all(
      alsoAllow({
        Action: "sqs:GetQueueAttributes",
        Resource: "arn:aws:sqs:ap-northeast-2:123456789012:dev-queue-3.fifo",
      }),
      alsoAllow({ Effect: "Deny", Action: "sqs:*", NotResource: "arn:aws:sqs:ap-northeast-2:123456789012:dev-*" }),
    ),
    rules: { "refusal-gained": "medium" },
    nearMissOf: ["wildcard-gained", "refusal-dropped", "permissions-lost"],
  },
  {
    ...dev,
    name: "consumer-may-do-less",
    how: "the consumer may no longer delete messages",
    edit: rewrite(ROLE_POLICY, "consumer_execution_policy", "policy", (policy) =>
      policy.replaceAll(',"sqs:DeleteMessage"', ""),
    ),
    rules: { "permissions-lost": "medium" },
  },
  {
    ...dev,
    name: "administrator-attached",
    how: "AdministratorAccess attached to the consumer's role",
    edit: add("aws_iam_role_policy_attachment", "all", {
      role: "${aws_iam_role.consumer_execution_role.name}",
      policy_arn: "arn:aws:iam::aws:policy/AdministratorAccess",
    }),
    rules: { "wildcard-gained": "high" },
  },
  {
    ...dev,
    name: "read-only-attached",
    how: "one of AWS's own policies attached to the consumer's role",
    edit: add("aws_iam_role_policy_attachment", "insights", {
      role: "${aws_iam_role.consumer_execution_role.name}",
      policy_arn: "arn:aws:iam::aws:policy/CloudWatchLambdaInsightsExecutionRolePolicy",
    }),
    rules: {},
    nearMissOf: ["wildcard-gained"],
    notJudged: ["wildcard-gained"],
  },
  {
    ...dev,
    name: "everyone-takes-the-role",
    how: "everyone may take the consumer's role on",
    edit: rewriteJson("aws_iam_role", "consumer_execution_role", "assume_role_policy", (policy) => ({
      ...policy,
      Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { AWS: "*" } }],
    })),
    rules: { "public-principal": "high" },
  },
  {
    ...dev,
    name: "everyone-calls-the-function",
    how: "everyone may call the consumer",
    edit: set("aws_lambda_permission", "parked-groups_permission", { principal: "*", source_arn: undefined }),
    rules: { "public-principal": "high" },
  },
  {
    ...dev,
    name: "function-by-url",
    how: "a URL of the consumer without authorization",
    edit: add("aws_lambda_function_url", "open", {
      function_name: "${aws_lambda_function.consumer_function.function_name}",
      authorization_type: "NONE",
    }),
    rules: { "public-principal": "high" },
  },
  {
    ...dev,
    name: "function-by-signed-url",
    how: "a URL of the consumer for signed requests only",
    edit: add("aws_lambda_function_url", "signed", {
      function_name: "${aws_lambda_function.consumer_function.function_name}",
      authorization_type: "AWS_IAM",
    }),
    rules: {},
    nearMissOf: ["public-principal"],
  },
  {
    ...dev,
    name: "permissions-removed",
    how: "the policy of the consumer's role taken out of what was emitted",
    edit: without(`${ROLE_POLICY}.consumer_execution_policy`),
    rules: { "permissions-lost": "medium" },
  },
  {
    ...dev,
    name: "logs-shortened",
    how: "the consumer's log is kept for 7 days instead of 30",
    configure: (base) => ({ ...base, consumer: { logRetentionDays: 7 } }),
    rules: { "logs-lost": "low" },
  },
  {
    ...dev,
    name: "logs-lengthened",
    how: "the consumer's log is kept for 90 days instead of 30",
    configure: (base) => ({ ...base, consumer: { logRetentionDays: 90 } }),
    rules: {},
    nearMissOf: ["logs-lost"],
  },
  {
    ...prod,
    name: "logs-encrypted-by-aws",
    how: "the consumer's log without the deployment's key",
    edit: (document) => {
      delete argumentsOf(document, "aws_cloudwatch_log_group", "consumer_logs")["kms_key_id"];
    },
    rules: { "encryption-off": "medium" },
  },
  {
    ...dev,
    name: "foreign-removed",
    how: "a parameter that somebody else had added taken out",
    edit: without("aws_ssm_parameter.note"),
    rules: { destroyed: "low" },
  },
  {
    ...dev,
    name: "foreign-changed",
    how: "another value of that parameter",
    edit: set("aws_ssm_parameter", "note", { value: "another" }),
    rules: {},
    nearMissOf: ["destroyed"],
  },
  {
    ...prod,
    name: "group-opened-by-hand",
    how: "somebody let everyone connect to port 22 of the response server past Terraform; the plan leaves it",
    outside: {
      act: (aws) => port22(aws, "AuthorizeSecurityGroupIngress"),
      undo: (aws) => port22(aws, "RevokeSecurityGroupIngress"),
    },
    rules: { "open-to-world": "high" },
  },
];

type Aws = Parameters<NonNullable<Scenario["outside"]>["act"]>[0];

async function port22(aws: Aws, action: string): Promise<void> {
  const found = await aws("ec2", "DescribeSecurityGroups", {
    "Filter.1.Name": "group-name",
    "Filter.1.Value.1": "prod-delivery-response-server",
  });
  const id = /<groupId>(sg-[0-9a-f]+)<\/groupId>/.exec(found)?.[1];
  if (id === undefined) throw new Error(`no security group prod-delivery-response-server: ${found.slice(0, 500)}`);
  const range = {
    "IpPermissions.1.FromPort": "22",
    "IpPermissions.1.ToPort": "22",
    "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
  };
  await aws("ec2", action, { GroupId: id, "IpPermissions.1.IpProtocol": "tcp", ...range });
}
