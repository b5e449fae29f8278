import type { Failed } from "./answer.ts";
import { type Clock, systemClock } from "./clock.ts";
import { GATEWAY_TIMEOUT_MILLISECONDS, type GROUP_ID_FIELD } from "./contract.ts";
import { FifoClientError, SendError } from "./errors.ts";
import { type Call, GroupLane, type SendResult } from "./group-lane.ts";
import { createMessage, type Message } from "./message.ts";
import { type FifoClientOptions, parseOptions, type Settings } from "./options.ts";
import { attempt } from "./request.ts";
import { retryDelay } from "./retry.ts";

/** Any payload. Not `unknown`: a value of an interface type fits an index signature only when that is `any`. */
// oxlint-disable-next-line typescript/no-explicit-any
type AnyPayload = Record<string, any>;

/** Payload type of each queue, by the queue's name. */
export type QueuePayloads = Readonly<Record<string, AnyPayload>>;

/**
 * A payload as `send()` takes it: a JSON object (what iterates, such as an array, is none) without the group id's field,
 * which the client sets.
 */
export type PayloadOf<Payload extends object> = Payload & {
  readonly [field in typeof GROUP_ID_FIELD]?: never;
} & { readonly [Symbol.iterator]?: never };

/** Options of one `send()`. */
export interface SendOptions {
  /**
   * 1 to 128 characters from `!` to `~`. SQS drops a second message of the group with the same id for five minutes.
   * @default a new UUID for each call
   */
  readonly deduplicationId?: string;
}

/** A group that sends nothing until it is resumed. */
export interface PausedGroup {
  readonly groupId: string;
  /** How its head failed. */
  readonly cause: SendError;
}

/** Sends messages to one queue; those of one group arrive in the order of the calls. */
export interface FifoClient<Payload extends object = AnyPayload> {
  /**
   * Queues a message behind all earlier ones of its group. Its place and its body are fixed when this returns, awaited or
   * not; what happens to `payload` later changes nothing.
   *
   * The promise never becomes an unhandled rejection, so it may be ignored; a failure then shows in
   * {@link pausedGroups} and in every later `send()` of the group.
   *
   * @returns rejects with {@link FifoClientError} when the arguments are refused (fails this call only), with
   *   {@link SendError} when the message failed, with `GroupPausedError` when an earlier one of its group did
   * @example
   * ```ts
   * const { sequenceNumber } = await client.send("10", { transSeq: "1" });
   * ```
   */
  send(groupId: string, payload: PayloadOf<Payload>, options?: SendOptions): Promise<SendResult>;
  /** The groups that wait for {@link resume}. */
  pausedGroups(): PausedGroup[];
  /**
   * Lets a paused group go on. `"replay"` sends its failed message again, with the same deduplication id, ahead of
   * whatever is sent from now on; it resolves as that `send()` would have, and when it fails the group is paused again.
   * Over five minutes after the first attempt SQS no longer knows that id: if the message was in the queue, it then is
   * there twice.
   *
   * Rejects with {@link FifoClientError} `GROUP_NOT_PAUSED` when there is nothing to resume.
   */
  resume(groupId: string, how: "replay"): Promise<SendResult>;
  /**
   * `"skip"` gives the failed message up. When its outcome is `unknown`, later messages of the group wait until 30 s
   * after its last attempt, the longest that it can still take to land.
   */
  resume(groupId: string, how: "skip"): Promise<void>;
  /** Groups that hold something at the moment: messages, a pause, or the 30 s after a skip. A group at rest costs nothing. */
  readonly activeGroups: number;
}

/** One type that fits every queue of a union of names. */
type PayloadFor<Queues extends { readonly [Name in keyof Queues]: object }, Queue extends keyof Queues> = (
  Queue extends unknown
    ? (payload: Queues[Queue]) => void
    : never
) extends (payload: infer Both extends object) => void
  ? Both
  : never;

