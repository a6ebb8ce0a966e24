import { expect } from "chai";
import * as fc from "fast-check";
import { probeVirtio } from "../../../../services/drivers/virtio/mmio.ts";
import { VirtioNet, type VirtioNetEvents } from "../../../../services/drivers/virtio/net.ts";
import { RESETS_PER_WINDOW, WINDOW_US } from "../../../../services/drivers/virtio/recovery.ts";
import type { QueueFaults } from "../../../../services/drivers/virtio/virtqueue.ts";
import { deviceNode, FakeMachine } from "../machine.ts";
import { FakeVirtio } from "./device.ts";

const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
const F_MTU = 1 << 3;
const F_MAC = 1 << 5;
const F_STATUS = 1 << 16;
const RX = 0;
const TX = 1;
const SIZE = 128;
const HEADER = 12;
const BUFFER = 1536;

class Rig {
  readonly machine = new FakeMachine();
  readonly device = new FakeVirtio(this.machine, 1);
  /** Frames that the device sent, without the virtio header. */
  readonly sent: number[][] = [];

  constructor() {
    this.device.offered = [F_MAC | F_STATUS | F_MTU | 0x3000_0003, 0xf];
    MAC.forEach((byte, i) => this.device.config.setUint8(i, byte));
    this.device.config.setUint16(6, 1, true);
    this.device.config.setUint16(10, 1500, true);
    this.machine.place(0xa000000, this.device);
  }

  driver(events: VirtioNetEvents = {}): VirtioNet {
    const found = probeVirtio(this.machine, [deviceNode()]).devices[0];
    if (found === undefined) throw new Error("no device");
    return new VirtioNet(this.machine, found.transport, events);
  }

  /** The device receives a frame. */
  deliver(frame: number[]): void {
    const chain = this.device.queue(RX).pop();
    if (chain === undefined) throw new Error("no receive buffer");
    expect(chain.writable).to.equal(true);
    for (let i = 0; i < HEADER; i++) chain.data.setUint8(i, i === 10 ? 1 : 0);
    frame.forEach((byte, i) => chain.data.setUint8(HEADER + i, byte));
    this.device.queue(RX).push(chain.id, HEADER + frame.length);
    this.device.interrupt |= 1;
  }

  /** The device sends what waits and gives the buffers back. */
  transmit(): void {
    const queue = this.device.queue(TX);
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      expect(chain.writable).to.equal(false);
      for (let i = 0; i < HEADER; i++) expect(chain.data.getUint8(i), "virtio_net_hdr").to.equal(0);
      const frame = [];
      for (let i = HEADER; i < chain.length; i++) frame.push(chain.data.getUint8(i));
      this.sent.push(frame);
      queue.push(chain.id, 0);
    }
  }
}

function frame(length: number, seed = 0): number[] {
  return Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);
}

function held(net: VirtioNet): number[] {
  return [...net.rx.subarray(net.rxStart, net.rxStart + net.rxLength)];
}

function send(net: VirtioNet, bytes: number[]): void {
  expect(net.reserve()).to.equal(true);
  net.tx.set(bytes, net.txStart);
  net.commit(bytes.length);
}

