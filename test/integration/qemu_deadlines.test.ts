/**
 * Every time and number that docs/INTERFACES.md promises of the door, on seL4 in QEMU. The machine's clock runs only while it
 * computes and jumps while it waits, so 300 s pass in a moment, and none pass while clients get ready: the machine stands then.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { tcpKeys } from "../../cohsh/transports/make.ts";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { DENIED, PONG } from "../services/console/bad-input.ts";
import { frame } from "../services/console/door/wire.ts";
import { FIN, RST, type Segment, segmentsOf } from "./capture.ts";
import { ConsoleWire } from "./console-wire.ts";
import { JUMPING_TIME, MonitoredHive } from "./monitored-hive.ts";
import { needsQemu } from "./qemu-image.ts";
import { field, growth } from "./reports.ts";

const PORT = 31337;
/** How long bytes of this host may take to QEMU, which goes on while its machine stands. */
const ARRIVAL_MS = 30;
const TICK_US = 10_000;
/** Seconds between two ticks that the log shows. */
const SHOWN_TICK_S = 5;
/** A deadline is met within a tick, and what TCP takes. */
const NEAR_MS = 40;
/** What the hive takes to say what it keeps for a client that takes no more. */
const FILLING_MS = 250;
const BUSY = "ERR AUTH reason=busy detail=busy error=EBUSY";
const TIMED_OUT = "ERR FRAME reason=cut detail=timed-out";
const WRONG_TICKET = "cohesix-ticket-00.00";
/** A log, and how often it is asked for, that no host keeps for a client which reads nothing. */
const LONG_LINE = 980;
const LONG_LINES = 100;
const READINGS = 80;
const HALF_FRAME = frame("ECHO /log/queen.log half").subarray(0, 9);

/** Numbers of the door, its log since it was asked last, and the tick. */
interface Report {
  readonly door: Readonly<Record<string, number>>;
  readonly log: readonly { readonly atMs: number; readonly text: string }[];
  readonly tick: Readonly<Record<string, number>>;
}

