import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { unzipSync } from "fflate";
import { z } from "zod";
import { readEnvironment } from "../runtime/consumer/environment.ts";
import { isCountRequest } from "../runtime/consumer/event.ts";
import { PARKED_GROUPS_INDEX } from "../runtime/parking-lot/keys.ts";
import { DEDUPLICATION_ID_PATTERN, GROUP_ID_PATTERN } from "../sdk/client/src/contract.ts";
import { changedResources, changesOf, copyOfTree, edit, synthEdited } from "./helpers/edited-tree.ts";
import { type EmittedStack, json, projectRoot, resource, resources, synth } from "./helpers/emitted.ts";

const emitted = synth();
const messaging = emitted.stack("dev-messaging");
const delivery = emitted.stack("dev-delivery");
const gateway = emitted.stack("dev-gateway");

/** The stacks that a change of the tree is looked for in. */
const DEV = ["dev-messaging", "dev-delivery", "dev-gateway"];

const policySchema = z.object({
  Statement: z.array(
    z.object({ Effect: z.literal("Allow"), Action: z.array(z.string()), Resource: z.array(z.string()) }),
  ),
});

describe("every synth", () => {
  test("emits the same bytes from another folder, another time zone and another locale", () => {
    const again = synth({ cwd: tmpdir(), env: { TZ: "Pacific/Kiritimati", LANG: "ko_KR.UTF-8", LC_ALL: "C" } });
    assert.deepEqual([...again.files.keys()], [...emitted.files.keys()]);
    for (const [name, bytes] of emitted.files) assert.ok(bytes.equals(again.files.get(name) ?? Buffer.alloc(0)), name);
  });

  test("emits no absolute path", () => {
    for (const [name, bytes] of emitted.files) assert.ok(!bytes.includes(projectRoot), name);
    for (const [name, bytes] of emitted.files) assert.ok(!bytes.includes(tmpdir()), name);
  });

  test("emits the same bytes from a copy of the tree elsewhere", () => {
    const copy = copyOfTree();
    try {
      const again = synth({ root: copy });
      for (const [name, bytes] of emitted.files)
        assert.ok(bytes.equals(again.files.get(name) ?? Buffer.alloc(0)), name);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });

  test("keeps each stack's state beside the project, by a relative path", () => {
    for (const [name, stack] of Object.entries({
      "dev-messaging": messaging,
      "dev-delivery": delivery,
      "dev-gateway": gateway,
    })) {
      assert.deepEqual(stack.terraform.backend, { local: { path: `../../../${name}.tfstate` } });
      for (const state of Object.values(stack.data?.terraform_remote_state ?? {})) {
        assert.deepEqual(state.config, { path: "../../../dev-messaging.tfstate" });
      }
    }
  });
});

describe("each queue", () => {
  for (const { name, maxMessageBytes } of [
    { name: "queue-1", maxMessageBytes: 1_044_480 },
    { name: "queue-2", maxMessageBytes: 389_120 },
  ]) {
    const queue = resource(messaging, "aws_sqs_queue", `${name}_queue`);
    const deadLetter = resource(messaging, "aws_sqs_queue", `${name}_dead-letter`);

    test(`${name} is FIFO with high throughput, as is its dead-letter queue`, () => {
      for (const each of [queue, deadLetter]) {
        assert.equal(each.fifo_queue, true);
        assert.match(String(each.name), /^[A-Za-z0-9_-]{1,75}\.fifo$/);
        assert.equal(each.deduplication_scope, "messageGroup");
        assert.equal(each.fifo_throughput_limit, "perMessageGroupId");
        assert.equal(each.sqs_managed_sse_enabled, true);
        assert.equal(each.message_retention_seconds, 14 * 24 * 3_600);
      }
      assert.equal(queue.content_based_deduplication, true);
    });

    test(`${name} leaves room for what a refused message carries besides its body`, () => {
      assert.equal(queue.max_message_size, maxMessageBytes);
      assert.equal(deadLetter.max_message_size, 1_048_576);
    });

    test(`${name} has a dead-letter queue that takes messages from no other`, () => {
      const allow = resource(messaging, "aws_sqs_queue_redrive_allow_policy", `${name}_redrive-allow`);
      assert.equal(allow.queue_url, `\${aws_sqs_queue.${name}_dead-letter.url}`);
      assert.deepEqual(json(allow.redrive_allow_policy), {
        redrivePermission: "byQueue",
        sourceQueueArns: [`\${aws_sqs_queue.${name}_queue.arn}`],
      });
    });

    test(`${name} hides a message for at least six times the function's timeout`, () => {
      const { timeout } = resource(delivery, "aws_lambda_function", "consumer_function");
      assert.ok(Number(queue.visibility_timeout_seconds) >= 6 * Number(timeout));
    });
  }
});

test("SQS itself redrives to the queue's own dead-letter queue under dead-letter, and moves nothing under park", () => {
  const redrives = resources(messaging, "aws_sqs_queue_redrive_policy");
  assert.deepEqual(Object.keys(redrives), ["queue-1_redrive"]);
  const { queue_url, redrive_policy } = resource(messaging, "aws_sqs_queue_redrive_policy", "queue-1_redrive");
  assert.equal(queue_url, "${aws_sqs_queue.queue-1_queue.url}");
  assert.deepEqual(json(redrive_policy), {
    deadLetterTargetArn: "${aws_sqs_queue.queue-1_dead-letter.arn}",
    maxReceiveCount: 1_000,
  });
  // The provider leaves what is an argument of the queue in AWS once it is taken out: another policy could not end it.
  for (const queue of Object.values(resources(messaging, "aws_sqs_queue"))) assert.ok(!("redrive_policy" in queue));
});

test("the parking lot has the design's keys, its sparse index and its expiry", () => {
  const table = resource(messaging, "aws_dynamodb_table", "parking-lot_table");
  assert.equal(table.hash_key, "pk");
  assert.equal(table.range_key, "sk");
  assert.deepEqual(table.global_secondary_index, [
    { name: PARKED_GROUPS_INDEX, hash_key: "parkedQueue", range_key: "parkedAt", projection_type: "KEYS_ONLY" },
  ]);
  assert.deepEqual(table.ttl, { attribute_name: "expiresAt", enabled: true });
  assert.deepEqual(table.point_in_time_recovery, { enabled: true });
});

describe("the consumer", () => {
  const consumer = resource(delivery, "aws_lambda_function", "consumer_function");

  test("is one readable module for Node 24 on arm64 whose hash is the zip's", () => {
    assert.equal(consumer.runtime, "nodejs24.x");
    assert.deepEqual(consumer.architectures, ["arm64"]);
    const zip = emitted.files.get(join("stacks", "dev-delivery", String(consumer.filename)));
    assert.ok(zip !== undefined);
    assert.equal(consumer.source_code_hash, createHash("sha256").update(zip).digest("base64"));
    const entries = unzipSync(zip);
    assert.deepEqual(Object.keys(entries), ["index.mjs"]);
    assert.equal(consumer.handler, "index.handler");
    assert.ok(zip.includes("batchItemFailures"), "the entry is stored as it is, not compressed");
  });

  test("gets each queue by one event source that reports partial failures and is bounded", () => {
    const sources = resources(delivery, "aws_lambda_event_source_mapping");
    assert.deepEqual(Object.keys(sources), ["consumer_queue-1", "consumer_queue-2"]);
    for (const source of Object.values(sources)) {
      assert.deepEqual(source.function_response_types, ["ReportBatchItemFailures"]);
      assert.ok(Number(source.batch_size) <= 10);
      assert.equal(source.maximum_batching_window_in_seconds, undefined);
      const { maximum_concurrency } = z.object({ maximum_concurrency: z.number() }).parse(source.scaling_config);
      assert.ok(maximum_concurrency >= 2 && maximum_concurrency <= 1_000);
    }
  });

  test("learns from its environment where to go and what each queue promises", () => {
    const { variables } = z.object({ variables: z.record(z.string(), z.string()) }).parse(consumer.environment);
    assert.deepEqual(Object.keys(variables).toSorted(), [
      "BACKEND_TIMEOUT_MILLISECONDS",
      "BACKEND_URL",
      "PARKING_LOT_TABLE",
      "QUEUES",
    ]);
    assert.equal(variables.BACKEND_URL, "${var.backend_url}");
    assert.ok(Number(variables.BACKEND_TIMEOUT_MILLISECONDS) < 1_000 * Number(consumer.timeout));
    const queues = z.record(z.string(), z.record(z.string(), z.unknown())).parse(json(variables.QUEUES));
    assert.deepEqual(
      Object.values(queues).map(({ name, failurePolicy, deadLetterUrl }) => ({ name, failurePolicy, deadLetterUrl })),
      [
        {
          name: "queue-1",
          failurePolicy: "dead-letter",
          deadLetterUrl: "${data.terraform_remote_state.dev-messaging.outputs.queue-1_dead-letter_url}",
        },
        { name: "queue-2", failurePolicy: "park", deadLetterUrl: undefined },
      ],
    );
  });

  test("understands its environment, once Terraform has put ARNs and addresses in", () => {
    const { variables } = z.object({ variables: z.record(z.string(), z.string()) }).parse(consumer.environment);
    const applied = Object.fromEntries(
      Object.entries(variables).map(([name, text]) => [
        name,
        text
          .replace(/\$\{[^}]*\.(queue-\d)_queue_arn\}/g, "arn:aws:sqs:ap-northeast-2:000000000000:dev-$1.fifo")
          .replace(/\$\{[^}]*table_name\}/, "dev-parking-lot")
          .replace(/\$\{[^}]*\}/g, "https://sqs.ap-northeast-2.amazonaws.com/"),
      ]),
    );
    assert.deepEqual(
      [...readEnvironment(applied).queues.values()].map(({ failurePolicy }) => failurePolicy),
      ["dead-letter", "park"],
    );
  });

  test("writes to a log group that ends", () => {
    const logs = resource(delivery, "aws_cloudwatch_log_group", "consumer_logs");
    assert.equal(logs.name, `/aws/lambda/${consumer.function_name}`);
    assert.equal(logs.retention_in_days, 30);
  });
});

