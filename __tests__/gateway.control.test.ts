import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Message } from "@aws-sdk/client-sqs";
import * as fc from "fast-check";
import { parseEvent } from "../runtime/consumer/event.ts";
import { parseControl } from "../runtime/parking-lot/control.ts";
import { type ConsumerWorld, startConsumerWorld, toRecord } from "./helpers/consumer-world.ts";
import { gatewayBefore, type PostOptions } from "./helpers/local-gateway.ts";
import { startBackend } from "./helpers/scripted-backend.ts";

/** A producer's request that would be a control message, were any of it taken for an attribute. */
interface Attempt {
  readonly name: string;
  readonly path?: string;
  readonly body: string;
  readonly headers?: PostOptions["headers"];
  readonly status: number;
}

const FORM =
  "&MessageAttribute.1.Name=control&MessageAttribute.1.Value.StringValue=replay&MessageAttribute.1.Value.DataType=String";
const JSON_ATTRIBUTES = '"MessageAttributes":{"control":{"DataType":"String","StringValue":"replay"}}';
const group = '"MessageGroupID":"10"';
/** Of at most 128 characters, each of which SQS takes. */
const SHORT_FORM = "k&MessageAttribute.1.Name=control&MessageAttribute.1.Value.StringValue=replay";
const SHORT_JSON = 'k","MessageAttributes":{"control":{"DataType":"String","StringValue":"replay"}},"x":"';

const singles: readonly Attempt[] = [
  { name: "a form in a text", body: `{${group},"a":"${FORM}"}`, status: 200 },
  { name: "an encoded form in a text", body: `{${group},"b":"${encodeURIComponent(FORM)}"}`, status: 200 },
  {
    name: "a form encoded twice",
    body: `{${group},"b2":"${encodeURIComponent(encodeURIComponent(FORM))}"}`,
    status: 200,
  },
  { name: "escaped ampersands", body: `{${group},"c":"${FORM.replaceAll("&", "\\u0026")}"}`, status: 200 },
  { name: "a form as a field's name", body: `{${group},"${FORM}":1}`, status: 200 },
  { name: "line ends around a form", body: `{${group},\r\n\r\n"d":"\\r\\n${FORM}\\r\\n"}\r\n`, status: 200 },
  { name: "attributes in the payload", body: `{${group},${JSON_ATTRIBUTES}}`, status: 200 },
  { name: "attributes as Lambda names them", body: `{${group},${JSON_ATTRIBUTES.replace("M", "m")}}`, status: 200 },
  { name: "a control message's own body", body: `{"control":"replay",${group},"verb":"replay"}`, status: 200 },
  {
    name: "attributes as a control message has them",
    body: `{${group},"attributes":{"control":"replay"}}`,
    status: 200,
  },
  {
    name: "the end of the envelope",
    body: `{${group},"e":"}\\",${JSON_ATTRIBUTES.replaceAll('"', '\\"')}"}`,
    status: 200,
  },
  {
    name: "Velocity",
    body: `{${group},"f":"#set($context.requestOverride.querystring.x = 1)$input.body"}`,
    status: 200,
  },
  { name: "a form behind the JSON", body: `{${group}}${FORM}`, status: 400 },
  { name: "a form alone", body: `MessageGroupId=10&MessageBody=x${FORM}`, status: 400 },
  { name: "a form in a query string", path: `/queue-1?x=1${FORM}`, body: `{${group},"g":1}`, status: 200 },
  {
    name: "an action in a query string",
    path: `/queue-1?Action=SendMessage${FORM}`,
    body: `{${group},"h":1}`,
    status: 200,
  },
  {
    name: "headers that are named like parameters",
    body: `{${group},"i":1}`,
    headers: {
      "MessageAttribute.1.Name": "control",
      "MessageAttribute.1.Value.StringValue": "replay",
      "MessageAttribute.1.Value.DataType": "String",
      control: "replay",
      "control-sequence-number": "1",
      MessageAttributes: `{${JSON_ATTRIBUTES}}`,
    },
    status: 200,
  },
  {
    name: "the JSON protocol's headers",
    body: `{${group},"QueueUrl":"x","MessageBody":"x","MessageGroupId":"10",${JSON_ATTRIBUTES}}`,
    headers: { "X-Amz-Target": "AmazonSQS.SendMessage", "x-amz-json": "1.0" },
    status: 200,
  },
  {
    name: "a form's content type",
    body: `Action=SendMessage&MessageBody=x&MessageGroupId=10${FORM}`,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    status: 415,
  },
  {
    name: "the JSON protocol's content type",
    body: `{${group},"MessageBody":"x","MessageGroupId":"10",${JSON_ATTRIBUTES}}`,
    headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage" },
    status: 415,
  },
  { name: "a form as a key", body: `{${group},"j":1}`, headers: { "idempotency-key": SHORT_FORM }, status: 200 },
  { name: "JSON as a key", body: `{${group},"k":1}`, headers: { "idempotency-key": SHORT_JSON }, status: 200 },
  {
    name: "a control message's key",
    body: `{${group},"l":1}`,
    headers: { "idempotency-key": "control-8c0f1d9e-7c6b-4a36-9b1b-0a8a1f4a2c11" },
    status: 200,
  },
  { name: "a form as a group", body: JSON.stringify({ MessageGroupID: `10${SHORT_FORM}` }), status: 200 },
  { name: "JSON as a group", body: JSON.stringify({ MessageGroupID: `10${SHORT_JSON}` }), status: 200 },
];

