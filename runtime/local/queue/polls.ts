/** One receive that waits for a message. */
interface Poll<Answer> {
  readonly attempt: () => Answer | undefined;
  readonly deadline: number;
  finish(answer: Answer | undefined): void;
  fail(error: unknown): void;
}

/**
 * The receives that wait on one queue, first come, first served.
 *
 * They try again when woken (a send, a delete, a visibility change), when a waiting group's time comes, and end at their
 * deadline. One timer for all of them, which does not keep the process alive.
 */
export class Polls<Answer> {
  readonly #polls = new Set<Poll<Answer>>();
  readonly #now: () => number;
  readonly #nextEventAt: () => number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #woken = false;

  constructor(now: () => number, nextEventAt: () => number | undefined) {
    this.#now = now;
    this.#nextEventAt = nextEventAt;
  }

  /**
   * Waits until `attempt` answers.
   *
   * @param attempt answers, or returns undefined to wait on
   * @param deadline in milliseconds; the answer then is undefined
   * @param signal ends the wait early, with undefined, before anything is taken
   */
  wait(
    attempt: () => Answer | undefined,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer | undefined> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#polls.delete(poll);
        signal?.removeEventListener("abort", abort);
      };
      const poll: Poll<Answer> = {
        attempt,
        deadline,
        finish(answer) {
          end();
          resolve(answer);
        },
        fail(error) {
          end();
          reject(error);
        },
      };
      const abort = () => poll.finish(undefined);
      if (signal?.aborted === true) {
        resolve(undefined);
        return;
      }
      signal?.addEventListener("abort", abort, { once: true });
      this.#polls.add(poll);
      this.#arm();
    });
  }

  /** Something may have become available. Runs soon, so that a burst of sends wakes the polls once. */
  wake(): void {
    if (this.#polls.size === 0 || this.#woken) return;
    this.#woken = true;
    setImmediate(() => {
      this.#woken = false;
      this.run();
    });
  }

  /** Lets every poll try, and ends those whose time is over. */
  run(): void {
    for (const poll of this.#polls) {
      try {
        const answer = poll.attempt();
        if (answer !== undefined || poll.deadline <= this.#now()) poll.finish(answer);
      } catch (error) {
        poll.fail(error);
      }
    }
    this.#arm();
  }

  /** Ends every poll: with an error if there is one, else with nothing. */
  end(error?: Error): void {
    for (const poll of this.#polls) {
      if (error === undefined) poll.finish(undefined);
      else poll.fail(error);
    }
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#polls.size === 0) return;
    let at = this.#nextEventAt() ?? Number.POSITIVE_INFINITY;
    for (const { deadline } of this.#polls) at = Math.min(at, deadline);
    // At least a millisecond: a timer may fire a little before the clock gets there.
    this.#timer = setTimeout(() => this.run(), Math.max(1, at - this.#now()));
    this.#timer.unref();
  }
}
