import { ApiGatewayGatewayResponse } from "@cdktf/provider-aws/lib/api-gateway-gateway-response/index.js";
import { Construct } from "constructs";
import {
  ERROR_STATUS,
  type ErrorCode,
  GROUP_ID_FIELD,
  IDEMPOTENCY_KEY_HEADER,
  MAX_BATCH_ENTRIES,
} from "../../sdk/client/src/contract.ts";
import { type Cors, fixedHeaders } from "./cors.ts";
import type { RestApi } from "./rest-api.ts";

interface Answer {
  readonly code: ErrorCode;
  readonly message: string;
  /** Response headers, by name. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Keeps the status that API Gateway chose. */
  readonly anyStatus?: true;
}

/** Stands for the stage in a message, where paths have one: they do not on a domain of the gateway's own. */
const STAGE = "/<stage>";
const NO_SUCH_ROUTE = `There is no such route. Send with POST ${STAGE}/<queue> or POST ${STAGE}/<queue>/batch.`;

/**
 * What API Gateway answers by itself, before or instead of a template of ours, by its response type.
 *
 * The messages are fixed texts. API Gateway can insert what its validator said, but how that text is quoted inside JSON is
 * not documented, and it repeats the sender's values.
 */
const answers: Readonly<Record<string, Answer>> = {
  BAD_REQUEST_BODY: {
    code: "INVALID_BODY",
    message:
      `The body was refused. POST /<queue> takes a JSON object with ${GROUP_ID_FIELD}, a string of 1 to 128 ASCII letters, digits or punctuation characters; ` +
      `POST /<queue>/batch takes {entries}, 1 to ${MAX_BATCH_ENTRIES} objects with id, groupId, body (a string) and optionally idempotencyKey.`,
  },
  BAD_REQUEST_PARAMETERS: {
    code: "INVALID_PARAMETER",
    message: `A header or query parameter was refused. The only one that counts is ${IDEMPOTENCY_KEY_HEADER}.`,
  },
  INVALID_API_KEY: {
    code: "FORBIDDEN",
    message: "The x-api-key header is missing or holds no valid key. A new key takes some minutes to work everywhere.",
  },
  // Of a resource policy, the only thing here that denies access.
  ACCESS_DENIED: { code: "FORBIDDEN", message: "This request is not allowed from this address." },
  UNAUTHORIZED: { code: "FORBIDDEN", message: "This request is not allowed." },
  // The firewall refuses for one reason, and for a while: with API Gateway's own 403 a client would give its messages up. WAF
  // usually sees within 30 seconds that an address has calmed down ("Rate-based rule caveats").
  WAF_FILTERED: {
    code: "THROTTLED",
    message: "Too many requests from this address. Send again later.",
    headers: { "Retry-After": "30" },
  },
  MISSING_AUTHENTICATION_TOKEN: { code: "ROUTE_NOT_FOUND", message: NO_SUCH_ROUTE },
  RESOURCE_NOT_FOUND: { code: "ROUTE_NOT_FOUND", message: NO_SUCH_ROUTE },
  REQUEST_TOO_LARGE: { code: "MESSAGE_TOO_LARGE", message: "The request is larger than the gateway takes." },
  UNSUPPORTED_MEDIA_TYPE: {
    code: "UNSUPPORTED_MEDIA_TYPE",
    message:
      "The content-type must be application/json, and a content-encoding one that the body has: gzip or deflate.",
  },
  THROTTLED: {
    code: "THROTTLED",
    message: "Too many requests. Send again later.",
    headers: { "Retry-After": "1" },
  },
  QUOTA_EXCEEDED: { code: "QUOTA_EXCEEDED", message: "The quota of this key is used up for this period." },
  INTEGRATION_FAILURE: {
    code: "QUEUE_ERROR",
    message: `The queue was not reachable. The message may be in it: send again with the same ${IDEMPOTENCY_KEY_HEADER}.`,
  },
  INTEGRATION_TIMEOUT: {
    code: "QUEUE_TIMEOUT",
    message: `The queue did not answer in time. The message may be in it: send again with the same ${IDEMPOTENCY_KEY_HEADER}.`,
  },
  DEFAULT_4XX: { code: "INVALID_REQUEST", message: "The request was refused.", anyStatus: true },
  DEFAULT_5XX: { code: "GATEWAY_ERROR", message: "The gateway failed. Send again.", anyStatus: true },
};

/**
 * Gives every answer that API Gateway makes by itself the contract's error shape, and lets pages read it that may call.
 *
 * @param options.stageInPath whether producers' paths begin with the stage
 */
export function addGatewayResponses(
  scope: Construct,
  api: RestApi,
  { cors, stageInPath }: { readonly cors: Cors | undefined; readonly stageInPath: boolean },
): Construct {
  const responses = new Construct(scope, "answers");
  for (const [responseType, { code, message, headers, anyStatus }] of Object.entries(answers)) {
    const all = { ...headers, ...cors?.ownAnswer };
    const text = stageInPath ? message : message.replaceAll(STAGE, "");
    new ApiGatewayGatewayResponse(responses, responseType.toLowerCase().replaceAll("_", "-"), {
      restApiId: api.id,
      responseType,
      ...(anyStatus ? {} : { statusCode: String(ERROR_STATUS[code]) }),
      responseTemplates: {
        "application/json": `{"message":${JSON.stringify(text)},"code":"${code}","requestId":"$context.requestId"}`,
      },
      ...(Object.keys(all).length === 0 ? {} : { responseParameters: fixedHeaders("gatewayresponse", all) }),
    });
  }
  return responses;
}
