import { z } from "zod";
import type { BatchOutcome } from "./check-batch.ts";
import type { QueueEngine } from "./engine.ts";
import { invalidParameter, missingParameter, SqsError } from "./errors.ts";
import {
  type MessageAttribute,
  type MessageAttributes,
  md5OfAttributes,
  type OutgoingMessage,
  type ReceivedMessage,
  type SentMessage,
  systemAttributes,
} from "./message.ts";
import type { MoveTask } from "./move-tasks.ts";

/** What an action runs with besides its parameters. */
export interface ActionContext {
  readonly engine: QueueEngine;
  /** The URL of a queue, under the host that the request came to. */
  queueUrl(name: string): string;
  /** Aborted when the requester hangs up. */
  readonly signal: AbortSignal;
}

type Action = (input: unknown, context: ActionContext) => object | Promise<object>;

const texts = z.record(z.string(), z.string());
const attribute = z.object({
  DataType: z.string(),
  StringValue: z.string().nullish(),
  BinaryValue: z.string().nullish(),
});
const attributes = z.record(z.string(), attribute).nullish();
const queue = z.object({ QueueUrl: z.string().optional() });
const message = z.object({
  MessageBody: z.string().default(""),
  MessageGroupId: z.string().default(""),
  MessageDeduplicationId: z.string().nullish(),
  DelaySeconds: z.int().nullish(),
  MessageAttributes: attributes,
  MessageSystemAttributes: attributes,
});
const receive = queue.extend({
  MaxNumberOfMessages: z.int().nullish(),
  VisibilityTimeout: z.int().nullish(),
  WaitTimeSeconds: z.int().nullish(),
  ReceiveRequestAttemptId: z.string().nullish(),
  AttributeNames: z.array(z.string()).nullish(),
  MessageSystemAttributeNames: z.array(z.string()).nullish(),
  MessageAttributeNames: z.array(z.string()).nullish(),
});
const arn = z.string().default("");
const move = z.object({
  SourceArn: arn,
  DestinationArn: z.string().nullish(),
  MaxNumberOfMessagesPerSecond: z.int().nullish(),
});
const batch = <Entry extends z.ZodType>(entry: Entry) => queue.extend({ Entries: z.array(entry).default([]) });
const id = z.string().default("");
const handle = z.object({ ReceiptHandle: z.string().default("") });
const handleEntry = handle.extend({ Id: id });
const visibility = handle.extend({ VisibilityTimeout: z.int().optional() });
const visibilityEntry = visibility.extend({ Id: id });

const SYSTEM_ATTRIBUTE_NAMES = new Set([
  "All",
  "AWSTraceHeader",
  "ApproximateFirstReceiveTimestamp",
  "ApproximateReceiveCount",
  "DeadLetterQueueSourceArn",
  "MessageDeduplicationId",
  "MessageGroupId",
  "SenderId",
  "SentTimestamp",
  "SequenceNumber",
  "SqsManagedSseEnabled",
]);

function parse<Schema extends z.ZodType>(schema: Schema, input: unknown): z.infer<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, message: reason }) => `${path.join(".")}: ${reason}`);
  throw new SqsError("SerializationException", issues.join("; "));
}

/**
 * The queue that a URL names: its last path segment, whatever the host, so that URLs outlive a change of the port.
 *
 * @throws SqsError `MissingParameter`, `InvalidAddress`, `QueueDoesNotExist` (another account's)
 */
export function queueNameOfUrl(url: string | undefined, accountId: string): string {
  if (url === undefined || url === "") throw missingParameter("QueueUrl");
  const [, account, name] = /^https?:\/\/[^/]+\/(\d{12})\/([^/]+)$/.exec(url) ?? [];
  if (account === undefined || name === undefined) {
    throw new SqsError("InvalidAddress", `The address ${url} is not valid for this endpoint.`);
  }
  if (account !== accountId) throw new SqsError("QueueDoesNotExist", "The specified queue does not exist.");
  return name;
}

function incomingAttribute({ DataType, StringValue, BinaryValue }: z.infer<typeof attribute>): MessageAttribute {
  return {
    dataType: DataType,
    ...(StringValue == null ? {} : { stringValue: StringValue }),
    ...(BinaryValue == null ? {} : { binaryValue: BinaryValue }),
  };
}

function incomingAttributes(input: z.infer<typeof attributes>): MessageAttributes | undefined {
  if (input == null || Object.keys(input).length === 0) return undefined;
  return Object.fromEntries(Object.entries(input).map(([name, value]) => [name, incomingAttribute(value)]));
}

