/**
 * What becomes of GPUs whose bridge goes away and comes back, or whose hive does, whatever machine that is on: the suite that all of
 * them run.
 */
import { expect } from "chai";
import { HANGING, SLOW } from "../gpu-bridge/pace.ts";
import { expectInline, INLINE, vaddJob } from "./gpu-jobs.ts";
import type { GpuSite } from "./gpu-site.ts";

/** What the interface gives a worker to say that a bridge is gone, and what a busy machine may take beside it. */
const LOST_MS = 12_000;
const SLACK_MS = 8000;
const LOST = "ERR LOST the GPU bridge is away";

/** @param started once the suite's tests run; the paced bridge is there */
export function gpuAway(started: () => GpuSite): void {
  it("go on with a job though the connection is cut, and each state is told once", async () => {
    const site = started();
    const worker = await site.spawned();
    const [telemetry, results] = [await site.telemetry(worker), await site.results(worker)];
    const [slow, after] = [vaddJob("slow", SLOW), vaddJob("after")];
    await site.given(worker, slow);
    await telemetry.job(slow.id, /RUNNING/);
    const mark = site.bridge.output.length;
    site.way.cut();
    await site.bridge.see("has gpu-bridge again", mark);
    await telemetry.job(slow.id);
    await site.given(worker, after);
    await telemetry.job(after.id);
    for (const job of [slow, after]) expect(telemetry.statesOf(job.id), job.id).to.deep.equal(INLINE);
    expect(telemetry.lines).to.have.length(6);
    expectInline(slow, results.jobs[0]!);
    const status = (await site.queen.cat("/gpu/GPU-0/status")).split("\n");
    expect(status.filter((line) => line.includes(`"job":"slow","worker":"${worker}"`))).to.have.length(3);
  });

  it("are nobody's any more at both ends when a lease's time is over while they are apart", async () => {
    const site = started();
    const worker = await site.spawned({ ttl_s: 2, mem_mb: 8192 });
    const telemetry = await site.telemetry(worker);
    const hanging = vaddJob("hangs", HANGING);
    await site.given(worker, hanging);
    await telemetry.job(hanging.id, /RUNNING/);
    const mark = site.bridge.output.length;
    site.way.closed = true;
    site.way.cut();
    await site.away();
    await site.bridge.see(`${worker}'s lease is expired`, mark);
    await site.see(`/worker/${worker}/status`, /\nlease none\n/);
    expect(await site.log("gpu")).to.include(`GPU-0 expired worker=${worker}`);
    site.way.closed = false;
    await site.up();
    await telemetry.job(hanging.id);
    expect(telemetry.statesOf(hanging.id).slice(0, -1)).to.deep.equal(["QUEUED waiting", "RUNNING scheduled"]);
    // By then it may have given up waiting for the bridge.
    expect(telemetry.statesOf(hanging.id).at(-1)).to.be.oneOf([LOST, "ERR REVOKED"]);
    expect(await site.queen.cat("/gpu/GPU-0/lease")).to.match(/"state":"EXPIRED"[^\n]*\n$/);
    expect(await site.queen.counter("/gpu/GPU-0/counters", "leases_active")).to.equal(0);
    await site.spawned({ mem_mb: 8192 });
  });

  it("end a job as lost when their bridge is killed; the hive goes on, and so do they when a bridge is back", async () => {
    const site = started();
    const heart = await site.telemetry(await site.heartbeat());
    const worker = await site.spawned();
    const telemetry = await site.telemetry(worker);
    const hanging = vaddJob("hangs", HANGING);
    await site.given(worker, hanging);
    await telemetry.job(hanging.id, /RUNNING/);
    const since = performance.now();
    await site.stop("SIGKILL");
    for (const name of ["info", "status", "lease"]) {
      expect(await site.queen.open(`/gpu/GPU-0/${name}`), name).to.equal("!EBUSY");
    }
    expect(await site.queen.names("/gpu")).to.equal("!EBUSY");
    expect(await site.spawn()).to.match(/^ERR SPAWN reason=busy /);
    expect(await site.log("worker")).to.include("not spawned: no GPU bridge is there");
    await site.healthy(heart);
    await telemetry.job(hanging.id);
    expect(performance.now() - since).to.be.lessThan(LOST_MS + SLACK_MS);
    expect(telemetry.statesOf(hanging.id)).to.deep.equal(["QUEUED waiting", "RUNNING scheduled", LOST]);
    await site.healthy(heart);
    await site.start("paced");
    expect(await site.log("gpu")).to.satisfy((lines: string[]) =>
      lines.some((line) => line.startsWith(`GPU-0 leased again worker=${worker} ttl_s=`)),
    );
    const next = vaddJob("next");
    await site.given(worker, next);
    await telemetry.job(next.id);
    expect(telemetry.statesOf(next.id)).to.deep.equal(INLINE);
    await site.kill(worker);
  });

  it("are taken back from a hive that was, and leased anew by the one that has booted since", async () => {
    const site = started();
    const before = await site.spawned({ gpu_id: "GPU-1", mem_mb: 8192 });
    const telemetry = await site.telemetry(before);
    const hanging = vaddJob("hangs", HANGING);
    await site.given(before, hanging);
    await telemetry.job(hanging.id, /RUNNING/);
    await site.reboot();
    expect(await site.queen.names("/worker")).to.deep.equal([]);
    await site.see("/gpu/GPU-1/counters", /^leases_active 0\n/);
    expect(await site.queen.cat("/gpu/GPU-1/lease")).to.match(/"state":"RELEASED"[^\n]*\n$/);
    expect(await site.queen.cat("/gpu/GPU-1/status")).to.match(/"job":"hangs"[^\n]*"ERR","detail":"REVOKED"[^\n]*\n$/);
    const worker = await site.spawned({ gpu_id: "GPU-1", mem_mb: 8192 });
    const job = vaddJob(hanging.id);
    const told = await site.telemetry(worker);
    await site.given(worker, job);
    await told.job(job.id);
    expect(told.statesOf(job.id)).to.deep.equal(INLINE);
  });
}
