import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import type { Message } from "@aws-sdk/client-sqs";
import { buildSync } from "esbuild";
import { FunctionRunner } from "../runtime/local/function/runner.ts";
import type { ParkedMessage } from "../runtime/parking-lot/parked-message.ts";
import { bundleOptions } from "../stacks/bundle.ts";
import { type ConsumerWorld, startConsumerWorld, toRecord } from "./helpers/consumer-world.ts";
import { startBackend } from "./helpers/scripted-backend.ts";

/** Receives above which a group's head may be the message that kills the function. */
const SUSPECT_RECEIVES = 20;
// One for all tests: the second process then finds compiled what the first one compiled.
const folder = await mkdtemp(join(tmpdir(), "function-"));
after(() => rm(folder, { recursive: true, force: true }));
buildSync({ ...bundleOptions("runtime/consumer/lambda.ts"), outfile: join(folder, "lambda.mjs") });

const deadly = '"deadly":true';

test("a message that kills the function is parked unattempted after three deaths, and its group with it", async (t) => {
  await using backend = await startDeadlyBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const run = await startFunction(t, world);
  await world.sendBody("10", '{"data":{"MessageGroupID":"10","n":1,"deadly":true}}');
  await world.send("10", 2);
  await receiveOften(world, SUSPECT_RECEIVES);
  for (const deaths of [1, 2, 3]) {
    assert.equal(await run(world), "crashed");
    const [marker, ...others] = await markers(world);
    assert.deepEqual(others, []);
    assert.equal(marker?.["starts"]?.SS?.length, deaths);
  }
  assert.equal(await run(world), "settled");
  // Nobody delivered it a fourth time.
  assert.deepEqual(backend.delivered(), [1, 1, 1]);
  const [head, follower, ...others] = await world.parked("10");
  assert.deepEqual(others, []);
  assert.deepEqual(
    [head?.reason, head?.outcome, head?.attempts, head?.detail],
    ["crashed", "unattempted", 0, "3 deliveries ended with the function"],
  );
  assert.equal(follower?.reason, "behind");
  assert.deepEqual(await markers(world), []);
  assert.equal(await world.left(), 0);

  // A person edits what was wrong with it, and lets the group go on.
  const body = '{"data":{"MessageGroupID":"10","n":91}}';
  await world.control({ verb: "edit", sequenceNumber: head?.sequenceNumber ?? "", body }, "10");
  await world.control({ verb: "replay" }, "10");
  assert.equal(await run(world), "settled");
  assert.deepEqual(backend.delivered(), [1, 1, 1, 91, 2]);
  assert.deepEqual(await world.groups(), []);
  assert.deepEqual(await markers(world), []);
});

test("replayed as it was, it kills three functions more and is parked again, with what follows it", async (t) => {
  await using backend = await startDeadlyBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const run = await startFunction(t, world);
  await park(world, 1, "crashed", '{"data":{"MessageGroupID":"10","n":1,"deadly":true}}');
  const replay = await world.control({ verb: "replay" }, "10");
  await world.send("10", 2);
  for (const _ of [1, 2, 3]) assert.equal(await run(world), "crashed");
  assert.equal(await run(world), "settled");
  assert.deepEqual(backend.delivered(), [1, 1, 1]);
  const [head, follower] = await world.parked("10");
  assert.deepEqual([head?.reason, head?.stoppedBy, follower?.reason], ["crashed", replay, "behind"]);
  assert.deepEqual(await markers(world), []);
});

test("one that was parked behind another, untried, is found out when it is replayed", async (t) => {
  await using backend = await startDeadlyBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const run = await startFunction(t, world);
  await park(world, 1, "rejected", '{"data":{"MessageGroupID":"10","n":1}}');
  await park(world, 2, "behind", '{"data":{"MessageGroupID":"10","n":2,"deadly":true}}');
  const replay = await world.control({ verb: "replay" }, "10");
  await receiveOften(world, SUSPECT_RECEIVES);
  // The first death is nobody's yet: another message was delivered before it. From then on it is the first that is left.
  for (const _ of [0, 1, 2, 3]) assert.equal(await run(world), "crashed");
  assert.equal(await run(world), "settled");
  assert.deepEqual(backend.delivered(), [1, 2, 2, 2, 2]);
  const [head, ...others] = await world.parked("10");
  assert.deepEqual(others, []);
  assert.deepEqual([head?.reason, head?.stoppedBy], ["crashed", replay]);
  assert.deepEqual(await markers(world), []);
});

test("under the policy dead-letter it goes to the dead-letter queue, and its group goes on", async (t) => {
  await using backend = await startDeadlyBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url });
  const run = await startFunction(t, world);
  const id = await world.sendBody("10", '{"data":{"MessageGroupID":"10","n":1,"deadly":true}}');
  await world.send("10", 2);
  await receiveOften(world, SUSPECT_RECEIVES);
  for (const _ of [1, 2, 3]) assert.equal(await run(world), "crashed");
  assert.equal(await run(world), "settled");
  assert.deepEqual(backend.delivered(), [1, 1, 1, 2]);
  const [copy] = await world.deadLetters();
  assert.equal(copy?.MessageAttributes?.["reason"]?.StringValue, "crashed");
  assert.equal(copy.MessageAttributes["original-message-id"]?.StringValue, id);
  assert.deepEqual(await world.items(), []);
});

