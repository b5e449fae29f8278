import { z } from "zod";
import { draw } from "./messages.ts";

/**
 * What the server does wrong. Each but one is drawn from the seed, the message and how often it has come, never from the moment,
 * so that every sender meets the same faults.
 *
 * - `busy`: a message is not taken the first time it comes; in a batch, its entry fails and the others are taken
 * - `answers-503`: a request is answered 503, and nothing of it was taken
 * - `answer-lost`: a request is taken, and its connection reset before the answer
 * - `outage`: every request of one second is answered 503, and nothing of it was taken; this one does go by the moment
 * - `refused`: a message is refused each time it comes, as the sender's own fault
 */
export const faultSchema = z.object({
  kind: z.enum(["none", "busy", "answers-503", "answer-lost", "outage", "refused"]),
  /** One in so many. */
  oneIn: z.int().min(1),
  seed: z.int(),
});

/** One kind of fault, how often and from which seed. */
export type Fault = z.infer<typeof faultSchema>;

/** The server that does nothing wrong. */
export const NO_FAULT: Fault = { kind: "none", oneIn: 1, seed: 0 };

/** One message as the server sees it. */
export interface Arrival {
  readonly groupId: string;
  readonly number: number;
  /** How often it has come, this time included. */
  readonly time: number;
}

/** What happens to one message of a request that is handled. */
export function entryFault(fault: Fault, { groupId, number, time }: Arrival): "busy" | "refused" | undefined {
  const { kind } = fault;
  if (kind !== "busy" && kind !== "refused") return undefined;
  if (kind === "busy" && time > 1) return undefined;
  return draw(fault.seed, kind, groupId, number) * fault.oneIn < 1 ? kind : undefined;
}

/** When an outage begins and ends, in milliseconds after the first request. */
const OUTAGE_MILLISECONDS = { from: 50, to: 1_050 };

/**
 * What happens to a whole request, drawn by its first message.
 *
 * @param since milliseconds since the first request
 */
export function requestFault(fault: Fault, first: Arrival, since: number): "broken" | "answer-lost" | undefined {
  const { kind } = fault;
  if (kind === "outage") {
    return since >= OUTAGE_MILLISECONDS.from && since < OUTAGE_MILLISECONDS.to ? "broken" : undefined;
  }
  if (kind !== "answers-503" && kind !== "answer-lost") return undefined;
  if (draw(fault.seed, kind, first.groupId, first.number, first.time) * fault.oneIn >= 1) return undefined;
  return kind === "answer-lost" ? kind : "broken";
}
