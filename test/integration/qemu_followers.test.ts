/**
 * As many as a hive on seL4 in QEMU lets in follow one log while it is written as fast as that is answered. Most take what comes;
 * some take so little that the ring overtakes them: what was missed is said to the byte, where it is missing, and it was gone.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { CabledHive } from "./cabled-hive.ts";
import type { ConsoleWire } from "./console-wire.ts";
import { ImageWorkshop, needsQemu } from "./qemu-image.ts";

/** `.ci/run` sets COHESIX_SOAK. */
const LINES = process.env["COHESIX_SOAK"] === "1" ? 10_000 : 2000;
/** A smaller log than hives have, so that it is full soon. */
const RING_BYTES = 1 << 18;
/** What the log puts before a text: time, session and role. */
const HEAD_BYTES = 47;
/** All lines together, so that the ring is full long before the last. */
const WRITTEN_BYTES = Math.max(3 * RING_BYTES, 2 * HEAD_BYTES * LINES);
/** Shares of them: those who take little miss more, and the others less. */
const MISSED = 0.1;
const FOLLOWERS = 15;
const SLOW = 3;
/** Lines that the writer has not been answered yet. */
const AHEAD = 8;
/** How often a slow one takes how much: too little to keep up, and enough not to be dropped. */
const TAKES = 3;
const TAKEN_BYTES = 20_000;
const LOG = "/log/queen.log";
const RECORD_BYTES = 1200;
const WRITTEN = /^\[ *\d+\.\d{6}\] client session=\d+ role=queen: 0 x*$/;
/** What of a line of the log, or of its beginning, is a client's. */
const TEXT = /^\[ *\d+\.\d{6}\] client session=\d+ role=queen: (.*)$/;
const LOST = /^… lost (\d+) bytes$/;
const LAST = "the last";
const STREAMED_MS = 120_000;

/** What one follower saw. */
interface Seen {
  readonly lines: readonly string[];
  /** Of each line, how many had been written at most when it came. */
  readonly writtenBy: readonly number[];
}

