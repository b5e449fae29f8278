import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { z } from "zod";
import { listen, stopListening } from "../../runtime/local/listen.ts";
import { API_KEY_HEADER, GROUP_ID_FIELD, IDEMPOTENCY_KEY_HEADER } from "../../sdk/client/src/contract.ts";

/** A message as it stood in a request. */
interface Entry {
  readonly groupId: string;
  readonly deduplicationId: string;
}

/** One request as it came in. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  /** What a browser says about the page that sends; undefined elsewhere. */
  readonly origin: string | undefined;
  readonly entries: readonly Entry[];
  /** When it came, in milliseconds. */
  readonly at: number;
  /** Undefined when it was not answered. */
  answer?: { readonly status: number; readonly at: number };
  /** Whether the sender hung up before it had an answer. */
  hungUp?: true;
}

/** What stands in front of the gateway, sees every request, and has two places of its own in which things go wrong. */
export interface Front {
  /** Passes on to the gateway, bytes and headers as they are. */
  readonly endpoint: string;
  /** Takes requests and never answers. */
  readonly stuck: string;
  /** Answers with a redirect to {@link elsewhere}. */
  readonly moved: string;
  /** The path that a redirect leads to. */
  readonly elsewhere: string;
  /** `GET <arrived>/<group>` answers as soon as a message of the group has come. */
  readonly arrived: string;
  readonly seen: readonly Seen[];
  close(): Promise<void>;
}

const text = z.string();
const singleSchema = z.object({ [GROUP_ID_FIELD]: text }).transform((body) => [body[GROUP_ID_FIELD] ?? ""]);
const batchSchema = z.object({ entries: z.array(z.object({ groupId: text, idempotencyKey: text })) });

const ELSEWHERE = "/elsewhere";

/** What a page from anywhere may do in the front's own places. The gateway's own answers are passed on as they are. */
const OPEN_TO_ALL = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "*",
  "access-control-allow-headers": "*",
};

/**
 * Starts it on 127.0.0.1.
 *
 * @param gateway the gateway's URL with its stage
 */
export async function startFront(gateway: string): Promise<Front> {
  const { origin: target, pathname: stage } = new URL(gateway);
  const seen: Seen[] = [];
  const waiting = new Map<string, (() => void)[]>();
  const agent = new Agent({ keepAlive: true });

  function arrived(group: string): Promise<void> {
    if (seen.some(({ entries }) => entries.some(({ groupId }) => groupId === group))) return Promise.resolve();
    return new Promise((resolve) => {
      waiting.set(group, [...(waiting.get(group) ?? []), resolve]);
    });
  }

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = incoming.url ?? "";
    if (path.startsWith("/arrived/")) {
      await arrived(path.slice("/arrived/".length));
      response.writeHead(200, OPEN_TO_ALL).end();
      return;
    }
    const body = await read(incoming);
    if (body === undefined) return;
    const one: Seen = {
      method: incoming.method ?? "",
      path,
      origin: incoming.headers.origin,
      entries: entriesOf(incoming, body),
      at: performance.now(),
    };
    seen.push(one);
    response.once("finish", () => {
      one.answer = { status: response.statusCode, at: performance.now() };
    });
    response.once("close", () => {
      if (one.answer === undefined) one.hungUp = true;
    });
    for (const { groupId } of one.entries) {
      for (const resolve of waiting.get(groupId) ?? []) resolve();
      waiting.delete(groupId);
    }
    if (path.startsWith(`${stage}/`)) await passOn(incoming, body, response);
    else if (one.method === "OPTIONS") response.writeHead(204, OPEN_TO_ALL).end();
    else if (path.startsWith("/moved/")) {
      response.writeHead(307, { ...OPEN_TO_ALL, location: `${ELSEWHERE}${path}` }).end();
    } else if (path.startsWith(ELSEWHERE)) {
      response.writeHead(200, { ...OPEN_TO_ALL, "content-type": "application/json" });
      response.end(JSON.stringify({ messageId: "elsewhere", sequenceNumber: "1" }));
    } else if (!path.startsWith("/stuck/")) response.writeHead(404, OPEN_TO_ALL).end();
  }

  async function passOn(incoming: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const outgoing = request(`${target}${incoming.url}`, {
      method: incoming.method,
      headers: incoming.headers,
      agent,
    });
    outgoing.end(body);
    const [answer]: [IncomingMessage] = await once(outgoing, "response").then(([first]) => [first]);
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.end(await read(answer));
  }

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  const origin = await listen(server);
  return {
    endpoint: `${origin}${stage}`,
    stuck: `${origin}/stuck`,
    moved: `${origin}/moved`,
    elsewhere: ELSEWHERE,
    arrived: `${origin}/arrived`,
    seen,
    async close() {
      agent.destroy();
      await stopListening(server);
    },
  };
}

/** Undefined when it broke off. */
async function read(message: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) chunks.push(chunk);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}

/** Empty for whatever is no send. */
function entriesOf({ method, headers }: IncomingMessage, body: Buffer): Entry[] {
  if (method !== "POST" || headers[API_KEY_HEADER] === undefined) return [];
  const json: unknown = JSON.parse(body.toString("utf8"));
  const batch = batchSchema.safeParse(json);
  if (batch.success) {
    return batch.data.entries.map(({ groupId, idempotencyKey }) => ({ groupId, deduplicationId: idempotencyKey }));
  }
  const deduplicationId = text.parse(headers[IDEMPOTENCY_KEY_HEADER]);
  return singleSchema.parse(json).map((groupId) => ({ groupId, deduplicationId }));
}
