/**
 * Sequence numbers (RFC 9293 §3.4) as signed 32-bit integers: differences wrap around as the numbers do, so `a` is before
 * `b` if and only if `(a - b) | 0` is negative, as long as they are less than 2^31 apart.
 */

/** `a < b` */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** `a <= b` */
export function notAfter(a: number, b: number): boolean {
  return ((a - b) | 0) <= 0;
}

/** Bytes from `a` to `b`, negative if `b` is before. */
export function distance(a: number, b: number): number {
  return (b - a) | 0;
}
