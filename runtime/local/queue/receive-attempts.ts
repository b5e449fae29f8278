import type { Entry } from "./backlog.ts";
import { invalidParameter } from "./errors.ts";
import { ID_CHARACTERS, RECEIVE_ATTEMPT_ID_PATTERN, RECEIVE_ATTEMPT_WINDOW_MILLISECONDS } from "./limits.ts";
import type { Attempt, Queue } from "./queue.ts";

const pattern = new RegExp(RECEIVE_ATTEMPT_ID_PATTERN);

/** @throws SqsError `InvalidParameterValue` */
export function checkAttemptId(attemptId: string): void {
  if (pattern.test(attemptId)) return;
  throw invalidParameter("ReceiveRequestAttemptId", attemptId, `ReceiveRequestAttemptId ${ID_CHARACTERS}`);
}

/** What this attempt got, for as long as none of it was touched since: such an attempt can be repeated. */
export function untouchedAttempt(queue: Queue, attemptId: string, now: number): Attempt | undefined {
  const attempt = queue.attempts.get(attemptId);
  if (attempt === undefined) return undefined;
  const isUntouched = attempt.receives.every(
    ({ entry, receiveCount, visibleAt }) =>
      !entry.gone && entry.receiveCount === receiveCount && entry.visibleAt === visibleAt && visibleAt > now,
  );
  if (isUntouched && attempt.expiresAt > now) return attempt;
  queue.attempts.delete(attemptId);
  return undefined;
}

/** Keeps what an attempt got, and forgets those whose time is over. */
export function rememberAttempt(queue: Queue, attemptId: string, taken: readonly Entry[], now: number): void {
  for (const [id, { expiresAt }] of queue.attempts) {
    if (expiresAt > now) break;
    queue.attempts.delete(id);
  }
  queue.attempts.delete(attemptId);
  if (taken.length === 0) return;
  queue.attempts.set(attemptId, {
    expiresAt: now + RECEIVE_ATTEMPT_WINDOW_MILLISECONDS,
    receives: taken.map((entry) => ({ entry, receiveCount: entry.receiveCount, visibleAt: entry.visibleAt })),
  });
}
