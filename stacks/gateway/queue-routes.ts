import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ApiGatewayIntegration } from "@cdktf/provider-aws/lib/api-gateway-integration/index.js";
import { ApiGatewayIntegrationResponse } from "@cdktf/provider-aws/lib/api-gateway-integration-response/index.js";
import { ApiGatewayMethod } from "@cdktf/provider-aws/lib/api-gateway-method/index.js";
import { ApiGatewayMethodResponse } from "@cdktf/provider-aws/lib/api-gateway-method-response/index.js";
import { ApiGatewayResource } from "@cdktf/provider-aws/lib/api-gateway-resource/index.js";
import { Construct } from "constructs";
import type { FifoQueue } from "../messaging/fifo-queue.ts";
import { terraformText } from "../terraform-text.ts";
import { type Cors, declaredHeaders, fixedHeaders } from "./cors.ts";
import { Preflight } from "./preflight.ts";
import type { RestApi } from "./rest-api.ts";

interface QueueRoutesProps {
  readonly api: RestApi;
  readonly queue: FifoQueue;
  readonly region: string;
  /** What browsers are told; undefined where none may call. */
  readonly cors: Cors | undefined;
}

/** How a route talks to SQS. */
interface Route {
  readonly resourceId: string;
  /** Name of the model that the body has to satisfy. */
  readonly model: string;
  /** Headers of the call to SQS. */
  readonly headers: Readonly<Record<string, string>>;
  /** The templates' names: `<template>.request.vtl`, `.response.vtl`, `.error.vtl`. */
  readonly template: "send-message" | "send-batch";
}

/** The statuses that a route's templates may answer with. */
const STATUSES = ["200", "400", "413", "429", "502"] as const;

/** `POST /<queue>` and `POST /<queue>/batch`, and what a browser asks before them. */
export class QueueRoutes extends Construct {
  private readonly props: QueueRoutesProps;

  constructor(scope: Construct, props: QueueRoutesProps) {
    super(scope, props.queue.config.name);
    this.props = props;
    const { api, queue } = props;
    queue.grantSend(api.role);

    const path = new ApiGatewayResource(this, "path", {
      restApiId: api.id,
      parentId: api.rootResourceId,
      pathPart: queue.config.name,
    });
    this.route("send", {
      resourceId: path.id,
      model: api.models.sendMessage,
      template: "send-message",
      // Without Accept, SQS answers the query protocol in XML.
      headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" },
    });

    const batchPath = new ApiGatewayResource(this, "batch-path", {
      restApiId: api.id,
      parentId: path.id,
      pathPart: "batch",
    });
    this.route("batch", {
      resourceId: batchPath.id,
      model: api.models.sendBatch,
      template: "send-batch",
      headers: { "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessageBatch" },
    });
  }

  private route(id: string, { resourceId, model, headers, template }: Route): void {
    const { api, queue, region, cors } = this.props;
    const route = new Construct(this, id);
    const method = new ApiGatewayMethod(route, "method", {
      restApiId: api.id,
      resourceId,
      httpMethod: "POST",
      authorization: "NONE",
      apiKeyRequired: true,
      requestModels: { "application/json": model },
      requestValidatorId: api.validatorId,
    });
    const at = { restApiId: api.id, resourceId, httpMethod: method.httpMethod };
    const integration = new ApiGatewayIntegration(route, "integration", {
      ...at,
      type: "AWS",
      integrationHttpMethod: "POST",
      uri: `arn:aws:apigateway:${region}:sqs:path/${api.accountId}/${queue.queueName}`,
      credentials: api.role.arn,
      // Anything but JSON is a 415: a content type that no model names would pass unchecked.
      passthroughBehavior: "NEVER",
      requestParameters: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [`integration.request.header.${name}`, `'${value}'`]),
      ),
      requestTemplates: { "application/json": mappingTemplate(`${template}.request.vtl`, queue) },
      dependsOn: [api.role.policy],
    });

    const responses = Object.fromEntries(
      STATUSES.map((statusCode) => [
        statusCode,
        new ApiGatewayMethodResponse(route, `response-${statusCode}`, {
          ...at,
          statusCode,
          ...(cors === undefined ? {} : { responseParameters: declaredHeaders(cors.names.answer) }),
        }),
      ]),
    );
    const answer = (status: (typeof STATUSES)[number], file: string, selectionPattern?: string) => {
      new ApiGatewayIntegrationResponse(route, `answer-${status}`, {
        ...at,
        statusCode: status,
        ...(selectionPattern === undefined ? {} : { selectionPattern }),
        ...(cors === undefined ? {} : { responseParameters: fixedHeaders("method.response", cors.answer) }),
        responseTemplates: { "application/json": mappingTemplate(file, queue, cors?.allowOrigin) },
        dependsOn: [integration, ...Object.values(responses)],
      });
    };
    answer("200", `${template}.response.vtl`, "200");
    answer("400", `${template}.error.vtl`, "4\\d{2}");
    // Without a pattern: the answer to every other status. What SQS did not take must never look accepted.
    answer("502", `${template}.error.vtl`);

    if (cors !== undefined) new Preflight(route, { api, resourceId, cors });
  }
}

/** Reads a mapping template that stands beside this file; `before` is text of another template that runs first. */
function mappingTemplate(file: string, queue: FifoQueue, before = ""): string {
  const text = readFileSync(join(import.meta.dirname, file), "utf8");
  return terraformText(before + text).replaceAll("__QUEUE_URL__", queue.url);
}
