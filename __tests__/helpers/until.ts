const PATIENCE_MILLISECONDS = 30_000;

/**
 * Waits until something that a test has set off has happened.
 *
 * @throws Error after 30 s, so that a test which has failed does not keep its process
 */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MILLISECONDS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited for 30 s: ${condition}`);
    await new Promise((done) => setTimeout(done, 1));
  }
}
