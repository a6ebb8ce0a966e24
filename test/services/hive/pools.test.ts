import { expect } from "chai";
import { expectNoErrors, SERIAL, TCP, TestHive, TOKEN } from "./support.ts";

afterEach(expectNoErrors);

/** Use, mark and times of a pool. */
function pool(all: TestHive, name: string): [used: number, of: number, peak: number, times: number] {
  const found = all.hive.pools().find(([other]) => other === name);
  if (found === undefined) throw new Error(`no pool ${name}`);
  return [found[2], found[3], found[4], found[6]];
}

describe("hive: its pools", () => {
  it("have names of their own, and nothing in use at first", () => {
    const pools = new TestHive().hive.pools();
    expect(new Set(pools.map(([name]) => name)).size).to.equal(pools.length);
    for (const [name, bytes, used, of, peak, , times] of pools) {
      expect(bytes, name).to.be.greaterThan(0);
      expect(of, name).to.be.greaterThan(0);
      expect([used, peak, times], name).to.deep.equal([0, 0, 0]);
    }
  });

  it("count logins, their 9P sessions' fids and binds, and remember them when they are over", () => {
    const all = new TestHive();
    const login = all.operator();
    const queen = all.visit(login);
    for (let i = 0; i < 3; i++) queen.opened("/log/queen.log");
    queen.echo('{"bind":{"from":"/log","to":"/a"}}\n', "/queen/ctl");
    expect(pool(all, "login.sessions")).to.deep.equal([1, 18, 1, 0]);
    // The attach root and three files; the fid of the echo is closed.
    expect(pool(all, "9p.fids")).to.deep.equal([4, 64, 5, 0]);
    expect(pool(all, "login.mounts")).to.deep.equal([1, 8, 1, 0]);
    login.close();
    expect(pool(all, "login.sessions")).to.deep.equal([0, 18, 1, 0]);
    expect(pool(all, "9p.fids")).to.deep.equal([0, 64, 5, 0]);
    expect(pool(all, "login.mounts")).to.deep.equal([0, 8, 1, 0]);
  });

  it("count what a session was refused: fids, requests that wait, mounts", () => {
    const all = new TestHive({ limits: { fids: 4, tags: 2, mounts: 1 } });
    const queen = all.visit(all.operator());
    for (const at of ["/a", "/b"]) queen.echo(`{"bind":{"from":"/log","to":"${at}"}}\n`, "/queen/ctl");
    expect(pool(all, "login.mounts")).to.deep.equal([1, 1, 1, 1]);
    const follow = queen.opened("/log/queen.log.follow");
    const end = queen.cat("/log/queen.log").length;
    for (let i = 0; i < 3; i++) queen.readLater(follow, end + 1000);
    expect(pool(all, "9p.tags")).to.deep.equal([2, 2, 2, 1]);
    expect(pool(all, "follow.waiters")).to.deep.equal([2, 64, 2, 0]);
  });

  it("count fids beyond the bound", () => {
    const all = new TestHive({ limits: { fids: 4 } });
    const queen = all.visit(all.operator());
    for (let i = 0; i < 3; i++) queen.opened("/log/queen.log");
    expect(queen.open("/log/queen.log")).to.equal("!EBUSY");
    const [used, of, peak, times] = pool(all, "9p.fids");
    expect([used, of, peak]).to.deep.equal([4, 4, 4]);
    expect(times).to.be.at.least(1);
  });

  it("count replies that nobody takes", () => {
    const all = new TestHive();
    const session = all.operator().open9p();
    const version = Buffer.from("1500000064ffff0020000008003950323030302e4c", "hex");
    for (let i = 0; i < 8000 && !session.heldBack; i++) session.receive(version, 0, version.length);
    session.receive(version, 0, version.length);
    const [used, of, peak, times] = pool(all, "9p.unsent");
    expect([of, times]).to.deep.equal([65_536 + 16 * 8192, 1]);
    expect(used).to.equal(peak).and.be.greaterThan(50_000);
  });

  it("count logins that found no place", () => {
    const all = new TestHive({ limits: { sessions: 2 } });
    for (const role of ["observer", "queen"] as const) all.login(role);
    expect(all.refusal("observer", all.ticket("observer"))).to.equal("busy 0");
    expect(pool(all, "login.sessions")).to.deep.equal([2, 4, 2, 1]);
    expect(all.attach("queen", TOKEN, SERIAL).kind).to.equal("admitted");
  });

  it("count workers, their rings and their own 9P sessions, and remember them when they are over", () => {
    const all = new TestHive();
    const queen = all.visit(all.operator());
    queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl");
    all.pass(3000);
    expect(pool(all, "worker.arenas").slice(0, 3)).to.deep.equal([1, 64, 1]);
    const [used, of, peak, times] = pool(all, "worker.telemetry");
    expect([of, times]).to.deep.equal([65_536, 0]);
    expect(used).to.equal(peak).and.be.greaterThan(0);
    expect(pool(all, "worker.9p.fids")[0]).to.be.greaterThan(0);
    queen.echo('{"kill":"worker-1"}\n', "/queen/ctl");
    expect(pool(all, "worker.arenas").slice(0, 3)).to.deep.equal([0, 64, 1]);
    expect(pool(all, "worker.telemetry")).to.deep.equal([0, 65_536, peak, 0]);
    expect(pool(all, "worker.9p.fids")[0]).to.equal(0);
    expect(pool(all, "worker.9p.fids")[2]).to.be.greaterThan(0);
  });

  it("count tickets, sources of wrong ones, and verified texts", () => {
    const all = new TestHive();
    all.login("observer", all.ticket("observer", { subject: "one" }));
    all.refusal("queen", "wrong");
    all.refusal("queen", "wrong", { ...TCP, throttle: 77 });
    expect(pool(all, "roles.tickets")).to.deep.equal([1, 320, 1, 0]);
    expect(pool(all, "roles.verified")).to.deep.equal([1, 64, 1, 0]);
    expect(pool(all, "roles.sources")).to.deep.equal([2, 64, 2, 0]);
    for (let i = 0; i < 70; i++) all.refusal("queen", "wrong", { ...TCP, throttle: 1000 + i });
    expect(pool(all, "roles.sources")).to.deep.equal([64, 64, 64, 8]);
  });

  it("count what the audit log forgets", () => {
    const all = new TestHive({ limits: { namespace: { logBytes: 4096 } } });
    const queen = all.visit(all.operator());
    expect(pool(all, "log.queen")[3]).to.equal(0);
    for (let i = 0; i < 100; i++) queen.echo(`line ${i}\n`, "/log/queen.log");
    const [used, of, peak, times] = pool(all, "log.queen");
    expect(used).to.be.within(1, 4096);
    expect([of, peak]).to.deep.equal([4096, 4096]);
    expect(times).to.be.greaterThan(0);
  });
});
