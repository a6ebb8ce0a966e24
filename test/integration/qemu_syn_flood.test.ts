/**
 * Tens of thousands of SYNs from spoofed addresses to a hive on seL4 in QEMU, which is busy with nothing but them: who has the token
 * comes in all the same, who is in goes on, and nothing of the flood is remembered beyond its table.
 */
import { expect } from "chai";
import { CabledHive } from "./cabled-hive.ts";
import { needsQemu } from "./qemu-image.ts";
import { growth } from "./reports.ts";

/** `.ci/run` sets COHESIX_SOAK. */
const SYNS = process.env["COHESIX_SOAK"] === "1" ? 50_000 : 5000;
const WARMING_UP = 500;
const HALF_OPEN = 64;
/** Questions of the hive's for neighbours' addresses. */
const ASKED_PER_SECOND = 16;
/** The loopback and the device may lose some. */
const ANSWERED = 0.9;

describe("a flood of SYNs to a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(300_000);
  let hive: CabledHive;
  let port: number;
  before(async () => {
    hive = await CabledHive.boot();
    port = await hive.from();
  });
  after(() => hive.end());

  const login = async (): Promise<void> => {
    const wire = await hive.queen(port);
    expect(await wire.ask("PING")).to.equal("OK PING reply=pong");
    expect(await wire.line()).to.equal("PONG");
    await wire.quit();
  };

  it(`of ${SYNS} keeps nobody out, and is not remembered`, async () => {
    const flood = hive.flood();
    // What is taken once is taken by the first ones.
    await Promise.all([flood.send(WARMING_UP), login()]);
    // Reports, too, take what they take once.
    await hive.counters();
    const before = await hive.quiet();
    const counts = await hive.counters();
    const { sent, answers, asked } = flood.counters;
    const inside = await hive.queen(port);
    const since = performance.now();
    let over = false;
    let logins = 0;
    let lines = 0;
    await hive.meanwhile(async () => {
      const flooding = flood.send(SYNS).finally(() => (over = true));
      const comingIn = async (): Promise<void> => {
        for (; !over; logins++) await login();
      };
      const goingOn = async (): Promise<void> => {
        for (; !over; lines++) {
          const text = `line ${lines}`;
          const answer = await inside.ask(`ECHO /log/queen.log ${text}`);
          expect(answer).to.equal(`OK ECHO path=/log/queen.log bytes=${text.length + 1}`);
        }
      };
      await Promise.all([flooding, comingIn(), goingOn()]);
    });
    const seconds = (performance.now() - since) / 1000;
    console.log(`      ${SYNS} SYNs in ${seconds.toFixed(1)} s, meanwhile ${logins} logins and ${lines} lines`);
    // Each takes a few answers of the hive's, which come behind the flood that waits there.
    expect(logins).to.be.at.least(3);
    expect(lines).to.be.at.least(10);
    expect(await inside.ask("QUIT")).to.equal("OK QUIT");
    expect(await inside.line()).to.equal(undefined);

    const after = await hive.unharmed(before);
    const grown = growth(counts, await hive.counters(), /./);
    const of = (name: string): number => grown[name] ?? 0;
    expect(flood.counters.sent - sent).to.equal(SYNS);
    expect(flood.counters.answers - answers).to.be.at.least(ANSWERED * SYNS);
    expect(after.pools.get("tcp.half_open")).to.include({ of: HALF_OPEN, peak: HALF_OPEN });
    const taken = of("half_open.made") + of("half_open.overflowed");
    expect(taken).to.be.within(ANSWERED * SYNS, SYNS + logins + 1);
    expect(of("sent.cookies")).to.be.within(
      of("half_open.overflowed") - of("unsent.blocked"),
      of("half_open.overflowed"),
    );
    expect(of("half_open.cookies_accepted")).to.be.at.least(1);
    // Nobody but who came in took a place.
    expect(of("sockets.accepted")).to.equal(logins + 1);
    expect(of("accepted")).to.equal(logins + 1);
    expect(of("end_quit")).to.equal(logins + 1);
    expect(of("sockets.closed")).to.equal(logins + 1);
    expect(after.pools.get("tcp.backlog")?.["peak"]).to.equal(1);
    expect(after.pools.get("tcp.sockets")?.["peak"]).to.be.at.most(3);
    expect(grown).to.not.have.any.keys("dropped.backlog_full", "sockets.pool_full", "sockets.reset", "end_crowded");
    const fates = Object.entries(grown).filter(([name]) => /^(?:taken|dropped)\./.test(name));
    expect(fates.reduce((sum, [, count]) => sum + count, 0)).to.equal(of("segments"));
    // Time of the machine's is never more than ours.
    expect(flood.counters.asked - asked).to.be.at.most(ASKED_PER_SECOND * (seconds + 30));
  });
});
