/**
 * What a line of the access log says about a request (API Gateway, "Variables for access logging for API Gateway").
 *
 * A line is made by putting texts in place of variables, so it is JSON only as long as no text holds a quote, and whether API
 * Gateway escapes one is documented for none of them. Here stand those that cannot: ids and times that AWS makes, names that this
 * API has, numbers, an address, and a method, which HTTP allows no quote in (RFC 9110, "Methods" and "Tokens"). All are in quotes,
 * since an absent one is written as a bare `-`.
 *
 * Left out are what a sender writes (`path`, `identity.userAgent`, `xrayTraceId`), messages, which can repeat it
 * (`error.message`, `error.messageString`, `error.validationErrorString`, `integration.error`, `waf.error`), and
 * `identity.apiKey`, which is the key itself. `identity.apiKeyId` is the key's id, as the output `api_key_ids` has it.
 */
const FIELDS = {
  /** A sender may choose it (`x-amzn-RequestId`), as a UUID only; an answer's `requestId` is this one. */
  requestId: "$context.requestId",
  /** AWS's own; an answer's header `x-amz-apigw-id`. */
  extendedRequestId: "$context.extendedRequestId",
  requestTime: "$context.requestTime",
  sourceIp: "$context.identity.sourceIp",
  apiKeyId: "$context.identity.apiKeyId",
  httpMethod: "$context.httpMethod",
  resourcePath: "$context.resourcePath",
  status: "$context.status",
  /** The gateway response that was given, e.g. `THROTTLED`; `-` where a route's templates answered. */
  errorType: "$context.error.responseType",
  /** What SQS answered, how long it took in milliseconds, and what it calls the request. */
  integrationStatus: "$context.integration.status",
  integrationLatency: "$context.integration.latency",
  integrationRequestId: "$context.integration.requestId",
  /** Milliseconds, and bytes. */
  responseLatency: "$context.responseLatency",
  responseLength: "$context.responseLength",
  /** `WAF_ALLOW` or `WAF_BLOCK`; `-` without a firewall. */
  wafResponse: "$context.wafResponseCode",
} as const;

/** The access log's format: one line, as API Gateway wants it. */
export const ACCESS_LOG_FORMAT = JSON.stringify(FIELDS);
