/**
 * `npm run image`: from TypeScript, C and an external seL4 build to the one file that QEMU boots. What cannot
 * work is refused before anything is compiled, all reasons at once; what is not stale is not built again.
 */
import { chmodSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { checkKernel, kernelPrefix } from "./lib/kernel-config.ts";
import { credentialsPath, ensureCredentials, hiveCredentials } from "./lib/credentials.ts";
import { withLock } from "./lib/lock.ts";
import { manifestPath, readManifest } from "./lib/manifest.ts";
import {
  buildBytecodeCompiler,
  buildTarget,
  compileBytecode,
  configureNative,
  requireQuickjs,
  type RootProgram,
} from "./lib/native.ts";
import { sizeText, writeIfChanged } from "./lib/output.ts";
import { inRepository } from "./lib/repository.ts";
import { writeRootfs } from "./lib/rootfs.ts";
import { bothVariants, describeVariants } from "./lib/variants.ts";
import { buildVmBundle, workerEntry } from "./lib/vm-bundle.ts";

const mebibyte = 1024 * 1024;
/** What the image may take (docs/ARCHITECTURE.md states the figures; `.ci/run` holds them). */
const limits = { "rootfs.cpio": mebibyte, "hive.elf": 2 * mebibyte } as const;
const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;
const lockPatienceMs = 300_000;

interface ImageOptions {
  readonly sel4?: string;
  readonly bundle: string;
  readonly worker: string;
  readonly manifest: string;
  readonly credentials: string;
  readonly out: string;
  readonly root: RootProgram;
  readonly net: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

function checkedPrefix(given: string | undefined): string {
  const prefix = resolve(kernelPrefix(given));
  const report = checkKernel(prefix);
  for (const warning of report.warnings) console.error(`image: warning: ${warning}`);
  if (report.mistakes.length > 0) throw new Error(report.mistakes.join("\n"));
  return prefix;
}

async function buildImage(options: ImageOptions, prefix: string): Promise<void> {
  const verbose = options.verbose === true;
  const out = resolve(options.out);
  const manifest = readManifest(options.manifest);
  requireQuickjs();
  const sources = {
    entry: options.bundle,
    worker: options.worker,
    manifest: options.manifest,
    out: join(out, "vm"),
  };
  const bundle = await buildVmBundle({ ...sources, net: options.net });
  const compiler = buildBytecodeCompiler(verbose);
  const bytecode = compileBytecode(compiler, join(out, "vm"), "main", verbose);
  const board = configureNative(prefix, options.root, verbose);
  writeIfChanged(board.workerBytecode, compileBytecode(compiler, join(out, "vm"), "worker", verbose));
  writeIfChanged(board.workerLines, bundle.worker.lines);
  const component = (name: string): Uint8Array => readFileSync(buildTarget(board, name, verbose));
  const rootfs = writeRootfs({
    buildInfo: bundle.buildInfo,
    heapBytes: manifest.heapBytes,
    kernelDtb: readFileSync(join(prefix, "support", "kernel.dtb")),
    lines: bundle.lines,
    bytecode,
    manifest: manifest.text,
    credentials: hiveCredentials(ensureCredentials(options.credentials)),
    components: { "pong.elf": component("pong.elf"), "worker.elf": component("worker.elf") },
  });
  // Everything from here on holds the hive's secrets.
  chmodSync(board.out, OWNER_ONLY_FOLDER);
  writeIfChanged(board.rootfs, rootfs, OWNER_ONLY);
  const image = buildTarget(board, "hive.elf", verbose);
  mkdirSync(out, { recursive: true });
  writeIfChanged(join(out, "rootfs.cpio"), rootfs, OWNER_ONLY);
  writeIfChanged(join(out, "hive.elf"), readFileSync(image), OWNER_ONLY);
  // Next to another image its root server, for loaders other than ours.
  if (out !== inRepository("out")) {
    writeIfChanged(join(out, "rootserver.elf"), readFileSync(join(board.out, "rootserver.elf")), OWNER_ONLY);
  }
  for (const [name, limit] of Object.entries(limits)) {
    const size = statSync(join(out, name)).size;
    if (size >= limit) console.error(`image: warning: ${name} has ${sizeText(size)}, not less than ${sizeText(limit)}`);
    else if (options.quiet !== true) console.log(`${join(out, name)}: ${sizeText(size)} (limit ${sizeText(limit)})`);
  }
  if (options.quiet === true || options.root !== "engine") return;
  console.log(describeVariants(await bothVariants(sources, { compiler, archive: join(out, "rootfs.cpio") })));
}

async function main(): Promise<void> {
  const program = new Command("image")
    .description("Builds the boot image out/hive.elf and the boot archive in it, out/rootfs.cpio.")
    .option("--sel4 <prefix>", "install prefix of the seL4 build (default: $SEL4_PREFIX, then /opt/sel4)")
    .option("--bundle <file>", "another TypeScript entry for the VM", inRepository("services", "main.ts"))
    .option("--worker <file>", "another TypeScript entry for workers", workerEntry)
    .option("--manifest <file>", "another manifest", manifestPath)
    .option("--credentials <file>", "token and secrets of the hive, made if there are none", credentialsPath)
    .option("--out <dir>", "where the image goes", inRepository("out"))
    .addOption(
      new Option(
        "--root <program>",
        "what the root server runs: the engine, or echo, the yardstick in C for the network",
      )
        .choices(["engine", "echo"])
        .default("engine"),
    )
    .option("--no-net", "leave the network stack out of the VM bundle")
    .option("--quiet", "print nothing but mistakes and warnings")
    .option("--verbose", "show what the compilers say")
    .parse();
  const options = program.opts<ImageOptions>();
  const prefix = checkedPrefix(options.sel4);
  await withLock(inRepository("out", ".build-lock"), lockPatienceMs, () => buildImage(options, prefix));
}

try {
  await main();
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  for (const line of text.split("\n")) console.error(`image: ${line}`);
  process.exitCode = 1;
}
