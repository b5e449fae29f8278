import { z } from "zod";
import type { EmittedResource } from "../terraform/model.ts";
import { GatewayError } from "./error.ts";

const text = z.string().min(1);
const texts = z.record(z.string(), z.string());
/** Computed by Terraform, or without effect on a request. */
const id = text.optional();
const arn = text.optional();
const tags = texts.optional();
const tags_all = tags;
/** Terraform's JSON takes a block both as an object and as a list of one. */
const block = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (Array.isArray(value) && value.length === 1 ? value[0] : value), schema);
const blocks = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === undefined || Array.isArray(value) ? value : [value]), z.array(schema));

const method = { rest_api_id: text, resource_id: text, http_method: text, id };

const integration = {
  ...method,
  passthrough_behavior: z.literal("NEVER", "anything else lets a content type that no template names pass unchecked"),
  request_templates: texts,
};

const VARIABLE = /\$context(?:\.[A-Za-z]+)+/g;

/** What API Gateway wants of it: one line that names the request. And what the project does: JSON, and no key. */
const accessLogFormat = text
  .refine((format) => /\$context\.(?:extendedR|r)equestId\b/.test(format), "names no $context.requestId")
  .refine((format) => !/[\r\n]/.test(format), "has more than one line")
  .refine(
    (format) => isJson(format.replace(VARIABLE, "-")),
    "is no JSON where a variable has no value and is written as -",
  )
  .refine((format) => !/\$context\.identity\.apiKey\b/.test(format), "would write keys to the log");

function isJson(document: string): boolean {
  try {
    JSON.parse(document);
    return true;
  } catch {
    return false;
  }
}

/** The arguments of each resource type that the local gateway runs. Strict: what is not named here is refused. */
const schemas = {
  aws_api_gateway_rest_api: z.strictObject({
    id: text,
    name: text,
    root_resource_id: text,
    description: z.string().optional(),
    endpoint_configuration: block(
      z.strictObject({ types: z.array(z.enum(["REGIONAL", "EDGE"])), ip_address_type: text.optional() }),
    ).optional(),
    api_key_source: z.literal("HEADER").optional(),
    disable_execute_api_endpoint: z.boolean().default(false),
    /** Terraform has it as text; -1 is none. */
    minimum_compression_size: z
      .string()
      .regex(/^(?:-1|\d+)$/)
      .transform(Number)
      .pipe(z.int().max(10_485_760))
      .optional(),
    arn,
    execution_arn: arn,
    tags,
    tags_all,
  }),
  aws_api_gateway_resource: z.strictObject({
    id: text,
    rest_api_id: text,
    parent_id: text,
    path_part: z
      .string()
      .regex(
        /^(?:[A-Za-z0-9._:-]+|\{[A-Za-z0-9._:-]+\+\})$/,
        "only fixed path parts and {greedy+} run here, no {parameter}",
      ),
    path: text.optional(),
  }),
  aws_api_gateway_model: z.strictObject({
    id,
    rest_api_id: text,
    name: text,
    content_type: z.literal("application/json"),
    schema: text,
    description: z.string().optional(),
  }),
  aws_api_gateway_request_validator: z.strictObject({
    id: text,
    rest_api_id: text,
    name: text,
    validate_request_body: z.boolean().default(false),
    validate_request_parameters: z.literal(false, "request parameters are not validated here").optional(),
  }),
  aws_api_gateway_method: z.strictObject({
    ...method,
    authorization: z.literal("NONE", "only API keys guard a route here"),
    api_key_required: z.boolean().default(false),
    request_models: texts.default({}),
    request_validator_id: text.optional(),
    operation_name: text.optional(),
  }),
  aws_api_gateway_method_response: z.strictObject({
    ...method,
    status_code: z.string().regex(/^\d{3}$/),
    response_models: texts.optional(),
    response_parameters: z
      .record(z.string(), z.boolean())
      .refine(
        (parameters) => Object.keys(parameters).every((name) => /^method\.response\.header\.[^.]+$/.test(name)),
        "only method.response.header.<name> runs here",
      )
      .default({}),
  }),
  aws_api_gateway_integration: z.discriminatedUnion(
    "type",
    [
      z.strictObject({
        ...integration,
        type: z.literal("AWS"),
        integration_http_method: z.literal("POST"),
        uri: text,
        credentials: text,
        request_parameters: texts.default({}),
        timeout_milliseconds: z.number().int().min(50).max(29_000).default(29_000),
      }),
      z.strictObject({ ...integration, type: z.literal("MOCK") }),
    ],
    "only AWS service integrations and MOCK run here",
  ),
  aws_api_gateway_integration_response: z.strictObject({
    ...method,
    status_code: z.string().regex(/^\d{3}$/),
    selection_pattern: z.string().default(""),
    response_templates: texts.default({}),
    response_parameters: texts.default({}),
  }),
  aws_api_gateway_gateway_response: z.strictObject({
    id,
    rest_api_id: text,
    response_type: text,
    status_code: z
      .string()
      .regex(/^\d{3}$/)
      .optional(),
    response_templates: texts.default({}),
    response_parameters: texts.default({}),
  }),
  aws_api_gateway_api_key: z.strictObject({
    id: text,
    name: text,
    value: text,
    enabled: z.boolean().default(true),
    description: z.string().optional(),
    arn,
    tags,
    tags_all,
  }),
  aws_api_gateway_usage_plan: z.strictObject({
    id: text,
    name: text,
    description: z.string().optional(),
    api_stages: blocks(z.strictObject({ api_id: text, stage: text })).default([]),
    throttle_settings: block(
      z.strictObject({ rate_limit: z.number().positive(), burst_limit: z.number().int().positive() }),
    ).optional(),
    quota_settings: block(
      z.strictObject({
        limit: z.number().int().positive(),
        offset: z.literal(0, "a quota's offset does not run here").optional(),
        period: z.enum(["DAY", "WEEK", "MONTH"]),
      }),
    ).optional(),
    arn,
    tags,
    tags_all,
  }),
  aws_api_gateway_usage_plan_key: z.strictObject({
    id,
    key_id: text,
    key_type: z.literal("API_KEY"),
    usage_plan_id: text,
  }),
  aws_api_gateway_deployment: z.strictObject({
    id: text,
    rest_api_id: text,
    triggers: texts.optional(),
    description: z.string().optional(),
  }),
  aws_api_gateway_stage: z.strictObject({
    id,
    rest_api_id: text,
    deployment_id: text,
    stage_name: text,
    description: z.string().optional(),
    variables: texts.default({}),
    xray_tracing_enabled: z.boolean().optional(),
    access_log_settings: block(z.strictObject({ destination_arn: text, format: accessLogFormat })).optional(),
    arn,
    execution_arn: arn,
    invoke_url: text.optional(),
    tags,
    tags_all,
  }),
  aws_api_gateway_method_settings: z.strictObject({
    id,
    rest_api_id: text,
    stage_name: text,
    method_path: z.literal("*/*", "method settings run here for all methods at once"),
    settings: block(
      z.strictObject({
        metrics_enabled: z.boolean().optional(),
        logging_level: z.enum(["OFF", "ERROR", "INFO"]).optional(),
        data_trace_enabled: z.literal(false, "it would write message bodies to the log").optional(),
        throttling_rate_limit: z.number().positive().optional(),
        throttling_burst_limit: z.number().int().positive().optional(),
      }),
    ),
  }),
  aws_api_gateway_account: z.strictObject({ id, cloudwatch_role_arn: text.optional() }),
  aws_api_gateway_rest_api_policy: z.strictObject({ id, rest_api_id: text, policy: text }),
  aws_api_gateway_domain_name: z.strictObject({
    id,
    domain_name: text,
    regional_certificate_arn: text,
    security_policy: z.literal("TLS_1_2", "TLS 1.0 and 1.1 are not to be taken"),
    endpoint_configuration: block(z.strictObject({ types: z.tuple([z.literal("REGIONAL")]), ip_address_type: text })),
    regional_domain_name: text.optional(),
    regional_zone_id: text.optional(),
    domain_name_id: text.optional(),
    arn,
    tags,
    tags_all,
  }),
  aws_api_gateway_base_path_mapping: z.strictObject({
    id,
    domain_name: text,
    api_id: text,
    stage_name: text,
    base_path: z.literal("", "only the domain as a whole is mapped here").optional(),
  }),
  aws_iam_role: z.strictObject({
    id,
    arn: text,
    name: text,
    assume_role_policy: text,
    description: z.string().optional(),
    path: text.optional(),
    max_session_duration: z.number().optional(),
    unique_id: text.optional(),
    tags,
    tags_all,
  }),
  aws_iam_role_policy: z.strictObject({ id, name: text.optional(), role: text, policy: text }),
} as const;

