/**
 * Networks in virtual time: hosts with our own stack, joined by links that delay, lose, double, reorder and damage frames by a
 * seed. A run depends on its seed and nothing else, and takes as long as its frames take to compute.
 */
import { Interface } from "../../../../services/net/interface.ts";
import type { TcpSettings } from "../../../../services/net/tcp/settings.ts";
import { Tcp } from "../../../../services/net/tcp/tcp.ts";
import type { Bytes, Clock, FrameCounters, FramePort, Random } from "../../../../services/ports/index.ts";

/** xorshift32, seeded through a multiplication so that neighbouring seeds are no neighbours. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  /** From 0 to below 1. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) / 0x100000000;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
}

/** Bulk byte work, as fast as plain JavaScript does it. */
export const fastBytes: Bytes = {
  copy(into, at, from, start, length) {
    if (at < 0 || start < 0 || length < 0 || at + length > into.length || start + length > from.length) {
      throw new RangeError(`copy: ${length} from ${start} of ${from.length} to ${at} of ${into.length}`);
    }
    for (let i = 0; i < length; i++) into[at + i] = from[start + i]!;
  },
  checksum(data, start, length, initial) {
    if (start < 0 || length < 0 || start + length > data.length) throw new RangeError("checksum");
    let sum = initial;
    const even = start + (length & ~1);
    for (let i = start; i < even; i += 2) sum += (data[i]! << 8) | data[i + 1]!;
    if ((length & 1) !== 0) sum += data[even]! << 8;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum;
  },
  encode() {
    throw new Error("not for the network");
  },
  decode() {
    throw new Error("not for the network");
  },
  validate() {
    throw new Error("not for the network");
  },
  plain() {
    throw new Error("not for the network");
  },
};

/** What happens to frames on their way. Probabilities from 0 to 1. */
export interface Weather {
  /** One way, in microseconds. */
  readonly delayUs: number;
  readonly loss?: number;
  readonly duplicate?: number;
  /** A frame so chosen takes up to three times as long. */
  readonly reorder?: number;
  /** One byte is changed. */
  readonly corrupt?: number;
}

/** A router's way out: bandwidth, and a queue that drops what does not fit. */
export class Bottleneck {
  pushes = 0;
  drops = 0;
  #freeUs = 0;
  readonly #bytesPerSecond: number;
  readonly #capacity: number;

  constructor(bytesPerSecond: number, capacity: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#capacity = capacity;
  }

