import { DEDUPLICATION_WINDOW_MILLISECONDS, GATEWAY_TIMEOUT_MILLISECONDS } from "./contract.ts";
import { FifoClientError } from "./errors.ts";

/** What {@link createFifoClient} takes. */
export interface FifoClientOptions<Queue extends string = string> {
  /** The gateway's URL without the queue, e.g. `https://fifo.kimalarm.example`. https, or http to a loopback host. */
  readonly endpoint: string;
  /** The producer's API key. It is sent in the `x-api-key` header and nowhere else. */
  readonly apiKey: string;
  /** The queue's name as in the URL, e.g. `queue-1`. */
  readonly queue: Queue;
  /**
   * Most requests in flight at a time, over all groups; one group never has more than one.
   * @default 16
   */
  readonly concurrency?: number;
  /**
   * How long one attempt may take until its whole answer is there, in milliseconds.
   * @default 30000, the gateway's own limit
   */
  readonly attemptTimeoutMilliseconds?: number;
  /**
   * How long one message is retried, from its first attempt on, in milliseconds; at most 270000, so that the last
   * attempt lands while SQS still knows the deduplication id of the first (five minutes, less 30 s to land).
   * @default 240000
   */
  readonly retryBudgetMilliseconds?: number;
  /**
   * What a group does after a message of it failed for good. `"pause"`: nothing more of it is sent until `resume`.
   * `"continue"`: the failed message is given up and the next one follows, after an `unknown` outcome 30 s later.
   * @default "pause"
   */
  readonly onFailure?: "pause" | "continue";
}

/** The options, checked, with their defaults. */
export interface Settings {
  readonly url: string;
  readonly apiKey: string;
  readonly concurrency: number;
  readonly attemptTimeoutMilliseconds: number;
  readonly retryBudgetMilliseconds: number;
  readonly onFailure: "pause" | "continue";
}

const LONGEST_BUDGET_MILLISECONDS = DEDUPLICATION_WINDOW_MILLISECONDS - GATEWAY_TIMEOUT_MILLISECONDS;

/** One URL path segment: what SQS takes as a queue name, less the room for `.fifo`. */
const QUEUE_PATTERN = /^[A-Za-z0-9_-]{1,75}$/;

/** Visible ASCII: anything else could not be a header's value, and fetch's own error would quote it. */
const API_KEY_PATTERN = /^[!-~]+$/;

const LOOPBACK_HOST = /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Checks the options.
 *
 * @throws FifoClientError `INVALID_OPTION`, naming the option, its value (unless it may be a secret) and what is right
 */
export function parseOptions(options: FifoClientOptions): Settings {
  const { apiKey, queue, onFailure = "pause" } = options;
  if (typeof apiKey !== "string" || !API_KEY_PATTERN.test(apiKey)) {
    throw invalid("apiKey", "must be a string of visible ASCII characters, without spaces or line breaks");
  }
  if (typeof queue !== "string" || !QUEUE_PATTERN.test(queue)) {
    throw invalid("queue", `is ${show(queue)}: must be 1 to 75 letters, digits, "-" or "_"`);
  }
  if (onFailure !== "pause" && onFailure !== "continue") {
    throw invalid("onFailure", `is ${show(onFailure)}: must be "pause" or "continue"`);
  }
  return {
    url: `${parseEndpoint(options.endpoint)}/${queue}`,
    apiKey,
    concurrency: wholeNumber("concurrency", options.concurrency ?? 16, 10_000),
    attemptTimeoutMilliseconds: wholeNumber(
      "attemptTimeoutMilliseconds",
      options.attemptTimeoutMilliseconds ?? GATEWAY_TIMEOUT_MILLISECONDS,
      LONGEST_BUDGET_MILLISECONDS,
    ),
    retryBudgetMilliseconds: wholeNumber(
      "retryBudgetMilliseconds",
      options.retryBudgetMilliseconds ?? 240_000,
      LONGEST_BUDGET_MILLISECONDS,
    ),
    onFailure,
  };
}

function parseEndpoint(endpoint: unknown): string {
  const url = typeof endpoint === "string" && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  // The value is not shown before it is known to hold no credentials and no query.
  if (typeof endpoint !== "string" || url === undefined) throw invalid("endpoint", "must be an absolute URL");
  if (url.username !== "" || url.password !== "") {
    throw invalid("endpoint", "must not hold credentials: the key belongs into apiKey");
  }
  if (/[?#]/.test(endpoint)) throw invalid("endpoint", "must not hold a query or a fragment");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && LOOPBACK_HOST.test(url.hostname))) {
    throw invalid("endpoint", `is ${show(url.href)}: must be https, or http to a loopback host`);
  }
  return url.href.replace(/\/+$/, "");
}

function wholeNumber(name: string, value: unknown, most: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw invalid(name, `is ${show(value)}: must be a whole number from 1 to ${most}`);
}

function invalid(name: string, text: string): FifoClientError {
  return new FifoClientError("INVALID_OPTION", `Option ${name} ${text}.`);
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
