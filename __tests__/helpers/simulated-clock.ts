/** A clock that stands still while anything can go on without it. Milliseconds since the epoch. */
export class SimulatedClock {
  now = 1_800_000_000_000;
  #timers: { readonly at: number; readonly wake: () => void }[] = [];

  /** @returns when the clock has moved so far */
  after(milliseconds: number): Promise<void> {
    const at = this.now + milliseconds;
    return new Promise((wake) => {
      const behind = this.#timers.findIndex((timer) => timer.at > at);
      this.#timers.splice(behind === -1 ? this.#timers.length : behind, 0, { at, wake });
    });
  }

  /** Moves on until `isDone`; nothing more to wait for ends it as well. */
  async runUntil(isDone: () => boolean): Promise<void> {
    await idle();
    for (let timer = this.#timers[0]; timer !== undefined && !isDone(); timer = this.#timers[0]) {
      await this.#fire(timer);
    }
  }

  /** Moves on by so much, with all that happens on the way. */
  async run(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    await idle();
    for (let timer = this.#timers[0]; timer !== undefined && timer.at <= end; timer = this.#timers[0]) {
      await this.#fire(timer);
    }
    this.now = Math.max(this.now, end);
  }

  async #fire({ at, wake }: { readonly at: number; readonly wake: () => void }): Promise<void> {
    this.#timers.shift();
    this.now = Math.max(this.now, at);
    wake();
    await idle();
  }
}

/** Every promise that can go on has gone on then. */
function idle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
