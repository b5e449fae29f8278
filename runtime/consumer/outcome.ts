/**
 * What one delivery came to.
 * - `accepted`: the backend has it.
 * - `rejected`: the backend does not want it; the failure policy takes it, no retry.
 * - `unavailable`: the backend is not there; the group waits and nothing is counted.
 * - `failed`: the backend could not cope; an attempt is counted.
 */
export type Outcome =
  | { readonly kind: "accepted" }
  | { readonly kind: "rejected"; readonly detail: string; readonly httpStatus?: number }
  | { readonly kind: "unavailable"; readonly detail: string; readonly retryAfterSeconds?: number }
  | { readonly kind: "failed"; readonly detail: string; readonly httpStatus?: number };

/** An answer that arrived as a whole. */
export interface Answer {
  readonly status: number;
  readonly contentType: string | null;
  readonly retryAfter: string | null;
  readonly text: string;
}

/** Statuses that say "not now": the request was not dealt with, and the same one may be dealt with later. */
const NOT_NOW: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);

/**
 * Reads the backend's answer by the wire contract's table.
 *
 * The HTTP status decides first, and only a 2xx is looked into: a proxy's 503 is `unavailable` whatever its body says.
 * - A redirect is not followed (it would send the message to a URL that nobody configured) and counts as `failed`.
 * - A body that calls itself JSON has to parse, an empty one included; 204 and 205 have no body and are accepted.
 * - Other text has no `status_code`; when it happens to be a JSON object, its `status_code` counts all the same.
 * - `status_code` 200 may be a number or the string "200". Anything else there, `null` too, is a rejection.
 *
 * @param now milliseconds since the epoch, to read a `Retry-After` that is a date
 * @example judge({ status: 200, contentType: "application/json", retryAfter: null, text: '{"status_code":409}' }, Date.now())
 * // { kind: "rejected", detail: "status_code 409", httpStatus: 200 }
 */
export function judge(answer: Answer, now: number): Outcome {
  const { status } = answer;
  if (NOT_NOW.has(status)) {
    const retryAfterSeconds = parseRetryAfter(answer.retryAfter, now);
    return {
      kind: "unavailable",
      detail: `http ${status}`,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    };
  }
  if (status >= 400 && status < 500) return { kind: "rejected", detail: `http ${status}`, httpStatus: status };
  if (status < 200 || status > 299) return { kind: "failed", detail: `http ${status}`, httpStatus: status };
  if (status === 204 || status === 205) return { kind: "accepted" };
  return judgeBody(answer);
}

function judgeBody({ status, contentType, text }: Answer): Outcome {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return claimsJson(contentType)
      ? { kind: "failed", detail: "answer is not the JSON it says it is", httpStatus: status }
      : { kind: "accepted" };
  }
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "status_code")) return { kind: "accepted" };
  const code: unknown = Reflect.get(value, "status_code");
  if (code === 200 || code === "200") return { kind: "accepted" };
  // Only a number is repeated: anything else could be text of the backend's answer, and that never reaches a log.
  const detail = typeof code === "number" ? `status_code ${code}` : "status_code is not a number";
  return { kind: "rejected", detail, httpStatus: status };
}

/** `application/json`, `application/problem+json`, `text/json`, with or without parameters. */
function claimsJson(contentType: string | null): boolean {
  return contentType !== null && /^\s*[^;\s]+[/+]json\s*(;|$)/i.test(contentType);
}

/**
 * Reads `Retry-After`: whole seconds or an HTTP date. A date in the past is 0; what is neither is as good as absent.
 *
 * @example parseRetryAfter("120", Date.now()) // 120
 */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
  // Date.parse also reads things that are no HTTP date, "-5" for one.
  const date = /^[A-Za-z]{3,9},? .*\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}
