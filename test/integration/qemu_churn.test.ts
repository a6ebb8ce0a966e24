/**
 * Thousands of clients who come and go at the door of a hive on seL4 in QEMU, each in one of the ways in which clients go: what they
 * took comes back, and each of them is counted once.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "chai";
import { frame } from "../services/console/door/wire.ts";
import { CabledHive } from "./cabled-hive.ts";
import { ConsoleWire } from "./console-wire.ts";
import { needsQemu } from "./qemu-image.ts";
import { growth } from "./reports.ts";

/** `.ci/run` sets COHESIX_SOAK. */
const CLIENTS = process.env["COHESIX_SOAK"] === "1" ? 5000 : 1000;
/** At once; few enough, with those that the hive has not seen go yet, to push nobody out who has something to say. */
const AT_ONCE = 6;
const TIME_WAIT = 64;

describe("clients that come and go, to a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(300_000);
  let hive: CabledHive;
  let port: number;
  before(async () => {
    hive = await CabledHive.boot();
    port = await hive.from();
  });
  after(() => hive.end());

  /** Say something, and go without a goodbye. */
  const breakOff = async (...lines: readonly string[]): Promise<void> => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    for (const line of lines) {
      socket.write(frame(line));
      await once(socket, "data");
    }
    socket.resetAndDestroy();
    await once(socket, "close");
  };
  /** The ways to go; each is over when the client has gone. */
  const WAYS: readonly (() => Promise<void>)[] = [
    async () => (await ConsoleWire.open(port)).close(),
    async () => (await ConsoleWire.authenticated(port, hive.token)).close(),
    async () => {
      const wire = await hive.queen(port);
      await wire.quit();
    },
    () => breakOff(),
    () => breakOff(`AUTH ${hive.token}`),
  ];
  const come = async (count: number): Promise<void> => {
    let next = 0;
    const one = async (): Promise<void> => {
      while (next < count) await WAYS[next++ % WAYS.length]!();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  };
  it(`leave nothing behind, ${CLIENTS} of them, and are counted one by one`, async () => {
    // What is taken once is taken by the first ones.
    await come(20 * WAYS.length);
    // Reports, too, take what they take once.
    await hive.counters();
    const before = await hive.quiet();
    const counts = await hive.counters();
    const since = performance.now();
    await hive.meanwhile(() => come(CLIENTS));
    console.log(`      ${CLIENTS} clients in ${((performance.now() - since) / 1000).toFixed(1)} s`);
    const after = await hive.unharmed(before);
    const grown = growth(counts, await hive.counters(), /^(?!.*(?:high_water|bytes))/);
    const of = (name: string): number => grown[name] ?? 0;
    const each = CLIENTS / WAYS.length;
    // Who broke off at once was not always seen by the door.
    expect(of("half_open.made")).to.equal(CLIENTS);
    expect(of("sockets.accepted") + of("taken.reset") - of("sockets.reset")).to.equal(CLIENTS);
    expect(of("sockets.closed") + of("sockets.reset")).to.equal(of("sockets.accepted"));
    expect(of("accepted"))
      .to.equal(of("sockets.accepted"))
      .and.within(4 * each, CLIENTS);
    const ends = Object.entries(grown).filter(([name]) => name.startsWith("end_"));
    expect(ends.reduce((sum, [, count]) => sum + count, 0)).to.equal(of("accepted"));
    expect(ends.map(([name]) => name)).to.have.members(["end_quit", "end_left", "end_reset"]);
    expect(of("end_quit")).to.equal(each);
    expect(of("end_left")).to.equal(2 * each);
    expect(of("authenticated")).to.equal(3 * each);
    expect(of("frames")).to.equal(2 * each);
    expect(of("ok")).to.equal(2 * each);
    expect(of("time_wait.made") - of("time_wait.evicted")).to.be.at.most(TIME_WAIT);
    expect(after.pools.get("tcp.time_wait")).to.include({ of: TIME_WAIT, peak: TIME_WAIT });
  });
});
