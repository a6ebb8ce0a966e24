import { expect } from "chai";
import fc from "fast-check";
import { DeviceQueue, DriverFault } from "../../../../../engine/sim/devices/virtio/queue.ts";
import type { QueueHooks } from "../../../../../engine/sim/devices/virtio/queue.ts";
import { DmaPool, PAGE } from "../../../../../engine/sim/memory.ts";
import { DESC, Ring } from "./bench.ts";

const SIZE = 8;

class Setup {
  readonly pool = new DmaPool(64 * PAGE);
  readonly ring: Ring;
  readonly queue: DeviceQueue;
  readonly buffer: number;

  constructor(hooks: QueueHooks = {}) {
    this.pool.adopt(new Uint8Array(this.pool.reserve), 0);
    this.ring = new Ring(this.pool, SIZE);
    this.queue = new DeviceQueue(3, SIZE, this.pool, hooks);
    this.queue.size = SIZE;
    this.queue.descriptors = this.ring.descriptors;
    this.queue.driverArea = this.ring.driverArea;
    this.queue.deviceArea = this.ring.deviceArea;
    this.queue.ready = true;
    this.buffer = this.pool.addressOf(this.pool.allocate(PAGE));
  }

  /** A chain of parts, `w` before a length for one that the device writes, from descriptor 0 on. */
  chain(...parts: string[]): void {
    parts.forEach((part, i) => {
      const write = part.startsWith("w");
      const more = i < parts.length - 1;
      this.ring.describe(i, {
        address: this.buffer + 100 * i,
        length: Number(part.replace("w", "")),
        flags: (write ? DESC.write : 0) | (more ? DESC.next : 0),
        next: i + 1,
      });
    });
    this.ring.makeAvailable(0);
  }
}

function fault(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).to.be.instanceOf(DriverFault);
    return error instanceof Error ? error.message : "";
  }
  throw new Error("nothing was thrown");
}

