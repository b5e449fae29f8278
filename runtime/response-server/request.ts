/** A request that was understood. */
export interface ResponseRequest {
  /** The body as one line: byte for byte as sent, but for line breaks between its tokens, which are blanks here. */
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A request that makes no sense to this server. */
export class RequestError extends Error {
  readonly code: "INVALID_JSON" | "MISSING_DATA" | "BODY_TOO_LARGE";
  readonly status: 400 | 413;
  constructor(code: RequestError["code"], message: string) {
    super(message);
    this.name = "RequestError";
    this.code = code;
    this.status = code === "BODY_TOO_LARGE" ? 413 : 400;
  }
}

/** An answer waits no longer than this for `data.time_out`, in seconds. */
export const MAX_TIME_OUT_SECONDS = 30;

/**
 * Reads a body `{"data": {...}}`. Further fields are kept.
 *
 * @throws RequestError `INVALID_JSON` or `MISSING_DATA`; its text says nothing of the body
 * @example parseRequest(Buffer.from('{"data":{"transSeq":"1"}}')).data // { transSeq: "1" }
 */
export function parseRequest(body: Buffer): ResponseRequest {
  let text: string;
  let value: unknown;
  try {
    // A byte order mark is not JSON; the decoder drops it.
    text = new TextDecoder("utf-8", { fatal: true }).decode(body).trim();
    value = JSON.parse(text);
  } catch {
    throw new RequestError("INVALID_JSON", "the body is not JSON in UTF-8");
  }
  if (!isObject(value) || !Object.hasOwn(value, "data") || !isObject(value["data"])) {
    throw new RequestError("MISSING_DATA", 'the body has no object "data"; expected {"data":{...}}');
  }
  // Inside a JSON string a line break is always escaped, so a raw one stands between tokens.
  return { text: text.replaceAll(/[\r\n]/g, " "), data: value["data"] };
}

/**
 * The answer to a request: `status_code` is `data.http_status` as it was sent, 200 when there is none.
 *
 * @example answerOf(request) // '{"status_code":200,"content":{"data":{"transSeq":"1"}}}'
 */
export function answerOf({ text, data }: ResponseRequest): string {
  return `{"status_code":${JSON.stringify(Object.hasOwn(data, "http_status") ? data["http_status"] : 200)},"content":${text}}`;
}

/** Whether {@link answerOf} says 200, which the consumer takes for accepted. */
export function isAccepted({ data }: ResponseRequest): boolean {
  return !Object.hasOwn(data, "http_status") || data["http_status"] === 200 || data["http_status"] === "200";
}

/**
 * The line for `res_server_Seq.txt`: `data.transSeq`, a string as it is and anything else as JSON.
 *
 * @returns undefined when the request has none
 */
export function sequenceLine({ text, data }: ResponseRequest): string | undefined {
  const sequence = data["transSeq"];
  if (sequence === undefined) return undefined;
  if (typeof sequence === "string") return /[\r\n]/.test(sequence) ? JSON.stringify(sequence) : sequence;
  if (typeof sequence === "number" && !Number.isSafeInteger(sequence)) return numberAsSent(text) ?? String(sequence);
  return JSON.stringify(sequence);
}

/**
 * Seconds that the answer shall wait.
 *
 * @returns 0 without `data.time_out`, or when it is no number above 0; at most {@link MAX_TIME_OUT_SECONDS}
 */
export function timeOutSeconds({ data }: ResponseRequest): number {
  const value = data["time_out"];
  const seconds = typeof value === "string" ? Number(value) : value;
  return typeof seconds === "number" && seconds > 0 ? Math.min(seconds, MAX_TIME_OUT_SECONDS) : 0;
}

/** `data.transSeq`, a number that a double cannot hold, in the digits it was sent with. */
function numberAsSent(text: string): string | undefined {
  const sources = new Map<unknown, string | undefined>();
  let found: string | undefined;
  JSON.parse(text, function (this: unknown, key: string, value: unknown, context?: { readonly source?: string }) {
    if (key === "transSeq") sources.set(this, context?.source);
    // The whole comes last, under the empty key.
    if (key === "" && isObject(value)) found = sources.get(value["data"]);
    return value;
  });
  return found;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
