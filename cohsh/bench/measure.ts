/**
 * Measures a hive that serves others too: everything is bounded, asked for as the Queen over connections of its own, and given up
 * alone where the hive refuses it. What it reads and writes is what every operator may.
 */

import { logIn, perSecond, pipelined, times, warmUp } from "../../scripts/lib/door-measures.ts";
import { acknowledged, type DoorWire, frames, Refused, streamEnds } from "../../scripts/lib/door-wire.ts";
import type { Figure } from "../../scripts/lib/figures.ts";
import { median, percentile } from "../../scripts/lib/statistics.ts";

export const LOG = "/log/queen.log";
const BOOT = "/proc/boot";
const ECHO = frames(`ECHO ${LOG} cohsh bench: a line to measure with, which is of no other use`);
/** Lines under way at once: what a session surely queues. */
const DEPTH = 8;
const TAIL_BYTES = 10_000;
/** What a hive says in place of bytes that its ring has overwritten. */
const LOST = /^… lost (\d{1,15}) bytes$/;
/** How long a whole log may take, and the end of a connection. */
const WHOLE_MS = 60_000;
const GOODBYE_MS = 2000;

/** A figure, and of how many. */
export interface Measured extends Figure {
  readonly count: number;
}

export interface Skipped {
  readonly what: string;
  readonly why: string;
}

export interface Report {
  readonly figures: Measured[];
  readonly skipped: Skipped[];
  /** Lines that were appended to the log. */
  written: number;
}

export interface BenchWay {
  /** A connection to the hive's console. @throws Error with one sentence */
  readonly connect: () => Promise<DoorWire>;
  readonly token: string;
  readonly ticket: string;
  readonly count: number;
  readonly readOnly: boolean;
  readonly timeoutMs: number;
}

/** Figures are added to the report as they come, so that those before a failure are not lost. @throws Error if the hive is gone */
export async function measure(way: BenchWay, report: Report): Promise<void> {
  const fewer = Math.ceil(way.count / 10);
  await group(way, report, "PING", async (wire) => {
    const took = await times(wire, way.count, frames("PING"), pong, way.timeoutMs);
    return [ms("PING p50", median(took), took), ms("PING p99", percentile(took, 0.99), took)];
  });
  if (way.readOnly) report.skipped.push({ what: "ECHO", why: "--read-only: it would write" });
  else await group(way, report, "ECHO", (wire) => echoes(way, wire, report));
  await group(way, report, `CAT ${BOOT}`, async (wire) => {
    const took = await times(wire, 2 * fewer, frames(`CAT ${BOOT}`), streamEnds, way.timeoutMs);
    return [ms(`CAT ${BOOT} p50`, median(took), took), ms(`CAT ${BOOT} p99`, percentile(took, 0.99), took)];
  });
  await group(way, report, `TAIL ${LOG}`, (wire) => tails(way, wire, fewer, report));
  const since = performance.now();
  for (let n = 0; n < fewer; n++) await leave(await attached(way));
  const value = (fewer * 1000) / (performance.now() - since);
  report.figures.push({ name: "login and logout", value, unit: "/s", count: fewer });
}

/** On a connection of its own, so that what is refused holds up nothing else. */
async function group(
  way: BenchWay,
  report: Report,
  what: string,
  run: (wire: DoorWire) => Promise<Measured[]>,
): Promise<void> {
  const wire = await attached(way);
  try {
    report.figures.push(...(await run(wire)));
    await leave(wire);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    report.skipped.push({ what, why: error.message });
  } finally {
    wire.close();
  }
}

async function attached(way: BenchWay): Promise<DoorWire> {
  const wire = await way.connect();
  try {
    await logIn(wire, way, way.timeoutMs);
    return wire;
  } catch (error) {
    wire.close();
    throw error instanceof Refused ? new Error(`it does not let the Queen in: ${error.line}`, { cause: error }) : error;
  }
}

/** Say goodbye, and see the hive close. */
async function leave(wire: DoorWire): Promise<void> {
  const late = setTimeout(() => wire.close(), GOODBYE_MS);
  try {
    await wire.ask(frames("QUIT"), acknowledged, GOODBYE_MS);
    await wire.leave();
  } finally {
    clearTimeout(late);
  }
}

async function echoes(way: BenchWay, wire: DoorWire, report: Report): Promise<Measured[]> {
  const { count, timeoutMs } = way;
  const heard = (line: string): boolean => acknowledged(line) && ++report.written > 0;
  const took = await times(wire, count, ECHO, heard, timeoutMs);
  const rate = await pipelined(wire, ECHO, DEPTH, count, timeoutMs * count);
  report.written += count;
  return [
    { name: "ECHO, 1 at once", value: perSecond(took), unit: "/s", count },
    { name: `ECHO, ${DEPTH} at once`, value: rate, unit: "/s", count },
  ];
}

async function tails(way: BenchWay, wire: DoorWire, count: number, report: Report): Promise<Measured[]> {
  const end = await length(wire, `TAIL ${LOG} 0`, WHOLE_MS);
  const from = Math.max(0, end - TAIL_BYTES);
  const command = `TAIL ${LOG} ${from}`;
  // It grows while it is read, by what others do.
  const bytes = (await length(wire, command, way.timeoutMs)) - from;
  if (bytes <= 0) {
    report.skipped.push({ what: `TAIL ${LOG}`, why: "there is nothing in it" });
    return [];
  }
  const took = await times(wire, count, frames(command), streamEnds, way.timeoutMs);
  const size = `the last ${bytes.toLocaleString("en-US")} bytes`;
  return [
    ms(`TAIL ${LOG}, ${size}, p50`, median(took), took),
    { name: `TAIL ${LOG}, ${size}`, value: bytes / median(took) / 1000, unit: "MB/s", count },
  ];
}

/** Where a stream of a log ends, in bytes since boot, if it is asked for from its beginning or with an offset. */
async function length(wire: DoorWire, command: string, patienceMs: number): Promise<number> {
  let at = Number(/ (\d+)$/.exec(command)?.[1] ?? 0);
  await wire.ask(
    frames(command),
    (line, bytes) => {
      if (streamEnds(line)) return true;
      const lost = LOST.exec(line)?.[1];
      if (lost !== undefined) at += Number(lost);
      else if (!line.startsWith("OK TAIL")) at += bytes + 1;
      return false;
    },
    patienceMs,
  );
  return at;
}

function pong(line: string): boolean {
  if (line.startsWith("ERR ")) throw new Refused(line);
  return line === "PONG";
}

function ms(name: string, value: number, took: readonly number[]): Measured {
  return { name, value, unit: "ms", count: took.length };
}

/** Lines that stay in the log when nothing goes wrong, as it is said beforehand. */
export function toBeWritten(count: number): number {
  return warmUp(count) + 2 * count;
}
