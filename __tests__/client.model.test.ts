import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { serveModelGateway } from "./helpers/client-model-gateway.ts";
import { runPlan } from "./helpers/client-model-run.ts";
import { plans } from "./helpers/client-model-script.ts";

/** What the runs together must have gone through, so that none of it is left out unseen. */
const EXPECTED = `batch, retry, pause, flush, abortClient, close, close in time, close cut off, late landing, sent again,
  accept, refuse, busy, broken, unnamed, poison, storm, quota, moved, down, odd, reset, cut, hang, stall,
  resume replay rejected, resume replay unknown, resume skip rejected, resume skip unknown,
  abort pending, abort pending in flight, GroupPausedError GROUP_PAUSED unsent,
  FifoClientError ABORTED unsent, FifoClientError CLOSED unsent, FifoClientError INVALID_PAYLOAD unsent,
  FifoClientError TOO_MANY_PENDING unsent, SendError ABORTED rejected, SendError ABORTED unknown, SendError TIMEOUT unknown`;

test("whatever callers, network and gateway do, each group is accepted in order, nothing twice, and nothing is lost silently", async () => {
  await using gateway = await serveModelGateway();
  const happened = new Map<string, number>();
  const property = fc.asyncProperty(plans, (plan) =>
    runPlan(gateway, plan, (what) => void happened.set(what, (happened.get(what) ?? 0) + 1)),
  );
  // Side by side, since a run is partly waiting for the network.
  const asserts = Array.from({ length: 2 }, () => fc.assert(property, { numRuns: 200 }));
  for (const result of await Promise.allSettled(asserts)) if (result.status === "rejected") throw result.reason;
  assert.deepEqual(
    EXPECTED.split(/,\s+/).filter((what) => !happened.has(what)),
    [],
  );
});
