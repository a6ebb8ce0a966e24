/** What grows with sessions and with workers, and what does not: a hive with each number of both, idle and at work. */
import { setTimeout as delay } from "node:timers/promises";
import type { BenchHive } from "./bench-hive.ts";
import { attached, heap, QUEEN_LOG } from "./door-bench.ts";
import { type Keys, times } from "./door-measures.ts";
import { acknowledged, type DoorWire, frames } from "./door-wire.ts";
import type { Figure } from "./figures.ts";
import { median } from "./statistics.ts";

export const LOAD_SESSIONS = [1, 4, 16, 64] as const;
export const LOAD_WORKERS = [1, 8, 64] as const;
const IDLE_MS = 3000;
const PINGS = 200;
const BUSY_MS = 3000;
const SPAWN = frames('SPAWN {"spawn":"heartbeat"}');
const ECHO = frames(`ECHO ${QUEEN_LOG} heartbeat 42: all is well, and the line has some length to it`);

/** @returns figures by the number of sessions, of a hive that has so many workers from now on */
export async function loadFigures(
  hive: BenchHive,
  port: number,
  keys: Keys,
  workers: number,
): Promise<ReadonlyMap<string, readonly Figure[]>> {
  const wires: DoorWire[] = [];
  try {
    const first = await attached(port, keys);
    wires.push(first);
    for (let i = 0; i < workers; i++) await first.ask(SPAWN, acknowledged);
    const figures = new Map<string, readonly Figure[]>();
    for (const sessions of LOAD_SESSIONS) {
      while (wires.length < sessions) wires.push(await attached(port, keys));
      // Workers have attached, and what the logins left over is collected.
      await delay(1000);
      figures.set(`${sessions} sessions`, await measure(hive, wires, workers));
    }
    return figures;
  } finally {
    for (const wire of wires) wire.close();
  }
}

async function measure(hive: BenchHive, wires: readonly DoorWire[], workers: number): Promise<Figure[]> {
  const [first] = wires as [DoorWire];
  const used = hive.cpuSeconds();
  await delay(IDLE_MS);
  const share = ((hive.cpuSeconds() - used) * 100_000) / IDLE_MS;
  const memory = await heap(first);
  const ping = await times(first, PINGS, frames("PING"), (line) => line === "PONG");
  const figure = (name: string, value: number, unit: string): Figure => ({
    name: `${workers} workers: ${name}`,
    value,
    unit,
  });
  return [
    figure("processor, idle", share, "% of a core"),
    figure("heap", memory, "bytes"),
    figure("PING p50, others idle", median(ping), "ms"),
    figure("ECHO of all, 1 at once each", await echoes(wires), "/s"),
  ];
}

/** Lines a second that all of them together get acknowledged, each waiting for its answer before its next. */
async function echoes(wires: readonly DoorWire[]): Promise<number> {
  const since = performance.now();
  let count = 0;
  await Promise.all(
    wires.map(async (wire) => {
      while (performance.now() - since < BUSY_MS) {
        await wire.ask(ECHO, acknowledged);
        count++;
      }
    }),
  );
  return (count * 1000) / (performance.now() - since);
}
