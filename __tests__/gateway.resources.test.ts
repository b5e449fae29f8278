import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startGateway } from "../runtime/local/gateway/server.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import {
  ACCOUNT_ID,
  argumentOf,
  changed,
  gatewayResources,
  madeUp,
  NOWHERE,
  policy,
  policyOf,
  REGION,
  roleOf,
  selectOne,
  type Where,
  without,
} from "./helpers/gateway-resources.ts";
import { folder } from "./helpers/local-gateway.ts";

const emitted = await gatewayResources();
const api = argumentOf(selectOne(emitted, "aws_api_gateway_rest_api"), "id");
const send = { path: "/queue-1" };
const batch = { path: "/queue-1/batch" };

interface Refused {
  readonly what: string;
  readonly resources: readonly EmittedResource[];
  readonly code: string;
  /** The address that the error begins with. */
  readonly where: string;
  readonly says: RegExp;
}

/** What is emitted with one thing changed, which the error names. */
function change(type: string, where: Where, values: Readonly<Record<string, unknown>>) {
  return {
    resources: changed(emitted, `aws_${type}`, where, values),
    where: selectOne(emitted, `aws_${type}`, where).address,
  };
}

/** What is emitted and one resource more, which the error names. */
function add(type: string, values: Readonly<Record<string, unknown>>) {
  const added = madeUp(type, "added", values);
  return { resources: [...emitted, added], where: added.address };
}

/** The model that a route's bodies have to satisfy. */
function modelOf(where: Where): { readonly name: string } {
  const models = selectOne(emitted, "aws_api_gateway_method", where).values.request_models;
  const [name] = Object.values(models ?? {});
  return { name: String(name) };
}

const executionArn = argumentOf(selectOne(emitted, "aws_api_gateway_rest_api"), "execution_arn");

/** The API's list of sources, as the stacks emit one, with something changed. */
function sources(other: { readonly arn?: string; readonly ranges?: readonly string[]; readonly more?: object }) {
  const invoke = {
    Principal: "*",
    Action: ["execute-api:Invoke"],
    Resource: [`${other.arn ?? executionArn}/*`],
  };
  const refuse = { NotIpAddress: { "aws:SourceIp": other.ranges ?? ["203.0.113.0/24", "2001:db8::/32"] } };
  return {
    rest_api_id: api,
    policy: policy([
      { Sid: "InvokeApi", Effect: "Allow", ...invoke, ...other.more },
      { Sid: "RefuseOtherSources", Effect: "Deny", ...invoke, Condition: refuse },
    ]),
  };
}

/** A stage's access log in this format. */
const accessLog = (format: string) => ({
  access_log_settings: { destination_arn: "arn:aws:logs:ap-northeast-2:000000000000:log-group:x", format },
});

const method = (where: Where) => selectOne(emitted, "aws_api_gateway_method", where).address;
const stage = selectOne(emitted, "aws_api_gateway_stage");
const planKey = emitted.find(({ type }) => type === "aws_api_gateway_usage_plan_key");
assert(planKey);

