import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { type AcceptedFile, openAccepted, readAccepted } from "./accepted.ts";
import { type BurstSize, CLASSIC_BURST, type Progress, sendBurst } from "./burst.ts";
import { drain } from "./drain.ts";
import { onNpmGone } from "./end-with-npm.ts";
import { createOutput, type Output } from "./output.ts";
import { startQueueServer } from "./queue/server.ts";
import { report } from "./report.ts";
import { type Local, startLocal } from "./start-local.ts";
import { INTERRUPTED, stopOnSignals } from "./stop-signals.ts";

interface Options {
  readonly once?: true;
  readonly json?: true;
  readonly sqsOnly?: true;
  readonly messages?: number;
  readonly groups?: number;
  readonly port?: number;
  readonly deployment?: string;
  readonly data: string;
}

/** Of the queue server alone, which serves no deployment: the example deployment's. */
const SQS_ONLY_REGION = "ap-northeast-2";
const SQS_ONLY_CONFLICTS = ["once", "json", "messages", "groups", "deployment"];

/** Past the visibility timeout, after which a message that a crash left behind is received again. */
const PATIENCE_MILLISECONDS = 60_000;

/**
 * The command behind `npm start`.
 *
 * @param argv `process.argv`
 * @example await main(["node", "start.js", "--once", "--json"]);
 */
export async function main(argv: readonly string[]): Promise<void> {
  const command = createCommand().parse(argv);
  const options = command.opts<Options>();
  const output = createOutput(options.json === true);
  const stopping = stopOnSignals();
  // Whoever read this is gone (`npm start | head -1`), or its disk is full.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => {
      process.exitCode = 1;
      stopping.abort();
    });
  }
  // As after a kill of this process: children end with it, and the next start drains. A stop under way is let finish.
  onNpmGone(() => {
    if (!stopping.signal.aborted) process.exit(INTERRUPTED);
  });
  try {
    await mkdir(resolve(options.data), { recursive: true });
    const code = await (options.sqsOnly === true ? serveQueues : serve)(options, output, stopping.signal);
    process.exitCode ??= code;
  } catch (error) {
    output.fail(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}

function createCommand(): Command {
  return new Command("npm start --")
    .description("Runs the whole path on this machine, from the emitted Terraform, and sends a burst through it.")
    .option("--once", "stop after the burst; exit 0 only if every message was settled, in order, and none lost or left")
    .option("--messages <n>", `size of the burst; 0 for none (default: 4 a group)`, wholeNumber(0))
    .option("--groups <n>", "groups of the burst, spread over the queues (default: 1)", wholeNumber(1))
    .option(
      "--deployment <name>",
      "which one of main.ts, e.g. prod (default: dev when there is one, else the only one)",
    )
    .option("--data <dir>", "folder of queues, table, logs, keys and ports, one for each deployment", folder, ".local")
    .option("--port <port>", "the gateway's port (default: the last one, or a free one)", portNumber)
    .option("--json", "one JSON document on stdout once the burst is settled, all else on stderr")
    .addOption(
      new Option("--sqs-only", "serve the queue server alone; --port is its port").conflicts(SQS_ONLY_CONFLICTS),
    )
    .helpOption("--help", "show this")
    .allowExcessArguments(false)
    .showHelpAfterError("(npm start -- --help lists the options)");
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,7}$/.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`It takes a whole number from ${least} to 9999999.`);
  };
}

function folder(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("It takes a folder.");
}

function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError("It takes a port, 1 to 65535.");
}

async function serveQueues(options: Options, output: Output, signal: AbortSignal): Promise<number> {
  const server = await startQueueServer({
    file: join(resolve(options.data), "queues.sqlite"),
    region: SQS_ONLY_REGION,
    ...(options.port === undefined ? {} : { port: options.port }),
  });
  output.say(`SQS ${server.url} (region ${SQS_ONLY_REGION}, any credentials); Ctrl-C stops it`);
  await stopped(signal);
  await server.close();
  return 0;
}

async function serve(options: Options, output: Output, signal: AbortSignal): Promise<number> {
  const data = resolve(options.data);
  const local = await startLocal({ data, port: options.port, deployment: options.deployment, say: output.say });
  try {
    const accepted = await openAccepted(join(data, "accepted.jsonl"));
    try {
      const drained = await drain(local, { say: output.say, signal, patienceMilliseconds: patience(local) });
      output.welcome(local);
      const succeeded = (await burst(local, options, accepted, output, signal)) && (drained || local.backlog() === 0);
      if (options.once === true) return succeeded ? 0 : signal.aborted ? INTERRUPTED : 1;
      if (!signal.aborted) output.say("serving; Ctrl-C stops it");
      await stopped(signal);
      return 0;
    } finally {
      await accepted.close();
    }
  } finally {
    output.say("stopping");
    await local.close();
  }
}

async function burst(
  local: Local,
  options: Options,
  accepted: AcceptedFile,
  output: Output,
  signal: AbortSignal,
): Promise<boolean> {
  const size = burstSize(options);
  const started = performance.now();
  const progress = output.progress();
  const messages = await sendBurst(local, {
    size,
    accepted,
    signal,
    patienceMilliseconds: patience(local),
    onProgress: (now: Progress) => progress.show(now),
  });
  progress.end();
  const seconds = (performance.now() - started) / 1_000;
  const all = await readAccepted(join(resolve(options.data), "accepted.jsonl"));
  await local.flushLog();
  const found = await report({ accepted: all, burst: messages, logFolder: local.logFolder, waiting: local.waiting() });
  output.result(local, messages, found, seconds);
  const settled = messages.filter(({ milliseconds }) => milliseconds !== null).length;
  return settled === size.messages && found.ordered && found.lost === 0;
}

function burstSize({ messages, groups = CLASSIC_BURST.groups }: Options): BurstSize {
  return { messages: messages ?? (CLASSIC_BURST.messages / CLASSIC_BURST.groups) * groups, groups };
}

const patience = ({ queues }: Local): number =>
  Math.max(...queues.map(({ visibilityTimeoutSeconds }) => visibilityTimeoutSeconds)) * 1_000 + PATIENCE_MILLISECONDS;

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener("abort", () => done(), { once: true });
  });
}
