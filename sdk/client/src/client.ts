/// <reference lib="esnext.disposable" preserve="true" />
import type { Accepted, Failed } from "./answer.ts";
import { type Clock, systemClock } from "./clock.ts";
import { GATEWAY_TIMEOUT_MILLISECONDS, GROUP_ID_FIELD, SQS_MAX_MESSAGE_BYTES } from "./contract.ts";
import { GroupPausedError, type Outcome, refusal } from "./errors.ts";
import { outcomeOf, sendError } from "./failure.ts";
import type { Call, Flight, Lane, SendResult } from "./lane.ts";
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
   * The promise never becomes an unhandled rejection, so it may be ignored; a failure then shows in
   * {@link pausedGroups}, in {@link flush} and in every later `send()` of the group.
   *
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
   *   client.send(site, alarm);
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
   * there twice (at least once, that is).
   *
   * Rejects with {@link FifoClientError} `GROUP_NOT_PAUSED` when there is nothing to resume.
   */
  resume(groupId: string, how: "replay"): Promise<SendResult>;
  /**
   * `"skip"` gives the failed message up. When its outcome is `unknown`, later messages of the group wait until 30 s
   * after its last attempt, the longest that it can still take to land.
   */
  resume(groupId: string, how: "skip"): Promise<void>;
  /** {@link resume} for every paused group. Rejects with an `AggregateError` of what failed, once all have settled. */
  resumeAll(how: "replay" | "skip"): Promise<void>;
  /**
   * Takes nothing new, waits for what is on its way, then ends it.
   *
   * @param options.timeout how long to wait, in milliseconds (default 30000, at most 2147483647); what is then still
   *   queued or in flight fails with `CLOSED`
   * @returns every kept message that is not known to be in the queue, in the order of the calls: to be stored and sent
   *   after a restart. Messages that had failed before are among them only if their group is still paused by them.
   */
  close(options?: { readonly timeout?: number }): Promise<UnsentMessage[]>;
  /** `close()` at the end of an `await using` block. Throws {@link FifoClientError} `NOT_SENT` when something is left. */
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

