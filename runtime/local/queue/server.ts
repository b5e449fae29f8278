import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { SQS_MAX_MESSAGE_BYTES } from "../../../sdk/client/src/contract.ts";
import { listen, stopListening } from "../listen.ts";
import { QueueEngine } from "./engine.ts";
import { SqsError } from "./errors.ts";
import { type ActionContext, runJsonAction } from "./json-protocol.ts";
import { queryError, runQueryAction, toXml } from "./query-protocol.ts";

/** A running queue server. */
export interface QueueServer {
  /** `http://127.0.0.1:<port>`: the endpoint for any AWS SDK. */
  readonly url: string;
  readonly engine: QueueEngine;
  /** Ends waiting receives, connections and the engine. */
  close(): Promise<void>;
}

// What API Gateway takes (10 MiB) is up to three times as long when it is URL-encoded. It has to be read to be refused as what
// it is, a message that is too long, and not as a request that makes no sense.
const MAX_REQUEST_BYTES = 32 * SQS_MAX_MESSAGE_BYTES;

/**
 * Serves SQS FIFO queues on 127.0.0.1: the AWS JSON protocol for every AWS SDK, of the query protocol SendMessage. Takes any
 * credentials.
 *
 * @param options.file the queues' SQLite file, created with its folder
 * @param options.port @default 0, a free one
 * @param options.region of the queues' ARNs
 * @throws Error when the port is taken, or another process has the file open
 * @example
 * const server = await startQueueServer({ file: ".local/queues.sqlite", region: "ap-northeast-2" });
 * const client = new SQSClient({ endpoint: server.url, region: "ap-northeast-2" });
 */
export async function startQueueServer(options: { file: string; port?: number; region: string }): Promise<QueueServer> {
  const engine = new QueueEngine({ file: options.file, region: options.region });
  const server = createServer((request, response) => void serve(request, response, engine));
  let url: string;
  try {
    url = await listen(server, options.port);
  } catch (error) {
    engine.close();
    throw error;
  }
  return {
    url,
    engine,
    async close() {
      engine.close();
      await stopListening(server);
    },
  };
}

async function serve(request: IncomingMessage, response: ServerResponse, engine: QueueEngine): Promise<void> {
  const requestId = randomUUID();
  response.setHeader("x-amzn-requestid", requestId);
  const target = request.headers["x-amz-target"];
  try {
    const body = await readBody(request);
    if (typeof target === "string") await serveJson(target, body, request, response, engine);
    else serveQuery(body, request, response, engine, requestId);
  } catch (cause) {
    const error = toSqsError(cause);
    if (typeof target === "string") {
      response.setHeader("x-amzn-query-error", `${error.queryCode};${error.fault}`);
      const document = { __type: error.type, message: error.message };
      answer(response, error.status, "application/x-amz-json-1.0", JSON.stringify(document));
    } else {
      answerQuery(request, response, error.status, queryError(error, requestId));
    }
  }
}

async function serveJson(
  target: string,
  body: string,
  request: IncomingMessage,
  response: ServerResponse,
  engine: QueueEngine,
): Promise<void> {
  const host = request.headers.host ?? `127.0.0.1:${request.socket.localPort}`;
  const hangUp = new AbortController();
  // A receive whose caller is gone must not hide messages that nobody will see.
  response.once("close", () => hangUp.abort());
  const context: ActionContext = {
    engine,
    queueUrl: (name) => `http://${host}/${engine.accountId}/${name}`,
    signal: hangUp.signal,
  };
  const document = await runJsonAction(target, body, context);
  answer(response, 200, "application/x-amz-json-1.0", JSON.stringify(document));
}

function serveQuery(
  body: string,
  request: IncomingMessage,
  response: ServerResponse,
  engine: QueueEngine,
  requestId: string,
): void {
  const { pathname, search } = new URL(request.url ?? "/", "http://127.0.0.1");
  const form = request.method === "GET" ? search.slice(1) : body;
  answerQuery(request, response, 200, runQueryAction(pathname, form, engine, requestId));
}

function answerQuery(request: IncomingMessage, response: ServerResponse, status: number, document: object): void {
  if (request.headers.accept?.includes("application/json") === true) {
    answer(response, status, "application/json", JSON.stringify(document));
    return;
  }
  const xml = toXml(status === 200 ? document : { ErrorResponse: document });
  answer(response, status, "text/xml", `<?xml version="1.0"?>${xml}`);
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // A body too large is read to its end all the same: the requester gets an answer, not a broken connection.
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= MAX_REQUEST_BYTES) chunks.push(chunk);
  }
  if (bytes > MAX_REQUEST_BYTES) {
    throw new SqsError("MalformedInput", `The request's body has ${bytes} bytes, the most is ${MAX_REQUEST_BYTES}.`);
  }
  return Buffer.concat(chunks).toString();
}

function toSqsError(cause: unknown): SqsError {
  if (cause instanceof SqsError) return cause;
  // The text of a failure in here names the file or a column, never a body.
  return new SqsError("InternalError", cause instanceof Error ? cause.message : "unknown failure");
}
