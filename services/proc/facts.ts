/**
 * What the reports under `/proc` and the console's verbs are made of. Whoever composes a hive hands them over; a hive without
 * a machine below it has fewer.
 */
import type { Supervisor } from "../components/supervisor.ts";
import type { BuildInfo } from "../config/build-info.ts";
import type { BootLog } from "../log/boot-log.ts";
import type { Pool } from "../ports/index.ts";
import type { Pump } from "../pump/pump.ts";
import type { Reports } from "./network.ts";

/** What the machine says of itself. */
export interface Machine {
  bootInfo(): {
    readonly kernel: string;
    readonly platform: string;
    readonly ramBytes: number;
    readonly phases: readonly { readonly name: string; readonly us: number }[];
    readonly restarts: number;
  };
  caps(): {
    readonly slotsTotal: number;
    readonly slotsUsed: number;
    readonly untypedCount: number;
    readonly untypedBytes: number;
    readonly untypedFreeBytes: number;
    readonly deviceUntypedCount: number;
    readonly irqHandlers: number;
    readonly components: number;
    readonly componentsMax: number;
  };
  memory(): {
    readonly heapUsed: number;
    readonly heapPeak: number;
    readonly heapLimit: number;
    readonly heapBlocks: number;
    readonly dmaUsed: number;
    readonly dmaTotal: number;
    readonly gcRuns: number;
    readonly gcLongestUs: number;
    readonly jobsDeferred: number;
  };
}

export interface Facts {
  readonly machine: Machine;
  readonly build: BuildInfo;
  readonly pump: Pump;
  readonly log: BootLog;
  readonly supervisor: Supervisor;
  /** Devices that a driver serves, one line each. */
  devices(): readonly string[];
  /** The consoles and their lines, one line for each group of counters; first that of the console with the prompt. */
  console(): readonly string[];
  /** The link and the address; nothing if there is no network. */
  link(): readonly string[];
  /** Reports on the network by name; `undefined` if there is no network. */
  network(): Reports | undefined;
  /** What is bounded. */
  pools(): readonly Pool[];
}
