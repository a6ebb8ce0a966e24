/** Bulk work on bytes: copy, Internet checksum, UTF-8. */
import { bytesEqual, equal, holds, loose, randomNumbers, test, throws } from "./harness.ts";
import type { Test } from "./harness.ts";

const FFFD = "\ufffd";

function filled(length: number, seed: number): Uint8Array {
  const next = randomNumbers(seed);
  return Uint8Array.from({ length }, () => next() & 0xff);
}

/** RFC 1071 as it says: 16-bit words added, carries added again. */
function referenceChecksum(bytes: Uint8Array, initial: number): number {
  let sum = initial;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
  return sum;
}

function decode(bytes: readonly number[]): string {
  return host.utf8Decode(Uint8Array.from(bytes), 0, bytes.length);
}

function encode(text: string): Uint8Array {
  const into = new Uint8Array(3 * text.length);
  return into.slice(0, host.utf8Encode(text, into, 0));
}

/** Texts and their UTF-8 (RFC 3629 §3, §7). */
const VALID: readonly (readonly [string, readonly number[]])[] = [
  ["", []],
  ["A", [0x41]],
  ["\u0000", [0]],
  ["a\u0000b", [0x61, 0, 0x62]],
  ["\u007f\u0080\u07ff\u0800", [0x7f, 0xc2, 0x80, 0xdf, 0xbf, 0xe0, 0xa0, 0x80]],
  ["\ud7ff\ue000\uffff", [0xed, 0x9f, 0xbf, 0xee, 0x80, 0x80, 0xef, 0xbf, 0xbf]],
  ["\u{10000}\u{10ffff}", [0xf0, 0x90, 0x80, 0x80, 0xf4, 0x8f, 0xbf, 0xbf]],
  ["A\u2262\u0391.", [0x41, 0xe2, 0x89, 0xa2, 0xce, 0x91, 0x2e]],
  ["\ud55c\uad6d\uc5b4", [0xed, 0x95, 0x9c, 0xea, 0xb5, 0xad, 0xec, 0x96, 0xb4]],
  ["\ufeff\u{233b4}", [0xef, 0xbb, 0xbf, 0xf0, 0xa3, 0x8e, 0xb4]],
  [FFFD, [0xef, 0xbf, 0xbd]],
  ["é", [0xc3, 0xa9]],
];

/** Ill-formed bytes and what WHATWG's decoder makes of them: one U+FFFD for each maximal subpart. */
const INVALID: readonly (readonly [readonly number[], string])[] = [
  [[0x80], FFFD],
  [[0xbf, 0x41], `${FFFD}A`],
  [[0xc0, 0xaf], FFFD + FFFD],
  [[0xc1, 0xbf], FFFD + FFFD],
  [[0xc2], FFFD],
  [[0xc2, 0x41], `${FFFD}A`],
  [[0xe0, 0x80, 0x80], FFFD + FFFD + FFFD],
  [[0xe0, 0x9f, 0xbf], FFFD + FFFD + FFFD],
  [[0xe2, 0x82], FFFD],
  [[0xe2, 0x82, 0x41], `${FFFD}A`],
  [[0xed, 0xa0, 0x80], FFFD + FFFD + FFFD],
  [[0xed, 0xbf, 0xbf], FFFD + FFFD + FFFD],
  [[0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], FFFD.repeat(6)],
  [[0xf0, 0x80, 0x80, 0x80], FFFD.repeat(4)],
  [[0xf0, 0x8f, 0xbf, 0xbf], FFFD.repeat(4)],
  [[0xf0, 0x9f, 0x98], FFFD],
  [[0xf0, 0x9f, 0x98, 0x41], `${FFFD}A`],
  [[0xf4, 0x90, 0x80, 0x80], FFFD.repeat(4)],
  [[0xf5, 0x80, 0x80, 0x80], FFFD.repeat(4)],
  [[0xf8, 0x88, 0x80, 0x80, 0x80], FFFD.repeat(5)],
  [[0xfe, 0xff], FFFD + FFFD],
  // The Unicode Standard, tables 3-8, 3-9, 3-10 and 3-11.
  [[0xc0, 0xaf, 0xe0, 0x80, 0xbf, 0xf0, 0x81, 0x82, 0x41], `${FFFD.repeat(8)}A`],
  [[0xed, 0xa0, 0x80, 0xed, 0xbf, 0xbf, 0xed, 0xaf, 0x41], `${FFFD.repeat(8)}A`],
  [[0xf4, 0x91, 0x92, 0x93, 0xff, 0x41, 0x80, 0xbf, 0x42], `${FFFD.repeat(5)}A${FFFD.repeat(2)}B`],
  [[0xe1, 0x80, 0xe2, 0xf0, 0x91, 0x92, 0xf1, 0xbf, 0x41], `${FFFD.repeat(4)}A`],
  [[0x61, 0xf1, 0x80, 0x80, 0xe1, 0x80, 0xc2, 0x62, 0x80, 0x63], `a${FFFD.repeat(3)}b${FFFD}c`],
  [[0, 0xff, 0], `\u0000${FFFD}\u0000`],
];

