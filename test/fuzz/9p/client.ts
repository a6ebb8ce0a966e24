/**
 * The asking end of a 9P connection under fuzz: its server is a hive, and what the hive says is damaged, cut and mixed with replies to
 * nothing. Every request is finished once, whatever comes; what was undamaged is as it was asked for; and nothing is left.
 */
import { Client, NO_TAG } from "../../../services/secure9p/client.ts";
import type { Done } from "../../../services/secure9p/client-calls.ts";
import { RREAD, RREADDIR, RWRITE } from "../../../services/secure9p/constants.ts";
import { CLOSED, TIMED_OUT } from "../../../services/secure9p/refusal.ts";
import type { Session } from "../../../services/secure9p/session.ts";
import { nodeBytes, utf8 } from "../../services/support/ports.ts";
import { damage, GROWTH } from "../damage.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";
import { mutate } from "./mutate.ts";
import { Pool } from "./pool.ts";
import { ANAMES, World } from "./world.ts";

const STEPS = 80;
const FIDS = 10;
const TAGS = 16;
const UNSENT = 65_536;
const PATHS = [
  [], ["proc", "boot"], ["log", "queen.log"], ["log", "queen.log.follow"], ["queen", "ctl"], ["worker"], ["worker", "worker-1"], ["none"],
]; // prettier-ignore
const LINES = ["a line\n", '{"spawn":"heartbeat"}\n', '{"kill":"worker-1"}\n', "x".repeat(9000)].map(utf8);

const pool = new Pool([""]);
const room = new Uint8Array(1 << 17);

function clientCounts() {
  return { clients: 0, asked: 0, answered: 0, refused: 0, ended: 0, flushed: 0 };
}
type ClientCounts = ReturnType<typeof clientCounts>;

