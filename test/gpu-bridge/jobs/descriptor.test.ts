import { expect } from "chai";
import { readJob } from "../../../gpu-bridge/jobs/descriptor.ts";
import { bytesOf, hashed, vadd } from "../support.ts";

function mistake(fields: unknown): string {
  const read = readJob(typeof fields === "string" ? fields : JSON.stringify(fields));
  return "sentence" in read ? `${read.why.name}: ${read.sentence}` : "none";
}

/** The fields without some. */
function without(fields: Record<string, unknown>, ...names: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

const matmul = (params: object, more: object = {}): object =>
  without(vadd("m", { kernel: "matmul", params, inputs: ["blob/0"], outputs: ["blob/1"], ...more }), "payload_b64");

describe("a job's line", () => {
  it("is what its fields say", () => {
    const input = bytesOf([1, 2, 10, 20]);
    expect(readJob(JSON.stringify(vadd("jid-42")))).to.deep.equal({
      job: {
        id: "jid-42",
        kernel: { kernel: "vadd", n: 2 },
        hash: hashed(input),
        input,
        output: "inline",
        timeoutMs: 5000,
      },
    });
    const line = matmul(
      { m: 512, k: 256, n: 128 },
      { grid: [32, 33, 1], block: [16, 8, 1], inputs: ["blob/7", "blob/2"], outputs: ["blob/3"] },
    );
    expect(readJob(JSON.stringify(line))).to.deep.equal({
      job: {
        id: "m",
        kernel: { kernel: "matmul", m: 512, k: 256, n: 128 },
        grid: [32, 33, 1],
        block: [16, 8, 1],
        hash: hashed(input),
        input: [7, 2],
        output: 3,
        timeoutMs: 5000,
      },
    });
  });

  const good = vadd("jid-42");
  const cases: readonly (readonly [what: string, fields: unknown, sentence: string])[] = [
    ["no JSON", "{", "The line is no JSON: in column 2 the line ends where a name in quotes should be"],
    ["a list", [], "the line must be an object"],
    ["a name twice", '{"job":"a","job":"b"}', "/job stands twice."],
    ["an unknown field", { ...good, prority: 1 }, "/prority is unknown"],
    ["an unknown parameter", { ...good, params: { n: 2, m: 2 } }, "/params/m is unknown"],
    ["a missing parameter", { ...good, params: {} }, "/params/n is missing"],
    ["no kernel", without(good, "kernel"), "/kernel is missing"],
    ["an unknown kernel", { ...good, kernel: "fft" }, '/kernel must be vadd or matmul, not "fft"'],
    ["a kernel of another type", { ...good, kernel: 1 }, "/kernel must be vadd or matmul, not 1"],
    ["no id", without(good, "job"), "/job is missing"],
    ["a bad id", { ...good, job: "a b" }, '/job must be an id like jid-42 of up to 64 letters, digits and . _ -, not "a b"'],
    ["an id that is no text", { ...good, job: 7 }, "/job must be an id like jid-42 of up to 64 letters, digits and . _ -, not 7"],
    ["params that are none", { ...good, params: 4 }, "/params must be an object, not 4"],
    ["zero", { ...good, params: { n: 0 } }, "/params/n must be a whole number from 1 to 4194304, not 0"],
    ["a fraction", { ...good, params: { n: 1.5 } }, "/params/n must be a whole number from 1 to 4194304, not 1.5"],
    ["a text", { ...good, params: { n: "2" } }, '/params/n must be a whole number from 1 to 4194304, not "2"'],
    ["an absurd dimension", { ...good, params: { n: 1e300 } }, "/params/n must be a whole number from 1 to 4194304, not 1e+300"],
    ["an input beyond a blob", { ...good, params: { n: 2097153 } }, "/params ask for an input of 16777224 bytes, more than 16777216"],
    ["a result beyond a blob", matmul({ m: 4096, k: 1, n: 4096 }), "/params ask for a result of 67108864 bytes, more than 16777216"],
    ["no hash", without(good, "bytes_hash"), "/bytes_hash is missing"],
    ["another hash", { ...good, bytes_hash: "md5:00" }, '/bytes_hash must be sha256: and 64 hexadecimal digits in lower case, not "md5:00"'],
    ["both inputs", { ...good, inputs: ["blob/0"] }, "payload_b64 and inputs must not both be there"],
    ["no input", without(good, "payload_b64"), "payload_b64 or inputs must be there"],
    ["bad base64", { ...good, payload_b64: "AAA" }, "/payload_b64 must be base64 with its padding"],
    ["base64 with idle bits", { ...good, payload_b64: "AB==" }, "/payload_b64 must be base64 with its padding"],
    ["a payload that is no text", { ...good, payload_b64: [] }, "/payload_b64 must be base64 with its padding, not []"],
    ["no blobs", matmul({ m: 1, k: 1, n: 1 }, { inputs: [] }), "/inputs must be a list of 1 to 8 different blobs, not []"],
    ["a blob twice", matmul({ m: 1, k: 1, n: 1 }, { inputs: ["blob/0", "blob/0"] }), '/inputs must be a list of 1 to 8 different blobs, not ["blob/0","blob/0"]'],
    ["a blob there is not", matmul({ m: 1, k: 1, n: 1 }, { inputs: ["blob/8"] }), '/inputs/0 must be blob/0 to blob/7, not "blob/8"'],
    ["another output", { ...good, outputs: ["file"] }, '/outputs/0 must be inline or blob/0 to blob/7, not "file"'],
    ["two outputs", { ...good, outputs: ["inline", "blob/0"] }, '/outputs must be a list of one output, not ["inline","blob/0"]'],
    ["an inline result too long", { ...good, params: { n: 513 } }, "/outputs/0 must be a blob, for the result has 2052 bytes, more than 2048"],
    ["no time", without(good, "timeout_ms"), "/timeout_ms is missing"],
    ["no time at all", { ...good, timeout_ms: 0 }, "/timeout_ms must be a whole number from 1 to 600000, not 0"],
    ["too much time", { ...good, timeout_ms: 600001 }, "/timeout_ms must be a whole number from 1 to 600000, not 600001"],
    ["a flat grid", { ...good, grid: [1, 1] }, "/grid must be three whole numbers, not [1,1]"],
    ["a grid without height", { ...good, grid: [1, 0, 1] }, "/grid/1 must be a whole number from 1 to 65535, not 0"],
    ["a deep block", { ...good, block: [1, 1, 65] }, "/block/2 must be a whole number from 1 to 64, not 65"],
    ["a large block", { ...good, block: [1024, 2, 1] }, "/block must be of 1024 threads at most, not 2048"],
  ]; // prettier-ignore
  for (const [what, fields, sentence] of cases) {
    it(`with ${what} is refused in one sentence`, () => {
      expect(mistake(fields)).to.equal(`Invalid: ${sentence.replace(/\.$/, "")}`);
    });
  }

  it("never has a sentence longer than a status line can show", () => {
    expect(mistake({ ...good, ["x".repeat(5000)]: 1 }).length).to.be.lessThan(420);
    expect(mistake({ ...good, job: "\u0007".repeat(5000) }).length).to.be.lessThan(420);
  });
});
