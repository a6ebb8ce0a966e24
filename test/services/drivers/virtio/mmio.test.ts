import { expect } from "chai";
import type { VirtioMmio } from "../../../../services/drivers/virtio/mmio.ts";
import { probeVirtio } from "../../../../services/drivers/virtio/mmio.ts";
import { deviceNode, FakeMachine } from "../machine.ts";
import { FakeVirtio } from "./device.ts";

function slot(n: number): { name: string; base: number; irq: number } {
  const base = 0xa000000 + 0x200 * n;
  return { name: `virtio_mmio@${base.toString(16)}`, base, irq: 48 + n };
}

function transport(device: FakeVirtio, machine: FakeMachine): VirtioMmio {
  machine.place(0xa000000, device);
  const found = probeVirtio(machine, [deviceNode()]).devices[0];
  if (found === undefined) throw new Error("not found");
  return found.transport;
}

describe("probeVirtio", () => {
  it("finds devices, passes over empty slots and other nodes", () => {
    const machine = new FakeMachine();
    machine.place(slot(0).base, new FakeVirtio(machine, 0));
    machine.place(slot(1).base, new FakeVirtio(machine, 4));
    machine.place(slot(31).base, new FakeVirtio(machine, 1));
    const nodes = [
      deviceNode(slot(0)),
      deviceNode({ name: "pl011@9000000", compatible: "arm,pl011", base: 0x9000000 }),
      deviceNode(slot(1)),
      deviceNode(slot(31)),
    ];
    const probe = probeVirtio(machine, nodes);
    expect(probe.refusals).to.deep.equal([]);
    expect(probe.devices.map((d) => [d.deviceId, d.transport.node.name])).to.deep.equal([
      [4, "virtio_mmio@a000200"],
      [1, "virtio_mmio@a003e00"],
    ]);
  });

  it("does not complain about an empty legacy slot", () => {
    const machine = new FakeMachine();
    const device = new FakeVirtio(machine, 0);
    device.version = 1;
    machine.place(0xa000000, device);
    expect(probeVirtio(machine, [deviceNode()])).to.deep.equal({ devices: [], refusals: [] });
  });

  const refusals: [string, (device: FakeVirtio) => void, number, string][] = [
    [
      "a legacy device, naming QEMU's option",
      (device) => (device.version = 1),
      48,
      "virtio_mmio@a000000 (device 1) is a legacy virtio device; start QEMU with -global virtio-mmio.force-legacy=false",
    ],
    [
      "a version that is not known",
      (device) => (device.version = 3),
      48,
      "virtio_mmio@a000000 (device 1) speaks virtio-mmio version 3, known is 2",
    ],
    [
      "something that is not virtio",
      (device) => (device.magic = 0xdeadbeef),
      48,
      "virtio_mmio@a000000 is no virtio-mmio device (magic 0xdeadbeef)",
    ],
    [
      "a device without interrupt",
      () => undefined,
      -1,
      "virtio_mmio@a000000 (device 1) has no interrupt in the device tree",
    ],
  ];
  for (const [what, change, irq, sentence] of refusals) {
    it(`refuses ${what}`, () => {
      const machine = new FakeMachine();
      const device = new FakeVirtio(machine, 1);
      change(device);
      machine.place(0xa000000, device);
      expect(probeVirtio(machine, [deviceNode({ irq })])).to.deep.equal({ devices: [], refusals: [sentence] });
    });
  }
});

