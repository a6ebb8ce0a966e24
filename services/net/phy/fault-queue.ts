/**
 * One direction of a bad line: frames wait here until they come out, or do not, as the seed decides. A bounded number of
 * buffers made once holds them; who finds none free has to wait, so a stalled line pushes back instead of growing.
 */
import type { Bytes } from "../../ports/index.ts";
import type { SeededRandom } from "./random.ts";

/** What may happen to a frame, each by itself with a probability from 0 to 1; all absent: nothing. */
export interface Faults {
  readonly loss?: number;
  /** One bit is turned over. */
  readonly corruption?: number;
  /** It ends early. */
  readonly truncation?: number;
  /** It comes twice; what else happens to each is decided by itself. */
  readonly duplication?: number;
  /** It is held for up to `reorderUs` and lets those behind it pass. */
  readonly reordering?: number;
  /** 1 ms if absent. */
  readonly reorderUs?: number;
  /** Every frame takes this long, and up to `jitterUs` more, without overtaking another. */
  readonly delayUs?: number;
  readonly jitterUs?: number;
  /** From this frame on nothing comes out for `stallUs`. */
  readonly stall?: number;
  /** 100 ms if absent. */
  readonly stallUs?: number;
}

export interface FaultCounters {
  /** Frames that went in, copies not counted. */
  frames: number;
  lost: number;
  corrupted: number;
  truncated: number;
  duplicated: number;
  reordered: number;
  stalls: number;
}

export interface FaultQueueOptions {
  readonly bytes: Bytes;
  readonly random: SeededRandom;
  readonly faults: Faults;
  readonly slots: number;
  readonly slotBytes: number;
  /** What a truncated frame keeps at least. */
  readonly leastBytes: number;
}

export const NONE = -1;

const FREE = 0;
const TAKEN = 1;
const QUEUED = 2;

export class FaultQueue {
  readonly counters: FaultCounters = {
    frames: 0,
    lost: 0,
    corrupted: 0,
    truncated: 0,
    duplicated: 0,
    reordered: 0,
    stalls: 0,
  };
  /** The slots' memory; slot `n` starts at `n * slotBytes`. */
  readonly buffer: Uint8Array;
  readonly slotBytes: number;
  readonly lengths: Uint16Array;
  #free: number;
  readonly #options: FaultQueueOptions;
  readonly #states: Uint8Array;
  /** When each queued frame may come out, and its place among those of the same time. */
  readonly #dueUs: Float64Array;
  readonly #order: Float64Array;
  #submitted = 0;
  /** No frame that keeps its place comes out before this, and none at all before the other. */
  #lastDueUs = 0;
  #stalledUntilUs = 0;

  /** @throws RangeError if a probability or a time is none, or a frame would not fit a slot's length. */
  constructor(options: FaultQueueOptions) {
    checkFaults(options.faults);
    const { slots, slotBytes } = options;
    if (slots < 2 || slotBytes > 0xffff) throw new RangeError(`FaultQueue: ${slots} slots of ${slotBytes} bytes`);
    this.#options = options;
    this.slotBytes = slotBytes;
    this.buffer = new Uint8Array(slots * slotBytes);
    this.lengths = new Uint16Array(slots);
    this.#free = slots;
    this.#states = new Uint8Array(slots);
    this.#dueUs = new Float64Array(slots);
    this.#order = new Float64Array(slots);
  }

  /** Slots in use. */
  get used(): number {
    return this.#states.length - this.#free;
  }

  /** A slot to put a frame into, {@link NONE} if there is none for it and a copy of it. */
  take(): number {
    return this.#free < 2 ? NONE : this.#allocate();
  }

