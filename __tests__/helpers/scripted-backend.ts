import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** What a scripted backend got. */
export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One answer: a plain one, or whatever a function does with the response and its socket. */
export type ScriptedAnswer =
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: string }
  | ((response: ServerResponse, request: IncomingMessage, socket: Socket) => void);

/** A real HTTP server that answers from a script; the last answer is repeated. */
export interface ScriptedBackend extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly ReceivedRequest[];
  /** Sockets that were opened by clients. */
  readonly connections: () => number;
}

/** @example await using backend = await startBackend({ status: 503 }, { body: '{"status_code":200}' }) */
export async function startBackend(...script: readonly ScriptedAnswer[]): Promise<ScriptedBackend> {
  const received: ReceivedRequest[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const answer = script[Math.min(received.length, script.length - 1)] ?? {};
      const { method = "", url = "", headers } = request;
      received.push({ method, url, headers, body: Buffer.concat(chunks) });
      if (typeof answer === "function") {
        answer(response, request, request.socket);
      } else {
        response.writeHead(answer.status ?? 200, answer.headers);
        response.end(answer.body);
      }
    });
  });
  server.on("connection", () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    received,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
