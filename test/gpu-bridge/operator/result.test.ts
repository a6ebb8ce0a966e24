import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect } from "chai";
import { lineOfInput, NoResult, parseResult, showResult } from "../../../gpu-bridge/operator/result.ts";
import { bytesOf, hashed } from "../support.ts";

const BYTES = bytesOf([11, 22.5, -0.1]);

function line(fields: object = {}): string {
  const result_b64 = Buffer.from(BYTES).toString("base64");
  return JSON.stringify({
    job: "jid-9",
    state: "OK",
    detail: "inline",
    result_hash: hashed(BYTES),
    result_b64,
    ...fields,
  });
}

function failure(text: string, from?: string): [boolean, string] {
  try {
    return [false, showResult(text, from)];
  } catch (error) {
    return [error instanceof NoResult, (error as Error).message];
  }
}

describe("gpu-bridge result", () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "gpu-bridge-result-"))));
  after(() => rmSync(folder, { recursive: true }));

  it("prints the floats of a result that is in its line", () => {
    expect(showResult(`${line()}\n`)).to.equal("11,22.5,-0.1\n");
  });

  it("prints those of a blob that it is given", () => {
    const file = join(folder, "out");
    writeFileSync(file, BYTES);
    const blob = line({ detail: "blob/3", result_b64: undefined });
    expect(showResult(blob, file)).to.equal("11,22.5,-0.1\n");
    expect(failure(blob)).to.deep.equal([
      false,
      "the result of jid-9 is in blob/3: say with --from where its bytes are",
    ]);
    writeFileSync(file, BYTES.subarray(4));
    expect(failure(blob, file)).to.deep.equal([
      true,
      `the result's hash is ${hashed(BYTES.subarray(4))}, not ${hashed(BYTES)}`,
    ]);
    expect(failure(blob, join(folder, "none"))[0]).to.equal(false);
  });

  it("prints none whose bytes are not what the hash is of, or are no floats, nor of a job that came to nothing", () => {
    const other = bytesOf([1]);
    expect(failure(line({ result_b64: Buffer.from(other).toString("base64") }))).to.deep.equal([
      true,
      `the result's hash is ${hashed(other)}, not ${hashed(BYTES)}`,
    ]);
    const odd = BYTES.subarray(0, 5);
    expect(failure(line({ result_hash: hashed(odd), result_b64: Buffer.from(odd).toString("base64") }))).to.deep.equal([
      true,
      "the result has 5 bytes, which are no floats",
    ]);
    expect(failure('{"job":"jid-9","state":"ERR","detail":"TIMEOUT"}')).to.deep.equal([
      true,
      "jid-9 came to nothing: TIMEOUT",
    ]);
    expect(failure('{"job":"","state":"ERR","detail":"INVALID a\\nb"}')).to.deep.equal([
      true,
      "a line came to nothing: INVALID a?b",
    ]);
  });

  it("takes nothing else for a result", () => {
    const none = "that is no line of a job's end";
    for (const [text, sentence] of [
      ["", "The line is no JSON: in column 1 the line ends where a value should be"],
      ["null", none],
      ["[]", none],
      ['{"job":"jid-9","state":"RUNNING","detail":"scheduled"}', none],
      ['{"state":"OK"}', none],
      [line({ result_hash: 1 }), "the line has no result_hash"],
      [`${line()}\n${line()}`, /^The line is no JSON: in column \d+ /],
    ] as const) {
      const [no, said] = failure(text);
      expect(no, text).to.equal(false);
      if (typeof sentence === "string") expect(said).to.equal(sentence);
      else expect(said).to.match(sentence);
    }
  });

  it("shows each float with the fewest digits that are it", () => {
    const floats = [0, -0, 1e-45, 3.4028234663852886e38, 16777217, 0.1, 1 / 3, NaN, -Infinity, 100000];
    const bytes = bytesOf(floats);
    const text = showResult(line({ result_hash: hashed(bytes), result_b64: Buffer.from(bytes).toString("base64") }));
    expect(text).to.equal("0,-0,1e-45,3.4028235e+38,16777216,0.1,0.33333334,NaN,-Infinity,100000\n");
    expect(bytesOf(text.split(",").map(Number))).to.deep.equal(bytes);
  });

  it("reads a line of standard input, and no more than that", async () => {
    expect(await lineOfInput(Readable.from([Buffer.from("a"), Buffer.from("b\n")]))).to.equal("ab\n");
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(1000);
      })(),
    );
    const said = await lineOfInput(endless).catch((error: unknown) => (error as Error).message);
    expect(said).to.equal("that is more than a line of 4096 bytes");
  });

  it("is asked with a line, a file, or neither", () => {
    expect(parseResult([])).to.deep.equal({ result: {} });
    expect(parseResult(["{}", "--from", "f"])).to.deep.equal({ result: { line: "{}", from: "f" } });
    expect(parseResult(["-h"]))
      .to.have.property("print")
      .that.contains("Usage: gpu-bridge result [options] [line]");
    expect(parseResult(["a", "b"])).to.deep.equal({
      complain: "gpu-bridge: too many arguments. Expected 1 argument but got 2.",
      status: 2,
    });
  });
});