describe("followers of a log of a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(300_000);
  let hive: CabledHive;
  let port: number;
  const workshop = new ImageWorkshop();
  before(async () => {
    const manifest = readFileSync(manifestPath, "utf8").replace(/"queen_bytes": \d+/, `"queen_bytes": ${RING_BYTES}`);
    hive = await CabledHive.boot(workshop.withFiles("small-log.elf", { "manifest.json": manifest }));
    port = await hive.from();
  });
  after(async () => {
    workshop.remove();
    await hive.end();
  });

  let written = 0;
  /** From a few bytes to many times as many. */
  const textOf = (number: number): string => {
    const average = WRITTEN_BYTES / LINES - HEAD_BYTES;
    return `${number} ${"x".repeat(Math.min(900, Math.floor((average * (1 + ((number * 7) % 13))) / 7)))}`;
  };

  const write = async (writer: ConsoleWire): Promise<void> => {
    let answered = 0;
    while (answered < LINES) {
      while (written < LINES && written - answered < AHEAD) writer.send(`ECHO ${LOG} ${textOf(written++)}`);
      expect(await writer.line()).to.equal(`OK ECHO path=${LOG} bytes=${textOf(answered++).length + 1}`);
    }
    expect(await writer.ask(`ECHO ${LOG} ${LAST}`)).to.match(/^OK ECHO /);
  };
  const follow = async (wire: ConsoleWire): Promise<Seen> => {
    const lines: string[] = [];
    const writtenBy: number[] = [];
    while (!lines.at(-1)?.endsWith(`: ${LAST}`)) {
      const line = await wire.line(STREAMED_MS);
      if (line === undefined) throw new Error(`it was closed after ${lines.slice(-2).join("|")}`);
      lines.push(line);
      writtenBy.push(written);
    }
    return { lines, writtenBy };
  };
  /** Take a little now and then while it is written, and all of it at last. */
  const dawdle = async (wire: ConsoleWire, index: number): Promise<void> => {
    for (let take = 1; take <= TAKES && !wire.over; take++) {
      wire.pause();
      while (written < (LINES * (take - index / SLOW)) / TAKES) await sleep(2);
      const until = wire.came + TAKEN_BYTES;
      wire.resume();
      while (wire.came < until && written < LINES) await sleep(1);
    }
    wire.resume();
  };

  /** All of them, who follow from the first byte on, those who take little first. */
  const come = async (): Promise<ConsoleWire[]> => {
    const wires: ConsoleWire[] = [];
    for (let i = 0; i < FOLLOWERS; i++) wires.push(await hive.queen(i < SLOW ? hive.narrow() : port));
    for (const wire of wires) {
      expect(await wire.ask(`TAIL -f ${LOG} 0`)).to.equal(`OK TAIL path=${LOG} offset=0`);
    }
    return wires;
  };
  const go = async (wires: readonly ConsoleWire[]): Promise<void> => {
    for (const wire of wires) {
      wire.send("STOP");
      expect((await wire.stream()).at(-1)).to.equal("END");
      expect(await wire.ask("QUIT")).to.equal("OK STOP");
      wire.close();
    }
  };

  it(`are told each of ${LINES} lines once and in order, or how many bytes they missed`, async () => {
    // What is taken once, places to wait above all, is taken by the first ones.
    await go(await come());
    const before = await hive.quiet();
    const wires = await come();
    const writer = await hive.queen(port);
    const since = performance.now();
    const seen = await hive.meanwhile(async () => {
      const following = Promise.all(wires.map(follow));
      await Promise.all([following, write(writer), ...wires.slice(0, SLOW).map(dawdle)]);
      return following;
    });
    const lost = seen.map(({ lines }) => lines.flatMap((line) => LOST.exec(line)?.[1] ?? []));
    console.log(
      `      ${LINES} lines to ${FOLLOWERS} in ${((performance.now() - since) / 1000).toFixed(1)} s;` +
        ` those who took little lost ${lost
          .slice(0, SLOW)
          .map((gaps) => gaps.join("+"))
          .join(", ")} bytes`,
    );
    await go(wires);
    expect(await writer.ask("QUIT")).to.equal("OK QUIT");
    writer.close();
    await hive.unharmed(before);
    const starts = startsOf(seen.at(-1)!, textOf);
    for (const one of seen) check(one, starts, textOf);
    const missed = lost.map((gaps) => gaps.reduce((sum, bytes) => sum + Number(bytes), 0) / WRITTEN_BYTES);
    for (const share of missed.slice(0, SLOW)) expect(share).to.be.greaterThan(MISSED);
    // Whoever takes what comes hardly misses anything, even if the writer is faster than all of them together.
    for (const share of missed.slice(SLOW)) expect(share).to.be.below(MISSED);
  });
});

/** Where each written line begins, in bytes since boot, by one who saw all that there was; the last is the end of all. */
function startsOf({ lines }: Seen, textOf: (number: number) => string): number[] {
  const first = lines.findIndex((line) => WRITTEN.test(line));
  const head = lines[first]!.length - textOf(0).length;
  const starts = [lines.slice(0, first).reduce((sum, line) => sum + line.length + 1, 0)];
  for (let number = 0; number < LINES; number++) starts.push(starts[number]! + head + textOf(number).length + 1);
  return starts;
}

/** Hold what one of them saw to what was written. */
function check({ lines, writtenBy }: Seen, starts: readonly number[], textOf: (number: number) => string): void {
  const numbers = new Map(starts.map((start, number) => [start, number]));
  let at = 0;
  for (const [index, line] of lines.entries()) {
    const missed = Number(LOST.exec(line)?.[1] ?? 0);
    if (missed > 0) {
      at += missed;
      // Whoever wrote it, it was gone.
      expect(starts[writtenBy[index]!]! - at, line).to.be.greaterThan(RING_BYTES - RECORD_BYTES);
      continue;
    }
    if (at < starts[0]!) {
      at += line.length + 1;
      continue;
    }
    const cut = LOST.test(lines[index + 1] ?? "");
    // A line may end with what came of it before the gap, be it all but its newline.
    const number = numbers.get(at) ?? numbers.get(at - 1);
    if (number === undefined) throw new Error(`nothing was written at ${at}: ${line}`);
    at = starts[number]!;
    if (number === LINES) {
      expect(line).to.match(new RegExp(`: ${LAST}$`));
      return;
    }
    const [, told = ""] = TEXT.exec(line) ?? [];
    const text = textOf(number);
    if (cut && told !== text) expect(text.startsWith(told), line).to.equal(true);
    else expect(told).to.equal(text);
    at += line.length + (told === text ? 1 : 0);
  }
  throw new Error(`it was told ${lines.length} lines, and not the last`);
}
