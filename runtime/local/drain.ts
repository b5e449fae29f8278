import type { QueueEngine } from "./queue/engine.ts";
import { until } from "./until.ts";

/**
 * Waits until what an earlier run left in the queues is settled.
 *
 * @param options.patienceMilliseconds gives up when nothing was settled for so long
 * @returns whether the queues are empty
 * @example if (!(await drain(local, { say: console.log, signal, patienceMilliseconds: 60_000 }))) process.exitCode = 1;
 */
export async function drain(
  { engine, backlog }: { readonly engine: QueueEngine; readonly backlog: () => number },
  options: {
    readonly say: (line: string) => void;
    readonly signal: AbortSignal;
    readonly patienceMilliseconds: number;
  },
): Promise<boolean> {
  const { say, signal, patienceMilliseconds } = options;
  const left = backlog();
  if (left === 0) return true;
  say(`draining     ${left} messages of the last run`);
  let last = Date.now();
  const settled = () => {
    last = Date.now();
  };
  engine.on("deleted", settled);
  const drained = await until(() => backlog() === 0, { signal, patience: () => last + patienceMilliseconds });
  engine.off("deleted", settled);
  say(drained ? "drained" : `draining     ${backlog()} messages still wait: see the logs`);
  return drained;
}
