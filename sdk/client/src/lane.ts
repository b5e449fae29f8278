import type { Attempt } from "./answer.ts";
import type { SendError } from "./errors.ts";
import type { Message } from "./message.ts";

/** What `send()` and `resume(groupId, "replay")` resolve to. */
export interface SendResult {
  /** SQS's id of the message. */
  readonly messageId: string;
  /** SQS's sequence number: 20 digits, growing within a group. */
  readonly sequenceNumber: string;
  /** The id under which SQS drops repetitions for five minutes. */
  readonly deduplicationId: string;
}

/** One request on its way. */
export interface Flight {
  readonly abort: AbortController;
  /** How many of its calls still wait for it. */
  open: number;
}

/** One message and the call that waits for it. */
export interface Call extends Message {
  readonly lane: Lane;
  /** Requests made so far. */
  attempts: number;
  /**
   * When the last attempt ended of those that can have put it into the queue, or still can; Infinity while one of them
   * goes on without this call; else undefined.
   */
  unknownSince?: number;
  /** Lets go of the call's signal. */
  stopListening?: () => void;
  /** The request that the call waits for. */
  flight: Flight | undefined;

  // Of the running budget, which a replay begins anew:
  startedAt: number | undefined;
  /** Requests made in it. */
  tries: number;
  /** How the last of them ended. */
  last: Attempt | undefined;
  promise: Promise<SendResult>;
  resolve: (result: SendResult) => void;
  reject: (error: Error) => void;
}

/**
 * The calls of one group, in the order of `send()`. Only the head is ever sent. A lane lives while it holds a call, is
 * held or paused; the client forgets it then.
 */
export interface Lane {
  readonly groupId: string;
  calls: Call[];
  /** A request of the group is in flight, or the group waits until it may send again. */
  held: boolean;
  /** The failed message that keeps the group, and how it failed. */
  paused: { readonly call: Call; readonly cause: SendError } | undefined;
}
