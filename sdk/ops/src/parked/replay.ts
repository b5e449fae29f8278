import { parkedGroups } from "../../../../runtime/parking-lot/groups.ts";
import type { Connection } from "../connection.ts";
import { OpsError } from "../errors.ts";
import { checkGroupId, parkingLotName, queueUrl } from "../names.ts";
import { findItem, notParked, oldestParked, type ParkedSummary, sequenceNumbers, summary } from "./messages.ts";
import { readParked } from "./read-item.ts";
import { checkReach, newControl, sendControl } from "./send-control.ts";
import { deadlineOf, telling, type WaitOptions, waitFor } from "./wait.ts";

/** What would be replayed of a group, in the order in which it would be. */
export interface ReplayPlan {
  readonly queue: string;
  readonly groupId: string;
  readonly messages: number;
  readonly oldest: string;
  readonly newest: string;
}

/** What a replay came to. */
export interface Replayed {
  readonly queue: string;
  readonly groupId: string;
  /** Of the control message: what was sent before it is replayed. Missing when it could not be sent. */
  readonly controlSequenceNumber?: string;
  /**
   * `delivered`: nothing below the control message is parked any more. `stopped`: a message was refused again. `timed-out`: it goes
   * on without us. `sent`: nobody waited, or its effect could not be read. `not-sent`: see `error`.
   */
  readonly result: "delivered" | "stopped" | "timed-out" | "sent" | "not-sent";
  /** Messages that were seen parked, and left the parking lot. */
  readonly delivered: number;
  /** Messages that were to be replayed, and are still parked. */
  readonly remaining: number;
  /** The message at which it stopped. */
  readonly stoppedAt?: ParkedSummary;
  readonly error?: string;
}

/** Of all groups that are replayed together. */
export interface ReplayProgress {
  readonly groups: number;
  /** Groups whose replay has ended. */
  readonly groupsEnded: number;
  readonly messages: number;
  readonly remaining: number;
}

export interface ReplayOptions extends WaitOptions {
  readonly connection: Connection;
  /** Name in `main.ts`. */
  readonly queue: string;
  /** @default every parked group of the queue */
  readonly groupId?: string | undefined;
  /** Told when something has changed. */
  readonly onProgress?: ((progress: ReplayProgress) => void) | undefined;
}

/** Groups that are asked about at the same time. */
const GROUPS_AT_ONCE = 8;

/**
 * Says what a replay would deliver; changes nothing.
 *
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_PARKED` when a group was named that is not; the SDK's errors
 * @example const [plan] = await planReplay({ connection, queue: "queue-2", groupId: "10" });
 */
export async function planReplay({
  connection,
  queue,
  groupId,
}: Pick<ReplayOptions, "connection" | "queue" | "groupId">): Promise<readonly ReplayPlan[]> {
  await queueUrl(connection, queue);
  return (await parkedNow(connection, queue, groupId)).map((group) => {
    const [oldest = ""] = group.parked;
    return {
      queue,
      groupId: group.groupId,
      messages: group.parked.length,
      oldest,
      newest: group.parked.at(-1) ?? oldest,
    };
  });
}

/**
 * Has parked messages delivered again, each group in order: sends a control message into each group, and waits for the effect.
 *
 * Each look reads one item a group, after one reading of the whole group.
 *
 * @returns one entry a group; none when every group was meant and none is parked
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`, `NOT_PARKED` and `QUEUE_MADE_ANEW` of a group that was named; the SDK's errors
 * @example const [{ result, stoppedAt }] = await replay({ connection, queue: "queue-2", groupId: "10" });
 */