export const byteTests: readonly Test[] = [
  test("copy moves bytes, also over DMA memory", () => {
    const from = filled(300, 1);
    const dma = new Uint8Array(host.dmaAlloc(4096).buffer);
    host.copy(dma, 100, from, 10, 200);
    bytesEqual(dma.subarray(100, 300), from.subarray(10, 210), "into DMA memory");
    const back = new Uint8Array(200);
    host.copy(back, 0, dma, 100, 200);
    bytesEqual(back, from.subarray(10, 210), "out of DMA memory");
    holds(dma[99] === 0 && dma[300] === 0, "a byte beside the range changed");
  }),
  test("copy of overlapping ranges moves them as if through a buffer", () => {
    // Not by copyWithin, which may well be the same function below.
    const plain = new Array<number>(200);
    for (const length of [1, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 100]) {
      for (let distance = -40; distance <= 40; distance++) {
        const bytes = filled(200, length);
        for (let i = 0; i < 200; i++) plain[i] = bytes[i]!;
        host.copy(bytes, 50 + distance, bytes, 50, length);
        const moved = plain.slice();
        for (let i = 0; i < length; i++) moved[50 + distance + i] = plain[50 + i]!;
        bytesEqual(bytes, Uint8Array.from(moved), `${length} bytes by ${distance}`);
      }
    }
  }),
  test("a list that loses its first keeps the others, and so does a typed array that is moved in itself", () => {
    for (let length = 2; length <= 40; length++) {
      const list = Array.from({ length }, (_, i) => ({ i }));
      equal(list.shift()?.i, 0, "the first");
      equal(list.map(({ i }) => i).join(), Array.from({ length: length - 1 }, (_, i) => i + 1).join(), "the others");
      const numbers = Float64Array.from({ length }, (_, i) => i);
      numbers.copyWithin(0, 1);
      equal(numbers.slice(0, -1).join(), Array.from({ length: length - 1 }, (_, i) => i + 1).join(), "numbers");
    }
  }),
  test("copy works on parts of a buffer and with a length of zero", () => {
    const bytes = filled(32, 3);
    const expected = Uint8Array.from(bytes);
    expected.copyWithin(20, 4, 8);
    host.copy(bytes.subarray(16), 4, bytes.subarray(4), 0, 4);
    bytesEqual(bytes, expected, "between two views");
    host.copy(bytes, 32, bytes, 32, 0);
    host.copy(new Uint8Array(0), 0, new Uint8Array(0), 0, 0);
    bytesEqual(bytes, expected, "after copies of nothing");
  }),
  test("copy checks its ranges and types, and copies nothing then", () => {
    const into = new Uint8Array(16);
    const from = filled(16, 4);
    const copy = loose("copy");
    const wrong = [
      [1, 0, 16],
      [0, 1, 16],
      [0, 0, 17],
      [17, 0, 0],
      [0, 17, 0],
      [-1, 0, 1],
      [0, -1, 1],
      [0, 0, -1],
      [0.5, 0, 1],
      [0, NaN, 1],
      [0, 0, 2 ** 53],
    ] as const;
    for (const [at, start, length] of wrong) {
      const what = `at ${at}, start ${start}, length ${length}`;
      throws("RangeError", "copy", () => host.copy(into, at, from, start, length), what);
    }
    throws("TypeError", "copy", () => copy([], 0, from, 0, 1), "an array");
    throws("TypeError", "copy", () => copy(into, 0, new Uint16Array(8), 0, 1), "a Uint16Array");
    throws("TypeError", "copy", () => copy(into, 0, from.buffer, 0, 1), "an ArrayBuffer");
    throws("TypeError", "copy", () => copy(into, "0", from, 0, 1), "a string as offset");
    throws("TypeError", "copy", () => copy(into, 0, from, 0), "no length");
    throws("TypeError", "copy", () => copy(), "nothing");
    bytesEqual(into, new Uint8Array(16), "the array afterwards");
  }),

  test("checksum of RFC 1071's example", () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    equal(host.checksum(bytes, 0, 8, 0), 0xddf2, "sum");
  }),
  test("checksum pads an odd last byte, starts from its initial value and folds carries", () => {
    equal(host.checksum(Uint8Array.of(0xab), 0, 1, 0), 0xab00, "one byte");
    equal(host.checksum(Uint8Array.of(0xff, 0xff, 0x00, 0x01), 0, 4, 0), 1, "a carry around the end");
    equal(host.checksum(new Uint8Array(0), 0, 0, 0), 0, "nothing");
    equal(host.checksum(new Uint8Array(0), 0, 0, 0x1fffe), 0xffff, "an initial value that folds");
    equal(host.checksum(new Uint8Array(0), 0, 0, 0xffffffff), 0xffff, "the greatest initial value");
    equal(host.checksum(Uint8Array.of(0xff, 0xff), 0, 2, 0), 0xffff, "all ones stay all ones");
  }),
  test("checksum of every length and alignment is what RFC 1071 defines", () => {
    const bytes = filled(200, 5);
    for (let start = 0; start < 8; start++) {
      for (let length = 0; length < 100; length++) {
        const part = bytes.subarray(start, start + length);
        equal(host.checksum(bytes, start, length, 0), referenceChecksum(part, 0), `start ${start}, length ${length}`);
      }
    }
    const large = filled(65536, 6);
    large.fill(0xff, 1000, 60000);
    equal(host.checksum(large, 0, 65536, 0), referenceChecksum(large, 0), "64 KiB");
  }),
  test("checksum of a frame in parts is the checksum of the whole", () => {
    const bytes = filled(1500, 7);
    const whole = host.checksum(bytes, 0, 1500, 0x1234);
    const first = host.checksum(bytes, 0, 12, 0x1234);
    equal(host.checksum(bytes, 12, 1488, first), whole, "chained");
  }),
  test("checksum checks its arguments", () => {
    const bytes = new Uint8Array(8);
    const checksum = loose("checksum");
    throws("RangeError", "checksum", () => host.checksum(bytes, 0, 9, 0), "too long");
    throws("RangeError", "checksum", () => host.checksum(bytes, 9, 0, 0), "start after the end");
    throws("RangeError", "checksum", () => host.checksum(bytes, 4, 5, 0), "end after the end");
    throws("RangeError", "checksum", () => host.checksum(bytes, -1, 1, 0), "a negative start");
    throws("RangeError", "checksum", () => host.checksum(bytes, 0, 8, -1), "a negative initial value");
    throws("TypeError", "checksum", () => checksum(bytes, 0, 8), "no initial value");
    throws("TypeError", "checksum", () => checksum("text", 0, 1, 0), "a string");
  }),

  test("utf8Encode, utf8Decode and utf8Validate agree on well-formed text", () => {
    for (const [text, bytes] of VALID) {
      bytesEqual(encode(text), bytes, `encoding of ${JSON.stringify(text)}`);
      equal(decode(bytes), text, `decoding of ${bytes.join(" ")}`);
      equal(host.utf8Validate(Uint8Array.from(bytes), 0, bytes.length), true, `validity of ${bytes.join(" ")}`);
    }
  }),
  test("utf8Decode replaces each maximal ill-formed part by one U+FFFD, and utf8Validate refuses it", () => {
    for (const [bytes, text] of INVALID) {
      equal(decode(bytes), text, `decoding of ${bytes.map((byte) => byte.toString(16)).join(" ")}`);
      equal(host.utf8Validate(Uint8Array.from(bytes), 0, bytes.length), false, `validity of ${bytes.join(" ")}`);
      const inside = Uint8Array.from([0x78, ...bytes, 0x79]);
      equal(host.utf8Decode(inside, 1, bytes.length), text, "decoding of a part");
    }
  }),
  test("utf8Encode turns lone surrogates into U+FFFD and joins pairs", () => {
    const replaced: readonly (readonly [string, string])[] = [
      ["\ud800", FFFD],
      ["\udfff", FFFD],
      ["\udc00\ud800", FFFD + FFFD],
      ["a\ud83db", `a${FFFD}b`],
      ["\ud83d\ude00", "\u{1f600}"],
      ["\ud83d\ud83d\ude00\ude00", `${FFFD}\u{1f600}${FFFD}`],
    ];
    for (const [text, meaning] of replaced) bytesEqual(encode(text), encode(meaning), JSON.stringify(text));
  }),
  test("utf8Encode writes where it is told and nowhere else", () => {
    const into = new Uint8Array(16).fill(0xa5);
    equal(host.utf8Encode("h\u00e9", into, 5), 3, "bytes written");
    bytesEqual(
      into,
      [...new Array<number>(5).fill(0xa5), 0x68, 0xc3, 0xa9, ...new Array<number>(8).fill(0xa5)],
      "the array",
    );
    equal(host.utf8Encode("", into, 16), 0, "nothing at the end");
    equal(host.utf8Encode("0123456789abcdef", into, 0), 16, "a text that just fits");
  }),
  test("utf8Encode writes nothing if the text does not fit", () => {
    const into = new Uint8Array(8).fill(0xa5);
    throws("RangeError", "utf8Encode", () => host.utf8Encode("123456789", into, 0), "one too many");
    throws("RangeError", "utf8Encode", () => host.utf8Encode("1234", into, 5), "too many from there");
    throws(
      "RangeError",
      "utf8Encode",
      () => host.utf8Encode("\u2262\u2262\u2262", into, 0),
      "three characters of three bytes",
    );
    throws("RangeError", "utf8Encode", () => host.utf8Encode("", into, 9), "an offset after the end");
    bytesEqual(into, new Array<number>(8).fill(0xa5), "the array afterwards");
  }),
  test("plainRun counts printable ASCII up to the first byte that is none", () => {
    const bytes = new Uint8Array(256);
    for (let byte = 0; byte < 256; byte++) {
      bytes[0] = byte;
      equal(host.plainRun(bytes, 0, 1), byte >= 0x20 && byte < 0x7f ? 1 : 0, `of byte ${byte}`);
    }
    bytes.fill(0x7e);
    equal(host.plainRun(bytes, 0, 256), 256, "of all");
    equal(host.plainRun(bytes, 3, 7), 7, "of a part");
    equal(host.plainRun(bytes, 256, 0), 0, "of nothing");
    bytes[100] = 0x0a;
    equal(host.plainRun(bytes, 40, 200), 60, "up to a newline");
    equal(host.plainRun(bytes, 100, 100), 0, "from a newline on");
  }),
  test("utf8Encode, utf8Decode and utf8Validate check their arguments", () => {
    const bytes = new Uint8Array(8);
    throws("TypeError", "utf8Encode", () => loose("utf8Encode")(5, bytes, 0), "a number as text");
    throws("TypeError", "utf8Encode", () => loose("utf8Encode")("a", [], 0), "an array");
    throws("TypeError", "utf8Encode", () => loose("utf8Encode")("a", bytes), "no offset");
    for (const name of ["utf8Decode", "utf8Validate", "plainRun"] as const) {
      throws("TypeError", name, () => loose(name)("text", 0, 1), "a string as bytes");
      throws("TypeError", name, () => loose(name)(bytes, 0), "no length");
      throws("RangeError", name, () => loose(name)(bytes, 0, 9), "too long");
      throws("RangeError", name, () => loose(name)(bytes, 5, 4), "end after the end");
      throws("RangeError", name, () => loose(name)(bytes, -1, 1), "a negative start");
    }
  }),
  test("long texts come through, in one piece or put together from many", () => {
    let text = "";
    for (let i = 0; i < 5000; i++) text += `${i} \u00e9\u2262\u{1f600}\n`;
    const bytes = new Uint8Array(3 * text.length);
    const length = host.utf8Encode(text, bytes, 0);
    holds(host.utf8Validate(bytes, 0, length), "the encoding is not valid");
    equal(host.utf8Decode(bytes, 0, length), text, "decoded");
    bytes[length >> 1] = 0xff;
    equal(host.utf8Validate(bytes, 0, length), false, "validity with a wrong byte");
  }),
  test("random bytes decode to what encodes validly", () => {
    const bytes = filled(2000, 8);
    for (let start = 0; start < 1900; start += 19) {
      const text = host.utf8Decode(bytes, start, 100);
      const again = encode(text);
      holds(host.utf8Validate(again, 0, again.length), "the encoding of a decoding is not valid");
      equal(host.utf8Decode(again, 0, again.length), text, "decoded twice");
    }
  }),
];
