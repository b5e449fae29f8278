/** Exit code of what Ctrl-C ended: 128 + SIGINT, as shells have it. */
export const INTERRUPTED = 130;

/** Under npm, one Ctrl-C comes twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MILLISECONDS = 500;

/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP, and ends the process at the second one: it does not wait, and children end when
 * this process does.
 *
 * @example const stopping = stopOnSignals(); await serve(stopping.signal);
 */
export function stopOnSignals(): AbortController {
  const stopping = new AbortController();
  let stoppingSince = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (!stopping.signal.aborted) {
        stoppingSince = performance.now();
        stopping.abort();
      } else if (performance.now() - stoppingSince > SAME_SIGNAL_MILLISECONDS) process.exit(INTERRUPTED);
    });
  }
  return stopping;
}