describe("VirtioNet", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  describe("start", () => {
    it("takes MAC, MTU and link from the configuration and only the features it knows", () => {
      rig.device.config.setUint16(10, 1400, true);
      const net = rig.driver();
      expect([...net.mac]).to.deep.equal(MAC);
      expect(net.mtu).to.equal(1400);
      expect(net.linkUp).to.equal(true);
      expect(rig.device.accepted).to.deep.equal([F_MAC | F_STATUS | F_MTU, 1]);
      expect(rig.device.live()).to.equal(true);
      expect(rig.machine.bound.get(48)).to.equal("edge");
    });

    it("gives the device all receive buffers, each large enough for any frame", () => {
      rig.driver();
      const queue = rig.device.queue(RX);
      expect(queue.waiting()).to.equal(SIZE);
      for (let i = 0; i < SIZE; i++) expect(queue.pop()?.length).to.be.at.least(1526);
      expect(queue.kicks).to.equal(1);
      expect(rig.device.queue(TX).availFlags(), "no interrupts for sent frames").to.equal(1);
    });

    it("does without MTU and status", () => {
      rig.device.offered = [F_MAC, 1];
      rig.device.config.setUint16(6, 0, true);
      rig.device.config.setUint16(10, 3, true);
      const net = rig.driver();
      expect([net.mtu, net.linkUp]).to.deep.equal([1500, true]);
    });

    it("uses of a larger MTU what its buffers take", () => {
      rig.device.config.setUint16(10, 65535, true);
      expect(rig.driver().mtu).to.equal(1500);
      expect(rig.device.accepted, "a feature that it could not keep").to.deep.equal([F_MAC | F_STATUS, 1]);
    });

    const refusals: [string, (device: FakeVirtio) => void, string][] = [
      ["no MAC address", (d) => (d.offered = [F_STATUS, 1]), "offers no MAC address (VIRTIO_NET_F_MAC)"],
      ["a group address", (d) => d.config.setUint8(0, 1), "offers a group address as its MAC address"],
      ["an impossible MTU", (d) => d.config.setUint16(10, 67, true), "offers an MTU of 67, the least is 68"],
      ["no FEATURES_OK", (d) => (d.agrees = false), "refuses the features"],
      ["an endless configuration change", (d) => (d.onConfigRead = () => d.generation++), "without end"],
    ];
    for (const [what, change, sentence] of refusals) {
      it(`refuses a device with ${what}`, () => {
        change(rig.device);
        expect(() => rig.driver()).to.throw(sentence);
        expect(rig.device.live()).to.equal(false);
      });
    }
  });

  describe("receiving", () => {
    it("hands out frames in order where the device put them", () => {
      const net = rig.driver();
      rig.deliver(frame(60, 1));
      rig.deliver(frame(1514, 2));
      expect(net.receive()).to.equal(true);
      expect(held(net)).to.deep.equal(frame(60, 1));
      expect(net.receive(), "the same until release").to.equal(true);
      expect(held(net)).to.deep.equal(frame(60, 1));
      net.release();
      expect(net.receive()).to.equal(true);
      expect(held(net)).to.deep.equal(frame(1514, 2));
      net.release();
      expect(net.receive()).to.equal(false);
      expect(net.counters).to.include({ rxFrames: 2, rxBytes: 1574, deviceErrors: 0 });
    });

    it("gives buffers back at the flush, with one notification", () => {
      const net = rig.driver();
      for (let i = 0; i < SIZE; i++) rig.deliver(frame(60, i));
      expect(rig.device.queue(RX).waiting()).to.equal(0);
      for (let i = 0; i < SIZE; i++) {
        expect(net.receive()).to.equal(true);
        net.release();
      }
      expect(rig.device.queue(RX).waiting()).to.equal(0);
      net.flush();
      expect(rig.device.queue(RX).waiting()).to.equal(SIZE);
      expect(rig.device.queue(RX).kicks).to.equal(2);
    });

    it("is quiet from the interrupt until nothing is left, and then looks once more", () => {
      const net = rig.driver();
      rig.deliver(frame(60));
      net.service();
      expect(rig.device.queue(RX).availFlags(), "interrupts off").to.equal(1);
      expect(rig.device.interrupt).to.equal(0);
      expect(rig.machine.acks.get(net.bit)).to.equal(1);
      expect(net.receive()).to.equal(true);
      net.release();
      // A frame that comes between the last look and the flag raises no interrupt.
      const barrier = rig.machine.barrier.bind(rig.machine);
      let late = true;
      rig.machine.barrier = (kind) => {
        barrier(kind);
        if (kind === 0 && late) {
          late = false;
          rig.deliver(frame(60, 9));
        }
      };
      expect(net.receive(), "the late frame").to.equal(true);
      expect(held(net)).to.deep.equal(frame(60, 9));
      net.release();
      expect(net.receive()).to.equal(false);
      expect(rig.device.queue(RX).availFlags(), "interrupts on").to.equal(0);
    });

    it("costs a ping one status write and read and one notification", () => {
      const net = rig.driver();
      rig.deliver(frame(98));
      rig.device.queue(RX).setUsedFlags(1);
      rig.machine.reads = rig.machine.writes = rig.machine.barriers = 0;
      net.service();
      expect(net.receive()).to.equal(true);
      send(net, frame(98));
      net.release();
      expect(net.receive()).to.equal(false);
      net.flush();
      expect([rig.machine.reads, rig.machine.writes], "MMIO reads, writes").to.deep.equal([1, 2]);
      expect(rig.machine.barriers).to.be.at.most(4);
    });
  });

  describe("sending", () => {
    it("sends what was built, at the flush and with one notification", () => {
      const net = rig.driver();
      send(net, frame(42));
      send(net, frame(1514, 3));
      expect(rig.device.queue(TX).waiting()).to.equal(0);
      net.flush();
      rig.transmit();
      expect(rig.sent).to.deep.equal([frame(42), frame(1514, 3)]);
      expect(rig.device.queue(TX).kicks).to.equal(1);
      expect(net.counters).to.include({ txFrames: 2, txBytes: 1556 });
    });

    it("does not notify a device that said it need not", () => {
      const net = rig.driver();
      rig.device.queue(TX).setUsedFlags(1);
      send(net, frame(60));
      net.flush();
      expect(rig.device.queue(TX).kicks).to.equal(0);
    });

    it("does nothing at a flush without news", () => {
      const net = rig.driver();
      rig.machine.reads = rig.machine.writes = rig.machine.barriers = 0;
      net.flush();
      expect([rig.machine.reads, rig.machine.writes, rig.machine.barriers]).to.deep.equal([0, 0, 0]);
    });

    it("keeps a reservation until it is used", () => {
      const net = rig.driver();
      net.reserve();
      const start = net.txStart;
      expect(net.reserve()).to.equal(true);
      expect(net.txStart).to.equal(start);
    });

    it("refuses lengths outside a frame", () => {
      const net = rig.driver();
      net.reserve();
      expect(() => net.commit(1515)).to.throw(RangeError);
      expect(() => net.commit(13)).to.throw(RangeError);
    });

    it("says so when all buffers are out, asks for an interrupt and goes on when some come back", () => {
      const net = rig.driver();
      for (let i = 0; i < SIZE; i++) send(net, frame(60, i));
      net.flush();
      expect(net.reserve()).to.equal(false);
      expect(net.counters.txFull).to.equal(1);
      expect(rig.device.queue(TX).availFlags(), "interrupts on").to.equal(0);
      rig.transmit();
      for (let i = 0; i < SIZE; i++) send(net, frame(60, i));
      expect(rig.device.queue(TX).availFlags(), "interrupts off again").to.equal(1);
      net.flush();
      rig.transmit();
      expect(rig.sent.length).to.equal(2 * SIZE);
      expect(net.counters.deviceErrors).to.equal(0);
    });

    it("sees a buffer that comes back while it asks for the interrupt", () => {
      const net = rig.driver();
      for (let i = 0; i < SIZE; i++) send(net, frame(60));
      net.flush();
      const barrier = rig.machine.barrier.bind(rig.machine);
      rig.machine.barrier = (kind) => {
        barrier(kind);
        if (kind === 0) rig.transmit();
      };
      expect(net.reserve()).to.equal(true);
      expect(net.counters.txFull).to.equal(0);
    });

    it("loses no buffer over many rounds", () => {
      const net = rig.driver();
      for (let i = 0; i < 1000; i++) {
        send(net, frame(60, i));
        net.flush();
        rig.transmit();
      }
      for (let i = 0; i < SIZE; i++) send(net, frame(60));
      expect(net.reserve()).to.equal(false);
    });
  });

  describe("link", () => {
    it("follows configuration changes", () => {
      const net = rig.driver();
      expect(net.linkChanges).to.equal(1);
      rig.device.config.setUint16(6, 0, true);
      rig.device.interrupt = 2;
      net.service();
      expect([net.linkUp, net.linkChanges]).to.deep.equal([false, 2]);
      rig.device.config.setUint16(6, 1, true);
      rig.device.interrupt = 3;
      net.service();
      expect([net.linkUp, net.linkChanges]).to.deep.equal([true, 3]);
    });

    it("tells of every change after the start, and of nothing else", () => {
      const told: boolean[] = [];
      const net = rig.driver({ linkChanged: (up) => told.push(up) });
      expect(told).to.deep.equal([]);
      for (const status of [0, 0, 1, 1, 0]) {
        rig.device.config.setUint16(6, status, true);
        rig.device.interrupt = 2;
        net.service();
      }
      expect(told).to.deep.equal([false, true, false]);
      expect(net.linkChanges).to.equal(4);
    });
  });

  describe("recovery", () => {
    /** Frames go both ways. */
    function works(net: VirtioNet): void {
      rig.sent.length = 0;
      rig.deliver(frame(77));
      expect(net.receive()).to.equal(true);
      expect(held(net)).to.deep.equal(frame(77));
      send(net, frame(88));
      net.release();
      net.flush();
      rig.transmit();
      expect(rig.sent).to.deep.equal([frame(88)]);
    }

    it("resets on demand and goes on", () => {
      const restarts: string[] = [];
      const net = rig.driver({ restarted: (why) => restarts.push(why) });
      for (let i = 0; i < 100; i++) send(net, frame(60));
      net.flush();
      expect(net.reset()).to.equal(true);
      expect(restarts).to.deep.equal(["a reset was asked for"]);
      expect(net.counters).to.include({ resets: 1, deviceErrors: 0 });
      expect(rig.device.resetCount).to.equal(2);
      works(net);
      for (let i = 0; i < SIZE - 1; i++) send(net, frame(60));
      expect(net.retryAtUs()).to.equal(Infinity);
    });

    it("resets when the device asks for it", () => {
      const net = rig.driver();
      rig.device.status |= 64;
      rig.device.interrupt = 2;
      net.service();
      expect(net.counters).to.include({ resets: 1, deviceErrors: 1 });
      works(net);
    });

    it("resets when the interrupt does not go away", () => {
      const net = rig.driver();
      rig.device.stuck = true;
      net.service();
      rig.device.stuck = false;
      expect(net.counters).to.include({ resets: 1, deviceErrors: 1 });
      works(net);
    });

    const attacks: [string, keyof QueueFaults, () => void][] = [
      ["an id beyond the queue", "id", () => rig.device.queue(RX).push(5000, 100)],
      ["a length beyond the buffer", "length", () => rig.device.queue(RX).push(0, BUFFER + 1)],
      ["a length below the header", "length", () => rig.device.queue(RX).push(0, 11)],
      ["an index that jumps", "index", () => rig.device.queue(RX).setUsedIndex(1000)],
      [
        "a buffer given back twice",
        "notOutstanding",
        () => {
          rig.device.queue(RX).push(3, 100);
          rig.device.queue(RX).push(3, 100);
        },
      ],
    ];
    for (const [what, fault, attack] of attacks) {
      it(`survives ${what} in the receive queue, and counts what it was`, () => {
        const net = rig.driver();
        attack();
        while (net.receive()) net.release();
        expect(net.counters).to.include({ resets: 1, deviceErrors: 1 });
        expect(net.faults).to.deep.equal({ index: 0, id: 0, notOutstanding: 0, length: 0, [fault]: 1 });
        works(net);
      });
    }

    it("waits with the reset until the core holds no frame", () => {
      const net = rig.driver();
      rig.deliver(frame(200));
      expect(net.receive()).to.equal(true);
      for (let i = 0; i < SIZE; i++) send(net, frame(60));
      rig.device.queue(TX).push(9999, 0);
      expect(net.reserve(), "the fault shows").to.equal(false);
      expect(net.faults).to.include({ id: 1, length: 0 });
      expect(rig.device.resetCount, "no reset yet").to.equal(1);
      expect(held(net)).to.deep.equal(frame(200));
      net.release();
      net.flush();
      expect(net.counters).to.include({ resets: 1, deviceErrors: 1 });
      works(net);
    });

    it("takes a reserved frame back in a reset", () => {
      const net = rig.driver();
      net.reserve();
      net.reset();
      net.commit(60);
      net.flush();
      rig.transmit();
      expect(rig.sent).to.deep.equal([]);
      works(net);
    });

    it("resets so often a minute and no more, then keeps the device off memory, and tries again later", () => {
      const net = rig.driver();
      for (let i = 0; i < RESETS_PER_WINDOW; i++) {
        rig.device.queue(RX).setUsedIndex(5000);
        expect(net.receive()).to.equal(false);
      }
      expect(net.counters.resets).to.equal(RESETS_PER_WINDOW);
      rig.device.queue(RX).setUsedIndex(5000);
      for (let i = 0; i < 100; i++) {
        expect(net.receive()).to.equal(false);
        expect(net.reserve()).to.equal(false);
        net.flush();
      }
      expect(net.counters.resets).to.equal(RESETS_PER_WINDOW);
      expect([net.linkUp, rig.device.live()]).to.deep.equal([false, false]);
      expect(net.trouble).to.equal("its receive queue is inconsistent");
      expect(net.retryAtUs()).to.equal(WINDOW_US);
      rig.machine.time = WINDOW_US;
      expect(net.receive()).to.equal(false);
      expect([net.linkUp, net.trouble]).to.deep.equal([true, ""]);
      works(net);
    });

    it("survives a device that does not come back", () => {
      const net = rig.driver();
      rig.device.resets = false;
      rig.device.queue(RX).setUsedIndex(5000);
      for (let i = 0; i < 20; i++) expect(net.receive()).to.equal(false);
      expect(net.trouble).to.contain("does not reset");
      expect(net.linkUp).to.equal(false);
      rig.device.resets = true;
      rig.machine.time = WINDOW_US;
      net.receive();
      works(net);
    });

    it("never throws and never shows a byte outside its buffer, whatever the device writes", () => {
      const word = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 0xffffffff }));
      const step = fc.record({
        kind: fc.integer({ min: 0, max: 6 }),
        queue: fc.constantFrom(RX, TX),
        a: word,
        b: word,
      });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
          rig = new Rig();
          const net = rig.driver();
          let handed = 0;
          for (const { kind, queue, a, b } of steps) {
            rig.machine.time += 1_000_000;
            const target = rig.device.queue(queue);
            if (rig.device.live()) {
              if (kind === 0) target.push(a, b);
              else if (kind === 1) target.setUsedIndex(a & 0xffff);
              else if (kind === 2 && queue === RX && target.waiting() > 0) rig.deliver(frame(60));
              else if (kind === 3) rig.device.status |= a & 64;
            }
            rig.device.interrupt = b & 3;
            if (kind === 4) net.service();
            for (let i = 0; i < 3 && net.receive(); i++) {
              handed++;
              expect(net.rxStart % BUFFER).to.equal(HEADER);
              expect(net.rxLength).to.be.within(0, BUFFER - HEADER);
              if (net.reserve()) net.commit(60);
              net.release();
            }
            if (kind === 5 && net.reserve()) net.commit(14 + (a % 1500));
            net.flush();
          }
          expect(net.counters.rxFrames).to.equal(handed);
        }),
        { numRuns: 300 },
      );
    });
  });
});
