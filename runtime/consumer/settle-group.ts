import { idempotencyKey, type QueueMessage } from "../message.ts";
import { parseControl } from "../parking-lot/control.ts";
import type { Failure } from "../parking-lot/parked-message.ts";
import { attemptDelivery } from "./attempt.ts";
import { outageWait } from "./backoff.ts";
import { carryOut } from "./carry-out.ts";
import { BEHIND, type Refusal, toParked } from "./failure-policy.ts";
import {
  endsSoon,
  type Invocation,
  ids,
  SETTLED,
  type Step,
  tolerate,
  tooLate,
  type Wait,
  waiting,
} from "./invocation.ts";
import { errorName } from "./log.ts";

/** SQS drops a message at the end of its retention without a word, so the failure policy takes it this long before. */
const EXPIRY_MARGIN_SECONDS = 86_400;

/** One group of a batch while it is settled. */
interface Group {
  readonly invocation: Invocation;
  /** Whether a message of it is parked; undefined as long as nobody has looked. */
  isBlocked: boolean | undefined;
}

/**
 * Settles the messages of one group, one after the other, up to the first that has to wait; that one and all behind it are given
 * back to the queue. Under the policy `park` the table is asked once whether the group is blocked, and again after a control message.
 *
 * Yields after each message that is settled, and after each delivery of a replay.
 *
 * @param isSuspect whether the group's head may be the message that kills the function
 * @returns how many messages at the group's end are not settled
 */
export async function* settleGroup(
  messages: readonly QueueMessage[],
  isSuspect: boolean,
  invocation: Invocation,
): AsyncGenerator<undefined, number, undefined> {
  const { ports } = invocation;
  const group: Group = { invocation, isBlocked: undefined };
  let deleted = 0;
  for (const [index, message] of messages.entries()) {
    // Received as often as those before it, which it waited behind, and refused for the first time if it is: they are settled
    // just now. Behind a long outage, a blip then costs a second and not minutes.
    const refusals = index === 0 ? message.receiveCount : 1;
    const outage = () => outageWait(refusals, ports.random());
    const isHeadSuspect = isSuspect && index === 0;
    const isControl = parseControl(message) !== undefined;
    let step: Step;
    try {
      if (isControl) {
        // What is parked before it must not come out of the queue once more when it has left the parking lot.
        await deleteAll(messages.slice(deleted, index), invocation);
        deleted = index;
        group.isBlocked = undefined;
      }
      step = isControl
        ? yield* carryOut(message, isHeadSuspect, invocation)
        : await settleMessage(message, isHeadSuspect, outage, group);
    } catch (error) {
      // Not known to be settled, so it stays.
      step = waiting(isControl ? "unavailable" : "error", outage(), errorName(error));
    }
    if (!step.settled) {
      await handBack(messages.slice(deleted, index), messages.slice(index), step.wait, invocation);
      return messages.length - index;
    }
    yield;
  }
  return 0;
}

/** @param outage the seconds to wait when the backend, or who takes what it refuses, is unavailable */
async function settleMessage(
  message: QueueMessage,
  isSuspect: boolean,
  outage: () => number,
  group: Group,
): Promise<Step> {
  const { invocation } = group;
  const { queue, ports } = invocation;
  if (endsSoon(invocation)) return tooLate(invocation, outage);
  const started = ports.now();
  const key = idempotencyKey(queue.name, message);
  if (queue.failurePolicy === "park") {
    try {
      group.isBlocked ??= await ports.parkingLot.isBlocked(queue.name, message.groupId);
      if (group.isBlocked) {
        await ports.parkingLot.park(toParked(queue, { message, idempotencyKey: key, failure: BEHIND }, started), false);
        tell(message, "parked", started, invocation, BEHIND);
        return SETTLED;
      }
    } catch (error) {
      return waiting("unavailable", outage(), `parking lot: ${errorName(error)}`);
    }
  }
  if (isExpired(message, invocation)) {
    const detail = `within ${expiryMargin(invocation)} s of the queue's retention of ${queue.retentionSeconds} s`;
    const failure: Failure = { reason: "expired", detail, outcome: "unattempted", attempts: 0 };
    return refuse({ message, idempotencyKey: key, failure }, outage, started, group);
  }
  const { groupId, sequenceNumber, messageId, body } = message;
  const attempted = await attemptDelivery(
    {
      groupId,
      sequenceNumber,
      messageId,
      body,
      idempotencyKey: key,
      attemptsBefore: 0,
      mayBeCounted: message.receiveCount > 1,
      isSuspect,
    },
    outage,
    invocation,
  );
  switch (attempted.kind) {
    case "waits":
      return attempted.step;
    case "accepted":
      await attempted.forget();
      tell(message, "accepted", started, invocation, { attempts: attempted.attempt });
      return SETTLED;
    case "refused": {
      const step = await refuse({ message, idempotencyKey: key, failure: attempted.failure }, outage, started, group);
      if (step.settled) await attempted.forget();
      return step;
    }
  }
}

