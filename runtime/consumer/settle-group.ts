import { idempotencyKey, type QueueMessage } from "../message.ts";
import { parseControl } from "../parking-lot/control.ts";
import type { Failure } from "../parking-lot/parked-message.ts";
import type { OldestParked } from "../parking-lot/parking-lot.ts";
import { attemptDelivery } from "./attempt.ts";
import { outageWait } from "./backoff.ts";
import { carryOut } from "./carry-out.ts";
import { BEHIND, type Refusal, toParked } from "./failure-policy.ts";
import {
  endsSoon,
  expiryMargin,
  type Invocation,
  ids,
  isExpired,
  SETTLED,
  type Step,
  tolerate,
  tooLate,
  type Wait,
  waiting,
} from "./invocation.ts";
import { errorName } from "./log.ts";

/** One group of a batch while it is settled. */
interface Group {
  readonly messages: readonly QueueMessage[];
  readonly invocation: Invocation;
  /** How many of them, from the first on, are settled. */
  settled: number;
  /** How many of those were taken out of the queue here, before the event source does it. */
  deleted: number;
  /** The oldest parked message; undefined when nobody has looked, null when none is parked. */
  oldest: OldestParked | null | undefined;
}

/**
 * Settles the messages of one group, one after the other, up to the first that has to wait; that one and all behind it are given
 * back to the queue. Under the policy `park` the table is asked once for what is parked, and again after a control message.
 *
 * What is settled is taken out of the queue at once when it must not come back: before a message of the group is parked, before a
 * control message is carried out, and before the next message of a group that may kill the function.
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
  const group: Group = { messages, invocation, settled: 0, deleted: 0, oldest: undefined };
  for (const [index, message] of messages.entries()) {
    // Received as often as those before it, which it waited behind, and refused for the first time if it is: they are settled
    // just now. Behind a long outage, a blip then costs a second and not minutes.
    const refusals = index === 0 ? message.receiveCount : 1;
    const outage = () => outageWait(refusals, ports.random());
    const isHeadSuspect = isSuspect && index === 0;
    const isControl = parseControl(message) !== undefined;
    let step: Step;
    try {
      // Parked before a control message, it would come again when it has left the parking lot. And what kills the function has to
      // become its group's head, or nobody marks it: nothing settled may stand before it.
      if (isControl || isSuspect) await deleteSettled(group);
      if (isControl) group.oldest = undefined;
      step = isControl
        ? yield* carryOut(message, isHeadSuspect, invocation)
        : await settleMessage(message, isHeadSuspect, outage, group);
    } catch (error) {
      // Not known to be settled, so it stays.
      const detail = errorName(error);
      step = isControl
        ? waiting("storage-unavailable", outage(), `control message: ${detail}`)
        : waiting("error", outage(), detail);
    }
    if (!step.settled) {
      await handBack(group, step.wait);
      return messages.length - index;
    }
    group.settled += 1;
    // Whatever kills the function next, what is settled here does not come again.
    if (isSuspect) await tolerate("queue.failed", "delete", invocation, message, () => deleteSettled(group));
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
      const failure = await parkBehind(message, key, group);
      if (failure !== undefined) {
        tell(message, "parked", started, invocation, failure);
        return SETTLED;
      }
    } catch (error) {
      return waiting("storage-unavailable", outage(), `parking lot: ${errorName(error)}`);
    }
  }
  if (isExpired(message, invocation)) {
    const detail = `within ${expiryMargin(queue)} s of the queue's retention of ${queue.retentionSeconds} s`;
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

/**
 * Parks a message, when an earlier one of its group is parked.
 *
 * One that is older than the oldest parked was settled before that one was parked, and comes again since its delete got lost: it is
 * delivered again, as after any crash. To park it would block the group with a message that the backend has.
 *
 * @returns what is to be said of it; undefined when it is to be delivered
 */
async function parkBehind(message: QueueMessage, key: string, group: Group): Promise<Told | undefined> {
  const { queue, ports } = group.invocation;
  if (group.oldest === undefined) group.oldest = (await ports.parkingLot.oldest(queue.name, message.groupId)) ?? null;
  const { oldest } = group;
  const sequenceNumber = message.sequenceNumber.padStart(20, "0");
  if (oldest === null || sequenceNumber < oldest.sequenceNumber) return undefined;
  if (!oldest.isMarked) {
    // A write that was given up, and landed after the message had left: the group would be blocked, and in no list.
    await ports.parkingLot.markOldest({ queue: queue.name, groupId: message.groupId, ...oldest });
    group.oldest = { ...oldest, isMarked: true };
  }
  if (sequenceNumber === oldest.sequenceNumber) {
    // Parked before, and nobody heard of it: it came again, so its delete or this line was lost.
    ports.log("warn", "group.blocked", { ...ids(queue, message), reason: PARKED_BEFORE.reason });
    return PARKED_BEFORE;
  }
  await ports.parkingLot.park(toParked(queue, { message, idempotencyKey: key, failure: BEHIND }, ports.now()), false);
  return BEHIND;
}

/** Of a message that is found to be the one that blocks its group: its item says why. */
const PARKED_BEFORE: Told = { reason: "parked-before", detail: "it is the oldest parked message", attempts: 0 };

/** Hands the message to the failure policy. When that does not acknowledge it, the group waits. */
async function refuse(refusal: Refusal, outage: () => number, started: number, group: Group): Promise<Step> {
  const { invocation } = group;
  const { queue, ports } = invocation;
  const { message, failure } = refusal;
  try {
    if (queue.failurePolicy === "park") {
      await deleteSettled(group);
      const parked = toParked(queue, refusal, ports.now());
      await ports.parkingLot.park(parked, true);
      group.oldest = { sequenceNumber: parked.sequenceNumber, isMarked: true };
      ports.log("warn", "group.blocked", { ...ids(queue, message), reason: failure.reason });
    } else {
      await ports.deadLetter(queue, refusal);
    }
  } catch (error) {
    return waiting("storage-unavailable", outage(), `failure policy: ${errorName(error)}`, failure.attempts);
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
async function handBack(group: Group, wait: Wait): Promise<void> {
  const { invocation, messages } = group;
  const { queue, ports } = invocation;
  const rest = messages.slice(group.settled);
  const head = rest[0];
  if (head === undefined) return;
  const { reason, seconds, detail, attempt } = wait;
  const level = reason === "error" ? "error" : reason === "deadline" ? "info" : "warn";
  ports.log(level, "group.waiting", { ...ids(queue, head), reason, seconds, detail, attempt, messages: rest.length });
  await tolerate("queue.failed", "delete", invocation, head, () => deleteSettled(group));
  await tolerate("queue.failed", "change visibility", invocation, head, async () =>
    allTaken(await ports.queue.changeVisibility(queue.url, rest, seconds)),
  );
}

/** @throws when any of the group's settled messages may still be in the queue */
async function deleteSettled(group: Group): Promise<void> {
  await deleteAll(group.messages.slice(group.deleted, group.settled), group.invocation);
  group.deleted = group.settled;
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

/** What `message.settled` says of how a message fared. */
interface Told {
  readonly attempts: number;
  readonly reason?: string;
  readonly detail?: string;
}

function tell(
  message: QueueMessage,
  outcome: "accepted" | "dead-lettered" | "parked",
  started: number,
  { queue, ports }: Invocation,
  failure: Told,
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
