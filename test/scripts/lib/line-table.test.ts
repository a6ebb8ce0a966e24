import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { build } from "esbuild";
import { decodeLineTable, encodeLineTable, lineTableFromMap } from "../../../scripts/lib/line-table.ts";

const table = {
  files: ["services/main.ts", "services/pump/pump.ts"],
  lines: [
    { file: 0xffff, line: 0 },
    { file: 0, line: 3 },
    { file: 1, line: 258 },
    { file: 1, line: 258 + 0xfe },
    { file: 1, line: 258 + 0xfe + 0xff },
    { file: 1, line: 259 },
    { file: 0, line: 260 },
  ],
};

describe("line table", () => {
  it("has the layout that the engines read", () => {
    const lines = [
      { file: 0, line: 0x1234 },
      { file: 0xffff, line: 0 },
      { file: 0, line: 0x1235 },
      { file: 0, line: 0x1237 },
    ];
    const bytes = Buffer.from(encodeLineTable({ files: ["a.ts"], lines }));
    expect(bytes.toString("hex")).to.equal(
      Buffer.concat([
        Buffer.from("LINE"),
        Buffer.from([1, 0, 0, 0]),
        Buffer.from("a.ts\0\0\0\0"),
        Buffer.from([16, 0, 0, 0]),
        Buffer.from([0xff, 0, 0, 0x34, 0x12, 0xff, 0xff, 0xff, 0, 0, 0xff, 0, 0, 0x35, 0x12, 2]),
      ]).toString("hex"),
    );
  });

  it("decodes what it encoded", () => {
    expect(decodeLineTable(encodeLineTable(table))).to.deep.equal(table);
  });

  it("refuses every truncation", () => {
    const bytes = encodeLineTable(table);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeLineTable(bytes.subarray(0, length)), `${length} bytes`).to.throw();
    }
  });

  it("refuses a line number beyond 16 bits", () => {
    expect(() => encodeLineTable({ files: ["a.ts"], lines: [{ file: 0, line: 65536 }] })).to.throw("does not fit");
  });

  it("finds the TypeScript line of each statement in esbuild's output", async () => {
    const folder = mkdtempSync(join(tmpdir(), "line-table-"));
    try {
      writeFileSync(join(folder, "a.ts"), 'import { b } from "./b.ts";\n\n\nexport const a = b("MARK_A");\n');
      writeFileSync(
        join(folder, "b.ts"),
        "interface Unused {\n  x: number;\n}\nexport function b(t: string): string {\n  return `MARK_B${t}`;\n}\n",
      );
      const result = await build({
        entryPoints: [join(folder, "a.ts")],
        outfile: join(folder, "out.js"),
        bundle: true,
        format: "esm",
        sourcemap: "external",
        write: false,
      });
      const text = (suffix: string): string =>
        result.outputFiles.find(({ path }) => path.endsWith(suffix))?.text ?? expect.fail(`no ${suffix}`);
      const map = JSON.parse(text(".map")) as { sources: string[]; mappings: string };
      const made = lineTableFromMap(map, (source) => source);
      const at = (mark: string): string => {
        const line =
          made.lines[
            text(".js")
              .split("\n")
              .findIndex((code) => code.includes(mark))
          ];
        return line === undefined ? "none" : `${made.files[line.file] ?? "none"}:${line.line}`;
      };
      expect(at("MARK_A")).to.equal("a.ts:4");
      expect(at("MARK_B")).to.equal("b.ts:5");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("refuses mappings that are no Base64 VLQ", () => {
    expect(() => lineTableFromMap({ sources: ["a.ts"], mappings: "AA!A" }, String)).to.throw('"!" in the source map');
    expect(() => lineTableFromMap({ sources: ["a.ts"], mappings: "AAAg" }, String)).to.throw("end within a number");
  });
});
