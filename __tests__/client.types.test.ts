import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  createFifoClient,
  type FifoClient,
  type FifoClientError,
  type FifoClientErrorCode,
  type FifoClientOptions,
  type GroupPausedError,
  type Hooks,
  type Issue,
  isFifoClientError,
  isGroupPausedError,
  isSendError,
  type MessageAttempt,
  type Outcome,
  type OutgoingMessage,
  type PausedGroup,
  type PayloadOf,
  type QueuePayloads,
  type RequestEvent,
  type ResponseEvent,
  type RetryEvent,
  type SchemaResult,
  type SendError,
  type SendOptions,
  type SendResult,
  type SequenceWarning,
  type StandardSchema,
  type UnsentMessage,
} from "../sdk/client/src/index.ts";

interface Alarm {
  readonly transSeq: string;
  readonly level?: number;
}
interface Report {
  readonly report: number;
}
interface Queues {
  "queue-1": Alarm;
  "queue-2": Report;
}

const options = { endpoint: "http://127.0.0.1:9/none", apiKey: "k" };

/** Whether two types are the same, and not only assignable to each other. */
type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;

/** Takes `true` only: `same<Same<Found, Expected>>()`. */
function same<Verdict extends true>(): Verdict | undefined {
  return undefined;
}

// The functions below are never called: what counts is what the type checker says about them.

export function payloadsWithoutAType(alarm: Alarm): void {
  const client = createFifoClient({ ...options, queue: "queue-1" });
  void client.send("10", { anything: [1, { deep: true }] });
  void client.send("10", alarm, { deduplicationId: "a1" });
  // @ts-expect-error the client sets MessageGroupID itself
  void client.send("10", { MessageGroupID: "10" });
  // @ts-expect-error an array is no JSON object
  void client.send("10", [1]);
  // @ts-expect-error a text is no JSON object
  void client.send("10", "text");
  // @ts-expect-error nothing is no JSON object
  void client.send("10");
  // @ts-expect-error a group id is a string
  void client.send(10, {});
}

export function payloadsOfAQueue(alarm: Alarm): void {
  const client: FifoClient<Alarm> = createFifoClient<{ "queue-1": Alarm }>({ ...options, queue: "queue-1" });
  void client.send("10", { transSeq: "1" });
  void client.send("10", alarm);
  // @ts-expect-error transSeq is missing
  void client.send("10", {});
  // @ts-expect-error no such field
  void client.send("10", { transSeq: "1", trnsSeq: "1" });
  // @ts-expect-error a text, not a number
  void client.send("10", { transSeq: 1 });
  // @ts-expect-error the client sets MessageGroupID itself
  void client.send("10", { transSeq: "1", MessageGroupID: "10" });
  // @ts-expect-error no such queue
  createFifoClient<{ "queue-1": Alarm }>({ ...options, queue: "queue-2" });

  const second = createFifoClient<Queues, "queue-2">({ ...options, queue: "queue-2" });
  same<Same<typeof second, FifoClient<Report>>>();
  void second.send("10", { report: 1 });
  // @ts-expect-error the payload of another queue
  void second.send("10", alarm);

  const forbidden = createFifoClient<{ "queue-1": { MessageGroupID: string } }>({ ...options, queue: "queue-1" });
  // @ts-expect-error a payload type with MessageGroupID fits nothing
  void forbidden.send("10", { MessageGroupID: "10" });

  const payload: PayloadOf<Alarm> = { transSeq: "1" };
  void client.send("10", payload);
  // @ts-expect-error the client sets MessageGroupID itself
  const withGroup: PayloadOf<Alarm> = { transSeq: "1", MessageGroupID: "10" };
  // @ts-expect-error an array is no payload
  const list: PayloadOf<object> = [];
  const map: QueuePayloads = { "queue-1": { transSeq: "1" } };
  // @ts-expect-error a text is no payload
  const texts: QueuePayloads = { "queue-1": "text" };
  void [withGroup, list, map, texts];
}