/** Creates a client whose payload type is what the schema takes. */
export function createFifoClient<Schema extends StandardSchema<never, unknown>>(
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
  const lanes = new Map<string, Lane>();
  /** Lanes whose head can be sent as soon as there is a slot. */
  const ready = new Set<Lane>();
  /** What `maxPending` bounds, in the order of the calls: each call until it is accepted or has failed, and the failed one of a paused group. */
  const kept = new Set<Call>();
  const flights = new Set<Flight>();
  const timers = new Set<() => void>();
  /** Until when a group sends nothing, since a message that was given up can still land. */
  const quietUntil = new Map<string, number>();
  const checkSequence = watchSequence();
  /**
   * No attempt begins with less time than this, in milliseconds: cut off before its answer, it would only make an
   * `unknown` of what was a clear refusal.
   */
  const shortestAttempt = Math.min(settings.attemptTimeoutMilliseconds, settings.retryBudgetMilliseconds / 10);
  let requests = 0;
  let scheduled = false;
  let closed = false;
  let queueForRoom: Promise<unknown> = Promise.resolve();
  let roomChanged: (() => void) | undefined;

  // A message's way: enqueue -> proceed -> dispatch -> fly -> accepted, held for a retry, or failed.

  function enqueue(groupId: string, payload: unknown, options: SendOptions): Call {
    checkOpen();
    forgetQuiet();
    const message = createMessage(groupId, options);
    const lane = lanes.get(groupId) ?? { groupId, calls: [], held: false, paused: undefined };
    const { signal } = options;
    if (signal?.aborted) throw refusal("ABORTED", "The signal was aborted before the call", message);
    if (lane.paused) throw new GroupPausedError(groupId, lane.paused.cause);
    if (kept.size >= settings.maxPending) {
      throw refusal("TOO_MANY_PENDING", `${kept.size} messages are pending: await ready() before send()`, message);
    }
    const call = begin({ ...message, lane, attempts: 0 } as Call);
    const checked = settings.schema ? validate(settings.schema, payload, groupId) : { value: payload };
    if (checked instanceof Promise) {
      checked
        .then(({ value }) => fillMessage(call, value))
        .then(
          () => void (kept.has(call) && proceed(lane)),
          (error: Error) => drop(call, error),
        );
    } else fillMessage(call, checked.value);
    if (signal) {
      const onAbort = () => abort(call, "ABORTED");
      signal.addEventListener("abort", onAbort);
      call.stopListening = () => signal.removeEventListener("abort", onAbort);
    }
    kept.add(call);
    lanes.set(groupId, lane);
    lane.calls.push(call);
    proceed(lane);
    return call;
  }

  /** Brings a lane to its next step, if there is one now. */
  function proceed(lane: Lane): void {
    const [head] = lane.calls;
    if (lane.held || lane.paused) return;
    if (!head) {
      ready.delete(lane);
      lanes.delete(lane.groupId);
      return;
    }
    if (!head.body) return;
    const wait = (quietUntil.get(lane.groupId) ?? 0) - clock.now();
    if (wait > 0) hold([lane], wait);
    else {
      ready.add(lane);
      schedule();
    }
  }

  /** Lanes that are held together go on together, so that they share a request again. */
  function hold(some: readonly Lane[], milliseconds: number): void {
    for (const lane of some) lane.held = true;
    const cancel = clock.after(milliseconds, () => {
      timers.delete(cancel);
      for (const lane of some) {
        lane.held = false;
        proceed(lane);
      }
    });
    timers.add(cancel);
  }

  /** Requests are made after all calls of a tick, so that these can share them. */
  function schedule(): void {
    if (!scheduled) queueMicrotask(dispatch);
    scheduled = true;
  }

  function dispatch(): void {
    scheduled = false;
    while (ready.size > 0 && flights.size < settings.concurrency) {
      const calls = nextBatch();
      if (calls.length > 0) void fly(calls);
    }
  }

  /** The heads of some lanes. A lane goes to the back after each request, so that a busy group does not keep the others waiting. */
  function nextBatch(): Call[] {
    const calls: Call[] = [];
    let room = SQS_MAX_MESSAGE_BYTES;
    for (const lane of ready) {
      const [head] = lane.calls;
      if (!head?.body || timeLeft(head) < shortestAttempt) {
        // It was taken back, or waited for a slot for longer than its budget lasted.
        ready.delete(lane);
        if (head?.last?.code) fail(head, head.last);
        else proceed(lane);
        continue;
      }
      room -= head.bytes;
      const alone = head.last?.alone;
      if (room < 0 || (alone && calls.length > 0)) break;
      ready.delete(lane);
      calls.push(head);
      if (alone || calls.length === settings.maxBatchSize) break;
    }
    return calls;
  }

  function timeLeft({ startedAt = clock.now() }: Call): number {
    return startedAt + settings.retryBudgetMilliseconds - clock.now();
  }

  /** One request. It holds a slot, the wait before the next one does not. */
  async function fly(calls: readonly Call[]): Promise<void> {
    const startedAt = clock.now();
    const flight: Flight = { abort: new AbortController(), open: calls.length };
    flights.add(flight);
    requests += 1;
    const request = requests;
    for (const call of calls) {
      call.flight = flight;
      call.startedAt ??= startedAt;
      call.attempts += 1;
      call.tries += 1;
      call.last = undefined;
      call.lane.held = true;
    }
    tell(settings.onRequest, { request, messages: calls.map(describe) });
    const timeout = Math.min(settings.attemptTimeoutMilliseconds, ...calls.map(timeLeft));
    const { attempts, status, requestId } = await makeRequest(settings, calls, timeout, clock, flight.abort);
    const now = clock.now();
    flights.delete(flight);
    for (const [at, call] of calls.entries()) if (call.flight === flight) call.last = attempts[at];
    tell(settings.onResponse, {
      request,
      messages: calls.map(describe),
      milliseconds: now - startedAt,
      status,
      requestId,
    });

    // One wait for all of them, so that they share their next request too.
    const delayMilliseconds = retryDelay(attempts, Math.max(...calls.map(({ tries }) => tries)));
    const again: Call[] = [];
    for (const call of calls) {
      const { lane, last } = call;
      lane.held = false;
      if (call.flight !== flight) {
        // Taken back meanwhile: from now on it can land for 30 s more, also when it was already given up.
        call.unknownSince = now;
        if (quietUntil.has(call.groupId)) giveUp(call);
        proceed(lane);
      } else if (last?.code) {
        call.flight = undefined;
        if (last.mayHaveLanded) call.unknownSince = now;
        if (last.retryable && delayMilliseconds < timeLeft(call) - shortestAttempt) again.push(call);
        else fail(call, last);
      } else if (last) accept(call, last);
    }
    if (again.length > 0) {
      hold(
        again.map(({ lane }) => lane),
        delayMilliseconds,
      );
      tell(settings.onRetry, { request, messages: again.map(describe), delayMilliseconds });
    }
    schedule();
  }

  function accept(call: Call, { messageId, sequenceNumber }: Accepted): void {
    const { lane, deduplicationId } = call;
    lane.calls.shift();
    forget(call);
    call.resolve({ messageId, sequenceNumber, deduplicationId });
    const warning = checkSequence(call, sequenceNumber);
    if (warning) tell(settings.onWarning, warning);
    proceed(lane);
  }

  /** Ends the head of a lane, and with it, unless failures are skipped, the lane. */
  function fail(call: Call, failed: Failed): void {
    const { lane, groupId } = call;
    const cause = sendError(call, failed);
    call.last = failed;
    const [, ...followers] = lane.calls.splice(0);
    if (settings.onFailure === "continue") {
      lane.calls = followers;
      forget(call);
      giveUp(call);
      call.reject(cause);
      proceed(lane);
      return;
    }
    lane.paused = { call, cause };
    call.stopListening?.();
    call.reject(cause);
    for (const follower of followers) {
      forget(follower);
      follower.reject(new GroupPausedError(groupId, cause));
    }
    roomChanged?.();
    tell(settings.onGroupPaused, { groupId, cause });
  }

  /** Takes a call back. */
  function abort(call: Call, code: "ABORTED" | "CLOSED"): void {
    const { lane, flight, attempts } = call;
    if (attempts === 0) return drop(call, refusal(code, "Taken back before it was sent", call));
    if (lane.calls[0] !== call) return;
    if (flight) {
      call.flight = undefined;
      // Until its request has ended, nobody can say when it will have landed at the latest.
      call.unknownSince = Number.POSITIVE_INFINITY;
      flight.open -= 1;
      if (flight.open === 0) flight.abort.abort();
    }
    fail(call, { code });
  }

  /** Ends a call of which no request was made; its group goes on without it. */
  function drop(call: Call, error: Error): void {
    const { calls } = call.lane;
    const at = calls.indexOf(call);
    if (at < 0) return;
    calls.splice(at, 1);
    forget(call);
    call.reject(error);
    proceed(call.lane);
  }

  function forget(call: Call): void {
    kept.delete(call);
    call.stopListening?.();
    roomChanged?.();
  }

  function giveUp({ groupId, unknownSince }: Call): void {
    if (unknownSince === undefined) return;
    quietUntil.delete(groupId);
    quietUntil.set(groupId, unknownSince + GATEWAY_TIMEOUT_MILLISECONDS);
  }

  /** Entries are nearly in the order in which they end, so looking at the oldest is enough. */
  function forgetQuiet(): void {
    for (const [groupId, end] of quietUntil) {
      if (end > clock.now()) return;
      quietUntil.delete(groupId);
    }
  }

  function send(groupId: string, payload: unknown, options: SendOptions = {}): Promise<SendResult> {
    try {
      return enqueue(groupId, payload, options).promise;
    } catch (error) {
      return quietly(Promise.reject(error));
    }
  }

  function resume(groupId: string, how: "replay"): Promise<SendResult>;
  function resume(groupId: string, how: "skip"): Promise<void>;
  function resume(groupId: string, how: "replay" | "skip"): Promise<SendResult | void>;
  function resume(groupId: string, how: "replay" | "skip"): Promise<SendResult | void> {
    const lane = lanes.get(groupId);
    try {
      checkOpen();
      if (how !== "replay" && how !== "skip") throw refusal("INVALID_OPTION", `resume() takes "replay" or "skip"`);
      if (!lane?.paused) throw refusal("GROUP_NOT_PAUSED", "The group is not paused: see pausedGroups()");
    } catch (error) {
      return quietly(Promise.reject(error));
    }
    const { call } = lane.paused;
    lane.paused = undefined;
    if (how === "replay") lane.calls.push(begin(call));
    else {
      forget(call);
      giveUp(call);
    }
    proceed(lane);
    return how === "replay" ? call.promise : Promise.resolve();
  }

  function pausedGroups(): PausedGroup[] {
    return [...lanes.values()].flatMap(({ groupId, paused }) => (paused ? { groupId, cause: paused.cause } : []));
  }

  function checkOpen(): void {
    if (closed) throw refusal("CLOSED", "The client is closed");
  }

  async function waitForRoom(): Promise<void> {
    for (;;) {
      checkOpen();
      if (kept.size < settings.maxPending) return;
      if (pausedGroups().length === kept.size) {
        throw refusal("TOO_MANY_PENDING", `All ${kept.size} pending messages are of paused groups: resume() them`);
      }
      await new Promise<void>((changed) => {
        roomChanged = changed;
      });
    }
  }

  /** Ends whatever is left. */
  function endAll(code: "ABORTED" | "CLOSED"): void {
    closed = true;
    for (const call of kept) abort(call, code);
    for (const cancel of timers) cancel();
    roomChanged?.();
  }

  async function close({ timeout = 30_000 } = {}): Promise<UnsentMessage[]> {
    closed = true;
    roomChanged?.();
    const calls = [...kept];
    let cancel: (() => void) | undefined;
    const timedOut = new Promise<void>((done) => {
      cancel = clock.after(timeout, done);
    });
    await Promise.race([timedOut, Promise.allSettled(calls.map(({ promise }) => promise))]);
    cancel?.();
    endAll("CLOSED");
    return calls.filter(({ last }) => !last || last.code).map(toUnsent);
  }

  if (settings.signal?.aborted) endAll("ABORTED");
  settings.signal?.addEventListener("abort", () => endAll("ABORTED"));

  return Object.freeze({
    send,
    sendMany: (messages: readonly OutgoingMessage[]) =>
      allOf(messages.map(({ groupId, payload, ...options }) => send(groupId, payload, options))),
    ready() {
      const turn = queueForRoom.then(waitForRoom);
      queueForRoom = turn.catch(() => undefined);
      return turn;
    },
    flush: () => allOf([...kept].map(({ promise }) => promise)).then(() => undefined),
    pausedGroups,
    resume,
    resumeAll: (how: "replay" | "skip") =>
      allOf(pausedGroups().map(({ groupId }) => resume(groupId, how))).then(() => undefined),
    close: (options?: { readonly timeout?: number }) => quietly(close(options)),
    [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]: async () => {
      const { length } = await close();
      if (length > 0)
        throw refusal("NOT_SENT", `${length} messages were not sent: call close() before, it returns them`);
    },
    get activeGroups() {
      forgetQuiet();
      return new Set([...lanes.keys(), ...quietUntil.keys()]).size;
    },
  });
}

