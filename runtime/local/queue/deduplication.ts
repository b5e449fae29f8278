import { DEDUPLICATION_WINDOW_MILLISECONDS } from "../../../sdk/client/src/contract.ts";
import type { Entry } from "./backlog.ts";
import { contentDeduplicationId, type OutgoingMessage } from "./message.ts";
import type { Queue } from "./queue.ts";
import { integer, type Store, text } from "./store.ts";

// Old deduplication ids leave in passing: every so many sends at most twice as many.
const SWEEP_EVERY = 100;

/** The deduplication id of a message: its own, else its content's. */
export const deduplicationIdOf = ({ deduplicationId, body }: OutgoingMessage): string =>
  deduplicationId ?? contentDeduplicationId(body);

/** The deduplication ids of the last five minutes, in the file: they outlive a restart, and their messages' delete. */
export class Deduplication {
  readonly #store: Store;
  #sendsUntilSweep = SWEEP_EVERY;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The message that the id was first sent with, if that is no longer than five minutes ago. */
  first(queue: Queue, groupId: string, id: string, now: number): Pick<Entry, "messageId" | "sequence"> | undefined {
    const row = this.#store.selectDuplicate.get(queue.id, scope(queue, groupId), id);
    if (row === undefined || integer(row, "expires_at") <= now) return undefined;
    return { messageId: text(row, "message_id"), sequence: integer(row, "sequence") };
  }

  remember(queue: Queue, entry: Entry, id: string): void {
    const { sequence, group, messageId, enqueuedAt } = entry;
    const expiresAt = enqueuedAt + DEDUPLICATION_WINDOW_MILLISECONDS;
    this.#store.saveDuplicate.run(sequence, queue.id, scope(queue, group.id), id, messageId, expiresAt);
  }

  /** Called with every so many sends to come. */
  sweep(sends: number, now: number): void {
    this.#sendsUntilSweep -= sends;
    if (this.#sendsUntilSweep > 0) return;
    this.#sendsUntilSweep = SWEEP_EVERY;
    this.#store.deleteOldDuplicates.run(now, 2 * SWEEP_EVERY);
  }
}

const scope = (queue: Queue, groupId: string): string => (queue.settings.deduplicationPerGroup ? groupId : "");
