/**
 * The frames of the console wire as a client has them: u32 little-endian total length, its own four bytes included, then a line in
 * UTF-8 without an end. What is no such frame is named in a sentence and nothing of it is delivered; what is held is bounded.
 */

import { isUtf8 } from "node:buffer";

const HEADER = 4;
/** Longest frame that a hive may send: far above its longest line, far below what would harm. */
export const FRAME_LIMIT = 64 * 1024;
const CONTROL = /\p{Cc}/u;

/** A line as a frame. */
export function frame(line: string): Uint8Array {
  const length = HEADER + Buffer.byteLength(line);
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32LE(length, 0);
  bytes.write(line, HEADER, "utf8");
  return bytes;
}

export class FrameReader {
  readonly #line: (text: string) => void;
  #held: Buffer = Buffer.alloc(0);
  #released = false;

  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  /** Whether a frame has begun and is not whole. */
  get partial(): boolean {
    return this.#held.length > 0;
  }

  /** Take what came. @returns why it is no stream of frames; nothing may be fed after that. */
  feed(chunk: Uint8Array): string | undefined {
    const added = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const bytes = this.#held.length === 0 ? added : Buffer.concat([this.#held, added]);
    let at = 0;
    while (!this.#released && bytes.length - at >= HEADER) {
      const length = bytes.readUInt32LE(at);
      if (length < HEADER || length > FRAME_LIMIT) return `a frame of ${length} bytes was sent`;
      if (bytes.length - at < length) break;
      const line = bytes.subarray(at + HEADER, at + length);
      if (!isUtf8(line)) return "a line was sent that is no UTF-8";
      const text = line.toString("utf8");
      if (CONTROL.test(text)) return "a line was sent that has a control character in it";
      at += length;
      this.#held = bytes.subarray(at);
      this.#line(text);
    }
    if (this.#released) return undefined;
    // A copy, for the chunk is a slice of a larger buffer that would be kept with it.
    this.#held = Buffer.from(bytes.subarray(at));
    return undefined;
  }

  /** No more frames: called in the line after which the wire carries something else. @returns what came of that already. */
  release(): Uint8Array {
    this.#released = true;
    const rest = Buffer.from(this.#held);
    this.#held = Buffer.alloc(0);
    return rest;
  }
}
