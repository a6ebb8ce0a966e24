import { expect } from "chai";
import { F_CSUM, F_MAC, F_STATUS, VirtioNet } from "../../../../../engine/sim/devices/virtio/net.ts";
import { Bench, DESC, REGISTER, STATUS } from "./bench.ts";
import type { Ring } from "./bench.ts";

const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const HEADER = 12;
const SIZE = 8;

class Setup {
  readonly frames: Uint8Array[] = [];
  activity = 0;
  readonly net: VirtioNet;
  readonly bench: Bench;
  rx!: Ring;
  tx!: Ring;

  constructor(checksumOffload = false) {
    let made: VirtioNet | undefined;
    this.bench = new Bench((slot) => (made = new VirtioNet(slot, MAC, checksumOffload, () => this.activity++)));
    if (!made) throw new Error("no device");
    this.net = made;
    this.net.wire = { frame: (bytes) => this.frames.push(bytes) };
  }

  up(features = F_MAC | F_STATUS): this {
    const [rx, tx] = this.bench.bringUp(features, SIZE);
    if (!rx || !tx) throw new Error("no queues");
    this.rx = rx;
    this.tx = tx;
    return this;
  }

  receiveBuffer(index: number, length = 2048): number {
    const address = this.bench.place(new Uint8Array(length).fill(0xa5));
    this.rx.describe(index, { address, length, flags: DESC.write });
    this.rx.makeAvailable(index);
    return address;
  }

  send(header: Uint8Array, frame: Uint8Array): void {
    this.tx.describe(0, { address: this.bench.place(header), length: header.length, flags: DESC.next, next: 1 });
    this.tx.describe(1, { address: this.bench.place(frame), length: frame.length });
    this.tx.makeAvailable(0);
    this.bench.notify(1);
  }
}

const frameOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff);

