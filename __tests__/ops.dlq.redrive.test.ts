import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Message, SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { COPY_ATTRIBUTES } from "../runtime/message.ts";
import { controlMessage } from "../runtime/parking-lot/control.ts";
import {
  type DeadLetter,
  type DeadLetterQueue,
  listDeadLetters,
  planRedrive,
  redriveDeadLetters,
} from "../sdk/ops/src/dlq/index.ts";
import { serveClockedQueues } from "./helpers/clocked-queues.ts";
import { startOpsConsumer } from "./helpers/ops-consumer.ts";
import { type OpsWorld, startOpsWorld } from "./helpers/ops-world.ts";
import { startBackend } from "./helpers/scripted-backend.ts";
import { until } from "./helpers/until.ts";

const FAST = { waitSeconds: 0 } as const;
const MAX_MESSAGE_BYTES = 1_044_480;

function queueOf(world: OpsWorld): DeadLetterQueue {
  return { sqs: world.sqs, queueUrl: world.queueUrl("queue-1"), deadLetterUrl: world.deadLetterUrl };
}

/** What a queue holds, in order, at most ten of a group; it stays in flight. */
async function contents(world: OpsWorld, url: string): Promise<readonly Message[]> {
  const all: Message[] = [];
  for (;;) {
    const messages = await world.receive(url);
    if (messages.length === 0) return all;
    all.push(...messages);
  }
}

/** Waits until the consumer has dead-lettered a message. */
async function untilRefused(world: OpsWorld): Promise<DeadLetter> {
  const { messages } = await listDeadLetters(queueOf(world), { waitSeconds: 20, limit: 1 });
  assert.ok(messages[0], "nothing was dead-lettered within 20 s");
  return messages[0];
}

const payloadOf = ({ Body = "" }: Message): unknown => JSON.parse(Body).data.n;
const attributeOf = ({ MessageAttributes }: Message, name: string) => MessageAttributes?.[name]?.StringValue;

