import { expect } from "chai";
import { O_RDONLY, O_WRONLY } from "../../../services/secure9p/constants.ts";
import { type Visitor, WAITS } from "../ninedoor/support.ts";
import { expectNoErrors, TestHive } from "./support.ts";

const CTL = "/queen/ctl";

afterEach(expectNoErrors);

/** A hive with a Queen at the machine. */
function hive(setup?: ConstructorParameters<typeof TestHive>[0]): {
  all: TestHive;
  queen: Visitor;
  /** Commands to `/queen/ctl`. @returns "" or why it was refused */
  order: (command: object) => string;
  /** Lines of the audit log about workers. */
  ends: () => string[];
} {
  const all = new TestHive(setup);
  const queen = all.visit(all.operator());
  const order = (command: object): string => queen.echo(`${JSON.stringify(command)}\n`, CTL).replace(/^\d+$/, "");
  return { all, queen, order, ends: () => all.log().filter((line) => line.startsWith("worker: ")) };
}

describe("hive: a worker's life", () => {
  it("is spawned by a line, seen by its telemetry, and killed by a line", () => {
    const { all, queen } = hive();
    const ctl = queen.opened(CTL, O_WRONLY);
    expect(queen.write(ctl, '{"spawn":"heartbeat"}\n')).to.equal("22");
    expect(queen.list("/worker")).to.deep.equal(["worker-1"]);
    all.pass(2500);
    expect(queen.cat("/worker/worker-1/telemetry")).to.equal("heartbeat 1\nheartbeat 2\nheartbeat 3\n");
    const follow = queen.opened("/worker/worker-1/telemetry.follow");
    expect(queen.read(follow, 0)).to.equal("heartbeat 1\nheartbeat 2\nheartbeat 3\n");
    const next = queen.readLater(follow, 36);
    expect(next.result).to.equal(WAITS);
    all.pass(1000);
    queen.pump();
    expect(next.result).to.equal("heartbeat 4\n");
    const last = queen.readLater(follow, 48);
    expect(queen.write(ctl, '{"kill":"worker-1"}\n')).to.equal("20");
    expect(queen.list("/worker")).to.deep.equal([]);
    expect(last.result).to.equal("!ESHUTDOWN");
    expect(queen.read(follow, 36)).to.equal("heartbeat 4\n");
    expect(queen.echo('{"kill":"worker-1"}\n', CTL)).to.equal("!ENOENT");
    expect([all.components.size, all.supervisor.list().length]).to.deep.equal([0, 0]);
    expect(all.log()).to.deep.equal([
      "login: admitted role=queen session=1 from=serial by=token",
      "queen: session 1 (queen): spawn heartbeat id=worker-1",
      "worker: worker-1 killed; destroyed",
      "queen: session 1 (queen): kill id=worker-1",
      "queen: session 1 (queen): kill id=worker-1 refused, NotFound",
    ]);
    expect(all.bootLog.lines).to.deep.equal(["worker-1: killed; destroyed, 1280 KiB returned"]);
    expect(all.errors).to.deep.equal([]);
  });

  it("says in its status and trace how it is and what it was told", () => {
    const { all, queen, order, ends } = hive();
    order({ spawn: "heartbeat", budget: { ttl_s: 60, ops: 100, ticks: 50 }, priority: "control" });
    expect(queen.cat("/worker/worker-1/status")).to.match(/^state starting\nkind heartbeat\nband control\n/);
    all.pass(1500);
    expect(queen.cat("/worker/worker-1/status")).to.equal(
      "state waiting\nkind heartbeat\nband control\nttl_s_left 59\nops_left 93\nticks_left 48\nops_used 7\nticks_used 2\n",
    );
    expect(queen.echo("pause\n", "/worker/worker-1/ctl")).to.equal("6");
    all.pass(10_000);
    expect(queen.cat("/worker/worker-1/status")).to.match(/^state paused\n/);
    expect(queen.cat("/worker/worker-1/telemetry")).to.equal("heartbeat 1\nheartbeat 2\n");
    queen.echo("resume\n", "/worker/worker-1/ctl");
    all.pass(100);
    expect(queen.cat("/worker/worker-1/telemetry")).to.equal("heartbeat 1\nheartbeat 2\nheartbeat 3\n");
    order({ set_budget: { worker: "worker-1", ops: 200 } });
    const trace = queen.opened("/worker/worker-1/trace");
    order({ kill: "worker-1" });
    expect(queen.read(trace, 0).replace(/^\d+ /gm, "")).to.equal(
      "spawned band=control ttl_s=60 ops=100 ticks=50\nstarted\npause\nresume\n" +
        "budget ttl_s=60 ops=200 ticks=50\nkilled\n",
    );
    expect(ends()).to.deep.equal([
      "worker: worker-1 paused by session 1 (queen)",
      "worker: worker-1 resumed by session 1 (queen)",
      "worker: worker-1 killed; destroyed",
    ]);
  });

  it("is paused also while it waits for its turn, and still dies of its time", () => {
    const { all, queen, order, ends } = hive();
    order({ spawn: "heartbeat", budget: { ttl_s: 5 } });
    queen.echo("pause\n", "/worker/worker-1/ctl");
    all.pass(4000);
    expect(queen.cat("/worker/worker-1/telemetry")).to.equal("");
    all.pass(1000);
    expect(ends().at(-1)).to.equal("worker: worker-1 revoked: its time (ttl_s) is over; destroyed");
    expect(all.components.size).to.equal(0);
  });

  it("takes no job and nothing that is no command, and tells the two apart", () => {
    const { queen, order } = hive();
    order({ spawn: "heartbeat" });
    const ctl = queen.opened("/worker/worker-1/ctl", O_WRONLY);
    expect(queen.write(ctl, 'job {"job":"jid-1"}\n')).to.equal("!EOPNOTSUPP");
    for (const line of ["", "PAUSE", "pause ", "kill", "job", "\u0000"]) {
      expect(queen.write(ctl, `${line}\n`), line).to.equal("!EINVAL");
    }
    expect(queen.write(ctl, Uint8Array.of(0xff, 0x0a))).to.equal("!EINVAL");
    expect(order({ spawn: "gpu", lease: { gpu_id: "GPU-0", mem_mb: 1, streams: 1, ttl_s: 1 } })).to.equal("!EBUSY");
  });

  it("ends by itself after the heartbeats that were asked for", () => {
    const { all, queen, order, ends } = hive();
    order({ spawn: "heartbeat", ticks: 3 });
    const telemetry = queen.opened("/worker/worker-1/telemetry");
    all.pass(10_000);
    expect(queen.read(telemetry, 0)).to.equal("heartbeat 1\nheartbeat 2\nheartbeat 3\n");
    expect(queen.read(telemetry, 36)).to.equal("!ESHUTDOWN");
    expect(ends()).to.deep.equal(["worker: worker-1 finished; destroyed"]);
    expect(queen.cat("/proc/9p/workers")).to.match(/^workers 0\nmost 64\nspawned 1\nrefused 0\nfinished 1\n/);
    expect(queen.cat("/proc/9p/workers")).to.match(/\nended worker-1 finished\n$/);
  });

  it("beats in JSON if the manifest says so", () => {
    const { all, queen, order } = hive({ rules: { telemetry: "json", heartbeatMs: 200 } });
    order({ spawn: "heartbeat" });
    all.pass(300);
    const lines = queen.cat("/worker/worker-1/telemetry").trim().split("\n");
    expect(lines.length).to.equal(2);
    expect(JSON.parse(lines[1]!)).to.have.keys("tick", "ts_ms");
  });
});

