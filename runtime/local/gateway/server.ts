import { randomUUID } from "node:crypto";
import { Agent, createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { listen, stopListening } from "../listen.ts";
import type { EmittedResource } from "../terraform/model.ts";
import { type Api, readApi } from "./api.ts";
import { decodeContent, encodeContent } from "./content-coding.ts";
import type { Answer, GatewayResponseType } from "./gateway-response.ts";
import { IntegrationError } from "./integration.ts";
import { answerMalformed } from "./malformed.ts";
import type { Match, Route } from "./routes.ts";
import { TemplateError } from "./template/error.ts";
import { parseDocument } from "./template/variables.ts";
import { QuotaStore, TokenBucket } from "./usage-plan.ts";

/** A running gateway. */
export interface Gateway {
  /** What producers use as the endpoint: `http://127.0.0.1:<port>/<stage>`, without the stage where the API has a domain. */
  readonly url: string;
  /** Ends connections and waiting calls. */
  close(): Promise<void>;
}

/** One line of the gateway's log: a request and its answer, or what failed. Never a key or a body. */
export type LogEntry = Readonly<Record<string, string | number>>;

export interface GatewayOptions {
  /** The emitted Terraform; resources of other services are left alone. */
  readonly resources: readonly EmittedResource[];
  /** @default 0, a free one */
  readonly port?: number;
  /** SQLite file that keeps what is used of quotas. */
  readonly file: string;
  readonly endpoints: { readonly sqs: string };
  readonly region: string;
  readonly accountId: string;
  /** @default failures as JSON lines on stderr, nothing else */
  readonly log?: (entry: LogEntry) => void;
}

/** API Gateway's payload limit (quota "Payload size"), in bytes. */
const MAX_PAYLOAD_BYTES = 10_485_760;

/**
 * Runs the REST API that the emitted Terraform declares, as API Gateway would, on 127.0.0.1.
 *
 * @throws GatewayError or TemplateError, naming address and argument or construct, for whatever API Gateway would refuse
 * and for whatever local mode does not know
 * @example
 * const gateway = await startGateway({
 *   resources, file: ".local/gateway.sqlite", endpoints: { sqs: queueServer.url }, region: "ap-northeast-2", accountId: "000000000000",
 * });
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const agent = new Agent({ keepAlive: true });
  const api = readApi(options.resources, { sqs: options.endpoints.sqs, region: options.region, agent });
  const quotas = new QuotaStore(options.file);
  const pipeline = new Pipeline(api, quotas, options);
  const underWay = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const served = pipeline.serve(request, response).finally(() => underWay.delete(served));
    underWay.add(served);
  });
  answerMalformed(server);
  let origin: string;
  try {
    origin = await listen(server, options.port);
  } catch (error) {
    quotas.close();
    throw error;
  }
  return {
    url: `${origin}${api.basePath}`,
    async close() {
      await stopListening(server);
      agent.destroy();
      await Promise.all(underWay);
      quotas.close();
    },
  };
}

/** Ends the pipeline early with one of API Gateway's own answers. */
class Refusal extends Error {
  readonly type: GatewayResponseType;

  constructor(type: GatewayResponseType, message: string = type) {
    super(message);
    this.type = type;
  }
}

class Pipeline {
  readonly #api: Api;
  readonly #quotas: QuotaStore;
  readonly #options: GatewayOptions;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(api: Api, quotas: QuotaStore, options: GatewayOptions) {
    this.#api = api;
    this.#quotas = quotas;
    this.#options = options;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    const startedAt = performance.now();
    const answer = await this.#answer(request, requestId);
    if (answer === undefined) return;
    response.on("error", () => {});
    response.writeHead(answer.status, {
      "Content-Type": "application/json",
      ...answer.headers,
      // A 204 has neither a body nor its length.
      ...(answer.status === 204 ? {} : { "Content-Length": Buffer.byteLength(answer.body) }),
      "x-amzn-RequestId": requestId,
    });
    response.end(answer.body);
    this.#options.log?.({
      event: "gateway.answered",
      requestId,
      method: request.method ?? "",
      path: pathOf(request),
      status: answer.status,
      milliseconds: Math.round(performance.now() - startedAt),
    });
  }

  /** Undefined when the producer hung up within its body: there is nobody to answer, and nothing failed here. */
  async #answer(request: IncomingMessage, requestId: string): Promise<Answer | undefined> {
    try {
      const body = await readBody(request);
      const answer = await this.#handle(request, body, requestId);
      return await encodeContent(answer, request.headers["accept-encoding"], this.#api.minimumCompressionBytes);
    } catch (error) {
      if (request.destroyed && !request.complete) return undefined;
      const type = error instanceof Refusal ? error.type : "API_CONFIGURATION_ERROR";
      if (!(error instanceof Refusal) || type.startsWith("INTEGRATION_") || type === "API_CONFIGURATION_ERROR") {
        this.#reportFailure(requestId, error);
      }
      return this.#api.gatewayResponses(type, new Map([["requestId", requestId]]));
    }
  }

  /** The steps in API Gateway's order. */
  async #handle(request: IncomingMessage, body: Buffer | undefined, requestId: string): Promise<Answer> {
    const { route, pathParameters } = this.#route(request);
    const keyId = this.#checkKey(request, route);
    const contentType = mediaType(request);
    const template = route.requestTemplates.get(contentType);
    if (template === undefined) throw new Refusal("UNSUPPORTED_MEDIA_TYPE");
    if (body === undefined) throw new Refusal("REQUEST_TOO_LARGE");
    const text = decodeBody(body);
    const model = route.models.get(contentType);
    // Without a model nobody looks at the body before the template does.
    const document = model === undefined ? parseDocument(text) : parseBody(text);
    if (model?.(document) === false) throw new Refusal("BAD_REQUEST_BODY");
    const seen = {
      params: { header: headersAsSent(request), path: pathParameters, querystring: queryOf(request) },
      context: this.#context(request, route, requestId, keyId),
      stageVariables: this.#api.stageVariables,
    };
    const { text: rendered } = template.render({ ...seen, body: text, document: () => document });
    const answer = await route.integration(rendered).catch((error: unknown) => {
      throw error instanceof IntegrationError ? new Refusal(error.code, error.message) : error;
    });
    const mapped = route.integrationResponses(answer, seen);
    if (mapped === undefined) {
      throw new Refusal(
        "API_CONFIGURATION_ERROR",
        `no integration or method response for the status ${answer.status} of the integration`,
      );
    }
    return mapped;
  }

  #route(request: IncomingMessage): Match {
    const { basePath, routes } = this.#api;
    const path = pathOf(request);
    const match = path.startsWith(`${basePath}/`)
      ? routes.find(request.method ?? "", path.slice(basePath.length))
      : undefined;
    if (match === undefined) throw new Refusal("MISSING_AUTHENTICATION_TOKEN");
    return match;
  }

  /**
   * Key, then its throttle, then the method's, as API Gateway applies them ("Throttle requests to your REST APIs for better
   * throughput"), then quota: a throttled request does not count.
   */
  #checkKey(request: IncomingMessage, route: Route): string {
    const routeName = `${route.httpMethod} ${route.resourcePath}`;
    const value = request.headers["x-api-key"];
    const key = typeof value === "string" ? this.#api.keys.get(value) : undefined;
    if (route.apiKeyRequired && key === undefined) throw new Refusal("INVALID_API_KEY");
    const counted = route.apiKeyRequired ? key : undefined;
    if (counted?.throttle && !this.#bucket(`${counted.planId} ${counted.keyId}`, counted.throttle).take())
      throw new Refusal("THROTTLED");
    if (this.#api.methodThrottle && !this.#bucket(routeName, this.#api.methodThrottle).take())
      throw new Refusal("THROTTLED");
    if (counted === undefined) return "";
    if (counted.quota && !this.#quotas.take(counted.planId, counted.keyId, counted.quota, new Date()))
      throw new Refusal("QUOTA_EXCEEDED");
    return counted.keyId;
  }

  #bucket(name: string, throttle: { rateLimit: number; burstLimit: number }): TokenBucket {
    const known = this.#buckets.get(name);
    if (known !== undefined) return known;
    const bucket = new TokenBucket(throttle, () => performance.now());
    this.#buckets.set(name, bucket);
    return bucket;
  }

  #context(request: IncomingMessage, route: Route, requestId: string, apiKeyId: string) {
    return {
      accountId: this.#options.accountId,
      apiId: this.#api.id,
      deploymentId: this.#api.deploymentId,
      domainName: request.headers.host ?? "",
      extendedRequestId: requestId,
      httpMethod: route.httpMethod,
      identity: {
        apiKeyId,
        sourceIp: request.socket.remoteAddress ?? "",
        userAgent: request.headers["user-agent"] ?? "",
      },
      path: pathOf(request),
      protocol: `HTTP/${request.httpVersion}`,
      requestId,
      requestTimeEpoch: Date.now(),
      resourceId: route.resourceId,
      resourcePath: route.resourcePath,
      stage: this.#api.stage,
    };
  }

  #reportFailure(requestId: string, error: unknown): void {
    const entry = {
      event: "gateway.failed",
      requestId,
      code: error instanceof TemplateError ? error.code : error instanceof Refusal ? error.type : "UNEXPECTED",
      message: error instanceof Error ? error.message : String(error),
    };
    if (this.#options.log) this.#options.log(entry);
    else process.stderr.write(`${JSON.stringify(entry)}\n`);
  }
}

