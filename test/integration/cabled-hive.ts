/**
 * A hive on seL4 in QEMU under load, all of it in the test's hands: its network cable ends in this process, where gateways with
 * addresses of their own give it ports on the loopback, its machine's time goes by what it executes, and its terminal is asked for
 * a sign of life all the while.
 */
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { gatewayNetwork } from "../../engine/sim/gateway/network.ts";
import { publish, type Published } from "../../engine/sim/gateway/publish.ts";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { manifestPath } from "../../scripts/lib/manifest.ts";
import { percentile } from "../../scripts/lib/statistics.ts";
import { readManifest } from "../../services/config/manifest.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { Cable, onCable } from "./cable.ts";
import { TypedLine } from "./console-ends.ts";
import { ConsoleWire } from "./console-wire.ts";
import { MonitoredHive, OWN_TIME } from "./monitored-hive.ts";
import { narrowWay } from "./narrow-way.ts";
import { hiveImage } from "./qemu-image.ts";
import { field, linesOf } from "./reports.ts";
import { SynFlood } from "./syn-flood.ts";

/** Within which the terminal answers. */
const PING_MS = 100;
const IN_TIME = 0.95;
const PING_PAUSE_MS = 40;
/** Instructions that the machine executes in a millisecond of its time. */
const PER_MS = 1e6;
/** The longest turn is one of those in which a hive comes up. */
const TURN_PERIODS = 1.2;
/** Share of the ticks. */
const MISSED = 0.1;
/** Cycles are collected when a hive has been quiet for a few of its ticks. */
const QUIET_MS = 400;
/** Looks at what is left, until nothing is on its way any more. */
const LOOKS = 25;
/** What heaps of the same content may differ by: what was freed is not always one piece again. */
const HEAP_SLACK_BYTES = 16_384;
const NUMBERS_BYTES = 256;
/** Bytes that a ring begins with. */
const RING_BYTES = 1024;
/** More than a door lets in, so that it is the door that decides. */
const CONNECTIONS = 256;
/** Pools that keep what they have, for later, or are how it is looked at: logs, the terminal's line, what the device gives back with
 * the next frame, what was seen, what is over. */
const KEEPING = /^(?:log\.|console\.|serial\.|rng\.|net\.|tcp\.time_wait|tcp\.half_open|roles\.)/;
const BROKEN = /rebuilt|halted|out of memory/;

/** What a hive holds: its heap in bytes without the logs, and of each pool what is in use, the most that was, and how often it was full. */
export interface Holdings {
  readonly heap: number;
  readonly pools: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

export class CabledHive {
  readonly cable: Cable;
  readonly machine: MonitoredHive;
  readonly terminal: TypedLine;
  readonly token: string;
  readonly ticket: string;
  readonly #network = gatewayNetwork(readManifest(readFileSync(manifestPath, "utf8")).network);
  readonly #ways: { readonly published: Published; readonly stop: () => void }[] = [];
  /** Milliseconds of the machine's that each ping took. */
  readonly #pings: number[] = [];

  /** @param image the good one if it is not said. @returns one that is up. Whoever asks ends it. */
  static async boot(image = hiveImage): Promise<CabledHive> {
    const cable = await Cable.open();
    let machine: MonitoredHive | undefined;
    try {
      machine = await MonitoredHive.start(["--image", image, "--net", "none"], [...cable.machine, ...OWN_TIME]);
      const hive = new CabledHive(cable, machine);
      expect(await hive.terminal.ask(`attach queen ${hive.token}`)).to.equal("OK ATTACH role=queen");
      return hive;
    } catch (error) {
      await machine?.end().catch(() => undefined);
      await cable.close();
      throw error;
    }
  }

  private constructor(cable: Cable, machine: MonitoredHive) {
    this.cable = cable;
    this.machine = machine;
    this.terminal = new TypedLine(machine.line);
    const { token, tickets } = readCredentials(readFileSync(credentialsPath, "utf8"));
    this.token = token;
    this.ticket = tickets.queen ?? "";
  }

  /** A port of the loopback that leads to the door from an address of the hive's network, without one from its gateway. */
  async from(address?: string): Promise<number> {
    const network = this.#network;
    const ipv4 = address === undefined ? network.ipv4 : { ...network.ipv4, address };
    const machine = onCable(this.cable);
    const free = { host: "127.0.0.1", port: 0 };
    const published = await publish(machine, { ...network, ipv4 }, free, CONNECTIONS);
    this.#ways.push({ published, stop: () => machine.stop() });
    return published.port;
  }

  /** A connection from the first of these addresses whose bytes wait nowhere but there and in the hive. */
  narrow(): Socket {
    const [ours, theirs] = narrowWay();
    const [first] = this.#ways;
    if (first === undefined) throw new Error("there is no way yet");
    first.published.gateway.accept(theirs);
    return ours;
  }

  /** Somebody who is logged in as Queen. @param way a port of the loopback, or a connection */
  async queen(way: number | Socket): Promise<ConsoleWire> {
    return ConsoleWire.attached(way, this.token, this.ticket);
  }

  /** SYNs for its door. */
  flood(): SynFlood {
    const { guest, consolePort } = this.#network;
    return new SynFlood(this.cable, guest, consolePort);
  }

