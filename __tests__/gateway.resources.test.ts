import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startGateway } from "../runtime/local/gateway/server.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import { ACCOUNT_ID, gatewayResources, policy, REGION, resource, withValues } from "./helpers/gateway-resources.ts";
import { folder } from "./helpers/local-gateway.ts";

const place = "test/";
const changed = (address: string, values: Readonly<Record<string, unknown>>) =>
  withValues(gatewayResources(), `${place}${address}`, values);
const without = (address: string) => gatewayResources().filter((found) => found.address !== `${place}${address}`);

interface Refused {
  readonly what: string;
  readonly resources: readonly EmittedResource[];
  readonly code: string;
  readonly says: RegExp;
}

const refused: readonly Refused[] = [
  {
    what: "an unknown type of API Gateway",
    resources: [...gatewayResources(), resource("aws_api_gateway_authorizer", "a", {})],
    code: "RESOURCE_UNKNOWN",
    says: /aws_api_gateway_authorizer\.a: .*aws_api_gateway_authorizer/,
  },
  {
    what: "an HTTP API",
    resources: [...gatewayResources(), resource("aws_apigatewayv2_api", "a", {})],
    code: "RESOURCE_UNKNOWN",
    says: /aws_apigatewayv2_api/,
  },
  {
    what: "an unknown argument",
    resources: changed("aws_api_gateway_integration.queue", { cache_namespace: "x" }),
    code: "RESOURCE_INVALID",
    says: /aws_api_gateway_integration\.queue: .*cache_namespace/,
  },
  {
    what: "an unknown argument within a block",
    resources: changed("aws_api_gateway_usage_plan.plan", {
      throttle_settings: { rate_limit: 1, burst_limit: 1, x: 1 },
    }),
    code: "RESOURCE_INVALID",
    says: /usage_plan\.plan: throttle_settings.*x/,
  },
  {
    what: "a passthrough that would skip validation",
    resources: changed("aws_api_gateway_integration.queue", { passthrough_behavior: "WHEN_NO_MATCH" }),
    code: "RESOURCE_INVALID",
    says: /passthrough_behavior/,
  },
  {
    what: "a method that a key does not guard but an authorizer",
    resources: changed("aws_api_gateway_method.queue", { authorization: "AWS_IAM" }),
    code: "RESOURCE_INVALID",
    says: /method\.queue: authorization/,
  },
  {
    what: "a method without an integration",
    resources: without("aws_api_gateway_integration.queue").filter(
      ({ address }) => !/n_response\.queue-/.test(address),
    ),
    code: "REFERENCE_BROKEN",
    says: /method\.queue: has no integration/,
  },
  {
    what: "an integration of no method",
    resources: changed("aws_api_gateway_integration.queue", { http_method: "PUT" }),
    code: "REFERENCE_BROKEN",
    says: /integration\.queue: resource_id/,
  },
  {
    what: "a model that is not there",
    resources: without("aws_api_gateway_model.SendBatch"),
    code: "REFERENCE_BROKEN",
    says: /method\.batch: request_models: SendBatch/,
  },
  {
    what: "a validator that is not there",
    resources: without("aws_api_gateway_request_validator.body"),
    code: "REFERENCE_BROKEN",
    says: /request_validator_id: validator/,
  },
  {
    what: "a parent that is not there",
    resources: changed("aws_api_gateway_resource.batch", { parent_id: "gone" }),
    code: "REFERENCE_BROKEN",
    says: /resource\.batch: parent_id: gone/,
  },
  {
    what: "a resource of another API",
    resources: changed("aws_api_gateway_model.SendBatch", { rest_api_id: "other" }),
    code: "REFERENCE_BROKEN",
    says: /rest_api_id: other/,
  },
  {
    what: "a stage without its deployment",
    resources: without("aws_api_gateway_deployment.deployment"),
    code: "REFERENCE_BROKEN",
    says: /stage\.stage: deployment_id/,
  },
  {
    what: "a role that is not there",
    resources: without("aws_iam_role.send"),
    code: "REFERENCE_BROKEN",
    says: /credentials/,
  },
  {
    what: "a role that API Gateway may not assume",
    resources: changed("aws_iam_role.send", {
      assume_role_policy: policy([
        { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ]),
    }),
    code: "RESOURCE_INVALID",
    says: /iam_role\.send: assume_role_policy/,
  },
  {
    what: "a policy with a condition, which is not known here",
    resources: changed("aws_iam_role_policy.send", {
      policy: policy([{ Effect: "Allow", Action: "sqs:SendMessage", Resource: "*", Condition: {} }]),
    }),
    code: "RESOURCE_INVALID",
    says: /iam_role_policy\.send: .*Condition/,
  },
  {
    what: "an integration response without its method response",
    resources: without("aws_api_gateway_method_response.queue-502"),
    code: "RESOURCE_INVALID",
    says: /integration_response\.queue-502: status_code: 502/,
  },
  {
    what: "a service other than SQS",
    resources: changed("aws_api_gateway_integration.queue", {
      uri: `arn:aws:apigateway:${REGION}:sns:path/000000000000/x`,
    }),
    code: "RESOURCE_INVALID",
    says: /integration\.queue: uri/,
  },
  {
    what: "a queue in another region",
    resources: changed("aws_api_gateway_integration.queue", {
      uri: "arn:aws:apigateway:us-east-1:sqs:path/000000000000/dev-queue-1.fifo",
    }),
    code: "RESOURCE_INVALID",
    says: /us-east-1/,
  },
  {
    what: "a mapped header that is no fixed text",
    resources: changed("aws_api_gateway_integration.queue", {
      request_parameters: { "integration.request.header.Accept": "method.request.header.Accept" },
    }),
    code: "RESOURCE_INVALID",
    says: /request_parameters: integration\.request\.header\.Accept/,
  },
  {
    what: "a model that is no schema of draft 4",
    resources: changed("aws_api_gateway_model.SendBatch", { schema: '{"type":"object","propertis":{}}' }),
    code: "RESOURCE_INVALID",
    says: /model\.SendBatch: schema: .*propertis/,
  },
  {
    what: "an unknown gateway response type",
    resources: changed("aws_api_gateway_gateway_response.THROTTLED", { response_type: "THROTLED" }),
    code: "RESOURCE_INVALID",
    says: /response_type: THROTLED/,
  },
  {
    what: "an unknown variable in a gateway response",
    resources: changed("aws_api_gateway_gateway_response.THROTTLED", {
      response_templates: { "application/json": '{"x":"$context.request"}' },
    }),
    code: "RESOURCE_INVALID",
    says: /\$context\.request is not known/,
  },
  {
    what: "a template with a fault",
    resources: changed("aws_api_gateway_integration.queue", {
      request_templates: { "application/json": "a\n#if(true)" },
    }),
    code: "TEMPLATE_INVALID",
    says: /integration\.queue: request_templates, line 2: #if without its #end/,
  },
  {
    what: "two stages",
    resources: [
      ...gatewayResources(),
      resource("aws_api_gateway_stage", "second", { rest_api_id: "api", deployment_id: "deployment", stage_name: "b" }),
    ],
    code: "RESOURCE_UNKNOWN",
    says: /aws_api_gateway_stage\.second/,
  },
  {
    what: "a key in two usage plans of the stage",
    resources: [
      ...gatewayResources(),
      resource("aws_api_gateway_usage_plan_key", "again", {
        key_id: "key",
        key_type: "API_KEY",
        usage_plan_id: "plan",
      }),
    ],
    code: "RESOURCE_INVALID",
    says: /usage_plan_key\.again/,
  },
];

for (const { what, resources, code, says } of refused) {
  test(`refuses to start with ${what}, and names it`, async (t) => {
    const file = join(folder(t), "gateway.sqlite");
    const start = startGateway({
      resources,
      file,
      endpoints: { sqs: "http://127.0.0.1:1" },
      region: REGION,
      accountId: ACCOUNT_ID,
    });
    await assert.rejects(
      start.then((gateway) => gateway.close()),
      (error: unknown) => {
        assert(error instanceof Error && "code" in error);
        assert.equal(error.code, code, error.message);
        assert.match(error.message, says);
        return true;
      },
    );
  });
}
