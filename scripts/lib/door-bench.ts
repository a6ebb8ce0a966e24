/**
 * What an operator's program gets of a hive over its console on TCP: round trips, lines a second, throughput over lines and over
 * 9P, logins, sessions and workers at once. What upstream has is beside what there is a figure of.
 */
import { setTimeout as delay } from "node:timers/promises";
import { O_RDONLY } from "../../services/secure9p/constants.ts";
import { type Keys, logIn, perSecond, pipelined, size, throughput, times } from "./door-measures.ts";
import { acknowledged, DoorWire, frames, type Place, streamEnds } from "./door-wire.ts";
import { beside, type Figure } from "./figures.ts";
import { NineFile } from "./nine-file.ts";
import { median, percentile } from "./statistics.ts";

/** How often each thing is asked for. */
export interface Amounts {
  readonly pings: number;
  readonly echoes: number;
  readonly cats: number;
  readonly tails: number;
  readonly logins: number;
}

export const AMOUNTS: Amounts = { pings: 1000, echoes: 600, cats: 200, tails: 100, logins: 100 };

export const QUEEN_LOG = "/log/queen.log";
export const LOG_NAMES = ["log", "queen.log"];
const ECHO = frames(`ECHO ${QUEEN_LOG} heartbeat 42: all is well, and the line has some length to it`);
/** Lines that are under way at once: what a session queues, and far more than that. */
const DEPTHS = [8, 64];
const PIPELINED = 2000;
export const TAIL_BYTES = 10_000;
/** More of either is not tried. */
const SESSIONS_MOST = 64;
const WORKERS_MOST = 256;
const IDLE_MS = 4000;
/** 9P reads under way at once. */
export const READS = 4;

/**
 * Returns once somebody is attached. A hive that is not up yet is asked again and again: what was sent before its network was
 * there is lost, so the first attempts have little time, and later ones enough for any machine.
 */
export async function attachOnceUp(port: number, keys: Keys, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (let timeMs = 40; ; timeMs *= 1.1) {
    let wire: DoorWire | undefined;
    try {
      wire = await DoorWire.open(port, timeMs);
      await logIn(wire, keys, timeMs);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(2);
    } finally {
      wire?.close();
    }
  }
}

/** @param cpuSeconds what the hive's process has used of a processor so far */
export async function doorFigures(
  port: number,
  keys: Keys,
  cpuSeconds: () => number,
  amounts: Amounts = AMOUNTS,
): Promise<Figure[]> {
  const wire = await attached(port, keys);
  try {
    return [
      ...(await roundTrips(wire, amounts)),
      ...(await tails(wire, amounts)),
      ...(await bulk(wire, port, keys)),
      ...(await logins(port, keys, amounts)),
      ...(await sessions(wire, port, keys, cpuSeconds)),
    ];
  } finally {
    wire.close();
  }
}

export async function attached(place: Place, keys: Keys): Promise<DoorWire> {
  const wire = await DoorWire.open(place);
  await logIn(wire, keys);
  return wire;
}

async function roundTrips(wire: DoorWire, amounts: Amounts): Promise<Figure[]> {
  const ping = await times(wire, amounts.pings, frames("PING"), (line) => line === "PONG");
  const echo = await times(wire, amounts.echoes, ECHO, acknowledged);
  const figures = [
    beside("door: PING p50", median(ping), "ms", { from: 1.2, to: 1.9, better: "less" }),
    beside("door: PING p99", percentile(ping, 0.99), "ms", { from: 2.1, to: 3.2, better: "less" }),
    beside("door: ECHO p50", median(echo), "ms", { from: 1.7, to: 1.8, better: "less" }),
    beside("door: ECHO, 1 at once", perSecond(echo), "/s", { from: 526, to: 571, better: "more" }),
  ];
  for (const depth of DEPTHS) {
    figures.push({
      name: `door: ECHO, ${depth} at once`,
      value: await pipelined(wire, ECHO, depth, PIPELINED),
      unit: "/s",
    });
  }
  const cat = await times(wire, amounts.cats, frames("CAT /proc/boot"), streamEnds);
  figures.push(beside("door: CAT /proc/boot p50", median(cat), "ms", { from: 2.6, to: 3, better: "less" }));
  return figures;
}