/** Gives a call a new promise, a new budget and a new count. */
function begin(call: Call): Call {
  call.promise = quietly(
    new Promise((resolve, reject) => {
      call.resolve = resolve;
      call.reject = reject;
    }),
  );
  call.tries = 0;
  call.startedAt = undefined;
  call.last = undefined;
  return call;
}

/** A promise that may be ignored: it has a handler, so that the runtime never reports its rejection as unhandled. */
function quietly<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => undefined);
  return promise;
}

/** All results, or once all have settled, all errors. */
async function allOf<Result>(promises: readonly Promise<Result>[]): Promise<Result[]> {
  const settled = await Promise.allSettled(promises);
  const errors = settled.flatMap((one) => (one.status === "rejected" ? one.reason : []));
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} of ${promises.length} messages failed.`);
  return settled.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
}

function tell<Event>(hook: ((event: Event) => void) | undefined, event: Event): void {
  if (hook) void quietly((async () => hook(event))());
}

function describe({ groupId, deduplicationId, attempts, last }: Call): MessageAttempt {
  return { groupId, deduplicationId, attempt: attempts, code: last?.code };
}

function toUnsent(call: Call): UnsentMessage {
  const { groupId, deduplicationId, body } = call;
  const { [GROUP_ID_FIELD]: _, ...payload } = JSON.parse(body || "{}");
  return { groupId, payload, deduplicationId, outcome: outcomeOf(call) };
}
