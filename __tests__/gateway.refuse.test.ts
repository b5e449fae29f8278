import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { periodStart, TokenBucket } from "../runtime/local/gateway/usage-plan.ts";
import {
  argumentOf,
  changed,
  gatewayResources,
  madeUp,
  NOWHERE,
  selectOne,
  without,
} from "./helpers/gateway-resources.ts";
import { errorOf, folder, gatewayBefore, gatewayWithQueue, sqsInPlace } from "./helpers/local-gateway.ts";

const BODY = '{"MessageGroupID":"10"}';
const ACCEPTED = JSON.stringify({
  SendMessageResponse: { SendMessageResult: { MessageId: "1679d985-01f1", SequenceNumber: "1" } },
});

test("a missing, wrong or disabled key is a 403, and nothing is queued", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const key of [undefined, "", "wrong", `${gateway.key}x`, gateway.key.toUpperCase()]) {
    for (const path of ["/queue-1", "/queue-1/batch"]) {
      const answer = await gateway.post(path, BODY, { headers: { "x-api-key": key } });
      assert.equal(errorOf(answer).code, "FORBIDDEN", `${path} ${key}`);
    }
  }
  assert.equal(await gateway.count(), 0);
  const disabled = changed(await gatewayResources(), "aws_api_gateway_api_key", {}, { enabled: false });
  const other = await gatewayBefore(t, { sqs: NOWHERE, resources: disabled });
  assert.equal(errorOf(await other.post("/queue-1", BODY)).code, "FORBIDDEN");
});

test("a key outside every usage plan of the stage is a 403", async (t) => {
  const resources = [
    ...(await gatewayResources()),
    madeUp("aws_api_gateway_api_key", "loose", { id: "loose", name: "loose", value: "loose-key-of-20-characters" }),
  ];
  const gateway = await gatewayBefore(t, { sqs: NOWHERE, resources });
  const answer = await gateway.post("/queue-1", BODY, { headers: { "x-api-key": "loose-key-of-20-characters" } });
  assert.equal(errorOf(answer).code, "FORBIDDEN");
});

test("a path, method or stage without a route is a 404", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const paths = ["/queue-x", "/", "", "/queue-1/", "/queue-1/batch/x", "/QUEUE-1", "/%71ueue-1"];
  for (const path of paths) {
    const answer = await gateway.post(path, BODY);
    assert.equal(errorOf(answer).code, "ROUTE_NOT_FOUND", path);
  }
  for (const method of ["GET", "PUT", "DELETE"]) {
    assert.equal(errorOf(await gateway.post("/queue-1", "", { method })).code, "ROUTE_NOT_FOUND", method);
  }
  assert.equal(await gateway.count(), 0);
});

test("what is not declared as JSON is a 415, and nothing is queued", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/jsonp", ""]) {
    const answer = await gateway.post("/queue-1", BODY, { headers: { "content-type": type } });
    assert.equal(errorOf(answer).code, "UNSUPPORTED_MEDIA_TYPE", type);
  }
  assert.equal(await gateway.count(), 0);
});

test("JSON with a charset, or with no content type at all, is taken", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const [at, type] of ["application/json; charset=utf-8", "Application/JSON", undefined].entries()) {
    const body = `{"MessageGroupID":"10","n":${at}}`;
    const answer = await gateway.post("/queue-1", body, { headers: { "content-type": type } });
    assert.equal(answer.status, 200, `${type}: ${answer.text}`);
  }
});

test("a request over 10 MB is a 413 of the gateway's own", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const answer = await gateway.post("/queue-1", " ".repeat(10_485_761));
  assert.equal(errorOf(answer).code, "MESSAGE_TOO_LARGE");
  assert.equal(await gateway.count(), 0);
});

for (const [what, path, character] of [
  ["letters", "/queue-1", "x"],
  ["letters that grow when they are encoded", "/queue-1", "가"],
] as const) {
  test(`a body of ${what} just under 10 MB is a 413, not a fault of the queue`, async (t) => {
    const gateway = await gatewayWithQueue(t);
    const text = character.repeat(Math.floor(10_400_000 / Buffer.byteLength(character)));
    const answer = await gateway.post(path, JSON.stringify({ MessageGroupID: "10", text }));
    assert.equal(errorOf(answer).code, "MESSAGE_TOO_LARGE");
    assert.equal(await gateway.count(), 0);
  });
}

test("the burst of a usage plan passes, the request after it is throttled, with Retry-After", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const throttle = { rate_limit: 0.001, burst_limit: 3 };
  const resources = changed(
    await gatewayResources(),
    "aws_api_gateway_usage_plan",
    {},
    { throttle_settings: throttle },
  );
  const gateway = await gatewayBefore(t, { sqs, resources });
  const statuses = [];
  for (let sent = 0; sent < 3; sent += 1) statuses.push((await gateway.post("/queue-1", BODY)).status);
  assert.deepEqual(statuses, [200, 200, 200]);
  const answer = await gateway.post("/queue-1/batch", BODY);
  assert.equal(answer.headers["retry-after"], "1");
  assert.equal(errorOf(answer).code, "THROTTLED");
});