  /** Do something while the terminal is pinged. */
  async meanwhile<T>(work: () => Promise<T>): Promise<T> {
    let over = false;
    const working = work().finally(() => (over = true));
    // It is waited for below, and must not go unseen until then.
    working.catch(() => undefined);
    do {
      await this.#ping();
      await sleep(PING_PAUSE_MS);
    } while (!over);
    return working;
  }

  /** A report of the hive, read at its terminal. */
  async report(path: string): Promise<string> {
    return (await linesOf(this.terminal, path)).join("\n");
  }

  /** What its door and TCP have counted: `accepted` is the door's, `sockets.accepted` TCP's. */
  async counters(): Promise<Readonly<Record<string, number>>> {
    const door = numbersOf(await this.report("/proc/net/console"), /^(\w+) (\d+)$/gm);
    const report = await this.report("/proc/net/tcp");
    const rows = [...report.matchAll(/^tcp\.(\w+) (.*)$/gm)];
    const tcp = rows.map(([, name = "", row = ""]) => numbersOf(row, /(\w+)=(\d+)/g, `${name}.`));
    return Object.assign({}, door, numbersOf(report, /^tcp (segments)=(\d+)$/gm), ...tcp) as Record<string, number>;
  }

  /** What it holds at the moment. */
  async holdings(): Promise<Holdings> {
    const text = await this.report("/proc/mem");
    const rows = [...text.matchAll(/^pool (\S+) .*$/gm)];
    const pools = rows.map(([row, name = ""]) => [name, field(row, "pool")] as const);
    // Logs take their memory as they fill, and for good.
    const logs = pools.map(([name, { used = 0, of = 0 }]) => (name.startsWith("log.") ? ringBytes(used, of) : 0));
    const heap = field(text, "heap")["used"] ?? NaN;
    return { heap: logs.reduce((rest, bytes) => rest - bytes, heap), pools: new Map(pools) };
  }

  /** What it holds once nobody is there any more. */
  async quiet(): Promise<Holdings> {
    let held = await this.holdings();
    for (let looks = 0; looks < LOOKS; looks++) {
      await sleep(QUIET_MS);
      const before = held;
      held = await this.holdings();
      const gone = [...held.pools].every(([name, { used }]) => !/^(?:door|tcp\.sockets)/.test(name) || used === 0);
      // The numbers of the report itself are not always as long.
      if (gone && Math.abs(held.heap - before.heap) < NUMBERS_BYTES) return held;
    }
    return held;
  }

  /** That it is as it was, was never out of time, and always answered. @returns what it holds */
  async unharmed(before: Holdings): Promise<Holdings> {
    const after = await this.quiet();
    for (const [name, { used = NaN }] of after.pools) {
      if (!KEEPING.test(name)) expect(used, name).to.be.at.most(before.pools.get(name)?.["used"] ?? NaN);
    }
    const pump = await this.report("/proc/pump");
    const tick = field(pump, "tick");
    const collected = field(await this.report("/proc/mem"), "gc");
    const most = Math.max(...this.#pings);
    console.log(
      `      heap ${before.heap} bytes, afterwards ${after.heap}; ${this.#pings.length} pings,` +
        ` p99 ${percentile(this.#pings, 0.99).toFixed(1)} ms, at most ${most.toFixed(1)} ms; tick late at most` +
        ` ${tick["max_us"]} us, missed ${tick["missed"]} of ${tick["count"]}; longest turn` +
        ` ${field(pump, "turns")["max_us"]} us, longest collection ${collected["longest_us"]} us`,
    );
    expect(after.heap - before.heap).to.be.below(HEAP_SLACK_BYTES);
    // This process may look at an answer late, and the machine goes on until it does.
    expect(percentile(this.#pings, IN_TIME)).to.be.below(PING_MS);
    const { period_us: period = NaN, p50_us: late, missed = NaN, count = NaN } = tick;
    // What a tick waits for, by the machine's own doing, is a turn and what is collected behind it.
    expect(field(pump, "turns")["max_us"]).to.be.below(TURN_PERIODS * period);
    expect(collected["longest_us"]).to.be.below(period);
    // Where it has nothing to do its time goes by the host's, which may be late to wake it; most often it is not.
    expect(late).to.be.below(period);
    expect(missed).to.be.at.most(MISSED * count);
    expect(this.machine.output).to.not.match(BROKEN);
    return after;
  }

  async end(): Promise<void> {
    for (const { published, stop } of this.#ways) {
      await published.close();
      stop();
    }
    try {
      await this.machine.end();
    } finally {
      await this.cable.close();
    }
  }

  /** What the machine executed of its time, which stands still while it does nothing and does not care who shares the host. */
  async #executed(): Promise<number> {
    const { icount } = (await this.machine.monitor.execute("query-replay")) as { readonly icount: number };
    return icount / PER_MS;
  }

  async #ping(): Promise<void> {
    const from = await this.#executed();
    this.terminal.send("ping");
    expect(await this.terminal.lines(2)).to.deep.equal(["OK PING reply=pong", "PONG"]);
    this.#pings.push((await this.#executed()) - from);
  }
}

/** Memory of a ring that holds so many bytes. */
function ringBytes(used: number, capacity: number): number {
  let bytes = RING_BYTES;
  while (bytes < used) bytes *= 2;
  return Math.min(bytes, capacity);
}

function numbersOf(text: string, pattern: RegExp, prefix = ""): Readonly<Record<string, number>> {
  return Object.fromEntries([...text.matchAll(pattern)].map(([, name = "", value]) => [prefix + name, Number(value)]));
}
