/**
 * Both kernels on 32-bit floats, each product and each sum rounded to nearest, sums in the order of k: so do all backends, CUDA
 * too, and so their results agree to the byte but for the bits of a NaN. Against exact arithmetic an element of a product is off
 * by at most `k · 2⁻²³ · Σ|a·b|`, and one of a sum by half a unit in its last place.
 *
 * The text of these functions is what a thread of the CPU backend runs, so each stands by itself: no imports, no helpers.
 */

/** @param input a then b, n floats each */
export function vadd(input: Float32Array, n: number): Float32Array {
  const result = new Float32Array(n);
  for (let i = 0; i < n; i++) result[i] = (input[i] as number) + (input[n + i] as number);
  return result;
}

/** @param input A of m×k, then B of k×n, both by rows */
export function matmul(input: Float32Array, m: number, k: number, n: number): Float32Array {
  const result = new Float32Array(m * n);
  for (let row = 0; row < m; row++) {
    // Row of C by row of B, for the cache's sake; each element is still summed in the order of k.
    for (let i = 0; i < k; i++) {
      const a = input[row * k + i] as number;
      const b = m * k + i * n;
      for (let column = 0; column < n; column++) {
        const at = row * n + column;
        result[at] = Math.fround((result[at] as number) + Math.fround(a * (input[b + column] as number)));
      }
    }
  }
  return result;
}
