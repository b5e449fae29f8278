/**
 * Makes a call that ends after so many milliseconds, one way or the other. The AWS SDK's own timeouts hold for one try each:
 * its retries, and the waits before them, come on top.
 *
 * What is given up may still take effect.
 *
 * @throws what the call throws, or the signal's `TimeoutError`
 * @example await giveUpAfter(900, (abortSignal) => client.send(command, { abortSignal }))
 */
export async function giveUpAfter<Result>(
  milliseconds: number,
  call: (abortSignal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const signal = AbortSignal.timeout(milliseconds);
  const end = Promise.withResolvers<never>();
  const giveUp = () => end.reject(signal.reason);
  signal.addEventListener("abort", giveUp);
  try {
    return await Promise.race([call(signal), end.promise]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
