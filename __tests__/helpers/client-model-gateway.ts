import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { ModelClock } from "./client-model-clock.ts";
import type { ModelQueue, Taken } from "./client-model-queue.ts";

/** When a request without a clear answer gets into the queue: a number is milliseconds after the client has given it up. */
export type Lands = "never" | "now" | number;

/** What becomes of one attempt for one message. In a batch, the first of the kinds marked `whole` is the whole request's. */
export type Fate =
  /** Taken, and answered `after` milliseconds. */
  | { readonly kind: "accept"; readonly after: number }
  | { readonly kind: "refuse" }
  /** 429; in a batch the entry alone. */
  | { readonly kind: "busy" }
  /** A failure of the queue; in a batch of the entry alone. */
  | { readonly kind: "broken"; readonly lands: Lands }
  /** In a batch: an answer that does not name the entry. */
  | { readonly kind: "unnamed"; readonly lands: Lands }
  /** whole: 400, which does not say for which of the entries. */
  | { readonly kind: "poison" }
  /** whole: 429 with `Retry-After` in seconds. */
  | { readonly kind: "storm"; readonly seconds: number }
  /** whole: the quota is used up. */
  | { readonly kind: "quota" }
  /** whole: a redirect. */
  | { readonly kind: "moved" }
  /** whole: 503. */
  | { readonly kind: "down"; readonly lands: Lands }
  /** whole: a 200 of someone else. */
  | { readonly kind: "odd"; readonly lands: Lands }
  /** whole: the connection is cut before the answer. */
  | { readonly kind: "reset"; readonly lands: Lands }
  /** whole: it is cut within the answer. */
  | { readonly kind: "cut"; readonly lands: Lands }
  /** whole: no answer. */
  | { readonly kind: "hang"; readonly lands: Lands }
  /** whole: the answer begins and never ends. */
  | { readonly kind: "stall"; readonly lands: Lands };

const WHOLE = new Set<Fate["kind"]>([
  "poison",
  "storm",
  "quota",
  "moved",
  "down",
  "odd",
  "reset",
  "cut",
  "hang",
  "stall",
]);

/** After these the message surely is not in the queue. */
const CLEAR_REFUSALS = new Set<Fate["kind"]>(["refuse", "busy", "poison", "storm", "quota", "moved"]);

/** The gateway's own limit, less the last millisecond. */
const LATEST_LANDING_MILLISECONDS = 29_999;

/** One message of a request. */
export interface Entry {
  readonly groupId: string;
  readonly deduplicationId: string;
  readonly n: number;
}

/** What one client's requests meet. */
export interface Site {
  readonly name: string;
  readonly clock: ModelClock;
  readonly queue: ModelQueue;
  /** Is told of each request as it arrives, and says what becomes of each of its messages. */
  readonly arrived: (entries: readonly Entry[], connection: string, batch: boolean) => readonly Fate[] | undefined;
  /** Whether the last attempt for a message was surely refused. */
  readonly refused: Map<string, boolean>;
  /** Requests that wait for their answer, by the deduplication id of their first message. */
  readonly held: Map<string, number>;
  /** Is told what gets into the queue late. */
  readonly landed: (text: string) => void;
}

export function add(counts: Map<string, number>, key: string, by: number): void {
  const sum = (counts.get(key) ?? 0) + by;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
}

/** One server for any number of sites: a client's endpoint is `endpoint` and its site's name. */
export async function serveModelGateway() {
  const sites = new Map<string, Site>();
  const requestsOf = new WeakMap<Socket, number>();
  const server = createServer(async (request, response) => {
    request.on("error", () => undefined);
    const { socket, url = "" } = request;
    const count = (requestsOf.get(socket) ?? 0) + 1;
    requestsOf.set(socket, count);
    const connection = `${socket.remotePort}#${count}`;
    const text = await read(request);
    const site = sites.get(url.split("/")[1] ?? "");
    if (text === undefined || site === undefined) return;
    const entries = parse(request, text);
    const fates = site.arrived(entries, connection, url.endsWith("/batch"));
    if (fates) answer(site, response, entries, fates, url.endsWith("/batch"));
  });
  server.keepAliveTimeout = 120_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sites,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** The request's text; undefined when the client gave up before it had sent everything. */
async function read(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks).toString();
}

function parse({ url, headers }: IncomingMessage, text: string): Entry[] {
  const bodies: readonly { id: string; idempotencyKey: string; body: string }[] = url?.endsWith("/batch")
    ? JSON.parse(text).entries
    : [{ id: "0", idempotencyKey: String(headers["idempotency-key"]), body: text }];
  return bodies.map(({ idempotencyKey, body }) => {
    const { MessageGroupID: groupId, n } = JSON.parse(body);
    return { groupId, deduplicationId: idempotencyKey, n };
  });
}

