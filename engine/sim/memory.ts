/**
 * Guest physical memory that devices can reach: a pool inside the WASM heap, so guest and device models see the same
 * bytes. Pages are given out once, zeroed, at growing addresses; an address outside of them is refused, never wrapped.
 */

export const PAGE = 4096;
/** Inside the modelled machine's RAM, far from where a kernel would be. */
export const DMA_BASE = 0x60000000;
export const RAM_BYTES = 0x40000000;

export class DmaPool {
  /** The WASM heap. Replaced when a runtime is rebuilt. */
  u8: Uint8Array = new Uint8Array(0);
  readonly total: number;
  used = 0;
  private pointer = 0;

  constructor(total: number) {
    this.total = total;
  }

  /** Bytes that `adopt` needs at its pointer. */
  get reserve(): number {
    return this.total + PAGE;
  }

  /** Start again, empty, on zeroed memory of a new instance. */
  adopt(u8: Uint8Array, pointer: number): void {
    this.u8 = u8;
    this.pointer = Math.ceil(pointer / PAGE) * PAGE;
    this.used = 0;
    u8.fill(0, this.pointer, this.pointer + this.total);
  }

  /** @returns offset in `u8`, -1 if there is not enough. */
  allocate(bytes: number): number {
    const size = Math.ceil(bytes / PAGE) * PAGE;
    if (this.used + size > this.total) return -1;
    const at = this.pointer + this.used;
    this.used += size;
    return at;
  }

  addressOf(offset: number): number {
    return DMA_BASE + offset - this.pointer;
  }

  /** @returns where the range is in `u8`, -1 if any of it was not given out. */
  translate(address: number, length: number): number {
    const at = address - DMA_BASE;
    if (at < 0 || length < 0 || at + length > this.used) return -1;
    return this.pointer + at;
  }
}
