/** Where the resources "are", since their ARNs and URLs say so. */
export interface Place {
  readonly region: string;
  readonly accountId: string;
  /** `aws` in every region that local mode stands in for. */
  readonly partition: string;
  /** Base URLs: of the queue server, and of the gateway without its stage, e.g. `http://127.0.0.1:41235`. */
  readonly endpoints: { readonly sqs: string; readonly gateway: string };
  /** The value of the API key of this name: made once, the same over restarts. */
  readonly apiKeyValue: (name: string) => string;
}

/** A resource as its computed attributes see it. */
export interface Subject {
  readonly place: Place;
  /** Ten lower-case letters and digits that stay the same for this address, as API Gateway's ids look. */
  readonly identity: string;
  /** An argument or another computed attribute, as text. */
  readonly text: (name: string) => string;
  /** A computed attribute of the resource of this type whose `id` is this one. */
  readonly other: (type: string, id: string, attribute: string) => string;
}

type Attribute = (subject: Subject) => string;

interface ResourceType {
  /** What AWS would compute, as far as a reference may ask for it. */
  readonly computed: Readonly<Record<string, Attribute>>;
  /** Why local mode reads this type and does nothing with it; absent where a part of local mode runs it. */
  readonly ignoredBecause?: string;
}

const arn = (service: string, resource: Attribute): Attribute => {
  return (subject) =>
    `arn:${subject.place.partition}:${service}:${subject.place.region}:${subject.place.accountId}:${resource(subject)}`;
};
const iamArn = (resource: Attribute): Attribute => {
  return (subject) => `arn:${subject.place.partition}:iam::${subject.place.accountId}:${resource(subject)}`;
};
const argument = (name: string): Attribute => {
  return (subject) => subject.text(name);
};
const identity: Attribute = (subject) => subject.identity;
const queueUrl: Attribute = (subject) =>
  `${subject.place.endpoints.sqs}/${subject.place.accountId}/${subject.text("name")}`;
const functionArn = arn("lambda", (subject) => `function:${subject.text("function_name")}`);

const permissionsUnchecked =
  "permissions: only the gateway's to send to its queues are checked here; AWS checks all of them";
const logsAreFiles = "logs: the data folder's logs/ takes them, without retention";
const metricsAreLines = "metrics: what they would be made of stands in the data folder's logs/consumer.jsonl";
const addressOnly = { id: identity } as const;

/**
 * Every resource type that local mode reads. A type that is not here is an error that names it: add it with what it
 * computes, and either run it or say why not.
 */
