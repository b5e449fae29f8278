import { parseEnvelope } from "../message.ts";
import type { Count } from "../parking-lot/attempts.ts";
import type { Failure, ParkedOutcome, ParkedReason } from "../parking-lot/parked-message.ts";
import { failureWait, longerOf } from "./backoff.ts";
import { endsSoon, type Invocation, type Step, tolerate, tooLate, waiting } from "./invocation.ts";
import { errorName } from "./log.ts";

/** Markers that a killed function may leave behind before the message is refused for it. */
const MOST_CRASHES = 3;

/** A message that may be delivered: one of the queue, or a parked one. */
export interface Subject {
  readonly groupId: string;
  readonly sequenceNumber: string;
  readonly messageId: string;
  readonly body: string;
  readonly idempotencyKey: string;
  /** Attempts of a parked message before it was parked. */
  readonly attemptsBefore: number;
  /** Whether attempts can have been counted; the happy path reads nothing. */
  readonly mayBeCounted: boolean;
  /** Of a parked message, when it was last found undeliverable (ISO 8601): what was counted up to then is over. */
  readonly countedSince?: string | undefined;
  /** Whether it may be the one that killed the function: its start is then marked. */
  readonly isSuspect: boolean;
}

/** What an attempt came to. `forget` clears what the table holds of it, once the message is settled. */
export type Attempted =
  | { readonly kind: "accepted"; readonly attempt: number; forget(): Promise<void> }
  | { readonly kind: "refused"; readonly failure: Failure; forget(): Promise<void> }
  | { readonly kind: "waits"; readonly step: Step & { settled: false } };

/**
 * Delivers a message, if there is time for it and reason to.
 *
 * @param outage the seconds to wait when the backend is unavailable
 */
export async function attemptDelivery(
  subject: Subject,
  outage: () => number,
  invocation: Invocation,
): Promise<Attempted> {
  const { queue, ports } = invocation;
  const { groupId, sequenceNumber, messageId, body, idempotencyKey } = subject;
  if (endsSoon(invocation)) return { kind: "waits", step: tooLate(invocation, outage) };
  const parsed = parseEnvelope(body, groupId);
  if ("fault" in parsed) return refused(subject, NOT_COUNTED, "no-envelope", "unattempted", parsed.fault, invocation);

  const counted = await readAttempts(subject, invocation);
  const attempt = subject.attemptsBefore + counted.attempts + 1;
  if (counted.attempts >= queue.maxAttempts) {
    // Its last attempt was counted, and then the failure policy could not take it.
    const detail = `${counted.attempts} failed attempts`;
    return refused(subject, counted, "attempts-exhausted", "failed", detail, invocation);
  }
  if (subject.isSuspect) {
    const starts = await tolerate("attempts.failed", "mark", invocation, subject, () =>
      ports.started.mark(queue, subject, ports.uniqueId()),
    );
    if (starts !== undefined && starts > MOST_CRASHES) {
      // Before it is refused, or the marks would refuse it once more when a person wants it delivered. A throw makes it wait.
      await ports.started.clear(queue.name, subject);
      const detail = `${MOST_CRASHES} deliveries ended with the function`;
      return refused(subject, counted, "crashed", "unattempted", detail, invocation);
    }
  }
  // Again: the table may have taken its time.
  if (endsSoon(invocation)) {
    await clearMarks(subject, invocation);
    return { kind: "waits", step: tooLate(invocation, outage) };
  }
  const outcome = await ports.backend
    .deliver({ body, idempotencyKey, messageId, groupId, sequenceNumber, attempt })
    .finally(() => clearMarks(subject, invocation));

  switch (outcome.kind) {
    case "accepted":
      return { kind: "accepted", attempt, forget: () => clearAttempts(subject, counted, invocation) };
    case "rejected":
      return refused(subject, counted, "rejected", "rejected", outcome.detail, invocation, attempt, outcome.httpStatus);
    case "unavailable": {
      invocation.sawOutage = true;
      const seconds = longerOf(outage(), outcome.retryAfterSeconds, queue.visibilityTimeoutSeconds);
      return { kind: "waits", step: waiting("unavailable", seconds, outcome.detail, attempt) };
    }
    case "failed": {
      let count: Count;
      try {
        count = await ports.attempts.add(queue, subject);
      } catch (error) {
        // Not counted: the message is tried again rather than given up for attempts that nobody can prove.
        const detail = `${outcome.detail}; not counted: ${errorName(error)}`;
        return { kind: "waits", step: waiting("failed", outage(), detail, attempt) };
      }
      if (count.attempts < queue.maxAttempts) {
        const seconds = failureWait(count.attempts, ports.random());
        return { kind: "waits", step: waiting("failed", seconds, outcome.detail, attempt) };
      }
      const { detail, httpStatus } = outcome;
      return refused(subject, count, "attempts-exhausted", "failed", detail, invocation, attempt, httpStatus);
    }
  }
}

const NOT_COUNTED: Count = { attempts: 0 };

/** @param attempt of the delivery that just failed; none when there was none */
function refused(
  subject: Subject,
  counted: Count,
  reason: ParkedReason,
  outcome: ParkedOutcome,
  detail: string,
  invocation: Invocation,
  attempt?: number,
  httpStatus?: number,
): Attempted {
  const now = new Date(invocation.ports.now()).toISOString();
  const firstFailureAt = counted.firstFailureAt ?? (attempt === undefined ? undefined : now);
  const failure: Failure = {
    reason,
    detail,
    httpStatus,
    outcome,
    attempts: attempt ?? subject.attemptsBefore + counted.attempts,
    firstFailureAt,
    // What was counted earlier failed at some time after the first, and nobody wrote down when.
    lastFailureAt: attempt === undefined ? firstFailureAt : now,
  };
  return {
    kind: "refused",
    failure,
    forget: () => clearAttempts(subject, counted, invocation),
  };
}

/**
 * A message received for the first time cannot have been attempted, so the happy path reads nothing. A table that does
 * not answer holds nobody up: the header then says 1, and the counter itself keeps its value.
 */
async function readAttempts(subject: Subject, invocation: Invocation): Promise<Count> {
  if (!subject.mayBeCounted) return NOT_COUNTED;
  const { queue, ports } = invocation;
  const read = () => ports.attempts.read(queue.name, subject);
  const count = await tolerate("attempts.failed", "read", invocation, subject, read);
  const { countedSince = "" } = subject;
  if (count?.firstFailureAt !== undefined && count.firstFailureAt <= countedSince) {
    // Left over from before it was parked. It has to go, or the next failure would be counted on top of it; a throw makes it wait.
    await ports.attempts.clear(queue.name, subject);
    return NOT_COUNTED;
  }
  return count ?? NOT_COUNTED;
}

/** A counter that is left over expires, sequence numbers are never used twice, and a replay knows it by its time. */
async function clearAttempts(subject: Subject, { attempts }: Count, invocation: Invocation): Promise<void> {
  if (attempts === 0) return;
  const { queue, ports } = invocation;
  await tolerate("attempts.failed", "clear", invocation, subject, () => ports.attempts.clear(queue.name, subject));
}

/** A mark that is left over counts as a crash of a function, should the message be delivered again. */
async function clearMarks(subject: Subject, invocation: Invocation): Promise<void> {
  if (!subject.isSuspect) return;
  const { queue, ports } = invocation;
  await tolerate("attempts.failed", "clear mark", invocation, subject, () => ports.started.clear(queue.name, subject));
}
