import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import vm from "node:vm";
import {
  createFifoClient,
  FifoClientError,
  isFifoClientError,
  isGroupPausedError,
  isSendError,
} from "../sdk/client/src/index.ts";
import { API_KEY, fastClock, openClient, type Reply, serveGateway } from "./helpers/client-gateway.ts";

const right = { endpoint: "https://fifo.kimalarm.example", apiKey: API_KEY, queue: "queue-1" };

for (const endpoint of [
  "https://fifo.kimalarm.example",
  "https://fifo.kimalarm.example/kimalarm/",
  "http://127.0.0.1:4000/kimalarm",
  "http://127.8.9.10",
  "http://localhost:4000",
  "http://gateway.localhost",
  "http://[::1]:4000",
]) {
  test(`takes ${endpoint} as an endpoint`, () => {
    createFifoClient({ ...right, endpoint });
  });
}

for (const endpoint of [
  "",
  "/kimalarm",
  "fifo.kimalarm.example",
  "ftp://localhost",
  "http://fifo.kimalarm.example",
  "http://127.0.0.1.kimalarm.example",
  "http://localhost.kimalarm.example",
  "http://10.0.0.1",
  "http://0.0.0.0",
  `https://user:${API_KEY}@fifo.kimalarm.example`,
  `https://${API_KEY}@fifo.kimalarm.example`,
  `https://fifo.kimalarm.example/?key=${API_KEY}`,
  `https://fifo.kimalarm.example/#${API_KEY}`,
  "https://",
  "https:///kimalarm",
  "https://fifo.kimalarm.example?",
]) {
  test(`refuses ${endpoint || "nothing"} as an endpoint, without showing a key`, () => {
    assert.throws(
      () => createFifoClient({ ...right, endpoint }),
      (error) => {
        assert.ok(isFifoClientError(error) && error.code === "INVALID_OPTION");
        assert.match(error.message, /endpoint/);
        assert.ok(!inspect(error).includes(API_KEY));
        return true;
      },
    );
  });
}

for (const [name, value] of [
  ["apiKey", ""],
  ["apiKey", "two words"],
  ["apiKey", "line\nbreak"],
  ["apiKey", undefined],
  ["queue", ""],
  ["queue", "../queue-2"],
  ["queue", "queue-1.fifo"],
  ["concurrency", 0],
  ["concurrency", 1.5],
  ["attemptTimeoutMilliseconds", 0],
  ["retryBudgetMilliseconds", 270_001],
  ["retryBudgetMilliseconds", Number.NaN],
  ["onFailure", "ignore"],
] as const) {
  test(`refuses ${inspect(value)} as ${name} and names it`, () => {
    assert.throws(() => Reflect.apply(createFifoClient, undefined, [{ ...right, [name]: value }]), {
      code: "INVALID_OPTION",
      message: new RegExp(name),
    });
  });
}

test("what is no AbortSignal refuses the call, and keeps nothing of it", async (t) => {
  const { endpoint, seen } = await serveGateway(t, () => ({
    status: 200,
    body: { messageId: "m", sequenceNumber: "1" },
  }));
  const client = openClient(endpoint, fastClock(1));
  await assert.rejects(Reflect.apply(client.send, client, ["10", {}, { signal: new AbortController() }]), TypeError);
  await client.send("10", {});
  assert.equal(seen.length, 1);
  assert.equal(client.activeGroups, 0);
});

const SECRET = "secret-payload-4711";

/** A server that puts what it got into everything that it answers. */
function echo(status: number): Reply {
  const leak = `${API_KEY} ${SECRET}`;
  return {
    status,
    headers: { "x-amzn-requestid": leak, location: `/${API_KEY}/${SECRET}`, "x-echo": leak },
    body: { message: leak, code: leak, requestId: leak, messageId: leak },
  };
}

for (const [name, reply] of [
  ["a 400", echo(400)],
  ["a 429", echo(429)],
  ["a 503", echo(503)],
  ["a 302", echo(302)],
  ["a useless 200", echo(200)],
  ["a reset", "reset"],
  ["a timeout", "hang"],
] as [string, Reply][]) {
  test(`no error after ${name} shows the key or the payload, however it is printed`, async (t) => {
    const { endpoint } = await serveGateway(t, () => reply);
    const client = openClient(endpoint, fastClock(10), {
      attemptTimeoutMilliseconds: 1000,
      retryBudgetMilliseconds: 2000,
    });
    const results = await Promise.allSettled([1, 2].map(() => client.send("10", { [SECRET]: SECRET })));
    const errors = results.map((result) => (result.status === "rejected" ? result.reason : assert.fail()));
    assert.ok(isSendError(errors[0]));
    assert.ok(isGroupPausedError(errors[1]));
    for (const shown of [...errors, client, client.pausedGroups(), errors[0].cause]) {
      const texts = [
        inspect(shown, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
        JSON.stringify(shown) ?? "",
        String(shown),
        shown instanceof Error ? shown.stack : "",
      ].join("\n");
      assert.ok(!texts.includes(API_KEY), texts);
      assert.ok(!texts.includes(SECRET), texts);
    }
  });
}

test("JSON.stringify keeps what a log needs", async (t) => {
  const { endpoint } = await serveGateway(t, () => ({ status: 403, body: { code: "FORBIDDEN" } }));
  const client = openClient(endpoint, fastClock(1));
  const error: unknown = await client.send("10", {}, { deduplicationId: "a1" }).catch((reason: unknown) => reason);
  assert.ok(isSendError(error));
  assert.match(error.message, /403 FORBIDDEN/);
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    code: "FORBIDDEN",
    outcome: "rejected",
    attempts: 1,
    groupId: "10",
    deduplicationId: "a1",
    status: 403,
  });
});

test("the guards know an error of another copy of the package", () => {
  const brand = Symbol.for("@org/fifo-client/error");
  const foreign: unknown = vm.runInNewContext("Object.assign(new Error('x'), { [brand]: 'SendError' })", { brand });
  assert.ok(!(foreign instanceof FifoClientError));
  assert.ok(isSendError(foreign) && isFifoClientError(foreign) && !isGroupPausedError(foreign));
  for (const other of [new Error("x"), null, undefined, "SendError", {}]) assert.ok(!isFifoClientError(other));
});
