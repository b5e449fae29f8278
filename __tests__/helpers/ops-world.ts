import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from "@aws-sdk/client-dynamodb";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import dynalite from "dynalite";
import { listen, stopListening } from "../../runtime/local/listen.ts";
import { writeLocalFile } from "../../runtime/local/local-file.ts";
import { startQueueServer } from "../../runtime/local/queue/server.ts";
import { COPY_ATTRIBUTES, messageAttributes, type OutgoingMessage } from "../../runtime/message.ts";
import { PARKED_GROUPS_INDEX } from "../../runtime/parking-lot/keys.ts";
import type { ParkedMessage } from "../../runtime/parking-lot/parked-message.ts";
import { createParkingLot, type ParkingLot } from "../../runtime/parking-lot/parking-lot.ts";

export const region = "ap-northeast-2";
export const credentials = { accessKeyId: "local", secretAccessKey: "local" };
export const deployment = "dev";
const table = `${deployment}-parking-lot`;
const CALL_MILLISECONDS = 5_000;
export const RETENTION_SECONDS = 1_209_600;

/** As `main.ts` has them: `queue-1` with a dead-letter queue, `queue-2` with parked groups. */
export type QueueName = "queue-1" | "queue-2";
export const policies = { "queue-1": "dead-letter", "queue-2": "park" } as const;
const names = Object.keys(policies) as QueueName[];
/** Of `queue-2`, as the stack sets it: DynamoDB's items end at 400 KiB. */
const PARK_MESSAGE_BYTES = 389_120;

/** A message that a queue took. */
export interface Sent {
  readonly messageId: string;
  readonly sequenceNumber: string;
}

/** The deployment `dev` as a person's tools see it: a real queue server and a real table server, over the wire. */
export interface OpsWorld extends AsyncDisposable {
  /** What `--local` takes: it has the `local.json` of a running local mode. */
  readonly folder: string;
  readonly sqs: SQSClient;
  readonly dynamodb: DynamoDBClient;
  readonly table: string;
  readonly endpoints: { readonly sqs: string; readonly dynamodb: string };
  /** The store that only the consumer writes. */
  readonly parkingLot: ParkingLot;
  /** URL of a queue. */
  queueUrl(queue: QueueName): string;
  /** URL of `queue-1`'s dead-letter queue. */
  readonly deadLetterUrl: string;
  /** Sends what the gateway sends: `{"data":{"MessageGroupID":<group>, ...payload}}`. */
  send(
    queue: QueueName,
    groupId: string,
    payload?: Readonly<Record<string, unknown>>,
    deduplicationId?: string,
  ): Promise<Sent>;
  /** Sends any message. */
  sendTo(url: string, message: OutgoingMessage): Promise<Sent>;
  /**
   * Parks messages in `queue-2` as the consumer does: the first as rejected, the others behind it. Their sequence numbers are
   * below those of all messages that the queue takes.
   *
   * @param count how many; each has the payload `{"MessageGroupID":<group>,"n":<1 and up>}`
   * @param change fields of the n-th message (1 and up)
   */
  park(
    groupId: string,
    count: number,
    change?: (n: number) => Partial<ParkedMessage>,
  ): Promise<readonly ParkedMessage[]>;
  /** Puts a copy into `queue-1`'s dead-letter queue, as the consumer does. @returns the ids of the message that was refused */
  deadLetter(groupId: string, payload?: Readonly<Record<string, unknown>>, change?: DeadLetterChange): Promise<Sent>;
  /** Messages in a queue, those in flight not counted. */
  waiting(queue: QueueName): Promise<number>;
  /** One receive of up to ten messages, all attributes with them. They stay in flight. */
  receive(url: string): Promise<Message[]>;
}

/** What a dead-lettered copy can have that differs. */
export interface DeadLetterChange {
  readonly body?: string;
  /** The producer's own id. @default none */
  readonly deduplicationId?: string;
  readonly reason?: "rejected" | "attempts-exhausted" | "no-envelope" | "expired";
  readonly detail?: string;
  readonly httpStatus?: number;
}