describe("hive: a worker's budget", () => {
  for (const [what, budget, why, until] of [
    ["time", { ttl_s: 3 }, "its time (ttl_s) is over", 3000],
    ["requests", { ops: 9 }, "its requests (ops) are used up", 4000],
    ["quanta", { ticks: 3 }, "its quanta (ticks) are used up", 4000],
  ] as const) {
    it(`revokes it when its ${what} are used up, and leaves nothing of it`, () => {
      const { all, queen, order, ends } = hive();
      const timers = all.timers.size;
      order({ spawn: "heartbeat", budget });
      const telemetry = queen.opened("/worker/worker-1/telemetry");
      const secret = all.login("worker-heartbeat", all.ticket("worker-heartbeat", { subject: "worker-1" }));
      all.pass(until);
      expect(ends()).to.deep.equal([`worker: worker-1 revoked: ${why}; destroyed`]);
      expect(all.log().at(-1)).to.equal(
        `login: revoked role=worker-heartbeat subject=worker-1 session=2 why=worker-1 revoked: ${why}`,
      );
      expect(secret.revoked?.tag).to.equal("revoked");
      expect(queen.read(telemetry, 0)).to.match(/^heartbeat 1\nheartbeat 2\n/);
      expect(queen.read(telemetry, 1000)).to.equal("!ESHUTDOWN");
      expect(queen.walk("/worker/worker-1")).to.equal("!ENOENT");
      expect([all.components.size, all.hive.ledger.size, all.timers.size]).to.deep.equal([0, 0, timers]);
    });
  }

  it("answers the request that uses up the operations", () => {
    const { all, queen, order } = hive();
    // Walk and open of two files, a heartbeat, a yield, a heartbeat.
    order({ spawn: "heartbeat", budget: { ops: 7 } });
    const telemetry = queen.opened("/worker/worker-1/telemetry");
    all.pass(5000);
    expect(queen.read(telemetry, 0)).to.equal("heartbeat 1\nheartbeat 2\n");
  });

  it("can be changed while it lives, in both directions, cut down to the maximum", () => {
    const { all, queen, order, ends } = hive();
    order({ spawn: "heartbeat", budget: { ttl_s: 2 } });
    all.pass(1500);
    expect(order({ set_budget: { worker: "worker-1", ttl_s: 100_000_000 } })).to.equal("");
    expect(all.log().at(-1)).to.equal(
      "queen: session 1 (queen): set_budget id=worker-1 ttl_s=100000000 clamped=ttl_s:86400",
    );
    all.pass(60_000);
    expect(queen.cat("/worker/worker-1/status")).to.include("ttl_s_left 86339\n");
    expect(order({ set_budget: { worker: "worker-1", ops: 1 } })).to.equal("");
    expect(order({ set_budget: { worker: "worker-1", ops: 1000 } })).to.equal("!ENOENT");
    all.pass(0);
    expect(ends()).to.deep.equal(["worker: worker-1 revoked: its requests (ops) are used up; destroyed"]);
    expect(order({ set_budget: { worker: "worker-1", ops: 1000 } })).to.equal("!ENOENT");
  });

  it("is the default of later spawns alone when it is set for them", () => {
    const { queen, order } = hive();
    order({ spawn: "heartbeat" });
    order({ budget: { ttl_s: 120, ops: 1000 } });
    order({ spawn: "heartbeat" });
    order({ spawn: "heartbeat", budget: { ops: 7 } });
    const left = (id: string): string =>
      queen
        .cat(`/worker/${id}/status`)
        .split("\n")
        .filter((line) => line.includes("_left"))
        .join(" ");
    expect(left("worker-1")).to.equal("ttl_s_left 300 ops_left 10000 ticks_left 1000");
    expect(left("worker-2")).to.equal("ttl_s_left 120 ops_left 1000 ticks_left 1000");
    expect(left("worker-3")).to.equal("ttl_s_left 120 ops_left 7 ticks_left 1000");
  });
});