export async function replay(options: ReplayOptions): Promise<readonly Replayed[]> {
  const { connection, queue, groupId, wait = true, onProgress = () => undefined } = options;
  const url = await queueUrl(connection, queue);
  const groups = await parkedNow(connection, queue, groupId);
  const sent = await inTurn(groups, async (group) => {
    try {
      return { ...group, control: await sendControl(connection, url, newControl({ verb: "replay" }, group.groupId)) };
    } catch (error) {
      // The others are sent all the same: who asked for all of them learns of each.
      if (groupId !== undefined) throw error;
      return { ...group, error: textOf(error) };
    }
  });

  const remaining = new Map(groups.map((group) => [group.groupId, group.parked.length]));
  const deadline = deadlineOf(options);
  let messages = groups.reduce((sum, { parked }) => sum + parked.length, 0);
  let groupsEnded = 0;
  const report = () => {
    const left = [...remaining.values()].reduce((sum, count) => sum + count, 0);
    onProgress({ groups: groups.length, groupsEnded, messages, remaining: left });
  };
  if (wait) report();
  return inTurn(sent, async (group): Promise<Replayed> => {
    const known = { queue, groupId: group.groupId, delivered: 0, remaining: group.parked.length };
    if ("error" in group) return { ...known, result: "not-sent", error: group.error };
    const { control } = group;
    const onLook = (left: number, more: number) => {
      messages += more;
      if (remaining.get(group.groupId) === left && more === 0) return;
      remaining.set(group.groupId, left);
      report();
    };
    const what = `replay ${control} of group ${group.groupId}`;
    const follow = async () => {
      checkReach(what, control, group.parked.at(-1) ?? "");
      if (!wait) return { result: "sent" } as const;
      return telling(what, waitForReplay(connection, queue, group, options.signal, deadline, onLook));
    };
    const ended = await follow().catch((error: unknown) => {
      if (groupId !== undefined) throw error;
      return { result: "sent", error: textOf(error) } as const;
    });
    groupsEnded += 1;
    if (wait) report();
    return { ...known, controlSequenceNumber: control, ...ended };
  });
}

/** A group, and the sequence numbers of its parked messages, oldest first. */
interface ParkedNow {
  readonly groupId: string;
  readonly parked: string[];
}

async function parkedNow(connection: Connection, queue: string, groupId: string | undefined): Promise<ParkedNow[]> {
  if (groupId !== undefined) {
    checkGroupId(groupId);
    const parked = await sequenceNumbers(connection, queue, groupId);
    if (parked.length === 0) throw notParked(queue, groupId);
    return [{ groupId, parked }];
  }
  const listed: string[] = [];
  const table = parkingLotName(connection.deployment);
  for await (const group of parkedGroups(connection.dynamodb, table, queue)) listed.push(group.groupId);
  const groups = await inTurn(listed, async (id) => ({
    groupId: id,
    parked: await sequenceNumbers(connection, queue, id),
  }));
  // The index is late by about a second: some are not parked any more.
  return groups.filter(({ parked }) => parked.length > 0);
}

/** @param onLook told how many of those to be replayed are left, and how many more of them were found */
async function waitForReplay(
  connection: Connection,
  queue: string,
  { groupId, parked, control }: ParkedNow & { readonly control: string },
  signal: AbortSignal | undefined,
  deadline: number,
  onLook: (left: number, more: number) => void,
): Promise<Pick<Replayed, "result" | "delivered" | "remaining" | "stoppedAt">> {
  const known = [...parked];
  let left = known.length;
  const stoppedAt = await waitFor(
    async () => {
      const oldest = await oldestParked(connection, queue, groupId);
      // checkReach has seen to it that all of `parked` is below the control message: what is above it came later.
      if (oldest === undefined || oldest.sequenceNumber > control) {
        left = 0;
        onLook(left, 0);
        return "nowhere";
      }
      const newest = known.at(-1);
      let more: readonly string[] = [];
      if (newest === undefined || oldest.sequenceNumber > newest) {
        // They were on their way when the control message was sent, and were parked before it came.
        more = await sequenceNumbers(connection, queue, groupId, { after: newest, below: control });
        known.push(...more);
      }
      left = known.filter((sequenceNumber) => sequenceNumber >= oldest.sequenceNumber).length;
      onLook(left, more.length);
      // A later replay that stopped here is carried out after ours.
      return oldest.stoppedBy !== undefined && oldest.stoppedBy >= control ? oldest.sequenceNumber : undefined;
    },
    deadline,
    signal,
  );
  const counts = { delivered: known.length - left, remaining: left };
  if (stoppedAt === undefined) return { result: "timed-out", ...counts };
  if (stoppedAt === "nowhere") return { result: "delivered", ...counts };
  const item = await findItem(connection, queue, groupId, "parked", stoppedAt);
  return { result: "stopped", ...counts, ...(item === undefined ? {} : { stoppedAt: summary(readParked(item)) }) };
}

function textOf(error: unknown): string {
  if (error instanceof OpsError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Does so for each, a few at the same time, and keeps their order. */
async function inTurn<In, Out>(list: readonly In[], each: (one: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  const entries = list.entries();
  const work = async () => {
    for (const [index, one] of entries) results[index] = await each(one);
  };
  await Promise.all(Array.from({ length: GROUPS_AT_ONCE }, work));
  return results;
}
