/**
 * The door of a whole hive under fuzz: clients that come in, say lines, frames of false length, noise and 9P, take their answers or do
 * not, and go in the middle of it. Each line is answered or dropped once, everything said is frames, and nothing stays.
 */
import { DoorTest, type Caller } from "../../services/console/door/support.ts";
import { frame } from "../../services/console/door/wire.ts";
import { TestHive, TOKEN } from "../../services/hive/support.ts";
import { mutate, told } from "../9p/mutate.ts";
import { Pool } from "../9p/pool.ts";
import { damage, GROWTH } from "../damage.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";
import { consoleLine } from "./lines.ts";

const LIMITS = { sessions: 4, strangers: 3, unsentBytes: 32_768 };
const STEPS = 40;
/** Who exports is asked by the hive, and answers as badly as it asks. */
const SERVICE = "gpu-bridge";
const LONGEST = 8300;
const pool = new Pool([""]);
const room = Buffer.alloc(LONGEST + 4 * GROWTH);

function doorCounts() {
  return { visits: 0, frames: 0, ok: 0, err: 0, dropped: 0, authenticated: 0, upgraded: 0, bytes: 0 };
}
type DoorCounts = ReturnType<typeof doorCounts>;

class Guest {
  readonly caller: Caller;
  readonly #random: Random;
  readonly #all: TestHive;
  #come = Buffer.alloc(0);
  #upgrades = false;
  /** Frames that it was told. */
  told = 0;

  constructor(door: DoorTest, random: Random) {
    this.#random = random;
    this.#all = door.all;
    this.caller = door.call(0x0a000200 + random.int(3));
  }

  get gone(): boolean {
    return !this.caller.connected || this.caller.over !== "";
  }

  /** Serve the hive with what comes into its head. */
  exports(): void {
    const ticket = this.#all.ticket("service", { subject: SERVICE });
    this.caller.send(frame(`ATTACH service ${ticket}`), frame(`EXPORT ${SERVICE}`));
    this.#upgrades = true;
  }

  /** Say something. */
  say(): void {
    const { caller } = this;
    const random = this.#random;
    const bytes = this.#bytes();
    // A frame comes in pieces, or together with others.
    const cut = random.once(4) ? random.int(bytes.length + 1) : bytes.length;
    caller.send(Buffer.from(bytes.subarray(0, cut)));
    if (random.once(16)) return;
    caller.send(Buffer.from(bytes.subarray(cut)));
  }

  #bytes(): Buffer {
    const random = this.#random;
    if (this.#upgrades && random.int(4) > 0) {
      const length = mutate(room, 0, pool, random);
      return told.lie && random.int(4) > 0 ? frame("PING") : room.subarray(0, length);
    }
    let line = consoleLine(random);
    const what = random.int(10);
    if (what === 0) line = `AUTH ${random.once(8) ? "wrong" : TOKEN}`;
    else if (what === 1) line = `ATTACH queen ${this.#all.ticket(random.once(8) ? "observer" : "queen")}`;
    else if (what === 2 && random.once(2)) {
      line = "SECURE9P";
      this.#upgrades = true;
    }
    const whole = frame(line);
    if (whole.length > LONGEST || random.int(6) > 0) return whole;
    whole.copy(room);
    return room.subarray(0, damage(room, 0, 0, whole.length, random));
  }

  /** Take what came, and see that it is frames. */
  take(): void {
    this.caller.room = this.#random.once(6) ? this.#random.int(4000) : Infinity;
    this.#come = Buffer.concat([this.#come, this.caller.take()]);
    let at = 0;
    while (this.#come.length - at >= 4) {
      const size = this.#come.readUInt32LE(at);
      must(size >= 4 && size <= LONGEST, () => `a frame of ${size} bytes was said`);
      if (at + size > this.#come.length) break;
      at += size;
      this.told++;
    }
    this.#come = this.#come.subarray(at);
  }

  go(): void {
    if (this.#random.once(2)) this.caller.reset();
    else this.caller.leave();
    this.caller.room = Infinity;
  }
}

/** One hive and those who come to it. */
function visit(random: Random, counts: DoorCounts): void {
  const door = new DoorTest({ limits: LIMITS });
  const guests: Guest[] = [];
  for (let step = 0; step < STEPS; step++) {
    if (guests.length === 0 || (guests.length < 6 && random.once(8))) {
      const guest = new Guest(door, random);
      guests.push(guest);
      if (random.int(4) > 0) guest.caller.send(frame(`AUTH ${TOKEN}`));
      if (random.once(4)) guest.exports();
      else if (random.int(4) > 0) guest.caller.send(frame(`ATTACH queen ${door.all.ticket("queen")}`));
    }
    const guest = random.of(guests);
    for (let left = 1 + random.int(4); left > 0; left--) guest.say();
    door.settle();
    guest.take();
    if (random.once(6)) door.pass(random.of([1, 100, 5000, 30_000, 400_000]));
    const { connections, sessions } = door.server;
    must(sessions <= LIMITS.sessions, () => `${sessions} sessions`);
    // Who says goodbye was a session before, so all of them together are bounded.
    must(connections <= LIMITS.sessions + LIMITS.strangers, () => `${connections} connections`);
    if (random.once(24)) guest.go();
    for (let i = guests.length - 1; i >= 0; i--) if (guests[i]!.gone) guests.splice(i, 1);
  }
  for (const guest of guests) guest.go();
  door.pass(60_000);
  const { frames, ok, err, dropped, authenticated, upgraded, bytesIn } = door.server.counters;
  must(frames === ok + err + dropped, () => `${frames} lines, ${ok} and ${err} answered, ${dropped} dropped`);
  must(door.server.connections === 0, () => `${door.server.connections} connections are left`);
  must(door.all.hive.sessions().length === 0, () => `${door.all.hive.sessions().length} logins are left`);
  const { errors } = door.all;
  must(door.failures.length + errors.length === 0, () => [...door.failures, ...errors.map(String)].join("\n"));
  TestHive.all.length = 0;
  counts.visits++;
  counts.frames += frames;
  counts.ok += ok;
  counts.err += err;
  counts.dropped += dropped;
  counts.authenticated += authenticated;
  counts.upgraded += upgraded;
  counts.bytes += bytesIn;
}

export const door: Target = {
  name: "door",
  what: "clients that say frames, lines, noise and 9P at the door of a hive",
  run: 8,
  short: 4 * 8,
  weight: 200,
  counts: doorCounts,
  fuzz(seed, inputs, counts) {
    const random = new Random(seed);
    for (let n = 0; n < inputs; n++) visit(random, counts as DoorCounts);
  },
  reached(counts) {
    atLeast(counts, "authenticated", 1, "visits");
    atLeast(counts, "upgraded", 0.2, "visits");
    atLeast(counts, "ok", 0.05, "frames");
    atLeast(counts, "err", 0.2, "frames");
  },
};
