import { expect } from "chai";
import fc from "fast-check";
import { LineBuffer, SHOWN_LINE_BYTES, shown } from "../../../services/console/line-buffer.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";

const CHUNK = 4000;

/** All lines of a text that comes in pieces of so many bytes. */
function lines(bytes: Uint8Array, pieces: readonly number[]): string[] {
  const buffer = new LineBuffer(nodeBytes, CHUNK);
  const out: string[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = Math.min(pieces[i % pieces.length]!, bytes.length - at);
    buffer.add(bytes, at, length);
    at += length;
    while (buffer.next()) out.push(taken(buffer));
  }
  if (buffer.rest()) out.push(taken(buffer));
  return out;
}

/** The line that was found. Where its bytes may be shown as they are, they have to be its text. */
function taken(buffer: LineBuffer): string {
  const line = buffer.text();
  const bytes = Buffer.from(buffer.bytes.subarray(buffer.at, buffer.at + buffer.size));
  if (buffer.plain) expect(bytes.toString("latin1")).to.equal(line);
  buffer.take();
  return line;
}

describe("line buffer", () => {
  it("gives the lines of a text, however it was cut into pieces", () => {
    const text = fc.array(fc.string({ unit: "grapheme", maxLength: 30 }).map(shown), { maxLength: 30 });
    const pieces = fc.array(fc.integer({ min: 1, max: CHUNK }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(text, pieces, (wanted, cut) => {
        expect(lines(utf8(wanted.map((line) => `${line}\n`).join("")), cut)).to.deep.equal(wanted);
      }),
    );
  });

  it("gives what has no newline at the end when it is asked for, and nothing else", () => {
    expect(lines(utf8("one\ntwo"), [100])).to.deep.equal(["one", "two"]);
    expect(lines(utf8("one\n"), [1])).to.deep.equal(["one"]);
    expect(lines(utf8("\n\n"), [1])).to.deep.equal(["", ""]);
    expect(lines(utf8(""), [1])).to.deep.equal([]);
  });

  for (const length of [SHOWN_LINE_BYTES - 1, SHOWN_LINE_BYTES, SHOWN_LINE_BYTES + 1, 3 * SHOWN_LINE_BYTES]) {
    it(`gives a line of ${length} bytes in pieces that fit, and none that is empty`, () => {
      for (const piece of [1, 1000, CHUNK]) {
        const got = lines(utf8(`${"x".repeat(length)}\nnext\n`), [piece]);
        expect(got.pop()).to.equal("next");
        expect(got.join("")).to.equal("x".repeat(length));
        expect(got.length).to.equal(Math.ceil(length / SHOWN_LINE_BYTES));
        for (const line of got) expect(line.length).to.be.within(1, SHOWN_LINE_BYTES);
      }
    });
  }

  it("cuts no character in two, and gives up where there is none", () => {
    for (const character of ["\u00e9", "\u20ac", "\u{1f41d}"]) {
      for (let before = 0; before < 4; before++) {
        const text = "x".repeat(before) + character.repeat(6000);
        expect(lines(utf8(text), [CHUNK]).join("")).to.equal(text);
      }
    }
    const noise = new Uint8Array(20_000).fill(0x80);
    expect(lines(noise, [CHUNK]).join("")).to.equal("\ufffd".repeat(20_000));
  });

  it("shows any bytes as text without control characters, and forgets none", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
        const got = lines(bytes, [CHUNK]);
        expect(got.join("\n")).to.not.match(/[^\P{Cc}\n]/u);
        expect(got.length).to.equal(
          Buffer.from(bytes).toString("latin1").split("\n").length - Number(bytes.at(-1) === 10 || bytes.length === 0),
        );
      }),
    );
  });

  it("begins anew when it is cleared", () => {
    const buffer = new LineBuffer(nodeBytes, CHUNK);
    buffer.add(utf8("half"), 0, 4);
    buffer.clear();
    buffer.add(utf8("a\n"), 0, 2);
    expect([buffer.next(), taken(buffer), buffer.next(), buffer.rest()]).to.deep.equal([true, "a", false, false]);
  });

  it("knows lines that may be shown as they are", () => {
    const buffer = new LineBuffer(nodeBytes, CHUNK);
    buffer.add(utf8("plain\n\na\tb\n\u00e9\n~ \n"), 0, 17);
    const plain: boolean[] = [];
    for (; buffer.next(); buffer.take()) plain.push(buffer.plain);
    expect(plain).to.deep.equal([true, true, false, false, true]);
  });

  it("gives a line again until it is taken, whatever is added meanwhile", () => {
    const buffer = new LineBuffer(nodeBytes, CHUNK);
    buffer.add(utf8("one\ntw"), 0, 6);
    expect([buffer.next(), buffer.text(), buffer.next(), buffer.text()]).to.deep.equal([true, "one", true, "one"]);
    expect(taken(buffer)).to.equal("one");
    expect(buffer.next()).to.equal(false);
    buffer.add(utf8("o\n"), 0, 2);
    expect([buffer.next(), taken(buffer), buffer.next()]).to.deep.equal([true, "two", false]);
  });
});