const entry = (n: number, more: Readonly<Record<string, unknown>> = {}) => ({
  id: `e${n}`,
  groupId: "10",
  body: `{${group},"batch":${n}}`,
  ...more,
});
const attributes = { control: { DataType: "String", StringValue: "replay" } };
const jsonText = `","x":"${JSON_ATTRIBUTES}`;

const batches: readonly (Omit<Attempt, "body"> & { readonly body: unknown })[] = [
  { name: "attributes in an entry", body: { entries: [entry(1, { MessageAttributes: attributes })] }, status: 400 },
  {
    name: "attributes in an entry, as Lambda names them",
    body: { entries: [entry(2, { messageAttributes: attributes })] },
    status: 400,
  },
  { name: "control in an entry", body: { entries: [entry(3, { control: "replay" })] }, status: 400 },
  { name: "attributes beside the entries", body: { entries: [entry(4)], MessageAttributes: attributes }, status: 400 },
  {
    name: "the end of a text in a body",
    body: { entries: [entry(5, { body: `{${group},"a":1}"},{"x":"${jsonText}` })] },
    status: 200,
  },
  {
    name: "JSON in a body's text",
    body: { entries: [entry(6, { body: JSON.stringify({ MessageGroupID: "10", a: jsonText }) })] },
    status: 200,
  },
  {
    name: "backslashes before a quote",
    body: { entries: [entry(7, { body: `{${group},"a":"\\\\\\"",${JSON_ATTRIBUTES}}` })] },
    status: 200,
  },
  {
    name: "apostrophes before a quote",
    body: { entries: [entry(8, { body: `{${group},"a":"\\\\'\\\\'",${JSON_ATTRIBUTES}}` })] },
    status: 200,
  },
  { name: "JSON as an entry's group", body: { entries: [entry(9, { groupId: `g${SHORT_JSON}` })] }, status: 200 },
  { name: "JSON as an entry's key", body: { entries: [entry(10, { idempotencyKey: `b${SHORT_JSON}` })] }, status: 200 },
  {
    name: "backslashes at the end of a key",
    body: { entries: [entry(11, { idempotencyKey: "b\\\\\\" })] },
    status: 200,
  },
  { name: "JSON as an entry's id", body: { entries: [entry(12, { id: `i","MessageAttributes":{}` })] }, status: 400 },
];

/** What a request is made of in both protocols, and what ends a text in either. */
const PIECES = [
  ..."&=\"\\'{}[],:#$+;",
  "%26",
  "%3D",
  "\\u0026",
  "\\'",
  "\r\n",
  "10",
  "control",
  "MessageAttribute.1.Name=control",
  "MessageAttribute.1.Value.StringValue=replay",
  "MessageAttribute.1.Value.DataType=String",
  "MessageAttributes",
  '"MessageAttributes":',
  '{"control":{"DataType":"String","StringValue":"replay"}}',
];

