import { type ChildProcess, spawn } from "node:child_process";

/** How a child process ended. */
export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  /** Both streams, as they came. */
  readonly output: string;
  readonly timedOut: boolean;
  /** How long it lived on after its last output, in milliseconds. */
  readonly silent: number;
}

/** A command and its arguments. */
export type Command = readonly [file: string, ...parameters: string[]];

/**
 * Runs a command to its end; after `timeout` milliseconds it is killed.
 *
 * @throws the system's error when it cannot be started, e.g. `ENOENT`
 */
export async function run(
  [file, ...parameters]: Command,
  options: { cwd: string; timeout: number; env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const child = spawn(file, parameters, {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  endsWithThis(child);
  const stdout: string[] = [];
  const output: string[] = [];
  let spoke = performance.now();
  const hear = (text: string) => {
    output.push(text);
    spoke = performance.now();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout.push(text);
    hear(text);
  });
  child.stderr.setEncoding("utf8").on("data", hear);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, options.timeout);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return { code, stdout: stdout.join(""), output: output.join(""), timedOut, silent: performance.now() - spoke };
  } finally {
    clearTimeout(timer);
  }
}

/** Sees to it that a child does not outlive this process. */
export function endsWithThis(child: ChildProcess): void {
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("close", () => process.off("exit", kill));
}
