import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { inRepository, pin } from "../../scripts/lib/repository.ts";
import { debianTools, Machine, macTools, type Said } from "./fixture.ts";

describe("toolchain setup", () => {
  let machine: Machine;
  let folder: string;
  let bin: string;
  let top: string;
  let environment: Record<string, string>;

  const stub = (name: string, body: string): void => machine.stub(name, body);
  const run = (script: string, ...args: string[]): Said => machine.run(script, ...args);
  const tarball = (content?: string): string => machine.tarball(content);
  const quickjs = (): string => readFileSync(join(top, "out/quickjs/quickjs.c"), "utf8");

  beforeEach(() => {
    machine = new Machine();
    ({ folder, bin, top, environment } = machine);
  });
  afterEach(() => {
    machine.remove();
  });

  it("does not ask for what only runs and tests the image when it is to be built", () => {
    mkdirSync(join(top, "out/quickjs"), { recursive: true });
    writeFileSync(join(top, "out/quickjs/quickjs.c"), "");
    writeFileSync(join(top, "out/quickjs/.sha256"), pin("QUICKJS_SHA256"));
    const runOnly = new Set([
      "qemu-system-aarch64",
      "ip",
      "ping",
      "dtc",
      "diodcat",
      "tshark",
      "cpio",
      "sshd",
      "ssh-agent",
    ]);
    for (const [script, tools] of [
      ["setup_debian.sh", debianTools],
      ["setup_macos_arm64.sh", macTools],
    ] as const) {
      for (const [name, body] of Object.entries(tools)) if (!runOnly.has(name)) stub(name, body);
      expect(run(script, "--check-build"), script).to.deep.equal({ status: 0, out: "", err: "" });
      expect(run(script, "--check").out, script).to.contain("missing: qemu-system-aarch64");
      rmSync(join(bin, "ninja"));
      expect(run(script, "--check-build"), script).to.deep.include({ status: 1 });
    }
  });

  const withTools = (tools: Readonly<Record<string, string>>): void => {
    for (const [name, body] of Object.entries(tools)) stub(name, body);
  };

  describe("on Debian", () => {
    const script = "setup_debian.sh";
    beforeEach(() => {
      machine.debian();
    });

    it("has nothing to do and says nothing when everything is there", () => {
      environment["QUICKJS_TARBALL"] = tarball();
      expect(run(script)).to.include({
        status: 0,
        out: `QuickJS ${pin("QUICKJS_VERSION")} is in out/quickjs\n`,
        err: "",
      });
      expect(run(script)).to.deep.equal({ status: 0, out: "", err: "" });
      expect(run(script, "--check")).to.deep.equal({ status: 0, out: "", err: "" });
    });

    it("names with --check each missing package and the command that installs it, and installs nothing", () => {
      for (const name of ["dtc", "ninja", "aarch64-linux-gnu-gcc"]) rmSync(join(bin, name));
      rmSync(join(folder, "picolibc"), { recursive: true });
      stub("apt-get", `echo called >${join(folder, "called")}`);
      const { status, out } = run(script, "--check");
      expect(status).to.equal(1);
      expect(out.split("\n")).to.deep.equal([
        "missing: aarch64-linux-gnu-gcc: package gcc-aarch64-linux-gnu, installed by: apt-get install gcc-aarch64-linux-gnu",
        `missing: picolibc in ${environment["PICOLIBC"] ?? ""}: package picolibc-aarch64-linux-gnu, installed by: apt-get install picolibc-aarch64-linux-gnu`,
        "missing: ninja: package ninja-build, installed by: apt-get install ninja-build",
        "missing: dtc: package device-tree-compiler, installed by: apt-get install device-tree-compiler",
        `missing: QuickJS ${pin("QUICKJS_VERSION")} in out/quickjs: package source package quickjs (trixie), installed by: toolchain/setup_debian.sh`,
        "",
      ]);
      expect(existsSync(join(folder, "called"))).to.equal(false);
      expect(readdirSync(join(top, "out"))).to.deep.equal(["v9fs"]);
    });

    it("takes a QEMU that is too old for missing, and says which version it found", () => {
      for (const [version, enough] of [
        ["7.2.0", true],
        ["10.0.2", true],
        ["7.10", true],
        ["7.1.9", false],
        ["6.9", false],
      ] as const) {
        stub("qemu-system-aarch64", `echo QEMU emulator version ${version}`);
        const line = run(script, "--check").out.split("\n")[0];
        if (enough) expect(line, version).not.to.include("qemu");
        else
          expect(line).to.match(
            new RegExp(`^missing: qemu-system-aarch64 7.2 or newer \\(found ${version}\\): package qemu-system-arm,`),
          );
      }
    });

    it("names sudo to those who are not root", () => {
      rmSync(join(bin, "dtc"));
      stub("id", "echo 1000");
      expect(run(script, "--check").out).to.include("installed by: sudo apt-get install device-tree-compiler\n");
    });

    it("installs exactly the missing packages, after an update if they are not known yet", () => {
      environment["QUICKJS_TARBALL"] = tarball();
      for (const name of ["dtc", "ninja"]) rmSync(join(bin, name));
      const log = join(folder, "apt.log");
      stub(
        "apt-get",
        `echo "$*" >>${log}
if [ "$1" = update ]; then touch ${folder}/updated; exit; fi
[ -f ${folder}/updated ] || exit 100
for tool in dtc ninja; do printf '#!/bin/sh\\n' >${bin}/$tool; chmod +x ${bin}/$tool; done`,
      );
      symlinkSync(existsSync("/usr/bin/touch") ? "/usr/bin/touch" : "/bin/touch", join(bin, "touch"));
      expect(run(script).status).to.equal(0);
      const install = "install -y --no-install-recommends ninja-build device-tree-compiler";
      expect(readFileSync(log, "utf8").split("\n")).to.deep.equal([install, "update", install, ""]);
    });

    it("fails when the installation leaves something missing", () => {
      rmSync(join(bin, "dtc"));
      stub("apt-get", "exit 0");
      const { status, err } = run(script);
      expect(status).to.equal(1);
      expect(err).to.equal("setup_debian.sh: still missing after apt-get install\n");
    });

    it("refuses a tarball with another checksum, and leaves what was unpacked before", () => {
      environment["QUICKJS_TARBALL"] = tarball("old");
      expect(run(script).status).to.equal(0);
      const bad = join(folder, "bad.tar.xz");
      writeFileSync(bad, "x");
      const pins = join(top, "toolchain", "pins.sh");
      writeFileSync(
        pins,
        readFileSync(pins, "utf8").replace(/^QUICKJS_SHA256=.*$/m, `QUICKJS_SHA256=${"0".repeat(64)}`),
      );
      environment["QUICKJS_TARBALL"] = bad;
      const { status, err } = run(script);
      expect(status).to.equal(1);
      expect(err).to.match(
        /^setup_debian\.sh: .*bad\.tar\.xz: SHA-256 is 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881, but the pinned QuickJS /,
      );
      expect(quickjs()).to.equal("old");
      expect(readdirSync(join(top, "out"))).to.deep.equal(["quickjs", "v9fs"]);
    });

    it("replaces an unpacked source that is not the pinned one", () => {
      environment["QUICKJS_TARBALL"] = tarball("old");
      run(script);
      environment["QUICKJS_TARBALL"] = tarball("new");
      expect(run(script, "--check").out).to.include("missing: QuickJS");
      expect(run(script).status).to.equal(0);
      expect(quickjs()).to.equal("new");
    });

    it("refuses unknown options", () => {
      expect(run(script, "--chekc")).to.deep.equal({
        status: 1,
        out: "",
        err: "setup_debian.sh: unknown option --chekc (only --check, --check-build and --help)\n",
      });
    });

    describe("downloading", () => {
      const log = (): string[] => machine.log();

      beforeEach(function () {
        if (!machine.mirrors()) this.skip();
      });
      /** An apt-get that records its sources and serves the tarball from one mirror. */
      const aptFrom = (mirror: string, path: string): void => {
        stub(
          "apt-get",
          `case "$*" in
*" update") cat sources.list >>${join(folder, "sources.log")}; grep -q ${mirror} sources.list ;;
*"source --download-only quickjs") cp ${path} . ;;
*) exit 100 ;;
esac`,
        );
      };

      it("tries the machine's own mirrors of component main in turn, by a configuration of its own", () => {
        aptFrom("folded", tarball());
        expect(run(script)).to.deep.equal({
          status: 0,
          out: `QuickJS ${pin("QUICKJS_VERSION")} is in out/quickjs\n`,
          err: "",
        });
        const line = (mirror: string): string =>
          `deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} trixie main`;
        expect(log()).to.deep.equal([
          line("http://classic.example/debian"),
          line("http://stanza.example/debian"),
          line("http://folded.example/debian"),
        ]);
        expect(readdirSync(join(top, "out"))).to.deep.equal(["quickjs", "v9fs"]);
      });

      it("checks the sum of what the mirror gave", () => {
        const path = tarball();
        writeFileSync(path, "something else");
        aptFrom("classic", path);
        const { status, err } = run(script);
        expect(status).to.equal(1);
        expect(err).to.include("but the pinned QuickJS");
        expect(existsSync(join(top, "out/quickjs"))).to.equal(false);
      });

      it("says how to go on when no mirror has it", () => {
        aptFrom("nowhere", tarball());
        const { status, err } = run(script);
        expect(status).to.equal(1);
        expect(err).to.match(/no mirror of this machine gave quickjs_.*; give it as QUICKJS_TARBALL=\/path\/quickjs_/);
        expect(log()).to.have.length(3);
      });
    });
  });

  describe("on macOS", () => {
    const script = "setup_macos_arm64.sh";
    beforeEach(() => {
      withTools(macTools);
    });

    it("unpacks the given tarball, then is content", () => {
      environment["QUICKJS_TARBALL"] = tarball();
      expect(run(script).status).to.equal(0);
      expect(run(script, "--check")).to.deep.equal({ status: 0, out: "", err: "" });
    });

    it("names formulae, and by hand what has none", () => {
      rmSync(join(bin, "aarch64-elf-gcc"));
      rmSync(join(folder, "picolibc"), { recursive: true });
      const { status, out } = run(script, "--check");
      expect(status).to.equal(1);
      expect(out).to.include(
        "missing: aarch64-elf-gcc: package aarch64-elf-gcc, installed by: brew install aarch64-elf-gcc\n",
      );
      expect(out).to.include("unpack Debian's picolibc-aarch64-linux-gnu there or set PICOLIBC (docs/TOOLCHAIN.md)\n");
      expect(out).to.include(`QUICKJS_TARBALL=/path/${pin("QUICKJS_ORIG")} toolchain/setup_macos_arm64.sh\n`);
    });

    it("installs missing formulae with one brew call", () => {
      environment["QUICKJS_TARBALL"] = tarball();
      for (const name of ["dtc", "ninja"]) rmSync(join(bin, name));
      stub(
        "brew",
        `echo "$*" >>${folder}/brew.log
for tool in dtc ninja; do printf '#!/bin/sh\\n' >${bin}/$tool; chmod +x ${bin}/$tool; done`,
      );
      expect(run(script).status).to.equal(0);
      expect(readFileSync(join(folder, "brew.log"), "utf8")).to.equal("install ninja dtc\n");
    });

    it("asks for Homebrew when there is none", () => {
      rmSync(join(bin, "dtc"));
      const { status, err } = run(script);
      expect(status).to.equal(1);
      expect(err).to.include("no brew on this machine");
    });
  });

  it("spells no mirror address", () => {
    for (const file of readdirSync(inRepository("toolchain"))) {
      expect(readFileSync(inRepository("toolchain", file), "utf8"), file).not.to.match(/https?:\/\/|ftp:\/\//);
    }
  });
});