  /** @returns when the frame has left, -1 if it was dropped. */
  transmit(length: number, nowUs: number): number {
    this.pushes++;
    const queued = (Math.max(0, this.#freeUs - nowUs) * this.#bytesPerSecond) / 1_000_000;
    if (queued + length > this.#capacity) {
      this.drops++;
      return -1;
    }
    this.#freeUs = Math.max(this.#freeUs, nowUs) + (length * 1_000_000) / this.#bytesPerSecond;
    return this.#freeUs;
  }
}

/** One direction of a link. */
export class Wire {
  readonly #weather: Weather;
  readonly #dice: Dice;
  readonly #bottleneck: Bottleneck | undefined;
  readonly #atUs: number[] = [];
  readonly #frames: Uint8Array[] = [];
  #head = 0;

  constructor(weather: Weather, seed: number, bottleneck?: Bottleneck) {
    this.#weather = weather;
    this.#dice = new Dice(seed);
    this.#bottleneck = bottleneck;
  }

  get nextUs(): number {
    return this.#head < this.#atUs.length ? this.#atUs[this.#head]! : Infinity;
  }

  send(frame: Uint8Array, nowUs: number): void {
    const { delayUs, loss = 0, duplicate = 0, reorder = 0, corrupt = 0 } = this.#weather;
    const leftUs = this.#bottleneck === undefined ? nowUs : this.#bottleneck.transmit(frame.length, nowUs);
    if (leftUs < 0 || (loss > 0 && this.#dice.next() < loss)) return;
    const copies = duplicate > 0 && this.#dice.next() < duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const late = reorder > 0 && this.#dice.next() < reorder ? 1 + 2 * this.#dice.next() : 1;
      const copy = frame.slice();
      if (corrupt > 0 && this.#dice.next() < corrupt) {
        const at = this.#dice.below(copy.length);
        copy[at] = copy[at]! ^ (1 << this.#dice.below(8));
      }
      this.#insert(leftUs + delayUs * late, copy);
    }
  }

  receive(nowUs: number): Uint8Array | undefined {
    if (this.nextUs > nowUs) return undefined;
    const frame = this.#frames[this.#head++];
    if (this.#head > 1024 && this.#head * 2 > this.#atUs.length) {
      this.#atUs.splice(0, this.#head);
      this.#frames.splice(0, this.#head);
      this.#head = 0;
    }
    return frame;
  }

  #insert(atUs: number, frame: Uint8Array): void {
    let at = this.#atUs.length;
    while (at > this.#head && this.#atUs[at - 1]! > atUs) at--;
    if (at === this.#atUs.length) {
      this.#atUs.push(atUs);
      this.#frames.push(frame);
    } else {
      this.#atUs.splice(at, 0, atUs);
      this.#frames.splice(at, 0, frame);
    }
  }
}

class VirtualClock implements Clock {
  us = 0;
  nowUs(): number {
    return this.us;
  }
}

class WirePort implements FramePort {
  readonly mac: Uint8Array;
  readonly mtu = 1500;
  readonly linkUp = true;
  rx: Uint8Array = new Uint8Array(0);
  readonly rxStart = 0;
  rxLength = 0;
  readonly tx = new Uint8Array(1514);
  readonly txStart = 0;
  readonly counters: FrameCounters = {
    rxFrames: 0,
    rxBytes: 0,
    txFrames: 0,
    txBytes: 0,
    deviceErrors: 0,
    resets: 0,
    txFull: 0,
  };
  /** Share of `reserve` calls that find no buffer. */
  scarcity = 0;
  readonly #clock: Clock;
  readonly #out: Wire;
  readonly #in: Wire;
  readonly #dice = new Dice(99);

  constructor(mac: number, clock: Clock, out: Wire, into: Wire) {
    this.mac = Uint8Array.from([2, 0, 0, 0, 0, mac]);
    this.#clock = clock;
    this.#out = out;
    this.#in = into;
  }

  receive(): boolean {
    const frame = this.#in.receive(this.#clock.nowUs());
    if (frame === undefined) return false;
    this.rx = frame;
    this.rxLength = frame.length;
    return true;
  }

  release(): void {
    this.rx = new Uint8Array(0);
  }

  reserve(): boolean {
    return this.scarcity === 0 || this.#dice.next() >= this.scarcity;
  }

  commit(length: number): void {
    this.#out.send(this.tx.subarray(0, length), this.#clock.nowUs());
  }

  flush(): void {
    return;
  }
}

/** Bytes that are the same in every run. */
export function fixedRandom(seed: number): Random {
  const dice = new Dice(seed);
  return {
    ready: true,
    fill(into) {
      for (let i = 0; i < into.length; i++) into[i] = dice.below(256);
      return true;
    },
  };
}

export class Host {
  readonly port: WirePort;
  readonly net: Interface;
  readonly tcp: Tcp;
  /** What the layer above does in its stage of the turn. */
  work: () => void = () => undefined;
  readonly into: Wire;

  constructor(clock: Clock, out: Wire, into: Wire, number: number, settings: Partial<TcpSettings>) {
    this.into = into;
    this.port = new WirePort(number, clock, out, into);
    const ipv4 = { address: `10.0.0.${number}`, prefix: 24 };
    this.net = new Interface({ port: this.port, clock, bytes: fastBytes, ipv4 });
    this.tcp = new Tcp({ net: this.net, clock, bytes: fastBytes, random: fixedRandom(number) }, settings);
  }

  /** A turn of the pump. @returns whether there may be more to do at once. */
  turn(nowUs: number): boolean {
    const taken = this.net.poll(16);
    this.work();
    const sent = this.tcp.service(32);
    this.port.flush();
    return taken === 16 || sent === 32 || this.into.nextUs <= nowUs || this.tcp.busy(nowUs);
  }

  nextUs(): number {
    return Math.min(this.into.nextUs, this.tcp.nextUs());
  }
}

/** Hosts that share a clock. */
export class Network {
  readonly clock = new VirtualClock();
  readonly hosts: Host[] = [];

  /** Two hosts, 10.0.0.1 and 10.0.0.2, or two more on a link of their own. */
  join(there: Wire, back: Wire, settings: Partial<TcpSettings>, settings2 = settings): [Host, Host] {
    const number = this.hosts.length + 1;
    const a = new Host(this.clock, there, back, number, settings);
    const b = new Host(this.clock, back, there, number + 1, settings2);
    this.hosts.push(a, b);
    return [a, b];
  }

  /** Let time go on until `done`, or until nothing is left to happen, or `limitUs`. @returns whether it was `done`. */
  run(done: () => boolean, limitUs = Infinity): boolean {
    for (;;) {
      if (done()) return true;
      let nextUs = Infinity;
      for (const host of this.hosts) {
        const atUs = host.nextUs();
        if (atUs < nextUs) nextUs = atUs;
      }
      if (nextUs > limitUs) {
        if (limitUs !== Infinity) this.clock.us = limitUs;
        return false;
      }
      if (nextUs === Infinity) return false;
      if (nextUs > this.clock.us) this.clock.us = nextUs;
      this.settle();
    }
  }

  /** Everything that happens at this time. */
  settle(): void {
    for (const host of this.hosts) {
      const nowUs = this.clock.us;
      if (host.nextUs() > nowUs && !host.tcp.busy(nowUs)) continue;
      for (let turns = 0; host.turn(nowUs); turns++) {
        if (turns > 10_000) throw new Error(`host ${host.port.mac[5]} does not come to rest at ${nowUs} us`);
      }
    }
  }
}
