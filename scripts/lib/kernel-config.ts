/**
 * Whether an install prefix holds an seL4 build that this system can boot. Every reason against it is one
 * sentence with the kernel's own option name, found before anything is compiled; docs/KERNEL.md is the users'
 * version of this table.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";

export interface KernelReport {
  /** Why it cannot work; empty if it can. */
  readonly mistakes: readonly string[];
  /** What works, at a price. */
  readonly warnings: readonly string[];
}

type Config = Readonly<Record<string, unknown>>;

interface Requirement {
  /** As it is given to the kernel's CMake. */
  readonly option: string;
  readonly wanted: string;
  readonly why: string;
  /** As `gen_config.json` spells it. */
  readonly key: string;
  readonly holds: (value: unknown) => boolean;
}

const mebibyte = 1024 * 1024;
const memoryStart = 0x4000_0000;
const memoryBytes = 1024 * mebibyte;
/** seL4's own default, and what CONFIG_TIMER_TICK_MS costs while nothing happens. */
const cheapTickMs = 20;
const elfMachineAarch64 = 183;

const is =
  (wanted: unknown) =>
  (value: unknown): boolean =>
    value === wanted;

const requirements: readonly Requirement[] = [
  {
    option: "KernelPlatform",
    wanted: "qemu-arm-virt",
    why: "that is the machine scripts/qemu-run.sh starts",
    key: "PLAT",
    holds: is("qemu-arm-virt"),
  },
  {
    option: "KernelSel4Arch",
    wanted: "aarch64",
    why: "the root server is AArch64 code",
    key: "SEL4_ARCH",
    holds: is("aarch64"),
  },
  {
    option: "ARM_CPU",
    wanted: "cortex-a57",
    why: "that is the processor scripts/qemu-run.sh starts",
    key: "ARM_CORTEX_A57",
    holds: is(true),
  },
  {
    option: "QEMU_GIC_VERSION",
    wanted: "3",
    why: "a kernel for another interrupt controller aborts on this machine",
    key: "ARM_GIC_V3_SUPPORT",
    holds: is(true),
  },
  {
    option: "KernelIsMCS",
    wanted: "OFF",
    why: "MCS kernels have other system calls, which the root server does not speak",
    key: "KERNEL_MCS",
    holds: is(false),
  },
  {
    option: "KernelArmHypervisorSupport",
    wanted: "OFF",
    why: "the loader enters the kernel at EL1",
    key: "ARM_HYPERVISOR_SUPPORT",
    holds: is(false),
  },
  {
    option: "KernelMaxNumNodes",
    wanted: "1",
    why: "the loader starts one processor, and a kernel for more would wait for the others",
    key: "MAX_NUM_NODES",
    holds: is("1"),
  },
  {
    option: "KernelArmExportPCNTUser",
    wanted: "ON",
    why: "the root server reads the physical counter",
    key: "EXPORT_PCNT_USER",
    holds: is(true),
  },
  {
    option: "KernelArmExportPTMRUser",
    wanted: "ON",
    why: "the root server programs the physical timer",
    key: "EXPORT_PTMR_USER",
    holds: is(true),
  },
  {
    option: "KernelRootCNodeSizeBits",
    wanted: "13 or more",
    why: "every 4 KiB page of the root server's image takes a slot",
    key: "ROOT_CNODE_SIZE_BITS",
    holds: (value) => Number(value) >= 13,
  },
];

/** What the root server is compiled against; the generated ones are missing after `ninja kernel.elf` alone. */
const headers = [
  "libsel4/include/sel4/sel4.h",
  "libsel4/include/sel4/syscall.h",
  "libsel4/include/sel4/invocation.h",
  "libsel4/include/sel4/shared_types_gen.h",
  "libsel4/include/sel4/sel4_arch/types_gen.h",
  "libsel4/include/interfaces/sel4_client.h",
  "libsel4/include/kernel/gen_config.h",
  "libsel4/include/sel4/gen_config.h",
  "libsel4/src/sel4_bootinfo.c",
];

function shown(value: unknown): string {
  if (value === true) return "ON";
  if (value === false) return "OFF";
  return typeof value === "string" || typeof value === "number" ? String(value) : "not stated";
}

function readConfig(path: string): Config {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("it holds no object");
  return { ...value };
}

