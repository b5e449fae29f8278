import { once } from "node:events";
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Clock } from "../../sdk/client/src/clock.ts";

/** What comes between the two sides, for one request. */
export type Fault =
  | { readonly kind: "pass" }
  /** Cuts the connection (TCP RST): before the request is passed on, or `taken`, in the place of the server's answer. */
  | { readonly kind: "reset"; readonly taken?: boolean }
  /** The proxy's own answer: before the request is passed on, or `taken`, in the place of the server's. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly taken?: boolean;
    }
  /** Passes the answer on: its headers at once, its body in pieces over `milliseconds` of the proxy's clock. */
  | { readonly kind: "trickle"; readonly milliseconds: number }
  /**
   * Passes the first half of the answer's body on, then ends or cuts the connection; or, `unnoticed`, calls that half the
   * whole.
   */
  | { readonly kind: "truncate"; readonly how: "end" | "reset" | "unnoticed" }
  /** Never answers and never passes it on. */
  | { readonly kind: "hang" }
  /** Never answers, and passes the request on `milliseconds` of the proxy's clock after the other side hung up. */
  | { readonly kind: "late"; readonly milliseconds: number }
  /** Passes a changed request on; `answer` then changes the server's answer. */
  | { readonly kind: "change"; readonly request: (text: string) => string; readonly answer: (text: string) => string };

/** Of a body that trickles. */
const PIECES = 10;

export const PASS: Fault = { kind: "pass" };

/** One request as the proxy got it. */
export interface Proxied {
  readonly index: number;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request, and what became of it. */
export interface ProxiedRecord extends Proxied {
  readonly fault: Fault["kind"];
  /** Status of the server's answer; undefined as long as there is none. */
  answered?: number;
  /** The server's answer, as it gave it. */
  answer?: string;
}

/** A running proxy. */
export interface FaultProxy {
  readonly url: string;
  /** Every request, in the order in which they came. */
  readonly requests: readonly ProxiedRecord[];
  /** Requests that only time moves on: those without an answer, and answers that trickle. Held connections are one each. */
  readonly stuck: () => number;
  /** Requests that are being passed on and have no answer yet. */
  readonly busy: () => number;
  /** Resolves once everything that was to be passed on has been answered, late requests included. */
  settled(): Promise<void>;
}

/**
 * A proxy on 127.0.0.1 that does to each request what the script says.
 *
 * @param options.target origin that it passes requests on to
 * @param options.script is asked for each request, in the order in which they came
 * @param options.hold connections, counted from 0, that are taken and never answered, whatever is sent over them
 */
export async function serveFaults(
  t: Pick<TestContext, "after">,
  options: {
    readonly target: string;
    readonly script: (request: Proxied) => Fault;
    readonly hold?: (connection: number) => boolean;
    readonly clock: Clock;
  },
): Promise<FaultProxy> {
  const requests: ProxiedRecord[] = [];
  const passing: Promise<unknown>[] = [];
  const sockets = new Set<Socket>();
  const agent = new Agent({ keepAlive: true });
  const wait = (milliseconds: number) => new Promise<void>((done) => void options.clock.after(milliseconds, done));
  let connections = 0;
  let stuck = 0;
  let busy = 0;

  /** Counts a request, or a connection, as stuck until `end`. */
  async function stickUntil(end: Promise<unknown>): Promise<void> {
    stuck += 1;
    await end;
    stuck -= 1;
  }

  const http = createServer((incoming, response) => {
    serve(incoming, response).catch(() => void incoming.socket.destroy());
  });
  http.keepAliveTimeout = 0;
  const server = createTcpServer((socket) => {
    sockets.add(socket.on("close", () => sockets.delete(socket)).on("error", () => undefined));
    if (options.hold?.(connections++)) {
      // Only what is read shows its end.
      socket.on("data", () => undefined);
      void stickUntil(once(socket, "close"));
    } else http.emit("connection", socket);
  });

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket, headers, url = "" } = incoming;
    response.on("error", () => undefined);
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const seen: Proxied = { index: requests.length, url, headers, text: Buffer.concat(chunks).toString() };
    const fault = options.script(seen);
    const record: ProxiedRecord = { ...seen, fault: fault.kind };
    requests.push(record);

    if (fault.kind === "hang" || fault.kind === "late") {
      const late = fault.kind === "late" ? fault.milliseconds : undefined;
      const hungUp = stickUntil(once(response, "close"));
      await (late === undefined
        ? hungUp
        : passOn(
            record,
            seen.text,
            hungUp.then(() => wait(late)),
          ));
      return;
    }
    if (fault.kind === "reset") {
      if (fault.taken) await passOn(record, seen.text);
      socket.resetAndDestroy();
      return;
    }
    if (fault.kind === "answer") {
      if (fault.taken) await passOn(record, seen.text);
      response.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    const answer = await passOn(record, fault.kind === "change" ? fault.request(seen.text) : seen.text);
    const text = fault.kind === "change" ? fault.answer(answer.text) : answer.text;
    const half = text.slice(0, text.length / 2);
    const unnoticed = fault.kind === "truncate" && fault.how === "unnoticed";
    const length = Buffer.byteLength(unnoticed ? half : text);
    response.writeHead(answer.status, { ...answer.headers, "content-length": length });
    if (fault.kind === "trickle") {
      response.flushHeaders();
      await stickUntil(trickle(response, text.slice(0, -1), fault.milliseconds));
      // With its last piece the answer is complete for the other side, and no longer stuck.
      response.end(text.slice(-1));
    } else if (unnoticed) response.end(half);
    else if (fault.kind === "truncate") {
      response.write(half, () => {
        if (fault.how === "end") socket.destroySoon();
        else socket.resetAndDestroy();
      });
    } else response.end(text);
  }

  async function trickle(response: ServerResponse, text: string, milliseconds: number): Promise<void> {
    const closed = once(response, "close");
    const size = Math.ceil(text.length / PIECES);
    for (let at = 0; at < text.length && !response.destroyed; at += size) {
      response.write(text.slice(at, at + size));
      await Promise.race([wait(milliseconds / PIECES), closed]);
    }
  }

  function passOn(record: ProxiedRecord, text: string, first?: Promise<void>) {
    const passed = (first ?? Promise.resolve()).then(() => exchange(record, text));
    passing.push(passed.catch(() => undefined));
    return passed;
  }

  /** Not fetch: its connections are those of the client under test. */
  async function exchange(record: ProxiedRecord, text: string) {
    busy += 1;
    try {
      return await ask(record, text);
    } finally {
      busy -= 1;
    }
  }

  async function ask(record: ProxiedRecord, text: string) {
    const { host: _, connection: __, "transfer-encoding": ___, ...headers } = record.headers;
    const outgoing = request(`${options.target}${record.url}`, {
      method: "POST",
      agent,
      headers: { ...headers, "content-length": Buffer.byteLength(text) },
    });
    outgoing.end(text);
    const [incoming]: IncomingMessage[] = await once(outgoing, "response");
    if (incoming === undefined) throw new Error("unreachable: a response comes with its message");
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    record.answered = incoming.statusCode ?? 0;
    record.answer = Buffer.concat(chunks).toString();
    const { connection: ____, "keep-alive": _____, ...passed } = incoming.headers;
    return { status: record.answered, headers: passed, text: record.answer };
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    agent.destroy();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    stuck: () => stuck,
    busy: () => busy,
    async settled() {
      await Promise.all(passing);
    },
  };
}
