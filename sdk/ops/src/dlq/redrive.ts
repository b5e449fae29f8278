import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { giveUpAfter } from "../../../../runtime/give-up.ts";
import { COPY_ATTRIBUTES, messageAttributes } from "../../../../runtime/message.ts";
import { attributeBytes } from "../attribute-bytes.ts";
import type { DeadLetter, ReceivedDeadLetter } from "./dead-letter.ts";
import type { Hold } from "./hold.ts";
import {
  CALL_MILLISECONDS,
  countMessages,
  type DeadLetterQueue,
  type DlqOptions,
  describeError,
  readMaximumBytes,
} from "./queue.ts";
import { walk } from "./walk.ts";

/** Hidden from others while their group is redriven, in seconds; prolonged before a send if too little of it is left. */
const REDRIVE_SECONDS = 60;

/** Groups that are redriven at the same time. Each needs about fifty calls to SQS a second. */
const WORKERS = 4;

/** What to redrive. */
export type RedriveSelection =
  | { readonly all: true }
  | { readonly groupId: string }
  /** Only this one, which overtakes those before it in its group. */
  | { readonly messageId: string };

/** A message that is in its queue again, and no longer in the dead-letter queue. */
export interface Moved {
  readonly groupId: string;
  /** In the dead-letter queue. */
  readonly deadLetterMessageId: string;
  /** In the queue, as is the sequence number. */
  readonly messageId: string;
  readonly sequenceNumber: string;
}

/**
 * Why a message that was seen stays in the dead-letter queue:
 * - `control`: a control message, which would be carried out at another place of its group's order; the group goes on;
 * - `too-large`: with its idempotency key it is longer than the queue takes;
 * - `send-failed`: the queue did not acknowledge it, and may have it all the same;
 * - `not-deleted`: the queue has it, and the dead-letter queue may have it still;
 * - `not-held`: its visibility could not be made sure of, so somebody else may have it by now;
 * - `came-back`: this redrive moved it, and it was dead-lettered again, or there were two copies from the start;
 * - `behind`: one before it in its group stays;
 * - `interrupted`: the signal came first.
 */
export type KeptReason =
  | "control"
  | "too-large"
  | "send-failed"
  | "not-deleted"
  | "not-held"
  | "came-back"
  | "behind"
  | "interrupted";

/** A message that was seen and stays in the dead-letter queue. */
export interface Kept {
  readonly groupId: string;
  readonly messageId: string;
  readonly reason: KeptReason;
  /** In words, with the way out. Neither body nor key are in it. */
  readonly detail: string;
}

/** What a redrive did. */
export interface RedriveReport {
  readonly moved: readonly Moved[];
  readonly kept: readonly Kept[];
  /** `failed` when the dead-letter queue could not be received from; `error` says why. */
  readonly ended: "complete" | "interrupted" | "failed";
  readonly error?: string;
  /** Messages of its group that stood before a single message when it was seen: it overtook them if it was moved. */
  readonly overtakes?: number;
  /** Messages in the dead-letter queue now, hidden ones included: approximate; missing when SQS does not say. */
  readonly remaining?: number;
  /** Messages that SQS did not take back: hidden until their visibility timeout ends. */
  readonly stillHidden: number;
}

/**
 * Moves messages from the dead-letter queue to the end of their queue, each group strictly in the order of the dead-letter queue.
 *
 * One message after the other: make sure that the group is still ours, send, delete once the send is acknowledged. What does
 * not go stops its group, the other groups go on. A message keeps its idempotency key.
 *
 * The deduplication id is `redrive-<MessageId in the dead-letter queue>`, not the message's first one, which SQS would swallow
 * within five minutes. So a crash between send and delete, a late answer or a second operator cost a second copy at most: the next
 * redrive sends it under the same id, which SQS swallows for five minutes; later it is a second message with the same
 * idempotency key. It never comes behind a later one of its group for the first time.
 *
 * @param selection what to move; nothing else is changed, though all of the queue may be hidden from others for a while
 * @throws what the first call to SQS throws, before anything was received; later failures are in the report
 * @example
 * const { moved, kept } = await redriveDeadLetters({ sqs, queueUrl, deadLetterUrl }, { groupId: "10" });
 */
