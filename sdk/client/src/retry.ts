import type { Failed } from "./answer.ts";

/** Bound of the first wait, in milliseconds; it doubles with every further attempt. */
const FIRST_BACKOFF_MILLISECONDS = 200;

/** Bound of every wait, in milliseconds. */
const LONGEST_BACKOFF_MILLISECONDS = 20_000;

/**
 * How long to wait before the next attempt, in milliseconds: full jitter (anything from none to the bound), never less
 * than the server's `Retry-After`. Undefined when there is to be none, or none that the budget has room for.
 *
 * @param failed how the last attempt ended
 * @param tries attempts made within this budget, from 1 on
 * @param left the longest wait that the budget has room for, in milliseconds
 */
export function retryDelay(failed: Failed, tries: number, left: number): number | undefined {
  if (!failed.retryable) return undefined;
  const bound = Math.min(LONGEST_BACKOFF_MILLISECONDS, FIRST_BACKOFF_MILLISECONDS * 2 ** (tries - 1));
  const delay = Math.max(failed.retryAfterMilliseconds ?? 0, Math.random() * bound);
  return delay < left ? delay : undefined;
}
