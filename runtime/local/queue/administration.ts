import {
  checkAttributeNames,
  initialAttributes,
  mergeAttributes,
  parseAttributes,
  readSettings,
} from "./attributes.ts";
import { Backlog } from "./backlog.ts";
import { checkRedrive } from "./dead-letter.ts";
import { SqsError } from "./errors.ts";
import { COOL_DOWN_MILLISECONDS, QUEUE_NAME_PATTERN } from "./limits.ts";
import { openQueue, type Queue } from "./queue.ts";
import type { Queues } from "./queues.ts";
import { integer } from "./store.ts";

type Texts = Readonly<Record<string, string>>;

/** `QueueEngine.createQueue`. */
export function createQueue(queues: Queues, name: string, attributes: Texts, tags: Texts): void {
  const now = queues.now();
  if (!QUEUE_NAME_PATTERN.test(name) || attributes.FifoQueue !== "true") {
    throw new SqsError(
      "InvalidParameterValue",
      `Queue ${name}: local mode serves FIFO queues only. The name takes 1 to 80 letters, digits, hyphens and underscores, ` +
        "ends in .fifo, and the attribute FifoQueue is true.",
    );
  }
  const changes = parseAttributes(attributes);
  const existing = queues.find(name);
  if (existing !== undefined) {
    checkSame(existing, changes);
    return;
  }
  const deleted = queues.store.selectDeletedQueue.get(name);
  if (deleted !== undefined && now - integer(deleted, "deleted_at") < COOL_DOWN_MILLISECONDS) {
    throw new SqsError(
      "QueueDeletedRecently",
      "You must wait 60 seconds after deleting a queue before you can create another queue with the same name.",
    );
  }
  const merged = mergeAttributes(initialAttributes(), changes);
  checkRedrive(queues, name, merged);
  const { lastInsertRowid } = queues.write(() =>
    queues.store.insertQueue.run(name, JSON.stringify(merged), JSON.stringify(tags), now, now),
  );
  const row = { id: Number(lastInsertRowid), name, arn: queues.arn(name), attributes: merged, tags };
  queues.add(openQueue({ ...row, createdAt: now, modifiedAt: now, purgedAt: 0 }, queues.now));
}

function checkSame(existing: Queue, changes: Texts): void {
  for (const [attribute, value] of Object.entries(changes)) {
    if ((existing.attributes[attribute] ?? "") === value) continue;
    throw new SqsError(
      "QueueNameExists",
      `A queue already exists with the same name and a different value for attribute ${attribute}`,
    );
  }
}

/** `QueueEngine.listQueues`. */
export function listQueues(queues: Queues, prefix: string): string[] {
  const names = queues.all().map(({ name }) => name);
  return names.filter((name) => name.startsWith(prefix)).toSorted();
}

/** `QueueEngine.deadLetterSources`. */
export function deadLetterSources(queues: Queues, name: string): string[] {
  const { arn } = queues.get(name);
  const sources = queues.all().filter(({ settings }) => settings.redrive?.deadLetterTargetArn === arn);
  return sources.map((source) => source.name).toSorted();
}

/** `QueueEngine.queueAttributes`. */
export function queueAttributes(queues: Queues, name: string, names: readonly string[]): Record<string, string> {
  const queue = queues.get(name);
  checkAttributeNames(names);
  const now = queues.now();
  queues.expire(queue, now);
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

/** `QueueEngine.messageIds`. */
export function messageIds(queues: Queues, name: string): Set<string> {
  const queue = queues.get(name);
  queues.expire(queue, queues.now());
  const ids = new Set<string>();
  for (let entry = queue.backlog.oldest; entry !== undefined; entry = entry.nextInQueue) ids.add(entry.messageId);
  return ids;
}

/** `QueueEngine.setQueueAttributes`. */
export function setQueueAttributes(queues: Queues, name: string, attributes: Texts): void {
  const queue = queues.get(name);
  const merged = mergeAttributes(queue.attributes, parseAttributes(attributes));
  checkRedrive(queues, name, merged);
  queue.attributes = merged;
  queue.settings = readSettings(merged);
  queue.modifiedAt = queues.now();
  queues.write(() => saveQueue(queues, queue));
  queue.backlog.setDelay(queue.settings.delaySeconds * 1_000, queues.now());
  queue.polls.wake();
}

/** `QueueEngine.tagQueue`. */
export function tagQueue(queues: Queues, name: string, tags: Texts): void {
  const queue = queues.get(name);
  queue.tags = { ...queue.tags, ...tags };
  queues.write(() => saveQueue(queues, queue));
}

/** `QueueEngine.untagQueue`. */
export function untagQueue(queues: Queues, name: string, keys: readonly string[]): void {
  const queue = queues.get(name);
  queue.tags = Object.fromEntries(Object.entries(queue.tags).filter(([key]) => !keys.includes(key)));
  queues.write(() => saveQueue(queues, queue));
}

/** `QueueEngine.purgeQueue`. */
export function purgeQueue(queues: Queues, name: string): void {
  const queue = queues.get(name);
  const now = queues.now();
  if (now - queue.purgedAt < COOL_DOWN_MILLISECONDS) {
    throw new SqsError("PurgeQueueInProgress", `Only one PurgeQueue operation on ${name} is allowed every 60 seconds.`);
  }
  queues.write(() => {
    queues.store.deleteDeliveriesOfQueue.run(queue.id);
    queues.store.deleteMessagesOfQueue.run(queue.id);
    queue.purgedAt = now;
    saveQueue(queues, queue);
  });
  queue.backlog = new Backlog(queue.settings.delaySeconds * 1_000);
  queue.attempts.clear();
}

function saveQueue(queues: Queues, { id, attributes, tags, modifiedAt, purgedAt }: Queue): void {
  queues.store.updateQueue.run(JSON.stringify(attributes), JSON.stringify(tags), modifiedAt, purgedAt, id);
}

/** `QueueEngine.deleteQueue`. */
export function deleteQueue(queues: Queues, name: string): void {
  const queue = queues.get(name);
  queues.write(() => {
    queues.store.deleteDeliveriesOfQueue.run(queue.id);
    queues.store.deleteMessagesOfQueue.run(queue.id);
    queues.store.deleteDuplicatesOfQueue.run(queue.id);
    queues.store.deleteMovesOfQueue.run(queue.id);
    queues.store.deleteQueue.run(queue.id);
    queues.store.saveDeletedQueue.run(name, queues.now());
  });
  queues.drop(queue);
}
