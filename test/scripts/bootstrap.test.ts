import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { dependenciesFresh, nodeSatisfies } from "../../scripts/bootstrap.mjs";
import { failureReason } from "../../scripts/lib/failure-reason.mjs";
import { inRepository } from "../../scripts/lib/repository.ts";

const lock = {
  "": { version: "1.0.0" },
  "node_modules/a": { version: "1.2.3", integrity: "sha512-a" },
  "node_modules/b-win": { version: "1.0.0", integrity: "sha512-b", optional: true },
};

describe("bootstrap", () => {
  let folder: string;
  const write = (installed: object): void => {
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    writeFileSync(join(folder, "node_modules/.package-lock.json"), JSON.stringify({ packages: installed }));
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bootstrap-"));
    writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: lock }));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("installs when there is no node_modules", () => {
    expect(dependenciesFresh(folder)).to.equal(false);
  });

  it("is content with what the lock file asks for, without another platform's packages", () => {
    write({ "node_modules/a": { version: "1.2.3", integrity: "sha512-a" } });
    expect(dependenciesFresh(folder)).to.equal(true);
  });

  it("installs when a package is missing, of another version, of another content, or too many", () => {
    write({});
    expect(dependenciesFresh(folder)).to.equal(false);
    write({ "node_modules/a": { version: "1.2.4", integrity: "sha512-a" } });
    expect(dependenciesFresh(folder)).to.equal(false);
    write({ "node_modules/a": { version: "1.2.3", integrity: "sha512-x" } });
    expect(dependenciesFresh(folder)).to.equal(false);
    write({ "node_modules/a": { version: "1.2.3", integrity: "sha512-a" }, "node_modules/z": { version: "1.0.0" } });
    expect(dependenciesFresh(folder)).to.equal(false);
  });

  it("compares Node's version number by number", () => {
    expect(nodeSatisfies("20.19.0", ">=20.19")).to.equal(true);
    expect(nodeSatisfies("20.9.9", ">=20.19")).to.equal(false);
    expect(nodeSatisfies("18.99.0", ">=20.19")).to.equal(false);
    expect(nodeSatisfies("22.0.0", ">=20.19")).to.equal(true);
  });

  it("finds no download address in package-lock.json", () => {
    const text = readFileSync("package-lock.json", "utf8");
    expect(text).not.to.match(/"resolved"/);
    expect(text).not.to.match(/https?:\/\/[^"]*\.tgz/);
  });

  describe("when the image cannot be built", function () {
    this.timeout(120_000);
    const bootstrap = (prefix: string, ...words: string[]): { status: number | null; stderr: string } =>
      spawnSync(process.execPath, [inRepository("scripts", "bootstrap.mjs"), ...words], {
        cwd: folder,
        encoding: "utf8",
        env: { ...process.env, SEL4_PREFIX: prefix },
      });
    /** A prefix that has a kernel, but none that an image could be built with. */
    const noKernel = (): string => {
      mkdirSync(join(folder, "prefix", "bin"), { recursive: true });
      writeFileSync(join(folder, "prefix", "bin", "kernel.elf"), "no ELF file");
      return join(folder, "prefix");
    };

    it("says so and why in one sentence and goes on, because the simulator needs none", function () {
      const { status, stderr } = bootstrap(noKernel());
      expect(status, stderr).to.equal(0);
      if (stderr.includes("left out the seL4 image")) this.skip();
      expect(stderr.trim().split("\n")).to.have.length(1);
      expect(stderr).to.match(/the seL4 image could not be built, so only .*kernel\.elf is no AArch64 ELF file/);
    });

    it("fails with --strict, which CI gives", function () {
      const { status, stderr } = bootstrap(noKernel(), "--strict");
      if (stderr.includes("left out the seL4 image")) this.skip();
      expect(status).to.equal(1);
      expect(stderr).to.contain("bootstrap: the seL4 image could not be built: ");
    });

    it("takes a compiler's error out of what the compiler says", () => {
      const run = { status: 1, signal: null };
      const stderr = "image: warning: slow\nimage: [1/2] cc a.c\nimage: a.c:1:2: error: no\nimage: ninja failed\n";
      expect(failureReason({ ...run, stderr })).to.equal("a.c:1:2: error: no");
      expect(failureReason({ ...run, stderr: "image: warning: slow\nimage: no kernel.\n" })).to.equal("no kernel.");
      expect(failureReason({ ...run, stderr: "" })).to.equal("scripts/image.ts ended with status 1");
    });
  });
});
