import type { Attempt } from "./answer.ts";
import type { Message } from "./message.ts";
import type { PausedGroup } from "./options.ts";

/** What `send()` and `resume(groupId, "replay")` resolve to. */
export interface SendResult {
  /** SQS's id of the message. */
  readonly messageId: string;
  /** SQS's sequence number: 20 digits, growing within a group. */
  readonly sequenceNumber: string;
  /** The id under which SQS drops repetitions for five minutes. */
  readonly deduplicationId: string;
}

/** One message and the call that waits for it. */
export interface Call extends Message {
  lane: Lane;
  /** As the call gave it, as long as there is no body. */
  readonly payload: unknown;
  /** Requests made so far. */
  attempts: number;
  /** When the first of them began. */
  firstAt: number;
  /**
   * When the last attempt ended of those that can have put it into the queue, or still can; NaN while one of them goes on
   * without this call; else undefined.
   */
  unknownSince?: number;
  /** Lets go of the call's signal. */
  stopListening: () => void;
  /** The request that the call waits for. */
  flight: AbortController | undefined;

  // Of the running budget, which a replay begins anew:
  startedAt: number | undefined;
  /** Requests made in it. */
  tries: number;
  /** How the last of them ended. */
  lastAttempt: Attempt | undefined;
  settled: Promise<SendResult>;
  succeed: (result: SendResult) => void;
  failWith: (error: Error) => void;
}

/**
 * The calls of one group, in the order of `send()`. Only the head is ever sent. A lane lives while it holds a call, is
 * held or paused; the client forgets it then.
 */
export interface Lane {
  readonly groupId: string;
  calls: Call[];
  /** How many things keep the group from sending now: a request in flight, the wait before a retry, or that after a skip. */
  held: number;
  /** How the message failed that keeps the group. */
  pausedBy?: PausedGroup | undefined;
  /** That message. */
  failedCall?: Call;
}