test("a stage's method throttle holds for every key, for each method by itself", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const settings = { throttling_rate_limit: 0.001, throttling_burst_limit: 1 };
  const emitted = await gatewayResources();
  const stage = selectOne(emitted, "aws_api_gateway_stage");
  const resources = [
    ...emitted.filter(({ type }) => type !== "aws_api_gateway_method_settings"),
    madeUp("aws_api_gateway_method_settings", "all", {
      rest_api_id: argumentOf(stage, "rest_api_id"),
      stage_name: argumentOf(stage, "stage_name"),
      method_path: "*/*",
      settings: [settings],
    }),
  ];
  const gateway = await gatewayBefore(t, { sqs, resources });
  assert.equal((await gateway.post("/queue-1", BODY)).status, 200);
  assert.equal(errorOf(await gateway.post("/queue-1", BODY)).code, "THROTTLED");
  assert.equal(errorOf(await gateway.post("/queue-1/batch", BODY)).code, "INVALID_BODY");
});

test("a key over its own limit takes nothing from what all keys share", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const emitted = await gatewayResources();
  const [first, second] = [1, 2].map((at) => ({ rate_limit: 0.001, burst_limit: at }));
  const plan = selectOne(emitted, "aws_api_gateway_usage_plan");
  const key = selectOne(emitted, "aws_api_gateway_api_key");
  const resources = [
    ...changed(
      changed(emitted, "aws_api_gateway_usage_plan", {}, { throttle_settings: first }),
      "aws_api_gateway_method_settings",
      {},
      { settings: { throttling_rate_limit: 0.001, throttling_burst_limit: 2 } },
    ),
    madeUp("aws_api_gateway_usage_plan", "other", { ...plan.values, id: "other-plan", throttle_settings: second }),
    madeUp("aws_api_gateway_api_key", "other", { ...key.values, id: "other-key", value: "other-value-of-a-key" }),
    madeUp("aws_api_gateway_usage_plan_key", "other", {
      key_id: "other-key",
      key_type: "API_KEY",
      usage_plan_id: "other-plan",
    }),
  ];
  const gateway = await gatewayBefore(t, { sqs, resources });
  assert.equal((await gateway.post("/queue-1", BODY)).status, 200);
  for (let sent = 0; sent < 3; sent += 1) assert.equal(errorOf(await gateway.post("/queue-1", BODY)).code, "THROTTLED");
  const other = { headers: { "x-api-key": "other-value-of-a-key" } };
  assert.equal((await gateway.post("/queue-1", BODY, other)).status, 200);
  assert.equal(errorOf(await gateway.post("/queue-1", BODY, other)).code, "THROTTLED");
});

test("a bucket gains its rate, up to its burst", () => {
  let now = 0;
  const bucket = new TokenBucket({ rateLimit: 2, burstLimit: 3 }, () => now);
  const take = (times: number) => Array.from({ length: times }, () => bucket.take()).filter(Boolean).length;
  assert.equal(take(5), 3);
  now = 499;
  assert.equal(take(1), 0);
  now = 1_000;
  assert.equal(take(5), 2);
  now = 100_000;
  assert.equal(take(5), 3);
});

test("a quota is kept over a restart, and a key over it gets QUOTA_EXCEEDED", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const quota = [{ limit: 3, period: "MONTH" }];
  const resources = changed(await gatewayResources(), "aws_api_gateway_usage_plan", {}, { quota_settings: quota });
  const file = join(folder(t), "gateway.sqlite");
  const before = await gatewayBefore(t, { sqs, resources, file });
  assert.equal((await before.post("/queue-1", BODY)).status, 200);
  assert.equal((await before.post("/queue-1", BODY)).status, 200);
  await before.close();
  const after = await gatewayBefore(t, { sqs, resources, file });
  assert.equal((await after.post("/queue-1", BODY)).status, 200);
  const answer = await after.post("/queue-1", BODY);
  assert.equal(errorOf(answer).code, "QUOTA_EXCEEDED");
});

test("a quota's periods begin at midnight UTC, on Sundays and on the first", () => {
  const at = new Date("2026-11-28T23:59:59Z");
  assert.equal(periodStart("DAY", at), "DAY 2026-11-28");
  assert.equal(periodStart("WEEK", at), "WEEK 2026-11-22");
  assert.equal(periodStart("MONTH", at), "MONTH 2026-11-01");
  assert.equal(periodStart("WEEK", new Date("2026-11-29T00:00:00Z")), "WEEK 2026-11-29");
});

