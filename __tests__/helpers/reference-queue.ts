import { createHash } from "node:crypto";
import type { QueueSettings } from "../../runtime/consumer/environment.ts";
import type { Ports } from "../../runtime/consumer/ports.ts";
import type { QueueMessage } from "../../runtime/message.ts";

/** The queue's settings, as the consumer has them. */
export const referenceSettings: QueueSettings & { readonly failurePolicy: "dead-letter" } = {
  name: "queue-1",
  url: "https://queue.test/queue-1",
  deadLetterUrl: "https://queue.test/dead-letter",
  failurePolicy: "dead-letter",
  visibilityTimeoutSeconds: 360,
  retentionSeconds: 1_209_600,
  maxAttempts: 3,
};

const notWell = () => Promise.reject(new Error("not on the happy path"));

/** Ports around a backend when all is well: the hold is granted, and every call of the failing path throws. */
export function happyPorts(backend: Ports["backend"], now: () => number): Ports {
  return {
    queue: { hold: async () => new Set(), changeVisibility: notWell, delete: notWell },
    backend,
    deadLetter: notWell,
    parkingLot: {
      oldest: async () => undefined,
      read: notWell,
      get: notWell,
      park: notWell,
      markOldest: notWell,
      recordFailure: notWell,
      replaceBody: notWell,
      keepOriginal: notWell,
      bury: notWell,
      remove: notWell,
    },
    attempts: { read: notWell, add: notWell, clear: notWell },
    started: { mark: notWell, clear: notWell },
    now,
    random: () => 0.5,
    uniqueId: () => "start-1",
    remaining: () => 60_000,
    log: () => {},
  };
}

interface Stored {
  readonly message: Omit<QueueMessage, "receiptHandle" | "receiveCount">;
  visibleAt: number;
  receipt: string | undefined;
  receives: number;
}

/**
 * SQS FIFO in a page, with a clock that only `advance` moves: what the settle core is checked against. A group with a
 * message in flight gives out nothing; an expired receipt does nothing.
 */
export class ReferenceQueue {
  now = 1_800_000_000_000;
  #stored: Stored[] = [];
  #receipts = 0;
  #sequence = 0;
  readonly #visibilitySeconds: number;

  constructor(visibilitySeconds: number) {
    this.#visibilitySeconds = visibilitySeconds;
  }

  /**
   * @param more.receives how often it was received before, as after a long outage
   * @returns the sequence number
   */
  send(
    groupId: string,
    body: string,
    deduplicationId?: string,
    more: { readonly attributes?: QueueMessage["attributes"]; readonly receives?: number } = {},
  ): string {
    this.#sequence += 1;
    const sequenceNumber = String(this.#sequence).padStart(20, "0");
    this.#stored.push({
      message: {
        messageId: `id-${this.#sequence}`,
        body,
        groupId,
        sequenceNumber,
        deduplicationId: deduplicationId ?? createHash("sha256").update(body).digest("hex"),
        sentAt: this.now,
        attributes: more.attributes ?? {},
      },
      visibleAt: 0,
      receipt: undefined,
      receives: more.receives ?? 0,
    });
    return sequenceNumber;
  }

  /** As many of one group as it can, then the next group. */
  receive(most: number): QueueMessage[] {
    const locked = new Set(this.#stored.filter((one) => one.visibleAt > this.now).map((one) => one.message.groupId));
    const free = this.#stored.filter((one) => !locked.has(one.message.groupId));
    const byGroup = [...Map.groupBy(free, (one) => one.message.groupId).values()].flat();
    return byGroup.slice(0, most).map((one) => {
      this.#receipts += 1;
      one.receipt = `receipt-${this.#receipts}`;
      one.receives += 1;
      one.visibleAt = this.now + this.#visibilitySeconds * 1000;
      return { ...one.message, receiptHandle: one.receipt, receiveCount: one.receives };
    });
  }

  /** @returns whether the receipt was still good */
  changeVisibility(receipt: string, seconds: number): boolean {
    const one = this.#inFlight(receipt);
    if (one !== undefined) one.visibleAt = this.now + seconds * 1000;
    return one !== undefined;
  }

  /** @returns whether the receipt was still good */
  delete(receipt: string): boolean {
    const one = this.#inFlight(receipt);
    this.#stored = this.#stored.filter((other) => other !== one);
    return one !== undefined;
  }

  has(messageId: string): boolean {
    return this.#stored.some((one) => one.message.messageId === messageId);
  }

  get length(): number {
    return this.#stored.length;
  }

  /** Message ids of a receipt that is still good. */
  idOf(receipt: string): string | undefined {
    return this.#inFlight(receipt)?.message.messageId;
  }

  /** The most receives that any message had that is still there. */
  get mostReceives(): number {
    return Math.max(0, ...this.#stored.map((one) => one.receives));
  }

  /** When something can be received again: now or later; undefined when nothing is in flight. */
  get nextVisible(): number | undefined {
    const later = this.#stored.map((one) => one.visibleAt).filter((at) => at > this.now);
    return later.length === 0 ? undefined : Math.min(...later);
  }

  /** Moves the clock to when something can be received again. */
  advance(): void {
    this.now = this.nextVisible ?? this.now;
  }

  #inFlight(receipt: string): Stored | undefined {
    return this.#stored.find((one) => one.receipt === receipt && one.visibleAt > this.now);
  }
}
