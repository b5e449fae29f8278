import type { Agent } from "node:http";
import ajvDraft04 from "ajv-draft-04";
import type { EmittedResource } from "../terraform/model.ts";
import { readBasePath } from "./base-path.ts";
import { GatewayError } from "./error.ts";
import { type GatewayResponses, gatewayResponses } from "./gateway-response.ts";
import { callsSqs, mockIntegration, type SqsIntegration, sqsIntegration } from "./integration.ts";
import { integrationResponses } from "./integration-response.ts";
import { rolePermissions } from "./policy.ts";
import { type Declared, declared, refuseUnknownTypes } from "./resources.ts";
import { type Route, Routes } from "./routes.ts";
import { checkSourcePolicy } from "./source-policy.ts";
import { compileTemplate } from "./template/template.ts";
import type { Quota, Throttle } from "./usage-plan.ts";

/** The usage plan that a key stands in for this stage. */
export interface KeyPlan {
  readonly keyId: string;
  readonly planId: string;
  readonly throttle: Throttle | undefined;
  readonly quota: Quota | undefined;
}

/** A REST API's one stage, joined by ids as API Gateway would. */
export interface Api {
  readonly id: string;
  readonly stage: string;
  /** What paths begin with before a route's own: the stage, or nothing on a domain. */
  readonly basePath: "" | `/${string}`;
  /** Answers of at least so many bytes are compressed; undefined for none. */
  readonly minimumCompressionBytes: number | undefined;
  readonly deploymentId: string;
  readonly stageVariables: Readonly<Record<string, string>>;
  readonly routes: Routes;
  /** Of enabled keys, by the key's value. */
  readonly keys: ReadonlyMap<string, KeyPlan>;
  /** Throttle of each method of the stage, whichever key calls it. */
  readonly methodThrottle: Throttle | undefined;
  readonly gatewayResponses: GatewayResponses;
}

/**
 * Joins the emitted resources into one API.
 *
 * @throws GatewayError or TemplateError, naming the address and the argument or construct, for whatever API Gateway would
 * refuse and for whatever is not known here
 */
export function readApi(
  resources: readonly EmittedResource[],
  place: { readonly sqs: string; readonly region: string; readonly agent: Agent },
): Api {
  refuseUnknownTypes(resources);
  const rest = only(resources, "aws_api_gateway_rest_api");
  const stage = only(resources, "aws_api_gateway_stage");
  const apiId = rest.values.id;
  for (const type of OF_THE_API) {
    for (const { address, values } of declared(resources, type)) {
      if (values.rest_api_id !== apiId) broken(address, "rest_api_id", values.rest_api_id);
    }
  }
  const deployment = declared(resources, "aws_api_gateway_deployment").find(
    ({ values }) => values.id === stage.values.deployment_id,
  );
  if (deployment === undefined) return broken(stage.address, "deployment_id", stage.values.deployment_id);
  declared(resources, "aws_api_gateway_account");
  checkSourcePolicy(rest, declared(resources, "aws_api_gateway_rest_api_policy"));
  const { minimum_compression_size: minimum = -1 } = rest.values;
  return {
    id: apiId,
    stage: stage.values.stage_name,
    basePath: readBasePath(resources, rest, stage.values.stage_name),
    minimumCompressionBytes: minimum < 0 ? undefined : minimum,
    deploymentId: deployment.values.id,
    stageVariables: stage.values.variables,
    routes: new Routes(readRoutes(resources, rest, place)),
    keys: readKeys(resources, apiId, stage.values.stage_name),
    methodThrottle: readMethodThrottle(resources, stage.values.stage_name),
    gatewayResponses: gatewayResponses(declared(resources, "aws_api_gateway_gateway_response")),
  };
}

const OF_THE_API = [
  "aws_api_gateway_stage",
  "aws_api_gateway_deployment",
  "aws_api_gateway_resource",
  "aws_api_gateway_model",
  "aws_api_gateway_request_validator",
  "aws_api_gateway_method",
  "aws_api_gateway_method_response",
  "aws_api_gateway_integration",
  "aws_api_gateway_integration_response",
  "aws_api_gateway_gateway_response",
  "aws_api_gateway_method_settings",
  "aws_api_gateway_rest_api_policy",
] as const;

