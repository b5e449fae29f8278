import { EventEmitter } from "node:events";
import { LOCAL_ACCOUNT_ID } from "../account.ts";
import * as administration from "./administration.ts";
import type { BatchOutcome } from "./check-batch.ts";
import type { OutgoingMessage, ReceivedMessage, SentMessage } from "./message.ts";
import { type MoveRequest, type MoveTask, MoveTasks } from "./move-tasks.ts";
import { type QueueEvents, Queues } from "./queues.ts";
import { type ReceiveOptions, receive } from "./receive.ts";
import { send, sendBatch } from "./send.ts";
import * as settle from "./settle.ts";

/**
 * SQS FIFO queues in this process, in one SQLite file (WAL, synchronous=NORMAL).
 *
 * Every call is one transaction: what it answered is in the file, and survives kill -9; `store.ts` says what a power failure
 * can cost. One process at a time has the file. Standard queues are refused.
 *
 * @example
 * const engine = new QueueEngine({ file: ".local/queues.sqlite", region: "ap-northeast-2" });
 * engine.createQueue("orders.fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
 * engine.send("orders.fifo", { groupId: "10", body: "{}" });
 * const [message] = await engine.receive("orders.fifo", { maxMessages: 10, waitSeconds: 20 });
 * if (message) engine.delete("orders.fifo", message.receiptHandle);
 */
export class QueueEngine extends EventEmitter<QueueEvents> {
  readonly accountId: string;
  readonly region: string;
  readonly #queues: Queues;
  readonly #moveTasks: MoveTasks;
  #closed = false;

  /**
   * Opens the file, or creates it and its folder.
   *
   * @param options.accountId @default local mode's
   * @param options.now the clock, in milliseconds since 1970; after moving an injected one call `tick()`. @default Date.now
   * @throws Error when another process has the file open
   */
  constructor(options: { file: string; region: string; accountId?: string; now?: () => number }) {
    super();
    const { file, region, accountId = LOCAL_ACCOUNT_ID, now = Date.now } = options;
    this.region = region;
    this.accountId = accountId;
    this.#queues = new Queues({ file, region, accountId, now, events: this });
    this.#moveTasks = new MoveTasks(this.#queues);
  }

