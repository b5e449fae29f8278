import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What becomes of one request and its answer. */
export type Exchange =
  | { readonly kind: "pass" }
  /** Cuts the connection before the request is passed on. */
  | { readonly kind: "cut" }
  /** Cuts it when the answer comes: the request has been dealt with. */
  | { readonly kind: "cut-answer" }
  /** Passes the first half of the answer on and cuts the connection. */
  | { readonly kind: "half" }
  /** The answer in two pieces, so far apart. */
  | { readonly kind: "trickle"; readonly milliseconds: number }
  /** An answer of the proxy's own; the request is not passed on. */
  | { readonly kind: "answer"; readonly status: number; readonly retryAfterSeconds?: number }
  /** Takes the request and never answers. */
  | { readonly kind: "hang" }
  /** Passes the request on so much later, whether the other side still waits or not. */
  | { readonly kind: "late"; readonly milliseconds: number };

/** A proxy between two hops. */
export interface ChaosProxy {
  readonly url: string;
  /** Cuts every connection. */
  cutAll(): void;
  close(): void;
}

/** Of what was passed on late, time for its answer. */
const LATE_GRACE_MILLISECONDS = 5_000;

/**
 * A TCP proxy on 127.0.0.1, which does to each HTTP exchange what the script says. It keeps nothing of what passes, so that it
 * can run for hours, and it knows only this of HTTP: what comes from the near side after an answer is a new request.
 *
 * @param options.port where to pass on to, asked for each connection; nobody is there while it is undefined
 * @param options.script asked for each request
 */
export async function serveChaos(options: {
  readonly port: () => number | undefined;
  readonly script: () => Exchange;
}): Promise<ChaosProxy> {
  const nears = new Set<Socket>();

  function serve(near: Socket): void {
    nears.add(near);
    near.setNoDelay(true);
    const port = options.port();
    if (port === undefined) {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    let exchange: Exchange = { kind: "pass" };
    let answered = true;
    const cut = () => {
      near.resetAndDestroy();
      far.resetAndDestroy();
    };

    near.on("data", (chunk) => {
      const begins = answered;
      if (begins) exchange = options.script();
      answered = false;
      const now = exchange;
      if (now.kind === "cut") cut();
      else if (now.kind === "late") setTimeout(() => void far.write(chunk), now.milliseconds);
      else if (now.kind === "answer") {
        if (begins) near.end(ownAnswer(now));
      } else if (now.kind !== "hang") far.write(chunk);
    });
    far.on("data", (chunk) => {
      answered = true;
      if (near.destroyed) return;
      const half = Math.ceil(chunk.length / 2);
      if (exchange.kind === "cut-answer") cut();
      else if (exchange.kind === "half") near.write(chunk.subarray(0, half), cut);
      else if (exchange.kind === "trickle") {
        near.write(chunk.subarray(0, half));
        setTimeout(() => void near.write(chunk.subarray(half)), exchange.milliseconds);
      } else near.write(chunk);
    });

    near.on("error", () => undefined);
    far.on("error", () => undefined);
    near.on("close", () => {
      nears.delete(near);
      if (exchange.kind === "late") setTimeout(() => far.destroy(), exchange.milliseconds + LATE_GRACE_MILLISECONDS);
      else far.destroy();
    });
    far.on("close", () => {
      if (answered) near.end();
      // The proxy's own answer may still be on its way.
      else if (exchange.kind !== "answer") near.resetAndDestroy();
    });
  }

  const server = createServer(serve);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const cutAll = () => {
    for (const near of nears) near.resetAndDestroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    cutAll,
    close() {
      server.close();
      cutAll();
    },
  };
}

function ownAnswer({ status, retryAfterSeconds }: Extract<Exchange, { kind: "answer" }>): string {
  const lines = [`HTTP/1.1 ${status} Soak`, "content-length: 0", "connection: close"];
  if (retryAfterSeconds !== undefined) lines.push(`retry-after: ${retryAfterSeconds}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
