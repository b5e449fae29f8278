import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import {
  AddPermissionCommand,
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  PurgeQueueCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  RemovePermissionCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSServiceException,
  TagQueueCommand,
  UntagQueueCommand,
} from "@aws-sdk/client-sqs";
import { FIFO } from "./helpers/queue-engine.ts";
import { serverWithClient } from "./helpers/queue-server.ts";

const MIB = 1_048_576;

const entryOf = (Id: string, MessageBody = "b") => ({ Id, MessageBody, MessageGroupId: "g" });

/** The query-compatible code that the SDK reads from `x-amzn-query-error`, and a part of the message. */
const refused = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SQSServiceException);
  assert.equal(Reflect.get(error, "Code"), code);
  assert.match(error.message, message);
  return true;
};

test("sends, receives and deletes with the AWS SDK, attributes of every type included", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("orders.fifo");
  const MessageAttributes = {
    text: { DataType: "String", StringValue: "für 🙂" },
    count: { DataType: "Number.int", StringValue: "-12.5e3" },
    bytes: { DataType: "Binary", BinaryValue: Buffer.from([0, 255, 10]) },
  };
  const body = '{"data":{"a":12345678901234567890,"b":"\u2028 \\" \' <&> 🙂"}}\r\n\t';
  const sent = await client.send(
    new SendMessageCommand({
      QueueUrl,
      MessageBody: body,
      MessageGroupId: "!a~",
      MessageAttributes,
      MessageSystemAttributes: { AWSTraceHeader: { DataType: "String", StringValue: "Root=1-2-3" } },
    }),
  );
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({ QueueUrl, MessageSystemAttributeNames: ["All"], MessageAttributeNames: ["All"] }),
  );
  const [message] = Messages;
  assert.ok(message);
  assert.equal(message.Body, body);
  assert.equal(message.MessageId, sent.MessageId);
  // Computed apart from this code, after the developer guide's description.
  assert.equal(sent.MD5OfMessageAttributes, "8e70c332233dead22650348579be82a0");
  assert.equal(message.MD5OfMessageAttributes, sent.MD5OfMessageAttributes);
  assert.deepEqual(
    Object.entries(message.MessageAttributes ?? {}).map(([name, { DataType, StringValue, BinaryValue }]) => [
      name,
      DataType,
      StringValue ?? [...(BinaryValue ?? [])],
    ]),
    [
      ["text", "String", "für 🙂"],
      ["count", "Number.int", "-12.5e3"],
      ["bytes", "Binary", [0, 255, 10]],
    ],
  );
  const { SentTimestamp, ApproximateFirstReceiveTimestamp, MessageDeduplicationId, ...rest } = message.Attributes ?? {};
  assert.ok(Number(ApproximateFirstReceiveTimestamp) >= Number(SentTimestamp));
  assert.match(MessageDeduplicationId ?? "", /^[0-9a-f]{64}$/);
  assert.deepEqual(rest, {
    SenderId: "000000000000",
    ApproximateReceiveCount: "1",
    SequenceNumber: sent.SequenceNumber,
    MessageGroupId: "!a~",
    AWSTraceHeader: "Root=1-2-3",
  });
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
});

test("answers only the attributes that were asked for", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("orders.fifo", { VisibilityTimeout: "0" });
  const value = { DataType: "String", StringValue: "x" };
  const MessageAttributes = { "app.one": value, "app.two": value, other: value };
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "b", MessageGroupId: "g", MessageAttributes }));
  const receive = async (input: object) => {
    const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, ...input }));
    return [Object.keys(Messages[0]?.Attributes ?? {}), Object.keys(Messages[0]?.MessageAttributes ?? {})];
  };
  assert.deepEqual(await receive({}), [[], []]);
  assert.deepEqual(await receive({ AttributeNames: ["SenderId"], MessageAttributeNames: ["app.*"] }), [
    ["SenderId"],
    ["app.one", "app.two"],
  ]);
  for (const everything of ["All", ".*"]) {
    assert.deepEqual(await receive({ MessageAttributeNames: [everything] }), [[], ["app.one", "app.two", "other"]]);
  }
  await assert.rejects(receive({ MessageSystemAttributeNames: ["Nope"] }), refused("InvalidAttributeName", /Nope/));
});

