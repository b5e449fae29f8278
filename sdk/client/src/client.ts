/// <reference lib="esnext.disposable" preserve="true" />
import type { Accepted, Failed } from "./answer.ts";
import { type Clock, systemClock } from "./clock.ts";
import {
  DEDUPLICATION_WINDOW_MILLISECONDS,
  GATEWAY_TIMEOUT_MILLISECONDS,
  GROUP_ID_FIELD,
  SQS_MAX_MESSAGE_BYTES,
} from "./contract.ts";
import { ensure, FifoClientError, GroupPausedError, type Outcome } from "./errors.ts";
import { outcomeOf, sendError } from "./failure.ts";
import type { Call, Lane, SendResult } from "./lane.ts";
import { createMessage, fillMessage, type SendOptions } from "./message.ts";
import {
  type FifoClientOptions,
  type MessageAttempt,
  type PausedGroup,
  parseOptions,
  type Settings,
} from "./options.ts";
import { request as makeRequest } from "./request.ts";
import { retryDelay } from "./retry.ts";
import { type StandardSchema, validate } from "./schema.ts";
import { watchSequence } from "./sequence.ts";

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

/** One message of `sendMany()`. */
export interface OutgoingMessage<Payload extends object = AnyPayload> extends SendOptions {
  readonly groupId: string;
  readonly payload: PayloadOf<Payload>;
}

/** A message that was not sent, as `close()` returns it. */
export interface UnsentMessage {
  readonly groupId: string;
  /** What would have been sent. After a restart, send it with its own `deduplicationId`. */
  readonly payload: unknown;
  readonly deduplicationId: string;
  /** `unknown`: it may be in the queue after all. */
  readonly outcome: Outcome;
}

