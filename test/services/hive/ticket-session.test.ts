import { expect } from "chai";
import { Visitor, WAITS } from "../ninedoor/support.ts";
import { expectNoErrors, TestHive } from "./support.ts";

afterEach(expectNoErrors);

/** What was queued meanwhile: the end of a login whose budget is out is a turn of its own. */
const soon = (): Promise<void> => new Promise((settle) => setImmediate(settle));

describe("hive: a session that a ticket in aname opens", () => {
  const enter = (all: TestHive, aname: string): Visitor => new Visitor(all.ticketSession(), aname);

  it("lets the ticket decide, and is a login like any other", () => {
    const all = new TestHive();
    expect(enter(all, "x").attached).to.equal("!EPERM");
    expect(enter(all, all.ticket("observer")).cat("/proc/time")).to.match(/^uptime_ms 0/);
    expect(enter(all, all.ticket("queen")).list("/queen")).to.deep.equal(["ctl"]);
    expect(enter(all, all.ticket("service", { subject: "gpu-bridge" })).attached).to.equal("!EPERM");
    expect(all.hive.sessions().map(({ view }) => view.grant.role)).to.deep.equal(["observer", "queen", "service"]);
    expect(all.log().slice(0, 2)).to.deep.equal([
      "login: refused role=queen why=wrong credential from=tcp 10.0.2.2",
      "login: admitted role=observer session=1 from=tcp 10.0.2.2 by=ticket",
    ]);
    expect(all.hive.throttle.counters.failed).to.equal(1);
  });

  it("is paid from the ticket's account, and attaching again refills nothing", async () => {
    const all = new TestHive();
    const ticket = all.ticket("observer", { ops: 4 });
    const first = enter(all, ticket);
    // Walk, open, read; then another session on the same ticket has one request left.
    const fid = first.opened("/proc/time");
    expect(first.read(fid, 0)).to.match(/^uptime_ms/);
    const second = enter(all, ticket);
    expect(second.walk("/proc")).to.be.a("number");
    expect([second.walk("/proc"), first.read(fid, 0)]).to.deep.equal(["!ESHUTDOWN", "!ESHUTDOWN"]);
    await soon();
    expect(all.hive.sessions()).to.deep.equal([]);
    expect(enter(all, ticket).attached).to.equal("!EPERM");
    expect(all.log().filter((line) => /revoked|refused/.test(line))).to.deep.equal([
      "login: revoked role=observer session=1 why=its requests (ops) are used up",
      "login: revoked role=observer session=2 why=its requests (ops) are used up",
      "login: ticket refused role=observer why=its requests (ops) are used up from=tcp 10.0.2.2",
    ]);
  });

  it("ends what waits when the ticket's time is over", () => {
    const all = new TestHive();
    const queen = all.visit(all.operator());
    queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl");
    queen.echo("pause\n", "/worker/worker-1/ctl");
    const observer = enter(all, all.ticket("observer", { ttlS: 2 }));
    const later = observer.readLater(observer.opened("/worker/worker-1/telemetry.follow"), 0);
    expect(later.result).to.equal(WAITS);
    all.pass(2001);
    observer.pump();
    expect(later.result).to.equal("!ESHUTDOWN");
    expect([observer.walk("/proc"), all.hive.sessions().length]).to.deep.equal(["!ESHUTDOWN", 1]);
  });

  it("is one login whoever it attaches as, bounded in number, and leaves none behind", () => {
    const all = new TestHive({ limits: { sessions: 2 } });
    const [ticket, other] = [all.ticket("observer"), all.ticket("queen")];
    const first = enter(all, ticket);
    const attach = (fid: number, aname: string): string =>
      first.ask((done) => first.client.attach(fid, "", aname, done)).result;
    expect([attach(40, other), attach(41, ticket)]).to.deep.equal(["!EBUSY", ""]);
    const second = enter(all, other);
    expect([second.attached, enter(all, other).attached]).to.deep.equal(["", "!EBUSY"]);
    second.session.close();
    expect(enter(all, other).attached).to.equal("");
    expect(all.hive.sessions().map(({ view }) => view.grant.role)).to.deep.equal(["observer", "queen"]);
  });
});
