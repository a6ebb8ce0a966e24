import { expect } from "chai";
import * as fc from "fast-check";
import * as p9 from "../../../services/secure9p/constants.ts";
import { DECODED, decode, MALFORMED, UNKNOWN_TYPE, type Verdict } from "../../../services/secure9p/decode.ts";
import { encode, UNFIT } from "../../../services/secure9p/encode.ts";
import { Message } from "../../../services/secure9p/message.ts";
import { INEXACT, Reader, Writer } from "../../../services/secure9p/wire.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";
import { emit, type Field, fields, get, integer, LAYOUTS, message, set, type Value } from "./layouts.ts";

const reader = new Reader();
const writer = new Writer(nodeBytes);

function decoded(bytes: Uint8Array, pad = 0): [Message, Verdict] {
  const m = new Message();
  const around = new Uint8Array(bytes.length + 2 * pad).fill(0xa5);
  around.set(bytes, pad);
  return [m, decode(m, reader, around, pad, bytes.length)];
}

/** Starts from 0xA5, so a byte that nobody writes shows. */
function encoded(m: Message, room = 4096): number[] | typeof UNFIT {
  const into = new Uint8Array(room + 8).fill(0xa5);
  const size = encode(m, writer, into, 4, room);
  expect([...into.subarray(0, 4), ...into.subarray(room + 4)]).to.deep.equal(Array(8).fill(0xa5));
  return size === UNFIT ? UNFIT : [...into.subarray(4, 4 + size)];
}

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 0xffffffff, 0x100000000, Number.MAX_SAFE_INTEGER));
const octets = (maxLength: number): fc.Arbitrary<number[]> => fc.array(fc.integer({ min: 0, max: 255 }), { maxLength });
const qid = fc.record({ type: fc.integer({ min: 0, max: 255 }), version: u32, path: u64 });

function values(width: string): fc.Arbitrary<Value> {
  if (width === "s") return octets(300);
  if (width === "d") return octets(2000);
  if (width === "13") return qid;
  if (width === "*s") return fc.array(octets(20), { maxLength: 16 });
  if (width === "*13") return fc.array(qid, { maxLength: 16 });
  if (width === "8") return u64;
  if (width === "1") return fc.integer({ min: 0, max: 255 });
  return width === "2" ? fc.integer({ min: 0, max: 0xffff }) : u32;
}

/** A value for the n-th field that no other field of the message has, nor shares a byte with. */
function distinct(width: string, n: number): Value {
  const byte = (i: number): number => (n * 11 + i * 3 + 1) & 0x7f;
  const wide = (bytes: number): number =>
    Array.from({ length: bytes }, (_, i) => byte(i)).reduce((sum, octet, i) => sum + octet * 2 ** (8 * i), 0);
  if (width === "s" || width === "d") return Array.from({ length: n + 3 }, (_, i) => byte(i));
  if (width === "13") return { type: byte(9), version: wide(4), path: wide(6) + 1 };
  if (width === "*s") return [[byte(0)], [byte(1), byte(2)], []];
  if (width === "*13") return [0, 1, 2].map((i) => ({ type: byte(i), version: n + i, path: 100 + i }));
  if (width === "8") return wide(6) + n;
  return wide(width === "m" ? 4 : Number(width));
}

