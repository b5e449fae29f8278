import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import { type } from "arktype";
import * as fc from "fast-check";
import * as v from "valibot";
import { z } from "zod";
import { createFifoClient, isFifoClientError, type StandardSchema } from "../sdk/client/src/index.ts";
import {
  API_KEY,
  accepted,
  fastClock,
  openClient,
  type Reply,
  refused,
  type Seen,
  serveGateway,
} from "./helpers/client-gateway.ts";

const SECRET = "secret-payload-4711";

const LIBRARIES: [string, StandardSchema<{ transSeq: string }, unknown>][] = [
  ["zod", z.object({ transSeq: z.string().max(3) })],
  ["an asynchronous zod", z.object({ transSeq: z.string().refine(async (text) => text.length <= 3) })],
  ["valibot", v.object({ transSeq: v.pipe(v.string(), v.maxLength(3)) })],
  [
    "an asynchronous valibot",
    v.objectAsync({
      transSeq: v.pipeAsync(
        v.string(),
        v.checkAsync(async (text) => text.length <= 3),
      ),
    }),
  ],
  ["arktype", type({ transSeq: "string <= 3" })],
];

/** Serves a queue that takes everything, and a client of it with a schema; both end with the test. */
async function serve(
  t: TestContext,
  schema: StandardSchema,
  script: (one: Seen, index: number) => Reply = (_, index) => accepted(index),
) {
  const served = await serveGateway(t, script);
  const client = openClient(served.endpoint, fastClock(1), { schema });
  t.after(() => client.close({ timeout: 0 }));
  return { ...served, client };
}

/** A schema out of a function. */
const schemaOf = (validate: StandardSchema["~standard"]["validate"]): StandardSchema => ({
  "~standard": { version: 1, vendor: "test", validate },
});

/** A schema that decides when the test says so. */
function slowSchema() {
  const waiting: (() => void)[] = [];
  const schema = schemaOf((value) => new Promise((done) => waiting.push(() => done({ value }))));
  return { schema, waiting };
}

for (const [name, schema] of LIBRARIES) {
  test(`${name} lets a payload pass and refuses another, which fails that call alone`, async (t) => {
    const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
    const client = createFifoClient({ endpoint, apiKey: API_KEY, queue: "queue-1", schema });
    const results = await Promise.allSettled(
      ["1", "long", "3"].map((transSeq) => client.send("10", { transSeq }, { deduplicationId: `id-${transSeq}` })),
    );
    assert.deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    const [, refusal] = results;
    assert.ok(refusal?.status === "rejected" && isFifoClientError(refusal.reason));
    const { code, outcome, attempts, groupId, deduplicationId, issues } = refusal.reason;
    assert.deepEqual(
      [code, outcome, attempts, groupId, deduplicationId],
      ["INVALID_PAYLOAD", "unsent", 0, "10", "id-long"],
    );
    assert.equal(issues?.length, 1);
    assert.deepEqual(
      [...(issues[0]?.path ?? [])].map((step) => (typeof step === "object" ? step.key : step)),
      ["transSeq"],
    );
    assert.equal(typeof issues[0]?.message, "string");
    assert.deepEqual(
      seen.map(({ body }) => body["transSeq"]),
      ["1", "3"],
    );
    assert.deepEqual(client.pausedGroups(), []);
  });
}

for (const [name, schema] of [
  ["zod", z.object({ n: z.string().transform(Number), by: z.string().default("x") })],
  ["valibot", v.object({ n: v.pipe(v.string(), v.transform(Number)), by: v.optional(v.string(), "x") })],
  ["arktype", type({ n: "string.numeric.parse", by: "string = 'x'" })],
] as const) {
  test(`what ${name} makes of a payload is what is sent, and what it did not name is not`, async (t) => {
    const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
    const client = createFifoClient({ endpoint, apiKey: API_KEY, queue: "queue-1", schema });
    await client.send("10", { n: "7" });
    assert.deepEqual(seen[0]?.body, { MessageGroupID: "10", n: 7, by: "x" });
  });
}

