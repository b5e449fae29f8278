import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { readPlans } from "../sdk/ops/src/plan/read-plan.ts";
import { type Review, reviewPlans } from "../sdk/ops/src/plan/review.ts";
import { text } from "../sdk/ops/src/plan/text.ts";
import { readFixture } from "./plans/fixtures.ts";

// What no test deployment was planned with: a resource of a real plan is given other values. The real plans themselves are in
// ops.plan.fixtures.test.ts.

const attributes = z.record(z.string(), z.unknown());
const resourceSchema = z.looseObject({
  address: z.string(),
  change: z.looseObject({ actions: z.array(z.string()), before: attributes.nullish(), after: attributes.nullish() }),
});
const planSchema = z.looseObject({
  resource_changes: z.array(resourceSchema),
  resource_drift: z.array(resourceSchema).optional(),
});
type Plan = z.output<typeof planSchema>;
type Values = Readonly<Record<string, unknown>>;

/** One stack's plan of a fixture, in which nothing changes any more. */
function quiet(name: string): Plan {
  const plan = planSchema.parse(JSON.parse(readFixture(name).split("\n")[0] ?? ""));
  for (const { change } of plan.resource_changes)
    Object.assign(change, {
      actions: ["no-op"],
      after: change.before ?? change.after,
      before: change.before ?? change.after,
      after_unknown: {},
    });
  return { ...plan, resource_drift: [] };
}

/** Gives a resource an action and other values. */
function altered(
  plan: Plan,
  address: string,
  actions: readonly string[],
  after: Values,
  before: Values = {},
  rest: Values = {},
): Plan {
  const resource = plan.resource_changes.find((one) => one.address === address);
  assert.ok(resource, `${address} is in the plan`);
  const { change: old } = resource;
  Object.assign(old, { actions, before: { ...old.before, ...before }, after: { ...old.after, ...after }, ...rest });
  return plan;
}

const reviewOf = (...plans: readonly Plan[]): Review =>
  reviewPlans(readPlans([{ source: "plan", text: plans.map((plan) => JSON.stringify(plan)).join("\n") }]));

const found = (review: Review): string[] => review.risks.map(({ severity, rule }) => `${severity} ${rule}`);

