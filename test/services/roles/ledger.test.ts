import { expect } from "chai";
import fc from "fast-check";
import { DEFAULT_BUDGETS } from "../../../services/roles/budget.ts";
import type { Grant } from "../../../services/roles/grant.ts";
import { type Admission, Ledger, type WorkerIdentity } from "../../../services/roles/ledger.ts";
import type { Claims } from "../../../services/roles/ticket.ts";
import type { VerifiedTicket } from "../../../services/roles/verifier.ts";
import { claims } from "./support.ts";

const S = 1_000_000;
/** Unix time in milliseconds at which the hive's clock is 0. */
const BOOT = 1_800_000_000_000;
const unix = (nowUs: number): number => BOOT + nowUs / 1000;

function ticket(mac: string, changes: Partial<Claims> = {}): VerifiedTicket {
  return { mac, claims: claims(changes) };
}

function granted(admission: Admission): Grant {
  if (admission.kind === "refused") throw new Error(`refused: ${admission.audit}`);
  return admission.grant;
}

function refused(admission: Admission): string {
  return admission.kind === "refused" ? admission.tag : admission.kind;
}

describe("Ledger", () => {
  const living = new Map<string, WorkerIdentity>();
  const workers = { find: (id: string) => living.get(id) };
  let ledger: Ledger;
  beforeEach(() => {
    living.clear();
    ledger = new Ledger({ workers, capacity: 4, reserved: 1 });
  });

  it("gives back the same grant, so attaching again refills nothing", () => {
    const queen = ticket("q", { ops: 3, ttlS: 100 });
    const first = granted(ledger.admit(queen, "queen", 0, unix(0)));
    first.account.spendOp(S);
    const again = granted(ledger.admit(queen, "queen", 50 * S, unix(50 * S)));
    expect(again).to.equal(first);
    expect(again.account.left(50 * S)).to.deep.equal({ ttlS: 50, ops: 2, ticks: Infinity });
    again.account.spendOp(50 * S);
    again.account.spendOp(50 * S);
    expect(refused(ledger.admit(queen, "queen", 51 * S, unix(51 * S)))).to.equal("revoked");
    expect(ledger.counters).to.include({ admitted: 2, revoked: 1 });
  });

  it("keeps revoked what was revoked, and says why in the log", () => {
    const queen = ticket("q", { subject: "anna" });
    granted(ledger.admit(queen, "queen", 0, unix(0)));
    expect(ledger.revoke("q", "by order")).to.equal(true);
    expect(ledger.admit(queen, "queen", S, unix(S))).to.deep.equal({
      kind: "refused",
      tag: "revoked",
      audit: "ticket refused role=queen subject=anna why=by order",
    });
    expect(ledger.revoke("never seen", "by order")).to.equal(false);
  });

  it("counts the time of a ticket from when it was issued", () => {
    const queen = ticket("q", { ttlS: 100, issuedAtMs: BOOT - 60_000 });
    const { account } = granted(ledger.admit(queen, "queen", 10 * S, unix(10 * S)));
    expect(account.left(10 * S).ttlS).to.equal(30);
    expect(account.deadlineUs).to.equal(40 * S);
    expect(refused(ledger.admit(queen, "queen", 40 * S, unix(40 * S)))).to.equal("expired");
  });

  it("refuses what expired before its first use, and needs no room for it", () => {
    for (let i = 0; i < 10; i++) {
      const old = ticket(`old-${i}`, { ttlS: 60, issuedAtMs: BOOT - 60_000 });
      expect(refused(ledger.admit(old, "queen", 0, unix(0)))).to.equal("expired");
    }
    expect(ledger.size).to.equal(0);
  });

  for (const [what, issuedAtMs, clock] of [
    ["0", 0, true],
    ["in the future", BOOT + 3_600_000, true],
    ["whenever, as no clock tells", BOOT - 3_600_000, false],
  ] as const) {
    it(`counts the time of one issued ${what} from its first use`, () => {
      const queen = ticket("q", { ttlS: 100, issuedAtMs });
      const { account } = granted(ledger.admit(queen, "queen", 10 * S, clock ? unix(10 * S) : undefined));
      expect(account.left(10 * S).ttlS).to.equal(100);
      const later = 109 * S;
      expect(
        granted(ledger.admit(queen, "queen", later, clock ? unix(later) : undefined)).account.left(later).ttlS,
      ).to.equal(1);
      expect(refused(ledger.admit(queen, "queen", 110 * S, undefined))).to.equal("expired");
    });
  }

  it("cuts what a ticket claims down to the maximum", () => {
    const maximum = { ttlS: 60, ops: 10, ticks: 20 };
    ledger = new Ledger({ workers, maximum });
    const asked = { ttlS: 2 ** 53 - 1, ops: 2 ** 53 - 1, ticks: 2 ** 53 - 1 };
    expect(granted(ledger.admit(ticket("q", asked), "queen", 0, unix(0))).account.budget).to.deep.equal(maximum);
    const worker: WorkerIdentity = { role: "worker-gpu", spawnedAtMs: BOOT };
    living.set("worker-1", worker);
    const plain = ticket("w", { role: "worker-gpu", subject: "worker-1", issuedAtMs: BOOT });
    expect(granted(ledger.admit(plain, "worker-gpu", 0, unix(0))).account.budget).to.deep.equal(maximum);
  });

  it("leaves a Queen without budgets unlimited", () => {
    const { account } = granted(ledger.admit(ticket("q"), "queen", 0, unix(0)));
    expect(account.budget).to.deep.equal(DEFAULT_BUDGETS.queen);
  });

  it("refuses another role than the ticket's", () => {
    living.set("worker-1", { role: "worker-heartbeat", spawnedAtMs: BOOT });
    const worker = ticket("w", { role: "worker-heartbeat", subject: "worker-1", issuedAtMs: BOOT });
    for (const role of ["queen", "observer", "service", "worker-gpu"] as const) {
      expect(refused(ledger.admit(worker, role, S, unix(S))), role).to.equal("denied");
    }
    expect(refused(ledger.admit(ticket("q"), "worker-heartbeat", S, unix(S)))).to.equal("denied");
    expect(ledger.size).to.equal(0);
  });

  it("is busy when it is full, for new tickets alone, and keeps a place for a worker", () => {
    const used = [0, 1, 2, 3].map((n) => ticket(`q-${n}`, { ops: 100 }));
    for (const queen of used) granted(ledger.admit(queen, "queen", 0, unix(0)));
    expect(refused(ledger.admit(ticket("q-4"), "queen", S, unix(S)))).to.equal("busy");
    for (const queen of used) granted(ledger.admit(queen, "queen", S, unix(S)));
    const issue = (id: string): unknown =>
      ledger.issue(ticket(id, { role: "worker-heartbeat", subject: id }), DEFAULT_BUDGETS["worker-heartbeat"], S);
    expect(issue("worker-1")).to.not.equal(undefined);
    expect(issue("worker-2")).to.equal(undefined);
    expect(ledger.counters).to.include({ busy: 2, reclaimed: 0 });
    expect(ledger.size).to.equal(5);
  });

  it("is never full of tickets with nothing to run out: the oldest of them makes room, and is as good as before", () => {
    const revoked = ticket("revoked");
    granted(ledger.admit(revoked, "queen", 0, unix(0)));
    ledger.revoke("revoked", "by order");
    for (let n = 0; n < 300; n++) granted(ledger.admit(ticket(`q-${n}`), "queen", S, unix(S)));
    expect(ledger.size).to.equal(4);
    granted(ledger.admit(ticket("q-0"), "queen", S, unix(S)));
    expect(refused(ledger.admit(revoked, "queen", S, unix(S)))).to.equal("revoked");
    expect(ledger.counters.busy).to.equal(0);
  });

  it("makes room by what has expired anyway, and keeps what would be refilled", () => {
    const dated = ticket("dated", { ttlS: 100, issuedAtMs: BOOT });
    const undated = ticket("undated", { ttlS: 100 });
    const revoked = ticket("revoked", { ttlS: 1000, issuedAtMs: BOOT });
    const counted = ticket("counted", { issuedAtMs: BOOT, ops: 100 });
    for (const queen of [dated, undated, revoked, counted]) granted(ledger.admit(queen, "queen", S, unix(S)));
    ledger.revoke("revoked", "by order");
    expect(refused(ledger.admit(ticket("new"), "queen", 100 * S - 1, unix(100 * S - 1)))).to.equal("busy");
    granted(ledger.admit(ticket("new"), "queen", 200 * S, unix(200 * S)));
    expect(ledger.counters.reclaimed).to.equal(1);
    for (const [known, tag] of [
      [dated, "expired"],
      [undated, "expired"],
      [revoked, "revoked"],
    ] as const) {
      expect(refused(ledger.admit(known, "queen", 201 * S, unix(201 * S))), known.mac).to.equal(tag);
    }
  });

  describe("with a worker's ticket", () => {
    const SPAWNED = 10 * S;
    const minted = (id: string, mac = `of ${id}`): VerifiedTicket =>
      ticket(mac, { role: "worker-heartbeat", subject: id, issuedAtMs: 2 ** 52 });
    const budget = DEFAULT_BUDGETS["worker-heartbeat"];
    const spawn = (id: string): Grant => {
      const grant = ledger.issue(minted(id), budget, SPAWNED);
      if (grant === undefined) throw new Error("busy");
      living.set(id, { role: "worker-heartbeat", spawnedAtMs: unix(SPAWNED) });
      return grant;
    };
    const attach = (which: VerifiedTicket, clock = true): Admission =>
      ledger.admit(which, "worker-heartbeat", 20 * S, clock ? unix(20 * S) : undefined);
    const foreign = (issuedAtMs: number, id = "worker-1"): VerifiedTicket =>
      ticket(`foreign ${id} ${issuedAtMs}`, { role: "worker-heartbeat", subject: id, issuedAtMs });

    it("admits the one that was minted at spawn, with time running since then", () => {
      const grant = spawn("worker-1");
      expect(granted(attach(minted("worker-1")))).to.equal(grant);
      expect(grant.subject).to.equal("worker-1");
      expect(grant.account.left(20 * S).ttlS).to.equal(290);
      expect(granted(attach(minted("worker-1"), false)), "needs no clock").to.equal(grant);
    });

    it("refuses it once the worker has ended, however often it comes", () => {
      const grant = spawn("worker-1");
      living.delete("worker-1");
      ledger.endWorker("worker-1", "killed");
      expect(grant.account.check(20 * S)).to.deep.equal({ tag: "revoked", why: "killed" });
      for (let i = 0; i < 3; i++) expect(refused(attach(minted("worker-1")))).to.equal("revoked");
      expect(ledger.size).to.equal(0);
    });

    it("ends all tickets of that worker, and no other's", () => {
      spawn("worker-1");
      const other = spawn("worker-10");
      const second = granted(attach(foreign(unix(15 * S))));
      living.delete("worker-1");
      ledger.endWorker("worker-1", "killed");
      expect(second.account.check(20 * S)).to.include({ tag: "revoked" });
      expect(other.account.check(20 * S)).to.equal(undefined);
      expect(granted(attach(minted("worker-10")))).to.equal(other);
    });

    it("has the room of the ended ones again", () => {
      for (let i = 1; i <= 1000; i++) {
        spawn(`worker-${i}`);
        living.delete(`worker-${i}`);
        ledger.endWorker(`worker-${i}`, "killed");
      }
      expect(ledger.size).to.equal(0);
      expect(ledger.counters.busy).to.equal(0);
    });

    it("admits another only if it was issued between the spawn and now, by a clock that is ahead of ours by at most 2 s", () => {
      spawn("worker-1");
      granted(attach(foreign(unix(SPAWNED))));
      granted(attach(foreign(unix(20 * S))));
      granted(attach(foreign(unix(22 * S))));
      for (const issuedAtMs of [0, 1, unix(SPAWNED) - 1, unix(22 * S) + 1, 2 ** 52 + 7]) {
        expect(refused(attach(foreign(issuedAtMs))), String(issuedAtMs)).to.equal("denied");
      }
      expect(refused(attach(foreign(unix(15 * S)), false)), "no clock now").to.equal("denied");
    });

    it("refuses another if no clock told the time of the spawn", () => {
      living.set("worker-1", { role: "worker-heartbeat", spawnedAtMs: undefined });
      expect(refused(attach(foreign(unix(15 * S))))).to.equal("denied");
    });

    it("refuses that of a worker of another role, and of none", () => {
      living.set("worker-1", { role: "worker-gpu", spawnedAtMs: unix(SPAWNED) });
      expect(refused(attach(foreign(unix(15 * S))))).to.equal("denied");
      expect(refused(attach(foreign(unix(15 * S), "worker-2")))).to.equal("revoked");
    });
  });

  it("never admits a ticket for more than it holds, whatever the order of attaching", () => {
    const step = fc.record({ which: fc.nat(9), us: fc.nat(20 * S), ops: fc.nat(4) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const small = new Ledger({ workers, capacity: 4 });
        const tickets = Array.from({ length: 10 }, (_, n) =>
          ticket(`t-${n}`, { ops: 5, ttlS: 60, issuedAtMs: n % 2 === 0 ? 0 : BOOT }),
        );
        const spent = new Array<number>(10).fill(0);
        const firstUs = new Array<number | undefined>(10).fill(undefined);
        let now = 0;
        for (const { which, us, ops } of steps) {
          now += us;
          const admission = small.admit(tickets[which]!, "queen", now, unix(now));
          expect(small.size).to.be.at.most(4);
          if (admission.kind === "refused") continue;
          firstUs[which] ??= which % 2 === 0 ? now : 0;
          expect(now - firstUs[which]).to.be.below(60 * S);
          for (let i = 0; i < ops && admission.grant.account.check(now) === undefined; i++) {
            admission.grant.account.spendOp(now);
            spent[which]!++;
          }
          expect(spent[which]).to.be.at.most(5);
        }
      }),
    );
  });
});