test("batches: the valid entries in order, the others under their ids", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("orders.fifo", { MaximumMessageSize: "1024" });
  const MessageGroupId = "g";
  const { Successful = [], Failed = [] } = await client.send(
    new SendMessageBatchCommand({
      QueueUrl,
      Entries: [
        { Id: "a", MessageBody: "1", MessageGroupId },
        { Id: "b", MessageBody: "\uFFFE", MessageGroupId },
        { Id: "c", MessageBody: "x".repeat(1_025), MessageGroupId },
        { Id: "d", MessageBody: "no", MessageGroupId: "a b" },
        { Id: "e", MessageBody: "2", MessageGroupId },
      ],
    }),
  );
  assert.deepEqual(
    Successful.map(({ Id }) => Id),
    ["a", "e"],
  );
  assert.deepEqual(
    Failed.map(({ Id, Code, SenderFault }) => [Id, Code, SenderFault]),
    [
      ["b", "InvalidMessageContents", true],
      ["c", "InvalidParameterValue", true],
      ["d", "InvalidParameterValue", true],
    ],
  );
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  const handles = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
  assert.deepEqual(
    Messages.map(({ Body }) => Body),
    ["1", "2"],
  );
  const changed = await client.send(
    new ChangeMessageVisibilityBatchCommand({
      QueueUrl,
      Entries: handles.map((entry, index) => ({ ...entry, VisibilityTimeout: 60 * index })),
    }),
  );
  assert.equal(changed.Successful?.length, 2);
  const deleted = await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: handles }));
  assert.deepEqual(
    deleted.Failed?.map(({ Id, Code }) => [Id, Code]),
    [["0", "ReceiptHandleIsInvalid"]],
  );
});

test("refuses a batch as a whole for its size, its ids and what is missing, and queues nothing", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("orders.fifo");
  const send = (Entries: { Id: string; MessageBody: string; MessageGroupId?: string }[]) =>
    client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  const legacy = "AWS.SimpleQueueService";
  await assert.rejects(send([]), refused(`${legacy}.EmptyBatchRequest`, /at least one/));
  const eleven = Array.from({ length: 11 }, (_, index) => entryOf(String(index)));
  await assert.rejects(send(eleven), refused(`${legacy}.TooManyEntriesInBatchRequest`, /are 10\. You have sent 11/));
  await assert.rejects(
    send([entryOf("a"), entryOf("a")]),
    refused(`${legacy}.BatchEntryIdsNotDistinct`, /Id a repeated/),
  );
  await assert.rejects(send([entryOf("a b")]), refused(`${legacy}.InvalidBatchEntryId`, /80/));
  const half = "x".repeat(MIB / 2);
  await assert.rejects(
    send([entryOf("a", half), entryOf("b", `${half}x`)]),
    refused(`${legacy}.BatchRequestTooLong`, /1048576 bytes\. You have sent 1048577 bytes/),
  );
  await assert.rejects(
    send([entryOf("a"), { Id: "b", MessageBody: "b" }]),
    refused("MissingParameter", /MessageGroupId/),
  );
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  assert.equal(Attributes?.ApproximateNumberOfMessages, "0");
  assert.equal((await send([entryOf("a", half), entryOf("b", half)])).Successful?.length, 2);
});

