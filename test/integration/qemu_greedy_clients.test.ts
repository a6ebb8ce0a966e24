/**
 * Clients with the token and a low role's ticket that take all that a session may have, on all sessions there are: what that costs
 * a hive on seL4, and that it gets it back.
 */
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { HiveProcess } from "../../scripts/lib/hive-process.ts";
import {
  O_WRONLY,
  RLERROR,
  RLOPEN,
  RWALK,
  TATTACH,
  TLOPEN,
  TREAD,
  TVERSION,
  TWALK,
} from "../../services/secure9p/constants.ts";
import { ConsoleWire } from "./console-wire.ts";
import { DoorHive } from "./door-hive.ts";
import type { NineClient } from "./nine-client.ts";
import { needsQemu } from "./qemu-image.ts";

const patienceMs = 60_000;
/** Those that are no Queen's. */
const SESSIONS = 15;
const WORKERS = 64;
const LOG_BYTES = 1 << 20;
const TELEMETRY_BYTES = 1 << 16;
const FIDS = 64;
const NOFID = 0xffffffff;

const u16 = (value: number): number[] => [value & 0xff, value >>> 8];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const str = (text: string): number[] => [...u16(text.length), ...Buffer.from(text, "latin1")];

function frame(type: number, ...fields: number[][]): Buffer {
  const body = fields.flat();
  return Buffer.from([...u32(7 + body.length), type, ...u16(type === TVERSION ? 0xffff : 1), ...body]);
}

/** Do a 9P request. @returns the type of its reply */
async function ask(wire: ConsoleWire, type: number, ...fields: number[][]): Promise<number> {
  wire.raw(frame(type, ...fields));
  return (await wire.line())!.charCodeAt(0);
}

describe("greedy clients of a hive on seL4 in QEMU", function () {
  needsQemu(this);
  this.timeout(240_000);

  /** The heap, and the pools by their names. */
  async function memory(hive: HiveProcess): Promise<{ heap: number; limit: number; pools: Map<string, string> }> {
    hive.type("mem\r");
    const text = await hive.expect(/OK MEM[^]*END\r?\n/, patienceMs);
    const [, heap, limit] = /heap used=(\d+) peak=\d+ limit=(\d+)/.exec(text)!.map(Number);
    const pools = [...text.matchAll(/pool (\S+) (.*?)\r?\n/g)].map(([, name = "", rest = ""]) => [name, rest] as const);
    return { heap: heap!, limit: limit!, pools: new Map(pools) };
  }

  /** Workers, and rings that are full: as much as a hive holds without clients. */
  async function fill(hive: DoorHive): Promise<void> {
    const line = `${"x".repeat(999)}\n`;
    const write = async (client: NineClient, path: string, bytes: number): Promise<void> => {
      const fid = await client.opened(path, O_WRONLY);
      await Promise.all(Array.from({ length: bytes / line.length + 1 }, () => client.write(fid, line)));
    };
    const queen = await hive.nine("queen");
    await write(queen, "/log/queen.log", LOG_BYTES);
    for (let n = 1; n <= WORKERS; n++) {
      expect(await queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl")).to.equal("22");
      const worker = await hive.nine("worker-heartbeat", hive.ticket("worker-heartbeat", { subject: `worker-${n}` }));
      await write(worker, "/worker/self/telemetry", TELEMETRY_BYTES);
      worker.close();
    }
    queen.close();
    // Each has beaten a few times, and what it needs for that is there.
    await delay(5000);
  }

  async function acceptGreed(hive: DoorHive): Promise<void> {
    const ticket = hive.ticket("observer");
    const { port, token, process } = hive;
    const before = await memory(process);
    const wires: ConsoleWire[] = [];
    let refused = 0;
    for (let i = 0; i < SESSIONS; i++) {
      const wire = await ConsoleWire.open(port);
      wires.push(wire);
      wire.send(`AUTH ${token}`, `ATTACH observer ${ticket}`, "SECURE9P");
      expect(await wire.lines(3)).to.deep.equal(["OK AUTH", "OK ATTACH role=observer", "OK SECURE9P msize=8192"]);
      await ask(wire, TVERSION, u32(8192), str("9P2000.L"));
      await ask(wire, TATTACH, u32(0), u32(NOFID), str(""), str(""), u32(NOFID));
      // All at once: each request is answered, in order, before the next has its tag.
      const requests = [];
      for (let fid = 1; fid < FIDS; fid++) {
        const path = fid % 2 === 0 ? ["proc", "mem"] : ["proc", "net", "tcp"];
        requests.push(
          frame(TWALK, u32(0), u32(fid), u16(path.length), ...path.map(str)),
          frame(TLOPEN, u32(fid), u32(0)),
        );
      }
      wire.raw(Buffer.concat(requests));
      const replies = (await wire.lines(requests.length)).map((reply) => reply!.charCodeAt(0));
      expect(replies.filter((type) => type === RWALK)).to.have.length(FIDS - 1);
      expect(replies.slice(0, 16).filter((type) => type === RLOPEN)).to.have.length(8);
      refused += replies.filter((type) => type === RLERROR).length;
    }
    // The more connections there are, the longer the reports: whoever has too many open is told so.
    expect(refused).to.be.greaterThan(0);
    const read = frame(TREAD, u32(1), u32(0), u32(0), u32(8000));
    for (const wire of wires) {
      wire.pause();
      wire.raw(Buffer.concat(new Array<Buffer>(400).fill(read)));
    }
    await delay(5000);
    // Whatever they do, one place is not theirs.
    const queen = await hive.lines("queen");
    let { heap, limit, pools } = await memory(process);
    // A busy host takes longer to make as many answers as nobody takes.
    for (let tries = 0; !/ held_back=[1-9]/.test(pools.get("9p.unsent") ?? "") && tries < 30; tries++) {
      await delay(1000);
      ({ heap, limit, pools } = await memory(process));
    }
    expect(pools.get("door.sessions")).to.match(/ used=16 of=16 /);
    expect(pools.get("9p.fids")).to.match(/ used=64 of=64 /);
    expect(pools.get("login.texts")).to.match(/ used=1[23]\d{4} of=131072 .* refused=[1-9]/);
    expect(pools.get("9p.unsent")).to.match(/ held_back=[1-9]/);
    console.log(`      heap: ${before.heap} bytes, with greedy clients ${heap}, of ${limit}`);
    expect(heap).to.be.below(0.75 * limit);
    for (const wire of [...wires, queen]) wire.close();
    await delay(2000);
    const after = await memory(process);
    expect(after.pools.get("door.sessions")).to.match(/ used=0 of=16 peak=16 /);
    expect(after.heap - before.heap).to.be.within(-200_000, 200_000);
    expect(process.output).to.not.match(/rebuilt|halted|out of memory/);
  }

  for (const [what, prepare] of [
    ["leave it room, are told Busy or held back, and take nothing along when they go", undefined],
    ["leave it room although all its workers are there, and its rings are full", fill],
  ] as const) {
    it(what, async () => {
      const hive = await DoorHive.boot();
      try {
        await prepare?.(hive);
        await acceptGreed(hive);
      } finally {
        expect(await hive.end(), hive.process.messages).to.equal(0);
      }
    });
  }
});
