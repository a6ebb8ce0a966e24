import { expect } from "chai";
import { SipHash } from "../../../../services/net/tcp/siphash.ts";

describe("SipHash-2-4", () => {
  it("gives the authors' vector for twelve bytes", () => {
    const hash = new SipHash();
    hash.setKey(Uint8Array.from({ length: 16 }, (_, i) => i));
    // vectors_sip64[12]: fb e5 0e 86 bc 8f 1e 75
    hash.hash(0x03020100, 0x07060504, 0x0b0a0908);
    expect([hash.high, hash.low]).to.deep.equal([0x751e8fbc, 0x860ee5fb | 0]);
  });

  it("has no key until chance is ready, and then keeps it", () => {
    const hash = new SipHash();
    let asked = 0;
    const random = (ready: boolean, filled: boolean) => ({
      ready,
      fill(into: Uint8Array) {
        asked++;
        into.fill(7);
        return filled;
      },
    });
    expect(hash.draw(random(false, true))).to.equal(false);
    expect(hash.draw(random(true, false))).to.equal(false);
    expect(hash.keyed).to.equal(false);
    expect(hash.draw(random(true, true))).to.equal(true);
    expect(hash.draw(random(false, false))).to.equal(true);
    expect(asked).to.equal(2);
  });

  it("depends on every word and on the key", () => {
    const hash = new SipHash();
    const seen = new Set<number>();
    for (const key of [1, 2]) {
      hash.setKey(new Uint8Array(16).fill(key));
      for (const words of [
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ] as const) {
        hash.hash(words[0], words[1], words[2]);
        seen.add(hash.low);
      }
    }
    expect(seen.size).to.equal(8);
  });
});
