import assert from "node:assert/strict";
import { test } from "node:test";
import type { Delivery } from "./soak/delivery.ts";
import { type Evidence, type Found, judge, type Sent, type SetAside } from "./soak/verdict.ts";

const QUEUE = "queue-1";
const at = (n: number): Found => ({ queue: QUEUE, groupId: "10", n });

/** Dead-lettered or discarded at a time. */
const aside = (n: number, time: number): SetAside => ({ ...at(n), at: time });

/** A message that the gateway accepted. */
const sent = (n: number, more: Partial<Sent> = {}): Sent => ({
  ...at(n),
  told: "accepted",
  messageId: `id-${more.groupId ?? "10"}-${n}`,
  ...more,
});

/** One of its deliveries; `time` is the backend's clock. */
const delivery = (n: number, time: number, more: Partial<Delivery> = {}): Delivery => ({
  ...at(n),
  at: time,
  edit: 0,
  messageId: `id-${more.groupId ?? "10"}-${n}`,
  idempotencyKey: `${QUEUE}/${more.groupId ?? "10"}/key-${n}`,
  attempt: "1",
  answer: "accepted",
  ...more,
});

const evidence = (more: Partial<Evidence>): Evidence => ({
  queues: [QUEUE, "queue-2"],
  ended: true,
  sent: [],
  deliveries: [],
  deadLettered: [],
  discarded: [],
  edited: [],
  parked: [],
  waiting: [],
  everParked: [],
  ...more,
});

/** Kind and counter of each violation. */
const wrong = (more: Partial<Evidence>) => judge(evidence(more)).violations.map(({ kind, n }) => `${kind} ${n}`);

test("each message accepted once and in order is a good run", () => {
  const verdict = judge(evidence({ sent: [sent(1), sent(2)], deliveries: [delivery(1, 1), delivery(2, 2)] }));
  assert.equal(verdict.ok, true);
  assert.deepEqual(verdict.violations, []);
  const { sent: calls, accepted, deliveredOnce, lost, reordered } = verdict.all;
  assert.deepEqual(
    { calls, accepted, deliveredOnce, lost, reordered },
    { calls: 2, accepted: 2, deliveredOnce: 2, lost: 0, reordered: 0 },
  );
  assert.equal(verdict.queues["queue-2"]?.sent, 0);
});

test("accepted by the gateway and nowhere is lost, whatever the backend answered to it", () => {
  assert.deepEqual(wrong({ sent: [sent(1), sent(2)], deliveries: [delivery(1, 1)] }), ["lost 2"]);
  assert.deepEqual(wrong({ sent: [sent(1)], deliveries: [delivery(1, 1, { answer: "rejected" })] }), ["lost 1"]);
  assert.deepEqual(wrong({ sent: [sent(1)], deliveries: [delivery(1, 1, { answer: "unavailable" })] }), ["lost 1"]);
});

test("a lost message is called so once, and not by those behind it", () => {
  assert.deepEqual(wrong({ sent: [sent(1), sent(2), sent(3)], deliveries: [delivery(2, 1), delivery(3, 2)] }), [
    "lost 1",
  ]);
});

test("what the producer does not know of, or knows to be refused, cannot be lost", () => {
  assert.deepEqual(wrong({ sent: [sent(1, { told: "unknown" }), sent(2, { told: "refused" })] }), []);
});

test("accepted out of the order of sending is reordered", () => {
  const verdict = judge(
    evidence({ sent: [sent(1), sent(2), sent(3)], deliveries: [delivery(1, 1), delivery(3, 2), delivery(2, 3)] }),
  );
  assert.equal(verdict.ok, false);
  assert.deepEqual(
    verdict.violations.map(({ kind, groupId, n }) => ({ kind, groupId, n })),
    [{ kind: "reordered", groupId: "10", n: 3 }],
  );
  assert.match(verdict.violations[0]?.detail ?? "", /before 2 was settled/);
  assert.equal(verdict.queues[QUEUE]?.reordered, 1);
});

test("tried before the one ahead of it is settled is reordered, though the acceptances are in order", () => {
  assert.deepEqual(
    wrong({
      sent: [sent(1), sent(2)],
      deliveries: [delivery(2, 1, { answer: "unavailable" }), delivery(1, 2), delivery(2, 3)],
    }),
    ["reordered 2"],
  );
});

test("an unknown message that is delivered has its place, too", () => {
  const calls = [sent(1, { told: "unknown", messageId: undefined }), sent(2)];
  assert.deepEqual(wrong({ sent: calls, deliveries: [delivery(1, 1), delivery(2, 2)] }), []);
  assert.deepEqual(wrong({ sent: calls, deliveries: [delivery(2, 1), delivery(1, 2)] }), ["reordered 2"]);
});

test("a second delivery under the same key is no reorder, and is counted", () => {
  const deliveries = [delivery(1, 1), delivery(2, 2), delivery(1, 3), delivery(2, 4), delivery(3, 5)];
  const verdict = judge(evidence({ sent: [sent(1), sent(2), sent(3)], deliveries }));
  assert.deepEqual(verdict.violations, []);
  assert.equal(verdict.all.deliveredAgain, 2);
  assert.equal(verdict.all.deliveredOnce, 1);
});

