import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { compileTemplate, type Template } from "../runtime/local/gateway/template/template.ts";
import { parseDocument } from "../runtime/local/gateway/template/variables.ts";
import type { EmittedResource } from "../runtime/local/terraform/model.ts";
import {
  BATCH_ENTRY_ID_PATTERN,
  DEDUPLICATION_ID_PATTERN,
  ENVELOPE_PREFIX,
  ENVELOPE_SUFFIX,
  ERROR_STATUS,
  GROUP_ID_FIELD,
  GROUP_ID_PATTERN,
  IDEMPOTENCY_KEY_HEADER,
  MAX_BATCH_ENTRIES,
} from "../sdk/client/src/contract.ts";
import { gatewayResources, select, selectOne, templateOf } from "./helpers/gateway-resources.ts";
import { gatewayBefore, sqsInPlace } from "./helpers/local-gateway.ts";

// The templates and models as they reach AWS: Velocity cannot import the contract, so it repeats parts of it.
const emitted = await gatewayResources();
const ROUTES = { send: "/queue-1", batch: "/queue-1/batch" } as const;

function render(template: Template, body: string, header: ReadonlyMap<string, string> = new Map()) {
  const { text, overrides } = template.render({
    body,
    document: () => parseDocument(body),
    params: { header, path: new Map(), querystring: new Map() },
    context: { requestId: "r" },
    stageVariables: {},
  });
  return { text, status: overrides.status };
}

const compiled = (resource: EmittedResource) => compileTemplate(resource.address, templateOf(resource));
const requestOf = (path: string) => compiled(selectOne(emitted, "aws_api_gateway_integration", { path }));
const answersOf = (path: string) => select(emitted, "aws_api_gateway_integration_response", { path });
const okOf = (path: string) =>
  compiled(selectOne(emitted, "aws_api_gateway_integration_response", { path, status_code: "200" }));

const sendRequest = requestOf(ROUTES.send);
const batchRequest = requestOf(ROUTES.batch);
const sendAnswer = okOf(ROUTES.send);
const batchAnswer = okOf(ROUTES.batch);

/** The form that a single send becomes. */
function form(body: string, header?: ReadonlyMap<string, string>): URLSearchParams {
  return new URLSearchParams(render(sendRequest, body, header).text);
}

/** The entries that a batch becomes. */
function entries(body: object) {
  const entry = z.object({
    MessageBody: z.string(),
    MessageGroupId: z.string(),
    MessageDeduplicationId: z.string().optional(),
  });
  const batch = z.object({ Entries: z.array(entry) });
  return batch.parse(JSON.parse(render(batchRequest, JSON.stringify(body)).text)).Entries;
}

/** Every character alone and within others, and every length around the bounds. */
const samples = [
  ...Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)),
  ...Array.from({ length: 0x180 }, (_, code) => `a${String.fromCharCode(code)}b`),
  ...Array.from({ length: 300 }, (_, length) => "a".repeat(length)),
];

/** The longest text that a pattern takes. */
const longest = (pattern: string) =>
  Math.max(...samples.filter((text) => new RegExp(pattern).test(text)).map(({ length }) => length));

test("both routes put the contract's envelope around the body, and its group beside it", () => {
  const body = JSON.stringify({ [GROUP_ID_FIELD]: "10", a: [1, "x"] });
  const message = `${ENVELOPE_PREFIX}${body}${ENVELOPE_SUFFIX}`;
  const single = form(body);
  assert.equal(single.get("MessageBody"), message);
  assert.equal(single.get("MessageGroupId"), "10");
  const [entry] = entries({ entries: [{ id: "a", groupId: "11", idempotencyKey: "k", body }] });
  assert.deepEqual(entry, { MessageBody: message, MessageGroupId: "11", MessageDeduplicationId: "k" });
});

