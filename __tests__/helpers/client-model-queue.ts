import { DEDUPLICATION_WINDOW_MILLISECONDS } from "../../sdk/client/src/contract.ts";

/** A message in the queue. */
export interface Taken {
  readonly groupId: string;
  readonly deduplicationId: string;
  /** The message's number among all that were sent: their order. */
  readonly n: number;
  readonly at: number;
  readonly messageId: string;
  readonly sequenceNumber: string;
  /** Which client's request put it there. */
  readonly sender: string;
}

/** SQS FIFO as far as a producer sees it: a group's messages in the order in which they came, repetitions dropped for five minutes. */
export function modelQueue(now: () => number) {
  const taken: Taken[] = [];
  return {
    taken,
    take(groupId: string, deduplicationId: string, n: number, sender: string): Taken {
      const known = taken.findLast((one) => one.groupId === groupId && one.deduplicationId === deduplicationId);
      if (known && now() - known.at < DEDUPLICATION_WINDOW_MILLISECONDS) return known;
      const one = {
        groupId,
        deduplicationId,
        n,
        at: now(),
        messageId: `message-${taken.length + 1}`,
        sequenceNumber: String(taken.length + 1).padStart(20, "0"),
        sender,
      };
      taken.push(one);
      return one;
    },
  };
}

export type ModelQueue = ReturnType<typeof modelQueue>;
