import { Agent, request } from "node:http";
import { z } from "zod";
import { GatewayError } from "./error.ts";
import { fixedHeaders } from "./fixed-headers.ts";
import type { Permissions } from "./policy.ts";
import type { Declared } from "./resources.ts";
import { parseDocument } from "./template/variables.ts";

/** What SQS, or a mock, answered. */
export interface IntegrationAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** The call did not end with an answer: refused or broken connection, or no answer in time. */
export class IntegrationError extends Error {
  override readonly name = "IntegrationError";
  readonly code: "INTEGRATION_FAILURE" | "INTEGRATION_TIMEOUT";

  constructor(code: "INTEGRATION_FAILURE" | "INTEGRATION_TIMEOUT", message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Calls SQS, or nothing, with a rendered body. */
export type Integration = (body: string) => Promise<IntegrationAnswer>;

type DeclaredIntegration = Declared<"aws_api_gateway_integration">;

/** A declared integration that calls SQS. */
export interface SqsIntegration {
  readonly address: string;
  readonly values: Extract<DeclaredIntegration["values"], { readonly type: "AWS" }>;
}

/** Whether an integration calls SQS, or nothing. */
export function callsSqs(integration: DeclaredIntegration): integration is SqsIntegration {
  return integration.values.type === "AWS";
}

const mockSchema = z.object({ statusCode: z.int().min(100).max(599) });

/**
 * The mock integration of one method: answers with the `statusCode` of its rendered request template, and no body.
 *
 * @throws Error, when it is called, where the rendered template is no JSON with a status: API Gateway would answer 500
 */
export function mockIntegration({ address }: DeclaredIntegration): Integration {
  return async (body) => {
    const parsed = mockSchema.safeParse(parseDocument(body));
    if (!parsed.success) throw new Error(`${address}: request_templates: must render {"statusCode": <100 to 599>}`);
    return { status: parsed.data.statusCode, headers: new Map(), body: "" };
  };
}

interface IntegrationPlace {
  readonly endpoint: string;
  readonly region: string;
  readonly agent: Agent;
  readonly permissions: Permissions;
}

/**
 * The AWS service integration of one method: SQS by path, with the declared headers, allowed by the role's policy.
 *
 * @throws GatewayError RESOURCE_INVALID, naming the address and a URI or parameter that is not known here
 */
export function sqsIntegration(
  { address, values }: SqsIntegration,
  { endpoint, region, agent, permissions }: IntegrationPlace,
): Integration {
  const uri = /^arn:aws:apigateway:([^:]+):sqs:path\/(\d{12})\/([A-Za-z0-9_-]+(?:\.fifo)?)$/.exec(values.uri);
  const [, uriRegion, account, queueName] = uri ?? [];
  if (uriRegion !== region || account === undefined || queueName === undefined) {
    throw new GatewayError(
      "RESOURCE_INVALID",
      `${address}: uri: ${values.uri}: expected arn:aws:apigateway:${region}:sqs:path/<account>/<queue>`,
    );
  }
  const headers = fixedHeaders(`${address}: request_parameters`, "integration.request", values.request_parameters);
  const target = headers["X-Amz-Target"];
  const url = new URL(`/${account}/${queueName}`, endpoint);
  return async (body) => {
    const action = sqsAction(target, body);
    const queue = calledQueue(target, body) ?? queueName;
    if (!permissions(permissionFor(action), `arn:aws:sqs:${region}:${account}:${queue}`)) return denied(target);
    return call(url, headers, body, agent, values.timeout_milliseconds);
  };
}

function sqsAction(target: string | undefined, body: string): string {
  if (target !== undefined) return target.replace(/^AmazonSQS\./, "");
  return /(?:^|&)Action=([A-Za-z]+)/.exec(body)?.[1] ?? "";
}

/** The JSON protocol's queue is the one that the body names, not the path's. */
function calledQueue(target: string | undefined, body: string): string | undefined {
  return target === undefined ? undefined : /"QueueUrl"\s*:\s*"[^"]*?([^/"]+)"/.exec(body)?.[1];
}

/** SQS has no permissions for batches: `SendMessageBatch` needs `sqs:SendMessage`. */
function permissionFor(action: string): string {
  return `sqs:${action.replace(/Batch$/, "")}`;
}

function denied(target: string | undefined): IntegrationAnswer {
  const message = "Access to the resource is denied.";
  const body =
    target === undefined
      ? {
          Error: { Code: "AccessDenied", Message: message, Type: "Sender" },
          RequestId: "00000000-0000-0000-0000-000000000000",
        }
      : { __type: "com.amazon.coral.service#AccessDeniedException", message };
  return { status: target === undefined ? 403 : 400, headers: new Map(), body: JSON.stringify(body) };
}

function call(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  agent: Agent,
  timeoutMilliseconds: number,
): Promise<IntegrationAnswer> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(body, "utf8");
    const outgoing = request({
      hostname: url.hostname,
      port: url.port,
      path: url.pathname,
      method: "POST",
      agent,
      headers: { ...headers, "Content-Length": bytes.length },
    });
    const timer = setTimeout(() => {
      const seconds = timeoutMilliseconds / 1000;
      fail(new IntegrationError("INTEGRATION_TIMEOUT", `no answer from ${url.href} within ${seconds} s`));
    }, timeoutMilliseconds);
    const fail = (error: IntegrationError) => {
      clearTimeout(timer);
      reject(error);
      outgoing.destroy();
    };
    const broken = (cause: Error) =>
      fail(new IntegrationError("INTEGRATION_FAILURE", `the call to ${url.href} broke: ${cause.message}`, { cause }));
    outgoing.on("error", broken);
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", broken);
      incoming.on("end", () => {
        clearTimeout(timer);
        resolve({
          status: incoming.statusCode ?? 0,
          headers: new Map(
            Object.entries(incoming.headers).flatMap(([name, value]) =>
              typeof value === "string" ? [[name, value]] : [],
            ),
          ),
          body: Buffer.concat(chunks).toString("utf8"),
        });
      });
    });
    outgoing.end(bytes);
  });
}
