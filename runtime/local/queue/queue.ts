import { type QueueSettings, readSettings } from "./attributes.ts";
import { Backlog, type Entry } from "./backlog.ts";
import type { ReceivedMessage } from "./message.ts";
import { Polls } from "./polls.ts";

/** What a `ReceiveRequestAttemptId` got, as long as nothing happened to it. */
export interface Attempt {
  readonly expiresAt: number;
  readonly receives: readonly { readonly entry: Entry; readonly receiveCount: number; readonly visibleAt: number }[];
}

/** One queue: what the file says of it, and the order of its messages. */
export interface Queue {
  readonly id: number;
  readonly name: string;
  readonly arn: string;
  readonly createdAt: number;
  readonly polls: Polls<ReceivedMessage[]>;
  /** Kept in memory only: after a restart a repeated receive is a new one. */
  readonly attempts: Map<string, Attempt>;
  attributes: Readonly<Record<string, string>>;
  tags: Readonly<Record<string, string>>;
  settings: QueueSettings;
  modifiedAt: number;
  purgedAt: number;
  backlog: Backlog;
}

/** A queue without messages. */
export function openQueue(
  row: Pick<Queue, "id" | "name" | "arn" | "createdAt" | "attributes" | "tags" | "modifiedAt" | "purgedAt">,
  now: () => number,
): Queue {
  const settings = readSettings(row.attributes);
  const queue: Queue = {
    ...row,
    settings,
    backlog: new Backlog(settings.delaySeconds * 1_000),
    polls: new Polls(now, () => queue.backlog.nextEventAt),
    attempts: new Map(),
  };
  return queue;
}
