import {
  type Attribute,
  addressOnly,
  argument,
  arn,
  globalArn,
  identity,
  type ResourceTypes,
  type Subject,
  uuid,
} from "../resource-type.ts";
import { LOGS_ARE_FILES, NO_HOST_NAME, ONE_CALLER } from "./reasons.ts";

/** API Gateway's own ARNs, which are in a region and in no account. */
const apiArn = (resource: Attribute): Attribute => {
  return (subject) => `arn:${subject.place.partition}:apigateway:${subject.place.region}::${resource(subject)}`;
};

/** As Route53's ids look. */
const zoneId: Attribute = ({ identity: id }) => `Z${id.toUpperCase()}`;
const nameServers = ({ identity: id }: Subject) => [`ns-1.${id}.example`, `ns-2.${id}.example`];

const certificateArn = arn("acm", (subject) => `certificate/${uuid(subject)}`);

/** One record for each name on the certificate; a wildcard has that of the name after it (ACM, "DNS validation"). */
function validationOptions(subject: Subject) {
  const more = subject.given("subject_alternative_names");
  const names = new Set([subject.text("domain_name"), ...(Array.isArray(more) ? more.map(String) : [])]);
  return [...names].map((name) => ({
    domain_name: name,
    resource_record_name: `_${subject.digest.slice(0, 32)}.${name.replace(/^\*\./, "")}.`,
    resource_record_type: "CNAME",
    resource_record_value: `_${subject.digest.slice(32)}.acm-validations.aws.`,
  }));
}

/** The REST API with its keys, its own host name, and what stands before it. */
export const GATEWAY_TYPES: ResourceTypes = {
  aws_api_gateway_rest_api: {
    computed: {
      id: identity,
      root_resource_id: (subject) => `r${subject.identity.slice(1)}`,
      arn: apiArn((subject) => `/restapis/${subject.identity}`),
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
      arn: apiArn((subject) => `/restapis/${subject.text("rest_api_id")}/stages/${subject.text("stage_name")}`),
      execution_arn: arn("execute-api", (subject) => `${subject.text("rest_api_id")}/${subject.text("stage_name")}`),
      invoke_url: (subject) => `${subject.place.endpoints.gateway}/${subject.text("stage_name")}`,
    },
  },
  aws_api_gateway_method_settings: { computed: addressOnly },
  aws_api_gateway_api_key: {
    computed: {
      id: identity,
      value: (subject) => subject.place.apiKeyValue(subject.text("name")),
      arn: apiArn((subject) => `/apikeys/${subject.identity}`),
    },
  },
  aws_api_gateway_usage_plan: {
    computed: { id: identity, arn: apiArn((subject) => `/usageplans/${subject.identity}`) },
  },
  aws_api_gateway_usage_plan_key: { computed: { id: argument("key_id") } },
  aws_api_gateway_account: { computed: { id: () => "api-gateway-account" }, ignoredBecause: LOGS_ARE_FILES },
  aws_api_gateway_rest_api_policy: { computed: { id: argument("rest_api_id") }, ignoredBecause: ONE_CALLER },

  aws_api_gateway_domain_name: {
    computed: {
      id: argument("domain_name"),
      arn: apiArn((subject) => `/domainnames/${subject.text("domain_name")}`),
      regional_domain_name: (subject) => `d-${subject.identity}.execute-api.${subject.place.region}.amazonaws.com`,
      regional_zone_id: zoneId,
    },
    ignoredBecause: NO_HOST_NAME,
  },
  aws_api_gateway_base_path_mapping: { computed: addressOnly },
  aws_acm_certificate: {
    computed: {
      id: certificateArn,
      arn: certificateArn,
      status: () => "ISSUED",
      domain_validation_options: validationOptions,
    },
    ignoredBecause: NO_HOST_NAME,
  },
  aws_acm_certificate_validation: { computed: addressOnly, ignoredBecause: NO_HOST_NAME },
  aws_route53_zone: {
    computed: {
      id: zoneId,
      zone_id: zoneId,
      arn: globalArn("route53", (subject) => `hostedzone/${zoneId(subject)}`, "nobody"),
      name_servers: nameServers,
      primary_name_server: (subject) => nameServers(subject)[0],
    },
    ignoredBecause: NO_HOST_NAME,
  },
  aws_route53_record: {
    computed: {
      id: (subject) => `${subject.text("zone_id")}_${subject.text("name")}_${subject.text("type")}`,
      fqdn: argument("name"),
    },
    ignoredBecause: NO_HOST_NAME,
  },

  aws_wafv2_web_acl: {
    computed: {
      id: uuid,
      arn: arn("wafv2", (subject) => `regional/webacl/${subject.text("name")}/${uuid(subject)}`),
    },
    ignoredBecause: ONE_CALLER,
  },
  aws_wafv2_web_acl_association: { computed: addressOnly, ignoredBecause: ONE_CALLER },
};