describe("the door's deadlines and limits on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(180_000);
  let hive: MonitoredHive;
  let folder: string;
  let token: string;
  let ticket: string;
  const dump = (): string => join(folder, "wire.pcap");
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "deadlines-"));
    const credentials = readCredentials(readFileSync(credentialsPath, "utf8"));
    token = credentials.token;
    ticket = credentials.tickets.queen ?? "";
    hive = await MonitoredHive.start(["--pcap", dump()], JUMPING_TIME);
  });
  after(async () => {
    await hive.end();
    rmSync(folder, { recursive: true });
  });

  /** Clients that have said all this when the machine goes on. */
  const together = async (...said: readonly (readonly (string | Uint8Array)[])[]): Promise<ConsoleWire[]> => {
    await hive.monitor.execute("stop");
    const wires: ConsoleWire[] = [];
    for (const lines of said) {
      const wire = await ConsoleWire.open(hive.port);
      wire.raw(Buffer.concat(lines.map((line) => (typeof line === "string" ? frame(line) : line))));
      // In this order they are accepted.
      await sleep(1);
      wires.push(wire);
    }
    await sleep(ARRIVAL_MS);
    await hive.monitor.execute("cont");
    return wires;
  };
  /** All that the hive says until it closes. */
  const all = async (wire: ConsoleWire): Promise<string[]> => {
    const lines: string[] = [];
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) lines.push(line);
    return lines;
  };
  const report = async (): Promise<Report> => {
    const asked = ["CAT /proc/net/console", "CAT /proc/pump", "LOG"];
    const [wire] = await together([`AUTH ${token}`, `ATTACH queen ${ticket}`, ...asked, "QUIT"]);
    const lines = await all(wire!);
    expect(lines.at(-1)).to.equal("OK QUIT");
    const door = lines.flatMap((line) => {
      const [, name = "", value] = /^(\w+) (\d+)$/.exec(line) ?? [];
      return value === undefined ? [] : [[name, Number(value)] as const];
    });
    return {
      door: Object.fromEntries(door),
      log: lines.slice(lines.indexOf("OK LOG") + 1).flatMap((line) => {
        const [, seconds, text = ""] = /^\[ *([\d.]+)\] (.*)/.exec(line) ?? [];
        return seconds === undefined ? [] : [{ atMs: 1000 * Number(seconds), text }];
      }),
      tick: field(lines.join("\n"), "tick"),
    };
  };
  /** Let so many seconds of the machine's pass, and up to two of its ticks, which it shows. */
  const passes = async (seconds: number): Promise<void> => {
    const shownS = (): number => Number([...hive.output.matchAll(/\[ *([\d.]+)\] pump: tick /g)].at(-1)?.[1] ?? 0);
    for (const until = shownS() + SHOWN_TICK_S + seconds; shownS() < until;) await sleep(5);
  };
  /** A good ticket, of another role. */
  const observers = (): string => {
    const found = tcpKeys({}).find("observer", "ann");
    if ("missing" in found) throw new Error(found.missing);
    return found.credential;
  };
  /** What was counted meanwhile, but for what the reports themselves are. */
  const ends = async (of: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> => {
    const before = await report();
    await of();
    return growth(before.door, (await report()).door, /^end_(?!quit$)/);
  };
  /** What went over the wire of one client. */
  const segments = (wire: ConsoleWire): Segment[] =>
    segmentsOf(dump()).filter(({ from, to }) => from === wire.localPort || to === wire.localPort);
  /** From the first segment that the client sent (or had acknowledged) with bytes, to the hive's goodbye. */
  const lasted = (wire: ConsoleWire, since: (segment: Segment) => boolean): number => {
    const seen = segments(wire);
    const first = seen.find(since);
    const last = seen.find(({ from, flags }) => from === PORT && (flags & (FIN | RST)) !== 0);
    return (last?.atMs ?? NaN) - (first?.atMs ?? NaN);
  };
  const said = ({ to, payload }: Segment): boolean => to === PORT && payload.length > 0;

  /** When it was up; a boot's own turns are long. */
  let tick: Report["tick"];
  before(async () => {
    ({ tick } = await report());
  });

  it("waits 5 s for the token, whether half of it came or nothing", async () => {
    let wires: ConsoleWire[] = [];
    const ended = await ends(async () => {
      wires = await together([], [frame(`AUTH ${token}`).subarray(0, 9)]);
      for (const wire of wires) expect(await all(wire)).to.deep.equal([]);
    });
    expect(ended).to.deep.equal({ end_late: 2 });
    for (const wire of wires) expect(lasted(wire, ({ to }) => to === PORT)).to.be.closeTo(5000, NEAR_MS);
  });

  it("waits 10 s for the rest of a frame", async () => {
    let wires: ConsoleWire[] = [];
    const ended = await ends(async () => {
      wires = await together([`AUTH ${token}`, HALF_FRAME], [`AUTH ${token}`, "PING", HALF_FRAME]);
      expect(await all(wires[0]!)).to.deep.equal(["OK AUTH"]);
      expect(await all(wires[1]!)).to.deep.equal(["OK AUTH", ...PONG]);
    });
    expect(ended).to.deep.equal({ end_half: 2 });
    for (const wire of wires) expect(lasted(wire, said)).to.be.closeTo(10_000, NEAR_MS);
  });

  it("tells who says nothing for 300 s, and closes, whatever it still has to say itself", async () => {
    let wires: ConsoleWire[] = [];
    const ended = await ends(async () => {
      const follows = [`AUTH ${token}`, `ATTACH queen ${ticket}`, "TAIL -f /log/boot.log"];
      wires = await together([`AUTH ${token}`, "PING"], follows);
      expect(await all(wires[0]!)).to.deep.equal(["OK AUTH", ...PONG, TIMED_OUT]);
      expect((await all(wires[1]!)).at(-1)).to.equal(TIMED_OUT);
    });
    expect(ended).to.deep.equal({ end_idle: 2 });
    for (const wire of wires) expect(lasted(wire, said)).to.be.closeTo(300_000, NEAR_MS);
  });

  it("lets who speaks 9P be silent for as long as it is there", async () => {
    const ended = await ends(async () => {
      const [wire] = await together([`AUTH ${token}`, `ATTACH queen ${ticket}`, "SECURE9P"]);
      expect(await wire!.lines(3)).to.deep.equal(["OK AUTH", "OK ATTACH role=queen", "OK SECURE9P msize=8192"]);
      await passes(310);
      expect(wire!.over).to.equal(false);
      wire!.close();
      await passes(1);
    });
    expect(Object.keys(ended)).to.have.length(1);
    expect(Object.keys(ended)[0]).to.match(/^end_(?:left|reset)$/);
  });

  it("slows down who guesses the token, and takes the right one meanwhile", async () => {
    let wires: ConsoleWire[] = [];
    const told: string[][] = [];
    const ended = await ends(async () => {
      wires = await together(
        ["AUTH guess"],
        ["PING"],
        ["SECURE9P"],
        [`ATTACH queen ${ticket}`],
        [`AUTH ${token}`, `ATTACH queen ${ticket}`, "QUIT"],
      );
      expect(await all(wires.pop()!)).to.deep.equal(["OK AUTH", "OK ATTACH role=queen", "OK QUIT"]);
      for (const wire of wires) told.push(await all(wire));
    });
    expect(ended).to.deep.equal({ end_denied: 4 });
    const denied: number[] = [];
    const limited: number[] = [];
    // Which of them comes first is the network's to say.
    for (const [index, wire] of wires.entries()) {
      const answers = told[index]!;
      const delayMs = lasted(wire, said);
      if (answers[0] === DENIED) denied.push(delayMs);
      else {
        limited.push(delayMs);
        const limit = /^ERR AUTH reason=quota detail=rate-limited delay_ms=(\d+) error=EAGAIN$/.exec(answers[0] ?? "");
        expect(Number(limit?.[1])).to.be.within(89_000, 90_000);
      }
      expect(answers).to.have.length(1);
    }
    expect(limited.map((delayMs) => delayMs < NEAR_MS)).to.deep.equal([true]);
    denied.sort((one, other) => one - other);
    for (const [index, delayMs] of [0, 250, 500].entries()) expect(denied[index]).to.be.closeTo(delayMs, NEAR_MS);
    const log = (await report()).log.map(({ text }) => text);
    const refused = log.filter((text) => text === "login: refused AUTH why=wrong token from=tcp 10.0.2.2");
    expect(refused).to.have.length(4);
    expect(log.join("\n")).to.not.contain(token).and.to.not.contain("guess");
  });

  it("forgets who guessed after 90 s, and slows down who guesses tickets", async () => {
    await passes(91);
    let wire: ConsoleWire | undefined;
    const ended = await ends(async () => {
      const other = observers();
      [wire] = await together([
        `AUTH ${token}`,
        "SECURE9P",
        `ATTACH queen ${WRONG_TICKET}`,
        `ATTACH queen ${other}`,
        `ATTACH observer ${WRONG_TICKET}`,
        `ATTACH queen ${other}`,
        "PING",
      ]);
      const lines = await all(wire!);
      const denied = "ERR ATTACH reason=policy detail=denied";
      expect(lines.slice(0, -1)).to.deep.equal([
        ...["OK AUTH", "ERR SECURE9P reason=policy detail=unauthenticated"],
        ...[denied, denied, denied],
      ]);
      expect(lines.at(-1)).to.match(
        /^ERR ATTACH reason=quota detail=rate-limited delay_ms=(?:89|90)\d{3} error=EAGAIN$/,
      );
    });
    expect(ended).to.deep.equal({ end_limited: 1 });
    expect(lasted(wire!, said)).to.be.closeTo(750, NEAR_MS);
    const log = (await report()).log.map(({ text }) => text);
    expect(log.filter((text) => /^login: (?:ticket )?refused role=/.test(text)).slice(-4)).to.deep.equal([
      "login: refused role=queen why=wrong credential from=tcp 10.0.2.2",
      "login: ticket refused role=observer subject=ann why=asked to be queen from=tcp 10.0.2.2",
      "login: refused role=observer why=wrong credential from=tcp 10.0.2.2",
      "login: ticket refused role=observer subject=ann why=asked to be queen from=tcp 10.0.2.2",
    ]);
    expect(log.join("\n")).to.not.contain("cohesix-ticket-");
  });

  it("slows down who guesses at the terminal, by that line alone, and hangs up on nobody there", async () => {
    const guess = "attach queen guess\r";
    hive.line.type(guess.repeat(4) + `attach queen ${token}\rping\r`);
    const shown = await hive.line.expect(/OK ATTACH role=queen\r\n[^]*PONG\r\n/, 20_000);
    const denied = "ERR ATTACH reason=policy detail=denied";
    const answers = shown.split("\r\n").filter((line) => /^(?:OK|ERR) ATTACH /.test(line));
    expect(answers.map((line) => line.replace(/delay_ms=\d+/, "delay_ms=<n>"))).to.deep.equal([
      ...[denied, denied, denied],
      "ERR ATTACH reason=quota detail=rate-limited delay_ms=<n> error=EAGAIN",
      "OK ATTACH role=queen",
    ]);
    expect(shown).to.not.contain("guess").and.to.not.contain(token);
    const { log } = await report();
    const refused = log.filter(({ text }) => text === "login: refused role=queen why=wrong credential from=serial");
    const times = refused.map(({ atMs }) => atMs - refused[0]!.atMs);
    expect(times).to.have.length(4);
    // Each is looked at once the one before it is answered.
    for (const [index, atMs] of [0, 0, 250, 750].entries()) expect(times[index]).to.be.closeTo(atMs, NEAR_MS);
  });

  it("has 16 sessions at once, and tells the next one that it is busy", async () => {
    const before = await report();
    const wires: ConsoleWire[] = [];
    // No more at once than may be there without having said the token.
    for (let group = 0; group < 2; group++) {
      const come = await together(...new Array<string[]>(8).fill([`AUTH ${token}`, `ATTACH queen ${ticket}`, "PING"]));
      for (const wire of come) expect(await wire.lines(4)).to.deep.equal(["OK AUTH", "OK ATTACH role=queen", ...PONG]);
      wires.push(...come);
    }
    const [late] = await together([`AUTH ${token}`, "PING"]);
    expect(await all(late!)).to.deep.equal([BUSY]);
    // The terminal's place is none of them.
    hive.line.type(`attach queen ${token}\rping\r`);
    await hive.line.expect(/OK ATTACH role=queen\r\n[^]*PONG\r\n/, 20_000);
    for (const wire of wires) wire.close();
    await passes(1);
    const after = await report();
    expect(growth(before.door, after.door, /^end_busy$/)).to.deep.equal({ end_busy: 1 });
    expect(after.door).to.include({ sessions: 1, connections: 1, most: 16, sessions_high_water: 16 });
  });

  it("keeps few who say nothing, the newest of them, and serves who has the token", async () => {
    let wires: ConsoleWire[] = [];
    const ended = await ends(async () => {
      wires = await together(...Array.from({ length: 12 }, () => []), [`AUTH ${token}`, "PING", "QUIT"]);
      expect(await all(wires.at(-1)!)).to.deep.equal(["OK AUTH", ...PONG, "OK QUIT"]);
      for (const wire of wires.slice(0, -1)) expect(await all(wire)).to.deep.equal([]);
    });
    // The one with the token is a stranger too, until it has said it.
    expect(ended).to.deep.equal({ end_crowded: 5, end_late: 7 });
  });

  it("reads a client no more that takes none of its answers, and drops it after 30 s", async () => {
    const text = "y".repeat(LONG_LINE);
    const [writer] = await together([
      ...[`AUTH ${token}`, `ATTACH queen ${ticket}`],
      ...new Array<string>(LONG_LINES).fill(`ECHO /log/queen.log ${text}`),
      "QUIT",
    ]);
    await all(writer!);
    const before = await report();
    await hive.monitor.execute("stop");
    const slow = await ConsoleWire.open(hive.port);
    slow.pause();
    slow.send(`AUTH ${token}`, `ATTACH queen ${ticket}`, ...new Array<string>(READINGS).fill("CAT /log/queen.log"));
    await sleep(ARRIVAL_MS);
    await hive.monitor.execute("cont");
    let after = await report();
    for (let tries = 0; tries < 200 && after.door["end_slow"] === before.door["end_slow"]; tries++) {
      await sleep(500);
      after = await report();
    }
    expect(growth(before.door, after.door, /^end_(?!quit$)/)).to.deep.equal({ end_slow: 1 });
    expect(after.door["held_back"]).to.be.greaterThan(before.door["held_back"] ?? NaN);
    expect(after.door["unsent_high_water"]).to.be.within(48_000, 65_536 + 256);
    // What it was told last has 5 s to leave, which it does not.
    await passes(6);
    const last = segments(slow)
      .filter(({ from, payload }) => from === PORT && payload.length > 0)
      .at(-1);
    expect(lasted(slow, (segment) => segment.atMs === last?.atMs)).to.be.closeTo(35_000, FILLING_MS);
    slow.close();
  });

  it("ticked on time meanwhile", async () => {
    const { tick: after } = await report();
    const { count = NaN, missed = 0 } = growth(tick, after, /^(?:count|missed)$/);
    expect(missed, JSON.stringify([tick, after])).to.be.at.most(1 + count / 50);
    expect(after["p50_us"]).to.be.lessThan(TICK_US);
  });
});
