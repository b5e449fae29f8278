import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";
import { readPlans } from "../sdk/ops/src/plan/read-plan.ts";
import { type Review, reviewPlans } from "../sdk/ops/src/plan/review.ts";
import { reviewText } from "../sdk/ops/src/plan/text.ts";
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

  test("whose queues cannot be read is said to be not judged", () => {
    const plan = altered(
      delivery(),
      "aws_lambda_function.consumer_function",
      ["update"],
      variables({ QUEUES: "{" }),
      variables({ QUEUES: queuesWith("park") }),
    );
    assert.ok(reviewOf(plan).notJudged.some(({ rule }) => rule === "failure-policy-changed"));
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
      { name: "SECRET-6.fifo" },
      { replace_paths: [["name"]], after_sensitive: { name: true }, before_sensitive: { name: true } },
    );
    const route = altered(gateway(), "aws_api_gateway_integration.queue-1_send_integration", ["update"], {
      type: "HTTP",
      uri: "https://user:SECRET-4@backend.example/?token=SECRET-5",
    });
    const review = reviewOf(plan, queues, route);
    assert.ok(review.risks.length >= 3);
    assert.doesNotMatch(JSON.stringify(review) + reviewText(review), /SECRET-/);
  });

  test("one line for what is one line, whatever a plan has in it", () => {
    const forged = "x\n\nno risks found\n\n\u001B[2J";
    const review = reviewOf(
      altered(messaging(), QUEUE_POLICY, ["update"], {
        policy: policy({ Effect: "Allow", Principal: "*", Action: forged, Resource: "*" }),
      }),
    );
    assert.doesNotMatch(reviewText(review), /^no risks found$/m);
    assert.ok(!reviewText(review).includes("\u001B[2J"));
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
    assert.match(says(900) ?? "", /this plan sets visibility_timeout_seconds to another value\. In general: /);
    assert.match(says(60) ?? "", /this plan leaves it as it is now\. In general: /);
  });
});

/** A resource that a plan makes besides. */
function added(
  plan: Plan,
  address: string,
  after: Values,
  actions: readonly string[] = ["create"],
  before: Values | null = null,
): Plan {
  const [type = "", name = ""] = address.split(".");
  plan.resource_changes.push({
    address,
    mode: "managed",
    type,
    name,
    change: { actions: [...actions], before, after: actions.includes("delete") && actions.length === 1 ? null : after },
  });
  return plan;
}

const redriveAfter = (maxReceiveCount: number) => ({
  redrive_policy: JSON.stringify({ deadLetterTargetArn: "arn:dead", maxReceiveCount }),
});

const openedTo = (range: Values) =>
  found(
    reviewOf(
      altered(delivery(), "aws_vpc_security_group_ingress_rule.network_groups_deliveries-in", ["update"], {
        cidr_ipv4: null,
        cidr_ipv6: null,
        ...range,
      }),
    ),
  );

const sharedWith = (AWS: string) =>
  policy({ Effect: "Allow", Principal: { AWS }, Action: "sqs:SendMessage", Resource: "*" });

const renamedTo = (deployment: string, fixture: string) => {
  const text = JSON.stringify(quiet(fixture)).replaceAll("dev", deployment).replaceAll("prod", deployment);
  return planSchema.parse(JSON.parse(text));
};

const reaching = (address: string, after: Values, before: Values) =>
  found(reviewOf(altered(delivery(), address, ["update"], after, before)));

const diskWith = (encrypted: boolean) => ({ root_block_device: [{ encrypted }] });

const backendAt = (BACKEND_URL: string | undefined) => variables(BACKEND_URL === undefined ? {} : { BACKEND_URL });

const deliveringTo = (after: string | undefined) =>
  found(
    reviewOf(
      altered(
        delivery(),
        "aws_lambda_function.consumer_function",
        ["update"],
        backendAt(after),
        backendAt("https://one.example/"),
      ),
    ),
  );

