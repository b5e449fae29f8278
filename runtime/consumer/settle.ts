import { idempotencyKey, parseEnvelope, type QueueMessage } from "../message.ts";
import { failureWait, longerOf, outageWait } from "./backoff.ts";
import type { QueueSettings } from "./environment.ts";
import type { FailurePolicy, Refusal } from "./failure-policy.ts";
import { errorName, type Log } from "./log.ts";
import type { Outcome } from "./outcome.ts";

/** One message on its way to the backend. */
export interface Delivery {
  /** Byte for byte what the backend gets. */
  readonly body: string;
  readonly idempotencyKey: string;
  readonly messageId: string;
  readonly groupId: string;
  readonly sequenceNumber: string;
  /** 1, and one more for each attempt that was counted. */
  readonly attempt: number;
}

/**
 * What settling needs of the world. Every call may throw; none of them is retried here. All but `hold` and `deliver` end
 * within {@link CALL_MILLISECONDS}, one way or the other.
 */
export interface Ports {
  readonly queue: {
    /**
     * `changeVisibility` at the beginning of an invocation, where there is time for retries.
     *
     * @returns the message ids for which the queue refused it
     */
    hold(url: string, messages: readonly QueueMessage[], seconds: number): Promise<ReadonlySet<string>>;
    /** @returns the message ids for which the queue refused it */
    changeVisibility(url: string, messages: readonly QueueMessage[], seconds: number): Promise<ReadonlySet<string>>;
    /** @returns the message ids for which the queue refused it */
    delete(url: string, messages: readonly QueueMessage[]): Promise<ReadonlySet<string>>;
  };
  readonly backend: { deliver(delivery: Delivery): Promise<Outcome> };
  readonly failurePolicy: FailurePolicy;
  /** Counted attempts of one message. */
  readonly attempts: {
    read(queue: string, message: QueueMessage): Promise<number>;
    /** @returns the count with this one */
    add(queue: QueueSettings, message: QueueMessage): Promise<number>;
    clear(queue: string, message: QueueMessage): Promise<void>;
  };
  /** Milliseconds since the epoch. */
  now(): number;
  /** 0 up to 1. */
  random(): number;
  /** Until the invocation is killed, in milliseconds. */
  remaining(): number;
  readonly log: Log;
}

/** Bounds of one invocation. */
export interface Limits {
  readonly backendTimeoutMilliseconds: number;
}

/** How long a call to AWS may take, its retry included, in milliseconds: it takes ten of them when all is well. */
export const CALL_MILLISECONDS = 900;

/**
 * Kept free behind a delivery for what can follow it, in milliseconds. That is at most five calls one after the other: count,
 * dead-letter, clear the count, and then, for those behind it, delete and visibility. Five of {@link CALL_MILLISECONDS}, and
 * 500 ms to answer in. An invocation that is killed loses nothing, but what its other groups settled is delivered again.
 */
export const FAILING_PATH_RESERVE_MILLISECONDS = 5_000;

/** SQS drops a message at the end of its retention without a word, so the failure policy takes it this long before. */
const EXPIRY_MARGIN_SECONDS = 86_400;

/** The message is out of the queue's hands, or it and all behind it wait. */
type Step = { readonly settled: true } | { readonly settled: false; readonly wait: Wait };

interface Wait {
  readonly reason: "unavailable" | "failed" | "deadline" | "error";
  readonly seconds: number;
  readonly detail: string;
  readonly attempt?: number;
}

/**
 * Settles one batch of a queue: groups side by side, within a group one message after the other, in the batch's order.
 *
 * A message is settled when the backend accepted it or the failure policy acknowledged it. The first one of a group that
 * is not settled is returned together with all behind it. An invocation that ends at any await loses nothing: a message
 * leaves the queue only after it was settled.
 *
 * @param messages of one queue, as received
 * @returns ids of the messages that stay in the queue (the event source's `batchItemFailures`), in the batch's order
 * @example await settle(queue, messages, { backendTimeoutMilliseconds: 10_000 }, ports) // ["7e0c...", "91b4..."]
 */
