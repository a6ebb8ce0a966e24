import { expect } from "chai";
import type { VirtioDevice } from "../../../../../engine/sim/devices/virtio/mmio.ts";
import { DriverFault } from "../../../../../engine/sim/devices/virtio/queue.ts";
import { Bench, REGISTER, Ring, STATUS } from "./bench.ts";

class Device implements VirtioDevice {
  readonly id = 99;
  readonly features = 0x80000005;
  readonly queueSizes = [8, 4];
  readonly rung: number[] = [];
  resets = 0;
  fault: string | undefined;

  config(offset: number): number {
    return offset < 8 ? 0x10 + offset : 0;
  }
  notified(queue: number): void {
    this.rung.push(queue);
    if (this.fault !== undefined) throw new DriverFault(this.fault);
  }
  reset(): void {
    this.resets++;
  }
}

function bench(version: 1 | 2 = 2): { it: Bench; device: Device } {
  const device = new Device();
  return { it: new Bench(() => device, { version, hooks: {} }), device };
}

describe("virtio over MMIO (virtio 1.2 §4.2)", () => {
  it("shows magic, version, device and vendor (§4.2.2)", () => {
    const { it } = bench();
    const values = [REGISTER.magic, REGISTER.version, REGISTER.deviceId, REGISTER.vendor].map((o) => it.read(o));
    expect(values).to.deep.equal([0x74726976, 2, 99, 0x554d4551]);
  });

  it("shows device 0 in an empty slot, and nothing else does anything there", () => {
    const it = new Bench();
    expect([it.read(0), it.read(4), it.read(8)]).to.deep.equal([0x74726976, 2, 0]);
    it.write(REGISTER.status, 1);
    for (let offset = 0x10; offset < 0x200; offset += 4) expect(it.read(offset), offset.toString(16)).to.equal(0);
  });

  it("claims version 1 and offers no version 2 register then", () => {
    const { it } = bench(1);
    expect([it.read(0), it.read(4), it.read(8)]).to.deep.equal([0x74726976, 1, 99]);
    it.write(REGISTER.status, 1);
    expect([it.read(REGISTER.status), it.read(REGISTER.deviceFeatures)]).to.deep.equal([0, 0]);
  });

  it("offers its features in words, VERSION_1 among them", () => {
    const { it } = bench();
    const words = [0, 1, 2, 0xffffffff].map((select) => {
      it.write(REGISTER.deviceFeaturesSelect, select);
      return it.read(REGISTER.deviceFeatures);
    });
    expect(words).to.deep.equal([0x80000005, 1, 0, 0]);
  });

  describe("negotiation (§3.1.1)", () => {
    it("keeps FEATURES_OK for a subset with VERSION_1", () => {
      for (const low of [0, 1, 4, 0x80000005]) {
        const { it } = bench();
        expect(it.negotiate(low)).to.equal(11);
        expect(it.slot.features).to.equal(low);
      }
    });

    it("takes FEATURES_OK back for what was not offered and without VERSION_1", () => {
      for (const [low, high] of [
        [2, 1],
        [0, 0],
        [0, 3],
        [0x40000000, 1],
      ] as const) {
        const { it } = bench();
        expect(it.negotiate(low, high)).to.equal(3);
        it.write(REGISTER.status, 7);
        expect(it.read(REGISTER.status), "DRIVER_OK without FEATURES_OK").to.equal(3);
      }
    });

    it("does not let features change after FEATURES_OK", () => {
      const { it } = bench();
      it.negotiate(1);
      it.write(REGISTER.driverFeaturesSelect, 0);
      it.write(REGISTER.driverFeatures, 4);
      expect(it.slot.features).to.equal(1);
      expect(it.slot.badAccesses).to.equal(1);
    });
  });

  describe("queues (§4.2.3.2)", () => {
    it("show their greatest size, and 0 for one that there is not", () => {
      const { it } = bench();
      const sizes = [0, 1, 2, 0xffffffff].map((index) => {
        it.write(REGISTER.queueSelect, index);
        return it.read(REGISTER.queueSizeMax);
      });
      expect(sizes).to.deep.equal([8, 4, 0, 0]);
    });

    it("are ready when their areas are sound", () => {
      const { it } = bench();
      it.negotiate(0);
      it.setUpQueue(1, 4);
      expect(it.read(REGISTER.queueReady)).to.equal(1);
      it.write(REGISTER.queueSelect, 0);
      expect(it.read(REGISTER.queueReady)).to.equal(0);
    });

    it("take 64-bit addresses in halves", () => {
      const { it } = bench();
      it.negotiate(0);
      it.write(REGISTER.queueSelect, 0);
      it.write(REGISTER.descriptorsHigh, 0x12);
      it.write(REGISTER.descriptorsLow, 0x80000010);
      expect(it.slot.queues[0]?.descriptors).to.equal(0x12_80000010);
      it.write(REGISTER.descriptorsHigh, 0);
      expect(it.slot.queues[0]?.descriptors).to.equal(0x80000010);
    });

    it("put the device into needs-reset when size or alignment are wrong (§2.7)", () => {
      for (const [size, offsets] of [
        [0, [0, 0, 0]],
        [3, [0, 0, 0]],
        [16, [0, 0, 0]],
        [8, [8, 0, 0]],
        [8, [0, 1, 0]],
        [8, [0, 0, 2]],
      ] as const) {
        const { it } = bench();
        it.negotiate(0);
        const ring = new Ring(it.pool, 8);
        it.write(REGISTER.queueSelect, 0);
        it.write(REGISTER.queueSize, size);
        it.write(REGISTER.descriptorsLow, ring.descriptors + offsets[0]);
        it.write(REGISTER.driverLow, ring.driverArea + offsets[1]);
        it.write(REGISTER.deviceLow, ring.deviceArea + offsets[2]);
        it.write(REGISTER.queueReady, 1);
        const what = `size ${String(size)}, offsets ${offsets.join()}`;
        expect(it.read(REGISTER.queueReady), what).to.equal(0);
        expect(it.read(REGISTER.status) & STATUS.needsReset, what).to.equal(STATUS.needsReset);
        expect(it.slot.fault, what).to.match(/^queue 0 of size \d+ is misaligned or of a wrong size$/);
      }
    });

    it("cannot be set up before FEATURES_OK nor changed when ready", () => {
      const { it } = bench();
      it.write(REGISTER.queueSize, 8);
      expect([it.slot.queues[0]?.size, it.slot.badAccesses]).to.deep.equal([0, 1]);
      it.negotiate(0);
      it.setUpQueue(0, 8);
      it.write(REGISTER.queueSize, 4);
      expect([it.slot.queues[0]?.size, it.slot.badAccesses]).to.deep.equal([8, 2]);
    });
  });

  describe("notifications", () => {
    it("reach the device only between DRIVER_OK and a reset", () => {
      const { it, device } = bench();
      it.negotiate(0);
      it.setUpQueue(0, 8);
      it.notify(0);
      expect(device.rung).to.deep.equal([]);
      it.write(REGISTER.status, 15);
      expect(device.rung, "what was there before DRIVER_OK is looked at").to.deep.equal([0]);
      it.notify(0);
      it.notify(1);
      it.notify(7);
      expect(device.rung).to.deep.equal([0, 0]);
      expect(it.slot.badAccesses).to.equal(3);
      it.write(REGISTER.status, 0);
      it.notify(0);
      expect(device.rung).to.deep.equal([0, 0]);
    });
  });

  describe("interrupts", () => {
    it("say why, and go away with their acknowledgement", () => {
      const { it } = bench();
      it.bringUp(0, 4);
      it.slot.interruptUsed();
      it.slot.configChanged();
      expect([it.read(REGISTER.interruptStatus), it.line]).to.deep.equal([3, true]);
      it.write(REGISTER.interruptAck, 1);
      expect([it.read(REGISTER.interruptStatus), it.line]).to.deep.equal([2, true]);
      it.write(REGISTER.interruptAck, 2);
      expect([it.read(REGISTER.interruptStatus), it.line]).to.deep.equal([0, false]);
      expect(it.edges).to.equal(1);
    });

    it("do not come for a change of configuration before DRIVER_OK, but the generation moves", () => {
      const { it } = bench();
      const before = it.read(REGISTER.configGeneration);
      it.slot.configChanged();
      expect([it.read(REGISTER.configGeneration), it.line]).to.deep.equal([before + 1, false]);
    });
  });

  it("puts a device whose driver broke the rules into needs-reset, with the reason (§2.1.1)", () => {
    const { it, device } = bench();
    it.bringUp(0, 4);
    device.fault = "an impossible chain";
    it.notify(0);
    expect(it.read(REGISTER.status)).to.equal(15 | STATUS.needsReset);
    expect([it.slot.fault, it.slot.faults, it.line]).to.deep.equal(["an impossible chain", 1, true]);
    it.notify(0);
    expect(it.slot.faults, "a device that needs a reset does nothing").to.equal(1);
    it.write(REGISTER.status, 15);
    expect(it.read(REGISTER.status) & STATUS.needsReset, "only a reset clears it").to.equal(STATUS.needsReset);
    device.fault = undefined;
    it.bringUp(0, 4);
    expect(it.read(REGISTER.status)).to.equal(15);
  });

  it("starts afresh after a reset (§2.4)", () => {
    const { it, device } = bench();
    it.bringUp(4, 4);
    it.slot.interruptUsed();
    const resets = device.resets;
    it.write(REGISTER.status, 0);
    expect(device.resets).to.equal(resets + 1);
    expect([it.read(REGISTER.status), it.read(REGISTER.interruptStatus), it.line]).to.deep.equal([0, 0, false]);
    expect([it.read(REGISTER.queueReady), it.slot.features]).to.deep.equal([0, 0]);
  });

  it("reads its configuration in bytes, halves and words, and takes no writes to it", () => {
    const { it } = bench();
    expect(it.slot.read(REGISTER.config + 1, 1)).to.equal(0x11);
    expect(it.slot.read(REGISTER.config + 2, 2)).to.equal(0x1312);
    expect(it.slot.read(REGISTER.config + 4, 4)).to.equal(0x17161514);
    expect(it.slot.read(REGISTER.config + 8, 4)).to.equal(0);
    it.write(REGISTER.config, 1);
    expect(it.slot.badAccesses).to.equal(1);
  });

  it("takes registers in words only (§4.2.2.2)", () => {
    const { it } = bench();
    expect([it.slot.read(0, 1), it.slot.read(0, 2)]).to.deep.equal([0, 0]);
    it.slot.write(REGISTER.status, 1, 1);
    expect([it.read(REGISTER.status), it.slot.badAccesses]).to.deep.equal([0, 3]);
  });
});
