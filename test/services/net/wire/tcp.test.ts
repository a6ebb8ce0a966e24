import { expect } from "chai";
import * as fc from "fast-check";
import {
  ACK,
  checkTcp,
  completeTcp,
  createTcpOptions,
  emitSack,
  emitSynOptions,
  emitTcpHeader,
  emitTimestamps,
  FIN,
  parseTcpOptions,
  PSH,
  RST,
  SYN,
  TCP_BAD_CHECKSUM,
  TCP_MALFORMED,
  type TcpOptions,
} from "../../../../services/net/wire/tcp.ts";
import { bytes as sum, internetSum } from "../fixture.ts";

const SOURCE = 0xc0a80102 | 0;
const DESTINATION = 0xc0a80163 | 0;
/** Ports 47808 and 80, the numbers of smaller fields distinct; checksum by hand below. */
const PORTS = (47808 << 16) | 80;

/** A segment with a right checksum, by other code than what is under test. */
function segment(header: number[], payload: number[] = []): number[] {
  const whole = [...header, ...payload];
  const pseudo = [192, 168, 1, 2, 192, 168, 1, 99, 0, 6, whole.length >> 8, whole.length & 0xff];
  const checksum = ~internetSum([...pseudo, ...whole]) & 0xffff;
  whole[16] = checksum >> 8;
  whole[17] = checksum & 0xff;
  return whole;
}

function header(options: number[] = [], offset = 5 + options.length / 4): number[] {
  const fixed = [0xba, 0xc0, 0, 80, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, offset << 4, 0x18];
  return [...fixed, 0x12, 0x34, 0, 0, 0, 0, ...options];
}

function check(whole: number[], length = whole.length): number {
  return checkTcp(Uint8Array.from([9, ...whole]), 1, length, SOURCE, DESTINATION, sum);
}

function parse(options: number[]): TcpOptions | undefined {
  const into = createTcpOptions();
  const whole = header(options);
  return parseTcpOptions(Uint8Array.from([7, ...whole]), 1, whole.length, into) ? into : undefined;
}

describe("TCP segments", () => {
  it("are emitted to the byte, with nothing left as it was in the buffer", () => {
    const bytes = new Uint8Array(40).fill(0xa5);
    emitTcpHeader(bytes, 3, PORTS, 0x01234567, 0x89abcdef | 0, 20, ACK | PSH, 0x1234);
    bytes.set([1, 2, 3], 23);
    completeTcp(bytes, 3, 23, SOURCE, DESTINATION, sum);
    const outside = Array<number>(14).fill(0xa5);
    expect([...bytes]).to.deep.equal([0xa5, 0xa5, 0xa5, ...segment(header(), [1, 2, 3]), ...outside]);
  });

  it("are accepted with a right checksum, and refused with any single wrong bit", () => {
    const whole = segment(header([1, 1, 1, 0]), [1, 2, 3]);
    expect(check(whole)).to.equal(24);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const wrong = [...whole];
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(check(wrong), `bit ${bit}`).to.be.lessThan(0);
    }
    expect(checkTcp(Uint8Array.from(whole), 0, whole.length, SOURCE + 1, DESTINATION, sum)).to.equal(TCP_BAD_CHECKSUM);
  });

  it("are refused if their lengths do not fit, or a port is 0", () => {
    expect(check(segment(header()).slice(0, 19))).to.equal(TCP_MALFORMED);
    expect(check(segment(header([], 4)))).to.equal(TCP_MALFORMED);
    expect(check(segment(header([], 6)))).to.equal(TCP_MALFORMED);
    const noSource = header();
    noSource[0] = noSource[1] = 0;
    expect(check(segment(noSource))).to.equal(TCP_MALFORMED);
    const noDestination = header();
    noDestination[3] = 0;
    expect(check(segment(noDestination))).to.equal(TCP_MALFORMED);
  });

  it("have flags at RFC 9293's bits", () => {
    expect([FIN, SYN, RST, PSH, ACK]).to.deep.equal([1, 2, 4, 8, 16]);
  });
});

