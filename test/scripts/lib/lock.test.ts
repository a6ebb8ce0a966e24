import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { withLock } from "../../../scripts/lib/lock.ts";

describe("build lock", () => {
  let folder: string;
  let lock: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lock-"));
    lock = join(folder, "out", ".build-lock");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("lets one work at a time and is gone afterwards", async () => {
    let inside = 0;
    const work = async (): Promise<void> => {
      expect(++inside).to.equal(1);
      await nextTurn();
      inside--;
    };
    await Promise.all([withLock(lock, 5000, work), withLock(lock, 5000, work), withLock(lock, 5000, work)]);
    expect(existsSync(lock)).to.equal(false);
  });

  it("is given back when the work fails", async () => {
    const failure = await withLock(lock, 1000, () => Promise.reject(new Error("no"))).catch(String);
    expect(failure).to.equal("Error: no");
    expect(existsSync(lock)).to.equal(false);
  });

  it("takes over from an owner that is gone", async () => {
    await withLock(lock, 1000, () => Promise.resolve());
    writeFileSync(lock, "4194399\n"); // beyond Linux's largest process id
    expect(await withLock(lock, 1000, () => Promise.resolve("mine"))).to.equal("mine");
  });

  it("gives up on a living owner after its patience, naming the file", async () => {
    await withLock(lock, 1000, () => Promise.resolve());
    writeFileSync(lock, `${process.pid}\n`);
    const failure = await withLock(lock, 50, () => Promise.resolve()).catch(String);
    expect(failure).to.contain(`another build holds ${lock}`);
  });
});
