/**
 * A signal that aborts after so long, or with another. `AbortSignal.any` must not be given `AbortSignal.timeout`: nothing holds that
 * one, so Node 20 may collect it, and what waits for it waits for ever.
 */

/** @param ms from now on, without holding the process */
export function within(ms: number, ...signals: readonly AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener("abort", abort);
    controller.abort();
  };
  // Node holds a timer that runs, and with it all that it is for.
  const timer = setTimeout(abort, ms);
  timer.unref();
  for (const signal of signals) signal.addEventListener("abort", abort, { once: true });
  if (signals.some(({ aborted }) => aborted)) abort();
  return controller.signal;
}
