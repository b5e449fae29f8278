import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type DynamoDBClient, PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import type { Ports } from "../runtime/consumer/ports.ts";
import { AttemptsError, createAttempts } from "../runtime/parking-lot/attempts.ts";
import { itemKey } from "../runtime/parking-lot/keys.ts";
import {
  type Failure,
  ParkedItemError,
  type ParkedMessage,
  parseTombstone,
  type Tombstone,
  toAttributes,
  toItem,
} from "../runtime/parking-lot/parked-message.ts";
import { createParkingLot } from "../runtime/parking-lot/parking-lot.ts";
import { createStarted } from "../runtime/parking-lot/started.ts";
import { listed, startTables, table } from "./helpers/consumer-world.ts";
import { temporaryFolder } from "./helpers/queue-engine.ts";
import { ReferenceParkingLot } from "./helpers/reference-parking-lot.ts";

const NOW = Date.parse("2026-11-22T14:00:00.500Z");
const RETENTION_SECONDS = 1_209_600;
const queue = { name: "queue-1", retentionSeconds: RETENTION_SECONDS };

/** The three stores over one table, and what a reader of the table sees. */
interface Stores extends Pick<Ports, "parkingLot" | "attempts" | "started"> {
  /** Groups as the index lists them, with the sequence number of the message they are listed by. */
  groups(): Promise<(readonly [groupId: string, sequenceNumber: string])[]>;
  tombstones(): Promise<Tombstone[]>;
}

/** The table of the consumer's model is held to the same contract as the real one. */
const implementations: Readonly<Record<string, (t: TestContext) => Promise<Stores>>> = {
  table: async (t) => (await startRealStores(t)).stores,
  reference: async () => {
    const reference = new ReferenceParkingLot();
    return {
      ...reference.ports(
        async (effect) => effect(),
        () => NOW,
      ),
      groups: async () => {
        const marked = [...reference.parked.values()]
          .filter((stored) => stored.isMarked)
          .map((stored) => stored.message)
          .filter((message) => message.queue === "queue-1")
          .toSorted((one, other) => (one.parkedAt < other.parkedAt ? -1 : 1));
        const oldest = new Map<string, string>();
        for (const { groupId, sequenceNumber } of marked) {
          if (!oldest.has(groupId)) oldest.set(groupId, sequenceNumber);
        }
        return [...oldest];
      },
      tombstones: async () => [...reference.tombstones.values()],
    };
  },
};

async function startRealStores(t: TestContext) {
  const tables = await startTables(temporaryFolder(t));
  t.after(() => tables[Symbol.asyncDispose]());
  const { client } = tables;
  const store = { client, table, callMilliseconds: 5_000, now: () => NOW };
  const stores: Stores = {
    parkingLot: createParkingLot(store),
    attempts: createAttempts(store),
    started: createStarted(store),
    groups: async () => (await listed(client)).map(({ groupId, sequenceNumber }) => [groupId, sequenceNumber] as const),
    tombstones: async () => {
      const buried = (await scan(client)).filter(({ sk }) => sk?.S?.startsWith("discarded#"));
      return buried.map(parseTombstone);
    },
  };
  return { stores, client };
}

function contract(sentence: string, check: (stores: Stores) => Promise<void>): void {
  for (const [name, open] of Object.entries(implementations)) {
    test(`${name}: ${sentence}`, async (t) => check(await open(t)));
  }
}

contract("what is parked is read as it was parked, and its group is blocked", async ({ parkingLot }) => {
  assert.equal(await parkingLot.oldest("queue-1", "10"), undefined);
  assert.deepEqual(await parkingLot.read("queue-1", "10", 10), []);
  const message = parkedMessage("10", 1);
  await parkingLot.park(message, true);
  assert.notEqual(await parkingLot.oldest("queue-1", "10"), undefined);
  assert.deepEqual(plain(await parkingLot.read("queue-1", "10", 10)), [plain(message)]);
  assert.deepEqual(plain(await parkingLot.get(message)), plain(message));
  assert.equal(await parkingLot.get(parkedMessage("10", 2)), undefined);
});

contract("a message that is parked twice is stored once, as it was the first time", async ({ parkingLot, groups }) => {
  const first = parkedMessage("10", 1);
  await parkingLot.park(first, true);
  await parkingLot.park({ ...first, reason: "behind", parkedAt: "2026-11-23T00:00:00.000Z" }, false);
  assert.deepEqual(plain(await parkingLot.read("queue-1", "10", 10)), [plain(first)]);
  assert.deepEqual(await groups(), [["10", first.sequenceNumber]]);
});

