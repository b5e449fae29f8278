import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { type TestContext, test } from "node:test";
import { DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { type Local, startLocal } from "../runtime/local/start-local.ts";
import { type Control, controlMessage } from "../runtime/parking-lot/control.ts";
import { parkedGroups } from "../runtime/parking-lot/groups.ts";
import { createParkingLot } from "../runtime/parking-lot/parking-lot.ts";
import { createFifoClient } from "../sdk/client/src/index.ts";
import { startGroupBackend } from "./helpers/consumer-world.ts";
import { dataFolder } from "./helpers/local-process.ts";
import { until } from "./helpers/until.ts";

const QUEUE = "queue-2";
const TABLE = "dev-parking-lot";
const credentials = { accessKeyId: "local", secretAccessKey: "local" };

test("a refused message blocks its group, and a person puts it right: edit, discard, replay in order", async (t) => {
  await using backend = await startGroupBackend((group, n) => (group === "10" && n === 2 ? 422 : 200));
  const local = await startLocal({ data: await dataFolder(t), backendUrl: backend.url });
  t.after(() => local.close());
  const { parkingLot, groups, order, items } = tools(t, local);
  const [key] = local.keys;
  assert.ok(key !== undefined);
  const client = createFifoClient({ endpoint: local.endpoint, apiKey: key.value, queue: QUEUE });
  const send = (group: string, n: number) => client.send(group, { n });
  const of = (group: string) => backend.delivered().filter((name) => name.startsWith(`${group}/`));
  const numbers = [1, 2, 3, 4, 5];

  await Promise.all(["10", "20"].flatMap((group) => numbers.map((n) => send(group, n))));
  await until(() => local.backlog() === 0);
  assert.deepEqual(of("10"), ["10/1", "10/2"]);
  assert.deepEqual(
    of("20"),
    numbers.map((n) => `20/${n}`),
  );
  const parked = await parkingLot.read(QUEUE, "10", 10);
  assert.deepEqual(
    parked.map(({ body, reason }) => [numberIn(body), reason]),
    [
      [2, "rejected"],
      [3, "behind"],
      [4, "behind"],
      [5, "behind"],
    ],
  );
  const [second, third] = parked;
  assert.ok(second !== undefined && third !== undefined);
  assert.deepEqual(
    (await groups()).map(({ groupId, sequenceNumber }) => [groupId, sequenceNumber]),
    [["10", second.sequenceNumber]],
  );

  const body = '{"data":{"MessageGroupID":"10","n":92}}';
  await order({ verb: "edit", sequenceNumber: second.sequenceNumber, body });
  await order({ verb: "discard", sequenceNumber: third.sequenceNumber, reason: "sent by mistake" });
  const replay = await order({ verb: "replay" });
  // Sent before anybody knows how the replay went: it comes behind it.
  const sixth = await send("10", 6);
  assert.ok(replay < sixth.sequenceNumber);
  await until(() => local.backlog() === 0);
  assert.deepEqual(of("10"), ["10/1", "10/2", "10/92", "10/4", "10/5", "10/6"]);
  const [refused, edited] = backend.received.filter(
    ({ headers }) => headers["x-message-sequence-number"] === second.sequenceNumber,
  );
  assert.equal(edited?.headers["idempotency-key"], refused?.headers["idempotency-key"]);
  assert.deepEqual(await groups(), []);
  assert.deepEqual(await items(), [`discarded#${third.sequenceNumber}`, `original#${second.sequenceNumber}`]);
});

/** What a person's tools use: the queue and the table, never the consumer. */
function tools(t: TestContext, local: Local) {
  const { region } = local;
  const sqs = new SQSClient({ region, credentials, endpoint: local.sqs });
  const client = new DynamoDBClient({ region, credentials, endpoint: local.dynamodb });
  t.after(() => {
    sqs.destroy();
    client.destroy();
  });
  return {
    parkingLot: createParkingLot({ client, table: TABLE, callMilliseconds: 5_000, now: Date.now }),
    async groups() {
      const found = [];
      for await (const group of parkedGroups(client, TABLE, QUEUE)) found.push(group);
      return found;
    },
    async items() {
      const { Items = [] } = await client.send(new ScanCommand({ TableName: TABLE }));
      return Items.map(({ sk }) => sk?.S ?? "").toSorted();
    },
    /** @returns the control message's sequence number */
    async order(control: Control): Promise<string> {
      const { body, groupId, deduplicationId, attributes } = controlMessage(control, "10", randomUUID());
      const { SequenceNumber = "" } = await sqs.send(
        new SendMessageCommand({
          QueueUrl: `${local.sqs}/000000000000/dev-${QUEUE}.fifo`,
          MessageBody: body,
          MessageGroupId: groupId,
          MessageDeduplicationId: deduplicationId,
          MessageAttributes: Object.fromEntries(
            Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: "String", StringValue }]),
          ),
        }),
      );
      return SequenceNumber;
    },
  };
}

function numberIn(body: string): number {
  return (JSON.parse(body) as { data: { n: number } }).data.n;
}
