import { Command, CommanderError } from "commander";
import { splitLocal } from "./commands/argv.ts";
import { dlqCommand } from "./commands/dlq.ts";
import { parkedCommand } from "./commands/parked.ts";
import { planCommand } from "./commands/plan.ts";
import { EXIT, type OpsErrorCode } from "./errors.ts";
import { createOutput } from "./output.ts";

const EXIT_CODES = `
Exit codes:
  0    done
  1    failed
  2    a usage error; or nothing was done, since it was not confirmed; of plan review: risks
  3    sent, but its effect was not seen in time: it goes on
  4    a replay stopped at a message that was refused again
  130  Ctrl-C`;

const program = new Command("fifo-ops")
  .description(
    "Shows where a FIFO Gateway's messages are, puts them right, and says what a Terraform plan would do to them.",
  )
  .addCommand(parkedCommand())
  .addCommand(dlqCommand())
  .addCommand(planCommand())
  .addHelpText("after", EXIT_CODES);
configure(program);

// Whoever read this is gone (`fifo-ops parked list | head -1`).
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit(EXIT.failed));

try {
  await program.parseAsync(splitLocal(process.argv.slice(2)), { from: "user" });
} catch (error) {
  // It has been told: commander throws what would have ended the process.
  if (!(error instanceof CommanderError)) throw error;
  const isHelp = error.code === "commander.helpDisplayed";
  // In a pipeline, 2 of a plan's review is a risk and nothing else.
  const isPlan = process.argv.slice(2).find((word) => !word.startsWith("-")) === "plan";
  const usage = isPlan ? EXIT.failed : EXIT.usage;
  process.exitCode = isHelp ? EXIT.done : usage;
  if (!isHelp && asksForJson(process.argv)) {
    const message = error.message.replace(/^error: /, "");
    createOutput(true).document({ error: { code: "INVALID_ARGUMENT" satisfies OpsErrorCode, message } });
  }
}

/** What commander could not make sense of has no options yet. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end === -1 ? undefined : end).includes("--json");
}

/** Settings that commander passes on to commands which it creates itself, and to no others. */
function configure(command: Command): void {
  command
    .exitOverride()
    .helpCommand(false)
    .helpOption("--help", "show this")
    .allowExcessArguments(false)
    .showHelpAfterError("(--help lists arguments and options)");
  for (const sub of command.commands) configure(sub);
}
