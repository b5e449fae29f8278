import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { CreateQueueCommand, ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { dataFolder, startGroup, startProcess } from "./helpers/local-process.ts";

const acceptedSchema = z.strictObject({
  queue: z.string(),
  groupId: z.string(),
  transSeq: z.string(),
  messageId: z.string(),
  sequenceNumber: z.string().regex(/^\d{20}$/),
});
const url = z.string().regex(/^http:\/\/127\.0\.0\.1:\d+$/);
const documentSchema = z.strictObject({
  endpoint: z.string().regex(/^http:\/\/127\.0\.0\.1:\d+\/kimalarm$/),
  sqs: url,
  dynamodb: url,
  messages: z.array(acceptedSchema.extend({ outcome: z.string(), milliseconds: z.int().min(0) })),
  delivered: z.int(),
  ordered: z.boolean(),
  lost: z.int(),
});

test("--once --json sends the classic burst, prints the one document, and the next run keeps keys and ports", async (t) => {
  const data = await dataFolder(t);
  const first = startProcess(t, ["--once", "--json", "--data", data]);
  assert.equal(await first.ended, 0, first.stderr());
  const document = documentSchema.parse(JSON.parse(first.stdout()));
  assert.deepEqual(
    document.messages.map(({ queue, groupId, transSeq, outcome }) => [queue, groupId, transSeq, outcome]),
    ["1", "2", "3", "4"].map((transSeq) => ["queue-1", "10", transSeq, "accepted"]),
  );
  assert.deepEqual([document.delivered, document.ordered, document.lost], [4, true, 0]);
  assert.deepEqual(
    await readAccepted(data),
    document.messages.map(({ outcome: _outcome, milliseconds: _milliseconds, ...accepted }) => accepted),
  );
  assert.equal(await readFile(join(data, "logs/res_server_Seq.txt"), "utf8"), "1\n2\n3\n4\n");
  const [line] = await readLines(join(data, "logs/res_server.txt"));
  const body = JSON.parse(line ?? "").data;
  assert.deepEqual(Object.keys(body), ["MessageGroupID", "transSeq", "time_out", "http_status", "createdAt"]);
  assert.match(body.createdAt, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d-\d{3}$/);

  const keys = await readFile(join(data, "keys.json"), "utf8");
  assert.equal((await stat(join(data, "keys.json"))).mode & 0o777, 0o600);
  const second = startProcess(t, ["--once", "--json", "--messages", "0", "--data", data]);
  assert.equal(await second.ended, 0, second.stderr());
  const again = documentSchema.parse(JSON.parse(second.stdout()));
  assert.deepEqual({ ...again, messages: document.messages, delivered: 4 }, document);
  assert.deepEqual(again.messages, []);
  assert.equal(await readFile(join(data, "keys.json"), "utf8"), keys);
});

test("--deployment prod runs the deployment with everything on, to this machine's response server, in both kinds of queues", async (t) => {
  const data = await dataFolder(t);
  const run = startProcess(t, ["--deployment", "prod", "--once", "--json", "--groups", "2", "--data", data]);
  assert.equal(await run.ended, 0, run.stderr());
  // On a domain of its own, paths have no stage.
  const endpoint = z.string().regex(/^http:\/\/127\.0\.0\.1:\d+(?:\/kimalarm)?$/);
  const document = documentSchema.extend({ endpoint }).parse(JSON.parse(run.stdout()));
  assert.deepEqual(
    new Set(document.messages.map(({ queue, outcome }) => `${queue} ${outcome}`)),
    new Set(["queue-1 accepted", "queue-2 accepted"]),
  );
  assert.deepEqual([document.messages.length, document.delivered, document.ordered, document.lost], [8, 8, true, 0]);
  assert.match(run.stderr(), /^terraform +prod: \d+ resources in 4 stacks$/m);
  // One line a reason, however many types there are.
  const reasons = [...run.stderr().matchAll(/read, not run: (.*) \(\d+\)$/gm)].map(([, reason]) => reason);
  assert.ok(reasons.length > 0 && reasons.length === new Set(reasons).size && reasons.length <= 12, reasons.join("\n"));
});

test("after kill -9 in the middle of a burst, the next start delivers every accepted message, each group in order", async (t) => {
  const data = await dataFolder(t);
  const killed = startProcess(t, ["--once", "--messages", "2000", "--groups", "20", "--data", data]);
  await killed.matches(/burst {8}\d+ of 2000 accepted, [1-9]/);
  const children = childrenOf(killed.child.pid);
  killed.child.kill("SIGKILL");
  assert.equal(await killed.ended, "SIGKILL");
  assert.ok(children.length > 1, "backend and function are processes of their own");
  await gone(children);
  const accepted = await readAccepted(data);
  assert.ok(
    accepted.length > 0 && accepted.length < 2_000,
    `${accepted.length} accepted: not in the middle of the burst`,
  );

  const next = startProcess(t, ["--once", "--json", "--messages", "0", "--data", data]);
  assert.equal(await next.ended, 0, next.stderr());
  const document = documentSchema.parse(JSON.parse(next.stdout()));
  assert.deepEqual([document.ordered, document.lost], [true, 0]);

  // The same, counted here: the report's own arithmetic is not what is believed.
  const delivered = new Set<string>();
  for (const line of await readLines(join(data, "logs/res_server.txt"))) {
    delivered.add(z.object({ messageId: z.string() }).parse(JSON.parse(line)).messageId);
  }
  const missing = accepted.filter(({ messageId }) => !delivered.has(messageId));
  assert.deepEqual(missing, []);
  const byId = new Map(accepted.map((message) => [message.messageId, message]));
  const order = new Map<string, number[]>();
  for (const id of delivered) {
    const message = byId.get(id);
    if (message === undefined) continue;
    order.set(message.groupId, [...(order.get(message.groupId) ?? []), Number(message.transSeq)]);
  }
  for (const [group, numbers] of order) {
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      `group ${group}`,
    );
  }
});