contract("a group's messages are read in the order in which they were sent, page by page", async ({ parkingLot }) => {
  const numbers = [7, 3, 12, 1, 9, 100, 11];
  for (const n of numbers) await parkingLot.park(parkedMessage("10", n), false);
  const read: string[] = [];
  for (let after = ""; ; after = read.at(-1) ?? "") {
    const page = await parkingLot.read("queue-1", "10", 3, after);
    if (page.length === 0) break;
    assert.ok(page.length <= 3);
    read.push(...page.map(({ sequenceNumber }) => sequenceNumber));
  }
  assert.deepEqual(
    read,
    numbers.toSorted((one, other) => one - other).map((n) => parkedMessage("10", n).sequenceNumber),
  );
});

contract("the group ids that look alike are other groups, in another queue too", async ({ parkingLot, groups }) => {
  const ids = ["1", "10", "1#0", "a", "a#b", "#", "##", "parked#", "a#parked#1", "~".repeat(128), "~".repeat(127)];
  for (const [at, id] of ids.entries()) await parkingLot.park(parkedMessage(id, at + 1), true);
  await parkingLot.park({ ...parkedMessage("10", 99), queue: "queue-10" }, true);
  for (const [at, id] of ids.entries()) {
    const own = await parkingLot.read("queue-1", id, 10);
    assert.deepEqual(
      own.map(({ sequenceNumber }) => sequenceNumber),
      [parkedMessage(id, at + 1).sequenceNumber],
      id,
    );
  }
  assert.deepEqual(
    (await parkingLot.read("queue-10", "10", 10)).map(({ sequenceNumber }) => sequenceNumber),
    [parkedMessage("10", 99).sequenceNumber],
  );
  assert.equal(await parkingLot.oldest("queue-1", "1#"), undefined);
  assert.deepEqual(
    (await groups()).map(([groupId]) => groupId),
    ids,
  );
});

contract("counters, markers, originals and tombstones block nobody", async ({ parkingLot, attempts, started }) => {
  const message = parkedMessage("10", 1);
  await attempts.add(queue, message);
  await started.mark(queue, message, "start-1");
  await parkingLot.keepOriginal(message);
  await parkingLot.bury(tombstoneOf(message), RETENTION_SECONDS);
  assert.equal(await parkingLot.oldest("queue-1", "10"), undefined);
  assert.deepEqual(await parkingLot.read("queue-1", "10", 10), []);
});

contract("the index lists a group by its oldest message while one after the other leaves", async (stores) => {
  const { parkingLot, groups } = stores;
  const [first, second, third] = [parkedMessage("10", 1), parkedMessage("10", 2), parkedMessage("10", 3)];
  await parkingLot.park(first, true);
  await parkingLot.park(second, false);
  await parkingLot.park(third, false);
  await parkingLot.park(parkedMessage("9", 4), true);
  const expected = ["9", parkedMessage("9", 4).sequenceNumber] as const;
  assert.deepEqual(await groups(), [["10", first.sequenceNumber], expected]);
  // Listed by both for a moment: a reader sees the group once, and by its oldest.
  await parkingLot.markOldest(second);
  assert.deepEqual(await groups(), [["10", first.sequenceNumber], expected]);
  await parkingLot.remove(first);
  assert.deepEqual(await groups(), [["10", second.sequenceNumber], expected]);
  await parkingLot.markOldest(third);
  await parkingLot.remove(second);
  await parkingLot.remove(second);
  assert.deepEqual(await groups(), [["10", third.sequenceNumber], expected]);
  await parkingLot.remove(third);
  assert.deepEqual(await groups(), [expected]);
  assert.equal(await parkingLot.oldest("queue-1", "10"), undefined);
});

contract("the oldest message blocks its group, whether the index lists the group by it or not", async (stores) => {
  const { parkingLot } = stores;
  for (const n of [3, 2, 7]) await parkingLot.park(parkedMessage("10", n), n === 3);
  const [second, third] = [parkedMessage("10", 2), parkedMessage("10", 3)];
  assert.deepEqual(await parkingLot.oldest("queue-1", "10"), { sequenceNumber: sequence(2), isMarked: false });
  await parkingLot.markOldest(second);
  assert.deepEqual(await parkingLot.oldest("queue-1", "10"), { sequenceNumber: sequence(2), isMarked: true });
  await parkingLot.remove(second);
  assert.deepEqual(await parkingLot.oldest("queue-1", "10"), { sequenceNumber: sequence(3), isMarked: true });
  await parkingLot.remove(third);
  assert.deepEqual(await parkingLot.oldest("queue-1", "10"), { sequenceNumber: sequence(7), isMarked: false });
});