test("the payload's type is what the schema takes, not what it gives", () => {
  const schema = z.object({ n: z.string().transform(Number) });
  const client = createFifoClient({ endpoint: "http://127.0.0.1:9", apiKey: "k", queue: "queue-1", schema });
  const typed = () => {
    void client.send("10", { n: "7" });
    // @ts-expect-error it takes a text
    void client.send("10", { n: 7 });
    // @ts-expect-error n is missing
    void client.send("10", {});
    // @ts-expect-error the client sets MessageGroupID itself
    void client.send("10", { n: "7", MessageGroupID: "10" });
  };
  assert.equal(typeof typed, "function");
});

test("what the schema gives is checked as a payload is", async (t) => {
  for (const [value, code] of [
    [{ MessageGroupID: "11" }, "INVALID_PAYLOAD"],
    [[1], "INVALID_PAYLOAD"],
    [undefined, "INVALID_PAYLOAD"],
    [{ a: 1n }, "INVALID_PAYLOAD"],
    [{ a: "x".repeat(1_048_576) }, "PAYLOAD_TOO_LARGE"],
  ] as const) {
    for (const schema of [schemaOf(() => ({ value })), schemaOf(async () => ({ value }))]) {
      const { client, seen } = await serve(t, schema);
      await assert.rejects(client.send("10", {}), { name: "FifoClientError", code, outcome: "unsent" });
      assert.equal(seen.length, 0);
      assert.equal(client.activeGroups, 0);
    }
  }
});

const LEAKING: [string, StandardSchema][] = [
  ["refuses", schemaOf((value) => ({ issues: [{ message: `not ${inspect(value)}`, path: [SECRET] }] }))],
  ["refuses later", schemaOf(async (value) => ({ issues: [{ message: `not ${inspect(value)}`, path: [SECRET] }] }))],
  [
    "throws",
    schemaOf((value) => {
      throw new Error(inspect(value), { cause: value });
    }),
  ],
  ["rejects", schemaOf((value) => Promise.reject(new Error(inspect(value), { cause: value })))],
  [
    "throws the payload itself",
    schemaOf((value) => {
      throw value;
    }),
  ],
  ["zod refuses with what it got", z.strictObject({}).catchall(z.literal("x"))],
];

for (const [name, schema] of LEAKING) {
  test(`when a schema ${name}, no text shows the payload`, async (t) => {
    const { client, seen } = await serve(t, schema);
    const error: unknown = await client.send("10", { [SECRET]: SECRET }).catch((reason: unknown) => reason);
    assert.ok(isFifoClientError(error));
    assert.equal(error.code, "INVALID_PAYLOAD");
    assert.equal(error.outcome, "unsent");
    assert.match(error.message, /schema/);
    if (name.startsWith("refuses")) assert.match(error.issues?.[0]?.message ?? "", new RegExp(SECRET));
    const shown = [
      inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
      JSON.stringify(error),
      String(error),
      error.stack,
    ].join("\n");
    assert.ok(!shown.includes(SECRET), shown);
    assert.equal(seen.length, 0);
    await assert.rejects(client.send("10", { [SECRET]: 2 }), { code: "INVALID_PAYLOAD" });
    assert.deepEqual(client.pausedGroups(), []);
    assert.equal(client.activeGroups, 0);
  });
}

test("an asynchronous schema never reorders a group, whatever takes how long and whatever it refuses", async (t) => {
  const steps = fc.record({ groupId: fc.constantFrom("a", "b"), delay: fc.nat(6), refused: fc.boolean() });
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 2, maxLength: 12 }), async (plan) => {
      const schema = schemaOf(async (value) => {
        const { delay, refused: no } = plan[(value as { n: number }).n] ?? { delay: 0, refused: false };
        for (let left = delay; left > 0; left -= 1) await new Promise((done) => setImmediate(done));
        return no ? { issues: [{ message: "no" }] } : { value };
      });
      seen.length = 0;
      const client = openClient(endpoint, fastClock(1), { schema });
      const results = await Promise.allSettled(plan.map(({ groupId }, n) => client.send(groupId, { n })));
      assert.deepEqual(
        results.map(({ status }) => status === "rejected"),
        plan.map((step) => step.refused),
      );
      for (const groupId of ["a", "b"]) {
        assert.deepEqual(
          seen.filter((one) => one.groupId === groupId).map(({ body }) => body["n"]),
          plan.flatMap((step, n) => (step.groupId === groupId && !step.refused ? n : [])),
        );
      }
    }),
    { numRuns: 40 },
  );
});

