import assert from "node:assert/strict";
import { test } from "node:test";
import { UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { itemKey } from "../runtime/parking-lot/keys.ts";
import { connect, listMessages, readPayload, replay, show } from "../sdk/ops/src/index.ts";
import { startOpsWorld } from "./helpers/ops-world.ts";

const RETENTION_SECONDS = 1_209_600;
const CONTROL = "18000000000000000001";

test("shows the message that blocks the group, its body only when that is asked for", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 2);
  const message = { connection, queue: "queue-2", groupId: "10" };
  const bare = await show(message);
  const { body, ...rest } = first ?? assert.fail();
  assert.deepEqual(bare, { message: { ...rest, bytes: body.length, edited: false }, discarded: [] });
  assert.equal((await show({ ...message, body: true })).message?.body, body);
  connection.close();
});

test("shows the message of a sequence number, and what was sent when it was edited since", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [, second] = await world.park("10", 2);
  const parked = second ?? assert.fail();
  const edited = '{"data":{"MessageGroupID":"10","n":"edited"}}';
  await world.parkingLot.keepOriginal(parked);
  await world.parkingLot.replaceBody(parked, edited, CONTROL);
  const wanted = { connection, queue: "queue-2", groupId: "10", sequenceNumber: parked.sequenceNumber };
  const bare = await show(wanted);
  assert.deepEqual(bare.original, { bytes: parked.body.length });
  assert.equal(bare.message?.edited, true);
  assert.equal(bare.message.editedBy, CONTROL);
  const whole = await show({ ...wanted, body: true });
  assert.deepEqual([whole.message?.body, whole.original?.body], [edited, parked.body]);
  connection.close();
});

test("shows what was discarded in the group, the newest first, and bodies of one that is named", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const parked = await world.park("10", 2);
  for (const message of parked) {
    const tombstone = {
      ...message,
      discardedBy: CONTROL,
      discardedAt: "2026-11-22T10:00:00.000Z",
      discardReason: "a test",
    };
    await world.parkingLot.bury(tombstone, RETENTION_SECONDS);
    await world.parkingLot.remove(message);
  }
  const group = { connection, queue: "queue-2", groupId: "10" };
  const shown = await show({ ...group, body: true });
  assert.equal(shown.message, undefined);
  assert.deepEqual(
    shown.discarded.map(({ sequenceNumber, discardReason, body }) => ({ sequenceNumber, discardReason, body })),
    parked.toReversed().map(({ sequenceNumber }) => ({ sequenceNumber, discardReason: "a test", body: undefined })),
  );
  const sequenceNumber = parked[0]?.sequenceNumber;
  const named = await show({ ...group, sequenceNumber, body: true });
  assert.deepEqual(
    named.discarded.map(({ body }) => body),
    [parked[0]?.body],
  );
  connection.close();
});

test("says how to find what is parked when the group, or the message, is not", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  await world.park("10", 1);
  const group = { connection, queue: "queue-2", groupId: "10" };
  await assert.rejects(show({ ...group, groupId: "11" }), { code: "NOT_PARKED", message: /parked list queue-2 / });
  await assert.rejects(show({ ...group, sequenceNumber: "1" }), {
    code: "NOT_PARKED",
    message: /00000000000000000001 of group 10 is not parked in queue-2: parked list queue-2 --group 10/,
  });
  await assert.rejects(show({ ...group, sequenceNumber: "1e3" }), { code: "INVALID_ARGUMENT" });
  connection.close();
});

test("reads the payload byte for byte, and says so when a body is no envelope, without showing it", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const payload = ' {"MessageGroupID":"10","n":9007199254740993,\n"n":1.0}\n';
  await world.park("10", 1, () => ({ body: `{"data":${payload}}` }));
  await world.park("11", 1, () => ({ body: "secret text", reason: "no-envelope" }));
  const group = { connection, queue: "queue-2" };
  assert.equal(await readPayload({ ...group, groupId: "10" }), payload);
  await assert.rejects(readPayload({ ...group, groupId: "11" }), (error: Error) => {
    assert.match(error.message, /no envelope.*--body/);
    assert.ok(!error.message.includes("secret"));
    return true;
  });
  connection.close();
});

test("names an item that no consumer wrote, and the way out", async () => {
  await using world = await startOpsWorld();
  const connection = await connect({ local: world.folder });
  const [first] = await world.park("10", 1);
  const sequenceNumber = first?.sequenceNumber ?? "";
  const spoil = new UpdateItemCommand({
    TableName: world.table,
    Key: { ...itemKey("queue-2", "10", "parked", sequenceNumber) },
    UpdateExpression: "SET reason = :reason",
    ExpressionAttributeValues: { ":reason": { S: "a whim" } },
  });
  await world.dynamodb.send(spoil);
  const group = { connection, queue: "queue-2", groupId: "10" };
  const notOurs = {
    name: "OpsError",
    code: "NOT_A_PARKED_MESSAGE",
    message: new RegExp(`item queue-2#10 parked#${sequenceNumber} .*reason is not what a consumer writes.*by hand`),
  };
  await assert.rejects(show(group), notOurs);
  await assert.rejects(readPayload(group), notOurs);
  await assert.rejects(listMessages(group).next(), notOurs);
  // It is met while the replay is waited for, too.
  const stoppedBy = "19900000000000000000";
  await world.parkingLot.recordFailure({ ...group, sequenceNumber }, { ...(first ?? assert.fail()) }, stoppedBy);
  await world.dynamodb.send(spoil);
  await assert.rejects(replay(group), {
    code: "NOT_A_PARKED_MESSAGE",
    message: /replay \d{20} of group 10 is sent, .*by hand/,
  });
  connection.close();
});
