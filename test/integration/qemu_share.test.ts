import { expect } from "chai";
import { DoorHive } from "./door-hive.ts";
import { needsQemu } from "./qemu-image.ts";

/** Clients, and reads that each of them always has under way: more than the hive can answer at once. */
const CLIENTS = 3;
const READS = 16;
const SECONDS = 6;

describe("workers of a hive on seL4 whose clients ask without a pause", function () {
  needsQemu(this);
  let hive: DoorHive;
  before(async () => (hive = await DoorHive.boot()));
  after(async () => {
    expect(await hive.end(), hive.process.messages).to.equal(0);
  });

  it("have their share of the processor all the same", async () => {
    const queen = await hive.nine("queen");
    expect(await queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl")).to.equal("22");
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => hive.nine("queen")));
    let asking = true;
    let reads = 0;
    const ask = async (client: (typeof clients)[number]): Promise<void> => {
      const fid = await client.opened("/proc/boot");
      const again = async (): Promise<void> => {
        while (asking) {
          await client.read(fid, 0);
          reads++;
        }
      };
      await Promise.all(Array.from({ length: READS }, again));
    };
    const asked = Promise.all(clients.map(ask));
    /** By the machine's own clock, which is not that of whoever shares the host. */
    const state = async (): Promise<readonly [beats: number, ms: number, reads: number]> => {
      const beats = (await queen.cat("/worker/worker-1/telemetry")).split("\n").length - 1;
      return [beats, Number(/uptime_ms (\d+)/.exec(await queen.cat("/proc/time"))?.[1]), reads];
    };
    const [beatsBefore, sinceMs, readsBefore] = await state();
    let [beats, ms] = [beatsBefore, sinceMs];
    while (ms - sinceMs < SECONDS * 1000) [beats, ms] = await state();
    asking = false;
    await asked;
    const seconds = (ms - sinceMs) / 1000;
    console.log(`      ${beats - beatsBefore} heartbeats and ${reads - readsBefore} reads in ${seconds.toFixed(1)} s`);
    // Two a second is what it is to do; before there was a share there was one in seven seconds.
    expect((beats - beatsBefore) / seconds).to.be.greaterThan(1.2);
    const rests = Number(/^turns .* rests=(\d+)$/m.exec(await queen.cat("/proc/pump"))?.[1]);
    expect(rests).to.be.greaterThan(10);
    for (const client of [...clients, queen]) client.close();
  });
});