test("a group whose head is still looked at does not keep other groups waiting", async (t) => {
  const { schema, waiting } = slowSchema();
  const { client, seen } = await serve(t, schema);
  const slow = client.send("a", { n: 1 });
  const behind = client.send("a", { n: 2 });
  const other = client.send("b", { n: 3 });
  waiting[1]?.();
  waiting[2]?.();
  await other;
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [3],
  );
  waiting[0]?.();
  await Promise.all([slow, behind]);
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [3, 1, 2],
  );
});

test("a pause fails what is still looked at, and it is not sent when its schema lets it pass later", async (t) => {
  const { schema, waiting } = slowSchema();
  const { client, seen } = await serve(t, schema, ({ body }, index) =>
    body["n"] === 1 ? refused(400, "INVALID_BODY") : accepted(index),
  );
  const first = client.send("a", { n: 1 });
  const second = client.send("a", { n: 2 });
  waiting[0]?.();
  await assert.rejects(first, { code: "INVALID_BODY" });
  await assert.rejects(second, { code: "GROUP_PAUSED" });
  await client.resume("a", "skip");
  waiting[1]?.();
  const third = client.send("a", { n: 3 });
  waiting[2]?.();
  await third;
  assert.deepEqual(
    seen.map(({ body }) => body["n"]),
    [1, 3],
  );
});

test("taken back while looked at: what the schema says later changes nothing", async (t) => {
  for (const late of [{ value: { n: 9 } }, { issues: [{ message: "no" }] }]) {
    const waiting: (() => void)[] = [];
    const { client, seen } = await serve(
      t,
      schemaOf(() => new Promise((done) => waiting.push(() => done(late)))),
    );
    const controller = new AbortController();
    const sent = client.send("a", { n: 1 }, { signal: controller.signal });
    controller.abort();
    await assert.rejects(sent, { code: "ABORTED", outcome: "unsent" });
    waiting[0]?.();
    await new Promise((done) => setImmediate(done));
    assert.equal(seen.length, 0);
    assert.equal(client.activeGroups, 0);
  }
});

test("close waits for a schema too, and sends what it lets pass", async (t) => {
  const { schema, waiting } = slowSchema();
  const { client, seen } = await serve(t, schema);
  const sent = client.send("a", { n: 1 });
  const closed = client.close();
  waiting[0]?.();
  await sent;
  assert.deepEqual(await closed, []);
  assert.equal(seen.length, 1);
});

test("closed while looked at: nothing is sent when its schema lets it pass later", async (t) => {
  const { schema, waiting } = slowSchema();
  const { client, seen } = await serve(t, schema);
  const sent = client.send("a", { n: 1 });
  await client.close({ timeout: 0 });
  await assert.rejects(sent, { code: "ABORTED", outcome: "unsent" });
  waiting[0]?.();
  await new Promise((done) => setImmediate(done));
  assert.equal(seen.length, 0);
});

test("a synchronous schema sees the payload at the call: changing it afterwards changes nothing", async (t) => {
  const { client, seen } = await serve(t, z.record(z.string(), z.unknown()));
  const payload = { n: 1 };
  const sent = client.send("10", payload);
  payload.n = 2;
  await sent;
  assert.equal(seen[0]?.body["n"], 1);
});

test("a replay sends what the schema gave at the call, without asking it again", async (t) => {
  let asked = 0;
  const schema = schemaOf((value) => {
    asked += 1;
    return { value: { ...(value as object), asked } };
  });
  const { client, seen } = await serve(t, schema, (_, index) =>
    index === 0 ? refused(403, "FORBIDDEN") : accepted(1),
  );
  await assert.rejects(client.send("10", {}));
  await client.resume("10", "replay");
  assert.equal(asked, 1);
  assert.equal(seen[1]?.text, seen[0]?.text);
});