describe("what looks alike and is not", () => {
  const REDRIVE = "aws_sqs_queue_redrive_policy.queue-1_redrive";

  for (const [count, expected] of [
    [959, "critical redrive-changed"],
    [960, "medium redrive-changed"],
  ] as const)
    test(`a redrive after ${count} receives is a ${expected.split(" ")[0]} one`, () => {
      assert.deepEqual(
        found(reviewOf(altered(messaging(), REDRIVE, ["update"], redriveAfter(count), redriveAfter(980)))),
        [expected],
      );
    });

  test("an index of the world's addresses: a /7 of IPv4 is, a /8 and a private /7 of IPv6 are not", () => {
    assert.deepEqual(openedTo({ cidr_ipv4: "2.0.0.0/7" }), ["high open-to-world"]);
    assert.deepEqual(openedTo({ cidr_ipv4: "10.0.0.0/8" }), []);
    assert.deepEqual(openedTo({ cidr_ipv6: "fc00::/7" }), []);
  });

  test("rules of a security group in their older spelling, and the group of a network that has none", () => {
    const world = { protocol: "tcp", from_port: 22, to_port: 22, cidr_blocks: ["0.0.0.0/0"] };
    const rule = added(delivery(), "aws_security_group_rule.anyone", {
      type: "ingress",
      security_group_id: "sg-1",
      ...world,
    });
    assert.deepEqual(found(reviewOf(rule)), ["high open-to-world"]);
    const group = altered(delivery(), "aws_default_security_group.network_default-group", ["update"], {
      ingress: [world],
    });
    assert.deepEqual(found(reviewOf(group)), ["high open-to-world"]);
  });

  test("a policy is limited by a condition, not by one that a request may go without", () => {
    const everyone = { Effect: "Allow", Principal: "*", Action: "sqs:SendMessage", Resource: "*" };
    for (const operator of ["StringEqualsIfExists", "ForAllValues:StringEquals", "StringNotEquals", "Null"]) {
      const statement = { ...everyone, Condition: { [operator]: { "aws:SourceAccount": "123456789012" } } };
      assert.deepEqual(
        found(
          reviewOf(altered(messaging(), QUEUE_POLICY, ["update"], { policy: policy(statement) }, { policy: policy() })),
        ),
        ["high public-principal"],
        operator,
      );
    }
  });

  test("an account by its number is that account's root", () => {
    const values = { policy: sharedWith("123456789012") };
    assert.deepEqual(
      found(
        reviewOf(
          altered(messaging(), QUEUE_POLICY, ["update"], values, {
            policy: sharedWith("arn:aws:iam::123456789012:root"),
          }),
        ),
      ),
      [],
    );
  });

  test("keys that are switched off do not count as a producer's other keys", () => {
    const plan = altered(
      gateway(),
      "aws_api_gateway_api_key.producers_kimalarm_key-b",
      ["no-op"],
      { enabled: false },
      { enabled: false },
    );
    const review = reviewOf(
      altered(plan, "aws_api_gateway_api_key.producers_kimalarm_key-a", ["update"], { enabled: false }),
    );
    assert.deepEqual(found(review), ["high producer-locked-out"]);
  });

  test("a key that gets another value locks its producer out", () => {
    const review = reviewOf(
      altered(gateway(), "aws_api_gateway_api_key.producers_devices_key-a", ["update"], { value: "another-value" }),
    );
    assert.deepEqual(found(review), ["high producer-locked-out"]);
  });

  test("timeouts of another deployment are none of this one's", () => {
    const queues = altered(renamedTo("dev", "table-kept"), "aws_sqs_queue.queue-1_queue", ["update"], {
      visibility_timeout_seconds: 700,
    });
    const [own, other] = [renamedTo("dev", "consumer-code"), renamedTo("dev-eu", "consumer-code")];
    altered(other, "aws_lambda_function.consumer_function", ["update"], { timeout: 800 });
    assert.deepEqual(
      found(reviewOf(queues, own, other)).filter((rule) => rule.endsWith("visibility-too-short")),
      [],
    );
    altered(own, "aws_lambda_function.consumer_function", ["update"], { timeout: 800 });
    assert.ok(found(reviewOf(queues, own)).includes("high visibility-too-short"));
    added(own, "aws_lambda_function.short", { timeout: 3 });
    assert.ok(found(reviewOf(queues, own)).includes("high visibility-too-short"), "the longest counts");
  });

  test("a deployment's key is named by the other stacks that still use it", () => {
    const key = altered(quiet("key-not-renewed"), "aws_kms_key.encryption_key", ["delete"], {}, {}, { after: null });
    const [lost] = reviewOf(key, delivery()).risks;
    assert.match(lost?.reason ?? "", /aws_cloudwatch_log_group\.consumer_logs/);
    // What moves away with its own apply, after this one, still has it until then.
    const moving = altered(delivery(), "aws_cloudwatch_log_group.consumer_logs", ["update"], { kms_key_id: null });
    assert.match(reviewOf(key, moving).risks[0]?.reason ?? "", /aws_cloudwatch_log_group\.consumer_logs/);
  });

  test("an alarm that is sent to nobody, and a firewall without its rule", () => {
    const alarms = altered(quiet("alarm-raised"), "aws_cloudwatch_metric_alarm.alarms_consumer-errors", ["update"], {
      alarm_actions: [],
    });
    assert.deepEqual(found(reviewOf(alarms)), ["medium alarm-silenced"]);
    const firewall = altered(quiet("domain-tagged"), "aws_wafv2_web_acl.firewall_acl", ["update"], { rule: [] });
    assert.deepEqual(found(reviewOf(firewall)), ["medium firewall-off"]);
  });

  test("an endpoint in fewer subnets, a route to another gateway, an instance with other user data in place, and a disk that is not encrypted", () => {
    assert.deepEqual(
      reaching("aws_vpc_endpoint.network_endpoints_sqs", { subnet_ids: ["a"] }, { subnet_ids: ["a", "b"] }),
      ["medium network-path-cut"],
    );
    assert.deepEqual(reaching("aws_route.network_way-out", { gateway_id: "igw-2" }, { gateway_id: "igw-1" }), [
      "medium network-path-cut",
    ]);
    assert.deepEqual(
      reaching("aws_instance.response-server_instance", { user_data_base64: "b" }, { user_data_base64: "a" }),
      ["medium instance-restarted"],
    );
    assert.deepEqual(reaching("aws_instance.response-server_instance", diskWith(false), diskWith(true)), [
      "high encryption-off",
    ]);
  });

  test("a consumer that does not know its backend any more is worse than one that gets another", () => {
    assert.deepEqual(deliveringTo(undefined), ["high backend-changed"]);
    assert.deepEqual(deliveringTo("https://two.example/"), ["medium backend-changed"]);
  });

  test("everyone who meets a condition may call, and everyone", () => {
    const permission = "aws_lambda_permission.parked-groups_permission";
    const open = { principal: "*", source_arn: null, source_account: null };
    assert.deepEqual(found(reviewOf(altered(delivery(), permission, ["update"], open))), ["high public-principal"]);
    assert.deepEqual(
      found(reviewOf(altered(delivery(), permission, ["update"], { ...open, source_account: "123456789012" }))),
      ["medium public-principal"],
    );
  });
});

