import { SendMessageBatchCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Producer } from "sqs-producer";
import { z } from "zod";
import { createFifoClient, type FifoClient } from "../../sdk/client/src/index.ts";
import type { Message } from "./messages.ts";

/** One way of sending, with what it keeps open. */
export interface Sender {
  /**
   * Sends all, and gives up where its documentation does.
   *
   * @returns the messages of which the caller was told, one by one, that they may not be in the queue
   */
  send(messages: readonly Message[]): Promise<ReadonlySet<Message>>;
  close(): void;
}

/** Opens a sender to the server at a URL. */
export type OpenSender = (url: string) => Sender;

const NOTHING: ReadonlySet<Message> = new Set();
const MOST_ENTRIES = 10;
/** How often what failed is sent again by those that send again. */
const MOST_TIMES = 10;
const PAUSE_MILLISECONDS = 100;

/** `send()` for each message, not awaited, and one `flush()`. */
export const clientSends: OpenSender = (url) =>
  client(url, async (fifo, messages) => {
    const told = new Set<Message>();
    for (const message of messages) fifo.send(message.groupId, message.payload).catch(() => told.add(message));
    await fifo.flush().catch(() => undefined);
    return told;
  });

/** One `sendMany()`. */
export const clientSendsMany: OpenSender = (url) =>
  client(url, async (fifo, messages) => {
    const failed = await fifo.sendMany(messages).then(
      (): Message[] => [],
      (error: unknown) => failedOf(error, messages),
    );
    return new Set(failed);
  });

/** A loop a group that awaits each answer, the groups side by side; a group ends with its first failure. */
export const fetchSends: OpenSender = (url) => ({
  send: (messages) => fetchGroups(messages, (message) => post(url, message)),
  close: () => undefined,
});

/** The same, but what may be taken later is sent again with its idempotency key, up to ten times. */
export const fetchInsists: OpenSender = (url) => ({
  send: (messages) =>
    fetchGroups(messages, async (message) => {
      for (let time = 1; time <= MOST_TIMES; time += 1) {
        const status = await post(url, message).catch(() => 0);
        if (status === 200) return 200;
        if (status >= 400 && status < 500) return status;
        await pause(PAUSE_MILLISECONDS * time);
      }
      return 0;
    }),
  close: () => undefined,
});

/** `producer.send([...])`, as its README says. */
export const producerSends: OpenSender = (url) => producer(url, 1);

/** The same, and what it says has failed is sent again. */
export const producerInsists: OpenSender = (url) => producer(url, MOST_TIMES);

/** `SendMessageBatchCommand` over slices of ten, one after the other. */
export const sdkSlices: OpenSender = (url) => slices(url, 1);

/** The same, and the entries of a slice that failed are sent again before the next slice. */
export const sdkSlicesInsist: OpenSender = (url) => slices(url, MOST_TIMES);

/** `SendMessageBatchCommand` over slices of ten, all at once: keeps no order, and nobody says it does. */
export const sdkSlicesAtOnce: OpenSender = (url) => {
  const sqs = sqsClient(url);
  return {
    async send(messages) {
      const told = await Promise.all(
        slicesOf(messages).map((slice) => sendSlice(sqs, url, slice, 1).catch(() => slice)),
      );
      return new Set(told.flat());
    },
    close: () => sqs.destroy(),
  };
};

/** `SendMessageCommand` for each message, all at once: keeps no order, and nobody says it does. */
export const sdkSinglesAtOnce: OpenSender = (url) => {
  const sqs = sqsClient(url);
  return {
    async send(messages) {
      const told = new Set<Message>();
      await Promise.all(messages.map((message) => sendSingle(sqs, url, message).catch(() => told.add(message))));
      return told;
    },
    close: () => sqs.destroy(),
  };
};

type Payload = Message["payload"];

function client(
  url: string,
  send: (fifo: FifoClient<Payload>, messages: readonly Message[]) => Promise<ReadonlySet<Message>>,
): Sender {
  const fifo = createFifoClient<{ "queue-1": Payload }>({ endpoint: url, apiKey: "bench", queue: "queue-1" });
  return { send: (messages) => send(fifo, messages), close: () => undefined };
}

/**
 * `sendMany()` rejects with one error a message that was not taken. A group takes nothing behind its first failure, so as
 * many errors as it has, so many of its last messages are meant.
 */
function failedOf(error: unknown, messages: readonly Message[]): Message[] {
  if (!(error instanceof AggregateError)) throw error;
  const errors = Map.groupBy(z.array(z.object({ groupId: z.string() })).parse(error.errors), ({ groupId }) => groupId);
  const groups = Map.groupBy(messages, ({ groupId }) => groupId);
  return [...errors].flatMap(([groupId, { length }]) => groups.get(groupId)?.slice(-length) ?? []);
}