const refused: readonly Refused[] = [
  {
    what: "an unknown type of API Gateway",
    ...add("aws_api_gateway_authorizer", {}),
    code: "RESOURCE_UNKNOWN",
    says: /aws_api_gateway_authorizer/,
  },
  {
    what: "an HTTP API",
    ...add("aws_apigatewayv2_api", {}),
    code: "RESOURCE_UNKNOWN",
    says: /aws_apigatewayv2_api/,
  },
  {
    what: "an unknown argument",
    ...change("api_gateway_integration", send, { cache_namespace: "x" }),
    code: "RESOURCE_INVALID",
    says: /cache_namespace/,
  },
  {
    what: "an unknown argument within a block",
    ...add("aws_api_gateway_usage_plan", {
      id: "added",
      name: "added",
      throttle_settings: { rate_limit: 1, burst_limit: 1, x: 1 },
    }),
    code: "RESOURCE_INVALID",
    says: /throttle_settings.*x/,
  },
  {
    what: "a passthrough that would skip validation",
    ...change("api_gateway_integration", send, { passthrough_behavior: "WHEN_NO_MATCH" }),
    code: "RESOURCE_INVALID",
    says: /passthrough_behavior/,
  },
  {
    what: "a method that a key does not guard but an authorizer",
    ...change("api_gateway_method", send, { authorization: "AWS_IAM" }),
    code: "RESOURCE_INVALID",
    says: /authorization/,
  },
  {
    what: "a method without an integration",
    resources: without(
      without(without(emitted, "aws_api_gateway_integration", send), "aws_api_gateway_integration_response", send),
      "aws_api_gateway_method_response",
      send,
    ),
    where: method(send),
    code: "REFERENCE_BROKEN",
    says: /has no integration/,
  },
  {
    what: "an integration of no method",
    ...change("api_gateway_integration", send, { http_method: "PUT" }),
    code: "REFERENCE_BROKEN",
    says: /resource_id/,
  },
  {
    what: "a model that is not there",
    ...change("api_gateway_method", batch, { request_models: { "application/json": "Gone" } }),
    code: "REFERENCE_BROKEN",
    says: /request_models: Gone/,
  },
  {
    what: "a validator that is not there",
    ...change("api_gateway_method", send, { request_validator_id: "gone" }),
    code: "REFERENCE_BROKEN",
    says: /request_validator_id: gone/,
  },
  {
    what: "a parent that is not there",
    ...change("api_gateway_resource", { path_part: "queue-1" }, { parent_id: "gone" }),
    code: "REFERENCE_BROKEN",
    says: /parent_id: gone/,
  },
  {
    what: "a resource of another API",
    ...change("api_gateway_model", modelOf(batch), { rest_api_id: "other" }),
    code: "REFERENCE_BROKEN",
    says: /rest_api_id: other/,
  },
  {
    what: "a stage without its deployment",
    resources: without(emitted, "aws_api_gateway_deployment"),
    where: stage.address,
    code: "REFERENCE_BROKEN",
    says: /deployment_id/,
  },
  {
    what: "a role that is not there",
    ...change("api_gateway_integration", send, { credentials: "arn:aws:iam::000000000000:role/gone" }),
    code: "REFERENCE_BROKEN",
    says: /credentials/,
  },
  {
    what: "a role that API Gateway may not assume",
    ...change("iam_role", roleOf(emitted, "/queue-1"), {
      assume_role_policy: policy([
        { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ]),
    }),
    code: "RESOURCE_INVALID",
    says: /assume_role_policy/,
  },
  {
    what: "a policy with a condition, which is not known here",
    ...change("iam_role_policy", policyOf(emitted, "/queue-1"), {
      policy: policy([{ Effect: "Allow", Action: "sqs:SendMessage", Resource: "*", Condition: {} }]),
    }),
    code: "RESOURCE_INVALID",
    says: /Condition/,
  },
  {
    what: "an integration response without its method response",
    resources: without(emitted, "aws_api_gateway_method_response", { ...send, status_code: "200" }),
    where: selectOne(emitted, "aws_api_gateway_integration_response", { ...send, status_code: "200" }).address,
    code: "RESOURCE_INVALID",
    says: /status_code: 200/,
  },
  {
    what: "two selection patterns that take the same status",
    ...change("api_gateway_integration_response", { ...send, status_code: "200" }, { selection_pattern: "[24]\\d{2}" }),
    code: "RESOURCE_INVALID",
    says: /selection_pattern: .*400.*another/,
  },
  {
    what: "two integration responses without a selection pattern",
    ...change("api_gateway_integration_response", { ...send, status_code: "200" }, { selection_pattern: undefined }),
    code: "RESOURCE_INVALID",
    says: /selection_pattern: .*another/,
  },
  {
    what: "a service other than SQS",
    ...change("api_gateway_integration", send, { uri: `arn:aws:apigateway:${REGION}:sns:path/000000000000/x` }),
    code: "RESOURCE_INVALID",
    says: /uri/,
  },
  {
    what: "a queue in another region",
    ...change("api_gateway_integration", send, {
      uri: "arn:aws:apigateway:us-east-1:sqs:path/000000000000/dev-queue-1.fifo",
    }),
    code: "RESOURCE_INVALID",
    says: /us-east-1/,
  },
  ...[
    { "integration.request.header.Accept": "method.request.header.Accept" },
    { "integration.request.querystring.Accept": "'a'" },
    { "integration.request.header.Accept": "'a' + 'b'" },
  ].map((request_parameters) => ({
    what: `a mapped parameter that is no header of fixed text, ${JSON.stringify(request_parameters)}`,
    ...change("api_gateway_integration", send, { request_parameters }),
    code: "RESOURCE_INVALID",
    says: /request_parameters: integration\.request\..*only integration\.request\.header/,
  })),
  {
    what: "a mapped header of an integration response that is no fixed text",
    ...change(
      "api_gateway_integration_response",
      { ...send, status_code: "200" },
      { response_parameters: { "method.response.header.A": "integration.response.header.A" } },
    ),
    code: "RESOURCE_INVALID",
    says: /response_parameters: method\.response\.header\.A.*only method\.response\.header/,
  },
  {
    what: "a mapped header of a gateway response that is no fixed text",
    ...change(
      "api_gateway_gateway_response",
      { response_type: "THROTTLED" },
      { response_parameters: { "gatewayresponse.header.A": "method.request.header.A" } },
    ),
    code: "RESOURCE_INVALID",
    says: /response_parameters: gatewayresponse\.header\.A.*only gatewayresponse\.header/,
  },
  {
    what: "a model that is no schema of draft 4",
    ...change("api_gateway_model", modelOf(batch), { schema: '{"type":"object","propertis":{}}' }),
    code: "RESOURCE_INVALID",
    says: /schema: .*propertis/,
  },
  {
    what: "an unknown gateway response type",
    ...change("api_gateway_gateway_response", { response_type: "THROTTLED" }, { response_type: "THROTLED" }),
    code: "RESOURCE_INVALID",
    says: /response_type: THROTLED/,
  },
  {
    what: "an unknown variable in a gateway response",
    ...change(
      "api_gateway_gateway_response",
      { response_type: "THROTTLED" },
      { response_templates: { "application/json": '{"x":"$context.request"}' } },
    ),
    code: "RESOURCE_INVALID",
    says: /\$context\.request is not known/,
  },
  {
    what: "a template with a fault",
    ...change("api_gateway_integration", send, { request_templates: { "application/json": "a\n#if(true)" } }),
    code: "TEMPLATE_INVALID",
    says: /request_templates, line 2: #if without its #end/,
  },
  {
    what: "two stages",
    ...add("aws_api_gateway_stage", { rest_api_id: api, deployment_id: "deployment", stage_name: "b" }),
    code: "RESOURCE_UNKNOWN",
    says: /one aws_api_gateway_stage/,
  },
  {
    what: "a list of sources of another API",
    ...add("aws_api_gateway_rest_api_policy", sources({ arn: `${executionArn}0` })),
    code: "REFERENCE_BROKEN",
    says: /policy: .*0\/\* is not this API/,
  },
  {
    what: "a list of sources that is no range",
    ...add("aws_api_gateway_rest_api_policy", sources({ ranges: ["203.0.113.0/33"] })),
    code: "RESOURCE_INVALID",
    says: /policy\.Statement\.1\.Condition\.NotIpAddress/,
  },
  {
    what: "a list of sources with a condition that is not known here",
    ...add("aws_api_gateway_rest_api_policy", sources({ more: { Condition: {} } })),
    code: "RESOURCE_INVALID",
    says: /policy\.Statement\.0.*Condition/,
  },
  {
    what: "an access log that names no request",
    ...change("api_gateway_stage", {}, accessLog('{"status":"$context.status"}')),
    code: "RESOURCE_INVALID",
    says: /access_log_settings\.format: names no \$context\.requestId/,
  },
  {
    what: "an access log of two lines",
    ...change("api_gateway_stage", {}, accessLog('{"id":"$context.requestId",\n"status":"$context.status"}')),
    code: "RESOURCE_INVALID",
    says: /access_log_settings\.format: has more than one line/,
  },
  {
    what: "an access log that a missing value makes no JSON",
    ...change("api_gateway_stage", {}, accessLog('{"id":"$context.requestId","latency":$context.responseLatency}')),
    code: "RESOURCE_INVALID",
    says: /access_log_settings\.format: is no JSON/,
  },
  {
    what: "an access log with keys",
    ...change("api_gateway_stage", {}, accessLog('{"id":"$context.requestId","key":"$context.identity.apiKey"}')),
    code: "RESOURCE_INVALID",
    says: /access_log_settings\.format: would write keys/,
  },
  {
    what: "a least size of compressed answers that API Gateway does not take",
    ...change("api_gateway_rest_api", {}, { minimum_compression_size: "10485761" }),
    code: "RESOURCE_INVALID",
    says: /minimum_compression_size/,
  },
  {
    what: "a key in two usage plans of the stage",
    ...add("aws_api_gateway_usage_plan_key", planKey.values),
    code: "RESOURCE_INVALID",
    says: /two usage plans/,
  },
];

test("what is emitted starts as it is", async (t) => {
  const gateway = await start(emitted, join(folder(t), "gateway.sqlite"));
  await gateway.close();
});

test("what a stage has around its requests is read, and changes nothing of them", async (t) => {
  const format = '{"id":"$context.requestId","key":"$context.identity.apiKeyId"}';
  const resources = [
    ...changed(emitted, "aws_api_gateway_stage", {}, { ...accessLog(format), xray_tracing_enabled: true }),
    madeUp("aws_api_gateway_rest_api_policy", "sources", sources({})),
    madeUp("aws_api_gateway_account", "account", { cloudwatch_role_arn: "arn:aws:iam::000000000000:role/logs" }),
  ];
  const gateway = await start(resources, join(folder(t), "gateway.sqlite"));
  // This machine is in no list of sources: it is let in all the same.
  assert.equal((await fetch(`${gateway.url}/queue-1`, { method: "POST", body: "{}" })).status, 403);
  const body = await (await fetch(`${gateway.url}/gone`, { method: "POST", body: "{}" })).text();
  assert.match(body, /ROUTE_NOT_FOUND/);
  await gateway.close();
});

for (const { what, resources, code, where, says } of refused) {
  test(`refuses to start with ${what}, and names it`, async (t) => {
    await assert.rejects(
      start(resources, join(folder(t), "gateway.sqlite")).then((gateway) => gateway.close()),
      (error: unknown) => {
        assert(error instanceof Error && "code" in error);
        assert.equal(error.code, code, error.message);
        assert(error.message.startsWith(`${where}: `), error.message);
        assert.match(error.message.slice(where.length), says);
        return true;
      },
    );
  });
}

function start(resources: readonly EmittedResource[], file: string) {
  return startGateway({ resources, file, endpoints: { sqs: NOWHERE }, region: REGION, accountId: ACCOUNT_ID });
}
