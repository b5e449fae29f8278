import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Local, startLocal } from "../runtime/local/start-local.ts";
import { synthesise } from "../runtime/local/synth.ts";
import { createFifoClient } from "../sdk/client/src/index.ts";
import { dataFolder } from "./helpers/local-process.ts";

/** How the backend answers one delivery. */
type Answer = "accept" | "refuse" | "fail" | "stall" | "hang up";
interface Delivery {
  readonly group: string;
  readonly number: number;
  readonly key: string;
  readonly answer: Answer;
}

const GROUPS = ["10", "11", "12", "13", "14", "15"];
const PER_GROUP = 8;

test("a backend that fails, stalls, hangs up and disappears gets every message, each group in order", async (t) => {
  // Each group meets one trouble of its own, at its third message, twice; the groups besides go on.
  const trouble: Readonly<Record<string, Answer>> = { "10": "fail", "11": "stall", "12": "hang up", "13": "refuse" };
  const backend = await scriptedBackend(t, ({ group, number, count }) =>
    number === 3 && count <= 2 ? (trouble[group] ?? "accept") : "accept",
  );
  const local = await startOn(t, backend.url);
  const client = createFifoClient({ endpoint: local.endpoint, apiKey: keyOf(local), queue: "queue-1" });
  const sends = GROUPS.flatMap((group) =>
    Array.from({ length: PER_GROUP }, (_, index) => client.send(group, { number: index + 1 })),
  );
  await backend.until(() => backend.deliveries.length >= 10);
  await backend.disappear(1_500);
  await Promise.all(sends);
  await backend.until(() => local.backlog() === 0);

  for (const group of GROUPS) {
    const accepted = backend.deliveries.filter((delivery) => delivery.group === group && delivery.answer === "accept");
    const all = Array.from({ length: PER_GROUP }, (_, index) => index + 1);
    const expected = group === "13" ? all.filter((number) => number !== 3) : all;
    assert.deepEqual(firsts(accepted), expected, `group ${group}`);
  }
  const keys = new Map<string, Set<string>>();
  for (const { group, number, key } of backend.deliveries) {
    keys.set(`${group}/${number}`, (keys.get(`${group}/${number}`) ?? new Set()).add(key));
  }
  assert.ok(
    [...keys.values()].every((each) => each.size === 1),
    "redeliveries keep their idempotency key",
  );
  assert.equal(new Set([...keys.values()].flatMap((each) => [...each])).size, GROUPS.length * PER_GROUP);

  const dead = await local.engine.receive("dev-queue-1-dead-letter.fifo", { maxMessages: 10 });
  assert.deepEqual(
    dead.map(({ groupId, body }) => [groupId, JSON.parse(body).data.number]),
    [["13", 3]],
  );
});

test("batches that start late change no group's order and lose nothing", async (t) => {
  const backend = await scriptedBackend(t, () => "accept");
  // The first two batches begin when their messages have been visible again for a second; those go to the next batch.
  const visibility = 2;
  const local = await startOn(t, backend.url, {
    startDelayMilliseconds: (batch) => (batch <= 2 ? 3_000 : 0),
    visibility,
  });
  const client = createFifoClient({ endpoint: local.endpoint, apiKey: keyOf(local), queue: "queue-1" });
  await Promise.all(
    GROUPS.flatMap((group) => Array.from({ length: 4 }, (_, index) => client.send(group, { number: index + 1 }))),
  );
  const dropped = async () =>
    (await readFile(join(local.logFolder, "consumer.jsonl"), "utf8"))
      .split("\n")
      .filter((line) => line.includes('"group.dropped"') && line.includes('"late-start"'));
  await backend.until(() => local.backlog() === 0);
  while ((await dropped()).length === 0) {
    t.signal.throwIfAborted();
    await sleep(20);
  }
  for (const group of GROUPS) {
    const ofGroup = backend.deliveries.filter((delivery) => delivery.group === group);
    assert.deepEqual(firsts(ofGroup), [1, 2, 3, 4], `group ${group}`);
  }
});

function firsts(deliveries: readonly Delivery[]): number[] {
  return [...new Set(deliveries.map(({ number }) => number))];
}

function keyOf({ keys: [key] }: Local): string {
  assert.ok(key);
  return key.value;
}

async function startOn(
  t: TestContext,
  backendUrl: string,
  options: { readonly startDelayMilliseconds?: (batch: number) => number; readonly visibility?: number } = {},
): Promise<Local> {
  const data = await dataFolder(t);
  const synthesised = join(data, "cdktf.out");
  await synthesise(join(import.meta.dirname, ".."), synthesised);
  // A stall of the emitted ten seconds would be this test's whole time.
  await patch(join(synthesised, "stacks/dev-delivery/cdk.tf.json"), [
    ['"BACKEND_TIMEOUT_MILLISECONDS": "10000"', '"BACKEND_TIMEOUT_MILLISECONDS": "1000"'],
  ]);
  if (options.visibility !== undefined) {
    await patch(join(synthesised, "stacks/dev-messaging/cdk.tf.json"), [
      ['"visibility_timeout_seconds": 360', `"visibility_timeout_seconds": ${options.visibility}`],
    ]);
  }
  const local = await startLocal({
    data,
    synthesised,
    backendUrl,
    startDelayMilliseconds: options.startDelayMilliseconds,
  });
  t.after(() => local.close());
  return local;
}

async function patch(file: string, changes: readonly (readonly [string, string])[]): Promise<void> {
  let text = await readFile(file, "utf8");
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `${from} is not in ${file}`);
    text = text.replaceAll(from, to);
  }
  await writeFile(file, text);
}

async function scriptedBackend(
  t: TestContext,
  script: (what: { readonly group: string; readonly number: number; readonly count: number }) => Answer,
) {
  const deliveries: Delivery[] = [];
  const counts = new Map<string, number>();
  const bodySchema = z.object({ data: z.object({ MessageGroupID: z.string(), number: z.int() }) });
  let server: Server;
  let port = 0;

  async function listen(): Promise<void> {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { MessageGroupID: group, number } = bodySchema.parse(JSON.parse(Buffer.concat(chunks).toString())).data;
        const count = (counts.get(`${group}/${number}`) ?? 0) + 1;
        counts.set(`${group}/${number}`, count);
        const answer = script({ group, number, count });
        deliveries.push({ group, number, key: String(request.headers["idempotency-key"]), answer });
        if (answer === "accept") response.end('{"status_code":200}');
        else if (answer === "refuse") response.end('{"status_code":422}');
        else if (answer === "fail") response.writeHead(500).end("broken");
        else if (answer === "hang up") request.socket.destroy();
        // A stall answers nothing: the consumer gives up.
      });
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  }
  async function close(): Promise<void> {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  await listen();
  t.after(close);
  return {
    url: `http://127.0.0.1:${port}/`,
    deliveries,
    async disappear(milliseconds: number) {
      await close();
      await sleep(milliseconds);
      await listen();
    },
    async until(condition: () => boolean) {
      while (!condition()) {
        t.signal.throwIfAborted();
        await sleep(20);
      }
    },
  };
}