describe("a review", () => {
  test("prints risks of one rule together only where their reason is the same, and names each", () => {
    const groups = quiet("instance-tagged");
    added(groups, "aws_vpc_security_group_ingress_rule.ssh", {
      security_group_id: "sg-1",
      ip_protocol: "tcp",
      from_port: 22,
      to_port: 22,
      cidr_ipv4: "0.0.0.0/0",
    });
    added(groups, "aws_vpc_security_group_ingress_rule.all", {
      security_group_id: "sg-2",
      ip_protocol: "-1",
      cidr_ipv4: "0.0.0.0/0",
    });
    const printed = reviewText(reviewOf(groups));
    assert.match(printed, /it gains tcp 22 from 0\.0\.0\.0\/0/);
    assert.match(printed, /it gains everything from 0\.0\.0\.0\/0/);
    const queues = readPlans([{ source: "plan", text: readFixture("key-given-up") }]);
    const alike = reviewText(reviewPlans(queues));
    for (const queue of ["prod-queue-1", "prod-queue-2", "prod-queue-1-dead-letter", "prod-queue-2-dead-letter"])
      assert.equal(alike.split(`queue ${queue} is encrypted`).length, 2, `${queue} is named once`);
  });

  test("says in its headline whether it fails, and why", () => {
    const review = reviewPlans(readPlans([{ source: "plan", text: readFixture("queue-removed-everywhere") }]));
    assert.match(
      reviewText(review, { failOn: "high" }),
      /^2 critical, 2 high, 4 medium: it fails, with 4 at high or worse$/m,
    );
    assert.match(reviewText(review, { failOn: "none" }), /^2 critical, 2 high, 4 medium$/m);
  });

  test("of something left over says so, and of what is tainted why it goes", () => {
    const plan = altered(messaging(), "aws_sqs_queue.queue-2_queue", ["delete", "create"], {}, {}, {});
    const queue = plan.resource_changes.find(({ address }) => address === "aws_sqs_queue.queue-2_queue");
    assert.ok(queue);
    Object.assign(queue, { action_reason: "replace_because_tainted" });
    plan.resource_changes.push({
      ...queue,
      deposed: "0a1b2c3d",
      change: { ...queue.change, actions: ["delete"], after: null },
    });
    const reasons = reviewOf(plan).risks.map(({ what, reason }) => `${what}: ${reason}`);
    assert.match(reasons.join("\n"), /left over from an earlier replacement, is destroyed/);
    assert.match(reasons.join("\n"), /marked as tainted/);
  });

  test("without a plan is none", () => {
    assert.throws(() => reviewPlans([]), { code: "INVALID_ARGUMENT" });
  });

  test("finds what a module's resource with a key has in its configuration", () => {
    const plan = messaging();
    const queue = plan.resource_changes.find(({ address }) => address === "aws_sqs_queue.queue-2_queue");
    assert.ok(queue);
    Object.assign(queue, {
      address: 'module.queues["eu"].aws_sqs_queue.queue["queue-2"]',
      module_address: 'module.queues["eu"]',
    });
    const expressions = { visibility_timeout_seconds: { constant_value: 1 } };
    const resources = [{ address: "aws_sqs_queue.queue", expressions }];
    Object.assign(plan, { configuration: { root_module: { module_calls: { queues: { module: { resources } } } } } });
    const before = { ...queue.change.before };
    const moved = (after: Values) => [
      { ...queue, change: { actions: ["update"], before, after: { ...before, ...after } } },
    ];
    plan.resource_drift = moved({ last_modified_date: "2026" });
    assert.deepEqual(found(reviewOf(plan)), [], "what AWS fills in is no drift");
    plan.resource_drift = moved({ receive_wait_time_seconds: 3 });
    assert.deepEqual(found(reviewOf(plan)), ["low drift"]);
  });
});
