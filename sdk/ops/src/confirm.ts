import { createInterface } from "node:readline/promises";
import { OpsError } from "./errors.ts";

/**
 * Asks on the terminal before something is destroyed. Only `y` or `yes` confirms.
 *
 * @param question what goes, without a body; the prompt follows it
 * @param yes whether `--yes` was given: then nobody is asked
 * @throws OpsError `NOT_CONFIRMED`, also when there is nobody to ask
 * @example await confirm("discards message 18870000000000000001 of group 10 in queue-2", options.yes === true);
 */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new OpsError(
      "NOT_CONFIRMED",
      `${question}: not confirmed, since this is no terminal; nothing was changed. --yes confirms, --dry-run only shows`,
    );
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // The end of the input, or Ctrl-C, is no confirmation; the cursor is still behind the question then.
    const gone = new Promise<string>((resolve) => prompt.once("close", () => resolve("\n")));
    const answer = await Promise.race([prompt.question(`${question}. Go on? (y/N) `), gone]);
    if (answer === "\n") process.stderr.write(answer);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    prompt.close();
  }
  throw new OpsError("NOT_CONFIRMED", "not confirmed; nothing was changed");
}
