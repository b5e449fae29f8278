import type { EmittedResource } from "../terraform/model.ts";
import { GatewayError } from "./error.ts";
import { type Declared, declared } from "./resources.ts";

/**
 * What paths begin with before a route's own. The local address stands for the one host that producers use: a domain that is mapped
 * to the stage, also where the address that AWS gives the API goes on working beside it; else that address, where the stage comes first.
 *
 * @returns `/<stage>`, or nothing for a domain
 * @throws GatewayError naming the address, where nobody could call the API
 */
export function readBasePath(
  resources: readonly EmittedResource[],
  rest: Declared<"aws_api_gateway_rest_api">,
  stage: string,
): "" | `/${string}` {
  const domains = declared(resources, "aws_api_gateway_domain_name");
  const [mapping, another] = declared(resources, "aws_api_gateway_base_path_mapping");
  if (another !== undefined) {
    throw new GatewayError(
      "RESOURCE_UNKNOWN",
      `${another.address}: the local gateway runs one mapping, and has ${mapping?.address}`,
    );
  }
  if (mapping === undefined) {
    if (!rest.values.disable_execute_api_endpoint) return `/${stage}`;
    throw new GatewayError(
      "RESOURCE_INVALID",
      `${rest.address}: disable_execute_api_endpoint: true, and there is no aws_api_gateway_base_path_mapping: nobody could call it`,
    );
  }
  const { domain_name, api_id, stage_name } = mapping.values;
  const broken = (argument: string, value: string) =>
    new GatewayError("REFERENCE_BROKEN", `${mapping.address}: ${argument}: ${value} leads to no resource`);
  if (!domains.some(({ values }) => values.domain_name === domain_name)) throw broken("domain_name", domain_name);
  if (api_id !== rest.values.id) throw broken("api_id", api_id);
  if (stage_name !== stage) throw broken("stage_name", stage_name);
  return "";
}
