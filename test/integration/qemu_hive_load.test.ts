import { expect } from "chai";
import { O_WRONLY } from "../../services/secure9p/constants.ts";
import { auditLog, DoorHive } from "./door-hive.ts";
import type { NineClient } from "./nine-client.ts";
import { needsQemu } from "./qemu-image.ts";

const WRITES = 2000;
const SPAWNS = 1000;
/** Workers that live at once while they come and go. */
const ALIVE = 40;
const QUEEN_LOG_BYTES = 1 << 20;

describe("load on the files of a hive on seL4, over TCP", function () {
  needsQemu(this);
  let hive: DoorHive;
  let queen: NineClient;
  before(async () => {
    hive = await DoorHive.boot();
    queen = await hive.nine("queen");
    // A ring takes its memory as it fills, and then never again.
    const log = await queen.opened("/log/queen.log", O_WRONLY);
    const line = `${"x".repeat(1000)}\n`;
    await Promise.all(Array.from({ length: QUEEN_LOG_BYTES / line.length + 1 }, () => queen.write(log, line)));
    await queen.clunk(log);
  });
  after(async () => {
    expect(await hive.end(), hive.process.messages).to.equal(0);
  });

  const heapUsed = async (): Promise<number> => {
    // What is garbage in a cycle goes with the next collection, which comes when the hive has been quiet.
    await new Promise((settle) => setTimeout(settle, 500));
    return Number(/^heap used=(\d+)/.exec(await queen.cat("/proc/mem"))?.[1]);
  };

  it(`stands ${WRITES} small writes of every kind to every file that can be written, and holds no memory for them`, async () => {
    expect(await queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl")).to.equal("22");
    const worker = await hive.nine(
      "worker-heartbeat",
      hive.ticket("worker-heartbeat", { subject: "worker-1", ops: 1e6 }),
    );
    for (const [client, path, line] of [
      [queen, "/log/queen.log", "a line\n"],
      [queen, "/queen/ctl", '{"budget":{"ops":10000}}\n'],
      [queen, "/worker/worker-1/ctl", "pause\n"],
      [worker, "/worker/self/telemetry", "heartbeat 1\n"],
      [worker, "/worker/self/yield", "0\n"],
    ] as const) {
      for (const text of [line, "x", "no command\n", "\n"]) {
        const levels = [];
        let answers = new Set<string>();
        const since = performance.now();
        for (let round = 0; round < 2; round++) {
          const fid = await client.opened(path, O_WRONLY);
          answers = new Set(await Promise.all(Array.from({ length: WRITES }, () => client.write(fid, text))));
          await client.clunk(fid);
          levels.push(await heapUsed());
        }
        console.log(
          path,
          JSON.stringify(text),
          [...answers].join(),
          levels,
          Math.round(performance.now() - since - 1000),
        );
      }
    }
  });

  it(`has everything back after ${SPAWNS} workers, each under an id of its own`, async () => {
    const level = async (): Promise<string> => {
      await new Promise((settle) => setTimeout(settle, 500));
      return (
        (await queen.cat("/proc/mem")) +
        (await queen.cat("/proc/9p/roles")) +
        (await queen.cat("/proc/9p/workers")) +
        (await queen.cat("/proc/pump"))
      );
    };
    const ctl = await queen.opened("/queen/ctl", O_WRONLY);
    let first = 2;
    const cycle = async (count: number): Promise<string[]> => {
      const answers: Promise<string>[] = [];
      for (let i = 0; i < count + ALIVE; i++) {
        if (i < count) answers.push(queen.write(ctl, '{"spawn":"heartbeat"}\n'));
        if (i >= ALIVE) answers.push(queen.write(ctl, `{"kill":"worker-${first + i - ALIVE}"}\n`));
      }
      first += count;
      return Promise.all(answers);
    };
    console.log(new Set(await cycle(100)));
    console.log(await level());
    console.time("1000");
    console.log(new Set(await cycle(SPAWNS)));
    console.timeEnd("1000");
    console.log(await level());
    const ids = (await auditLog(queen)).flatMap((line) => /spawn heartbeat id=(worker-\d+)$/.exec(line)?.[1] ?? []);
    console.log(ids.length, new Set(ids).size);
  });
});
