import type { CommonOptions } from "./run.ts";

/**
 * A command that can be pasted into a shell: the next thing to do, in the deployment that was given.
 *
 * @example commandLine({ deployment: "prod" }, "parked", "show", "queue-2", "10") // "fifo-ops parked show queue-2 10 --deployment prod"
 */
export function commandLine({ deployment, region, local }: CommonOptions, ...words: readonly string[]): string {
  const where = [
    ...(deployment === undefined ? [] : ["--deployment", deployment]),
    ...(region === undefined ? [] : ["--region", region]),
    ...(local === undefined ? [] : [local === true ? "--local" : `--local=${local}`]),
  ];
  return ["fifo-ops", ...words, ...where].map(quoted).join(" ");
}

/** Examples behind a verb's help. */
export function examples(...commands: readonly string[]): string {
  return `\nExamples:\n${commands.map((command) => `  fifo-ops ${command}`).join("\n")}`;
}

/** A group's id may have what a shell would take for its own. */
function quoted(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
