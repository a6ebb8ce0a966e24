/**
 * A machine for the setup scripts: a copy of them in a folder of its own, and a PATH on which nothing but the tools of a base
 * system and what a test puts there is found.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inRepository, pin } from "../../scripts/lib/repository.ts";

/** What the scripts may use of the machine; everything else they find is a stub of the test. */
const base =
  "sh awk basename cat chmod cut dirname grep head id mkdir mktemp mv printf rm sed sha256sum shasum sort tail tar tr xz".split(
    " ",
  );
export const debianTools: Readonly<Record<string, string>> = {
  "qemu-system-aarch64": "echo QEMU emulator version 7.2.18 '(Debian 1:7.2)'",
  "aarch64-linux-gnu-gcc": "",
  cc: "",
  cmake: "echo cmake version 3.25.1",
  ninja: "",
  dtc: "",
  ip: "",
  ping: "",
  diodcat: "",
  tshark: "",
  cpio: "",
  sshd: "",
  "ssh-agent": "",
};
export const macTools: Readonly<Record<string, string>> = {
  "qemu-system-aarch64": "echo QEMU emulator version 10.1.0",
  "aarch64-elf-gcc": "",
  cc: "",
  cmake: "echo cmake version 4.1.2",
  ninja: "",
  dtc: "",
};

export interface Said {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export class Machine {
  readonly folder = mkdtempSync(join(tmpdir(), "toolchain-"));
  readonly bin = join(this.folder, "bin");
  /** The work tree. */
  readonly top = join(this.folder, "work tree");
  readonly environment: Record<string, string>;

  constructor() {
    mkdirSync(this.bin);
    cpSync(inRepository("toolchain"), join(this.top, "toolchain"), { recursive: true });
    for (const name of base) {
      const found = ["/usr/bin", "/bin"].map((where) => join(where, name)).find((path) => existsSync(path));
      if (found !== undefined) symlinkSync(found, join(this.bin, name));
    }
    const picolibc = join(this.folder, "picolibc");
    for (const file of ["include/stdio.h", "lib/libc.a"]) {
      mkdirSync(dirname(join(picolibc, file)), { recursive: true });
      writeFileSync(join(picolibc, file), "");
    }
    this.environment = { PATH: this.bin, PICOLIBC: picolibc };
  }

  stub(name: string, body: string): void {
    rmSync(join(this.bin, name), { force: true });
    writeFileSync(join(this.bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(this.bin, name), 0o755);
  }

  /** Debian with everything that is asked for, but QuickJS. */
  debian(): void {
    for (const [name, body] of Object.entries(debianTools)) this.stub(name, body);
    this.stub("id", "echo 0");
    mkdirSync(join(this.top, "out/v9fs"), { recursive: true });
    writeFileSync(join(this.top, "out/v9fs/.suite"), `${pin("V9FS_SUITE")}\n`);
  }

  run(script: string, ...args: string[]): Said {
    const result = spawnSync(join(this.top, "toolchain", script), args, { env: this.environment, encoding: "utf8" });
    return { status: result.status, out: result.stdout, err: result.stderr };
  }

  /** A tarball under the pinned name, and a copy of the pins that expects it. */
  tarball(content = "int quickjs;"): string {
    const inner = join(this.folder, "quickjs-x");
    mkdirSync(inner, { recursive: true });
    writeFileSync(join(inner, "quickjs.c"), content);
    writeFileSync(join(inner, "VERSION"), `${pin("QUICKJS_VERSION")}\n`);
    const path = join(this.folder, pin("QUICKJS_ORIG"));
    execFileSync("tar", ["-cJf", path, "-C", this.folder, "quickjs-x"]);
    const sum = execFileSync("sha256sum", [path], { encoding: "utf8" }).slice(0, 64);
    const pins = join(this.top, "toolchain", "pins.sh");
    writeFileSync(pins, readFileSync(pins, "utf8").replace(/^QUICKJS_SHA256=.*$/m, `QUICKJS_SHA256=${sum}`));
    return path;
  }

  /** apt sources of both forms. @returns whether this machine has what reading them takes */
  mirrors(): boolean {
    if (!existsSync("/usr/bin/apt-config") || !existsSync("/usr/share/keyrings/debian-archive-keyring.gpg")) {
      console.log("    skipped: no apt-config or no Debian archive keyring on this machine");
      return false;
    }
    symlinkSync("/usr/bin/apt-config", join(this.bin, "apt-config"));
    symlinkSync("/usr/bin/cp", join(this.bin, "cp"));
    const parts = join(this.folder, "etc", "sources.list.d");
    mkdirSync(parts, { recursive: true });
    mkdirSync(join(this.folder, "etc", "apt.conf.d"));
    writeFileSync(join(this.folder, "apt.conf"), `Dir::Etc "${join(this.folder, "etc")}";\n`);
    this.environment["APT_CONFIG"] = join(this.folder, "apt.conf");
    writeFileSync(
      join(this.folder, "etc", "sources.list"),
      `# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/x] http://classic.example/debian bookworm main contrib # note
deb http://classic.example/security bookworm-security main
deb http://other.example/tool stable tool
`,
    );
    writeFileSync(
      join(parts, "debian.sources"),
      `Types: deb
# a comment
URIs: http://stanza.example/debian
  http://folded.example/debian
Suites: bookworm bookworm-updates
Components: contrib main
Signed-By: /x

Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: http://stanza.example/security
Suites: bookworm-security
Components: main
`,
    );
    return true;
  }

  /** The lines of a file that a stub has written. */
  log(): string[] {
    return readFileSync(join(this.folder, "sources.log"), "utf8").split("\n").slice(0, -1);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
