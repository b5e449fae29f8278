import assert from "node:assert/strict";
import { test } from "node:test";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SQSClient } from "@aws-sdk/client-sqs";
import { createQueue } from "../runtime/consumer/queue.ts";
import { createAttempts } from "../runtime/parking-lot/attempts.ts";
import { ReferenceQueue } from "./helpers/reference-queue.ts";
import { type ScriptedAnswer, startBackend } from "./helpers/scripted-backend.ts";

const silent: ScriptedAnswer = () => {};
const unavailable: ScriptedAnswer = {
  status: 503,
  headers: { "content-type": "application/x-amz-json-1.0" },
  body: "{}",
};

/** One message in flight, and every call that the failing path makes, on SDK clients without a timeout of their own. */
function failingPath(endpoint: string, maxAttempts: number) {
  const reference = new ReferenceQueue(360);
  reference.send("10", "{}");
  const messages = reference.receive(1);
  const [message] = messages;
  assert.ok(message !== undefined);
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const aws = { endpoint, region: "ap-northeast-2", credentials, maxAttempts };
  const sqs = new SQSClient({ ...aws, useQueueUrlAsEndpoint: false });
  const dynamo = new DynamoDBClient(aws);
  const { port, send } = createQueue(sqs, 50);
  const attempts = createAttempts({ client: dynamo, table: "dev-parking-lot", callMilliseconds: 50, now: Date.now });
  const url = "https://queue.test/queue-1";
  const outgoing = { body: "{}", groupId: "10", deduplicationId: "one", attributes: {} };
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    "dead-letter": () => send(url, outgoing),
    delete: () => port.delete(url, messages),
    visibility: () => port.changeVisibility(url, messages, 1),
    read: () => attempts.read("queue-1", message),
    add: () => attempts.add({ name: "queue-1", retentionSeconds: 60 }, message),
    clear: () => attempts.clear("queue-1", message),
  };
  return {
    calls: Object.entries(calls),
    [Symbol.dispose]() {
      sqs.destroy();
      dynamo.destroy();
    },
  };
}

test("gives up each call of the failing path when there is no answer", { timeout: 10_000 }, async () => {
  await using aws = await startBackend(silent);
  using path = failingPath(aws.url, 2);
  for (const [name, call] of path.calls) await assert.rejects(call, { name: "TimeoutError" }, name);
  assert.ok(aws.received.length > 0);
});

test("gives up each call of the failing path in the middle of its retries", { timeout: 10_000 }, async () => {
  await using aws = await startBackend(unavailable);
  // A thousand tries take hours.
  using path = failingPath(aws.url, 1_000);
  for (const [name, call] of path.calls) await assert.rejects(call, { name: "TimeoutError" }, name);
});
