import { performance } from "node:perf_hooks";
import { type Arrival, entryFault, type Fault, requestFault } from "./faults.ts";

/** One message of a request, whichever protocol it came in. */
export interface Entry {
  readonly id: string;
  readonly groupId: string;
  readonly deduplicationId: string;
  readonly number: number;
  /** What is in the queue: the SDK checks its MD5. */
  readonly body: string;
}

/** What became of an entry. */
export type Outcome =
  | { readonly taken: true; readonly messageId: string; readonly sequenceNumber: string }
  | { readonly taken: false; readonly senderFault: boolean };

/** What the server saw of one sender. */
export interface Taken {
  readonly requests: number;
  /** Each group's numbers, in the order in which they were taken. */
  readonly groups: Readonly<Record<string, readonly number[]>>;
}

type Ids = Extract<Outcome, { taken: true }>;

/** A queue that writes down what it takes, and deduplicates by group and id as a high-throughput FIFO queue does. */
export class Intake {
  readonly #fault: Fault;
  #firstAt: number | undefined;
  #requests = 0;
  #sequence = 0;
  readonly #times = new Map<string, number>();
  readonly #known = new Map<string, Ids>();
  readonly #groups = new Map<string, number[]>();

  constructor(fault: Fault) {
    this.#fault = fault;
  }

  /** Counts a request and its messages. */
  arrive(entries: readonly Entry[]): Arrival[] {
    this.#requests += 1;
    return entries.map(({ groupId, number }) => {
      const key = `${groupId} ${number}`;
      const time = (this.#times.get(key) ?? 0) + 1;
      this.#times.set(key, time);
      return { groupId, number, time };
    });
  }

  /** What happens to a request as a whole. */
  requestFault([first]: readonly Arrival[]): ReturnType<typeof requestFault> {
    const now = performance.now();
    this.#firstAt ??= now;
    return first && requestFault(this.#fault, first, now - this.#firstAt);
  }

  /** Takes a request's messages, one after the other. */
  take(entries: readonly Entry[], arrivals: readonly Arrival[]): Outcome[] {
    return entries.map((entry, index) => {
      const arrival = arrivals[index];
      const wrong = arrival && entryFault(this.#fault, arrival);
      return wrong === undefined ? this.#takeOne(entry) : { taken: false, senderFault: wrong === "refused" };
    });
  }

  #takeOne({ groupId, deduplicationId, number }: Entry): Outcome {
    const key = `${groupId} ${deduplicationId}`;
    const known = this.#known.get(key);
    if (known) return known;
    this.#sequence += 1;
    const sequenceNumber = String(this.#sequence).padStart(20, "0");
    const ids: Ids = { taken: true, messageId: crypto.randomUUID(), sequenceNumber };
    this.#known.set(key, ids);
    const numbers = this.#groups.get(groupId) ?? [];
    numbers.push(number);
    this.#groups.set(groupId, numbers);
    return ids;
  }

  taken(): Taken {
    return { requests: this.#requests, groups: Object.fromEntries(this.#groups) };
  }
}