describe("split virtqueue, the device's side (virtio 1.2 §2.7)", () => {
  it("takes chains in the order in which they were made available", () => {
    const { queue, ring, buffer } = new Setup();
    for (const head of [5, 2, 7]) {
      ring.describe(head, { address: buffer, length: head });
      ring.makeAvailable(head);
    }
    const heads: number[] = [];
    while (queue.pop()) heads.push(queue.chain.id);
    expect(heads).to.deep.equal([5, 2, 7]);
  });

  it("walks a chain and sums up what to read and what to write", () => {
    const it = new Setup();
    it.chain("10", "20", "w30", "w40");
    expect(it.queue.pop()).to.equal(true);
    const { parts, readable, readableBytes, writableBytes } = it.queue.chain;
    expect([parts, readable, readableBytes, writableBytes]).to.deep.equal([4, 2, 30, 70]);
  });

  it("gathers and scatters over parts, from any byte on", () => {
    const it = new Setup();
    it.chain("3", "4", "w2", "w5");
    it.queue.pop();
    const at = it.pool.translate(it.buffer, PAGE);
    for (let i = 0; i < 3; i++) it.pool.u8[at + i] = 1 + i;
    for (let i = 0; i < 4; i++) it.pool.u8[at + 100 + i] = 4 + i;
    const into = new Uint8Array(5);
    expect(it.queue.gather(1, into)).to.equal(5);
    expect([...into]).to.deep.equal([2, 3, 4, 5, 6]);
    expect(it.queue.gather(6, into)).to.equal(1);
    expect(it.queue.gather(7, into)).to.equal(0);
    expect(it.queue.scatter(1, Uint8Array.of(9, 8, 7))).to.equal(3);
    expect([...it.pool.u8.slice(at + 200, at + 203)]).to.deep.equal([0, 9, 0]);
    expect([...it.pool.u8.slice(at + 300, at + 306)]).to.deep.equal([8, 7, 0, 0, 0, 0]);
    expect(it.queue.scatter(0, new Uint8Array(100))).to.equal(7);
  });

  it("gives chains back in the used ring, over the end of the ring and of the index", () => {
    const it = new Setup();
    it.ring.describe(0, { address: it.buffer, length: 1 });
    for (let i = 0; i < 65536 + 5; i++) {
      it.ring.makeAvailable(0);
      if (!it.queue.pop()) throw new Error("a chain is missing");
      it.queue.push(0, i & 0xff);
    }
    expect(it.ring.usedIndex).to.equal(5);
    expect(it.ring.used(4)).to.deep.equal({ id: 0, length: 4 });
    expect(it.queue.pop()).to.equal(false);
  });

  it("says whether the driver wants an interrupt (§2.7.7)", () => {
    const it = new Setup();
    it.chain("1");
    it.queue.pop();
    expect(it.queue.push(0, 0)).to.equal(true);
    it.ring.setDriverFlags(1);
    expect(it.queue.push(0, 0)).to.equal(false);
  });

  it("puts a chain back where it was", () => {
    const it = new Setup();
    it.chain("1");
    it.queue.pop();
    it.queue.unpop();
    expect(it.queue.available()).to.equal(1);
    expect(it.queue.pop()).to.equal(true);
  });

  it("does nothing while it is not ready", () => {
    const it = new Setup();
    it.chain("1");
    it.queue.ready = false;
    expect(it.queue.pop()).to.equal(false);
  });

  describe("names what a driver does wrong", () => {
    it("an index too far ahead", () => {
      const it = new Setup();
      it.ring.setAvailable(SIZE + 1);
      expect(fault(() => it.queue.pop())).to.equal("avail.idx is 9 ahead of a queue of 8");
      it.ring.setAvailable(0xffff);
      expect(fault(() => it.queue.available())).to.equal("avail.idx is 65535 ahead of a queue of 8");
    });

    it("a descriptor that there is not", () => {
      const it = new Setup();
      it.ring.makeAvailable(SIZE);
      expect(fault(() => it.queue.pop())).to.equal("descriptor 8 in a queue of 8");
      const other = new Setup();
      other.ring.describe(0, { address: other.buffer, length: 1, flags: DESC.next, next: 60000 });
      other.ring.makeAvailable(0);
      expect(fault(() => other.queue.pop())).to.equal("descriptor 60000 in a queue of 8");
    });

    it("a loop", () => {
      const it = new Setup();
      it.ring.describe(0, { address: it.buffer, length: 1, flags: DESC.next, next: 1 });
      it.ring.describe(1, { address: it.buffer, length: 1, flags: DESC.next, next: 0 });
      it.ring.makeAvailable(0);
      expect(fault(() => it.queue.pop())).to.equal("a chain of descriptors is a loop");
    });

    it("a buffer outside of DMA memory, also by its length or its upper half", () => {
      for (const [address, length] of [
        [0x1000, 1],
        [2 ** 40, 1],
        [2 ** 64 - 2048, 1],
      ] as const) {
        const it = new Setup();
        it.ring.describe(0, { address, length });
        it.ring.makeAvailable(0);
        expect(fault(() => it.queue.pop())).to.match(
          /^a descriptor's buffer at 0x[0-9a-f]+ \(1 bytes\) is not DMA memory$/,
        );
      }
      const it = new Setup();
      it.ring.describe(0, { address: it.buffer, length: 0xffffffff });
      it.ring.makeAvailable(0);
      expect(fault(() => it.queue.pop())).to.contain("(4294967295 bytes) is not DMA memory");
    });

    it("rings outside of DMA memory", () => {
      const avail = new Setup();
      avail.queue.driverArea = 0x1000;
      expect(fault(() => avail.queue.pop())).to.contain("the available ring at 0x1000");
      const table = new Setup();
      table.chain("1");
      table.queue.descriptors = 0x1000;
      expect(fault(() => table.queue.pop())).to.contain("the descriptor table at 0x1000");
      const used = new Setup();
      used.chain("1");
      used.queue.pop();
      used.queue.deviceArea = 0x1000;
      expect(fault(() => used.queue.push(0, 0))).to.contain("the used ring at 0x1000");
    });

    it("a readable part after a writable one (§2.7.4.2)", () => {
      const it = new Setup();
      it.chain("w1", "1");
      expect(fault(() => it.queue.pop())).to.equal("a readable descriptor follows a writable one");
    });

    it("an indirect descriptor that was not negotiated", () => {
      const it = new Setup();
      it.ring.describe(0, { address: it.buffer, length: 16, flags: DESC.indirect });
      it.ring.makeAvailable(0);
      expect(fault(() => it.queue.pop())).to.equal("an indirect descriptor was not negotiated");
    });
  });

  it("lets a test falsify what it writes into the used ring", () => {
    const it = new Setup({
      used: (entry) => {
        entry.id = 77;
        entry.length = 0xffffffff;
        entry.index = 1234;
      },
    });
    it.chain("1");
    it.queue.pop();
    it.queue.push(0, 1);
    expect(it.ring.used(0)).to.deep.equal({ id: 77, length: 0xffffffff });
    expect(it.ring.usedIndex).to.equal(1234);
    it.queue.push(0, 1);
    expect(it.ring.used(1).id, "its own count goes on").to.equal(77);
  });

  it("ends and stays inside its memory whatever the rings hold", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16 * SIZE, maxLength: 16 * SIZE }),
        fc.array(fc.nat(SIZE)),
        (table, heads) => {
          const it = new Setup();
          const at = it.pool.translate(it.ring.descriptors, 16 * SIZE);
          it.pool.u8.set(table, at);
          // Some addresses lie in DMA memory.
          for (let i = 0; i < SIZE; i += 2)
            it.ring.describe(i, { address: it.buffer, length: i, flags: table[i] ?? 0, next: table[i + 1] ?? 0 });
          for (const head of heads) it.ring.makeAvailable(head);
          const before = Uint8Array.from(it.pool.u8);
          try {
            while (it.queue.pop()) expect(it.queue.chain.parts).to.be.within(1, SIZE);
          } catch (error) {
            expect(error).to.be.instanceOf(DriverFault);
          }
          expect(Buffer.compare(before, it.pool.u8), "only push writes").to.equal(0);
        },
      ),
    );
  });
});
