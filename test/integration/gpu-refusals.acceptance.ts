/**
 * What is wrong about leases and jobs is refused with a reason, is audited where the hive decides, and leaves nothing half done,
 * whatever machine the hive is on: the suite that all of them run.
 */
import { expect } from "chai";
import { HANGING } from "../gpu-bridge/pace.ts";
import { INLINE, vaddJob } from "./gpu-jobs.ts";
import type { GpuSite, LeaseTerms } from "./gpu-site.ts";

/** Lines of a mailbox. */
const MAILBOX = 8;
const FLOOD = 40;

/** @param started once the suite's tests run; the paced bridge is there, whose GPUs have 8192 MiB */
export function gpuRefusals(started: () => GpuSite): void {
  /** What must not change by what is refused. */
  async function held(site: GpuSite): Promise<Record<string, number | string>> {
    const counters = await site.queen.cat("/gpu/GPU-0/counters");
    const names = ["leases_active", "states_queued", "states_running", "states_ok", "states_err", "memory_used"];
    const counted = names.map((name) => [name, new RegExp(`^${name} (\\d+)$`, "m").exec(counters)?.[1] ?? "none"]);
    const workers = await site.queen.names("/worker");
    const leases = (await site.queen.cat("/proc/9p/gpu")).match(/^lease /gm)?.length ?? 0;
    return { ...Object.fromEntries(counted), workers: String(workers), leases } as Record<string, number | string>;
  }

  const SPAWNS: [string, LeaseTerms, RegExp, string][] = [
    ["a GPU that there is not", { gpu_id: "GPU-7" }, /^ERR SPAWN reason=policy detail=not-found/, "not spawned: it has no such GPU"],
    ["memory beyond the device", { mem_mb: 8193 }, /^ERR SPAWN reason=policy detail=invalid-payload/, "not leased its GPU: Invalid; destroyed"],
    ["streams beyond the device", { streams: 17 }, /^ERR SPAWN reason=policy detail=invalid-payload/, "not leased its GPU: Invalid; destroyed"],
    ["more memory than others left", { mem_mb: 8192 }, /^ERR SPAWN reason=busy detail=busy/, "not leased its GPU: Busy; destroyed"],
    ["more streams than others left", { streams: 16 }, /^ERR SPAWN reason=busy detail=busy/, "not leased its GPU: Busy; destroyed"],
  ]; // prettier-ignore

  it("a lease of what there is not, or what others have", async () => {
    const site = started();
    await site.spawned();
    const before = await held(site);
    for (const [what, terms, answer, audited] of SPAWNS) {
      expect(await site.spawn(terms), what).to.match(answer);
      expect((await site.log("worker")).at(-1), what).to.include(audited);
      expect(await held(site), what).to.deep.equal(before);
    }
  });

  it("a lease whose numbers are none, with the pointer of what is wrong", async () => {
    const site = started();
    await site.spawned();
    const before = await held(site);
    for (const name of ["mem_mb", "streams", "ttl_s", "priority"] as const) {
      for (const value of [-1, 0.5, 1e17]) {
        expect(await site.spawn({ [name]: value }), name).to.match(/^ERR SPAWN reason=policy detail=invalid-payload/);
        expect((await site.log("queen")).at(-1), name).to.match(
          new RegExp(`: refused, Invalid: /lease/${name} must be`),
        );
      }
    }
    expect(await held(site)).to.deep.equal(before);
  });

  it("a second lessee of a GPU that one has for itself", async () => {
    const site = started();
    const first = await site.spawned({ mem_mb: 8192 });
    const before = await held(site);
    expect(await site.spawn({ mem_mb: 1, streams: 1 })).to.match(/^ERR SPAWN reason=busy detail=busy/);
    expect(await held(site)).to.deep.equal(before);
    await site.kill(first);
    await site.spawned({ mem_mb: 1, streams: 1 });
  });

  it("a job that is not one, by the bridge's sentence in the worker's telemetry, and it goes on", async () => {
    const site = started();
    const worker = await site.spawned();
    const telemetry = await site.telemetry(worker);
    const good = vaddJob("good");
    await site.given(worker, good);
    await telemetry.job(good.id);
    const before = await held(site);
    const other = vaddJob("other");
    const hash = `sha256:${"0".repeat(64)}`;
    const huge = { m: 2048, k: 2048, n: 2048 };
    const jobs: [string, string, RegExp][] = [
      ["b-1", vaddJob("b-1", 2, { bytes_hash: hash }).line, /^INVALID b-1: the input's hash is sha256:[0-9a-f]{64}, not /],
      ["b-2", vaddJob("b-2", 2, { params: { n: 3 } }).line, /^INVALID b-2: the input has 16 bytes, not 24$/],
      ["b-3", vaddJob("b-3", 2, { kernel: "fft" }).line, /^INVALID \/kernel must be vadd or matmul, not "fft"$/],
      ["b-4", vaddJob("b-4", 2, { params: { n: 0 } }).line, /^INVALID \/params\/n must be .*, not 0$/],
      ["b-5", vaddJob("b-5", 2, { params: { n: 1e15 } }).line, /^INVALID \/params/],
      ["b-6", vaddJob("b-6", 2, { kernel: "matmul", params: huge, outputs: ["blob/0"] }).line, /^INVALID \/params ask for an input of \d+ bytes/],
      ["b-7", vaddJob("b-7", 2, { inputs: ["blob/0"] }).line, /^INVALID payload_b64 and inputs must not both be there$/],
      ["b-8", vaddJob("b-8", 2, { grid: [1, 1, -1] }).line, /^INVALID \/grid/],
      ["b-9", vaddJob("b-9", 2, { timeout_ms: 0 }).line, /^INVALID \/timeout_ms must be/],
      // Whoever wrote no id that can be read is told so under none.
      ["", "no JSON", /^INVALID /],
      ["", "[]", /^INVALID the line must be an object$/],
      ["", vaddJob("../b").line, /^INVALID \/job must be/],
      // A job that has had its end is not given a second one.
      ["", vaddJob(good.id).line, /^INVALID good: good is the id of a job that is known$/],
    ]; // prettier-ignore
    for (const [id, line, sentence] of jobs) {
      const from = telemetry.lines.length;
      await site.given(worker, { line });
      await telemetry.until(() => telemetry.lines.length > from, `answer to ${line}`);
      const [told, ...others] = telemetry.jobs.slice(from);
      expect(others, line).to.deep.equal([]);
      expect(told, line).to.include({ job: id, state: "ERR" });
      expect(told!.detail, line).to.match(sentence);
      expect((await site.log("audit")).at(-1), line).to.match(
        new RegExp(`^refused write path=/gpu/GPU-0/job role=worker-gpu subject=${worker} why=Invalid `),
      );
    }
    expect(await held(site)).to.deep.equal(before);
    expect(await site.queen.counter("/gpu/GPU-0/counters", "states_refused")).to.be.at.least(jobs.length);
    await site.given(worker, other);
    await telemetry.job(other.id);
    expect(telemetry.statesOf(other.id)).to.deep.equal(INLINE);
  });

  it("a job that is too long, or empty, or for a worker without a GPU, by the worker's ctl", async () => {
    const site = started();
    const worker = await site.spawned();
    const heartbeat = await site.heartbeat();
    const before = await held(site);
    const padded = (length: number): { line: string } => ({
      line: `{"job":"long"${" ".repeat(length)}`.slice(0, length),
    });
    expect(await site.give(worker, padded(6145))).to.equal("!EMSGSIZE");
    expect(await site.give(worker, padded(7500))).to.equal("!EMSGSIZE");
    expect(await site.give(worker, { line: "" })).to.equal("!EINVAL");
    expect(await site.give(heartbeat, vaddJob("j"))).to.equal("!EOPNOTSUPP");
    const telemetry = await site.telemetry(worker);
    // The longest that is taken is refused by who reads it.
    await site.given(worker, padded(6144));
    await telemetry.until(() => telemetry.lines.length > 0, "refusal");
    expect(telemetry.lines).to.have.length(1);
    expect(telemetry.jobs[0]).to.include({ job: "", state: "ERR" });
    expect(telemetry.jobs[0]!.detail).to.match(/^INVALID /);
    expect(await held(site)).to.deep.equal(before);
    await site.kill(heartbeat);
  });

  it("more jobs than a mailbox holds, and none that was taken is lost", async () => {
    const site = started();
    const worker = await site.spawned();
    const telemetry = await site.telemetry(worker);
    const ctl = `/worker/${worker}/ctl`;
    const give = async (prefix: string, count: number): Promise<string[]> => {
      const jobs = Array.from({ length: count }, (_, i) => vaddJob(`${prefix}-${i}`));
      const answers = await Promise.all(jobs.map((job) => site.give(worker, job)));
      expect(answers.filter((why) => why !== "" && why !== "!EBUSY")).to.deep.equal([]);
      return jobs.filter((_, i) => answers[i] === "").map(({ id }) => id);
    };
    // One that is held reads nothing, but for what it had asked for.
    expect(await site.queen.echo("pause\n", ctl)).to.match(/^\d+$/);
    const kept = await give("kept", FLOOD);
    expect(kept.length).to.be.within(MAILBOX, MAILBOX + 1);
    expect(await site.queen.echo("resume\n", ctl)).to.match(/^\d+$/);
    const taken = [...kept, ...(await give("more", FLOOD))];
    for (const id of taken) await telemetry.job(id);
    for (const id of taken) expect(telemetry.statesOf(id), id).to.deep.equal(INLINE);
    expect(telemetry.lines).to.have.length(3 * taken.length);
  });

  it("more jobs than a lease may have waiting at its bridge, and the worker says which", async () => {
    const site = started();
    const worker = await site.spawned({ streams: 1 });
    const telemetry = await site.telemetry(worker);
    const jobs = Array.from({ length: 20 }, (_, i) => vaddJob(`h-${i}`, HANGING));
    for (const job of jobs) {
      await site.given(worker, job);
      await telemetry.job(job.id, /./);
    }
    for (const [i, { id }] of jobs.entries()) {
      const [first = ""] = telemetry.statesOf(id);
      expect(first, id).to.equal(i < 17 ? "QUEUED waiting" : `ERR BUSY ${id}: 16 of its jobs wait`);
    }
    await site.queen.echo(`RELEASE ${worker}\n`, "/gpu/GPU-0/ctl");
    for (const { id } of jobs) await telemetry.job(id);
    for (const [i, { id }] of jobs.slice(0, 17).entries()) {
      const running = i === 0 ? ["RUNNING scheduled"] : [];
      expect(telemetry.statesOf(id), id).to.deep.equal(["QUEUED waiting", ...running, "ERR REVOKED"]);
    }
  });
}
