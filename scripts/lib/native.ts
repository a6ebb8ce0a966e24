/**
 * Drives the two CMake projects: `qjsbc`, the bytecode compiler for this machine, and what runs on the board.
 * Both configure themselves once and anew when their parameters change; Ninja decides what is stale.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeIfChanged } from "./output.ts";
import { inRepository, pin } from "./repository.ts";

export const quickjsDir = inRepository("out", "quickjs");
const nativeDir = inRepository("out", "native");

/** What the root server runs: the hive's engine, or a bare C loop that answers pings. */
export type RootProgram = "engine" | "echo";

/** One configuration of the board's project. */
export interface Board {
  readonly build: string;
  /** Where its programs land. */
  readonly out: string;
  /** The archive that the next root server is linked with. */
  readonly rootfs: string;
  /** What the next worker is linked with. */
  readonly workerBytecode: string;
  readonly workerLines: string;
}

function setupScript(): string {
  return process.platform === "darwin" ? "toolchain/setup_macos_arm64.sh" : "toolchain/setup_debian.sh";
}

/** What the setup script misses, as a text to append to an error; empty if it misses nothing. */
function missingTools(): string {
  const check = spawnSync("sh", [inRepository(setupScript()), "--check-build"], { encoding: "utf8" });
  return check.status === 0 ? "" : `\n${check.stdout}all of it at once: ${setupScript()}`;
}

/** Output only if it fails, unless `show`. */
export function runTool(command: string, args: readonly string[], show: boolean): void {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  if (result.error !== undefined) throw new Error(`${command} cannot be run: ${result.error.message}${missingTools()}`);
  if (result.status !== 0) {
    const cause = result.signal === null ? `status ${String(result.status)}` : result.signal;
    throw new Error(`${result.stdout}${result.stderr}${command} failed (${cause})${missingTools()}`);
  }
  if (show) process.stdout.write(result.stdout);
}

/** @throws Error if the pinned QuickJS source is not there. */
export function requireQuickjs(): void {
  const version = join(quickjsDir, "VERSION");
  const wanted = pin("QUICKJS_VERSION");
  if (!existsSync(version)) throw new Error(`there is no QuickJS source in out/quickjs: ${setupScript()} gets it.`);
  const found = readFileSync(version, "utf8").trim();
  if (found !== wanted) throw new Error(`out/quickjs holds QuickJS ${found}, not ${wanted}: ${setupScript()} gets it.`);
}

/**
 * Removes a build directory that CMake would refuse: its cache was made for other folders, as in a work tree that was
 * moved or copied with its `out/`.
 */
export function removeForeignBuild(source: string, build: string): void {
  const path = join(build, "CMakeCache.txt");
  if (!existsSync(path)) return;
  const cache = readFileSync(path, "utf8");
  const entry = (name: string): string | undefined => new RegExp(`^${name}:[A-Z]+=(.*)$`, "m").exec(cache)?.[1];
  if (entry("CMAKE_HOME_DIRECTORY") === source && entry("CMAKE_CACHEFILE_DIR") === build) return;
  rmSync(build, { recursive: true, force: true });
}

function configure(source: string, build: string, definitions: readonly string[], show: boolean): void {
  removeForeignBuild(inRepository(source), build);
  const args = ["-G", "Ninja", "-S", inRepository(source), "-B", build, ...definitions];
  const stamp = join(build, ".configured");
  const wanted = `${args.join("\n")}\n`;
  const configured = existsSync(join(build, "build.ninja")) && existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (configured === wanted) return;
  runTool("cmake", args, show);
  writeIfChanged(stamp, wanted);
}

/** @returns the compiler's path. */
export function buildBytecodeCompiler(show: boolean): string {
  const build = join(nativeDir, "host");
  configure(
    "engine/native/qjsbc",
    build,
    ["-DCMAKE_BUILD_TYPE=Release", `-DQUICKJS_DIR=${quickjsDir}`, `-DCMAKE_RUNTIME_OUTPUT_DIRECTORY=${nativeDir}`],
    show,
  );
  runTool("cmake", ["--build", build, "--target", "qjsbc"], show);
  return join(nativeDir, "qjsbc");
}

/** Compiles a bundle if it or the compiler is newer than the bytecode beside it. @returns the bytecode. */
export function compileBytecode(compiler: string, folder: string, name: string, show: boolean): Uint8Array {
  const source = join(folder, `${name}.js`);
  const target = join(folder, `${name}.qbc`);
  const made = existsSync(target) ? statSync(target).mtimeMs : -1;
  if (made < statSync(source).mtimeMs || made < statSync(compiler).mtimeMs) {
    runTool(compiler, [source, `${name}.js`, target], show);
  }
  return readFileSync(target);
}

/** Configures the board's project for a kernel; `buildTarget` then makes parts of it. */
export function configureNative(prefix: string, root: RootProgram, show: boolean): Board {
  const out = root === "engine" ? nativeDir : join(nativeDir, root);
  const board: Board = {
    build: join(out, "board"),
    out,
    rootfs: join(out, "rootfs.cpio"),
    workerBytecode: join(out, "worker.qbc"),
    workerLines: join(out, "worker.lines"),
  };
  configure(
    "engine/native",
    board.build,
    [
      `-DCMAKE_TOOLCHAIN_FILE=${inRepository("engine/native/toolchain-aarch64.cmake")}`,
      `-DSEL4_PREFIX=${prefix}`,
      `-DQUICKJS_DIR=${quickjsDir}`,
      `-DROOTFS=${board.rootfs}`,
      `-DWORKER_QBC=${board.workerBytecode}`,
      `-DWORKER_LINES=${board.workerLines}`,
      `-DROOT_PROGRAM=${root}`,
      `-DCMAKE_RUNTIME_OUTPUT_DIRECTORY=${out}`,
    ],
    show,
  );
  return board;
}

export function buildTarget(board: Board, target: string, show: boolean): string {
  runTool("cmake", ["--build", board.build, "--target", target], show);
  return join(board.out, target);
}
