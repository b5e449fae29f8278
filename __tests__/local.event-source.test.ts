import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { strToU8, zipSync } from "fflate";
import { failedItems } from "../runtime/local/function/batch-response.ts";
import { startEventSource } from "../runtime/local/function/event-source.ts";
import { unpackFunction } from "../runtime/local/function/package.ts";
import { FunctionRunner, platformEnvironment } from "../runtime/local/function/runner.ts";
import { QueueEngine } from "../runtime/local/queue/engine.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import { until } from "./helpers/until.ts";

const QUEUE = "orders.fifo";
const REGION = "ap-northeast-2";

test("deletes what the function settled and keeps what it returned", async (t) => {
  const path = await start(t, {
    code: `export const handler = async ({ Records }) => ({
      batchItemFailures: Records.filter((r) => r.body === "bad").map((r) => ({ itemIdentifier: r.messageId })) });`,
  });
  const deleted: string[] = [];
  path.engine.on("deleted", ({ groupId }) => deleted.push(groupId));
  path.send("a", "good");
  path.send("b", "bad");
  path.send("c", "good");
  path.poll();
  await path.until(() => deleted.length === 2);
  assert.deepEqual(deleted.toSorted(), ["a", "c"]);
  assert.equal(path.left(), 1);
});

test("gives the function records as Lambda does", async (t) => {
  const path = await start(t, { code: `export const handler = async (event) => console.log(JSON.stringify(event));` });
  const { messageId, sequenceNumber } = path.engine.send(QUEUE, {
    groupId: "10",
    body: "text",
    deduplicationId: "id-1",
    messageAttributes: { reason: { dataType: "String", stringValue: "why" } },
  });
  path.poll();
  await path.until(() => path.left() === 0 && path.lines.length === 1);
  const [record] = JSON.parse(path.lines[0] ?? "").Records;
  assert.equal(record.messageId, messageId);
  assert.equal(record.body, "text");
  assert.equal(record.md5OfBody, createHash("md5").update("text").digest("hex"));
  assert.equal(record.eventSource, "aws:sqs");
  assert.equal(record.eventSourceARN, `arn:aws:sqs:${REGION}:000000000000:${QUEUE}`);
  assert.equal(record.awsRegion, REGION);
  assert.equal(record.attributes.SequenceNumber, sequenceNumber);
  assert.equal(record.attributes.MessageGroupId, "10");
  assert.equal(record.attributes.MessageDeduplicationId, "id-1");
  assert.equal(record.attributes.ApproximateReceiveCount, "1");
  assert.match(record.attributes.SentTimestamp, /^\d{13}$/);
  assert.match(record.attributes.ApproximateFirstReceiveTimestamp, /^\d{13}$/);
  assert.equal(record.messageAttributes.reason.stringValue, "why");
  assert.equal(record.messageAttributes.reason.dataType, "String");
});

test("the function sees the emitted environment and what Lambda sets, and nothing of this process", async (t) => {
  process.env["FIFO_TEST_LEAK"] = "yes";
  t.after(() => delete process.env["FIFO_TEST_LEAK"]);
  const path = await start(t, {
    code: `export const handler = async () => console.log(JSON.stringify(process.env));`,
    variables: { BACKEND_URL: "http://backend/" },
  });
  path.send("a", "x");
  path.poll();
  await path.until(() => path.lines.length === 1);
  const seen = JSON.parse(path.lines[0] ?? "");
  assert.equal(seen.BACKEND_URL, "http://backend/");
  assert.equal(seen.AWS_REGION, REGION);
  assert.equal(seen.TZ, ":UTC");
  assert.deepEqual(
    Object.keys(seen).filter((name) => !/^(AWS_|BACKEND_URL$|TZ$|LANG$)/.test(name)),
    [],
  );
});

test("kills a function at its timeout, leaves its messages in the queue and goes on with a new process", async (t) => {
  const path = await start(t, {
    timeout: 1,
    visibility: 1,
    code: `import { existsSync, writeFileSync } from "node:fs";
      export const handler = async (event, context) => {
        const mark = new URL("mark", import.meta.url);
        if (!existsSync(mark)) { writeFileSync(mark, ""); console.log("remaining " + context.getRemainingTimeInMillis()); for (;;); }
        console.log("again " + event.Records[0].attributes.ApproximateReceiveCount);
      };`,
  });
  path.send("a", "x");
  path.poll();
  // At least: on a busy machine the second invocation can reach its timeout as well, and a third one follows.
  await path.until(() => path.left() === 0 && path.lines.length >= 2 && path.failures.length > 0);
  const remaining = Number(path.lines[0]?.replace("remaining ", ""));
  assert.ok(remaining > 0 && remaining <= 1_000, path.lines[0]);
  assert.match(path.lines[1] ?? "", /^again \d+$/);
  assert.notEqual(path.lines[1], "again 1");
  assert.match(path.failures[0] ?? "", /timed-out/);
});

