import { randomUUID } from "node:crypto";
import { ChangeMessageVisibilityBatchCommand, DeleteMessageCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { giveUpAfter } from "../../../../runtime/give-up.ts";
import { MAX_BATCH_ENTRIES } from "../../../client/src/contract.ts";
import { parseDeadLetter, type ReceivedDeadLetter } from "./dead-letter.ts";
import { CALL_MILLISECONDS, type DeadLetterQueue, type DlqOptions } from "./queue.ts";

/** Kept free, besides the calls themselves, when a message is to be moved while it is surely ours, in milliseconds. */
const MARGIN_MILLISECONDS = 1_000;

interface Held {
  readonly receiptHandle: string;
  /** Nobody else has it before this time of our clock: taken before the request that SQS counts from was sent. */
  heldUntil: number;
}

/**
 * The messages of a dead-letter queue that this process has received and not given back. No bodies are kept.
 *
 * As long as one message of a group is held, nobody else gets anything of that group: that is SQS's promise for FIFO queues, and all that
 * keeps two redrives of the same queue from mixing a group's order.
 */
export class Hold {
  readonly #queue: DeadLetterQueue;
  readonly #held = new Map<string, Held>();
  readonly #now: () => number;
  readonly #callMilliseconds: number;
  readonly #waitSeconds: number;
  readonly #visibilitySeconds: number;
  #renewal: Promise<void> | undefined;

  constructor(queue: DeadLetterQueue, options: DlqOptions & { readonly visibilitySeconds: number }) {
    this.#queue = queue;
    this.#now = options.now ?? Date.now;
    this.#callMilliseconds = options.callMilliseconds ?? CALL_MILLISECONDS;
    this.#waitSeconds = options.waitSeconds ?? 1;
    this.#visibilitySeconds = options.visibilitySeconds;
  }

  /**
   * Receives up to ten messages. It is not cut short by the verb's signal: what it takes would be hidden, and nobody would have
   * the handles to give it back. A retry of the SDK gets the same messages, since it has the same attempt id.
   */
  async receive(): Promise<readonly ReceivedDeadLetter[]> {
    const asked = this.#now();
    const command = new ReceiveMessageCommand({
      QueueUrl: this.#queue.deadLetterUrl,
      MaxNumberOfMessages: MAX_BATCH_ENTRIES,
      VisibilityTimeout: this.#visibilitySeconds,
      WaitTimeSeconds: this.#waitSeconds,
      MessageSystemAttributeNames: ["All"],
      MessageAttributeNames: ["All"],
      ReceiveRequestAttemptId: randomUUID(),
    });
    const { Messages = [] } = await giveUpAfter(this.#callMilliseconds + this.#waitSeconds * 1_000, (abortSignal) =>
      this.#queue.sqs.send(command, { abortSignal }),
    );
    const messages = Messages.map(parseDeadLetter);
    const heldUntil = asked + this.#visibilitySeconds * 1_000;
    for (const { messageId, receiptHandle } of messages) this.#held.set(messageId, { receiptHandle, heldUntil });
    return messages;
  }

  /**
   * Makes sure that all of these stay ours for as long as two calls can take, a send and a delete.
   *
   * @returns false when SQS does not say so for each of them: someone else may have them then
   */
  async secure(messages: readonly { readonly messageId: string }[]): Promise<boolean> {
    const isSecure = () => {
      const enough = this.#now() + 2 * this.#callMilliseconds + MARGIN_MILLISECONDS;
      return messages.every(({ messageId }) => (this.#held.get(messageId)?.heldUntil ?? 0) >= enough);
    };
    if (isSecure()) return true;
    await this.#prolong(messages.map(({ messageId }) => messageId)).catch(() => undefined);
    return isSecure();
  }

  /** Deletes a message. @throws when SQS does not acknowledge it */
  async remove({ messageId }: { readonly messageId: string }): Promise<void> {
    const ReceiptHandle = this.#held.get(messageId)?.receiptHandle;
    if (ReceiptHandle === undefined) throw new Error(`message ${messageId} is not held by this process`);
    const command = new DeleteMessageCommand({ QueueUrl: this.#queue.deadLetterUrl, ReceiptHandle });
    await giveUpAfter(this.#callMilliseconds, (abortSignal) => this.#queue.sqs.send(command, { abortSignal }));
    this.#held.delete(messageId);
  }

  /**
   * Prolongs what is held and would be visible soon.
   *
   * @throws what SQS throws. To go on would be to receive the same messages again and again, without an end.
   */
  async renew(): Promise<void> {
    // One at a time: two workers would prolong the same messages.
    this.#renewal ??= this.#renewDue().finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
  }

  async #renewDue(): Promise<void> {
    const soon = this.#now() + this.#visibilitySeconds * 500;
    const due = [...this.#held].flatMap(([messageId, { heldUntil }]) => (heldUntil < soon ? [messageId] : []));
    for (const batch of batches(due)) await this.#prolong(batch);
  }

  /** Prolongs up to ten messages. Those for which SQS refuses it are not ours any more. */
  async #prolong(messageIds: readonly string[]): Promise<void> {
    const heldUntil = this.#now() + this.#visibilitySeconds * 1_000;
    const { refused } = await this.#changeVisibility(messageIds, this.#visibilitySeconds);
    for (const messageId of messageIds) {
      const held = this.#held.get(messageId);
      if (refused.has(messageId)) this.#held.delete(messageId);
      else if (held !== undefined) held.heldUntil = heldUntil;
    }
  }

  /**
   * Makes messages visible for others at once.
   *
   * @param messages all that are held, when left out
   * @returns how many SQS did not take back: they are visible again once their visibility timeout ends
   */
  async giveBack(messages?: readonly { readonly messageId: string }[]): Promise<number> {
    const messageIds = messages?.map(({ messageId }) => messageId) ?? [...this.#held.keys()];
    let hidden = 0;
    for (const batch of batches(messageIds.filter((messageId) => this.#held.has(messageId)))) {
      try {
        const { broken } = await this.#changeVisibility(batch, 0);
        hidden += broken;
        for (const messageId of batch) this.#held.delete(messageId);
      } catch {
        hidden += batch.length;
      }
    }
    return hidden;
  }

  /** @returns what SQS does not call successful, and how many of these for a fault of its own */
  async #changeVisibility(
    messageIds: readonly string[],
    seconds: number,
  ): Promise<{ readonly refused: ReadonlySet<string>; readonly broken: number }> {
    const held = messageIds.flatMap((messageId) => {
      const receiptHandle = this.#held.get(messageId)?.receiptHandle;
      return receiptHandle === undefined ? [] : [{ messageId, receiptHandle }];
    });
    if (held.length === 0) return { refused: new Set(), broken: 0 };
    const command = new ChangeMessageVisibilityBatchCommand({
      QueueUrl: this.#queue.deadLetterUrl,
      Entries: held.map(({ receiptHandle }, index) => ({
        Id: String(index),
        ReceiptHandle: receiptHandle,
        VisibilityTimeout: seconds,
      })),
    });
    const { Successful = [], Failed = [] } = await giveUpAfter(this.#callMilliseconds, (abortSignal) =>
      this.#queue.sqs.send(command, { abortSignal }),
    );
    const done = new Set(Successful.map(({ Id }) => Id));
    return {
      refused: new Set(held.flatMap(({ messageId }, index) => (done.has(String(index)) ? [] : [messageId]))),
      broken: Failed.filter(({ SenderFault }) => SenderFault === false).length,
    };
  }
}

function batches<Item>(items: readonly Item[]): (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / MAX_BATCH_ENTRIES) }, (_, index) =>
    items.slice(index * MAX_BATCH_ENTRIES, (index + 1) * MAX_BATCH_ENTRIES),
  );
}
