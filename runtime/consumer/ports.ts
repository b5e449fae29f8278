import type { QueueMessage } from "../message.ts";
import type { Attempts } from "../parking-lot/attempts.ts";
import type { ParkingLot } from "../parking-lot/parking-lot.ts";
import type { Started } from "../parking-lot/started.ts";
import type { DeadLetter } from "./failure-policy.ts";
import type { Log } from "./log.ts";
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
  readonly deadLetter: DeadLetter;
  readonly parkingLot: ParkingLot;
  /** Counted attempts of one message. */
  readonly attempts: Attempts;
  /** Markers of deliveries that a suspect message began. */
  readonly started: Started;
  /** Milliseconds since the epoch. */
  now(): number;
  /** 0 up to 1. */
  random(): number;
  /** An id that nothing else has. */
  uniqueId(): string;
  /** Until the invocation is killed, in milliseconds. */
  remaining(): number;
  readonly log: Log;
}

/** How long a call to AWS may take, its retry included, in milliseconds. When all is well, one takes about 10 ms. */
export const CALL_MILLISECONDS = 900;

/**
 * Kept free behind a delivery for what can follow it, in milliseconds. That is at most seven calls one after the other: clear the
 * marker, count, delete what is settled, refuse, clear the count, and then, for those behind it, delete and visibility. Seven of
 * {@link CALL_MILLISECONDS}, and 700 ms to answer in. An invocation that is killed loses nothing, but what its other groups settled is delivered again.
 */
export const FAILING_PATH_RESERVE_MILLISECONDS = 7_000;
