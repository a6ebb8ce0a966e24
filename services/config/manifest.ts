/**
 * What the hive is configured to be: `manifest.json` of the image, as its JSON Schema (`rootfs/manifest.schema.json`) describes it.
 * The image build checks every manifest against the schema; this reader checks again and throws one sentence with the JSON
 * pointer of the first mistake, so a damaged image says so instead of running on half a configuration.
 */
import { parseIpv4 } from "../net/address.ts";
import { pointerTo } from "../queen/json.ts";
import { printable } from "./printable.ts";

/** A manifest. */
export interface Manifest {
  /** Longest console line in bytes. */
  readonly lineBytes: number;
  readonly limits: Limits;
  /** Bytes of the boot log and of the Queen's that are kept. */
  readonly logRingBytes: number;
  readonly queenLogBytes: number;
  readonly network: Network;
  /** Microseconds between two `tick` lines, 0 for none. */
  readonly tickPeriodUs: number;
  /** The pump's pulse in microseconds. */
  readonly pumpTickUs: number;
  /** Whether somebody may type on the serial line, and on a virtio console, which comes first where both may be. */
  readonly serialConsole: boolean;
  readonly virtioConsole: boolean;
  readonly workers: WorkerSettings;
  /** Most that a budget may grant. */
  readonly budgetMaximum: { readonly ttlS: number; readonly ops: number; readonly ticks: number };
  readonly components: ComponentRules;
}

/** How much there may be at once. */
export interface Limits {
  /** Logins. */
  readonly sessions: number;
  readonly workers: number;
  /** Of a 9P session: fids, requests that wait, bytes of replies that wait for the peer. */
  readonly fids: number;
  readonly tags: number;
  readonly unsentBytes: number;
  /** Binds and mounts of a login. */
  readonly mounts: number;
  /** How long a console command may take. */
  readonly providerUs: number;
}

export interface WorkerSettings {
  readonly arenaBytes: number;
  readonly telemetryBytes: number;
  readonly telemetry: "line" | "json";
  /** Milliseconds between two heartbeats. */
  readonly heartbeatMs: number;
  readonly callsPerSecond: number;
}

export interface Network {
  readonly mode: "static" | "dhcp" | "none";
  /** In dotted decimal. */
  readonly address: string;
  readonly prefix: number;
  readonly gateway: string;
  /** TCP port of the console. */
  readonly consolePort: number;
  /** What decides how fast TCP sends. */
  readonly control: "rate" | "newreno";
}

export interface ComponentRules {
  readonly pong: boolean;
  readonly pongMode: number;
  readonly callsPerSecond: number;
  readonly onFault: "destroy" | "keep";
}

/** Bounds of every number in the manifest, by JSON pointer; those of the schema. */
export const RANGES = {
  "/limits/line_bytes": [80, 4096],
  "/limits/sessions": [1, 64],
  "/limits/workers": [1, 64],
  "/limits/fids": [8, 1024],
  "/limits/tags": [1, 64],
  "/limits/mounts": [1, 32],
  "/limits/unsent_bytes": [32768, 1048576],
  "/limits/provider_s": [1, 60],
  "/log/ring_bytes": [8192, 1048576],
  "/log/queen_bytes": [8192, 4194304],
  "/network/prefix": [1, 30],
  "/network/console_port": [1, 65535],
  "/tick/period_s": [0, 86400],
  "/pump/tick_ms": [1, 1000],
  "/runtime/heap_bytes": [4194304, 268435456],
  "/workers/arena_bytes": [524288, 16777216],
  "/workers/telemetry_bytes": [8192, 1048576],
  "/workers/heartbeat_ms": [1, 86400000],
  "/workers/calls_per_second": [10, 1000000],
  "/budgets/ttl_s": [1, 31536000],
  "/budgets/ops": [1, 1000000000000],
  "/budgets/ticks": [1, 1000000000000],
  "/components/pong_mode": [0, 9],
  "/components/calls_per_second": [10, 1000000],
} as const;

