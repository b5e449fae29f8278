import { DeleteMessageCommand } from "@aws-sdk/client-sqs";
import { createConsumer } from "../../runtime/consumer/consumer.ts";
import { readEnvironment } from "../../runtime/consumer/environment.ts";
import { setEnvironment, toRecord } from "./consumer-world.ts";
import {
  credentials,
  deployment,
  type OpsWorld,
  policies,
  type QueueName,
  RETENTION_SECONDS,
  receive,
  region,
} from "./ops-world.ts";

/** A consumer that polls both queues until it is disposed of. */
export interface RunningConsumer extends AsyncDisposable {
  /** Its log lines, parsed. */
  readonly logged: readonly Readonly<Record<string, unknown>>[];
  /** Those of level `error`: what it could not make sense of. */
  errors(): readonly Readonly<Record<string, unknown>>[];
}

/**
 * Starts the real consumer on both queues of a world. One at a time: its AWS clients read the environment, which is as before when
 * it is disposed of.
 *
 * @example await using consumer = startOpsConsumer(world, backend.url);
 */
export function startOpsConsumer(
  world: OpsWorld,
  backendUrl: string,
  { maxAttempts = 3 }: { readonly maxAttempts?: number } = {},
): RunningConsumer {
  const { sqs, endpoints, table, deadLetterUrl } = world;
  const urls = (Object.keys(policies) as QueueName[]).map((name) => [name, world.queueUrl(name)] as const);
  const settings = urls.map(([name, url]) => [
    arn(name),
    {
      name,
      url,
      visibilityTimeoutSeconds: 360,
      retentionSeconds: RETENTION_SECONDS,
      maxAttempts,
      failurePolicy: policies[name],
      ...(policies[name] === "dead-letter" ? { deadLetterUrl } : {}),
    },
  ]);
  const logged: Record<string, unknown>[] = [];
  // The SDK reads these itself, as it does inside the function: when a client makes its first call.
  const restoreEnvironment = setEnvironment({
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_ENDPOINT_URL_SQS: endpoints.sqs,
    AWS_ENDPOINT_URL_DYNAMODB: endpoints.dynamodb,
  });
  const consumer = createConsumer(
    readEnvironment({
      BACKEND_URL: backendUrl,
      BACKEND_TIMEOUT_MILLISECONDS: "2000",
      PARKING_LOT_TABLE: table,
      QUEUES: JSON.stringify(Object.fromEntries(settings)),
    }),
    (line) => logged.push(JSON.parse(line) as Record<string, unknown>),
  );
  const stopping = new AbortController();
  const poll = async (name: QueueName, url: string) => {
    while (!stopping.signal.aborted) {
      const messages = await receive(sqs, url, 20, stopping.signal).catch((error: unknown) => {
        if (stopping.signal.aborted) return [];
        throw error;
      });
      if (messages.length === 0) continue;
      const Records = messages.map((message) => toRecord(message, arn(name)));
      const answer = await consumer({ Records }, { getRemainingTimeInMillis: () => 60_000 });
      const kept = new Set(answer.batchItemFailures.map((failure) => failure.itemIdentifier));
      for (const { MessageId, ReceiptHandle } of messages) {
        if (!kept.has(MessageId ?? "")) await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
      }
    }
  };
  const polls = urls.map(([name, url]) => poll(name, url));
  return {
    logged,
    errors: () => logged.filter(({ level }) => level === "error"),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      try {
        await Promise.all(polls);
      } finally {
        restoreEnvironment();
      }
    },
  };
}

function arn(name: QueueName): string {
  return `arn:aws:sqs:${region}:000000000000:${deployment}-${name}.fifo`;
}