test("groups that share its batch go on while it kills one function after the other", async (t) => {
  await using backend = await startDeadlyBackend();
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const run = await startFunction(t, world);
  await world.sendBody("10", '{"data":{"MessageGroupID":"10","n":1,"deadly":true}}');
  await receiveOften(world, SUSPECT_RECEIVES);
  for (const n of [11, 12]) await world.send("20", n);
  assert.equal(await run(world), "crashed");
  // Delivered before the suspect had its turn, and out of the queue though the function was killed.
  assert.deepEqual(backend.delivered(), [11, 12, 1]);
  assert.equal(await world.left(), 1);
});

test("a message that is only slow to be taken is marked while it is tried, and its marks go when it waits", async () => {
  await using backend = await startBackend({ status: 503 }, { status: 503 }, { status: 503 }, { status: 503 }, {});
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await world.send("10", 1);
  await receiveOften(world, SUSPECT_RECEIVES);
  const marks = () => world.tableWire.requests.filter(({ verb }) => verb === "UpdateItem").length;
  // As often as would be enough for one that kills.
  for (const tries of [1, 2, 3, 4]) {
    await world.invokeUnheard(await world.receive());
    assert.equal(marks(), tries);
    assert.deepEqual(await markers(world), []);
  }
  await world.invoke(await world.receive());
  assert.equal(backend.received.length, 5);
  assert.deepEqual(await world.items(), []);
  assert.equal(await world.left(), 0);
});

test("up to 20 receives nothing is marked, and a follower is never a suspect", async () => {
  await using backend = await startBackend({});
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await world.send("10", 1);
  await receiveOften(world, SUSPECT_RECEIVES - 1);
  await world.invoke(await world.receive());
  assert.deepEqual(
    world.tableWire.requests.filter(({ verb }) => verb === "UpdateItem"),
    [],
  );
  await world.send("10", 2);
  await world.send("10", 3);
  await receiveOften(world, SUSPECT_RECEIVES);
  const batch = await world.receive();
  assert.deepEqual(
    batch.map(({ Attributes }) => Attributes?.ApproximateReceiveCount),
    ["21", "21"],
  );
  await world.invoke(batch);
  const marked = world.tableWire.requests.filter(({ verb }) => verb === "UpdateItem");
  assert.equal(marked.length, 1);
  assert.equal(backend.received.length, 3);
});

/** Kills the process that delivers a deadly message to it, before it answers. Each process says in the URL which one it is. */
async function startDeadlyBackend() {
  const backend = await startBackend((response) => {
    const { url = "", body } = backend.received.at(-1) ?? {};
    if (body?.includes(deadly)) process.kill(Number(url.slice(1)), "SIGKILL");
    else response.end();
  });
  return {
    url: backend.url,
    delivered: () => backend.received.map(({ body }) => /"n":(\d+)/.exec(body.toString())?.[1]).map(Number),
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}

/** The consumer as it is deployed, in processes of its own. @returns receives one batch and has it settled there */
async function startFunction(t: TestContext, { variables }: ConsumerWorld) {
  const file = join(folder, "index.mjs");
  // A process that is killed would take what it compiled with it.
  const code = `import { flushCompileCache } from "node:module";
    process.env.BACKEND_URL += process.pid;
    export const { handler } = await import("./lambda.mjs");
    flushCompileCache();`;
  await writeFile(file, code);
  const runner = new FunctionRunner({
    package: {
      name: "consumer",
      arn: "arn:aws:lambda:ap-northeast-2:000000000000:function:consumer",
      file,
      exportName: "handler",
      timeoutSeconds: 60,
      memoryMegabytes: 256,
      environment: variables,
    },
    platform: {},
    log: () => {},
  });
  t.after(() => runner.close());
  return async (world: ConsumerWorld): Promise<"settled" | "crashed"> => {
    const messages = await world.receive();
    assert.notEqual(messages.length, 0);
    try {
      await runner.invoke({ Records: messages.map((message) => toRecord(message)) });
    } catch (error) {
      assert.match(String(error), /ended in the middle of an invocation/);
      await world.makeVisible(messages);
      return "crashed";
    }
    await world.remove(messages);
    return "settled";
  };
}

/** Receives what is in the queue so often, and gives it back each time. */
async function receiveOften(world: ConsumerWorld, times: number): Promise<void> {
  let received: readonly Message[] = [];
  for (let time = 0; time < times; time += 1) received = await world.receive(0);
  assert.equal(received[0]?.Attributes?.ApproximateReceiveCount, String(times));
}

/** Puts a message into group 10's parking lot, the first one as its oldest. */
async function park(world: ConsumerWorld, n: number, reason: ParkedMessage["reason"], body: string): Promise<void> {
  await world.parkingLot.park(
    {
      queue: "queue-1",
      groupId: "10",
      sequenceNumber: String(n).padStart(20, "0"),
      messageId: `id-${n}`,
      deduplicationId: `order-${n}`,
      idempotencyKey: `queue-1/10/order-${n}`,
      body,
      sentAt: "2026-11-22T12:00:00.000Z",
      parkedAt: "2026-11-22T12:00:01.000Z",
      reason,
      detail: "",
      outcome: reason === "rejected" ? "rejected" : "unattempted",
      attempts: reason === "rejected" ? 1 : 0,
    },
    n === 1,
  );
}

async function markers(world: ConsumerWorld) {
  return (await world.items()).filter(({ sk }) => sk?.S?.startsWith("started#"));
}
