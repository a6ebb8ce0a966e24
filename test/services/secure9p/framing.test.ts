import { expect } from "chai";
import * as fc from "fast-check";
import type { Bytes } from "../../../services/ports/index.ts";
import { BROKEN, FRAME, Framing, NEED_MORE, OVERSIZED } from "../../../services/secure9p/framing.ts";
import { nodeBytes } from "../support/ports.ts";
import { concat } from "./fixture.ts";
import { message } from "./layouts.ts";

/** Counts what is copied. */
class Copies {
  copied = 0;
  readonly port: Bytes = {
    ...nodeBytes,
    copy: (into, at, from, start, length) => {
      this.copied += length;
      nodeBytes.copy(into, at, from, start, length);
    },
  };
}

/** All that comes of a stream that arrives in pieces of these lengths, the last one repeated. */
function cut(framing: Framing, stream: Uint8Array, pieces: readonly number[]): string[] {
  const seen: string[] = [];
  for (let at = 0, n = 0; at < stream.length; n++) {
    const length = Math.min(pieces[Math.min(n, pieces.length - 1)]!, stream.length - at);
    for (let done = 0; done < length; done += framing.taken) {
      const state = framing.take(stream, at + done, length - done);
      if (state === FRAME) {
        seen.push([...framing.bytes.subarray(framing.at, framing.at + framing.size)].join(" "));
      } else if (state !== NEED_MORE) seen.push(`${state === OVERSIZED ? "oversized" : "broken"} ${framing.tag}`);
      if (state === BROKEN) return seen;
    }
    at += length;
  }
  return seen;
}

describe("Framing", () => {
  it("finds the same frames wherever the stream is cut", () => {
    const body = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 100 });
    const frames = fc.array(
      body.map((octets) => message(120, 3, octets)),
      { maxLength: 12 },
    );
    const pieces = fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(frames, pieces, (list, lengths) => {
        const framing = new Framing(nodeBytes, 128);
        const seen = cut(framing, concat(...list), lengths);
        expect(seen).to.deep.equal(list.map((f) => [...f].join(" ")));
        expect(framing.partial).to.be.false;
      }),
    );
  });

  it("copies each byte at most once, even if they come one at a time, and none of whole frames", () => {
    const copies = new Copies();
    const { port } = copies;
    const one = message(118, 1, Array<number>(8000).fill(7));
    const stream = concat(...Array<Uint8Array>(20).fill(one));
    cut(new Framing(port, 8192), stream, [1]);
    expect(copies.copied).to.equal(stream.length);
    copies.copied = 0;
    cut(new Framing(port, 8192), stream, [stream.length]);
    expect(copies.copied).to.equal(0);
    cut(new Framing(port, 8192), stream, [5000]);
    expect(copies.copied).to.be.at.most(stream.length);
  });

  it("refuses a frame beyond the limit by its tag, skips it and goes on", () => {
    const good = message(120, 2, [1, 2, 3, 4]);
    for (const pieces of [[1], [3], [7], [8], [100], [100000]]) {
      const stream = concat(message(118, 0x1234, Array<number>(1000).fill(1)), good);
      expect(cut(new Framing(nodeBytes, 512), stream, pieces)).to.deep.equal(["oversized 4660", [...good].join(" ")]);
    }
  });

  it("takes a frame of exactly the limit", () => {
    const frame = message(118, 1, Array<number>(505).fill(1));
    expect(cut(new Framing(nodeBytes, 512), frame, [200])).to.have.length(1);
    expect(cut(new Framing(nodeBytes, 511), frame, [200])).to.deep.equal(["oversized 1"]);
  });

  it("gives up where no frame can follow", () => {
    for (let size = 0; size < 7; size++) {
      const framing = new Framing(nodeBytes, 512);
      expect(cut(framing, Uint8Array.from([size, 0, 0, 0, 1, 2, 3, 4]), [1])).to.deep.equal(["broken 65535"]);
      expect(framing.take(Uint8Array.of(1, 2, 3), 0, 3)).to.equal(BROKEN);
      expect(framing.taken).to.equal(3);
    }
    const lie = Uint8Array.from([1, 0, 1, 0, 118, 7, 0, 0, 0]);
    expect(cut(new Framing(nodeBytes, 512), lie, [1])).to.deep.equal(["broken 7"]);
    const most = Uint8Array.from([0, 0, 1, 0, 118, 7, 0, 0, 0]);
    expect(cut(new Framing(nodeBytes, 512), most, [1])).to.deep.equal(["oversized 7"]);
    expect(cut(new Framing(nodeBytes, 512), Uint8Array.from([255, 255, 255, 255, 118, 9, 0]), [7])).to.deep.equal([
      "broken 9",
    ]);
  });

  it("takes any bytes to their end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 1, max: 50 }), (bytes, piece) => {
        cut(new Framing(nodeBytes, 64), bytes, [piece]);
      }),
    );
  });
});