function only<T extends "aws_api_gateway_rest_api" | "aws_api_gateway_stage">(
  resources: readonly EmittedResource[],
  type: T,
): Declared<T> {
  const [first, second] = declared(resources, type);
  if (first === undefined) throw new GatewayError("REFERENCE_BROKEN", `no ${type} among the resources`);
  if (second !== undefined) {
    throw new GatewayError(
      "RESOURCE_UNKNOWN",
      `${second.address}: the local gateway runs one ${type}, and has ${first.address}`,
    );
  }
  return first;
}

function broken(address: string, argument: string, value: string): never {
  throw new GatewayError("REFERENCE_BROKEN", `${address}: ${argument}: ${value} leads to no resource`);
}

function readRoutes(
  resources: readonly EmittedResource[],
  rest: Declared<"aws_api_gateway_rest_api">,
  place: { readonly sqs: string; readonly region: string; readonly agent: Agent },
): readonly Route[] {
  const paths = readPaths(declared(resources, "aws_api_gateway_resource"), rest.values.root_resource_id);
  const methods = declared(resources, "aws_api_gateway_method");
  const integrations = declared(resources, "aws_api_gateway_integration");
  const answers = declared(resources, "aws_api_gateway_integration_response");
  const methodResponses = declared(resources, "aws_api_gateway_method_response");
  for (const { address, values } of [...integrations, ...answers, ...methodResponses]) {
    if (!methods.some((method) => ofMethod(method)({ values }))) {
      broken(address, "resource_id", `${values.resource_id} with http_method ${values.http_method}`);
    }
  }
  const readModels = modelReader(resources);
  return methods.map((method) => {
    const { resource_id, http_method, api_key_required } = method.values;
    const path = paths.get(resource_id);
    if (path === undefined) return broken(method.address, "resource_id", resource_id);
    const integration = integrations.find(ofMethod(method));
    if (integration === undefined) throw new GatewayError("REFERENCE_BROKEN", `${method.address}: has no integration`);
    const route: Route = {
      resourceId: resource_id,
      resourcePath: path,
      httpMethod: http_method,
      apiKeyRequired: api_key_required,
      requestTemplates: new Map(
        Object.entries(integration.values.request_templates).map(([type, source]) => [
          type.toLowerCase(),
          compileTemplate(`${integration.address}: request_templates`, source),
        ]),
      ),
      models: readModels(method),
      integration: callsSqs(integration)
        ? sqsIntegration(integration, {
            endpoint: place.sqs,
            region: place.region,
            agent: place.agent,
            permissions: readPermissions(resources, integration),
          })
        : mockIntegration(integration),
      integrationResponses: integrationResponses(
        answers.filter(ofMethod(method)),
        methodResponses.filter(ofMethod(method)),
      ),
    };
    return route;
  });
}

/** Whether a resource belongs to a method: API Gateway joins them by path and verb. */
function ofMethod(method: Declared<"aws_api_gateway_method">) {
  return ({ values }: { readonly values: { readonly resource_id: string; readonly http_method: string } }) =>
    values.resource_id === method.values.resource_id && values.http_method === method.values.http_method;
}

function readPaths(
  resources: readonly Declared<"aws_api_gateway_resource">[],
  rootId: string,
): ReadonlyMap<string, string> {
  const byId = new Map(resources.map((resource) => [resource.values.id, resource]));
  const pathOf = (resource: Declared<"aws_api_gateway_resource">): string => {
    const { parent_id, path_part } = resource.values;
    if (parent_id === rootId) return `/${path_part}`;
    const parent = byId.get(parent_id);
    return parent === undefined ? broken(resource.address, "parent_id", parent_id) : `${pathOf(parent)}/${path_part}`;
  };
  return new Map([
    [rootId, "/"],
    ...resources.map((resource) => [resource.values.id, pathOf(resource)] as [string, string]),
  ]);
}

