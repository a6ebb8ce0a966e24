/**
 * What a Queen, her workers and a real GPU bridge do together, whatever machine the hive is on: the suite that all of them run. The
 * bridge's mock is that of `paced-bridge.ts` where something has to be under way.
 */
import { expect } from "chai";
import { O_RDWR, O_WRONLY } from "../../services/secure9p/constants.ts";
import { HANGING } from "../gpu-bridge/pace.ts";
import { Follower, type JobLine } from "./follower.ts";
import { expectBlob, expectInline, type GpuJob, INLINE, matmulJob, vaddJob } from "./gpu-jobs.ts";
import type { GpuSite } from "./gpu-site.ts";
import { bytesOf } from "../gpu-bridge/backends/exact.ts";
import type { NineClient } from "./nine-client.ts";

const WRITE_BYTES = 8000;

/** @param started once the suite's tests run; a bridge is there @param most largest product, m, k and n */
export function gpuJobs(started: () => GpuSite, most: readonly [number, number, number]): void {
  it("are spawned for, given, run once and in order, and their numbers are right", async () => {
    const site = started();
    const before = (await site.queen.cat("/gpu/GPU-0/status")).length;
    const worker = await site.spawned({ mem_mb: 512, priority: 5 });
    const telemetry = await site.telemetry(worker);
    const job = vaddJob("jid-1", 3);
    const ctl = `/worker/${worker}/ctl`;
    expect((await site.console.say(`ECHO ${ctl} job ${job.line}`))[0]).to.match(/^OK ECHO path=\S+ bytes=\d+$/);
    await telemetry.job(job.id);
    expect(telemetry.jobs.map((line) => Object.keys(line))).to.deep.equal(Array(3).fill(["job", "state", "detail"]));
    expect(telemetry.statesOf(job.id)).to.deep.equal(INLINE);
    const [result, ...others] = recordsOf(await site.queen.cat(`/worker/${worker}/result`));
    expect(others).to.deep.equal([]);
    expectInline(job, result!);
    const status = recordsOf((await site.queen.cat("/gpu/GPU-0/status")).slice(before));
    expect(status.map(({ job: id, worker: of, state }) => `${id} ${of!} ${state}`)).to.deep.equal(
      ["QUEUED", "RUNNING", "OK"].map((state) => `${job.id} ${worker} ${state}`),
    );
    expectInline(job, status[2]!);
    expect(await site.queen.cat(`/worker/${worker}/status`)).to.match(
      /\nkind gpu\ngpu GPU-0\nlease active mem_mb=512 streams=2 ttl_s_left=\d+\n/,
    );
    await site.kill(worker);
    expect(await site.log("gpu")).to.include.members([
      `GPU-0 leased worker=${worker} mem_mb=512 streams=2 ttl_s=600 priority=5`,
      `GPU-0 released worker=${worker}`,
    ]);
  });

  for (const [m, k, n] of [[64, 48, 32], most] as const) {
    it(`multiply matrices of ${m}×${k}×${n}, which the lessee writes and reads in a blob`, async () => {
      const site = started();
      const worker = await site.spawned();
      const lessee = await site.lessee(worker);
      const [telemetry, results] = [await site.telemetry(worker), await site.results(worker)];
      const job = matmulJob("jid-43", [m, k, n], 0);
      await put(lessee, "/gpu/GPU-0/blob/0/in", bytesOf(job.input));
      await site.given(worker, job);
      await telemetry.job(job.id);
      expect(telemetry.statesOf(job.id)).to.deep.equal(["QUEUED waiting", "RUNNING scheduled", "OK blob/0"]);
      expectBlob(job, 0, results.jobs[0]!, await get(lessee, "/gpu/GPU-0/blob/0/out"));
    });
  }

  it("of several lessees at once have one end each, and each lessee hears of its own alone", async () => {
    const site = started();
    const workers: string[] = [];
    for (let i = 0; i < 4; i++) workers.push(await site.spawned({ mem_mb: 32, streams: 4, priority: i }));
    const heard = new Map<string, Follower>();
    for (const worker of workers) heard.set(worker, await site.telemetry(worker));
    const jobs = workers.flatMap((worker) =>
      Array.from({ length: 8 }, (_, i) => ({ worker, job: vaddJob(`j-${i}`, 4 + i) })),
    );
    await Promise.all(jobs.map(({ worker, job }) => untilTaken(site, worker, job)));
    for (const { worker, job } of jobs) await heard.get(worker)!.job(job.id);
    for (const { worker, job } of jobs)
      expect(heard.get(worker)!.statesOf(job.id), `${worker} ${job.id}`).to.deep.equal(INLINE);
    for (const worker of workers) {
      expect(heard.get(worker)!.lines).to.have.length(24);
      const results = recordsOf(await site.queen.cat(`/worker/${worker}/result`));
      expect(results).to.have.length(8);
      // Ids are the lessee's own, so the numbers tell whose result it is.
      for (const { worker: of, job } of jobs) {
        if (of === worker)
          expectInline(
            job,
            results.find(({ job: id }) => id === job.id)!,
          );
      }
    }
  });
}

