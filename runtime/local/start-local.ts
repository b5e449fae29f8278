import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { LOCAL_ACCOUNT_ID } from "./account.ts";
import { type BackendProcess, startBackend } from "./backend.ts";
import { createQueues } from "./create-queues.ts";
import { startEventSource } from "./function/event-source.ts";
import { startSchedule } from "./function/schedule.ts";
import { startGateway } from "./gateway/server.ts";
import { openKeys } from "./keys.ts";
import { removeLocalFile, writeLocalFile } from "./local-file.ts";
import { openLogFile } from "./log-file.ts";
import { choosePorts } from "./ports.ts";
import type { QueueEngine } from "./queue/engine.ts";
import { startQueueServer } from "./queue/server.ts";
import type { SettledLine } from "./settled-line.ts";
import { type LocalQueue, startFunction } from "./start-function.ts";
import { synthesise } from "./synth.ts";
import { startTableServer } from "./table/server.ts";
import type { EmittedResource } from "./terraform/model.ts";
import { readDeployment } from "./terraform/read-deployment.ts";
import { readOriginalIds, readParkedIds, waitingMessages } from "./waiting-messages.ts";

const PROJECT_ROOT = join(import.meta.dirname, "../..");
/** How long an orderly stop waits for invocations under way. What it cuts off stays in its queue. */
const STOP_MILLISECONDS = 3_000;

/** How local mode is to be. */
export interface LocalOptions {
  /** The data folder; one process at a time. */
  readonly data: string;
  /** The deployment's name. @default `dev` when there is one, else the only one */
  readonly deployment?: string | undefined;
  /** The gateway's port. @default that of the last run in this folder, or a free one */
  readonly port?: number | undefined;
  /** Where messages are posted to. @default a response server that is started for it */
  readonly backendUrl?: string | undefined;
  /** A synthesised folder to run. @default main.ts is run for it */
  readonly synthesised?: string | undefined;
  /** Told of each stage, and of what goes wrong while it serves. @default nobody */
  readonly say?: ((line: string) => void) | undefined;
  /** How long a queue's n-th batch, counted from 1, waits before the function is invoked, as Lambda's may. @default no wait */
  readonly startDelayMilliseconds?: ((batch: number) => number) | undefined;
}

/** A producer's key. */
export interface LocalKey {
  readonly name: string;
  readonly value: string;
}

/** The running path. */
export interface Local {
  /** The gateway, with its stage where paths have one, e.g. `http://127.0.0.1:41234/kimalarm`. */
  readonly endpoint: string;
  readonly sqs: string;
  readonly dynamodb: string;
  readonly region: string;
  readonly keys: readonly LocalKey[];
  readonly queues: readonly LocalQueue[];
  readonly engine: QueueEngine;
  readonly logFolder: string;
  /** Calls back for each `message.settled` of the consumer. @returns ends that */
  onSettled(listener: (line: SettledLine) => void): () => void;
  /** Messages in the deployment's queues, dead-letter queues not counted. */
  backlog(): number;
  /**
   * Ids of the messages that are in a queue now, dead-letter queues included; a copy there stands for its original, too. And of
   * those that were in the parking lot when this started.
   */
  waiting(): ReadonlySet<string>;
  /** Resolves when what the consumer has logged so far can be read from its log. */
  flushLog(): Promise<void>;
  /** Stops everything, children included. */
  close(): Promise<void>;
}

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
  const originals = readOriginalIds(queueFile);
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
    deployment: options.deployment,
    variables: { backend_url: backendUrl },
    accountId: LOCAL_ACCOUNT_ID,
    endpoints: { sqs: `http://127.0.0.1:${ports.sqs}`, gateway: `http://127.0.0.1:${ports.gateway}` },
    apiKeyValue: openKeys(join(data, "keys.json")),
  });
  const { region, resources } = deployment;
  say(`terraform    ${deployment.name}: ${resources.length} resources in ${deployment.stacks.length} stacks`);
  for (const { reason, types } of deployment.ignored) {
    const held = resources.filter(({ type }) => types.includes(type)).length;
    say(`             read, not run: ${reason} (${held})`);
  }

  const queueServer = await startQueueServer({ file: queueFile, port: ports.sqs, region });
  stack.defer(() => queueServer.close());
  const { engine } = queueServer;
  // The data folder is this process's from here on. What a killed one left says where nothing listens any more.
  removeLocalFile(data);
  createQueues(engine, resources);
  // Whoever received them ended with the process that started it.
  engine.releaseInFlight();
  say(`queues       ${queueServer.url}`);

  const table = await startTableServer({ resources, folder: join(data, "table"), port: ports.dynamodb, region });
  stack.defer(() => table.close());
  const parked = await readParkedIds({ resources, url: table.url, region });
  say(`table        ${table.url}`);

  if (options.backendUrl === undefined) {
    const backend: BackendProcess = await startBackend({ port: ports.backend, logFolder, onFailure: say });
    stack.defer(() => backend.close());
  }
  say(`backend      ${backendUrl}`);

  const consumer = await startFunction(deployment, {
    data,
    folder,
    endpoints: { sqs: queueServer.url, dynamodb: table.url },
    say,
  });
  stack.defer(() => consumer.close());
  say(`function     ${consumer.runner.name}`);

  const gatewayLog = await openLogFile(join(logFolder, "gateway.jsonl"), say);
  stack.defer(() => gatewayLog.close());
  const gateway = await startGateway({
    resources,
    port: ports.gateway,
    file: join(data, "usage.sqlite"),
    endpoints: { sqs: queueServer.url },
    region,
    accountId: LOCAL_ACCOUNT_ID,
    log: (entry) => gatewayLog.write(JSON.stringify(entry)),
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
  stack.defer(() => stopInTime(sources));
  const schedule = startSchedule({ resources, runner: consumer.runner, onFailure: say });
  stack.defer(() => stopInTime([schedule]));

  const endpoints = { sqs: queueServer.url, dynamodb: table.url, gateway: gateway.url };
  stack.defer(() => removeLocalFile(data));
  writeLocalFile(data, { deployment: deployment.name, region, endpoints });

  const queues = consumer.queues;
  return {
    endpoint: gateway.url,
    sqs: queueServer.url,
    dynamodb: table.url,
    region,
    // A key that is switched off lets nobody send.
    keys: resources
      .filter(({ type, values }) => type === "aws_api_gateway_api_key" && values["enabled"] !== false)
      .map(toKey),
    queues,
    engine,
    logFolder,
    onSettled: consumer.onSettled,
    backlog: () => queues.reduce((sum, { physicalName }) => sum + countMessages(engine, physicalName), 0),
    waiting: () => new Set([...waitingMessages(engine, originals), ...parked]),
    flushLog: consumer.flushLog,
  };
}

async function stopInTime(running: readonly { stop(): Promise<void> }[]): Promise<void> {
  const waited = new AbortController();
  await Promise.race([
    Promise.all(running.map((each) => each.stop())),
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