export async function settle(
  queue: QueueSettings,
  messages: readonly QueueMessage[],
  limits: Limits,
  ports: Ports,
): Promise<readonly string[]> {
  const groups = await holdGroups(queue, messages, ports);
  const kept = await Promise.all(groups.map((group) => settleGroup(queue, group, limits, ports)));
  // What is not known to be settled stays: a dropped group's messages, and the rest of one that has to wait.
  const done = new Set(groups.flatMap((group, index) => group.slice(0, group.length - (kept[index] ?? group.length))));
  return messages.filter((message) => !done.has(message)).map((message) => message.messageId);
}

/**
 * Starts every message's visibility anew, and gives only groups that are wholly ours.
 *
 * An invocation can start after its messages' visibility ran out. They may be with another one by then, and to deliver
 * even one of them here would let it overtake.
 */
async function holdGroups(
  queue: QueueSettings,
  messages: readonly QueueMessage[],
  ports: Ports,
): Promise<(readonly QueueMessage[])[]> {
  const groups = [...Map.groupBy(messages, (message) => message.groupId).values()];
  let lost: ReadonlySet<string>;
  try {
    lost = await ports.queue.hold(queue.url, messages, queue.visibilityTimeoutSeconds);
  } catch (error) {
    for (const group of groups) logDropped(queue, group, "queue-unavailable", ports, errorName(error));
    return [];
  }
  return groups.filter((group) => {
    const ours = group.every((message) => !lost.has(message.messageId));
    if (!ours) logDropped(queue, group, "late-start", ports);
    return ours;
  });
}

/** @returns how many messages at the group's end are not settled */
async function settleGroup(
  queue: QueueSettings,
  group: readonly QueueMessage[],
  limits: Limits,
  ports: Ports,
): Promise<number> {
  for (const [index, message] of group.entries()) {
    // Received as often as those before it, which it waited behind, and refused for the first time if it is: they are settled
    // just now. Behind a long outage, a blip then costs a second and not minutes.
    const refusals = index === 0 ? message.receiveCount : 1;
    const outage = () => outageWait(refusals, ports.random());
    const step = await settleMessage(queue, message, outage, limits, ports).catch(
      // A port that throws where it should not: the message is not known to be settled, so it stays.
      (error: unknown): Step => waiting("error", outage(), errorName(error)),
    );
    if (!step.settled) {
      await handBack(queue, group.slice(0, index), group.slice(index), step.wait, ports);
      return group.length - index;
    }
  }
  return 0;
}