describe("9P2000.L codec", () => {
  it("knows every message of the protocol and no other", () => {
    const known = new Set(LAYOUTS.map(([type]) => type));
    for (let type = 0; type < 256; type++) {
      expect(decoded(message(type, 5, []))[1] !== UNKNOWN_TYPE, `type ${type}`).to.equal(known.has(type));
      const m = new Message();
      m.type = type;
      expect(encoded(m) !== UNFIT, `type ${type}`).to.equal(known.has(type));
    }
  });

  for (const [type, name, layout] of LAYOUTS) {
    const list: Field[] = fields(layout);

    describe(name, () => {
      it(`is numbered as in the protocol`, () => {
        expect((p9 as Record<string, unknown>)[name.toUpperCase()]).to.equal(type);
      });

      it("has each field where protocol.md has it", () => {
        const given = list.map(({ width }, n) => distinct(width, n + 1));
        const bytes = message(
          type,
          0x1234,
          list.flatMap(({ width }, n) => emit(width, given[n]!)),
        );
        const [m, verdict] = decoded(bytes, 3);
        expect(verdict).to.equal(DECODED);
        expect([m.type, m.tag]).to.deep.equal([type, 0x1234]);
        expect(list.map((field) => get(m, field))).to.deep.equal(given);
        const out = new Message();
        out.type = type;
        out.tag = 0x1234;
        list.forEach((field, n) => set(out, field, given[n]!));
        expect(encoded(out)).to.deep.equal([...bytes]);
      });

      it("comes back as it was, for any values", () => {
        fc.assert(
          fc.property(
            fc.tuple(...list.map(({ width }) => values(width))),
            fc.integer({ min: 0, max: 65535 }),
            (given, tag) => {
              const bytes = message(
                type,
                tag,
                list.flatMap(({ width }, n) => emit(width, given[n]!)),
              );
              const [m, verdict] = decoded(bytes);
              expect(verdict).to.equal(DECODED);
              expect(list.map((field) => get(m, field))).to.deep.equal(given);
              expect(encoded(m, bytes.length)).to.deep.equal([...bytes]);
              expect(encoded(m, bytes.length - 1)).to.equal(UNFIT);
            },
          ),
          { numRuns: 25 },
        );
      });

      it("is refused one byte too short at any place, and one too long", () => {
        const body = list.flatMap(({ width }, n) => emit(width, distinct(width, n + 1)));
        for (let length = 0; length < body.length; length++) {
          expect(decoded(message(type, 1, body.slice(0, length)))[1], `${length} bytes`).to.equal(MALFORMED);
        }
        expect(decoded(message(type, 1, [...body, 0]))[1]).to.equal(MALFORMED);
      });
    });
  }

  it("agrees with frames that v9fs sends", () => {
    // Tversion msize 8192 "9P2000.L"; Tattach fid 0, no afid, uname "", aname "", uid 0; Tgetattr fid 0, mask 0x7ff
    const [version] = decoded(
      Uint8Array.from([...integer(21, 4), 100, 255, 255, 0, 32, 0, 0, 8, 0, ...utf8("9P2000.L")]),
    );
    expect([version.tag, version.msize, version.version.equals("9P2000.L")]).to.deep.equal([0xffff, 8192, true]);
    const getattr = [19, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0xff, 7, 0, 0, 0, 0, 0, 0];
    const [m] = decoded(Uint8Array.from(getattr));
    expect([m.fid, m.mask]).to.deep.equal([0, p9.GETATTR_BASIC]);
    expect(encoded(m)).to.deep.equal(getattr);
  });

  it("says that a 64-bit number is not exact and never rounds one", () => {
    const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0];
    for (const [bytes, value] of [
      [most, Number.MAX_SAFE_INTEGER],
      [[0, 0, 0, 0, 0, 0, 0x20, 0], INEXACT],
      [[1, 0, 0, 0, 0, 0, 0x20, 0], INEXACT],
      [Array<number>(8).fill(0xff), INEXACT],
    ] as const) {
      const [m, verdict] = decoded(message(p9.TREAD, 1, [...integer(7, 4), ...bytes, ...integer(9, 4)]));
      expect([verdict, m.fid, m.offset, m.count]).to.deep.equal([DECODED, 7, value, 9]);
    }
  });

  it("refuses qids that cannot be told apart as numbers", () => {
    expect(decoded(message(p9.RATTACH, 1, [0, ...integer(1, 4), 0, 0, 0, 0, 0, 0, 0x20, 0]))[1]).to.equal(MALFORMED);
  });

  it("encodes no number that is none, no string over 65,535 bytes, no count over 16", () => {
    const m = new Message();
    m.type = p9.TREAD;
    for (const offset of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      m.offset = offset;
      expect(encoded(m), `${offset}`).to.equal(UNFIT);
    }
    m.type = p9.RREADLINK;
    m.target.set(new Uint8Array(65536), 0, 65536);
    expect(encoded(m, 70000)).to.equal(UNFIT);
    m.target.set(new Uint8Array(65535), 0, 65535);
    expect(encoded(m, 70000)).to.have.length(65535 + 9);
    m.type = p9.TWALK;
    m.nwname = 17;
    expect(encoded(m)).to.equal(UNFIT);
  });

  it("refuses absurd counts without looking for what they promise", () => {
    expect(decoded(message(p9.TWALK, 1, [...integer(1, 4), ...integer(2, 4), 0xff, 0xff]))[1]).to.equal(MALFORMED);
    expect(
      decoded(message(p9.TWALK, 1, [...integer(1, 4), ...integer(2, 4), 17, 0, ...Array<number>(34).fill(0)]))[1],
    ).to.equal(MALFORMED);
    expect(decoded(message(p9.TWRITE, 1, [...integer(1, 4), ...integer(0, 8), 0xff, 0xff, 0xff, 0xff, 1]))[1]).to.equal(
      MALFORMED,
    );
  });

  it("takes any bytes", () => {
    const type = fc.constantFrom(...LAYOUTS.map(([number]) => number), 6, 112, 255);
    fc.assert(
      fc.property(type, octets(120), (number, body) => {
        const bytes = message(number, 1, body);
        const [m, verdict] = decoded(bytes, 1);
        if (verdict === DECODED) {
          const again = encoded(m);
          // Masks lose their upper half, which means nothing; inexact numbers cannot be written.
          if (again !== UNFIT) expect(again.length).to.equal(bytes.length);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
