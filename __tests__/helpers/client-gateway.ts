import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { type FifoClient, openFifoClient } from "../../sdk/client/src/client.ts";
import type { Clock } from "../../sdk/client/src/clock.ts";
import { type FifoClientOptions, parseOptions } from "../../sdk/client/src/options.ts";

/** One request as the scripted gateway saw it. */
export interface Seen {
  readonly url: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Record<string, unknown>;
  readonly groupId: string;
  readonly deduplicationId: string;
}

/** What the scripted gateway does with a request. `"reset"` cuts the connection, `"hang"` never answers. */
export type Reply =
  | "reset"
  | "hang"
  | {
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: unknown;
      readonly unfinished?: boolean;
    };

/** A 200 as the wire contract has it. */
export function accepted(sequence: number): Reply {
  return {
    status: 200,
    body: { messageId: `message-${sequence}`, sequenceNumber: String(sequence).padStart(20, "0") },
  };
}

/** An error as the wire contract has it. */
export function refused(status: number, code: string, headers: Record<string, string> = {}): Reply {
  return { status, headers, body: { message: "no", code, requestId: "0f2d8c1e-3f59-4d4f-9a6b-1f7f6d1f2a3b" } };
}

/** One request, single or batch, as the scripted gateway got it. */
export interface SeenRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly groupIds: readonly string[];
}

/**
 * Serves `script` over HTTP until the test ends. It is asked once for each message, also for those of a batch: `"reset"`
 * and `"hang"` of any of them are the whole request's.
 *
 * @returns `seen` grows with every message, `requests` with every request
 */
export async function serveGateway(
  t: Pick<TestContext, "after">,
  script: (request: Seen, index: number) => Reply | Promise<Reply>,
  options: { readonly wholeBatch?: (messages: readonly Seen[]) => Reply | undefined } = {},
): Promise<{ endpoint: string; seen: Seen[]; requests: SeenRequest[] }> {
  const seen: Seen[] = [];
  const requests: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    request.on("error", () => undefined);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The client gave up before it had sent everything.
    }
    const text = Buffer.concat(chunks).toString();
    const { headers, url = "", method = "" } = request;
    const batch = url.endsWith("/batch");
    const bodies: readonly Entry[] = batch
      ? JSON.parse(text).entries
      : [{ id: "0", idempotencyKey: String(headers["idempotency-key"]), body: text }];
    const messages = bodies.map(({ idempotencyKey, body: own }): Seen => {
      const body: Record<string, unknown> = JSON.parse(own);
      const groupId = String(body["MessageGroupID"]);
      return { url, method, headers, text: own, body, groupId, deduplicationId: idempotencyKey };
    });
    requests.push({ url, headers, text, groupIds: messages.map(({ groupId }) => groupId) });
    seen.push(...messages);
    const whole = batch ? options.wholeBatch?.(messages) : undefined;
    const first = seen.length - messages.length;
    const replies = whole ? [whole] : await Promise.all(messages.map((one, at) => script(one, first + at)));
    const reply = whole ?? (batch ? joined(bodies, replies) : replies[0]);
    if (reply === undefined || reply === "hang") return;
    if (reply === "reset") {
      request.socket.resetAndDestroy();
      return;
    }
    const content = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body ?? {});
    response.writeHead(reply.status, { "content-type": "application/json", ...reply.headers });
    if (reply.unfinished) response.write(content);
    else response.end(content);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}/kimalarm`, seen, requests };
}

interface Entry {
  readonly id: string;
  readonly idempotencyKey: string;
  readonly body: string;
}

/** The answer to a batch whose entries were answered one by one. */
function joined(entries: readonly Entry[], replies: readonly Reply[]): Reply {
  const successful: object[] = [];
  const failed: object[] = [];
  for (const [at, { id }] of entries.entries()) {
    const reply = replies[at];
    if (typeof reply !== "object") return reply ?? "hang";
    const senderFault = reply.status < 500 && reply.status !== 429;
    if (reply.status === 200) successful.push({ id, ...(reply.body as object) });
    else failed.push({ id, senderFault, ...(reply.body as object) });
  }
  return { status: 200, body: { successful, failed } };
}

/** A clock on which `factor` milliseconds pass in one; `waits` are all the waits that were asked of it. */
export function fastClock(factor: number): Clock & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    waits,
    now: () => performance.now() * factor,
    after(milliseconds, wake) {
      waits.push(milliseconds);
      const timer = setTimeout(wake, milliseconds / factor);
      return () => clearTimeout(timer);
    },
  };
}

/** A clock that stands still until the test advances it; `waits` are all the waits that were asked of it. */
export function steppedClock(): Clock & { readonly waits: number[]; advance(milliseconds: number): void } {
  const waits: number[] = [];
  const timers = new Map<symbol, { readonly at: number; readonly wake: () => void }>();
  let now = 0;
  return {
    waits,
    now: () => now,
    after(milliseconds, wake) {
      waits.push(milliseconds);
      const timer = Symbol("timer");
      timers.set(timer, { at: now + milliseconds, wake });
      return () => timers.delete(timer);
    },
    advance(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        const [next] = [...timers].filter(([, { at }]) => at <= end).toSorted(([, a], [, b]) => a.at - b.at);
        if (next === undefined) break;
        const [timer, { at, wake }] = next;
        timers.delete(timer);
        now = at;
        wake();
      }
      now = end;
    },
  };
}

/** The key of every test, so that a test can look for it where it must not be. */
export const API_KEY = "key-Zq81XyTopSecretKey0123456789";

/** A client of `queue-1` on the given clock. Its attempts last long, so that a busy machine times none out. */
export function openClient(
  endpoint: string,
  clock: Clock,
  options: Partial<FifoClientOptions> = {},
): FifoClient<Record<string, unknown>> {
  return openFifoClient(
    parseOptions({ endpoint, apiKey: API_KEY, queue: "queue-1", attemptTimeoutMilliseconds: 200_000, ...options }),
    clock,
  );
}
