import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AttributeValue,
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  paginateScan,
} from "@aws-sdk/client-dynamodb";
import {
  ChangeMessageVisibilityBatchCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import dynalite from "dynalite";
import { z } from "zod";
import { type BatchResponse, createConsumer } from "../../runtime/consumer/consumer.ts";
import { type QueueSettings, readEnvironment } from "../../runtime/consumer/environment.ts";
import { listen, stopListening } from "../../runtime/local/listen.ts";
import { startQueueServer } from "../../runtime/local/queue/server.ts";
import { messageAttributes, type OutgoingMessage } from "../../runtime/message.ts";
import { type Control, controlMessage } from "../../runtime/parking-lot/control.ts";
import { type ParkedGroup, parkedGroups } from "../../runtime/parking-lot/groups.ts";
import { PARKED_GROUPS_INDEX } from "../../runtime/parking-lot/keys.ts";
import type { ParkedMessage } from "../../runtime/parking-lot/parked-message.ts";
import { createParkingLot, type ParkingLot } from "../../runtime/parking-lot/parking-lot.ts";
import { type ReceivedRequest, startBackend } from "./scripted-backend.ts";

const region = "ap-northeast-2";
const credentials = { accessKeyId: "local", secretAccessKey: "local" };
const queueArn = `arn:aws:sqs:${region}:000000000000:dev-queue-1.fifo`;
export const table = "dev-parking-lot";
const PATIENCE_MILLISECONDS = 30_000;

/** An item as DynamoDB has it. */
type TableItem = Readonly<Record<string, AttributeValue>>;

/** One request of the consumer to DynamoDB. */
export interface TableRequest {
  /** E.g. `Query`. */
  readonly verb: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** What becomes of a request: it is lost on its way there, or its answer on its way back. */
type Loss = "request" | "answer" | undefined;

/** The consumer's way to the table. */
interface TableWire {
  /** Each try of each call. */
  readonly requests: TableRequest[];
  lose(request: TableRequest): Loss;
}

/** The consumer between a real queue server and a real table server, over the wire. */
export interface ConsumerWorld extends AsyncDisposable {
  /** @returns the message's id */
  send(groupId: string, n: number, deduplicationId?: string): Promise<string>;
  sendBody(groupId: string, body: string, deduplicationId?: string): Promise<string>;
  /** Sends any message, attributes and all. @returns its sequence number */
  sendMessage(message: OutgoingMessage): Promise<string>;
  /** Sends a control message, as an ops verb does. @returns its sequence number */
  control(control: Control, groupId: string): Promise<string>;
  /** @param visibilitySeconds the queue's own 360 when it is left out; with 0 the messages are only counted as received */
  receive(visibilitySeconds?: number): Promise<Message[]>;
  /**
   * One invocation, and the deletes that the event source does after it.
   *
   * @param remaining what the function has left, in milliseconds, each time it asks
   */
  invoke(messages: readonly Message[], remaining?: () => number): Promise<BatchResponse>;
  /**
   * One invocation of whose end nobody hears, as when the function is killed behind its last step: the event source deletes nothing,
   * and the messages that are still there are visible again.
   */
  invokeUnheard(messages: readonly Message[]): Promise<void>;
  /** Ends the messages' visibility timeout now. */
  makeVisible(messages: readonly Message[]): Promise<void>;
  /** Deletes them, as the event source does with what an invocation settled. */
  remove(messages: readonly Message[]): Promise<void>;
  /** Polls as the event source does until the queue is empty, and ends at once what waits. @throws Error after 30 s */
  settleAll(): Promise<void>;
  /** Messages in the queue, those in flight included. */
  left(): Promise<number>;
  deadLetters(): Promise<Message[]>;
  /** All that is in the table. */
  items(): Promise<readonly TableItem[]>;
  /** The counters of attempts in the table. */
  counters(): Promise<readonly TableItem[]>;
  /** A group's parked messages, oldest first. */
  parked(groupId: string): Promise<readonly ParkedMessage[]>;
  /** What the index lists. */
  groups(): Promise<readonly ParkedGroup[]>;
  /** Has the consumer count the parked groups, as the schedule does. */
  countParkedGroups(): Promise<void>;
  readonly tableWire: TableWire;
  readonly parkingLot: ParkingLot;
  /** Variables of the consumer, as the stack and Lambda set them: for one in a process of its own. */
  readonly variables: Readonly<Record<string, string>>;
  readonly logged: readonly Readonly<Record<string, unknown>>[];
}

/**
 * One at a time: the consumer's AWS clients read the environment, which is as before when the world is disposed of.
 *
 * @param options.backendUrl where the consumer delivers
 * @param options.tableUrl what the consumer takes for the table, in place of the real one
 * @param options.failurePolicy of the queue. @default `dead-letter`
 */
export async function startConsumerWorld(options: {
  readonly backendUrl: string;
  readonly tableUrl?: string;
  readonly backendTimeoutMilliseconds?: number;
  readonly maxAttempts?: number;
  readonly failurePolicy?: QueueSettings["failurePolicy"];
}): Promise<ConsumerWorld> {
  const folder = await mkdtemp(join(tmpdir(), "consumer-"));
  const queues = await startQueueServer({ file: join(folder, "queues.sqlite"), region });
  const tables = await startTables(join(folder, "tables"));
  const wire = await startTableWire(tables.url);
  const sqs = new SQSClient({ region, credentials, endpoint: queues.url });
  // The SDK reads these itself, as it does inside the function.
  const platform = {
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_ENDPOINT_URL_SQS: queues.url,
    AWS_ENDPOINT_URL_DYNAMODB: options.tableUrl ?? wire.url,
  };
  const restoreEnvironment = setEnvironment(platform);
  const [url, deadLetterUrl] = await Promise.all(
    ["dev-queue-1.fifo", "dev-queue-1-dead-letter.fifo"].map(async (QueueName) => {
      const Attributes = { FifoQueue: "true", ContentBasedDeduplication: "true", VisibilityTimeout: "360" };
      const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
      if (QueueUrl === undefined) throw new Error(`no URL for ${QueueName}`);
      return QueueUrl;
    }),
  );
  const { failurePolicy = "dead-letter" } = options;
  const settings = {
    name: "queue-1",
    url,
    failurePolicy,
    ...(failurePolicy === "dead-letter" ? { deadLetterUrl } : {}),
    visibilityTimeoutSeconds: 360,
    retentionSeconds: 1_209_600,
    maxAttempts: options.maxAttempts ?? 3,
  };
  const variables = {
    BACKEND_URL: options.backendUrl,
    BACKEND_TIMEOUT_MILLISECONDS: String(options.backendTimeoutMilliseconds ?? 2_000),
    PARKING_LOT_TABLE: table,
    QUEUES: JSON.stringify({ [queueArn]: settings }),
  };
  const logged: Record<string, unknown>[] = [];
  const consumer = createConsumer(readEnvironment(variables), (line) =>
    logged.push(JSON.parse(line) as Record<string, unknown>),
  );
  const parkingLot = createParkingLot({ client: tables.client, table, callMilliseconds: 5_000, now: Date.now });

  const receiveFrom = async (QueueUrl: string | undefined, VisibilityTimeout?: number) => {
    const { Messages } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
        VisibilityTimeout,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
      }),
    );
    return Messages ?? [];
  };
  const sendBody = async (MessageGroupId: string, MessageBody: string, MessageDeduplicationId?: string) => {
    const command = new SendMessageCommand({ QueueUrl: url, MessageBody, MessageGroupId, MessageDeduplicationId });
    const { MessageId } = await sqs.send(command);
    return MessageId ?? "";
  };
  const sendMessage = async ({ body, groupId, deduplicationId, attributes }: OutgoingMessage) => {
    const command = new SendMessageCommand({
      QueueUrl: url,
      MessageBody: body,
      MessageGroupId: groupId,
      MessageDeduplicationId: deduplicationId,
      MessageAttributes: messageAttributes(attributes),
    });
    const { SequenceNumber } = await sqs.send(command);
    return SequenceNumber ?? "";
  };
  const remove = async (messages: readonly Message[]) => {
    for (const { ReceiptHandle } of messages) {
      await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
    }
  };
  const makeVisible = async (messages: readonly Message[]) => {
    if (messages.length === 0) return;
    const Entries = messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle, VisibilityTimeout: 0 }));
    await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries }));
  };
  const run = (messages: readonly Message[], getRemainingTimeInMillis: () => number) =>
    consumer({ Records: messages.map((message) => toRecord(message)) }, { getRemainingTimeInMillis });
  const invoke: ConsumerWorld["invoke"] = async (messages, remaining = () => 60_000) => {
    const answer = await run(messages, remaining);
    const kept = new Set(answer.batchItemFailures.map((failure) => failure.itemIdentifier));
    await remove(messages.filter(({ MessageId }) => !kept.has(MessageId ?? "")));
    return answer;
  };
  const left = async () => {
    const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
    const { Attributes = {} } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...names] }),
    );
    return names.reduce((sum, name) => sum + Number(Attributes[name]), 0);
  };
  const items = async () => {
    const found: TableItem[] = [];
    for await (const { Items = [] } of paginateScan({ client: tables.client }, { TableName: table })) {
      found.push(...Items);
    }
    return found;
  };
  return {
    logged,
    variables: { ...platform, ...variables },
    tableWire: wire.wire,
    parkingLot,
    sendBody,
    sendMessage,
    send: (groupId, n, deduplicationId) =>
      sendBody(groupId, JSON.stringify({ data: { MessageGroupID: groupId, n } }), deduplicationId),
    control: (control, groupId) => sendMessage(controlMessage(control, groupId, crypto.randomUUID())),
    receive: (visibilitySeconds) => receiveFrom(url, visibilitySeconds),
    invoke,
    makeVisible,
    remove,
    async invokeUnheard(messages) {
      await run(messages, () => 60_000);
      await makeVisible(messages);
    },
    left,
    async settleAll() {
      const end = Date.now() + PATIENCE_MILLISECONDS;
      while ((await left()) > 0) {
        if (Date.now() > end) throw new Error(`${await left()} messages are in the queue after 30 s`);
        const messages = await receiveFrom(url);
        if (messages.length === 0) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          continue;
        }
        const { batchItemFailures } = await invoke(messages);
        const kept = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
        await makeVisible(messages.filter(({ MessageId = "" }) => kept.has(MessageId)));
      }
    },
    deadLetters: () => receiveFrom(deadLetterUrl),
    items,
    counters: async () => (await items()).filter(({ sk }) => sk?.S?.startsWith("attempts#")),
    async parked(groupId) {
      const found: ParkedMessage[] = [];
      for (let after = ""; ; after = found.at(-1)?.sequenceNumber ?? "") {
        const page = await parkingLot.read("queue-1", groupId, 100, after);
        if (page.length === 0) return found;
        found.push(...page);
      }
    },
    groups: () => listed(tables.client),
    async countParkedGroups() {
      await consumer({ countParkedGroups: true }, { getRemainingTimeInMillis: () => 60_000 });
    },
    async [Symbol.asyncDispose]() {
      restoreEnvironment();
      sqs.destroy();
      await queues.close();
      await wire.close();
      await tables[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const payloadSchema = z.object({ data: z.object({ MessageGroupID: z.string(), n: z.int() }) });

/** A backend that answers by what it gets. */
export interface GroupBackend extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly ReceivedRequest[];
  /** What came, in the order in which it came: `<group>/<n>`. */
  delivered(): string[];
  /** How it answers from now on: an HTTP status. */
  answer: (groupId: string, n: number) => number | Promise<number>;
}

function payloadOf({ body }: ReceivedRequest) {
  return payloadSchema.parse(JSON.parse(body.toString())).data;
}

/** @example await using backend = await startGroupBackend((_, n) => (n === 1 ? 409 : 200)) */
export async function startGroupBackend(answer: GroupBackend["answer"] = () => 200): Promise<GroupBackend> {
  const backend = await startBackend(async (response) => {
    const last = backend.received.at(-1);
    if (last === undefined) throw new Error("it answers before it was asked");
    const { MessageGroupID, n } = payloadOf(last);
    response.writeHead(await by.answer(MessageGroupID, n)).end();
  });
  const by: GroupBackend = {
    url: backend.url,
    received: backend.received,
    delivered: () => backend.received.map(payloadOf).map(({ MessageGroupID, n }) => `${MessageGroupID}/${n}`),
    answer,
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
  return by;
}

/** A real table server with the parking lot's table in it, empty, and a client of it. */
interface Tables extends AsyncDisposable {
  readonly url: string;
  readonly client: DynamoDBClient;
}

/** What the index lists of `queue-1`. */
export async function listed(client: DynamoDBClient): Promise<readonly ParkedGroup[]> {
  const groups: ParkedGroup[] = [];
  for await (const group of parkedGroups(client, table, "queue-1")) groups.push(group);
  return groups;
}

/** @example await using tables = await startTables(folder); */
export async function startTables(folder: string): Promise<Tables> {
  const server = dynalite({ createTableMs: 0, path: folder });
  const url = await listen(server);
  const client = new DynamoDBClient({ region, credentials, endpoint: url });
  const attributes = ["pk", "sk", "parkedQueue", "parkedAt"];
  await client.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: attributes.map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      KeySchema: keySchema("pk", "sk"),
      GlobalSecondaryIndexes: [
        {
          IndexName: PARKED_GROUPS_INDEX,
          KeySchema: keySchema("parkedQueue", "parkedAt"),
          Projection: { ProjectionType: "KEYS_ONLY" },
        },
      ],
    }),
  );
  // It answers before the table is there.
  for (;;) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    if (Table?.TableStatus === "ACTIVE") break;
  }
  return {
    url,
    client,
    async [Symbol.asyncDispose]() {
      client.destroy();
      await stopListening(server);
    },
  };
}

