import { expect } from "chai";
import { AUDIT_BURST } from "../../../services/log/audit-log.ts";
import { WAITS } from "../ninedoor/support.ts";
import { SERIAL, TCP, TestHive, TOKEN } from "./support.ts";

describe("hive: logins", () => {
  it("takes the operator's token for a Queen's ticket on a local line, and nowhere else", () => {
    const all = new TestHive();
    const operator = all.operator();
    expect([operator.number, operator.view.grant.role]).to.deep.equal([1, "queen"]);
    expect(all.refusal("queen", TOKEN)).to.equal("denied 0");
    expect(all.refusal("observer", TOKEN, SERIAL)).to.equal("denied 0");
    expect(all.refusal("queen", "", SERIAL)).to.equal("denied 250");
    expect(all.refusal("queen", `${TOKEN}x`, SERIAL)).to.equal("denied 500");
    expect(all.log()).to.deep.equal([
      "login: admitted role=queen session=1 from=serial by=token",
      "login: refused role=queen why=wrong credential from=tcp 10.0.2.2",
      "login: refused role=observer why=wrong credential from=serial",
      "login: refused role=queen why=wrong credential from=serial",
      "login: refused role=queen why=wrong credential from=serial",
    ]);
  });

  it("admits a right ticket whatever was tried before, and slows down wrong ones by their source", () => {
    const all = new TestHive();
    const answers = [1, 2, 3, 4].map(() => all.refusal("queen", "cohesix-ticket-00.00"));
    expect(answers).to.deep.equal(["denied 0", "denied 250", "denied 500", "rate-limited 90000"]);
    expect(all.refusal("queen", "cohesix-ticket-00.00", SERIAL)).to.equal("denied 0");
    expect(all.refusal("queen", all.ticket("queen"))).to.equal("admitted");
    const [line] = all.log();
    expect(line).to.equal("login: refused role=queen why=wrong credential from=tcp 10.0.2.2");
    expect(all.log().join()).to.not.contain("cohesix-ticket");
  });

  it("gives the same answer whichever byte of a ticket is wrong", () => {
    const good = new TestHive().ticket("observer", { subject: "ops" });
    const answers = new Set<string>();
    for (let at = 0; at < good.length; at++) {
      const all = new TestHive();
      const changed = good.slice(0, at) + (good[at] === "0" ? "1" : "0") + good.slice(at + 1);
      answers.add(all.refusal("observer", changed));
      answers.add(all.refusal("observer", good.slice(0, at), SERIAL));
      expect(all.log().map((line) => line.replace(/ from=.*/, ""))).to.deep.equal([
        "login: refused role=observer why=wrong credential",
        "login: refused role=observer why=wrong credential",
      ]);
    }
    expect([...answers]).to.deep.equal(["denied 0"]);
  });

  it("answers a good ticket for another role like a wrong one, and an expired one as expired", () => {
    const all = new TestHive();
    expect(all.refusal("queen", all.ticket("observer"))).to.equal("denied 0");
    const short = all.ticket("observer", { ttlS: 10 });
    expect(all.refusal("observer", short)).to.equal("admitted");
    all.pass(10_000);
    expect(all.refusal("observer", short)).to.equal("expired 0");
    expect(all.hive.throttle.counters.failed).to.equal(1);
    expect(all.log()).to.include("login: ticket refused role=observer why=its time (ttl_s) is over from=tcp 10.0.2.2");
  });

  it("shows what a ticket mounts from the login on, and says in the log when it cannot", () => {
    const all = new TestHive();
    const mounted = all.ticket("observer", { mountService: "log", mountAt: "/audit" });
    const visitor = all.visit(all.login("observer", mounted));
    expect(visitor.list("/audit")).to.include("queen.log");
    expect(all.visit(all.login("observer")).list("/")).to.not.include("audit");
    const nowhere = all.ticket("queen", { mountService: "gpu-bridge", mountAt: "/none/gpu" });
    expect(all.refusal("queen", nowhere)).to.equal("admitted");
    expect(all.log().join("\n")).to.match(
      /login: mount of the ticket refused service=gpu-bridge at=\/none\/gpu why=NotFound session=\d+/,
    );
  });

  it("shows what a ticket mounts of a service that is not there as busy until it is", () => {
    const all = new TestHive();
    const away = all.ticket("queen", { mountService: "gpu-bridge", mountAt: "/gpu" });
    const queen = all.visit(all.login("queen", away));
    expect(queen.list("/")).to.include("gpu");
    expect(queen.cat("/gpu/GPU-0/info")).to.equal("!EBUSY");
    const { services } = all.hive.namespace;
    services.add("gpu-bridge", { home: ["gpu"], root: services.find("log")!.root });
    expect(queen.list("/gpu")).to.include("queen.log");
  });

  it("has room for sixteen, says busy to the seventeenth, and has room again when one has left", () => {
    const all = new TestHive();
    const sessions = Array.from({ length: 15 }, () => all.login("observer"));
    expect(all.refusal("observer", all.ticket("observer"))).to.equal("busy 0");
    // The last place is a Queen's.
    all.login("queen");
    expect(all.refusal("queen", all.ticket("queen"))).to.equal("busy 0");
    expect(all.refusal("observer", all.ticket("observer"))).to.equal("busy 0");
    expect(all.refusal("queen", "wrong")).to.equal("denied 0");
    sessions[3]!.close();
    sessions[3]!.close();
    expect(all.login("observer").number).to.equal(17);
    expect(all.hive.sessions().length).to.equal(16);
    expect(all.log()).to.include("login: refused role=observer why=too many sessions from=tcp 10.0.2.2");
    expect(all.log()).to.include("login: ended role=observer session=4");
  });

  it("has places on local lines that logins of the network do not take, nor the other way round", () => {
    const all = new TestHive({ limits: { sessions: 2 } });
    for (const [role, source] of [
      ["observer", TCP],
      ["observer", SERIAL],
      ["queen", TCP],
      ["observer", SERIAL],
    ] as const)
      expect(all.refusal(role, all.ticket(role), source)).to.equal("admitted");
    for (const source of [TCP, SERIAL])
      expect(all.refusal("observer", all.ticket("observer"), source)).to.equal("busy 0");
  });

  it("checks the operator's token where it opens a connection, as carefully as a login", () => {
    const all = new TestHive();
    const { hive } = all;
    expect(hive.authenticate(TOKEN, TCP)).to.deep.equal({ kind: "authenticated" });
    const answers = ["", "operator-toke", `${TOKEN}s`, TOKEN.toUpperCase()].map((token) =>
      hive.authenticate(token, TCP),
    );
    expect(answers).to.deep.equal([
      { kind: "refused", tag: "denied", delayMs: 0 },
      { kind: "refused", tag: "denied", delayMs: 250 },
      { kind: "refused", tag: "denied", delayMs: 500 },
      { kind: "refused", tag: "rate-limited", delayMs: 90_000 },
    ]);
    expect(hive.authenticate(TOKEN, TCP).kind).to.equal("authenticated");
    expect(hive.sessions()).to.deep.equal([]);
    expect(all.log()).to.deep.equal([
      "login: authenticated from=tcp 10.0.2.2",
      ...new Array<string>(4).fill("login: refused AUTH why=wrong token from=tcp 10.0.2.2"),
      "login: authenticated from=tcp 10.0.2.2",
    ]);
  });

  it("sums up who comes and goes with a low role's ticket, and writes down what a Queen does all the same", () => {
    const all = new TestHive();
    const ticket = all.ticket("observer");
    expect(all.visit(all.login("observer", ticket)).walk("/queen/ctl")).to.equal("!EPERM");
    for (let i = 0; i < 20_000; i++) {
      all.hive.authenticate(TOKEN, TCP);
      all.login("observer", ticket).close();
    }
    all.login("queen").close();
    const log = all.log();
    expect(log[1]).to.match(/^audit: denied walk path=\/queen.* session=1$/);
    expect(log.length).to.equal(1 + AUDIT_BURST + 2);
    expect(log.slice(-2)).to.deep.equal([
      "login: admitted role=queen session=20002 from=tcp 10.0.2.2 by=ticket",
      "login: ended role=queen session=20002",
    ]);
    all.pass(1000);
    all.login("observer", ticket);
    expect(all.log().at(-1)).to.match(/^login: admitted role=observer .* unlogged=\d{5}$/);
  });

  it("sums up refusals beyond a rate, so that nobody flushes the log with them", () => {
    const all = new TestHive();
    for (let i = 0; i < 1000; i++) all.attach("queen", "x", { name: `tcp ${i}`, throttle: i, local: false });
    expect(all.log().length).to.equal(AUDIT_BURST);
    all.pass(1000);
    all.attach("queen", "x");
    expect(all.log().at(-1)).to.match(/from=tcp 10\.0\.2\.2 unlogged=872$/);
  });

  it("sums up connections that are opened beyond a rate, apart from refusals", () => {
    const all = new TestHive();
    for (let i = 0; i < 1000; i++) all.hive.authenticate(TOKEN, TCP);
    expect(all.log().length).to.equal(AUDIT_BURST);
    all.hive.authenticate("wrong", TCP);
    expect(all.log().at(-1)).to.equal("login: refused AUTH why=wrong token from=tcp 10.0.2.2");
    all.pass(1000);
    all.hive.authenticate(TOKEN, TCP);
    expect(all.log().at(-1)).to.equal("login: authenticated from=tcp 10.0.2.2 unlogged=872");
  });
});

