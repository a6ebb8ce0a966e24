import { expect } from "chai";
import { F_SIZE, VirtioConsole } from "../../../../../engine/sim/devices/virtio/console.ts";
import { Bench, DESC, REGISTER, STATUS } from "./bench.ts";
import type { Ring } from "./bench.ts";

const SIZE = 8;
const LINE_LIMIT = 1024 * 1024;

class Setup {
  activity = 0;
  readonly console: VirtioConsole;
  readonly bench: Bench;
  rx!: Ring;
  tx!: Ring;

  constructor() {
    let made: VirtioConsole | undefined;
    this.bench = new Bench((slot) => (made = new VirtioConsole(slot, () => this.activity++)));
    if (!made) throw new Error("no device");
    this.console = made;
  }

  up(): this {
    const [rx, tx] = this.bench.bringUp(F_SIZE, SIZE);
    if (!rx || !tx) throw new Error("no queues");
    this.rx = rx;
    this.tx = tx;
    return this;
  }

  receiveBuffer(index: number, length: number): number {
    const address = this.bench.place(new Uint8Array(length));
    this.rx.describe(index, { address, length, flags: DESC.write });
    this.rx.makeAvailable(index);
    this.bench.notify(0);
    return address;
  }

  send(index: number, bytes: Uint8Array): void {
    this.tx.describe(index, { address: this.bench.place(bytes), length: bytes.length });
    this.tx.makeAvailable(index);
    this.bench.notify(1);
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

describe("virtio-console (virtio 1.2 §5.3)", () => {
  it("offers SIZE and shows its configuration (§5.3.4)", () => {
    const { bench, console } = new Setup();
    expect(console.features).to.equal(F_SIZE);
    expect(bench.read(REGISTER.deviceId)).to.equal(3);
    const config = Array.from({ length: 10 }, (_, i) => bench.slot.read(REGISTER.config + i, 1));
    expect(config).to.deep.equal([80, 0, 25, 0, 1, 0, 0, 0, 0, 0]);
  });

  it("keeps what is typed until the driver has buffers, and fills them in order", () => {
    const it = new Setup();
    it.console.line.write(Buffer.from("abcdefgh"));
    it.up();
    const first = it.receiveBuffer(0, 5);
    expect(text(it.bench.bytes(first, 5))).to.equal("abcde");
    expect(it.rx.used(0)).to.deep.equal({ id: 0, length: 5 });
    expect(it.console.line.pending).to.equal(3);
    const second = it.receiveBuffer(1, 100);
    expect(it.rx.used(1)).to.deep.equal({ id: 1, length: 3 });
    expect(text(it.bench.bytes(second, 3))).to.equal("fgh");
    it.receiveBuffer(2, 100);
    it.console.line.write(Buffer.from("!"));
    expect([it.rx.usedIndex, it.bench.line, it.activity]).to.deep.equal([3, true, 2]);
  });

  it("shows what the driver sends and gives the buffers back", () => {
    const it = new Setup().up();
    it.send(0, Buffer.from("hello "));
    it.send(1, Buffer.from("world"));
    expect(text(it.console.line.read())).to.equal("hello world");
    expect([it.tx.usedIndex, it.bench.line]).to.deep.equal([2, true]);
  });

  it("holds a buffer back while the host takes nothing, and loses no byte of it", () => {
    const it = new Setup().up();
    for (let i = 0; i < LINE_LIMIT - 5; i++) it.console.line.output(0);
    it.send(0, Buffer.from("abc"));
    it.send(1, Buffer.from("defgh"));
    expect(it.tx.usedIndex).to.equal(1);
    expect(text(it.console.line.read().subarray(-5))).to.equal("abcde");
    expect(it.tx.usedIndex).to.equal(2);
    expect(text(it.console.line.read())).to.equal("fgh");
  });

  it("takes and gives nothing while it is stalled, and goes on after", () => {
    const it = new Setup().up();
    it.console.stalled = true;
    it.send(0, Buffer.from("x"));
    it.receiveBuffer(0, 10);
    it.console.line.write(Buffer.from("y"));
    expect([it.tx.usedIndex, it.rx.usedIndex, it.console.line.readable]).to.deep.equal([0, 0, 0]);
    it.console.stalled = false;
    it.console.resume();
    expect([it.tx.usedIndex, it.rx.usedIndex, it.console.line.readable]).to.deep.equal([1, 1, 1]);
  });

  const mistakes: [string, (it: Setup) => void, string][] = [
    [
      "a receive buffer to read from",
      (it) => {
        it.console.line.write(Buffer.from("x"));
        it.rx.describe(0, { address: it.bench.place(new Uint8Array(8)), length: 8 });
        it.rx.makeAvailable(0);
        it.bench.notify(0);
      },
      "a receive buffer that the device must not write",
    ],
    [
      "a transmit buffer to write to",
      (it) => {
        it.tx.describe(0, { address: it.bench.place(new Uint8Array(8)), length: 8, flags: DESC.write });
        it.tx.makeAvailable(0);
        it.bench.notify(1);
      },
      "a buffer to send that the device may write",
    ],
  ];
  for (const [what, mistake, sentence] of mistakes) {
    it(`needs a reset after ${what} (§5.3.6.1)`, () => {
      const it = new Setup().up();
      mistake(it);
      expect(it.bench.slot.fault).to.equal(sentence);
      expect(it.bench.read(REGISTER.status) & STATUS.needsReset).to.equal(STATUS.needsReset);
      it.up();
      it.send(0, Buffer.from("again"));
      expect(text(it.console.line.read())).to.equal("again");
    });
  }
});