/** The mistakes and warnings of a kernel's `gen_config.json`. */
export function checkKernelConfig(config: Config): KernelReport {
  const mistakes = requirements
    .filter(({ key, holds }) => !holds(config[key]))
    .map(({ option, wanted, why, key }) => {
      const found = key === "PLAT" || key === "SEL4_ARCH" ? shown(config[key]) : `${key} is ${shown(config[key])}`;
      return `this kernel was built without ${option}=${wanted} (${found}): ${why}.`;
    });
  const tick = Number(config["TIMER_TICK_MS"]);
  const warnings: string[] = [];
  if (tick < cheapTickMs) {
    warnings.push(
      `KernelTimerTickMS is ${tick}: an idle hive takes 4 to 5 % of a processor with 2 ms, 0.6 % with 50 ms.`,
    );
  }
  return { mistakes, warnings };
}

function isRegion(value: unknown): value is { start: number; end: number } {
  return (
    typeof value === "object" &&
    value !== null &&
    "start" in value &&
    "end" in value &&
    typeof value.start === "number" &&
    typeof value.end === "number"
  );
}

/** Mistakes in `support/platform_gen.json`, where the kernel states the memory it was compiled for. */
export function checkKernelMemory(platform: Config): string[] {
  const regions: unknown[] = Array.isArray(platform["memory"]) ? platform["memory"] : [];
  const [region] = regions;
  if (regions.length !== 1 || !isRegion(region)) {
    return ["this kernel's support/platform_gen.json states no single region of memory."];
  }
  if (region.start === memoryStart && region.end - region.start === memoryBytes) return [];
  const found = `${(region.end - region.start) / mebibyte} MiB at 0x${region.start.toString(16)}`;
  return [
    `this kernel was built without QEMU_MEMORY=1024 (memory is ${found}): scripts/qemu-run.sh starts a machine with 1024 MiB at 0x${memoryStart.toString(16)}.`,
  ];
}

function elfMachine(path: string): number {
  const header = Buffer.alloc(20);
  const file = openSync(path, "r");
  try {
    if (readSync(file, header, 0, header.length, 0) !== header.length) return -1;
  } finally {
    closeSync(file);
  }
  return header.toString("latin1", 0, 4) === "\x7fELF" ? header.readUInt16LE(18) : -1;
}

/** All of it: files, configuration, memory. */
export function checkKernel(prefix: string): KernelReport {
  const refuse = (...mistakes: string[]): KernelReport => ({ mistakes, warnings: [] });
  const how = "docs/KERNEL.md says how to build and install one";
  if (!existsSync(prefix)) return refuse(`there is no seL4 install prefix at ${prefix}: ${how}.`);
  const kernel = join(prefix, "bin", "kernel.elf");
  if (!existsSync(kernel)) return refuse(`${prefix} is no seL4 install prefix, bin/kernel.elf is missing: ${how}.`);
  if (elfMachine(kernel) !== elfMachineAarch64) return refuse(`${kernel} is no AArch64 ELF file.`);
  const configPath = join(prefix, "libsel4", "include", "kernel", "gen_config.json");
  const platformPath = join(prefix, "support", "platform_gen.json");
  for (const path of [configPath, platformPath]) {
    if (!existsSync(path)) return refuse(`${path} is missing, so the kernel's configuration is not known: ${how}.`);
  }
  let config: Config;
  let platform: Config;
  try {
    config = readConfig(configPath);
    platform = readConfig(platformPath);
  } catch (error) {
    return refuse(`the kernel's configuration in ${prefix} cannot be read: ${String(error)}.`);
  }
  const report = checkKernelConfig(config);
  const missing = headers.find((header) => !existsSync(join(prefix, header)));
  return {
    mistakes: [
      ...report.mistakes,
      ...checkKernelMemory(platform),
      ...(missing === undefined
        ? []
        : [
            `${join(prefix, missing)} is missing: build all targets of the kernel, not kernel.elf alone, and install them.`,
          ]),
    ],
    warnings: report.warnings,
  };
}

/** The prefix to use: the one given, else `$SEL4_PREFIX`, else /opt/sel4. */
export function kernelPrefix(given: string | undefined): string {
  const fromEnvironment = process.env["SEL4_PREFIX"];
  return given ?? (fromEnvironment === undefined || fromEnvironment === "" ? "/opt/sel4" : fromEnvironment);
}

/** What is asked of a kernel, as `OPTION=value`: the rows of docs/KERNEL.md. */
export function kernelOptions(): string[] {
  return [...requirements.map(({ option, wanted }) => `${option}=${wanted}`), `QEMU_MEMORY=${memoryBytes / mebibyte}`];
}