describe("TCP options", () => {
  it("of a SYN are read, in any order and with any padding", () => {
    const options = parse([1, 3, 3, 7, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 4, 2, 2, 4, 0x05, 0xb4, 1, 1, 0, 99]);
    expect(options).to.deep.include({
      mss: 1460,
      windowScale: 7,
      sackPermitted: true,
      timestamps: true,
      timestamp: 0x01020304,
      echo: 0x05060708,
      sackCount: 0,
    });
  });

  it("of an earlier segment are forgotten", () => {
    const into = createTcpOptions();
    const syn = header([2, 4, 5, 0xb4, 4, 2, 3, 3, 9, 0, 0, 0]);
    expect(parseTcpOptions(Uint8Array.from(syn), 0, syn.length, into)).to.equal(true);
    expect(parseTcpOptions(Uint8Array.from(header()), 0, 20, into)).to.equal(true);
    expect(into).to.deep.include({ mss: -1, windowScale: -1, sackPermitted: false, timestamps: false, sackCount: 0 });
  });

  it("take a shift above 14 as 14 (RFC 7323 §2.3)", () => {
    expect(parse([3, 3, 15, 0])?.windowScale).to.equal(14);
  });

  it("of unknown kinds are skipped", () => {
    expect(parse([254, 4, 0xaa, 0xbb, 2, 4, 1, 0])?.mss).to.equal(256);
  });

  it("report one to four ranges", () => {
    const options = parse([1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9]);
    expect(options?.sackCount).to.equal(2);
    expect([...(options?.sacks ?? [])].slice(0, 4)).to.deep.equal([1, 2, -1, 9]);
  });

  for (const [what, options] of [
    ["a length of 0", [2, 0, 0, 0]],
    ["a length of 1", [254, 1, 0, 0]],
    ["a length beyond the header", [254, 5, 0, 0]],
    ["no length", [1, 1, 1, 2]],
    ["an MSS of another length", [2, 3, 1, 0]],
    ["a window scale of another length", [3, 4, 1, 0]],
    ["SACK permitted of another length", [4, 3, 1, 0]],
    ["timestamps of another length", [8, 8, 0, 0, 0, 0, 0, 0]],
    ["ranges that are none", [5, 2, 0, 0]],
    ["half a range", [5, 6, 0, 0, 0, 0, 0, 0]],
  ] as [string, number[]][]) {
    it(`are refused with ${what}`, () => {
      expect(parse(options)).to.equal(undefined);
    });
  }

  it("are read no further than the header goes, whatever they say of themselves", () => {
    for (const options of [
      [1, 1, 8, 2],
      [1, 1, 2, 2],
      [1, 1, 3, 2],
      [1, 8, 3, 0],
      [1, 1, 5, 2],
      [1, 1, 1, 8],
    ]) {
      const whole = Uint8Array.from(header(options));
      let furthest = 0;
      const watched = new Proxy(whole, {
        get: (bytes, key) => {
          furthest = Math.max(furthest, Number(key));
          return bytes[Number(key)];
        },
      });
      expect(parseTcpOptions(watched, 0, whole.length, createTcpOptions()), options.join()).to.equal(false);
      expect(furthest, options.join()).to.be.lessThan(whole.length);
    }
  });

  it("never throw, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), (raw) => {
        const options = [...raw.slice(0, raw.length & ~3)];
        const parsed = parse(options);
        if (parsed !== undefined) expect(parsed.sackCount).to.be.within(0, 4);
      }),
    );
  });

  it("are emitted aligned, and read back", () => {
    const bytes = new Uint8Array(64).fill(0xa5);
    const length = emitSynOptions(bytes, 20, 1460, 3, true);
    emitTimestamps(bytes, 20 + length, -2, 5);
    expect([...bytes.subarray(20, 45)]).to.deep.equal([
      2, 4, 0x05, 0xb4, 1, 3, 3, 3, 1, 1, 4, 2, 1, 1, 8, 10, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 5, 0xa5,
    ]);
    expect(emitSynOptions(bytes, 20, 536, -1, false)).to.equal(4);
    expect([...bytes.subarray(20, 24)]).to.deep.equal([2, 4, 2, 24]);
    bytes.fill(0xa5);
    expect(emitSack(bytes, 1, 2, Int32Array.from([1, 2, -1, 9]))).to.equal(20);
    expect([...bytes.subarray(0, 22)]).to.deep.equal([
      0xa5, 1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0xa5,
    ]);
  });
});