describe("virtio-net (virtio 1.2 §5.1)", () => {
  it("offers MAC and STATUS, CSUM only if asked, and shows its configuration (§5.1.4)", () => {
    const it = new Setup();
    expect(it.net.features).to.equal(F_MAC | F_STATUS);
    expect(new Setup(true).net.features).to.equal(F_CSUM | F_MAC | F_STATUS);
    const config = Array.from({ length: 12 }, (_, i) => it.bench.slot.read(REGISTER.config + i, 1));
    expect(config).to.deep.equal([...MAC, 1, 0, 1, 0, 0, 0]);
    expect(it.bench.read(REGISTER.deviceId)).to.equal(1);
  });

  describe("receiving", () => {
    it("writes header and frame into a buffer, its length into the used ring, and interrupts", () => {
      const it = new Setup().up();
      const address = it.receiveBuffer(3);
      expect(it.net.inject(frameOf(60))).to.equal(true);
      expect(it.rx.usedIndex).to.equal(1);
      expect(it.rx.used(0)).to.deep.equal({ id: 3, length: HEADER + 60 });
      const bytes = it.bench.bytes(address, 2048);
      expect([...bytes.subarray(0, HEADER)]).to.deep.equal([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
      expect(Buffer.compare(bytes.subarray(HEADER, HEADER + 60), frameOf(60))).to.equal(0);
      expect(bytes.subarray(HEADER + 60).every((byte) => byte === 0xa5)).to.equal(true);
      expect([it.bench.line, it.net.counters.rxFrames, it.activity]).to.deep.equal([true, 1, 1]);
    });

    it("keeps frames until there are buffers, in order, a bounded number of them", () => {
      const it = new Setup().up();
      for (let i = 0; i < 256; i++) expect(it.net.inject(Uint8Array.of(i))).to.equal(true);
      expect(it.net.inject(Uint8Array.of(1))).to.equal(false);
      expect(it.net.counters.rxDropped).to.equal(1);
      it.bench.write(REGISTER.status, 0);
      expect(it.net.counters.rxDropped, "lost in a reset").to.equal(257);
      it.up();
      for (let i = 0; i < 256; i++) it.net.inject(Uint8Array.of(i));
      const addresses = [0, 1, 2].map((index) => it.receiveBuffer(index));
      it.bench.notify(0);
      expect(it.rx.usedIndex).to.equal(3);
      expect(addresses.map((address) => it.bench.bytes(address + HEADER, 1)[0])).to.deep.equal([0, 1, 2]);
    });

    it("spreads a frame over the parts of one chain", () => {
      const it = new Setup().up();
      const first = it.bench.place(new Uint8Array(HEADER + 4));
      const second = it.bench.place(new Uint8Array(64));
      it.rx.describe(0, { address: first, length: HEADER + 4, flags: DESC.write | DESC.next, next: 1 });
      it.rx.describe(1, { address: second, length: 64, flags: DESC.write });
      it.rx.makeAvailable(0);
      it.net.inject(frameOf(20));
      expect([...it.bench.bytes(first + HEADER, 4)]).to.deep.equal([0, 1, 2, 3]);
      expect([...it.bench.bytes(second, 17)]).to.deep.equal([...frameOf(20).subarray(4), 0]);
    });

    it("drops a frame that does not fit its buffer, and uses the buffer for the next", () => {
      const it = new Setup().up();
      it.receiveBuffer(0, HEADER + 50);
      it.net.inject(frameOf(51));
      expect([it.rx.usedIndex, it.net.counters.rxDropped]).to.deep.equal([0, 1]);
      it.net.inject(frameOf(50));
      expect([it.rx.usedIndex, it.rx.used(0).length]).to.deep.equal([1, HEADER + 50]);
    });

    it("drops frames while the driver is not there or the link is down", () => {
      const it = new Setup();
      expect(it.net.inject(frameOf(60))).to.equal(false);
      it.up();
      it.net.setLink(false);
      expect(it.net.inject(frameOf(60))).to.equal(false);
      expect(it.net.counters.rxDropped).to.equal(2);
    });

    it("does not interrupt who does not want it (§2.7.7)", () => {
      const it = new Setup().up();
      it.rx.setDriverFlags(1);
      it.receiveBuffer(0);
      it.net.inject(frameOf(60));
      expect([it.rx.usedIndex, it.bench.line]).to.deep.equal([1, false]);
    });

    it("needs a reset when a receive buffer is not for writing", () => {
      const it = new Setup().up();
      it.rx.describe(0, { address: it.bench.place(new Uint8Array(100)), length: 100 });
      it.rx.makeAvailable(0);
      it.net.inject(frameOf(60));
      expect(it.bench.read(REGISTER.status) & STATUS.needsReset).to.equal(STATUS.needsReset);
      expect(it.bench.slot.fault).to.equal("a receive buffer that the device must not write");
      it.up();
      it.receiveBuffer(0);
      expect(it.net.inject(frameOf(60)), "after a reset").to.equal(true);
      expect(it.rx.usedIndex).to.equal(1);
    });
  });

  describe("sending", () => {
    it("hands the frame without its header to the wire and gives the chain back", () => {
      const it = new Setup().up();
      it.send(new Uint8Array(HEADER), frameOf(60));
      expect(it.frames.map((frame) => [...frame])).to.deep.equal([[...frameOf(60)]]);
      expect(it.tx.used(0)).to.deep.equal({ id: 0, length: 0 });
      expect([it.bench.line, it.net.counters.txFrames]).to.deep.equal([true, 1]);
    });

    it("takes header and frame in one part as well as cut anywhere", () => {
      const whole = Uint8Array.from([...new Array<number>(HEADER).fill(0), ...frameOf(60)]);
      for (const cut of [1, 11, 13, 71]) {
        const it = new Setup().up();
        it.send(whole.subarray(0, cut), whole.subarray(cut));
        expect([...(it.frames[0] ?? [])], `cut at ${String(cut)}`).to.deep.equal([...frameOf(60)]);
      }
    });

    it("swallows frames while the link is down", () => {
      const it = new Setup().up();
      it.net.setLink(false);
      it.send(new Uint8Array(HEADER), frameOf(60));
      expect([it.frames.length, it.tx.usedIndex]).to.deep.equal([0, 1]);
      expect([it.net.counters.txFrames, it.net.counters.txDropped]).to.deep.equal([1, 1]);
    });

    it("finishes a checksum where it was offered (§5.1.6.2)", () => {
      const header = Uint8Array.from({ length: HEADER }, () => 0);
      header[0] = 1;
      header[6] = 4; // csum_start
      header[8] = 2; // csum_offset
      const frame = Uint8Array.of(1, 2, 3, 4, 0x12, 0x34, 0x00, 0x10, 0xab);
      const it = new Setup(true).up(F_MAC | F_STATUS | F_CSUM);
      it.send(header, frame);
      // 0x1234 + 0x0010 + 0xab00 = 0xbd44
      expect([...(it.frames[0] ?? [])]).to.deep.equal([1, 2, 3, 4, 0x12, 0x34, 0x42, 0xbb, 0xab]);
      const refused = new Setup(true).up();
      refused.send(header, frame);
      expect(refused.bench.slot.fault).to.equal("NEEDS_CSUM was not negotiated");
    });

    it("needs a reset for a frame without a header", () => {
      const it = new Setup().up();
      it.tx.describe(0, { address: it.bench.place(new Uint8Array(11)), length: 11 });
      it.tx.makeAvailable(0);
      it.bench.notify(1);
      expect(it.bench.slot.fault).to.equal("a frame to send of 11 bytes has no header");
    });
  });

  it("takes and gives nothing while it is stalled, and goes on after", () => {
    const it = new Setup().up();
    it.net.stalled = true;
    it.receiveBuffer(0);
    expect(it.net.inject(frameOf(60))).to.equal(true);
    it.send(new Uint8Array(HEADER), frameOf(61));
    expect([it.rx.usedIndex, it.tx.usedIndex, it.frames.length]).to.deep.equal([0, 0, 0]);
    it.net.stalled = false;
    it.net.resume();
    expect([it.rx.usedIndex, it.tx.usedIndex, it.frames.length]).to.deep.equal([1, 1, 1]);
  });

  it("tells a change of the link by its status, the generation and a configuration interrupt", () => {
    const it = new Setup().up();
    const generation = it.bench.read(REGISTER.configGeneration);
    it.net.setLink(false);
    it.net.setLink(false);
    expect(it.bench.slot.read(REGISTER.config + 6, 2)).to.equal(0);
    expect(it.bench.read(REGISTER.configGeneration)).to.equal(generation + 1);
    expect(it.bench.read(REGISTER.interruptStatus)).to.equal(2);
    it.net.setLink(true);
    expect([it.bench.slot.read(REGISTER.config + 6, 2), it.net.linkUp]).to.deep.equal([1, true]);
  });
});