/** Sends messages to one queue; those of one group arrive in the order of the calls. */
export interface FifoClient<Payload extends object = AnyPayload> {
  /**
   * Queues a message behind all earlier ones of its group. Its place is fixed when this returns, awaited or not, and so is
   * its body (unless an asynchronous schema has to see it first): what happens to `payload` later changes nothing.
   *
   * The promise never becomes an unhandled rejection, so it may be ignored by those who can do without the message: a
   * failure then pauses its group (see {@link pausedGroups} and {@link flush}), but what the client refused, what was behind
   * the failed message, and with `onFailure: "continue"` every failure, shows in its own promise only.
   *
   * @param groupId 1 to 128 characters from `!` to `~`; the messages of one group stay in order
   * @param payload a JSON object
   * @returns rejects with {@link FifoClientError} when the arguments are refused (fails this call only), with
   *   {@link SendError} when the message failed, with `GroupPausedError` when an earlier one of its group did
   * @example
   * ```ts
   * const { sequenceNumber } = await client.send("10", { transSeq: "1" });
   * ```
   */
  send(groupId: string, payload: PayloadOf<Payload>, options?: SendOptions): Promise<SendResult>;
  /**
   * `send()` for each of what is already at hand, in its order.
   *
   * @returns the results in the same order; rejects with an `AggregateError` of every failure, once all have settled
   * @example
   * ```ts
   * await client.sendMany(alarms.map((alarm) => ({ groupId: alarm.site, payload: alarm })));
   * ```
   */
  sendMany(messages: readonly OutgoingMessage<Payload>[]): Promise<SendResult[]>;
  /**
   * Resolves when there is room below `maxPending`; one caller after the other, so that each can send one message.
   * Rejects with {@link FifoClientError}: `TOO_MANY_PENDING` when only paused groups take the room, which only
   * {@link resume} can change; `CLOSED`.
   *
   * @example
   * ```ts
   * for await (const { site, alarm } of source) {
   *   await client.ready();
   *   client.send(site, alarm).catch(report); // at once, in the same function: no room is kept for it
   * }
   * ```
   */
  ready(): Promise<void>;
  /**
   * Waits until all that the client keeps now has settled.
   *
   * @returns rejects with an `AggregateError` of what failed meanwhile, and of how each group failed that was paused
   *   before
   */
  flush(): Promise<void>;
  /** The groups that wait for {@link resume}. */
  pausedGroups(): PausedGroup[];
  /**
   * Lets a paused group go on. `"replay"` sends its failed message again, with the same deduplication id, ahead of
   * whatever is sent from now on; it resolves as that `send()` would have, and when it fails the group is paused again.
   * Over five minutes after the first attempt SQS no longer knows that id: if the message was in the queue, it then is
   * there twice (at least once, that is), but not behind later ones: the group then waits until 30 s after the last attempt
   * without a clear answer.
   *
   * Rejects with {@link FifoClientError} `GROUP_NOT_PAUSED` when there is nothing to resume.
   */
  resume(groupId: string, how: "replay"): Promise<SendResult>;
  /**
   * `"skip"` gives the failed message up. When its outcome is `unknown`, later messages of the group wait until 30 s
   * after its last attempt, the longest that it can still take to land.
   */
  resume(groupId: string, how: "skip"): Promise<void>;
  /** Either of them. */
  resume(groupId: string, how: "replay" | "skip"): Promise<SendResult | void>;
  /** {@link resume} for every paused group. Rejects with an `AggregateError` of what failed, once all have settled. */
  resumeAll(how: "replay" | "skip"): Promise<void>;
  /**
   * Takes nothing new, waits for what is on its way, then ends it.
   *
   * @param options.timeout how long to wait, in milliseconds (default 30000); what is then still queued or in flight fails
   *   with `ABORTED`
   * @returns every message kept at the time of the call that is not known to be in the queue, in the order of the calls: to
   *   be stored and sent after a restart. They are given back once: a second `close()` only waits.
   */
  close(options?: { readonly timeout?: number }): Promise<UnsentMessage[]>;
  /** `close()` at the end of an `await using` block. Throws {@link FifoClientError} `NOT_SENT` when something is left, which is then gone. */
  [Symbol.asyncDispose](): Promise<void>;
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

/** What a schema takes. */
type InputOf<Schema> = Schema extends {
  readonly "~standard": { readonly types?: { readonly input: infer Input } | undefined };
}
  ? Extract<Input, object>
  : never;

/**
 * Creates a client whose payload type is what the schema takes.
 *
 * @throws FifoClientError `INVALID_OPTION`
 * @example
 * ```ts
 * const client = createFifoClient({ endpoint, apiKey, queue: "queue-1", schema: z.object({ transSeq: z.string() }) });
 * ```
 */
export function createFifoClient<Schema extends StandardSchema>(
  options: Omit<FifoClientOptions, "schema"> & { readonly schema: Schema },
): FifoClient<InputOf<Schema>>;
/**
 * Creates a client of one queue. It opens nothing; create it once and share it, since two clients know nothing of each
 * other's order.
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
>(options: FifoClientOptions<Queue, PayloadFor<Queues, Queue>>): FifoClient<PayloadFor<Queues, Queue>>;
export function createFifoClient(options: FifoClientOptions): FifoClient {
  return openFifoClient(parseOptions(options), systemClock);
}

/** {@link createFifoClient} on a clock of one's own. */
export function openFifoClient<Payload extends object>(settings: Settings, clock: Clock): FifoClient<Payload> {
  const { onFailure, maxPending, attemptTimeoutMilliseconds, retryBudgetMilliseconds } = settings;
  const lanes = new Map<string, Lane>();
  /** Lanes whose head can be sent as soon as there is a slot. */
  const sendable = new Set<Lane>();
  /** What `maxPending` bounds, in the order of the calls: each until it is accepted or has failed, and the failed one of a paused group. */
  const kept = new Set<Call>();
  const timers = new Set<() => void>();
  const checkSequence = watchSequence();
  /**
   * No attempt begins with less time than this, in milliseconds: cut off before its answer, it would only make an
   * `unknown` of what was a clear refusal.
   */
  const shortestAttempt = Math.min(attemptTimeoutMilliseconds, retryBudgetMilliseconds / 10);
  let inFlight = 0;
  let closed = false;
  /** What the end cut off, until it is given back. */
  const left: Call[] = [];
  let turn: Promise<unknown> = Promise.resolve();
  /** Wakes the caller of ready() whose turn it is. One is enough: the others wait for their turn. */
  let roomChanged: (() => void) | undefined;

  // A message's way: enqueue -> proceed -> dispatch -> fly -> accept, or held for a retry, or fail.

  function enqueue(groupId: string, payload: unknown, { signal, ...options }: SendOptions = {}): Promise<SendResult> {
    checkOpen();
    const call = begin({ ...createMessage(groupId, options), payload, attempts: 0 } as Call);
    const onAbort = (): void => abort(call);
    call.stopListening = () => signal?.removeEventListener("abort", onAbort);
    const checked = settings.schema ? validate(settings.schema, payload, call) : { value: payload };
    if (checked instanceof Promise) {
      checked
        .then(({ value }) => fillMessage(call, value))
        .then(
          () => void (kept.has(call) && proceed(call.lane)),
          (error: Error) => drop(call, error),
        );
    } else fillMessage(call, checked.value);
    // Only now: a schema and a toJSON are the user's code, which may send too.
    const lane = lanes.get(groupId) ?? { groupId, calls: [], held: 0 };
    if (lane.pausedBy) throw new GroupPausedError(call.ids, lane.pausedBy.cause);
    ensure(kept.size < maxPending, "TOO_MANY_PENDING", FULL, call.ids);
    // What is no AbortSignal throws here, before anything is kept.
    signal?.addEventListener("abort", onAbort);
    call.lane = lane;
    kept.add(call);
    lanes.set(groupId, lane);
    lane.calls.push(call);
    proceed(lane);
    if (signal?.aborted) onAbort();
    return call.settled;
  }

  /** Brings a lane to its next step, if there is one now. */
  function proceed(lane: Lane): void {
    const [head] = lane.calls;
    const idle = !lane.held && !lane.pausedBy;
    if (idle && head?.body) {
      sendable.add(lane);
      // After all calls of this tick, so that these can share a request.
      queueMicrotask(dispatch);
    } else {
      sendable.delete(lane);
      if (idle && !head) lanes.delete(lane.groupId);
    }
  }

  /** Lanes that are held together go on together, so that they share a request again. */
  function hold(calls: readonly Call[], milliseconds: number): void {
    for (const { lane } of calls) lane.held += 1;
    const cancel = clock.after(milliseconds, () => {
      timers.delete(cancel);
      for (const { lane } of calls) {
        lane.held -= 1;
        proceed(lane);
      }
    });
    timers.add(cancel);
  }

  function dispatch(): void {
    while (sendable.size > 0 && inFlight < settings.concurrency) {
      const calls: Call[] = [];
      let room = SQS_MAX_MESSAGE_BYTES;
      for (const lane of sendable) {
        const [head] = lane.calls as [Call];
        const { sqsBytes = 0, lastAttempt } = head;
        if (lastAttempt?.code && timeLeft(head) < shortestAttempt) {
          // It waited for a slot for longer than its budget lasted.
          fail(head, lastAttempt);
          continue;
        }
        room -= sqsBytes;
        if (calls.length > 0 && (lastAttempt?.alone || room < 0)) break;
        // It goes to the back after each request, so that a busy group does not keep the others waiting.
        sendable.delete(lane);
        calls.push(head);
        if (lastAttempt?.alone || calls.length === settings.maxBatchSize) break;
      }
      if (calls.length > 0) void fly(calls as [Call, ...Call[]]);
    }
  }

  function timeLeft({ startedAt = clock.now() }: Call): number {
    return startedAt + retryBudgetMilliseconds - clock.now();
  }

  /**
   * One request, and what becomes of each of its messages: accepted, sent again, failed, or taken back meanwhile. It holds a
   * slot, the wait before the next one does not.
   */
  async function fly(calls: readonly [Call, ...Call[]]): Promise<void> {
    const startedAt = clock.now();
    const flight = new AbortController();
    inFlight += 1;
    for (const call of calls) {
      call.flight = flight;
      call.startedAt ??= startedAt;
      call.firstAt ??= startedAt;
      call.attempts += 1;
      call.tries += 1;
      call.lane.held += 1;
    }
    tell(settings.onRequest, { messages: calls.map(describe) });
    const timeout = Math.min(attemptTimeoutMilliseconds, ...calls.map(timeLeft));
    const { attempts, ...answer } = await makeRequest(settings, calls, timeout, clock, flight);
    inFlight -= 1;
    const now = clock.now();
    for (const [at, call] of calls.entries()) if (call.flight === flight) call.lastAttempt = attempts[at];
    tell(settings.onResponse, { ...answer, messages: calls.map(describe), milliseconds: now - startedAt });
    // One wait for all of them, so that they share their next request too.
    const delayMilliseconds = retryDelay(attempts[0], Math.max(...calls.map(({ tries }) => tries)));
    const again: Call[] = [];
    for (const call of calls) {
      const { lastAttempt } = call;
      if (call.flight !== flight) {
        // Taken back meanwhile: it can land for 30 s from now on.
        call.unknownSince = now;
        if (!kept.has(call)) giveUp(call);
      } else if (lastAttempt?.code) {
        call.flight = undefined;
        if (lastAttempt.mayHaveLanded) call.unknownSince = now;
        if (lastAttempt.retryable && delayMilliseconds < timeLeft(call) - shortestAttempt) again.push(call);
        else fail(call, lastAttempt);
      } else if (lastAttempt) accept(call, lastAttempt);
    }
    if (again.length > 0) {
      hold(again, delayMilliseconds);
      tell(settings.onRetry, { messages: again.map(describe), delayMilliseconds });
    }
    for (const { lane } of calls) {
      lane.held -= 1;
      proceed(lane);
    }
    dispatch();
  }

  function accept(call: Call, { messageId, sequenceNumber }: Accepted): void {
    const { lane, ids } = call;
    lane.calls.shift();
    forget(call);
    // What is still on its way of a message replayed late may land when SQS has forgotten its id: then not behind the next.
    if (clock.now() - call.firstAt > DEDUPLICATION_WINDOW_MILLISECONDS - 2 * GATEWAY_TIMEOUT_MILLISECONDS) giveUp(call);
    call.succeed({ messageId, sequenceNumber, deduplicationId: ids.deduplicationId });
    const warning = checkSequence(call, sequenceNumber);
    if (warning) tell(settings.onWarning, warning);
  }

  /** Ends the head of a lane, and with it, unless failures are skipped, the lane. */
  function fail(call: Call, failed: Failed): void {
    const { lane, ids } = call;
    const cause = sendError(call, failed);
    call.lastAttempt = failed;
    call.failWith(cause);
    if (onFailure === "continue") {
      lane.calls.shift();
      forget(call);
      giveUp(call);
      proceed(lane);
      return;
    }
    const pausedGroup = { groupId: ids.groupId, cause };
    lane.pausedBy = pausedGroup;
    lane.failedCall = call;
    call.stopListening();
    // The head leaves the lane too.
    for (const follower of lane.calls.splice(0)) {
      if (follower === call) continue;
      // Kept to be given back, when the end has begun: its caller was told, and cannot take it back any more.
      if (closed) follower.stopListening();
      else forget(follower);
      follower.failWith(new GroupPausedError(follower.ids, cause));
    }
    proceed(lane);
    roomChanged?.();
    tell(settings.onGroupPaused, pausedGroup);
  }

  /** Takes a call back. */
  function abort(call: Call): void {
    const { lane, flight, attempts } = call;
    if (attempts === 0) drop(call, new FifoClientError("ABORTED", "ABORTED", call.ids));
    else if (lane.calls[0] === call) {
      if (flight) {
        call.flight = undefined;
        // Until its request has ended, nobody can say when it will have landed at the latest.
        call.unknownSince = Number.NaN;
        if (![...kept].some((other) => other.flight === flight)) flight.abort();
      }
      fail(call, { code: "ABORTED" });
    }
  }

  /** Ends a call of which no request was made; its group goes on without it. */
  function drop(call: Call, error: Error): void {
    const { lane } = call;
    if (!kept.has(call)) return;
    lane.calls.splice(lane.calls.indexOf(call), 1);
    forget(call);
    call.failWith(error);
    proceed(lane);
  }

  function forget(call: Call): void {
    kept.delete(call);
    call.stopListening();
    roomChanged?.();
  }

  /** A message that is given up can still land: nothing of its group may overtake it until then. Else there is no wait (NaN). */
  function giveUp(call: Call): void {
    const wait = (call.unknownSince ?? Number.NaN) + GATEWAY_TIMEOUT_MILLISECONDS - clock.now();
    // After the end, nothing comes that could overtake it.
    if (wait > 0 && (kept.size > 0 || !closed)) hold([call], wait);
  }

  function resume(groupId: string, how: "replay" | "skip"): Promise<SendResult> | undefined {
    checkOpen();
    const lane = lanes.get(groupId);
    ensure(/^(replay|skip)$/.test(how), "INVALID_OPTION", "replay or skip");
    ensure(lane?.pausedBy, "GROUP_NOT_PAUSED", `Group ${groupId} is not paused`);
    const call = lane.failedCall as Call;
    lane.pausedBy = undefined;
    if (how === "replay") lane.calls.push(begin(call));
    else {
      forget(call);
      giveUp(call);
    }
    proceed(lane);
    return how === "replay" ? call.settled : undefined;
  }

  function pausedGroups(): PausedGroup[] {
    return [...lanes.values()].flatMap(({ pausedBy }) => pausedBy ?? []);
  }

  function checkOpen(): void {
    ensure(!closed, "CLOSED", "closed");
  }

  async function waitForRoom(before: Promise<unknown>): Promise<void> {
    await before.catch(() => undefined);
    checkOpen();
    while (kept.size >= maxPending) {
      ensure(pausedGroups().length < kept.size, "TOO_MANY_PENDING", FULL);
      await new Promise<void>((changed) => {
        roomChanged = changed;
      });
      checkOpen();
    }
  }

  /** Ends whatever is left. */
  function endAll(): void {
    closed = true;
    left.push(...kept);
    for (const call of kept) abort(call);
    kept.clear();
    for (const cancel of timers) cancel();
    signal?.removeEventListener("abort", endAll);
    roomChanged?.();
  }

  async function close({ timeout = 30_000 } = {}): Promise<UnsentMessage[]> {
    ensure(timeout >= 0, "INVALID_OPTION", "timeout");
    closed = true;
    roomChanged?.();
    await Promise.race([
      flush().catch(() => undefined),
      // A longer timer would fire at once.
      new Promise<void>((done) => timers.add(clock.after(Math.min(timeout, 2 ** 31 - 1), done))),
    ]);
    endAll();
    return left.splice(0).map(toUnsent);
  }

  const { signal } = settings;
  if (signal?.aborted) endAll();
  signal?.addEventListener("abort", endAll);

  const send = safely(enqueue);
  const flush = safely(() => allOf([...kept].map(({ settled }) => settled)));
  const takeTurn = safely(waitForRoom);
  const client = {
    send,
    sendMany: safely((messages: readonly OutgoingMessage[]) =>
      allOf(messages.map(({ groupId, payload, ...options }) => send(groupId, payload, options))),
    ),
    ready: () => (turn = takeTurn(turn)),
    flush,
    pausedGroups,
    resume: safely(resume),
    resumeAll: safely((how: "replay" | "skip") =>
      allOf(pausedGroups().map(async ({ groupId }) => resume(groupId, how))),
    ),
    close: safely(close),
    async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
      ensure(!(await close()).length, "NOT_SENT", "close() gives the rest");
    },
    get activeGroups() {
      return lanes.size;
    },
  };
  return client as unknown as FifoClient<Payload>;
}

