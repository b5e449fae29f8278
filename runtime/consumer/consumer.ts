import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SQSClient } from "@aws-sdk/client-sqs";
import { createAttempts } from "../parking-lot/attempts.ts";
import { parkedGroups } from "../parking-lot/groups.ts";
import { createParkingLot } from "../parking-lot/parking-lot.ts";
import { createStarted } from "../parking-lot/started.ts";
import { createBackend } from "./backend.ts";
import type { Environment } from "./environment.ts";
import { EventError, isCountRequest, parseEvent } from "./event.ts";
import { deadLetter } from "./failure-policy.ts";
import { createLog } from "./log.ts";
import { CALL_MILLISECONDS, type Ports } from "./ports.ts";
import { createQueue } from "./queue.ts";
import { settle } from "./settle.ts";

/** The answer of a function with `ReportBatchItemFailures`: what is named here stays in the queue. */
export interface BatchResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** The part of Lambda's context that the consumer reads. */
export interface InvocationContext {
  getRemainingTimeInMillis(): number;
}

/** A Lambda handler for the SQS event source. */
export type Consumer = (event: unknown, context: InvocationContext) => Promise<BatchResponse>;

/**
 * For one try of a call to AWS, in milliseconds. They bound the hold at the beginning of an invocation, to a little over four
 * seconds with its second try; every other call has {@link CALL_MILLISECONDS} for all of its tries.
 */
const AWS_TIMEOUTS = { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true } as const;

/** Once more at most, which is what a connection that was closed while idle needs: the rest is the visibility timeout's. */
const AWS_ATTEMPTS = 2;

/**
 * Connects the settling of batches to SQS, DynamoDB and the backend. Region, credentials and endpoints are the AWS SDK's own
 * environment variables.
 *
 * Besides the event source's batches it takes `{"countParkedGroups":true}`, which a schedule sends, and logs the count.
 *
 * The handler throws EventError when the event is none of SQS's or its queue is not in the environment; Lambda then leaves the
 * whole batch in the queue.
 *
 * @param write takes one log line, newline included
 * @example export const handler = createConsumer(readEnvironment(process.env), (line) => process.stdout.write(line));
 */
export function createConsumer(environment: Environment, write: (line: string) => void): Consumer {
  const aws = { maxAttempts: AWS_ATTEMPTS, requestHandler: AWS_TIMEOUTS };
  // The client's endpoint counts, not the queue URL's host: a local queue server may be on another one.
  const queue = createQueue(new SQSClient({ ...aws, useQueueUrlAsEndpoint: false }), CALL_MILLISECONDS);
  const client = new DynamoDBClient(aws);
  const { parkingLotTable } = environment;
  const store = { client, table: parkingLotTable, callMilliseconds: CALL_MILLISECONDS, now: Date.now };
  const ports: Omit<Ports, "remaining"> = {
    queue: queue.port,
    backend: createBackend({
      url: environment.backendUrl,
      timeoutMilliseconds: environment.backendTimeoutMilliseconds,
    }),
    deadLetter: deadLetter(queue.send),
    parkingLot: createParkingLot(store),
    attempts: createAttempts(store),
    started: createStarted(store),
    now: Date.now,
    random: Math.random,
    uniqueId: randomUUID,
    log: createLog(write, Date.now),
  };

  /** The gauge behind the metric of parked groups. A queue that parks no more may have groups that are still parked. */
  async function countParkedGroups(): Promise<void> {
    for (const { name } of environment.queues.values()) {
      let groups = 0;
      for await (const _ of parkedGroups(client, parkingLotTable, name)) groups += 1;
      ports.log("info", "parked.groups", { queue: name, groups });
    }
  }

  return async (event, context) => {
    try {
      if (isCountRequest(event)) {
        await countParkedGroups();
        return { batchItemFailures: [] };
      }
      const { queueArn, messages } = parseEvent(event);
      const settings = environment.queues.get(queueArn);
      if (settings === undefined) {
        throw new EventError(
          "UNKNOWN_QUEUE",
          `${queueArn} is not in QUEUES (${[...environment.queues.keys()].join(", ")})`,
        );
      }
      const remaining = () => context.getRemainingTimeInMillis();
      const kept = await settle(settings, messages, environment, { ...ports, remaining });
      return { batchItemFailures: kept.map((itemIdentifier) => ({ itemIdentifier })) };
    } catch (error) {
      const code = error instanceof EventError ? error.code : "unexpected";
      ports.log("error", "consumer.failed", { detail: code });
      throw error;
    }
  };
}
