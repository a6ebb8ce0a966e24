/**
 * The frames of the console wire as a client has them: u32 little-endian total length, its own four bytes included, then a line in
 * UTF-8 without an end. What is no such frame is named in a sentence and nothing of it is delivered; what is held is bounded.
 */

import {
  BROKEN,
  FALSE_LENGTH,
  LENGTH_BYTES,
  LINE,
  LineFraming,
  NEED_MORE,
} from "../../services/console/door/framing.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";

/** Longest frame that a hive may send: far above its longest line, far below what would harm. */
export const FRAME_LIMIT = FALSE_LENGTH;
const CONTROL = /\p{Cc}/u;
const NOTHING = new Uint8Array(0);

/** A line as a frame. */
export function frame(line: string): Uint8Array {
  const length = LENGTH_BYTES + Buffer.byteLength(line);
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32LE(length, 0);
  bytes.write(line, LENGTH_BYTES, "utf8");
  return bytes;
}

export class FrameReader {
  readonly #framing = new LineFraming(nodeBytes, FRAME_LIMIT - LENGTH_BYTES);
  readonly #line: (text: string) => void;
  /** What of the chunk at hand is not taken yet. */
  #rest: Uint8Array = NOTHING;
  #released = false;

  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  /** Whether a frame has begun and is not whole. */
  get partial(): boolean {
    return this.#framing.partial;
  }

  /** Take what came. @returns why it is no stream of frames; nothing may be fed after that. */
  feed(chunk: Uint8Array): string | undefined {
    const framing = this.#framing;
    this.#rest = chunk;
    while (this.#rest.length > 0 && !this.#released) {
      const state = framing.take(this.#rest, 0, this.#rest.length);
      this.#rest = this.#rest.subarray(framing.taken);
      if (state === NEED_MORE) continue;
      if (state !== LINE) return state === BROKEN ? "a frame of false length was sent" : "an overlong frame was sent";
      const { bytes, at, size } = framing;
      if (!nodeBytes.validate(bytes, at, size)) return "a line was sent that is no UTF-8";
      const text = nodeBytes.decode(bytes, at, size);
      if (CONTROL.test(text)) return "a line was sent that has a control character in it";
      this.#line(text);
    }
    return undefined;
  }

  /** No more frames: called in the line after which the wire carries something else. @returns what came of that already. */
  release(): Uint8Array {
    this.#released = true;
    return this.#rest.slice();
  }
}