function keySchema(hash: string, range: string) {
  return [
    { AttributeName: hash, KeyType: "HASH" as const },
    { AttributeName: range, KeyType: "RANGE" as const },
  ];
}

const inputSchema = z.record(z.string(), z.unknown());

/** What stands between the consumer and the table: it counts the requests, and loses them when a test says so. */
async function startTableWire(tablesUrl: string) {
  const wire: TableWire = { requests: [], lose: () => undefined };
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      const verb = String(incoming.headers["x-amz-target"]).replace(/^.*\./, "");
      const request = { verb, input: inputSchema.parse(JSON.parse(body.toString())) };
      wire.requests.push(request);
      const loss = wire.lose(request);
      if (loss === "request") {
        incoming.socket.destroy();
        return;
      }
      const onward = httpRequest(tablesUrl, { method: "POST", headers: incoming.headers }, (answer) => {
        if (loss === "answer") {
          answer.resume();
          answer.on("end", () => incoming.socket.destroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => incoming.socket.destroy());
      onward.end(body);
    });
  });
  return { wire, url: await listen(server), close: () => stopListening(server) };
}

/** @returns what puts the variables back to what they were */
export function setEnvironment(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

/** A received message as the event source puts it into the event. */
export function toRecord(message: Message, eventSourceARN = queueArn) {
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes,
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, { StringValue, DataType }]) => [
        name,
        { stringValue: StringValue, stringListValues: [], binaryListValues: [], dataType: DataType },
      ]),
    ),
    md5OfBody: message.MD5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN,
    awsRegion: region,
  };
}