export function payloadsOfASchema(own: StandardSchema<Alarm, Report>): void {
  const zod = createFifoClient({ ...options, queue: "queue-1", schema: z.object({ transSeq: z.string() }) });
  same<Same<typeof zod, FifoClient<{ transSeq: string }>>>();
  void zod.send("10", { transSeq: "1" });
  // @ts-expect-error a text, not a number
  void zod.send("10", { transSeq: 1 });
  // @ts-expect-error the client sets MessageGroupID itself
  void zod.send("10", { transSeq: "1", MessageGroupID: "10" });

  // What the caller passes is the schema's input, not what it makes of it.
  const changing = z.object({ at: z.string().transform((text) => new Date(text)), level: z.number().default(1) });
  const dates = createFifoClient({ ...options, queue: "queue-1", schema: changing });
  void dates.send("10", { at: "2026-01-31" });
  // @ts-expect-error a text, which the schema makes a date of
  void dates.send("10", { at: new Date() });

  const valibot = createFifoClient({ ...options, queue: "queue-1", schema: v.object({ transSeq: v.string() }) });
  void valibot.send("10", { transSeq: "1" });
  // @ts-expect-error transSeq is missing
  void valibot.send("10", {});

  const arktype = createFifoClient({ ...options, queue: "queue-1", schema: type({ transSeq: "string" }) });
  void arktype.send("10", { transSeq: "1" });
  // @ts-expect-error transSeq is missing
  void arktype.send("10", {});

  const ours = createFifoClient({ ...options, queue: "queue-1", schema: own });
  same<Same<typeof ours, FifoClient<Alarm>>>();

  // With a map of queues, the schema has to fit its queue.
  const mapped = createFifoClient<{ "queue-1": Alarm }>({
    ...options,
    queue: "queue-1",
    schema: z.object({ transSeq: z.string() }),
  });
  same<Same<typeof mapped, FifoClient<Alarm>>>();
  createFifoClient<Queues, "queue-2">({
    ...options,
    queue: "queue-2",
    // @ts-expect-error the schema of another queue
    schema: z.object({ transSeq: z.string() }),
  });
  // @ts-expect-error no such option
  createFifoClient({ ...options, queue: "queue-1", schema: own, retries: 3 });
  // @ts-expect-error not a schema
  createFifoClient({ ...options, queue: "queue-1", schema: { parse: (value: unknown) => value } });
}

export function schemasOfOnesOwn(): void {
  const issue: Issue = { message: "too short", path: ["transSeq", 0, { key: "level" }] };
  const good: SchemaResult<Alarm> = { value: { transSeq: "1" } };
  const bad: SchemaResult<Alarm> = { issues: [issue] };
  // @ts-expect-error neither a value nor issues
  const neither: SchemaResult<Alarm> = {};
  const schema: StandardSchema<Alarm> = {
    "~standard": { version: 1, vendor: "own", validate: async () => (Math.random() < 1 ? good : bad) },
  };
  createFifoClient<{ "queue-1": Alarm }>({ ...options, queue: "queue-1", schema });
  // @ts-expect-error there is no version 2
  const other: StandardSchema<Alarm> = { "~standard": { version: 2, vendor: "own", validate: () => good } };
  void [neither, other];
}