test("the contract's header is the deduplication id exactly when its pattern takes the value", () => {
  const body = JSON.stringify({ [GROUP_ID_FIELD]: "10" });
  const taken = new RegExp(DEDUPLICATION_ID_PATTERN);
  for (const key of samples) {
    const sent = form(body, new Map([[IDEMPOTENCY_KEY_HEADER, key]])).get("MessageDeduplicationId");
    assert(sent !== null, "without an id, content-based deduplication would take its place");
    if (taken.test(key)) {
      assert.equal(sent, key);
      continue;
    }
    assert.doesNotMatch(sent, taken, JSON.stringify(key));
    assert.notEqual(sent, key, "SQS might trim it to an id that it takes");
  }
  assert.equal(form(body, new Map([[`x-${IDEMPOTENCY_KEY_HEADER}`, "k"]])).get("MessageDeduplicationId"), null);
});

test("an entry of SQS's answer to a batch counts exactly when the contract's pattern takes its id", () => {
  const ids = { MessageId: "1679d985-01f1", SequenceNumber: "18849496460467696128" };
  for (const Id of samples) {
    const taken = new RegExp(BATCH_ENTRY_ID_PATTERN).test(Id);
    for (const answer of [{ Successful: [{ Id, ...ids }] }, { Failed: [{ Id, Code: "InternalError" }] }]) {
      const { text, status } = render(batchAnswer, JSON.stringify(answer));
      assert.equal(status, taken ? undefined : 502, JSON.stringify(Id));
      if (taken) assert.match(text, /^\{"successful":\[/);
    }
  }
});

/** Texts at the edges of a pattern, as short as they can be and as long as it takes. */
const edges = (pattern: string) => [
  "",
  "a",
  "!",
  "~",
  " ",
  "_",
  "-",
  "é",
  "\u007f",
  "a\n",
  "a".repeat(longest(pattern)),
  "a".repeat(longest(pattern) + 1),
];

test("the model takes a group, a key, an id and a number of entries exactly when the contract does", async (t) => {
  const sqs = await sqsInPlace(t, (request, response) => {
    request.resume().on("end", () => response.end("{}"));
  });
  const gateway = await gatewayBefore(t, { sqs });
  const entry = { id: "a", groupId: "10", body: "{}" };
  // What passes the model reaches SQS, whose answer here is no answer: a 502.
  const assertTaken = async (path: string, body: object, taken: boolean) => {
    const { status } = await gateway.post(path, JSON.stringify(body));
    assert.equal(status, taken ? 502 : 400, JSON.stringify(body));
  };
  for (const text of edges(GROUP_ID_PATTERN)) {
    const taken = new RegExp(GROUP_ID_PATTERN).test(text);
    await assertTaken(ROUTES.send, { [GROUP_ID_FIELD]: text }, taken);
    await assertTaken(ROUTES.batch, { entries: [{ ...entry, groupId: text }] }, taken);
  }
  for (const text of edges(DEDUPLICATION_ID_PATTERN)) {
    const taken = new RegExp(DEDUPLICATION_ID_PATTERN).test(text);
    await assertTaken(ROUTES.batch, { entries: [{ ...entry, idempotencyKey: text }] }, taken);
  }
  for (const text of edges(BATCH_ENTRY_ID_PATTERN)) {
    await assertTaken(
      ROUTES.batch,
      { entries: [{ ...entry, id: text }] },
      new RegExp(BATCH_ENTRY_ID_PATTERN).test(text),
    );
  }
  for (let count = 0; count <= MAX_BATCH_ENTRIES + 1; count += 1) {
    const taken = count >= 1 && count <= MAX_BATCH_ENTRIES;
    await assertTaken(ROUTES.batch, { entries: Array.from({ length: count }, () => entry) }, taken);
  }
});

const errorSchema = z.object({ message: z.string(), code: z.enum(Object.keys(ERROR_STATUS)) });

/** What a route's producer is told of an error of SQS, by every template that an error can meet. */
function errorsFor(path: string, Code: string, Message: string) {
  const body = JSON.stringify({ Error: { Code, Message }, __type: `com.amazonaws.sqs#${Code}`, message: Message });
  return answersOf(path)
    .filter(({ values }) => values.status_code !== "200")
    .map((answer) => {
      const { text, status } = render(compiled(answer), body);
      const { message, code } = errorSchema.parse(JSON.parse(text));
      assert.equal(status ?? Number(answer.values.status_code), Reflect.get(ERROR_STATUS, code), text);
      return message;
    });
}

test("what the templates say of a field names the contract's field and bounds", () => {
  const told: readonly (readonly [path: string, code: string, text: string, says: readonly (string | RegExp)[]])[] = [
    [
      ROUTES.send,
      "InvalidParameterValue",
      "MessageDeduplicationId",
      [IDEMPOTENCY_KEY_HEADER, bounds(longest(DEDUPLICATION_ID_PATTERN))],
    ],
    [ROUTES.send, "InvalidParameterValue", "MessageGroupId", [GROUP_ID_FIELD, bounds(longest(GROUP_ID_PATTERN))]],
    [
      ROUTES.batch,
      "InvalidParameterValue",
      "MessageDeduplicationId",
      ["idempotencyKey", bounds(longest(DEDUPLICATION_ID_PATTERN))],
    ],
    [ROUTES.batch, "InvalidParameterValue", "MessageGroupId", ["groupId", bounds(longest(GROUP_ID_PATTERN))]],
    [ROUTES.batch, "InvalidBatchEntryId", "", ["id ", bounds(longest(BATCH_ENTRY_ID_PATTERN))]],
    [ROUTES.batch, "TooManyEntriesInBatchRequest", "", ["entries", bounds(MAX_BATCH_ENTRIES)]],
    [ROUTES.batch, "EmptyBatchRequest", "", ["entries", bounds(MAX_BATCH_ENTRIES)]],
    [ROUTES.send, "RequestThrottled", "", [IDEMPOTENCY_KEY_HEADER]],
    [ROUTES.send, "InternalFailure", "", [IDEMPOTENCY_KEY_HEADER]],
  ];
  for (const [path, code, text, says] of told) {
    const messages = errorsFor(path, code, text);
    assert.notEqual(messages.length, 0);
    for (const message of messages) {
      for (const part of says) assert(message.includes(String(part)), `${path} ${code} ${text}: ${message}`);
    }
  }
  const refused = selectOne(emitted, "aws_api_gateway_gateway_response", { response_type: "BAD_REQUEST_BODY" });
  for (const part of [GROUP_ID_FIELD, bounds(longest(GROUP_ID_PATTERN)), bounds(MAX_BATCH_ENTRIES)]) {
    assert(templateOf(refused).includes(part), templateOf(refused));
  }
  const { text } = render(sendAnswer, "{}");
  assert(errorSchema.parse(JSON.parse(text)).message.includes(IDEMPOTENCY_KEY_HEADER), text);
});

function bounds(highest: number): string {
  return `1 to ${highest} `;
}

test("an entry that failed within a batch has one of the contract's codes", () => {
  const codes = ["InternalError", "RequestThrottled", "InvalidMessageContents", "InvalidParameterValue", "X", ""];
  const texts = ["must be shorter than", "MessageDeduplicationId", "MessageGroupId", ""];
  const failed = codes.flatMap((Code) => texts.map((Message) => ({ Code, Message })));
  const { text } = render(
    batchAnswer,
    JSON.stringify({ Failed: failed.map((entry, at) => ({ Id: `e${at}`, ...entry })) }),
  );
  const answer = z.object({ failed: z.array(errorSchema) }).parse(JSON.parse(text));
  assert.equal(answer.failed.length, failed.length);
  for (const { code, message } of answer.failed) {
    const [highest] = /(?<=1 to )\d+/.exec(message) ?? [];
    if (code === "INVALID_PARAMETER") assert.equal(Number(highest), longest(DEDUPLICATION_ID_PATTERN), message);
  }
});

test("every answer that the gateway makes by itself has the contract's shape, code and status", () => {
  for (const { address, values } of select(emitted, "aws_api_gateway_gateway_response")) {
    const templates = z.object({ "application/json": z.string() }).parse(values.response_templates);
    const text = templates["application/json"].replace("$context.requestId", "r");
    const { code } = errorSchema
      .extend({ requestId: z.literal("r") })
      .strict()
      .parse(JSON.parse(text));
    if (String(values.response_type).startsWith("DEFAULT_")) assert.equal(values.status_code, undefined, address);
    else assert.equal(Number(values.status_code), Reflect.get(ERROR_STATUS, code), address);
  }
});
