/**
 * Work with a deadline: its signal aborts after so long, or with another. `AbortSignal.any` must not be given
 * `AbortSignal.timeout`: nothing holds that one, so Node 20 may collect it, and what waits for it waits for ever.
 */

/** @param ms from now on, without holding the process @returns what the work comes to; afterwards nothing of it is left */
export async function within<T>(
  ms: number,
  signals: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  // Node holds a timer that runs, and with it all that it is for.
  const timer = setTimeout(abort, ms);
  timer.unref();
  for (const signal of signals) signal.addEventListener("abort", abort, { once: true });
  if (signals.some(({ aborted }) => aborted)) abort();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener("abort", abort);
  }
}