/**
 * Starts it, with empty queues and an empty table.
 *
 * @example await using world = await startOpsWorld();
 */
export async function startOpsWorld(): Promise<OpsWorld> {
  const folder = await mkdtemp(join(tmpdir(), "ops-"));
  const queues = await startQueueServer({ file: join(folder, "queues.sqlite"), region });
  const tables = dynalite({ path: join(folder, "tables"), createTableMs: 0 });
  const endpoints = { sqs: queues.url, dynamodb: await listen(tables), gateway: "http://127.0.0.1:9/kimalarm" };
  const sqs = new SQSClient({ region, credentials, endpoint: endpoints.sqs });
  const dynamodb = new DynamoDBClient({ region, credentials, endpoint: endpoints.dynamodb });
  await dynamodb.send(createTable());
  // It answers before the table is there.
  await waitUntilTableExists(
    { client: dynamodb, minDelay: 0.01, maxDelay: 0.1, maxWaitTime: 30 },
    { TableName: table },
  );
  const created = names.map(async (queue) => [queue, await createFifo(sqs, queue)] as const);
  const urls = new Map(await Promise.all(created));
  const deadLetterUrl = await createFifo(sqs, "queue-1-dead-letter");
  writeLocalFile(folder, { deployment, region, endpoints });
  const parkingLot = createParkingLot({
    client: dynamodb,
    table,
    callMilliseconds: CALL_MILLISECONDS,
    now: Date.now,
  });

  const queueUrl = (queue: QueueName) => urls.get(queue) ?? "";
  const sendTo = async (QueueUrl: string, message: OutgoingMessage): Promise<Sent> => {
    const { MessageId = "", SequenceNumber = "" } = await sqs.send(toCommand(QueueUrl, message));
    return { messageId: MessageId, sequenceNumber: SequenceNumber };
  };
  let parked = 0;
  let refused = 0;
  return {
    folder,
    sqs,
    dynamodb,
    table,
    endpoints,
    parkingLot,
    queueUrl,
    deadLetterUrl,
    sendTo,
    send(queue, groupId, payload = {}, deduplicationId = crypto.randomUUID()) {
      return sendTo(queueUrl(queue), { body: envelope(groupId, payload), groupId, deduplicationId, attributes: {} });
    },
    async park(groupId, count, change = () => ({})) {
      const messages: ParkedMessage[] = [];
      for (let n = 1; n <= count; n += 1) {
        parked += 1;
        const message = { ...parkedMessage(groupId, n, parked), ...change(n) };
        const isOldest = (await parkingLot.oldest(message.queue, groupId)) === undefined;
        await parkingLot.park(message, isOldest);
        messages.push(message);
      }
      return messages;
    },
    async deadLetter(groupId, payload = {}, change = {}) {
      refused += 1;
      const sequenceNumber = String(17_000_000_000_000_000_000n + BigInt(refused));
      const messageId = crypto.randomUUID();
      const body = change.body ?? envelope(groupId, payload);
      const { deduplicationId, reason = "rejected", detail = "HTTP 400", httpStatus = 400 } = change;
      const idempotencyKey = deduplicationId === undefined ? messageId : `queue-1/${groupId}/${deduplicationId}`;
      await sendTo(deadLetterUrl, {
        body,
        groupId,
        deduplicationId: messageId,
        attributes: {
          [COPY_ATTRIBUTES.reason]: reason,
          [COPY_ATTRIBUTES.detail]: detail,
          [COPY_ATTRIBUTES.httpStatus]: String(httpStatus),
          [COPY_ATTRIBUTES.originalMessageId]: messageId,
          [COPY_ATTRIBUTES.originalSequenceNumber]: sequenceNumber,
          [COPY_ATTRIBUTES.idempotencyKey]: idempotencyKey,
        },
      });
      return { messageId, sequenceNumber };
    },
    async waiting(queue) {
      const AttributeNames = ["ApproximateNumberOfMessages" as const];
      const command = new GetQueueAttributesCommand({ QueueUrl: queueUrl(queue), AttributeNames });
      return Number((await sqs.send(command)).Attributes?.ApproximateNumberOfMessages);
    },
    receive: (url) => receive(sqs, url, 0),
    async [Symbol.asyncDispose]() {
      sqs.destroy();
      dynamodb.destroy();
      await queues.close();
      await stopListening(tables);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function createTable(): CreateTableCommand {
  return new CreateTableCommand({
    TableName: table,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: ["pk", "sk", "parkedQueue", "parkedAt"].map((AttributeName) => ({
      AttributeName,
      AttributeType: "S",
    })),
    KeySchema: schema("pk", "sk"),
    GlobalSecondaryIndexes: [
      {
        IndexName: PARKED_GROUPS_INDEX,
        KeySchema: schema("parkedQueue", "parkedAt"),
        Projection: { ProjectionType: "KEYS_ONLY" },
      },
    ],
  });
}

function schema(hash: string, range: string) {
  return [
    { AttributeName: hash, KeyType: "HASH" as const },
    { AttributeName: range, KeyType: "RANGE" as const },
  ];
}

async function createFifo(sqs: SQSClient, name: string): Promise<string> {
  const Attributes = {
    FifoQueue: "true",
    ContentBasedDeduplication: "true",
    DeduplicationScope: "messageGroup",
    FifoThroughputLimit: "perMessageGroupId",
    VisibilityTimeout: "360",
    MessageRetentionPeriod: String(RETENTION_SECONDS),
    ...(name === "queue-2" ? { MaximumMessageSize: String(PARK_MESSAGE_BYTES) } : {}),
  };
  const command = new CreateQueueCommand({ QueueName: `${deployment}-${name}.fifo`, Attributes });
  const { QueueUrl } = await sqs.send(command);
  if (QueueUrl === undefined) throw new Error(`no URL for ${name}`);
  return QueueUrl;
}

function envelope(groupId: string, payload: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ data: { MessageGroupID: groupId, ...payload } });
}

function parkedMessage(groupId: string, n: number, position: number): ParkedMessage {
  const sequenceNumber = String(17_000_000_000_000_000_000n + BigInt(position));
  const messageId = crypto.randomUUID();
  const parkedAt = new Date(Date.now() - 3_600_000 + position).toISOString();
  const refused = {
    reason: "rejected",
    detail: "HTTP 400",
    httpStatus: 400,
    outcome: "rejected",
    attempts: 0,
    firstFailureAt: parkedAt,
    lastFailureAt: parkedAt,
  } as const;
  const behind = { reason: "behind", detail: "not tried", outcome: "unattempted", attempts: 0 } as const;
  return {
    queue: "queue-2",
    groupId,
    sequenceNumber,
    messageId,
    deduplicationId: messageId,
    idempotencyKey: messageId,
    body: envelope(groupId, { n }),
    sentAt: parkedAt,
    parkedAt,
    ...(n === 1 ? refused : behind),
  };
}

function toCommand(QueueUrl: string, { body, groupId, deduplicationId, attributes }: OutgoingMessage) {
  return new SendMessageCommand({
    QueueUrl,
    MessageBody: body,
    MessageGroupId: groupId,
    MessageDeduplicationId: deduplicationId,
    MessageAttributes: messageAttributes(attributes),
  });
}

export async function receive(sqs: SQSClient, QueueUrl: string, WaitTimeSeconds: number, abortSignal?: AbortSignal) {
  const command = new ReceiveMessageCommand({
    QueueUrl,
    MaxNumberOfMessages: 10,
    WaitTimeSeconds,
    MessageSystemAttributeNames: ["All"],
    MessageAttributeNames: ["All"],
  });
  const { Messages } = await sqs.send(command, abortSignal === undefined ? {} : { abortSignal });
  return Messages ?? [];
}