test("refuses messages beyond SQS's limits with SQS's own errors", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("orders.fifo", { ContentBasedDeduplication: "false" });
  const send = (input: object) =>
    client.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: "b",
        MessageGroupId: "g",
        MessageDeduplicationId: crypto.randomUUID(),
        ...input,
      }),
    );
  const value = { DataType: "String", StringValue: "x" };
  const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`a${index}`, value]));
  const cases: readonly [object, string, RegExp][] = [
    [{ MessageBody: "" }, "MissingParameter", /MessageBody/],
    [{ MessageBody: "a\u0000" }, "InvalidMessageContents", /#x0 /],
    [{ MessageBody: "\uD800" }, "InvalidMessageContents", /#xD800 /],
    [{ MessageBody: "x".repeat(MIB + 1) }, "InvalidParameterValue", /shorter than 1048576 bytes/],
    [{ MessageBody: "x".repeat(MIB - 7), MessageAttributes: { a: value } }, "InvalidParameterValue", /shorter/],
    [{ MessageGroupId: undefined }, "MissingParameter", /MessageGroupId/],
    [{ MessageGroupId: "x".repeat(129) }, "InvalidParameterValue", /MessageGroupId can only include/],
    [{ MessageGroupId: "é" }, "InvalidParameterValue", /MessageGroupId can only include/],
    [{ MessageDeduplicationId: "a b" }, "InvalidParameterValue", /MessageDeduplicationId can only include/],
    [{ MessageDeduplicationId: undefined }, "InvalidParameterValue", /ContentBasedDeduplication enabled/],
    [{ DelaySeconds: 5 }, "InvalidParameterValue", /DelaySeconds/],
    [{ MessageAttributes: eleven }, "InvalidParameterValue", /\[11\] exceeds the allowed maximum \[10\]/],
    [{ MessageAttributes: { "AWS.x": value } }, "InvalidParameterValue", /'AWS\.x'/],
    [{ MessageAttributes: { a: { DataType: "Text", StringValue: "x" } } }, "InvalidParameterValue", /type prefixes/],
    [{ MessageAttributes: { a: { DataType: "String", StringValue: "" } } }, "InvalidParameterValue", /non-empty/],
    [{ MessageAttributes: { a: { DataType: "Number", StringValue: "x" } } }, "InvalidParameterValue", /number/],
  ];
  for (const [input, code, message] of cases) await assert.rejects(send(input), refused(code, message));
  await send({ MessageBody: "x".repeat(MIB - 8), MessageAttributes: { a: value } });
  await send({ MessageGroupId: "x".repeat(128), MessageBody: "\u{10FFFF}\uFFFD\uE000\uD7FF" });
});

test("refuses a receive's and a visibility change's numbers, and handles that are none of this queue's", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("orders.fifo");
  const other = await createQueue("other.fifo");
  const receive = (input: object) => client.send(new ReceiveMessageCommand({ QueueUrl, ...input }));
  await assert.rejects(receive({ MaxNumberOfMessages: 11 }), refused("InvalidParameterValue", /MaxNumberOfMessages/));
  await assert.rejects(receive({ WaitTimeSeconds: 21 }), refused("InvalidParameterValue", /WaitTimeSeconds/));
  await assert.rejects(receive({ VisibilityTimeout: 43_201 }), refused("InvalidParameterValue", /VisibilityTimeout/));
  await client.send(new SendMessageCommand({ QueueUrl: other, MessageBody: "b", MessageGroupId: "g" }));
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl: other }));
  const ReceiptHandle = Messages[0]?.ReceiptHandle;
  await assert.rejects(
    client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })),
    refused("ReceiptHandleIsInvalid", /not valid for this queue/),
  );
  await assert.rejects(
    client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: "nonsense" })),
    refused("ReceiptHandleIsInvalid", /not a valid receipt handle/),
  );
  const change = (VisibilityTimeout: number) =>
    client.send(new ChangeMessageVisibilityCommand({ QueueUrl: other, ReceiptHandle, VisibilityTimeout }));
  await assert.rejects(change(43_201), refused("InvalidParameterValue", /between 0 and 43200/));
  await change(0);
  await assert.rejects(change(0), refused("InvalidParameterValue", /not available for visibility timeout change/));
});