describe("the metric of parked groups", () => {
  test("is counted by the consumer at a fixed rate, so that it is right when nothing moves", () => {
    const rule = resource(delivery, "aws_cloudwatch_event_rule", "parked-groups_rule");
    assert.equal(rule.schedule_expression, "rate(5 minutes)");
    assert.equal(rule.event_pattern, undefined);
    const target = resource(delivery, "aws_cloudwatch_event_target", "parked-groups_target");
    assert.equal(target.rule, "${aws_cloudwatch_event_rule.parked-groups_rule.name}");
    assert.equal(target.arn, "${aws_lambda_function.consumer_function.arn}");
    assert.ok(isCountRequest(json(target.input)), "the consumer knows it by its input");
    assert.deepEqual(target.depends_on, ["aws_lambda_permission.parked-groups_permission"]);
  });

  test("lets this one rule invoke the consumer", () => {
    const permissions = resources(delivery, "aws_lambda_permission");
    assert.deepEqual(Object.keys(permissions), ["parked-groups_permission"]);
    const { action, function_name, principal, source_arn } = permissions["parked-groups_permission"] ?? {};
    assert.deepEqual(
      { action, function_name, principal, source_arn },
      {
        action: "lambda:InvokeFunction",
        function_name: "${aws_lambda_function.consumer_function.function_name}",
        principal: "events.amazonaws.com",
        source_arn: "${aws_cloudwatch_event_rule.parked-groups_rule.arn}",
      },
    );
  });

  test("is read from the consumer's lines, one series a queue", () => {
    const filter = resource(delivery, "aws_cloudwatch_log_metric_filter", "parked-groups_metric");
    assert.equal(filter.log_group_name, "${aws_cloudwatch_log_group.consumer_logs.name}");
    assert.equal(filter.pattern, '{ $.event = "parked.groups" }');
    assert.deepEqual(filter.metric_transformation, {
      name: "ParkedGroups",
      namespace: "FifoGateway/dev",
      value: "$.groups",
      dimensions: { queue: "$.queue" },
    });
  });
});

