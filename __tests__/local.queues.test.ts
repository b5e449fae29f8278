import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type AttributeValue, DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { createQueues } from "../runtime/local/create-queues.ts";
import { drain } from "../runtime/local/drain.ts";
import { QueueEngine } from "../runtime/local/queue/engine.ts";
import { startTableServer } from "../runtime/local/table/server.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import { readOriginalIds, readParkedIds, waitingMessages } from "../runtime/local/waiting-messages.ts";
import { dataFolder } from "./helpers/local-process.ts";

const MAIN = "dev-main.fifo";
const DEAD = "dev-dead.fifo";

test("a start in another region brings the queues over, with their messages", async (t) => {
  const file = await queueFile(t);
  const first = open(file, "ap-northeast-2");
  createQueues(first, emitted("ap-northeast-2", { visibility_timeout_seconds: 360 }));
  const { messageId } = first.send(MAIN, { groupId: "10", body: "text" });
  first.close();

  const second = open(file, "eu-central-1");
  t.after(() => second.close());
  createQueues(second, emitted("eu-central-1", { visibility_timeout_seconds: 360 }));
  assert.match(second.queueAttributes(MAIN)["RedrivePolicy"] ?? "", /arn:aws:sqs:eu-central-1:\d{12}:dev-dead\.fifo/);
  assert.match(second.queueAttributes(DEAD)["RedriveAllowPolicy"] ?? "", /arn:aws:sqs:eu-central-1:\d{12}:dev-main/);
  assert.deepEqual([...second.messageIds(MAIN)], [messageId]);
});

test("an argument that is emitted no more goes back to the default of SQS", async (t) => {
  const file = await queueFile(t);
  const engine = open(file, "ap-northeast-2");
  t.after(() => engine.close());
  createQueues(engine, emitted("ap-northeast-2", {}));
  const fresh = settable(engine);
  createQueues(
    engine,
    emitted("ap-northeast-2", {
      visibility_timeout_seconds: 360,
      delay_seconds: 5,
      max_message_size: 2_048,
      message_retention_seconds: 60,
      receive_wait_time_seconds: 20,
      sqs_managed_sse_enabled: false,
      deduplication_scope: "messageGroup",
      fifo_throughput_limit: "perMessageGroupId",
    }),
  );
  engine.setQueueAttributes(MAIN, { Policy: '{"Statement":[]}' });
  assert.notDeepEqual(settable(engine), fresh);
  createQueues(engine, emitted("ap-northeast-2", {}));
  assert.deepEqual(settable(engine), fresh);
  createQueues(
    engine,
    emitted("ap-northeast-2", {}).filter(({ type }) => type !== "aws_sqs_queue_redrive_policy"),
  );
  assert.equal(engine.queueAttributes(MAIN)["RedrivePolicy"], undefined);
});

test("a queue with a key of the account's own says so, and that SQS's is not used", async (t) => {
  const engine = open(await queueFile(t), "ap-northeast-2");
  t.after(() => engine.close());
  const key = "arn:aws:kms:ap-northeast-2:000000000000:key/one";
  createQueues(engine, emitted("ap-northeast-2", { kms_master_key_id: key, kms_data_key_reuse_period_seconds: 600 }));
  const { KmsMasterKeyId, KmsDataKeyReusePeriodSeconds, SqsManagedSseEnabled } = engine.queueAttributes(MAIN);
  assert.deepEqual([KmsMasterKeyId, KmsDataKeyReusePeriodSeconds, SqsManagedSseEnabled], [key, "600", "false"]);
  createQueues(engine, emitted("ap-northeast-2", {}));
  assert.equal(engine.queueAttributes(MAIN)["KmsMasterKeyId"], undefined);
  assert.equal(engine.queueAttributes(MAIN)["SqsManagedSseEnabled"], "true");
});

test("a redrive policy or allowance of a queue that is not there is refused with its address", async (t) => {
  const engine = open(await queueFile(t), "ap-northeast-2");
  t.after(() => engine.close());
  for (const type of ["aws_sqs_queue_redrive_policy", "aws_sqs_queue_redrive_allow_policy"]) {
    const resources = emitted("ap-northeast-2", {}).map((resource) =>
      resource.type === type ? { ...resource, values: { ...resource.values, queue_url: url("other.fifo") } } : resource,
    );
    assert.throws(
      () => createQueues(engine, resources),
      new RegExp(`^Error: dev-messaging/${type}\\..*: queue_url is .*/other\\.fifo, which is no queue here$`),
    );
  }
});

test("a queue file that a kill left empty holds no messages", async (t) => {
  const file = await queueFile(t);
  await writeFile(file, "");
  assert.deepEqual(readOriginalIds(file), new Map());
  open(file, "ap-northeast-2").close();
});

