/**
 * The drivers in the bundle that ships, in QuickJS, on the simulator's device models: what the two sides have to agree on
 * that neither side's own tests can show.
 */
import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { QueueHooks, UsedEntry } from "../../../engine/sim/devices/virtio/queue.ts";
import { createCredentials } from "../../../cohsh/tickets/credentials.ts";
import { Machine } from "../../../engine/sim/machine.ts";
import { buildVmBundle } from "../../../scripts/lib/vm-bundle.ts";
import {
  arpPacket,
  BROADCAST_MAC,
  ethernet,
  icmpMessage,
  ipv4Frame,
  OWN_IP,
  OWN_MAC,
  ownFrame,
  PEER_IP,
  PEER_MAC,
} from "../net/fixture.ts";

const SECOND = 1_000_000;
const text = new TextEncoder();

describe("drivers on the simulator", function () {
  this.timeout(60_000);
  let source: string;
  let rootfs: Map<string, Uint8Array>;

  before(async () => {
    const out = await mkdtemp(join(tmpdir(), "cohesix-drivers-"));
    try {
      const manifest = "rootfs/manifest.json";
      const bundle = await buildVmBundle({ entry: "services/main.ts", manifest, out, net: true });
      source = Buffer.from(bundle.js).toString("utf8");
      rootfs = new Map([
        ["build.json", text.encode(bundle.buildInfo)],
        ["credentials.json", text.encode(JSON.stringify(createCredentials(randomBytes)))],
        ["main.lines", bundle.lines],
        ["manifest.json", await readFile(manifest)],
      ]);
    } finally {
      await rm(out, { recursive: true });
    }
  });

  class Hive {
    readonly machine: Machine;
    readonly frames: number[][] = [];
    private printed = "";

    constructor(hooks: QueueHooks = {}) {
      this.machine = new Machine({ source, rootfs, net: { hooks }, rng: { seed: "drivers" } });
      if (this.machine.net) this.machine.net.wire = { frame: (bytes) => this.frames.push([...bytes]) };
    }

    /** Everything that the serial line has said so far. */
    output(): string {
      this.printed += Buffer.from(this.machine.serial.read()).toString("utf8");
      return this.printed;
    }

    async until(done: () => boolean, what: string): Promise<void> {
      const came = await this.machine.runUntil(done, this.machine.nowUs() + 10 * SECOND);
      expect(came, `${what}, after:\n${this.output()}`).to.equal(true);
    }

    async boot(): Promise<this> {
      await this.until(() => this.output().includes("init tick"), "boots");
      return this;
    }

    async command(verb: string): Promise<string> {
      const from = this.output().length;
      this.machine.serial.write(text.encode(`${verb}\r`));
      await this.until(() => /\nEND\r?\n/.test(this.output().slice(from)), verb);
      return this.output().slice(from);
    }

    /** Send frames and wait for as many answers. */
    async exchange(frames: number[][]): Promise<number[][]> {
      this.frames.length = 0;
      for (const frame of frames) expect(this.machine.net?.inject(Uint8Array.from(frame))).to.equal(true);
      await this.until(() => this.frames.length >= frames.length, `${frames.length} answers`);
      return [...this.frames];
    }
  }

  function rest(n: number): number[] {
    return [0x12, 0x34, (n >> 8) & 0xff, n & 0xff, ...Array.from({ length: 56 }, (_, i) => (i + n) & 0xff)];
  }

  function ping(n: number): number[] {
    return ipv4Frame(icmpMessage(8, 0, rest(n)));
  }

  function pong(n: number): number[] {
    return ownFrame(icmpMessage(0, 0, rest(n)), 1);
  }

  it("answers ARP and a thousand pings to the byte, also in bursts as long as the queue", async () => {
    const hive = await new Hive().boot();
    const question = arpPacket(1, PEER_MAC, PEER_IP, [0, 0, 0, 0, 0, 0], OWN_IP);
    expect(await hive.exchange([ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, question)])).to.deep.equal([
      ethernet(PEER_MAC, OWN_MAC, 0x0806, arpPacket(2, OWN_MAC, OWN_IP, PEER_MAC, PEER_IP)),
    ]);
    for (let first = 0; first < 1000;) {
      const numbers = Array.from({ length: 1 + (first % 250) }, (_, i) => first + i);
      expect(await hive.exchange(numbers.map(ping))).to.deep.equal(numbers.map(pong));
      first += numbers.length;
    }
    expect(await hive.command("netstats")).to.match(/device .*device_errors=0 resets=0 tx_full=0/);
  });

  it("agrees with the strict device on every register access", async () => {
    const hive = await new Hive().boot();
    await hive.exchange([ping(1)]);
    for (const slot of hive.machine.slots) expect([slot.badAccesses, slot.faults]).to.deep.equal([0, 0]);
    expect(hive.machine.uart.badAccesses).to.equal(0);
  });

  it("follows the link", async () => {
    const hive = await new Hive().boot();
    expect(await hive.command("netstats")).to.contain("link up");
    hive.machine.net?.setLink(false);
    expect(await hive.command("netstats")).to.contain("link down");
    hive.machine.net?.setLink(true);
    expect(await hive.command("netstats")).to.contain("link up");
    await hive.exchange([ping(5)]);
  });

  const lies: [string, (entry: UsedEntry) => void][] = [
    ["ids beyond the queue", (entry) => (entry.id = 0xdead)],
    ["lengths beyond the buffer", (entry) => (entry.length = 0x7fffffff)],
    ["lengths below the header", (entry) => (entry.length = entry.queue === 0 ? 5 : 0x10000)],
    ["indices that jump", (entry) => (entry.index = (entry.index + 500) & 0xffff)],
  ];
  for (const [what, lie] of lies) {
    it(`counts and survives a device that invents ${what}, and works again when it stops`, async () => {
      let lying = false;
      const hive = new Hive({ used: (entry) => (lying ? lie(entry) : undefined) });
      await hive.boot();
      lying = true;
      for (let i = 0; i < 20; i++) {
        hive.machine.net?.inject(Uint8Array.from(ping(i)));
        await hive.machine.runFor(SECOND / 100);
      }
      lying = false;
      expect(hive.machine.haltReason).to.equal(undefined);
      expect(hive.machine.restarts).to.equal(0);
      const counted = /device_errors=(\d+) resets=(\d+)/.exec(await hive.command("netstats"));
      expect(Number(counted?.[1])).to.be.at.least(1);
      expect(Number(counted?.[2])).to.be.within(1, 8);
      // The minute in which it was reset too often is over.
      await hive.machine.runFor(61 * SECOND);
      expect(await hive.exchange([ping(7)])).to.deep.equal([pong(7)]);
      expect(await hive.command("netstats")).to.contain("link up");
    });
  }
});
