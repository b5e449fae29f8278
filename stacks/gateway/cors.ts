import { readFileSync } from "node:fs";
import { join } from "node:path";
import { API_KEY_HEADER, IDEMPOTENCY_KEY_HEADER, TRACEPARENT_HEADER } from "../../sdk/client/src/contract.ts";

/** Response headers by name. */
type Headers = Readonly<Record<string, string>>;

/** Request headers that a page may set. */
const REQUEST_HEADERS = ["content-type", API_KEY_HEADER, IDEMPOTENCY_KEY_HEADER, TRACEPARENT_HEADER];

/** Response headers that a page may read, besides the few that browsers always show. */
const RESPONSE_HEADERS = ["retry-after", "x-amzn-requestid", "date"];

/** A browser may remember a preflight's answer this long, in seconds: Chromium's upper bound (two hours). */
const PREFLIGHT_SECONDS = 7_200;

const ALLOW_ORIGIN = "Access-Control-Allow-Origin";

/**
 * What the gateway tells browsers about who may call it (Fetch standard, "CORS protocol"). Keys travel in a header of their own,
 * never as credentials of the browser, so `Access-Control-Allow-Credentials` is never sent.
 */
export interface Cors {
  /** Headers that every answer to a preflight has. */
  readonly preflight: Headers;
  /** Headers that every answer of a route has. */
  readonly answer: Headers;
  /** Headers of what API Gateway answers by itself. */
  readonly ownAnswer: Headers;
  /** Names of all headers that an answer or a preflight can have, for their method responses: API Gateway sends no other. */
  readonly names: { readonly preflight: readonly string[]; readonly answer: readonly string[] };
  /** What goes before each response template of a route and of a preflight; empty where a fixed text says it all. */
  readonly allowOrigin: string;
}

/**
 * @param origins as configured: none, `"*"` alone, or origins
 * @returns undefined for none
 * @example corsFor(["https://app.example"]);
 */
export function corsFor(origins: readonly string[]): Cors | undefined {
  const [first, second] = origins;
  if (first === undefined) return undefined;
  const several = second !== undefined;
  const fixed: Headers = several ? {} : { [ALLOW_ORIGIN]: first };
  const exposed: Headers = { "Access-Control-Expose-Headers": RESPONSE_HEADERS.join(", ") };
  const vary: Headers = first === "*" ? {} : { Vary: "origin" };
  const preflight: Headers = {
    ...fixed,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": REQUEST_HEADERS.join(", "),
    "Access-Control-Max-Age": String(PREFLIGHT_SECONDS),
    ...vary,
  };
  const answer: Headers = { ...fixed, ...exposed, ...vary };
  return {
    preflight,
    answer,
    // A gateway response runs no template: a header of it is a fixed text, or a copy of a request's header. A copy of `Origin`
    // allows everyone just as "*" does, and whether a mapping finds the header in whichever case it was sent is not documented.
    // "*" gives nothing away: these texts are the same for all, and what is sent with a key needs a preflight, which does look
    // at the list.
    ownAnswer: { [ALLOW_ORIGIN]: several ? "*" : first, ...exposed },
    names: { preflight: namesOf(preflight), answer: namesOf(answer) },
    allowOrigin: several ? allowOriginOf(origins) : "",
  };
}

function namesOf(headers: Headers): string[] {
  return [...new Set([ALLOW_ORIGIN, ...Object.keys(headers)])];
}

/** An origin has no character that ends a text in single quotes: the configuration sees to it. */
function allowOriginOf(origins: readonly string[]): string {
  const template = readFileSync(join(import.meta.dirname, "allow-origin.vtl"), "utf8");
  return template.replace("'__ORIGIN__'", origins.map((origin) => `'${origin}'`).join(", "));
}

/** Declares headers in a method response. */
export function declaredHeaders(names: readonly string[]): Record<string, boolean> {
  return Object.fromEntries(names.map((name) => [`method.response.header.${name}`, true]));
}

/** Sets headers in an integration response or a gateway response. */
export function fixedHeaders(place: "method.response" | "gatewayresponse", headers: Headers): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [`${place}.header.${name}`, `'${value}'`]));
}
