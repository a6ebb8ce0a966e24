import { expect } from "chai";
import fc from "fast-check";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { AttributeChange } from "../../../../services/secure9p/message.ts";
import { TIMED_OUT } from "../../../../services/secure9p/refusal.ts";
import { frame } from "../../secure9p/fixture.ts";
import { emit, integer, message } from "../../secure9p/layouts.ts";
import { type Visitor, WAITS } from "../support.ts";
import { attached, type Asked, type Exporter, ExportHive, lopened, walked } from "./support.ts";

/** Numbers from a seed (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** What there is: by name, and never with another qid. */
const FILES = new Map([
  ["a", { type: p9.QTFILE, version: 0, path: 11 }],
  ["log", { type: p9.QTAPPEND, version: 0, path: 12 }],
  ["d", { type: p9.QTDIR, version: 0, path: 13 }],
  ["s.follow", { type: p9.QTFILE, version: 0, path: 14 }],
]);
const NAMES = [...FILES.keys(), "none"];
const ROOT = { type: p9.QTDIR, version: 0, path: 1 };

/**
 * An exporter that keeps to the protocol and to nothing else: it answers when it likes, in any order, with what may be an error, and
 * a Tflush with or without what is flushed. It keeps books on the hive, which has to keep to the protocol too.
 */
class Erratic {
  readonly exporter: Exporter;
  readonly fids = new Set<number>();
  readonly pending: Asked[] = [];
  readonly #random: (below: number) => number;

  constructor(exporter: Exporter, random: (below: number) => number) {
    this.exporter = exporter;
    this.#random = random;
    this.hear();
  }

  /** See what was asked. */
  hear(): void {
    for (let asked = this.exporter.asked(); asked.length > 0; asked = this.exporter.asked()) {
      for (const request of asked) this.#take(request);
    }
  }

