/** Bytes a second through a hive beside its log: into it by 9P, and out of a folder that a host exports to it. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { O_RDONLY, O_WRONLY } from "../../services/secure9p/constants.ts";
import { credentialsPath } from "./credentials.ts";
import { attached, LOG_NAMES, rate, READS, readWith } from "./door-bench.ts";
import { type Keys, throughput, times } from "./door-measures.ts";
import { acknowledged, type DoorWire, frames, type Place, streamEnds } from "./door-wire.ts";
import type { Figure } from "./figures.ts";
import { NineFile } from "./nine-file.ts";
import { inRepository } from "./repository.ts";
import { median } from "./statistics.ts";

const PINGS = 500;
const APPENDS = 100;
/** Eight lines of a thousand bytes. */
const APPEND = Buffer.from(`${"x".repeat(999)}\n`.repeat(8));
const EXPORTED_BYTES = 1_000_000;
const SERVICE = "bench";
const WHERE = "/bench";
/** Under way at once. */
const DEPTHS = [1, READS];
const PATIENCE_MS = 20_000;

/** What of it is the wire's: the same over a tap device, without QEMU's user network in between. */
export async function tapFlows(place: Place, keys: Keys): Promise<Figure[]> {
  const wire = await attached(place, keys);
  const ping = await times(wire, PINGS, frames("PING"), (line) => line === "PONG");
  wire.close();
  return [
    { name: "tap: PING p50", value: median(ping), unit: "ms" },
    ...(await appends(place, keys, "tap")),
    rate(`tap: 9P reads of 8 KiB, ${READS} at once`, await readWith(place, keys, READS)),
  ];
}

export async function flows(port: number, keys: Keys): Promise<Figure[]> {
  return [...(await appends(port, keys)), ...(await exported(port, keys))];
}

async function appends(place: Place, keys: Keys, by = "door"): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const depth of DEPTHS) {
    const file = await NineFile.open(await attached(place, keys), LOG_NAMES, O_WRONLY);
    const value = await throughput(() => file.write(APPEND, APPENDS, depth));
    file.close();
    figures.push(rate(`${by}: 9P appends of 8 KiB, ${depth} at once`, value));
  }
  return figures;
}

/** A file of a folder that `cohsh export` offers to the hive, read by a client of the hive. */
async function exported(port: number, keys: Keys): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "cohesix-bench-"));
  writeFileSync(join(folder, "file"), randomBytes(EXPORTED_BYTES));
  const words = ["export", folder, "--as", SERVICE, "--port", String(port), "--credentials", credentialsPath];
  const exporter = spawn(process.execPath, [inRepository("out", "host", "cohsh.mjs"), ...words], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const kill = (): void => void exporter.kill("SIGKILL");
  process.once("exit", kill);
  try {
    await offered(exporter);
    const figures: Figure[] = [];
    for (const depth of DEPTHS) {
      const wire = await attached(port, keys);
      await mount(wire);
      const file = await NineFile.open(wire, [WHERE.slice(1), "file"], O_RDONLY);
      const value = await throughput(() => file.read(depth));
      file.close();
      figures.push(rate(`door: 9P reads of an exported file, ${depth} at once`, value));
    }
    return figures;
  } finally {
    kill();
    process.off("exit", kill);
    rmSync(folder, { recursive: true });
  }
}

/** Wait until the exporter says that the hive has its folder. */
async function offered(exporter: ChildProcess): Promise<void> {
  let said = "";
  exporter.stdout?.on("data", (bytes: Buffer) => (said += bytes.toString("utf8")));
  const deadline = performance.now() + PATIENCE_MS;
  while (!said.includes(`mount ${SERVICE}`)) {
    if (exporter.exitCode !== null || performance.now() > deadline) throw new Error(`cohsh export says: ${said}`);
    await delay(10);
  }
}

/** The hive may still be asking the exporter for its tree. */
async function mount(wire: DoorWire): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let done = false; !done; await delay(10)) {
    await wire.ask(frames(`MOUNT ${SERVICE} ${WHERE}`), (line) => {
      if (performance.now() > deadline) acknowledged(line);
      done = line.startsWith("OK ");
      return true;
    });
  }
  await wire.ask(frames(`LS ${WHERE}`), streamEnds);
}