describe("permissions", () => {
  const policies = [
    resource(delivery, "aws_iam_role_policy", "consumer_execution_policy"),
    resource(gateway, "aws_iam_role_policy", "api_send_policy"),
  ].map(({ policy }) => policySchema.parse(json(policy)));

  test("name every action in full and every resource by its ARN", () => {
    for (const { Action, Resource } of policies.flatMap(({ Statement }) => Statement)) {
      for (const action of Action) assert.match(action, /^[a-z]+:[A-Za-z]+$/);
      for (const target of Resource) assert.match(target, /^\$\{[^}]+arn\}(:\*|\/index\/parked-groups)?$/);
    }
  });

  test("let the consumer put messages into the dead-letter queues of policy dead-letter only", () => {
    const sends = policies[0]?.Statement.filter(({ Action }) => Action.includes("sqs:SendMessage"));
    assert.deepEqual(
      sends?.map(({ Action, Resource }) => ({ Action, Resource })),
      [
        {
          Action: ["sqs:SendMessage"],
          Resource: ["${data.terraform_remote_state.dev-messaging.outputs.queue-1_dead-letter_arn}"],
        },
      ],
    );
  });

  test("let the consumer write to the parking lot, and read its index", () => {
    const table = "${data.terraform_remote_state.dev-messaging.outputs.parking-lot_table_arn}";
    const onTable = policies[0]?.Statement.filter(({ Action }) =>
      Action.some((action) => action.startsWith("dynamodb:")),
    );
    assert.deepEqual(
      onTable?.map(({ Action, Resource }) => ({ Action: Action.toSorted(), Resource })),
      [
        {
          Action: ["DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"].map((action) => `dynamodb:${action}`),
          Resource: [table],
        },
        { Action: ["dynamodb:Query"], Resource: [`${table}/index/${PARKED_GROUPS_INDEX}`] },
      ],
    );
  });

  test("let the gateway send to the queues and do nothing else", () => {
    assert.deepEqual(
      policies[1]?.Statement.map(({ Action, Resource }) => ({ Action, Resource })),
      [
        {
          Action: ["sqs:SendMessage"],
          Resource: ["queue-1", "queue-2"].map(
            (name) => `\${data.terraform_remote_state.dev-messaging.outputs.${name}_queue_arn}`,
          ),
        },
      ],
    );
  });
});

