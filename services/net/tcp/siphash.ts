/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) of three 32-bit words under a 128-bit key, for initial sequence numbers,
 * timestamp offsets and SYN cookies. RFC 6528 wants a keyed pseudo-random function there whose key cannot be found from
 * its outputs: SipHash is one made for short inputs, is what Linux and FreeBSD use for this, and costs 8 rounds, where
 * a general hash would cost milliseconds for each SYN of a flood.
 */
import type { Random } from "../../ports/index.ts";

export class SipHash {
  /** After {@link hash}: 64 bits, lower and upper half. */
  low = 0;
  high = 0;
  /** Whether there is a key; nothing may be hashed without. */
  keyed = false;
  readonly #key = new Int32Array(4);
  /** v0 to v3, each lower half first. */
  readonly #v = new Int32Array(8);

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

  /** Hash 12 bytes, given as three words, little-endian. */
  hash(a: number, b: number, c: number): void {
    const v = this.#v;
    const key = this.#key;
    // "somepseudorandomlygeneratedbytes"
    v[0] = key[0]! ^ 0x70736575;
    v[1] = key[1]! ^ 0x736f6d65;
    v[2] = key[2]! ^ 0x6e646f6d;
    v[3] = key[3]! ^ 0x646f7261;
    v[4] = key[0]! ^ 0x6e657261;
    v[5] = key[1]! ^ 0x6c796765;
    v[6] = key[2]! ^ 0x79746573;
    v[7] = key[3]! ^ 0x74656462;
    this.#block(a, b);
    // The last block ends with the input's length.
    this.#block(c, 12 << 24);
    v[4] = v[4] ^ 0xff;
    for (let i = 0; i < 4; i++) this.#round();
    this.low = v[0] ^ v[2] ^ v[4] ^ v[6];
    this.high = v[1] ^ v[3] ^ v[5] ^ v[7];
  }

  #block(low: number, high: number): void {
    const v = this.#v;
    v[6] = v[6]! ^ low;
    v[7] = v[7]! ^ high;
    this.#round();
    this.#round();
    v[0] = v[0]! ^ low;
    v[1] = v[1]! ^ high;
  }

  #round(): void {
    this.#add(0, 2);
    this.#add(4, 6);
    this.#rotate(2, 13);
    this.#rotate(6, 16);
    this.#mix(2, 0);
    this.#mix(6, 4);
    this.#swap(0);
    this.#add(4, 2);
    this.#add(0, 6);
    this.#rotate(2, 17);
    this.#rotate(6, 21);
    this.#mix(2, 4);
    this.#mix(6, 0);
    this.#swap(4);
  }

  /** v[to] += v[from], 64 bits. */
  #add(to: number, from: number): void {
    const v = this.#v;
    const low = (v[to]! >>> 0) + (v[from]! >>> 0);
    v[to] = low;
    v[to + 1] = v[to + 1]! + v[from + 1]! + (low > 0xffffffff ? 1 : 0);
  }

  /** Rotate left by less than 32. */
  #rotate(at: number, by: number): void {
    const v = this.#v;
    const low = v[at]!;
    const high = v[at + 1]!;
    v[at] = (low << by) | (high >>> (32 - by));
    v[at + 1] = (high << by) | (low >>> (32 - by));
  }

  #mix(to: number, from: number): void {
    const v = this.#v;
    v[to] = v[to]! ^ v[from]!;
    v[to + 1] = v[to + 1]! ^ v[from + 1]!;
  }

  /** Rotate by 32. */
  #swap(at: number): void {
    const v = this.#v;
    const low = v[at]!;
    v[at] = v[at + 1]!;
    v[at + 1] = low;
  }
}
