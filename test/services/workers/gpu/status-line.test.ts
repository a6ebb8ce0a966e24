import { expect } from "chai";
import fc from "fast-check";
import { jobOf, recordOf, type Status, statusOf } from "../../../../services/workers/gpu/status-line.ts";
import { nodeBytes, utf8 } from "../../support/ports.ts";

const parse = (line: string): Status | undefined => statusOf(nodeBytes, utf8(line), 0, utf8(line).length);

describe("GPU worker's records", () => {
  it("keep to their bound, with as much of the detail as there is room for, whatever it says", () => {
    const detail = fc.oneof(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.string({
        unit: fc.constantFrom("a", "ä", "€", "😀", "\n", "\u0001", '"', "\\", "\ud800", "\udc00"),
        maxLength: 400,
      }),
    );
    fc.assert(
      fc.property(detail, fc.integer({ min: 60, max: 1024 }), (text, limit) => {
        const record = recordOf({ job: "a", state: "ERR", detail: text }, limit);
        const { detail: shown } = JSON.parse(record) as { detail: string };
        expect(utf8(record).length).to.be.at.most(limit);
        expect(text.startsWith(shown)).to.equal(true);
        if (shown === text) return;
        // It ends between characters, and one more would not fit.
        const next = String.fromCodePoint(text.codePointAt(shown.length)!);
        expect([...text].slice(0, [...shown].length).join("")).to.equal(shown);
        expect(utf8(record).length + utf8(JSON.stringify(next)).length - 2).to.be.above(limit);
      }),
    );
  });

  it("leave out a result that leaves no room", () => {
    const status: Status = {
      job: "a",
      state: "OK",
      detail: "x".repeat(50),
      result_hash: "h",
      result_b64: "A".repeat(100),
    };
    expect(recordOf(status, 1000)).to.equal(JSON.stringify(status));
    expect(JSON.parse(recordOf(status, 170))).to.deep.include({ result_b64: "A".repeat(100) });
    expect(JSON.parse(recordOf(status, 120))).to.deep.equal({ job: "a", state: "OK", detail: "", result_hash: "h" });
  });

  it("are made of what a status line says of a job, and nothing else in it", () => {
    expect(parse('{"ts_ms":7,"worker":"w","result_b64":"AA","job":"a.b_c-9","state":"OK","detail":"d"}')).to.deep.equal(
      {
        job: "a.b_c-9",
        state: "OK",
        detail: "d",
        result_hash: undefined,
        result_b64: "AA",
      },
    );
    expect(parse('{"job":"a","state":"ERR","detail":"d","result_b64":"AA"}')).to.deep.equal({
      job: "a",
      state: "ERR",
      detail: "d",
    });
    expect(parse(`{"job":"a","state":"OK","result_hash":"${"0".repeat(161)}"}`)?.result_hash).to.equal(undefined);
  });

  it("are of anything that a bridge says without harm", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        statusOf(nodeBytes, bytes, 0, bytes.length);
        expect(jobOf(nodeBytes, bytes, 0, bytes.length)).to.be.a("string");
      }),
    );
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), (line) => {
        const status = parse(line);
        if (status !== undefined) expect(status.job.length).to.be.at.most(64);
      }),
    );
  });
});

describe("GPU worker's ids", () => {
  const idOf = (line: string): string => jobOf(nodeBytes, utf8(line), 0, utf8(line).length);

  it("are of 1 to 64 letters, digits and . _ -", () => {
    for (const id of ["a", "Z", "0", "jid-42", "A.b_C-9", "x".repeat(64)]) {
      expect(idOf(`{"kernel":"vadd","job":"${id}"}\n`), id).to.equal(id);
    }
    for (const id of ["", "x".repeat(65), "a b", "ä", "a/b", "a@b", "a[b", "a`b", "a{b", "a\\n", "a:b", "a+b"]) {
      expect(idOf(`{"job":"${id}"}`), id).to.equal("");
    }
    for (const line of ["", "{", "null", '"job"', "[]", '{"job":7}', '{"job":["a"]}', '{"id":"a"}']) {
      expect(idOf(line), line).to.equal("");
    }
    expect(jobOf(nodeBytes, Uint8Array.of(...utf8('{"job":"a","x":"'), 0xff, 0x22, 0x7d), 0, 19)).to.equal("");
  });
});
