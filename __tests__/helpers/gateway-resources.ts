import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EmittedResource } from "../../runtime/local/terraform/model.ts";
import { MAX_BATCH_ENTRIES } from "../../sdk/client/src/contract.ts";
import { sendBatchModel, sendMessageModel } from "../../stacks/gateway/models.ts";

export const API_KEY = "local-key-of-the-producer-0001";
export const REGION = "ap-northeast-2";
export const ACCOUNT_ID = "000000000000";
export const QUEUE_NAME = "dev-queue-1.fifo";
export const QUEUE_ARN = `arn:aws:sqs:${REGION}:${ACCOUNT_ID}:${QUEUE_NAME}`;

type Values = Readonly<Record<string, unknown>>;

/** A REST API as Terraform would emit it, with the project's own templates and models, for one queue. */
export function gatewayResources(queueUrl = `http://127.0.0.1/${ACCOUNT_ID}/${QUEUE_NAME}`): EmittedResource[] {
  const ofApi = { rest_api_id: "api" };
  return [
    resource("aws_api_gateway_rest_api", "api", { id: "api", name: "api", root_resource_id: "root" }),
    resource("aws_api_gateway_request_validator", "body", {
      ...ofApi,
      id: "validator",
      name: "body",
      validate_request_body: true,
      validate_request_parameters: false,
    }),
    model("SendMessage", sendMessageModel),
    model("SendBatch", sendBatchModel),
    resource("aws_api_gateway_resource", "queue", { ...ofApi, id: "queue", parent_id: "root", path_part: "queue-1" }),
    resource("aws_api_gateway_resource", "batch", { ...ofApi, id: "batch", parent_id: "queue", path_part: "batch" }),
    ...route("queue", "SendMessage", "send-message", queueUrl, {
      "Content-Type": "application/x-www-form-urlencoded",
      Accept: "application/json",
    }),
    ...route("batch", "SendBatch", "send-batch", queueUrl, {
      "Content-Type": "application/x-amz-json-1.0",
      "X-Amz-Target": "AmazonSQS.SendMessageBatch",
    }),
    ...gatewayAnswers(),
    resource("aws_api_gateway_deployment", "deployment", { ...ofApi, id: "deployment" }),
    resource("aws_api_gateway_stage", "stage", { ...ofApi, deployment_id: "deployment", stage_name: "kimalarm" }),
    resource("aws_api_gateway_api_key", "key", { id: "key", name: "producer", value: API_KEY, enabled: true }),
    resource("aws_api_gateway_usage_plan", "plan", {
      id: "plan",
      name: "producer",
      api_stages: [{ api_id: "api", stage: "kimalarm" }],
    }),
    resource("aws_api_gateway_usage_plan_key", "plan-key", {
      key_id: "key",
      key_type: "API_KEY",
      usage_plan_id: "plan",
    }),
    resource("aws_iam_role", "send", {
      arn: "arn:aws:iam::000000000000:role/send",
      name: "send",
      assume_role_policy: policy([
        { Effect: "Allow", Principal: { Service: "apigateway.amazonaws.com" }, Action: "sts:AssumeRole" },
      ]),
    }),
    resource("aws_iam_role_policy", "send", {
      role: "send",
      policy: policy([{ Effect: "Allow", Action: ["sqs:SendMessage"], Resource: [QUEUE_ARN] }]),
    }),
    // Another service's resource, which the gateway leaves alone.
    resource("aws_lambda_function", "consumer", { function_name: "dev-consumer", anything: { at: ["all"] } }),
  ];
}

/** The same resources with arguments of one changed; `undefined` takes an argument away. */
export function withValues(resources: readonly EmittedResource[], address: string, values: Values): EmittedResource[] {
  if (!resources.some((found) => found.address === address)) throw new Error(`no ${address} to change`);
  return resources.map((found) => {
    if (found.address !== address) return found;
    const merged = Object.entries({ ...found.values, ...values }).filter(([, value]) => value !== undefined);
    return { ...found, values: Object.fromEntries(merged) };
  });
}