test("creates, finds, lists, tags, changes, purges and deletes queues", async (t) => {
  const { client, server, createQueue } = await serverWithClient(t);
  const deadLetter = await createQueue("dead.fifo");
  const deadLetterTargetArn = "arn:aws:sqs:ap-northeast-2:000000000000:dead.fifo";
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: "3" });
  const QueueUrl = await createQueue("orders.fifo", { RedrivePolicy, VisibilityTimeout: "360" });
  assert.equal(QueueUrl, `${server.url}/000000000000/orders.fifo`);
  assert.equal(await createQueue("orders.fifo", { VisibilityTimeout: "360" }), QueueUrl);
  await assert.rejects(createQueue("orders.fifo", { VisibilityTimeout: "30" }), refused("QueueAlreadyExists", /Visib/));
  const found = await client.send(new GetQueueUrlCommand({ QueueName: "orders.fifo" }));
  assert.equal(found.QueueUrl, QueueUrl);
  assert.deepEqual((await client.send(new ListQueuesCommand({ QueueNamePrefix: "or" }))).QueueUrls, [QueueUrl]);
  const page = await client.send(new ListQueuesCommand({ MaxResults: 1 }));
  assert.deepEqual(page.QueueUrls, [deadLetter]);
  const rest = await client.send(new ListQueuesCommand({ MaxResults: 1, NextToken: page.NextToken }));
  assert.deepEqual([rest.QueueUrls, rest.NextToken], [[QueueUrl], undefined]);
  const sources = await client.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: deadLetter }));
  assert.deepEqual(sources.queueUrls, [QueueUrl]);

  await client.send(new TagQueueCommand({ QueueUrl, Tags: { a: "1", b: "2" } }));
  await client.send(new UntagQueueCommand({ QueueUrl, TagKeys: ["a"] }));
  assert.deepEqual((await client.send(new ListQueueTagsCommand({ QueueUrl }))).Tags, { b: "2" });

  await client.send(
    new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: "20", RedrivePolicy: "" } }),
  );
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  assert.equal(Attributes?.VisibilityTimeout, "20");
  assert.equal(Attributes?.RedrivePolicy, undefined);
  assert.equal(Attributes?.QueueArn, "arn:aws:sqs:ap-northeast-2:000000000000:orders.fifo");
  const one = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }));
  assert.deepEqual(Object.keys(one.Attributes ?? {}), ["QueueArn"]);

  await client.send(new PurgeQueueCommand({ QueueUrl }));
  await client.send(new DeleteQueueCommand({ QueueUrl }));
  await assert.rejects(client.send(new GetQueueUrlCommand({ QueueName: "orders.fifo" })), QueueDoesNotExist);
});

test("refuses attributes that are unknown, computed, out of range or at odds with each other", async (t) => {
  const { createQueue } = await serverWithClient(t);
  const cases: readonly [Record<string, string>, string, RegExp][] = [
    [{ Nope: "1" }, "InvalidAttributeName", /Unknown Attribute Nope/],
    [{ QueueArn: "x" }, "InvalidAttributeName", /QueueArn/],
    [{ VisibilityTimeout: "43201" }, "InvalidAttributeValue", /VisibilityTimeout.*0 to 43200/],
    [{ MaximumMessageSize: "1048577" }, "InvalidAttributeValue", /MaximumMessageSize/],
    [{ MessageRetentionPeriod: "59" }, "InvalidAttributeValue", /60 to 1209600/],
    [{ RedrivePolicy: "{}" }, "InvalidAttributeValue", /deadLetterTargetArn/],
    [{ RedriveAllowPolicy: '{"redrivePermission":"byQueue"}' }, "InvalidAttributeValue", /sourceQueueArns/],
    [{ FifoThroughputLimit: "perMessageGroupId" }, "InvalidAttributeValue", /DeduplicationScope messageGroup/],
  ];
  for (const [attributes, code, message] of cases) {
    await assert.rejects(createQueue("orders.fifo", attributes), refused(code, message));
  }
  const deadLetterTargetArn = "arn:aws:sqs:ap-northeast-2:000000000000:missing.fifo";
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 3 });
  await assert.rejects(
    createQueue("orders.fifo", { RedrivePolicy }),
    refused("InvalidParameterValue", /does not exist/),
  );
});

test("serves FIFO queues only, and says so", async (t) => {
  const { client } = await serverWithClient(t);
  const create = (QueueName: string, Attributes = {}) => client.send(new CreateQueueCommand({ QueueName, Attributes }));
  await assert.rejects(create("orders"), refused("InvalidParameterValue", /FIFO queues only/));
  await assert.rejects(create("orders.fifo"), refused("InvalidParameterValue", /FIFO queues only/));
  await assert.rejects(create("orders", FIFO), refused("InvalidParameterValue", /ends in \.fifo/));
  await assert.rejects(create(`${"x".repeat(76)}.fifo`, FIFO), refused("InvalidParameterValue", /1 to 80/));
});

