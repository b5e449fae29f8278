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

/**
 * How long a group that is done waits for the rest of its batch, in milliseconds, before its messages are taken out of the queue:
 * until then SQS gives out nothing more of it. A batch that is settled sooner costs no request for that, since the event source
 * deletes it as a whole.
 */
const DONE_MILLISECONDS = 1_000;

/** The settling of one group under way. */
interface Run {
  readonly messages: readonly QueueMessage[];
  readonly isSuspect: boolean;
  readonly steps: AsyncGenerator<undefined, number, undefined>;
  /** How many messages at the group's end have to wait, once that is known. */
  waiting: number | undefined;
  /** When that was known, in milliseconds since the epoch. */
  doneAt: number;
  /** Whether its messages were taken out of the queue here. Those of a group that has to wait were, when it was given back. */
  isDeleted: boolean;
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
    const steps = settleGroup(group, isSuspect, invocation);
    return { messages: group, isSuspect, steps, waiting: undefined, doneAt: 0, isDeleted: false };
  });
  const [suspect, calm] = [runs.filter((run) => run.isSuspect), runs.filter((run) => !run.isSuspect)];
  // A replay may take the whole invocation, and a suspect may end it: neither is waited for with what others have settled.
  const isEager = suspect.length > 0 || messages.some((one) => parseControl(one) !== undefined);
  const patience = isEager ? 0 : DONE_MILLISECONDS;
  const finish = (run: Run) => settleToEnd(run, runs, patience, invocation);

  const done = new Set((await Promise.all(calm.map(finish))).flat());
  // Not always the same one first: it may take all the time there is.
  const turn = Math.floor(ports.random() * suspect.length);
  for (const run of [...suspect.slice(turn), ...suspect.slice(0, turn)]) {
    // The rest is given back side by side: one after the other it would take a call's time each.
    if (endsSoon(invocation)) break;
    await advance(run, invocation);
  }
  for (const message of (await Promise.all(suspect.map(finish))).flat()) done.add(message);
  // What is not known to be settled stays: a dropped group's messages, and the rest of one that has to wait.
  return messages.filter((message) => !done.has(message)).map((message) => message.messageId);
}

/** One message of the group, or one delivery of a replay. */
async function advance(run: Run, { ports }: Invocation): Promise<void> {
  const step = await run.steps.next();
  if (!step.done) return;
  run.waiting = step.value;
  run.doneAt = ports.now();
}

/** @returns the group's settled messages */
async function settleToEnd(
  run: Run,
  runs: readonly Run[],
  patience: number,
  invocation: Invocation,
): Promise<readonly QueueMessage[]> {
  while (run.waiting === undefined) {
    await advance(run, invocation);
    if (run.waiting === undefined) await freeGroups(runs, patience, invocation);
  }
  if (runs.some((other) => other.waiting === undefined)) await freeGroups(runs, patience, invocation);
  return run.messages.slice(0, run.messages.length - run.waiting);
}

/** Takes the messages of groups that are done out of the queue, when the rest of the batch keeps them waiting. */
async function freeGroups(runs: readonly Run[], patience: number, invocation: Invocation): Promise<void> {
  const now = invocation.ports.now();
  const late = runs.filter((run) => run.waiting === 0 && !run.isDeleted && run.doneAt + patience <= now);
  const messages = late.flatMap((run) => run.messages);
  const [head] = messages;
  if (head === undefined) return;
  for (const run of late) run.isDeleted = true;
  // What fails here is only late: the event source deletes it in the end.
  await tolerate("queue.failed", "delete", invocation, head, () => deleteAll(messages, invocation));
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
