/**
 * A virtqueue whose device writes what it likes into the used ring. Whatever that is, each id is free, with the device or with the
 * driver, and only one of these; a length fits its buffer; and everything is free again when it was cleared.
 */
import { BROKEN, NONE, Virtqueue } from "../../../services/drivers/virtio/virtqueue.ts";
import { FakeMachine } from "../../services/drivers/machine.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";

const SIZES = [1, 2, 8, 128];
const STEPS = 200;

function queueCounts() {
  return { queues: 0, offered: 0, taken: 0, broken: 0, cleared: 0 };
}
type QueueCounts = ReturnType<typeof queueCounts>;

const FREE = 0;
const HELD = 1;
const OFFERED = 2;
const OUT = 3;

class Book {
  readonly queue: Virtqueue;
  readonly size: number;
  readonly #capacities: number[];
  /** Where each id is. */
  readonly #places: Uint8Array;
  readonly #counts: QueueCounts;
  readonly #used: DataView;
  #index = 0;

  constructor(random: Random, counts: QueueCounts) {
    const machine = new FakeMachine();
    this.#counts = counts;
    this.size = random.of(SIZES);
    this.queue = new Virtqueue(machine, this.size);
    this.#places = new Uint8Array(this.size);
    this.#capacities = Array.from({ length: this.size }, () => 1 + random.int(4096));
    this.#capacities.forEach((capacity, id) => this.queue.describe(id, 0x1_5000_0000 + 4096 * id, capacity, true));
    this.#used = machine.dma(this.queue.usedAddress, 4 + 8 * this.size);
  }

  #all(place: number): number[] {
    return [...this.#places.keys()].filter((id) => this.#places[id] === place);
  }

  offer(random: Random): void {
    for (let left = 1 + random.int(this.size); left > 0; left--) {
      const id = this.queue.allocate();
      if (id === NONE) {
        must(this.#all(FREE).length === 0, () => "nothing is free, they say");
        break;
      }
      must(this.#places[id] === FREE, () => `id ${id} was given twice`);
      this.#places[id] = HELD;
      if (random.once(8)) {
        this.queue.recycle(id);
        this.#places[id] = FREE;
        continue;
      }
      this.queue.offer(id, 1 + random.int(this.#capacities[id]!));
      this.#places[id] = OFFERED;
      this.#counts.offered++;
    }
    if (random.once(8)) return;
    this.queue.publish();
    for (const id of this.#all(OFFERED)) this.#places[id] = OUT;
  }

  take(random: Random): void {
    for (let left = 1 + random.int(2 * this.size); left > 0; left--) {
      const id = this.queue.take();
      if (id === NONE) return;
      if (id === BROKEN) {
        this.#counts.broken++;
        return;
      }
      must(this.#places[id] === OUT, () => `id ${id} came back and was not out`);
      const { usedLength } = this.queue;
      must(
        usedLength >= 0 && usedLength <= this.#capacities[id]!,
        () => `${usedLength} bytes of ${this.#capacities[id]}`,
      );
      this.#counts.taken++;
      this.queue.recycle(id);
      this.#places[id] = FREE;
    }
  }

  /** The device is done with something, or says so. */
  device(random: Random): void {
    const out = this.#all(OUT);
    const entry = 4 + 8 * (this.#index % this.size);
    const honest = random.int(4) > 0 && out.length > 0;
    const id = honest ? random.of(out) : random.int(random.of([this.size, 2 * this.size, 0x100000000]));
    const most = this.#capacities[id] ?? 4096;
    const length = honest ? random.int(most + 1) : random.of([0, most, most + 1, random.int(0x100000000)]);
    this.#used.setUint32(entry, id, true);
    this.#used.setUint32(entry + 4, length, true);
    this.#index = (this.#index + (random.once(24) ? random.int(0x10000) : 1)) & 0xffff;
    this.#used.setUint16(2, this.#index, true);
    this.#used.setUint16(0, random.int(random.of([2, 0x10000])), true);
  }

  clear(): void {
    this.queue.clear();
    this.#places.fill(FREE);
    this.#index = 0;
    this.#counts.cleared++;
  }

  check(): void {
    const { queue, size } = this;
    const out = this.#all(OUT).length + this.#all(OFFERED).length;
    must(queue.outstanding === out, () => `${queue.outstanding} are out, they say, and ${out} are`);
    must(queue.available() + out === size, () => `${queue.available()} free and ${out} out of ${size}`);
  }
}

export const virtqueue: Target = {
  name: "virtqueue",
  what: "lies in the used ring at the virtqueue",
  run: 64,
  short: 4 * 64,
  weight: 20,
  counts: queueCounts,
  fuzz(seed, inputs, all) {
    const random = new Random(seed);
    const counts = all as QueueCounts;
    for (let n = 0; n < inputs; n++) {
      const book = new Book(random, counts);
      counts.queues++;
      for (let step = 0; step < STEPS; step++) {
        const what = random.int(12);
        if (what < 4) book.offer(random);
        else if (what < 8) book.device(random);
        else if (what < 11) book.take(random);
        else if (random.once(6)) book.clear();
        book.check();
      }
    }
  },
  reached(counts) {
    atLeast(counts, "taken", 0.02, "offered");
    atLeast(counts, "broken", 1, "queues");
  },
};
