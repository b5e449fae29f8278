import { setTimeout as sleep } from "node:timers/promises";
import { OpsError } from "../errors.ts";

/** How a verb waits for its effect. */
export interface WaitOptions {
  /** Whether to wait at all. @default true */
  readonly wait?: boolean | undefined;
  /** In seconds. What was sent goes on when they are over. @default 300 */
  readonly timeoutSeconds?: number | undefined;
  /** Ends the wait as a timeout does. */
  readonly signal?: AbortSignal | undefined;
}

/** Default of `timeoutSeconds`. */
export const TIMEOUT_SECONDS = 300;

/** Between two looks, in milliseconds: the first ones see a short replay end at once, the last ones cost next to nothing. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;
const GROWTH = 1.5;

/** @returns when the wait ends, in milliseconds since the epoch */
export function deadlineOf({ timeoutSeconds = TIMEOUT_SECONDS }: WaitOptions): number {
  return Date.now() + timeoutSeconds * 1_000;
}

/**
 * Looks again and again, at growing intervals.
 *
 * @param look resolves with undefined as long as there is nothing to see
 * @param deadline milliseconds since the epoch; there is a last look then
 * @returns undefined at the deadline, or when the signal is aborted
 */
export async function waitFor<Seen>(
  look: () => Promise<Seen | undefined>,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Seen | undefined> {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * GROWTH, LONGEST_PAUSE)) {
    const seen = await look();
    const left = deadline - Date.now();
    if (seen !== undefined || left <= 0 || signal?.aborted === true) return seen;
    // Aborted while it sleeps: the next look is the last.
    await sleep(Math.min(pause, left), undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

/** A look that failed says nothing of what was sent: that goes on. */
export async function telling<Seen>(sent: string, looking: Promise<Seen>): Promise<Seen> {
  try {
    return await looking;
  } catch (cause) {
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    const code = cause instanceof OpsError ? cause.code : "AWS_FAILED";
    throw new OpsError(code, `${sent} is sent, and goes on; its effect could not be read (${why})`, { cause });
  }
}