/** Hands the message to the failure policy. When that does not acknowledge it, the group waits. */
async function refuse(refusal: Refusal, outage: () => number, started: number, group: Group): Promise<Step> {
  const { invocation } = group;
  const { queue, ports } = invocation;
  const { message, failure } = refusal;
  try {
    if (queue.failurePolicy === "park") {
      await ports.parkingLot.park(toParked(queue, refusal, ports.now()), true);
      group.isBlocked = true;
      ports.log("warn", "group.blocked", { ...ids(queue, message), reason: failure.reason });
    } else {
      await ports.deadLetter(queue, refusal);
    }
  } catch (error) {
    return waiting("unavailable", outage(), `failure policy: ${errorName(error)}`, failure.attempts);
  }
  tell(message, queue.failurePolicy === "park" ? "parked" : "dead-lettered", started, invocation, failure);
  return SETTLED;
}

/**
 * Gives the rest of a group back: one short visibility for all of it, so that it is received together and in order.
 *
 * The settled ones are deleted first. They are in flight until the event source deletes them, which is after the slowest
 * group of the batch, and as long as one of them is, SQS gives out nothing of their group. What fails here is only late: the event
 * source deletes what was settled, and the queue's own visibility ends.
 */
async function handBack(
  settled: readonly QueueMessage[],
  rest: readonly QueueMessage[],
  wait: Wait,
  invocation: Invocation,
): Promise<void> {
  const { queue, ports } = invocation;
  const head = rest[0];
  if (head === undefined) return;
  const { reason, seconds, detail, attempt } = wait;
  const level = reason === "error" ? "error" : reason === "deadline" ? "info" : "warn";
  ports.log(level, "group.waiting", { ...ids(queue, head), reason, seconds, detail, attempt, messages: rest.length });
  await tolerate("queue.failed", "delete", invocation, head, () => deleteAll(settled, invocation));
  await tolerate("queue.failed", "change visibility", invocation, head, async () =>
    allTaken(await ports.queue.changeVisibility(queue.url, rest, seconds)),
  );
}

/** Takes settled messages out of the queue before the event source does. @throws when any of them may still be there */
export async function deleteAll(messages: readonly QueueMessage[], { queue, ports }: Invocation): Promise<void> {
  if (messages.length > 0) allTaken(await ports.queue.delete(queue.url, messages));
}

function allTaken(refused: ReadonlySet<string>): void {
  if (refused.size > 0) throw new RefusedError();
}

/** The queue refused a part of a batch. */
class RefusedError extends Error {
  readonly code = "REFUSED_BY_QUEUE";
}

function isExpired(message: QueueMessage, invocation: Invocation): boolean {
  const { queue, ports } = invocation;
  return ports.now() >= message.sentAt + (queue.retentionSeconds - expiryMargin(invocation)) * 1000;
}

/** A day, and for a queue that keeps messages for less than two, half of what it keeps them. */
function expiryMargin({ queue }: Invocation): number {
  return Math.min(EXPIRY_MARGIN_SECONDS, Math.floor(queue.retentionSeconds / 2));
}

function tell(
  message: QueueMessage,
  outcome: "accepted" | "dead-lettered" | "parked",
  started: number,
  { queue, ports }: Invocation,
  failure: Pick<Failure, "attempts"> & Partial<Failure>,
): void {
  ports.log(outcome === "accepted" ? "info" : "warn", "message.settled", {
    ...ids(queue, message),
    outcome,
    attempt: failure.attempts,
    milliseconds: ports.now() - started,
    reason: failure.reason,
    detail: failure.detail,
  });
}
