import type { QueueMessage } from "../message.ts";
import type { QueueSettings } from "./environment.ts";
import { errorName, type LogEvent } from "./log.ts";
import { FAILING_PATH_RESERVE_MILLISECONDS, type Ports } from "./ports.ts";

/** SQS drops a message at the end of its retention without a word, so the failure policy takes it this long before. */
const EXPIRY_MARGIN_SECONDS = 86_400;

/** Bounds of one invocation. */
export interface Limits {
  readonly backendTimeoutMilliseconds: number;
}

/** What the settling of one batch shares. */
export interface Invocation {
  readonly queue: QueueSettings;
  readonly limits: Limits;
  readonly ports: Ports;
  /** Whether the backend was unavailable for one of the batch's messages. */
  sawOutage: boolean;
}

/** Why a message stays in the queue, and for how long, in seconds. */
export interface Wait {
  /** `unavailable` is the backend alone, which an alarm counts on: the table and the dead-letter queue have a reason of their own. */
  readonly reason: "unavailable" | "storage-unavailable" | "failed" | "deadline" | "error";
  readonly seconds: number;
  readonly detail: string;
  readonly attempt?: number;
}

/** The message is out of the queue's hands, or it and all behind it wait. */
export type Step = { readonly settled: true } | { readonly settled: false; readonly wait: Wait };

export const SETTLED: Step = { settled: true };

export function waiting(
  reason: Wait["reason"],
  seconds: number,
  detail: string,
  attempt?: number,
): Step & { settled: false } {
  return { settled: false, wait: { reason, seconds, detail, ...(attempt === undefined ? {} : { attempt }) } };
}

/** Whether there is too little time left for a delivery and what can follow it. */
export function endsSoon({ limits, ports }: Invocation): boolean {
  return ports.remaining() < limits.backendTimeoutMilliseconds + FAILING_PATH_RESERVE_MILLISECONDS;
}

/**
 * A second is enough, since the next invocation has all its time; unless it was an outage that took the time: then every second
 * would bring an invocation of the whole length.
 */
export function tooLate({ sawOutage }: Invocation, outage: () => number): Step & { settled: false } {
  return waiting("deadline", sawOutage ? outage() : 1, "the invocation ends soon");
}

/** Whether the queue will drop the message soon. */
export function isExpired({ sentAt }: Pick<QueueMessage, "sentAt">, { queue, ports }: Invocation): boolean {
  return ports.now() >= sentAt + (queue.retentionSeconds - expiryMargin(queue)) * 1000;
}

/** A day, and for a queue that keeps messages for less than two, half of what it keeps them. In seconds. */
export function expiryMargin({ retentionSeconds }: Pick<QueueSettings, "retentionSeconds">): number {
  return Math.min(EXPIRY_MARGIN_SECONDS, Math.floor(retentionSeconds / 2));
}

/** What a log line says of a message. */
export function ids(queue: QueueSettings, message: Pick<QueueMessage, "groupId" | "messageId" | "sequenceNumber">) {
  const { groupId, messageId, sequenceNumber } = message;
  return { queue: queue.name, groupId, messageId, sequenceNumber };
}

/**
 * Makes a call whose failure is told and does no harm.
 *
 * @returns what it resolves to, or undefined when it threw
 */
export async function tolerate<Result>(
  event: LogEvent,
  verb: string,
  { queue, ports }: Invocation,
  message: Pick<QueueMessage, "groupId" | "messageId" | "sequenceNumber">,
  call: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await call();
  } catch (error) {
    ports.log("warn", event, { ...ids(queue, message), detail: `${verb}: ${errorName(error)}` });
    return undefined;
  }
}