test("Ctrl-C in a terminal reaches every process: the backend outlives the consumer, and the next start finds all in order", async (t) => {
  const data = await dataFolder(t);
  const run = startGroup(t, ["--once", "--messages", "2000", "--groups", "20", "--data", data]);
  await run.matches(/burst {8}\d+ of 2000 accepted, [1-9]/);
  assert.ok(run.child.pid);
  process.kill(-run.child.pid, "SIGINT");
  const code = await run.ended;
  assert.ok(code === 130 || code === "SIGINT", `${code}: ${run.stdout()} ${run.stderr()}`);
  assert.match(run.stdout(), /stopping\n$/);
  assert.doesNotMatch(run.stdout() + run.stderr(), /starting it again|npm start failed/);
  const accepted = await readAccepted(data);
  assert.ok(accepted.length > 0 && accepted.length < 2_000, `${accepted.length}: not in the middle of the burst`);
  const events = (await readLines(join(data, "logs/consumer.jsonl"))).map((line) => JSON.parse(line).event);
  assert.deepEqual(new Set(events), new Set(["message.settled"]), "no group had to wait for the backend");
  const server = (await readLines(join(data, "logs/response-server.jsonl"))).map((line) => JSON.parse(line).event);
  assert.deepEqual(server, ["journal.opened", "server.listening", "server.closing"]);

  const next = startProcess(t, ["--once", "--json", "--messages", "0", "--data", data]);
  assert.equal(await next.ended, 0, next.stderr());
  const { ordered, lost } = documentSchema.parse(JSON.parse(next.stdout()));
  assert.deepEqual([ordered, lost], [true, 0]);
});

test("a kill of npm itself ends what it started, and the next start has the data folder", async (t) => {
  const data = await dataFolder(t);
  const run = startGroup(t, ["--messages", "0", "--data", data]);
  await run.matches(/serving; Ctrl-C/);
  run.child.kill("SIGKILL");
  // Its output is closed when the last process that holds it has ended.
  assert.equal(await run.ended, "SIGKILL");
  const next = startProcess(t, ["--once", "--messages", "0", "--data", data]);
  assert.equal(await next.ended, 0, next.stderr());
});

test("keeps serving: the curl line works when pasted, SDKs work, a second start is refused, Ctrl-C ends it all", async (t) => {
  const data = await dataFolder(t);
  const local = startProcess(t, ["--data", data]);
  const [, command = ""] = await local.matches(/^(curl .*)$/m);
  await local.matches(/serving; Ctrl-C/);
  const text = local.stdout();
  assert.match(text, /queue-1 │ 10 +│ +4 │/);
  assert.match(text, /4 of 4 settled .* 4 delivered, every group in order, 0 lost/);

  // The line is a shell's; on a machine without curl only its being there is tested.
  if (await has("curl")) {
    const pasted = await promisify(execFile)("sh", ["-c", command]);
    const answer = z.strictObject({ messageId: z.string(), sequenceNumber: z.string() });
    const { messageId } = answer.parse(JSON.parse(pasted.stdout));
    while (!(await readFile(join(data, "logs/res_server.txt"), "utf8")).includes(messageId)) await sleep(20);
  } else {
    t.diagnostic("there is no curl on this machine: the line was not run");
  }

  const aws = { region: "ap-northeast-2", credentials: { accessKeyId: "any", secretAccessKey: "any" } };
  const sqs = new SQSClient({ ...aws, endpoint: /SQS +(\S+)/.exec(text)?.[1] ?? "" });
  await sqs.send(new CreateQueueCommand({ QueueName: "mine.fifo", Attributes: { FifoQueue: "true" } }));
  const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
  assert.equal(QueueUrls.length, 5);
  const dynamodb = new DynamoDBClient({ ...aws, endpoint: /DynamoDB +(\S+)/.exec(text)?.[1] ?? "" });
  assert.deepEqual((await dynamodb.send(new ListTablesCommand({}))).TableNames, ["dev-parking-lot"]);

  const second = startProcess(t, ["--once", "--data", data]);
  assert.equal(await second.ended, 1);
  assert.match(second.stderr(), /is in use by another process: stop that one, or name another folder with --data/);

  const children = childrenOf(local.child.pid);
  local.child.kill("SIGINT");
  assert.equal(await local.ended, 0);
  await gone(children);
});