describe("hive: what a login may use up", () => {
  it("answers the request that uses up the budget, and revokes the session in the next turn", () => {
    const all = new TestHive();
    const session = all.login("observer", all.ticket("observer", { ops: 6 }));
    const told: string[] = [];
    session.onRevoked(({ why }) => told.push(why));
    const visitor = all.visit(session);
    const follow = visitor.opened("/log/queen.log.follow");
    const waiting = visitor.readLater(follow, all.hive.queenLog.ring.end);
    const log = visitor.opened("/log/queen.log");
    expect([waiting.result, visitor.read(log, 0, 5), visitor.read(log, 5, 1)]).to.deep.equal([WAITS, "[   0", "."]);
    expect(visitor.read(log, 0)).to.equal("!ESHUTDOWN");
    all.pass(0);
    visitor.pump();
    expect(waiting.result).to.equal("!ESHUTDOWN");
    expect(visitor.open("/")).to.equal("!ESHUTDOWN");
    expect(told).to.deep.equal(["its requests (ops) are used up"]);
    expect(session.revoked?.tag).to.equal("revoked");
    expect(all.hive.sessions()).to.deep.equal([]);
    expect(all.log().at(-1)).to.equal("login: revoked role=observer session=1 why=its requests (ops) are used up");
    session.onRevoked(({ tag }) => told.push(tag));
    expect(told.at(-1)).to.equal("revoked");
    expect(session.open9p().ended).to.equal(false);
  });

  it("ends all sessions of a ticket when its time is over", () => {
    const all = new TestHive();
    const ticket = all.ticket("observer", { ttlS: 60 });
    const visitors = [all.login("observer", ticket), all.login("observer", ticket)].map((one) => all.visit(one));
    const other = all.visit(all.login("observer"));
    all.pass(59_999);
    expect(visitors.map((one) => one.cat("/proc/time"))).to.deep.equal(
      [0, 1].map(() => "uptime_ms 59999\nunix_ms 1700000059999\n"),
    );
    all.pass(1);
    expect(visitors.map((one) => one.cat("/proc/time"))).to.deep.equal(["!ESHUTDOWN", "!ESHUTDOWN"]);
    expect(other.cat("/proc/time")).to.match(/^uptime_ms 60000/);
    expect(all.timers.nextUs()).to.equal(Infinity);
  });

  it("tells nobody of a login that its owner closed", () => {
    const all = new TestHive();
    const session = all.login("observer", all.ticket("observer", { ttlS: 60 }));
    let told = 0;
    session.onRevoked(() => told++);
    const served = session.open9p();
    session.close();
    expect(served.ended).to.equal(true);
    all.pass(60_000);
    expect([told, session.revoked]).to.deep.equal([0, undefined]);
  });

  it("serves one login at most four 9P sessions at a time", () => {
    const session = new TestHive().login("observer");
    const open = [1, 2, 3, 4].map(() => session.open9p());
    expect(() => session.open9p()).to.throw("4 9P sessions of one login");
    open[1]!.close();
    expect(session.open9p().ended).to.equal(false);
  });
});

