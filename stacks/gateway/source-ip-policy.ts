import { ApiGatewayRestApiPolicy } from "@cdktf/provider-aws/lib/api-gateway-rest-api-policy/index.js";
import { PUBLIC_STATEMENTS, type PublicStatement } from "../wildcards.ts";
import type { RestApi } from "./rest-api.ts";

const ALLOW: PublicStatement = "InvokeApi";

/**
 * Refuses requests from addresses that are not listed, preflights of browsers among them (API Gateway, "API Gateway resource
 * policy examples": deny traffic based on source IP address or range). A key is needed as before.
 *
 * It is a resource of its own, since it names the API's ARN: as an argument of the API it could name only `execute-api:/*`, which
 * API Gateway stores as the ARN, and Terraform would change it at every apply. It takes effect with a deployment.
 *
 * Taken away, it is deleted only after the new deployment was made, which still has it:
 * `terraform apply -replace=aws_api_gateway_deployment.stage_deployment` publishes without it.
 *
 * @param api becomes its scope: so it is published with the API
 */
export function allowSources(api: RestApi, ranges: readonly string[]): void {
  const invoke = {
    Principal: "*",
    Action: PUBLIC_STATEMENTS[ALLOW].actions,
    Resource: [`${api.executionArn}/*`],
  };
  new ApiGatewayRestApiPolicy(api, "sources", {
    restApiId: api.id,
    policy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        { Sid: ALLOW, Effect: "Allow", ...invoke },
        {
          Sid: "RefuseOtherSources",
          Effect: "Deny",
          ...invoke,
          Condition: { NotIpAddress: { "aws:SourceIp": ranges } },
        },
      ],
    }),
  });
}