/** @param outage the seconds to wait when the backend, or who takes what it refuses, is unavailable */
async function settleMessage(
  queue: QueueSettings,
  message: QueueMessage,
  outage: () => number,
  limits: Limits,
  ports: Ports,
): Promise<Step> {
  if (endsSoon(limits, ports)) return TOO_LATE;
  const started = ports.now();
  const known = { message, idempotencyKey: idempotencyKey(queue.name, message) };
  const parsed = parseEnvelope(message.body, message.groupId);
  if ("fault" in parsed) {
    return refuse(
      queue,
      { ...known, reason: "no-envelope", detail: parsed.fault },
      NEVER_TRIED,
      outage,
      started,
      ports,
    );
  }
  if (isExpired(queue, message, started)) {
    const detail = `within ${expiryMargin(queue)} s of the queue's retention of ${queue.retentionSeconds} s`;
    return refuse(queue, { ...known, reason: "expired", detail }, NEVER_TRIED, outage, started, ports);
  }

  const counted = await readAttempts(queue, message, ports);
  if (counted >= queue.maxAttempts) {
    // Its last attempt was counted, and then the failure policy could not take it.
    const refusal: Refusal = { ...known, reason: "attempts-exhausted", detail: `${counted} failed attempts` };
    return refuse(queue, refusal, { counted, attempt: counted }, outage, started, ports);
  }
  // Again: the table may have taken its time.
  if (endsSoon(limits, ports)) return TOO_LATE;
  const attempt = counted + 1;
  const { messageId, groupId, sequenceNumber, body } = message;
  const outcome = await ports.backend.deliver({
    body,
    idempotencyKey: known.idempotencyKey,
    messageId,
    groupId,
    sequenceNumber,
    attempt,
  });

  switch (outcome.kind) {
    case "accepted":
      await clearAttempts(queue, message, counted, ports);
      logSettled(queue, message, "accepted", attempt, started, ports);
      return { settled: true };
    case "rejected": {
      const refusal: Refusal = { ...known, reason: "rejected", ...withoutKind(outcome) };
      return refuse(queue, refusal, { counted, attempt }, outage, started, ports);
    }
    case "unavailable": {
      const seconds = longerOf(outage(), outcome.retryAfterSeconds, queue.visibilityTimeoutSeconds);
      return waiting("unavailable", seconds, outcome.detail, attempt);
    }
    case "failed": {
      let attempts: number;
      try {
        attempts = await ports.attempts.add(queue, message);
      } catch (error) {
        // Not counted: the message is tried again rather than given up for attempts that nobody can prove.
        return waiting("failed", outage(), `${outcome.detail}; not counted: ${errorName(error)}`, attempt);
      }
      if (attempts < queue.maxAttempts) {
        return waiting("failed", failureWait(attempts, ports.random()), outcome.detail, attempts);
      }
      const refusal: Refusal = { ...known, reason: "attempts-exhausted", ...withoutKind(outcome) };
      return refuse(queue, refusal, { counted: attempts, attempt }, outage, started, ports);
    }
  }
}

/** A second is enough: the next invocation has all its time. */
const TOO_LATE: Step = waiting("deadline", 1, "the invocation ends soon");

/** Whether there is too little time left for a delivery and what can follow it. */
function endsSoon({ backendTimeoutMilliseconds }: Limits, ports: Ports): boolean {
  return ports.remaining() < backendTimeoutMilliseconds + FAILING_PATH_RESERVE_MILLISECONDS;
}

/** Attempts of a message: as the table has them, and the number of the last delivery, 0 when there was none. */
interface Tries {
  readonly counted: number;
  readonly attempt: number;
}

const NEVER_TRIED: Tries = { counted: 0, attempt: 0 };

/** Hands the message to the failure policy. When that does not acknowledge it, the group waits. */
async function refuse(
  queue: QueueSettings,
  refusal: Refusal,
  tries: Tries,
  outage: () => number,
  started: number,
  ports: Ports,
): Promise<Step> {
  const { message } = refusal;
  try {
    await ports.failurePolicy.take(queue, refusal);
  } catch (error) {
    return waiting("unavailable", outage(), `failure policy: ${errorName(error)}`, tries.attempt);
  }
  await clearAttempts(queue, message, tries.counted, ports);
  logSettled(queue, message, ports.failurePolicy.outcome, tries.attempt, started, ports, refusal);
  return { settled: true };
}

/**
 * A message received for the first time cannot have been attempted, so the happy path reads nothing. A table that does
 * not answer holds nobody up: the header then says 1, and the counter itself keeps its value.
 */
async function readAttempts(queue: QueueSettings, message: QueueMessage, ports: Ports): Promise<number> {
  if (message.receiveCount <= 1) return 0;
  try {
    return await ports.attempts.read(queue.name, message);
  } catch (error) {
    ports.log("warn", "attempts.failed", { ...ids(queue, message), detail: `read: ${errorName(error)}` });
    return 0;
  }
}

