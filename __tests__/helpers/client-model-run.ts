import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { getEventListeners } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import { openFifoClient } from "../../sdk/client/src/client.ts";
import type { Clock } from "../../sdk/client/src/clock.ts";
import { DEDUPLICATION_WINDOW_MILLISECONDS, GATEWAY_TIMEOUT_MILLISECONDS } from "../../sdk/client/src/contract.ts";
import type { FifoClientError } from "../../sdk/client/src/errors.ts";
import {
  type FifoClient,
  isFifoClientError,
  isGroupPausedError,
  isSendError,
  type SendResult,
  type UnsentMessage,
} from "../../sdk/client/src/index.ts";
import { parseOptions, type RequestEvent, type ResponseEvent, type RetryEvent } from "../../sdk/client/src/options.ts";
import { API_KEY } from "./client-gateway.ts";
import { modelClock } from "./client-model-clock.ts";
import { add, type Entry, type Fate, type Site, type serveModelGateway } from "./client-model-gateway.ts";
import { modelQueue } from "./client-model-queue.ts";
import { type Check, GROUPS, type Plan, type Step } from "./client-model-script.ts";

type Gateway = Awaited<ReturnType<typeof serveModelGateway>>;

/** One message and what its caller has been told. */
interface Sent {
  readonly n: number;
  readonly groupId: string;
  readonly id: string;
  readonly signal: AbortController;
  /** How many the client kept when it was sent. */
  keptBefore: number;
  /**
   * `failed`: it failed and keeps its group paused. `given-up`: it failed, and the group goes on without it. `unsent`: no
   * request was made for it.
   */
  phase: "pending" | "accepted" | "failed" | "given-up" | "unsent";
  outcome: "unsent" | "rejected" | "unknown" | undefined;
  promise: Promise<unknown>;
  /** Until when it can land after a request without a clear answer. */
  landsUntil: number;
  /** Its outcome comes with that of others. */
  many: boolean;
  /** Whether its first promise was kept, by the client's hooks: `sendMany` tells it late. */
  first: "accepted" | undefined;
  /** When its running budget began. */
  startedAt: number | undefined;
  abortedInFlight: boolean;
  /** Whether it was aborted while it was pending. */
  aborted: boolean;
  /** Whether that was before its first attempt. */
  takenBack: boolean;
  /** Whether the schema has refused it. */
  refused: boolean;
  /** Whether it was ended by the client's end. */
  cutOff: boolean;
  /** Grows with every resume: what the caller is told of before it comes too late. */
  resumes: number;
}

let runs = 0;

/** What a run went through, so that a test can say that the runs together went through everything. */
export type Happened = (what: string) => void;

