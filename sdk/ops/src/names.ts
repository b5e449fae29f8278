import { GetQueueUrlCommand, paginateListQueues, QueueDoesNotExist } from "@aws-sdk/client-sqs";
import { GROUP_ID_PATTERN, QUEUE_PATTERN } from "../../client/src/contract.ts";
import type { Connection } from "./connection.ts";
import { OpsError } from "./errors.ts";

const FIFO = ".fifo";
const DEAD_LETTER = `-dead-letter${FIFO}`;

/** The queue's name in SQS. @example queueName("dev", "queue-1") // "dev-queue-1.fifo" */
export function queueName(deployment: string, queue: string): string {
  return `${deployment}-${queue}${FIFO}`;
}

/** The dead-letter queue's name in SQS. @example deadLetterName("dev", "queue-1") // "dev-queue-1-dead-letter.fifo" */
export function deadLetterName(deployment: string, queue: string): string {
  return `${deployment}-${queue}${DEAD_LETTER}`;
}

/** The parking lot's name in DynamoDB. @example parkingLotName("dev") // "dev-parking-lot" */
export function parkingLotName(deployment: string): string {
  return `${deployment}-parking-lot`;
}

/**
 * URL of a queue.
 *
 * @param queue name in `main.ts`
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`; the SDK's errors
 */
export async function queueUrl(connection: Connection, queue: string): Promise<string> {
  checkQueue(connection, queue);
  return urlOf(connection, queueName(connection.deployment, queue));
}

/**
 * URL of a queue's dead-letter queue.
 *
 * @param queue name in `main.ts`
 * @throws OpsError `INVALID_ARGUMENT`, `UNKNOWN_QUEUE`; the SDK's errors
 */
export async function deadLetterUrl(connection: Connection, queue: string): Promise<string> {
  checkQueue(connection, queue);
  return urlOf(connection, deadLetterName(connection.deployment, queue));
}

/**
 * Names of the deployment's queues, as `main.ts` has them, sorted. They are found by the beginning of their names in SQS: beside a
 * deployment `dev-eu`, `dev` seems to have its queues, too, as `eu-queue-1`.
 *
 * @throws the SDK's errors
 */
export async function queueNames(connection: Connection): Promise<readonly string[]> {
  const names = (await physicalNames(connection)).filter((name) => !name.endsWith(DEAD_LETTER));
  return names.map((name) => name.slice(connection.deployment.length + 1, -FIFO.length));
}

/** @throws OpsError `INVALID_ARGUMENT` */
export function checkGroupId(groupId: string): void {
  if (new RegExp(GROUP_ID_PATTERN).test(groupId)) return;
  throw new OpsError(
    "INVALID_ARGUMENT",
    `group is ${JSON.stringify(groupId)}: expected 1 to 128 ASCII letters, digits and punctuation`,
  );
}

/**
 * Reads a sequence number as a person writes it.
 *
 * @returns all of its 20 digits
 * @throws OpsError `INVALID_ARGUMENT`
 */
export function parseSequenceNumber(text: string): string {
  if (/^\d{1,20}$/.test(text)) return text.padStart(20, "0");
  throw new OpsError(
    "INVALID_ARGUMENT",
    `sequence is ${JSON.stringify(text)}: expected a sequence number of up to 20 digits, as parked list --group shows it`,
  );
}

function checkQueue({ deployment }: Connection, queue: string): void {
  if (new RegExp(QUEUE_PATTERN).test(queue)) return;
  const hint = queue.endsWith(FIFO) ? `without ${deployment}- and ${FIFO}` : "such as queue-1";
  const folder = /[/\\]/.test(queue) ? "; a folder of local mode is written --local=<folder>" : "";
  throw new OpsError(
    "INVALID_ARGUMENT",
    `queue is ${JSON.stringify(queue)}: expected its name in main.ts, ${hint}${folder}`,
  );
}

async function urlOf(connection: Connection, QueueName: string): Promise<string> {
  try {
    const { QueueUrl } = await connection.sqs.send(new GetQueueUrlCommand({ QueueName }));
    if (QueueUrl !== undefined) return QueueUrl;
  } catch (error) {
    if (!(error instanceof QueueDoesNotExist)) throw error;
  }
  throw new OpsError(
    "UNKNOWN_QUEUE",
    `${connection.region} has no queue ${QueueName}; ${await knownQueues(connection)}. Check queue, --deployment and --region`,
  );
}

/** For an error's text: whoever may not list queues still has to learn of the first error. */
async function knownQueues(connection: Connection): Promise<string> {
  try {
    const names = await physicalNames(connection);
    return names.length === 0 ? `none is of deployment ${connection.deployment}` : `it has ${names.join(", ")}`;
  } catch {
    return "which ones it has, these credentials may not list";
  }
}

async function physicalNames({ sqs, deployment }: Connection): Promise<readonly string[]> {
  const names: string[] = [];
  const pages = paginateListQueues({ client: sqs, pageSize: 1_000 }, { QueueNamePrefix: `${deployment}-` });
  for await (const { QueueUrls = [] } of pages) {
    for (const url of QueueUrls) names.push(url.slice(url.lastIndexOf("/") + 1));
  }
  return names.filter((name) => name.endsWith(FIFO)).toSorted();
}
