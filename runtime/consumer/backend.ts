import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { DELIVERY_HEADERS, IDEMPOTENCY_KEY_HEADER } from "../../sdk/client/src/contract.ts";
import { errorName } from "./log.ts";
import { judge, type Outcome } from "./outcome.ts";
import type { Delivery, Ports } from "./ports.ts";

/** An answer larger than this is not read to its end, in bytes: one that repeats the largest message in its `content` fits. */
export const MAX_ANSWER_BYTES = 4 * 1_048_576;

/** Where deliveries go. */
export interface BackendOptions {
  /** POSTs go to exactly this URL, http or https. */
  readonly url: string;
  /** For the whole answer, its body included, in milliseconds. */
  readonly timeoutMilliseconds: number;
}

/**
 * The HTTP backend. `deliver` never throws: whatever happens is one of the outcomes.
 *
 * - No connection, one that breaks before the answer, a timeout at any point: `unavailable`.
 * - An answer that is not HTTP, breaks off in its body, is compressed unasked or exceeds {@link MAX_ANSWER_BYTES}: `failed`.
 * - All else by {@link judge}. Redirects are not followed.
 *
 * Connections are kept alive between deliveries, and one that sat idle may be dead by the next: closed by the backend, dropped by
 * a NAT on the way, timed out while Lambda kept the function frozen. A delivery that finds it so before any answer is made once
 * more, on a new connection and within the same timeout. It is the same message under the same `idempotency-key`, and nothing of
 * its group was sent in between. Nothing else is retried here. It is Node's own client, since none of what fetch and the libraries around
 * it add is wanted here, and they cost 0.5 to 2 ms a delivery, which the messages of a group wait for one after the other.
 *
 * @throws TypeError when the URL is none
 * @example await createBackend({ url: "http://10.0.1.5:8000/", timeoutMilliseconds: 10_000 }).deliver(delivery)
 */
export function createBackend({ url, timeoutMilliseconds }: BackendOptions): Ports["backend"] {
  const target = new URL(url);
  const secure = target.protocol === "https:";
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });

  function post(delivery: Delivery, signal: AbortSignal, isSecond = false): Promise<IncomingMessage> {
    const options = { method: "POST", agent, signal, headers: headersOf(delivery) };
    const request = (secure ? httpsRequest : httpRequest)(target, options);
    return new Promise((resolve, reject) => {
      let answered = false;
      request.on("response", (response) => {
        answered = true;
        resolve(response);
      });
      request.on("error", (error) => {
        if (isSecond || answered || !request.reusedSocket || !CLOSED_BY_PEER.has(errorName(error))) {
          reject(error);
          return;
        }
        // The other idle ones are as old as this one was, and the second try must not take one of them.
        for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
        resolve(post(delivery, signal, true));
      });
      request.end(delivery.body);
    });
  }

  return {
    async deliver(delivery) {
      const signal = AbortSignal.timeout(timeoutMilliseconds);
      let response: IncomingMessage;
      try {
        response = await post(delivery, signal);
      } catch (error) {
        return unanswered(error, signal);
      }
      try {
        return await read(response);
      } catch (error) {
        if (signal.aborted) return { kind: "unavailable", detail: "timeout" };
        return failed(response, `answer broke off: ${errorName(error)}`);
      }
    },
  };
}

/** What a write to a connection, or a read from it, comes to when the other side has closed it. */
const CLOSED_BY_PEER: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

function headersOf(delivery: Delivery): Record<string, string | number> {
  return {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(delivery.body),
    "accept-encoding": "identity",
    [IDEMPOTENCY_KEY_HEADER]: delivery.idempotencyKey,
    [DELIVERY_HEADERS.messageId]: delivery.messageId,
    [DELIVERY_HEADERS.groupId]: delivery.groupId,
    [DELIVERY_HEADERS.sequenceNumber]: delivery.sequenceNumber,
    [DELIVERY_HEADERS.attempt]: String(delivery.attempt),
  };
}

function unanswered(error: unknown, signal: AbortSignal): Outcome {
  if (signal.aborted) return { kind: "unavailable", detail: "timeout" };
  const name = errorName(error);
  // The parser's own codes: something answered, and it was not HTTP.
  return name.startsWith("HPE_") ? { kind: "failed", detail: name } : { kind: "unavailable", detail: name };
}

async function read(response: IncomingMessage): Promise<Outcome> {
  const { headers, statusCode: status = 0 } = response;
  const encoding = headers["content-encoding"] ?? "identity";
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop early gives the connection up.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) return failed(response, `answer over ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  const encoded = encoding !== "identity" && bytes > 0;
  if (encoded && status >= 200 && status <= 299)
    return failed(response, "answer is compressed, which nobody asked for");
  const text = new TextDecoder().decode(Buffer.concat(chunks));
  const contentType = headers["content-type"] ?? null;
  return judge({ status, contentType, retryAfter: headers["retry-after"] ?? null, text }, Date.now());
}

function failed({ statusCode }: IncomingMessage, detail: string): Outcome {
  return { kind: "failed", detail, ...(statusCode === undefined ? {} : { httpStatus: statusCode }) };
}
