import { expect } from "chai";
import { O_WRONLY } from "../../services/secure9p/constants.ts";
import { auditLog, DoorHive } from "./door-hive.ts";
import type { NineClient } from "./nine-client.ts";
import { needsQemu } from "./qemu-image.ts";

const WRITES = 2000;
const SPAWNS = 1000;
/** Workers that live at once while they come and go. */
const ALIVE = 40;
/** What heaps of the same content may differ by: numbers get longer, and what was freed is not always one piece again. */
const HEAP_SLACK_BYTES = 8192;
const QUEEN_LOG_BYTES = 1 << 20;
const TELEMETRY_BYTES = 1 << 16;

const sleep = (ms: number): Promise<void> => new Promise((settle) => setTimeout(settle, ms));

/** Fill a ring: it takes its memory as it fills, and then never again. */
async function fill(client: NineClient, path: string, bytes: number): Promise<void> {
  const fid = await client.opened(path, O_WRONLY);
  const line = `${"x".repeat(1000)}\n`;
  await Promise.all(Array.from({ length: bytes / line.length + 1 }, () => client.write(fid, line)));
  await client.clunk(fid);
}

describe("load on the files of a hive on seL4, over TCP", function () {
  needsQemu(this);
  let hive: DoorHive;
  let queen: NineClient;
  before(async () => {
    hive = await DoorHive.boot();
    queen = await hive.nine("queen");
    await fill(queen, "/log/queen.log", QUEEN_LOG_BYTES);
    // So does who looks at it for the first time.
    await heapUsed();
  });
  after(async () => {
    expect(await hive.end(), hive.process.messages).to.equal(0);
  });

  const heapUsed = async (): Promise<number> => {
    // Cycles are collected when the hive has been quiet.
    await sleep(300);
    return Number(/^heap used=(\d+)/.exec(await queen.cat("/proc/mem"))?.[1]);
  };

  describe("small writes", () => {
    let worker: NineClient;
    before(async () => {
      expect(await queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl")).to.equal("22");
      const ticket = hive.ticket("worker-heartbeat", { subject: "worker-1", ops: 1e6 });
      worker = await hive.nine("worker-heartbeat", ticket);
      await fill(worker, "/worker/self/telemetry", TELEMETRY_BYTES);
    });

    // What whoever may write each file writes there, with what becomes of it. A half line goes with the one after it.
    const REFUSED = "!EINVAL";
    for (const [path, texts] of Object.entries({
      "/log/queen.log": { "a line\n": "7", x: "1", "another\n": "8", "\n": "1" },
      "/queen/ctl": { '{"budget":{"ops":10000}}\n': "25", x: "1", "no command\n": REFUSED, "\n": REFUSED },
      "/worker/worker-1/ctl": { "pause\n": "6", "resume\n": "7", x: "1", "nothing\n": REFUSED, "\n": REFUSED },
      "/worker/self/telemetry": { "heartbeat 1\n": "12", x: "1", "y\n": "2", "\n": "1" },
      "/worker/self/yield": { "0\n": "2", x: REFUSED, "99999999999\n": REFUSED, "\n": REFUSED },
    })) {
      it(`are each answered, ${WRITES} at a time, and hold no memory: ${path}`, async () => {
        const client = path.startsWith("/worker/self/") ? worker : queen;
        // It would find its own yield busy, and give up.
        await queen.echo("pause\n", "/worker/worker-1/ctl");
        const kinds = Object.entries(texts);
        /** @returns the answers, and how often somebody else was answered meanwhile */
        const write = async (): Promise<[answers: string[], pings: number]> => {
          const fid = await client.opened(path, O_WRONLY);
          const line = await hive.door();
          let pings = 0;
          let over = false;
          const writing = Promise.all(
            Array.from({ length: WRITES }, (_, i) => client.write(fid, kinds[i % kinds.length]![0])),
          );
          void writing.finally(() => (over = true));
          while (!over) {
            expect(await line.ask("PING")).to.equal("OK PING reply=pong");
            expect(await line.line()).to.equal("PONG");
            pings++;
          }
          line.close();
          const answers = await writing;
          await client.clunk(fid);
          return [answers, pings];
        };
        // What is taken once, a ring's memory say, is taken by the first ones.
        await write();
        const before = await heapUsed();
        const [answers, pings] = await write();
        // One write waits at a time.
        const others = path.endsWith("/yield") ? ["!EBUSY"] : [];
        answers.forEach((answer, i) => expect(answer).to.be.oneOf([kinds[i % kinds.length]![1], ...others]));
        expect(pings).to.be.greaterThan(3);
        expect((await heapUsed()) - before).to.be.lessThan(HEAP_SLACK_BYTES);
      });
    }

    it("have cost no worker its life", async () => {
      await queen.echo("resume\n", "/worker/worker-1/ctl");
      expect(await queen.cat("/worker/worker-1/status")).to.match(/^state (?!paused)\w+\n/);
      for (const cause of ["stuck", "budget", "failed", "component"]) {
        expect(await queen.counter("/proc/9p/workers", cause), cause).to.equal(0);
      }
      expect(await queen.echo('{"kill":"worker-1"}\n', "/queen/ctl")).to.equal("20");
    });
  });

  describe("workers that come and go", function () {
    // Ten seconds and more, by what else the machine does.
    this.timeout(300_000);

    it(`leave nothing behind, ${SPAWNS} of them, each under an id of its own`, async () => {
      const ctl = await queen.opened("/queen/ctl", O_WRONLY);
      let first = 1 + (await queen.counter("/proc/9p/workers", "spawned"));
      const since = performance.now();
      /** That many come, and each goes when so many more have. @returns what is in use afterwards */
      const cycle = async (count: number): Promise<{ heap: number; pools: string }> => {
        const answers: Promise<string>[] = [];
        for (let i = 0; i < count + ALIVE; i++) {
          if (i < count) answers.push(queen.write(ctl, '{"spawn":"heartbeat"}\n').then((said) => `spawned ${said}`));
          if (i < ALIVE) continue;
          const kill = `{"kill":"worker-${first + i - ALIVE}"}\n`;
          answers.push(queen.write(ctl, kill).then((said) => (said === String(kill.length) ? "killed" : said)));
        }
        first += count;
        expect([...new Set(await Promise.all(answers))]).to.deep.equal(["spawned 22", "killed"]);
        const memory = await queen.cat("/proc/mem");
        const rows = [
          ...memory.matchAll(/^(?:dma used|slots|untyped|irq-handlers|components) .*$/gm),
          // Those of the network and of the logs are never still.
          ...memory.matchAll(/^pool (?:worker|roles|login|9p\.fids|follow|pump|door\.sessions)\S* .* used=\d+/gm),
          ...(await queen.cat("/proc/9p/workers")).matchAll(/^workers .*$/gm),
        ];
        expect(rows.length).to.be.greaterThan(20);
        // Last, so that what it takes to look at all that is in both.
        return { pools: rows.map(([row]) => row).join("\n"), heap: await heapUsed() };
      };
      // The first ones take what is taken once: slots that places for workers keep, and the memory of the boot log's ring.
      const early = await cycle(SPAWNS * 0.6);
      const late = await cycle(SPAWNS * 0.4);
      console.log(`    ${SPAWNS} spawns and kills in ${((performance.now() - since) / 1000).toFixed(1)} s`);
      expect(late.pools).to.equal(early.pools);
      expect(late.pools)
        .to.match(/^components live=1 /m)
        .and.match(/^workers 0$/m);
      expect(late.heap - early.heap).to.be.lessThan(HEAP_SLACK_BYTES);
      expect(await queen.counter("/proc/9p/workers", "high_water")).to.equal(ALIVE + 1);
      const ids = (await auditLog(queen)).flatMap((line) => /spawn heartbeat id=worker-(\d+)$/.exec(line)?.[1] ?? []);
      expect(ids.slice(-SPAWNS).map(Number)).to.deep.equal(
        Array.from({ length: SPAWNS }, (_, i) => first - SPAWNS + i),
      );
    });
  });
});
