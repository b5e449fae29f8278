import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { Command, Option } from "commander";
import { z } from "zod";
import { EXIT, OpsError } from "../errors.ts";
import { reviewMarkdown } from "../plan/markdown.ts";
import { type PlanText, readPlans } from "../plan/read-plan.ts";
import { reviewPlans, risksFrom } from "../plan/review.ts";
import { SEVERITIES } from "../plan/risk.ts";
import { reviewText } from "../plan/text.ts";
import { examples } from "./command-line.ts";
import { flag, type Offline, runOffline } from "./run.ts";

const THRESHOLDS = [...SEVERITIES, "none"] as const;

const reviewOptions = z.strictObject({ json: flag, markdown: flag, failOn: z.enum(THRESHOLDS) });
type ReviewOptions = z.output<typeof reviewOptions>;

const HOW = `
Make what it reads in a stack's folder, e.g. cdktf.out/stacks/prod-messaging, with:
  terraform plan -out=plan.tfplan && terraform show -json plan.tfplan > plan.json

A plan holds secrets in plain text, API keys among them: keep the file to yourself, and delete it. What is printed here has none.

Exit codes:
  0  no risk at or above --fail-on
  1  nothing was reviewed: unreadable input, or a usage error
  2  risks at or above --fail-on
`;

/** `fifo-ops plan ...`: what is about to happen to a deployment. It needs no AWS account. */
export function planCommand(): Command {
  return new Command("plan")
    .description("Terraform plans: what they mean to messages in order; needs neither AWS nor a deployment")
    .addCommand(reviewCommand());
}

function reviewCommand(): Command {
  return new Command("review")
    .description("says what plans change by hop of a message's path, and the risks, the worst first")
    .argument("[files...]", "what terraform show -json printed, of one or more stacks; - or none is stdin")
    .addOption(
      new Option("--fail-on <severity>", "exit with 2 at this severity or a worse one")
        .choices(THRESHOLDS)
        .default("high"),
    )
    .option("--json", "one JSON document on stdout")
    .addOption(new Option("--markdown", "a comment for a pull request on stdout").conflicts("json"))
    .addHelpText(
      "after",
      examples("plan review plan.json", "plan review prod-*.json --markdown --fail-on critical > comment.md"),
    )
    .addHelpText("after", HOW)
    .action(runOffline(z.tuple([z.array(z.string())]), reviewOptions, review));
}

async function review({ options, output }: Offline<ReviewOptions>, files: readonly string[]): Promise<number> {
  const texts = await Promise.all((files.length === 0 ? ["-"] : files).map(readText));
  const reviewed = reviewPlans(readPlans(texts));
  const grave = options.failOn === "none" ? [] : risksFrom(options.failOn, reviewed);
  output.document({ failOn: options.failOn, failed: grave.length > 0, ...reviewed });
  if (options.markdown === true) process.stdout.write(reviewMarkdown(reviewed, options));
  else if (options.json !== true)
    process.stdout.write(reviewText(reviewed, { ...options, stream: process.stdout, width: widthOfTerminal() }));
  return grave.length > 0 ? EXIT.risky : EXIT.done;
}

/** What can be read at a glance, on a terminal. */
function widthOfTerminal(): number | undefined {
  return process.stdout.isTTY ? Math.max(60, Math.min(process.stdout.columns, 120)) : undefined;
}

async function readText(file: string): Promise<PlanText> {
  if (file !== "-") return { source: file, text: decoded(await readBytes(file)) };
  if (process.stdin.isTTY)
    throw new OpsError(
      "PLAN_UNREADABLE",
      "no file is given, and stdin is a terminal: pipe terraform show -json FILE into it, or name files",
    );
  return { source: "stdin", text: decoded(await buffer(process.stdin)) };
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    // npm run changes to the project's folder, and tells where it was called.
    return await readFile(resolve(process.env["INIT_CWD"] ?? ".", file));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const known: Readonly<Record<string, string>> = {
      ENOENT: "there is no such file",
      EISDIR: "it is a folder; name the files in it",
      EACCES: "it may not be read",
    };
    throw new OpsError("PLAN_UNREADABLE", `${file} cannot be read: ${known[code] ?? code}`, { cause: error });
  }
}

/** PowerShell's `>` writes UTF-16. */
function decoded(bytes: Buffer): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(isUtf16 ? "utf-16le" : "utf-8").decode(bytes);
}
