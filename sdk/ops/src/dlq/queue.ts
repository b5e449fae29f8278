import { GetQueueAttributesCommand, type QueueAttributeName, type SQSClient } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { giveUpAfter } from "../../../../runtime/give-up.ts";

/** A queue and its dead-letter queue. */
export interface DeadLetterQueue {
  readonly sqs: SQSClient;
  /** Where redriven messages go. */
  readonly queueUrl: string;
  readonly deadLetterUrl: string;
}

/** What every verb takes. */
export interface DlqOptions {
  /** Ends the verb early and in order: what it holds is given back, and what it did until then is in its answer. */
  readonly signal?: AbortSignal;
  /** Told of what happens, for long work. */
  readonly progress?: (event: DlqProgress) => void;
  /**
   * A receive that got nothing for so many seconds ends the verb: a count would not do, counts of SQS are approximate. 1 to 20;
   * 0 is for tests: such a receive asks only some of SQS's servers.
   *
   * @default 1
   */
  readonly waitSeconds?: number;
  /** How long received messages are hidden from others; prolonged while the verb runs. @default 30, of a redrive 60 */
  readonly visibilitySeconds?: number;
  /** How long a call to SQS may take, its retries included, in milliseconds; a receive's wait comes on top. @default 10000 */
  readonly callMilliseconds?: number;
  /** The clock, in milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** Something that happened while a verb runs. */
export type DlqProgress =
  | { readonly kind: "received"; readonly messages: number }
  | { readonly kind: "moved" | "discarded"; readonly groupId: string; readonly messageId: string }
  | { readonly kind: "stopped"; readonly groupId: string; readonly reason: string };

/** How long a call may take, in milliseconds: SQS answers in some tens, and a retry of the SDK waits up to a second or two. */
export const CALL_MILLISECONDS = 10_000;

const count = z.coerce.number().int().nonnegative();

/**
 * How many messages a queue has, those that are hidden included.
 *
 * @returns an approximation: SQS says that its counts are right about a minute after the last send
 */
export async function countMessages(sqs: SQSClient, queueUrl: string, milliseconds: number): Promise<number> {
  const names = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
  ] as const;
  const attributes = await readAttributes(sqs, queueUrl, names, milliseconds);
  return names.reduce((sum, name) => sum + count.parse(attributes[name]), 0);
}

/** The most that a message of the queue may have, body and message attributes together, in bytes. */
export async function readMaximumBytes(sqs: SQSClient, queueUrl: string, milliseconds: number): Promise<number> {
  const attributes = await readAttributes(sqs, queueUrl, ["MaximumMessageSize"], milliseconds);
  return count.parse(attributes.MaximumMessageSize);
}

async function readAttributes(
  sqs: SQSClient,
  queueUrl: string,
  names: readonly QueueAttributeName[],
  milliseconds: number,
): Promise<Partial<Record<string, string>>> {
  const command = new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...names] });
  const { Attributes } = await giveUpAfter(milliseconds, (abortSignal) => sqs.send(command, { abortSignal }));
  return Attributes ?? {};
}

/** An error of the SDK in a line. SQS's texts name parameters, limits and ARNs; bodies are not in them. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 500) : "unknown error";
}
