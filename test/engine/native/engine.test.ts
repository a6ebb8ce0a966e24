import { expect } from "chai";
import { writeCpio } from "../../../scripts/lib/cpio.ts";
import { pin } from "../../../scripts/lib/repository.ts";
import { buildOrSkip, Workshop } from "./native-build.ts";

describe("the native engine", () => {
  before(buildOrSkip);
  let shop: Workshop;
  beforeEach(() => {
    shop = new Workshop();
  });
  afterEach(() => {
    shop.dispose();
  });

  /** What a bundle prints until it halts, the reason last. */
  const boot = (source: string, replace: Readonly<Record<string, Uint8Array | string | null>> = {}): string[] => {
    const { lines, status, errors } = shop.boot(shop.archive(source, replace));
    expect(errors).to.equal("");
    expect(status).to.equal(3);
    return lines;
  };
  const halt = (archive: Uint8Array): string => {
    const { lines, status } = shop.boot(archive);
    expect(status).to.equal(3);
    expect(lines).to.have.length(1);
    return lines[0] ?? "";
  };

  describe("with a damaged image", () => {
    const fine = "export function turn() { host.halt('it ran'); }";

    it("runs an undamaged one", () => {
      expect(halt(shop.archive(fine))).to.equal("halt: it ran");
    });

    it("names the file after which the archive is cut off", () => {
      const archive = shop.archive(fine);
      const text = Buffer.from(archive).toString("latin1");
      const at = (name: string): number => text.indexOf(`${name}\0`);
      expect(halt(archive.subarray(0, at("main.qbc") + 60))).to.equal(
        "halt: rootfs.cpio: the archive is cut off within main.qbc",
      );
      expect(halt(archive.subarray(0, at("main.qbc") - 20))).to.equal(
        "halt: rootfs.cpio: the archive is cut off after main.lines",
      );
      expect(halt(archive.subarray(0, 0))).to.equal(
        "halt: rootfs.cpio: the archive is cut off after nothing: it is the first",
      );
    });

    it("names a file of which one bit is wrong", () => {
      const archive = shop.archive(fine);
      const at = Buffer.from(archive).indexOf("COHQBC1");
      archive[at + 100] = (archive[at + 100] ?? 0) ^ 0x10;
      expect(halt(archive)).to.equal("halt: rootfs.cpio: main.qbc is damaged: its CRC-32 is not the one in crc32");
    });

    it("names it too when the bundle is the one that reads it first", () => {
      const archive = shop.archive("export function turn() { host.rootfsRead('notes'); }", { notes: "abcd" });
      const at = Buffer.from(archive).lastIndexOf("abcd");
      archive[at] = 0;
      expect(halt(archive)).to.equal("halt: rootfs.cpio: notes is damaged: its CRC-32 is not the one in crc32");
    });

    it("says which file is missing, not listed, listed for nothing or named twice", () => {
      for (const name of ["engine.conf", "main.lines", "main.qbc"]) {
        expect(halt(shop.archive(fine, { [name]: null }))).to.equal(`halt: rootfs.cpio: ${name} is missing`);
      }
      const data = Buffer.from("x");
      const list = (text: string): Buffer => Buffer.from(text);
      expect(halt(writeCpio([{ name: "a", data }]))).to.equal("halt: rootfs.cpio: the first file is not crc32");
      expect(
        halt(
          writeCpio([
            { name: "crc32", data: list("") },
            { name: "a", data },
          ]),
        ),
      ).to.equal("halt: rootfs.cpio: crc32 has no line for a");
      expect(
        halt(
          writeCpio([
            { name: "crc32", data: list("00000000 b\n") },
            { name: "a", data },
          ]),
        ),
      ).to.equal("halt: rootfs.cpio: crc32 names a file that is missing");
      expect(
        halt(
          writeCpio([
            { name: "crc32", data: list("0000000g a\n") },
            { name: "a", data },
          ]),
        ),
      ).to.equal("halt: rootfs.cpio: malformed line in crc32");
      const twice = Buffer.from(
        writeCpio([{ name: "crc32", data: list("") }, ...["a", "b"].map((name) => ({ name, data }))]),
      );
      twice[twice.indexOf("b\0", 110)] = "a".charCodeAt(0);
      expect(halt(twice)).to.equal("halt: rootfs.cpio: two files are named a");
    });

    it("takes 64 files and refuses one more by its name", () => {
      const more = (count: number): Record<string, string> =>
        Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, "x"]));
      expect(halt(shop.archive(fine, more(58)))).to.equal("halt: it ran");
      expect(halt(shop.archive(fine, more(59)))).to.equal(
        "halt: rootfs.cpio: more than 64 files, the first too many is f58",
      );
    });

    it("refuses bytecode of another QuickJS by both versions", () => {
      const qbc = Buffer.from(shop.compile(fine));
      const newer = Buffer.from(qbc);
      newer.fill(0, 8, 40).write("2031-01-01", 8, "latin1");
      expect(halt(shop.archive(fine, { "main.qbc": newer }))).to.equal(
        `halt: main.qbc: made by QuickJS 2031-01-01, but this engine is QuickJS ${pin("QUICKJS_VERSION")}; build the image again`,
      );
      expect(halt(shop.archive(fine, { "main.qbc": fine }))).to.equal("halt: main.qbc: not a compiled bundle");
      expect(halt(shop.archive(fine, { "main.qbc": qbc.subarray(0, 39) }))).to.equal(
        "halt: main.qbc: not a compiled bundle",
      );
    });

    it("refuses a malformed configuration or line table", () => {
      const wrong = "halt: engine.conf: heap=BYTES must be 1048576 to 1073741824";
      for (const text of [
        "",
        "heap=",
        "heap=1048575\n",
        "heap=1073741825\n",
        "heap=16777216",
        "heap=2000000x\n",
        "size=2000000\n",
      ]) {
        expect(halt(shop.archive(fine, { "engine.conf": text })), text).to.equal(wrong);
      }
      expect(halt(shop.archive(fine, { "main.lines": "LINE" }))).to.equal("halt: main.lines: not a line table");
    });
  });

  describe("running a bundle", () => {
    it("calls turn at once, then at the deadline it returned, with the time on the same clock", () => {
      const lines = boot(`let due = 0, count = 0;
export function turn(raised, nowUs) {
  if (raised !== 1 || nowUs < due || nowUs > due + 50000 && count > 0 || nowUs > host.nowUs()) host.halt("late " + nowUs);
  if (++count === 4) host.halt("four turns");
  due = nowUs + 2000.5;
  return due;
}`);
      expect(lines).to.deep.equal(["halt: four turns"]);
    });

    it("does not call turn again after Infinity unless something is raised", () => {
      expect(boot("export function turn() { return Infinity; }")).to.deep.equal(["halt: nothing can ever be raised"]);
    });

    it("runs 64 promise jobs between two turns and counts when more are left", () => {
      const lines = boot(`let turns = 0, jobs = 0;
export function turn() {
  if (turns++ === 0) { for (let i = 0; i < 150; i++) Promise.resolve().then(() => jobs++); return Infinity; }
  host.log(jobs + " " + host.memory().jobsDeferred + "\\n");
  if (jobs === 150) host.halt("all done");
  return Infinity;
}`);
      expect(lines).to.deep.equal(["64 1", "128 2", "halt: nothing can ever be raised"]);
    });

    it("has no compiler of source text", () => {
      const lines = boot(`const attempts = [() => eval("1"), () => new Function("return 1"), () => (0, eval)("1")];
export function turn() {
  for (const attempt of attempts) try { host.log("ran " + attempt()); } catch (error) { host.log(error.name + "\\n"); }
  host.halt("tried");
}`);
      expect(lines.slice(0, -1).filter((line) => line.includes("ran"))).to.deep.equal([]);
      expect(lines.at(-1)).to.equal("halt: tried");
    });

    it("collects cycles on request and reports how long the longest took", () => {
      const lines = boot(`const cycles = () => { for (let i = 0; i < 1000; i++) { const a = {}; a.self = a; } };
export function turn() {
  cycles(); host.gc(); const before = host.memory();
  cycles(); const full = host.memory();
  const took = host.gc(); const after = host.memory();
  host.log([full.heapUsed - before.heapUsed > 50000, Math.abs(after.heapUsed - before.heapUsed) < 2000, after.gcRuns, after.gcLongestUs >= took].join());
  host.log("\\n");
  host.halt("done");
}`);
      expect(lines).to.deep.equal(["true,true,2,true", "halt: done"]);
    });

    it("collects by itself between turns above three quarters of the heap, within a turn above seven eighths", () => {
      const lines = boot(`let turns = 0, most = 0;
const cycles = (count) => { for (let i = 0; i < count; i++) { const a = { data: [1, 2, 3, 4] }; a.self = a; } };
export function turn() {
  const used = () => host.memory().heapUsed / host.memory().heapLimit;
  most = Math.max(most, used());
  if (++turns < 300) { cycles(500); return 0; }
  const { gcRuns } = host.memory();
  let within = 0;
  for (let i = 0; i < 300; i++) { cycles(500); within = Math.max(within, used()); }
  host.halt(JSON.stringify([gcRuns > 1, gcRuns < 20, most > 0.7, most < 0.8, within > 0.85, within < 0.95]));
}`);
      expect(lines).to.deep.equal(["halt: [true,true,true,true,true,true]"]);
    });

    it("gives back every byte: the heap after 20,000 turns is the heap after 200", () => {
      const lines = boot(`let turns = 0, first;
const keep = new Map();
export function turn() {
  keep.set(turns % 50, "line " + turns + "x".repeat(turns % 50));
  Promise.resolve().then(() => keep.get(turns % 50));
  if (turns % 100 === 0) host.gc();
  if (++turns === 200) first = host.memory();
  if (turns === 20200 && first) {
    const last = host.memory();
    host.halt(JSON.stringify([last.heapUsed < first.heapUsed * 1.01, last.heapBlocks < first.heapBlocks + 20]));
  }
  return 0;
}`);
      expect(lines).to.deep.equal(["halt: [true,true]"]);
    });
  });

  describe("when the bundle fails", () => {
    it("prints the exception with TypeScript positions, resets the machine and starts it anew", () => {
      const lines = boot(`function fall() {
  throw new TypeError("broken");
}
export function turn() {
  const memory = host.dmaAlloc(4096);
  host.log("restarts " + host.bootInfo().restarts + " dma " + host.memory().dmaUsed + " phases " + host.bootInfo().phases.length + "\\n");
  if (host.bootInfo().restarts === 1) host.halt("second life");
  fall();
}`);
      expect(lines).to.deep.equal([
        "restarts 0 dma 4096 phases 5",
        "engine: uncaught: TypeError: broken",
        "    at fall (src/second.ts:101)",
        "    at turn (src/second.ts:107)",
        "engine: the runtime is rebuilt",
        "reset",
        "restarts 1 dma 4096 phases 5",
        "halt: second life",
      ]);
    });

    it("gives up at the fourth failure within a minute", () => {
      const lines = boot(`throw new Error("while loading"); export function turn() {}`);
      expect(lines.filter((line) => line === "engine: uncaught: Error: while loading")).to.have.length(4);
      expect(lines.filter((line) => line === "reset")).to.have.length(3);
      expect(lines.at(-1)).to.equal("halt: the runtime failed 4 times within 60 s");
    });

    it("takes a bundle without turn, a waiting bundle and a turn without a number as failures", () => {
      const first = (source: string): string | undefined => boot(source)[0];
      expect(first("export const other = 1;")).to.equal(
        "engine: uncaught: TypeError: main.js: the bundle exports no function `turn`",
      );
      expect(first("await new Promise(() => {}); export function turn() {}")).to.equal(
        "engine: uncaught: TypeError: main.js: a bundle must not wait (top-level await)",
      );
      expect(first("export function turn() {}")).to.equal("engine: uncaught: TypeError: turn: must return a number");
      expect(first("export function turn() { return NaN; }")).to.equal(
        "engine: uncaught: RangeError: turn: returned NaN as the next deadline",
      );
    });

    it("survives recursion without end as an exception", () => {
      const lines = boot(`const deep = () => deep() + 1;
export function turn() { try { deep(); } catch (error) { host.halt(String(error)); } }`);
      expect(lines).to.deep.equal(["halt: InternalError: stack overflow"]);
    });

    it("says who held what when memory runs out, then starts anew with an empty heap", () => {
      const lines = boot(`const hoard = [];
export function turn() {
  if (host.bootInfo().restarts === 1) host.halt("heap " + (host.memory().heapUsed < 300000));
  for (;;) hoard.push(new Map([[hoard.length, {}]]));
}`);
      expect(lines[0]).to.match(/^engine: uncaught: (null \(out of memory\)|InternalError: out of memory)$/);
      const report = lines.find((line) => line.startsWith("engine: out of memory:"));
      const [, used, limit] =
        /refused; now (\d+) of (\d+) bytes in \d+ blocks, at most \d+ bytes/.exec(report ?? "") ?? [];
      expect(Number(used) / Number(limit)).to.be.greaterThan(0.5);
      expect(
        lines.find((line) => /^ +\d{4,} +\d+ Map$/.test(line)),
        "Maps by class",
      ).to.not.equal(undefined);
      expect(
        lines.find((line) => /^objects +\d{4,}/.test(line)),
        "objects by kind",
      ).to.not.equal(undefined);
      expect(lines.at(-1)).to.equal("halt: heap true");
    });

    it("lets the bundle catch a request that is too large, and goes on", () => {
      const lines = boot(`export function turn() {
  try { new Uint8Array(100000000); } catch (error) { host.log(host.describe(error).split("\\n")[0] + "\\n"); }
  host.halt("alive " + new Uint8Array(100000).length);
}`);
      expect(lines).to.deep.equal(["InternalError: out of memory", "halt: alive 100000"]);
    });
  });
});
