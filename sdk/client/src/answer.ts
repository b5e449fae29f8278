import type { ErrorCode } from "./contract.ts";
import type { FifoClientErrorCode } from "./errors.ts";
import { matches } from "./message.ts";

/** How one attempt for one message ended. */
export type Attempt = Accepted | Failed;

/** The message is in the queue. */
export interface Accepted extends Circumstances {
  readonly code?: undefined;
  readonly messageId: string;
  readonly sequenceNumber: string;
}

/** The message is not in the queue, or nobody can say. */
export interface Failed extends Circumstances {
  readonly code: FifoClientErrorCode;
}

interface Circumstances {
  readonly retryable?: boolean;
  /** False only when whoever answered surely did not put the message into the queue. */
  readonly mayHaveLanded?: boolean;
  /** The request was refused as a whole, and nobody knows for which of its messages: each goes alone now. */
  readonly alone?: boolean;
  /** What the server asked for. */
  readonly retryAfterMilliseconds?: number;
  readonly status?: number;
  readonly requestId?: string | undefined;
  readonly gatewayMessage?: string | undefined;
  readonly cause?: Error | undefined;
}

/** How one request ended, for each of its messages. */
export interface Answer {
  readonly status?: number;
  readonly requestId?: string | undefined;
  readonly attempts: readonly Attempt[];
}

/** Fields of an answer or of one of its entries. */
type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads an answer against the wire contract.
 *
 * @param body the answer's body; empty when it was no JSON object or broke off
 * @param count how many messages the request held; their entry ids are "0" and up
 */
export function readAnswer({ status, headers }: Response, body: Fields, count: number): Answer {
  // API Gateway's request ids are UUIDs; nothing else a server may send gets into an error's text.
  const requestId = [body["requestId"], headers.get("x-amzn-requestid")].find((id) => matches("^[0-9a-f-]{36}$", id));
  // Seconds or a date (RFC 9110, 10.2.3); 0 when absent or neither.
  const after = headers.get("retry-after") ?? "";
  const retryAfterMilliseconds = Number(after) * 1000 || Date.parse(after) - Date.now() || 0;
  const read = (fields: Fields, as: number): Attempt => ({ ...readOne(fields, as), requestId, retryAfterMilliseconds });
  const whole = read(body, status);
  const alone = count > 1 && status >= 400 && !whole.retryable && whole.code !== "QUOTA_EXCEEDED";
  const attempts = Array.from({ length: count }, (_, at) => {
    if (count === 1) return whole;
    if (status !== 200) return { ...whole, retryable: alone || whole.retryable === true, alone };
    const entries = [body["failed"], body["successful"]].flat() as (Fields | undefined)[];
    const entry = entries.find((one) => one?.["id"] === String(at)) ?? {};
    const { code, senderFault } = entry;
    if (!code) return read(entry, 200);
    // As the single route would say it, so that a failure is the same whether the message shared its request or not.
    return read(entry, code === "THROTTLED" ? 429 : code === "QUEUE_ERROR" || senderFault !== true ? 502 : 400);
  });
  return { status, requestId, attempts };
}

/** What a status and the fields that came with it say about one message. */
function readOne({ messageId, sequenceNumber, code, message }: Fields, status: number): Attempt {
  if (status === 200 && isText(messageId) && isText(sequenceNumber)) return { messageId, sequenceNumber };
  // A browser hides a redirect that is not followed behind status 0. The gateway itself never redirects, so whoever
  // did has not passed the message on; following would hand key and payload to another address.
  const redirected = status < 200 || (status >= 300 && status < 400);
  // After a success without ids the message may well be in the queue; its deduplication id makes it safe to ask again.
  const mayHaveLanded = !redirected && (status < 300 || status >= 500 || status === 408);
  return {
    code: redirected ? "REDIRECTED" : status < 300 ? "INVALID_ANSWER" : isErrorCode(code) ? code : "UNEXPECTED_STATUS",
    status,
    // 425 and 429 say that the request was not handled, every other 4xx that it was refused. A quota is a day's, a
    // week's or a month's: four minutes of retries cannot help, and each of them counts.
    retryable: mayHaveLanded || status === 425 || (status === 429 && code !== "QUOTA_EXCEEDED"),
    mayHaveLanded,
    gatewayMessage: isText(message) ? message : undefined,
  };
}

function isText(value: unknown): value is string {
  return matches(".", value);
}

/** By its form: a newer gateway may have more of them, and nothing else gets into an error's text. */
function isErrorCode(value: unknown): value is ErrorCode {
  return matches("^[A-Z_]{5,22}$", value);
}