/** Read a manifest's text. @throws Error with one sentence that begins with a JSON pointer. */
export function readManifest(text: string): Manifest {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : "";
    // The engine's own words may quote the text.
    throw new Error(`manifest.json: / is no JSON: ${printable(why)}.`, { cause: error });
  }
  const manifest = object(root, "", [
    "$schema",
    "limits",
    "log",
    "network",
    "tick",
    "pump",
    "consoles",
    "runtime",
    "workers",
    "budgets",
    "components",
  ]);
  const schema = manifest["$schema"];
  if (schema !== undefined && typeof schema !== "string") throw mistake("/$schema", "must be a text");
  const log = object(manifest["log"], "/log", ["ring_bytes", "queen_bytes"]);
  const network = object(manifest["network"], "/network", [
    "mode",
    "address",
    "prefix",
    "gateway",
    "console_port",
    "congestion_control",
  ]);
  const tick = object(manifest["tick"], "/tick", ["period_s"]);
  const pump = object(manifest["pump"], "/pump", ["tick_ms"]);
  const runtime = object(manifest["runtime"], "/runtime", ["heap_bytes"]);
  const components = object(manifest["components"], "/components", [
    "pong",
    "pong_mode",
    "calls_per_second",
    "on_fault",
  ]);
  // The engine takes the heap's size from the image; that it is one is checked here as everything else.
  number(runtime["heap_bytes"], "/runtime/heap_bytes");
  return {
    ...limitsOf(manifest["limits"]),
    logRingBytes: number(log["ring_bytes"], "/log/ring_bytes"),
    queenLogBytes: number(log["queen_bytes"], "/log/queen_bytes"),
    network: {
      mode: oneOf(network["mode"], "/network/mode", ["static", "dhcp", "none"]),
      address: ipv4(network["address"], "/network/address"),
      prefix: number(network["prefix"], "/network/prefix"),
      gateway: ipv4(network["gateway"], "/network/gateway"),
      consolePort: number(network["console_port"], "/network/console_port"),
      control: oneOf(network["congestion_control"], "/network/congestion_control", ["rate", "newreno"]),
    },
    tickPeriodUs: number(tick["period_s"], "/tick/period_s") * 1_000_000,
    pumpTickUs: number(pump["tick_ms"], "/pump/tick_ms") * 1000,
    ...consoles(manifest["consoles"]),
    workers: workersOf(manifest["workers"]),
    budgetMaximum: budgetsOf(manifest["budgets"]),
    components: {
      pong: boolean(components["pong"], "/components/pong"),
      pongMode: number(components["pong_mode"], "/components/pong_mode"),
      callsPerSecond: number(components["calls_per_second"], "/components/calls_per_second"),
      onFault: oneOf(components["on_fault"], "/components/on_fault", ["destroy", "keep"]),
    },
  };
}

function limitsOf(value: unknown): Pick<Manifest, "lineBytes" | "limits"> {
  const fields = ["line_bytes", "sessions", "workers", "fids", "tags", "mounts", "unsent_bytes", "provider_s"] as const;
  const limits = object(value, "/limits", fields);
  const limit = (name: (typeof fields)[number]): number => number(limits[name], `/limits/${name}`);
  return {
    lineBytes: limit("line_bytes"),
    limits: {
      sessions: limit("sessions"),
      workers: limit("workers"),
      fids: limit("fids"),
      tags: limit("tags"),
      unsentBytes: limit("unsent_bytes"),
      mounts: limit("mounts"),
      providerUs: limit("provider_s") * 1_000_000,
    },
  };
}

function workersOf(value: unknown): WorkerSettings {
  const fields = ["arena_bytes", "telemetry_bytes", "telemetry", "heartbeat_ms", "calls_per_second"];
  const workers = object(value, "/workers", fields);
  return {
    arenaBytes: number(workers["arena_bytes"], "/workers/arena_bytes"),
    telemetryBytes: number(workers["telemetry_bytes"], "/workers/telemetry_bytes"),
    telemetry: oneOf(workers["telemetry"], "/workers/telemetry", ["line", "json"]),
    heartbeatMs: number(workers["heartbeat_ms"], "/workers/heartbeat_ms"),
    callsPerSecond: number(workers["calls_per_second"], "/workers/calls_per_second"),
  };
}

function budgetsOf(value: unknown): Manifest["budgetMaximum"] {
  const budgets = object(value, "/budgets", ["ttl_s", "ops", "ticks"]);
  return {
    ttlS: number(budgets["ttl_s"], "/budgets/ttl_s"),
    ops: number(budgets["ops"], "/budgets/ops"),
    ticks: number(budgets["ticks"], "/budgets/ticks"),
  };
}

function mistake(pointer: string, what: string): Error {
  return new Error(`manifest.json: ${pointer === "" ? "/" : pointer} ${what}.`);
}

function object(value: unknown, pointer: string, fields: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw mistake(pointer, "must be an object");
  const unknown = Object.keys(value).find((key) => !fields.includes(key));
  if (unknown !== undefined) throw mistake(printable(pointerTo(pointer, unknown)), "is no field of the manifest");
  return value as Record<string, unknown>;
}

function number(value: unknown, pointer: keyof typeof RANGES): number {
  const [least, most] = RANGES[pointer];
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw mistake(pointer, `must be a whole number from ${least} to ${most}`);
  }
  return value;
}

function boolean(value: unknown, pointer: string): boolean {
  if (typeof value !== "boolean") throw mistake(pointer, "must be true or false");
  return value;
}

function oneOf<T extends string>(value: unknown, pointer: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw mistake(pointer, `must be one of ${choices.join(", ")}`);
  return found;
}

function consoles(value: unknown): Pick<Manifest, "serialConsole" | "virtioConsole"> {
  const names: readonly unknown[] = Array.isArray(value) ? value : [undefined];
  if (names.some((name, at) => (name !== "serial" && name !== "virtio") || names.indexOf(name) !== at)) {
    throw mistake("/consoles", 'must be a list of "serial" and "virtio", each at most once');
  }
  return { serialConsole: names.includes("serial"), virtioConsole: names.includes("virtio") };
}

function ipv4(value: unknown, pointer: string): string {
  if (typeof value !== "string" || parseIpv4(value) === undefined) {
    throw mistake(pointer, "must be an IPv4 address like 10.0.2.15");
  }
  return value;
}