/**
 * Creates a client of one queue. It opens nothing and needs no closing; create it once and share it, since two clients
 * know nothing of each other's order.
 *
 * @throws FifoClientError `INVALID_OPTION`
 * @example
 * ```ts
 * const client = createFifoClient<{ "queue-1": Alarm }>({
 *   endpoint: "https://fifo.kimalarm.example",
 *   apiKey: key,
 *   queue: "queue-1",
 * });
 * await client.send("10", { transSeq: "1" });
 * ```
 */
export function createFifoClient<
  Queues extends { readonly [Name in keyof Queues]: object } = QueuePayloads,
  Queue extends keyof Queues & string = keyof Queues & string,
>(options: FifoClientOptions<Queue>): FifoClient<PayloadFor<Queues, Queue>> {
  return openFifoClient(parseOptions(options), systemClock);
}

/** {@link createFifoClient} on a clock of one's own. */
export function openFifoClient<Payload extends object>(settings: Settings, clock: Clock): FifoClient<Payload> {
  const lanes = new Map<string, GroupLane>();
  /** Lanes whose head can be sent as soon as there is a slot. Each lane is in here, in flight, waiting or paused. */
  const ready = new Set<GroupLane>();
  /** Until when a group without a lane sends nothing, since a message that was given up can still land. */
  const quietUntil = new Map<string, number>();
  let inFlight = 0;
  /**
   * No attempt begins with less time than this, in milliseconds: cut off before its answer, it would only make an
   * `unknown` of what was a clear refusal.
   */
  const shortestAttempt = Math.min(settings.attemptTimeoutMilliseconds, settings.retryBudgetMilliseconds / 10);

  function enqueue(call: Call): void {
    forgetQuiet();
    const { groupId } = call.message;
    const known = lanes.get(groupId);
    const lane = known ?? new GroupLane(groupId);
    lane.push(call);
    if (known) return;
    lanes.set(groupId, lane);
    proceed(lane);
  }

  /** Brings a lane that is neither in flight nor waiting to its next step. */
  function proceed(lane: GroupLane): void {
    if (lane.head === undefined) {
      lanes.delete(lane.groupId);
      return;
    }
    const wait = (quietUntil.get(lane.groupId) ?? 0) - clock.now();
    // The failed message itself may go at once: as the same message again it cannot pass itself.
    if (wait > 0) wakeLater(lane, wait);
    else makeReady(lane);
  }

  function wakeLater(lane: GroupLane, milliseconds: number): void {
    clock.after(milliseconds, () => makeReady(lane));
  }

  function makeReady(lane: GroupLane): void {
    ready.add(lane);
    dispatch();
  }

  /** A lane goes to the back after each request, so that a busy group does not keep the others waiting. */
  function dispatch(): void {
    for (const lane of ready) {
      if (inFlight >= settings.concurrency) return;
      ready.delete(lane);
      if (lane.head) void sendHead(lane, lane.head);
    }
  }

  /** One attempt for a lane's head. A slot is held for the request only, not for the wait before the next one. */
  async function sendHead(lane: GroupLane, call: Call): Promise<void> {
    const { message } = call;
    call.run ??= { startedAt: clock.now(), tries: 0 };
    const { run } = call;
    const deadline = run.startedAt + settings.retryBudgetMilliseconds;
    const left = deadline - clock.now();
    // It waited for a slot for longer than its budget lasted.
    if (left < shortestAttempt && run.failed) return fail(lane, call, run.failed);

    inFlight += 1;
    message.attempts += 1;
    run.tries += 1;
    const ended = await attempt(settings, message, Math.min(settings.attemptTimeoutMilliseconds, left), clock);
    inFlight -= 1;

    if (ended.accepted) {
      const { messageId, sequenceNumber } = ended;
      lane.shift();
      call.resolve({ messageId, sequenceNumber, deduplicationId: message.deduplicationId });
      proceed(lane);
    } else {
      run.failed = ended;
      if (ended.mayHaveLanded) message.unknownSince = clock.now();
      const delay = retryDelay(ended, run.tries, deadline - shortestAttempt - clock.now());
      if (delay === undefined) fail(lane, call, ended);
      else wakeLater(lane, delay);
    }
    dispatch();
  }

  function fail(lane: GroupLane, call: Call, failed: Failed): void {
    const error = sendError(call.message, failed);
    if (settings.onFailure === "pause") {
      lane.pause(call.message, error);
      return;
    }
    lane.shift();
    call.reject(error);
    giveUp(call.message);
    proceed(lane);
  }

  function giveUp(message: Message): void {
    if (message.unknownSince === undefined) return;
    quietUntil.delete(message.groupId);
    quietUntil.set(message.groupId, message.unknownSince + GATEWAY_TIMEOUT_MILLISECONDS);
  }

  /** Entries are nearly in the order in which they end, so looking at the oldest is enough. */
  function forgetQuiet(): void {
    for (const [groupId, end] of quietUntil) {
      if (end > clock.now()) return;
      quietUntil.delete(groupId);
    }
  }

  function resume(groupId: string, how: "replay"): Promise<SendResult>;
  function resume(groupId: string, how: "skip"): Promise<void>;
  function resume(groupId: string, how: "replay" | "skip"): Promise<SendResult | void> {
    return settled<SendResult | void>((resolve, reject) => {
      const lane = lanes.get(groupId);
      if (how !== "replay" && how !== "skip") {
        throw new FifoClientError("INVALID_OPTION", `resume() takes "replay" or "skip".`);
      }
      if (lane?.paused === undefined) {
        throw new FifoClientError("GROUP_NOT_PAUSED", "The group is not paused: pausedGroups() lists those that are.");
      }
      const { message } = lane.paused;
      lane.resume();
      if (how === "replay") {
        lane.push({ message, resolve, reject, run: undefined });
        makeReady(lane);
      } else {
        giveUp(message);
        proceed(lane);
        resolve();
      }
    });
  }

  return Object.freeze({
    send(groupId: string, payload: object, options: SendOptions = {}): Promise<SendResult> {
      return settled<SendResult>((resolve, reject) => {
        enqueue({ message: createMessage(groupId, payload, options.deduplicationId), resolve, reject, run: undefined });
      });
    },
    pausedGroups: () =>
      [...lanes.values()].flatMap(({ groupId, paused }) => (paused ? [{ groupId, cause: paused.cause }] : [])),
    resume,
    get activeGroups() {
      forgetQuiet();
      return new Set([...lanes.keys(), ...quietUntil.keys()]).size;
    },
  });
}

