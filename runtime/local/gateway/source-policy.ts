import { z } from "zod";
import { GatewayError } from "./error.ts";
import { parsePolicy } from "./policy.ts";
import type { Declared } from "./resources.ts";

const invoke = {
  Sid: z.string().optional(),
  Principal: z.literal("*"),
  Action: z.tuple([z.literal("execute-api:Invoke")]),
  Resource: z.tuple([z.string()]),
};

const schema = z.strictObject({
  Version: z.literal("2012-10-17"),
  Statement: z.tuple([
    z.strictObject({ ...invoke, Effect: z.literal("Allow") }),
    z.strictObject({
      ...invoke,
      Effect: z.literal("Deny"),
      Condition: z.strictObject({
        NotIpAddress: z.strictObject({ "aws:SourceIp": z.array(z.union([z.cidrv4(), z.cidrv6()])).min(1) }),
      }),
    }),
  ]),
});

/**
 * Checks an API's list of the addresses that may call it, and no more: all requests of local mode come from this machine, which
 * such a list does not name. Run as it is, it would refuse every one of them.
 *
 * @throws GatewayError naming the address and what is not known here, or is of another API
 */
export function checkSourcePolicy(
  rest: Declared<"aws_api_gateway_rest_api">,
  policies: readonly Declared<"aws_api_gateway_rest_api_policy">[],
): void {
  for (const { address, values } of policies) {
    const { Statement } = parsePolicy(address, "policy", schema, values.policy);
    const other = Statement.flatMap(({ Resource }) => Resource).find((arn) => arn !== `${rest.values.execution_arn}/*`);
    if (other !== undefined) {
      throw new GatewayError(
        "REFERENCE_BROKEN",
        `${address}: policy: ${other} is not this API, ${rest.values.execution_arn}/*`,
      );
    }
  }
}
