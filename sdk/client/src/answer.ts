import { type BatchAnswer, ERROR_STATUS, type ErrorCode } from "./contract.ts";
import type { FifoClientErrorCode } from "./errors.ts";

/** How one attempt for one message ended. */
export type Attempt = Accepted | Failed;

/** The message is in the queue. */
export interface Accepted {
  readonly code?: undefined;
  readonly alone?: undefined;
  readonly retryAfterMilliseconds?: undefined;
  readonly messageId: string;
  readonly sequenceNumber: string;
}

/** The message is not in the queue, or nobody can say. */
export interface Failed {
  readonly code: FifoClientErrorCode;
  readonly retryable?: boolean;
  /** False only when whoever answered surely did not put the message into the queue. */
  readonly mayHaveLanded?: boolean;
  /** The request was refused as a whole, and nobody knows for which of its messages: each goes alone now. */
  readonly alone?: boolean;
  /** What the server asked for, in milliseconds. */
  readonly retryAfterMilliseconds?: number | undefined;
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

/** API Gateway's request ids are UUIDs; nothing else a server may send gets into an error's text. */
const REQUEST_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Reads an answer against the wire contract.
 *
 * @param text the answer's body, undefined when it broke off
 * @param count how many messages the request held; their entry ids are "0" and up
 */
export function readAnswer(response: Response, text: string | undefined, count: number): Answer {
  const { status, headers } = response;
  const body = parseObject(text);
  const requestId = [body["requestId"], headers.get("x-amzn-requestid")].find(
    (id): id is string => typeof id === "string" && REQUEST_ID.test(id),
  );
  const whole = failed(status, body["code"], {
    requestId,
    retryAfterMilliseconds: readRetryAfter(headers),
    gatewayMessage: body["message"],
  });
  const alone = count > 1 && status >= 400 && !whole.retryable && whole.code !== "QUOTA_EXCEEDED";
  const refused = alone ? { ...whole, retryable: true, alone } : whole;
  const attempts = Array.from({ length: count }, (_, at): Attempt => {
    if (status !== 200) return refused;
    if (count === 1) return readAccepted(body) ?? whole;
    const id = String(at);
    const failure = find(body["failed"], id);
    if (failure) {
      const { code, message } = failure;
      // By its code, so that the same failure is the same whether the message shared its request or not.
      const meant = isErrorCode(code) ? ERROR_STATUS[code] : failure["senderFault"] === true ? 400 : 502;
      return failed(meant, code, { requestId, gatewayMessage: message });
    }
    // An entry that the answer does not name may well be in the queue.
    return readAccepted(find(body["successful"], id)) ?? whole;
  });
  return { status, requestId, attempts };
}

function failed(
  status: number,
  theirs: unknown,
  rest: { requestId: string | undefined; retryAfterMilliseconds?: number | undefined; gatewayMessage: unknown },
): Failed {
  const { gatewayMessage } = rest;
  // A browser hides a redirect that is not followed behind status 0. The gateway itself never redirects, so whoever
  // did has not passed the message on; following would hand key and payload to another address.
  const redirected = status === 0 || (status >= 300 && status < 400);
  const success = status >= 200 && status < 300;
  const code = redirected
    ? "REDIRECTED"
    : success
      ? "INVALID_ANSWER"
      : isErrorCode(theirs)
        ? theirs
        : "UNEXPECTED_STATUS";
  // After a success without ids the message may well be in the queue; its deduplication id makes it safe to ask again.
  const mayHaveLanded = success || status >= 500 || status === 408;
  return {
    ...rest,
    code,
    status,
    // 425 and 429 say that the request was not handled, every other 4xx that it was refused. A quota is a day's, a
    // week's or a month's: four minutes of retries cannot help, and each of them counts.
    retryable: mayHaveLanded || status === 425 || (status === 429 && code !== "QUOTA_EXCEEDED"),
    mayHaveLanded,
    gatewayMessage: typeof gatewayMessage === "string" ? gatewayMessage : undefined,
  };
}

/** `Retry-After` in milliseconds, from seconds or from a date; undefined when absent, past or neither. */
function readRetryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after");
  // A date against the server's own, where that is readable, so that a wrong local clock does not matter.
  const sent = Date.parse(headers.get("date") ?? "") || Date.now();
  const wait = Number(value) * 1000 || Date.parse(value ?? "") - sent;
  return wait > 0 ? wait : undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function parseObject(text = ""): Fields {
  try {
    return { ...JSON.parse(text) };
  } catch {
    return {};
  }
}

function find(entries: unknown, id: string): (BatchAnswer["failed"][number] & Fields) | undefined {
  return Array.isArray(entries) ? entries.find((entry) => entry?.id === id) : undefined;
}

function readAccepted(fields: Fields | undefined): Accepted | undefined {
  const { messageId, sequenceNumber } = fields ?? {};
  return isId(messageId) && isId(sequenceNumber) ? { messageId, sequenceNumber } : undefined;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_STATUS, value);
}