  /** Ends the waiting receives (with no messages) and closes the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#moveTasks.close();
    this.#queues.close();
  }

  /** Looks at the clock again: moves, polls and groups whose time has come go on. For tests that move an injected clock. */
  tick(): void {
    this.#moveTasks.tick();
    for (const queue of this.#queues.all()) {
      queue.backlog.settle(this.#queues.now());
      queue.polls.run();
    }
  }

  // --- queues ---

  queueArn(name: string): string {
    return this.#queues.arn(name);
  }

  hasQueue(name: string): boolean {
    return this.#queues.find(name) !== undefined;
  }

  /**
   * Creates a queue, or does nothing when it exists with the attributes named.
   *
   * @param attributes under SQS's names, as text; `FifoQueue` must be "true"
   * @throws SqsError `InvalidParameterValue` (name, no FIFO queue), `InvalidAttributeName`, `InvalidAttributeValue`,
   *   `QueueNameExists` (other attributes), `QueueDeletedRecently` (within 60 seconds)
   * @example engine.createQueue("orders.fifo", { FifoQueue: "true", VisibilityTimeout: "360" });
   */
  createQueue(
    name: string,
    attributes: Readonly<Record<string, string>> = {},
    tags: Readonly<Record<string, string>> = {},
  ): void {
    administration.createQueue(this.#queues, name, attributes, tags);
  }

  /** Deletes a queue with all of its messages; receives that wait on it fail. @throws SqsError `QueueDoesNotExist` */
  deleteQueue(name: string): void {
    administration.deleteQueue(this.#queues, name);
  }

  /** Names of the queues, sorted. @default prefix "" (all) */
  listQueues(prefix = ""): string[] {
    return administration.listQueues(this.#queues, prefix);
  }

  /** Names of the queues whose redrive policy names this one, sorted. @throws SqsError `QueueDoesNotExist` */
  deadLetterSources(name: string): string[] {
    return administration.deadLetterSources(this.#queues, name);
  }

  /**
   * Attributes under SQS's names, as text.
   *
   * @param names "All" for every one. @default ["All"]
   * @throws SqsError `QueueDoesNotExist`, `InvalidAttributeName`
   */
  queueAttributes(name: string, names: readonly string[] = ["All"]): Record<string, string> {
    return administration.queueAttributes(this.#queues, name, names);
  }

  /**
   * Ids of all messages that are in the queue now, those in flight and delayed included, oldest first.
   *
   * @throws SqsError `QueueDoesNotExist`
   * @example engine.messageIds("orders.fifo").has(sent.messageId) // true until it is deleted, dead-lettered or expired
   */
  messageIds(name: string): Set<string> {
    return administration.messageIds(this.#queues, name);
  }

  /** @throws SqsError `QueueDoesNotExist`, `InvalidAttributeName`, `InvalidAttributeValue`, `InvalidParameterValue` (redrive) */
  setQueueAttributes(name: string, attributes: Readonly<Record<string, string>>): void {
    administration.setQueueAttributes(this.#queues, name, attributes);
  }

  queueTags(name: string): Record<string, string> {
    return { ...this.#queues.get(name).tags };
  }

  tagQueue(name: string, tags: Readonly<Record<string, string>>): void {
    administration.tagQueue(this.#queues, name, tags);
  }

  untagQueue(name: string, keys: readonly string[]): void {
    administration.untagQueue(this.#queues, name, keys);
  }

  /** Removes every message, in flight or not. @throws SqsError `PurgeQueueInProgress` within 60 seconds of the last one */
  purgeQueue(name: string): void {
    administration.purgeQueue(this.#queues, name);
  }

  // --- messages, in the order in which one travels ---

  /**
   * Sends one message. A duplicate of the last five minutes is not queued again and answers with the first one's ids.
   *
   * @throws SqsError `QueueDoesNotExist`, `MissingParameter`, `InvalidParameterValue`, `InvalidMessageContents`
   */
  send(name: string, message: OutgoingMessage): SentMessage {
    return send(this.#queues, name, message);
  }

  /**
   * Sends 1 to 10 messages, in order. One entry can fail while a later one is taken.
   *
   * @throws SqsError for the batch as a whole: `EmptyBatchRequest`, `TooManyEntriesInBatchRequest`, `InvalidBatchEntryId`,
   *   `BatchEntryIdsNotDistinct`, `BatchRequestTooLong`, a missing group or deduplication id, `QueueDoesNotExist`
   */
  sendBatch(
    name: string,
    entries: readonly (OutgoingMessage & { readonly id: string })[],
  ): BatchOutcome<SentMessage & { readonly id: string }> {
    return sendBatch(this.#queues, name, entries);
  }

  /**
   * Receives messages, as many of one group as fit before the next group, and hides them; their groups are locked until they
   * are deleted or visible again. Messages received too often go to the dead-letter queue instead.
   *
   * @returns at most `maxMessages`, none when none came within `waitSeconds`
   * @throws SqsError (as a rejection) `QueueDoesNotExist`, `InvalidParameterValue`
   */
  receive(name: string, options: ReceiveOptions = {}): Promise<ReceivedMessage[]> {
    return receive(this.#queues, name, options);
  }

  /**
   * Makes a received message visible so many seconds from now; 0 gives it back at once.
   *
   * @param seconds 0 to 43,200, and not beyond twelve hours after the receive
   * @throws SqsError `ReceiptHandleIsInvalid`, `InvalidParameterValue` (seconds, or its visibility timeout is over)
   */
  changeVisibility(name: string, receiptHandle: string, seconds: number): void {
    settle.changeVisibility(this.#queues, name, receiptHandle, seconds);
  }

  /** Like `changeVisibility` for 1 to 10 messages; an expired receipt handle fails its entry only. */
  changeVisibilityBatch(
    name: string,
    entries: readonly { readonly id: string; readonly receiptHandle: string; readonly seconds: number }[],
  ): BatchOutcome<{ readonly id: string }> {
    return settle.changeVisibilityBatch(this.#queues, name, entries);
  }

  /**
   * Makes every message in flight visible now, and its receipt handles void. For a process that at its start knows that
   * whoever held them is gone: after a kill the messages need not wait for their visibility timeout.
   */
  releaseInFlight(): void {
    settle.releaseInFlight(this.#queues);
  }

  /**
   * Deletes a received message. One that is gone already is no error.
   *
   * @throws SqsError `ReceiptHandleIsInvalid` (no handle of this queue), `InvalidParameterValue` (its visibility timeout is
   *   over: the message is someone else's, and stays)
   */
  delete(name: string, receiptHandle: string): void {
    settle.deleteMessage(this.#queues, name, receiptHandle);
  }

  /** Deletes 1 to 10 received messages; an expired receipt handle fails its entry only (`ReceiptHandleIsInvalid`). */
  deleteBatch(
    name: string,
    entries: readonly { readonly id: string; readonly receiptHandle: string }[],
  ): BatchOutcome<{ readonly id: string }> {
    return settle.deleteMessageBatch(this.#queues, name, entries);
  }
  // --- message move tasks: out of a dead-letter queue again ---

  /**
   * Starts to move what a dead-letter queue holds now, oldest first. It goes on in the background, over restarts too.
   *
   * @returns the task's handle
   * @throws SqsError `ResourceNotFoundException` (no such source or destination), `InvalidParameterValue` (no dead-letter queue,
   *   its own destination, the rate, a task is running already)
   * @example engine.startMoveTask({ sourceArn: engine.queueArn("orders-dead-letter.fifo"), maxPerSecond: 10 });
   */
  startMoveTask(request: MoveRequest): string {
    return this.#moveTasks.start(request);
  }

  /**
   * A queue's move tasks, the most recent first.
   *
   * @param maxResults 1 to 10. @default 1
   * @throws SqsError `ResourceNotFoundException`, `InvalidParameterValue`
   */
  moveTasks(sourceArn: string, maxResults?: number): MoveTask[] {
    return this.#moveTasks.list(sourceArn, maxResults);
  }

  /**
   * Ends a running task; what it has moved stays moved.
   *
   * @returns how many messages it has moved
   * @throws SqsError `InvalidParameterValue` (no handle), `ResourceNotFoundException`, `UnsupportedOperation` (it has ended)
   */
  cancelMoveTask(taskHandle: string): number {
    return this.#moveTasks.cancel(taskHandle);
  }
}
