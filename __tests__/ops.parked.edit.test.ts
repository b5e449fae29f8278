import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { connect, edit, planEdit, replay } from "../sdk/ops/src/index.ts";
import { startOpsConsumer } from "./helpers/ops-consumer.ts";
import { startOpsWorld } from "./helpers/ops-world.ts";
import { startBackend } from "./helpers/scripted-backend.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("edits one message: the next replay delivers the new payload byte for byte, under the same idempotency key", async () => {
  await using world = await startOpsWorld();
  await using backend = await startBackend({ body: '{"status_code":200}' });
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const parked = first ?? assert.fail();
  await using consumer = startOpsConsumer(world, backend.url);
  const group = { connection, queue: "queue-2", groupId: "10" };
  const payload = ' {"n": 9007199254740993, "n":1.0,\n"MessageGroupID":"10","text":"한글 \\u0041"}\n';
  const edited = await edit({ ...group, sequenceNumber: parked.sequenceNumber, payload: bytes(payload) });
  assert.equal(edited.result, "edited");
  assert.equal(edited.bytes, bytes(`{"data":${payload}}`).length);
  assert.equal(backend.received.length, 0);
  await replay(group);
  assert.equal(backend.received[0]?.body.toString(), `{"data":${payload}}`);
  assert.equal(backend.received[0]?.headers["idempotency-key"], parked.idempotencyKey);
  assert.deepEqual(consumer.errors(), []);
  connection.close();
});

test("refuses what the consumer would refuse, with the way out and without the payload", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber: first?.sequenceNumber ?? "" };
  const refused: readonly (readonly [Uint8Array, RegExp])[] = [
    [bytes('{"MessageGroupID":"10","secret"'), /is no JSON/],
    [bytes('["secret"]'), /is no JSON object/],
    [bytes('{"MessageGroupID":"11","text":"secret"}'), /has another MessageGroupID/],
    [bytes('{"text":"secret"}'), /has another MessageGroupID, or none/],
    [bytes('{"MessageGroupID":"10"},"data":{"MessageGroupID":"10","text":"secret"}'), /is no JSON/],
    [bytes('\uFEFF{"MessageGroupID":"10","text":"secret"}'), /byte order mark/],
    [new Uint8Array([0x7b, 0xff, 0x7d]), /not in UTF-8/],
  ];
  for (const [payload, message] of refused) {
    await assert.rejects(edit({ ...wanted, payload }), (error: Error) => {
      assert.equal("code" in error && error.code, "PAYLOAD_REFUSED");
      assert.match(error.message, message);
      assert.ok(!error.message.includes("secret"));
      return true;
    });
  }
  assert.equal(await world.waiting("queue-2"), 0);
  connection.close();
});

test("takes a payload up to what the queue takes with the control message's attributes, and not a byte more", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber: first?.sequenceNumber ?? "" };
  const frame = '{"MessageGroupID":"10","f":""}';
  const attributes = ["control", "String", "edit", "control-sequence-number", "String", wanted.sequenceNumber].join("");
  const most = 389_120 - attributes.length - '{"data":}'.length - frame.length;
  const payloadOf = (length: number) => bytes(frame.replace('""', `"${"f".repeat(length)}"`));
  assert.equal((await edit({ ...wanted, payload: payloadOf(most), wait: false })).result, "sent");
  await assert.rejects(edit({ ...wanted, payload: payloadOf(most + 1), wait: false }), {
    code: "PAYLOAD_REFUSED",
    message: /makes a message of 389121 bytes, and queue-2 takes 389120: shorten it by 1 bytes/,
  });
  connection.close();
});

test("sends nothing when the message is not parked, or it is only a plan", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const payload = bytes('{"MessageGroupID":"10","n":2}');
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber: first?.sequenceNumber ?? "", payload };
  const plan = await planEdit(wanted);
  assert.equal(plan.message.sequenceNumber, first?.sequenceNumber);
  assert.equal(plan.bytes, payload.length + '{"data":}'.length);
  await assert.rejects(edit({ ...wanted, sequenceNumber: "17" }), { code: "NOT_PARKED" });
  assert.equal(await world.waiting("queue-2"), 0);
  assert.equal((await edit({ ...wanted, timeoutSeconds: 0.1 })).result, "timed-out");
  connection.close();
});

test("an earlier edit is not taken for this one, and a message that is delivered meanwhile is told of", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1, () => ({ editedBy: "17500000000000000000" }));
  const parked = first ?? assert.fail();
  const { sequenceNumber } = parked;
  const payload = bytes('{"MessageGroupID":"10","n":2}');
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber, payload };
  assert.equal((await edit({ ...wanted, timeoutSeconds: 0.1 })).result, "timed-out");
  const editing = edit(wanted);
  while ((await world.waiting("queue-2")) < 2) await sleep(5);
  await world.parkingLot.remove(parked);
  assert.equal((await editing).result, "gone");
  connection.close();
});

test("fails at once when the queue numbers lower than the message, since it was made anew", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const sequenceNumber = "19000000000000000001";
  await world.park("10", 1, () => ({ sequenceNumber }));
  const payload = bytes('{"MessageGroupID":"10","n":2}');
  await assert.rejects(edit({ connection, queue: "queue-2", groupId: "10", sequenceNumber, payload }), {
    code: "QUEUE_MADE_ANEW",
    message: /edit \d{20} of message 19000000000000000001 of group 10 .*by hand/,
  });
  connection.close();
});

test("refuses what the parking lot could not keep, though the queue takes more since it is no longer one that parks", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const QueueUrl = world.queueUrl("queue-2");
  await world.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { MaximumMessageSize: "1044480" } }));
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber: first?.sequenceNumber ?? "" };
  const frame = '{"MessageGroupID":"10","f":""}';
  const most = 389_120 - '{"data":}'.length - frame.length;
  const payloadOf = (length: number) => bytes(frame.replace('""', `"${"f".repeat(length)}"`));
  assert.equal((await edit({ ...wanted, payload: payloadOf(most), wait: false })).bytes, 389_120);
  await assert.rejects(edit({ ...wanted, payload: payloadOf(most + 1), wait: false }), {
    code: "PAYLOAD_REFUSED",
    message: /makes a body of 389121 bytes, and a parked message has 389120 at most: shorten it by 1 bytes/,
  });
  connection.close();
});
