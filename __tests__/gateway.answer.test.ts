import assert from "node:assert/strict";
import { test } from "node:test";
import {
  argumentOf,
  changed,
  gatewayResources,
  NOWHERE,
  policy,
  policyOf,
  queueOf,
  select,
  selectOne,
  without,
} from "./helpers/gateway-resources.ts";
import { brokenAnswers, type SqsAnswer, soundAnswers, sqsErrors } from "./helpers/hostile-corpus.ts";
import { errorOf, gatewayBefore, gatewayWithQueue, sqsInPlace } from "./helpers/local-gateway.ts";

const BODY = '{"MessageGroupID":"10"}';
const BATCH = JSON.stringify({ entries: [{ id: "a", groupId: "10", body: BODY }] });
const routes = [
  ["/queue-1", BODY],
  ["/queue-1/batch", BATCH],
] as const;

test("whatever answers in SQS's place, a message that it did not take is never a 200", async (t) => {
  let next: SqsAnswer = { name: "", status: 200, body: "" };
  const sqs = await sqsInPlace(t, (request, response) => {
    request.resume().on("end", () => {
      response.writeHead(next.status, { location: "http://127.0.0.1:1/", "content-type": "text/html" });
      response.end(next.status === 204 ? undefined : next.body);
    });
  });
  const gateway = await gatewayBefore(t, { sqs });
  const statuses = new Set<number>();
  for (const broken of brokenAnswers) {
    next = broken;
    for (const [path, body] of routes) {
      const answer = await gateway.post(path, body);
      assert.notEqual(answer.status, 200, `${path}, ${broken.name}: ${answer.text}`);
      errorOf(answer);
      statuses.add(answer.status);
    }
  }
  assert.deepEqual([...statuses].toSorted(), [400, 413, 429, 502]);
});

test("SQS's errors come as the contract's codes, without SQS's own text", async (t) => {
  let next = "";
  const sqs = await sqsInPlace(t, (request, response) => {
    request.resume().on("end", () => response.writeHead(400).end(next));
  });
  const gateway = await gatewayBefore(t, { sqs });
  const answers: Record<string, string> = {};
  for (const [code, text] of sqsErrors) {
    next = JSON.stringify({ Error: { Code: code, Message: `${text} swordfish`, Type: "Sender" }, RequestId: "r" });
    const single = await gateway.post("/queue-1", BODY);
    next = JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message: `${text} swordfish` });
    const batch = await gateway.post("/queue-1/batch", BATCH);
    assert.doesNotMatch(single.text + batch.text, /swordfish|"a b"/);
    answers[`${code}: ${text}`.slice(0, 70)] = [single, batch]
      .map((answer) => `${answer.status} ${errorOf(answer).code}`)
      .join(" | ");
  }
  assert.deepEqual(answers, {
    "InvalidParameterValue: One or more parameters are invalid. Reason: Mes":
      "413 MESSAGE_TOO_LARGE | 413 MESSAGE_TOO_LARGE",
    'InvalidParameterValue: Value "a b" for parameter MessageDeduplicationI':
      "400 INVALID_PARAMETER | 400 INVALID_PARAMETER",
    "InvalidParameterValue: Value & for parameter MessageGroupId is invalid":
      "400 INVALID_PARAMETER | 400 INVALID_PARAMETER",
    "InvalidParameterValue: something else": "400 MESSAGE_REFUSED | 400 MESSAGE_REFUSED",
    "InvalidParameterValueException: something else": "400 MESSAGE_REFUSED | 400 MESSAGE_REFUSED",
    "MissingParameter: The request must contain the parameter MessageGroupI":
      "400 INVALID_PARAMETER | 400 INVALID_PARAMETER",
    "MissingParameter: The request must contain the parameter MessageBody.":
      "400 MESSAGE_REFUSED | 400 MESSAGE_REFUSED",
    "InvalidMessageContents: Invalid characters found. Valid unicode charac":
      "400 MESSAGE_REFUSED | 400 MESSAGE_REFUSED",
    "AWS.SimpleQueueService.BatchRequestTooLong: Batch requests cannot be l":
      "413 MESSAGE_TOO_LARGE | 413 MESSAGE_TOO_LARGE",
    "AWS.SimpleQueueService.BatchEntryIdsNotDistinct: Id a repeated.": "502 QUEUE_ERROR | 400 INVALID_PARAMETER",
    "AWS.SimpleQueueService.InvalidBatchEntryId: x": "502 QUEUE_ERROR | 400 INVALID_PARAMETER",
    "AWS.SimpleQueueService.EmptyBatchRequest: x": "502 QUEUE_ERROR | 400 INVALID_PARAMETER",
    "AWS.SimpleQueueService.TooManyEntriesInBatchRequest: x": "502 QUEUE_ERROR | 400 INVALID_PARAMETER",
    "RequestThrottled: Rate exceeded": "429 THROTTLED | 429 THROTTLED",
    "ThrottlingException: Rate exceeded": "429 THROTTLED | 429 THROTTLED",
    "KmsThrottled: x": "429 THROTTLED | 429 THROTTLED",
    "RequestLimitExceeded: x": "429 THROTTLED | 429 THROTTLED",
    "TooManyRequestsException: x": "429 THROTTLED | 429 THROTTLED",
    "AccessDenied: Access to the resource https://sqs/ is denied.": "502 QUEUE_ERROR | 502 QUEUE_ERROR",
    "AWS.SimpleQueueService.NonExistentQueue: The specified queue does not ": "502 QUEUE_ERROR | 502 QUEUE_ERROR",
    "InternalFailure: x": "502 QUEUE_ERROR | 502 QUEUE_ERROR",
    "ServiceUnavailable: x": "502 QUEUE_ERROR | 502 QUEUE_ERROR",
  });
});

