import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateTableCommand, DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import dynalite from "dynalite";
import { type BatchResponse, createConsumer } from "../../runtime/consumer/consumer.ts";
import { readEnvironment } from "../../runtime/consumer/environment.ts";
import { startQueueServer } from "../../runtime/local/queue/server.ts";

const region = "ap-northeast-2";
export const queueArn = `arn:aws:sqs:${region}:000000000000:dev-queue-1.fifo`;
const table = "dev-parking-lot";

/** The consumer between a real queue server and a real table server, over the wire. */
export interface ConsumerWorld extends AsyncDisposable {
  send(groupId: string, n: number, deduplicationId?: string): Promise<string>;
  sendBody(groupId: string, body: string): Promise<string>;
  receive(): Promise<Message[]>;
  /** One invocation, and the deletes that the event source does after it. */
  invoke(messages: readonly Message[]): Promise<BatchResponse>;
  deadLetters(): Promise<Message[]>;
  counters(): Promise<readonly Readonly<Record<string, unknown>>[]>;
  readonly logged: readonly Readonly<Record<string, unknown>>[];
}

/**
 * One at a time: the consumer's AWS clients read the environment, which is as before when the world is disposed of.
 *
 * @param options.backendUrl where the consumer delivers
 * @param options.tableUrl what the consumer takes for the table, in place of the real one
 */
export async function startConsumerWorld(options: {
  readonly backendUrl: string;
  readonly tableUrl?: string;
  readonly backendTimeoutMilliseconds?: number;
  readonly maxAttempts?: number;
}): Promise<ConsumerWorld> {
  const folder = await mkdtemp(join(tmpdir(), "consumer-"));
  const queues = await startQueueServer({ file: join(folder, "queues.sqlite"), region });
  const tables = dynalite({ path: join(folder, "tables"), createTableMs: 0 });
  await new Promise<void>((resolve) => tables.listen(0, "127.0.0.1", () => resolve()));
  const tablesUrl = `http://127.0.0.1:${(tables.address() as AddressInfo).port}`;
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const sqs = new SQSClient({ region, credentials, endpoint: queues.url });
  const dynamo = new DynamoDBClient({ region, credentials, endpoint: tablesUrl });
  // The SDK reads these itself, as it does inside the function.
  const restoreEnvironment = setEnvironment({
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_ENDPOINT_URL_SQS: queues.url,
    AWS_ENDPOINT_URL_DYNAMODB: options.tableUrl ?? tablesUrl,
  });
  await dynamo.send(
    new CreateTableCommand({
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    }),
  );
  const [url, deadLetterUrl] = await Promise.all(
    ["dev-queue-1.fifo", "dev-queue-1-dead-letter.fifo"].map(async (QueueName) => {
      const Attributes = { FifoQueue: "true", ContentBasedDeduplication: "true", VisibilityTimeout: "360" };
      const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes }));
      if (QueueUrl === undefined) throw new Error(`no URL for ${QueueName}`);
      return QueueUrl;
    }),
  );
  const settings = {
    name: "queue-1",
    url,
    deadLetterUrl,
    failurePolicy: "dead-letter",
    visibilityTimeoutSeconds: 360,
    retentionSeconds: 1_209_600,
    maxAttempts: options.maxAttempts ?? 3,
  };
  const logged: Record<string, unknown>[] = [];
  const consumer = createConsumer(
    readEnvironment({
      BACKEND_URL: options.backendUrl,
      BACKEND_TIMEOUT_MILLISECONDS: String(options.backendTimeoutMilliseconds ?? 2_000),
      PARKING_LOT_TABLE: table,
      QUEUES: JSON.stringify({ [queueArn]: settings }),
    }),
    (line) => logged.push(JSON.parse(line) as Record<string, unknown>),
  );

  const receive = async (QueueUrl: string | undefined) => {
    const { Messages } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
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
  return {
    logged,
    sendBody,
    send: (groupId, n, deduplicationId) =>
      sendBody(groupId, JSON.stringify({ data: { MessageGroupID: groupId, n } }), deduplicationId),
    receive: () => receive(url),
    async invoke(messages) {
      const answer = await consumer({ Records: messages.map(toRecord) }, { getRemainingTimeInMillis: () => 60_000 });
      const kept = new Set(answer.batchItemFailures.map((failure) => failure.itemIdentifier));
      for (const { MessageId, ReceiptHandle } of messages) {
        if (!kept.has(MessageId ?? "")) await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
      }
      return answer;
    },
    deadLetters: () => receive(deadLetterUrl),
    async counters() {
      const { Items } = await dynamo.send(new ScanCommand({ TableName: table }));
      return Items ?? [];
    },
    async [Symbol.asyncDispose]() {
      restoreEnvironment();
      sqs.destroy();
      dynamo.destroy();
      await queues.close();
      tables.closeAllConnections();
      await new Promise<void>((resolve) => tables.close(() => resolve()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** @returns what puts the variables back to what they were */
function setEnvironment(variables: Readonly<Record<string, string>>): () => void {
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
export function toRecord(message: Message) {
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
    eventSourceARN: queueArn,
    awsRegion: region,
  };
}
