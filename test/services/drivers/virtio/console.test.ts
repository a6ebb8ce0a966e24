import { expect } from "chai";
import * as fc from "fast-check";
import { VirtioConsole as Model } from "../../../../engine/sim/devices/virtio/console.ts";
import type { UsedEntry } from "../../../../engine/sim/devices/virtio/queue.ts";
import { RX_BYTES, TX_BYTES, VirtioConsole } from "../../../../services/drivers/virtio/console.ts";
import { RESETS_PER_WINDOW, WINDOW_US } from "../../../../services/drivers/virtio/recovery.ts";
import { deviceNode, FakeMachine } from "../machine.ts";
import { FakeVirtio } from "./device.ts";
import { probeVirtio } from "../../../../services/drivers/virtio/mmio.ts";
import { SimulatedMachine } from "./simulated.ts";

const RX = 0;
const TX = 1;
const TX_BUFFERS = 16;
const LINE_LIMIT = 1024 * 1024;

/** The driver on the simulator's device. */
class Rig {
  readonly machine: SimulatedMachine;
  readonly port: VirtioConsole;
  model!: Model;
  /** Falsifies the used ring. */
  lie: ((entry: UsedEntry) => void) | undefined;
  interrupts = 0;
  readonly restarts: string[] = [];

  constructor() {
    const hooks = { used: (entry: UsedEntry) => this.lie?.(entry) };
    this.machine = new SimulatedMachine((slot) => (this.model = new Model(slot, () => undefined)), {
      version: 2,
      hooks,
    });
    this.port = new VirtioConsole(this.machine, this.machine.transport(), (why) => this.restarts.push(why));
  }

  /** Serve interrupts, as turns would. */
  turns(limit = 100): void {
    for (let i = 0; i < limit && this.machine.raised(this.port.bit); i++) {
      this.interrupts++;
      this.port.service();
    }
  }

  type(text: string): void {
    expect(this.model.line.write(Buffer.from(text, "latin1"))).to.equal(text.length);
    this.turns();
  }

  read(max = 100_000): string {
    const into = new Uint8Array(max);
    const got = this.port.read(into, 0, max);
    this.turns();
    return Buffer.from(into.subarray(0, got)).toString("latin1");
  }

  write(text: string): number {
    const taken = this.port.write(Buffer.from(`<${text}>`, "latin1"), 1, text.length);
    this.turns();
    return taken;
  }

  shown(): string {
    const text = Buffer.from(this.model.line.read()).toString("latin1");
    this.turns();
    return text;
  }

  /** Bytes go both ways. */
  works(): void {
    this.read();
    this.shown();
    this.type("in");
    expect(this.read()).to.equal("in");
    expect(this.write("out")).to.equal(3);
    expect(this.shown()).to.equal("out");
    expect(this.port.trouble).to.equal("");
  }
}

function pattern(length: number, seed = 0): string {
  return Array.from({ length }, (_, i) => String.fromCharCode((i * 31 + seed) & 0xff)).join("");
}

