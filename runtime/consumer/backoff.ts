/** No wait of ours is longer, in seconds. */
export const MAX_WAIT_SECONDS = 300;

/** A message can be hidden for at most this long after it was received, in seconds (SQS quota: 12 hours). */
export const SQS_MAX_VISIBILITY_SECONDS = 43_200;

/**
 * Growth of the wait from one receive to the next while the backend is unavailable. The waits then add up to about eight
 * times the last one, so a group is back within a seventh of the outage's length: five seconds after one of 30.
 */
const OUTAGE_GROWTH = 1.12;

/**
 * The shortest wait during an outage, as a part of the whole. More jitter would shorten what 1,000 receives (the queue's
 * `maxReceiveCount`) last: at the cap they are 1,000 x 285 s on average, a little over three days.
 */
const OUTAGE_SHORTEST = 0.9;

/** Growth of the wait from one failed attempt to the next. */
const FAILURE_GROWTH = 2;

/** The shortest wait after a failed attempt, as a part of the whole. */
const FAILURE_SHORTEST = 0.5;

/**
 * Seconds to wait while the backend is unavailable.
 *
 * @param receives how often the group's head has been received, this time included
 * @param random 0 (the shortest wait) up to 1 (the whole)
 * @example outageWait(1, 0.5) // 1
 */
export function outageWait(receives: number, random: number): number {
  return jittered(OUTAGE_GROWTH ** (receives - 1), OUTAGE_SHORTEST, random);
}

/**
 * Seconds to wait after a failed attempt.
 *
 * @param attempts failed attempts of the group's head, this one included
 * @param random 0 (the shortest wait) up to 1 (the whole)
 * @example failureWait(4, 1) // 8
 */
export function failureWait(attempts: number, random: number): number {
  return jittered(FAILURE_GROWTH ** (attempts - 1), FAILURE_SHORTEST, random);
}

/**
 * The wait that a backend asked for by `Retry-After`, when that is longer than our own.
 *
 * SQS counts its 12 hours from the receive. That was at most one visibility timeout before the invocation began, and the
 * invocation is shorter than another one, so two of them are left free.
 *
 * @example longerOf(2, 120, 360) // 120
 */
export function longerOf(own: number, asked: number | undefined, visibilityTimeoutSeconds: number): number {
  const most = Math.max(MAX_WAIT_SECONDS, SQS_MAX_VISIBILITY_SECONDS - 2 * visibilityTimeoutSeconds);
  return Math.max(own, Math.min(asked ?? 0, most));
}

/** Whole seconds, at least 1: SQS takes integers, and 0 would be a hot loop. */
function jittered(seconds: number, shortest: number, random: number): number {
  const whole = Math.min(seconds, MAX_WAIT_SECONDS);
  return Math.max(1, Math.round(whole * (shortest + (1 - shortest) * random)));
}
