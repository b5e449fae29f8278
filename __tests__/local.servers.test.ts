import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { openAccepted, readAccepted } from "../runtime/local/accepted.ts";
import { startBackend } from "../runtime/local/backend.ts";
import { openKeys } from "../runtime/local/keys.ts";
import { choosePorts } from "../runtime/local/ports.ts";
import { inOrder } from "../runtime/local/report.ts";
import { startTableServer } from "../runtime/local/table/server.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import { dataFolder } from "./helpers/local-process.ts";

test("the response server is started again when it dies, on the same port and with its memory of keys", async (t) => {
  const folder = await dataFolder(t);
  const deaths: string[] = [];
  const backend = await startBackend({ port: 0, logFolder: folder, onDeath: (what) => deaths.push(what) });
  t.after(() => backend.close());
  const send = () =>
    fetch(backend.url, { method: "POST", headers: { "idempotency-key": "one" }, body: '{"data":{"transSeq":"1"}}' });
  assert.equal((await send()).status, 200);
  const { pid } = backend;
  assert.ok(pid);
  process.kill(pid, "SIGKILL");
  for (let attempt = 0; (await send().catch(() => undefined))?.status !== 200; attempt += 1) {
    assert.ok(attempt < 500, "it did not come back");
    await sleep(20);
  }
  assert.notEqual(backend.pid, pid);
  assert.match(deaths.join(), /SIGKILL.*starting it again/);
  assert.equal(await readFile(join(folder, "res_server_Seq.txt"), "utf8"), "1\n");
});

test("ports stay over restarts; one that is taken meanwhile moves, and that is said", async (t) => {
  const file = join(await dataFolder(t), "ports.json");
  const first = await choosePorts(file, undefined);
  assert.equal(new Set(Object.values(first.ports)).size, 4);
  assert.deepEqual(await choosePorts(file, undefined), { ports: first.ports, moved: [] });
  const server = createServer().listen(first.ports.sqs, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { ports, moved } = await choosePorts(file, undefined);
  assert.notEqual(ports.sqs, first.ports.sqs);
  assert.deepEqual({ ...ports, sqs: 0 }, { ...first.ports, sqs: 0 });
  assert.deepEqual(moved, [`sqs: port ${first.ports.sqs} is taken, so it has another one now`]);
});

test("a key is made once for each name", async (t) => {
  const file = join(await dataFolder(t), "keys.json");
  const first = openKeys(file);
  assert.match(first("a"), /^[\w-]{40}$/);
  assert.notEqual(first("a"), first("b"));
  const again = openKeys(file);
  assert.deepEqual([again("a"), again("b")], [first("a"), first("b")]);
  await writeFile(file, "{");
  assert.throws(() => openKeys(file), /keys\.json does not hold keys by name: delete it/);
});

test("a line of accepted.jsonl that a kill cut short is dropped, and the next one starts a line", async (t) => {
  const path = join(await dataFolder(t), "accepted.jsonl");
  await writeFile(path, `${JSON.stringify(message("1"))}\n{"queue":"q","gro`);
  const file = await openAccepted(path);
  await Promise.all(["2", "3", "4"].map((transSeq) => file.append(message(transSeq))));
  assert.deepEqual(await readAccepted(path), ["1", "2", "3", "4"].map(message));
  await file.close();
});

test("groups are in order when each one's first deliveries are, whatever the groups do among each other", () => {
  const accepted = ["a1", "a2", "b1", "b2"].map((id) => ({
    queue: "q",
    groupId: id.slice(0, 1),
    transSeq: "1",
    messageId: id,
    sequenceNumber: id.slice(1).padStart(20, "0"),
  }));
  assert.equal(inOrder(accepted, ["b1", "a1", "stranger", "a2", "b2"]), true);
  assert.equal(inOrder(accepted, ["a1", "b2", "b1", "a2"]), false);
});

test("creates the emitted table with its index, and keeps items over restarts", async (t) => {
  const folder = join(await dataFolder(t), "table");
  for (const round of [1, 2]) {
    const server = await startTableServer({ resources: [parkingLot({})], folder, region: "ap-northeast-2" });
    const client = new DynamoDBClient({
      endpoint: server.url,
      region: "ap-northeast-2",
      credentials: { accessKeyId: "any", secretAccessKey: "any" },
    });
    const { Table } = await client.send(new DescribeTableCommand({ TableName: "lot" }));
    assert.deepEqual(
      Table?.KeySchema?.map(({ AttributeName }) => AttributeName),
      ["pk", "sk"],
    );
    assert.equal(Table?.GlobalSecondaryIndexes?.[0]?.IndexName, "parked");
    const Key = { pk: { S: "queue#10" }, sk: { S: "attempts#1" } };
    const { Item } = await client.send(new GetItemCommand({ TableName: "lot", Key }));
    assert.equal(Item?.["count"]?.N, round === 1 ? undefined : "5");
    await client.send(new PutItemCommand({ TableName: "lot", Item: { ...Key, count: { N: "5" } } }));
    client.destroy();
    await server.close();
  }
});

test("a table's argument that local mode does not know is an error that names it", async (t) => {
  const folder = join(await dataFolder(t), "table");
  const resources = [parkingLot({ stream_enabled: true })];
  await assert.rejects(
    startTableServer({ resources, folder, region: "r" }),
    /dev\/aws_dynamodb_table\.lot: .*stream_enabled/,
  );
});

function parkingLot(more: Readonly<Record<string, unknown>>): EmittedResource {
  const attribute = ["pk", "sk", "parkedQueue"].map((name) => ({ name, type: "S" }));
  return {
    stack: "dev",
    type: "aws_dynamodb_table",
    name: "lot",
    address: "dev/aws_dynamodb_table.lot",
    values: {
      name: "lot",
      billing_mode: "PAY_PER_REQUEST",
      hash_key: "pk",
      range_key: "sk",
      attribute,
      global_secondary_index: [{ name: "parked", hash_key: "parkedQueue", projection_type: "KEYS_ONLY" }],
      ttl: { attribute_name: "expiresAt", enabled: true },
      ...more,
    },
  };
}

function message(transSeq: string) {
  return { queue: "q", groupId: "1", transSeq, messageId: transSeq, sequenceNumber: transSeq };
}
