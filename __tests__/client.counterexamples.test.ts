import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isSendError } from "../sdk/client/src/index.ts";
import { openClient, serveGateway, steppedClock } from "./helpers/client-gateway.ts";
import { serveModelGateway } from "./helpers/client-model-gateway.ts";
import { runPlan } from "./helpers/client-model-run.ts";
import type { Plan } from "./helpers/client-model-script.ts";

/** The simplest plan of each kind that the model once found a broken promise with. */
async function keepsItsPromises(plan: Partial<Plan>): Promise<void> {
  await using gateway = await serveModelGateway();
  await runPlan(gateway, {
    concurrency: 1,
    maxBatchSize: 10,
    maxPending: 1_000,
    attemptTimeoutMilliseconds: 30_000,
    retryBudgetMilliseconds: 240_000,
    onFailure: "pause",
    fates: [[{ kind: "accept", after: 0 }]],
    checks: [],
    steps: [],
    settled: false,
    timeout: undefined,
    ...plan,
  });
}

test("close does not give back what an asynchronous schema has refused meanwhile", () =>
  keepsItsPromises({ checks: [{ kind: "refuse-async", after: 0 }], steps: [{ do: "send", group: "a" }] }));

test("close gives back the payload of a message that an asynchronous schema is still at", () =>
  keepsItsPromises({ checks: [{ kind: "async", after: 60_000 }], steps: [{ do: "send", group: "a" }], timeout: 0 }));

test("close does not give back what its caller has taken back meanwhile: what was behind it has gone on", () =>
  keepsItsPromises({
    checks: [{ kind: "async", after: 0 }],
    steps: [
      { do: "send", group: "b" },
      { do: "send", group: "b" },
      { do: "close", timeout: 0 },
      { do: "abort", back: 1 },
    ],
  }));

test("close does not give back what was given up meanwhile with onFailure continue: what was behind it has gone on", () =>
  keepsItsPromises({
    onFailure: "continue",
    fates: [[{ kind: "refuse" }], [{ kind: "accept", after: 0 }]],
    steps: [
      { do: "send", group: "c" },
      { do: "send", group: "c" },
    ],
  }));

test("close ends a client that was aborted, and gives back what then was queued", () =>
  keepsItsPromises({ steps: [{ do: "send", group: "a" }, { do: "abortClient" }] }));

test("close gives back a message whose group was paused meanwhile, also when its caller aborts it then", () =>
  keepsItsPromises({
    fates: [[{ kind: "broken", lands: "never" }]],
    steps: [
      { do: "send", group: "a" },
      { do: "send", group: "a" },
      { do: "close", timeout: 30_000 },
      { do: "pass", milliseconds: 0 },
      // Of the three sends from the last one on: the first, whose request is answered, then what was behind it.
      { do: "abort", back: 1 },
      { do: "abort", back: 0 },
    ],
  }));

test("a second close gives back nothing twice", () =>
  keepsItsPromises({
    fates: [[{ kind: "broken", lands: "never" }]],
    steps: [
      { do: "send", group: "a" },
      { do: "close", timeout: 0 },
    ],
    settled: true,
  }));

test("no timer goes on after close, whatever was in flight", () =>
  keepsItsPromises({
    fates: [[{ kind: "accept", after: 5_000 }]],
    steps: [{ do: "send", group: "a" }],
    timeout: 1_000,
  }));

test("no timer goes on after close with onFailure continue, whatever was in flight", () =>
  keepsItsPromises({
    onFailure: "continue",
    fates: [[{ kind: "accept", after: 5_000 }]],
    steps: [{ do: "send", group: "a" }],
    timeout: 1_000,
  }));

test("a replay whose repetition lands after SQS's five minutes lets nothing overtake it", () =>
  keepsItsPromises({
    attemptTimeoutMilliseconds: 2_000,
    retryBudgetMilliseconds: 20_000,
    fates: [
      // Taken at once; then, 290 s later, an attempt that lands when SQS has forgotten the first, and one before that.
      [
        { kind: "hang", lands: "now" },
        { kind: "quota" },
        { kind: "hang", lands: 29_999 },
        { kind: "accept", after: 0 },
      ],
      [{ kind: "accept", after: 0 }],
    ],
    steps: [
      { do: "send", group: "a" },
      { do: "pass", milliseconds: 290_000 },
      { do: "resume", at: 0, how: "replay" },
      { do: "send", group: "a" },
    ],
    settled: true,
  }));

test("with onFailure continue, the end of a budget frees a place when it is that message's turn, before sendMany tells", () =>
  keepsItsPromises({
    maxBatchSize: 1,
    maxPending: 3,
    onFailure: "continue",
    fates: [[{ kind: "hang", lands: "never" }]],
    steps: [
      { do: "sendMany", groups: ["a", "b"] },
      { do: "send", group: "c" },
      { do: "sendWhenReady", group: "d" },
      // The first budget is over, and the slot is still another one's.
      { do: "pass", milliseconds: 245_000 },
      { do: "pass", milliseconds: 30_000 },
      // One place is left of the two that became free.
      { do: "send", group: "d" },
      { do: "send", group: "d" },
    ],
  }));

test("with onFailure continue, the end of a budget frees a place, also when the rest of its sendMany goes on", () =>
  keepsItsPromises({
    maxBatchSize: 1,
    maxPending: 2,
    onFailure: "continue",
    fates: [[{ kind: "hang", lands: "never" }]],
    steps: [
      { do: "sendMany", groups: ["a", "b"] },
      { do: "pass", milliseconds: 240_000 },
      { do: "send", group: "c" },
      { do: "send", group: "d" },
    ],
  }));

test("with onFailure continue, a group whose message was taken back is at rest when the wait before its retry is over", () =>
  keepsItsPromises({
    onFailure: "continue",
    fates: [[{ kind: "storm", seconds: 45 }]],
    steps: [
      { do: "send", group: "a" },
      { do: "pass", milliseconds: 0 },
      { do: "abort", back: 0 },
    ],
    settled: true,
  }));

test("an answer that never ends is timed out, also when the garbage was collected meanwhile", {
  timeout: 10_000,
}, async (t) => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  const { endpoint } = await serveGateway(t, () => ({ status: 200, body: "{", unfinished: true }));
  const clock = steppedClock();
  const budget = { attemptTimeoutMilliseconds: 1_000, retryBudgetMilliseconds: 1_000 };
  const begun = new Promise<void>((done) => {
    const onHeaders = (event: unknown) => {
      const { request } = event as { readonly request: { readonly origin: string } };
      if (request.origin === new URL(endpoint).origin) done();
    };
    subscribe("undici:request:headers", onHeaders);
    t.after(() => unsubscribe("undici:request:headers", onHeaders));
  });
  const sent = openClient(endpoint, clock, budget).send("a", {});
  await begun;
  // Nothing but the waiting call may be needed to end it. The client is at its answer's body a few turns later.
  for (let turns = 0; turns < 20; turns += 1) {
    await new Promise((done) => setTimeout(done, 1));
    collectGarbage();
  }
  clock.advance(1_000);
  await assert.rejects(sent, (error) => isSendError(error) && error.outcome === "unknown");
});