  /** Let fate decide on the frame that was put into a slot. */
  submit(slot: number, length: number, nowUs: number): void {
    const { random, faults, bytes } = this.#options;
    this.counters.frames++;
    this.lengths[slot] = length;
    if (random.chance(faults.loss ?? 0)) {
      this.counters.lost++;
      this.release(slot);
      return;
    }
    if (random.chance(faults.stall ?? 0)) {
      this.counters.stalls++;
      this.#stalledUntilUs = nowUs + (faults.stallUs ?? 100_000);
    }
    if (random.chance(faults.duplication ?? 0)) {
      const copy = this.#allocate();
      // Those that wait may have used up the room for copies; the frame itself goes its way.
      if (copy !== NONE) {
        this.counters.duplicated++;
        bytes.copy(this.buffer, copy * this.slotBytes, this.buffer, slot * this.slotBytes, length);
        this.lengths[copy] = length;
        this.#queue(copy, nowUs);
      }
    }
    this.#queue(slot, nowUs);
  }

  /** The frame that comes out next, {@link NONE} if none does now. It stays in its slot until {@link release}. */
  next(nowUs: number): number {
    const slot = this.#first();
    if (slot === NONE || nowUs < this.#dueUs[slot]! || nowUs < this.#stalledUntilUs) return NONE;
    this.#states[slot] = TAKEN;
    return slot;
  }

  /** Put back what {@link next} gave out, at its old place. */
  unnext(slot: number): void {
    this.#states[slot] = QUEUED;
  }

  release(slot: number): void {
    this.#states[slot] = FREE;
    this.#free++;
  }

  /** When the next frame comes out, `Infinity` if none waits. */
  nextUs(): number {
    const slot = this.#first();
    return slot === NONE ? Infinity : Math.max(this.#dueUs[slot]!, this.#stalledUntilUs);
  }

  #allocate(): number {
    const slot = this.#states.indexOf(FREE);
    if (slot === NONE) return NONE;
    this.#states[slot] = TAKEN;
    this.#free--;
    return slot;
  }

  #first(): number {
    let first = NONE;
    for (let slot = 0; slot < this.#states.length; slot++) {
      if (this.#states[slot] !== QUEUED) continue;
      if (first === NONE || this.#before(slot, first)) first = slot;
    }
    return first;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#dueUs[a]! - this.#dueUs[b]!;
    return difference < 0 || (difference === 0 && this.#order[a]! < this.#order[b]!);
  }

  #queue(slot: number, nowUs: number): void {
    const { random, faults, leastBytes } = this.#options;
    const length = this.lengths[slot]!;
    if (random.chance(faults.truncation ?? 0) && length > leastBytes) {
      this.counters.truncated++;
      this.lengths[slot] = leastBytes + random.below(length - leastBytes);
    }
    if (random.chance(faults.corruption ?? 0)) {
      this.counters.corrupted++;
      const at = slot * this.slotBytes + random.below(this.lengths[slot]!);
      this.buffer[at] = this.buffer[at]! ^ (1 << random.below(8));
    }
    let dueUs = nowUs + (faults.delayUs ?? 0) + random.below((faults.jitterUs ?? 0) + 1);
    if (random.chance(faults.reordering ?? 0)) {
      this.counters.reordered++;
      dueUs += 1 + random.below(faults.reorderUs ?? 1000);
    } else {
      dueUs = Math.max(dueUs, this.#lastDueUs);
      this.#lastDueUs = dueUs;
    }
    this.#dueUs[slot] = dueUs;
    this.#order[slot] = this.#submitted++;
    this.#states[slot] = QUEUED;
  }
}

const PROBABILITIES = ["loss", "corruption", "truncation", "duplication", "reordering", "stall"] as const;
const TIMES = ["reorderUs", "delayUs", "jitterUs", "stallUs"] as const;

function checkFaults(faults: Faults): void {
  for (const name of PROBABILITIES) {
    const value = faults[name] ?? 0;
    if (!(value >= 0 && value <= 1)) throw new RangeError(`Faults.${name}: ${value} is no probability`);
  }
  for (const name of TIMES) {
    const value = faults[name] ?? 0;
    if (!(value >= 0 && value < Infinity)) throw new RangeError(`Faults.${name}: ${value} is no time`);
  }
}
