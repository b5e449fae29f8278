import { join } from "node:path";
import { z } from "zod";
import type { Accepted } from "./accepted.ts";
import type { BurstMessage } from "./burst.ts";
import { readLines } from "./read-lines.ts";
import { parseSettled } from "./settled-line.ts";

/** What can be said of everything that was accepted in a data folder, and of one burst. */
export interface Report {
  /** Messages of the burst that the backend has in its log. */
  readonly delivered: number;
  /** Whether in each group, over all runs, the first deliveries are in the order of sequence numbers. */
  readonly ordered: boolean;
  /** Accepted messages, over all runs, that are neither in the backend's log nor set aside nor in a queue. */
  readonly lost: number;
}

const deliverySchema = z.object({ messageId: z.string() });

/**
 * Compares what was accepted with what the backend, the consumer and the queues have.
 *
 * @param options.accepted of all runs
 * @param options.burst of this run
 * @param options.waiting ids of what is in a queue now
 * @throws the file system's errors: what cannot be read is not counted as nothing
 * @example const { ordered, lost } = await report({ accepted, burst, logFolder: ".local/logs", waiting: local.waiting() });
 */
export async function report(options: {
  readonly accepted: readonly Accepted[];
  readonly burst: readonly BurstMessage[];
  readonly logFolder: string;
  readonly waiting: ReadonlySet<string>;
}): Promise<Report> {
  const deliveries = await firstDeliveries(join(options.logFolder, "res_server.txt"));
  const missing = options.accepted.filter(
    ({ messageId }) => !deliveries.has(messageId) && !options.waiting.has(messageId),
  );
  // Only then is the consumer's log needed, and it is long.
  const setAside =
    missing.length === 0 ? new Set<string>() : await setAsideIds(join(options.logFolder, "consumer.jsonl"));
  return {
    delivered: options.burst.filter(({ messageId }) => messageId !== null && deliveries.has(messageId)).length,
    ordered: inOrder(options.accepted, deliveries),
    lost: missing.filter(({ messageId }) => !setAside.has(messageId)).length,
  };
}

/**
 * Whether each group's messages were first delivered in the order of their sequence numbers.
 *
 * @param deliveries message ids in the order of their first deliveries
 */
export function inOrder(accepted: readonly Accepted[], deliveries: Iterable<string>): boolean {
  const byId = new Map(accepted.map((message) => [message.messageId, message]));
  const last = new Map<string, string>();
  for (const id of deliveries) {
    const message = byId.get(id);
    if (message === undefined) continue;
    const group = `${message.queue}/${message.groupId}`;
    const before = last.get(group);
    // 20 digits each: they compare as text.
    if (before !== undefined && before > message.sequenceNumber) return false;
    last.set(group, message.sequenceNumber);
  }
  return true;
}

/** Ids of the delivered messages; a set keeps the order in which they came first. */
async function firstDeliveries(file: string): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const line of readLines(file)) {
    const delivery = deliverySchema.safeParse(parse(line));
    if (delivery.success) ids.add(delivery.data.messageId);
  }
  return ids;
}

/** Ids of what the failure policy took, whichever the queue has. */
async function setAsideIds(file: string): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const line of readLines(file)) {
    const settled = parseSettled(line);
    if (settled?.outcome === "dead-lettered" || settled?.outcome === "parked") ids.add(settled.messageId);
  }
  return ids;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // A function's output may be anything; a kill may have cut it.
    return undefined;
  }
}