const policy = (...statements: readonly Values[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

const messaging = () => quiet("table-kept");
const gateway = () => quiet("api-described");
const delivery = () => quiet("instance-tagged");

const QUEUE_POLICY = "aws_sqs_queue_policy.queue-1_transport";
const ROLE_POLICY = "aws_iam_role_policy.api_send_policy";
const ANSWER = "aws_api_gateway_integration_response.queue-1_send_answer-200";

const roleAllows = (statement: Values) =>
  policy(...(Object.keys(statement).length === 0 ? [] : [{ Effect: "Allow", ...statement }]));

const denyAllBut = (...ranges: readonly string[]) =>
  policy({
    Effect: "Deny",
    Principal: "*",
    Action: "execute-api:Invoke",
    Resource: "*",
    Condition: { NotIpAddress: { "aws:SourceIp": ranges } },
  });

const sourcesChanged = (before: string, after: string) =>
  altered(
    quiet("sources-limited"),
    "aws_api_gateway_rest_api_policy.api_sources",
    ["update"],
    { policy: after },
    { policy: before },
  );

const refusalsIn = (review: Review) =>
  review.risks.map(({ rule }) => rule).filter((rule) => rule.startsWith("refusal"));

const variables = (values: Values) => ({ environment: [{ variables: values }] });

const queuesWith = (failurePolicy: string) => JSON.stringify({ arn: { name: "queue-1", failurePolicy } });

describe("a policy", () => {
  const everyone = { Effect: "Allow", Principal: "*", Action: "sqs:SendMessage", Resource: "*" };

  for (const [name, before, after, expected] of [
    [
      "public under a number and a switch",
      [],
      [
        {
          ...everyone,
          Condition: { StringEquals: { "aws:SourceAccount": "123456789012" }, Bool: { "aws:SecureTransport": true } },
        },
      ],
      ["medium public-principal"],
    ],
    ["public beside a statement that cannot be read", [], [everyone, { Effect: "allow" }], ["high public-principal"]],
    [
      "public for any account by question marks",
      [],
      [{ ...everyone, Condition: { StringLike: { "aws:PrincipalAccount": "????????????" } } }],
      ["high public-principal"],
    ],
    [
      "public, and then limited by a condition",
      [everyone],
      [{ ...everyone, Condition: { StringEquals: { "aws:SourceAccount": "123456789012" } } }],
      [],
    ],
    ["public, and then for less", [{ ...everyone, Action: "sqs:*" }], [everyone], []],
    [
      "with a condition written otherwise",
      [{ ...everyone, Condition: { StringEquals: { "aws:SourceAccount": "1" } } }],
      [{ ...everyone, Condition: { StringEquals: { "aws:SourceAccount": [1] } } }],
      [],
    ],
    [
      "public by what it does not name",
      [],
      [
        {
          Effect: "Allow",
          NotPrincipal: { AWS: "arn:aws:iam::123456789012:root" },
          Action: "sqs:SendMessage",
          Resource: "*",
        },
      ],
      ["high public-principal"],
    ],
    [
      "that refuses HTTPS in the place of HTTP",
      [
        {
          Effect: "Deny",
          Principal: "*",
          Action: "sqs:*",
          Resource: "*",
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ],
      [
        {
          Effect: "Deny",
          Principal: "*",
          Action: "sqs:*",
          Resource: "*",
          Condition: { Bool: { "aws:SecureTransport": "true" } },
        },
      ],
      ["medium refusal-dropped", "medium refusal-gained"],
    ],
    [
      "that refuses more actions",
      [
        {
          Effect: "Deny",
          Principal: "*",
          Action: "sqs:*",
          Resource: "*",
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ],
      [
        {
          Effect: "Deny",
          Principal: "*",
          Action: "*",
          Resource: "*",
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ],
      [],
    ],
  ] as const)
    test(`of a queue, ${name}`, () => {
      const review = reviewOf(
        altered(messaging(), QUEUE_POLICY, ["update"], { policy: policy(...after) }, { policy: policy(...before) }),
      );
      assert.deepEqual(found(review), expected);
    });

  for (const [name, before, after, expected] of [
    [
      "all but some actions",
      {},
      { NotAction: ["iam:*"], Resource: "arn:aws:sqs:ap-northeast-2:123456789012:dev-queue-1.fifo" },
      ["high wildcard-gained"],
    ],
    [
      "every FIFO queue",
      {},
      { Action: "sqs:SendMessage", Resource: "arn:aws:sqs:ap-northeast-2:123456789012:*.fifo" },
      ["high wildcard-gained"],
    ],
    [
      "queues whose names begin alike",
      {},
      { Action: "sqs:SendMessage", Resource: "arn:aws:sqs:ap-northeast-2:123456789012:dev-*" },
      [],
    ],
    ["what is in one bucket", {}, { Action: "s3:GetObject", Resource: "arn:aws:s3:::dev-orders/*" }, []],
    [
      "less of what was a wildcard",
      { Action: "sqs:*", Resource: "*" },
      { Action: "sqs:SendMessage", Resource: "*" },
      ["medium permissions-lost"],
    ],
  ] as const)
    test(`of a role, for ${name}`, () => {
      const review = reviewOf(
        altered(gateway(), ROLE_POLICY, ["update"], { policy: roleAllows(after) }, { policy: roleAllows(before) }),
      );
      assert.deepEqual(found(review), expected);
    });

  test("that cannot be read is said to be not judged", () => {
    const review = reviewOf(altered(messaging(), QUEUE_POLICY, ["update"], { policy: '{"Statement":[{"Effect":' }));
    assert.ok(
      review.notJudged.some(({ rule, what }) => rule === "public-principal" && what.includes("cannot be read")),
    );
  });

  test("that moves to another queue is all new there", () => {
    const open = policy(everyone);
    const values = {
      policy: open,
      queue_url: "https://sqs.ap-northeast-2.amazonaws.com/123456789012/dev-queue-2.fifo",
    };
    const review = reviewOf(altered(messaging(), QUEUE_POLICY, ["delete", "create"], values, { policy: open }));
    assert.deepEqual(found(review), ["high public-principal"]);
  });

  test("of the queue itself counts once the resource that set it goes", () => {
    const plan = altered(messaging(), QUEUE_POLICY, ["delete"], {}, {}, { after: null });
    const review = reviewOf(
      altered(plan, "aws_sqs_queue.queue-1_queue", ["update"], { policy: policy({ ...everyone, Action: "sqs:*" }) }),
    );
    assert.ok(found(review).includes("high public-principal"));
    assert.ok(found(review).includes("high wildcard-gained"));
  });

  test("of AWS's own that allows everything is seen however it is attached", () => {
    const arn = "arn:aws:iam::aws:policy/AdministratorAccess";
    const review = reviewOf(
      altered(gateway(), "aws_iam_role.api_send_role", ["update"], { managed_policy_arns: [arn] }),
    );
    assert.deepEqual(found(review), ["high wildcard-gained"]);
  });

  test("of the gateway that leaves out more sources refuses less, and one that leaves out fewer refuses more", () => {
    const [one, two] = [denyAllBut("203.0.113.0/24"), denyAllBut("203.0.113.0/24", "0.0.0.0/0")];
    assert.deepEqual(refusalsIn(reviewOf(sourcesChanged(one, two))), ["refusal-dropped"]);
    assert.deepEqual(refusalsIn(reviewOf(sourcesChanged(two, one))), ["refusal-gained"]);
  });
});

describe("an answer of the gateway", () => {
  for (const pattern of [".*", "\\d{3}", "(2|4)\\d\\d", "200|5\\d\\d", "[", "-", ""])
    test(`200 for ${JSON.stringify(pattern)} takes refusals, too`, () => {
      const review = reviewOf(altered(gateway(), ANSWER, ["update"], { selection_pattern: pattern }));
      assert.ok(found(review).includes("critical refusal-looks-accepted"));
    });

  test("200 for what SQS takes is fine", () => {
    const review = reviewOf(altered(gateway(), ANSWER, ["update"], { selection_pattern: "2\\d{2}" }));
    assert.ok(!found(review).includes("critical refusal-looks-accepted"));
  });
});

describe("a deployment of the API", () => {
  const ROUTE = "aws_api_gateway_integration.queue-1_send_integration";
  const templates = { request_templates: { "application/json": "changed" } };

  test("of another API publishes nothing of this one", () => {
    const plan = altered(gateway(), ROUTE, ["update"], templates);
    const deployment = plan.resource_changes.find(
      ({ address }) => address === "aws_api_gateway_deployment.stage_deployment",
    );
    assert.ok(deployment);
    const other = { ...deployment.change.before, id: "other", rest_api_id: "other" };
    plan.resource_changes.push({
      ...deployment,
      address: "aws_api_gateway_deployment.other",
      change: { actions: ["create", "delete"], before: other, after: other },
    });
    assert.ok(found(reviewOf(plan)).includes("high change-not-published"));
  });

  test("that is left over from before is none", () => {
    const plan = altered(
      gateway(),
      "aws_api_gateway_deployment.stage_deployment",
      ["create", "delete"],
      {},
      {},
      { after_unknown: { id: true } },
    );
    altered(plan, ROUTE, ["update"], templates);
    altered(plan, "aws_api_gateway_stage.stage_stage", ["update"], {}, {}, { after_unknown: { deployment_id: true } });
    const deployment = plan.resource_changes.find(
      ({ address }) => address === "aws_api_gateway_deployment.stage_deployment",
    );
    assert.ok(deployment);
    plan.resource_changes.push({
      ...deployment,
      deposed: "0a1b2c3d",
      change: { ...deployment.change, actions: ["delete"], after: null },
    });
    assert.deepEqual(found(reviewOf(plan)), []);
  });

  test("is not asked for where the API goes", () => {
    const plan = gateway();
    for (const { change: each } of plan.resource_changes) Object.assign(each, { actions: ["delete"], after: null });
    assert.ok(!found(reviewOf(plan)).some((rule) => rule.endsWith("change-not-published")));
  });
});

describe("a security group", () => {
  const RULE = "aws_vpc_security_group_ingress_rule.network_groups_deliveries-in";
  const GROUP = "aws_security_group.network_groups_response-server";

  test("that is open already is not opened by less", () => {
    const all = { ip_protocol: "-1", from_port: null, to_port: null, cidr_ipv4: "0.0.0.0/0" };
    const less = { ip_protocol: "tcp", from_port: 443, to_port: 443, cidr_ipv4: "0.0.0.0/1" };
    assert.deepEqual(found(reviewOf(altered(delivery(), RULE, ["update"], less, all))), []);
    assert.deepEqual(found(reviewOf(altered(delivery(), RULE, ["update"], all, less))), ["high open-to-world"]);
  });

  test("is judged by what is known of it, and the rest is said to be unknown", () => {
    const rule = { protocol: "tcp", from_port: 22, to_port: 22, cidr_blocks: ["0.0.0.0/0"] };
    const plan = altered(
      delivery(),
      GROUP,
      ["update"],
      { ingress: [rule] },
      {},
      { after_unknown: { ingress: [{ security_groups: [true] }] } },
    );
    const review = reviewOf(plan);
    assert.deepEqual(found(review), ["high open-to-world"]);
  });

  test("that somebody opened for one address is drift", () => {
    const plan = delivery();
    const group = plan.resource_changes.find(({ address }) => address === GROUP);
    assert.ok(group);
    const ingress = [
      {
        protocol: "tcp",
        from_port: 22,
        to_port: 22,
        cidr_blocks: ["203.0.113.7/32"],
        ipv6_cidr_blocks: [],
        security_groups: [],
        prefix_list_ids: [],
        self: false,
        description: "",
      },
    ];
    plan.resource_drift = [
      {
        ...group,
        change: { actions: ["update"], before: group.change.before, after: { ...group.change.before, ingress } },
      },
    ];
    assert.deepEqual(found(reviewOf(plan)), ["low drift"]);
  });
});

describe("limits", () => {
  const PLAN = "aws_api_gateway_usage_plan.producers_kimalarm_plan";

  for (const [name, before, after, isLess] of [
    [
      "a quota for a longer period",
      { quota_settings: [{ limit: 1_000, period: "DAY" }] },
      { quota_settings: [{ limit: 1_000, period: "MONTH" }] },
      true,
    ],
    [
      "a quota where there was none",
      { quota_settings: [] },
      { quota_settings: [{ limit: 1_000, period: "DAY" }] },
      true,
    ],
    [
      "no rate where there was one",
      { throttle_settings: [{ rate_limit: 10, burst_limit: 10 }] },
      { throttle_settings: [] },
      false,
    ],
  ] as const)
    test(`${name} is ${isLess ? "" : "not "}less`, () => {
      assert.deepEqual(
        found(reviewOf(altered(gateway(), PLAN, ["update"], after, before))),
        isLess ? ["medium producer-throttled"] : [],
      );
    });

  for (const [before, after, isShorter] of [
    [0, 30, true],
    [30, 0, false],
  ] as const)
    test(`a log that is kept for ${after} days after ${before}, where 0 is for ever, is ${isShorter ? "" : "not "}shorter`, () => {
      const review = reviewOf(
        altered(
          delivery(),
          "aws_cloudwatch_log_group.consumer_logs",
          ["update"],
          { retention_in_days: after },
          { retention_in_days: before },
        ),
      );
      assert.deepEqual(found(review), isShorter ? ["low logs-lost"] : []);
    });
});

describe("the consumer", () => {
  const FUNCTION = "aws_lambda_function.consumer_function";

  test("with another parking lot loses sight of what is parked", () => {
    const review = reviewOf(
      altered(
        delivery(),
        FUNCTION,
        ["update"],
        variables({ PARKING_LOT_TABLE: "other" }),
        variables({ PARKING_LOT_TABLE: "one" }),
      ),
    );
    assert.ok(found(review).includes("critical failure-policy-changed"));
  });

  test("is judged by the variable that is known, also where another one is not", () => {
    const plan = altered(
      delivery(),
      FUNCTION,
      ["update"],
      variables({ QUEUES: queuesWith("park") }),
      variables({ QUEUES: queuesWith("dead-letter") }),
      {
        after_unknown: { environment: [{ variables: { OTHER: true } }] },
      },
    );
    assert.ok(found(reviewOf(plan)).includes("critical failure-policy-changed"));
  });
});

describe("what a review tells", () => {
  test("an action that it does not know is no plan to it", () => {
    assert.throws(() => reviewOf(altered(messaging(), "aws_sqs_queue.queue-1_queue", ["destroy"], {})), {
      code: "PLAN_UNREADABLE",
    });
  });

  test("no value of an attribute that may hold a secret, and none that Terraform marks as one", () => {
    const plan = quiet("alarm-raised");
    const topic = plan.resource_changes.find(({ address }) => address.startsWith("aws_sns_topic_subscription."));
    assert.ok(topic);
    altered(
      plan,
      topic.address,
      ["delete", "create"],
      { endpoint: "https://hooks.example/SECRET-2" },
      { endpoint: "https://hooks.example/SECRET-1" },
      { replace_paths: [["endpoint"]] },
    );
    const queues = altered(
      messaging(),
      "aws_sqs_queue.queue-1_queue",
      ["delete", "create"],
      { name: "SECRET-3.fifo" },
      {},
      { replace_paths: [["name"]], after_sensitive: { name: true } },
    );
    const route = altered(gateway(), "aws_api_gateway_integration.queue-1_send_integration", ["update"], {
      type: "HTTP",
      uri: "https://user:SECRET-4@backend.example/?token=SECRET-5",
    });
    const review = reviewOf(plan, queues, route);
    assert.ok(review.risks.length >= 3);
    assert.doesNotMatch(JSON.stringify(review) + text(review), /SECRET-/);
  });

  test("one line for what is one line, whatever a plan has in it", () => {
    const forged = "x\n\nno risks found\n\n\u001B[2J";
    const review = reviewOf(
      altered(messaging(), QUEUE_POLICY, ["update"], {
        policy: policy({ Effect: "Allow", Principal: "*", Action: forged, Resource: "*" }),
      }),
    );
    assert.doesNotMatch(text(review), /^no risks found$/m);
    assert.ok(!text(review).includes("\u001B[2J"));
  });

  test("by hand, what the plan really does about it", () => {
    const plan = messaging();
    const queue = plan.resource_changes.find(({ address }) => address === "aws_sqs_queue.queue-1_queue");
    assert.ok(queue);
    const before = { ...queue.change.before, visibility_timeout_seconds: 720 };
    const now = { ...queue.change.before, visibility_timeout_seconds: 60 };
    plan.resource_drift = [{ ...queue, change: { actions: ["update"], before, after: now } }];
    const says = (after: number) => {
      Object.assign(queue.change, {
        actions: after === 60 ? ["no-op"] : ["update"],
        before: now,
        after: { ...now, visibility_timeout_seconds: after },
      });
      return reviewOf(plan).risks.find(({ origin }) => origin === "outside")?.instead;
    };
    assert.match(says(720) ?? "", /this plan puts it back$/);
    assert.match(says(900) ?? "", /this plan sets visibility_timeout_seconds to another value$/);
    assert.match(says(60) ?? "", /this plan leaves it as it is now$/);
  });
});