describe("VirtioMmio", () => {
  let machine: FakeMachine;
  let device: FakeVirtio;
  beforeEach(() => {
    machine = new FakeMachine();
    device = new FakeVirtio(machine, 1);
  });

  it("accepts what is wanted and offered, and VERSION_1", () => {
    device.offered = [0xf0000028, 0xffffffff];
    expect(transport(device, machine).negotiate(0x10000020)).to.equal(0x10000020);
    expect(device.accepted).to.deep.equal([0x10000020, 1]);
    expect(device.status).to.equal(1 | 2 | 8);
  });

  it("resets before it negotiates", () => {
    device.status = 0xf;
    transport(device, machine).negotiate(0);
    expect(device.resetCount).to.equal(1);
  });

  it("gives up a device that does not reset", () => {
    device.status = 0xf;
    device.resets = false;
    expect(() => transport(device, machine).negotiate(0)).to.throw("virtio_mmio@a000000 does not reset");
  });

  it("refuses a device without VERSION_1 and tells it so", () => {
    device.offered = [0, 0];
    expect(() => transport(device, machine).negotiate(0)).to.throw(
      "virtio_mmio@a000000 does not offer VIRTIO_F_VERSION_1",
    );
    expect(device.status & 128).to.equal(128);
  });

  it("looks whether FEATURES_OK stays", () => {
    device.agrees = false;
    device.offered = [0x20, 1];
    expect(() => transport(device, machine).negotiate(0x20)).to.throw("refuses the features 0x20");
    expect(device.status & 128).to.equal(128);
  });

  it("refuses a queue that is too small, absent or in use", () => {
    const mmio = transport(device, machine);
    const layout = { size: 64, descriptorAddress: 0, availAddress: 0, usedAddress: 0 };
    device = new FakeVirtio(machine, 1, [32]);
    const small = transport(device, machine);
    expect(() => small.enableQueue(0, layout)).to.throw("takes 32 descriptors in queue 0, needed are 64");
    expect(() => small.enableQueue(7, layout)).to.throw("takes 0 descriptors in queue 7");
    device = new FakeVirtio(machine, 1);
    device.queue(0).ready = 1;
    const busy = transport(device, machine);
    expect(() => busy.enableQueue(0, layout)).to.throw("queue 0 is in use after a reset");
    expect(mmio.queueSizeMax(0)).to.equal(1024);
  });

  it("writes 64-bit addresses", () => {
    const mmio = transport(device, machine);
    mmio.enableQueue(1, {
      size: 4,
      descriptorAddress: 0x3_f000_1000,
      availAddress: 0x2_8000_0002,
      usedAddress: 0x40000004,
    });
    const queue = device.queue(1);
    expect([queue.descriptors, queue.avail, queue.used]).to.deep.equal([0x3_f000_1000, 0x2_8000_0002, 0x40000004]);
    expect([queue.num, queue.ready]).to.deep.equal([4, 1]);
  });

  it("reads a configuration again that changed while it was read", () => {
    const mmio = transport(device, machine);
    let changes = 2;
    device.onConfigRead = () => {
      if (changes-- > 0) device.generation++;
      device.config.setUint16(6, device.generation, true);
    };
    let value = 0;
    expect(mmio.readConfig((d) => (value = d.configRead16(6)))).to.equal(true);
    expect(value).to.equal(2);
    device.onConfigRead = () => device.generation++;
    expect(mmio.readConfig((d) => d.configRead16(6))).to.equal(false);
  });

  describe("acknowledge", () => {
    it("takes two accesses for used buffers", () => {
      const mmio = transport(device, machine);
      device.interrupt = 1;
      machine.reads = machine.writes = 0;
      expect(mmio.acknowledge() & 2).to.equal(0);
      expect([machine.reads, machine.writes, device.interrupt]).to.deep.equal([1, 1, 0]);
    });

    it("leaves the line low when a cause comes up while it acknowledges", () => {
      const mmio = transport(device, machine);
      device.interrupt = 1;
      let late = 1;
      device.onAck = () => {
        if (late-- > 0) device.interrupt |= 2;
      };
      expect(mmio.acknowledge() & 2).to.equal(2);
      expect(device.interrupt).to.equal(0);
    });

    it("gives up on a status that does not go away", () => {
      const mmio = transport(device, machine);
      device.stuck = true;
      expect(mmio.acknowledge()).to.equal(-1);
      expect(machine.reads).to.be.lessThan(20);
    });
  });

  it("sees DEVICE_NEEDS_RESET", () => {
    const mmio = transport(device, machine);
    expect(mmio.needsReset()).to.equal(false);
    device.status |= 64;
    expect(mmio.needsReset()).to.equal(true);
  });
});