describe("a redrive", () => {
  test("moves 30 messages of 3 groups, each group in order, while new messages come", async () => {
    await using world = await startOpsWorld();
    await using backend = await startBackend({});
    const groups = ["10", "20", "a/b"];
    for (let n = 0; n < 30; n += 1) await world.deadLetter(groups[n % 3] ?? "", { n });
    let sent = 0;
    const report = await redriveDeadLetters(
      queueOf(world),
      { all: true },
      {
        ...FAST,
        progress: ({ kind }) => {
          if (kind === "moved") void world.send("queue-1", groups[sent++ % 3] ?? "", { n: "new" });
        },
      },
    );
    assert.equal(report.moved.length, 30);
    assert.deepEqual([report.kept, report.ended, report.remaining, report.stillHidden], [[], "complete", 0, 0]);
    await using _ = startOpsConsumer(world, backend.url);
    await until(() => backend.received.length >= 60);
    const delivered = backend.received.map(({ body }) => JSON.parse(body.toString()).data);
    for (const [index, groupId] of groups.entries()) {
      const old = delivered.filter((data) => data.MessageGroupID === groupId && data.n !== "new");
      assert.deepEqual(
        old.map(({ n }) => n),
        [...Array(10).keys()].map((n) => 3 * n + index),
      );
    }
  });

  test("redriven within five minutes of its first send, a message arrives", async () => {
    await using world = await startOpsWorld();
    await using backend = await startBackend({ status: 400 }, { status: 200 });
    await using _ = startOpsConsumer(world, backend.url);
    await world.send("queue-1", "10", { n: 1 }, "order-1");
    await untilRefused(world);
    const report = await redriveDeadLetters(queueOf(world), { groupId: "10" }, FAST);
    assert.equal(report.moved.length, 1);
    await until(() => backend.received.length === 2);
    assert.deepEqual(
      backend.received.map(({ headers }) => headers["idempotency-key"]),
      ["queue-1/10/order-1", "queue-1/10/order-1"],
    );
  });

  test("a message redriven and dead-lettered again keeps its idempotency key", async () => {
    await using world = await startOpsWorld();
    await using backend = await startBackend({ status: 400 }, { status: 400 }, { status: 200 });
    await using _ = startOpsConsumer(world, backend.url);
    await world.send("queue-1", "10", { n: 1 }, "order-1");
    const originals = new Set<string>();
    for (let round = 1; round <= 2; round += 1) {
      await until(() => backend.received.length === round);
      const message = await untilRefused(world);
      assert.equal(message.idempotencyKey, "queue-1/10/order-1");
      originals.add(message.originalMessageId);
      assert.equal((await redriveDeadLetters(queueOf(world), { groupId: "10" }, FAST)).moved.length, 1);
    }
    await until(() => backend.received.length === 3);
    assert.equal(new Set(backend.received.map(({ headers }) => headers["idempotency-key"])).size, 1);
    assert.equal(originals.size, 2, "the second copy is of the redriven message");
  });

  test("ends, though the backend refuses everything that it redrives", async () => {
    await using world = await startOpsWorld();
    await using backend = await startBackend({ status: 400 });
    await using _ = startOpsConsumer(world, backend.url);
    for (let n = 0; n < 4; n += 1) await world.deadLetter("10", { n });
    const report = await redriveDeadLetters(queueOf(world), { all: true }, { waitSeconds: 1 });
    assert.equal(report.moved.length, 4);
    assert.equal(report.ended, "complete");
    assert.deepEqual(
      report.kept.map(({ reason }) => reason),
      ["came-back", "behind", "behind", "behind"].slice(0, report.kept.length),
    );
    assert.ok(report.kept.length > 0);
    assert.equal(backend.received.length, 4);
  });

  test("of a message that SQS moved takes the MessageId as key, also the second time", async (t) => {
    const world = await serveClockedQueues(t);
    const { source, deadLetter, queue } = world.createQueues();
    const deadLetterTargetArn = world.engine.queueArn(deadLetter);
    world.engine.setQueueAttributes(source, {
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 }),
    });
    const { messageId } = world.engine.send(source, { groupId: "10", body: "body", deduplicationId: "order-1" });
    const exhaust = async () => {
      await world.engine.receive(source, { visibilityTimeoutSeconds: 0 });
      await world.engine.receive(source, { visibilityTimeoutSeconds: 0 });
    };
    await exhaust();
    const options = { ...FAST, now: world.now };
    const [moved] = (await listDeadLetters(queue, options)).messages;
    assert.deepEqual(
      [moved?.reason, moved?.messageId, moved?.originalMessageId, moved?.idempotencyKey],
      ["max-receive-count", messageId, messageId, messageId],
    );
    await redriveDeadLetters(queue, { all: true }, options);
    await exhaust();
    const [again] = (await listDeadLetters(queue, options)).messages;
    assert.notEqual(again?.messageId, messageId);
    assert.equal(again?.reason, "max-receive-count");
    assert.equal(again?.idempotencyKey, messageId);
    assert.equal((await redriveDeadLetters(queue, { all: true }, options)).moved.length, 1);
  });

  test("leaves a control message where it is, and moves all of its group around it", async () => {
    await using world = await startOpsWorld();
    const send = (n: number) => world.deadLetter("10", { n });
    for (let n = 0; n < 3; n += 1) await send(n);
    await world.sendTo(world.deadLetterUrl, controlMessage({ verb: "replay" }, "10", crypto.randomUUID()));
    for (let n = 3; n < 25; n += 1) await send(n);
    const plan = await planRedrive(queueOf(world), { groupId: "10" }, FAST);
    assert.deepEqual(
      plan.moves.map(({ stays }) => stays?.reason),
      [...Array(3), "control", ...Array(6)],
    );
    const report = await redriveDeadLetters(queueOf(world), { groupId: "10" }, FAST);
    assert.equal(report.moved.length, 25);
    assert.deepEqual(
      report.kept.map(({ reason }) => reason),
      ["control"],
    );
    const left = await listDeadLetters(queueOf(world), FAST);
    assert.deepEqual(
      left.messages.map(({ control }) => control),
      ["replay"],
    );
  });

  test("stops a group at a message that is too large with its key, and says so; other groups go on", async () => {
    await using world = await startOpsWorld();
    const { sqs } = world;
    const attributes = { MaximumMessageSize: String(MAX_MESSAGE_BYTES) };
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: world.queueUrl("queue-1"), Attributes: attributes }));
    const large = JSON.stringify({ data: { MessageGroupID: "10", n: 2, fill: "" } });
    const body = large.replace('"fill":""', `"fill":"${"x".repeat(MAX_MESSAGE_BYTES - large.length)}"`);
    await world.deadLetter("10", { n: 1 });
    await world.deadLetter("10", {}, { body });
    await world.deadLetter("10", { n: 3 });
    await world.deadLetter("20", { n: 4 });
    const planned = (await planRedrive(queueOf(world), { all: true }, FAST)).moves;
    assert.deepEqual(
      planned.map(({ stays }) => stays?.reason),
      [undefined, "too-large", "behind", undefined],
    );
    const report = await redriveDeadLetters(queueOf(world), { all: true }, FAST);
    assert.equal(report.moved.length, 2);
    assert.deepEqual(
      report.kept.map(({ reason }) => reason),
      ["too-large", "behind"],
    );
    assert.match(
      report.kept[0]?.detail ?? "",
      /1044480 bytes of body are 10\d{5} with the idempotency key.*MaximumMessageSize.*discard/,
    );
    // The way out that the text names.
    const raised = { MaximumMessageSize: "1048576" };
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: world.queueUrl("queue-1"), Attributes: raised }));
    assert.equal((await redriveDeadLetters(queueOf(world), { all: true }, FAST)).moved.length, 2);
    const arrived = await contents(world, world.queueUrl("queue-1"));
    const group = arrived.filter(({ Attributes }) => Attributes?.MessageGroupId === "10");
    assert.deepEqual(group.map(payloadOf), [1, 2, 3]);
  });

  test("of one message moves nothing else, wherever it stands among the first ten of its group", async () => {
    await using world = await startOpsWorld();
    // A receive of ten has three of group 20 after the seven of group 10.
    for (let n = 0; n < 7; n += 1) await world.deadLetter("10", { n });
    for (let n = 0; n < 12; n += 1) await world.deadLetter("20", { n });
    const listed = await listDeadLetters(queueOf(world), FAST);
    const group = listed.messages.filter(({ groupId }) => groupId === "20");
    const ninth = group[8];
    assert.ok(ninth);
    const selection = { messageId: ninth.messageId };
    assert.equal((await planRedrive(queueOf(world), selection, FAST)).overtakes, 8);
    const report = await redriveDeadLetters(queueOf(world), selection, FAST);
    assert.deepEqual(
      report.moved.map(({ deadLetterMessageId }) => deadLetterMessageId),
      [ninth.messageId],
    );
    assert.equal(report.overtakes, 8);
    const [arrived, ...others] = await contents(world, world.queueUrl("queue-1"));
    assert.equal(others.length, 0);
    assert.equal(arrived && payloadOf(arrived), 8);
    assert.equal(arrived && attributeOf(arrived, COPY_ATTRIBUTES.idempotencyKey), ninth.originalMessageId);
    assert.equal(arrived && attributeOf(arrived, COPY_ATTRIBUTES.originalSequenceNumber), ninth.originalSequenceNumber);
    assert.equal((await listDeadLetters(queueOf(world), FAST)).total, 18);
  });

  test("of one group leaves the others", async () => {
    await using world = await startOpsWorld();
    for (let n = 0; n < 36; n += 1) await world.deadLetter(String(n % 3), { n });
    const report = await redriveDeadLetters(queueOf(world), { groupId: "1" }, FAST);
    assert.deepEqual([report.moved.length, report.kept.length, report.remaining], [12, 0, 24]);
    assert.ok(report.moved.every(({ groupId }) => groupId === "1"));
    const left = (await listDeadLetters(queueOf(world), FAST)).messages.map(({ groupId }) => groupId);
    assert.deepEqual(new Set(left), new Set(["0", "2"]));
  });

  test("ends in order when it is interrupted: what it did not move is visible at once", async () => {
    await using world = await startOpsWorld();
    for (let n = 0; n < 12; n += 1) await world.deadLetter("10", { n });
    const stopping = new AbortController();
    let moved = 0;
    const report = await redriveDeadLetters(
      queueOf(world),
      { all: true },
      {
        ...FAST,
        signal: stopping.signal,
        progress: ({ kind }) => {
          if (kind === "moved" && ++moved === 4) stopping.abort();
        },
      },
    );
    assert.deepEqual([report.moved.length, report.ended, report.stillHidden], [4, "interrupted", 0]);
    assert.deepEqual(
      report.kept.map(({ reason }) => reason),
      ["interrupted", ...Array(5).fill("behind")],
    );
    const left = await contents(world, world.deadLetterUrl);
    assert.deepEqual(left.map(payloadOf), [4, 5, 6, 7, 8, 9, 10, 11].slice(0, left.length));
    assert.equal(left.length, 8);
  });
});

