/** Which tasks of `paced-bridge.ts` take their time: vector additions of just so many floats. */

/** One that ends with its signal and not before. */
export const HANGING = 61;
/** One that takes {@link SLOW_MS}. */
export const SLOW = 62;
export const SLOW_MS = 2000;