/** Runs a plan against the client and throws at the first promise that the client breaks. */
export async function runPlan(gateway: Gateway, plan: Plan, happened: Happened = () => undefined): Promise<void> {
  const log: string[] = [];
  try {
    await run(gateway, plan, log, happened);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${log.join("\n")}`, { cause: error });
  }
}

async function run(gateway: Gateway, plan: Plan, log: string[], happened: Happened): Promise<void> {
  runs += 1;
  const name = `run-${runs}`;
  /** Requests as the client's hooks tell them, and as the server holds them, by their first message's id. */
  const flying = new Map<string, number>();
  const held = new Map<string, number>();
  let passing = 0;
  const clock = modelClock(() => {
    const differ = [...new Set([...flying.keys(), ...held.keys()])].filter((id) => flying.get(id) !== held.get(id));
    if (passing > 0) differ.push("a step");
    return differ.join(" ");
  });
  const note = (text: string) => void log.push(`${String(clock.now()).padStart(9)} ${text}`);
  const queue = modelQueue(clock.now);
  const messages: Sent[] = [];
  const byId = new Map<string, Sent>();
  /** The first broken promise; what runs in hooks and handlers cannot throw. */
  let broken: Error | undefined;
  const must = (condition: boolean, text: string) => {
    if (condition) return;
    note(`BROKEN: ${text}`);
    broken ??= new Error(text);
  };

  // The server's side.

  const attempts = new Map<string, number>();
  const refused = new Map<string, boolean>();
  const fateOf = new Map<string, Fate["kind"]>();
  const groupsOf = new Map<string, readonly string[]>();
  const ended = new Map<string, number>();
  const inFlight = new Set<string>();
  let benign = false;
  const arrived = (entries: readonly Entry[], connection: string, batch: boolean): readonly Fate[] | undefined => {
    const groups = entries.map(({ groupId }) => groupId);
    groupsOf.set(connection, groups);
    const [{ deduplicationId: first } = {} as Entry] = entries;
    // A request that was given up before the server had read it, and time has passed since: the network has lost it.
    if (!inFlight.has(first) && clock.now() > (ended.get(first) ?? 0)) return undefined;
    must(new Set(groups).size === groups.length, `a request holds two messages of one group: ${groups}`);
    must(batch ? entries.length >= 2 && entries.length <= plan.maxBatchSize : entries.length === 1, "batch size");
    const fates = entries.map((entry) => {
      const attempt = attempts.get(entry.deduplicationId) ?? 0;
      attempts.set(entry.deduplicationId, attempt + 1);
      checkTurn(entry);
      if (benign) return { kind: "accept", after: 0 } as const;
      const row = plan.fates[entry.n % plan.fates.length] ?? [];
      const fate = row[Math.min(attempt, row.length - 1)] as Fate;
      fateOf.set(entry.deduplicationId, fate.kind);
      return fate;
    });
    note(`server: ${entries.map(({ n, groupId }, at) => `${groupId}${n} ${inspect(fates[at])}`).join(", ")}`);
    if (batch) happened("batch");
    for (const { kind } of fates) happened(kind);
    return fates;
  };
  /** Nobody is before its turn: everything earlier of the group is settled, and none of it can still land. */
  const checkTurn = ({ n, groupId, deduplicationId }: Entry) => {
    seeGivenUp();
    const own = messages[n];
    must(own?.id === deduplicationId && own.groupId === groupId, `${n} came as ${groupId} ${deduplicationId}`);
    for (const other of messages.slice(0, n)) {
      if (other.groupId !== groupId || other.phase === "accepted") continue;
      const settled = other.phase === "unsent" || other.phase === "given-up";
      must(settled, `${n} is sent while ${other.n} is ${other.phase}`);
      must(clock.now() >= other.landsUntil || other.phase === "failed", `${n} is sent while ${other.n} can still land`);
    }
  };
  const site = (key: string): Site => ({
    name: key,
    clock,
    queue,
    arrived,
    refused,
    held,
    landed(text) {
      note(`late: ${text}`);
      happened("late landing");
    },
  });
  gateway.sites.set(name, site(name));

  // The client's side.

  /** Known as soon as the client does it: its caller is told in a microtask. */
  const leaveUnsent = (one: Sent) => {
    one.phase = "unsent";
    one.outcome = "unsent";
  };

  const requestStarted = new Map<string, number>();
  /** When the last wait before a retry ends: its group waits for that long also when nothing is left to be tried again. */
  let retriesUntil = 0;
  /** Too little is left of its budget for another attempt. */
  const budgetIsOver = ({ startedAt }: Sent) => {
    const { attemptTimeoutMilliseconds, retryBudgetMilliseconds: budget } = plan;
    return (
      startedAt !== undefined && clock.now() > startedAt + budget - Math.min(attemptTimeoutMilliseconds, budget / 10)
    );
  };
  /**
   * With `onFailure: "continue"`, a message whose budget ends while it waits for a slot fails without a hook, and its place
   * is free long before `sendMany` tells: once all the others have settled. But the client lets go of its signal.
   */
  const seeGivenUp = () => {
    if (plan.onFailure === "pause") return;
    for (const one of messages) {
      if (one.phase !== "pending" || inFlight.has(one.id) || !budgetIsOver(one)) continue;
      if (getEventListeners(one.signal.signal, "abort").length === 0) one.phase = "given-up";
    }
  };
  const hooks = {
    onRequest({ messages: some }: RequestEvent) {
      add(flying, some[0]?.deduplicationId ?? "", 1);
      must(benign || flying.size <= plan.concurrency, `${flying.size} requests are in flight`);
      for (const { groupId, deduplicationId, attempt } of some) {
        must(!inFlight.has(groupId), `a second request of ${groupId} begins`);
        inFlight.add(groupId).add(deduplicationId);
        const before = requestStarted.get(deduplicationId) ?? 0;
        must(attempt === before + 1 || benign, `attempt ${attempt} of ${deduplicationId} after ${before}`);
        requestStarted.set(deduplicationId, attempt);
        const one = byId.get(deduplicationId);
        if (!one) continue;
        must(one.phase === "pending", `a request begins for ${one.n}, which is ${one.phase}`);
        must(benign || !budgetIsOver(one), `a request begins for ${one.n}, whose budget is over`);
        one.startedAt ??= clock.now();
      }
    },
    onResponse({ messages: some, status }: ResponseEvent) {
      add(flying, some[0]?.deduplicationId ?? "", -1);
      note(`client: ${some.map(({ deduplicationId, code }) => `${deduplicationId} ${code ?? "accepted"}`).join(", ")}`);
      for (const { groupId, deduplicationId, code } of some) {
        inFlight.delete(groupId);
        inFlight.delete(deduplicationId);
        ended.set(deduplicationId, clock.now());
        const one = byId.get(deduplicationId);
        if (!one) continue;
        const clear = status !== undefined && refused.get(deduplicationId);
        if (code !== undefined && !clear) one.landsUntil = clock.now() + GATEWAY_TIMEOUT_MILLISECONDS;
        // Unless it is tried again, which the next hook tells.
        if (code !== undefined && plan.onFailure === "continue" && one.phase === "pending") one.phase = "given-up";
        // What was aborted in flight is not taken, whatever the answer is.
        const ignored = one.abortedInFlight;
        one.abortedInFlight = false;
        if (ignored) one.landsUntil = clock.now() + GATEWAY_TIMEOUT_MILLISECONDS;
        else if (code === undefined) {
          one.phase = "accepted";
          if (one.resumes === 0) one.first = "accepted";
        }
      }
    },
    onRetry({ messages: some, delayMilliseconds }: RetryEvent) {
      happened("retry");
      retriesUntil = Math.max(retriesUntil, clock.now() + Math.ceil(delayMilliseconds));
      for (const { deduplicationId } of some) {
        const one = byId.get(deduplicationId);
        if (one?.phase === "given-up") one.phase = "pending";
      }
    },
    onGroupPaused({ groupId, cause }: { groupId: string; cause: FifoClientError }) {
      note(`paused: ${groupId} by ${cause.deduplicationId} ${cause.code} ${cause.outcome}`);
      happened("pause");
      const head = byId.get(cause.deduplicationId ?? "");
      if (!head || head.groupId !== groupId || head.phase !== "pending") return must(false, `paused by ${head?.phase}`);
      head.phase = "failed";
      head.outcome = cause.outcome;
      for (const one of messages) if (one.groupId === groupId && one.phase === "pending") leaveUnsent(one);
    },
    onWarning: (warning: object) => must(false, `warning ${inspect(warning)}`),
  };
  /** The client's own timers, apart from the server's. */
  let timers = 0;
  const clientClock: Clock = {
    now: clock.now,
    after(milliseconds, wake) {
      let open = true;
      timers += 1;
      const end = () => {
        if (open) timers -= 1;
        open = false;
      };
      const cancel = clock.after(milliseconds, () => {
        end();
        wake();
      });
      return () => {
        end();
        cancel();
      };
    },
  };
  const abortAll = new AbortController();
  const createClient = (endpoint: string, options: object): FifoClient =>
    openFifoClient(
      parseOptions({
        endpoint,
        apiKey: API_KEY,
        queue: "queue-1",
        maxBatchSize: plan.maxBatchSize,
        ...hooks,
        ...options,
      }),
      clientClock,
    );
  const refuseLater = (n: number) => {
    const one = messages[n];
    if (one?.phase === "pending") leaveUnsent(one);
  };
  const client = createClient(`${gateway.endpoint}/${name}`, {
    concurrency: plan.concurrency,
    maxPending: plan.maxPending,
    attemptTimeoutMilliseconds: plan.attemptTimeoutMilliseconds,
    retryBudgetMilliseconds: plan.retryBudgetMilliseconds,
    onFailure: plan.onFailure,
    signal: abortAll.signal,
    ...(plan.checks.length > 0 && { schema: schemaOf(plan.checks, refuseLater, clock.after) }),
  });
  let closed = false;
  /** What the client kept when it began to end. */
  let ending: readonly Sent[] | undefined;
  let closes = 0;
  let closesDone = 0;
  const kept = () => {
    seeGivenUp();
    return messages.filter(({ phase }) => phase === "pending" || phase === "failed");
  };

  /** All promises that the client has given, with their names. */
  const unsettled = new Map<Promise<unknown>, string>();
  const watch = <Result>(what: string, promise: Promise<Result>): Promise<Result> => {
    unsettled.set(promise, what);
    const forget = () => unsettled.delete(promise);
    promise.then(forget, forget);
    return promise;
  };

  const create = (groupId: string, many = false): Sent => {
    const n = messages.length;
    const one: Sent = {
      n,
      groupId,
      id: `id-${n}`,
      signal: new AbortController(),
      keptBefore: 0,
      phase: "pending",
      outcome: undefined,
      promise: Promise.resolve(),
      landsUntil: 0,
      many,
      first: undefined,
      cutOff: false,
      refused: false,
      aborted: false,
      abortedInFlight: false,
      takenBack: false,
      startedAt: undefined,
      resumes: 0,
    };
    messages.push(one);
    byId.set(one.id, one);
    return one;
  };

  /** What the client refuses at once. */
  const refusedAtOnce = ({ n, groupId, keptBefore }: Sent) =>
    closed ||
    keptBefore >= plan.maxPending ||
    messages.some((one) => one.groupId === groupId && one.phase === "failed") ||
    (plan.checks.length > 0 && checkOf(plan.checks, n).kind === "refuse");

  /** Takes down what the caller is told. */
  const follow = (one: Sent, promise: Promise<SendResult>) => {
    one.phase = "pending";
    one.promise = watch(`${one.groupId}${one.n}`, promise);
    const { resumes } = one;
    promise.then(
      (result) => accepted(one, result),
      (error: unknown) => failed(one, error, resumes),
    );
  };
  const accepted = (one: Sent, { messageId, sequenceNumber, deduplicationId }: SendResult) => {
    note(`told: ${one.n} accepted`);
    must(one.phase === "accepted", `${one.n} is accepted when it is ${one.phase}`);
    one.phase = "accepted";
    one.outcome = undefined;
    const there = queue.taken.some(
      (taken) =>
        taken.n === one.n &&
        taken.deduplicationId === deduplicationId &&
        taken.messageId === messageId &&
        taken.sequenceNumber === sequenceNumber,
    );
    must(there && deduplicationId === one.id, `${one.n} is said to be in the queue`);
  };
  const failed = (one: Sent, error: unknown, resumes = 0) => {
    if (!isFifoClientError(error)) return must(false, `${one.n} failed with ${inspect(error)}`);
    note(`told: ${one.n} ${error.code} ${error.outcome}`);
    happened(`${error.name} ${error.code} ${error.outcome}`);
    const outdated = one.resumes > resumes;
    if (!outdated) one.outcome = error.outcome;
    if (isSendError(error)) {
      one.cutOff = error.code === "ABORTED" && !one.aborted;
      if (!outdated) one.phase = plan.onFailure === "pause" ? "failed" : "given-up";
      must(
        error.deduplicationId === one.id && (outdated || error.attempts === requestStarted.get(one.id)),
        `${one.n} is told another one's failure`,
      );
      const own = error.code !== "MESSAGE_REFUSED" || /^(refuse|poison)$/.test(fateOf.get(one.id) ?? "");
      // Unless its budget was over before there was a slot for it alone.
      const late = clock.now() - (one.startedAt ?? 0) > 0.9 * plan.retryBudgetMilliseconds - 20_000;
      must(own || late || outdated, `${one.n} is refused for another message`);
      return;
    }
    must(!outdated, `${one.n} was resumed, and fails with ${error.code}`);
    one.phase = "unsent";
    must(error.outcome === "unsent", `${one.n} is ${error.outcome} without an attempt`);
    if (isGroupPausedError(error)) {
      const head = byId.get(error.cause.deduplicationId);
      const ahead = head?.groupId === one.groupId && head.n < one.n && (head.phase === "failed" || head.resumes > 0);
      must(ahead, `${one.n} is behind ${head?.n}, ${head?.phase}`);
    } else if (error.code === "ABORTED") {
      must(one.signal.signal.aborted || closed, `${one.n} was not aborted`);
    } else if (error.code === "CLOSED") must(closed, `${one.n} is closed, the client is not`);
    else if (error.code === "TOO_MANY_PENDING")
      must(one.keptBefore >= plan.maxPending, `${one.keptBefore} are too many`);
    else if (error.code === "INVALID_PAYLOAD") {
      one.refused = true;
      must(checkOf(plan.checks, one.n).kind.startsWith("refuse"), `${one.n} was not refused by the schema`);
    } else must(false, `${one.n} failed with ${error.code}`);
  };

  const send = (groupId: string) => {
    const before = kept().length;
    const one = create(groupId);
    one.keptBefore = before;
    note(`send ${groupId}${one.n}`);
    const { id: deduplicationId, signal } = one;
    follow(one, client.send(groupId, { n: one.n }, { deduplicationId, signal: signal.signal }));
    if (refusedAtOnce(one)) leaveUnsent(one);
  };
  const sendMany = (groups: readonly string[]) => {
    let before = kept().length;
    const some = groups.map((groupId) => create(groupId, true));
    note(`sendMany ${some.map(({ n, groupId }) => groupId + n).join(" ")}`);
    const promise = watch(
      "sendMany",
      client.sendMany(
        some.map(({ n, groupId, id: deduplicationId, signal: { signal } }) => ({
          groupId,
          payload: { n },
          deduplicationId,
          signal,
        })),
      ),
    );
    for (const one of some) {
      one.promise = promise;
      one.keptBefore = before;
      if (refusedAtOnce(one)) leaveUnsent(one);
      else before += 1;
    }
    void tellMany(some, promise);
  };
  const tellMany = async (some: readonly Sent[], promise: Promise<SendResult[]>) => {
    try {
      const results = await promise;
      must(results.length === some.length, "sendMany results");
      for (const [at, one] of some.entries()) accepted(one, results[at] as SendResult);
    } catch (error) {
      const { errors } = error as AggregateError;
      note(`told: sendMany ${errors.map(({ code, deduplicationId }) => `${deduplicationId} ${code}`).join(", ")}`);
      const rest = some.filter(({ first }) => first !== "accepted");
      must(errors.length === rest.length, `${errors.length} of sendMany failed, not ${rest.length}`);
      // In the order of the calls, and each names its message.
      for (const [at, one] of rest.entries()) {
        const { deduplicationId } = errors[at];
        const named = deduplicationId === one.id || /^(CLOSED|TOO_MANY_PENDING)$/.test(errors[at].code);
        must(named, `${deduplicationId} failed, not ${one.id}`);
        failed(one, errors[at]);
      }
    }
  };
  const resume = (at: number, how: "replay" | "skip") => {
    const all = client.pausedGroups();
    const paused = all[at % Math.max(1, all.length)];
    const groupId = paused?.groupId ?? "a";
    const one = paused && !closed ? byId.get(paused.cause.deduplicationId) : undefined;
    note(`resume ${groupId} ${how}${one ? ` ${one.n}` : ", nothing to"}`);
    if (one) {
      happened(`resume ${how} ${one.outcome}`);
      one.resumes += 1;
      one.startedAt = undefined;
    }
    const promise = how === "replay" ? client.resume(groupId, "replay") : client.resume(groupId, "skip");
    void watch<unknown>(`resume ${groupId}`, promise);
    if (one && how === "replay") follow(one, promise as Promise<SendResult>);
    else if (one) {
      one.phase = "given-up";
      promise.catch((error: Error) => must(false, `skip failed with ${error}`));
    } else {
      const expected = closed ? "CLOSED" : "GROUP_NOT_PAUSED";
      promise.then(
        () => must(false, "nothing to resume, and no error"),
        ({ code }) => must(code === expected, `resume failed with ${code}`),
      );
    }
  };
  const resumeAll = (how: "replay" | "skip") => {
    const heads = closed ? [] : messages.filter(({ phase }) => phase === "failed");
    note(`resumeAll ${how} ${heads.map(({ n }) => n).join(" ")}`);
    for (const one of heads) {
      happened(`resume ${how} ${one.outcome}`);
      one.resumes += 1;
      one.startedAt = undefined;
      one.phase = how === "skip" ? "given-up" : "pending";
      one.many = true;
    }
    const promise = watch("resumeAll", client.resumeAll(how));
    if (how === "replay") for (const one of heads) one.promise = promise;
  };
  const close = async (timeout: number | undefined) => {
    ending ??= kept();
    const before = ending;
    const start = clock.now();
    happened("close");
    note(`close ${timeout ?? ""}: ${before.map(({ n }) => n).join(" ")}`);
    closed = true;
    closes += 1;
    const promise = watch("close", client.close(timeout === undefined ? {} : { timeout }));
    const unsent = await promise;
    closesDone += 1;
    note(`closed: ${unsent.map(({ deduplicationId, outcome }) => `${deduplicationId} ${outcome}`).join(", ")}`);
    const took = clock.now() - start;
    must(took <= (timeout ?? 30_000), `close took ${took} ms`);
    // Until its callers have been told too.
    passing += 1;
    await turn();
    passing -= 1;
    checkUnsent(before, unsent);
    happened(before.some(({ cutOff }) => cutOff) ? "close cut off" : "close in time");
    const early = closes === 1 && took < (timeout ?? 30_000) && !abortAll.signal.aborted;
    must(!early || !before.some(({ cutOff }) => cutOff), "close does not wait");
  };
  /** What close() gives back, what is in the queue and what was taken back by its caller is everything. */
  const checkUnsent = (before: readonly Sent[], unsent: readonly UnsentMessage[]) => {
    const returned = new Set(unsent.map(({ deduplicationId }) => deduplicationId));
    const order = unsent.map(({ deduplicationId }) => byId.get(deduplicationId)?.n ?? -1);
    must(order.join() === order.toSorted((a, b) => a - b).join(), `close gives back ${order}`);
    for (const one of before) {
      must(one.phase !== "pending", `${one.n} is pending after close`);
      if (one.phase === "accepted") must(!returned.has(one.id), `${one.n} is in the queue and given back`);
      else {
        const known =
          one.takenBack ||
          checkOf(plan.checks, one.n).kind.startsWith("refuse") ||
          (one.phase === "given-up" && !one.cutOff);
        must(returned.has(one.id) || left.has(one.id) || known, `${one.n} is lost`);
      }
    }
    for (const { groupId, payload, deduplicationId, outcome } of unsent) {
      const one = byId.get(deduplicationId);
      if (!one || !before.includes(one)) return must(false, `${deduplicationId} is given back, it was not kept`);
      must(!left.has(deduplicationId), `${one.n} is given back twice`);
      must(one.groupId === groupId && outcome === one.outcome, `${one.n} is given back as ${groupId} ${outcome}`);
      must(!one.refused, `${one.n} is given back, the schema has refused it`);
      // What was behind it has gone on.
      must(!one.takenBack, `${one.n} is given back, its caller has taken it back`);
      must(one.phase !== "given-up" || one.cutOff, `${one.n} is given back, it was given up`);
      left.set(deduplicationId, one);
      must((payload as { n?: number }).n === one.n, `${one.n} is given back with the payload ${inspect(payload)}`);
    }
  };
  /** What close() gave back. */
  const left = new Map<string, Sent>();
  const sendWhenReady = async (groupId: string) => {
    try {
      await watch("ready", client.ready());
      must(kept().length < plan.maxPending, "ready, and there is no room");
      send(groupId);
    } catch (error) {
      const code = isFifoClientError(error) ? error.code : inspect(error);
      const full = kept().length >= plan.maxPending && kept().every(({ phase }) => phase === "failed");
      must(code === "CLOSED" ? closed : code === "TOO_MANY_PENDING" && full, `ready failed with ${code}`);
    }
  };
  const flush = async () => {
    const waiting = kept();
    // The client keeps nothing then.
    const over = abortAll.signal.aborted || closesDone > 0;
    happened("flush");
    note(`flush: ${waiting.map(({ n }) => n).join(" ")}`);
    const [flushed, ...settled] = await Promise.allSettled([
      watch("flush", client.flush()),
      ...waiting.map(({ promise }) => promise),
    ]);
    const failures = flushed.status === "rejected" ? (flushed.reason as AggregateError).errors.length : 0;
    const expected = settled.filter((one, at) => one.status === "rejected" && !waiting[at]?.many).length;
    must(over || failures >= expected, `flush tells of ${failures} failures, there were ${expected}`);
  };
  const perform = (step: Step): void | Promise<void> => {
    switch (step.do) {
      case "send":
        return send(step.group);
      case "sendMany":
        return sendMany(step.groups);
      case "sendWhenReady":
        void sendWhenReady(step.group);
        return;
      case "pass":
        return clock.pass(step.milliseconds).then(checkIdle);
      case "abort": {
        const pending = messages.filter(({ phase }) => phase === "pending");
        const some = pending.length > 0 ? pending : messages;
        const one = some.at(-1 - (step.back % Math.max(1, some.length)));
        note(`abort ${one?.n}`);
        if (one) happened(`abort ${one.phase}${inFlight.has(one.id) ? " in flight" : ""}`);
        // The signal is its send()'s, and has no say in a replay.
        if (one?.phase !== "pending" || one.resumes > 0) return one?.signal.abort();
        one.aborted = true;
        one.abortedInFlight = inFlight.has(one.id);
        one.signal.abort();
        if (requestStarted.has(one.id)) {
          if (plan.onFailure === "continue") one.phase = "given-up";
          return;
        }
        one.takenBack = true;
        leaveUnsent(one);
        return;
      }
      case "resume":
        return resume(step.at, step.how);
      case "resumeAll":
        return resumeAll(step.how);
      case "flush":
        void flush();
        return;
      case "abortClient":
        note("abort the client");
        happened("abortClient");
        ending ??= kept();
        closed = true;
        abortAll.abort();
        for (const one of messages.filter(({ phase }) => phase === "pending")) {
          if (requestStarted.has(one.id)) one.phase = "given-up";
          else leaveUnsent(one);
        }
        return;
      case "close":
        void close(step.timeout);
        return;
    }
  };
  /** What holds whenever nothing is under way. */
  const checkIdle = () => {
    const paused = client.pausedGroups().map(({ groupId }) => groupId);
    const expected = messages.filter(({ phase }) => phase === "failed").map(({ groupId }) => groupId);
    must(paused.toSorted().join() === expected.toSorted().join(), `paused are ${paused}, not ${expected}`);
    seeGivenUp();
    for (const { n, phase, outcome, promise } of messages) {
      if (phase !== "given-up" || outcome !== undefined) continue;
      // With the others of its sendMany.
      const waits = messages.some((other) => other.promise === promise && other.phase === "pending");
      must(waits, `${n} is given up, its caller was not told`);
    }
  };

  using overlaps = watchOverlaps(gateway.endpoint, name);
  for (const step of plan.steps) {
    const passed = perform(step);
    if (passed) await passed;
    if (broken) throw broken;
  }
  const settleAll = async () => {
    await clock.settle();
    while (unsettled.size > 0) if (!(await clock.step())) break;
    must(unsettled.size === 0, `never settled: ${[...unsettled.values()].join(", ")}`);
    if (broken) throw broken;
  };
  if (plan.settled) {
    await settleAll();
    await clock.pass(Math.max(GATEWAY_TIMEOUT_MILLISECONDS, retriesUntil - clock.now()));
    checkIdle();
    const { activeGroups } = client;
    must(closed || activeGroups === client.pausedGroups().length, `${activeGroups} groups are active`);
  }
  void close(plan.timeout);
  await settleAll();
  must(flying.size === 0, "requests go on after close");
  must(timers === 0, `${timers} timers go on after close`);

  // Another client sends what the first one gave back.

  // At once, unless what can still land is not sent again, or was sent first so long ago that SQS can have forgotten it.
  const waits = messages
    .filter(({ phase, resumes }) => phase === "given-up" || resumes > 0)
    .map(({ landsUntil }) => landsUntil - clock.now());
  await clock.pass(Math.max(0, ...waits));
  benign = true;
  const next = createClient(`${gateway.endpoint}/${name}-next`, {});
  gateway.sites.set(`${name}-next`, site(`${name}-next`));
  const again = [...left.values()];
  for (const one of again) {
    happened("sent again");
    note(`send again ${one.groupId}${one.n}`);
    follow(one, next.send(one.groupId, { n: one.n }, { deduplicationId: one.id }));
  }
  await settleAll();
  for (const { n, phase } of again) must(phase === "accepted", `${n} sent again is ${phase}`);
  await clock.pass(2 * GATEWAY_TIMEOUT_MILLISECONDS);
  must(clock.pending() === 0, `${clock.pending()} timers are left`);
  gateway.sites.delete(name);
  gateway.sites.delete(`${name}-next`);

  // What the queue holds in the end.

  note(`queue: ${queue.taken.map(({ groupId, n, at }) => `${groupId}${n}@${at}`).join(" ")}`);
  for (const one of messages) {
    const copies = queue.taken.filter(({ n }) => n === one.n);
    const [first, ...repeated] = copies;
    must(
      copies.every(({ deduplicationId }) => deduplicationId === one.id),
      `${one.n} has two deduplication ids`,
    );
    for (const { at } of repeated)
      must(first !== undefined && at - first.at >= DEDUPLICATION_WINDOW_MILLISECONDS, `${one.n} is there twice`);
    if (one.phase === "accepted") must(first !== undefined, `${one.n} was accepted and is not there`);
    else if (one.outcome !== "unknown") must(first === undefined, `${one.n} is ${one.outcome} and in the queue`);
  }
  for (const groupId of GROUPS) {
    const order = queue.taken.filter((one) => one.groupId === groupId).map(({ n }) => n);
    must(order.join() === order.toSorted((a, b) => a - b).join(), `${groupId} is in the order ${order}`);
  }
  for (const groupId of overlaps.of(groupsOf)) must(false, `two requests of ${groupId} were in flight`);
  if (broken) throw broken;
}