contract("what a control message writes late changes nothing of a later one's", async ({ parkingLot }) => {
  const message = parkedMessage("10", 1);
  await parkingLot.park(message, true);
  await parkingLot.recordFailure(message, { ...failure, attempts: 8 }, sequence(12));
  await parkingLot.replaceBody(message, "later", sequence(13));
  const before = await parkingLot.get(message);
  assert.deepEqual([before?.attempts, before?.stoppedBy, before?.body], [8, sequence(12), "later"]);
  for (const late of [9, 12]) await parkingLot.recordFailure(message, { ...failure, attempts: 3 }, sequence(late));
  for (const late of [9, 13]) await parkingLot.replaceBody(message, "earlier", sequence(late));
  assert.deepEqual(await parkingLot.get(message), before);
});

contract("what is gone cannot be marked, changed or edited back into being", async ({ parkingLot, groups }) => {
  const message = parkedMessage("10", 1);
  await parkingLot.markOldest(message);
  await parkingLot.replaceBody(message, "{}", sequence(9));
  await parkingLot.recordFailure(message, failure, sequence(9));
  await parkingLot.remove(message);
  assert.equal(await parkingLot.get(message), undefined);
  assert.equal(await parkingLot.oldest("queue-1", "10"), undefined);
  assert.deepEqual(await groups(), []);
});

contract("a failure of a replay replaces the one before, its HTTP status too", async ({ parkingLot }) => {
  const message = parkedMessage("10", 1);
  await parkingLot.park(message, true);
  const again: Failure = { ...failure, reason: "attempts-exhausted", outcome: "failed", attempts: 6 };
  await parkingLot.recordFailure(message, { ...again, httpStatus: undefined }, sequence(9));
  const { httpStatus: _, ...others } = message;
  const first = { ...others, ...again, stoppedBy: sequence(9) };
  assert.deepEqual(plain(await parkingLot.get(message)), plain({ ...first, httpStatus: undefined }));
  await parkingLot.recordFailure(message, { ...again, attempts: 7, httpStatus: 422 }, sequence(10));
  const second = { ...first, attempts: 7, httpStatus: 422, stoppedBy: sequence(10) };
  assert.deepEqual(plain(await parkingLot.get(message)), plain(second));
});

contract("an edit replaces the body alone, and the first original stays", async ({ parkingLot }) => {
  const message = parkedMessage("10", 1);
  await parkingLot.park(message, true);
  await parkingLot.keepOriginal(message);
  await parkingLot.replaceBody(message, '{"data":{"MessageGroupID":"10","edited":1}}', sequence(8));
  const edited = await parkingLot.get(message);
  assert.ok(edited !== undefined);
  const expected = { ...message, body: '{"data":{"MessageGroupID":"10","edited":1}}', editedBy: sequence(8) };
  assert.deepEqual(plain(edited), plain(expected));
  await parkingLot.keepOriginal(edited);
  await parkingLot.replaceBody(message, '{"data":{"MessageGroupID":"10","edited":2}}', sequence(9));
  assert.equal((await parkingLot.get(message))?.editedBy, sequence(9));
});

contract("a tombstone has all that the message had", async ({ parkingLot, tombstones }) => {
  const message = parkedMessage("10", 1);
  await parkingLot.bury(tombstoneOf(message), RETENTION_SECONDS);
  await parkingLot.bury(tombstoneOf(message), RETENTION_SECONDS);
  assert.deepEqual(plain(await tombstones()), plain([tombstoneOf(message)]));
});

contract("attempts are counted one by one, each message's own, from the first failure on", async ({ attempts }) => {
  const [one, other] = [parkedMessage("10", 1), parkedMessage("10", 2)];
  assert.equal((await attempts.read("queue-1", one)).attempts, 0);
  const firstFailureAt = new Date(NOW).toISOString();
  assert.deepEqual(await attempts.add(queue, one), { attempts: 1, firstFailureAt });
  assert.deepEqual(await attempts.add(queue, one), { attempts: 2, firstFailureAt });
  assert.deepEqual(await attempts.add(queue, other), { attempts: 1, firstFailureAt });
  assert.deepEqual(await attempts.read("queue-1", one), { attempts: 2, firstFailureAt });
  await attempts.clear("queue-1", one);
  await attempts.clear("queue-1", one);
  assert.equal((await attempts.read("queue-1", one)).attempts, 0);
  assert.equal((await attempts.read("queue-1", other)).attempts, 1);
});

