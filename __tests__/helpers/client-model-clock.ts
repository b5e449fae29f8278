import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../sdk/client/src/clock.ts";

/** A clock that jumps from timer to timer, so that minutes of waiting take no time and come out the same each run. */
export interface ModelClock extends Clock {
  /** Timers that are still to fire. */
  readonly pending: () => number;
  /** Lets everything happen that needs no time to pass. */
  settle(): Promise<void>;
  /** Lets `milliseconds` pass, and everything that happens in them happen in its order. */
  pass(milliseconds: number): Promise<void>;
  /** Lets time pass up to the next timer. False when there is none, so that nothing would ever happen again. */
  step(): Promise<boolean>;
}

/** Turns of the event loop without anything under way, after which nothing more is expected. */
const QUIET_TURNS = 3;

/** Real time after which a request that is neither answered nor given up makes the run fail. */
const STALLED_MILLISECONDS = 20_000;

/**
 * @param underWay what is on its way between the client and the server at the moment, empty when nothing is; the clock
 *   stands still meanwhile, so that the network takes no time and a busy machine changes nothing
 */
export function modelClock(underWay: () => string): ModelClock {
  const timers = new Map<symbol, { readonly at: number; readonly wake: () => void }>();
  let now = 1_000;
  async function settle(): Promise<void> {
    const start = performance.now();
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      await turn();
      const what = underWay();
      quiet = what === "" ? quiet + 1 : 0;
      if (performance.now() - start > STALLED_MILLISECONDS) throw new Error(`Nothing ends ${what}`);
    }
  }
  async function step(until = Number.POSITIVE_INFINITY): Promise<boolean> {
    await settle();
    let next: [symbol, { readonly at: number; readonly wake: () => void }] | undefined;
    for (const one of timers) if (next === undefined || one[1].at < next[1].at) next = one;
    if (next === undefined || next[1].at > until) return false;
    timers.delete(next[0]);
    now = Math.max(now, next[1].at);
    next[1].wake();
    await settle();
    return true;
  }
  return {
    now: () => now,
    after(milliseconds, wake) {
      const timer = Symbol("timer");
      // In whole milliseconds, as real timers are: of fractions, two sums that should be the same differ in the last digit.
      timers.set(timer, { at: now + Math.ceil(milliseconds), wake });
      return () => timers.delete(timer);
    },
    pending: () => timers.size,
    settle,
    async pass(milliseconds) {
      const until = now + milliseconds;
      while (await step(until));
      now = until;
    },
    step: () => step(),
  };
}
