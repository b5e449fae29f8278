import assert from "node:assert/strict";
import { test } from "node:test";
import { serverWithClient } from "./helpers/queue-server.ts";

const PATH = "/000000000000/orders.fifo";

async function serve(t: Parameters<typeof serverWithClient>[0]) {
  const { server, createQueue } = await serverWithClient(t);
  await createQueue("orders.fifo");
  const post = async (form: string, path = PATH, accept = "application/json") => {
    const headers = { accept, "content-type": "application/x-www-form-urlencoded" };
    const response = await fetch(`${server.url}${path}`, { method: "POST", headers, body: form });
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      requestId: response.headers.get("x-amzn-requestid"),
      text: await response.text(),
    };
  };
  const received = async () => {
    const [message] = await server.engine.receive("orders.fifo");
    return message;
  };
  return { server, post, received };
}

test("takes a form-encoded SendMessage and answers JSON", async (t) => {
  const { post, received } = await serve(t);
  const body = 'a+b &MessageGroupId=evil %26 "🙂"\u2028\n';
  const form = new URLSearchParams({
    Action: "SendMessage",
    Version: "2012-11-05",
    MessageBody: body,
    MessageGroupId: "10",
    MessageDeduplicationId: "once",
    "MessageAttribute.1.Name": "kind",
    "MessageAttribute.1.Value.DataType": "String",
    "MessageAttribute.1.Value.StringValue": "order",
    "MessageSystemAttribute.1.Name": "AWSTraceHeader",
    "MessageSystemAttribute.1.Value.DataType": "String",
    "MessageSystemAttribute.1.Value.StringValue": "Root=1",
  });
  const { status, text, requestId } = await post(form.toString());
  assert.equal(status, 200);
  const message = await received();
  assert.ok(message);
  const answer: unknown = JSON.parse(text);
  assert.deepEqual(answer, {
    SendMessageResponse: {
      SendMessageResult: {
        MessageId: message.messageId,
        SequenceNumber: message.sequenceNumber,
        MD5OfMessageBody: message.md5OfBody,
        // Both computed apart from this code, after the developer guide's description.
        MD5OfMessageAttributes: "8cc3ab13200b21b0d17b28c4d98ec74a",
        MD5OfMessageSystemAttributes: "d6619b3d47b81d3fc72c0db005a70eda",
      },
      ResponseMetadata: { RequestId: requestId },
    },
  });
  assert.equal(message.body, body);
  assert.equal(message.groupId, "10");
  assert.equal(message.deduplicationId, "once");
  assert.equal(message.traceHeader, "Root=1");
  assert.deepEqual(message.messageAttributes, { kind: { dataType: "String", stringValue: "order" } });
});

test("answers errors as JSON with SQS's status and code, and queues nothing", async (t) => {
  const { post, received } = await serve(t);
  const send = "Action=SendMessage&MessageGroupId=1";
  const cases: readonly [string, string, string][] = [
    ["Action=SendMessage&MessageBody=b", PATH, "MissingParameter"],
    [`${send}`, PATH, "MissingParameter"],
    [`${send}&MessageBody=b`, "/000000000000/none.fifo", "AWS.SimpleQueueService.NonExistentQueue"],
    [`${send}&MessageBody=b`, "/", "MissingParameter"],
    [`${send}&MessageBody=%00`, PATH, "InvalidMessageContents"],
    ["Action=SendMessage&MessageBody=b&MessageGroupId=%20", PATH, "InvalidParameterValue"],
    [`${send}&MessageBody=b&MessageGroupId=2`, PATH, "MalformedInput"],
    ["Action=ReceiveMessage", PATH, "InvalidAction"],
    ["MessageBody=b", PATH, "InvalidAction"],
  ];
  for (const [form, path, code] of cases) {
    const { status, text } = await post(form, path);
    assert.equal(status, 400, text);
    const answer: unknown = JSON.parse(text);
    assert.ok(answer !== null && typeof answer === "object" && "Error" in answer && "RequestId" in answer);
    const { Error: error } = answer;
    assert.ok(error !== null && typeof error === "object" && "Code" in error && "Message" in error && "Type" in error);
    assert.deepEqual([error.Code, error.Type], [code, "Sender"]);
  }
  assert.equal(await received(), undefined);
});

test("answers XML to whoever does not accept JSON", async (t) => {
  const { post } = await serve(t);
  const form = "Action=SendMessage&MessageGroupId=1&MessageBody=b";
  const sent = await post(form, PATH, "*/*");
  assert.equal(sent.type, "text/xml");
  assert.match(sent.text, /^<\?xml version="1\.0"\?><SendMessageResponse><SendMessageResult><MessageId>[0-9a-f-]{36}</);
  const refused = await post(`${form}&MessageDeduplicationId=%3C%26%20`, PATH, "*/*");
  assert.equal(refused.status, 400);
  assert.match(refused.text, /<ErrorResponse><Error><Code>InvalidParameterValue<\/Code><Message>Value &lt;&amp; /);
});

test("refuses a message of many times the limit as too long, and a request beyond all sense with an answer too", async (t) => {
  const { post } = await serve(t);
  const tooLong = await post(`Action=SendMessage&MessageGroupId=1&MessageBody=${"x".repeat(9_000_000)}`);
  assert.equal(tooLong.status, 400);
  assert.match(tooLong.text, /must be shorter than/);
  const senseless = await post(`Action=SendMessage&MessageGroupId=1&MessageBody=${"x".repeat(34_000_000)}`);
  assert.equal(senseless.status, 400);
  assert.match(senseless.text, /the most is 33554432/);
});
