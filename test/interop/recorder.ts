/**
 * Cuts the streams of a listener's connections into messages as they pass, in the order they were sent: what is given to
 * a dissector. It holds whole messages only, and as many as it is made for.
 */
import type { Segment } from "./pcap.ts";
import type { ListenerOptions } from "./listener.ts";

/** Longest message there is: `msize`, or a Tversion that asks for more is short itself. */
const FRAME_BYTES = 8192;

export class Recorder {
  readonly messages: Segment[] = [];
  /** Messages that were not kept. */
  lost = 0;
  readonly #most: number;

  constructor(most = 20_000) {
    this.#most = most;
  }

  /** What to give to a listener. */
  tap(): NonNullable<ListenerOptions["tap"]> {
    const rests = new Map<string, Buffer>();
    return (connection, direction, bytes) => {
      const key = `${connection} ${direction}`;
      let rest = Buffer.concat([rests.get(key) ?? Buffer.alloc(0), bytes]);
      for (;;) {
        const size = rest.length < 4 ? Infinity : rest.readUInt32LE();
        if (size > FRAME_BYTES || size < 7 || rest.length < size) break;
        if (this.messages.length < this.#most) {
          this.messages.push({ request: direction === "request", bytes: Uint8Array.from(rest.subarray(0, size)) });
        } else this.lost++;
        rest = rest.subarray(size);
      }
      rests.set(key, rest);
    };
  }
}