contract("a start that is marked twice counts once, and clearing takes all of a message's marks", async (stores) => {
  const { started } = stores;
  const [one, other] = [parkedMessage("10", 1), parkedMessage("10", 2)];
  assert.equal(await started.mark(queue, one, "start-1"), 1);
  assert.equal(await started.mark(queue, one, "start-1"), 1);
  assert.equal(await started.mark(queue, one, "start-2"), 2);
  assert.equal(await started.mark(queue, other, "start-3"), 1);
  await started.clear("queue-1", one);
  await started.clear("queue-1", one);
  assert.equal(await started.mark(queue, one, "start-4"), 1);
  assert.equal(await started.mark(queue, other, "start-5"), 2);
});

test("an edited message's first body is an item of its own", async (t) => {
  const { stores, client } = await startRealStores(t);
  const message = parkedMessage("10", 1);
  await stores.parkingLot.keepOriginal(message);
  await stores.parkingLot.keepOriginal({ ...message, body: "another" });
  const [item, ...others] = await scan(client);
  assert.deepEqual(others, []);
  assert.deepEqual(item, toItem("original", message));
  assert.equal(item?.["sk"]?.S, `original#${message.sequenceNumber}`);
});

test("counters, markers and tombstones expire with the queue's retention, and what is parked never does", async (t) => {
  const { stores, client } = await startRealStores(t);
  const message = parkedMessage("10", 1);
  await stores.parkingLot.park(message, true);
  await stores.attempts.add(queue, message);
  await stores.started.mark(queue, message, "start-1");
  await stores.parkingLot.bury(tombstoneOf(message), RETENTION_SECONDS);
  const expiries = (await scan(client)).map((item) => [item["sk"]?.S?.split("#")[0], item["expiresAt"]?.N]);
  // Whole seconds, and never before the retention is over.
  const expiresAt = String(Math.ceil(NOW / 1000) + RETENTION_SECONDS);
  assert.deepEqual(Object.fromEntries(expiries), {
    attempts: expiresAt,
    discarded: expiresAt,
    parked: undefined,
    started: expiresAt,
  });
});

test("the largest message that a parking queue takes fits into an item, in characters of three bytes", async (t) => {
  const { stores } = await startRealStores(t);
  const { parkingLot } = stores;
  const groupId = "~".repeat(128);
  const body = bodyOf(groupId, 380 * 1_024, "한");
  assert.equal(Buffer.byteLength(body), 380 * 1_024);
  const message = { ...parkedMessage(groupId, 1), body, idempotencyKey: `queue-1/${groupId}/${"k".repeat(128)}` };
  await parkingLot.park(message, true);
  const edited = { ...message, body: bodyOf(groupId, 380 * 1_024, "글"), editedBy: sequence(5) };
  await parkingLot.replaceBody(message, edited.body, sequence(5));
  await parkingLot.recordFailure(message, failure, sequence(6));
  const kept = { ...edited, ...failure, stoppedBy: sequence(6) };
  assert.deepEqual(plain(await parkingLot.get(message)), plain(kept));
  // A tombstone is the largest item of all, with the longest reason that an ops verb sends.
  const discardReason = "한".repeat(256);
  await parkingLot.bury({ ...tombstoneOf(kept), discardReason }, RETENTION_SECONDS);
  assert.equal((await stores.tombstones())[0]?.discardReason, discardReason);
});

test("a page that ends at DynamoDB's megabyte is followed by the rest", async (t) => {
  const { stores } = await startRealStores(t);
  const { parkingLot } = stores;
  const expected: string[] = [];
  for (let n = 1; n <= 7; n += 1) {
    const message = { ...parkedMessage("10", n), body: bodyOf("10", 380 * 1_024, "x") };
    expected.push(message.sequenceNumber);
    await parkingLot.park(message, n === 1);
  }
  const pages: string[][] = [];
  for (let after = ""; ; after = pages.at(-1)?.at(-1) ?? "") {
    const page = await parkingLot.read("queue-1", "10", 10, after);
    if (page.length === 0) break;
    pages.push(page.map(({ sequenceNumber }) => sequenceNumber));
  }
  assert.deepEqual(pages.flat(), expected);
  assert.ok(pages.length > 1, "one page held it all");
});

