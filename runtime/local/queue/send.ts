import { randomUUID } from "node:crypto";
import type { Entry } from "./backlog.ts";
import { type BatchOutcome, checkBatch, checkBatchBytes, eachEntry } from "./check-batch.ts";
import { checkMessage, checkPresence } from "./check-message.ts";
import { deduplicationIdOf } from "./deduplication.ts";
import {
  formatSequenceNumber,
  md5,
  md5OfAttributes,
  messageBytes,
  type OutgoingMessage,
  type SentMessage,
} from "./message.ts";
import type { Queue } from "./queue.ts";
import type { Queues } from "./queues.ts";

const NEVER_RECEIVED = { receiveCount: 0, firstReceivedAt: 0, receivedAt: 0, visibleAt: 0 } as const;

/** `QueueEngine.send`. */
export function send(queues: Queues, name: string, message: OutgoingMessage): SentMessage {
  const queue = queues.get(name);
  checkPresence(message, queue.settings);
  checkMessage(message, queue.settings);
  const [sent] = enqueue(queues, queue, [message]);
  if (sent === undefined) throw new Error("a send of one message has no answer");
  return sent;
}

/** `QueueEngine.sendBatch`. */
export function sendBatch(
  queues: Queues,
  name: string,
  entries: readonly (OutgoingMessage & { readonly id: string })[],
): BatchOutcome<SentMessage & { readonly id: string }> {
  const queue = queues.get(name);
  checkBatch(entries, "SendMessageBatchRequestEntry");
  for (const entry of entries) checkPresence(entry, queue.settings);
  checkBatchBytes(entries.reduce((sum, entry) => sum + messageBytes(entry.body, entry.messageAttributes), 0));
  const { successful: valid, failed } = eachEntry(entries, (entry) => {
    checkMessage(entry, queue.settings);
    return entry;
  });
  const sent = valid.length === 0 ? [] : enqueue(queues, queue, valid);
  const successful = valid.flatMap(({ id }, index) => {
    const answer = sent[index];
    return answer === undefined ? [] : [{ id, ...answer }];
  });
  return { successful, failed };
}

function enqueue(queues: Queues, queue: Queue, messages: readonly OutgoingMessage[]): SentMessage[] {
  const now = queues.now();
  const added: Entry[] = [];
  const answers = queues.write(() => {
    queues.deduplication.sweep(messages.length, now);
    return messages.map((message) => enqueueOne(queues, queue, message, now, added));
  });
  for (const { messageId, group, sequence } of added) {
    const sequenceNumber = formatSequenceNumber(sequence);
    queues.events.emit("sent", { queueName: queue.name, messageId, groupId: group.id, sequenceNumber });
  }
  if (added.length > 0) queue.polls.wake();
  return answers;
}

function enqueueOne(queues: Queues, queue: Queue, message: OutgoingMessage, now: number, added: Entry[]): SentMessage {
  const { groupId } = message;
  const deduplicationId = deduplicationIdOf(message);
  const first = queues.deduplication.first(queue, groupId, deduplicationId, now);
  if (first !== undefined) return answerTo(message, first);
  const sequence = queues.nextSequence();
  const messageId = randomUUID();
  queues.store.insertMessage.run(
    sequence,
    queue.id,
    groupId,
    messageId,
    deduplicationId,
    now,
    message.traceHeader ?? null,
    message.messageAttributes === undefined ? null : JSON.stringify(message.messageAttributes),
    message.body,
  );
  const entry = queue.backlog.append({ ...NEVER_RECEIVED, sequence, messageId, groupId, enqueuedAt: now }, now);
  queues.deduplication.remember(queue, entry, deduplicationId);
  added.push(entry);
  return answerTo(message, entry);
}

/** The ids are those of the message queued, new or sent before; the checksums those of the message at hand. */
function answerTo(message: OutgoingMessage, queued: Pick<Entry, "messageId" | "sequence">): SentMessage {
  const { body, messageAttributes, traceHeader } = message;
  return {
    messageId: queued.messageId,
    sequenceNumber: formatSequenceNumber(queued.sequence),
    md5OfBody: md5(body),
    md5OfMessageAttributes: md5OfAttributes(messageAttributes),
    md5OfSystemAttributes:
      traceHeader === undefined
        ? undefined
        : md5OfAttributes({ AWSTraceHeader: { dataType: "String", stringValue: traceHeader } }),
  };
}
