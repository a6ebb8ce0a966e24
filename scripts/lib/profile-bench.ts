/**
 * Where a hive's time goes, by layer, for what an operator's program asks of its console over TCP: instructions of the guest, which
 * are the same on every machine, counted by the bundle in test/bench/profile.
 */
import type { BenchHive } from "./bench-hive.ts";
import { QUEEN_LOG, TAIL_BYTES } from "./door-bench.ts";
import { type Keys, logIn, size } from "./door-measures.ts";
import { acknowledged, DoorWire, frames, type OnLine, streamEnds } from "./door-wire.ts";
import type { Figure } from "./figures.ts";
import { VADD_JOB } from "./gpu-bench.ts";
import { withHiveGpu } from "./hive-gpu.ts";

const PATIENCE_MS = 60_000;
const COUNT = 100;
const WARM = 20;
const WHOLE = "all";
const TEXT = "heartbeat 42: all is well, and the line has some length to it";

/** Instructions that an operation stays below: what is lost is seen here, however fast or busy the machine is. */
const PROMISED: Readonly<Record<string, number>> = {
  PING: 460_000,
  ECHO: 840_000,
  "CAT /proc/boot": 1_440_000,
  "TAIL 10 kB": 4_500_000,
  NETSTATS: 2_900_000,
  MEM: 3_850_000,
  "login and logout": 2_300_000,
  "job of a GPU": 5_200_000,
};

/** Figures of each layer, one an operation. */
export type Profile = ReadonlyMap<string, readonly Figure[]>;

/** An operation is made when it is its turn: what came before it may have added to the log. */
type Operation = readonly [name: string, make: () => Promise<() => Promise<void>>];

/** @param hive one whose instructions are counted, and whose door is at `port` */
export async function profileOf(hive: BenchHive, port: number, keys: Keys): Promise<Profile> {
  const wire = await DoorWire.open(port, PATIENCE_MS);
  try {
    await logIn(wire, keys);
    const profile = new Map<string, Figure[]>();
    const measure = async (name: string, once: () => Promise<void>): Promise<void> => {
      for (let i = 0; i < WARM; i++) await once();
      await report(hive, wire);
      for (let i = 0; i < COUNT; i++) await once();
      for (const [layer, value] of await report(hive, wire)) {
        const limit = layer === WHOLE ? PROMISED[name] : undefined;
        const figure = { name, value, unit: "instructions", ...(limit === undefined ? {} : { limit }) };
        profile.set(layer, [...(profile.get(layer) ?? []), figure]);
      }
    };
    for (const [name, make] of operations(wire, port, keys)) await measure(name, await make());
    const lease = { port, keys, memMb: 1, streams: 1 };
    await withHiveGpu(lease, (gpu) => measure("job of a GPU", () => gpu.inline(VADD_JOB)));
    return profile;
  } finally {
    wire.close();
  }
}

function operations(wire: DoorWire, port: number, keys: Keys): readonly Operation[] {
  const asking = (name: string, line: string, last: OnLine): Operation => [
    name,
    () => Promise.resolve(() => wire.ask(frames(line), last, PATIENCE_MS)),
  ];
  const login = async (): Promise<void> => {
    const other = await DoorWire.open(port, PATIENCE_MS);
    await logIn(other, keys);
    await other.ask(frames("QUIT"), acknowledged, PATIENCE_MS);
    await other.leave();
  };
  return [
    asking("PING", "PING", (line) => line === "PONG"),
    asking("ECHO", `ECHO ${QUEEN_LOG} ${TEXT}`, acknowledged),
    asking("CAT /proc/boot", "CAT /proc/boot", streamEnds),
    [
      "TAIL 10 kB",
      async () => {
        while ((await size(wire, `TAIL ${QUEEN_LOG} 0`)) < TAIL_BYTES) {
          await wire.ask(frames(`ECHO ${QUEEN_LOG} ${TEXT}`), acknowledged, PATIENCE_MS);
        }
        const offset = (await size(wire, `TAIL ${QUEEN_LOG} 0`)) - TAIL_BYTES;
        return () => wire.ask(frames(`TAIL ${QUEEN_LOG} ${offset}`), streamEnds, PATIENCE_MS);
      },
    ],
    asking("NETSTATS", "NETSTATS", streamEnds),
    asking("MEM", "MEM", streamEnds),
    ["login and logout", () => Promise.resolve(login)],
  ];
}

/** What the layers have taken since the last time, all of them, and a frame on an average, for each of so many operations. */
async function report(hive: BenchHive, wire: DoorWire): Promise<readonly (readonly [string, number])[]> {
  await wire.ask(frames("CAPS"), streamEnds, PATIENCE_MS);
  const { text } = await hive.expect(/\nprofiled \d+ \d+\n/, PATIENCE_MS);
  const layers = [...text.matchAll(/^profile (\S+) (-?\d+)$/gm)].map(
    ([, name = "", nanoseconds]) => [name, Number(nanoseconds) / COUNT] as const,
  );
  const [, received, sent] = /^profiled (\d+) (\d+)$/m.exec(text) ?? [];
  const all = layers.reduce((sum, [, value]) => sum + value, 0);
  return [...layers, [WHOLE, all], ["a frame", (all * COUNT) / (Number(received) + Number(sent))]];
}
