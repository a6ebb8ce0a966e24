import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { pin } from "../../scripts/lib/repository.ts";
import { Machine } from "./fixture.ts";

describe("toolchain setup: the Linux of the v9fs check", () => {
  const script = "setup_debian.sh";
  let machine: Machine;
  const kernel = "linux-image-6.1.2-arm64";

  beforeEach(function () {
    machine = new Machine();
    machine.debian();
    if (!machine.mirrors()) this.skip();
    machine.environment["QUICKJS_TARBALL"] = machine.tarball();
    rmSync(join(machine.top, "out/v9fs"), { recursive: true });
    symlinkSync("/usr/bin/find", join(machine.bin, "find"));
    machine.stub("apt-cache", `printf 'linux-image-arm64\\n  Depends: ${kernel}\\n'`);
    machine.stub(
      "dpkg-deb",
      `case "$2" in
*busybox*) mkdir -p "$3/usr/bin"; cat "$2" >"$3/usr/bin/busybox" ;;
*) mkdir -p "$3/boot" "$3/usr/lib/modules/6.1.2/kernel/fs/9p" "$3/usr/lib/modules/6.1.2/kernel/fs/ext4"
   echo kernel >"$3/boot/vmlinuz-6.1.2-arm64"
   echo 9p >"$3/usr/lib/modules/6.1.2/kernel/fs/9p/9p.ko.xz"
   echo ext4 >"$3/usr/lib/modules/6.1.2/kernel/fs/ext4/ext4.ko.xz" ;;
esac`,
    );
  });
  afterEach(() => {
    machine.remove();
  });
  /** An apt-get that records its sources and architecture, and has the packages at one mirror. */
  const packagesFrom = (mirror: string): void => {
    machine.stub(
      "apt-get",
      `case "$*" in
*" update") cat sources.list 2>/dev/null || cat "$(dirname "$2")/sources.list"; grep Architecture "$2"; exit 0 ;;
*"download ${kernel} busybox-static") grep -q ${mirror} sources.list && echo busybox >busybox-static_1_arm64.deb && echo >${kernel}_1_arm64.deb ;;
*) exit 100 ;;
esac >>${join(machine.folder, "sources.log")}`,
    );
  };
  const content = (path: string): string => readFileSync(join(machine.top, "out/v9fs", path), "utf8");

  it("is missing to --check, and not to who builds only", () => {
    machine.run(script);
    machine.stub("apt-get", "exit 100");
    expect(machine.run(script, "--check")).to.deep.include({
      status: 1,
      out: `missing: Linux for the v9fs check in out/v9fs: package linux-image-arm64, busybox-static (${pin("V9FS_SUITE")}, arm64), installed by: toolchain/setup_debian.sh\n`,
    });
    expect(machine.run(script, "--check-build")).to.deep.equal({ status: 0, out: "", err: "" });
  });

  it("comes for arm64 from the machine's own mirrors in turn, by a configuration of its own", () => {
    packagesFrom("stanza");
    const { status, out, err } = machine.run(script);
    expect({ status, err }).to.deep.equal({ status: 0, err: "" });
    expect(out).to.include("Linux for the v9fs check is in out/v9fs\n");
    expect(machine.log().filter((line) => line.startsWith("deb "))).to.deep.equal(
      ["classic", "stanza"].map(
        (mirror) =>
          `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://${mirror}.example/debian ${pin("V9FS_SUITE")} main`,
      ),
    );
    expect(machine.log()).to.include('APT::Architecture "arm64";');
    expect(["vmlinuz", "busybox", "modules/9p.ko.xz", ".suite"].map(content)).to.deep.equal([
      "kernel\n",
      "busybox\n",
      "9p\n",
      `${pin("V9FS_SUITE")}\n`,
    ]);
    expect(readdirSync(join(machine.top, "out/v9fs/modules"))).to.deep.equal(["9p.ko.xz"]);
    expect(readdirSync(join(machine.top, "out"))).to.deep.equal(["quickjs", "v9fs"]);
    expect(machine.run(script)).to.deep.equal({ status: 0, out: "", err: "" });
  });

  it("comes from a folder of packages where there is no network", () => {
    const packages = join(machine.folder, "packages");
    mkdirSync(packages);
    for (const name of [kernel, "busybox-static"]) writeFileSync(join(packages, `${name}_1_arm64.deb`), "busybox\n");
    machine.environment["V9FS_PACKAGES"] = packages;
    machine.stub("apt-get", "exit 100");
    expect(machine.run(script)).to.deep.include({ status: 0, err: "" });
    expect(content("vmlinuz")).to.equal("kernel\n");
    machine.environment["V9FS_PACKAGES"] = join(machine.folder, "none");
    rmSync(join(machine.top, "out/v9fs"), { recursive: true });
    expect(machine.run(script).err).to.match(/none: no such folder\n$/);
  });

  it("says how to go on when no mirror has it, and has installed the rest", () => {
    packagesFrom("nowhere");
    const { status, err } = machine.run(script);
    expect(status).to.equal(1);
    expect(err).to.match(/no mirror of this machine gave linux-image-arm64 and busybox-static .*V9FS_PACKAGES=/);
    expect(readFileSync(join(machine.top, "out/quickjs/quickjs.c"), "utf8")).to.equal("int quickjs;");
    expect(existsSync(join(machine.top, "out/v9fs"))).to.equal(false);
  });
});
