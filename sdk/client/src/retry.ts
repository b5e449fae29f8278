import type { Attempt } from "./answer.ts";

/** Bound of the first wait, in milliseconds; it doubles with every further attempt. */
const FIRST_BACKOFF_MILLISECONDS = 200;

/** Bound of every wait, in milliseconds. */
const LONGEST_BACKOFF_MILLISECONDS = 20_000;

/**
 * How long to wait before the next attempt, in milliseconds: full jitter (anything from none to the bound), never less
 * than the server's `Retry-After`.
 *
 * @param attempt how the last request ended for one of its messages: they share the server's `Retry-After`
 * @param tries most requests made for one of them within its budget, from 1 on
 */
export function retryDelay(attempt: Attempt | undefined, tries: number): number {
  const bound = Math.min(LONGEST_BACKOFF_MILLISECONDS, FIRST_BACKOFF_MILLISECONDS * 2 ** (tries - 1));
  return Math.max(attempt?.retryAfterMilliseconds ?? 0, Math.random() * bound);
}
