import { MAX_BATCH_ENTRIES } from "../../../client/src/contract.ts";
import { type DeadLetter, withoutBody } from "./dead-letter.ts";
import { CALL_MILLISECONDS, countMessages, type DeadLetterQueue, type DlqOptions } from "./queue.ts";
import { walk } from "./walk.ts";

/** Hidden from others while they are listed, in seconds; prolonged if that takes longer. */
export const LOOK_SECONDS = 30;

/** What could be seen of a dead-letter queue. */
export interface DeadLetterList {
  /** Group after group; within a group in the order in which they would be redriven. */
  readonly messages: readonly DeadLetter[];
  /** Messages of the whole dead-letter queue, hidden ones included: approximate, as SQS's counts are. */
  readonly total: number;
  /** Of `total`, those that were not received: behind others of their group, with somebody else, or beyond the limit. */
  readonly notSeen: number;
  /** Groups of which ten messages were seen, the most that can be: more may stand behind them. */
  readonly fullGroups: readonly string[];
  /** `interrupted` when the signal came before all was seen. */
  readonly ended: "complete" | "interrupted";
  /** Messages that SQS did not take back: hidden until their visibility timeout ends. */
  readonly stillHidden: number;
}

/**
 * Lists a dead-letter queue. All that it receives is given back in the end.
 *
 * SQS shows a FIFO queue by receiving only. So of each group at most the first ten messages can be listed, none of a group
 * that somebody else holds, and while it runs others do not get what it holds; receive counts go up.
 *
 * @param options.groupId only this group
 * @param options.limit most messages to list. @default all that can be seen
 * @throws what a call to SQS throws, after giving back
 * @example (await listDeadLetters({ sqs, queueUrl, deadLetterUrl })).messages[0]?.reason // "rejected"
 */
export async function listDeadLetters(
  queue: DeadLetterQueue,
  options: DlqOptions & { readonly groupId?: string; readonly limit?: number } = {},
): Promise<DeadLetterList> {
  const { groupId, limit = Number.POSITIVE_INFINITY, callMilliseconds = CALL_MILLISECONDS } = options;
  const total = await countMessages(queue.sqs, queue.deadLetterUrl, callMilliseconds);
  const groups = new Map<string, Map<string, DeadLetter>>();
  const received = new Set<string>();
  const settings = {
    visibilitySeconds: LOOK_SECONDS,
    ...options,
    isDone: () => (groupId === undefined ? received.size >= limit : groups.has(groupId)),
  };
  const end = await walk(queue, settings, async (messages) => {
    for (const message of messages) {
      received.add(message.messageId);
      if (groupId !== undefined && message.groupId !== groupId) continue;
      // Twice, when a message became visible meanwhile.
      const group = groups.get(message.groupId) ?? new Map<string, DeadLetter>();
      groups.set(message.groupId, group.set(message.messageId, withoutBody(message)));
    }
    return false;
  });
  if (end.ended === "failed") throw end.error;
  const messages = [...groups.values()].flatMap((group) => [...group.values()].toSorted(bySequence)).slice(0, limit);
  return {
    messages,
    total,
    notSeen: Math.max(0, total - (groupId === undefined ? messages.length : received.size)),
    fullGroups: [...groups].flatMap(([name, { size }]) => (size < MAX_BATCH_ENTRIES ? [] : [name])),
    ended: end.ended,
    stillHidden: end.stillHidden,
  };
}

function bySequence(one: DeadLetter, other: DeadLetter): number {
  return one.sequenceNumber < other.sequenceNumber ? -1 : 1;
}
