import { expect } from "chai";
import { readCtl } from "../../../gpu-bridge/leases/command.ts";
import { type Lease, leaseLine, Leases } from "../../../gpu-bridge/leases/leases.ts";
import { Refused } from "../../../gpu-bridge/refused.ts";
import { ManualClock } from "../support.ts";

function said(line: string): unknown {
  const read = readCtl(line);
  return "sentence" in read ? `${read.why.name}: ${read.sentence}` : read.command;
}

describe("a line of a GPU's ctl", () => {
  it("is one of four", () => {
    const terms = { worker: "worker-1", memMb: 4096, streams: 2, ttlS: 120, priority: 0 };
    expect(said("LEASE worker-1 mem_mb=4096 streams=2 ttl_s=120")).to.deep.equal({ verb: "LEASE", terms });
    expect(said("LEASE worker-1 priority=5 ttl_s=120  streams=2 mem_mb=4096\r")).to.deep.equal({
      verb: "LEASE",
      terms: { ...terms, priority: 5 },
    });
    expect(said("RELEASE worker-1")).to.deep.equal({ verb: "RELEASE", worker: "worker-1" });
    expect(said("PRIORITY worker-1 255")).to.deep.equal({ verb: "PRIORITY", worker: "worker-1", priority: 255 });
    expect(said("RESET")).to.deep.equal({ verb: "RESET" });
  });

  for (const [line, sentence] of [
    ["", "the line is empty"],
    ["lease worker-1", '"lease" is no verb: LEASE, RELEASE, PRIORITY and RESET are'],
    ["LEASE", "the form is LEASE <worker> mem_mb=<n> streams=<n> ttl_s=<n> [priority=<n>]"],
    ["LEASE ../x mem_mb=1 streams=1 ttl_s=1", '"../x" is no worker\'s id'],
    ["LEASE w mem_mb=1 streams=1", "ttl_s is missing"],
    ["LEASE w streams=1 ttl_s=1", "mem_mb is missing"],
    ["LEASE w mem_mb=1 ttl_s=1", "streams is missing"],
    ["LEASE w mem_mb=1 mem_mb=2 streams=1 ttl_s=1", "mem_mb stands twice"],
    ["LEASE w mem_mb=0 streams=1 ttl_s=1", 'mem_mb must be a whole number from 1 to 4294967295, not "0"'],
    ["LEASE w mem_mb=-1 streams=1 ttl_s=1", 'mem_mb must be a whole number from 1 to 4294967295, not "-1"'],
    ["LEASE w mem_mb=1e3 streams=1 ttl_s=1", 'mem_mb must be a whole number from 1 to 4294967295, not "1e3"'],
    ["LEASE w mem_mb=1 streams=256 ttl_s=1", 'streams must be a whole number from 1 to 255, not "256"'],
    ["LEASE w mem_mb=1 streams=1 ttl_s=9999999999", 'ttl_s must be a whole number from 1 to 4294967295, not "9999999999"'],
    ["LEASE w mem_mb=1 streams=1 ttl_s=1 colour=2", '"colour=2" is unknown: the form is LEASE <worker> mem_mb=<n> streams=<n> ttl_s=<n> [priority=<n>]'],
    ["LEASE w mem_mb=1 streams=1 ttl_s=1 toString=2", '"toString=2" is unknown: the form is LEASE <worker> mem_mb=<n> streams=<n> ttl_s=<n> [priority=<n>]'],
    ["RELEASE", "the form is RELEASE <worker>"],
    ["RELEASE a b", "the form is RELEASE <worker>"],
    ["PRIORITY a", "the form is PRIORITY <worker> <n>"],
    ["PRIORITY a 256", 'priority must be a whole number from 0 to 255, not "256"'],
    ["RESET now", "the form is RESET"],
  ] as const) {
    it(`${JSON.stringify(line)} is refused`, () => expect(said(line)).to.equal(`Invalid: ${sentence}`));
  } // prettier-ignore
});