/** @param started as of {@link gpuJobs}; the bridge is the paced one */
export function gpuLeases(started: () => GpuSite): void {
  it("leads its lessee to its own jobs, blobs and status, and nobody else there", async () => {
    const site = started();
    const [one, other] = [await site.spawned(), await site.spawned()];
    const [lessee, neighbour] = [await site.lessee(one), await site.lessee(other)];
    for (const [client, content] of [
      [lessee, "mine"],
      [neighbour, "theirs"],
    ] as const)
      // prettier-ignore
      expect(await client.echo(content, "/gpu/GPU-0/blob/0/in")).to.equal(String(content.length));
    expect(await lessee.cat("/gpu/GPU-0/blob/0/in")).to.equal("mine");
    expect(await neighbour.cat("/gpu/GPU-0/blob/0/in")).to.equal("theirs");
    const job = vaddJob("mine");
    const telemetry = await site.telemetry(one);
    // One that the worker was not given, but its lessee submits itself.
    expect(await lessee.echo(`${job.line}\n`, "/gpu/GPU-0/job")).to.equal(String(job.line.length + 1));
    await telemetry.job(job.id);
    expect(telemetry.statesOf(job.id)).to.deep.equal(INLINE);
    expect(await neighbour.cat("/gpu/GPU-0/status")).to.equal("");
    expect(recordsOf(await lessee.cat("/gpu/GPU-0/status")).map(({ worker: of }) => of)).to.deep.equal([one, one, one]);
    for (const path of [`/gpu/GPU-0/lessee/${other}/status`, `/gpu/GPU-0/lessee/${one}/status`, "/gpu/GPU-1/info", "/gpu/GPU-0/counters", `/worker/${other}/result`])
      expect(await lessee.open(path), path).to.equal("!EPERM"); // prettier-ignore
    expect(await lessee.open("/gpu/GPU-0/ctl", O_WRONLY)).to.equal("!EPERM");
    // Its mailbox is the worker's alone, and its jobs are no Queen's to submit.
    expect(await lessee.open("/worker/self/jobs")).to.equal("!EPERM");
    expect(await site.queen.open("/gpu/GPU-0/job", O_WRONLY)).to.equal("!EPERM");
    expect(await site.queen.open("/gpu/GPU-0/blob/0/in", O_WRONLY)).to.equal("!EPERM");
    expect((await site.log("audit")).join("\n")).to.include(`denied walk path=/gpu/GPU-1 role=worker-gpu subject=${one} why=no-lease`); // prettier-ignore
  });

  it("expires: what its lessee has open is closed, what runs is revoked, and nothing is opened or run any more", async () => {
    const site = started();
    const worker = await site.spawned({ ttl_s: 6 });
    const telemetry = await site.telemetry(worker);
    const lessee = await site.lessee(worker);
    const hanging = vaddJob("hangs", HANGING);
    const job = await lessee.opened("/gpu/GPU-0/job", O_WRONLY);
    const input = await lessee.opened("/gpu/GPU-0/blob/0/in", O_RDWR);
    const output = await lessee.opened("/gpu/GPU-0/blob/0/out");
    expect(await lessee.write(input, "input")).to.equal("5");
    const own = await Follower.open(lessee, "/gpu/GPU-0/status.follow");
    await site.given(worker, hanging);
    await own.job(hanging.id, /RUNNING/);
    // Its read waits now, until the lease is over.
    expect(await own.ended()).to.equal("!ESHUTDOWN");
    const revoked = ["QUEUED waiting", "RUNNING scheduled", "ERR REVOKED"];
    expect(own.statesOf(hanging.id)).to.deep.equal(revoked);
    await telemetry.job(hanging.id);
    expect(telemetry.statesOf(hanging.id)).to.deep.equal(revoked);
    expect(recordsOf(await site.queen.cat("/gpu/GPU-0/status")).filter(({ job: id, worker: of }) => id === "hangs" && of === worker).map(({ state, detail }) => `${state} ${detail}`)).to.deep.equal(revoked); // prettier-ignore
    await site.see("/proc/9p/gpu", new RegExp(`^(?![^]*lease GPU-0 ${worker} )`));
    expect(await lessee.write(job, `${vaddJob("late").line}\n`)).to.equal("!ESHUTDOWN");
    expect(await lessee.write(input, "more")).to.equal("!ESHUTDOWN");
    expect(await lessee.read(input, 0)).to.equal("!ESHUTDOWN");
    expect(await lessee.read(output, 0)).to.equal("!ESHUTDOWN");
    for (const [name, flags] of [
      ["job", O_WRONLY],
      ["blob/0/in", O_RDWR],
      ["blob/0/out", 0],
      ["status.follow", 0],
      ["info", 0],
    ] as const)
      // prettier-ignore
      expect(await lessee.open(`/gpu/GPU-0/${name}`, flags), name).to.equal("!EPERM");
    expect(await statesOfLease(site, worker)).to.deep.equal(["ACTIVE", "EXPIRED"]);
    expect(await site.log("gpu")).to.include(`GPU-0 expired worker=${worker}`);
    expect(await site.queen.cat(`/worker/${worker}/status`)).to.match(/\nlease none\n/);
    const late = vaddJob("late");
    await site.given(worker, late);
    await telemetry.job(late.id);
    expect(telemetry.statesOf(late.id)).to.deep.equal(["ERR REVOKED"]);
  });

  it("is released when its worker is killed in the middle of a job, and the GPU is free for the next", async () => {
    const site = started();
    const heart = await site.telemetry(await site.heartbeat());
    const worker = await site.spawned({ gpu_id: "GPU-1", mem_mb: 8192 });
    const status = await site.follow("/gpu/GPU-1/status");
    const hanging = vaddJob("hangs", HANGING);
    await site.given(worker, hanging);
    await status.job(hanging.id, /RUNNING/);
    expect(await site.spawn({ gpu_id: "GPU-1", mem_mb: 1 })).to.match(/^ERR SPAWN reason=busy /);
    await site.kill(worker);
    await status.job(hanging.id);
    expect(status.statesOf(hanging.id)).to.deep.equal(["QUEUED waiting", "RUNNING scheduled", "ERR REVOKED"]);
    const lease = await site.follow("/gpu/GPU-1/lease");
    await lease.until(() => lease.text.includes("RELEASED"), "RELEASED");
    expect(await statesOfLease(site, worker, "GPU-1")).to.deep.equal(["ACTIVE", "RELEASED"]);
    expect(await site.log("gpu")).to.include(`GPU-1 released worker=${worker}`);
    await site.healthy(heart);
    await site.see("/gpu/GPU-1/counters", /^leases_active 0\n[^]*\njobs_running 0\n[^]*\nmemory_used 0\n/);
    const next = await site.spawned({ gpu_id: "GPU-1", mem_mb: 8192 });
    const telemetry = await site.telemetry(next);
    const job = vaddJob("next");
    await site.given(next, job);
    expect(await telemetry.job(job.id)).to.include({ state: "OK" });
  });
}

