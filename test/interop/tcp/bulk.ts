/**
 * Megabytes both ways at once between our stack and the kernel, on good lines and bad ones, whoever opened the connection;
 * every byte has to arrive, by SHA-256 of the whole. All lines are in use at the same time.
 */
import { type Checks, ensure } from "../../../scripts/lib/checks.ts";
import type { Faults } from "../../../services/net/phy/fault-queue.ts";
import type { Lab } from "./lab.ts";
import { openPair, type Opener, OPENERS } from "./pair.ts";
import type { Station } from "./station.ts";
import { answer, say } from "./talk.ts";
import { Transfer } from "./transfer.ts";

const MIB = 1 << 20;
const BUFFERS = { receiveBytes: 1 << 18, sendBytes: 1 << 18 };
const PATIENCE_MS = 45_000;
/** Figures are of one direction at a time, on a good line. */
const FIGURE_BYTES = 16 * MIB;

interface Line {
  readonly name: string;
  readonly faults: Faults;
  readonly bytes: number;
  /** For Wireshark to look at; a line that damages frames is not. */
  readonly captured?: boolean;
  /** What the counters have to show, or the line was not as bad as it should be. */
  readonly seen: readonly ("lost" | "corrupted" | "duplicated" | "reordered")[];
}

const LINES: readonly Line[] = [
  { name: "no faults", faults: {}, bytes: 4 * MIB, seen: [] },
  { name: "1 % loss", faults: { loss: 0.01 }, bytes: 4 * MIB, seen: ["lost"] },
  { name: "5 % loss", faults: { loss: 0.05 }, bytes: 2 * MIB, captured: true, seen: ["lost"] },
  { name: "20 % loss", faults: { loss: 0.2 }, bytes: MIB / 16, captured: true, seen: ["lost"] },
  {
    name: "reordering",
    faults: { reordering: 0.1, reorderUs: 3000, delayUs: 500 },
    bytes: 2 * MIB,
    captured: true,
    seen: ["reordered"],
  },
  { name: "duplicates", faults: { duplication: 0.1 }, bytes: 4 * MIB, seen: ["duplicated"] },
  { name: "damage", faults: { corruption: 0.02 }, bytes: 2 * MIB, seen: ["corrupted"] },
  {
    name: "all of it",
    faults: { loss: 0.03, corruption: 0.01, duplication: 0.03, reordering: 0.05, reorderUs: 3000, jitterUs: 1000 },
    bytes: MIB,
    seen: ["lost", "corrupted", "duplicated", "reordered"],
  },
];

async function exchange(lab: Lab, station: Station, opener: Opener, seed: number, bytes: number): Promise<number> {
  const options = { bytes, seed, patienceMs: PATIENCE_MS };
  // Where much is lost, only data tells a side that was opened that it is.
  const pair = await openPair(lab, station, opener, { begun: (theirs) => say(theirs, options) });
  return answer(lab, station, pair, options);
}

async function figure(lab: Lab, station: Station, from: "stack" | "kernel"): Promise<string> {
  const { ours, theirs } = await openPair(lab, station, "kernel");
  const transfer = new Transfer(ours);
  station.work.add(transfer.serve);
  const start = performance.now();
  if (from === "stack") transfer.send(1, FIGURE_BYTES);
  else theirs.send(1, FIGURE_BYTES);
  station.turn();
  const came = (): number => (from === "stack" ? theirs.received : transfer.received);
  await lab.changes.until(
    () => came() === FIGURE_BYTES,
    () => `end: ${came()} bytes came`,
    PATIENCE_MS,
  );
  const rate = FIGURE_BYTES / 1e3 / (performance.now() - start);
  ours.abort();
  station.work.delete(transfer.serve);
  station.turn();
  return `${rate.toFixed(1)} MB/s`;
}

/** @param seed of all faults */
export async function bulkChecks(checks: Checks, lab: Lab, seed: number): Promise<void> {
  const good = lab.station({ tcp: BUFFERS, captured: false });
  for (const from of ["kernel", "stack"] as const) {
    await checks.run(`${FIGURE_BYTES / MIB} MiB from the ${from}`, () => figure(lab, good, from));
  }
  const running = LINES.map(({ faults, bytes, captured }, index) => {
    const options = { tcp: BUFFERS, faults: { seed: seed + index, receive: faults, transmit: faults } };
    const station = lab.station({ ...options, captured: captured === true });
    // Whoever fails is looked at in its check.
    const exchanges = OPENERS.map((opener, i) =>
      exchange(lab, station, opener, 100 * index + 2 * i, bytes).then(
        (tookMs) => ({ tookMs }),
        (error: unknown) => ({ error }),
      ),
    );
    return { station, exchanges };
  });
  for (const [index, { name, faults, bytes, seen }] of LINES.entries()) {
    const { station, exchanges } = running[index]!;
    for (const [i, opener] of OPENERS.entries()) {
      await checks.run(`${bytes / 1024} KiB both ways at once with ${name}, the ${opener} opens`, async () => {
        const outcome = await exchanges[i]!;
        if ("error" in outcome) throw outcome.error;
        return `${Math.round(outcome.tookMs)} ms`;
      });
    }
    await checks.run(`${name} (seed ${seed + index}): as bad as it should be, and nothing is left over`, async () => {
      const { received, transmitted } = station.injector!;
      for (const what of seen) ensure(received[what] > 0 && transmitted[what] > 0, `nothing was ${what}`);
      await station.pass(station.tcp.settings.timeWaitUs);
      ensure(station.level === "0 connections, 0 half-open, 0 in TIME-WAIT", station.level);
      ensure(station.balanced, "a segment has no fate, or two");
      const { sent, recovery, dropped } = station.tcp.counters;
      ensure(
        faults.corruption !== undefined || dropped.checksum + dropped.malformed === 0,
        "good segments were refused",
      );
      return `${sent.data} segments, ${sent.resent} again, ${recovery.timeouts} time-outs, ${dropped.checksum} damaged ones dropped`;
    });
  }
}
