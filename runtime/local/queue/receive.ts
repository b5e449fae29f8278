import { MAX_BATCH_ENTRIES } from "../../../sdk/client/src/contract.ts";
import type { Entry } from "./backlog.ts";
import { between } from "./check-range.ts";
import { parseMessageAttributes } from "./columns.ts";
import { type DeadLetterTarget, deadLetter, deadLetterTarget } from "./dead-letter.ts";
import { MAX_IN_FLIGHT, MAX_VISIBILITY_SECONDS, MAX_WAIT_SECONDS } from "./limits.ts";
import { formatSequenceNumber, md5, type ReceivedMessage } from "./message.ts";
import type { Queue } from "./queue.ts";
import type { Queues } from "./queues.ts";
import { formatReceipt } from "./receipt.ts";
import { checkAttemptId, rememberAttempt, untouchedAttempt } from "./receive-attempts.ts";
import { optionalText, text } from "./store.ts";

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

/** `QueueEngine.receive`: takes at once, or when a poll is woken. */
export async function receive(queues: Queues, name: string, options: ReceiveOptions): Promise<ReceivedMessage[]> {
  const queue = queues.get(name);
  const { attemptId, signal } = options;
  const maxMessages = between("MaxNumberOfMessages", options.maxMessages ?? 1, 1, MAX_BATCH_ENTRIES);
  const visibilitySeconds = options.visibilityTimeoutSeconds ?? queue.settings.visibilitySeconds;
  between("VisibilityTimeout", visibilitySeconds, 0, MAX_VISIBILITY_SECONDS);
  const waitSeconds = options.waitSeconds ?? queue.settings.waitSeconds;
  between("WaitTimeSeconds", waitSeconds, 0, MAX_WAIT_SECONDS);
  if (attemptId !== undefined) checkAttemptId(attemptId);
  const request = { maxMessages, visibilityMilliseconds: visibilitySeconds * 1_000, attemptId };
  const attempt = () => {
    const messages = take(queues, queue, request);
    return messages.length === 0 ? undefined : messages;
  };
  if (signal?.aborted === true) return [];
  const messages = attempt();
  if (messages !== undefined) return messages;
  if (waitSeconds === 0) return [];
  return (await queue.polls.wait(attempt, queues.now() + waitSeconds * 1_000, signal)) ?? [];
}

function take(queues: Queues, queue: Queue, request: TakeRequest): ReceivedMessage[] {
  const now = queues.now();
  const { attemptId } = request;
  const repeated = attemptId === undefined ? undefined : repeat(queues, queue, attemptId, request, now);
  if (repeated !== undefined) return repeated;
  queues.expire(queue, now);
  queue.backlog.settle(now);
  if (queue.backlog.nextReady() === undefined) return [];
  const target = deadLetterTarget(queues, queue);
  const taken: Entry[] = [];
  const moved: Entry[] = [];
  const messages = queues.write(() => {
    takeEntries(queues, queue, request, target, taken, moved, now);
    return taken.map((entry) => read(queues, queue, entry));
  });
  if (attemptId !== undefined) rememberAttempt(queue, attemptId, taken, now);
  if (target !== undefined && moved.length > 0) {
    for (const { messageId, group } of moved) {
      const names = { queueName: queue.name, deadLetterQueueName: target.queue.name };
      queues.events.emit("dead-lettered", { ...names, messageId, groupId: group.id });
    }
    target.queue.polls.wake();
  }
  return messages;
}

/** The same messages again, under the same receipt handles, their visibility timeout started anew. */
function repeat(
  queues: Queues,
  queue: Queue,
  attemptId: string,
  request: TakeRequest,
  now: number,
): ReceivedMessage[] | undefined {
  const attempt = untouchedAttempt(queue, attemptId, now);
  if (attempt === undefined) return undefined;
  const entries = attempt.receives.map(({ entry }) => entry);
  const messages = queues.write(() => {
    for (const entry of entries) queues.hide(queue, entry, now + request.visibilityMilliseconds, now);
    return entries.map((entry) => read(queues, queue, entry));
  });
  const receives = entries.map((entry) => ({ entry, receiveCount: entry.receiveCount, visibleAt: entry.visibleAt }));
  queue.attempts.set(attemptId, { expiresAt: attempt.expiresAt, receives });
  return messages;
}

/** Fills `taken` group after group; what was received too often goes to `moved` and the dead-letter queue instead. */
function takeEntries(
  queues: Queues,
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
        deadLetter(queues, queue, entry, target.queue, now);
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
      queues.hide(queue, one, visibleAt, now);
      taken.push(one);
    }
  }
  if (request.visibilityMilliseconds === 0) for (const one of taken) queues.hide(queue, one, now, now);
}

function read(queues: Queues, queue: Queue, entry: Entry): ReceivedMessage {
  const row = queues.store.selectMessage.get(entry.sequence);
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
    senderId: queues.accountId,
    sentAt: entry.enqueuedAt,
    receiveCount: entry.receiveCount,
    firstReceivedAt: entry.firstReceivedAt,
    traceHeader: optionalText(row, "trace_header"),
    deadLetterSourceArn: optionalText(row, "source_arn"),
    messageAttributes: parseMessageAttributes(optionalText(row, "message_attributes")),
  };
}
