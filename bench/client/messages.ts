import { hash } from "node:crypto";

/** One message to send. `number` counts from 1 within its group, in the order in which it is to arrive. */
export interface Message {
  readonly groupId: string;
  readonly number: number;
  readonly deduplicationId: string;
  readonly payload: { readonly number: number; readonly filler: string };
}

const FILLER = "x".repeat(1_000);

/**
 * Messages of 1 KB, equally many a group, in an order drawn once: groups that took turns strictly would put ten different
 * ones into every slice of ten, and hide what happens when a slice holds two messages of one group.
 *
 * @example createMessages({ messages: 1_000, groups: 100 })
 */
export function createMessages({ messages, groups }: { messages: number; groups: number }): Message[] {
  const turns = Array.from({ length: messages }, (_, index) => ({ group: index % groups, at: draw("turn", index) }));
  const sent = new Map<string, number>();
  return turns
    .toSorted((a, b) => a.at - b.at)
    .map(({ group }) => {
      const groupId = `group-${group}`;
      const number = (sent.get(groupId) ?? 0) + 1;
      sent.set(groupId, number);
      return { groupId, number, deduplicationId: crypto.randomUUID(), payload: { number, filler: FILLER } };
    });
}

/** The same number from 0 to 1 for the same words, in every process and every run. */
export function draw(...words: readonly (string | number)[]): number {
  return Number.parseInt(hash("sha1", words.join(" ")).slice(0, 8), 16) / 2 ** 32;
}