test("names the actions that it does not serve", async (t) => {
  const { client, server, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("orders.fifo");
  const code = "AWS.SimpleQueueService.UnsupportedOperation";
  const permission = { QueueUrl, Label: "l", AWSAccountIds: ["000000000000"], Actions: ["SendMessage"] };
  await assert.rejects(client.send(new AddPermissionCommand(permission)), refused(code, /AddPermission/));
  await assert.rejects(
    client.send(new RemovePermissionCommand({ QueueUrl, Label: "l" })),
    refused(code, /RemovePermission/),
  );
  const answer = await fetch(server.url, { method: "POST", headers: { "x-amz-target": "AmazonSQS.Nope" }, body: "{}" });
  assert.equal(answer.status, 400);
  assert.equal(answer.headers.get("x-amzn-query-error"), "InvalidAction;Sender");
  assert.match(await answer.text(), /AmazonSQS\.Nope/);
});

test("a long poll over HTTP gets what is sent, and one whose caller hung up hides nothing", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("orders.fifo");
  const hangUp = new AbortController();
  const poll = () => new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 });
  const gone = client.send(poll(), { abortSignal: hangUp.signal });
  hangUp.abort();
  await assert.rejects(gone, { name: "AbortError" });
  const waiting = client.send(poll());
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody: "b", MessageGroupId: "g" }));
  assert.equal((await waiting).Messages?.[0]?.Body, "b");
});

test("a look at a group, given back in one batch, leaves it as it was; the counts say so, and a delete is for good", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  const QueueUrl = await createQueue("dead.fifo");
  const counts = async () => {
    const { Attributes = {} } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
    return [Attributes.ApproximateNumberOfMessages, Attributes.ApproximateNumberOfMessagesNotVisible];
  };
  const receive = async () => {
    const input = { QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 60 };
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({ ...input, MessageSystemAttributeNames: ["All"], MessageAttributeNames: ["All"] }),
    );
    return Messages;
  };
  for (const [MessageGroupId, MessageBody] of [
    ["a", "a1"],
    ["b", "b1"],
    ["a", "a2"],
  ] as const) {
    const MessageAttributes = { reason: { DataType: "String", StringValue: `of ${MessageBody}` } };
    await client.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageGroupId, MessageAttributes }));
  }
  const first = await receive();
  assert.deepEqual(await receive(), [], "all of them are in flight");
  assert.deepEqual(await counts(), ["0", "3"]);
  const handles = first.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
  const { Failed } = await client.send(
    new ChangeMessageVisibilityBatchCommand({
      QueueUrl,
      Entries: handles.map((entry) => ({ ...entry, VisibilityTimeout: 0 })),
    }),
  );
  assert.deepEqual(Failed, []);
  assert.deepEqual(await counts(), ["3", "0"]);
  const second = await receive();
  assert.deepEqual(
    second.map(({ Body, Attributes, MessageAttributes }) => [
      Body,
      Attributes?.MessageGroupId,
      Attributes?.ApproximateReceiveCount,
      MessageAttributes?.["reason"]?.StringValue,
    ]),
    [
      ["a1", "a", "2", "of a1"],
      ["a2", "a", "2", "of a2"],
      ["b1", "b", "2", "of b1"],
    ],
  );
  assert.deepEqual(
    second.map(({ MessageId, Attributes }) => [MessageId, Attributes?.SequenceNumber, Attributes?.SentTimestamp]),
    first.map(({ MessageId, Attributes }) => [MessageId, Attributes?.SequenceNumber, Attributes?.SentTimestamp]),
  );
  const [held] = second;
  await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: held?.ReceiptHandle }));
  assert.deepEqual(await counts(), ["0", "2"]);
});

test("queues outlive a change of the port: a URL's host does not matter", async (t) => {
  const { client, createQueue } = await serverWithClient(t);
  await createQueue("orders.fifo");
  const send = (QueueUrl: string) =>
    client.send(new SendMessageCommand({ QueueUrl, MessageBody: QueueUrl, MessageGroupId: "g" }));
  await send("http://127.0.0.1:1/000000000000/orders.fifo");
  await send("https://sqs.ap-northeast-2.amazonaws.com/000000000000/orders.fifo");
  await assert.rejects(send("http://127.0.0.1:1/111111111111/orders.fifo"), QueueDoesNotExist);
  await assert.rejects(send("http://127.0.0.1:1/orders.fifo"), refused("InvalidAddress", /is not valid/));
});