/** The checked arguments of each type. */
type Values = { readonly [T in keyof typeof schemas]: z.output<(typeof schemas)[T]> };

/** The same schemas, so typed that the compiler knows what the schema of a type makes. */
const SCHEMAS: { readonly [T in keyof Values]: z.ZodType<Values[T]> } = schemas;

export type GatewayResourceType = keyof Values;

/** One resource with its arguments checked. */
export interface Declared<T extends GatewayResourceType> {
  readonly address: string;
  readonly values: Values[T];
}

/**
 * All resources of one type, their arguments checked.
 *
 * @throws GatewayError RESOURCE_INVALID, naming address and argument
 */
export function declared<T extends GatewayResourceType>(
  resources: readonly EmittedResource[],
  type: T,
): readonly Declared<T>[] {
  return resources.filter((resource) => resource.type === type).map((resource) => check(resource, type));
}

function check<T extends GatewayResourceType>(resource: EmittedResource, type: T): Declared<T> {
  const parsed = SCHEMAS[type].safeParse(resource.values);
  if (parsed.success) return { address: resource.address, values: parsed.data };
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "arguments"}: ${issue.message}`);
  throw new GatewayError("RESOURCE_INVALID", `${resource.address}: ${problems.join("; ")}`);
}

/**
 * Refuses what would be API Gateway's and is not run here.
 *
 * @throws GatewayError RESOURCE_UNKNOWN, naming address and type
 */
export function refuseUnknownTypes(resources: readonly EmittedResource[]): void {
  for (const { type, address } of resources) {
    if (/^aws_(?:api_gateway|apigatewayv2)_/.test(type) && !(type in SCHEMAS)) {
      throw new GatewayError("RESOURCE_UNKNOWN", `${address}: the local gateway does not run ${type}`);
    }
  }
}
