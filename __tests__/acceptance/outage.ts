import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import { z } from "zod";
import { listen, stopListening } from "../../runtime/local/listen.ts";
import { startLocal } from "../../runtime/local/start-local.ts";
import { createFifoClient } from "../../sdk/client/src/index.ts";
import { dataFolder } from "../helpers/local-process.ts";
import { until } from "../helpers/until.ts";

const OUTAGE_MILLISECONDS = 30_000;
/** Waits grow to four seconds in 30, and a group goes on when the one under way ends; the rest is for a busy machine. */
const OVER_WITHIN_MILLISECONDS = 5_000;
/** By queue: `dead-letter` is the policy of the first, `park` that of the second. */
const groups: Readonly<Record<string, readonly string[]>> = {
  "queue-1": ["10", "11", "12", "13"],
  "queue-2": ["20", "21", "22", "23"],
};
const queues = Object.keys(groups);

test("a 30 s outage of the backend is over within 5 s of its end, under both policies, and nobody is given up", async (t) => {
  const backend = await startBackend(t);
  const local = await startLocal({ data: await dataFolder(t), backendUrl: backend.url });
  t.after(() => local.close());
  const [key] = local.keys;
  assert.ok(key !== undefined);
  const clients = queues.map((queue) => createFifoClient({ endpoint: local.endpoint, apiKey: key.value, queue }));
  let sent = 0;
  const send = async (count: number) => {
    const first = sent + 1;
    sent += count;
    const all = clients.flatMap((client, at) =>
      (groups[queues[at] ?? ""] ?? []).flatMap((group) =>
        Array.from({ length: count }, (_, index) => client.send(group, { n: first + index })),
      ),
    );
    await Promise.all(all);
  };
  const isDone = (queue: string) => (groups[queue] ?? []).every((group) => backend.last(group)?.n === sent);

  await send(2);
  await until(() => queues.every(isDone));
  await backend.stop();
  const began = Date.now();
  await send(3);
  await sleep(OUTAGE_MILLISECONDS / 2);
  await send(1);
  await sleep(began + OUTAGE_MILLISECONDS - Date.now());
  // From the moment at which it listens again: a busy machine may take a while to get there.
  await backend.start();
  const ended = Date.now();
  await until(() => queues.every(isDone));

  for (const queue of queues) {
    const names = groups[queue] ?? [];
    const first = Math.max(...names.map((group) => backend.firstAfter(group, ended))) - ended;
    const last = Math.max(...names.map((group) => backend.last(group)?.at ?? Number.POSITIVE_INFINITY)) - ended;
    t.diagnostic(
      `${queue}: every group went on within ${first / 1_000} s, and all was delivered within ${last / 1_000} s`,
    );
    assert.ok(last <= OVER_WITHIN_MILLISECONDS, `${queue} took ${last} ms`);
    for (const group of names) {
      const expected = Array.from({ length: sent }, (_, index) => index + 1);
      assert.deepEqual(backend.numbers(group), expected, `group ${group}`);
    }
  }

  await until(() => local.backlog() === 0);
  const deadLetters = local.engine.queueAttributes("dev-queue-1-dead-letter.fifo", ["ApproximateNumberOfMessages"]);
  assert.deepEqual(deadLetters, { ApproximateNumberOfMessages: "0" });
  const dynamodb = new DynamoDBClient({
    region: local.region,
    endpoint: local.dynamodb,
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  const { Items } = await dynamodb.send(new ScanCommand({ TableName: "dev-parking-lot" }));
  dynamodb.destroy();
  assert.deepEqual(Items, []);
  await local.flushLog();
  const lines = (await readFile(join(local.logFolder, "consumer.jsonl"), "utf8")).trimEnd().split("\n");
  const events = lines.map((line) => lineSchema.parse(JSON.parse(line)));
  const waits = events.filter(({ event }) => event === "group.waiting");
  assert.deepEqual([...new Set(waits.map(({ reason }) => reason))], ["unavailable"]);
  assert.deepEqual([...new Set(waits.map(({ groupId }) => groupId))].toSorted(), Object.values(groups).flat());
  const outcomes = events.filter(({ event }) => event === "message.settled").map(({ outcome }) => outcome);
  assert.deepEqual([...new Set(outcomes)], ["accepted"]);
});

const lineSchema = z.looseObject({
  event: z.string(),
  reason: z.string().optional(),
  groupId: z.string().optional(),
  outcome: z.string().optional(),
});
const bodySchema = z.object({ data: z.object({ MessageGroupID: z.string(), n: z.int() }) });

/** A backend that takes everything, and that can be gone: nobody listens then. */
async function startBackend(t: TestContext) {
  const accepted: { readonly group: string; readonly n: number; readonly at: number }[] = [];
  const of = (group: string) => accepted.filter((one) => one.group === group);
  let server: Server;
  const start = async (port?: number) => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { MessageGroupID: group, n } = bodySchema.parse(JSON.parse(Buffer.concat(chunks).toString())).data;
        accepted.push({ group, n, at: Date.now() });
        response.end('{"status_code":200}');
      });
    });
    return listen(server, port);
  };
  const url = await start();
  t.after(() => stopListening(server));
  return {
    url: `${url}/`,
    start: () => start(Number(new URL(url).port)),
    stop: () => stopListening(server),
    numbers: (group: string) => of(group).map(({ n }) => n),
    last: (group: string) => of(group).at(-1),
    firstAfter: (group: string, time: number) => of(group).find(({ at }) => at >= time)?.at ?? Number.POSITIVE_INFINITY,
  };
}