function checkOf(checks: readonly Check[], n: number): Check {
  return checks[n % checks.length] ?? { kind: "sync" };
}

/** A Standard Schema that takes its time, and adds a field. */
function schemaOf(checks: readonly Check[], refuses: (n: number) => void, after: Clock["after"]) {
  const validate = (value: unknown) => {
    const { n } = value as { n: number };
    const check = checkOf(checks, n);
    const result = check.kind.startsWith("refuse") ? { issues: [{ message: "no" }] } : { value: { n, checked: true } };
    if (!("after" in check)) return result;
    return new Promise<typeof result>((done) => {
      after(check.after, () => {
        if ("issues" in result) refuses(n);
        done(result);
      });
    });
  };
  return { "~standard": { version: 1 as const, vendor: "test", validate } };
}

/**
 * Watches one client's requests from Node's fetch, whatever its hooks say. The server tells which groups came over which
 * connection; it cannot see itself what the client has given up.
 */
function watchOverlaps(endpoint: string, name: string) {
  const { origin } = new URL(endpoint);
  const events: { readonly connection: string; readonly begins: boolean }[] = [];
  const connections = new WeakMap<object, string>();
  const read = (event: unknown) => {
    const { request, socket } = event as Published;
    return request.origin === origin && request.path.startsWith(`/${name}/`) ? { request, socket } : undefined;
  };
  const begin = (event: unknown) => {
    const { socket } = event as Published;
    const one = read(event);
    const count = (requestsOf.get(socket) ?? 0) + 1;
    if ((event as Published).request.origin === origin && claimed.get((event as Published).request) === undefined) {
      claimed.set((event as Published).request, true);
      requestsOf.set(socket, count);
      if (one) {
        const connection = `${socket.localPort}#${count}`;
        connections.set(one.request, connection);
        events.push({ connection, begins: true });
      }
    }
  };
  const end = (event: unknown) => {
    const one = read(event);
    const connection = one && connections.get(one.request);
    if (connection !== undefined) events.push({ connection, begins: false });
  };
  const handlers = [
    ["undici:client:sendHeaders", begin],
    ["undici:request:trailers", end],
    ["undici:request:error", end],
  ] as const;
  for (const [channel, handler] of handlers) subscribe(channel, handler);
  return {
    /** Groups of which a request began before the one before it had ended. */
    of(groupsOf: ReadonlyMap<string, readonly string[]>): string[] {
      const open = new Map<string, string>();
      const found: string[] = [];
      for (const { connection, begins } of events) {
        for (const groupId of groupsOf.get(connection) ?? []) {
          if (begins && open.has(groupId)) found.push(groupId);
          if (begins) open.set(groupId, connection);
          else if (open.get(groupId) === connection) open.delete(groupId);
        }
      }
      return found;
    },
    [Symbol.dispose]() {
      for (const [channel, handler] of handlers) unsubscribe(channel, handler);
    },
  };
}

interface Published {
  readonly request: { readonly origin: string; readonly path: string };
  readonly socket: { readonly localPort: number };
}

/** Counted here too, as the server counts: a connection's requests come one after the other. */
const requestsOf = new WeakMap<object, number>();
const claimed = new WeakMap<object, boolean>();
