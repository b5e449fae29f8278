import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { MAX_BODY_BYTES } from "../sdk/client/src/contract.ts";
import { fillMessage, type Message, createMessage as openMessage } from "../sdk/client/src/message.ts";
import { accepted, fastClock, openClient, serveGateway } from "./helpers/client-gateway.ts";

function createMessage(groupId: string, payload: unknown, deduplicationId?: string): Message & { body: string } {
  const message = openMessage(groupId, { deduplicationId });
  fillMessage(message, payload);
  return { body: "", ...message };
}

test("sends POST {endpoint}/{queue} with key, deduplication id and JSON content type", async (t) => {
  const { endpoint, seen } = await serveGateway(t, () => accepted(1));
  const result = await openClient(`${endpoint}/`, fastClock(1)).send(
    "10",
    { transSeq: "1" },
    { deduplicationId: "a1" },
  );
  assert.deepEqual(result, {
    messageId: "message-1",
    sequenceNumber: "00000000000000000001",
    deduplicationId: "a1",
  });
  const [request] = seen;
  assert.equal(request?.method, "POST");
  assert.equal(request.url, "/kimalarm/queue-1");
  assert.equal(request.headers["content-type"], "application/json");
  assert.equal(request.headers["idempotency-key"], "a1");
  assert.equal(request.text, '{"MessageGroupID":"10","transSeq":"1"}');
});

test("the body is fixed at the call: changing the payload afterwards changes nothing", async (t) => {
  const { endpoint, seen } = await serveGateway(t, (_, index) => accepted(index));
  const client = openClient(endpoint, fastClock(1));
  const payload = { n: 0 };
  const sends = [1, 2, 3].map((n) => {
    payload.n = n;
    return client.send("10", payload);
  });
  payload.n = 99;
  await Promise.all(sends);
  assert.deepEqual(
    seen.map((one) => one.body["n"]),
    [1, 2, 3],
  );
});

test("the body is the payload with the group id in front, whatever the payload is", () => {
  const groupId = fc.stringMatching(/^[!-~]{1,128}$/);
  fc.assert(
    fc.property(groupId, fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), (group, payload) => {
      fc.pre(!Object.hasOwn(payload, "MessageGroupID"));
      const { body } = createMessage(group, payload);
      assert.ok(body.startsWith(`{"MessageGroupID":${JSON.stringify(group)}`));
      const { MessageGroupID, ...rest } = JSON.parse(body);
      assert.equal(MessageGroupID, group);
      assert.deepEqual(rest, { ...JSON.parse(JSON.stringify(payload)) });
    }),
  );
});

test("keys that look like numbers do not come before the group id", () => {
  assert.equal(createMessage("10", { 1: "a" }).body, '{"MessageGroupID":"10","1":"a"}');
});

test("an empty payload is a message", () => {
  assert.equal(createMessage("10", {}).body, '{"MessageGroupID":"10"}');
});

test("toJSON decides what is sent", () => {
  assert.equal(createMessage("10", { toJSON: () => ({ a: 1 }) }).body, '{"MessageGroupID":"10","a":1}');
  assert.throws(() => createMessage("10", new Date(0)), { code: "INVALID_PAYLOAD" });
  assert.throws(() => createMessage("10", { toJSON: () => ({ MessageGroupID: "11" }) }), { code: "INVALID_PAYLOAD" });
});

test("characters that SQS refuses arrive escaped, and are the same JSON", () => {
  const text = "\u0000\uFFFE\uFFFF\uD800 \u2028 \u{1F600}";
  const { body } = createMessage("10", { text });
  // oxlint-disable-next-line no-control-regex -- the class is SQS's own list
  assert.match(body, /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u);
  assert.equal(JSON.parse(body).text, text);
});

const NO_PAYLOADS: [string, () => unknown][] = [
  ["an array", () => [1]],
  ["null", () => null],
  ["undefined", () => undefined],
  ["a string", () => "text"],
  ["a function", () => () => 1],
  ["a BigInt", () => ({ a: 1n })],
  [
    "a cycle",
    () => {
      const a: Record<string, unknown> = {};
      a["self"] = a;
      return a;
    },
  ],
  [
    "a getter that throws",
    () => ({
      get a() {
        throw new Error("secret-payload");
      },
    }),
  ],
  ["its own group id", () => ({ MessageGroupID: "10" })],
];

for (const [name, make] of NO_PAYLOADS) {
  test(`refuses ${name} as a payload with a text of its own`, () => {
    assert.throws(
      () => Reflect.apply(createMessage, undefined, ["10", make()]),
      (error: Error) => {
        assert.equal(Reflect.get(error, "code"), "INVALID_PAYLOAD");
        assert.ok(!error.message.includes("secret-payload"));
        assert.equal(error.cause, undefined);
        return true;
      },
    );
  });
}

test("a nested MessageGroupID, or one in a text, is the payload's own business", () => {
  createMessage("10", { a: { MessageGroupID: "11" }, b: '"MessageGroupID":' });
});

test("the largest body is taken, one byte more is refused with both sizes", () => {
  const empty = createMessage("10", { a: "" }).body.length;
  assert.equal(createMessage("10", { a: "x".repeat(MAX_BODY_BYTES - empty) }).body.length, MAX_BODY_BYTES);
  assert.throws(() => createMessage("10", { a: "x".repeat(MAX_BODY_BYTES - empty + 1) }), {
    code: "PAYLOAD_TOO_LARGE",
    message: new RegExp(`${MAX_BODY_BYTES + 1} bytes.*${MAX_BODY_BYTES}`),
  });
  assert.throws(() => createMessage("10", { a: "é".repeat(MAX_BODY_BYTES / 2) }), { code: "PAYLOAD_TOO_LARGE" });
});

for (const id of ["", "x".repeat(129), "a b", "ä", "a\n", "\u007f", 10, null]) {
  test(`refuses ${JSON.stringify(id).slice(0, 20)} as a group id and as a deduplication id`, () => {
    assert.throws(() => Reflect.apply(createMessage, undefined, [id, {}]), { code: "INVALID_GROUP_ID" });
    assert.throws(() => Reflect.apply(createMessage, undefined, ["10", {}, id]), { code: "INVALID_DEDUPLICATION_ID" });
  });
}

test("takes the longest group and deduplication ids", () => {
  const longest = `!${"~".repeat(127)}`;
  assert.equal(createMessage(longest, {}, longest).ids.deduplicationId, longest);
});

test("every message gets a deduplication id of its own", () => {
  const ids = Array.from({ length: 100 }, () => createMessage("10", {}).ids.deduplicationId);
  assert.equal(new Set(ids).size, 100);
});
