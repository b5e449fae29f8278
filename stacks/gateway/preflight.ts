import { ApiGatewayIntegration } from "@cdktf/provider-aws/lib/api-gateway-integration/index.js";
import { ApiGatewayIntegrationResponse } from "@cdktf/provider-aws/lib/api-gateway-integration-response/index.js";
import { ApiGatewayMethod } from "@cdktf/provider-aws/lib/api-gateway-method/index.js";
import { ApiGatewayMethodResponse } from "@cdktf/provider-aws/lib/api-gateway-method-response/index.js";
import { ApiGatewayResource } from "@cdktf/provider-aws/lib/api-gateway-resource/index.js";
import { Construct } from "constructs";
import { terraformText } from "../terraform-text.ts";
import { type Cors, declaredHeaders, fixedHeaders } from "./cors.ts";
import type { RestApi } from "./rest-api.ts";

interface PreflightProps {
  readonly api: RestApi;
  readonly resourceId: string;
  readonly cors: Cors;
}

/**
 * `OPTIONS` of a path: a browser asks it before it sends a request with a key or JSON, and sends none of its own headers, so it
 * needs no key. API Gateway answers by itself.
 */
export class Preflight extends Construct {
  constructor(scope: Construct, { api, resourceId, cors }: PreflightProps) {
    super(scope, "preflight");
    const method = new ApiGatewayMethod(this, "method", {
      restApiId: api.id,
      resourceId,
      httpMethod: "OPTIONS",
      authorization: "NONE",
      apiKeyRequired: false,
    });
    const at = { restApiId: api.id, resourceId, httpMethod: method.httpMethod };
    const statusCode = "204";
    const integration = new ApiGatewayIntegration(this, "integration", {
      ...at,
      type: "MOCK",
      passthroughBehavior: "NEVER",
      requestTemplates: { "application/json": JSON.stringify({ statusCode: Number(statusCode) }) },
    });
    const response = new ApiGatewayMethodResponse(this, `response-${statusCode}`, {
      ...at,
      statusCode,
      responseParameters: declaredHeaders(cors.names.preflight),
    });
    new ApiGatewayIntegrationResponse(this, `answer-${statusCode}`, {
      ...at,
      statusCode,
      responseParameters: fixedHeaders("method.response", cors.preflight),
      ...(cors.allowOrigin === ""
        ? {}
        : { responseTemplates: { "application/json": terraformText(cors.allowOrigin) } }),
      dependsOn: [integration, response],
    });
  }
}

/**
 * Answers preflights of paths that are none of the queues'. Without it a page that misspells a queue would learn nothing: the
 * browser does not send a request whose preflight failed, and hides the 404.
 */
export class UnknownPathPreflight extends Construct {
  constructor(api: RestApi, cors: Cors) {
    super(api, "unknown-path");
    const path = new ApiGatewayResource(this, "path", {
      restApiId: api.id,
      parentId: api.rootResourceId,
      pathPart: "{path+}",
    });
    new Preflight(this, { api, resourceId: path.id, cors });
  }
}