test("groups have nothing to do with each other", () => {
  const other = { groupId: "11" };
  assert.deepEqual(
    wrong({
      sent: [sent(1), sent(2), sent(1, other), sent(2, other)],
      deliveries: [delivery(1, 1, other), delivery(1, 2), delivery(2, 3), delivery(2, 4, other)],
    }),
    [],
  );
});

test("one that is dead-lettered lets the next one go on, but not before", () => {
  const calls = [sent(1), sent(2)];
  const deliveries = [delivery(1, 1, { answer: "rejected" }), delivery(2, 5)];
  assert.deepEqual(wrong({ sent: calls, deliveries, deadLettered: [aside(1, 4)] }), []);
  assert.deepEqual(wrong({ sent: calls, deliveries, deadLettered: [aside(1, 6)] }), ["reordered 2"]);
  assert.deepEqual(wrong({ sent: calls, deliveries, deadLettered: [aside(1, 9), aside(1, 4)] }), []);
});

test("one that is discarded lets the next one go on, but not before", () => {
  const calls = [sent(1), sent(2)];
  const deliveries = [delivery(1, 1, { answer: "rejected" }), delivery(2, 5)];
  assert.deepEqual(wrong({ sent: calls, deliveries, discarded: [aside(1, 5)] }), []);
  assert.deepEqual(wrong({ sent: calls, deliveries, discarded: [aside(1, 6)] }), ["reordered 2"]);
});

test("what passes a parked message is reordered, though the parked one is never delivered", () => {
  assert.deepEqual(wrong({ ended: false, sent: [sent(1), sent(2)], deliveries: [delivery(2, 5)], parked: [at(1)] }), [
    "reordered 2",
  ]);
});

test("one message in two places is a violation", () => {
  const run = { sent: [sent(1)], deliveries: [delivery(1, 1)] };
  assert.deepEqual(wrong({ ...run, deadLettered: [aside(1, 1)] }), ["two-places 1"]);
  assert.deepEqual(wrong({ ...run, discarded: [aside(1, 1)] }), ["two-places 1"]);
  assert.deepEqual(wrong({ ...run, parked: [at(1)] }), ["two-places 1", "stuck 1"]);
});

test("what is left at the end is stuck, and in a run that was cut short it only waits", () => {
  const run = { sent: [sent(1), sent(2)], parked: [at(1)], waiting: [at(2)] };
  assert.deepEqual(wrong(run), ["stuck 1", "stuck 2"]);
  const soFar = judge(evidence({ ...run, ended: false }));
  assert.equal(soFar.ok, true);
  assert.equal(soFar.all.waiting, 2);
});

test("a delivery without an idempotency-key is a violation, and so is a key that changes or is shared", () => {
  assert.deepEqual(wrong({ sent: [sent(1)], deliveries: [delivery(1, 1, { idempotencyKey: null })] }), ["no-key 1"]);
  const changed = [delivery(1, 1), delivery(1, 2, { idempotencyKey: "another" })];
  assert.deepEqual(wrong({ sent: [sent(1)], deliveries: changed }), ["wrong-key 1"]);
  const shared = [delivery(1, 1, { idempotencyKey: "one" }), delivery(2, 2, { idempotencyKey: "one" })];
  assert.deepEqual(wrong({ sent: [sent(1), sent(2)], deliveries: shared }), ["wrong-key 2"]);
});

test("two messages of the queue that are one of the producer's are a violation", () => {
  const twice = [delivery(1, 1), delivery(1, 2, { messageId: "id-of-a-second-one" })];
  assert.deepEqual(wrong({ sent: [sent(1)], deliveries: twice }), ["doubled 1"]);
});

test("what was refused to its producer and is there is a violation", () => {
  const refused = [sent(1, { told: "refused", messageId: undefined })];
  assert.deepEqual(wrong({ sent: refused, deliveries: [delivery(1, 1)] }), ["refused-yet-there 1"]);
  assert.deepEqual(wrong({ sent: refused, waiting: [at(1)], ended: false }), ["refused-yet-there 1"]);
});

test("an edited message is accepted with its new body", () => {
  const run = { sent: [sent(1)], edited: [at(1)], everParked: [at(1)] };
  assert.deepEqual(wrong({ ...run, deliveries: [delivery(1, 1)] }), ["stale-body 1"]);
  const verdict = judge(
    evidence({ ...run, deliveries: [delivery(1, 1, { answer: "rejected" }), delivery(1, 2, { edit: 1 })] }),
  );
  assert.deepEqual(verdict.violations, []);
  const { parked, replayed, edited } = verdict.all;
  assert.deepEqual({ parked, replayed, edited }, { parked: 1, replayed: 0, edited: 1 });
});

test("a delivery of what nobody sent is a violation", () => {
  assert.deepEqual(wrong({ deliveries: [delivery(7, 1)] }), ["stranger 7"]);
});
