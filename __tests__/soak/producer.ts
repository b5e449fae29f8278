import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { GATEWAY_TIMEOUT_MILLISECONDS } from "../../sdk/client/src/contract.ts";
import { createFifoClient, type FifoClient, isFifoClientError, type SendResult } from "../../sdk/client/src/index.ts";
import { fateOf } from "./fate.ts";
import type { SoakQueue } from "./queues.ts";
import { createRandom } from "./random.ts";
import type { Sent } from "./verdict.ts";

/** One call of `send()`. */
interface Call {
  readonly queue: string;
  readonly groupId: string;
  readonly n: number;
  told: Sent["told"];
  messageId: string | undefined;
}

/** The producers of all groups. */
export interface Producer {
  readonly calls: readonly Call[];
  /** Sends until the signal is aborted; resolves when no group sends any more, though calls may be under way. */
  run(signal: AbortSignal): Promise<void>;
  /** Waits for what is under way, paused groups included. What is left then is unknown, or refused. */
  close(timeoutMilliseconds: number): Promise<void>;
}

/** Messages that a group keeps in its client before its producer waits. */
const MOST_PENDING = 20;
/** One attempt of a request: the gateway answers in milliseconds, and what hangs is over soon. */
const ATTEMPT_MILLISECONDS = 3_000;
const LOOK_MILLISECONDS = 100;

/**
 * Producers that send in bursts of a few messages, each group with its own pace.
 *
 * With faults some calls are aborted at any moment. Then their group is paused, and its producer lets it go on: by a replay of
 * the failed message, or without it.
 *
 * @param options.hasRoom asked before each burst: false while the path has enough to do
 * @example const producer = createProducer({ ...serving, queues: QUEUES, groups: 20, seed: 1, faults: true, hasRoom: () => true, endsAt });
 */
export function createProducer(options: {
  readonly endpoint: string;
  readonly key: string;
  readonly queues: readonly SoakQueue[];
  readonly groups: number;
  readonly seed: number;
  readonly faults: boolean;
  readonly hasRoom: () => boolean;
  /** When the run ends, in milliseconds since the epoch. */
  readonly endsAt: number;
}): Producer {
  const { endpoint, key, queues, groups, seed, faults } = options;
  const calls: Call[] = [];
  const byId = new Map<string, Call>();
  const underWay = new Set<Promise<void>>();
  const random = createRandom(seed, "resume");
  let closing = false;

  const clients = new Map(
    queues.map(({ name }): [string, FifoClient] => {
      const client: FifoClient = createFifoClient({
        endpoint,
        apiKey: key,
        queue: name,
        attemptTimeoutMilliseconds: ATTEMPT_MILLISECONDS,
        onGroupPaused({ groupId, cause }) {
          const call = byId.get(cause.deduplicationId ?? "");
          void follow(resume(client, groupId, call).catch(() => undefined));
        },
      });
      return [name, client];
    }),
  );

  function follow(promise: Promise<void>): Promise<void> {
    underWay.add(promise);
    return promise.finally(() => underWay.delete(promise));
  }

  async function resume(client: FifoClient, groupId: string, call: Call | undefined): Promise<void> {
    // What waits behind one that was given up waits for as long as that one can still land.
    const maySkip = Date.now() < options.endsAt - GATEWAY_TIMEOUT_MILLISECONDS;
    const how = maySkip && random.chance(0.3) ? "skip" : "replay";
    if (!closing) await sleep(random.between(0, 1_000));
    if (how === "skip" || call === undefined) await client.resume(groupId, "skip");
    else await keep(call, client.resume(groupId, "replay"));
  }

  async function keep(call: Call, promise: Promise<SendResult>): Promise<void> {
    try {
      call.messageId = (await promise).messageId;
      call.told = "accepted";
    } catch (error) {
      if (!isFifoClientError(error)) throw error;
      call.told = error.outcome === "unknown" ? "unknown" : "refused";
    }
  }

  async function sendGroup(queue: SoakQueue, groupId: string, signal: AbortSignal): Promise<void> {
    const client = clients.get(queue.name);
    if (client === undefined) throw new Error(`no client of ${queue.name}`);
    const own = createRandom(seed, `producer/${queue.name}/${groupId}`);
    let n = 0;
    let pending = 0;
    await pause(own.between(0, 1_000), signal);
    while (!signal.aborted) {
      if (pending >= MOST_PENDING || !options.hasRoom()) {
        await pause(LOOK_MILLISECONDS, signal);
        continue;
      }
      for (let left = own.between(1, 5); left > 0; left -= 1) {
        n += 1;
        // Until its promise settles nobody knows more.
        const call: Call = { queue: queue.name, groupId, n, told: "unknown", messageId: undefined };
        const deduplicationId = randomUUID();
        calls.push(call);
        byId.set(deduplicationId, call);
        const isAborted = faults && own.chance(0.01);
        const payload = { queue: queue.name, n, fate: fateOf(seed, queue, groupId, n, faults), edit: 0 };
        pending += 1;
        const sending = client.send(groupId, payload, {
          deduplicationId,
          ...(isAborted && { signal: AbortSignal.timeout(own.between(1, 60)) }),
        });
        void follow(keep(call, sending)).finally(() => {
          pending -= 1;
        });
      }
      await pause(own.between(0, faults ? 3_000 : 600), signal);
    }
  }

  return {
    calls,
    async run(signal) {
      await Promise.all(
        Array.from({ length: groups }, (_, index) => {
          const queue = queues[index % queues.length];
          if (queue === undefined) throw new Error("no queue");
          return sendGroup(queue, String(10 + index), signal);
        }),
      );
    },
    async close(timeoutMilliseconds) {
      closing = true;
      const deadline = Date.now() + timeoutMilliseconds;
      const all = [...clients.values()];
      // A replay can fail again, which pauses the group again.
      while (underWay.size > 0 && Date.now() < deadline) await sleep(LOOK_MILLISECONDS);
      await Promise.all(all.map((client) => client.close({ timeout: 0 })));
    },
  };
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
