import type { Failed } from "./answer.ts";
import { GroupPausedError, type SendError } from "./errors.ts";
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

/** One message and the call that waits for it. */
export interface Call {
  readonly message: Message;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: Error) => void;
  /** Of the running budget: when its first attempt began, how many were made, how the last one ended. */
  run: { readonly startedAt: number; tries: number; failed?: Failed } | undefined;
}

/**
 * The calls of one group, in the order of `send()`. Only the head is ever sent. A lane lives while it holds a call or is
 * paused; the client forgets it then.
 */
export class GroupLane {
  readonly groupId: string;
  #calls: Call[] = [];
  /** Where the head is in `#calls`: `shift()` on a long array would move all of it. */
  #at = 0;
  #paused: { readonly message: Message; readonly cause: SendError } | undefined;

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  /** The call whose turn it is. */
  get head(): Call | undefined {
    return this.#calls[this.#at];
  }

  /** The failed message that keeps the group, and how it failed. */
  get paused(): { readonly message: Message; readonly cause: SendError } | undefined {
    return this.#paused;
  }

  /** Puts a call behind all others; a paused group refuses it. */
  push(call: Call): void {
    if (this.#paused) call.reject(new GroupPausedError(this.groupId, this.#paused.cause));
    else this.#calls.push(call);
  }

  /** Takes the head off. */
  shift(): void {
    this.#at += 1;
    if (this.#at * 2 < this.#calls.length) return;
    this.#calls = this.#calls.slice(this.#at);
    this.#at = 0;
  }

  /** Fails the head with `cause` and all behind it with `GroupPausedError`; the head's message is kept for a replay. */
  pause(message: Message, cause: SendError): void {
    const [head, ...followers] = this.#calls.slice(this.#at);
    this.#calls = [];
    this.#at = 0;
    this.#paused = { message, cause };
    head?.reject(cause);
    for (const call of followers) call.reject(new GroupPausedError(this.groupId, cause));
  }

  /** Lifts the pause. */
  resume(): void {
    this.#paused = undefined;
  }
}
