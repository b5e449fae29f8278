import type { Ports } from "../../runtime/consumer/ports.ts";
import type { ParkedMessage, Tombstone } from "../../runtime/parking-lot/parked-message.ts";
import type { ParkedKey } from "../../runtime/parking-lot/parking-lot.ts";

/** Around each call of a port: it may throw before the effect, or after it. */
export type Around = <Result>(effect: () => Result) => Promise<Result>;

interface Stored {
  message: ParkedMessage;
  isMarked: boolean;
}

/** The parking-lot table in a page, its counters and markers included: what the consumer's model is checked against. */
export class ReferenceParkingLot {
  readonly parked = new Map<string, Stored>();
  readonly tombstones = new Map<string, Tombstone>();
  readonly originals = new Map<string, ParkedMessage>();
  readonly attempts = new Map<string, { attempts: number; firstFailureAt: string }>();
  readonly starts = new Map<string, Set<string>>();
  readonly calls = { isBlocked: 0, reads: 0, adds: 0, clears: 0, writes: 0, marks: 0 };

  /** The ports, each call within `around`. */
  ports(around: Around, now: () => number): Pick<Ports, "parkingLot" | "attempts" | "started"> {
    const nameOf = (queue: string, { groupId, sequenceNumber }: { groupId: string; sequenceNumber: string }) =>
      `${queue}#${groupId}#${sequenceNumber.padStart(20, "0")}`;
    const keyOf = (key: ParkedKey) => nameOf(key.queue, key);
    const change = (key: ParkedKey, changes: Partial<ParkedMessage>) =>
      around(() => {
        this.calls.writes += 1;
        const stored = this.parked.get(keyOf(key));
        if (stored !== undefined) stored.message = { ...stored.message, ...changes };
      });
    return {
      parkingLot: {
        isBlocked: (queue, groupId) =>
          around(() => {
            this.calls.isBlocked += 1;
            return this.groupOf(queue, groupId).length > 0;
          }),
        read: (queue, groupId, most, after = "") =>
          around(() =>
            this.groupOf(queue, groupId)
              .filter(({ sequenceNumber }) => sequenceNumber > after)
              .slice(0, most),
          ),
        get: (key) => around(() => this.parked.get(keyOf(key))?.message),
        park: (message, isOldest) =>
          around(() => {
            this.calls.writes += 1;
            const key = nameOf(message.queue, message);
            if (!this.parked.has(key)) this.parked.set(key, { message, isMarked: isOldest });
          }),
        markOldest: (key) =>
          around(() => {
            this.calls.writes += 1;
            const stored = this.parked.get(keyOf(key));
            if (stored !== undefined) stored.isMarked = true;
          }),
        recordFailure: (key, failure, stoppedBy) => change(key, { ...failure, stoppedBy }),
        replaceBody: (key, body, editedBy) => change(key, { body, editedBy }),
        keepOriginal: (message) =>
          around(() => {
            const key = nameOf(message.queue, message);
            if (!this.originals.has(key)) this.originals.set(key, message);
          }),
        bury: (tombstone) => around(() => void this.tombstones.set(nameOf(tombstone.queue, tombstone), tombstone)),
        remove: (key) =>
          around(() => {
            this.calls.writes += 1;
            this.parked.delete(keyOf(key));
          }),
      },
      attempts: {
        read: (queue, message) =>
          around(() => {
            this.calls.reads += 1;
            return this.attempts.get(nameOf(queue, message)) ?? { attempts: 0 };
          }),
        add: (queue, message) =>
          around(() => {
            this.calls.adds += 1;
            const key = nameOf(queue.name, message);
            const before = this.attempts.get(key);
            const firstFailureAt = before?.firstFailureAt ?? new Date(now()).toISOString();
            const count = { attempts: (before?.attempts ?? 0) + 1, firstFailureAt };
            this.attempts.set(key, count);
            return count;
          }),
        clear: (queue, message) =>
          around(() => {
            this.calls.clears += 1;
            this.attempts.delete(nameOf(queue, message));
          }),
      },
      started: {
        mark: (queue, message, start) =>
          around(() => {
            this.calls.marks += 1;
            const key = nameOf(queue.name, message);
            this.starts.set(key, (this.starts.get(key) ?? new Set()).add(start));
            return this.starts.get(key)?.size ?? 0;
          }),
        clear: (queue, message) => around(() => void this.starts.delete(nameOf(queue, message))),
      },
    };
  }

  /** A group's parked messages, oldest first. */
  groupOf(queue: string, groupId: string): ParkedMessage[] {
    return [...this.parked.values()]
      .map(({ message }) => message)
      .filter((message) => message.queue === queue && message.groupId === groupId)
      .toSorted((one, other) => (one.sequenceNumber < other.sequenceNumber ? -1 : 1));
  }
}
