import type { Attempt } from "./answer.ts";

/** Bound of the first wait, in milliseconds; it doubles with every further attempt. */
const FIRST_BACKOFF_MILLISECONDS = 200;

/** Bound of every wait, in milliseconds. */
const LONGEST_BACKOFF_MILLISECONDS = 20_000;

/**
 * How long to wait before the next attempt, in milliseconds: full jitter (anything from none to the bound), never less
 * than the server's `Retry-After`.
 *
 * @param attempts how the messages of the last request fared
 * @param tries requests made for them within their budget, from 1 on
 */
export function retryDelay(attempts: readonly Attempt[], tries: number): number {
  const bound = Math.min(LONGEST_BACKOFF_MILLISECONDS, FIRST_BACKOFF_MILLISECONDS * 2 ** (tries - 1));
  return Math.max(Math.random() * bound, ...attempts.map(({ retryAfterMilliseconds = 0 }) => retryAfterMilliseconds));
}