test("a thrown error and a crash leave the whole batch, and the crash's process is replaced", async (t) => {
  const path = await start(t, {
    // Longer than a process takes to load on a busy machine: until then the message is nobody else's.
    visibility: 3,
    code: `let calls = 0;
      export const handler = async (event) => {
        const count = Number(event.Records[0].attributes.ApproximateReceiveCount);
        console.log(process.pid);
        if (count === 1) throw new TypeError("secret body");
        if (count === 2) process.exit(3);
      };`,
  });
  path.send("a", "x");
  path.poll();
  await path.until(() => path.left() === 0 && path.lines.length === 3);
  const [first, second, third] = path.lines;
  assert.equal(first, second, "the process that threw is still warm");
  assert.notEqual(second, third);
  assert.match(path.failures[0] ?? "", /threw TypeError/);
  assert.doesNotMatch(path.failures.join(), /secret body/);
  assert.match(path.failures[1] ?? "", /crashed/);
});

test("runs groups side by side, as many batches as the maximum concurrency and never more, and keeps processes warm", async (t) => {
  const path = await start(t, {
    batchSize: 1,
    concurrency: 3,
    code: `export const handler = async () => {
      console.log("start " + process.pid); await new Promise((r) => setTimeout(r, 400)); console.log("end " + process.pid); };`,
  });
  // Enough for several seconds: each would add one more batch at a time, were there no maximum.
  const messages = 30;
  for (let number = 0; number < messages; number += 1) path.send(`group-${number}`, String(number));
  path.poll();
  await path.until(() => path.left() === 0 && path.lines.length === messages * 2);
  let running = 0;
  let most = 0;
  for (const line of path.lines) {
    running += line.startsWith("start") ? 1 : -1;
    most = Math.max(most, running);
  }
  assert.equal(most, 3);
  assert.equal(new Set(path.lines.map((line) => line.split(" ")[1])).size, 3);
});

test("above the function's reserved concurrency an invocation waits for its turn, and all of them come", async (t) => {
  const path = await start(t, {
    batchSize: 1,
    concurrency: 4,
    reservedConcurrency: 1,
    code: `export const handler = async ({ Records }) => {
      console.log("start"); await new Promise((r) => setTimeout(r, 100)); console.log("end"); };`,
  });
  const messages = 8;
  for (let number = 0; number < messages; number += 1) path.send(`group-${number}`, String(number));
  path.poll();
  await path.until(() => path.left() === 0 && path.lines.length === messages * 2);
  assert.deepEqual(path.lines, Array.from({ length: messages }, () => ["start", "end"]).flat());
  assert.deepEqual(path.failures, []);
});

test("what waits for its turn when local mode stops fails, and its messages stay", async (t) => {
  const path = await start(t, {
    batchSize: 1,
    concurrency: 2,
    reservedConcurrency: 1,
    code: `export const handler = () => { console.log("start"); return new Promise((r) => setTimeout(r, 60_000)); };`,
    timeout: 60,
  });
  path.send("a", "1");
  path.send("b", "2");
  const source = path.poll();
  await path.until(() => path.lines.length === 1 && path.inFlight() === 2);
  const stopped = source.stop();
  await path.close();
  await stopped;
  assert.deepEqual([path.lines, path.left()], [["start"], 2]);
});

test("kills a function that hangs while it loads, and goes on with a new process", async (t) => {
  const path = await start(t, {
    visibility: 1,
    loadMilliseconds: 1_000,
    code: `import { existsSync, writeFileSync } from "node:fs";
      const mark = new URL("mark", import.meta.url);
      if (!existsSync(mark)) { writeFileSync(mark, ""); for (;;); }
      export const handler = async () => console.log("loaded");`,
  });
  path.send("a", "x");
  path.poll();
  await path.until(() => path.left() === 0 && path.lines.length === 1);
  assert.deepEqual(path.lines, ["loaded"]);
  assert.match(path.failures[0] ?? "", /took longer than 1000 ms to load \(timed-out\)/);
});