export async function redriveDeadLetters(
  queue: DeadLetterQueue,
  selection: RedriveSelection,
  options: DlqOptions = {},
): Promise<RedriveReport> {
  const callMilliseconds = options.callMilliseconds ?? CALL_MILLISECONDS;
  const maximumBytes = await readMaximumBytes(queue.sqs, queue.queueUrl, callMilliseconds);
  const run = new Redrive(queue, selection, maximumBytes, { ...options, callMilliseconds });
  const settings = {
    visibilitySeconds: REDRIVE_SECONDS,
    ...options,
    workers: "all" in selection ? WORKERS : 1,
    wholeGroups: "messageId" in selection,
    isDone: () => run.isDone,
  };
  const { ended, error, stillHidden } = await walk(queue, settings, (messages, hold) => run.visit(messages, hold));
  const remaining = await countMessages(queue.sqs, queue.deadLetterUrl, callMilliseconds).catch(() => undefined);
  return {
    moved: run.moved,
    kept: run.kept,
    ended,
    ...(ended === "failed" ? { error: describeError(error) } : {}),
    ...(run.overtakes === undefined ? {} : { overtakes: run.overtakes }),
    ...(remaining === undefined ? {} : { remaining }),
    stillHidden,
  };
}

/** Message attributes with which a copy goes back to its queue. Reason and detail do not: they were of the last time. */
export function redriveAttributes(message: DeadLetter): Readonly<Record<string, string>> {
  const { idempotencyKey, originalMessageId, originalSequenceNumber } = message;
  return {
    [COPY_ATTRIBUTES.idempotencyKey]: idempotencyKey,
    [COPY_ATTRIBUTES.originalMessageId]: originalMessageId,
    ...(originalSequenceNumber === undefined
      ? {}
      : { [COPY_ATTRIBUTES.originalSequenceNumber]: originalSequenceNumber }),
  };
}

/** Bytes that count against the queue's limit: body, and name, type and value of each attribute (SQS quota "Message size"). */
export function redrivenBytes(message: DeadLetter): number {
  return message.bytes + attributeBytes(redriveAttributes(message));
}

/** Why a message is too large to be redriven, and what can be done. */
export function tooLarge(message: DeadLetter, maximumBytes: number): string {
  return (
    `${message.bytes} bytes of body are ${redrivenBytes(message)} with the idempotency key, and the queue takes ${maximumBytes}: ` +
    "raise the queue's MaximumMessageSize (up to 1048576) until it is redriven, or discard it"
  );
}

class Redrive {
  readonly moved: Moved[] = [];
  readonly kept: Kept[] = [];
  readonly #queue: DeadLetterQueue;
  readonly #selection: RedriveSelection;
  readonly #maximumBytes: number;
  readonly #options: DlqOptions & { readonly callMilliseconds: number };
  readonly #stopped = new Set<string>();
  readonly #controls = new Set<string>();
  /** Of what was moved, by idempotency key: the MessageId that it was dead-lettered under. */
  readonly #movedKeys = new Map<string, string>();
  /** Of a single message: known once it was found. */
  #overtakes: number | undefined;

  constructor(
    queue: DeadLetterQueue,
    selection: RedriveSelection,
    maximumBytes: number,
    options: DlqOptions & { readonly callMilliseconds: number },
  ) {
    this.#queue = queue;
    this.#selection = selection;
    this.#maximumBytes = maximumBytes;
    this.#options = options;
  }

  get isDone(): boolean {
    return (
      this.#overtakes !== undefined || ("groupId" in this.#selection && this.#stopped.has(this.#selection.groupId))
    );
  }

  get overtakes(): number | undefined {
    return this.#overtakes;
  }

  /** @returns whether the group's next messages are wanted */
  async visit(messages: readonly ReceivedDeadLetter[], hold: Hold): Promise<boolean> {
    const groupId = messages[0]?.groupId ?? "";
    const selection = this.#selection;
    if ("messageId" in selection) {
      const before = messages.findIndex(({ messageId }) => messageId === selection.messageId);
      const message = messages[before];
      if (message === undefined) return false;
      this.#overtakes = before;
      await this.#moveAll([message], hold);
      return false;
    }
    if ("groupId" in selection && selection.groupId !== groupId) return false;
    // Visible again since it was stopped; it is held once more.
    if (this.#stopped.has(groupId)) return false;
    return this.#moveAll(messages, hold);
  }

  /** @returns whether at least one was moved, and none of them stopped the group */
  async #moveAll(messages: readonly ReceivedDeadLetter[], hold: Hold): Promise<boolean> {
    let moved = 0;
    for (const [index, message] of messages.entries()) {
      const rest = messages.slice(index);
      if (message.control !== undefined) {
        this.#keepControl(message, message.control);
        continue;
      }
      const problem = await this.#move(message, rest, hold);
      if (problem !== undefined) {
        this.#stop(rest, problem);
        return false;
      }
      moved += 1;
    }
    return moved > 0;
  }