test("--sqs-only serves the queues alone, over restarts", async (t) => {
  const data = await dataFolder(t);
  for (const expected of [0, 1]) {
    const local = startProcess(t, ["--sqs-only", "--data", data]);
    const [, endpoint = ""] = await local.matches(/SQS (http:\S+) /);
    const sqs = new SQSClient({
      endpoint,
      region: "ap-northeast-2",
      credentials: { accessKeyId: "any", secretAccessKey: "any" },
    });
    const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
    assert.equal(QueueUrls.length, expected);
    await sqs.send(new CreateQueueCommand({ QueueName: "kept.fifo", Attributes: { FifoQueue: "true" } }));
    local.child.kill("SIGTERM");
    assert.equal(await local.ended, 0);
  }
});

test("a port that is taken, an unknown option and a wrong number are refused with the way out", async (t) => {
  const data = await dataFolder(t);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  for (const [args, said] of [
    [["--port", String(port)], new RegExp(`port ${port} is taken: name another one with --port`)],
    [["--port", "70000"], /a port, 1 to 65535/],
    [["--messages", "-1"], /a whole number from 0/],
    [["--groups", "0"], /a whole number from 1/],
    [["--deployment", "nowhere"], /there is no deployment nowhere under .*; there (is|are) .*dev/],
    [["--twice"], /unknown option '--twice'[\s\S]*--help/],
    [["--sqs-only", "--once"], /cannot be used with option '--once'/],
  ] as const) {
    const refused = startProcess(t, [...args, "--data", data]);
    assert.equal(await refused.ended, 1);
    assert.match(refused.stderr(), said);
  }
  const help = startProcess(t, ["--help"]);
  assert.equal(await help.ended, 0);
  for (const option of [
    "--once",
    "--messages",
    "--groups",
    "--data",
    "--port",
    "--json",
    "--sqs-only",
    "--deployment",
  ]) {
    assert.ok(help.stdout().includes(option), option);
  }
});

test("says what to do when Node is too old", async () => {
  const old = 'Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.1.0"}})';
  const start = join(import.meta.dirname, "../runtime/local/start.js");
  const failed = promisify(execFile)(process.execPath, ["--import", `data:text/javascript,${old}`, start]);
  await assert.rejects(failed, (error: unknown) => {
    assert.match(
      String(Reflect.get(Object(error), "stderr")),
      /runs on Node 24[\s\S]*npm install --ignore-scripts=false/,
    );
    assert.equal(Reflect.get(Object(error), "code"), 1);
    return true;
  });
});

async function has(command: string): Promise<boolean> {
  return promisify(execFile)("sh", ["-c", `command -v ${command}`]).then(
    () => true,
    () => false,
  );
}

async function readLines(file: string): Promise<string[]> {
  return (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
}

async function readAccepted(data: string) {
  return (await readLines(join(data, "accepted.jsonl"))).map((line) => acceptedSchema.parse(JSON.parse(line)));
}

/** Processes whose parent is this one: from /proc where there is one, since small images have no ps. */
function childrenOf(pid: number | undefined): number[] {
  const table = existsSync("/proc/self/stat")
    ? readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map((name) => `${name} ${/^PPid:\s*(\d+)$/m.exec(readStatus(name))?.[1]}`)
    : execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).split("\n");
  return table.flatMap((row) => {
    const [child, parent] = row.trim().split(/\s+/).map(Number);
    return child !== undefined && parent === pid ? [child] : [];
  });
}

function readStatus(name: string): string {
  try {
    return readFileSync(`/proc/${name}/status`, "utf8");
  } catch {
    // It ended meanwhile.
    return "";
  }
}

/** Waits until none of the processes is there: the test's own timeout says which one stayed. */
async function gone(pids: readonly number[]): Promise<void> {
  const alive = () =>
    pids.filter((pid) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    });
  for (let attempt = 0; alive().length > 0; attempt += 1) {
    assert.ok(attempt < 500, `processes ${alive().join(", ")} outlived their parent`);
    await sleep(20);
  }
}
