import { createFifoClient, isFifoClientError } from "../../sdk/client/src/index.ts";
import type { AcceptedFile } from "./accepted.ts";
import type { Local } from "./start-local.ts";
import { until } from "./until.ts";

/** How much is sent. */
export interface BurstSize {
  readonly messages: number;
  readonly groups: number;
}

/** The burst that `npm start` sends when it is told nothing: `transSeq` 1 to 4 in group `10` on the first queue. */
export const CLASSIC_BURST: BurstSize = { messages: 4, groups: 1 };

const FIRST_GROUP = 10;
const LOG_GRACE_MILLISECONDS = 2_000;

/** What became of one message of a burst. */
export interface BurstMessage {
  readonly queue: string;
  readonly groupId: string;
  readonly transSeq: string;
  /** null when it was not accepted, as is the sequence number. */
  readonly messageId: string | null;
  readonly sequenceNumber: string | null;
  /** `accepted`, `dead-lettered` or `parked`; `waiting` when it was not settled; else the client's error code. */
  readonly outcome: string;
  /** From the send to its being settled; null when it was not. */
  readonly milliseconds: number | null;
}

interface Slot {
  readonly queue: string;
  readonly groupId: string;
  readonly transSeq: string;
  readonly sentAt: number;
  messageId?: string;
  sequenceNumber?: string;
  error?: string;
}

/** How far a burst is. */
export interface Progress {
  readonly accepted: number;
  readonly settled: number;
  readonly total: number;
}

/**
 * Sends a burst with the project's own client and waits until every accepted message is settled: deleted from its queue.
 * Messages go to the groups in turn, groups to the queues in turn; each group counts its `transSeq` from 1.
 *
 * @param options.patienceMilliseconds gives up when nothing was settled for so long
 * @param options.onProgress called on every change
 * @example await sendBurst(local, { size: CLASSIC_BURST, accepted: file, signal, patienceMilliseconds: 60_000, onProgress() {} });
 */
export async function sendBurst(
  local: Local,
  options: {
    readonly size: BurstSize;
    readonly accepted: AcceptedFile;
    readonly signal: AbortSignal;
    readonly patienceMilliseconds: number;
    readonly onProgress: (progress: Progress) => void;
  },
): Promise<BurstMessage[]> {
  const { size, accepted, signal } = options;
  const [key] = local.keys;
  if (size.messages === 0) return [];
  if (key === undefined || local.queues.length === 0)
    throw new Error("the deployment has no producer's key or no queue");

  const deletedAt = new Map<string, number>();
  const outcomes = new Map<string, string>();
  const slots: Slot[] = [];
  let acceptedCount = 0;
  let settledCount = 0;
  let last = Date.now();
  const mine = new Set<string>();

  function settle(): void {
    settledCount += 1;
    last = Date.now();
    options.onProgress({ accepted: acceptedCount, settled: settledCount, total: size.messages });
  }
  const onDeleted = ({ messageId }: { messageId: string }) => {
    deletedAt.set(messageId, performance.now());
    if (mine.has(messageId)) settle();
  };
  local.engine.on("deleted", onDeleted);
  const stopListening = local.onSettled(({ messageId, outcome }) => outcomes.set(messageId, outcome));

  const clients = local.queues.map(({ name }) =>
    // What waits for a slot counts against no group's order, only against its milliseconds. One message of each group waits.
    createFifoClient({ endpoint: local.endpoint, apiKey: key.value, queue: name, maxPending: 100_000 }),
  );

  /** The n-th group's messages, one after the other: so milliseconds do not count the group's own queue in the client. */
  async function sendGroup(index: number): Promise<void> {
    const groupId = String(FIRST_GROUP + index);
    const queue = local.queues[index % local.queues.length];
    const client = clients[index % clients.length];
    if (queue === undefined || client === undefined) return;
    const count = Math.floor(size.messages / size.groups) + (index < size.messages % size.groups ? 1 : 0);
    for (let number = 1; number <= count && !signal.aborted; number += 1) {
      const transSeq = String(number);
      const slot: Slot = { queue: queue.name, groupId, transSeq, sentAt: performance.now() };
      slots.push(slot);
      try {
        const payload = { transSeq, time_out: 0.5, http_status: 200, createdAt: formatCreatedAt(new Date()) };
        const { messageId, sequenceNumber } = await client.send(groupId, payload);
        await accepted.append({ queue: queue.name, groupId, transSeq, messageId, sequenceNumber });
        slot.messageId = messageId;
        slot.sequenceNumber = sequenceNumber;
        acceptedCount += 1;
        mine.add(messageId);
        if (deletedAt.has(messageId)) settle();
      } catch (error) {
        if (!isFifoClientError(error)) throw error;
        slot.error = error.code;
      }
    }
  }

  try {
    await Promise.all(Array.from({ length: Math.min(size.groups, size.messages) }, (_, index) => sendGroup(index)));
    await until(() => settledCount >= acceptedCount, {
      signal,
      patience: () => last + options.patienceMilliseconds,
    });
    // A log line comes through a pipe, and may come after the delete that it speaks of.
    const grace = Date.now() + LOG_GRACE_MILLISECONDS;
    await until(() => [...mine].every((id) => !deletedAt.has(id) || outcomes.has(id)), {
      signal,
      patience: () => grace,
    });
  } finally {
    local.engine.off("deleted", onDeleted);
    stopListening();
  }

  return slots
    .toSorted((a, b) => Number(a.groupId) - Number(b.groupId) || Number(a.transSeq) - Number(b.transSeq))
    .map((slot): BurstMessage => {
      const { queue, groupId, transSeq, messageId = null, sequenceNumber = null } = slot;
      const end = messageId === null ? undefined : deletedAt.get(messageId);
      const settled = messageId !== null && end !== undefined;
      return {
        queue,
        groupId,
        transSeq,
        messageId,
        sequenceNumber,
        // Settled without a word of the consumer: someone else deleted it.
        outcome: slot.error ?? (settled ? (outcomes.get(messageId) ?? "deleted") : "waiting"),
        milliseconds: settled ? Math.round(end - slot.sentAt) : null,
      };
    });
}

/** `YYYY-MM-DD HH:mm:ss-SSS` in the machine's time zone, the form that producers write. */
export function formatCreatedAt(date: Date): string {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}-${String(date.getMilliseconds()).padStart(3, "0")}`;
}

const two = (number: number): string => String(number).padStart(2, "0");