  /** Answer something that waits. @returns whether there was anything */
  answer(honestly = false): boolean {
    this.hear();
    const [request] = this.pending.splice(this.#random(this.pending.length), 1);
    if (request === undefined) return false;
    this.exporter.say(this.#reply(request, honestly || this.#random(4) > 0));
    this.hear();
    return true;
  }

  #take(request: Asked): void {
    const { type, tag, oldtag } = request;
    if (type === p9.TVERSION) {
      return this.exporter.reply(p9.RVERSION, p9.NOTAG, { msize: 4096 + this.#random(4097), version: p9.VERSION });
    }
    expect(
      this.pending.map((other) => other.tag),
      "tags",
    ).to.not.include(tag);
    if (type === p9.TATTACH) {
      this.fids.add(request.fid);
      return this.exporter.say(attached(tag, ROOT));
    }
    if (type !== p9.TFLUSH) {
      expect(this.fids.has(request.fid), `fid ${request.fid} of ${type}`).to.equal(true);
      // From the Tclunk on the number is nobody's.
      if (type === p9.TCLUNK) this.fids.delete(request.fid);
      this.pending.push(request);
      return;
    }
    const at = this.pending.findIndex((other) => other.tag === oldtag);
    const [flushed] = at < 0 ? [] : this.pending.splice(at, 1);
    if (flushed !== undefined && this.#random(2) === 0) this.exporter.say(this.#reply(flushed, this.#random(2) === 0));
    this.exporter.reply(p9.RFLUSH, tag);
  }

  #reply({ type, tag, newfid, names, count, data }: Asked, well: boolean): Uint8Array {
    if (type === p9.TCLUNK) return frame(p9.RCLUNK, tag);
    if (!well) return frame(p9.RLERROR, tag, { ecode: [1, 2, 5, 16, 110, 9][this.#random(6)]! });
    const file = FILES.get(names.at(-1) ?? "") ?? ROOT;
    switch (type) {
      case p9.TWALK:
        if (names.length > 0 && file === ROOT) return walked(tag);
        expect(this.fids.has(newfid), "newfid").to.equal(false);
        this.fids.add(newfid);
        return walked(tag, ...names.map(() => file));
      case p9.TLOPEN:
        return lopened(tag, [...FILES.values()][this.#random(FILES.size)]!);
      case p9.TREAD:
        return frame(p9.RREAD, tag, { data: "x".repeat(this.#random(count + 1)) });
      case p9.TWRITE:
        return message(p9.RWRITE, tag, integer(this.#random(data.length + 1), 4));
      case p9.TREADDIR: {
        const entry = [...emit("13", ROOT), ...integer(this.#random(9), 8), 4, ...emit("s", [97 + this.#random(9)])];
        return message(p9.RREADDIR, tag, emit("d", count < entry.length ? [] : entry));
      }
      case p9.TSETATTR:
        return frame(p9.RSETATTR, tag);
      default:
        return frame(p9.RLERROR, tag, { ecode: 95 });
    }
  }
}

/** Clients, an exporter, time, in any order. @returns requests of the clients */
function play(seed: number, steps: number): number {
  const random = numbers(seed);
  const pick = <T>(from: readonly T[]): T | undefined => from[random(from.length)];
  const hive = new ExportHive();
  let erratic = new Erratic(hive.dial("files"), random);
  const asked: { result: string; tag: unknown }[] = [];
  const clients: { queen: Visitor; fids: number[]; root: number }[] = [];
  const enter = (): void => {
    const view = hive.view("queen");
    const may = view.may.bind(view);
    // It may write too, wherever there is something.
    view.may = (operation, names) => (names[0] === "svc" ? undefined : may(operation, names));
    expect(view.mount("files", "/mnt")).to.equal(undefined);
    const queen = hive.enter(view);
    clients.push({ queen, fids: [], root: queen.walk("/mnt") as number });
  };
  const ask = (queen: Visitor, send: Parameters<Visitor["ask"]>[0]): void => void asked.push(queen.ask(send));
  const act = (): void => {
    const client = pick(clients);
    if (client === undefined) return enter();
    const { queen, fids, root } = client;
    const fid = pick(fids) ?? root;
    const change = Object.assign(new AttributeChange(), { valid: p9.SETATTR_SIZE });
    switch (random(10)) {
      case 0:
      case 1: {
        if (fids.length > 20) return;
        const next = 100 + random(1000);
        if (fids.includes(next)) return;
        fids.push(next);
        return ask(queen, (done) => queen.client.walk(root, next, [pick(NAMES)!], done));
      }
      case 2:
        return ask(queen, (done) => queen.client.open(fid, random(3), done));
      case 3:
        return ask(queen, (done) => queen.client.read(fid, random(100), random(5000), done));
      case 4:
        return ask(queen, (done) => queen.client.write(fid, 0, new Uint8Array(3000), 0, random(3000), done));
      case 5:
        return ask(queen, (done) => queen.client.readdir(fid, 0, random(500), done));
      case 6:
        return ask(queen, (done) => queen.client.getattr(fid, p9.GETATTR_BASIC, done));
      case 7:
        return ask(queen, (done) => queen.client.setattr(fid, change, done));
      case 8: {
        const at = fids.indexOf(fid);
        if (at < 0) return;
        fids.splice(at, 1);
        return ask(queen, (done) => queen.client.clunk(fid, done));
      }
      default: {
        const tag = pick(asked)?.tag;
        if (typeof tag === "number" && tag >= 0) queen.client.flush(tag, TIMED_OUT);
        queen.pump();
      }
    }
  };
  const settle = (): void => clients.forEach(({ queen }) => queen.pump());
  enter();
  for (let i = 0; i < steps; i++) {
    const what = random(100);
    if (what < 50) act();
    else if (what < 90) erratic.answer();
    else if (what < 95) hive.pass(random(4000));
    else if (what < 96 && clients.length < 4 && !erratic.exporter.service.ended) enter();
    else if (what < 97 && clients.length > 1) clients.splice(random(clients.length), 1)[0]!.queen.session.close();
    else if (what < 98 && random(10) === 0) erratic.exporter.service.end("left");
    else if (erratic.exporter.service.ended) erratic = new Erratic(hive.dial("files"), random);
    settle();
    const { service } = erratic.exporter;
    expect(service.inFlight, "in flight").to.be.at.most(16);
    expect(service.waiting, "waiting").to.be.at.most(32);
    expect(service.fids, "fids").to.be.at.most(256);
  }
  const { service } = erratic.exporter;
  for (const { queen } of clients) queen.session.close();
  while (erratic.answer(true));
  if (!service.ended) {
    expect([service.inFlight, service.waiting, service.fids], "left with it").to.deep.equal([0, 0, 1]);
    expect([...erratic.fids], "fids of the exporter").to.deep.equal([0]);
    service.end("left");
  }
  for (const { queen } of clients) {
    queen.client.close();
    const { requests, replies, dropped, late, providerErrors } = queen.session.counters;
    expect([requests, providerErrors], "the session's books").to.deep.equal([replies + dropped, 0]);
    expect(late, "late answers").to.equal(0);
    expect([queen.session.inFlight, queen.session.fids]).to.deep.equal([0, 0]);
  }
  expect(hive.timers.size, "timers").to.equal(0);
  expect(hive.failures).to.deep.equal([]);
  return asked.length;
}

describe("RemoteService under fuzz", () => {
  const seeds = fc.integer({ min: 0, max: 0x7fffffff });

  it("answers each request once and keeps nothing, whenever an exporter answers, flushes, goes and comes back", () => {
    fc.assert(
      fc.property(seeds, (from) => {
        expect(play(from, 400)).to.be.greaterThan(50);
      }),
      { numRuns: 30 },
    );
  });

  it("takes any bytes without throwing, and tells everybody who waits", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(
          fc.constantFrom(7, 13, 25, 41, 101, 105, 109, 111, 117, 119, 121, 199),
          fc.oneof(fc.nat(3), fc.constantFrom(0xffff, 32, 33)),
          fc.uint8Array({ maxLength: 40 }),
        )
        .map(([type, tag, body]) => message(type, tag, [...body])),
    );
    fc.assert(
      fc.property(fc.boolean(), fc.array(bytes, { minLength: 1, maxLength: 12 }), fc.nat(30), (up, parts, piece) => {
        const hive = new ExportHive();
        const exporter = hive.dial("files");
        const asked: { result: string }[] = [];
        let queen: Visitor | undefined;
        if (up) {
          exporter.welcome();
          queen = hive.mounted("files");
          const { client } = queen;
          const root = queen.walk("/mnt") as number;
          for (const name of ["a", "b"]) {
            asked.push(queen.ask((done) => client.walk(root, client.fids.take(), [name], done)));
          }
          asked.push(queen.ask((done) => client.open(root, 0, done)));
        }
        for (const part of parts) {
          for (let at = 0; at < part.length; at += piece + 1) exporter.say(part.subarray(at, at + piece + 1));
        }
        hive.pass(60_000);
        queen?.pump();
        expect(asked.filter(({ result }) => result === WAITS)).to.deep.equal([]);
        expect(exporter.service.ended).to.equal(true);
        expect([hive.timers.size, exporter.service.inFlight, exporter.service.waiting]).to.deep.equal([0, 0, 0]);
        expect(hive.failures).to.deep.equal([]);
        if (queen !== undefined) expect(queen.session.counters).to.include({ late: 0, providerErrors: 0 });
      }),
      { numRuns: 400 },
    );
  });
});