test("without declared gateway responses, AWS's own answers come", async (t) => {
  const resources = without(await gatewayResources(), "aws_api_gateway_gateway_response");
  const gateway = await gatewayBefore(t, { sqs: NOWHERE, resources });
  const statusAndText = async (path: string, body: string, headers = {}) => {
    const { status, text } = await gateway.post(path, body, { headers });
    return [status, text];
  };
  assert.deepEqual(await statusAndText("/none", BODY), [403, '{"message":"Missing Authentication Token"}']);
  assert.deepEqual(await statusAndText("/queue-1", BODY, { "x-api-key": "x" }), [403, '{"message":"Forbidden"}']);
  assert.deepEqual(await statusAndText("/queue-1", "[]"), [400, '{"message":"Invalid request body"}']);
  assert.deepEqual(await statusAndText("/queue-1", BODY), [
    504,
    '{"message":"Network error communicating with endpoint"}',
  ]);
});

test("DEFAULT_4XX speaks for what has no answer of its own, with AWS's status", async (t) => {
  const emitted = await gatewayResources();
  const resources = [
    ...without(emitted, "aws_api_gateway_gateway_response"),
    madeUp("aws_api_gateway_gateway_response", "any", {
      rest_api_id: argumentOf(selectOne(emitted, "aws_api_gateway_rest_api"), "id"),
      response_type: "DEFAULT_4XX",
      response_templates: {
        "application/json": '{"text":$context.error.messageString,"type":"$context.error.responseType"}',
      },
    }),
  ];
  const gateway = await gatewayBefore(t, { sqs: NOWHERE, resources });
  const answer = await gateway.post("/queue-1", BODY, { headers: { "content-type": "text/plain" } });
  assert.equal(answer.status, 415);
  assert.equal(answer.text, '{"text":"Unsupported Media Type","type":"UNSUPPORTED_MEDIA_TYPE"}');
});

test("the emitted DEFAULT_4XX and DEFAULT_5XX speak in the contract's shape for what has no answer of its own", async (t) => {
  const resources = (await gatewayResources()).filter(
    ({ type, values }) =>
      type !== "aws_api_gateway_gateway_response" || String(values.response_type).startsWith("DEFAULT_"),
  );
  const gateway = await gatewayBefore(t, { sqs: NOWHERE, resources });
  const refused = await gateway.post("/queue-1", "[]");
  assert.deepEqual([refused.status, errorOf(refused).code], [400, "INVALID_REQUEST"]);
  const failed = await gateway.post("/queue-1", BODY);
  assert.equal(failed.status, 504);
  assert.match(failed.text, /"code":"GATEWAY_ERROR"/);
});

test("a producer that hangs up within its body is no failure of the gateway", async (t) => {
  const gateway = await gatewayBefore(t, { sqs: NOWHERE });
  const { hostname, port, pathname } = new URL(gateway.url);
  const socket = connect(Number(port), hostname, () => {
    const lines = [
      `POST ${pathname}/queue-1 HTTP/1.1`,
      "Host: x",
      `x-api-key: ${gateway.key}`,
      "Content-Length: 100",
      "Expect: 100-continue",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
  // The gateway asks for the body: so it has the request.
  const [asked] = await once(socket, "data");
  assert.match(String(asked), /^HTTP\/1\.1 100 /);
  socket.write(BODY);
  socket.destroy();
  await gateway.close();
  assert.deepEqual(gateway.logged, []);
});

test("neither keys nor bodies are logged", async (t) => {
  const gateway = await gatewayWithQueue(t);
  await gateway.post("/queue-1", '{"MessageGroupID":"10","secret":"swordfish"}', {
    headers: { "idempotency-key": "my-key" },
  });
  await gateway.post("/queue-1", "swordfish", { headers: { "x-api-key": "wrong-key" } });
  const log = JSON.stringify(gateway.logged);
  assert.equal(gateway.logged.length, 2);
  assert.doesNotMatch(log, /swordfish|my-key|wrong-key/);
  assert(!log.includes(gateway.key));
});

for (const [what, request, status] of [
  ["no HTTP at all", "hello\r\n\r\n", 400],
  ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400],
  ["headers over 16 KiB", `POST / HTTP/1.1\r\nHost: a\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`, 431],
] as const) {
  test(`a request with ${what} is answered in the contract's shape too`, async (t) => {
    const gateway = await gatewayWithQueue(t);
    const socket = connect(Number(new URL(gateway.url).port), "127.0.0.1");
    t.after(() => socket.destroy());
    socket.write(request);
    let text = "";
    for await (const chunk of socket) text += String(chunk);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `));
    const body: unknown = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
    assert.ok(typeof body === "object" && body !== null && "code" in body && "requestId" in body);
    assert.equal(body.code, "INVALID_REQUEST");
  });
}
