import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { createBackend, MAX_ANSWER_BYTES } from "../runtime/consumer/backend.ts";
import type { Outcome } from "../runtime/consumer/outcome.ts";
import type { Delivery } from "../runtime/consumer/ports.ts";
import { type ScriptedAnswer, startBackend } from "./helpers/scripted-backend.ts";

const delivery: Delivery = {
  body: '{"data":{"MessageGroupID":"10", "n":12345678901234567890,"t":"\\u00e4 ä 😀"}}',
  idempotencyKey: "queue-1/10/one",
  messageId: "11111111-1111-4111-8111-111111111111",
  groupId: "10",
  sequenceNumber: "18870000000000000001",
  attempt: 3,
};

async function deliverTo(answer: ScriptedAnswer, timeoutMilliseconds = 5_000): Promise<Outcome> {
  await using backend = await startBackend(answer);
  return await createBackend({ url: backend.url, timeoutMilliseconds }).deliver(delivery);
}

const json = (body: string, status = 200): ScriptedAnswer => ({
  status,
  headers: { "content-type": "application/json; charset=utf-8" },
  body,
});
const text = (body: string, status = 200): ScriptedAnswer => ({
  status,
  headers: { "content-type": "text/plain" },
  body,
});

/** The contract's table, row by row: what the backend answers, and what that is. */
const rows: readonly (readonly [string, ScriptedAnswer, Outcome["kind"]])[] = [
  ["JSON with status_code 200", json('{"status_code":200,"content":{}}'), "accepted"],
  ['JSON with status_code "200"', json('{"status_code":"200"}'), "accepted"],
  ["JSON without status_code", json('{"ok":true}'), "accepted"],
  ["a JSON array", json("[1]"), "accepted"],
  ["201 with JSON and status_code 200", json('{"status_code":200}', 201), "accepted"],
  ["plain text", text("done"), "accepted"],
  ["200 with nothing at all", {}, "accepted"],
  ["204", { status: 204 }, "accepted"],
  ["204 that names a JSON content type", { status: 204, headers: { "content-type": "application/json" } }, "accepted"],
  ["JSON with status_code 409", json('{"status_code":409}'), "rejected"],
  ["JSON with status_code 503", json('{"status_code":503}'), "rejected"],
  ["JSON with status_code 201", json('{"status_code":201}'), "rejected"],
  ["JSON with status_code null", json('{"status_code":null}'), "rejected"],
  ["JSON with a status_code of text", json('{"status_code":"ok"}'), "rejected"],
  ["plain text that is JSON with status_code 500", text('{"status_code":500}'), "rejected"],
  ["400", json("{}", 400), "rejected"],
  ["401", text("", 401), "rejected"],
  ["404 with status_code 200", json('{"status_code":200}', 404), "rejected"],
  ["409", text("", 409), "rejected"],
  ["413", text("", 413), "rejected"],
  ["422", text("", 422), "rejected"],
  ["499", text("", 499), "rejected"],
  ...[408, 425, 429, 502, 503, 504].map((status) => [String(status), text("", status), "unavailable"] as const),
  ["503 with status_code 400", json('{"status_code":400}', 503), "unavailable"],
  ["500", text("", 500), "failed"],
  ["500 with status_code 200", json('{"status_code":200}', 500), "failed"],
  ["501", text("", 501), "failed"],
  ["505", text("", 505), "failed"],
  ["599", text("", 599), "failed"],
  ["JSON that does not parse", json('{"status_code":200'), "failed"],
  ["an empty body that calls itself JSON", json(""), "failed"],
  [
    "problem+json that does not parse",
    { headers: { "content-type": "application/problem+json" }, body: "x" },
    "failed",
  ],
  ["304", { status: 304 }, "failed"],
  [
    "a body that breaks off",
    (response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{", () => response.destroy());
    },
    "failed",
  ],
  [
    "a body that is not in the encoding it names",
    (response) => response.writeHead(200, { "content-encoding": "gzip" }).end("not gzip"),
    "failed",
  ],
  ["something that is not HTTP", (_response, _request, socket) => socket.end("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "failed"],
  ["an answer over the limit", text("x".repeat(MAX_ANSWER_BYTES + 1)), "failed"],
  ["an answer of the limit", text("x".repeat(MAX_ANSWER_BYTES)), "accepted"],
  ["a connection that closes without an answer", (_response, _request, socket) => socket.destroy(), "unavailable"],
];

for (const [name, answer, kind] of rows) {
  test(`takes ${name} as ${kind}`, async () => {
    const outcome = await deliverTo(answer);
    assert.equal(outcome.kind, kind, JSON.stringify(outcome));
  });
}

test("takes a port where nobody listens as unavailable", async () => {
  const gone = await startBackend({});
  await gone[Symbol.asyncDispose]();
  const outcome = await createBackend({ url: gone.url, timeoutMilliseconds: 5_000 }).deliver(delivery);
  assert.deepEqual(outcome, { kind: "unavailable", detail: "ECONNREFUSED" });
});

test("takes a backend that says nothing as unavailable", async () => {
  assert.deepEqual(await deliverTo(() => {}, 100), { kind: "unavailable", detail: "timeout" });
});

test("takes a backend that stalls in the middle of its answer as unavailable", async () => {
  const outcome = await deliverTo((response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"status_code":200');
  }, 200);
  assert.deepEqual(outcome, { kind: "unavailable", detail: "timeout" });
});

test("does not follow a redirect", async () => {
  await using other = await startBackend({});
  for (const status of [301, 302, 303, 307, 308]) {
    const outcome = await deliverTo({ status, headers: { location: other.url } });
    assert.deepEqual(outcome, { kind: "failed", detail: `http ${status}`, httpStatus: status });
  }
  assert.equal(other.received.length, 0);
});

test("reads Retry-After in seconds", async () => {
  const outcome = await deliverTo({ status: 503, headers: { "retry-after": "120" } });
  assert.deepEqual(outcome, { kind: "unavailable", detail: "http 503", retryAfterSeconds: 120 });
});

test("reads Retry-After as an HTTP date", async () => {
  const date = new Date(Date.now() + 3_600_000).toUTCString();
  const outcome = await deliverTo({ status: 429, headers: { "retry-after": date } });
  assert.ok(outcome.kind === "unavailable" && outcome.retryAfterSeconds !== undefined);
  assert.ok(outcome.retryAfterSeconds > 3_500 && outcome.retryAfterSeconds <= 3_600, String(outcome.retryAfterSeconds));
});

test("ignores a Retry-After that is neither", async () => {
  for (const value of ["soon", "-5", "1.5"]) {
    const outcome = await deliverTo({ status: 503, headers: { "retry-after": value } });
    assert.deepEqual(outcome, { kind: "unavailable", detail: "http 503" }, value);
  }
});

test("posts the body byte for byte, with the contract's headers, and keeps its connection", async () => {
  await using backend = await startBackend({ body: "ok" });
  const { deliver } = createBackend({ url: `${backend.url}a/b?c=d`, timeoutMilliseconds: 5_000 });
  for (let n = 0; n < 5; n += 1) await deliver(delivery);
  const [request] = backend.received;
  assert.ok(request !== undefined);
  assert.equal(request.method, "POST");
  assert.equal(request.url, "/a/b?c=d");
  assert.equal(request.body.toString(), delivery.body);
  assert.equal(request.headers["content-type"], "application/json");
  assert.equal(request.headers["idempotency-key"], delivery.idempotencyKey);
  assert.equal(request.headers["x-message-id"], delivery.messageId);
  assert.equal(request.headers["x-message-group-id"], "10");
  assert.equal(request.headers["x-message-sequence-number"], delivery.sequenceNumber);
  assert.equal(request.headers["x-message-attempt"], "3");
  assert.equal(backend.received.length, 5);
  // The first socket may not be free yet when the second delivery begins.
  assert.ok(backend.connections() <= 2, String(backend.connections()));
});

/** Answers a connection's first request, and resets it when a second one comes. */
function onceEach(): { readonly answer: ScriptedAnswer; readonly resets: () => number } {
  const used = new Set<Socket>();
  let resets = 0;
  return {
    answer: (response, _request, socket) => {
      if (used.has(socket)) {
        resets += 1;
        socket.resetAndDestroy();
      } else {
        used.add(socket);
        response.end("ok");
      }
    },
    resets: () => resets,
  };
}

test("delivers again, on a new connection, when the one from before was closed meanwhile", async () => {
  const { answer, resets } = onceEach();
  await using backend = await startBackend(answer);
  const { deliver } = createBackend({ url: backend.url, timeoutMilliseconds: 5_000 });
  // Side by side, so that there are several idle connections, and all of them are of no use.
  for (let n = 0; n < 5; n += 1) {
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => deliver(delivery)));
    assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(["accepted"]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(resets() > 0);
  for (const { headers, body } of backend.received) {
    assert.equal(headers["idempotency-key"], delivery.idempotencyKey);
    assert.equal(headers["x-message-attempt"], "3");
    assert.equal(body.toString(), delivery.body);
  }
});

test("takes no outage from a backend that closes its connections right after they were used", async () => {
  await using backend = await startBackend((response, _request, socket) => {
    response.end("ok", () => setImmediate(() => socket.destroy()));
  });
  const { deliver } = createBackend({ url: backend.url, timeoutMilliseconds: 5_000 });
  for (let n = 0; n < 300; n += 1) assert.deepEqual(await deliver(delivery), { kind: "accepted" });
});

test("takes a reset on a new connection as unavailable, after no second delivery", async () => {
  await using backend = await startBackend((_response, _request, socket) => socket.resetAndDestroy());
  const { deliver } = createBackend({ url: backend.url, timeoutMilliseconds: 5_000 });
  assert.deepEqual(await deliver(delivery), { kind: "unavailable", detail: "ECONNRESET" });
  assert.equal(backend.received.length, 1);
});

test("delivers again once only", async () => {
  let dead = false;
  await using backend = await startBackend((response, _request, socket) => {
    if (dead) socket.resetAndDestroy();
    else response.end("ok");
  });
  const { deliver } = createBackend({ url: backend.url, timeoutMilliseconds: 5_000 });
  await deliver(delivery);
  await new Promise((resolve) => setImmediate(resolve));
  dead = true;
  assert.deepEqual(await deliver(delivery), { kind: "unavailable", detail: "ECONNRESET" });
  assert.equal(backend.received.length, 3);
});

test("delivers nothing again that was answered in part", async () => {
  let broken = false;
  await using backend = await startBackend((response, _request, socket) => {
    if (broken) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{", () => socket.resetAndDestroy());
    else response.end("ok");
  });
  const { deliver } = createBackend({ url: backend.url, timeoutMilliseconds: 5_000 });
  await deliver(delivery);
  await new Promise((resolve) => setImmediate(resolve));
  broken = true;
  assert.equal((await deliver(delivery)).kind, "failed");
  assert.equal(backend.received.length, 2);
});

test("says nothing of the backend's answer in an outcome", async () => {
  for (const answer of [json('{"status_code":"secret"}'), json("secret"), text("secret", 400), text("secret", 500)]) {
    assert.ok(!JSON.stringify(await deliverTo(answer)).includes("secret"));
  }
});