const FULL = "maxPending reached";

/** Gives a call a new promise, a new budget and a new count. */
function begin(call: Call): Call {
  call.settled = new Promise((resolve, reject) => {
    call.succeed = resolve;
    call.failWith = reject;
  });
  call.tries = 0;
  call.startedAt = undefined;
  call.lastAttempt = undefined;
  return call;
}

/** Makes of what `act` throws a rejection, and one that may be ignored: it is never reported as unhandled. */
function safely<Args extends unknown[], Result>(
  act: (...args: Args) => Result | Promise<Result>,
): (...args: Args) => Promise<Result> {
  return (...args) => {
    const promise = (async () => act(...args))();
    promise.catch(() => undefined);
    return promise;
  };
}

/** All results, or once all have settled, all errors. */
async function allOf<Result>(promises: readonly Promise<Result>[]): Promise<Result[]> {
  const errors = (await Promise.allSettled(promises)).flatMap((one) => (one.status === "rejected" ? one.reason : []));
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} failed.`);
  return Promise.all(promises);
}

function tell<Event>(hook: ((event: Event) => void) | undefined, event: Event): void {
  if (hook) void safely(hook)(event);
}

function describe({ ids, attempts, lastAttempt }: Call): MessageAttempt {
  return { ...ids, attempt: attempts, code: lastAttempt?.code };
}

function toUnsent(call: Call): UnsentMessage {
  // What the schema made of the payload, without the group id that fillMessage() has put in front; `body` is its bin.
  let { body, payload } = call;
  if (body) ({ [GROUP_ID_FIELD]: body, ...payload } = JSON.parse(body));
  return { ...call.ids, payload, outcome: outcomeOf(call) };
}
