import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { readCpio, writeCpio } from "../../../scripts/lib/cpio.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "utf8"));

const files = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z][a-z0-9._-]{0,20}$/),
    data: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 8, selector: (file) => file.name },
);

describe("cpio", () => {
  it("reads back what it wrote, in order", () => {
    fc.assert(
      fc.property(files, (wrote) => {
        expect(readCpio(writeCpio(wrote)).map(({ name, data }) => [name, [...data]])).to.deep.equal(
          wrote.map(({ name, data }) => [name, [...data]]),
        );
      }),
    );
  });

  it("writes headers and data at multiples of four bytes", () => {
    const archive = Buffer.from(writeCpio([{ name: "ab", data: bytes("xyz") }]));
    expect(archive.toString("latin1", 0, 6)).to.equal("070701");
    expect(archive.toString("latin1", 110, 113)).to.equal("ab\0");
    expect(archive.toString("latin1", 116, 119)).to.equal("xyz");
    expect(archive.toString("latin1", 120, 126)).to.equal("070701");
    expect(archive.length % 4).to.equal(0);
  });

  it("is the same archive for the same files", () => {
    const list = [{ name: "a", data: bytes("1") }];
    expect(Buffer.from(writeCpio(list)).equals(Buffer.from(writeCpio(list)))).to.equal(true);
  });

  it("is what cpio(1) extracts", function () {
    if (spawnSync("cpio", ["--version"]).error !== undefined) this.skip();
    const folder = mkdtempSync(join(tmpdir(), "cpio-"));
    try {
      const archive = writeCpio([
        { name: "one", data: bytes("1\n") },
        { name: "two", data: bytes("22\n") },
      ]);
      execFileSync("cpio", ["-i", "--quiet"], { cwd: folder, input: archive });
      expect(execFileSync("cat", ["one", "two"], { cwd: folder, encoding: "utf8" })).to.equal("1\n22\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("refuses a repeated name", () => {
    const file = { name: "a", data: bytes("") };
    expect(() => writeCpio([file, file])).to.throw('cpio: "a" cannot be a file name');
  });

  it("refuses every truncation of an archive", () => {
    const archive = writeCpio([{ name: "file", data: bytes("content") }]);
    const trailerEnd = archive.length - 3; // padding after the trailer's name may be missing
    for (let length = 0; length < trailerEnd; length++) {
      expect(() => readCpio(archive.subarray(0, length)), `${length} bytes`).to.throw("cpio: ");
    }
  });

  it("names the offset of a header that is none", () => {
    const archive = writeCpio([{ name: "file", data: bytes("content") }]);
    archive[124] = 0;
    expect(() => readCpio(archive)).to.throw("cpio: no newc header at 124");
  });

  it("refuses a size beyond the archive", () => {
    const archive = writeCpio([{ name: "file", data: bytes("content") }]);
    archive.set(bytes("FFFFFFF0"), 54);
    expect(() => readCpio(archive)).to.throw("cpio: the entry at 0 reaches beyond");
  });
});