/** Reads a SendMessage's parameters; also for the query protocol, which brings them in the same shape. */
export function parseOutgoing(input: unknown): OutgoingMessage {
  return outgoing(parse(message, input));
}

function outgoing(input: z.infer<typeof message>): OutgoingMessage {
  return {
    body: input.MessageBody,
    groupId: input.MessageGroupId,
    deduplicationId: input.MessageDeduplicationId ?? undefined,
    delaySeconds: input.DelaySeconds ?? undefined,
    messageAttributes: incomingAttributes(input.MessageAttributes),
    traceHeader: traceHeader(input.MessageSystemAttributes),
  };
}

function traceHeader(input: z.infer<typeof attributes>): string | undefined {
  for (const [name, { DataType, StringValue }] of Object.entries(input ?? {})) {
    if (name === "AWSTraceHeader" && DataType === "String" && StringValue != null) return StringValue;
    throw new SqsError(
      "InvalidParameterValue",
      `Message system attribute ${name} is not valid: the only one is AWSTraceHeader, of type String.`,
    );
  }
  return undefined;
}

const sentAnswer = (sent: SentMessage) => ({
  MessageId: sent.messageId,
  SequenceNumber: sent.sequenceNumber,
  MD5OfMessageBody: sent.md5OfBody,
  MD5OfMessageAttributes: sent.md5OfMessageAttributes,
  MD5OfMessageSystemAttributes: sent.md5OfSystemAttributes,
});

function batchAnswer<Entry extends { readonly id: string }>(
  { successful, failed }: BatchOutcome<Entry>,
  answer: (entry: Entry) => object = () => ({}),
) {
  return {
    Successful: successful.map((entry) => ({ Id: entry.id, ...answer(entry) })),
    Failed: failed.map((entry) => ({
      Id: entry.id,
      Code: entry.code,
      Message: entry.message,
      SenderFault: entry.senderFault,
    })),
  };
}

function receivedAnswer(received: ReceivedMessage, system: readonly string[], custom: readonly string[]) {
  const systemNames = Object.entries(systemAttributes(received)).filter(
    ([name]) => system.includes("All") || system.includes(name),
  );
  const wanted = Object.entries(received.messageAttributes).filter(([name]) =>
    custom.some(
      (pattern) =>
        pattern === "All" ||
        pattern === ".*" ||
        pattern === name ||
        (pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -1))),
    ),
  );
  const messageAttributes = wanted.map(([name, { dataType, stringValue, binaryValue }]) => [
    name,
    { DataType: dataType, StringValue: stringValue, BinaryValue: binaryValue },
  ]);
  return {
    MessageId: received.messageId,
    ReceiptHandle: received.receiptHandle,
    MD5OfBody: received.md5OfBody,
    Body: received.body,
    ...(systemNames.length === 0 ? {} : { Attributes: Object.fromEntries(systemNames) }),
    ...(wanted.length === 0
      ? {}
      : {
          MessageAttributes: Object.fromEntries(messageAttributes),
          MD5OfMessageAttributes: md5OfAttributes(Object.fromEntries(wanted)),
        }),
  };
}

const moveTaskAnswer = (task: MoveTask) => ({
  TaskHandle: task.taskHandle,
  Status: task.status,
  SourceArn: task.sourceArn,
  DestinationArn: task.destinationArn,
  MaxNumberOfMessagesPerSecond: task.maxPerSecond,
  ApproximateNumberOfMessagesMoved: task.moved,
  ApproximateNumberOfMessagesToMove: task.toMove,
  FailureReason: task.failureReason,
  StartedTimestamp: task.startedAt,
});

/** An action on one queue: its parameters, parsed, and the queue's name. */
const onQueue =
  <Schema extends typeof queue>(
    schema: Schema,
    run: (name: string, input: z.infer<Schema>, context: ActionContext) => object | Promise<object>,
  ): Action =>
  (input, context) => {
    const parsed = parse(schema, input);
    return run(queueNameOfUrl(parsed.QueueUrl, context.engine.accountId), parsed, context);
  };

const unsupported =
  (action: string): Action =>
  () => {
    throw new SqsError("UnsupportedOperation", `${action} is not served by local mode.`);
  };

