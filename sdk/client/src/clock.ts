/** Where the client takes its time from. Tests inject one that runs faster. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number;
  /** Calls `wake` once, `milliseconds` from now, and returns what takes that back. */
  after(milliseconds: number, wake: () => void): () => void;
}

/** The platform's own monotonic clock and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, wake) {
    const timer = setTimeout(wake, milliseconds);
    return () => clearTimeout(timer);
  },
};
