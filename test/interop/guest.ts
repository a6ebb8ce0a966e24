/**
 * Linux in QEMU with nothing but a shell on its serial line and v9fs: the kernel and busybox are Debian's, put into
 * `out/v9fs` by the toolchain's setup. Each command is answered with its exit status within a time, and the machine is
 * gone after `end()`, with whoever started it, and at the latest at its deadline.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { type CpioFile, writeCpio } from "../../scripts/lib/cpio.ts";
import { inRepository } from "../../scripts/lib/repository.ts";
import { Screen } from "../../scripts/lib/screen.ts";

const DIRECTORY = 0o040755;
const EXECUTABLE = 0o100755;
const folder = inRepository("out", "v9fs");
const READY = "the guest is ready";
/** Where the guest sees the host's loopback (QEMU's user network). */
const HOST = "10.0.2.2";
const BOOT_MS = 90_000;
/** However stuck it is, and whoever has forgotten it. */
const DEADLINE_MS = 200_000;
/** What the guest needs; the modules that these depend on come with them. */
const MODULES = ["virtio_net", "9pnet_fd", "9p"];

/** Why there is no guest on this machine; `undefined` if there is one. */
export function guestMissing(): string | undefined {
  if (process.platform !== "linux") return "the guest is ended with its parent by Linux's setpriv";
  for (const [command, flag] of [
    [process.env["QEMU"] ?? "qemu-system-aarch64", "--version"],
    ["setpriv", "--version"],
    ["xz", "--version"],
  ] as const) {
    if (spawnSync(command, [flag]).error !== undefined) return `there is no ${command} on this machine`;
  }
  for (const name of ["vmlinuz", "busybox", "modules"]) {
    if (!existsSync(join(folder, name))) {
      return `there is no out/v9fs/${name}, the Linux that mounts: toolchain/setup_debian.sh gets it`;
    }
  }
  return undefined;
}

/** Modules by name with those they depend on before them, unpacked. */
function modules(): { name: string; data: Uint8Array }[] {
  const files = new Map(
    readdirSync(join(folder, "modules")).map((file) => [file.replace(/\.ko.*$/, "").replaceAll("-", "_"), file]),
  );
  const loaded = new Map<string, Uint8Array>();
  const load = (name: string): void => {
    if (loaded.has(name)) return;
    const file = files.get(name);
    if (file === undefined) throw new Error(`out/v9fs/modules has no ${name}`);
    const path = join(folder, "modules", file);
    const data = file.endsWith(".xz")
      ? spawnSync("xz", ["-dc", path], { maxBuffer: 1 << 26 }).stdout
      : readFileSync(path);
    const depends = /\0depends=([^\0]*)\0/.exec(data.toString("latin1"))?.[1] ?? "";
    for (const other of depends.split(",")) if (other !== "") load(other.replaceAll("-", "_"));
    loaded.set(name, data);
  };
  for (const name of MODULES) load(name);
  return Array.from(loaded, ([name, data]) => ({ name, data }));
}

function initialFiles(): Uint8Array {
  const list = modules();
  const init = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin PS1= PS2=
mount -t devtmpfs dev /dev
mount -t proc proc /proc
exec </dev/ttyAMA0 >/dev/ttyAMA0 2>&1
stty -echo
${list.map(({ name }) => `insmod /modules/${name}.ko`).join("\n")}
ip link set lo up
ip link set eth0 up
ip address add 10.0.2.15/24 dev eth0
echo ${READY}
exec sh
`;
  const files: CpioFile[] = [
    ...["bin", "dev", "proc", "mnt", "modules", "tmp"].map((name) => ({
      name,
      data: new Uint8Array(0),
      mode: DIRECTORY,
    })),
    { name: "bin/busybox", data: readFileSync(join(folder, "busybox")), mode: EXECUTABLE },
    { name: "init", data: Buffer.from(init), mode: EXECUTABLE },
    ...list.map(({ name, data }) => ({ name: `modules/${name}.ko`, data })),
  ];
  return writeCpio(files);
}

export interface Ran {
  readonly status: number;
  readonly output: string;
}

export class Guest {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #folder: string;
  readonly #deadline: NodeJS.Timeout;
  readonly #exited: Promise<void>;
  #gone = false;
  readonly #screen = new Screen();
  #commands = 0;

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "v9fs-"));
    const initrd = join(this.#folder, "initramfs.cpio");
    writeFileSync(initrd, initialFiles());
    const qemu = process.env["QEMU"] ?? "qemu-system-aarch64";
    const child = spawn(
      "setpriv",
      [
        ...["--pdeathsig", "KILL", qemu, "-M", "virt", "-cpu", "cortex-a53", "-m", "256", "-nodefaults", "-no-reboot"],
        ...["-display", "none", "-serial", "stdio", "-kernel", join(folder, "vmlinuz"), "-initrd", initrd],
        ...["-append", "console=ttyAMA0 quiet panic=-1 rdinit=/init", "-netdev", "user,id=net"],
        ...["-device", "virtio-net-pci,netdev=net,romfile="],
      ],
      { stdio: ["pipe", "pipe", "pipe"] },
    );
    this.#child = child;
    this.#deadline = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
    const more = (bytes: Buffer): void => this.#screen.print(bytes.toString("latin1"));
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", more);
    child.stderr.on("data", more);
    this.#exited = new Promise((settle) => {
      const over = (): void => {
        this.#gone = true;
        this.#screen.end("QEMU is gone");
        settle();
      };
      child.once("error", over);
      child.once("close", over);
    });
  }

  static async boot(): Promise<Guest> {
    const guest = new Guest();
    try {
      await guest.expect(new RegExp(`^${READY}\r?$`, "m"), BOOT_MS);
      return guest;
    } catch (error) {
      await guest.end();
      throw error;
    }
  }

  /** Run a line of shell. */
  async run(command: string, patienceMs = 20_000): Promise<Ran> {
    const number = ++this.#commands;
    // The mark is put together by the shell, so that no echo of the line is taken for it.
    this.#child.stdin.write(`${command}\necho "end-""${number}=$?="\n`);
    const text = await this.expect(new RegExp(`end-${number}=(\\d+)=\r?\n`), patienceMs);
    const at = text.lastIndexOf(`end-${number}=`);
    return { output: text.slice(0, at).replaceAll("\r", ""), status: Number(text.slice(at).split("=")[1]) };
  }

  /** Wait for output that was not waited for before. @returns it, up to and with the pattern. */
  expect(pattern: RegExp, patienceMs: number): Promise<string> {
    return this.#screen.expect(pattern, patienceMs);
  }

  /** Mount what is served at a port of the host's loopback. */
  mount(port: number, aname: string, at = "/mnt"): Promise<Ran> {
    const options = `trans=tcp,port=${port},version=9p2000.L,aname=${aname},msize=8192,cache=none`;
    return this.run(`mount -t 9p -o ${options} ${HOST} ${at}`);
  }

  async end(): Promise<void> {
    clearTimeout(this.#deadline);
    if (!this.#gone) this.#child.kill("SIGKILL");
    await this.#exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