test("a process that says what is no answer is ended, and its messages stay", async (t) => {
  const path = await start(t, {
    visibility: 1,
    code: `export const handler = async ({ Records: [record] }) => {
      console.log(process.pid);
      const count = Number(record.attributes.ApproximateReceiveCount);
      if (count === 1) { process.send({ kind: "result of another kind" }); await new Promise((r) => setTimeout(r, 60_000)); }
      if (count === 2) { process.send({ kind: "ready" }); await new Promise((r) => setTimeout(r, 60_000)); }
    };`,
  });
  path.send("a", "x");
  path.poll();
  await path.until(() => path.left() === 0 && path.lines.length === 3);
  assert.equal(new Set(path.lines).size, 3, "none of them was taken for a warm one");
  assert.deepEqual(
    path.failures.map((failure) => /\((\S+)\)/.exec(failure)?.[1]),
    ["crashed", "crashed"],
  );
});

test("one group is never in two batches at the same time", async (t) => {
  const path = await start(t, {
    batchSize: 1,
    code: `export const handler = async ({ Records }) => {
      console.log("start " + Records[0].body); await new Promise((r) => setTimeout(r, 20)); console.log("end " + Records[0].body); };`,
  });
  for (let number = 0; number < 8; number += 1) path.send("a", String(number));
  path.poll();
  await path.until(() => path.left() === 0 && path.lines.length === 16);
  const expected = Array.from({ length: 8 }, (_, number) => [`start ${number}`, `end ${number}`]).flat();
  assert.deepEqual(path.lines, expected);
});

test("an invocation can start after its messages' visibility ran out: nothing of it is deleted twice", async (t) => {
  const path = await start(t, {
    visibility: 1,
    startDelayMilliseconds: () => 1_300,
    code: `export const handler = async ({ Records }) => console.log(Records[0].attributes.ApproximateReceiveCount);`,
  });
  path.send("a", "x");
  const source = path.poll();
  await path.until(() => path.lines.length >= 1);
  await source.stop();
  assert.equal(path.left(), 1, "a late batch's receipt handles do nothing");
});

test("cuts an event's payload at six megabytes and gives the rest back in order", async (t) => {
  const path = await start(t, {
    code: `export const handler = async ({ Records }) => console.log(Records.map((r) => r.body[0]).join(""));`,
  });
  // A quotation mark is two bytes in the event: five of these are ten megabytes.
  for (let number = 0; number < 5; number += 1) path.send("a", String(number) + '"'.repeat(1_000_000));
  path.poll();
  await path.until(() => path.left() === 0);
  await path.until(() => path.lines.join("").length === 5);
  assert.deepEqual(path.lines.join(""), "01234");
  assert.ok(path.lines.length > 1, "one payload would be ten megabytes");
});

for (const [answer, expected] of [
  [null, []],
  [undefined, []],
  [{}, []],
  [{ batchItemFailures: null }, []],
  [{ batchItemFailures: [] }, []],
  [{ batchItemFailures: [{ itemIdentifier: "b" }] }, ["b"]],
] as const) {
  test(`takes ${JSON.stringify(answer)} for ${expected.length} failures`, () => {
    assert.deepEqual([...failedItems(answer, ["a", "b"])], expected);
  });
}

for (const answer of [
  "text",
  { batchItemFailures: [{ itemIdentifier: "" }] },
  { batchItemFailures: [{ itemIdentifier: null }] },
  { batchItemFailures: [{ id: "a" }] },
  { batchItemFailures: [{ itemIdentifier: "of-another-batch" }] },
]) {
  test(`takes ${JSON.stringify(answer)} for the failure of the whole batch`, () => {
    assert.throws(() => failedItems(answer, ["a", "b"]), /whole batch/);
  });
}

