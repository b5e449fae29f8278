import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { MAX_BODY_BYTES } from "../sdk/client/src/contract.ts";
import { bodyOfSize, takenBodies, takenKeys } from "./helpers/hostile-corpus.ts";
import { errorOf, gatewayWithQueue } from "./helpers/local-gateway.ts";

const answerSchema = z.strictObject({
  successful: z.array(
    z.strictObject({ id: z.string(), messageId: z.uuid(), sequenceNumber: z.string().regex(/^\d{20}$/) }),
  ),
  failed: z.array(z.strictObject({ id: z.string(), code: z.string(), message: z.string(), senderFault: z.boolean() })),
});

test("every taken body reaches the queue byte for byte through a batch too", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (let from = 0; from < takenBodies.length; from += 10) {
    const bodies = takenBodies.slice(from, from + 10);
    const entries = bodies.map(({ groupId, body }, at) => ({
      id: `entry_${at}-${from}`,
      groupId,
      idempotencyKey: `${from + at}${takenKeys[at % 2]?.slice(0, 100)}`,
      body,
    }));
    const answer = await gateway.post("/queue-1/batch", JSON.stringify({ entries }));
    assert.equal(answer.status, 200, answer.text);
    const { successful, failed } = answerSchema.parse(JSON.parse(answer.text));
    assert.deepEqual(failed, []);
    assert.deepEqual(
      successful.map(({ id }) => id),
      entries.map(({ id }) => id),
    );
    const queued = await gateway.take();
    const bySequence = queued.toSorted((a, b) => (a.sequenceNumber ?? "").localeCompare(b.sequenceNumber ?? ""));
    assert.deepEqual(
      bySequence.map(({ body, groupId, deduplicationId, messageId, sequenceNumber }) => [
        body,
        groupId,
        deduplicationId,
        messageId,
        sequenceNumber,
      ]),
      entries.map((entry, at) => [
        `{"data":${entry.body}}`,
        entry.groupId,
        entry.idempotencyKey,
        successful[at]?.messageId,
        successful[at]?.sequenceNumber,
      ]),
    );
  }
});

test("an entry without a key has content-based deduplication", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const entries = [{ id: "a", groupId: "10", body: '{"MessageGroupID":"10"}' }];
  await gateway.post("/queue-1/batch", JSON.stringify({ entries }));
  await gateway.post("/queue-1/batch", JSON.stringify({ entries }));
  const [queued, ...more] = await gateway.take();
  assert.match(queued?.deduplicationId ?? "", /^[0-9a-f]{64}$/);
  assert.deepEqual(more, []);
});

test("a batch that the model refuses queues nothing", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const entry = { id: "a", groupId: "10", body: "{}" };
  const refused: readonly (readonly [string, unknown])[] = [
    ["no entries", { entries: [] }],
    ["eleven entries", { entries: Array.from({ length: 11 }, (_, at) => ({ ...entry, id: `${at}` })) }],
    ["entries missing", {}],
    ["entries that are an object", { entries: entry }],
    ["a list", [entry]],
    ["an unknown field beside entries", { entries: [entry], x: 1 }],
    ["a misspelt field", { entries: [{ ...entry, idempotencykey: "a" }] }],
    ["an empty idempotencyKey", { entries: [{ ...entry, idempotencyKey: "" }] }],
    ["an idempotencyKey that is null", { entries: [{ ...entry, idempotencyKey: null }] }],
    ["an idempotencyKey of 129 characters", { entries: [{ ...entry, idempotencyKey: "k".repeat(129) }] }],
    ["an id with a quote", { entries: [{ ...entry, id: 'a"' }] }],
    ["an id of 81 characters", { entries: [{ ...entry, id: "a".repeat(81) }] }],
    ["a group id with a blank", { entries: [{ ...entry, groupId: "a b" }] }],
    ["a group id of 129 characters", { entries: [{ ...entry, groupId: "g".repeat(129) }] }],
    ["a body that is no string", { entries: [{ ...entry, body: { MessageGroupID: "10" } }] }],
    ["one bad entry among good ones", { entries: [entry, { ...entry, id: "b", groupId: "" }] }],
  ];
  for (const [name, body] of refused) {
    const answer = await gateway.post("/queue-1/batch", JSON.stringify(body));
    assert.equal(answer.status, 400, `${name}: ${answer.text}`);
    assert.equal(errorOf(answer).code, "INVALID_BODY", name);
    assert.equal(await gateway.count(), 0, name);
  }
});

test("ids that are not distinct are named", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const entry = { id: "same", groupId: "10", body: '{"MessageGroupID":"10"}' };
  const answer = await gateway.post("/queue-1/batch", JSON.stringify({ entries: [entry, entry] }));
  assert.equal(answer.status, 400);
  assert.match(errorOf(answer).message, /^id /);
  assert.equal(await gateway.count(), 0);
});

test("an entry that SQS refuses is in failed with its code, and the others are in the queue", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const entries = [
    { id: "good", groupId: "10", body: '{"MessageGroupID":"10"}' },
    { id: "characters", groupId: "10", body: '{"MessageGroupID":"10","a":"\uffff"}' },
    { id: "half", groupId: "10", body: '{"MessageGroupID":"10","a":"\ud83d"}' },
  ];
  const answer = await gateway.post("/queue-1/batch", JSON.stringify({ entries }));
  assert.equal(answer.status, 200, answer.text);
  const { successful, failed } = answerSchema.parse(JSON.parse(answer.text));
  assert.deepEqual(
    successful.map(({ id }) => id),
    ["good"],
  );
  assert.deepEqual(
    failed.map(({ id, code, senderFault }) => [id, code, senderFault]),
    [
      ["characters", "MESSAGE_REFUSED", true],
      ["half", "MESSAGE_REFUSED", true],
    ],
  );
  assert.equal(await gateway.count(), 1);
});

test("the largest body fits, one byte more is refused for its size", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const send = (bytes: number) =>
    gateway.post(
      "/queue-1/batch",
      JSON.stringify({ entries: [{ id: "a", groupId: "10", body: bodyOfSize(bytes, "한") }] }),
    );
  const largest = await send(MAX_BODY_BYTES);
  assert.equal(answerSchema.parse(JSON.parse(largest.text)).successful.length, 1);
  const [queued] = await gateway.take();
  assert(queued?.body === `{"data":${bodyOfSize(MAX_BODY_BYTES, "한")}}`, "the body differs");
  const larger = await send(MAX_BODY_BYTES + 1);
  assert.equal(answerSchema.parse(JSON.parse(larger.text)).failed[0]?.code, "MESSAGE_TOO_LARGE");
  assert.equal(await gateway.count(), 0);
});

test("entries that together are larger than SQS's limit are a 413", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const entries = ["a", "b"].map((id) => ({ id, groupId: "10", body: bodyOfSize(600_000) }));
  const answer = await gateway.post("/queue-1/batch", JSON.stringify({ entries }));
  assert.equal(answer.status, 413);
  assert.equal(errorOf(answer).code, "MESSAGE_TOO_LARGE");
  assert.equal(await gateway.count(), 0);
});
