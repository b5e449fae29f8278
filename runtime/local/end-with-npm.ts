import { readFileSync } from "node:fs";

/** How often it looks, in milliseconds. */
const LOOK_MILLISECONDS = 200;

/**
 * Calls back once when the npm that started this process is gone.
 *
 * npm runs a script through a shell, and a `kill` of npm's own pid reaches neither the shell nor this process: without this,
 * the servers would go on and keep the data folder, and the next `npm start` could not have it. On Linux the shell's parent is
 * looked at as well; elsewhere shells replace themselves by their last command, so that npm is this process's parent.
 *
 * Does nothing when the process was not started by npm.
 */
export function onNpmGone(callback: () => void): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  const grandparent = isShell(parent) ? parentOf(parent) : undefined;
  const timer = setInterval(() => {
    if (process.ppid === parent && (grandparent === undefined || parentOf(parent) === grandparent)) return;
    clearInterval(timer);
    callback();
  }, LOOK_MILLISECONDS);
  timer.unref();
}

/** Whether a process is a shell that runs one command, as npm starts it. If npm itself is the parent, its own parent is no matter. */
function isShell(pid: number): boolean {
  return read(`/proc/${pid}/cmdline`)?.split("\0").includes("-c") ?? false;
}

/** A process's parent, undefined where there is no `/proc`. Its name stands in brackets and can hold anything, brackets too. */
function parentOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