async function tails(wire: DoorWire, amounts: Amounts): Promise<Figure[]> {
  const end = await size(wire, `TAIL ${QUEEN_LOG} 0`);
  const command = `TAIL ${QUEEN_LOG} ${end - TAIL_BYTES}`;
  const bytes = await size(wire, command);
  const took = median(await times(wire, amounts.tails, frames(command), streamEnds));
  return [
    beside("door: TAIL of 10 kB p50", took, "ms", { from: 11, to: 15, better: "less" }),
    beside("door: TAIL of 10 kB", bytes / took / 1000, "MB/s", { from: 0.7, to: 0.9, better: "more" }),
  ];
}

/** All of the log, over lines and over 9P. */
async function bulk(wire: DoorWire, port: number, keys: Keys): Promise<Figure[]> {
  return [
    rate("door: CAT of the whole log", await throughput(() => size(wire, `CAT ${QUEEN_LOG}`))),
    rate("door: TAIL of the whole log", await throughput(() => size(wire, `TAIL ${QUEEN_LOG} 0`))),
    rate("door: 9P reads of 8 KiB, 1 at once", await readWith(port, keys, 1)),
    rate(`door: 9P reads of 8 KiB, ${READS} at once`, await readWith(port, keys, READS)),
  ];
}

export function rate(name: string, value: number): Figure {
  return { name, value, unit: "MB/s" };
}

/** @returns MB/s of the whole log, with so many reads under way */
export async function readWith(place: Place, keys: Keys, depth: number): Promise<number> {
  const file = await NineFile.open(await attached(place, keys), LOG_NAMES, O_RDONLY);
  try {
    return await throughput(() => file.read(depth));
  } finally {
    file.close();
  }
}

/** A connection, `AUTH`, `ATTACH` and `QUIT`, one after the other. */
async function logins(port: number, keys: Keys, amounts: Amounts): Promise<Figure[]> {
  const once = async (): Promise<void> => {
    const wire = await attached(port, keys);
    await wire.ask(frames("QUIT"), acknowledged);
    await wire.leave();
  };
  for (let i = 0; i < 5; i++) await once();
  const since = performance.now();
  for (let i = 0; i < amounts.logins; i++) await once();
  const rate = (amounts.logins * 1000) / (performance.now() - since);
  return [beside("door: login and logout", rate, "/s", { from: 150, to: 150, better: "more" })];
}

/** Bytes of the hive's heap that are in use. */
export async function heap(wire: DoorWire): Promise<number> {
  let used = NaN;
  await wire.ask(frames("MEM"), (line) => {
    used = Number(/^heap used=(\d+)/.exec(line)?.[1] ?? used);
    return streamEnds(line);
  });
  return used;
}

/** How many are let in beside each other, this one included, and what each takes that does nothing. */
async function sessions(wire: DoorWire, port: number, keys: Keys, cpuSeconds: () => number): Promise<Figure[]> {
  const before = await heap(wire);
  const open: DoorWire[] = [];
  try {
    while (open.length < SESSIONS_MOST) {
      const another = await DoorWire.open(port);
      open.push(another);
      try {
        await logIn(another, keys);
      } catch {
        open.pop()?.close();
        break;
      }
    }
    const used = cpuSeconds();
    await delay(IDLE_MS);
    const share = ((cpuSeconds() - used) * 100_000) / IDLE_MS;
    const each = open.length === 0 ? NaN : ((await heap(wire)) - before) / open.length;
    return [
      // More than upstream's one is promised by the interface: so many as the manifest says.
      { name: "door: sessions at once", value: open.length + 1, unit: "", upstream: one, least: 16 },
      { name: "door: heap of a session that is idle", value: each, unit: "bytes" },
      { name: "door: processor while all are idle", value: share, unit: "% of a core" },
    ];
  } finally {
    for (const other of open) await other.leave();
  }
}

const one = { from: 1, to: 1, better: "more" } as const;

/** Spawned until it is refused; each is a component of its own that runs. */
export async function workersAtOnce(port: number, keys: Keys): Promise<Figure> {
  const wire = await attached(port, keys);
  let count = 0;
  for (let refused = false; !refused && count < WORKERS_MOST;) {
    await wire.ask(frames('SPAWN {"spawn":"heartbeat"}'), (line) => {
      refused = line.startsWith("ERR ");
      return true;
    });
    if (!refused) count++;
  }
  wire.close();
  return beside("door: workers at once", count, "", { from: 8, to: 8, better: "more" });
}
