import { performance } from "node:perf_hooks";

/** Two ways of doing the same, timed in turns in one run. */
export interface Comparison {
  readonly name: string;
  readonly peer: string;
  /** How often each is timed; the medians are compared. */
  readonly rounds: number;
  /** What the ratio should be, in words. */
  readonly target: string;
  readonly ours: () => Promise<void> | void;
  readonly theirs: () => Promise<void> | void;
}

/** Times both in turns, after one round that does not count, and prints one row with both medians and their ratio. */
export async function compare({ name, peer, rounds, target, ours, theirs }: Comparison): Promise<void> {
  const times: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  for (let round = -1; round < rounds; round += 1) {
    const [first, second] = [await milliseconds(ours), await milliseconds(theirs)];
    if (round < 0) continue;
    times.ours.push(first);
    times.theirs.push(second);
  }
  const [mine, other] = [median(times.ours), median(times.theirs)];
  console.log(
    `${name}: ${mine.toFixed(1)} ms; ${peer}: ${other.toFixed(1)} ms; peer / ours = ${(other / mine).toFixed(2)} (${target}; medians of ${rounds})`,
  );
}

async function milliseconds(run: () => Promise<void> | void): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle];
  if (upper === undefined || lower === undefined) throw new Error("no values: a median needs at least one");
  return (lower + upper) / 2;
}