export const RESOURCE_TYPES: Readonly<Record<string, ResourceType>> = {
  aws_sqs_queue: { computed: { id: queueUrl, url: queueUrl, arn: arn("sqs", argument("name")) } },
  aws_sqs_queue_redrive_policy: { computed: { id: argument("queue_url") } },
  aws_sqs_queue_redrive_allow_policy: { computed: { id: argument("queue_url") } },
  aws_sqs_queue_policy: { computed: { id: argument("queue_url") }, ignoredBecause: permissionsUnchecked },
  aws_dynamodb_table: {
    computed: { id: argument("name"), arn: arn("dynamodb", (subject) => `table/${subject.text("name")}`) },
  },

  aws_lambda_function: {
    computed: {
      id: argument("function_name"),
      arn: functionArn,
      invoke_arn: (subject) =>
        `arn:${subject.place.partition}:apigateway:${subject.place.region}:lambda:path/2015-03-31/functions/${functionArn(subject)}/invocations`,
      qualified_arn: (subject) => `${functionArn(subject)}:$LATEST`,
      version: () => "$LATEST",
    },
  },
  aws_lambda_event_source_mapping: { computed: { id: identity, uuid: identity } },
  aws_lambda_permission: { computed: { id: argument("statement_id") }, ignoredBecause: permissionsUnchecked },

  aws_iam_role: {
    computed: {
      id: argument("name"),
      arn: iamArn((subject) => `role/${subject.text("name")}`),
      unique_id: (subject) => `AROA${subject.identity.toUpperCase()}`,
    },
    ignoredBecause: permissionsUnchecked,
  },
  aws_iam_role_policy: {
    computed: { id: (subject) => `${subject.text("role")}:${subject.text("name")}` },
    ignoredBecause: permissionsUnchecked,
  },
  aws_iam_policy: {
    computed: {
      id: iamArn((subject) => `policy/${subject.text("name")}`),
      arn: iamArn((subject) => `policy/${subject.text("name")}`),
    },
    ignoredBecause: permissionsUnchecked,
  },
  aws_iam_role_policy_attachment: { computed: addressOnly, ignoredBecause: permissionsUnchecked },

  aws_cloudwatch_log_group: {
    computed: { id: argument("name"), arn: arn("logs", (subject) => `log-group:${subject.text("name")}`) },
    ignoredBecause: logsAreFiles,
  },
  aws_cloudwatch_log_metric_filter: { computed: { id: argument("name") }, ignoredBecause: metricsAreLines },
  aws_cloudwatch_event_rule: {
    computed: { id: argument("name"), arn: arn("events", (subject) => `rule/${subject.text("name")}`) },
  },
  aws_cloudwatch_event_target: {
    computed: { id: (subject) => `${subject.text("rule")}-${subject.text("target_id")}` },
  },

  aws_api_gateway_rest_api: {
    computed: {
      id: identity,
      root_resource_id: (subject) => `r${subject.identity.slice(1)}`,
      arn: (subject) =>
        `arn:${subject.place.partition}:apigateway:${subject.place.region}::/restapis/${subject.identity}`,
      execution_arn: arn("execute-api", identity),
    },
  },
  aws_api_gateway_resource: {
    computed: {
      id: identity,
      path: (subject) => {
        const parent = subject.text("parent_id");
        const root = subject.other("aws_api_gateway_rest_api", subject.text("rest_api_id"), "root_resource_id");
        const before = parent === root ? "" : subject.other("aws_api_gateway_resource", parent, "path");
        return `${before}/${subject.text("path_part")}`;
      },
    },
  },
  aws_api_gateway_method: { computed: addressOnly },
  aws_api_gateway_method_response: { computed: addressOnly },
  aws_api_gateway_integration: { computed: addressOnly },
  aws_api_gateway_integration_response: { computed: addressOnly },
  aws_api_gateway_gateway_response: { computed: addressOnly },
  aws_api_gateway_model: { computed: addressOnly },
  aws_api_gateway_request_validator: { computed: addressOnly },
  aws_api_gateway_deployment: { computed: addressOnly },
  aws_api_gateway_stage: {
    computed: {
      id: (subject) => `ags-${subject.text("rest_api_id")}-${subject.text("stage_name")}`,
      arn: (subject) =>
        `arn:${subject.place.partition}:apigateway:${subject.place.region}::/restapis/${subject.text("rest_api_id")}/stages/${subject.text("stage_name")}`,
      execution_arn: arn("execute-api", (subject) => `${subject.text("rest_api_id")}/${subject.text("stage_name")}`),
      invoke_url: (subject) => `${subject.place.endpoints.gateway}/${subject.text("stage_name")}`,
    },
  },
  aws_api_gateway_method_settings: { computed: addressOnly },
  aws_api_gateway_api_key: {
    computed: {
      id: identity,
      value: (subject) => subject.place.apiKeyValue(subject.text("name")),
      arn: (subject) =>
        `arn:${subject.place.partition}:apigateway:${subject.place.region}::/apikeys/${subject.identity}`,
    },
  },
  aws_api_gateway_usage_plan: {
    computed: {
      id: identity,
      arn: (subject) =>
        `arn:${subject.place.partition}:apigateway:${subject.place.region}::/usageplans/${subject.identity}`,
    },
  },
  aws_api_gateway_usage_plan_key: { computed: { id: argument("key_id") } },
  aws_api_gateway_account: {
    computed: { id: () => "api-gateway-account" },
    ignoredBecause: `${logsAreFiles}; this only lets API Gateway write to CloudWatch`,
  },
};

/** Data sources that say something about the place. `terraform_remote_state` is read by the reader itself. */
export const DATA_SOURCES: Readonly<Record<string, Readonly<Record<string, (place: Place) => string>>>> = {
  aws_caller_identity: {
    id: (place) => place.accountId,
    account_id: (place) => place.accountId,
    arn: (place) => `arn:${place.partition}:iam::${place.accountId}:root`,
  },
  aws_region: { id: (place) => place.region, region: (place) => place.region, name: (place) => place.region },
  aws_partition: {
    id: (place) => place.partition,
    partition: (place) => place.partition,
    dns_suffix: () => "amazonaws.com",
  },
};
