import {
  DEDUPLICATION_WINDOW_MILLISECONDS,
  GATEWAY_TIMEOUT_MILLISECONDS,
  MAX_BATCH_ENTRIES,
  QUEUE_PATTERN,
} from "./contract.ts";
import { ensure, type FifoClientErrorCode, type SendError, show } from "./errors.ts";
import { matches } from "./message.ts";
import type { StandardSchema } from "./schema.ts";

/** One message of a request. */
export interface MessageAttempt {
  /** Its group. */
  readonly groupId: string;
  /** The id under which SQS drops repetitions of it for five minutes. */
  readonly deduplicationId: string;
  /** Requests made for the message so far, this one and those before a replay included. */
  readonly attempt: number;
  /** Why its last request that has ended did not take it; undefined when it did, and before the first one. */
  readonly code: FifoClientErrorCode | undefined;
}

/** A request that begins. */
export interface RequestEvent {
  /** One message, or those of a batch. */
  readonly messages: readonly MessageAttempt[];
}

/** A request that has ended: with an answer, without one, or by an abort. */
export interface ResponseEvent extends RequestEvent {
  /** From the request's begin to the end of its answer. */
  readonly milliseconds: number;
  /** HTTP status, when there was an answer. */
  readonly status?: number;
  /** The gateway's own id of the request, when it said one. */
  readonly requestId?: string | undefined;
}

/** Messages that will be sent again. */
export interface RetryEvent extends RequestEvent {
  /** How long they wait. */
  readonly delayMilliseconds: number;
}

/** A group that sends nothing until it is resumed. */
export interface PausedGroup {
  /** To be given to `resume()`. */
  readonly groupId: string;
  /** How its head failed. */
  readonly cause: SendError;
}

/**
 * SQS gave a message a sequence number that is not above that of the group's message before it. Either SQS dropped it as
 * a repetition of an earlier one with the same deduplication id, or the queue is another one than before, or something
 * between the client and the queue changes the order.
 */
export interface SequenceWarning {
  readonly code: "SEQUENCE_NOT_GROWING";
  readonly groupId: string;
  readonly deduplicationId: string;
  readonly sequenceNumber: string;
  readonly previousSequenceNumber: string;
}

/** What the client tells on its way. A hook never changes what happens; whatever it throws or rejects with is dropped. */
export interface Hooks {
  /** Before each request. */
  readonly onRequest?: (event: RequestEvent) => void;
  /** After each request, however it has ended, and before its promises settle. */
  readonly onResponse?: (event: ResponseEvent) => void;
  /** When messages will be sent again. */
  readonly onRetry?: (event: RetryEvent) => void;
  /** When a message has failed for good, after its promise and those behind it were rejected. Not with `"continue"`. */
  readonly onGroupPaused?: (group: PausedGroup) => void;
  /** When SQS's sequence numbers do not grow within a group. */
  readonly onWarning?: (warning: SequenceWarning) => void;
}

/** What {@link createFifoClient} takes. */
export interface FifoClientOptions<Queue extends string = string, Payload = unknown> extends Hooks {
  /** The gateway's URL without the queue, e.g. `https://fifo.kimalarm.example`. https, or http to a loopback host. */
  readonly endpoint: string;
  /** The producer's API key. It is sent in the `x-api-key` header and nowhere else. */
  readonly apiKey: string;
  /** The queue's name as in the URL, e.g. `queue-1`. */
  readonly queue: Queue;
  /**
   * Most requests in flight at a time, over all groups, at most 10000; one group never has more than one.
   * @default 16
   */
  readonly concurrency?: number;
  /**
   * Most messages in one request, 1 to 10, at most one of each group; 1 never uses the batch route.
   * @default 10
   */
  readonly maxBatchSize?: number;
  /**
   * Most messages that the client keeps: queued, in flight, and the failed one of each paused group. `send()` rejects
   * with `TOO_MANY_PENDING` beyond it, `ready()` waits. A message is at most 1 MiB. At most 100000.
   * @default 10000
   */
  readonly maxPending?: number;
  /**
   * How long one attempt may take until its whole answer is there, in milliseconds; at most 270000.
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
  /**
   * Checks each payload, and may change it: what it gives back is sent. An asynchronous one never changes the order; the
   * payload must then stay as it is until it has ended.
   */
  readonly schema?: StandardSchema<Payload, unknown>;
  /** Ends the client when it is aborted, as `close({ timeout: 0 })`; `close()` then returns what was not sent. */
  readonly signal?: AbortSignal;
}

/** The options, checked, with their defaults. */
export interface Settings extends Hooks {
  readonly url: string;
  readonly apiKey: string;
  readonly concurrency: number;
  readonly maxBatchSize: number;
  readonly maxPending: number;
  readonly attemptTimeoutMilliseconds: number;
  readonly retryBudgetMilliseconds: number;
  readonly onFailure: "pause" | "continue";
  readonly schema?: StandardSchema;
  readonly signal?: AbortSignal;
}

const LONGEST_BUDGET_MILLISECONDS = DEDUPLICATION_WINDOW_MILLISECONDS - GATEWAY_TIMEOUT_MILLISECONDS;

/** Default and largest value; the smallest is 1. */
const NUMBERS = {
  concurrency: [16, 10_000],
  maxBatchSize: [MAX_BATCH_ENTRIES, MAX_BATCH_ENTRIES],
  maxPending: [10_000, 100_000],
  attemptTimeoutMilliseconds: [GATEWAY_TIMEOUT_MILLISECONDS, LONGEST_BUDGET_MILLISECONDS],
  retryBudgetMilliseconds: [240_000, LONGEST_BUDGET_MILLISECONDS],
} as const;

/** What the texts must match, how an error says so, and "" where it does not show the value, which may be a secret. */
const TEXTS = {
  // No credentials (the key belongs into apiKey), no query; a URL parser would read a backslash as a slash.
  endpoint: [
    /^(https:\/\/(?=[^/])|http:\/\/([^/?#@\\\s]+\.localhost|localhost|127\.\d+\.\d+\.\d+|\[::1])(:|\/|$))[^?#@\\\s]*$/,
    "be https (http to loopback), no credentials",
    "",
  ],
  // Anything else could not be a header's value, and fetch's own error would quote it.
  apiKey: [/^[!-~]+$/, undefined, ""],
  queue: [new RegExp(QUEUE_PATTERN)],
  onFailure: [/^(pause|continue)$/],
} as const;

/**
 * Checks the options.
 *
 * @throws FifoClientError `INVALID_OPTION`, naming the option, its value (unless it may be a secret) and what is right
 */
export function parseOptions(options: FifoClientOptions): Settings {
  const settings: Record<string, unknown> = { onFailure: "pause", ...options };
  const check = (ok: unknown, name: string, right: string, shown = `, not ${show(settings[name])}`) =>
    ensure(ok, "INVALID_OPTION", `${name} must ${right}${shown}`);
  for (const [name, [pattern, right = `match ${pattern}`, shown]] of Object.entries(TEXTS)) {
    check(matches(pattern, settings[name]), name, right, shown);
  }
  for (const [name, [byDefault, most]] of Object.entries(NUMBERS)) {
    const value = (settings[name] ??= byDefault) as number;
    check(Number.isInteger(value) && value > 0 && value <= most, name, `be a whole number from 1 to ${most}`);
  }
  const { endpoint, queue } = options;
  return { ...settings, url: `${endpoint.replace(/\/+$/, "")}/${queue}` } as unknown as Settings;
}
