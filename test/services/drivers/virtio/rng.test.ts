import { expect } from "chai";
import { probeVirtio } from "../../../../services/drivers/virtio/mmio.ts";
import { POOL_BYTES, REQUEST_BYTES, VirtioRng } from "../../../../services/drivers/virtio/rng.ts";
import { RESETS_PER_WINDOW, WINDOW_US } from "../../../../services/drivers/virtio/recovery.ts";
import { deviceNode, FakeMachine } from "../machine.ts";
import { FakeVirtio } from "./device.ts";

describe("VirtioRng", () => {
  let machine: FakeMachine;
  let device: FakeVirtio;
  let next: number;
  beforeEach(() => {
    machine = new FakeMachine();
    device = new FakeVirtio(machine, 4, [8]);
    machine.place(0xa000000, device);
    next = 0;
  });

  function driver(): VirtioRng {
    const found = probeVirtio(machine, [deviceNode()]).devices[0];
    if (found === undefined) throw new Error("no device");
    return new VirtioRng(machine, found.transport);
  }

  /** The device answers one request with `length` bytes 0, 1, 2, … */
  function answer(rng: VirtioRng, length: number): void {
    const chain = device.queue(0).pop();
    if (chain === undefined) throw new Error("no request");
    expect(chain).to.include({ writable: true, length: REQUEST_BYTES });
    for (let i = 0; i < length; i++) chain.data.setUint8(i, next++ & 0xff);
    device.queue(0).push(chain.id, length);
    device.interrupt = 1;
    rng.service();
  }

  it("has nothing before the device answered, and says so", () => {
    const rng = driver();
    expect(device.queue(0).waiting()).to.equal(1);
    const into = new Uint8Array(8).fill(0xa5);
    expect([rng.ready, rng.fill(into)]).to.deep.equal([false, false]);
    expect([...into]).to.deep.equal(Array(8).fill(0xa5));
    expect(rng.counters.refused).to.equal(1);
  });

  it("gives out each byte once and keeps no copy where the device wrote it", () => {
    const rng = driver();
    answer(rng, 32);
    expect(rng.ready).to.equal(true);
    const first = new Uint8Array(20);
    const second = new Uint8Array(12);
    expect([rng.fill(first), rng.fill(second)]).to.deep.equal([true, true]);
    expect([...first, ...second].sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 32 }, (_, i) => i));
    expect(rng.fill(new Uint8Array(1))).to.equal(false);
    const chain = device.queue(0).pop();
    for (let i = 0; i < 32; i++) expect(chain?.data.getUint8(i)).to.equal(0);
    expect(rng.counters).to.include({ received: 32, given: 32 });
  });

  it("stays bounded: it asks only while a whole answer has room", () => {
    const rng = driver();
    answer(rng, 256);
    answer(rng, 256);
    expect(rng.available()).to.equal(POOL_BYTES);
    expect(device.queue(0).waiting()).to.equal(0);
    expect(rng.fill(new Uint8Array(255))).to.equal(true);
    expect(device.queue(0).waiting()).to.equal(0);
    expect(rng.fill(new Uint8Array(1))).to.equal(true);
    expect(device.queue(0).waiting()).to.equal(1);
  });

  it("stays ready when the pool has run dry, fills all or nothing", () => {
    const rng = driver();
    answer(rng, 16);
    expect(rng.fill(new Uint8Array(16))).to.equal(true);
    expect([rng.ready, rng.fill(new Uint8Array(1))]).to.deep.equal([true, false]);
    answer(rng, 7);
    expect(rng.fill(new Uint8Array(8))).to.equal(false);
    expect(rng.fill(new Uint8Array(7))).to.equal(true);
  });

  it("refuses to be asked for more than it can ever hold", () => {
    expect(() => driver().fill(new Uint8Array(POOL_BYTES + 1))).to.throw(RangeError, "at most 512");
  });

  it("survives an interrupt without an answer", () => {
    const rng = driver();
    rng.service();
    expect([rng.ready, rng.counters.deviceErrors]).to.deep.equal([false, 0]);
    expect(machine.acks.get(rng.bit)).to.equal(1);
  });

  const attacks: [string, () => void][] = [
    ["an answer without bytes", () => device.queue(0).push(0, 0)],
    ["an answer beyond the buffer", () => device.queue(0).push(0, REQUEST_BYTES + 1)],
    ["an id beyond the queue", () => device.queue(0).push(1, 16)],
    ["an index that jumps", () => device.queue(0).setUsedIndex(9)],
    [
      "a wish to be reset",
      () => {
        device.status |= 64;
        device.interrupt = 2;
      },
    ],
  ];
  for (const [what, attack] of attacks) {
    it(`survives ${what}`, () => {
      const rng = driver();
      attack();
      rng.service();
      expect(rng.counters).to.include({ deviceErrors: 1, resets: 1, received: 0 });
      expect(rng.ready).to.equal(false);
      answer(rng, 16);
      expect(rng.fill(new Uint8Array(16))).to.equal(true);
    });
  }

  it("resets so often a minute and no more, and tries again later", () => {
    const rng = driver();
    for (let i = 0; i < RESETS_PER_WINDOW + 5; i++) {
      if (device.queue(0).waiting() > 0) device.queue(0).setUsedIndex(9);
      rng.service();
      rng.fill(new Uint8Array(1));
    }
    expect(rng.counters.resets).to.equal(RESETS_PER_WINDOW);
    machine.time = WINDOW_US;
    rng.fill(new Uint8Array(1));
    answer(rng, 4);
    expect(rng.fill(new Uint8Array(4))).to.equal(true);
  });

  it("shows what its pool holds, held at most and refused, and who has its descriptor", () => {
    const rng = driver();
    const [, bytes = 0] = rng.pools()[0] ?? [];
    expect(bytes).to.be.at.least(POOL_BYTES + REQUEST_BYTES);
    answer(rng, 200);
    rng.fill(new Uint8Array(150));
    rng.fill(new Uint8Array(100));
    expect(rng.pools()).to.deep.equal([["rng.pool", bytes, 50, POOL_BYTES, 200, "refused", 1]]);
    expect(rng.queues()[0]).to.match(/^queue rng size=1 free=0 driver=0 device=1 /);
  });
});
