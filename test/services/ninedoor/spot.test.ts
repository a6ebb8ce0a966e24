import { expect } from "chai";
import fc from "fast-check";
import { Spot, Spots } from "../../../services/ninedoor/spot.ts";
import { Grant } from "../../../services/roles/grant.ts";
import { Account, DEFAULT_BUDGETS } from "../../../services/roles/budget.ts";

describe("spots", () => {
  it("stand for the path that was walked, whatever was walked before and pushed out", () => {
    const name = fc.constantFrom("proc", "boot", "log", "worker-1", "worker-2", "worker-11", "é", "a", "self");
    fc.assert(
      fc.property(fc.array(fc.array(name, { maxLength: 8 }), { maxLength: 40 }), (paths) => {
        const spots = new Spots();
        for (const path of paths) {
          let spot = spots.root;
          for (const step of path) spot = spots.below(spot, step);
          expect(spot.visible).to.deep.equal(path);
          expect(spot.names).to.equal(spot.visible);
        }
      }),
    );
  });

  it("are the same one while they are in the table", () => {
    const spots = new Spots();
    const proc = spots.below(spots.root, "proc");
    expect(spots.below(spots.root, "proc")).to.equal(proc);
    expect(spots.below(proc, "proc")).not.to.equal(proc);
    expect(spots.below(spots.root, "log")).not.to.equal(proc);
  });

  it("below a mount are known to the policy by what is mounted there", () => {
    const spot = new Spots().below(new Spot(["here"], ["log"]), "queen.log");
    expect([spot.visible, spot.names]).to.deep.equal([
      ["here", "queen.log"],
      ["log", "queen.log"],
    ]);
  });

  it("keep what is granted for good, and nothing that a lease grants", () => {
    const grant = new Grant("worker-gpu", "worker-1", new Account(DEFAULT_BUDGETS["worker-gpu"], 0), [], undefined);
    const always = (...question: Parameters<Grant["always"]>): boolean => grant.always(...question);
    const info = new Spot(["gpu", "GPU-0", "info"], ["gpu", "GPU-0", "info"]);
    expect(grant.decide("read", info.names, { isLessee: () => true })).to.equal("granted");
    info.learn("read", always);
    expect(info.grants("read")).to.equal(false);
    const boot = new Spot(["proc", "boot"], ["proc", "boot"]);
    expect(boot.grants("read")).to.equal(false);
    boot.learn("read", always);
    boot.learn("append", always);
    expect([boot.grants("read"), boot.grants("append"), boot.grants("walk")]).to.deep.equal([true, false, false]);
  });
});
