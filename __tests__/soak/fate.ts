import { z } from "zod";
import { MOST_FAILURES, type SoakQueue } from "./queues.ts";
import { createRandom } from "./random.ts";

/** How the backend takes a message: `reject` and `fail` so many times before it accepts it, -1 for ever. */
export const fateSchema = z.object({ kind: z.enum(["accept", "reject", "fail"]), times: z.int().min(-1) });
export type Fate = z.infer<typeof fateSchema>;

export const ACCEPT: Fate = { kind: "accept", times: 0 };
const ALWAYS = -1;
/** Of a message that is accepted in the end. */
export const MOST_REJECTIONS = 3;

/**
 * What is to become of a group's n-th message, decided by the seed.
 *
 * Under `dead-letter`, what is rejected is so for ever. A consumer that is killed between the dead-letter queue's acknowledgement
 * and the message's delete has it delivered once more, and a backend that changes its mind then has a message that the
 * dead-letter queue has, too. No consumer could prevent that, so it would prove nothing.
 *
 * @param faults without them every message is accepted
 */
export function fateOf(seed: number, queue: SoakQueue, groupId: string, n: number, faults: boolean): Fate {
  if (!faults) return ACCEPT;
  const random = createRandom(seed, `fate/${queue.name}/${groupId}/${n}`);
  const roll = random.next();
  if (queue.failurePolicy === "dead-letter") {
    if (roll < 0.01) return { kind: "reject", times: ALWAYS };
    if (roll < 0.013) return { kind: "fail", times: ALWAYS };
    if (roll < 0.02) return { kind: "fail", times: random.between(1, MOST_FAILURES) };
    return ACCEPT;
  }
  if (roll < 0.008) return { kind: "reject", times: 1 };
  if (roll < 0.012) return { kind: "reject", times: random.between(2, MOST_REJECTIONS) };
  if (roll < 0.018) return { kind: "reject", times: ALWAYS };
  if (roll < 0.02) return { kind: "fail", times: ALWAYS };
  // Past the attempts that are allowed, so that it is parked, and a replay of it fails once or twice more.
  if (roll < 0.023) return { kind: "fail", times: random.between(5, 6) };
  if (roll < 0.028) return { kind: "fail", times: random.between(1, MOST_FAILURES) };
  return ACCEPT;
}

/** Whether no replay will ever bring it through. */
export function isHopeless({ kind, times }: Fate): boolean {
  return kind !== "accept" && times === ALWAYS;
}
