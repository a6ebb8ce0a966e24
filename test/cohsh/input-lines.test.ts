import { expect } from "chai";
import fc from "fast-check";
import { Readable } from "node:stream";
import { inputLines, type InputLine } from "../../cohsh/input-lines.ts";

async function lines(limit: number, ...chunks: (string | Uint8Array)[]): Promise<InputLine[]> {
  const input = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  const result: InputLine[] = [];
  for await (const line of inputLines(input, limit)) result.push(line);
  return result;
}

describe("cohsh input lines", () => {
  it("splits at LF and CRLF, over chunks, and takes a last line without an end", async () => {
    expect(await lines(10, "a\r\nb", "c\n", "\n", "d")).to.deep.equal([
      { text: "a" },
      { text: "bc" },
      { text: "" },
      { text: "d" },
    ]);
    expect(await lines(10)).to.deep.equal([]);
    expect(await lines(10, "a\r", "\n")).to.deep.equal([{ text: "a" }]);
  });

  it("takes a line of exactly the limit and refuses one byte more, and goes on after it", async () => {
    expect(await lines(4, "1234\n12345\nok\n")).to.deep.equal([
      { text: "1234" },
      { refused: "too-long" },
      { text: "ok" },
    ]);
    expect(await lines(4, "1234\r\n12345\r\n")).to.deep.equal([{ text: "1234" }, { refused: "too-long" }]);
    expect(await lines(4, "ääb")).to.deep.equal([{ refused: "too-long" }]);
  });

  it("refuses what is not UTF-8, also when a character is cut by the line's end", async () => {
    expect(await lines(10, Uint8Array.of(0xff, 0x0a, 0xc3, 0x0a, 0x61))).to.deep.equal([
      { refused: "invalid-character" },
      { refused: "invalid-character" },
      { text: "a" },
    ]);
  });

  it("holds a bounded part of an endless line", async () => {
    const chunk = new Uint8Array(65536).fill(0x78);
    function* endless(): Generator<Uint8Array> {
      for (let n = 0; n < 4096; n++) yield chunk;
    }
    const before = process.memoryUsage().arrayBuffers;
    const result: InputLine[] = [];
    for await (const line of inputLines(Readable.from(endless()), 1024)) result.push(line);
    expect(result).to.deep.equal([{ refused: "too-long" }]);
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(16 << 20);
  });

  it("gives the same lines however the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.stringMatching(/^[a-zäö€]{0,8}$/), { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat({ max: 60 }), { maxLength: 6 }),
        async (texts, cuts) => {
          const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(""));
          const marks = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
          const chunks = marks.slice(1).map((mark, n) => bytes.subarray(marks[n], mark));
          expect(await lines(1024, ...chunks)).to.deep.equal(texts.map((text) => ({ text })));
        },
      ),
    );
  });
});