describe("the gateway", () => {
  const routes = ["queue-1_send", "queue-1_batch", "queue-2_send", "queue-2_batch"];

  test("asks for a key and checks the body on every route", () => {
    assert.deepEqual(
      Object.keys(resources(gateway, "aws_api_gateway_method")).toSorted(),
      routes.map((route) => `${route}_method`).toSorted(),
    );
    for (const method of Object.values(resources(gateway, "aws_api_gateway_method"))) {
      assert.equal(method.http_method, "POST");
      assert.equal(method.api_key_required, true);
      assert.equal(method.request_validator_id, "${aws_api_gateway_request_validator.api_body.id}");
      assert.deepEqual(Object.keys(z.record(z.string(), z.string()).parse(method.request_models)), [
        "application/json",
      ]);
    }
    assert.equal(resource(gateway, "aws_api_gateway_request_validator", "api_body").validate_request_body, true);
  });

  test("takes nothing but JSON, and pins what it tells SQS about it", () => {
    for (const integration of Object.values(resources(gateway, "aws_api_gateway_integration"))) {
      assert.equal(integration.passthrough_behavior, "NEVER");
      assert.equal(integration.type, "AWS");
      assert.match(
        String(integration.uri),
        /^arn:aws:apigateway:ap-northeast-2:sqs:path\/\$\{[^}]+\}\/dev-queue-\d\.fifo$/,
      );
    }
    assert.deepEqual(resource(gateway, "aws_api_gateway_integration", "queue-1_send_integration").request_parameters, {
      "integration.request.header.Accept": "'application/json'",
      "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'",
    });
  });

  test("answers 200 to SQS's 200 alone: every status that no pattern names is an error", () => {
    const answers = Object.values(resources(gateway, "aws_api_gateway_integration_response"));
    for (const answer of answers.filter(({ status_code }) => status_code === "200"))
      assert.equal(answer.selection_pattern, "200");
    for (const answer of answers.filter(({ selection_pattern }) => selection_pattern === undefined))
      assert.equal(answer.status_code, "502");
    assert.equal(answers.filter(({ selection_pattern }) => selection_pattern === undefined).length, routes.length);
  });

  test("has a method response for every status that a template may answer", () => {
    for (const route of routes) {
      const statuses = Object.entries(resources(gateway, "aws_api_gateway_method_response"))
        .filter(([name]) => name.startsWith(`${route}_`))
        .map(([, { status_code }]) => status_code)
        .toSorted();
      assert.deepEqual(statuses, ["200", "400", "413", "429", "502"]);
    }
  });

  test("leaves no expression in a template but the queue's address", () => {
    for (const integration of Object.values(resources(gateway, "aws_api_gateway_integration"))) {
      const template = z.record(z.string(), z.string()).parse(integration.request_templates)["application/json"];
      const expressions = template?.match(/(?<!\$)\$\{[^}]*\}/g) ?? [];
      for (const expression of expressions)
        assert.match(expression, /^\$\{data\.terraform_remote_state\.dev-messaging\.outputs\.queue-\d_queue_url\}$/);
    }
  });

  test("refuses group ids that SQS would refuse, by model", () => {
    const single = z
      .object({ properties: z.object({ MessageGroupID: z.object({ pattern: z.string() }) }) })
      .parse(json(resource(gateway, "aws_api_gateway_model", "api_SendMessage").schema));
    assert.equal(single.properties.MessageGroupID.pattern, GROUP_ID_PATTERN);
    const batch = JSON.stringify(json(resource(gateway, "aws_api_gateway_model", "api_SendBatch").schema));
    assert.ok(
      batch.includes(JSON.stringify(GROUP_ID_PATTERN)) && batch.includes(JSON.stringify(DEDUPLICATION_ID_PATTERN)),
    );
  });

  test("gives every answer of its own the contract's error shape", () => {
    const answers = Object.values(resources(gateway, "aws_api_gateway_gateway_response"));
    const types = new Set(answers.map(({ response_type }) => response_type));
    for (const type of [
      "BAD_REQUEST_BODY",
      "INVALID_API_KEY",
      "THROTTLED",
      "QUOTA_EXCEEDED",
      "REQUEST_TOO_LARGE",
      "UNSUPPORTED_MEDIA_TYPE",
      "INTEGRATION_FAILURE",
      "INTEGRATION_TIMEOUT",
      "DEFAULT_4XX",
      "DEFAULT_5XX",
    ]) {
      assert.ok(types.has(type), type);
    }
    for (const answer of answers) {
      const template = z.record(z.string(), z.string()).parse(answer.response_templates)["application/json"];
      const body = z.strictObject({
        message: z.string().min(10),
        code: z.string(),
        requestId: z.literal("$context.requestId"),
      });
      body.parse(json(template));
    }
  });

  test("publishes a deployment before it takes the old one away, once all it publishes is there", () => {
    const deployment = resource(gateway, "aws_api_gateway_deployment", "stage_deployment");
    assert.deepEqual(deployment.lifecycle, { create_before_destroy: true });
    const needed = new Set(z.array(z.string()).parse(deployment.depends_on));
    for (const type of [
      "aws_api_gateway_integration_response",
      "aws_api_gateway_integration",
      "aws_api_gateway_method",
      "aws_api_gateway_gateway_response",
      "aws_api_gateway_model",
    ]) {
      for (const name of Object.keys(resources(gateway, type)))
        assert.ok(needed.has(`${type}.${name}`), `${type}.${name}`);
    }
  });

  test("keeps a usage plan for each producer, and shows key values as sensitive outputs only", () => {
    const plan = resource(gateway, "aws_api_gateway_usage_plan", "producers_kimalarm_plan");
    assert.deepEqual(plan.api_stages, [
      { api_id: "${aws_api_gateway_rest_api.api_rest.id}", stage: "${aws_api_gateway_stage.stage_stage.stage_name}" },
    ]);
    assert.deepEqual(plan.throttle_settings, { rate_limit: 1_000, burst_limit: 2_000 });
    assert.deepEqual(plan.quota_settings, { limit: 10_000_000, period: "MONTH" });
    assert.equal(gateway.output?.api_keys?.sensitive, true);
    const shown = Object.values(gateway.output ?? {}).filter(({ sensitive }) => sensitive !== true);
    assert.ok(!JSON.stringify(shown).includes("aws_api_gateway_api_key.producers_kimalarm_key-a.value"));
    assert.deepEqual(Object.keys(gateway.output ?? {}).toSorted(), [
      "api_key_ids",
      "api_keys",
      "current_keys",
      "endpoint",
    ]);
  });
});

