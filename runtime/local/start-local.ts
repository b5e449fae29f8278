import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type BackendProcess, startBackend } from "./backend.ts";
import { createQueues } from "./create-queues.ts";
import { type EventSource, startEventSource } from "./function/event-source.ts";
import { unpackFunction } from "./function/package.ts";
import { FunctionRunner, platformEnvironment } from "./function/runner.ts";
import { startGateway } from "./gateway/server.ts";
import { openKeys } from "./keys.ts";
import { choosePorts } from "./ports.ts";
import type { QueueEngine } from "./queue/engine.ts";
import { startQueueServer } from "./queue/server.ts";
import { synthesise } from "./synth.ts";
import { startTableServer } from "./table/server.ts";
import type { EmittedResource } from "./terraform/model.ts";
import { type EmittedDeployment, readDeployment } from "./terraform/read-deployment.ts";
import { followWaitingMessages, readWaitingMessages, type WaitingMessages } from "./waiting-messages.ts";

/** The account that local ARNs are of. */
export const LOCAL_ACCOUNT_ID = "000000000000";

const PROJECT_ROOT = join(import.meta.dirname, "../..");
/** How long an orderly stop waits for invocations under way. What it cuts off stays in its queue. */
const STOP_MILLISECONDS = 3_000;

/** How local mode is to be. */
export interface LocalOptions {
  /** The data folder; one process at a time. */
  readonly data: string;
  /** @default "dev" */
  readonly deployment?: string | undefined;
  /** The gateway's port. @default that of the last run in this folder, or a free one */
  readonly port?: number | undefined;
  /** Where messages are posted to. @default a response server that is started for it */
  readonly backendUrl?: string | undefined;
  /** A synthesised folder to run. @default main.ts is run for it */
  readonly synthesised?: string | undefined;
  /** Told of each stage, and of what goes wrong while it serves. @default nobody */
  readonly say?: ((line: string) => void) | undefined;
  /** Waits so long between receiving a batch and invoking the function, as Lambda may. @default 0 */
  readonly startDelayMilliseconds?: number | undefined;
}

/** One line of the consumer's log, as far as local mode reads it. */
export interface SettledLine {
  readonly queue: string;
  readonly messageId: string;
  readonly outcome: string;
}

/** A queue of the deployment, under its name in the configuration and in SQS. */
export interface LocalQueue {
  /** As in the route, e.g. `queue-1`. */
  readonly name: string;
  /** As in SQS, e.g. `dev-queue-1.fifo`. */
  readonly physicalName: string;
  readonly visibilityTimeoutSeconds: number;
}

/** A producer's key. */
export interface LocalKey {
  readonly name: string;
  readonly value: string;
}

/** The running path. */
export interface Local {
  /** The gateway with its stage, e.g. `http://127.0.0.1:41234/kimalarm`. */
  readonly endpoint: string;
  readonly sqs: string;
  readonly dynamodb: string;
  readonly region: string;
  readonly keys: readonly LocalKey[];
  readonly queues: readonly LocalQueue[];
  readonly engine: QueueEngine;
  readonly waiting: WaitingMessages;
  readonly logFolder: string;
  /** Calls back for each `message.settled` of the consumer. @returns ends that */
  onSettled(listener: (line: SettledLine) => void): () => void;
  /** Messages in the deployment's queues, dead-letter queues not counted. */
  backlog(): number;
  /** Stops everything, children included. */
  close(): Promise<void>;
}

const settledSchema = z.object({
  event: z.literal("message.settled"),
  queue: z.string(),
  messageId: z.string(),
  outcome: z.string(),
});
const queuesSchema = z.record(z.string(), z.object({ name: z.string(), visibilityTimeoutSeconds: z.number() }));

/**
 * Starts a deployment on this machine from its emitted Terraform: gateway, queues, table, function and backend.
 *
 * @throws Error that names what could not be started and why; everything that was started is stopped then
 * @example
 * const local = await startLocal({ data: ".local", say: console.log });
 * await fetch(`${local.endpoint}/queue-1`, { method: "POST", headers: { "x-api-key": local.keys[0]?.value ?? "" }, body: "..." });
 * await local.close();
 */