describe("hive: commands", () => {
  it("binds in the session that asks, for the Queen alone, and audits both", () => {
    const all = new TestHive();
    const queen = all.visit(all.operator());
    const other = all.visit(all.operator());
    const observer = all.visit(all.login("observer"));
    expect(queen.echo('{"bind":{"from":"/proc","to":"/queen"}}\n', "/queen/ctl")).to.equal("40");
    expect(queen.cat("/queen/time")).to.match(/^uptime_ms /);
    expect(other.list("/queen")).to.deep.equal(["ctl"]);
    expect(observer.open("/queen/ctl", 1)).to.equal("!EPERM");
    expect(all.log().slice(3)).to.deep.equal([
      "queen: session 1 (queen): bind from=/proc to=/queen",
      "audit: denied walk path=/queen role=observer why=not-granted session=3",
    ]);
  });

  it("does one line of a write, so that no turn gets long, and says which was bad", () => {
    const all = new TestHive();
    const queen = all.visit(all.operator());
    const ctl = queen.opened("/queen/ctl", 1);
    const mount = (at: string): string => `{"mount":{"service":"proc","at":"${at}"}}\n`;
    const both = mount("/a") + mount("/b");
    expect(queen.write(ctl, both)).to.equal(String(mount("/a").length));
    expect(queen.write(ctl, mount("/b"))).to.equal(String(mount("/b").length));
    const bad = '{"mount":{"service":"none","at":"/d"}}\n';
    const three = mount("/c") + bad + mount("/e");
    expect(queen.write(ctl, three)).to.equal(String(mount("/c").length));
    // A client sends again what was not taken, and learns about the bad line alone.
    expect(queen.write(ctl, bad + mount("/e"))).to.equal("!ENOENT");
    expect(queen.write(ctl, mount("/e"))).to.equal(String(mount("/e").length));
    expect(queen.list("/")).to.deep.equal(["proc", "log", "queen", "worker", "a", "b", "c", "e"]);
    expect(all.hive.control.counters).to.include({ lines: 5, done: 4, refused: 1 });
  });
});

