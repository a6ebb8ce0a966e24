/**
 * A virtio device that does its work, and at times lies: about what it has used, in which order and how much of it, about its state,
 * its queues, its configuration and its interrupts. It writes nowhere but where a device writes.
 */
import { FakeMachine } from "../../services/drivers/machine.ts";
import { type Chain, type FakeQueue, FakeVirtio } from "../../services/drivers/virtio/device.ts";
import type { Random } from "../random.ts";

const BASE = 0xa000000;
const IDS = [0, 1, 15, 16, 127, 128, 255, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
const LENGTHS = [
  0, 1, 11, 12, 13, 26, 256, 257, 512, 513, 1024, 1025, 1524, 1525, 1536, 1537, 4096, 0x7fffffff, 0xffffffff,
];

export class Liar {
  readonly machine = new FakeMachine();
  readonly device: FakeVirtio;
  /** Lies since the beginning. */
  lies = 0;
  readonly #random: Random;
  /** Offered and kept as they are when all is well. */
  readonly #offered: [number, number];
  readonly #config: Uint8Array;

  /** @param prepare is given the device to set its configuration up */
  constructor(random: Random, deviceId: number, queues: number[], prepare: (device: FakeVirtio) => void) {
    this.#random = random;
    this.device = new FakeVirtio(this.machine, deviceId, queues);
    prepare(this.device);
    const { config, offered } = this.device;
    this.#offered = [...offered];
    this.#config = new Uint8Array(config.buffer.slice(0));
    this.machine.place(BASE, this.device);
  }

  queue(index: number): FakeQueue {
    return this.device.queue(index);
  }

  /** Use up to `most` of the buffers that were offered. @param use what is done with one; returns its used length */
  work(index: number, most: number, use: (chain: Chain) => number): number {
    const queue = this.queue(index);
    let done = 0;
    for (
      let chain: Chain | undefined;
      done < most && queue.ready === 1 && (chain = queue.pop()) !== undefined;
      done++
    ) {
      queue.push(chain.id, use(chain));
    }
    if (done > 0) this.device.interrupt |= 1;
    return done;
  }

  /** One lie. */
  lie(): void {
    const { device } = this;
    const random = this.#random;
    this.lies++;
    device.resets = true;
    const queue = random.of(device.queues);
    const live = device.live() && queue.ready === 1;
    switch (random.int(14)) {
      case 0:
      case 1:
        if (live) queue.push(random.once(2) ? random.of(IDS) : random.int(queue.num), random.of(LENGTHS));
        break;
      case 2:
        // The same again.
        if (live) queue.setUsedIndex(queue.usedIndex + 1);
        break;
      case 3:
        if (live) queue.setUsedIndex(random.once(2) ? random.int(0x10000) : queue.usedIndex + random.int(300) - 100);
        break;
      case 4:
      case 5:
        // What is there already changes.
        if (live) this.#overwrite(queue);
        break;
      case 6:
        if (live) queue.setUsedFlags(random.int(0x10000));
        break;
      case 7:
        device.interrupt = random.int(4);
        break;
      case 8:
        device.stuck = random.once(2);
        break;
      case 9:
        device.status |= random.of([64, 64, 128, 0]);
        device.interrupt |= 2;
        break;
      case 10:
        device.config.setUint8(random.int(16), random.int(256));
        device.generation = random.int(3);
        device.interrupt |= 2;
        break;
      case 11:
        // Waiting for it is long, so it is seldom and soon over.
        device.resets = random.int(4) > 0;
        break;
      case 12:
        device.agrees = random.once(2);
        break;
      default:
        device.offered = [random.int(0x100000000), random.int(4)];
    }
  }

  /** From now on it does what it should. */
  honest(): void {
    const { device } = this;
    device.stuck = false;
    device.resets = true;
    device.agrees = true;
    device.offered = [...this.#offered];
    device.interrupt = 0;
    new Uint8Array(device.config.buffer).set(this.#config);
  }

  #overwrite(queue: FakeQueue): void {
    const random = this.#random;
    const entry = this.machine.dma(queue.used + 4 + 8 * random.int(queue.num), 8);
    if (random.once(2)) entry.setUint32(0, random.once(2) ? random.of(IDS) : random.int(queue.num), true);
    else entry.setUint32(4, random.of(LENGTHS), true);
  }
}