describe("a redrive with something going wrong", () => {
  test("stops the group whose send was not acknowledged, and the next redrive adds no second copy", async (t) => {
    const world = await serveClockedQueues(t);
    const { source, queue, refuse, drain } = world.createQueues();
    for (const body of ["a1", "b1", "a2", "b2"]) refuse(body.slice(0, 1), body);
    let failed = 0;
    world.follow(({ action, text }) => {
      if (action !== "SendMessage" || !text.includes('"a1"') || failed++ > 0) return { kind: "pass" };
      return { kind: "reset", taken: true };
    });
    const options = { ...FAST, now: world.now };
    const report = await redriveDeadLetters(queue, { all: true }, options);
    assert.deepEqual(
      report.kept.map(({ reason, groupId }) => `${groupId} ${reason}`),
      ["a send-failed", "a behind"],
    );
    assert.deepEqual(
      report.moved.map(({ groupId }) => groupId),
      ["b", "b"],
    );
    assert.equal((await redriveDeadLetters(queue, { all: true }, options)).moved.length, 2);
    const arrived = await drain(source);
    assert.deepEqual(
      arrived.filter(({ groupId }) => groupId === "a").map(({ body }) => body),
      ["a1", "a2"],
    );
  });

  test("sends a message whose delete failed again later, under the same key and before those behind it", async (t) => {
    const world = await serveClockedQueues(t);
    const { source, queue, refuse, drain } = world.createQueues();
    for (const body of ["a1", "a2"]) refuse("a", body);
    world.follow(({ action }) =>
      action === "DeleteMessage" ? { kind: "answer", status: 500, body: "{}" } : { kind: "pass" },
    );
    const options = { ...FAST, now: world.now };
    const report = await redriveDeadLetters(queue, { all: true }, options);
    assert.deepEqual(
      report.kept.map(({ reason }) => reason),
      ["not-deleted", "behind"],
    );
    world.follow(() => ({ kind: "pass" }));
    world.pass(301);
    assert.equal((await redriveDeadLetters(queue, { all: true }, options)).moved.length, 2);
    const arrived = await drain(source);
    assert.deepEqual(
      arrived.map(({ body }) => body),
      ["a1", "a1", "a2"],
    );
    assert.deepEqual(
      arrived.map(({ key }) => key),
      ["key-of-a1", "key-of-a1", "key-of-a2"],
    );
  });

  test("sends nothing of a group that somebody else has received meanwhile", async (t) => {
    const world = await serveClockedQueues(t);
    const { source, deadLetter, queue, refuse, drain } = world.createQueues();
    for (const body of ["a1", "a2"]) refuse("a", body);
    let others: Promise<unknown> | undefined;
    const report = await redriveDeadLetters(
      queue,
      { all: true },
      {
        ...FAST,
        now: world.now,
        progress: ({ kind }) => {
          if (kind !== "received") return;
          // A laptop that was closed: its messages are visible again, and somebody else takes them.
          world.pass(61);
          others = world.engine.receive(deadLetter, { maxMessages: 10, visibilityTimeoutSeconds: 300 });
        },
      },
    );
    assert.ok(others);
    assert.deepEqual([report.moved, report.kept.map(({ reason }) => reason)], [[], ["not-held", "behind"]]);
    assert.deepEqual(await drain(source), []);
  });

  test("prolongs its hold when it takes long, and goes on", async (t) => {
    const world = await serveClockedQueues(t);
    const { source, queue, refuse, drain } = world.createQueues();
    const bodies = Array.from({ length: 10 }, (_, n) => `a${n}`);
    for (const body of bodies) refuse("a", body);
    // Each send takes 15 s: ten of them are more than two visibilities.
    world.follow(({ action }) => {
      if (action === "SendMessage") world.pass(15);
      return { kind: "pass" };
    });
    const report = await redriveDeadLetters(queue, { all: true }, { ...FAST, now: world.now });
    assert.equal(report.moved.length, 10);
    assert.deepEqual(
      (await drain(source)).map(({ body }) => body),
      bodies,
    );
  });

  test("says in its report that the dead-letter queue could not be received from", async (t) => {
    const world = await serveClockedQueues(t);
    const { queue, refuse } = world.createQueues();
    refuse("a", "a1");
    world.follow(({ action }) =>
      action === "ReceiveMessage" ? { kind: "answer", status: 500, body: "{}" } : { kind: "pass" },
    );
    const report = await redriveDeadLetters(queue, { all: true }, { ...FAST, now: world.now });
    assert.deepEqual([report.ended, report.moved.length, report.remaining], ["failed", 0, 1]);
    assert.notEqual(report.error, undefined);
  });
});
