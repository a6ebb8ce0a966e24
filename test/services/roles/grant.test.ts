import { expect } from "chai";
import { Account, DEFAULT_BUDGETS } from "../../../services/roles/budget.ts";
import { Grant } from "../../../services/roles/grant.ts";
import type { Claims } from "../../../services/roles/ticket.ts";
import { claims, leases } from "./support.ts";

const S = 1_000_000;
const grant = (changes: Partial<Claims>): Grant =>
  Grant.ofTicket(claims(changes), new Account(DEFAULT_BUDGETS.queen, 0));
const NONE = leases();

describe("Grant", () => {
  it("may what its role may if its ticket has no scopes", () => {
    const queen = grant({});
    expect(queen.decide("append", ["queen", "ctl"], NONE)).to.equal("granted");
    expect(queen.decide("append", ["worker", "worker-1", "telemetry"], NONE)).to.equal("not-granted");
    for (let i = 0; i < 1000; i++) expect(queen.takeRate("read", ["proc", "boot"], 0)).to.equal(true);
  });

  it("is narrowed by scopes, and never widened", () => {
    const observer = grant({
      role: "observer",
      scopes: [
        { path: "/proc/net", verb: "both", ratePerSecond: 0 },
        { path: "/queen/ctl", verb: "both", ratePerSecond: 0 },
      ],
    });
    expect(observer.decide("read", ["proc", "net", "tcp"], NONE)).to.equal("granted");
    expect(observer.decide("walk", ["proc"], NONE)).to.equal("granted");
    expect(observer.decide("read", ["proc", "boot"], NONE)).to.equal("out-of-scope");
    expect(observer.decide("append", ["queen", "ctl"], NONE)).to.equal("not-granted");
    expect(observer.decide("append", ["log", "queen.log"], NONE), "the role's word comes first").to.equal(
      "not-granted",
    );
  });

  it("keeps a scope's rate, which fills up again", () => {
    const queen = grant({
      scopes: [
        { path: "/queen/ctl", verb: "write", ratePerSecond: 2 },
        { path: "/", verb: "read", ratePerSecond: 0 },
      ],
    });
    const ask = (nowUs: number): boolean => queen.takeRate("append", ["queen", "ctl"], nowUs);
    expect([ask(0), ask(0), ask(0)]).to.deep.equal([true, true, false]);
    expect(queen.takeRate("read", ["queen", "ctl"], 0)).to.equal(true);
    expect([ask(S / 2), ask(S / 2)]).to.deep.equal([true, false]);
    expect(queen.refused).to.deep.equal({ rate: 2, quota: 0 });
  });

  it("pays for bytes as long as the quota has them, whole or not at all", () => {
    const queen = grant({ quotas: { bandwidthBytes: 100, cursorResumes: 0, cursorAdvances: 0 } });
    expect(queen.takeBytes(60)).to.equal(true);
    expect(queen.takeBytes(41)).to.equal(false);
    expect(queen.takeBytes(40)).to.equal(true);
    expect(queen.takeBytes(1)).to.equal(false);
    expect(queen.takeResume() && queen.takeAdvance()).to.equal(true);
    expect(queen.refused.quota).to.equal(2);
  });

  it("pays for reads that go back and that go on", () => {
    const queen = grant({ quotas: { bandwidthBytes: 0, cursorResumes: 1, cursorAdvances: 2 } });
    expect([queen.takeResume(), queen.takeResume()]).to.deep.equal([true, false]);
    expect([queen.takeAdvance(), queen.takeAdvance(), queen.takeAdvance()]).to.deep.equal([true, true, false]);
    expect(queen.takeBytes(2 ** 40)).to.equal(true);
  });

  it("stands for the operator at the machine without any limit", () => {
    const operator = Grant.ofOperator(0);
    expect(operator).to.include({ role: "queen", subject: "" });
    expect(operator.decide("append", ["queen", "ctl"], NONE)).to.equal("granted");
    expect(operator.account.check(2 ** 53)).to.equal(undefined);
  });

  it("knows what it may for good: what no lease, and nothing outside its scopes, takes part in", () => {
    const worker = grant({ role: "worker-gpu", subject: "worker-1" });
    expect(worker.always("read", ["proc", "boot"])).to.equal(true);
    expect(worker.always("append", ["worker", "self", "telemetry"])).to.equal(true);
    expect(worker.always("read", ["gpu", "GPU-0", "info"])).to.equal(false);
    const scoped = grant({ role: "observer", scopes: [{ path: "/log", verb: "read", ratePerSecond: 0 }] });
    expect([scoped.always("read", ["log", "queen.log"]), scoped.narrowed]).to.deep.equal([true, true]);
    expect([scoped.always("read", ["proc", "boot"]), worker.narrowed]).to.deep.equal([false, false]);
  });
});