  /** @returns why it was not moved; undefined when it was */
  async #move(
    message: ReceivedDeadLetter,
    rest: readonly ReceivedDeadLetter[],
    hold: Hold,
  ): Promise<Pick<Kept, "reason" | "detail"> | undefined> {
    if (this.#options.signal?.aborted === true) return { reason: "interrupted", detail: "not tried" };
    const before = this.#movedKeys.get(message.idempotencyKey);
    if (before !== undefined && before !== message.originalMessageId) {
      // Without this, a backend that refuses it still would keep a redrive of all going round for ever, alone or with another one.
      return {
        reason: "came-back",
        detail: `moved by this redrive, and dead-lettered again or there twice (${message.reason}): see why, then redrive again`,
      };
    }
    // All that is received of the group, not this one alone: whoever gets a later one could send it before this.
    if (!(await hold.secure(rest))) {
      return {
        reason: "not-held",
        detail: "its visibility could not be prolonged, so somebody else may have it: look again",
      };
    }
    let sent: { readonly messageId: string; readonly sequenceNumber: string };
    try {
      sent = await this.#send(message);
    } catch (error) {
      if (redrivenBytes(message) > this.#maximumBytes) {
        return { reason: "too-large", detail: tooLarge(message, this.#maximumBytes) };
      }
      return { reason: "send-failed", detail: `${describeError(error)}: redrive again` };
    }
    this.#movedKeys.set(message.idempotencyKey, message.originalMessageId);
    try {
      await hold.remove(message);
    } catch (error) {
      const detail = `${describeError(error)}: it was sent. Redrive again, within five minutes or the queue gets it twice`;
      return { reason: "not-deleted", detail };
    }
    const { groupId, messageId } = message;
    this.moved.push({ groupId, deadLetterMessageId: messageId, ...sent });
    this.#options.progress?.({ kind: "moved", groupId, messageId });
    return undefined;
  }

  /** @throws what SQS answers, or a TimeoutError: it may have been sent all the same */
  async #send(message: ReceivedDeadLetter): Promise<{ readonly messageId: string; readonly sequenceNumber: string }> {
    const command = new SendMessageCommand({
      QueueUrl: this.#queue.queueUrl,
      MessageBody: message.body,
      MessageGroupId: message.groupId,
      MessageDeduplicationId: `redrive-${message.messageId}`,
      MessageAttributes: messageAttributes(redriveAttributes(message)),
    });
    const { MessageId = "", SequenceNumber = "" } = await giveUpAfter(this.#options.callMilliseconds, (abortSignal) =>
      this.#queue.sqs.send(command, { abortSignal }),
    );
    return { messageId: MessageId, sequenceNumber: SequenceNumber };
  }

  #keepControl({ groupId, messageId }: ReceivedDeadLetter, verb: string): void {
    // It is given back when others of its group are moved, and comes again with the next of them.
    if (this.#controls.has(messageId)) return;
    this.#controls.add(messageId);
    const detail = `a control message (${JSON.stringify(verb)}): give the command anew if it is still wanted, and discard this one`;
    this.kept.push({ groupId, messageId, reason: "control", detail });
  }

  #stop(rest: readonly ReceivedDeadLetter[], problem: Pick<Kept, "reason" | "detail">): void {
    const [first, ...others] = rest;
    if (first === undefined) return;
    const { groupId, messageId } = first;
    this.#stopped.add(groupId);
    this.kept.push({ groupId, messageId, ...problem });
    for (const other of others) {
      if (this.#controls.has(other.messageId)) continue;
      this.kept.push({ groupId, messageId: other.messageId, reason: "behind", detail: `behind message ${messageId}` });
    }
    this.#options.progress?.({ kind: "stopped", groupId, reason: problem.reason });
  }
}
