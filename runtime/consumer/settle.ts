import type { QueueMessage } from "../message.ts";
import { parseControl } from "../parking-lot/control.ts";
import type { QueueSettings } from "./environment.ts";
import { endsSoon, type Invocation, ids, type Limits, tolerate } from "./invocation.ts";
import { errorName } from "./log.ts";
import type { Ports } from "./ports.ts";
import { deleteAll, settleGroup } from "./settle-group.ts";

/**
 * A head that was received more often than this may be what kills the function. Waits of an outage add up to so many receives in
 * a little over a minute, and a function that is killed needs as many visibility timeouts.
 */
const SUSPECT_RECEIVES = 20;

/** The settling of one group under way. */
interface Run {
  readonly messages: readonly QueueMessage[];
  readonly isSuspect: boolean;
  readonly steps: AsyncGenerator<undefined, number, undefined>;
  /** How many messages at the group's end have to wait, once that is known. */
  waiting: number | undefined;
}

/**
 * Settles one batch of a queue: groups side by side, within a group one message after the other, in the batch's order.
 *
 * A message is settled when the backend accepted it or the failure policy acknowledged it. The first one of a group that
 * is not settled is returned together with all behind it. An invocation that ends at any await loses nothing: a message
 * leaves the queue only after it was settled.
 *
 * Heads that may kill the function come last and one at a time: when it is killed then, the marker of one start is left behind.
 *
 * @param messages of one queue, as received
 * @returns ids of the messages that stay in the queue (the event source's `batchItemFailures`), in the batch's order
 * @example await settle(queue, messages, { backendTimeoutMilliseconds: 10_000 }, ports) // ["7e0c...", "91b4..."]
 */
export async function settle(
  queue: QueueSettings,
  messages: readonly QueueMessage[],
  limits: Limits,
  ports: Ports,
): Promise<readonly string[]> {
  const invocation: Invocation = { queue, limits, ports, sawOutage: false };
  const runs = (await holdGroups(messages, invocation)).map((group): Run => {
    const isSuspect = (group[0]?.receiveCount ?? 0) > SUSPECT_RECEIVES;
    return { messages: group, isSuspect, steps: settleGroup(group, isSuspect, invocation), waiting: undefined };
  });
  const [suspect, calm] = [runs.filter((run) => run.isSuspect), runs.filter((run) => !run.isSuspect)];
  // A replay may take the whole invocation, and a suspect may end it: neither is waited for with what others have settled.
  const isEager = runs.length > 1 && (suspect.length > 0 || messages.some((one) => parseControl(one) !== undefined));
  const finish = (run: Run) => settleToEnd(run, isEager, invocation);

  const done = new Set((await Promise.all(calm.map(finish))).flat());
  // Not always the same one first: it may take all the time there is.
  const turn = Math.floor(ports.random() * suspect.length);
  for (const run of [...suspect.slice(turn), ...suspect.slice(0, turn)]) {
    // The rest is given back side by side: one after the other it would take a call's time each.
    if (endsSoon(invocation)) break;
    await advance(run);
  }
  for (const message of (await Promise.all(suspect.map(finish))).flat()) done.add(message);
  // What is not known to be settled stays: a dropped group's messages, and the rest of one that has to wait.
  return messages.filter((message) => !done.has(message)).map((message) => message.messageId);
}

/** One message of the group, or one delivery of a replay. */
async function advance(run: Run): Promise<void> {
  const step = await run.steps.next();
  if (step.done) run.waiting = step.value;
}

/** @returns the group's settled messages */
async function settleToEnd(run: Run, isEager: boolean, invocation: Invocation): Promise<readonly QueueMessage[]> {
  while (run.waiting === undefined) await advance(run);
  const settled = run.messages.slice(0, run.messages.length - run.waiting);
  const [head] = settled;
  // Of a group that has to wait, what is settled was deleted when the rest was given back.
  if (isEager && run.waiting === 0 && head !== undefined) {
    await tolerate("queue.failed", "delete", invocation, head, () => deleteAll(settled, invocation));
  }
  return settled;
}

/**
 * Starts every message's visibility anew, and gives only groups that are wholly ours.
 *
 * An invocation can start after its messages' visibility ran out. They may be with another one by then, and to deliver
 * even one of them here would let it overtake.
 */
async function holdGroups(
  messages: readonly QueueMessage[],
  { queue, ports }: Invocation,
): Promise<(readonly QueueMessage[])[]> {
  const groups = [...Map.groupBy(messages, (message) => message.groupId).values()];
  const drop = (group: readonly QueueMessage[], reason: "late-start" | "queue-unavailable", detail?: string) => {
    const [head] = group;
    if (head === undefined) return;
    ports.log("warn", "group.dropped", { ...ids(queue, head), reason, detail, messages: group.length });
  };
  let lost: ReadonlySet<string>;
  try {
    lost = await ports.queue.hold(queue.url, messages, queue.visibilityTimeoutSeconds);
  } catch (error) {
    for (const group of groups) drop(group, "queue-unavailable", errorName(error));
    return [];
  }
  return groups.filter((group) => {
    const isOurs = group.every((message) => !lost.has(message.messageId));
    if (!isOurs) drop(group, "late-start");
    return isOurs;
  });
}