test("refuses a zip that is not the one that was hashed, and an argument that it does not know", async (t) => {
  const folder = await folderFor(t);
  const resource = await emitFunction(folder, { code: "export const handler = 1;" });
  const other = { ...resource, values: { ...resource.values, source_code_hash: "other" } };
  await assert.rejects(unpackFunction(other, folder, join(folder, "f")), /source_code_hash is other.*npm run synth/);
  const layered = { ...resource, values: { ...resource.values, layers: [] } };
  await assert.rejects(unpackFunction(layered, folder, join(folder, "f")), /dev\/aws_lambda_function\.f: .*layers/);
  const json = { ...resource, values: { ...resource.values, logging_config: { log_format: "JSON" } } };
  await assert.rejects(unpackFunction(json, folder, join(folder, "f")), /only lines as the function writes them/);
  const off = { ...resource, values: { ...resource.values, reserved_concurrent_executions: 0 } };
  await assert.rejects(unpackFunction(off, folder, join(folder, "f")), /reserved_concurrent_executions/);
});

interface Given {
  readonly code: string;
  readonly timeout?: number;
  readonly visibility?: number;
  readonly batchSize?: number;
  readonly concurrency?: number;
  readonly reservedConcurrency?: number;
  readonly startDelayMilliseconds?: (batch: number) => number;
  readonly loadMilliseconds?: number;
  readonly variables?: Readonly<Record<string, string>>;
}

async function start(t: TestContext, given: Given) {
  const folder = await folderFor(t);
  const engine = new QueueEngine({ file: join(folder, "queues.sqlite"), region: REGION });
  engine.createQueue(QUEUE, {
    FifoQueue: "true",
    ContentBasedDeduplication: "true",
    VisibilityTimeout: String(given.visibility ?? 30),
  });
  const code = await unpackFunction(await emitFunction(folder, given), folder, join(folder, "function"));
  const lines: string[] = [];
  const failures: string[] = [];
  const runner = new FunctionRunner({
    package: code,
    platform: platformEnvironment({
      functionName: code.name,
      memoryMegabytes: code.memoryMegabytes,
      region: REGION,
      endpoints: { sqs: "http://127.0.0.1:1", dynamodb: "http://127.0.0.1:2" },
    }),
    log: (line) => lines.push(line),
    loadMilliseconds: given.loadMilliseconds,
  });
  const mapping: EmittedResource = {
    stack: "dev",
    type: "aws_lambda_event_source_mapping",
    name: "m",
    address: "dev/aws_lambda_event_source_mapping.m",
    values: {
      event_source_arn: engine.queueArn(QUEUE),
      function_name: code.arn,
      batch_size: given.batchSize ?? 10,
      enabled: true,
      function_response_types: ["ReportBatchItemFailures"],
      scaling_config: { maximum_concurrency: given.concurrency ?? 4 },
      id: "m",
      uuid: "m",
    },
  };
  return {
    engine,
    lines,
    failures,
    send: (groupId: string, body: string) =>
      engine.send(QUEUE, { groupId, body, deduplicationId: `${groupId}-${body.slice(0, 9)}` }),
    left() {
      const counts = engine.queueAttributes(QUEUE);
      return Number(counts["ApproximateNumberOfMessages"]) + Number(counts["ApproximateNumberOfMessagesNotVisible"]);
    },
    inFlight: () => Number(engine.queueAttributes(QUEUE)["ApproximateNumberOfMessagesNotVisible"]),
    close: () => runner.close(),
    poll() {
      const source = startEventSource({
        mapping,
        engine,
        runner,
        region: REGION,
        startDelayMilliseconds: given.startDelayMilliseconds,
        onFailure: (reason) => failures.push(reason),
      });
      t.after(async () => {
        const stopped = source.stop();
        await runner.close();
        await stopped;
        engine.close();
      });
      return source;
    },
    until,
  };
}

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "fifo-function-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function emitFunction(folder: string, given: Given): Promise<EmittedResource> {
  const zip = zipSync({ "index.mjs": strToU8(given.code) }, { level: 0 });
  await writeFile(join(folder, "code.zip"), zip);
  return {
    stack: "dev",
    type: "aws_lambda_function",
    name: "f",
    address: "dev/aws_lambda_function.f",
    values: {
      function_name: "dev-consumer",
      arn: `arn:aws:lambda:${REGION}:000000000000:function:dev-consumer`,
      runtime: "nodejs24.x",
      handler: "index.handler",
      filename: "code.zip",
      source_code_hash: createHash("sha256").update(zip).digest("base64"),
      timeout: given.timeout ?? 10,
      memory_size: 128,
      ...(given.reservedConcurrency === undefined ? {} : { reserved_concurrent_executions: given.reservedConcurrency }),
      environment: { variables: given.variables ?? {} },
    },
  };
}