function answer(
  site: Site,
  response: ServerResponse,
  entries: readonly Entry[],
  fates: readonly Fate[],
  batch: boolean,
): void {
  const { clock, queue, held, refused } = site;
  const key = entries[0]?.deduplicationId ?? "";
  let open = true;
  let closedAt: number | undefined;
  const waiting: (() => void)[] = [];
  add(held, key, 1);
  const release = () => {
    if (open) add(held, key, -1);
    open = false;
  };
  response.on("error", () => undefined);
  response.on("close", () => {
    closedAt = clock.now();
    release();
    for (const wake of waiting) wake();
  });

  const take = ({ groupId, deduplicationId, n }: Entry): Taken => queue.take(groupId, deduplicationId, n, site.name);
  const land = (some: readonly Entry[], lands: Lands) => {
    if (lands === "never") return;
    if (lands === "now") {
      for (const entry of some) take(entry);
      return;
    }
    const latest = (closedAt ?? clock.now()) + LATEST_LANDING_MILLISECONDS;
    clock.after(Math.min(lands, latest - clock.now()), () => {
      site.landed(some.map(({ n }) => n).join(" "));
      for (const entry of some) take(entry);
    });
  };
  /** Lands when the client gives the request up. */
  const landLater = (some: readonly Entry[], lands: Lands) => {
    if (typeof lands === "number") waiting.push(() => land(some, lands));
    else land(some, lands);
  };
  const reply = (status: number, body: unknown, headers: Record<string, string> = {}) => {
    release();
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
  const error = (status: number, code: string, headers?: Record<string, string>) =>
    reply(status, { message: "no", code, requestId: "0f2d8c1e-3f59-4d4f-9a6b-1f7f6d1f2a3b" }, headers);

  const at = batch ? fates.findIndex(({ kind }) => WHOLE.has(kind)) : 0;
  const whole = fates[at];
  for (const [index, { deduplicationId }] of entries.entries()) {
    const kind = (whole ?? fates[index])?.kind ?? "accept";
    refused.set(deduplicationId, CLEAR_REFUSALS.has(kind));
  }
  /** Of a request that lands without a clear answer: what SQS would not have refused. */
  const landing = entries.filter((_, index) => index === at || !CLEAR_REFUSALS.has(fates[index]?.kind ?? "accept"));

  if (batch && whole === undefined) {
    const after = Math.max(...fates.map((fate) => (fate.kind === "accept" ? fate.after : 0)));
    const end = () => {
      const successful: object[] = [];
      const failed: object[] = [];
      for (const [index, entry] of entries.entries()) {
        const id = String(index);
        const fate = fates[index] as Fate;
        if (fate.kind === "accept") {
          const { messageId, sequenceNumber } = take(entry);
          successful.push({ id, messageId, sequenceNumber });
        } else if (fate.kind === "refuse")
          failed.push({ id, code: "MESSAGE_REFUSED", message: "no", senderFault: true });
        else if (fate.kind === "busy") failed.push({ id, code: "THROTTLED", message: "no", senderFault: true });
        else if (fate.kind === "broken") failed.push({ id, code: "QUEUE_ERROR", message: "no", senderFault: false });
        if ("lands" in fate) land([entry], fate.lands);
      }
      reply(200, { successful, failed });
    };
    if (after > 0) clock.after(after, end);
    else end();
    return;
  }
  switch (whole?.kind) {
    case "accept": {
      const end = () => {
        const { messageId, sequenceNumber } = take(entries[0] as Entry);
        reply(200, { messageId, sequenceNumber });
      };
      if (whole.after > 0) clock.after(whole.after, end);
      else end();
      return;
    }
    case "refuse":
    case "poison":
      return error(400, "MESSAGE_REFUSED");
    case "busy":
      return error(429, "THROTTLED");
    case "storm":
      return error(429, "THROTTLED", { "retry-after": String(whole.seconds) });
    case "quota":
      return error(429, "QUOTA_EXCEEDED");
    case "moved":
      return reply(302, "", { location: "https://elsewhere.example/" });
    case "broken":
      land(landing, whole.lands);
      return error(502, "QUEUE_ERROR");
    case "down":
      land(landing, whole.lands);
      return error(503, "GATEWAY_UNAVAILABLE");
    case "unnamed":
    case "odd":
      land(landing, whole.lands);
      return reply(200, whole.kind === "odd" ? "welcome" : {});
    case "reset":
      land(landing, whole.lands);
      release();
      response.socket?.resetAndDestroy();
      return;
    case "cut":
      land(landing, whole.lands);
      release();
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.write('{"messageId":"message-1","sequenceNumber":"1"}', () => response.socket?.destroy());
      return;
    case "hang":
      return landLater(landing, whole.lands);
    case "stall":
      landLater(landing, whole.lands);
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"messageId":"message-1","sequenceNumber":"1"}');
      return;
    case undefined:
  }
}