/**
 * The whole body, its coding taken off; undefined when it is over the limit. What is over is read and dropped, so that the sender
 * gets its answer. A coding is looked at before the route is: AWS may not know the API yet then, and answer in a text of its own.
 */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes: Buffer = chunk;
    size += bytes.length;
    if (size <= MAX_PAYLOAD_BYTES) chunks.push(bytes);
  }
  if (size > MAX_PAYLOAD_BYTES) return undefined;
  const decoded = await decodeContent(
    Buffer.concat(chunks, size),
    request.headers["content-encoding"],
    MAX_PAYLOAD_BYTES,
  );
  if (decoded === "refused") throw new Refusal("UNSUPPORTED_MEDIA_TYPE");
  return decoded === "too large" ? undefined : decoded;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** An empty body is `{}` to models and templates. Bytes that are no UTF-8 are refused: they could not be passed on as they are. */
function decodeBody(body: Buffer): string {
  if (body.length === 0) return "{}";
  try {
    return utf8.decode(body);
  } catch {
    throw new Refusal("BAD_REQUEST_BODY");
  }
}

function parseBody(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal("BAD_REQUEST_BODY");
  }
}

/** The content type without its parameters; without one it is JSON. */
function mediaType(request: IncomingMessage): string {
  const [type = ""] = (request.headers["content-type"] ?? "application/json").split(";");
  return type.trim().toLowerCase();
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?", 1)[0] ?? "/";
}

function queryOf(request: IncomingMessage): ReadonlyMap<string, string> {
  const query = (request.url ?? "").split("?").slice(1).join("?");
  return new Map(new URLSearchParams(query));
}

/** Headers in the letter case in which they were sent; of a repeated one the last. */
function headersAsSent({ rawHeaders }: IncomingMessage): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.set(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
  return headers;
}
