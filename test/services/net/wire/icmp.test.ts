import { expect } from "chai";
import * as fc from "fast-check";
import { checkIcmp, emitIcmpHeader, ICMP_BAD_CHECKSUM, ICMP_MALFORMED } from "../../../../services/net/wire/icmp.ts";
import { bytes as sum, icmpMessage, internetSum } from "../fixture.ts";

function check(message: number[]): number {
  return checkIcmp(Uint8Array.from([9, ...message]), 1, message.length, sum);
}

describe("ICMP messages", () => {
  it("accepts a sound one and returns the sum of what is behind the checksum", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 255 }),
        fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4 }),
        (type, rest) => {
          expect(check(icmpMessage(type, 0, rest))).to.equal(internetSum(rest));
        },
      ),
    );
  });

  it("refuses short ones and every single wrong bit", () => {
    expect(check(icmpMessage(8, 0, [1, 2, 3]))).to.equal(ICMP_MALFORMED);
    const message = icmpMessage(8, 0, [1, 2, 3, 4, 5]);
    for (let bit = 0; bit < 72; bit++) {
      const wrong = [...message];
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(check(wrong), `bit ${bit}`).to.equal(ICMP_BAD_CHECKSUM);
    }
  });

  it("emits the checksum from that sum, also where one's complement has two zeros", () => {
    const rests = [
      [0, 0, 0, 0],
      [0xff, 0xff, 0, 0],
      [0xf7, 0xff, 0, 0],
      [1, 2, 3, 4, 5],
    ];
    for (const rest of rests) {
      const bytes = new Uint8Array(4 + rest.length).fill(0xa5);
      bytes.set(rest, 4);
      emitIcmpHeader(bytes, 0, 0, 0, internetSum(rest));
      expect([...bytes]).to.deep.equal(icmpMessage(0, 0, rest));
    }
  });
});
