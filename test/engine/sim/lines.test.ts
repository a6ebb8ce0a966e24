import { expect } from "chai";
import fc from "fast-check";
import { LineTable } from "../../../engine/sim/lines.ts";
import { encodeLineTable } from "../../../scripts/lib/line-table.ts";

const TABLE = encodeLineTable({
  files: ["services/pump/pump.ts", "services/é.ts"],
  lines: [
    { file: 0, line: 7 },
    { file: 0xffff, line: 0 },
    { file: 1, line: 65535 },
    { file: 0, line: 8 },
    { file: 0, line: 10 },
  ],
});

describe("line table", () => {
  it("turns bundle positions into TypeScript positions, every one in a text", () => {
    const table = new LineTable(TABLE);
    expect(table.translate("at f (main.js:1:23)\n    at main.js:3, main.js:5:1")).to.equal(
      "at f (services/pump/pump.ts:7)\n    at services/é.ts:65535, services/pump/pump.ts:10",
    );
  });

  it("leaves positions that it does not know", () => {
    const table = new LineTable(TABLE);
    for (const text of [
      "main.js:2:5",
      "main.js:0:1",
      "main.js:6:1",
      "main.js:99999999999:1",
      "other.js:1:1",
      "main.js:x",
    ]) {
      expect(table.translate(text)).to.equal(text);
    }
  });

  it("refuses bytes that are no line table", () => {
    expect(() => new LineTable(Buffer.from("LINF" + "\0".repeat(8)))).to.throw("main.lines: not a line table");
    for (let length = 0; length < TABLE.length; length++) {
      expect(() => new LineTable(TABLE.subarray(0, length)), String(length)).to.throw("main.lines: not a line table");
    }
    const longer = Buffer.concat([TABLE, Buffer.alloc(4)]);
    expect(() => new LineTable(longer)).to.throw("main.lines: not a line table");
  });

  it("takes or refuses any bytes, and reads nothing outside of them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (tail) => {
        const bytes = Buffer.concat([Buffer.from("LINE"), tail]);
        try {
          expect(new LineTable(bytes).translate("main.js:1:1")).to.be.a("string");
        } catch (error) {
          expect(String(error)).to.equal("Error: main.lines: not a line table");
        }
      }),
    );
  });
});
