/**
 * Gives `--local` its folder only when what follows looks like a path: in `parked replay --local queue-2 10`, `queue-2` is the queue.
 * Whatever the folder is called, `--local=<folder>` names it.
 *
 * @example splitLocal(["parked", "list", "--local", "queue-2"]) // ["parked", "list", "--local=.local", "queue-2"]
 */
export function splitLocal(argv: readonly string[]): string[] {
  const end = argv.indexOf("--");
  const split: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const argument = argv[at] ?? "";
    if (argument !== "--local" || (end !== -1 && at > end)) {
      split.push(argument);
      continue;
    }
    const next = argv[at + 1] ?? "";
    const isPath = /^\.|^[A-Za-z]:|^~|[/\\]/.test(next);
    split.push(isPath ? `--local=${next}` : "--local=.local");
    if (isPath) at += 1;
  }
  return split;
}
