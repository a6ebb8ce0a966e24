import { expect } from "chai";
import * as fc from "fast-check";
import {
  checkIpv4,
  completeIpv4,
  emitIpv4Template,
  IPV4_BAD_CHECKSUM,
  IPV4_FRAGMENTED,
  IPV4_MALFORMED,
  ipv4FixedSum,
} from "../../../../services/net/wire/ipv4.ts";
import { bytes as sum, ipv4Packet, OWN_IP } from "../fixture.ts";

/** The well-known example: UDP from 192.168.0.1 to 192.168.0.199, checksum b861. */
const EXAMPLE = [
  0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00,
  0xc7,
];

function check(packet: number[], length = packet.length): number {
  return checkIpv4(Uint8Array.from([9, ...packet]), 1, length, sum);
}

describe("IPv4 headers", () => {
  it("emits the known example, every byte and none besides", () => {
    const bytes = new Uint8Array(24).fill(0xa5);
    const source = 0xc0a80001 | 0;
    emitIpv4Template(bytes, 2, source);
    completeIpv4(bytes, 2, 0x73, 0x11, 0xc0a800c7 | 0, ipv4FixedSum(source));
    expect([...bytes]).to.deep.equal([0xa5, 0xa5, ...EXAMPLE, 0xa5, 0xa5]);
  });

  it("accepts what it emits, for any address and length", () => {
    const property = fc.property(
      fc.integer(),
      fc.integer(),
      fc.integer({ min: 20, max: 65535 }),
      fc.integer({ min: 0, max: 255 }),
      (source, destination, total, protocol) => {
        const bytes = new Uint8Array(20).fill(0xa5);
        emitIpv4Template(bytes, 0, source);
        completeIpv4(bytes, 0, total, protocol, destination, ipv4FixedSum(source));
        expect(checkIpv4(bytes, 0, 65535, sum)).to.equal((20 << 16) | total);
      },
    );
    fc.assert(property);
  });

  it("tells header and total length, padding apart", () => {
    expect(check(ipv4Packet([1, 2, 3]))).to.equal((20 << 16) | 23);
    expect(check(ipv4Packet([1, 2, 3], { options: [1, 1, 1, 0] }))).to.equal((24 << 16) | 27);
    expect(check([...ipv4Packet([1, 2, 3]), 0, 0, 0, 0])).to.equal((20 << 16) | 23);
  });

  it("refuses lengths that do not fit", () => {
    expect(check(EXAMPLE.slice(0, 19), 19)).to.equal(IPV4_MALFORMED);
    expect(check(ipv4Packet([1, 2]), 21), "cut").to.equal(IPV4_MALFORMED);
    expect(check(ipv4Packet([1, 2], { total: 19 }))).to.equal(IPV4_MALFORMED);
    const short = ipv4Packet([]);
    short[0] = 0x44;
    expect(check(short), "header length 16").to.equal(IPV4_MALFORMED);
    short[0] = 0x46;
    expect(check(short), "options beyond the packet").to.equal(IPV4_MALFORMED);
    short[0] = 0x65;
    expect(check(short), "version 6").to.equal(IPV4_MALFORMED);
  });

  it("refuses every single wrong bit of the header by one check or another", () => {
    const packet = ipv4Packet([], { destination: OWN_IP });
    for (let bit = 0; bit < 160; bit++) {
      const wrong = [...packet];
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(check(wrong), `bit ${bit}`).to.be.lessThan(0);
    }
    expect(check(ipv4Packet([], { checksum: 1 }))).to.equal(IPV4_BAD_CHECKSUM);
  });

  it("tells fragments: the first, a middle one, the last; the don't-fragment bit is none", () => {
    for (const fragment of [0x2000, 0x2001, 0x1fff, 1]) {
      expect(check(ipv4Packet([], { fragment })), fragment.toString(16)).to.equal(IPV4_FRAGMENTED);
    }
    expect(check(ipv4Packet([], { fragment: 0x4000 }))).to.be.greaterThan(0);
  });
});
