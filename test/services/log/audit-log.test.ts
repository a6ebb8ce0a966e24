import { expect } from "chai";
import { AUDIT_BURST, AuditLog } from "../../../services/log/audit-log.ts";
import { LineLog, ManualClock } from "../support/ports.ts";

describe("the audit log of those whom nobody has to trust", () => {
  it("has a line for each up to a burst, then one a second that says how many there were besides", () => {
    const log = new LineLog();
    const clock = new ManualClock();
    const audit = new AuditLog(log, clock);
    const written = Array.from({ length: AUDIT_BURST + 10 }, () => audit.line("login", "refused"));
    expect(written.filter((whole) => whole).length).to.equal(AUDIT_BURST);
    expect(log.lines).to.deep.equal(new Array<string>(AUDIT_BURST).fill("login: refused"));
    clock.us += 1_000_000;
    expect([audit.line("login", "refused"), audit.line("login", "refused")]).to.deep.equal([true, false]);
    clock.us += 1_000_000;
    audit.line("audit", "denied");
    expect(log.lines.slice(AUDIT_BURST)).to.deep.equal(["login: refused unlogged=10", "audit: denied unlogged=1"]);
  });

  it("is none of another's", () => {
    const log = new LineLog();
    const clock = new ManualClock();
    const [one, other] = [new AuditLog(log, clock), new AuditLog(log, clock)];
    for (let i = 0; i <= AUDIT_BURST; i++) one.line("login", "came");
    expect(other.line("audit", "denied")).to.equal(true);
    expect(log.lines.at(-1)).to.equal("audit: denied");
  });
});