test("no request of a producer becomes a control message, however it is made", async (t) => {
  await using backend = await startBackend({});
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const gateway = await openGateway(t, world);
  // The group is blocked: a control message among them would show in the table.
  const parked = await world.sendBody("10", `{"data":{"MessageGroupID":"11"}}`);
  await world.invoke(await world.receive());
  const before = await world.items();
  assert.equal(before.length, 1);

  const batched = batches.map((one) => ({ ...one, path: "/queue-1/batch", body: JSON.stringify(one.body) }));
  let taken = 0;
  for (const { name, path = "/queue-1", body, headers, status } of [...singles, ...batched]) {
    await t.test(name, async () => {
      const answer = await gateway.post(path, body, headers === undefined ? {} : { headers });
      assert.equal(answer.status, status, answer.text);
      const messages = await world.receive();
      assert.equal(messages.length, status === 200 ? 1 : 0, answer.text);
      for (const message of messages) assertPlain(message);
      if (messages.length > 0) await world.invoke(messages);
      taken += messages.length;
    });
  }
  const items = await world.items();
  assert.deepEqual(
    items.filter(({ messageId }) => messageId?.S === parked),
    before,
  );
  assert.ok(items.every(({ sk }) => sk?.S?.startsWith("parked#")));
  assert.ok(world.logged.every(({ event }) => event !== "control.settled"));
  assert.equal(world.logged.filter(({ event }) => event === "message.settled").length, taken + 1);
});

test("an envelope's text, a group, a key or an entry made of any pieces of both protocols sets no attribute", async (t) => {
  await using backend = await startBackend({});
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  const gateway = await openGateway(t, world);
  const pieces = fc.constantFrom(...PIECES);
  const hostile = fc.array(pieces, { maxLength: 14 }).map((parts) => parts.join(""));
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(hostile, hostile, hostile, fc.boolean(), async (text, groupText, keyText, isBatch) => {
      const groupId = `g${inRange(groupText)}`.slice(0, 128);
      const key = `${crypto.randomUUID()}${inRange(keyText)}`.slice(0, 128);
      const body = JSON.stringify({ MessageGroupID: groupId, [text]: text });
      const answer = isBatch
        ? await gateway.post(
            "/queue-1/batch",
            JSON.stringify({ entries: [{ id: "a", groupId, idempotencyKey: key, body }] }),
          )
        : await gateway.post("/queue-1", body, { headers: { "idempotency-key": key } });
      assert.equal(answer.status, 200, answer.text);
      const [message, ...others] = await world.receive();
      assert.ok(message !== undefined);
      assert.deepEqual(others, []);
      assertPlain(message);
      assert.equal(message.Body, `{"data":${body}}`);
      assert.equal(message.Attributes?.MessageGroupId, groupId);
      assert.equal(message.Attributes.MessageDeduplicationId, key);
      await world.remove([message]);
      taken += 1;
    }),
    { numRuns: 60 },
  );
  assert.ok(taken >= 60);
});

test("the same words as attributes, which only a caller of the queue itself can send, are a control message", async () => {
  await using backend = await startBackend({});
  await using world = await startConsumerWorld({ backendUrl: backend.url, failurePolicy: "park" });
  await world.control({ verb: "replay" }, "10");
  const [message] = await world.receive();
  assert.ok(message !== undefined);
  assert.throws(() => assertPlain(message));
  await world.invoke([message]);
  assert.equal(world.logged[0]?.["event"], "control.settled");
  assert.deepEqual(backend.received, []);
});

/** What of a text SQS takes in a group id or a deduplication id. */
function inRange(text: string): string {
  return text.replaceAll(/[^!-~]/g, "");
}

/** The emitted gateway before the world's queue. */
function openGateway(t: TestContext, world: ConsumerWorld) {
  const sqs = world.variables["AWS_ENDPOINT_URL_SQS"];
  assert.ok(sqs !== undefined);
  return gatewayBefore(t, { sqs });
}

/** A message without attributes, which is what the consumer takes for a producer's. */
function assertPlain(message: Message): void {
  assert.equal(message.MessageAttributes, undefined);
  const { messages } = parseEvent({ Records: [toRecord(message)] });
  assert.deepEqual(
    messages.map((one) => [one.attributes, parseControl(one)]),
    [[{}, undefined]],
  );
}
