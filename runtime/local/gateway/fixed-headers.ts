import { GatewayError } from "./error.ts";

/**
 * Reads parameters of the form `<place>.header.<name> = '<text>'`, the only ones that run here.
 *
 * @param argument whose parameters they are, e.g. `dev-gateway/aws_api_gateway_integration.send: request_parameters`
 * @param place what the headers are of, e.g. `integration.request`
 * @returns the texts by the headers' names
 * @throws GatewayError RESOURCE_INVALID, naming argument, parameter and value, for any other parameter
 * @example fixedHeaders(argument, "integration.request", { "integration.request.header.Accept": "'application/json'" });
 */
export function fixedHeaders(
  argument: string,
  place: "integration.request" | "method.response" | "gatewayresponse",
  parameters: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const prefix = `${place}.header.`;
  return Object.fromEntries(
    Object.entries(parameters).map(([parameter, value]) => {
      const fixed = /^'([^']*)'$/.exec(value)?.[1];
      if (!parameter.startsWith(prefix) || parameter === prefix || fixed === undefined) {
        throw new GatewayError(
          "RESOURCE_INVALID",
          `${argument}: ${parameter} = ${value}: only ${prefix}<name> = '<text>' runs here`,
        );
      }
      return [parameter.slice(prefix.length), fixed];
    }),
  );
}