async function fetchGroups(
  messages: readonly Message[],
  send: (message: Message) => Promise<number>,
): Promise<ReadonlySet<Message>> {
  const groups = [...Map.groupBy(messages, (message) => message.groupId).values()];
  const told = await Promise.all(
    groups.map(async (group) => {
      for (const [index, message] of group.entries()) {
        if ((await send(message).catch(() => 0)) !== 200) return group.slice(index);
      }
      return [];
    }),
  );
  return new Set(told.flat());
}

async function post(url: string, message: Message): Promise<number> {
  const response = await fetch(`${url}/queue-1`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-api-key": "bench",
      "idempotency-key": message.deduplicationId,
    },
    body: gatewayBody(message),
  });
  await response.json();
  return response.status;
}

function producer(url: string, mostTimes: number): Sender {
  const sqs = sqsClient(url);
  const made = Producer.create({ queueUrl: queueUrl(url), region: "us-east-1", sqs });
  return {
    async send(messages) {
      let left = messages;
      for (let time = 1; time <= mostTimes && left.length > 0; time += 1) {
        const batch = left.map((message) => ({
          id: entryId(message),
          body: sqsBody(message),
          groupId: message.groupId,
          deduplicationId: message.deduplicationId,
        }));
        const failed = await made.send(batch).then((): string[] => [], failedMessages);
        // An error that names no message says only that not all were sent.
        if (failed === undefined) return NOTHING;
        left = left.filter((message) => failed.includes(entryId(message)));
      }
      return new Set(left);
    },
    close: () => sqs.destroy(),
  };
}

/** Its error class is not exported; it has a list of ids. */
function failedMessages(error: unknown): string[] | undefined {
  return z.object({ failedMessages: z.array(z.string()) }).safeParse(error).data?.failedMessages;
}

function slices(url: string, mostTimes: number): Sender {
  const sqs = sqsClient(url);
  return {
    async send(messages) {
      const told = new Set<Message>();
      let reached = 0;
      try {
        for (const slice of slicesOf(messages)) {
          for (const message of await sendSlice(sqs, url, slice, mostTimes)) told.add(message);
          reached += slice.length;
        }
        return told;
      } catch {
        // It was the SDK's last attempt: the loop ends here, and the caller knows where.
        return new Set([...told, ...messages.slice(reached)]);
      }
    },
    close: () => sqs.destroy(),
  };
}

function sendSingle(sqs: SQSClient, url: string, message: Message): Promise<unknown> {
  return sqs.send(
    new SendMessageCommand({
      QueueUrl: queueUrl(url),
      MessageBody: sqsBody(message),
      MessageGroupId: message.groupId,
      MessageDeduplicationId: message.deduplicationId,
    }),
  );
}

/** Resolves with those that failed; sends again what is not the sender's own fault. */
async function sendSlice(
  sqs: SQSClient,
  url: string,
  slice: readonly Message[],
  mostTimes: number,
): Promise<readonly Message[]> {
  const refused: Message[] = [];
  let left = slice;
  for (let time = 1; time <= mostTimes && left.length > 0; time += 1) {
    const { Failed = [] } = await sqs.send(
      new SendMessageBatchCommand({
        QueueUrl: queueUrl(url),
        Entries: left.map((message) => ({
          Id: entryId(message),
          MessageBody: sqsBody(message),
          MessageGroupId: message.groupId,
          MessageDeduplicationId: message.deduplicationId,
        })),
      }),
    );
    const failed = new Map(Failed.map(({ Id, SenderFault }) => [Id, SenderFault]));
    refused.push(...left.filter((message) => failed.get(entryId(message)) === true));
    left = left.filter((message) => failed.get(entryId(message)) === false);
  }
  return [...refused, ...left];
}

function slicesOf(messages: readonly Message[]): Message[][] {
  return Array.from({ length: Math.ceil(messages.length / MOST_ENTRIES) }, (_, index) =>
    messages.slice(index * MOST_ENTRIES, (index + 1) * MOST_ENTRIES),
  );
}

/** With its endpoint named: without, it writes a warning for every request, and pays for that. */
function sqsClient(endpoint: string): SQSClient {
  const credentials = { accessKeyId: "bench", secretAccessKey: "bench" };
  return new SQSClient({ region: "us-east-1", endpoint, credentials });
}

const queueUrl = (url: string): string => `${url}/000000000000/queue-1.fifo`;

const entryId = ({ groupId, number }: Message): string => `${groupId}-${number}`;

const gatewayBody = ({ groupId, payload }: Message): string => JSON.stringify({ MessageGroupID: groupId, ...payload });

/** The same message as the gateway puts into the queue. */
const sqsBody = (message: Message): string => `{"data":${gatewayBody(message)}}`;

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
