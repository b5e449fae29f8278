import type { Taken } from "./intake.ts";
import type { Message } from "./messages.ts";

/** What a sender's messages came to, by the server's own account. */
export interface Verdict {
  /** Messages that were taken while an earlier one of their group was not: order is kept when there is none. */
  readonly overtook: number;
  /** Messages that are not in the queue, and the caller was not told which. */
  readonly lost: number;
  /** Messages that are not in the queue, and the caller was told which. */
  readonly returned: number;
  /** Messages that are in the queue more than once. */
  readonly twice: number;
}

/** Compares what was to be sent, and what the caller was told, with what the server took. */
export function judge(messages: readonly Message[], told: ReadonlySet<Message>, { groups }: Taken): Verdict {
  let [overtook, lost, returned, twice] = [0, 0, 0, 0];
  for (const [groupId, sent] of Map.groupBy(messages, (message) => message.groupId)) {
    const seen = new Set<number>();
    let next = 1;
    for (const number of groups[groupId] ?? []) {
      if (seen.has(number)) twice += 1;
      else if (number > next) overtook += 1;
      seen.add(number);
      while (seen.has(next)) next += 1;
    }
    for (const message of sent) {
      if (seen.has(message.number)) continue;
      if (told.has(message)) returned += 1;
      else lost += 1;
    }
  }
  return { overtook, lost, returned, twice };
}