describe("VirtioConsole", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  it("takes no feature, uses two queues and keeps to the rules of a strict device", () => {
    expect(rig.machine.slot.features).to.equal(0);
    rig.works();
    expect([rig.machine.slot.badAccesses, rig.machine.slot.faults]).to.deep.equal([0, 0]);
  });

  it("takes a device with many ports as one with a single port (§5.3.3)", () => {
    const machine = new FakeMachine();
    const device = new FakeVirtio(machine, 3, [64, 64, 64, 64]);
    device.offered = [0b111, 1];
    machine.place(0xa000000, device);
    const found = probeVirtio(machine, [deviceNode()]).devices[0];
    if (found === undefined) throw new Error("no device");
    new VirtioConsole(machine, found.transport);
    expect(device.accepted).to.deep.equal([0, 1]);
    expect(device.queues.map(({ ready }) => ready)).to.deep.equal([1, 1, 0, 0]);
    expect(device.queue(RX).waiting()).to.equal(RX_BYTES);
  });

  it("has room for as many bytes as it has receive buffers, for QEMU's multiplexer counts bytes and uses up a buffer for each", () => {
    const machine = new FakeMachine();
    const device = new FakeVirtio(machine, 3, [RX_BYTES, TX_BUFFERS]);
    machine.place(0xa000000, device);
    new VirtioConsole(machine, probeVirtio(machine, [deviceNode()]).devices[0]!.transport);
    const queue = device.queue(RX);
    const sizes = Array.from({ length: queue.waiting() }, () => queue.pop()!.length);
    expect(sizes).to.deep.equal(new Array(RX_BYTES).fill(1));
  });

  describe("receiving", () => {
    it("hands out what was typed, in pieces of any size", () => {
      rig.type("hello ");
      rig.type("world");
      expect(rig.port.readable()).to.equal(11);
      expect([rig.read(3), rig.read(5), rig.read()]).to.deep.equal(["hel", "lo wo", "rld"]);
      expect([rig.port.readable(), rig.read()]).to.deep.equal([0, ""]);
      expect(rig.port.counters).to.include({ received: 11, deviceErrors: 0 });
    });

    it("finds what was typed before it came up", () => {
      let model: Model | undefined;
      const machine = new SimulatedMachine((slot) => (model = new Model(slot, () => undefined)));
      model?.line.write(Buffer.from("early"));
      const port = new VirtioConsole(machine, machine.transport());
      expect(machine.raised(port.bit)).to.equal(true);
      port.service();
      expect(port.readable()).to.equal(5);
    });

    it("holds a sender back who is not read, and loses nothing", () => {
      const text = pattern(3 * RX_BYTES);
      rig.type(text);
      expect(rig.port.readable()).to.equal(RX_BYTES);
      expect(rig.model.line.pending).to.equal(2 * RX_BYTES);
      let got = "";
      for (let piece = rig.read(100); piece !== ""; piece = rig.read(100)) got += piece;
      expect(got === text).to.equal(true);
      expect(rig.port.counters.overruns).to.equal(0);
    });
  });

  describe("sending", () => {
    it("sends at once, without an interrupt if the device is done at once", () => {
      expect(rig.write("hello")).to.equal(5);
      expect(rig.shown()).to.equal("hello");
      expect(rig.interrupts).to.equal(0);
      expect(rig.port.writable()).to.equal(TX_BYTES);
    });

    it("takes what its buffers hold and no more while the host takes nothing, and goes on by interrupt", () => {
      for (let i = 0; i < LINE_LIMIT - 100; i++) rig.model.line.output(0);
      const before = rig.port.counters.refused;
      expect(rig.write(pattern(2 * TX_BYTES))).to.equal(TX_BYTES);
      expect([rig.port.writable(), rig.port.counters.refused]).to.deep.equal([0, before + 1]);
      expect(rig.write("x")).to.equal(0);
      expect(rig.shown().length).to.equal(LINE_LIMIT);
      expect(rig.shown() === pattern(2 * TX_BYTES).slice(100, TX_BYTES)).to.equal(true);
      expect(rig.port.writable()).to.equal(TX_BYTES);
      expect(rig.interrupts).to.be.at.least(1);
    });

    it("takes as much as it said it would", () => {
      rig.model.stalled = true;
      for (const length of [1, 1024, 1025, 5000, 1]) {
        const room = rig.port.writable();
        const taken = rig.write(pattern(length));
        expect(taken).to.equal(length);
        expect(rig.port.writable()).to.equal(room - 1024 * Math.ceil(length / 1024));
      }
      const rest = rig.port.writable();
      expect(rig.write(pattern(rest + 1))).to.equal(rest);
    });

    it("does not copy a byte that was not given to it", () => {
      const text = pattern(20_000);
      let sent = 0;
      let shown = "";
      while (sent < text.length) {
        sent += rig.write(text.slice(sent, sent + 777));
        shown += rig.shown();
      }
      expect(shown === text).to.equal(true);
    });
  });

  describe("recovery", () => {
    const lies: [string, number, (entry: UsedEntry) => void][] = [
      ["an id beyond the queue", RX, (entry) => (entry.id = 77)],
      ["an empty receive buffer", RX, (entry) => (entry.length = 0)],
      ["a length beyond the buffer", RX, (entry) => (entry.length = 2)],
      ["an index that jumps", RX, (entry) => (entry.index = (entry.index + 99) & 0xffff)],
      ["a sent id beyond the queue", TX, (entry) => (entry.id = 16)],
      ["a sent buffer that was written", TX, (entry) => (entry.length = 1025)],
    ];
    for (const [what, queue, lie] of lies) {
      it(`counts and survives ${what}`, () => {
        rig.lie = (entry) => {
          if (entry.queue === queue) lie(entry);
        };
        if (queue === RX) rig.type("x");
        else rig.write("x");
        expect(rig.port.counters).to.include({ deviceErrors: 1, resets: 1 });
        expect(rig.restarts.join()).to.match(/^its (receive|transmit) queue is inconsistent$|^it gave back an empty/);
        rig.lie = undefined;
        rig.works();
      });
    }

    it("keeps what was received and not read, in its order", () => {
      rig.type("one ");
      rig.type("two ");
      expect(rig.read(2)).to.equal("on");
      rig.lie = (entry) => (entry.id = 99);
      rig.type("lost");
      rig.lie = undefined;
      rig.type("three");
      expect(rig.read()).to.equal("e two three");
      expect(rig.port.counters.resets).to.equal(1);
      // Every buffer is the device's again.
      rig.type(pattern(RX_BYTES));
      expect(rig.port.readable()).to.equal(RX_BYTES);
    });

    it("counts what was on its way to the host", () => {
      rig.model.stalled = true;
      rig.write(pattern(3000));
      rig.lie = (entry) => (entry.id = 99);
      rig.model.stalled = false;
      rig.model.resume();
      rig.turns();
      expect(rig.port.counters).to.include({ lost: 3000, resets: 1 });
      rig.lie = undefined;
      rig.works();
    });

    it("resets so often a minute and no more, keeps the device off memory, and tries again later", () => {
      rig.lie = (entry) => (entry.id = 99);
      for (let i = 0; i <= RESETS_PER_WINDOW; i++) rig.type("x");
      expect(rig.port.counters.resets).to.equal(RESETS_PER_WINDOW);
      expect(rig.machine.slot.running).to.equal(false);
      expect([rig.port.writable(), rig.write("y"), rig.read()]).to.deep.equal([0, 0, ""]);
      expect(rig.port.trouble).to.equal("its receive queue is inconsistent");
      expect(rig.port.retryAtUs()).to.equal(WINDOW_US);
      rig.lie = undefined;
      rig.machine.time = WINDOW_US;
      rig.read();
      rig.works();
      expect(rig.port.retryAtUs()).to.equal(Infinity);
    });
  });

  it("never throws, and while the device is honest loses no byte, whatever happens in which order", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("type" as const), length: fc.integer({ min: 1, max: 3000 }) }),
      fc.record({ kind: fc.constant("read" as const), length: fc.integer({ min: 1, max: 3000 }) }),
      fc.record({ kind: fc.constant("write" as const), length: fc.integer({ min: 1, max: 5000 }) }),
      fc.record({ kind: fc.constant("stall" as const), length: fc.constant(0) }),
      fc.record({ kind: fc.constant("go on" as const), length: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        rig = new Rig();
        let typed = "";
        let read = "";
        let written = "";
        let shown = "";
        for (const { kind, length } of steps) {
          if (kind === "type") {
            const text = pattern(length, typed.length);
            rig.type(text);
            typed += text;
          } else if (kind === "read") read += rig.read(length);
          else if (kind === "write") {
            const text = pattern(length, written.length);
            written += text.slice(0, rig.write(text));
          } else {
            rig.model.stalled = kind === "stall";
            if (!rig.model.stalled) rig.model.resume();
            rig.turns();
          }
        }
        rig.model.stalled = false;
        rig.model.resume();
        rig.turns();
        for (let piece = rig.read(); piece !== ""; piece = rig.read()) read += piece;
        shown += rig.shown();
        expect(read === typed, "typed and read").to.equal(true);
        expect(shown === written, "written and shown").to.equal(true);
        expect(rig.port.counters).to.include({ deviceErrors: 0, lost: 0, overruns: 0, sent: written.length });
        expect(rig.port.writable(), "every buffer is back").to.equal(TX_BYTES);
        expect(rig.machine.slot.badAccesses).to.equal(0);
      }),
      { numRuns: 100, verbose: 1 },
    );
  });

  it("survives a device that lies at random, never hands out more than it was given, and works when the lies end", () => {
    const lie = fc.record({
      at: fc.integer({ min: 0, max: 3 }),
      field: fc.constantFrom("id" as const, "length" as const, "index" as const),
      value: fc.oneof(fc.integer({ min: 0, max: 1100 }), fc.integer({ min: 0, max: 0xffffffff })),
    });
    fc.assert(
      fc.property(fc.array(lie, { minLength: 1, maxLength: 30 }), (lies) => {
        rig = new Rig();
        for (const { at, field, value } of lies) {
          let count = 0;
          rig.lie = (entry) => {
            if (count++ === at) entry[field] = field === "index" ? value & 0xffff : value;
          };
          rig.machine.time += 1_000_000;
          rig.model.line.write(Buffer.from("typed"));
          rig.turns();
          rig.write("written");
          expect(rig.port.readable()).to.be.within(0, RX_BYTES);
          rig.read(3);
          rig.model.line.read();
          expect(rig.port.writable()).to.be.within(0, TX_BYTES);
        }
        rig.lie = undefined;
        rig.machine.time += WINDOW_US;
        // An index that went back shows at the next completions only, and costs a reset each.
        for (let i = 0; i < 4; i++) {
          rig.model.line.write(Buffer.from("x"));
          rig.turns();
          rig.write("y");
          rig.read();
        }
        rig.works();
      }),
      { numRuns: 150, verbose: 1 },
    );
  });

  it("shows what its buffers hold and held at most, and how often it could not take more", () => {
    const rig = new Rig();
    const pools = (): unknown[] => rig.port.pools().map(([name, , ...rest]) => [name, ...rest]);
    expect(pools()).to.deep.equal([
      ["virtio-console.rx", 0, RX_BYTES, 0, "held_back", 0],
      ["virtio-console.tx", 0, TX_BUFFERS, 0, "refused", 0],
    ]);
    rig.type("key");
    expect(pools()[0]).to.deep.equal(["virtio-console.rx", 3, RX_BYTES, 3, "held_back", 0]);
    rig.read();
    expect(pools()[0]).to.deep.equal(["virtio-console.rx", 0, RX_BYTES, 3, "held_back", 0]);
    rig.type(pattern(RX_BYTES));
    rig.model.line.write(Buffer.from("more"));
    rig.turns();
    expect(rig.port.pools()[0]!.slice(2, 5)).to.deep.equal([RX_BYTES, RX_BYTES, RX_BYTES]);
    expect(rig.port.queues().map((line) => line.split(" device=")[0])).to.deep.equal([
      `queue virtio-console.rx size=${RX_BYTES} free=0 driver=${RX_BYTES}`,
      `queue virtio-console.tx size=${TX_BUFFERS} free=${TX_BUFFERS} driver=0`,
    ]);
  });
});