describe("hive: tickets of workers", () => {
  it("lets one who logs in as a worker do what the worker may, and bind nothing", () => {
    const { all, queen, order } = hive();
    order({ spawn: "heartbeat" });
    order({ spawn: "heartbeat" });
    const login = all.login("worker-heartbeat", all.ticket("worker-heartbeat", { subject: "worker-1" }));
    const worker = all.visit(login);
    expect(worker.echo("by hand\n", "/worker/self/telemetry")).to.equal("8");
    expect(worker.open("/worker/worker-2/telemetry", O_WRONLY)).to.equal("!EPERM");
    expect(login.view.bind("/proc", "/shadow")?.code).to.equal("EPERM");
    expect(login.view.mount("proc", "/shadow")?.code).to.equal("EPERM");
    expect(worker.open(CTL, O_WRONLY)).to.equal("!EPERM");
    expect(queen.cat("/worker/worker-1/telemetry")).to.equal("by hand\n");
    expect(all.log().filter((line) => line.startsWith("audit: "))).to.deep.equal([
      "audit: denied walk path=/worker/worker-2 role=worker-heartbeat subject=worker-1 why=another-worker session=2",
      "audit: denied bind path=/shadow role=worker-heartbeat subject=worker-1 why=not-granted session=2",
      "audit: denied mount path=/shadow role=worker-heartbeat subject=worker-1 why=not-granted session=2",
      "audit: denied walk path=/queen role=worker-heartbeat subject=worker-1 why=not-granted session=2",
    ]);
  });

  it("takes none from before the spawn, from another boot, or after the kill", () => {
    const { all, order } = hive();
    const ticket = (issuedAtMs: number): string => all.ticket("worker-heartbeat", { subject: "worker-1", issuedAtMs });
    expect(all.refusal("worker-heartbeat", ticket(all.unixMs))).to.equal("revoked 0");
    all.pass(5000);
    order({ spawn: "heartbeat" });
    expect(all.refusal("worker-heartbeat", ticket(all.unixMs - 1))).to.equal("denied 0");
    expect(all.refusal("worker-heartbeat", ticket(0))).to.equal("denied 250");
    const good = ticket(all.unixMs + 1500);
    expect(all.refusal("worker-heartbeat", good)).to.equal("admitted");
    order({ kill: "worker-1" });
    expect(all.refusal("worker-heartbeat", good)).to.equal("revoked 0");
    all.pass(0);
    expect(all.hive.sessions().map(({ view }) => view.grant.role)).to.deep.equal(["queen"]);
  });

  it("shows a session's mounts to that session alone", () => {
    const { all, queen, order } = hive();
    order({ spawn: "heartbeat" });
    const other = all.visit(all.operator());
    expect(order({ bind: { from: "/worker", to: "/shadow" } })).to.equal("");
    expect(order({ mount: { service: "proc", at: "/queen" } })).to.equal("");
    expect(queen.list("/shadow")).to.deep.equal(["worker-1"]);
    expect(other.walk("/shadow")).to.equal("!ENOENT");
    expect(other.list("/queen")).to.deep.equal(["ctl"]);
    expect(queen.open(CTL, O_WRONLY)).to.equal("!ENOENT");
    expect(other.open(CTL, O_RDONLY)).to.be.a("number");
  });
});
