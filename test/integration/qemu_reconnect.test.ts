/**
 * A shell that follows a log over TCP while the network between it and the hive fails, on seL4 in QEMU: the link goes down and up, and
 * the device lies to its driver and is reset. What it shows in the end is what the log holds, each line once.
 */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import type { TcpPatience } from "../../cohsh/transports/tcp.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { RESETS_PER_WINDOW } from "../../services/drivers/virtio/recovery.ts";
import { TypedLine } from "./console-ends.ts";
import { type LyingNetwork, RECEIVE, TRANSMIT } from "./lying-network.ts";
import { MonitoredHive, OWN_TIME, patienceMs } from "./monitored-hive.ts";
import { needsQemu } from "./qemu-image.ts";
import { HURRY, ShellOnTcp } from "./shell-on.ts";
import { tcpRecovery } from "./tcp-recovery.ts";

const LOG = "/log/queen.log";
/** How often a lie is told anew that the device overwrote before it was looked at. */
const TRIES = 8;
const LOOK_MS = 300;
/** Of the driver's transmit queue; no more are sent before those that came back are looked at. */
const QUEUE_BUFFERS = 128;
const TICK_US = 10_000;

/** The log of one hive, written at its terminal and followed over TCP. */
class FollowedLog {
  readonly hive: MonitoredHive;
  readonly terminal: TypedLine;
  readonly follower: ShellOnTcp;
  /** Settles when the follower was stopped. */
  readonly #following: Promise<unknown>;
  #written = 0;

  private constructor(hive: MonitoredHive, terminal: TypedLine, follower: ShellOnTcp) {
    this.hive = hive;
    this.terminal = terminal;
    this.follower = follower;
    this.#following = follower.shell.execute(`tail -f ${LOG}`);
  }

  static async of(hive: MonitoredHive, patience: Partial<TcpPatience> = {}): Promise<FollowedLog> {
    const { token } = readCredentials(readFileSync(credentialsPath, "utf8"));
    const terminal = new TypedLine(hive.line);
    terminal.send(`attach queen ${token}`);
    expect(await terminal.line()).to.equal("OK ATTACH role=queen");
    const followed = new FollowedLog(hive, terminal, await ShellOnTcp.queen(hive.port, patience));
    await followed.write(5);
    await followed.caughtUp();
    return followed;
  }

  /** Append so many lines, each answered. */
  async write(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const text = `line ${++this.#written}`;
      this.terminal.send(`echo ${LOG} ${text}`);
      expect(await this.terminal.line()).to.equal(`OK ECHO path=${LOG} bytes=${text.length + 1}`);
    }
  }

  /** Wait until the follower has shown what was written last. */
  async caughtUp(): Promise<void> {
    await this.follower.sees(new RegExp(`: line ${this.#written}$`), 0, patienceMs);
  }

  /** The lines of a file, read at the terminal. */
  async read(path: string): Promise<string[]> {
    this.terminal.send(`cat ${path}`);
    const [acknowledgement = "", ...lines] = await this.terminal.stream();
    expect(acknowledgement).to.match(/^OK CAT /);
    return lines.slice(0, -1);
  }

  /** Numbers of a row of a file below `/proc/net`. */
  async counters(file: string, row: string): Promise<Readonly<Record<string, number>>> {
    const line = (await this.read(`/proc/net/${file}`)).find((text) => text.startsWith(`${row} `)) ?? "";
    return Object.fromEntries([...line.matchAll(/(\w+)=(\d+)/g)].map(([, name = "", value]) => [name, Number(value)]));
  }

  /** How often the device broke the protocol of a queue, by how. */
  async faults(queue: string): Promise<Readonly<Record<string, number>>> {
    const bad = Object.entries(await this.counters("interface", `queue ${queue}`)).filter(([name]) =>
      /^bad_/.test(name),
    );
    return Object.fromEntries(bad.map(([name, count]) => [name.slice("bad_".length), count]));
  }

  /** A value of `/proc/net/console`. */
  async door(name: string): Promise<number> {
    const line = (await this.read("/proc/net/console")).find((text) => text.startsWith(`${name} `));
    return Number(line?.slice(name.length + 1));
  }

  /** Stop the follower, and hold what it has shown to what the log holds. @returns what it had to say of its own */
  async end(): Promise<readonly string[]> {
    await this.write(1);
    await this.caughtUp();
    this.follower.shell.interrupt();
    await this.#following;
    const { printed } = this.follower;
    const from = printed.indexOf(`OK TAIL path=${LOG}`) + 1;
    const shown = printed.slice(from).filter((line) => !/^# |^OK /.test(line));
    const kept = await this.read(LOG);
    expect(kept.slice(0, shown.length), "what the log holds is what was shown").to.deep.equal(shown);
    return printed.filter((line) => line.startsWith("# "));
  }

  /** Lines of the log that the network's part of the hive wrote. */
  async audits(): Promise<string[]> {
    return (await this.read(LOG)).flatMap((line) => /^\[ *[\d.]+\] net: (.*)/.exec(line)?.[1] ?? []);
  }

  /** Let the device break its protocol until the driver sees it. */
  async provoke(change: (network: LyingNetwork) => Promise<void>): Promise<void> {
    const before = (await this.counters("interface", "device"))["resets"] ?? NaN;
    for (let tries = 0; tries < TRIES; tries++) {
      await this.hive.lie(change);
      const deadline = performance.now() + LOOK_MS;
      while (performance.now() < deadline) {
        await this.write(1);
        if ((await this.counters("interface", "device"))["resets"] === before + 1) return;
      }
    }
    throw new Error("the driver saw nothing");
  }
}