export function callsAndTheirResults(client: FifoClient<Alarm>, signal: AbortSignal): void {
  const result: Promise<SendResult> = client.send("10", { transSeq: "1" });
  same<Same<keyof SendResult, "messageId" | "sequenceNumber" | "deduplicationId">>();
  same<Same<SendResult[keyof SendResult], string>>();
  // @ts-expect-error a result is only read
  void ((sent: SendResult) => (sent.messageId = "m"));
  void result;

  const all: SendOptions = {
    deduplicationId: "a1",
    signal,
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  void client.send("10", { transSeq: "1" }, all);
  void client.send("10", { transSeq: "1" }, { deduplicationId: undefined, signal: undefined, traceparent: undefined });
  // @ts-expect-error no such option
  void client.send("10", { transSeq: "1" }, { dedupId: "a1" });
  // @ts-expect-error a signal, not its controller
  void client.send("10", { transSeq: "1" }, { signal: new AbortController() });

  const messages: OutgoingMessage<Alarm>[] = [{ groupId: "10", payload: { transSeq: "1" }, ...all }];
  const results: Promise<SendResult[]> = client.sendMany(messages);
  void results;
  void client.sendMany([{ groupId: "10", payload: { transSeq: "1" }, deduplicationId: "a1" }]);
  // @ts-expect-error each message has its group
  void client.sendMany([{ payload: { transSeq: "1" } }]);
  // @ts-expect-error each message has its payload
  void client.sendMany([{ groupId: "10", payload: {} }]);
  // @ts-expect-error the client sets MessageGroupID itself
  void client.sendMany([{ groupId: "10", payload: { transSeq: "1", MessageGroupID: "10" } }]);
  // @ts-expect-error a list, not one message
  void client.sendMany({ groupId: "10", payload: { transSeq: "1" } });
}

export async function theLifeOfAClient(client: FifoClient<Alarm>): Promise<void> {
  const flushed: Promise<void> = client.flush();
  const ready: Promise<void> = client.ready();
  const groups: number = client.activeGroups;
  const unsent: UnsentMessage[] = await client.close({ timeout: 1_000 });
  for (const { groupId, deduplicationId, outcome, payload } of unsent) {
    same<Same<typeof groupId | typeof deduplicationId, string>>();
    same<Same<typeof outcome, Outcome>>();
    same<Same<typeof payload, unknown>>();
  }
  void [flushed, ready, groups, await client.close()];
  // @ts-expect-error in milliseconds, as a number
  await client.close({ timeout: "1s" });
  // @ts-expect-error no such option
  await client.close({ timeoutMilliseconds: 1 });
  await using disposed = client;
  void disposed;
  // @ts-expect-error its end can only be waited for
  using synchronous = client;
  void synchronous;
}

export function pausesAndResumes(client: FifoClient<Alarm>): void {
  const replayed: Promise<SendResult> = client.resume("10", "replay");
  const skipped: Promise<void> = client.resume("10", "skip");
  const allReplayed: Promise<void> = client.resumeAll("replay");
  const allSkipped: Promise<void> = client.resumeAll("skip");
  void [replayed, skipped, allReplayed, allSkipped];
  // @ts-expect-error no such way
  void client.resume("10", "again");
  // @ts-expect-error one has to say how
  void client.resumeAll();
  const paused: PausedGroup[] = client.pausedGroups();
  for (const { groupId, cause } of paused) {
    same<Same<typeof groupId, string>>();
    same<Same<typeof cause, SendError>>();
  }
}

export function allOptions(signal: AbortSignal): void {
  const all: FifoClientOptions<"queue-1", Alarm> = {
    ...options,
    queue: "queue-1",
    concurrency: 16,
    maxBatchSize: 10,
    maxPending: 10_000,
    attemptTimeoutMilliseconds: 30_000,
    retryBudgetMilliseconds: 240_000,
    onFailure: "continue",
    schema: z.object({ transSeq: z.string() }),
    signal,
    onRequest: () => undefined,
  };
  createFifoClient<{ "queue-1": Alarm }>(all);
  // @ts-expect-error the key is required
  const withoutKey: FifoClientOptions = { endpoint: "https://fifo.kimalarm.example", queue: "queue-1" };
  // @ts-expect-error the queue is required
  createFifoClient(options);
  // @ts-expect-error no such option
  createFifoClient({ ...options, queue: "queue-1", retries: 3 });
  // @ts-expect-error the unit is in the name
  createFifoClient({ ...options, queue: "queue-1", attemptTimeout: 3 });
  // @ts-expect-error no such way
  createFifoClient({ ...options, queue: "queue-1", onFailure: "ignore" });
  // @ts-expect-error a number
  createFifoClient({ ...options, queue: "queue-1", concurrency: "16" });
  void withoutKey;
}

export function hooksAndTheirEvents(): void {
  const hooks: Required<Hooks> = {
    onRequest(event) {
      same<Same<typeof event, RequestEvent>>();
      const [first]: readonly MessageAttempt[] = event.messages;
      same<Same<MessageAttempt["groupId" | "deduplicationId"], string>>();
      same<Same<MessageAttempt["attempt"], number>>();
      const code: FifoClientErrorCode | undefined = first?.code;
      void code;
    },
    onResponse(event) {
      same<Same<typeof event, ResponseEvent>>();
      same<Same<typeof event.milliseconds, number>>();
      const status: number | undefined = event.status;
      const requestId: string | undefined = event.requestId;
      void [status, requestId];
    },
    onRetry(event) {
      same<Same<typeof event, RetryEvent>>();
      same<Same<typeof event.delayMilliseconds, number>>();
    },
    onGroupPaused(group) {
      same<Same<typeof group, PausedGroup>>();
    },
    onWarning(warning) {
      same<Same<typeof warning, SequenceWarning>>();
      same<Same<typeof warning.code, "SEQUENCE_NOT_GROWING">>();
      same<Same<typeof warning.sequenceNumber | typeof warning.previousSequenceNumber, string>>();
    },
  };
  createFifoClient({ ...options, queue: "queue-1", ...hooks });
  // @ts-expect-error an event has no payload
  createFifoClient({ ...options, queue: "queue-1", onRequest: ({ payload }) => payload });
  // @ts-expect-error no such hook
  const misspelt: Hooks = { onRespond: () => undefined };
  void misspelt;
}

export function errorsAndTheirGuards(failure: unknown): void {
  if (isSendError(failure)) {
    same<Same<typeof failure, SendError>>();
    same<Same<typeof failure.outcome, "rejected" | "unknown">>();
    same<Same<typeof failure.groupId | typeof failure.deduplicationId, string>>();
    same<Same<typeof failure.gatewayMessage, string | undefined>>();
  }
  if (isGroupPausedError(failure)) {
    same<Same<typeof failure, GroupPausedError>>();
    same<Same<typeof failure.cause, SendError>>();
    same<Same<typeof failure.groupId, string>>();
  }
  if (isFifoClientError(failure)) {
    same<Same<typeof failure, FifoClientError>>();
    same<Same<typeof failure.outcome, Outcome>>();
    same<Same<typeof failure.attempts, number>>();
    const status: number | undefined = failure.status;
    const requestId: string | undefined = failure.requestId;
    const issues: readonly Issue[] | undefined = failure.issues;
    void [status, requestId, issues];
    // @ts-expect-error the codes are a union, and this is none of them
    void (failure.code === "NO_SUCH_CODE");
    // @ts-expect-error an error is only read
    failure.code = "TIMEOUT";
  }
  // @ts-expect-error a guard comes first
  void failure.code;
  const codes: FifoClientErrorCode[] = [
    "GROUP_PAUSED",
    "ABORTED",
    "CLOSED",
    "NOT_SENT",
    "TOO_MANY_PENDING",
    "QUOTA_EXCEEDED",
  ];
  // @ts-expect-error not any text
  const anyText: FifoClientErrorCode = "timeout" as string;
  const outcomes: Record<Outcome, true> = { unsent: true, rejected: true, unknown: true };
  void [codes, anyText, outcomes];
}

test("what the compiler refuses is refused at run time too", async () => {
  const client = createFifoClient({ ...options, queue: "queue-1" });
  // @ts-expect-error the client sets MessageGroupID itself
  await assert.rejects(client.send("10", { MessageGroupID: "10" }), { code: "INVALID_PAYLOAD" });
  // @ts-expect-error an array is no JSON object
  await assert.rejects(client.send("10", [1]), { code: "INVALID_PAYLOAD" });
  // @ts-expect-error a group id is a string
  await assert.rejects(client.send(10, {}), { code: "INVALID_GROUP_ID" });
});

test("every name that the package exports has its type test here", () => {
  const exports = textOf("../sdk/client/src/index.ts").replace(/\bfrom "[^"]*";|\b(export|type)\b/g, "");
  const exported: string[] = exports.match(/\w+/g) ?? [];
  const [, tests = ""] = textOf("client.types.test.ts").split('from "../sdk/client/src/index.ts";');
  const code = tests.replace(/"[^"]*"/g, "");
  assert.ok(exported.includes("createFifoClient") && exported.includes("StandardSchema"));
  const untested = exported.filter((name) => !new RegExp(`\\b${name}\\b`).test(code));
  assert.deepEqual(untested, []);
});

function textOf(file: string): string {
  return readFileSync(join(import.meta.dirname, file), "utf8");
}
