import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { INTERRUPTED, stopOnSignals } from "../../runtime/local/stop-signals.ts";
import { createReport } from "./report.ts";
import { runSoak } from "./run.ts";

interface Options {
  readonly minutes: number;
  readonly groups: number;
  readonly faults?: boolean;
  readonly seed?: number;
  readonly json?: boolean;
  readonly data?: string;
}

const USAGE = 2;

const options = readOptions();
if (options !== undefined) await main(options);

function readOptions(): Options | undefined {
  const command = new Command("npm run soak --")
    .description(
      "Sends through the whole path on this machine while it is broken, and judges what became of each message.\n" +
        "Exit code 1 when one was lost, reordered or delivered without its idempotency-key.",
    )
    .option("--minutes <m>", "how long to send; what is left then is waited for", minutes, 2)
    .option("--groups <g>", "groups, spread over the queues", wholeNumber(1, 1_000), 20)
    .option(
      "--faults",
      "kill consumers, backend and the whole path, drop connections, answer slowly, with 5xx and rejections, or not at all; " +
        "and replay, discard and edit what is parked",
    )
    .option("--seed <n>", "of all that is random (default: another one each time, printed)", wholeNumber(0, 2 ** 31))
    .option(
      "--data <dir>",
      "a new folder to keep all of it in (default: a temporary one, kept when something is wrong)",
      folder,
    )
    .option("--json", "the verdict as one JSON document on stdout, all else on stderr")
    .helpOption("--help", "show this")
    .allowExcessArguments(false)
    .showHelpAfterError("(npm run soak -- --help lists the options)")
    .exitOverride();
  try {
    return command.parse().opts<Options>();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : USAGE;
    return undefined;
  }
}

async function main({
  minutes: length,
  groups,
  faults = false,
  seed = randomInt(2 ** 31),
  json = false,
  data,
}: Options) {
  const report = createReport(json);
  const stopping = stopOnSignals();
  const kept = data === undefined ? mkdtempSync(join(tmpdir(), "fifo-soak-")) : resolve(data);
  report.begin(`seed ${seed}, ${length} min, ${groups} groups, ${faults ? "with faults" : "no faults"}, in ${kept}`);
  try {
    const result = await runSoak(
      { minutes: length, groups, faults, seed, data: kept },
      stopping.signal,
      report.progress,
    );
    report.result(result);
    process.exitCode = !result.ok ? 1 : result.interrupted ? INTERRUPTED : 0;
    if (result.ok && data === undefined) await rm(kept, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    report.fail(
      `${error instanceof Error ? error.message : String(error)} (seed ${seed}; what there is of it is in ${kept})`,
    );
    process.exitCode = 1;
  }
}

function minutes(text: string): number {
  if (/^\d{1,5}(\.\d{1,3})?$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError("It takes minutes, such as 2 or 0.5.");
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,10}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
    throw new InvalidArgumentError(`It takes a whole number from ${least} to ${most}.`);
  };
}

/** New: the messages of another run would be strangers to this one's judge. */
function folder(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It takes a folder.");
  if (existsSync(text) && readdirSync(text).length > 0) {
    throw new InvalidArgumentError(`${text} is not empty: name a new folder.`);
  }
  return text;
}
