import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { expect } from "chai";
import { encodeLineTable } from "../../../scripts/lib/line-table.ts";
import { buildOrSkip, nativeProgram, Workshop } from "./native-build.ts";

describe("the native engine's data structures", function () {
  this.timeout(60_000);
  before(buildOrSkip);
  let shop: Workshop;
  beforeEach(() => {
    shop = new Workshop();
  });
  afterEach(() => {
    shop.dispose();
  });

  const fuzz = (what: string, rounds: number, ...files: string[]): void => {
    const seed = randomInt(2 ** 32);
    try {
      const output = execFileSync(nativeProgram("native_fuzz"), [what, String(seed), String(rounds), ...files], {
        encoding: "utf8",
        stdio: "pipe",
      });
      expect(output).to.equal("ok\n");
    } catch (error) {
      throw new Error(`native_fuzz ${what} ${seed} ${rounds} failed`, { cause: error });
    }
  };

  it("keeps the heap whole over random allocations, resizes and frees, and gets all of it back", () => {
    fuzz("heap", 100_000);
  });

  it("copies, fills and compares memory as the C library does", () => {
    fuzz("memory", 100_000);
  });

  it("repairs any bytes into well-formed UTF-8 and leaves well-formed UTF-8 alone", () => {
    fuzz("utf8", 200_000);
  });

  it("refuses or reads a mutated boot archive without touching memory outside it", () => {
    writeFileSync(shop.path("archive"), shop.archive("", { "main.qbc": "bytecode" }));
    fuzz("rootfs", 20_000, shop.path("archive"));
  });

  it("refuses or reads a mutated line table without touching memory outside it", () => {
    const lines = [
      { file: 0, line: 7 },
      { file: 0xffff, line: 0 },
      { file: 1, line: 65000 },
      { file: 1, line: 65200 },
      { file: 0, line: 65535 },
    ];
    writeFileSync(shop.path("lines"), encodeLineTable({ files: ["a.ts", "folder/b.ts"], lines }));
    fuzz("lines", 50_000, shop.path("lines"));
  });
});
