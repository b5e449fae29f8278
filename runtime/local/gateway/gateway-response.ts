import { GatewayError } from "./error.ts";
import { fixedHeaders } from "./fixed-headers.ts";
import type { Declared } from "./resources.ts";

/** An answer that API Gateway makes by itself: its status, and its own text where none is declared. */
const RESPONSE_TYPES = {
  MISSING_AUTHENTICATION_TOKEN: [403, "Missing Authentication Token"],
  INVALID_API_KEY: [403, "Forbidden"],
  THROTTLED: [429, "Too Many Requests"],
  QUOTA_EXCEEDED: [429, "Limit Exceeded"],
  UNSUPPORTED_MEDIA_TYPE: [415, "Unsupported Media Type"],
  REQUEST_TOO_LARGE: [413, "Request Too Long"],
  BAD_REQUEST_BODY: [400, "Invalid request body"],
  INTEGRATION_FAILURE: [504, "Network error communicating with endpoint"],
  INTEGRATION_TIMEOUT: [504, "Endpoint request timed out"],
  API_CONFIGURATION_ERROR: [500, "Internal server error"],
} as const satisfies Record<string, readonly [number, string]>;

export type GatewayResponseType = keyof typeof RESPONSE_TYPES;

/** Response types that API Gateway has and that nothing here can cause. */
const UNUSED_TYPES = [
  "ACCESS_DENIED",
  "AUTHORIZER_CONFIGURATION_ERROR",
  "AUTHORIZER_FAILURE",
  "BAD_REQUEST_PARAMETERS",
  "EXPIRED_TOKEN",
  "INVALID_SIGNATURE",
  "RESOURCE_NOT_FOUND",
  "UNAUTHORIZED",
  "WAF_FILTERED",
];

/** A finished answer to a producer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Makes the answer of one response type. */
export type GatewayResponses = (type: GatewayResponseType, context: ReadonlyMap<string, string>) => Answer;

interface Custom {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly template: string;
}

const VARIABLE = /\$context\.([A-Za-z]+(?:\.[A-Za-z]+)*)/g;
const KNOWN_VARIABLES = new Set(["requestId", "error.message", "error.messageString", "error.responseType"]);

/**
 * Reads the declared gateway responses. Their templates are no Velocity: API Gateway only replaces `$context` variables.
 * A type without one takes `DEFAULT_4XX` or `DEFAULT_5XX`, else AWS's own text.
 *
 * @throws GatewayError naming the address and an unknown response type, variable or parameter
 */
export function gatewayResponses(
  declarations: readonly Declared<"aws_api_gateway_gateway_response">[],
): GatewayResponses {
  const custom = new Map(
    declarations.map((declaration) => [declaration.values.response_type, readCustom(declaration)] as const),
  );
  return (type, context) => {
    const [status, message] = RESPONSE_TYPES[type];
    const declaration = custom.get(type) ?? custom.get(status < 500 ? "DEFAULT_4XX" : "DEFAULT_5XX");
    const variables = new Map([
      ...context,
      ["error.message", message],
      ["error.messageString", JSON.stringify(message)],
      ["error.responseType", type],
    ]);
    const template = declaration?.template ?? '{"message":$context.error.messageString}';
    return {
      status: declaration?.status ?? status,
      headers: { ...declaration?.headers },
      body: template.replace(VARIABLE, (_, name: string) => variables.get(name) ?? ""),
    };
  };
}

function readCustom({ address, values }: Declared<"aws_api_gateway_gateway_response">): Custom {
  const known = [...Object.keys(RESPONSE_TYPES), ...UNUSED_TYPES, "DEFAULT_4XX", "DEFAULT_5XX"];
  const fail = (why: string): never => {
    throw new GatewayError("RESOURCE_INVALID", `${address}: ${why}`);
  };
  if (!known.includes(values.response_type)) fail(`response_type: ${values.response_type} is none of API Gateway's`);
  const other = Object.keys(values.response_templates).find((type) => type !== "application/json");
  if (other !== undefined) fail(`response_templates: ${other}: only application/json runs here`);
  const template = values.response_templates["application/json"] ?? '{"message":$context.error.messageString}';
  for (const [variable, name] of template.matchAll(VARIABLE)) {
    if (!KNOWN_VARIABLES.has(name ?? "")) fail(`response_templates: ${variable} is not known here`);
  }
  const headers = fixedHeaders(`${address}: response_parameters`, "gatewayresponse", values.response_parameters);
  return { status: values.status_code === undefined ? undefined : Number(values.status_code), headers, template };
}