test("an item that no consumer writes is an error that names item and attribute, and shows no body", async (t) => {
  const { stores, client } = await startRealStores(t);
  const key = itemKey("queue-1", "10", "parked", "1");
  const good = toItem("parked", { ...parkedMessage("10", 1), body: "secret words" });
  const { body: _, ...withoutBody } = good;
  const broken: readonly (readonly [attribute: string, item: typeof good])[] = [
    ["body", { ...withoutBody, ...key }],
    ["attempts", { ...good, attempts: { S: "1" } }],
    ["attempts", { ...good, attempts: { N: "1.5" } }],
    ["reason", { ...good, reason: { S: "secret words" } }],
    ["outcome", { ...good, outcome: { S: "accepted" } }],
    ["sequenceNumber", { ...good, sequenceNumber: { S: "1" } }],
    ["httpStatus", { ...good, httpStatus: { S: "409" } }],
    ["idempotencyKey", { ...good, idempotencyKey: { NULL: true } }],
  ];
  for (const [attribute, item] of broken) {
    await client.send(new PutItemCommand({ TableName: table, Item: { ...item } }));
    for (const call of [
      () => stores.parkingLot.read("queue-1", "10", 1),
      () => stores.parkingLot.get({ queue: "queue-1", groupId: "10", sequenceNumber: "1" }),
    ]) {
      await assert.rejects(call, (error) => {
        assert.ok(error instanceof ParkedItemError, attribute);
        assert.equal(error.code, "NOT_A_PARKED_MESSAGE");
        assert.ok(error.message.includes(`queue-1#10 parked#${sequence(1)}`), error.message);
        assert.ok(error.message.includes(`: ${attribute} `), error.message);
        assert.ok(!error.message.includes("secret"), "the body is in the error");
        return true;
      });
    }
    // It blocks its group all the same.
    assert.notEqual(await stores.parkingLot.oldest("queue-1", "10"), undefined);
  }
});

test("a counter that is no number is an error that says so", async (t) => {
  const { stores, client } = await startRealStores(t);
  const Item = {
    ...itemKey("queue-1", "10", "attempts", "1"),
    ...toAttributes({ firstFailureAt: "x", attempts: "many" }),
  };
  await client.send(new PutItemCommand({ TableName: table, Item }));
  await assert.rejects(stores.attempts.read("queue-1", parkedMessage("10", 1)), AttemptsError);
});

const failure: Failure = {
  reason: "rejected",
  detail: "http 409",
  httpStatus: 409,
  outcome: "rejected",
  attempts: 1,
  firstFailureAt: "2026-11-22T13:00:00.000Z",
  lastFailureAt: "2026-11-22T13:00:00.000Z",
};

function sequence(n: number): string {
  return String(n).padStart(20, "0");
}

function parkedMessage(groupId: string, n: number): ParkedMessage {
  const minute = String(n % 60).padStart(2, "0");
  return {
    queue: "queue-1",
    groupId,
    sequenceNumber: sequence(n),
    messageId: `id-${n}`,
    deduplicationId: `order-${n}`,
    idempotencyKey: `queue-1/${groupId}/order-${n}`,
    body: JSON.stringify({ data: { MessageGroupID: groupId, n } }),
    sentAt: "2026-11-22T12:00:00.000Z",
    parkedAt: `2026-11-22T14:${minute}:00.000Z`,
    ...failure,
  };
}

function tombstoneOf(message: ParkedMessage): Tombstone {
  return { ...message, discardedBy: sequence(9), discardedAt: "2026-11-22T14:00:00.000Z", discardReason: "not wanted" };
}

function bodyOf(groupId: string, bytes: number, filler: string): string {
  const empty = JSON.stringify({ data: { MessageGroupID: groupId, filler: "" } });
  const room = bytes - Buffer.byteLength(empty);
  const width = Buffer.byteLength(filler);
  const text = filler.repeat(Math.floor(room / width)) + "y".repeat(room % width);
  return JSON.stringify({ data: { MessageGroupID: groupId, filler: text } });
}

/** As JSON has it: an attribute that is undefined is no attribute. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

async function scan(client: DynamoDBClient) {
  const { Items = [] } = await client.send(new ScanCommand({ TableName: table }));
  return Items;
}
