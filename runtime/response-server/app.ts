import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import polka from "polka";
import { DELIVERY_HEADERS, IDEMPOTENCY_KEY_HEADER } from "../../sdk/client/src/contract.ts";
import { openJournal, type RequestMeta } from "./journal.ts";
import { parseRequest, RequestError, timeOutSeconds } from "./request.ts";

/** What happened, in the words that a log is searched for. */
export type ServerEvent =
  | "server.listening"
  | "server.closing"
  | "journal.opened"
  | "request.refused"
  | "request.failed";

/** How the server is to be. */
export interface ResponseServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly host: string;
  readonly logDirectory: string;
  /** Whether an answer waits `data.time_out` seconds, at most 30. */
  readonly honourTimeOut: boolean;
  /** A larger body is a 413. */
  readonly bodyLimitBytes: number;
  /** Takes what happened; no bodies, no keys. */
  readonly log: (event: ServerEvent, fields: Readonly<Record<string, string | number>>) => void;
}

/** A server that answers. */
export interface ResponseServer {
  readonly url: string;
  /** Answers what has begun, for at most `graceMilliseconds` (default 35000), then closes. */
  close(graceMilliseconds?: number): Promise<void>;
}

/** Longer than the 60 s for which load balancers and HTTP clients keep an idle connection: the client closes first. */
const KEEP_ALIVE_MILLISECONDS = 65_000;

/**
 * Starts the example backend.
 *
 * `POST /` takes `{"data":{...}}`, writes it to both logs and answers `{"status_code","content"}` once they are on disk. A repeated
 * `idempotency-key` gets the first answer, without delay, and writes nothing, also after a restart; but for a body that was edited
 * after it was refused, which is dealt with anew. `GET /health` answers
 * `{"status":"ok"}`. Every other answer is `{"message","code"}` with a 4xx, or a 503 when the logs cannot be written.
 *
 * @throws the file system's errors, and the network's when the port is taken
 * @example const server = await createResponseServer({ port: 0, host: "127.0.0.1", logDirectory: "./logs", honourTimeOut: false, bodyLimitBytes: 1_572_864, log })
 */
export async function createResponseServer(options: ResponseServerOptions): Promise<ResponseServer> {
  const journal = await openJournal(options.logDirectory);
  options.log("journal.opened", journal.found);
  const closing = new AbortController();

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MILLISECONDS });
  const app = polka({
    server,
    onNoMatch: (_request, response) => answer(response, 404, error("NOT_FOUND", "there are POST / and GET /health")),
    onError: (thrown, _request, response) => {
      if (thrown instanceof RequestError) {
        options.log("request.refused", { code: thrown.code });
        if (thrown.status === 413) response.setHeader("connection", "close");
        return answer(response, thrown.status, error(thrown.code, thrown.message));
      }
      const code = thrown instanceof Error ? String(thrown.code ?? thrown.name) : "unknown";
      options.log("request.failed", { code });
      return answer(response, 503, error("NOT_WRITTEN", "the request could not be written to the log; send it again"));
    },
  });
  app.get("/health", (_request, response) => answer(response, 200, '{"status":"ok"}'));
  app.post("/", async (request, response) => {
    const receivedAt = new Date().toISOString();
    const parsed = parseRequest(await readBody(request, options.bodyLimitBytes));
    const { answer: text, repeated } = await journal.record(parsed, metaOf(request, receivedAt));
    const seconds = options.honourTimeOut && !repeated ? timeOutSeconds(parsed) : 0;
    // The lines are on disk by then: who gives up waiting and sends it again gets its answer at once.
    if (seconds > 0) await sleep(seconds * 1000, undefined, { signal: closing.signal }).catch(() => undefined);
    answer(response, 200, text);
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    app.listen(options.port, options.host, () => resolve());
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no port");
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  const url = `http://${host}:${address.port}/`;
  options.log("server.listening", { url });

  return {
    url,
    async close(graceMilliseconds = 35_000) {
      options.log("server.closing", {});
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      closing.abort();
      // A connection becomes idle when its answer is out, and server.close() looks only once.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const end = setTimeout(() => server.closeAllConnections(), graceMilliseconds);
      await closed;
      clearInterval(sweep);
      clearTimeout(end);
      await journal.close();
    },
  };
}

async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const tooLarge = () => {
    // The rest is read and forgotten, so that the answer arrives; the connection closes behind it.
    request.resume();
    return new RequestError("BODY_TOO_LARGE", `the body has more than ${limitBytes} bytes`);
  };
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) throw tooLarge();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limitBytes) {
        chunks.push(chunk);
      } else {
        request.removeAllListeners("data");
        reject(tooLarge());
      }
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", reject);
    request.on("close", () => reject(new Error("the request broke off")));
  });
}

function metaOf({ headers }: IncomingMessage, receivedAt: string): RequestMeta {
  const attempt = header(DELIVERY_HEADERS.attempt);
  return {
    idempotencyKey: header(IDEMPOTENCY_KEY_HEADER),
    messageId: header(DELIVERY_HEADERS.messageId),
    groupId: header(DELIVERY_HEADERS.groupId),
    sequenceNumber: header(DELIVERY_HEADERS.sequenceNumber),
    attempt: attempt !== undefined && /^\d{1,9}$/.test(attempt) ? Number(attempt) : undefined,
    receivedAt,
  };

  function header(name: string): string | undefined {
    const value = headers[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  }
}

function error(code: string, message: string): string {
  return JSON.stringify({ message, code });
}

function answer(response: ServerResponse, status: number, body: string): void {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}
