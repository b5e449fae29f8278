import type { EventEmitter } from "node:events";
import type { Entry } from "./backlog.ts";
import { parseTexts } from "./columns.ts";
import { Deduplication } from "./deduplication.ts";
import { SqsError } from "./errors.ts";
import { openQueue, type Queue } from "./queue.ts";
import { integer, Store, text } from "./store.ts";

/** What the engine tells of, each after it is in the file. */
export interface QueueEvents {
  sent: [{ queueName: string; messageId: string; groupId: string; sequenceNumber: string }];
  /** By a DeleteMessage: the message is settled. Not by retention, a purge or the queue's end. */
  deleted: [{ queueName: string; messageId: string; groupId: string; sequenceNumber: string }];
  "dead-lettered": [{ queueName: string; deadLetterQueueName: string; messageId: string; groupId: string }];
}

// A high-water mark is written once per so many sequence numbers; after a kill the numbers go on above it.
const SEQUENCE_BLOCK = 10_000;

/** All queues of one file: what send, receive, settle and administration work on, in the file and in memory alike. */
export class Queues {
  readonly region: string;
  readonly accountId: string;
  readonly now: () => number;
  readonly events: EventEmitter<QueueEvents>;
  readonly store: Store;
  readonly deduplication: Deduplication;
  #byName = new Map<string, Queue>();
  #sequence = 0;
  #reservedSequence = 0;

  /** @throws Error when another process has the file open */
  constructor(options: {
    file: string;
    region: string;
    accountId: string;
    now: () => number;
    events: EventEmitter<QueueEvents>;
  }) {
    this.region = options.region;
    this.accountId = options.accountId;
    this.now = options.now;
    this.events = options.events;
    this.store = new Store(options.file);
    this.deduplication = new Deduplication(this.store);
    this.#load();
  }

  /** Ends the waiting receives (with no messages) and closes the file. */
  close(): void {
    for (const queue of this.#byName.values()) queue.polls.end();
    this.store.close();
  }

  arn(name: string): string {
    return `arn:aws:sqs:${this.region}:${this.accountId}:${name}`;
  }

  all(): Queue[] {
    return [...this.#byName.values()];
  }

  find(name: string): Queue | undefined {
    return this.#byName.get(name);
  }

  findArn(arn: string): Queue | undefined {
    const queue = this.#byName.get(arn.slice(arn.lastIndexOf(":") + 1));
    return queue?.arn === arn ? queue : undefined;
  }

  /** @throws SqsError `QueueDoesNotExist` */
  get(name: string): Queue {
    const queue = this.#byName.get(name);
    if (queue === undefined) throw unknownQueue();
    return queue;
  }

  /** A queue that was just written to the file. */
  add(queue: Queue): void {
    this.#byName.set(queue.name, queue);
  }

  /** Forgets a queue that was just deleted from the file; the receives that wait on it fail. */
  drop(queue: Queue): void {
    this.#byName.delete(queue.name);
    queue.polls.end(unknownQueue());
  }

  /** One transaction over file and memory: when the file refuses, memory is read back from it. */
  write<Result>(work: () => Result): Result {
    try {
      return this.store.transaction(work);
    } catch (error) {
      this.#load();
      throw error;
    }
  }

  // --- within `write`: one change of one message, in the file and in memory ---

  nextSequence(): number {
    this.#sequence += 1;
    if (this.#sequence > this.#reservedSequence) {
      this.#reservedSequence = this.#sequence + SEQUENCE_BLOCK;
      this.store.saveMeta.run("reserved-sequence", this.#reservedSequence);
    }
    return this.#sequence;
  }

  /** Hides a message until then, which locks its group. A time that is not in the future makes it visible. */
  hide(queue: Queue, entry: Entry, visibleAt: number, now: number): void {
    queue.backlog.hide(entry, visibleAt, now);
    const { sequence, receiveCount, firstReceivedAt, receivedAt } = entry;
    this.store.saveDelivery.run(sequence, receiveCount, firstReceivedAt, receivedAt, visibleAt);
  }

  forget(queue: Queue, entry: Entry, now: number): void {
    this.store.deleteMessage.run(entry.sequence);
    if (entry.receiveCount > 0) this.store.deleteDelivery.run(entry.sequence);
    queue.backlog.remove(entry, now);
  }

  // --- outside of `write` ---

  /** Drops what is older than the queue's retention, in flight or not, as SQS does. */
  expire(queue: Queue, now: number): void {
    const oldest = now - queue.settings.retentionSeconds * 1_000;
    const first = queue.backlog.oldest;
    if (first === undefined || first.enqueuedAt > oldest) return;
    this.write(() => {
      for (let entry = queue.backlog.oldest; entry !== undefined; entry = queue.backlog.oldest) {
        if (entry.enqueuedAt > oldest) return;
        this.forget(queue, entry, now);
      }
    });
  }

  #load(): void {
    const now = this.now();
    const known = this.#byName;
    this.#byName = new Map();
    const byId = new Map<number, Queue>();
    for (const row of this.store.selectQueues.all()) {
      const name = text(row, "name");
      const opened = openQueue(
        {
          id: integer(row, "id"),
          name,
          arn: this.arn(name),
          attributes: parseTexts(text(row, "attributes")),
          tags: parseTexts(text(row, "tags")),
          createdAt: integer(row, "created_at"),
          modifiedAt: integer(row, "modified_at"),
          purgedAt: integer(row, "purged_at"),
        },
        this.now,
      );
      const before = known.get(name);
      // The receives that wait hold on to the queue's object: it stays, and gets what the file says.
      const queue = before?.id === opened.id ? Object.assign(before, { ...opened, polls: before.polls }) : opened;
      this.#byName.set(name, queue);
      byId.set(queue.id, queue);
    }
    for (const row of this.store.selectBacklog.iterate()) {
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
    const reserved = this.store.selectMeta.get("reserved-sequence");
    this.#sequence = reserved === undefined ? 0 : integer(reserved, "value");
    this.#reservedSequence = this.#sequence;
  }
}

const unknownQueue = (): SqsError => new SqsError("QueueDoesNotExist", "The specified queue does not exist.");