/** An error as both protocols have it. */
const error = (code: string, text: string) =>
  JSON.stringify({ Error: { Code: code, Message: text }, __type: `com.amazonaws.sqs#${code}`, message: text });

test("any status of SQS other than 200 comes as the contract says, by SQS's code", async (t) => {
  let next = { status: 200, body: "" };
  const sqs = await sqsInPlace(t, (request, response) => {
    request.resume().on("end", () => response.writeHead(next.status).end(next.body));
  });
  const gateway = await gatewayBefore(t, { sqs });
  const expected = [
    [error("AccessDenied", "x"), "QUEUE_ERROR"],
    [error("RequestThrottled", "x"), "THROTTLED"],
    [error("InvalidParameterValue", "Message must be shorter than 10 bytes"), "MESSAGE_TOO_LARGE"],
    [error("InvalidParameterValue", "MessageGroupId"), "INVALID_PARAMETER"],
    [error("InvalidMessageContents", "x"), "MESSAGE_REFUSED"],
    [error("InternalFailure", "x"), "QUEUE_ERROR"],
    ["<html>", "QUEUE_ERROR"],
    ["", "QUEUE_ERROR"],
    [soundAnswers[0]?.body ?? "", "QUEUE_ERROR"],
    [soundAnswers[1]?.body ?? "", "QUEUE_ERROR"],
  ] as const;
  for (const status of [201, 202, 299, 301, 302, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 599]) {
    for (const [body, code] of expected) {
      next = { status, body };
      for (const [path, sent] of routes) {
        assert.equal(errorOf(await gateway.post(path, sent)).code, code, `${path}: ${status} ${body}`);
      }
    }
  }
});

test("what SQS took comes as the contract's 200", async (t) => {
  let next = "";
  const sqs = await sqsInPlace(t, (request, response) => {
    request.resume().on("end", () => response.end(next));
  });
  const gateway = await gatewayBefore(t, { sqs });
  const [single, batch, partly, none] = soundAnswers;
  const ids = { messageId: "1679d985-01f1-4038-a1f2-06e33b95d5a8", sequenceNumber: "18849496460467696128" };
  const answerTo = async (sound: SqsAnswer | undefined, [path, body]: readonly [string, string]) => {
    next = sound?.body ?? "";
    const answer = await gateway.post(path, body);
    assert.equal(answer.status, 200, answer.text);
    return JSON.parse(answer.text);
  };
  assert.deepEqual(await answerTo(single, routes[0]), ids);
  assert.deepEqual(await answerTo(batch, routes[1]), {
    successful: [
      { id: "a", ...ids },
      { id: "b-_B", ...ids },
    ],
    failed: [],
  });
  const { successful, failed } = await answerTo(partly, routes[1]);
  assert.deepEqual(successful, [{ id: "ok", ...ids }]);
  assert.deepEqual(
    failed.map(({ id, senderFault }: { id: string; senderFault: boolean }) => [id, senderFault]),
    sqsErrors.map((_, at) => [`f${at}`, at % 2 === 0]),
  );
  assert.equal(failed[0].code, "MESSAGE_TOO_LARGE");
  const nothing = await answerTo(none, routes[1]);
  assert.deepEqual(nothing.successful, []);
  assert.deepEqual(
    nothing.failed.map(({ code, senderFault }: { code: string; senderFault: boolean }) => [code, senderFault]),
    [
      ["QUEUE_ERROR", false],
      ["QUEUE_ERROR", false],
    ],
  );
});

test("a queue that is not there is a 502, and the gateway serves on when it is back", async (t) => {
  let down = true;
  const sqs = await sqsInPlace(t, (request, response) => {
    if (down) request.socket.destroy();
    else request.resume().on("end", () => response.end(soundAnswers[0]?.body));
  });
  const gateway = await gatewayBefore(t, { sqs });
  assert.equal(errorOf(await gateway.post("/queue-1", BODY)).code, "QUEUE_ERROR");
  down = false;
  assert.equal((await gateway.post("/queue-1", BODY)).status, 200);
  const refused = await gatewayBefore(t, { sqs: NOWHERE });
  for (const [path, body] of routes) assert.equal(errorOf(await refused.post(path, body)).code, "QUEUE_ERROR", path);
});

