import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFileSync, existsSync } from "node:fs";
import { link, mkdir, open, readFile, stat, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { openAccepted, readAccepted } from "../runtime/local/accepted.ts";
import { startBackend } from "../runtime/local/backend.ts";
import { sendBurst } from "../runtime/local/burst.ts";
import { openKeys } from "../runtime/local/keys.ts";
import { openLogFile } from "../runtime/local/log-file.ts";
import { choosePorts } from "../runtime/local/ports.ts";
import { inOrder, report } from "../runtime/local/report.ts";
import { startLocal } from "../runtime/local/start-local.ts";
import { startTableServer } from "../runtime/local/table/server.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import { dataFolder } from "./helpers/local-process.ts";

test("the response server is started again when it dies, on the same port and with its memory of keys", async (t) => {
  const folder = await dataFolder(t);
  const deaths: string[] = [];
  const backend = await startBackend({ port: 0, logFolder: folder, onFailure: (what) => deaths.push(what) });
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
  // Written anew beside it, and not into it, where a kill could leave half of it.
  await link(file, `${file}.before`);
  const before = await readFile(file, "utf8");
  again("c");
  assert.equal(await readFile(`${file}.before`, "utf8"), before);
  assert.equal(openKeys(file)("a"), first("a"));
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

test("an accepted.jsonl that is larger than what can be read at once keeps every byte but the line that was cut", async (t) => {
  const path = join(await dataFolder(t), "accepted.jsonl");
  const file = await open(path, "w");
  await file.write(`${JSON.stringify(message("1"))}\n`);
  // A hole: it takes no room on the disk.
  const end = 2 ** 31 + 4_096;
  await file.write('"}\n{"queue":"q","gro', end);
  await file.close();
  await (await openAccepted(path)).close();
  assert.equal((await stat(path)).size, end + 3);
});

test("a file that cannot be read is an error, and not nothing", async (t) => {
  const folder = await dataFolder(t);
  const path = join(folder, "res_server.txt");
  await mkdir(path);
  await assert.rejects(openAccepted(path), { code: "EISDIR" });
  await assert.rejects(readAccepted(path), { code: "EISDIR" });
  await assert.rejects(report({ accepted: [message("1")], burst: [], logFolder: folder, waiting: new Set() }), {
    code: "EISDIR",
  });
  assert.throws(() => openKeys(path), { code: "EISDIR" });
  await assert.rejects(choosePorts(path, undefined), { code: "EISDIR" });
  assert.deepEqual(await readAccepted(join(folder, "none.jsonl")), []);
});

test("what was accepted and is neither delivered nor set aside nor waiting is lost", async (t) => {
  const logFolder = await dataFolder(t);
  const accepted = ["1", "2", "3", "4", "5"].map(message);
  // U+2028 ends no line.
  await writeFile(join(logFolder, "res_server.txt"), '{"data":"\u2028","messageId":"1"}\n{"messageId":"4","cut off');
  const lines = ["not JSON", settled("2", "dead-lettered"), settled("5", "parked"), settled("4", "accepted")];
  await writeFile(join(logFolder, "consumer.jsonl"), `${lines.join("\n")}\n`);
  const found = await report({ accepted, burst: [], logFolder, waiting: new Set(["3"]) });
  assert.deepEqual(found, { delivered: 0, ordered: true, lost: 1 });
});

test("what the backend refuses in a strict queue, and what stands behind it, is told as parked and not as lost", async (t) => {
  const data = await dataFolder(t);
  const delivered = join(data, "logs", "res_server.txt");
  const backend = createHttpServer((request, response) => {
    // The first one of the second group, which is the second queue's.
    const isRefused = request.headers["x-message-group-id"] === "11" && !refused.has("11");
    if (isRefused) refused.add("11");
    else appendFileSync(delivered, `${JSON.stringify({ messageId: request.headers["x-message-id"] })}\n`);
    request.resume().on("end", () => response.writeHead(isRefused ? 400 : 200).end());
  });
  const refused = new Set<string>();
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  t.after(() => backend.close());
  const { port } = backend.address() as AddressInfo;
  const local = await startLocal({ data, backendUrl: `http://127.0.0.1:${port}/` });
  t.after(() => local.close());
  const path = join(data, "accepted.jsonl");
  const file = await openAccepted(path);
  const burst = await sendBurst(local, {
    size: { messages: 6, groups: 2 },
    accepted: file,
    signal: AbortSignal.timeout(60_000),
    patienceMilliseconds: 30_000,
    onProgress() {},
  });
  await file.close();
  await local.flushLog();
  assert.deepEqual(
    burst.map(({ queue, transSeq, outcome, milliseconds }) => [queue, transSeq, outcome, milliseconds !== null]),
    [
      ["queue-1", "1", "accepted", true],
      ["queue-1", "2", "accepted", true],
      ["queue-1", "3", "accepted", true],
      ["queue-2", "1", "parked", true],
      ["queue-2", "2", "parked", true],
      ["queue-2", "3", "parked", true],
    ],
  );
  const { logFolder } = local;
  const found = await report({ accepted: await readAccepted(path), burst, logFolder, waiting: local.waiting() });
  assert.deepEqual(found, { delivered: 3, ordered: true, lost: 0 });
  assert.equal(local.backlog(), 0);
});

test("a log says which file cannot be opened, and says once that it cannot be written", async (t) => {
  const folder = await dataFolder(t);
  await mkdir(join(folder, "gateway.jsonl"));
  const said: string[] = [];
  const opened = openLogFile(join(folder, "gateway.jsonl"), (what) => said.push(what));
  await assert.rejects(opened, /cannot open the log .*gateway\.jsonl \(EISDIR\)/);
  if (!existsSync("/dev/full")) return t.diagnostic("no /dev/full: a full disk was not tried");
  const log = await openLogFile("/dev/full", (what) => said.push(what));
  for (const line of ["a", "b", "c"]) log.write(line);
  await log.flush();
  await log.close();
  assert.equal(said.length, 1);
  assert.match(said[0] ?? "", /cannot write the log \/dev\/full \(ENOSPC\)/);
});

test("what a log was told can be read after a flush", async (t) => {
  const path = join(await dataFolder(t), "log.jsonl");
  const log = await openLogFile(path, assert.fail);
  const lines = Array.from({ length: 5_000 }, (_, number) => `${number} ${"x".repeat(100)}`);
  for (const line of lines) log.write(line);
  await log.flush();
  assert.equal(await readFile(path, "utf8"), lines.map((line) => `${line}\n`).join(""));
  await log.close();
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

/** A line of the consumer's log. */
function settled(messageId: string, outcome: string): string {
  return JSON.stringify({ event: "message.settled", queue: "q", messageId, outcome });
}