describe("hive: its counters", () => {
  it("stand below /proc/9p, a name and a value on each line", () => {
    const all = new TestHive();
    const queen = all.visit(all.operator());
    all.login("observer", all.ticket("observer", { subject: "ops" }));
    all.refusal("queen", "wrong");
    queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl");
    queen.echo('{"kill":"worker-7"}\n', "/queen/ctl");
    expect(queen.list("/proc/9p")).to.include.members(["sessions", "ninedoor", "roles", "queen", "workers"]);
    expect(queen.cat("/proc/9p/sessions")).to.equal(
      "sessions 2\nmost 16\nopened 2\nclosed 0\nrevoked 0\nrefused 0\nhigh_water 2\n" +
        "session 1 queen - serial\nsession 2 observer ops tcp 10.0.2.2\n",
    );
    expect(queen.cat("/proc/9p/queen")).to.equal("lines 2\ndone 1\nrefused 1\nmalformed 0\nclamped 0\n");
    expect(queen.cat("/proc/9p/roles"))
      .to.include("login_wrong 1\n")
      .and.include("ledger_size 2\nledger_capacity 256\n");
    expect(queen.cat("/proc/9p/ninedoor")).to.match(/^denied 0\n(?:[a-z_]+ \d+\n)+$/);
    expect(queen.cat("/proc/9p/workers")).to.match(
      /^workers 1\nmost 64\nspawned 1\n(?:[a-z_]+ \d+\n)+worker worker-1 starting worker\n$/,
    );
  });
});
