import { expect } from "chai";
import * as fc from "fast-check";
import { BROKEN, NONE, Virtqueue } from "../../../../services/drivers/virtio/virtqueue.ts";
import { FakeMachine } from "../machine.ts";
import { FakeQueue } from "./device.ts";

const BUFFER = 256;

function setUp(size: number): { machine: FakeMachine; queue: Virtqueue; device: FakeQueue } {
  const machine = new FakeMachine();
  const queue = new Virtqueue(machine, size);
  const memory = machine.dmaAlloc(size * BUFFER);
  for (let id = 0; id < size; id++) queue.describe(id, memory.address + id * BUFFER, BUFFER, true);
  const device = new FakeQueue(machine, size);
  device.num = size;
  device.descriptors = queue.descriptorAddress;
  device.avail = queue.availAddress;
  device.used = queue.usedAddress;
  return { machine, queue, device };
}

/** Offer and publish `count` buffers. */
function give(queue: Virtqueue, count: number): number[] {
  const ids = [];
  for (let i = 0; i < count; i++) {
    const id = queue.allocate();
    ids.push(id);
    queue.offer(id, BUFFER);
  }
  queue.publish();
  return ids;
}

describe("Virtqueue", () => {
  it("accepts powers of two only", () => {
    for (const size of [0, 3, 100, 65536, -2, 1.5]) {
      expect(() => new Virtqueue(new FakeMachine(), size), String(size)).to.throw(RangeError);
    }
  });

  it("aligns its parts and keeps them apart", () => {
    for (const size of [1, 2, 4, 128, 256, 32768]) {
      const queue = new Virtqueue(new FakeMachine(), size);
      expect(queue.descriptorAddress % 16).to.equal(0);
      expect(queue.availAddress).to.be.at.least(queue.descriptorAddress + 16 * size);
      expect(queue.usedAddress % 4).to.equal(0);
      expect(queue.usedAddress).to.be.at.least(queue.availAddress + 6 + 2 * size);
    }
  });

  it("writes descriptors as the specification lays them out", () => {
    const { queue, device } = setUp(4);
    const id = queue.allocate();
    queue.offer(id, 77);
    expect(device.waiting(), "before publish").to.equal(0);
    queue.publish();
    const chain = device.pop();
    expect(chain).to.include({ id, length: 77, writable: true });
  });

  it("hands each buffer out once and says when none is left", () => {
    const { queue } = setUp(8);
    const ids = give(queue, 8);
    expect(new Set(ids).size).to.equal(8);
    expect(queue.allocate()).to.equal(NONE);
    expect([queue.available(), queue.outstanding]).to.deep.equal([0, 8]);
  });

  it("takes back in the device's order, over the wrap of the 16-bit index", () => {
    const { queue, device } = setUp(4);
    for (let round = 0; round < 20_000; round++) {
      give(queue, 4);
      const chains = [device.pop(), device.pop(), device.pop(), device.pop()].reverse();
      for (const chain of chains) device.push(chain?.id ?? -1, round % BUFFER);
      for (const chain of chains) {
        expect(queue.take()).to.equal(chain?.id);
        expect(queue.usedLength).to.equal(round % BUFFER);
        queue.recycle(chain?.id ?? -1);
      }
      expect(queue.take()).to.equal(NONE);
    }
    expect(queue.available()).to.equal(4);
  });

  it("reads entries behind a barrier, one for each batch", () => {
    const { machine, queue, device } = setUp(8);
    for (const id of give(queue, 8)) device.push(id, 1);
    machine.barriers = 0;
    for (let i = 0; i < 8; i++) expect(queue.take()).to.be.at.least(0);
    expect(machine.barriers).to.equal(1);
    expect(queue.take()).to.equal(NONE);
    expect(machine.barriers).to.equal(1);
  });

  it("obeys and gives notification hints", () => {
    const { queue, device } = setUp(4);
    expect(queue.wantsNotification()).to.equal(true);
    device.setUsedFlags(1);
    expect(queue.wantsNotification()).to.equal(false);
    queue.disableInterrupts();
    expect(device.availFlags()).to.equal(1);
    queue.enableInterrupts();
    expect(device.availFlags()).to.equal(0);
  });

  const attacks: [string, (device: FakeQueue, ids: number[]) => void, keyof Virtqueue["faults"]][] = [
    ["an id beyond the queue", (device) => device.push(8, 0), "id"],
    ["a huge id", (device) => device.push(0xffffffff, 0), "id"],
    ["an id that it does not have", (device) => device.push(7, 0), "notOutstanding"],
    ["a length beyond the buffer", (device, ids) => device.push(ids[0] ?? 0, BUFFER + 1), "length"],
    ["a huge length", (device, ids) => device.push(ids[0] ?? 0, 0xffffffff), "length"],
    ["an index further than buffers are out", (device) => device.setUsedIndex(4), "index"],
    ["an index that goes back", (device) => device.setUsedIndex(0xffff), "index"],
  ];
  for (const [what, attack, counter] of attacks) {
    it(`notices ${what} and stays so`, () => {
      const { queue, device } = setUp(8);
      attack(device, give(queue, 3));
      expect(queue.take()).to.equal(BROKEN);
      expect(queue.faults[counter]).to.equal(1);
      expect(queue.take()).to.equal(BROKEN);
      expect(queue.outstanding).to.equal(3);
    });
  }

  it("notices an id that comes back twice", () => {
    const { queue, device } = setUp(8);
    const [id] = give(queue, 2);
    device.push(id ?? 0, 0);
    device.push(id ?? 0, 0);
    expect(queue.take()).to.equal(id);
    expect(queue.take()).to.equal(BROKEN);
    expect(queue.faults.notOutstanding).to.equal(1);
  });

  it("does not believe descriptors that the device overwrote", () => {
    const { machine, queue, device } = setUp(4);
    const [id] = give(queue, 1);
    new Uint8Array(machine.dma(device.descriptors, 64).buffer).fill(0xff, 0, 64);
    device.push(id ?? 0, BUFFER + 1);
    expect(queue.take(), "capacity is the driver's own").to.equal(BROKEN);
  });

  it("starts anew after clear", () => {
    const { queue, device } = setUp(4);
    give(queue, 4);
    device.setUsedIndex(4000);
    expect(queue.take()).to.equal(BROKEN);
    queue.clear();
    device.seen = device.usedIndex = 0;
    expect([queue.available(), queue.outstanding]).to.deep.equal([4, 0]);
    const ids = give(queue, 4);
    expect([...ids].sort()).to.deep.equal([0, 1, 2, 3]);
    const chain = device.pop();
    device.push(chain?.id ?? -1, 5);
    expect(queue.take()).to.equal(chain?.id);
  });

  it("keeps its account under any device: each id is in one place, lengths fit", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("give" as const), n: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant("honest" as const), n: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ kind: fc.constant("id" as const), n: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ kind: fc.constant("index" as const), n: fc.integer({ min: 0, max: 0xffff }) }),
      fc.record({ kind: fc.constant("take" as const), n: fc.integer({ min: 1, max: 9 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { queue, device } = setUp(8);
        const out = new Set<number>();
        for (const { kind, n } of steps) {
          if (kind === "give") {
            for (let i = 0; i < n; i++) {
              const id = queue.allocate();
              if (id === NONE) break;
              expect(out.has(id)).to.equal(false);
              out.add(id);
              queue.offer(id, BUFFER);
            }
            queue.publish();
          } else if (kind === "honest") {
            for (let i = 0; i < n; i++) {
              const chain = device.pop();
              if (chain !== undefined) device.push(chain.id, 3);
            }
          } else if (kind === "id") device.push(n, n * 20);
          else if (kind === "index") device.setUsedIndex(n);
          else {
            for (let i = 0; i < n; i++) {
              const id = queue.take();
              if (id < 0) break;
              expect(out.delete(id), `id ${id} was out`).to.equal(true);
              expect(queue.usedLength).to.be.at.most(BUFFER);
              queue.recycle(id);
            }
          }
          expect(queue.outstanding).to.equal(out.size);
          expect(queue.available() + queue.outstanding).to.equal(8);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("accounts for every descriptor, wherever it is", () => {
    const { queue, device } = setUp(4);
    const faults = "bad_index=0 bad_id=0 bad_twice=0 bad_length=0";
    expect(queue.account("q")).to.equal(`queue q size=4 free=4 driver=0 device=0 peak=0 ${faults}`);
    const ids = give(queue, 3);
    queue.allocate();
    expect(queue.account("q")).to.equal(`queue q size=4 free=0 driver=1 device=3 peak=3 ${faults}`);
    device.push(ids[0]!, 1);
    device.push(ids[1]!, 1);
    expect([queue.done, queue.donePeak]).to.deep.equal([2, 0]);
    queue.recycle(queue.take());
    expect([queue.done, queue.donePeak, queue.dry]).to.deep.equal([1, 2, 0]);
    expect(queue.account("q")).to.equal(`queue q size=4 free=1 driver=1 device=2 peak=3 ${faults}`);
  });

  it("counts each way in which a device lies", () => {
    const lies: [string, (device: FakeQueue, id: number) => void][] = [
      ["bad_id", (device) => device.push(9, 1)],
      ["bad_twice", (device, id) => device.push(id + 1, 1)],
      ["bad_length", (device, id) => device.push(id, BUFFER + 1)],
    ];
    for (const [name, lie] of lies) {
      const { queue, device } = setUp(4);
      const [id = 0] = give(queue, 1);
      lie(device, id);
      expect(queue.take()).to.equal(BROKEN);
      expect(queue.account("q")).to.match(new RegExp(`${name}=1`));
    }
  });

  it("counts looks that find all buffers of the device used", () => {
    const { queue, device } = setUp(4);
    for (const id of give(queue, 3)) device.push(id, 1);
    queue.take();
    expect([queue.donePeak, queue.dry]).to.deep.equal([3, 1]);
    // What is offered and not shown is none of the device's.
    const held = queue.take();
    queue.take();
    queue.offer(held, BUFFER);
    const [last = 0] = give(queue, 1);
    device.push(last, 1);
    queue.take();
    expect(queue.dry).to.equal(1);
  });

  it("believes no device about how much is done", () => {
    const { queue, device } = setUp(4);
    const [id = 0] = give(queue, 1);
    for (let i = 0; i < 3; i++) device.push(id, 1);
    expect(queue.done).to.equal(1);
  });
});