class Pair {
  readonly client = new Client({ bytes: nodeBytes, tags: TAGS, failed: (error) => this.#thrown.push(error) });
  readonly #session: Session;
  readonly #random: Random;
  readonly #counts: ClientCounts;
  readonly #thrown: unknown[] = [];
  /** Whether nothing has been damaged yet. */
  #sound = true;
  /** Requests that were sent, and how often each was finished. */
  readonly #finished: number[] = [];

  constructor(world: World, random: Random, counts: ClientCounts) {
    this.#random = random;
    this.#counts = counts;
    this.#session = world.session();
    const first = this.#done();
    must(this.client.version(first), () => "a version cannot be asked for");
    this.#carry();
    const attached = this.#done();
    this.#sent(this.client.attach(0, "", ANAMES[0]!, attached));
    this.#carry();
  }

  /** A request's `done`, which may be called once. @param most bytes that its answer may have */
  #done(most = Infinity): Done {
    const number = this.#finished.push(0) - 1;
    return (reply, error) => {
      this.#finished[number]!++;
      must(this.#finished[number] === 1, () => `request ${number} was finished twice`);
      if (error !== undefined) {
        this.#counts.refused++;
        return;
      }
      this.#counts.answered++;
      const { type } = reply;
      const got = type === RREAD || type === RREADDIR ? reply.data.length : type === RWRITE ? reply.count : 0;
      must(got <= most, () => `${got} bytes were got, and ${most} asked for`);
    };
  }

  /** Nobody is told of what was not sent. */
  #sent(tag: number): void {
    if (tag === NO_TAG) this.#finished.pop();
    else this.#counts.asked++;
  }

  ask(): void {
    const { client } = this;
    const random = this.#random;
    const fid = random.int(FIDS);
    switch (random.int(9)) {
      case 0:
      case 1:
        return this.#sent(client.walk(random.once(4) ? fid : 0, random.int(FIDS), random.of(PATHS), this.#done()));
      case 2:
        return this.#sent(client.open(fid, random.int(3), this.#done()));
      case 3: {
        const count = random.of([0, 1, 100, 8192, 100_000]);
        return this.#sent(client.read(fid, random.of([0, 5, 5000]), count, this.#done(count)));
      }
      case 4:
        return this.#sent(client.readdir(fid, 0, 4000, this.#done(4000)));
      case 5: {
        const line = random.of(LINES);
        return this.#sent(client.write(fid, 0, line, 0, line.length, this.#done(line.length)));
      }
      case 6:
        return this.#sent(client.getattr(fid, 0x7ff, this.#done()));
      case 7:
        return this.#sent(client.clunk(fid, this.#done()));
      default:
        if (client.flush(random.int(TAGS + 1), TIMED_OUT)) this.#counts.flushed++;
    }
  }

  /** Bytes go both ways. */
  step(): void {
    if (this.#random.int(3) > 0) this.#carry();
    const { client } = this;
    must(client.inFlight <= TAGS + 1, () => `${client.inFlight} requests are in flight`);
    must(client.unsent <= UNSENT + 16 * 9, () => `${client.unsent} bytes are unsent`);
    must(this.#thrown.length === 0, () => String(this.#thrown[0]));
    if (this.#sound) must(client.ended === undefined, () => "an honest server was left");
  }

  end(): void {
    const { client } = this;
    if (client.ended !== undefined) this.#counts.ended++;
    client.close(CLOSED);
    client.close(CLOSED);
    const missing = this.#finished.findIndex((times) => times !== 1);
    must(missing < 0, () => `request ${missing} was finished ${this.#finished[missing]} times`);
    must(client.inFlight === 0, () => `${client.inFlight} requests are left`);
    must(client.read(0, 0, 1, () => undefined) === NO_TAG, () => "a client that is over asks on");
    must(this.#thrown.length === 0, () => String(this.#thrown[0]));
    this.#session.close();
  }

  #carry(): void {
    const { client } = this;
    const session = this.#session;
    while (client.unsent > 0) {
      const taken = session.receive(client.out, client.start, client.run);
      client.sent(taken);
      if (taken === 0) break;
    }
    let length = 0;
    while (session.unsent > 0 && length + session.run < room.length / 2) {
      room.set(session.out.subarray(session.start, session.start + session.run), length);
      length += session.run;
      session.sent(session.run);
    }
    this.#hear(this.#damaged(length));
  }

  #damaged(length: number): number {
    const random = this.#random;
    if (random.int(12) > 0) return length;
    this.#sound = false;
    // A reply to nothing, or damage to one that was.
    if (length === 0 || random.once(2)) return length + mutate(room, length, pool, random);
    return damage(room, 0, 0, length, random);
  }

  #hear(length: number): void {
    must(length <= room.length - GROWTH, () => "too many replies");
    for (let at = 0; at < length;) {
      const piece = this.#random.once(2) ? length - at : Math.min(length - at, 1 + this.#random.int(200));
      this.client.receive(room, at, piece);
      at += piece;
    }
  }
}

export const client: Target = {
  name: "9p-client",
  what: "damaged replies of a hive at the asking end of 9P",
  run: 64,
  short: 4 * 64,
  weight: 50,
  counts: clientCounts,
  fuzz(seed, inputs, all) {
    const counts = all as ClientCounts;
    const random = new Random(seed);
    const world = new World();
    for (let n = 0; n < inputs; n++) {
      const pair = new Pair(world, random, counts);
      for (let step = 0; step < STEPS && pair.client.ended === undefined; step++) {
        for (let left = random.int(4); left > 0; left--) pair.ask();
        if (random.once(4)) world.happen(random);
        pair.step();
      }
      pair.end();
      counts.clients++;
    }
    const leak = world.leaks();
    if (leak !== undefined) throw new Error(leak);
  },
  reached(counts) {
    atLeast(counts, "answered", 0.1, "asked");
    atLeast(counts, "ended", 0.3, "clients");
    atLeast(counts, "flushed", 0.1, "clients");
  },
};
