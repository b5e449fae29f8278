import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { QueueEngine } from "../queue/engine.ts";
import { type MessageAttributes, type ReceivedMessage, systemAttributes } from "../queue/message.ts";
import type { EmittedResource } from "../terraform/model.ts";
import { failedItems } from "./batch-response.ts";
import { InvocationError } from "./process.ts";
import type { FunctionRunner } from "./runner.ts";

/** A poller between one queue and one function. */
export interface EventSource {
  /** Takes nothing more; resolves when the invocations under way have ended. */
  stop(): Promise<void>;
}

export interface EventSourceOptions {
  readonly mapping: EmittedResource;
  readonly engine: QueueEngine;
  readonly runner: FunctionRunner;
  readonly region: string;
  /**
   * How long to wait between receiving a batch and invoking the function, as Lambda does under load.
   *
   * @param batch counts this source's batches from 1
   * @default no wait
   */
  readonly startDelayMilliseconds?: ((batch: number) => number) | undefined;
  /** Told of every invocation that failed as a whole: its messages wait for their visibility timeout. */
  readonly onFailure?: ((reason: string) => void) | undefined;
}

/** Lambda's limit of a synchronous invocation's payload, in bytes (quota "Invocation payload": 6 MB). */
const MAX_PAYLOAD_BYTES = 6 * 1_048_576;
/** `{"Records":[]}`. */
const ENVELOPE_BYTES = 14;
/** Batches at the same time in the beginning. Lambda starts with five; each is a process here, and they share the cores. */
const FIRST_CONCURRENCY = 2;
/** One more batch at a time so often, while all are busy: a start costs a third of a second of a core. */
const GROW_EVERY_MILLISECONDS = 1_000;
const RETRY_RECEIVE_MILLISECONDS = 1_000;

const mappingSchema = z.strictObject({
  event_source_arn: z.string(),
  function_name: z.string(),
  // More than ten needs a batching window, which a FIFO queue's mapping cannot have.
  batch_size: z.int().min(1).max(10),
  enabled: z.boolean().default(true),
  function_response_types: z.array(z.literal("ReportBatchItemFailures")).default([]),
  scaling_config: z.strictObject({ maximum_concurrency: z.int().min(2).max(1_000) }),
  id: z.string(),
  uuid: z.string(),
});

/**
 * Runs an emitted `aws_lambda_event_source_mapping` on a queue: receives up to `batch_size` messages, invokes the function, and
 * deletes what it did not return as failed. The queue itself keeps a group's messages to one batch at a time.
 *
 * @throws Error that names the mapping's address and the argument that local mode does not know
 * @example
 * const source = startEventSource({ mapping, engine, runner, region: "ap-northeast-2" });
 * await source.stop();
 */
export function startEventSource(options: EventSourceOptions): EventSource {
  const { engine, runner, region } = options;
  const parsed = mappingSchema.safeParse(options.mapping.values);
  if (!parsed.success) throw new Error(`${options.mapping.address}: ${z.prettifyError(parsed.error)}`);
  const mapping = parsed.data;
  const queueName = mapping.event_source_arn.slice(mapping.event_source_arn.lastIndexOf(":") + 1);
  if (!engine.hasQueue(queueName)) {
    throw new Error(
      `${options.mapping.address}: event_source_arn is ${mapping.event_source_arn}, which is no queue here`,
    );
  }
  if (mapping.function_name !== runner.arn && mapping.function_name !== runner.name) {
    throw new Error(`${options.mapping.address}: function_name is ${mapping.function_name}, which is no function here`);
  }
  const reports = mapping.function_response_types.length > 0;
  const stopping = new AbortController();
  const loops: Promise<void>[] = [];
  let running = 0;
  let batches = 0;

  async function poll(): Promise<void> {
    while (!stopping.signal.aborted) {
      const messages = await receive();
      if (messages.length === 0) continue;
      running += 1;
      await deliver(messages).catch((error: unknown) => {
        // Not on the way out: what was under way is killed then, and its messages stay in the queue.
        if (!stopping.signal.aborted) options.onFailure?.(describe(error));
      });
      running -= 1;
    }
  }

  async function receive(): Promise<readonly ReceivedMessage[]> {
    try {
      const { signal } = stopping;
      return await engine.receive(queueName, { maxMessages: mapping.batch_size, waitSeconds: 20, signal });
    } catch (error) {
      if (stopping.signal.aborted) return [];
      // Someone deleted the queue: as in Lambda, the poller goes on trying.
      options.onFailure?.(`cannot receive from ${queueName}: ${error instanceof Error ? error.message : "unknown"}`);
      await sleep(RETRY_RECEIVE_MILLISECONDS, undefined, { signal: stopping.signal }).catch(() => undefined);
      return [];
    }
  }

  async function deliver(received: readonly ReceivedMessage[]): Promise<void> {
    const { event, messages, rest } = cut(received, mapping.event_source_arn, region);
    // Behind a group's messages in flight, so the group's order is safe.
    for (const { receiptHandle } of rest.toReversed()) engine.changeVisibility(queueName, receiptHandle, 0);
    batches += 1;
    if (options.startDelayMilliseconds !== undefined) await sleep(options.startDelayMilliseconds(batches));
    const result = await runner.invoke(event);
    const ids = messages.map(({ messageId }) => messageId);
    const failed = reports ? failedItems(result, ids) : new Set();
    const settled = messages.filter(({ messageId }) => !failed.has(messageId));
    if (settled.length === 0) return;
    engine.deleteBatch(
      queueName,
      settled.map(({ receiptHandle }, index) => ({ id: String(index), receiptHandle })),
    );
  }

  function grow(): void {
    if (loops.length < mapping.scaling_config.maximum_concurrency && running === loops.length) loops.push(poll());
  }

  let growth: NodeJS.Timeout | undefined;
  if (mapping.enabled) {
    for (let index = 0; index < FIRST_CONCURRENCY; index += 1) loops.push(poll());
    growth = setInterval(grow, GROW_EVERY_MILLISECONDS);
  }

  return {
    async stop() {
      clearInterval(growth);
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

/** As many messages as fit into one payload, and the event of them. */
function cut(received: readonly ReceivedMessage[], sourceArn: string, region: string) {
  const records: unknown[] = [];
  let bytes = ENVELOPE_BYTES;
  for (const message of received) {
    const record = toRecord(message, sourceArn, region);
    bytes += Buffer.byteLength(JSON.stringify(record)) + 1;
    if (bytes > MAX_PAYLOAD_BYTES && records.length > 0) break;
    records.push(record);
  }
  return {
    event: { Records: records },
    messages: received.slice(0, records.length),
    rest: received.slice(records.length),
  };
}

/** A message as Lambda's SQS events have it. */
function toRecord(message: ReceivedMessage, sourceArn: string, region: string) {
  return {
    messageId: message.messageId,
    receiptHandle: message.receiptHandle,
    body: message.body,
    attributes: systemAttributes(message),
    messageAttributes: toEventAttributes(message.messageAttributes),
    md5OfBody: message.md5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: sourceArn,
    awsRegion: region,
  };
}

function toEventAttributes(attributes: MessageAttributes) {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, attribute]) => [
      name,
      { ...attribute, stringListValues: [], binaryListValues: [] },
    ]),
  );
}

function describe(error: unknown): string {
  if (error instanceof InvocationError)
    return `${error.message} (${error.code}): its messages wait for their visibility timeout`;
  return error instanceof Error ? error.message : "an unknown error";
}