function page(names: readonly string[], maxResults: number | null | undefined, nextToken: string | null | undefined) {
  if (maxResults == null) return { page: names.slice(0, 1_000) };
  if (maxResults < 1 || maxResults > 1_000) {
    throw invalidParameter("MaxResults", maxResults, "Must be between 1 and 1000.");
  }
  const start = nextToken == null ? 0 : Number(Buffer.from(nextToken, "base64").toString());
  if (!Number.isInteger(start) || start < 0) throw invalidParameter("NextToken", String(nextToken), "Not one of ours.");
  const end = start + maxResults;
  return {
    page: names.slice(start, end),
    ...(end < names.length ? { nextToken: Buffer.from(String(end)).toString("base64") } : {}),
  };
}

const pagination = { MaxResults: z.int().nullish(), NextToken: z.string().nullish() };

/** Every action of the JSON protocol. */
const ACTIONS: Readonly<Record<string, Action>> = {
  CreateQueue: (input, { engine, queueUrl }) => {
    const schema = z.object({ QueueName: z.string().default(""), Attributes: texts.nullish(), tags: texts.nullish() });
    const { QueueName, Attributes, tags } = parse(schema, input);
    if (QueueName === "") throw missingParameter("QueueName");
    engine.createQueue(QueueName, Attributes ?? {}, tags ?? {});
    return { QueueUrl: queueUrl(QueueName) };
  },
  GetQueueUrl: (input, { engine, queueUrl }) => {
    const schema = z.object({ QueueName: z.string().default(""), QueueOwnerAWSAccountId: z.string().nullish() });
    const { QueueName, QueueOwnerAWSAccountId } = parse(schema, input);
    if (QueueName === "") throw missingParameter("QueueName");
    const isOurs = QueueOwnerAWSAccountId == null || QueueOwnerAWSAccountId === engine.accountId;
    if (!isOurs || !engine.hasQueue(QueueName)) {
      throw new SqsError("QueueDoesNotExist", "The specified queue does not exist.");
    }
    return { QueueUrl: queueUrl(QueueName) };
  },
  ListQueues: (input, { engine, queueUrl }) => {
    const { QueueNamePrefix, MaxResults, NextToken } = parse(
      z.object({ QueueNamePrefix: z.string().nullish(), ...pagination }),
      input,
    );
    const { page: names, nextToken } = page(engine.listQueues(QueueNamePrefix ?? ""), MaxResults, NextToken);
    return { ...(names.length === 0 ? {} : { QueueUrls: names.map(queueUrl) }), NextToken: nextToken };
  },
  ListDeadLetterSourceQueues: onQueue(queue.extend(pagination), (name, input, { engine, queueUrl }) => {
    const { page: names, nextToken } = page(engine.deadLetterSources(name), input.MaxResults, input.NextToken);
    return { queueUrls: names.map(queueUrl), NextToken: nextToken };
  }),
  DeleteQueue: onQueue(queue, (name, _input, { engine }) => {
    engine.deleteQueue(name);
    return {};
  }),
  PurgeQueue: onQueue(queue, (name, _input, { engine }) => {
    engine.purgeQueue(name);
    return {};
  }),
  GetQueueAttributes: onQueue(
    queue.extend({ AttributeNames: z.array(z.string()).nullish() }),
    (name, { AttributeNames }, { engine }) => {
      const found = engine.queueAttributes(name, AttributeNames ?? []);
      return Object.keys(found).length === 0 ? {} : { Attributes: found };
    },
  ),
  SetQueueAttributes: onQueue(queue.extend({ Attributes: texts.optional() }), (name, { Attributes }, { engine }) => {
    if (Attributes === undefined) throw missingParameter("Attributes");
    engine.setQueueAttributes(name, Attributes);
    return {};
  }),
  ListQueueTags: onQueue(queue, (name, _input, { engine }) => {
    const tags = engine.queueTags(name);
    return Object.keys(tags).length === 0 ? {} : { Tags: tags };
  }),
  TagQueue: onQueue(queue.extend({ Tags: texts.optional() }), (name, { Tags }, { engine }) => {
    if (Tags === undefined) throw missingParameter("Tags");
    engine.tagQueue(name, Tags);
    return {};
  }),
  UntagQueue: onQueue(queue.extend({ TagKeys: z.array(z.string()).optional() }), (name, { TagKeys }, { engine }) => {
    if (TagKeys === undefined) throw missingParameter("TagKeys");
    engine.untagQueue(name, TagKeys);
    return {};
  }),
  SendMessage: onQueue(queue.extend(message.shape), (name, input, { engine }) =>
    sentAnswer(engine.send(name, outgoing(input))),
  ),
  SendMessageBatch: onQueue(batch(message.extend({ Id: id })), (name, { Entries }, { engine }) => {
    const entries = Entries.map((entry) => ({ id: entry.Id, ...outgoing(entry) }));
    return batchAnswer(engine.sendBatch(name, entries), sentAnswer);
  }),
  ReceiveMessage: onQueue(receive, async (name, input, { engine, signal }) => {
    const system = [...(input.AttributeNames ?? []), ...(input.MessageSystemAttributeNames ?? [])];
    for (const attributeName of system) {
      if (SYSTEM_ATTRIBUTE_NAMES.has(attributeName)) continue;
      throw new SqsError("InvalidAttributeName", `Unknown Attribute ${attributeName}.`);
    }
    const messages = await engine.receive(name, {
      maxMessages: input.MaxNumberOfMessages ?? undefined,
      visibilityTimeoutSeconds: input.VisibilityTimeout ?? undefined,
      waitSeconds: input.WaitTimeSeconds ?? undefined,
      attemptId: input.ReceiveRequestAttemptId ?? undefined,
      signal,
    });
    if (messages.length === 0) return {};
    return { Messages: messages.map((one) => receivedAnswer(one, system, input.MessageAttributeNames ?? [])) };
  }),
  DeleteMessage: onQueue(queue.extend(handle.shape), (name, { ReceiptHandle }, { engine }) => {
    if (ReceiptHandle === "") throw missingParameter("ReceiptHandle");
    engine.delete(name, ReceiptHandle);
    return {};
  }),
  DeleteMessageBatch: onQueue(batch(handleEntry), (name, { Entries }, { engine }) =>
    batchAnswer(
      engine.deleteBatch(
        name,
        Entries.map((entry) => ({ id: entry.Id, receiptHandle: entry.ReceiptHandle })),
      ),
    ),
  ),
  ChangeMessageVisibility: onQueue(queue.extend(visibility.shape), (name, input, { engine }) => {
    if (input.ReceiptHandle === "") throw missingParameter("ReceiptHandle");
    if (input.VisibilityTimeout === undefined) throw missingParameter("VisibilityTimeout");
    engine.changeVisibility(name, input.ReceiptHandle, input.VisibilityTimeout);
    return {};
  }),
  ChangeMessageVisibilityBatch: onQueue(batch(visibilityEntry), (name, { Entries }, { engine }) => {
    const entries = Entries.map(({ Id, ReceiptHandle, VisibilityTimeout }) => {
      if (VisibilityTimeout === undefined) throw missingParameter("VisibilityTimeout");
      return { id: Id, receiptHandle: ReceiptHandle, seconds: VisibilityTimeout };
    });
    return batchAnswer(engine.changeVisibilityBatch(name, entries));
  }),
  AddPermission: unsupported("AddPermission"),
  RemovePermission: unsupported("RemovePermission"),
  StartMessageMoveTask: (input, { engine }) => {
    const { SourceArn, DestinationArn, MaxNumberOfMessagesPerSecond } = parse(move, input);
    const TaskHandle = engine.startMoveTask({
      sourceArn: SourceArn,
      destinationArn: DestinationArn ?? undefined,
      maxPerSecond: MaxNumberOfMessagesPerSecond ?? undefined,
    });
    return { TaskHandle };
  },
  ListMessageMoveTasks: (input, { engine }) => {
    const schema = z.object({ SourceArn: arn, MaxResults: z.int().nullish() });
    const { SourceArn, MaxResults } = parse(schema, input);
    return { Results: engine.moveTasks(SourceArn, MaxResults ?? undefined).map(moveTaskAnswer) };
  },
  CancelMessageMoveTask: (input, { engine }) => {
    const { TaskHandle } = parse(z.object({ TaskHandle: z.string().default("") }), input);
    return { ApproximateNumberOfMessagesMoved: engine.cancelMoveTask(TaskHandle) };
  },
};

/**
 * Runs one action of the AWS JSON protocol 1.0.
 *
 * @param target the `x-amz-target` header, e.g. "AmazonSQS.SendMessage"
 * @returns the answer's document
 * @throws SqsError (also as a rejection)
 */
export async function runJsonAction(target: string, body: string, context: ActionContext): Promise<object> {
  const name = target.replace(/^AmazonSQS\./, "");
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined || name === target) {
    throw new SqsError("InvalidAction", `The action ${target} is not valid for this endpoint.`);
  }
  return action(parseDocument(body), context);
}

function parseDocument(body: string): unknown {
  try {
    return body === "" ? {} : JSON.parse(body);
  } catch {
    throw new SqsError("SerializationException", "The request's body is not JSON.");
  }
}
