import { ERROR_STATUS, type ErrorCode } from "./contract.ts";
import type { FifoClientErrorCode } from "./errors.ts";

/** How one attempt ended. */
export type Attempt = Accepted | Failed;

/** The message is in the queue. */
export interface Accepted {
  readonly accepted: true;
  readonly messageId: string;
  readonly sequenceNumber: string;
}

/** The message is not in the queue, or nobody can say. */
export interface Failed {
  readonly accepted: false;
  readonly code: FifoClientErrorCode;
  readonly retryable: boolean;
  /** False only when whoever answered surely did not put the message into the queue. */
  readonly mayHaveLanded: boolean;
  /** What the server asked for, in milliseconds. */
  readonly retryAfterMilliseconds?: number | undefined;
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly gatewayMessage?: string | undefined;
  readonly cause?: Error | undefined;
}

/** API Gateway's request ids are UUIDs; nothing else a server may send gets into an error's text. */
const REQUEST_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Reads an answer against the wire contract.
 *
 * @param text the answer's body, undefined when it broke off
 */
export function readAnswer(response: Response, text: string | undefined): Attempt {
  const { status } = response;
  const body = parseObject(text);
  const requestId = [body["requestId"], response.headers.get("x-amzn-requestid")].find(
    (id): id is string => typeof id === "string" && REQUEST_ID.test(id),
  );
  // A browser hides a redirect that is not followed behind status 0. The gateway itself never redirects, so whoever
  // did has not passed the message on; following would hand key and payload to another address.
  if (response.type === "opaqueredirect" || (status >= 300 && status < 400)) {
    return { accepted: false, code: "REDIRECTED", retryable: false, mayHaveLanded: false, status, requestId };
  }
  if (status >= 200 && status < 300) {
    const { messageId, sequenceNumber } = body;
    if (status === 200 && isId(messageId) && isId(sequenceNumber)) return { accepted: true, messageId, sequenceNumber };
    // It may well be in the queue; the deduplication id makes it safe to ask again.
    return { accepted: false, code: "INVALID_ANSWER", retryable: true, mayHaveLanded: true, status, requestId };
  }
  const code = isErrorCode(body["code"]) ? body["code"] : "UNEXPECTED_STATUS";
  const serverSide = status >= 500 || status === 408;
  return {
    accepted: false,
    code,
    // A quota is a day's, a week's or a month's: four minutes of retries cannot help, and each of them counts.
    retryable: serverSide || status === 425 || (status === 429 && code !== "QUOTA_EXCEEDED"),
    // 425 and 429 say that the request was not handled, every other 4xx that it was refused.
    mayHaveLanded: serverSide,
    retryAfterMilliseconds: readRetryAfter(response.headers),
    status,
    requestId,
    gatewayMessage: typeof body["message"] === "string" ? body["message"] : undefined,
  };
}

/** `Retry-After` in milliseconds, from seconds or from a date; undefined when absent, past or neither. */
function readRetryAfter(headers: Headers): number | undefined {
  const value = headers.get("retry-after")?.trim();
  if (value === undefined || value === "") return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Against the server's own date where it is readable, so that a wrong local clock does not matter.
  const sent = Date.parse(headers.get("date") ?? "");
  const wait = Date.parse(value) - (Number.isNaN(sent) ? Date.now() : sent);
  return wait > 0 ? wait : undefined;
}

function parseObject(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(ERROR_STATUS, value);
}
