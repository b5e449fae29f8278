import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { periodStart, TokenBucket } from "../runtime/local/gateway/usage-plan.ts";
import { API_KEY, gatewayResources, resource, withValues } from "./helpers/gateway-resources.ts";
import { errorOf, folder, gatewayBefore, gatewayWithQueue, sqsInPlace } from "./helpers/local-gateway.ts";

const BODY = '{"MessageGroupID":"10"}';
const PLAN = "test/aws_api_gateway_usage_plan.plan";
const ACCEPTED = JSON.stringify({
  SendMessageResponse: { SendMessageResult: { MessageId: "1679d985-01f1", SequenceNumber: "1" } },
});

test("a missing, wrong or disabled key is a 403, and nothing is queued", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const key of [undefined, "", "wrong", `${API_KEY}x`, API_KEY.toUpperCase()]) {
    const answer = await gateway.post("/queue-1", BODY, { headers: { "x-api-key": key } });
    assert.equal(answer.status, 403);
    assert.equal(errorOf(answer).code, "FORBIDDEN");
  }
  assert.equal(await gateway.count(), 0);
  const disabled = withValues(gatewayResources(), "test/aws_api_gateway_api_key.key", { enabled: false });
  const other = await gatewayBefore(t, { sqs: "http://127.0.0.1:1", resources: disabled });
  assert.equal((await other.post("/queue-1", BODY)).status, 403);
});

test("a key outside every usage plan of the stage is a 403", async (t) => {
  const resources = [
    ...gatewayResources(),
    resource("aws_api_gateway_api_key", "loose", { id: "loose", name: "loose", value: "loose-key-of-20-characters" }),
  ];
  const gateway = await gatewayBefore(t, { sqs: "http://127.0.0.1:1", resources });
  const answer = await gateway.post("/queue-1", BODY, { headers: { "x-api-key": "loose-key-of-20-characters" } });
  assert.equal(answer.status, 403);
});

test("a path, method or stage without a route is a 404", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const paths = ["/queue-2", "/", "", "/queue-1/", "/queue-1/batch/x", "/QUEUE-1", "/%71ueue-1"];
  for (const path of paths) {
    const answer = await gateway.post(path, BODY);
    assert.equal(answer.status, 404, path);
    assert.equal(errorOf(answer).code, "ROUTE_NOT_FOUND", path);
  }
  for (const method of ["GET", "PUT", "DELETE"]) {
    assert.equal((await gateway.post("/queue-1", "", { method })).status, 404, method);
  }
  assert.equal(await gateway.count(), 0);
});

test("what is not declared as JSON is a 415, and nothing is queued", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/jsonp", ""]) {
    const answer = await gateway.post("/queue-1", BODY, { headers: { "content-type": type } });
    assert.equal(answer.status, 415, type);
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
  assert.equal(answer.status, 413);
  assert.equal(errorOf(answer).code, "MESSAGE_TOO_LARGE");
  assert.equal(await gateway.count(), 0);
});

test("the burst of a usage plan passes, the request after it is throttled, with Retry-After", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const resources = withValues(gatewayResources(), PLAN, {
    throttle_settings: { rate_limit: 0.001, burst_limit: 3 },
  });
  const gateway = await gatewayBefore(t, { sqs, resources });
  const statuses = [];
  for (let sent = 0; sent < 3; sent += 1) statuses.push((await gateway.post("/queue-1", BODY)).status);
  assert.deepEqual(statuses, [200, 200, 200]);
  const answer = await gateway.post("/queue-1/batch", BODY);
  assert.equal(answer.status, 429);
  assert.equal(answer.headers["retry-after"], "1");
  assert.equal(errorOf(answer).code, "THROTTLED");
});

test("a stage's method throttle holds for every key, for each method by itself", async (t) => {
  const sqs = await sqsInPlace(t, (_, response) => response.end(ACCEPTED));
  const settings = { throttling_rate_limit: 0.001, throttling_burst_limit: 1 };
  const resources = [
    ...gatewayResources(),
    resource("aws_api_gateway_method_settings", "all", {
      rest_api_id: "api",
      stage_name: "kimalarm",
      method_path: "*/*",
      settings: [settings],
    }),
  ];
  const gateway = await gatewayBefore(t, { sqs, resources });
  assert.equal((await gateway.post("/queue-1", BODY)).status, 200);
  assert.equal((await gateway.post("/queue-1", BODY)).status, 429);
  assert.equal((await gateway.post("/queue-1/batch", BODY)).status, 400);
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
  const resources = withValues(gatewayResources(), PLAN, { quota_settings: [{ limit: 3, period: "MONTH" }] });
  const file = join(folder(t), "gateway.sqlite");
  const before = await gatewayBefore(t, { sqs, resources, file });
  assert.equal((await before.post("/queue-1", BODY)).status, 200);
  assert.equal((await before.post("/queue-1", BODY)).status, 200);
  await before.close();
  const after = await gatewayBefore(t, { sqs, resources, file });
  assert.equal((await after.post("/queue-1", BODY)).status, 200);
  const answer = await after.post("/queue-1", BODY);
  assert.equal(answer.status, 429);
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
  const resources = gatewayResources().filter(({ type }) => type !== "aws_api_gateway_gateway_response");
  const gateway = await gatewayBefore(t, { sqs: "http://127.0.0.1:1", resources });
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
  const resources = [
    ...gatewayResources().filter(({ type }) => type !== "aws_api_gateway_gateway_response"),
    resource("aws_api_gateway_gateway_response", "any", {
      rest_api_id: "api",
      response_type: "DEFAULT_4XX",
      response_templates: {
        "application/json": '{"text":$context.error.messageString,"type":"$context.error.responseType"}',
      },
    }),
  ];
  const gateway = await gatewayBefore(t, { sqs: "http://127.0.0.1:1", resources });
  const answer = await gateway.post("/queue-1", BODY, { headers: { "content-type": "text/plain" } });
  assert.equal(answer.status, 415);
  assert.equal(answer.text, '{"text":"Unsupported Media Type","type":"UNSUPPORTED_MEDIA_TYPE"}');
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
  assert(!log.includes(API_KEY));
});
