import { type Fault, faultsOf } from "./faults.ts";
import { pause } from "./pause.ts";
import { createRandom } from "./random.ts";
import type { Note, World } from "./world.ts";

/** Between two faults. */
const FAULT_MILLISECONDS = { least: 2_000, most: 6_000 } as const;

/**
 * Breaks one thing after the other until the signal is aborted; the last one is over then.
 *
 * @param options.done counted on: faults by kind
 * @throws Error when something does not come up again
 */
export async function breakThings(
  world: World,
  options: {
    readonly seed: number;
    readonly minutes: number;
    readonly done: Record<string, number>;
    readonly note: Note;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { seed, minutes, done, note, signal } = options;
  const random = createRandom(seed, "faults");
  for (const turn of faultsOf(random, minutes * 60_000)) {
    // What begins late would not begin at all: another turn, then.
    if (world.path.isLate && turn.some(({ kind }) => kind === "kill-path")) continue;
    for (const fault of turn) {
      await pause(random.between(FAULT_MILLISECONDS.least, FAULT_MILLISECONDS.most), signal);
      if (signal.aborted) return;
      note("fault", fault);
      done[fault.kind] = (done[fault.kind] ?? 0) + 1;
      await carryOut(fault, world, signal);
      note("fault over", fault);
    }
  }
}

async function carryOut(fault: Fault, world: World, signal: AbortSignal): Promise<void> {
  const { path, backend } = world;
  switch (fault.kind) {
    case "kill-one":
    case "kill-all":
      path.killFunctions(fault.kind);
      return;
    case "kill-path":
      await world.restartPath();
      return;
    case "kill-backend":
      await backend.kill();
      await pause(fault.milliseconds, signal);
      await backend.start();
      return;
    case "cut-all":
      world.toGateway.cutAll();
      world.toBackend.cutAll();
      return;
    case "weather":
      backend.setWeather(fault.weather);
      await pause(fault.milliseconds, signal);
      backend.setWeather("faults");
  }
}
