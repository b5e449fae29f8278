import { Heap, type HeapItem } from "./heap.ts";

/** One message's place and state; its body stays in the file. Times in milliseconds. */
export interface Entry {
  readonly sequence: number;
  readonly messageId: string;
  readonly enqueuedAt: number;
  readonly group: Group;
  receiveCount: number;
  firstReceivedAt: number;
  /** When it was last received: visibility can be prolonged to twelve hours from here. */
  receivedAt: number;
  /** In flight until then, if it is in its group's `inFlight`. */
  visibleAt: number;
  /** Deleted, moved, expired or purged. */
  gone: boolean;
  previousInGroup: Entry | undefined;
  nextInGroup: Entry | undefined;
  previousInQueue: Entry | undefined;
  nextInQueue: Entry | undefined;
}

/** The messages of one group, oldest first, and those of them in flight: never more than one receive took, so at most ten. */
export interface Group extends HeapItem {
  readonly id: string;
  first: Entry | undefined;
  last: Entry | undefined;
  readonly inFlight: Set<Entry>;
}

/** What a message brings along when it enters a backlog, new or read back from the file. */
export interface Arrival {
  readonly sequence: number;
  readonly messageId: string;
  readonly groupId: string;
  readonly enqueuedAt: number;
  readonly receiveCount: number;
  readonly firstReceivedAt: number;
  readonly receivedAt: number;
  readonly visibleAt: number;
}

/**
 * The order of one queue, in memory: which groups can be received from, and when the others can be again.
 *
 * Rebuilt from the file at start. A group with messages is in exactly one of two heaps: `ready`, by its head's sequence
 * number, or `waiting`, by the time of its next event (a message in flight becomes visible, or its head's delay ends). So no
 * receive scans the backlog. SQS itself looks for groups among the first 120,000 messages only; this looks at all of them.
 */
export class Backlog {
  readonly #ready = new Heap<Group>();
  readonly #waiting = new Heap<Group>();
  readonly #groups = new Map<string, Group>();
  readonly #entries = new Map<number, Entry>();
  #delay: number;
  #first: Entry | undefined;
  #last: Entry | undefined;
  #inFlight = 0;

  /** @param delay the queue's delivery delay, in milliseconds */
  constructor(delay: number) {
    this.#delay = delay;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** The oldest message, for retention. */
  get oldest(): Entry | undefined {
    return this.#first;
  }

  /** The message that was sent last. */
  get newest(): Entry | undefined {
    return this.#last;
  }

  /** When a waiting group may become ready, in milliseconds; undefined when none waits. */
  get nextEventAt(): number | undefined {
    return this.#waiting.peek()?.key;
  }

  entry(sequence: number): Entry | undefined {
    return this.#entries.get(sequence);
  }

  /** The group whose head is the oldest of those that can be received from. Call `settle` first. */
  nextReady(): Group | undefined {
    return this.#ready.peek();
  }

  counts(now: number): { visible: number; inFlight: number; delayed: number } {
    let delayed = 0;
    for (let entry = this.#last; entry !== undefined && this.isDelayed(entry, now); entry = entry.previousInQueue) {
      if (!entry.group.inFlight.has(entry)) delayed += 1;
    }
    return { visible: this.#entries.size - this.#inFlight - delayed, inFlight: this.#inFlight, delayed };
  }

  isDelayed(entry: Entry, now: number): boolean {
    return entry.enqueuedAt + this.#delay > now;
  }

  /** A new delay holds for messages already queued too, as SQS says of FIFO queues. */
  setDelay(delay: number, now: number): void {
    if (delay === this.#delay) return;
    this.#delay = delay;
    for (const group of this.#groups.values()) this.#place(group, now);
  }

  append(arrival: Arrival, now: number): Entry {
    let group = this.#groups.get(arrival.groupId);
    const isNewGroup = group === undefined;
    if (group === undefined) {
      group = { id: arrival.groupId, first: undefined, last: undefined, inFlight: new Set(), key: 0, place: -1 };
      this.#groups.set(group.id, group);
    }
    const { groupId: _groupId, ...state } = arrival;
    const entry: Entry = {
      ...state,
      group,
      gone: false,
      previousInGroup: group.last,
      nextInGroup: undefined,
      previousInQueue: this.#last,
      nextInQueue: undefined,
    };
    if (group.last === undefined) group.first = entry;
    else group.last.nextInGroup = entry;
    group.last = entry;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.nextInQueue = entry;
    this.#last = entry;
    this.#entries.set(entry.sequence, entry);
    const isInFlight = entry.visibleAt > now;
    if (isInFlight) {
      group.inFlight.add(entry);
      this.#inFlight += 1;
    }
    if (isNewGroup || isInFlight) this.#place(group, now);
    return entry;
  }

  remove(entry: Entry, now: number): void {
    if (entry.gone) return;
    entry.gone = true;
    const { group, previousInGroup, nextInGroup, previousInQueue, nextInQueue } = entry;
    if (previousInGroup === undefined) group.first = nextInGroup;
    else previousInGroup.nextInGroup = nextInGroup;
    if (nextInGroup === undefined) group.last = previousInGroup;
    else nextInGroup.previousInGroup = previousInGroup;
    if (previousInQueue === undefined) this.#first = nextInQueue;
    else previousInQueue.nextInQueue = nextInQueue;
    if (nextInQueue === undefined) this.#last = previousInQueue;
    else nextInQueue.previousInQueue = previousInQueue;
    this.#entries.delete(entry.sequence);
    this.#release(entry);
    this.#place(group, now);
  }

  /** Hides a message until then, which locks its group. A time that is not in the future makes it visible. */
  hide(entry: Entry, visibleAt: number, now: number): void {
    entry.visibleAt = visibleAt;
    if (visibleAt > now) {
      if (!entry.group.inFlight.has(entry)) this.#inFlight += 1;
      entry.group.inFlight.add(entry);
    } else {
      this.#release(entry);
    }
    this.#place(entry.group, now);
  }

  /** Lets go of the groups whose time has come. */
  settle(now: number): void {
    for (let group = this.#waiting.peek(); group !== undefined && group.key <= now; group = this.#waiting.peek()) {
      for (const entry of group.inFlight) if (entry.visibleAt <= now) this.#release(entry);
      this.#place(group, now);
    }
  }

  #release(entry: Entry): void {
    if (entry.group.inFlight.delete(entry)) this.#inFlight -= 1;
  }

  #place(group: Group, now: number): void {
    this.#ready.remove(group);
    this.#waiting.remove(group);
    if (group.first === undefined) {
      this.#groups.delete(group.id);
    } else if (group.inFlight.size > 0) {
      group.key = Number.POSITIVE_INFINITY;
      for (const entry of group.inFlight) group.key = Math.min(group.key, entry.visibleAt);
      this.#waiting.push(group);
    } else if (this.isDelayed(group.first, now)) {
      group.key = group.first.enqueuedAt + this.#delay;
      this.#waiting.push(group);
    } else {
      group.key = group.first.sequence;
      this.#ready.push(group);
    }
  }
}
