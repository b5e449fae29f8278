import type { Ports } from "../../runtime/consumer/ports.ts";
import type { ParkedMessage, Tombstone } from "../../runtime/parking-lot/parked-message.ts";
import type { ParkedKey } from "../../runtime/parking-lot/parking-lot.ts";

/** Around each call of a port: it may throw before the effect, or after it. */
export type Around = <Result>(effect: () => Result, name: string) => Promise<Result>;

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
  readonly calls = { oldest: 0, reads: 0, adds: 0, clears: 0, writes: 0, marks: 0 };

  /** Messages in a page, as when they are big: a page of DynamoDB ends at 1 MB, so two of 400 KB at least. */
  pageLimit = Number.POSITIVE_INFINITY;

  /** The ports, each call within `around`. */
  ports(around: Around, now: () => number): Pick<Ports, "parkingLot" | "attempts" | "started"> {
    const call = <Result>(name: string, effect: () => Result) => around(effect, name);
    const change = (
      name: string,
      key: ParkedKey,
      changes: Partial<ParkedMessage>,
      isWanted: (message: ParkedMessage) => boolean,
    ) =>
      call(name, () => {
        this.calls.writes += 1;
        const stored = this.parked.get(keyOf(key));
        if (stored !== undefined && isWanted(stored.message)) stored.message = { ...stored.message, ...changes };
      });
    return {
      parkingLot: {
        oldest: (queue, groupId) =>
          call("oldest", () => {
            this.calls.oldest += 1;
            const [message] = this.groupOf(queue, groupId);
            if (message === undefined) return undefined;
            const { sequenceNumber } = message;
            return { sequenceNumber, isMarked: this.parked.get(nameOf(queue, message))?.isMarked === true };
          }),
        read: (queue, groupId, most, after = "") =>
          call("read", () =>
            this.groupOf(queue, groupId)
              .filter(({ sequenceNumber }) => sequenceNumber > after)
              .slice(0, Math.min(most, this.pageLimit)),
          ),
        get: (key) => call("get", () => this.parked.get(keyOf(key))?.message),
        park: (message, isOldest) =>
          call("park", () => {
            this.calls.writes += 1;
            const key = nameOf(message.queue, message);
            if (!this.parked.has(key)) this.parked.set(key, { message, isMarked: isOldest });
          }),
        markOldest: (key) =>
          call("markOldest", () => {
            this.calls.writes += 1;
            const stored = this.parked.get(keyOf(key));
            if (stored !== undefined) stored.isMarked = true;
          }),
        recordFailure: (key, failure, stoppedBy) =>
          change("recordFailure", key, { ...failure, stoppedBy }, ({ stoppedBy: last }) => isLater(stoppedBy, last)),
        replaceBody: (key, body, editedBy) =>
          change("replaceBody", key, { body, editedBy }, ({ editedBy: last }) => isLater(editedBy, last)),
        keepOriginal: (message) =>
          call("keepOriginal", () => {
            const key = nameOf(message.queue, message);
            if (!this.originals.has(key)) this.originals.set(key, message);
          }),
        bury: (tombstone) =>
          call("bury", () => void this.tombstones.set(nameOf(tombstone.queue, tombstone), tombstone)),
        remove: (key) =>
          call("remove", () => {
            this.calls.writes += 1;
            this.parked.delete(keyOf(key));
          }),
      },
      attempts: {
        read: (queue, message) =>
          call("attempts.read", () => {
            this.calls.reads += 1;
            return this.attempts.get(nameOf(queue, message)) ?? { attempts: 0 };
          }),
        add: (queue, message) =>
          call("attempts.add", () => {
            this.calls.adds += 1;
            const key = nameOf(queue.name, message);
            const before = this.attempts.get(key);
            const firstFailureAt = before?.firstFailureAt ?? new Date(now()).toISOString();
            const count = { attempts: (before?.attempts ?? 0) + 1, firstFailureAt };
            this.attempts.set(key, count);
            return count;
          }),
        clear: (queue, message) =>
          call("attempts.clear", () => {
            this.calls.clears += 1;
            this.attempts.delete(nameOf(queue, message));
          }),
      },
      started: {
        mark: (queue, message, start) =>
          call("started.mark", () => {
            this.calls.marks += 1;
            const key = nameOf(queue.name, message);
            this.starts.set(key, (this.starts.get(key) ?? new Set()).add(start));
            return this.starts.get(key)?.size ?? 0;
          }),
        clear: (queue, message) => call("started.clear", () => void this.starts.delete(nameOf(queue, message))),
      },
    };
  }

  /** Everything that a second carrying out must not change, in a form to compare. */
  snapshot(): string {
    const { parked, tombstones, originals } = this;
    return JSON.stringify([sorted(parked), sorted(tombstones), sorted(originals)]);
  }

  /** A group's parked messages, oldest first. */
  groupOf(queue: string, groupId: string): ParkedMessage[] {
    return [...this.parked.values()]
      .map(({ message }) => message)
      .filter((message) => message.queue === queue && message.groupId === groupId)
      .toSorted((one, other) => (one.sequenceNumber < other.sequenceNumber ? -1 : 1));
  }
}

function isLater(control: string, last: string | undefined): boolean {
  return last === undefined || last < control;
}

function nameOf(queue: string, { groupId, sequenceNumber }: { groupId: string; sequenceNumber: string }): string {
  return `${queue}#${groupId}#${sequenceNumber.padStart(20, "0")}`;
}

function sorted<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].toSorted(([one], [other]) => (one < other ? -1 : 1));
}

function keyOf(key: ParkedKey): string {
  return nameOf(key.queue, key);
}
