import { expect } from "chai";
import { checkUdp, emitUdp, UDP_BAD_CHECKSUM, UDP_MALFORMED } from "../../../../services/net/wire/udp.ts";
import { bytes as sum, internetSum } from "../fixture.ts";

const SOURCE = 0xc0a80102 | 0;
const DESTINATION = 0xc0a80163 | 0;

function datagram(data: number[], length = 8 + data.length): number[] {
  const whole = [0xba, 0xc0, 0, 53, length >> 8, length & 0xff, 0, 0, ...data];
  const pseudo = [192, 168, 1, 2, 192, 168, 1, 99, 0, 17, length >> 8, length & 0xff];
  const checksum = ~internetSum([...pseudo, ...whole]) & 0xffff;
  whole[6] = checksum >> 8;
  whole[7] = checksum & 0xff;
  return whole;
}

function check(whole: number[], length = whole.length): number {
  return checkUdp(Uint8Array.from([9, ...whole, 1, 2]), 1, length, SOURCE, DESTINATION, sum);
}

describe("UDP datagrams", () => {
  it("are emitted to the byte, with nothing left as it was in the buffer", () => {
    const bytes = new Uint8Array(16).fill(0xa5);
    bytes.set([1, 2, 3], 10);
    emitUdp(bytes, 2, 0xbac0, 53, 11, SOURCE, DESTINATION, sum);
    expect([...bytes]).to.deep.equal([0xa5, 0xa5, ...datagram([1, 2, 3]), 0xa5, 0xa5, 0xa5]);
  });

  it("have their own length, which may be less than the packet's", () => {
    expect(check(datagram([1, 2, 3]))).to.equal(11);
    expect(check([...datagram([1, 2, 3]), 0, 0, 0])).to.equal(11);
    expect(check(datagram([1, 2, 3]), 10)).to.equal(UDP_MALFORMED);
    expect(check(datagram([1, 2, 3], 7))).to.equal(UDP_MALFORMED);
    expect(check(datagram([]).slice(0, 7), 7)).to.equal(UDP_MALFORMED);
    const noPort = datagram([1]);
    noPort[3] = 0;
    expect(check(noPort)).to.equal(UDP_MALFORMED);
  });

  it("are refused with a wrong checksum and taken without one", () => {
    const whole = datagram([1, 2, 3]);
    whole[9] = 9;
    expect(check(whole)).to.equal(UDP_BAD_CHECKSUM);
    whole[6] = whole[7] = 0;
    expect(check(whole)).to.equal(11);
  });

  it("never say that they have no checksum", () => {
    // Data chosen so that the sum is 0xffff and its complement 0.
    const bytes = new Uint8Array(10);
    const rest = internetSum([192, 168, 1, 2, 192, 168, 1, 99, 0, 17, 0, 10, 0xba, 0xc0, 0, 53, 0, 10]);
    bytes[8] = (0xffff - rest) >> 8;
    bytes[9] = (0xffff - rest) & 0xff;
    emitUdp(bytes, 0, 0xbac0, 53, 10, SOURCE, DESTINATION, sum);
    expect([bytes[6], bytes[7]]).to.deep.equal([0xff, 0xff]);
    expect(checkUdp(bytes, 0, 10, SOURCE, DESTINATION, sum)).to.equal(10);
  });
});
