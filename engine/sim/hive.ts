/** A hive in the simulator: the built bundle with its boot files in a machine that has network and entropy. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hiveCredentials } from "../../scripts/lib/credentials.ts";
import { workerImage } from "./components/worker.ts";
import { Machine } from "./machine.ts";
import type { MachineOptions } from "./machine.ts";
import { makeRootfs } from "./rootfs.ts";
import { Terminal } from "./terminal.ts";

const DEFAULT_HEAP = 16 * 1024 * 1024;

export interface HiveOptions extends Omit<MachineOptions, "source" | "rootfs" | "heapBytes" | "net"> {
  /** The network device; absent: one like QEMU's. */
  readonly net?: MachineOptions["net"] | "none";
  /** Folder of `vm/main.js`, `vm/worker.js`, a `.lines` to each, and `vm/build.json`. */
  readonly outDir: string;
  /** The manifest's text or the file that has it. */
  readonly manifest: { readonly text: string } | { readonly file: string };
  /** Text of the hive's credentials; without it `hive/credentials.json` of that folder. */
  readonly credentials?: string;
  /** Boot files to add or replace. */
  readonly files?: Readonly<Record<string, Uint8Array | string>>;
}

export interface Hive {
  readonly machine: Machine;
  readonly terminal: Terminal;
}

function heapOf(manifest: string): number {
  const value: unknown = JSON.parse(manifest);
  if (typeof value !== "object" || value === null || !("runtime" in value)) return DEFAULT_HEAP;
  const { runtime } = value;
  const bytes =
    typeof runtime === "object" && runtime !== null && "heap_bytes" in runtime ? runtime.heap_bytes : undefined;
  return typeof bytes === "number" ? bytes : DEFAULT_HEAP;
}

/** @throws Error if the bundle or credentials were not made. */
export function createHive(options: HiveOptions): Machine {
  const { outDir, manifest, files, credentials, net = {}, ...machineOptions } = options;
  const made = (...names: string[]): Uint8Array => {
    const path = join(outDir, ...names);
    if (!existsSync(path)) throw new Error(`${path} is missing: npm run build makes it`);
    return readFileSync(path);
  };
  const file = (name: string): Uint8Array => made("vm", name);
  const text = "text" in manifest ? manifest.text : readFileSync(manifest.file, "utf8");
  const heapBytes = heapOf(text);
  return new Machine({
    rng: {},
    ...machineOptions,
    ...(net === "none" ? {} : { net }),
    heapBytes,
    source: Buffer.from(file("main.js")).toString("utf8"),
    rootfs: makeRootfs({
      "build.json": file("build.json"),
      "credentials.json": hiveCredentials(
        credentials ?? Buffer.from(made("hive", "credentials.json")).toString("utf8"),
      ),
      "engine.conf": `heap=${String(heapBytes)}\n`,
      "main.lines": file("main.lines"),
      "manifest.json": text,
      "worker.elf": workerImage(Buffer.from(file("worker.js")).toString("utf8")),
      "worker.lines": file("worker.lines"),
      ...files,
    }),
  });
}

/** A hive with somebody at its serial line. @throws Error if the bundle was not built. */
export function loadHive(options: HiveOptions): Hive {
  const { onLog } = options;
  const machine = createHive({
    ...options,
    onLog: (line) => {
      terminal.log(line);
      onLog?.(line);
    },
  });
  const terminal = new Terminal(machine);
  return { machine, terminal };
}