export function resource(type: string, name: string, values: Values): EmittedResource {
  return { stack: "test", type, name, address: `test/${type}.${name}`, values };
}

export function policy(statements: readonly object[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

export function template(file: string): string {
  return readFileSync(join(import.meta.dirname, "../../stacks/gateway", file), "utf8");
}

function model(name: string, schema: object): EmittedResource {
  return resource("aws_api_gateway_model", name, {
    rest_api_id: "api",
    name,
    content_type: "application/json",
    schema: JSON.stringify(schema),
  });
}

function route(
  id: string,
  modelName: string,
  templates: string,
  queueUrl: string,
  headers: Readonly<Record<string, string>>,
): EmittedResource[] {
  const at = { rest_api_id: "api", resource_id: id, http_method: "POST" };
  const mapped = (file: string) => ({
    "application/json": template(`${templates}.${file}.vtl`).replaceAll("__QUEUE_URL__", queueUrl),
  });
  const answer = (status: string, file: string, pattern?: string) =>
    resource("aws_api_gateway_integration_response", `${id}-${status}`, {
      ...at,
      status_code: status,
      ...(pattern === undefined ? {} : { selection_pattern: pattern }),
      response_templates: mapped(file),
    });
  return [
    resource("aws_api_gateway_method", id, {
      ...at,
      authorization: "NONE",
      api_key_required: true,
      request_models: { "application/json": modelName },
      request_validator_id: "validator",
    }),
    ...["200", "400", "413", "429", "502"].map((status) =>
      resource("aws_api_gateway_method_response", `${id}-${status}`, { ...at, status_code: status }),
    ),
    resource("aws_api_gateway_integration", id, {
      ...at,
      type: "AWS",
      integration_http_method: "POST",
      uri: `arn:aws:apigateway:${REGION}:sqs:path/${ACCOUNT_ID}/${QUEUE_NAME}`,
      credentials: "arn:aws:iam::000000000000:role/send",
      passthrough_behavior: "NEVER",
      request_parameters: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [`integration.request.header.${name}`, `'${value}'`]),
      ),
      request_templates: mapped("request"),
    }),
    answer("200", "response", "200"),
    answer("400", "error", "4\\d{2}"),
    answer("502", "error"),
  ];
}

function gatewayAnswers(): EmittedResource[] {
  const answers = {
    MISSING_AUTHENTICATION_TOKEN: ["404", "ROUTE_NOT_FOUND"],
    INVALID_API_KEY: ["403", "FORBIDDEN"],
    THROTTLED: ["429", "THROTTLED"],
    QUOTA_EXCEEDED: ["429", "QUOTA_EXCEEDED"],
    UNSUPPORTED_MEDIA_TYPE: ["415", "UNSUPPORTED_MEDIA_TYPE"],
    REQUEST_TOO_LARGE: ["413", "MESSAGE_TOO_LARGE"],
    BAD_REQUEST_BODY: ["400", "INVALID_BODY"],
    INTEGRATION_FAILURE: ["502", "QUEUE_ERROR"],
    INTEGRATION_TIMEOUT: ["504", "QUEUE_TIMEOUT"],
    DEFAULT_5XX: [undefined, "GATEWAY_ERROR"],
  } as const;
  return Object.entries(answers).map(([type, [status, code]]) =>
    resource("aws_api_gateway_gateway_response", type, {
      rest_api_id: "api",
      response_type: type,
      ...(status === undefined ? {} : { status_code: status }),
      response_templates: {
        "application/json": `{"message":"1 to ${MAX_BATCH_ENTRIES} ...","code":"${code}","requestId":"$context.requestId"}`,
      },
      ...(type === "THROTTLED" ? { response_parameters: { "gatewayresponse.header.Retry-After": "'1'" } } : {}),
    }),
  );
}