test("what a purge or the retention took is not waiting; a dead-lettered copy stands for its original", async (t) => {
  const file = await queueFile(t);
  const before = open(file, "ap-northeast-2");
  createQueues(before, emitted("ap-northeast-2", {}));
  const copy = before.send(DEAD, {
    groupId: "10",
    body: "text",
    deduplicationId: "1",
    messageAttributes: { "original-message-id": { dataType: "String", stringValue: "the-original" } },
  });
  before.close();

  const originals = readOriginalIds(file);
  let now = Date.now();
  const engine = new QueueEngine({ file, region: "ap-northeast-2", now: () => now });
  t.after(() => engine.close());
  const waits = engine.send(MAIN, { groupId: "10", body: "one" });
  assert.deepEqual(waitingMessages(engine, originals), new Set([waits.messageId, copy.messageId, "the-original"]));
  engine.purgeQueue(DEAD);
  assert.deepEqual(waitingMessages(engine, originals), new Set([waits.messageId]));
  now += 345_601_000;
  assert.deepEqual(waitingMessages(engine, originals), new Set());
});

test("messages of a parking lot are known by their ids, tombstones included, whatever else the table has", async (t) => {
  const values = {
    name: "lot",
    billing_mode: "PAY_PER_REQUEST",
    hash_key: "pk",
    range_key: "sk",
    attribute: ["pk", "sk"].map((name) => ({ name, type: "S" })),
  };
  const resources = [emit("aws_dynamodb_table", "lot", values)];
  const region = "ap-northeast-2";
  const table = await startTableServer({ resources, folder: join(await dataFolder(t), "table"), region });
  t.after(() => table.close());
  const read = async () => [...(await readParkedIds({ resources, url: table.url, region }))].toSorted();
  assert.deepEqual(await read(), []);
  const credentials = { accessKeyId: "any", secretAccessKey: "any" };
  const client = new DynamoDBClient({ endpoint: table.url, region, credentials });
  t.after(() => client.destroy());
  const put = (sk: string, more: Record<string, AttributeValue>) =>
    client.send(new PutItemCommand({ TableName: "lot", Item: { pk: { S: "queue-2#11" }, sk: { S: sk }, ...more } }));
  // More than one page of a scan.
  const body = { S: "x".repeat(380_000) };
  const parked = ["1", "2", "3", "4"];
  for (const id of parked) await put(`parked#${id}`, { messageId: { S: id }, body });
  await put("discarded#5", { messageId: { S: "5" } });
  await put("attempts#6", { count: { N: "1" } });
  assert.deepEqual(await read(), [...parked, "5"]);
});

test("draining says whether the queues became empty", async (t) => {
  const engine = open(await queueFile(t), "ap-northeast-2");
  t.after(() => engine.close());
  createQueues(engine, emitted("ap-northeast-2", {}));
  const backlog = () => engine.messageIds(MAIN).size;
  const said: string[] = [];
  const { signal } = new AbortController();
  const run = (patienceMilliseconds: number) =>
    drain({ engine, backlog }, { say: (line) => said.push(line), signal, patienceMilliseconds });

  assert.equal(await run(0), true);
  engine.send(MAIN, { groupId: "10", body: "one" });
  assert.equal(await run(0), false);
  assert.match(said.at(-1) ?? "", /1 messages still wait/);
  const draining = run(60_000);
  const [message] = await engine.receive(MAIN, { waitSeconds: 20 });
  assert.ok(message);
  engine.delete(MAIN, message.receiptHandle);
  assert.equal(await draining, true);
});

function open(file: string, region: string): QueueEngine {
  return new QueueEngine({ file, region });
}

async function queueFile(t: TestContext): Promise<string> {
  return join(await dataFolder(t), "queues.sqlite");
}

function settable(engine: QueueEngine): Record<string, string> {
  const { LastModifiedTimestamp: _modified, ...attributes } = engine.queueAttributes(MAIN);
  return attributes;
}

const url = (name: string) => `http://127.0.0.1:1/000000000000/${name}`;

/** A queue and its dead-letter queue as the stacks emit them, resolved in a region. */
function emitted(region: string, values: Readonly<Record<string, unknown>>): EmittedResource[] {
  const arn = (name: string) => `arn:aws:sqs:${region}:000000000000:${name}`;
  const queue = (name: string, more: Readonly<Record<string, unknown>>) =>
    emit("aws_sqs_queue", name, {
      name,
      fifo_queue: true,
      content_based_deduplication: true,
      id: url(name),
      url: url(name),
      arn: arn(name),
      ...more,
    });
  return [
    queue(MAIN, values),
    queue(DEAD, {}),
    emit("aws_sqs_queue_redrive_policy", MAIN, {
      queue_url: url(MAIN),
      id: url(MAIN),
      redrive_policy: JSON.stringify({ deadLetterTargetArn: arn(DEAD), maxReceiveCount: 1_000 }),
    }),
    emit("aws_sqs_queue_redrive_allow_policy", DEAD, {
      queue_url: url(DEAD),
      id: url(DEAD),
      redrive_allow_policy: JSON.stringify({ redrivePermission: "byQueue", sourceQueueArns: [arn(MAIN)] }),
    }),
  ];
}

function emit(type: string, name: string, values: Readonly<Record<string, unknown>>): EmittedResource {
  return { stack: "dev-messaging", type, name, address: `dev-messaging/${type}.${name}`, values };
}
