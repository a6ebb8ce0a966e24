/**
 * Running out of memory is the runtime's end, not the end of the job that met it: whoever catches exceptions here
 * lets this one through, so that the engine can say who held what and rebuild the runtime.
 */

/** QuickJS throws its `InternalError`, and `null` when not even that fits. */
export function isOutOfMemory(error: unknown): boolean {
  return (
    error === null || (error instanceof Error && error.name === "InternalError" && error.message === "out of memory")
  );
}
