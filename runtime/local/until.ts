import { setTimeout as sleep } from "node:timers/promises";

const LOOK_EVERY_MILLISECONDS = 20;

/**
 * Waits for a condition.
 *
 * @param options.patience the time, in milliseconds since 1970, at which it gives up; asked again each time
 * @returns whether the condition came true
 * @example await until(() => local.backlog() === 0, { signal, patience: () => start + 60_000 });
 */
export async function until(
  condition: () => boolean,
  options: { readonly signal: AbortSignal; readonly patience: () => number },
): Promise<boolean> {
  while (!condition()) {
    if (options.signal.aborted || Date.now() >= options.patience()) return false;
    await sleep(LOOK_EVERY_MILLISECONDS);
  }
  return true;
}