describe("a shell that follows a log over TCP, on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(120_000);
  let hive: MonitoredHive;
  let followed: FollowedLog | undefined;
  const follow = async (patience?: Partial<TcpPatience>): Promise<FollowedLog> =>
    (followed = await FollowedLog.of(hive, patience));
  beforeEach(async () => {
    hive = await MonitoredHive.start([], OWN_TIME);
  });
  afterEach(async () => {
    await followed?.follower.shell.close();
    await hive.end();
  });

  it("goes on where it was when the link was down for longer than it waits, and connects again for it", async () => {
    const log = await follow(HURRY);
    const { follower } = log;
    await hive.setLink(false);
    await log.write(10);
    expect(await log.read("/proc/boot")).to.include("link down mtu=1500 changes=2");
    await follower.sees(/connecting again$/, 0, patienceMs);
    await log.write(10);
    await hive.setLink(true);
    await follower.sees(/^# .*connected/, 0, patienceMs);
    await log.write(10);
    const notes = await log.end();
    expect(notes.filter((note) => /connecting again$/.test(note))).to.have.length(1);
    expect(notes.join()).to.not.match(/missing|lost \d/);
    expect((await log.audits()).slice(-2)).to.deep.equal(["link down", "link up"]);
    expect(await log.read("/proc/boot")).to.include("link up mtu=1500 changes=3");
    expect(await log.door("authenticated")).to.equal(2);
    // The old connection is over for the hive too once it sends there again, and its place free.
    for (const until = performance.now() + patienceMs; (await log.door("connections")) > 1;) {
      await log.write(1);
      if (performance.now() > until) break;
    }
    expect([await log.door("connections"), await log.door("sessions")]).to.deep.equal([1, 1]);
  });

  it("notices nothing of a link that is back before it asks, for TCP sends anew what was lost", async () => {
    const log = await follow();
    const before = (await log.counters("tcp", "tcp.sent"))["resent"] ?? NaN;
    for (let round = 0; round < 3; round++) {
      await hive.setLink(false);
      await log.write(5);
      await hive.setLink(true);
      await log.write(5);
      await log.caughtUp();
    }
    const notes = await log.end();
    expect(notes.filter((note) => /connecting again$/.test(note))).to.deep.equal([]);
    expect(await log.audits()).to.deep.equal([...Array.from({ length: 3 }, () => ["link down", "link up"]).flat()]);
    expect((await log.counters("tcp", "tcp.sent"))["resent"]).to.be.greaterThan(before);
    expect(await log.door("accepted")).to.equal(1);
  });

  it("survives a device that lies about its receive queue: it is reset each time, and nothing is lost", async () => {
    const log = await follow();
    const dma = (await log.read("/proc/mem")).find((line) => line.startsWith("dma "));
    const sockets = await log.counters("tcp", "tcp");
    const lies: [fault: string, change: (network: LyingNetwork) => Promise<void>][] = [
      ["index", (network) => network.moveUsed(RECEIVE, 0x4000)],
      ["index", (network) => network.moveUsed(RECEIVE, -1)],
      ["id", (network) => network.use(RECEIVE, { id: network.sizeOf(RECEIVE), length: 64 })],
      ["length", (network) => network.use(RECEIVE, { id: 3, length: 0x7fff_ffff })],
      ["length", (network) => network.use(RECEIVE, { id: 3, length: 11 })],
      ["twice", (network) => network.use(RECEIVE, { id: 3, length: 64 }, { id: 3, length: 64 })],
    ];
    const wanted: Record<string, number> = { index: 0, id: 0, twice: 0, length: 0 };
    for (const [fault, change] of lies) {
      await log.provoke(async (network) => {
        await change(network);
        await network.interrupt();
      });
      wanted[fault]!++;
      expect(await log.faults("net.rx")).to.deep.equal(wanted);
      await log.write(5);
      await log.caughtUp();
    }
    expect(await log.counters("interface", "device")).to.include({ resets: lies.length, device_errors: lies.length });
    expect((await log.read("/proc/mem")).find((line) => line.startsWith("dma "))).to.equal(dma);
    expect(await log.counters("tcp", "tcp")).to.deep.equal(sockets);
    const notes = await log.end();
    expect(notes).to.deep.equal([]);
    expect(await log.audits()).to.deep.equal(
      lies.map(() => "virtio_mmio@a003e00 was reset: its receive queue is inconsistent"),
    );
  });

  it("survives a device that gives back a sent buffer that it never had: the lost frames are sent anew", async () => {
    const log = await follow();
    const resets = async (): Promise<number> => (await log.counters("interface", "device"))["resets"] ?? NaN;
    for (let tries = 0; tries < TRIES && (await resets()) === 0; tries++) {
      await hive.lie(async (network) => {
        // It is looked at when buffers run short.
        await network.rewrite(TRANSMIT, (await network.usedIndex(TRANSMIT)) - 1, { id: 0xffff, length: 0 });
      });
      await log.write(QUEUE_BUFFERS);
    }
    await log.caughtUp();
    expect(await log.faults("net.tx")).to.deep.equal({ index: 0, id: 1, twice: 0, length: 0 });
    const notes = await log.end();
    expect(notes).to.deep.equal([]);
    expect(await log.audits()).to.deep.equal(["virtio_mmio@a003e00 was reset: its transmit queue is inconsistent"]);
  });

  it("survives a device that asks for a reset", async () => {
    const log = await follow();
    // The peer's acknowledgement of the next line is what it wants a buffer for.
    await log.provoke((network) => network.spoilNext(RECEIVE));
    await log.write(5);
    const notes = await log.end();
    expect(notes).to.deep.equal([]);
    expect(await log.audits()).to.deep.equal(["virtio_mmio@a003e00 was reset: it asked for a reset"]);
    expect(hive.line.messages).to.match(/Guest says index 65535 is available/);
  });

  it("puts a device out of service that lies too often, says so, and serves its terminal on time", async () => {
    const log = await follow(HURRY);
    const lie = async (network: LyingNetwork): Promise<void> => {
      await network.moveUsed(RECEIVE, 0x4000);
      await network.interrupt();
    };
    for (let i = 0; i < RESETS_PER_WINDOW; i++) await log.provoke(lie);
    const linked = async (): Promise<boolean> => (await log.read("/proc/boot")).some((line) => /^link up /.test(line));
    for (let tries = 0; tries < TRIES && (await linked()); tries++) await hive.lie(lie);
    expect((await log.read("/proc/boot")).join("\n")).to.match(/^link down mtu=1500 changes=2$/m);
    expect((await log.audits()).at(-1)).to.equal("link down");
    expect((await log.read("/log/boot.log")).join("\n")).to.match(
      /net: virtio_mmio@a003e00 is out of service: its receive queue is inconsistent$/m,
    );
    await log.follower.sees(/connecting again$/, 0, patienceMs);
    await log.write(20);
    const late = /^tick .* late p50_us=(\d+) /m.exec((await log.read("/proc/pump")).join("\n"))?.[1];
    expect(Number(late)).to.be.lessThan(TICK_US);
  });
});

describe("a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(60_000);
  let hive: MonitoredHive;
  before(async () => {
    hive = await MonitoredHive.start();
  });
  after(() => hive.end());

  tcpRecovery(() => hive);
});