describe("leases of a GPU", () => {
  let clock: ManualClock;
  let leases: Leases;
  let told: string[];
  beforeEach(() => {
    clock = new ManualClock();
    told = [];
    leases = new Leases({
      memoryMb: 100,
      streams: 4,
      clock,
      changed: ({ worker, state, priority }) => told.push(`${worker} ${state} ${priority}`),
    });
  });

  function grant(worker: string, memMb = 10, streams = 1, ttlS = 10): Lease | string {
    const lease = leases.grant({ worker, memMb, streams, ttlS, priority: 0 });
    return lease instanceof Refused ? `${lease.why.name}: ${lease.sentence}` : lease;
  }

  it("fit its memory and streams together, and none more", () => {
    expect(grant("a", 60, 2)).to.not.be.a("string");
    expect(grant("b", 101, 1)).to.equal("Invalid: mem_mb=101 is more than the GPU has, 100");
    expect(grant("b", 1, 5)).to.equal("Invalid: streams=5 is more than a GPU has, 4");
    expect(grant("b", 41, 1)).to.equal("Busy: mem_mb=41 is more than is free, 40");
    expect(grant("b", 1, 3)).to.equal("Busy: streams=3 is more than are free, 2");
    expect(grant("a", 1, 1)).to.equal("Busy: a holds a lease already");
    expect(grant("b", 40, 2)).to.not.be.a("string");
    expect(grant("c", 1, 1)).to.equal("Busy: mem_mb=1 is more than is free, 0");
    expect(leases.counters).to.deep.equal({ granted: 2, released: 0, expired: 0, refused: 6 });
    leases.release("a");
    expect(grant("c", 60, 2)).to.not.be.a("string");
    expect(told).to.deep.equal(["a ACTIVE 0", "b ACTIVE 0", "a RELEASED 0", "c ACTIVE 0"]);
  });

  it("one that takes all is alone", () => {
    grant("a", 100, 4);
    expect(grant("b", 1, 1)).to.match(/^Busy: /);
    clock.pass(10_000);
    expect(grant("b", 100, 4)).to.not.be.a("string");
  });

  it("end by the clock, once, and not before", () => {
    const lease = grant("a", 10, 1, 2) as Lease;
    clock.pass(1999);
    expect([lease.state, lease.life.ended, leases.size]).to.deep.equal(["ACTIVE", false, 1]);
    clock.pass(1);
    expect([lease.state, lease.life.ended, leases.size]).to.deep.equal(["EXPIRED", true, 0]);
    clock.pass(10_000);
    expect(leases.release("a")?.sentence).to.equal("a holds no lease");
    expect(told).to.deep.equal(["a ACTIVE 0", "a EXPIRED 0"]);
  });

  it("that were released leave no timer, and the next of that worker is another lease", () => {
    const first = grant("a", 10, 1, 2) as Lease;
    clock.pass(1000);
    leases.release("a");
    expect(clock.timers).to.equal(0);
    const second = grant("a", 10, 1, 2) as Lease;
    clock.pass(1500);
    expect([first.state, second.state]).to.deep.equal(["RELEASED", "ACTIVE"]);
    clock.pass(500);
    expect(second.state).to.equal("EXPIRED");
  });

  it("change their priority, and end all at once", () => {
    grant("a");
    grant("b");
    expect(leases.setPriority("a", 7)).to.equal(undefined);
    expect(leases.setPriority("c", 7)?.why.name).to.equal("NotFound");
    expect("errno" in leases.only).to.equal(true);
    leases.releaseAll();
    expect(told.slice(2)).to.deep.equal(["a ACTIVE 7", "a RELEASED 7", "b RELEASED 0"]);
    expect([leases.size, clock.timers]).to.deep.equal([0, 0]);
  });

  it("are lines of gpu-lease/v1", () => {
    expect(JSON.parse(leaseLine("GPU-0", grant("a", 10, 1, 30) as Lease))).to.deep.equal({
      schema: "gpu-lease/v1",
      state: "ACTIVE",
      gpu_id: "GPU-0",
      worker_id: "a",
      mem_mb: 10,
      streams: 1,
      ttl_s: 30,
      priority: 0,
    });
  });
});
