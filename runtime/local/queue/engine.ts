import { randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import { DEDUPLICATION_WINDOW_MILLISECONDS, MAX_BATCH_ENTRIES } from "../../../sdk/client/src/contract.ts";
import {
  allowsRedrive,
  checkAttributeNames,
  initialAttributes,
  mergeAttributes,
  parseAttributes,
  readSettings,
} from "./attributes.ts";
import { Backlog, type Entry } from "./backlog.ts";
import { type BatchOutcome, checkBatch, checkBatchBytes, eachEntry } from "./check-batch.ts";
import { checkMessage, checkPresence } from "./check-message.ts";
import { parseMessageAttributes, parseTexts } from "./columns.ts";
import { invalidParameter, SqsError } from "./errors.ts";
import {
  COOL_DOWN_MILLISECONDS,
  MAX_IN_FLIGHT,
  MAX_VISIBILITY_SECONDS,
  MAX_WAIT_SECONDS,
  QUEUE_NAME_PATTERN,
  RECEIVE_ATTEMPT_WINDOW_MILLISECONDS,
} from "./limits.ts";
import {
  contentDeduplicationId,
  formatSequenceNumber,
  md5,
  md5OfAttributes,
  messageBytes,
  type OutgoingMessage,
  type ReceivedMessage,
  type SentMessage,
} from "./message.ts";
import { openQueue, type Queue } from "./queue.ts";
import { formatReceipt, parseReceipt } from "./receipt.ts";
import { integer, optionalText, Store, text } from "./store.ts";

/** What the engine tells of, each after it is in the file. */
export interface QueueEvents {
  sent: [{ queueName: string; messageId: string; groupId: string; sequenceNumber: string }];
  /** By a DeleteMessage: the message is settled. Not by retention, a purge or the queue's end. */
  deleted: [{ queueName: string; messageId: string; groupId: string; sequenceNumber: string }];
  "dead-lettered": [{ queueName: string; deadLetterQueueName: string; messageId: string; groupId: string }];
}

/** How to receive. */
export interface ReceiveOptions {
  /** 1 to 10. @default 1 */
  readonly maxMessages?: number | undefined;
  /** 0 to 43,200 seconds. @default the queue's VisibilityTimeout */
  readonly visibilityTimeoutSeconds?: number | undefined;
  /** 0 to 20 seconds. @default the queue's ReceiveMessageWaitTimeSeconds */
  readonly waitSeconds?: number | undefined;
  /** Repeated within five minutes, while nothing happened to its messages, it gets the same ones again. */
  readonly attemptId?: string | undefined;
  /** Ends a long poll early, with no messages. */
  readonly signal?: AbortSignal | undefined;
}

interface TakeRequest {
  readonly maxMessages: number;
  readonly visibilityMilliseconds: number;
  readonly attemptId: string | undefined;
}

// A high-water mark is written once per so many sequence numbers; after a kill the numbers go on above it.
const SEQUENCE_BLOCK = 10_000;
// Old deduplication ids leave in passing: every so many sends at most twice as many.
const SWEEP_EVERY = 100;

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
  readonly #now: () => number;
  readonly #store: Store;
  #queues = new Map<string, Queue>();
  #sequence = 0;
  #reservedSequence = 0;
  #sendsUntilSweep = SWEEP_EVERY;
  #closed = false;

  /**
   * Opens the file, or creates it and its folder.
   *
   * @param options.now the clock, in milliseconds since 1970; after moving an injected one call `tick()`. @default Date.now
   * @throws Error when another process has the file open
   */
  constructor(options: { file: string; region: string; accountId?: string; now?: () => number }) {
    super();
    this.region = options.region;
    this.accountId = options.accountId ?? "000000000000";
    this.#now = options.now ?? Date.now;
    this.#store = new Store(options.file);
    this.#load();
  }

  /** Ends the waiting receives (with no messages) and closes the file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const queue of this.#queues.values()) queue.polls.end();
    this.#store.close();
  }

  /** Looks at the clock again: ends polls and releases groups whose time has come. For tests that move an injected clock. */
  tick(): void {
    for (const queue of this.#queues.values()) {
      queue.backlog.settle(this.#now());
      queue.polls.run();
    }
  }

  // --- queues ---

  queueArn(name: string): string {
    return `arn:aws:sqs:${this.region}:${this.accountId}:${name}`;
  }

  hasQueue(name: string): boolean {
    return this.#queues.has(name);
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
    const now = this.#now();
    if (!QUEUE_NAME_PATTERN.test(name) || attributes.FifoQueue !== "true") {
      throw new SqsError(
        "InvalidParameterValue",
        `Queue ${name}: local mode serves FIFO queues only. The name takes 1 to 80 letters, digits, hyphens and underscores, ` +
          "ends in .fifo, and the attribute FifoQueue is true.",
      );
    }
    const changes = parseAttributes(attributes);
    const existing = this.#queues.get(name);
    if (existing !== undefined) {
      for (const [attribute, value] of Object.entries(changes)) {
        if ((existing.attributes[attribute] ?? "") === value) continue;
        throw new SqsError(
          "QueueNameExists",
          `A queue already exists with the same name and a different value for attribute ${attribute}`,
        );
      }
      return;
    }
    const deleted = this.#store.selectDeletedQueue.get(name);
    if (deleted !== undefined && now - integer(deleted, "deleted_at") < COOL_DOWN_MILLISECONDS) {
      throw new SqsError(
        "QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another queue with the same name.",
      );
    }
    const merged = mergeAttributes(initialAttributes(), changes);
    this.#checkRedrive(name, merged);
    const { lastInsertRowid } = this.#write(() =>
      this.#store.insertQueue.run(name, JSON.stringify(merged), JSON.stringify(tags), now, now),
    );
    const row = { id: Number(lastInsertRowid), name, arn: this.queueArn(name), attributes: merged, tags };
    this.#queues.set(name, openQueue({ ...row, createdAt: now, modifiedAt: now, purgedAt: 0 }, this.#now));
  }

  /** Deletes a queue with all of its messages; receives that wait on it fail. @throws SqsError `QueueDoesNotExist` */
  deleteQueue(name: string): void {
    const queue = this.#queue(name);
    this.#write(() => {
      this.#store.deleteDeliveriesOfQueue.run(queue.id);
      this.#store.deleteMessagesOfQueue.run(queue.id);
      this.#store.deleteDuplicatesOfQueue.run(queue.id);
      this.#store.deleteQueue.run(queue.id);
      this.#store.saveDeletedQueue.run(name, this.#now());
    });
    this.#queues.delete(name);
    queue.polls.end(unknownQueue());
  }

  /** Names of the queues, sorted. @default prefix "" (all) */
  listQueues(prefix = ""): string[] {
    return [...this.#queues.keys()].filter((name) => name.startsWith(prefix)).toSorted();
  }

  /** Names of the queues whose redrive policy names this one, sorted. */
  deadLetterSources(name: string): string[] {
    const { arn } = this.#queue(name);
    const sources = [...this.#queues.values()].filter(({ settings }) => settings.redrive?.deadLetterTargetArn === arn);
    return sources.map((source) => source.name).toSorted();
  }

  /**
   * Attributes under SQS's names, as text.
   *
   * @param names "All" for every one. @default ["All"]
   * @throws SqsError `QueueDoesNotExist`, `InvalidAttributeName`
   */
  queueAttributes(name: string, names: readonly string[] = ["All"]): Record<string, string> {
    const queue = this.#queue(name);
    checkAttributeNames(names);
    const now = this.#now();
    this.#expire(queue, now);
    queue.backlog.settle(now);
    const { visible, inFlight, delayed } = queue.backlog.counts(now);
    const all: Record<string, string> = {
      ...queue.attributes,
      QueueArn: queue.arn,
      ApproximateNumberOfMessages: String(visible),
      ApproximateNumberOfMessagesNotVisible: String(inFlight),
      ApproximateNumberOfMessagesDelayed: String(delayed),
      CreatedTimestamp: String(Math.floor(queue.createdAt / 1_000)),
      LastModifiedTimestamp: String(Math.floor(queue.modifiedAt / 1_000)),
    };
    if (names.includes("All")) return all;
    return Object.fromEntries(Object.entries(all).filter(([attribute]) => names.includes(attribute)));
  }

  /** @throws SqsError `QueueDoesNotExist`, `InvalidAttributeName`, `InvalidAttributeValue`, `InvalidParameterValue` (redrive) */
  setQueueAttributes(name: string, attributes: Readonly<Record<string, string>>): void {
    const queue = this.#queue(name);
    const merged = mergeAttributes(queue.attributes, parseAttributes(attributes));
    this.#checkRedrive(name, merged);
    queue.attributes = merged;
    queue.settings = readSettings(merged);
    queue.modifiedAt = this.#now();
    this.#saveQueue(queue);
    queue.backlog.setDelay(queue.settings.delaySeconds * 1_000, this.#now());
    queue.polls.wake();
  }

  queueTags(name: string): Record<string, string> {
    return { ...this.#queue(name).tags };
  }

  tagQueue(name: string, tags: Readonly<Record<string, string>>): void {
    const queue = this.#queue(name);
    queue.tags = { ...queue.tags, ...tags };
    this.#saveQueue(queue);
  }

  untagQueue(name: string, keys: readonly string[]): void {
    const queue = this.#queue(name);
    queue.tags = Object.fromEntries(Object.entries(queue.tags).filter(([key]) => !keys.includes(key)));
    this.#saveQueue(queue);
  }

  /** Removes every message, in flight or not. @throws SqsError `PurgeQueueInProgress` within 60 seconds of the last one */
  purgeQueue(name: string): void {
    const queue = this.#queue(name);
    const now = this.#now();
    if (now - queue.purgedAt < COOL_DOWN_MILLISECONDS) {
      throw new SqsError(
        "PurgeQueueInProgress",
        `Only one PurgeQueue operation on ${name} is allowed every 60 seconds.`,
      );
    }
    this.#write(() => {
      this.#store.deleteDeliveriesOfQueue.run(queue.id);
      this.#store.deleteMessagesOfQueue.run(queue.id);
      queue.purgedAt = now;
      this.#updateQueueRow(queue);
    });
    queue.backlog = new Backlog(queue.settings.delaySeconds * 1_000);
    queue.attempts.clear();
  }

  // --- send ---

  /**
   * Sends one message. A duplicate of the last five minutes is not queued again and answers with the first one's ids.
   *
   * @throws SqsError `QueueDoesNotExist`, `MissingParameter`, `InvalidParameterValue`, `InvalidMessageContents`
   */
  send(name: string, message: OutgoingMessage): SentMessage {
    const queue = this.#queue(name);
    checkPresence(message, queue.settings);
    checkMessage(message, queue.settings);
    const [sent] = this.#enqueue(queue, [message]);
    if (sent === undefined) throw new Error("a send of one message has no answer");
    return sent;
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
    const queue = this.#queue(name);
    checkBatch(entries, "SendMessageBatchRequestEntry");
    for (const entry of entries) checkPresence(entry, queue.settings);
    checkBatchBytes(entries.reduce((sum, entry) => sum + messageBytes(entry.body, entry.messageAttributes), 0));
    const { successful: valid, failed } = eachEntry(entries, (entry) => {
      checkMessage(entry, queue.settings);
      return entry;
    });
    const sent = valid.length === 0 ? [] : this.#enqueue(queue, valid);
    const successful = valid.flatMap(({ id }, index) => {
      const answer = sent[index];
      return answer === undefined ? [] : [{ id, ...answer }];
    });
    return { successful, failed };
  }

  #enqueue(queue: Queue, messages: readonly OutgoingMessage[]): SentMessage[] {
    const now = this.#now();
    const added: Entry[] = [];
    const answers = this.#write(() => {
      this.#forgetOldDuplicates(now, messages.length);
      return messages.map((message) => this.#enqueueOne(queue, message, now, added));
    });
    for (const { messageId, group, sequence } of added) {
      const sequenceNumber = formatSequenceNumber(sequence);
      this.emit("sent", { queueName: queue.name, messageId, groupId: group.id, sequenceNumber });
    }
    if (added.length > 0) queue.polls.wake();
    return answers;
  }

  #enqueueOne(queue: Queue, message: OutgoingMessage, now: number, added: Entry[]): SentMessage {
    const { body, groupId, messageAttributes, traceHeader } = message;
    const checksums = {
      md5OfBody: md5(body),
      md5OfMessageAttributes: md5OfAttributes(messageAttributes),
      md5OfSystemAttributes:
        traceHeader === undefined
          ? undefined
          : md5OfAttributes({ AWSTraceHeader: { dataType: "String", stringValue: traceHeader } }),
    };
    const deduplicationId = message.deduplicationId ?? contentDeduplicationId(body);
    const scope = queue.settings.deduplicationPerGroup ? groupId : "";
    const first = this.#store.selectDuplicate.get(queue.id, scope, deduplicationId);
    if (first !== undefined && integer(first, "expires_at") > now) {
      const sequenceNumber = formatSequenceNumber(integer(first, "sequence"));
      return { messageId: text(first, "message_id"), sequenceNumber, ...checksums };
    }
    const sequence = this.#nextSequence();
    const messageId = randomUUID();
    const attributes = messageAttributes === undefined ? null : JSON.stringify(messageAttributes);
    const trace = traceHeader ?? null;
    this.#store.insertMessage.run(
      sequence,
      queue.id,
      groupId,
      messageId,
      deduplicationId,
      now,
      trace,
      attributes,
      body,
    );
    const expiresAt = now + DEDUPLICATION_WINDOW_MILLISECONDS;
    this.#store.saveDuplicate.run(sequence, queue.id, scope, deduplicationId, messageId, expiresAt);
    added.push(queue.backlog.append({ ...NEVER_RECEIVED, sequence, messageId, groupId, enqueuedAt: now }, now));
    return { messageId, sequenceNumber: formatSequenceNumber(sequence), ...checksums };
  }

  #forgetOldDuplicates(now: number, sends: number): void {
    this.#sendsUntilSweep -= sends;
    if (this.#sendsUntilSweep > 0) return;
    this.#sendsUntilSweep = SWEEP_EVERY;
    this.#store.deleteOldDuplicates.run(now, 2 * SWEEP_EVERY);
  }

  // --- receive ---

  /**
   * Receives messages, as many of one group as fit before the next group, and hides them; their groups are locked until they
   * are deleted or visible again. Messages received too often go to the dead-letter queue instead.
   *
   * @returns at most `maxMessages`, none when none came within `waitSeconds`
   * @throws SqsError (as a rejection) `QueueDoesNotExist`, `InvalidParameterValue`
   */
  async receive(name: string, options: ReceiveOptions = {}): Promise<ReceivedMessage[]> {
    const queue = this.#queue(name);
    const maxMessages = between("MaxNumberOfMessages", options.maxMessages ?? 1, 1, MAX_BATCH_ENTRIES);
    const visibilitySeconds = options.visibilityTimeoutSeconds ?? queue.settings.visibilitySeconds;
    between("VisibilityTimeout", visibilitySeconds, 0, MAX_VISIBILITY_SECONDS);
    const waitSeconds = between(
      "WaitTimeSeconds",
      options.waitSeconds ?? queue.settings.waitSeconds,
      0,
      MAX_WAIT_SECONDS,
    );
    const { attemptId, signal } = options;
    if (attemptId !== undefined && !/^[!-~]{1,128}$/.test(attemptId)) {
      const reason =
        "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.";
      throw invalidParameter("ReceiveRequestAttemptId", attemptId, reason);
    }
    const request = { maxMessages, visibilityMilliseconds: visibilitySeconds * 1_000, attemptId };
    const attempt = () => {
      const messages = this.#take(queue, request);
      return messages.length === 0 ? undefined : messages;
    };
    if (signal?.aborted === true) return [];
    const messages = attempt();
    if (messages !== undefined) return messages;
    if (waitSeconds === 0) return [];
    return (await queue.polls.wait(attempt, this.#now() + waitSeconds * 1_000, signal)) ?? [];
  }

  #take(queue: Queue, request: TakeRequest): ReceivedMessage[] {
    const now = this.#now();
    const { attemptId } = request;
    const repeated = attemptId === undefined ? undefined : this.#repeat(queue, attemptId, request, now);
    if (repeated !== undefined) return repeated;
    this.#expire(queue, now);
    queue.backlog.settle(now);
    if (queue.backlog.nextReady() === undefined) return [];
    const target = this.#deadLetterTarget(queue);
    const taken: Entry[] = [];
    const moved: Entry[] = [];
    const messages = this.#write(() => {
      this.#takeEntries(queue, request, target, taken, moved, now);
      return taken.map((entry) => this.#read(queue, entry));
    });
    if (attemptId !== undefined) this.#remember(queue, attemptId, taken, now);
    if (target !== undefined && moved.length > 0) {
      for (const { messageId, group } of moved) {
        const names = { queueName: queue.name, deadLetterQueueName: target.queue.name };
        this.emit("dead-lettered", { ...names, messageId, groupId: group.id });
      }
      target.queue.polls.wake();
    }
    return messages;
  }

  #takeEntries(
    queue: Queue,
    request: TakeRequest,
    target: DeadLetterTarget | undefined,
    taken: Entry[],
    moved: Entry[],
    now: number,
  ): void {
    const { backlog } = queue;
    const room = Math.min(request.maxMessages, MAX_IN_FLIGHT - backlog.inFlight);
    // Hidden for a moment at least: with a visibility timeout of 0 the loop would meet the same group again.
    const visibleAt = now + Math.max(1, request.visibilityMilliseconds);
    for (let group = backlog.nextReady(); group !== undefined && taken.length < room; group = backlog.nextReady()) {
      const chosen: Entry[] = [];
      let entry = group.first;
      while (entry !== undefined && taken.length + chosen.length < room && !backlog.isDelayed(entry, now)) {
        const next: Entry | undefined = entry.nextInGroup;
        if (target !== undefined && entry.receiveCount >= target.maxReceiveCount) {
          this.#deadLetter(queue, entry, target.queue, now);
          moved.push(entry);
        } else {
          chosen.push(entry);
        }
        entry = next;
      }
      for (const one of chosen) {
        one.receiveCount += 1;
        one.receivedAt = now;
        if (one.firstReceivedAt === 0) one.firstReceivedAt = now;
        this.#hide(queue, one, visibleAt, now);
        taken.push(one);
      }
    }
    if (request.visibilityMilliseconds === 0) for (const one of taken) this.#hide(queue, one, now, now);
  }

  #hide(queue: Queue, entry: Entry, visibleAt: number, now: number): void {
    queue.backlog.hide(entry, visibleAt, now);
    const { sequence, receiveCount, firstReceivedAt, receivedAt } = entry;
    this.#store.saveDelivery.run(sequence, receiveCount, firstReceivedAt, receivedAt, visibleAt);
  }

  #read(queue: Queue, entry: Entry): ReceivedMessage {
    const row = this.#store.selectMessage.get(entry.sequence);
    if (row === undefined)
      throw new Error(`queue file: message ${entry.messageId} is in the backlog and not in the file`);
    const body = text(row, "body");
    return {
      messageId: entry.messageId,
      receiptHandle: formatReceipt({ queueId: queue.id, sequence: entry.sequence, receiveCount: entry.receiveCount }),
      body,
      md5OfBody: md5(body),
      groupId: entry.group.id,
      deduplicationId: text(row, "deduplication_id"),
      sequenceNumber: formatSequenceNumber(entry.sequence),
      senderId: this.accountId,
      sentAt: entry.enqueuedAt,
      receiveCount: entry.receiveCount,
      firstReceivedAt: entry.firstReceivedAt,
      traceHeader: optionalText(row, "trace_header"),
      deadLetterSourceArn: optionalText(row, "source_arn"),
      messageAttributes: parseMessageAttributes(optionalText(row, "message_attributes")),
    };
  }

  #remember(queue: Queue, attemptId: string, taken: readonly Entry[], now: number): void {
    for (const [id, { expiresAt }] of queue.attempts) {
      if (expiresAt > now) break;
      queue.attempts.delete(id);
    }
    queue.attempts.delete(attemptId);
    if (taken.length === 0) return;
    queue.attempts.set(attemptId, {
      expiresAt: now + RECEIVE_ATTEMPT_WINDOW_MILLISECONDS,
      receives: taken.map((entry) => ({ entry, receiveCount: entry.receiveCount, visibleAt: entry.visibleAt })),
    });
  }

  /** The same messages again, under the same receipt handles, their visibility timeout started anew. */
  #repeat(queue: Queue, attemptId: string, request: TakeRequest, now: number): ReceivedMessage[] | undefined {
    const attempt = queue.attempts.get(attemptId);
    if (attempt === undefined) return undefined;
    const isUntouched = attempt.receives.every(
      ({ entry, receiveCount, visibleAt }) =>
        !entry.gone && entry.receiveCount === receiveCount && entry.visibleAt === visibleAt && visibleAt > now,
    );
    if (!isUntouched || attempt.expiresAt <= now) {
      queue.attempts.delete(attemptId);
      return undefined;
    }
    const entries = attempt.receives.map(({ entry }) => entry);
    const messages = this.#write(() => {
      for (const entry of entries) this.#hide(queue, entry, now + request.visibilityMilliseconds, now);
      return entries.map((entry) => this.#read(queue, entry));
    });
    const receives = entries.map((entry) => ({ entry, receiveCount: entry.receiveCount, visibleAt: entry.visibleAt }));
    queue.attempts.set(attemptId, { expiresAt: attempt.expiresAt, receives });
    return messages;
  }

  // --- dead-letter queue ---

  /** Where messages received too often go now; nowhere while that queue is missing or does not allow it. */
  #deadLetterTarget(queue: Queue): DeadLetterTarget | undefined {
    const { redrive } = queue.settings;
    const target = redrive && this.#queueOfArn(redrive.deadLetterTargetArn);
    if (target === undefined || !allowsRedrive(target.settings.redriveAllow, queue.arn)) return undefined;
    return { queue: target, maxReceiveCount: redrive?.maxReceiveCount ?? Number.POSITIVE_INFINITY };
  }

  /** Keeps message id, group, attributes and receive count (which SQS counts "across all queues"); sequence number, deduplication id and sent time are new. */
  #deadLetter(queue: Queue, entry: Entry, target: Queue, now: number): void {
    const sequence = this.#nextSequence();
    this.#store.moveMessage.run(sequence, target.id, randomUUID(), now, queue.arn, entry.sequence);
    this.#forget(queue, entry, now);
    const { messageId, receiveCount, group } = entry;
    const delivery = {
      receiveCount,
      firstReceivedAt: entry.firstReceivedAt,
      receivedAt: entry.receivedAt,
      visibleAt: 0,
    };
    this.#store.saveDelivery.run(sequence, receiveCount, delivery.firstReceivedAt, delivery.receivedAt, 0);
    target.backlog.append({ ...delivery, sequence, messageId, groupId: group.id, enqueuedAt: now }, now);
  }

  #checkRedrive(name: string, attributes: Readonly<Record<string, string>>): void {
    const { redrive } = readSettings(attributes);
    if (redrive === undefined) return;
    const refuse = (reason: string) => invalidParameter("RedrivePolicy", attributes.RedrivePolicy ?? "", reason);
    const target = this.#queueOfArn(redrive.deadLetterTargetArn);
    if (target === undefined) throw refuse("Dead letter target does not exist.");
    if (target.name === name) throw refuse("A queue cannot be its own dead letter target.");
    if (!allowsRedrive(target.settings.redriveAllow, this.queueArn(name))) {
      throw refuse("Dead letter target's RedriveAllowPolicy does not allow this queue.");
    }
  }

  #queueOfArn(arn: string): Queue | undefined {
    const queue = this.#queues.get(arn.slice(arn.lastIndexOf(":") + 1));
    return queue?.arn === arn ? queue : undefined;
  }

  // --- delete, visibility ---

  /**
   * Deletes a received message. One that is gone already is no error.
   *
   * @throws SqsError `ReceiptHandleIsInvalid` (no handle of this queue), `InvalidParameterValue` (its visibility timeout is
   *   over: the message is someone else's, and stays)
   */
  delete(name: string, receiptHandle: string): void {
    const queue = this.#queue(name);
    const now = this.#now();
    const found = this.#find(queue, receiptHandle, now);
    if (found === "expired") throw invalidParameter("ReceiptHandle", receiptHandle, `${EXPIRED}.`);
    if (found !== "gone") this.#deleteEntries(queue, [found], now);
  }

  /** Deletes 1 to 10 received messages; an expired receipt handle fails its entry only (`ReceiptHandleIsInvalid`). */
  deleteBatch(
    name: string,
    entries: readonly { readonly id: string; readonly receiptHandle: string }[],
  ): BatchOutcome<{ readonly id: string }> {
    const queue = this.#queue(name);
    checkBatch(entries, "DeleteMessageBatchRequestEntry");
    const now = this.#now();
    const found = new Set<Entry>();
    const outcome = eachEntry(entries, ({ id, receiptHandle }) => {
      const entry = this.#find(queue, receiptHandle, now);
      if (entry === "expired") throw new SqsError("ReceiptHandleIsInvalid", EXPIRED);
      if (entry !== "gone") found.add(entry);
      return { id };
    });
    if (found.size > 0) this.#deleteEntries(queue, [...found], now);
    return outcome;
  }

  /**
   * Makes a received message visible so many seconds from now; 0 gives it back at once.
   *
   * @param seconds 0 to 43,200, and not beyond twelve hours after the receive
   * @throws SqsError `ReceiptHandleIsInvalid`, `InvalidParameterValue` (seconds, or its visibility timeout is over)
   */
  changeVisibility(name: string, receiptHandle: string, seconds: number): void {
    const queue = this.#queue(name);
    const now = this.#now();
    const entry = this.#find(queue, receiptHandle, now);
    if (typeof entry === "string") throw invalidParameter("ReceiptHandle", receiptHandle, `${NOT_AVAILABLE}.`);
    checkVisibility(entry, seconds, now);
    this.#write(() => this.#hide(queue, entry, now + seconds * 1_000, now));
    queue.polls.wake();
  }

  /** Like `changeVisibility` for 1 to 10 messages; an expired receipt handle fails its entry only. */
  changeVisibilityBatch(
    name: string,
    entries: readonly { readonly id: string; readonly receiptHandle: string; readonly seconds: number }[],
  ): BatchOutcome<{ readonly id: string }> {
    const queue = this.#queue(name);
    checkBatch(entries, "ChangeMessageVisibilityBatchRequestEntry");
    const now = this.#now();
    const changes = new Map<Entry, number>();
    const outcome = eachEntry(entries, ({ id, receiptHandle, seconds }) => {
      const entry = this.#find(queue, receiptHandle, now);
      if (typeof entry === "string") throw new SqsError("ReceiptHandleIsInvalid", NOT_AVAILABLE);
      checkVisibility(entry, seconds, now);
      changes.set(entry, now + seconds * 1_000);
      return { id };
    });
    if (changes.size > 0) {
      this.#write(() => {
        for (const [entry, visibleAt] of changes) this.#hide(queue, entry, visibleAt, now);
      });
    }
    queue.polls.wake();
    return outcome;
  }

  /**
   * Makes every message in flight visible now, and its receipt handles void. For a process that at its start knows that
   * whoever held them is gone: after a kill the messages need not wait for their visibility timeout.
   */
  releaseInFlight(): void {
    const now = this.#now();
    this.#write(() => {
      for (const queue of this.#queues.values()) {
        for (let entry = queue.backlog.oldest; entry !== undefined; entry = entry.nextInQueue) {
          if (entry.visibleAt > now) this.#hide(queue, entry, now, now);
        }
      }
    });
    for (const queue of this.#queues.values()) queue.polls.wake();
  }

  /** The message that a handle holds. FIFO refuses a handle whose visibility timeout is over, received again or not. */
  #find(queue: Queue, receiptHandle: string, now: number): Entry | "gone" | "expired" {
    const { sequence, receiveCount } = parseReceipt(receiptHandle, queue.id);
    this.#expire(queue, now);
    const entry = queue.backlog.entry(sequence);
    if (entry === undefined) return "gone";
    return entry.receiveCount === receiveCount && entry.visibleAt > now ? entry : "expired";
  }

  #deleteEntries(queue: Queue, entries: readonly Entry[], now: number): void {
    this.#write(() => {
      for (const entry of entries) this.#forget(queue, entry, now);
    });
    for (const { messageId, group, sequence } of entries) {
      const sequenceNumber = formatSequenceNumber(sequence);
      this.emit("deleted", { queueName: queue.name, messageId, groupId: group.id, sequenceNumber });
    }
    queue.polls.wake();
  }

  // --- state ---

  #forget(queue: Queue, entry: Entry, now: number): void {
    this.#store.deleteMessage.run(entry.sequence);
    if (entry.receiveCount > 0) this.#store.deleteDelivery.run(entry.sequence);
    queue.backlog.remove(entry, now);
  }

  /** Drops what is older than the queue's retention, in flight or not, as SQS does. */
  #expire(queue: Queue, now: number): void {
    const oldest = now - queue.settings.retentionSeconds * 1_000;
    const first = queue.backlog.oldest;
    if (first === undefined || first.enqueuedAt > oldest) return;
    this.#write(() => {
      for (let entry = queue.backlog.oldest; entry !== undefined; entry = queue.backlog.oldest) {
        if (entry.enqueuedAt > oldest) return;
        this.#forget(queue, entry, now);
      }
    });
  }

  #queue(name: string): Queue {
    const queue = this.#queues.get(name);
    if (queue === undefined) throw unknownQueue();
    return queue;
  }

  #saveQueue(queue: Queue): void {
    this.#write(() => this.#updateQueueRow(queue));
  }

  #updateQueueRow(queue: Queue): void {
    const { attributes, tags, modifiedAt, purgedAt, id } = queue;
    this.#store.updateQueue.run(JSON.stringify(attributes), JSON.stringify(tags), modifiedAt, purgedAt, id);
  }

  #nextSequence(): number {
    this.#sequence += 1;
    if (this.#sequence > this.#reservedSequence) {
      this.#reservedSequence = this.#sequence + SEQUENCE_BLOCK;
      this.#store.saveMeta.run("reserved-sequence", this.#reservedSequence);
    }
    return this.#sequence;
  }

  /** One transaction over file and memory: when the file refuses, memory is read back from it. */
  #write<Result>(work: () => Result): Result {
    try {
      return this.#store.transaction(work);
    } catch (error) {
      this.#load();
      throw error;
    }
  }

  #load(): void {
    const now = this.#now();
    const known = this.#queues;
    this.#queues = new Map();
    const byId = new Map<number, Queue>();
    for (const row of this.#store.selectQueues.all()) {
      const name = text(row, "name");
      const opened = openQueue(
        {
          id: integer(row, "id"),
          name,
          arn: this.queueArn(name),
          attributes: parseTexts(text(row, "attributes")),
          tags: parseTexts(text(row, "tags")),
          createdAt: integer(row, "created_at"),
          modifiedAt: integer(row, "modified_at"),
          purgedAt: integer(row, "purged_at"),
        },
        this.#now,
      );
      const before = known.get(name);
      // The receives that wait hold on to the queue's object: it stays, and gets what the file says.
      const queue = before?.id === opened.id ? Object.assign(before, { ...opened, polls: before.polls }) : opened;
      this.#queues.set(name, queue);
      byId.set(queue.id, queue);
    }
    for (const row of this.#store.selectBacklog.iterate()) {
      byId.get(integer(row, "queue_id"))?.backlog.append(
        {
          sequence: integer(row, "sequence"),
          messageId: text(row, "message_id"),
          groupId: text(row, "group_id"),
          enqueuedAt: integer(row, "enqueued_at"),
          receiveCount: integer(row, "receive_count"),
          firstReceivedAt: integer(row, "first_received_at"),
          receivedAt: integer(row, "received_at"),
          visibleAt: integer(row, "visible_at"),
        },
        now,
      );
    }
    const reserved = this.#store.selectMeta.get("reserved-sequence");
    this.#sequence = reserved === undefined ? 0 : integer(reserved, "value");
    this.#reservedSequence = this.#sequence;
  }
}

interface DeadLetterTarget {
  readonly queue: Queue;
  readonly maxReceiveCount: number;
}

const NEVER_RECEIVED = { receiveCount: 0, firstReceivedAt: 0, receivedAt: 0, visibleAt: 0 } as const;

const EXPIRED = "The receipt handle has expired";
const NOT_AVAILABLE = "Message does not exist or is not available for visibility timeout change";

const unknownQueue = (): SqsError => new SqsError("QueueDoesNotExist", "The specified queue does not exist.");

function checkVisibility(entry: Entry, seconds: number, now: number): void {
  between("VisibilityTimeout", seconds, 0, MAX_VISIBILITY_SECONDS);
  if (now + seconds * 1_000 <= entry.receivedAt + MAX_VISIBILITY_SECONDS * 1_000) return;
  const limit = `Total VisibilityTimeout for the message is beyond the limit [${MAX_VISIBILITY_SECONDS} seconds].`;
  throw invalidParameter("VisibilityTimeout", seconds, limit);
}

function between(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidParameter(name, value, `Must be between ${least} and ${most}, if provided.`);
}