test("an answer that breaks off in the middle is a 502", async (t) => {
  const sqs = await sqsInPlace(t, (request, response) => {
    response.writeHead(200, { "content-length": "500" });
    response.write(soundAnswers[0]?.body);
    setImmediate(() => request.socket.destroy());
  });
  const gateway = await gatewayBefore(t, { sqs });
  assert.equal(errorOf(await gateway.post("/queue-1", BODY)).code, "QUEUE_ERROR");
});

test("a queue that does not answer within the integration's timeout is a 504", async (t) => {
  const sqs = await sqsInPlace(t, () => {});
  const resources = changed(await gatewayResources(), "aws_api_gateway_integration", {}, { timeout_milliseconds: 50 });
  const gateway = await gatewayBefore(t, { sqs, resources });
  for (const [path, body] of routes) assert.equal(errorOf(await gateway.post(path, body)).code, "QUEUE_TIMEOUT", path);
});

test("a role that may not send to the queue makes every send a 502 and queues nothing", async (t) => {
  const emitted = await gatewayResources();
  const arn = argumentOf(queueOf(emitted, "/queue-1"), "arn");
  const wrong = [
    { Effect: "Allow", Action: "sqs:SendMessage", Resource: `${arn}x` },
    { Effect: "Allow", Action: ["sqs:ReceiveMessage", "sqs:SendMessageBatch"], Resource: "*" },
    { Effect: "Deny", Action: "sqs:*", Resource: "*" },
  ];
  let calls = 0;
  const sqs = await sqsInPlace(t, (_, response) => {
    calls += 1;
    response.end(soundAnswers[0]?.body);
  });
  for (const statement of wrong) {
    const allowed = { Effect: "Allow", Action: "sqs:SendMessage", Resource: arn };
    const resources = changed(emitted, "aws_iam_role_policy", policyOf(emitted, "/queue-1"), {
      policy: policy(statement.Effect === "Deny" ? [allowed, statement] : [statement]),
    });
    const gateway = await gatewayBefore(t, { sqs, resources });
    for (const [path, body] of routes) {
      assert.equal(errorOf(await gateway.post(path, body)).code, "QUEUE_ERROR");
    }
  }
  assert.equal(calls, 0);
});

test("a template that fails is a 500, and the log names template, line and method", async (t) => {
  const emitted = await gatewayResources();
  const at = { path: "/queue-1" };
  const resources = changed(emitted, "aws_api_gateway_integration", at, {
    request_templates: { "application/json": "a\n$input.path('$.MessageGroupID').shout()" },
  });
  const gateway = await gatewayBefore(t, { sqs: NOWHERE, resources });
  assert.equal(errorOf(await gateway.post("/queue-1", BODY)).code, "GATEWAY_ERROR");
  const { address } = selectOne(emitted, "aws_api_gateway_integration", at);
  const message = String(gateway.logged[0]?.message);
  assert(message.startsWith(`${address}: `), message);
  assert.match(message, /line 2.*String\.shout/);
});

test("a status without a method response, or overridden twice, is a 500", async (t) => {
  const sqs = await sqsInPlace(t, (request, response) => {
    request.resume().on("end", () => response.end(soundAnswers[0]?.body));
  });
  const once = "#set($context.responseOverride.status = 418)";
  const twice = "#set($context.responseOverride.status = 400)#set($context.responseOverride.status = 400)";
  const taken = { path: "/queue-1", status_code: "200" };
  for (const source of [once, twice]) {
    const resources = changed(await gatewayResources(), "aws_api_gateway_integration_response", taken, {
      response_templates: { "application/json": source },
    });
    const gateway = await gatewayBefore(t, { sqs, resources });
    assert.equal(errorOf(await gateway.post("/queue-1", BODY)).code, "GATEWAY_ERROR");
  }
});

test("a status that no integration response takes is a 500, never passed on", async (t) => {
  const sqs = await sqsInPlace(t, (request, response) => {
    request.resume().on("end", () => response.writeHead(503).end("{}"));
  });
  const emitted = await gatewayResources();
  const [resources] = select(emitted, "aws_api_gateway_integration_response", { path: "/queue-1" })
    .filter(({ values }) => values.selection_pattern === undefined)
    .map(({ values }) => values.status_code)
    .map((status_code) =>
      without(emitted, "aws_api_gateway_integration_response", { path: "/queue-1", status_code: String(status_code) }),
    );
  assert(resources, "no integration response takes the statuses that no pattern matches");
  const gateway = await gatewayBefore(t, { sqs, resources });
  assert.equal(errorOf(await gateway.post("/queue-1", BODY)).code, "GATEWAY_ERROR");
});

test("many senders at once each get the answer to their own message", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, at) => gateway.post("/queue-1", `{"MessageGroupID":"g${at % 7}","n":${at}}`)),
  );
  const sent = answers.map((answer, at) => [
    JSON.parse(answer.text).messageId,
    `{"data":{"MessageGroupID":"g${at % 7}","n":${at}}}`,
  ]);
  const queued = [];
  for (let taken = await gateway.take(); taken.length > 0; taken = await gateway.take()) queued.push(...taken);
  assert.deepEqual(queued.map(({ messageId, body }) => [messageId, body]).toSorted(), sent.toSorted());
});