function modelReader(resources: readonly EmittedResource[]) {
  const ajv = new ajvDraft04.default({ strict: true, strictTypes: false });
  const validators = declared(resources, "aws_api_gateway_request_validator");
  const models = new Map(
    declared(resources, "aws_api_gateway_model").map(({ address, values }) => {
      try {
        const schema: unknown = JSON.parse(values.schema);
        if (typeof schema !== "object" || schema === null) throw new Error("a JSON schema is an object");
        const validate = ajv.compile(schema);
        return [values.name, (document: unknown) => validate(document) === true] as const;
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new GatewayError("RESOURCE_INVALID", `${address}: schema: ${why}`);
      }
    }),
  );
  return ({ address, values }: Declared<"aws_api_gateway_method">) => {
    const named = Object.entries(values.request_models).map(([type, name]) => {
      const model = models.get(name);
      return model === undefined ? broken(address, "request_models", name) : ([type.toLowerCase(), model] as const);
    });
    if (values.request_validator_id === undefined) return new Map();
    const validator = validators.find((candidate) => candidate.values.id === values.request_validator_id);
    if (validator === undefined) return broken(address, "request_validator_id", values.request_validator_id);
    return new Map(validator.values.validate_request_body ? named : []);
  };
}

function readPermissions(resources: readonly EmittedResource[], { address, values }: SqsIntegration) {
  const emitted = resources.filter(
    ({ type, values: { arn } }) => type === "aws_iam_role" && arn === values.credentials,
  );
  const [role] = declared(emitted, "aws_iam_role");
  if (role === undefined) return broken(address, "credentials", values.credentials);
  const ofRole = ({ values: { role: of } }: EmittedResource) => of === role.values.name || of === role.values.id;
  const attached = resources.find(
    ({ type, values: { role: of } }) => type === "aws_iam_role_policy_attachment" && of === role.values.name,
  );
  if (attached !== undefined) {
    throw new GatewayError(
      "RESOURCE_UNKNOWN",
      `${attached.address}: only inline policies of the gateway's role run here`,
    );
  }
  return rolePermissions(role, declared(resources.filter(ofRole), "aws_iam_role_policy"));
}

function readKeys(resources: readonly EmittedResource[], apiId: string, stage: string): ReadonlyMap<string, KeyPlan> {
  const plans = declared(resources, "aws_api_gateway_usage_plan");
  for (const { address, values } of plans) {
    for (const of of values.api_stages) {
      if (of.api_id !== apiId || of.stage !== stage) broken(address, "api_stages", `${of.api_id}:${of.stage}`);
    }
  }
  const keys = declared(resources, "aws_api_gateway_api_key");
  const byValue = new Map<string, KeyPlan>();
  const seen = new Set<string>();
  for (const { address, values } of declared(resources, "aws_api_gateway_usage_plan_key")) {
    const plan = plans.find((candidate) => candidate.values.id === values.usage_plan_id);
    if (plan === undefined) return broken(address, "usage_plan_id", values.usage_plan_id);
    const key = keys.find((candidate) => candidate.values.id === values.key_id);
    if (key === undefined) return broken(address, "key_id", values.key_id);
    if (plan.values.api_stages.length === 0) continue;
    if (seen.has(key.values.value)) {
      throw new GatewayError(
        "RESOURCE_INVALID",
        `${address}: ${key.address} stands in two usage plans of the stage, or its value in two keys`,
      );
    }
    seen.add(key.values.value);
    if (!key.values.enabled) continue;
    const { throttle_settings: throttle, quota_settings: quota } = plan.values;
    byValue.set(key.values.value, {
      keyId: key.values.id,
      planId: plan.values.id,
      throttle: throttle && { rateLimit: throttle.rate_limit, burstLimit: throttle.burst_limit },
      quota: quota && { limit: quota.limit, period: quota.period },
    });
  }
  return byValue;
}

function readMethodThrottle(resources: readonly EmittedResource[], stage: string): Throttle | undefined {
  const [first, second] = declared(resources, "aws_api_gateway_method_settings");
  if (second !== undefined)
    throw new GatewayError("RESOURCE_INVALID", `${second.address}: ${first?.address} sets the same methods`);
  if (first === undefined) return undefined;
  if (first.values.stage_name !== stage) return broken(first.address, "stage_name", first.values.stage_name);
  const { throttling_rate_limit: rateLimit, throttling_burst_limit: burstLimit } = first.values.settings;
  if (rateLimit === undefined && burstLimit === undefined) return undefined;
  if (rateLimit === undefined || burstLimit === undefined) {
    throw new GatewayError(
      "RESOURCE_INVALID",
      `${first.address}: settings: throttling_rate_limit and throttling_burst_limit come together`,
    );
  }
  return { rateLimit, burstLimit };
}
