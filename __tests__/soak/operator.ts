import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { LOCAL_ACCOUNT_ID } from "../../runtime/local/account.ts";
import type { Control } from "../../runtime/parking-lot/control.ts";
import {
  connect,
  discard,
  edit,
  listGroups,
  listMessages,
  OpsError,
  type ParkedSummary,
  readPayload,
  replay,
} from "../../sdk/ops/src/index.ts";
import { payloadSchema } from "./delivery.ts";
import { ACCEPT, isHopeless, MOST_REJECTIONS } from "./fate.ts";
import { DEPLOYMENT } from "./queues.ts";
import type { Random } from "./random.ts";

/** Verbs whose control message was sent, whatever became of it. */
export type Controls = Record<Control["verb"], number>;

/** A person who puts parked groups right, with the ops verbs, and looks after the queues. */
export interface Operator {
  /** Messages in a queue, in flight or not. @throws the SDK's errors */
  depth(queue: string): Promise<number>;
  /** Begins something with some of the queue's parked groups. @throws OpsError; the SDK's errors */
  tend(queue: string, random: Random): Promise<void>;
  /**
   * What brings every parked group on: discards what no replay will bring through, and replays the rest.
   *
   * @returns groups that were parked
   * @throws OpsError; the SDK's errors
   */
  clear(queue: string): Promise<number>;
  close(): void;
}

/** Of a group, as many parked messages are looked at. */
const MOST_READ = 50;
/** So long the operator waits for what a verb comes to. */
const WAIT_SECONDS = 20;
/** A call while the path is down has to end soon. */
const CALL_MILLISECONDS = 3_000;
const REASON = "the soak's operator";

/**
 * @param options.data the running path's data folder: another start of it needs another operator
 * @param options.controls counted on over all operators of a run
 * @param options.note told of each verb and its result
 * @throws OpsError when nothing runs there
 */
export async function createOperator(options: {
  readonly data: string;
  readonly sqs: string;
  readonly controls: Controls;
  readonly note: (what: string, more: object) => void;
}): Promise<Operator> {
  const { controls, note } = options;
  const connection = await connect({ local: options.data });
  const ended = new AbortController();
  const waiting = { timeoutSeconds: WAIT_SECONDS, signal: ended.signal };
  /** Groups at which something is done just now. */
  const busy = new Set<string>();

  async function carryOut(verb: Control["verb"], queue: string, groupId: string, one: ParkedSummary): Promise<void> {
    const { sequenceNumber } = one;
    const message = { connection, queue, groupId, sequenceNumber, ...waiting };
    let result: string | undefined;
    switch (verb) {
      case "discard":
        ({ result } = await discard({ ...message, reason: REASON }));
        break;
      case "edit":
        ({ result } = await edit({ ...message, payload: await edited(queue, groupId, sequenceNumber) }));
        break;
      case "replay":
        result = (await replay({ connection, queue, groupId, ...waiting }))[0]?.result;
    }
    controls[verb] += 1;
    note(verb, { queue, groupId, sequenceNumber, result });
  }

  /** A payload for the same message that the backend accepts. */
  async function edited(queue: string, groupId: string, sequenceNumber: string): Promise<Uint8Array> {
    const payload = await payloadOf(queue, groupId, sequenceNumber);
    return Buffer.from(JSON.stringify({ ...payload, fate: ACCEPT, edit: payload.edit + 1 }));
  }

  async function payloadOf(queue: string, groupId: string, sequenceNumber: string) {
    return payloadSchema.parse(JSON.parse(await readPayload({ connection, queue, groupId, sequenceNumber })));
  }

  async function read(queue: string, groupId: string): Promise<ParkedSummary[]> {
    const messages: ParkedSummary[] = [];
    for await (const message of listMessages({ connection, queue, groupId })) {
      if (messages.push(message) === MOST_READ) break;
    }
    return messages;
  }

  async function tendGroup(queue: string, groupId: string, random: Random): Promise<void> {
    const messages = await read(queue, groupId);
    // The one that blocks the group, as a rule.
    const one = random.chance(0.7) ? messages[0] : random.pick(messages);
    if (one === undefined) return;
    const roll = random.next();
    if (roll < 0.2) await carryOut("discard", queue, groupId, one);
    else if (roll < 0.5) await carryOut("edit", queue, groupId, one);
    if (roll > 0.1) await carryOut("replay", queue, groupId, one);
  }

  async function clearGroup(queue: string, groupId: string): Promise<void> {
    for await (const { sequenceNumber } of listMessages({ connection, queue, groupId })) {
      if (!isHopeless((await payloadOf(queue, groupId, sequenceNumber)).fate)) continue;
      await discard({ connection, queue, groupId, sequenceNumber, reason: REASON, wait: false });
      controls.discard += 1;
    }
    for (let left = MOST_REJECTIONS; left > 0; left -= 1) {
      await replay({ connection, queue, groupId, wait: false });
      controls.replay += 1;
    }
  }

  return {
    async depth(queue) {
      const command = new GetQueueAttributesCommand({
        QueueUrl: `${options.sqs}/${LOCAL_ACCOUNT_ID}/${DEPLOYMENT}-${queue}.fifo`,
        AttributeNames: [
          "ApproximateNumberOfMessages",
          "ApproximateNumberOfMessagesNotVisible",
          "ApproximateNumberOfMessagesDelayed",
        ],
      });
      const abortSignal = AbortSignal.timeout(CALL_MILLISECONDS);
      const { Attributes = {} } = await connection.sqs.send(command, { abortSignal });
      return Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0);
    },
    async tend(queue, random) {
      for await (const { groupId } of listGroups({ connection, queue })) {
        // Few are so impatient that they ask twice: each time costs the attempts of one that fails again.
        if (!random.chance(0.5) || (busy.has(groupId) && !random.chance(0.1))) continue;
        busy.add(groupId);
        void tendGroup(queue, groupId, random)
          // What the path did not answer is left as it is: whether the control message was taken shows in the end.
          .catch((error: unknown) => note("verb failed", { queue, groupId, error: nameOf(error) }))
          .finally(() => busy.delete(groupId));
      }
    },
    async clear(queue) {
      let groups = 0;
      for await (const { groupId } of listGroups({ connection, queue })) {
        groups += 1;
        await clearGroup(queue, groupId).catch(unlessGone);
      }
      return groups;
    },
    close() {
      ended.abort();
      connection.close();
    },
  };
}

/** An earlier verb may bring a group on while the next one is asked for. */
function unlessGone(error: unknown): void {
  if (!(error instanceof OpsError) || error.code !== "NOT_PARKED") throw error;
}

function nameOf(error: unknown): string {
  if (error instanceof OpsError) return error.code;
  return error instanceof Error ? error.name : "unknown";
}
