/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) of three 32-bit words under a 128-bit key, for initial sequence numbers,
 * timestamp offsets and SYN cookies. RFC 6528 wants a keyed pseudo-random function there whose key cannot be found from
 * its outputs: SipHash is one made for short inputs, is what Linux and FreeBSD use for this, and costs 8 rounds, where
 * a general hash would cost milliseconds for each SYN of a flood.
 */
import type { Random } from "../../ports/index.ts";

const ROUNDS = 8;
/** Length of the input, in the last byte of the last block. */
const LAST = 12 << 24;
const U32_MAX = 0xffffffff;

export class SipHash {
  /** After {@link hash}: 64 bits, lower and upper half. */
  low = 0;
  high = 0;
  /** Whether there is a key; nothing may be hashed without. */
  keyed = false;
  readonly #key = new Int32Array(4);

  /** Draw the key, once. @returns whether there is one. */
  draw(random: Random): boolean {
    if (this.keyed || !random.ready) return this.keyed;
    const bytes = new Uint8Array(16);
    if (!random.fill(bytes)) return false;
    this.setKey(bytes);
    return true;
  }

  /** @param key 16 bytes */
  setKey(key: Uint8Array): void {
    for (let i = 0; i < 4; i++) {
      const at = 4 * i;
      this.#key[i] = key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24);
    }
    this.keyed = true;
  }

  /**
   * Hash 12 bytes, given as three words, little-endian. All eight rounds are in one piece, the halves of v0 to v3 in variables: as
   * functions over an array they take four times as long.
   */
  hash(a: number, b: number, c: number): void {
    const key = this.#key;
    // "somepseudorandomlygeneratedbytes"
    let l0 = key[0]! ^ 0x70736575;
    let h0 = key[1]! ^ 0x736f6d65;
    let l1 = key[2]! ^ 0x6e646f6d;
    let h1 = key[3]! ^ 0x646f7261;
    let l2 = key[0]! ^ 0x6e657261;
    let h2 = key[1]! ^ 0x6c796765;
    let l3 = key[2]! ^ 0x79746573 ^ a;
    let h3 = key[3]! ^ 0x74656462 ^ b;
    for (let round = 0; round < ROUNDS; round += 1) {
      // v0 += v1, v2 += v3
      let sum = (l0 >>> 0) + (l1 >>> 0);
      h0 = (h0 + h1 + (sum > U32_MAX ? 1 : 0)) | 0;
      l0 = sum | 0;
      sum = (l2 >>> 0) + (l3 >>> 0);
      h2 = (h2 + h3 + (sum > U32_MAX ? 1 : 0)) | 0;
      l2 = sum | 0;
      // v1 <<<= 13 and ^= v0, v3 <<<= 16 and ^= v2, v0 <<<= 32
      let low = l1;
      l1 = ((l1 << 13) | (h1 >>> 19)) ^ l0;
      h1 = ((h1 << 13) | (low >>> 19)) ^ h0;
      low = l3;
      l3 = ((l3 << 16) | (h3 >>> 16)) ^ l2;
      h3 = ((h3 << 16) | (low >>> 16)) ^ h2;
      low = l0;
      l0 = h0;
      h0 = low;
      // v2 += v1, v0 += v3
      sum = (l2 >>> 0) + (l1 >>> 0);
      h2 = (h2 + h1 + (sum > U32_MAX ? 1 : 0)) | 0;
      l2 = sum | 0;
      sum = (l0 >>> 0) + (l3 >>> 0);
      h0 = (h0 + h3 + (sum > U32_MAX ? 1 : 0)) | 0;
      l0 = sum | 0;
      // v1 <<<= 17 and ^= v2, v3 <<<= 21 and ^= v0, v2 <<<= 32
      low = l1;
      l1 = ((l1 << 17) | (h1 >>> 15)) ^ l2;
      h1 = ((h1 << 17) | (low >>> 15)) ^ h2;
      low = l3;
      l3 = ((l3 << 21) | (h3 >>> 11)) ^ l0;
      h3 = ((h3 << 21) | (low >>> 11)) ^ h0;
      low = l2;
      l2 = h2;
      h2 = low;
      // Two rounds for each of the two blocks; the last block ends with the input's length.
      if (round === 1) {
        l0 ^= a;
        h0 ^= b;
        l3 ^= c;
        h3 ^= LAST;
      } else if (round === 3) {
        l0 ^= c;
        h0 ^= LAST;
        l2 ^= 0xff;
      }
    }
    this.low = l0 ^ l1 ^ l2 ^ l3;
    this.high = h0 ^ h1 ^ h2 ^ h3;
  }
}