describe("browsers", () => {
  const [app, admin] = ["https://app.kimalarm.example", "https://console.kimalarm.example"];

  const one = gatewayFor(app);
  const two = gatewayFor(app, admin);
  const any = gatewayFor("*");

  test("get nothing, unless origins are listed", () => {
    const found = /OPTIONS|MOCK|Access-Control|Vary|method\.response|unknown-path/.exec(JSON.stringify(gateway));
    assert.equal(found, null);
    const withHeaders = Object.values(resources(gateway, "aws_api_gateway_gateway_response")).filter(
      ({ response_parameters }) => response_parameters !== undefined,
    );
    assert.deepEqual(
      withHeaders.map(({ response_parameters }) => response_parameters),
      [{ "gatewayresponse.header.Retry-After": "'1'" }, { "gatewayresponse.header.Retry-After": "'30'" }],
    );
  });

  test("get preflights and headers, and nothing else of the routes changes", () => {
    for (const stack of [one, two]) {
      const changed = changedResources(gateway, stack);
      const added = changed.filter((address) => /_preflight_|unknown-path/.test(address));
      assert.equal(added.length, 5 * 4 + 1);
      for (const address of changed.filter((other) => !added.includes(other)))
        assert.match(address, /_(method_response|integration_response|gateway_response|deployment)\./);
      assert.deepEqual(withoutHeaders(stack), withoutHeaders(gateway));
    }
  });

  test("are answered without a key on every path, and on those that are no queue's", () => {
    const methods = Object.entries(resources(one, "aws_api_gateway_method")).filter(
      ([, { http_method }]) => http_method === "OPTIONS",
    );
    assert.deepEqual(
      methods.map(([name]) => name),
      [
        "api_unknown-path_preflight_method",
        ...["queue-1_batch", "queue-1_send", "queue-2_batch", "queue-2_send"].map(
          (route) => `${route}_preflight_method`,
        ),
      ].toSorted(),
    );
    for (const [, method] of methods) assert.equal(method.api_key_required, false);
    assert.equal(resource(one, "aws_api_gateway_resource", "api_unknown-path_path").path_part, "{path+}");
  });

  test("are published with the rest: another list is another deployment, which waits for all of it", () => {
    const published = [gateway, one, two, any].map(
      (stack) => resource(stack, "aws_api_gateway_deployment", "stage_deployment").triggers,
    );
    assert.equal(new Set(published.map((triggers) => JSON.stringify(triggers))).size, published.length);
    const needed = resource(two, "aws_api_gateway_deployment", "stage_deployment").depends_on;
    for (const type of ["resource", "method", "method_response", "integration", "integration_response"]) {
      for (const name of Object.keys(resources(two, `aws_api_gateway_${type}`)))
        assert.ok(z.array(z.string()).parse(needed).includes(`aws_api_gateway_${type}.${name}`), name);
    }
  });

  test("can read every answer: each method response and gateway response has the header", () => {
    for (const stack of [one, two, any]) {
      for (const answer of Object.values(resources(stack, "aws_api_gateway_method_response")))
        assert.ok("method.response.header.Access-Control-Allow-Origin" in parametersOf(answer));
      for (const answer of Object.values(resources(stack, "aws_api_gateway_gateway_response"))) {
        const { "gatewayresponse.header.Access-Control-Allow-Origin": origin } = parametersOf(answer);
        assert.equal(origin, stack === one ? `'${app}'` : "'*'");
      }
    }
  });

  test("of several origins leave no expression in a template but the queue's address", () => {
    for (const { response_templates } of Object.values(resources(two, "aws_api_gateway_integration_response"))) {
      assert.doesNotMatch(JSON.stringify(response_templates), /(?<!\$)\$\{/);
      assert.ok(JSON.stringify(response_templates).includes(`['${app}', '${admin}']`));
    }
  });
});

const parametersOf = ({ response_parameters }: Record<string, unknown>) =>
  z.record(z.string(), z.unknown()).parse(response_parameters);

function withoutCors(values: Record<string, unknown>) {
  const templates = JSON.stringify(values.response_templates)?.replace(/## Goes before.*?#end##\\n(?=## [SE])/, "");
  return { ...values, response_parameters: undefined, response_templates: templates };
}

/** A gateway's stack less its preflights, all mapped headers, what goes before a template, and the deployment that follows from them. */
function withoutHeaders(stack: EmittedStack): EmittedStack {
  const kept = Object.entries(stack.resource)
    .filter(([type]) => type !== "aws_api_gateway_deployment")
    .map(([type, named]) => [
      type,
      Object.fromEntries(
        Object.entries(named)
          .filter(([name]) => !/_preflight_|unknown-path/.test(name))
          .map(([name, values]) => [name, withoutCors(values)]),
      ),
    ]);
  return { ...stack, resource: Object.fromEntries(kept) };
}

describe("a change of the tree", () => {
  test("of one character in a template changes its integrations and the deployment, and nothing else", () => {
    const changed = changesOf(emitted, [...DEV, "prod-messaging", "prod-delivery", "prod-gateway"], (copy) =>
      edit(join(copy, "stacks/gateway/send-message.request.vtl"), (text) => `##\n${text}`),
    );
    const ofOne = [
      "aws_api_gateway_deployment.stage_deployment",
      "aws_api_gateway_integration.queue-1_send_integration",
      "aws_api_gateway_integration.queue-2_send_integration",
    ];
    assert.deepEqual(changed, [...ofOne, ...ofOne]);
  });

  test("of a producer's limits makes no new deployment", () => {
    const changed = changesOf(emitted, DEV, (copy) =>
      edit(join(copy, "main.ts"), (text) => text.replace('{ name: "kimalarm" }', '{ name: "kimalarm", rateLimit: 5 }')),
    );
    assert.deepEqual(changed, ["aws_api_gateway_usage_plan.producers_kimalarm_plan"]);
  });

  test("of a queue's failure policy makes no queue anew", () => {
    const changed = changesOf(emitted, DEV, (copy) =>
      edit(join(copy, "main.ts"), (text) => text.replace(', failurePolicy: "park"', "")),
    );
    assert.deepEqual(changed, [
      "aws_sqs_queue.queue-2_queue",
      // Only what it waits for, which is no change to Terraform.
      "aws_sqs_queue_policy.queue-2_transport",
      "aws_sqs_queue_redrive_policy.queue-2_redrive",
      // No queue parks any more, so nothing is left to be counted.
      "aws_cloudwatch_event_rule.parked-groups_rule",
      "aws_cloudwatch_event_target.parked-groups_target",
      "aws_cloudwatch_log_metric_filter.parked-groups_metric",
      "aws_iam_role_policy.consumer_execution_policy",
      "aws_lambda_function.consumer_function",
      "aws_lambda_permission.parked-groups_permission",
    ]);
  });

  test("of the consumer's code changes the function and nothing else", () => {
    const changed = changesOf(emitted, DEV, (copy) =>
      edit(join(copy, "runtime/consumer/lambda.ts"), (text) => `${text}\nconsole.debug("changed");\n`),
    );
    assert.deepEqual(changed, ["aws_lambda_function.consumer_function"]);
  });
});

/** The gateway's stack of the same deployment, which pages of these origins may call. */
function gatewayFor(...corsOrigins: string[]): EmittedStack {
  return synthEdited((copy) =>
    edit(join(copy, "main.ts"), (text) =>
      text.replace("protect: false,", `protect: false, gateway: { corsOrigins: ${JSON.stringify(corsOrigins)} },`),
    ),
  ).stack("dev-gateway");
}