export async function startLocal(options: LocalOptions): Promise<Local> {
  const say = options.say ?? (() => undefined);
  const stack = new AsyncDisposableStack();
  try {
    const local = await start(options, say, stack);
    let closed: Promise<void> | undefined;
    return {
      ...local,
      close() {
        closed ??= stack.disposeAsync();
        return closed;
      },
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function start(
  options: LocalOptions,
  say: (line: string) => void,
  stack: AsyncDisposableStack,
): Promise<Omit<Local, "close">> {
  const { data } = options;
  const logFolder = join(data, "logs");
  const queueFile = join(data, "queues.sqlite");
  await mkdir(logFolder, { recursive: true });
  // First of all, since it fails when another process has the data folder.
  const ids = readWaitingMessages(queueFile);
  const { ports, moved } = await choosePorts(join(data, "ports.json"), options.port);
  for (const line of moved) say(line);

  const folder = options.synthesised ?? join(data, "cdktf.out");
  if (options.synthesised === undefined) {
    await synthesise(PROJECT_ROOT, folder);
    say(`synth        ${folder}`);
  }
  const backendUrl = options.backendUrl ?? `http://127.0.0.1:${ports.backend}/`;
  const deployment = await readDeployment({
    folder,
    deployment: options.deployment ?? "dev",
    variables: { backend_url: backendUrl },
    accountId: LOCAL_ACCOUNT_ID,
    endpoints: { sqs: `http://127.0.0.1:${ports.sqs}`, gateway: `http://127.0.0.1:${ports.gateway}` },
    apiKeyValue: openKeys(join(data, "keys.json")),
  });
  const { region, resources } = deployment;
  say(`terraform    ${resources.length} resources in ${deployment.folders.size} stacks`);
  for (const line of deployment.ignored) say(`             read, not run: ${line}`);

  const queueServer = await startQueueServer({ file: queueFile, port: ports.sqs, region });
  stack.defer(() => queueServer.close());
  const { engine } = queueServer;
  createQueues(engine, resources);
  // Whoever received them ended with the process that started it.
  engine.releaseInFlight();
  const waiting = followWaitingMessages(engine, ids);
  say(`queues       ${queueServer.url}`);

  const table = await startTableServer({ resources, folder: join(data, "table"), port: ports.dynamodb, region });
  stack.defer(() => table.close());
  say(`table        ${table.url}`);

  if (options.backendUrl === undefined) {
    const backend: BackendProcess = await startBackend({ port: ports.backend, logFolder, onDeath: say });
    stack.defer(() => backend.close());
  }
  say(`backend      ${backendUrl}`);

  const consumer = await startFunction(deployment, {
    data,
    endpoints: { sqs: queueServer.url, dynamodb: table.url },
  });
  stack.defer(() => consumer.close());
  say(`function     ${consumer.runner.name}`);

  const gatewayLog = createWriteStream(join(logFolder, "gateway.jsonl"), { flags: "a" });
  stack.defer(() => void gatewayLog.end());
  const gateway = await startGateway({
    resources,
    port: ports.gateway,
    file: join(data, "usage.sqlite"),
    endpoints: { sqs: queueServer.url },
    region,
    accountId: LOCAL_ACCOUNT_ID,
    log: (entry) => void gatewayLog.write(`${JSON.stringify(entry)}\n`),
  });
  stack.defer(() => gateway.close());
  say(`gateway      ${gateway.url}`);

  const sources = resources
    .filter(({ type }) => type === "aws_lambda_event_source_mapping")
    .map((mapping) =>
      startEventSource({
        mapping,
        engine,
        runner: consumer.runner,
        region,
        startDelayMilliseconds: options.startDelayMilliseconds,
        onFailure: say,
      }),
    );
  stack.defer(() => stopSources(sources));

  const queues = consumer.queues;
  return {
    endpoint: gateway.url,
    sqs: queueServer.url,
    dynamodb: table.url,
    region,
    keys: resources.filter(({ type }) => type === "aws_api_gateway_api_key").map(toKey),
    queues,
    engine,
    waiting,
    logFolder,
    onSettled: consumer.onSettled,
    backlog: () => queues.reduce((sum, { physicalName }) => sum + countMessages(engine, physicalName), 0),
  };
}

async function startFunction(
  deployment: EmittedDeployment,
  options: { readonly data: string; readonly endpoints: { readonly sqs: string; readonly dynamodb: string } },
) {
  const functions = deployment.resources.filter(({ type }) => type === "aws_lambda_function");
  const [resource, another] = functions;
  if (resource === undefined || another !== undefined) {
    throw new Error(`local mode runs one function, the consumer; the stacks have ${functions.length}`);
  }
  const stackFolder = deployment.folders.get(resource.stack) ?? "";
  const code = await unpackFunction(resource, stackFolder, join(options.data, "function"));
  const log = createWriteStream(join(options.data, "logs", "consumer.jsonl"), { flags: "a" });
  const listeners = new Set<(line: SettledLine) => void>();
  const runner = new FunctionRunner({
    package: code,
    platform: platformEnvironment({
      functionName: code.name,
      memoryMegabytes: code.memoryMegabytes,
      region: deployment.region,
      endpoints: options.endpoints,
    }),
    log(line) {
      log.write(`${line}\n`);
      if (listeners.size === 0 || !line.includes('"message.settled"')) return;
      const settled = parseSettled(line);
      if (settled !== undefined) for (const listener of listeners) listener(settled);
    },
  });
  const queues = Object.entries(queuesSchema.parse(JSON.parse(code.environment["QUEUES"] ?? "{}"))).map(
    ([arn, { name, visibilityTimeoutSeconds }]): LocalQueue => ({
      name,
      physicalName: arn.slice(arn.lastIndexOf(":") + 1),
      visibilityTimeoutSeconds,
    }),
  );
  return {
    runner,
    queues,
    onSettled(listener: (line: SettledLine) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      await runner.close();
      log.end();
    },
  };
}

/**
 * Reads a line of `consumer.jsonl`.
 *
 * @returns undefined when it is no `message.settled`
 */
export function parseSettled(line: string): SettledLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // A function's output may be anything; a kill may have cut it.
    return undefined;
  }
  const parsed = settledSchema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

async function stopSources(sources: readonly EventSource[]): Promise<void> {
  const waited = new AbortController();
  await Promise.race([
    Promise.all(sources.map((source) => source.stop())),
    sleep(STOP_MILLISECONDS, undefined, { signal: waited.signal }).catch(() => undefined),
  ]);
  waited.abort();
}

function toKey({ address, values }: EmittedResource): LocalKey {
  const parsed = z.object({ name: z.string(), value: z.string() }).safeParse(values);
  if (!parsed.success) throw new Error(`${address}: a key needs a name`);
  return parsed.data;
}

function countMessages(engine: QueueEngine, name: string): number {
  const names = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
  ];
  return Object.values(engine.queueAttributes(name, names)).reduce((sum, count) => sum + Number(count), 0);
}