/** Hand a worker a job as soon as its mailbox has room. */
async function untilTaken(site: GpuSite, worker: string, job: GpuJob): Promise<void> {
  for (;;) {
    const why = await site.give(worker, job);
    if (why === "") return;
    expect(why).to.equal("!EBUSY");
  }
}

/** Write all of a blob. */
async function put(client: NineClient, path: string, bytes: Uint8Array): Promise<void> {
  const fid = await client.opened(path, O_WRONLY);
  const pieces: Promise<string>[] = [];
  for (let at = 0; at < bytes.length; at += WRITE_BYTES) {
    const piece = bytes.subarray(at, at + WRITE_BYTES);
    pieces.push(client.write(fid, piece, at).then((wrote) => (wrote === String(piece.length) ? "" : wrote)));
  }
  expect(new Set(await Promise.all(pieces))).to.deep.equal(new Set([""]));
  expect(await client.clunk(fid)).to.equal("");
}

/** Read all of one. */
async function get(client: NineClient, path: string): Promise<Uint8Array> {
  const fid = await client.opened(path);
  const pieces: Buffer[] = [];
  for (let offset = 0; ;) {
    const piece = await client.read(fid, offset);
    if (typeof piece === "string") throw new Error(`${path}: ${piece}`);
    if (piece.length === 0) break;
    pieces.push(piece);
    offset += piece.length;
  }
  await client.clunk(fid);
  return Uint8Array.from(Buffer.concat(pieces));
}

function recordsOf(text: string): JobLine[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as JobLine);
}

/** What became of a worker's lease, as the bridge tells it. */
async function statesOfLease(site: GpuSite, worker: string, gpu = "GPU-0"): Promise<string[]> {
  const lines = (await site.queen.cat(`/gpu/${gpu}/lease`)).split("\n").slice(0, -1);
  const leases = lines.map((line) => JSON.parse(line) as { readonly worker_id: string; readonly state: string });
  return leases.filter(({ worker_id: of }) => of === worker).map(({ state }) => state);
}
