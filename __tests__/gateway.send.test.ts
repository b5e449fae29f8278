import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import * as fc from "fast-check";
import { z } from "zod";
import { MAX_BODY_BYTES } from "../sdk/client/src/contract.ts";
import { bodyOfSize, refusedBodies, refusedKeys, takenBodies, takenKeys } from "./helpers/hostile-corpus.ts";
import { errorOf, gatewayBefore, gatewayWithQueue, sqsInPlace } from "./helpers/local-gateway.ts";

const sentSchema = z.strictObject({ messageId: z.uuid(), sequenceNumber: z.string().regex(/^\d{20}$/) });

test("a taken body reaches the queue byte for byte, in its own group", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const { name, body, groupId } of takenBodies) {
    await t.test(name, async () => {
      const answer = await gateway.post("/queue-1", body);
      assert.equal(answer.status, 200, answer.text);
      const { messageId, sequenceNumber } = sentSchema.parse(JSON.parse(answer.text));
      const [queued, ...more] = await gateway.take();
      assert.deepEqual(more, []);
      assert.equal(queued?.body, `{"data":${body}}`);
      assert.equal(queued.groupId, groupId);
      assert.equal(queued.messageId, messageId);
      assert.equal(queued.sequenceNumber, sequenceNumber);
      const delivered: { data: { MessageGroupID: unknown } } = JSON.parse(queued.body);
      assert.equal(delivered.data.MessageGroupID, groupId, "the consumer reads the group that SQS has");
    });
  }
});

test("a body that is refused says so in the contract's shape, and nothing is queued", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const { name, body, status, code } of refusedBodies) {
    await t.test(name, async () => {
      const answer = await gateway.post("/queue-1", body);
      assert.equal(answer.status, status, answer.text.slice(0, 300));
      assert.equal(errorOf(answer).code, code);
      assert.equal(await gateway.count(), 0);
    });
  }
});

test("the largest body is taken, whatever its characters need", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const filler of ["x", "한", "😀", "&", "'"]) {
    const body = bodyOfSize(MAX_BODY_BYTES, filler);
    assert.equal(Buffer.byteLength(body), MAX_BODY_BYTES);
    const answer = await gateway.post("/queue-1", body);
    assert.equal(answer.status, 200, answer.text);
    const [queued] = await gateway.take();
    assert(queued?.body === `{"data":${body}}`, "the body differs");
  }
});

test("an idempotency-key becomes the deduplication id in any letter case", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const [at, key] of takenKeys.entries()) {
    const name = ["idempotency-key", "Idempotency-Key", "IDEMPOTENCY-KEY"][at % 3] ?? "";
    const answer = await gateway.post("/queue-1", '{"MessageGroupID":"10"}', { headers: { [name]: key } });
    assert.equal(answer.status, 200, `${key}: ${answer.text}`);
    const [queued] = await gateway.take();
    assert.equal(queued?.deduplicationId, key);
    assert.equal(queued.groupId, "10");
  }
});

test("a bad idempotency-key is an error that names it, never content-based deduplication", async (t) => {
  const gateway = await gatewayWithQueue(t);
  for (const key of refusedKeys) {
    const answer = await gateway.post("/queue-1", '{"MessageGroupID":"10"}', { headers: { "Idempotency-Key": key } });
    assert.equal(answer.status, 400, `${JSON.stringify(key)}: ${answer.text}`);
    const { code, message } = errorOf(answer);
    assert.equal(code, "INVALID_PARAMETER");
    assert.match(message, /idempotency-key/);
    assert.equal(await gateway.count(), 0);
  }
});

test("what SQS could trim or take for absent is never sent as a deduplication id", async (t) => {
  let form = "";
  const sqs = await sqsInPlace(t, (request, response) => {
    form = "";
    request.on("data", (chunk: Buffer) => {
      form += chunk.toString("utf8");
    });
    request.on("end", () => response.writeHead(400).end("{}"));
  });
  const gateway = await gatewayBefore(t, { sqs });
  for (const key of refusedKeys) {
    await gateway.post("/queue-1", '{"MessageGroupID":"10"}', { headers: { "Idempotency-Key": key } });
    const parameters = new URLSearchParams(form);
    assert.deepEqual(
      [...parameters.keys()],
      ["Action", "Version", "MessageBody", "MessageGroupId", "MessageDeduplicationId"],
    );
    assert.match(parameters.get("MessageDeduplicationId") ?? "", /^[!-~]+(?: [!-~]+)+$/);
    assert.doesNotMatch(form, /\s/);
  }
  await gateway.post("/queue-1", '{"MessageGroupID":"10"}');
  assert.equal(
    form,
    "Action=SendMessage&Version=2012-11-05&MessageBody=%7B%22data%22%3A%7B%22MessageGroupID%22%3A%2210%22%7D%7D&MessageGroupId=10",
  );
});

test("two idempotency-keys in two letter cases are an error, since one of them would be dropped", async (t) => {
  const gateway = await gatewayWithQueue(t);
  // Node's client would send one header of the two, so they are written to the socket.
  const { hostname, port, pathname } = new URL(gateway.url);
  const body = '{"MessageGroupID":"10"}';
  const text = await new Promise<string>((resolve, reject) => {
    let received = "";
    const socket = connect(Number(port), hostname, () => {
      const lines = [
        `POST ${pathname}/queue-1 HTTP/1.1`,
        "Host: x",
        `x-api-key: ${gateway.key}`,
        "Idempotency-Key: a",
        "idempotency-key: b",
        `Content-Length: ${body.length}`,
        "Connection: close",
      ];
      socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
    });
    socket.on("data", (chunk) => {
      received += chunk.toString("utf8");
    });
    socket.on("error", reject);
    socket.on("end", () => resolve(received));
  });
  assert.match(text, /^HTTP\/1\.1 400 /);
  assert.match(text, /INVALID_PARAMETER/);
  assert.equal(await gateway.count(), 0);
});

test("the same idempotency-key again gets the first message's id and queues nothing", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const send = (n: number) =>
    gateway.post("/queue-1", `{"MessageGroupID":"10","n":${n}}`, { headers: { "idempotency-key": "once" } });
  const [first, second] = [await send(1), await send(2)];
  assert.equal(first.status, 200);
  assert.equal(sentSchema.parse(JSON.parse(second.text)).messageId, sentSchema.parse(JSON.parse(first.text)).messageId);
  const queued = await gateway.take();
  assert.deepEqual(
    queued.map(({ body }) => body),
    ['{"data":{"MessageGroupID":"10","n":1}}'],
  );
});

test("any JSON object with any valid group id reaches the queue as it is", async (t) => {
  const gateway = await gatewayWithQueue(t);
  const groupId = fc.string({
    unit: fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 128,
  });
  const payload = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ stringUnit: "binary" }));
  const sent = new Set<string>();
  await fc.assert(
    fc.asyncProperty(payload, groupId, fc.constantFrom(undefined, 1, "\t"), async (fields, group, indent) => {
      const body = JSON.stringify({ ...fields, MessageGroupID: group }, undefined, indent);
      const answer = await gateway.post("/queue-1", body);
      if (/[\ufffe\uffff]/u.test(body)) {
        return assert.equal(answer.status, 400, answer.text);
      }
      assert.equal(answer.status, 200, answer.text);
      const [queued] = await gateway.take();
      // Equal bodies within five minutes are one message: content-based deduplication.
      if (sent.has(body)) return assert.equal(queued, undefined);
      sent.add(body);
      assert.equal(queued?.body, `{"data":${body}}`);
      assert.equal(queued.groupId, group);
    }),
    { numRuns: 100 },
  );
});