/** A promise that may be ignored: it has a handler, so that the runtime never reports its rejection as unhandled. */
function settled<Result>(
  start: (resolve: (result: Result) => void, reject: (error: Error) => void) => void,
): Promise<Result> {
  const promise = new Promise<Result>(start);
  promise.catch(() => undefined);
  return promise;
}

const REASONS: Partial<Record<FifoClientError["code"], string>> = {
  NETWORK_ERROR: "the connection failed before there was an answer",
  TIMEOUT: "there was no answer in time",
  REDIRECTED: "the answer was a redirect, which is never followed: check the endpoint",
  INVALID_ANSWER: "the answer was a success without the ids of the queue: check that the endpoint is the gateway",
  FORBIDDEN: "the key is not accepted: check apiKey, and that its usage plan covers the stage",
  QUOTA_EXCEEDED: "the key's quota is used up: wait for its next period or raise it",
  ROUTE_NOT_FOUND: "the gateway has no such queue: check endpoint and queue",
};

function sendError(message: Message, failed: Failed): SendError {
  const { groupId, deduplicationId, attempts } = message;
  const outcome = message.unknownSince === undefined ? "rejected" : "unknown";
  const { code, status, requestId } = failed;
  const reason = REASONS[code] ?? "the gateway did not take it";
  const detail = [status === undefined ? code : `${status} ${code}`, failed.cause?.message, requestId].filter(Boolean);
  return new SendError(
    code,
    `Message ${deduplicationId} of group ${JSON.stringify(groupId)} failed after ${attempts} attempt(s), ` +
      `outcome ${outcome}: ${reason} (${detail.join(", ")}).`,
    { ...failed, outcome, groupId, deduplicationId, attempts },
  );
}
