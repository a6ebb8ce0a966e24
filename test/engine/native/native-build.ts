/**
 * Builds the engine for this machine (`CMakeLists.txt` beside this file) once per test run, and boot archives
 * for it. A machine without compiler or QuickJS source gets the reason, so that tests can report themselves skipped.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeCpio } from "../../../scripts/lib/cpio.ts";
import type { CpioFile } from "../../../scripts/lib/cpio.ts";
import { crc32 } from "../../../scripts/lib/crc32.ts";
import { encodeLineTable } from "../../../scripts/lib/line-table.ts";
import { withLock } from "../../../scripts/lib/lock.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";

const build = inRepository("out", "native-test");
const quickjs = inRepository("out", "quickjs");

export function nativeProgram(name: string): string {
  return join(build, name);
}

/** @returns why the engine cannot be built here, or `undefined`. */
export function missingForNativeBuild(): string | undefined {
  for (const command of ["cc", "cmake", "ninja"]) {
    if (spawnSync(command, ["--version"], { stdio: "ignore" }).status !== 0) {
      return `no ${command}: toolchain/setup_debian.sh installs it`;
    }
  }
  if (!existsSync(join(quickjs, "quickjs.c"))) return "no QuickJS source: toolchain/setup_debian.sh gets it";
  return undefined;
}

function tool(...args: string[]): void {
  const { status, stdout, stderr } = spawnSync("cmake", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`cmake ${args.join(" ")} failed:\n${stdout}${stderr}`);
}

/** A mocha hook: builds, or skips the suite with the reason as its last word. */
export async function buildOrSkip(this: Mocha.Context): Promise<void> {
  this.timeout(300_000);
  const missing = missingForNativeBuild();
  if (missing !== undefined) {
    console.log(`    skipped: ${missing}`);
    this.skip();
  }
  await withLock(`${build}.lock`, 300_000, async () => {
    const source = inRepository("test", "engine", "native");
    tool("-G", "Ninja", "-S", source, "-B", build, `-DQUICKJS_DIR=${quickjs}`);
    tool("--build", build);
    return Promise.resolve();
  });
}

/** A folder of its own for each use; `dispose` removes it. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), "native-"));

  path(name: string): string {
    return join(this.folder, name);
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true });
  }

  compile(source: string): Uint8Array {
    writeFileSync(this.path("main.js"), source);
    execFileSync(nativeProgram("qjsbc"), [this.path("main.js"), "main.js", this.path("main.qbc")], { stdio: "pipe" });
    return execFileSync("cat", [this.path("main.qbc")]);
  }

  /** The archive that a bundle's source becomes; `replace` adds files or takes the place of usual ones. */
  archive(source: string, replace: Readonly<Record<string, Uint8Array | string | null>> = {}): Uint8Array {
    const usual: Record<string, Uint8Array | string | null> = {
      "build.json": "{}",
      "engine.conf": "heap=4194304\n",
      "main.lines": encodeLineTable({
        files: ["src/first.ts", "src/second.ts"],
        lines: source.split("\n").map((_, index) => ({ file: index % 2, line: 100 + index })),
      }),
      "main.qbc": replace["main.qbc"] === undefined ? this.compile(source) : null,
      "pong.elf": "\x7fELF and so on",
      ...replace,
    };
    const files: CpioFile[] = [];
    for (const [name, data] of Object.entries(usual)) {
      if (data !== null) files.push({ name, data: typeof data === "string" ? Buffer.from(data) : data });
    }
    const sums = files.map((file) => `${crc32(file.data).toString(16).padStart(8, "0")} ${file.name}\n`).join("");
    return writeCpio([{ name: "crc32", data: Buffer.from(sums) }, ...files]);
  }

  /** Boots it; an engine that never ends by itself is ended after 20 s, and the test fails. */
  boot(archive: Uint8Array): { readonly lines: string[]; readonly status: number | null; readonly errors: string } {
    writeFileSync(this.path("rootfs.cpio"), archive);
    const result = spawnSync(nativeProgram("engine_host"), [this.path("rootfs.cpio")], {
      encoding: "utf8",
      timeout: 20_000,
      env: { ...process.env, ASAN_OPTIONS: "detect_leaks=0" },
    });
    return { lines: result.stdout.split("\n").slice(0, -1), status: result.status, errors: result.stderr };
  }

  /** Runs a bundle whose first turn is `body`, which reports by `print`; returns what it printed. */
  run(body: string, replace: Readonly<Record<string, Uint8Array | string | null>> = {}): string[] {
    const source = `const print = (value) => host.log(String(value) + "\\n");
const thrown = (f) => { try { f(); return "nothing"; } catch (error) { return String(error); } };
export function turn(raised, nowUs) {
${body}
host.halt("end of the test"); }`;
    const { lines, status, errors } = this.boot(this.archive(source, replace));
    if (status !== 3 || lines.pop() !== "halt: end of the test") {
      throw new Error(`the bundle ended with status ${String(status)}:\n${lines.join("\n")}\n${errors}`);
    }
    return lines;
  }
}