/** A counter that is left over harms nobody: sequence numbers are never used twice, and it expires. */
async function clearAttempts(
  queue: QueueSettings,
  message: QueueMessage,
  counted: number,
  ports: Ports,
): Promise<void> {
  if (counted === 0) return;
  try {
    await ports.attempts.clear(queue.name, message);
  } catch (error) {
    ports.log("warn", "attempts.failed", { ...ids(queue, message), detail: `clear: ${errorName(error)}` });
  }
}

/**
 * Gives the rest of a group back: one short visibility for all of it, so that it is received together and in order.
 *
 * The settled ones are deleted first. They are in flight until the event source deletes them, which is after the slowest
 * group of the batch, and as long as one of them is, SQS gives out nothing of their group.
 */
async function handBack(
  queue: QueueSettings,
  settled: readonly QueueMessage[],
  rest: readonly QueueMessage[],
  wait: Wait,
  ports: Ports,
): Promise<void> {
  const head = rest[0];
  if (head === undefined) return;
  const { reason, seconds, detail, attempt } = wait;
  const level = reason === "error" ? "error" : reason === "deadline" ? "info" : "warn";
  ports.log(level, "group.waiting", { ...ids(queue, head), reason, seconds, detail, attempt, messages: rest.length });
  if (settled.length > 0) {
    await tolerate("delete", queue, head, ports, () => ports.queue.delete(queue.url, settled));
  }
  await tolerate("change visibility", queue, head, ports, () => ports.queue.changeVisibility(queue.url, rest, seconds));
}

/** What fails here is only late: the event source deletes what was settled, and the queue's own visibility ends. */
async function tolerate(
  verb: string,
  queue: QueueSettings,
  head: QueueMessage,
  ports: Ports,
  call: () => Promise<ReadonlySet<string>>,
): Promise<void> {
  let failure: string | undefined;
  try {
    const refused = await call();
    if (refused.size > 0) failure = `refused for ${refused.size}`;
  } catch (error) {
    failure = errorName(error);
  }
  if (failure !== undefined) ports.log("warn", "queue.failed", { ...ids(queue, head), detail: `${verb}: ${failure}` });
}

function isExpired(queue: QueueSettings, message: QueueMessage, now: number): boolean {
  return now >= message.sentAt + (queue.retentionSeconds - expiryMargin(queue)) * 1000;
}

/** A day, and for a queue that keeps messages for less than two, half of what it keeps them. */
function expiryMargin(queue: QueueSettings): number {
  return Math.min(EXPIRY_MARGIN_SECONDS, Math.floor(queue.retentionSeconds / 2));
}

function waiting(reason: Wait["reason"], seconds: number, detail: string, attempt?: number): Step {
  return { settled: false, wait: { reason, seconds, detail, ...(attempt === undefined ? {} : { attempt }) } };
}

function withoutKind({ detail, httpStatus }: { readonly detail: string; readonly httpStatus?: number }) {
  return { detail, ...(httpStatus === undefined ? {} : { httpStatus }) };
}

function ids(queue: QueueSettings, { groupId, messageId, sequenceNumber }: QueueMessage) {
  return { queue: queue.name, groupId, messageId, sequenceNumber };
}

function logSettled(
  queue: QueueSettings,
  message: QueueMessage,
  outcome: "accepted" | FailurePolicy["outcome"],
  attempt: number,
  started: number,
  ports: Ports,
  refusal?: Refusal,
): void {
  ports.log(refusal === undefined ? "info" : "warn", "message.settled", {
    ...ids(queue, message),
    outcome,
    attempt,
    milliseconds: ports.now() - started,
    reason: refusal?.reason,
    detail: refusal?.detail,
  });
}

function logDropped(
  queue: QueueSettings,
  group: readonly QueueMessage[],
  reason: "late-start" | "queue-unavailable",
  ports: Ports,
  detail?: string,
): void {
  const head = group[0];
  if (head !== undefined) {
    ports.log("warn", "group.dropped", { ...ids(queue, head), reason, detail, messages: group.length });
  }
}
