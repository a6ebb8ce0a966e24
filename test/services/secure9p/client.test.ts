import { expect } from "chai";
import * as fc from "fast-check";
import { Client, type ClientOptions, NO_TAG } from "../../../services/secure9p/client.ts";
import * as p9 from "../../../services/secure9p/constants.ts";
import { Entries } from "../../../services/secure9p/entries.ts";
import { AttributeChange, type Message } from "../../../services/secure9p/message.ts";
import { CLOSED, INVALID, type Refusal, TIMED_OUT } from "../../../services/secure9p/refusal.ts";
import type { Session } from "../../../services/secure9p/session.ts";
import { frame, nodeBytes, Peer, TestTree, utf8 } from "./fixture.ts";
import { emit, integer, message } from "./layouts.ts";

/** Moves all bytes from one to the other, `piece` at a time. */
function carry(from: Client | Session, to: Client | Session, piece = Infinity): number {
  let moved = 0;
  while (from.unsent > 0) {
    const length = Math.min(piece, from.run);
    const taken = to.receive(from.out, from.start, length) ?? length;
    from.sent(taken);
    moved += taken;
    if (taken < length) break;
  }
  return moved;
}

/** A client and the session it talks to. */
class Pair {
  readonly tree = new TestTree();
  readonly peer = new Peer({ tree: this.tree });
  readonly client: Client;
  /** What each `done` was told, as text. */
  readonly log: string[] = [];
  readonly errors: unknown[] = [];

  constructor(options: Partial<ClientOptions> = {}) {
    this.client = new Client({ bytes: nodeBytes, failed: (error) => this.errors.push(error), ...options });
  }

  /** Move bytes until nobody has any. */
  run(piece?: number): void {
    while (carry(this.client, this.peer.session, piece) + carry(this.peer.session, this.client, piece) > 0);
  }

  note =
    (name: string) =>
    (reply: Message, error: Refusal | undefined): void => {
      this.log.push(error === undefined ? `${name}: ${this.words(reply)}` : `${name}: ${error.code}`);
    };

  words(reply: Message): string {
    if (reply.type === p9.RREAD) return reply.data.text(nodeBytes);
    if (reply.type === p9.RWRITE) return String(reply.count);
    if (reply.type === p9.RWALK) return `${reply.nwqid} qids`;
    return "ok";
  }

  said(): string[] {
    return this.log.splice(0);
  }

  attached(): this {
    this.client.version(this.note("version"));
    this.run();
    expect(this.client.attach(this.client.fids.take(), "", "", this.note("attach"))).to.equal(0);
    this.run();
    expect(this.said()).to.deep.equal(["version: ok", "attach: ok"]);
    return this;
  }
}

/** A client whose server is the test. */
function alone(options: Partial<ClientOptions> = {}): {
  pair: Pair;
  client: Client;
  feed: (bytes: Uint8Array) => void;
} {
  const pair = new Pair(options);
  const feed = (bytes: Uint8Array): void => pair.client.receive(bytes, 0, bytes.length);
  pair.client.version(pair.note("version"));
  feed(frame(p9.RVERSION, p9.NOTAG, { msize: 1024, version: "9P2000.L" }));
  pair.said();
  pair.client.sent(pair.client.unsent);
  return { pair, client: pair.client, feed };
}

describe("Client", () => {
  it("reads, writes and lists what a session serves, in any pieces", () => {
    for (const piece of [1, 7, 100000]) {
      const pair = new Pair().attached();
      const { client, tree } = pair;
      tree.root.dir("proc").file("boot", "cohesix\n");
      tree.root.file("log", "");
      client.walk(0, 1, ["proc", "boot"], pair.note("walk"));
      client.open(1, p9.O_RDONLY, pair.note("open"));
      client.read(1, 0, 100, pair.note("read"));
      client.walk(0, 2, ["log"], pair.note("walk"));
      client.open(2, p9.O_WRONLY, pair.note("open"));
      client.write(2, 0, utf8("a line\n"), 2, 5, pair.note("write"));
      client.setattr(2, new AttributeChange(), pair.note("setattr"));
      client.fsync(2, pair.note("fsync"));
      client.statfs(2, pair.note("statfs"));
      client.open(0, p9.O_DIRECTORY, pair.note("open"));
      const names: string[] = [];
      client.readdir(0, 0, 8192, (reply) => {
        const entries = new Entries(nodeBytes);
        entries.begin(reply.data);
        while (entries.next()) names.push(entries.name.text(nodeBytes));
      });
      client.getattr(2, p9.GETATTR_BASIC, (reply) => names.push(`size ${reply.attributes.size}`));
      client.remove(1, pair.note("remove"));
      client.clunk(2, pair.note("clunk"));
      expect(client.inFlight).to.equal(14);
      pair.run(piece);
      expect(pair.said()).to.deep.equal([
        "walk: 2 qids",
        "open: ok",
        "read: cohesix\n",
        "walk: 1 qids",
        "open: ok",
        "write: 5",
        "setattr: ok",
        "fsync: ok",
        "statfs: ok",
        "open: ok",
        "remove: EOPNOTSUPP",
        "clunk: ok",
      ]);
      expect(names).to.deep.equal(["proc", "log", "size 5"]);
      expect([client.inFlight, pair.peer.session.fids]).to.deep.equal([0, 1]);
    }
  });

  it("agrees on the server's msize, and cuts reads and writes to it", () => {
    const pair = new Pair({ msize: 600 }).attached();
    expect([pair.client.msize, pair.client.iounit, pair.peer.session.msize]).to.deep.equal([600, 576, 600]);
    const log = pair.tree.root.file("log", "x".repeat(1000));
    pair.client.walk(0, 1, ["log"], pair.note("walk"));
    pair.client.open(1, p9.O_RDWR, pair.note("open"));
    pair.client.write(1, 0, new Uint8Array(1000), 0, 1000, pair.note("write"));
    pair.client.read(1, 0, 1000, (reply) => pair.log.push(`read ${reply.data.length}`));
    pair.run();
    expect(pair.said().slice(2)).to.deep.equal(["write: 577", "read 589"]);
    expect(log.content.length).to.equal(1577);
  });

  it("sends nothing before the version, and that once", () => {
    const pair = new Pair();
    expect(pair.client.attach(0, "", "", pair.note("attach"))).to.equal(NO_TAG);
    expect(pair.client.write(0, 0, utf8("x"), 0, 1, pair.note("write"))).to.equal(NO_TAG);
    expect([pair.client.version(pair.note("version")), pair.client.version(pair.note("version"))]).to.deep.equal([
      true,
      false,
    ]);
    pair.run();
    expect(pair.client.version(pair.note("version"))).to.be.false;
    expect(pair.said()).to.deep.equal(["version: ok"]);
  });

  it("says that a server speaks something else, or refuses", () => {
    const pair = new Pair();
    pair.client.version(pair.note("version"));
    const unknown = frame(p9.RVERSION, p9.NOTAG, { msize: 1024, version: "unknown" });
    pair.client.receive(unknown, 0, unknown.length);
    expect([pair.said(), pair.client.msize]).to.deep.equal([["version: EOPNOTSUPP"], 0]);
    expect(pair.client.version(pair.note("version"))).to.be.true;
    const refused = frame(p9.RLERROR, p9.NOTAG, { ecode: 5 });
    pair.client.receive(refused, 0, refused.length);
    expect([pair.said(), pair.client.ended]).to.deep.equal([["version: E5"], undefined]);
  });

  it("has as many requests under way as it has tags, answered in any order", () => {
    const { pair, client, feed } = alone({ tags: 3 });
    const tags = [0, 1, 2].map((n) => client.read(0, n, 10, pair.note(`read ${n}`)));
    expect([...tags, client.read(0, 3, 10, pair.note("read 3"))]).to.deep.equal([0, 1, 2, NO_TAG]);
    for (const tag of [2, 0, 1]) feed(frame(p9.RREAD, tag, { data: `data ${tag}` }));
    expect(pair.said()).to.deep.equal(["read 2: data 2", "read 0: data 0", "read 1: data 1"]);
    const again = [3, 4, 5].map((n) => client.read(0, n, 10, pair.note(`read ${n}`)));
    expect(again).to.have.members([0, 1, 2]);
    expect(client.read(0, 6, 10, pair.note("read 6"))).to.equal(NO_TAG);
  });

  it("has every tag once, whatever is answered, flushed or refused in between", () => {
    const { pair, client, feed } = alone({ tags: 5, unsentBytes: 3000 });
    const waiting = new Set<number>();
    const resting = new Set<number>();
    let random = 1;
    for (let round = 0; round < 5000; round++) {
      random = (random * 48_271) % 0x7fff_ffff;
      const [one] = waiting;
      const [rests] = resting;
      if (random % 7 < 3) {
        const tag = client.write(0, 0, new Uint8Array(700), 0, 700, () => undefined);
        if (tag === NO_TAG) expect(waiting.size + resting.size === 5 || client.unsent > 2000).to.equal(true);
        else expect(waiting.has(tag) || resting.has(tag)).to.equal(false);
        if (tag !== NO_TAG) waiting.add(tag);
      } else if (random % 7 === 3) client.sent(client.unsent);
      else if (random % 7 < 6 && one !== undefined) {
        if (random % 2 === 0 && client.flush(one, TIMED_OUT)) resting.add(one);
        waiting.delete(one);
        feed(frame(p9.RLERROR, one, { ecode: 2 }));
        expect(client.busy(one)).to.equal(resting.has(one));
      } else if (rests !== undefined) {
        feed(frame(p9.RFLUSH, 5 + rests));
        resting.delete(rests);
        expect(client.busy(rests)).to.equal(false);
      }
    }
    expect([pair.errors, client.ended]).to.deep.equal([[], undefined]);
    for (const tag of waiting) feed(frame(p9.RLERROR, tag, { ecode: 2 }));
    for (const tag of resting) feed(frame(p9.RFLUSH, 5 + tag));
    client.sent(client.unsent);
    const all = [0, 1, 2, 3, 4].map(() => client.read(0, 0, 1, () => undefined));
    expect(all).to.have.members([0, 1, 2, 3, 4]);
    expect([client.busy(4), client.busy(5), client.busy(NO_TAG)]).to.deep.equal([true, false, false]);
  });

  it("sends no more than the server takes, and can flush even then", () => {
    const { pair, client } = alone({ unsentBytes: 2100 });
    const tags: number[] = [];
    for (let n = 0; n < 4; n++) tags.push(client.write(0, 0, new Uint8Array(1000), 0, 1000, pair.note("write")));
    expect(tags).to.deep.equal([0, 1, NO_TAG, NO_TAG]);
    expect([client.flush(0, TIMED_OUT), client.flush(1, TIMED_OUT)]).to.deep.equal([true, true]);
    client.sent(client.unsent);
    expect(client.write(0, 0, new Uint8Array(1000), 0, 1000, pair.note("write"))).to.equal(2);
  });

  it("may ask from within an answer", () => {
    const pair = new Pair().attached();
    pair.tree.root.file("log", "abc");
    pair.client.walk(0, 1, ["log"], () => pair.client.open(1, 0, () => pair.client.read(1, 1, 9, pair.note("read"))));
    pair.run();
    expect(pair.said()).to.deep.equal(["read: bc"]);
  });

  it("tells what a done threw, and goes on", () => {
    const pair = new Pair().attached();
    pair.client.getattr(0, 1, () => {
      throw new Error("done");
    });
    pair.client.getattr(0, 1, pair.note("getattr"));
    pair.run();
    expect([pair.errors.map(String), pair.said()]).to.deep.equal([["Error: done"], ["getattr: ok"]]);
  });

  it("refuses what no frame carries, and keeps the tag", () => {
    const { pair, client } = alone();
    expect(() => client.walk(0, 1, Array<string>(17).fill("x"), pair.note("walk"))).to.throw(RangeError, "17 names");
    expect(() => client.walk(0, 1, ["x".repeat(1020)], pair.note("walk"))).to.throw(RangeError, "does not fit");
    expect(() => client.read(0, 2 ** 53, 1, pair.note("read"))).to.throw(RangeError, "does not fit");
    expect(() => new Client({ bytes: nodeBytes, msize: 100 })).to.throw(RangeError, "512 to 8192");
    expect([client.unsent, client.inFlight, client.read(0, 0, 1, pair.note("read"))]).to.deep.equal([0, 0, 0]);
  });
});

describe("Client: flush", () => {
  it("before the answer: done gets the reason, when the server says so", () => {
    const pair = new Pair().attached();
    const log = pair.tree.root.file("log", "");
    pair.client.walk(0, 1, ["log"], pair.note("walk"));
    pair.client.open(1, 0, pair.note("open"));
    pair.run();
    pair.said();
    log.io = "park";
    const tag = pair.client.read(1, 0, 10, pair.note("read"));
    pair.run();
    expect(pair.client.flush(tag, TIMED_OUT)).to.be.true;
    expect(pair.client.flush(tag, TIMED_OUT)).to.be.false;
    expect(pair.said()).to.deep.equal([]);
    pair.run();
    expect(pair.said()).to.deep.equal(["read: ETIMEDOUT"]);
    expect([pair.tree.cancelled.length, pair.client.inFlight, pair.client.flush(tag, TIMED_OUT)]).to.deep.equal([
      1,
      0,
      false,
    ]);
  });

  it("after the answer: done gets it, and the tag rests until Rflush", () => {
    const { pair, client, feed } = alone({ tags: 1 });
    client.read(0, 0, 10, pair.note("read"));
    client.flush(0, TIMED_OUT);
    feed(frame(p9.RREAD, 0, { data: "abc" }));
    expect(pair.said()).to.deep.equal(["read: abc"]);
    expect(client.read(0, 0, 10, pair.note("read"))).to.equal(NO_TAG);
    feed(frame(p9.RFLUSH, 1));
    expect(client.read(0, 0, 10, pair.note("read"))).to.equal(0);
    expect(pair.said()).to.deep.equal([]);
  });

  it("gives back the fid that a flushed walk did not make", () => {
    const pair = new Pair().attached();
    pair.tree.root.walking = "park";
    const fid = pair.client.fids.take();
    pair.client.flush(pair.client.walk(0, fid, ["x"], pair.note("walk")), TIMED_OUT);
    pair.run();
    expect([pair.said(), pair.client.fids.inUse]).to.deep.equal([["walk: ETIMEDOUT"], 1]);
  });
});

describe("Client: fids", () => {
  it("are given back when a walk or attach fails, or a clunk is answered", () => {
    const pair = new Pair().attached();
    const { client, tree } = pair;
    tree.root.dir("a");
    const walk = (names: string[]): number => {
      const fid = client.fids.take();
      client.walk(0, fid, names, pair.note("walk"));
      pair.run();
      return fid;
    };
    expect([walk(["x"]), walk(["a", "x"]), walk(["a"]), walk(["a"])]).to.deep.equal([1, 1, 1, 2]);
    client.attach(client.fids.take(), "", "no", pair.note("attach"));
    client.clunk(1, pair.note("clunk"));
    client.remove(2, pair.note("remove"));
    pair.run();
    expect(client.fids.inUse).to.equal(1);
    expect(walk(["a"])).to.equal(1);
  });

  it("are bounded", () => {
    const client = new Client({ bytes: nodeBytes, fids: 2 });
    expect([client.fids.take(), client.fids.take(), client.fids.take()]).to.deep.equal([0, 1, -1]);
    client.fids.give(0);
    client.fids.give(0);
    expect([client.fids.inUse, client.fids.take()]).to.deep.equal([1, 0]);
  });
});

describe("Client: a server that lies", () => {
  const lies: [string, Uint8Array][] = [
    ["answers what nobody asked", frame(p9.RREAD, 7, { data: "x" })],
    ["answers a tag that there is not", frame(p9.RREAD, 1000, { data: "x" })],
    ["answers with another kind", frame(p9.RWRITE, 0, { count: 1 })],
    ["answers with a request", frame(p9.TREAD, 0, {})],
    ["gives more than was asked for", frame(p9.RREAD, 0, { data: "x".repeat(11) })],
    ["sends what does not decode", message(p9.RREAD, 0, [9, 0, 0, 0, 1])],
    ["sends a type that there is not", message(199, 0, [])],
    ["sends more than msize", message(p9.RREAD, 0, Array<number>(1100).fill(0))],
    ["sends a length that cannot be", Uint8Array.of(3, 0, 0, 0)],
    ["agrees again", frame(p9.RVERSION, p9.NOTAG, { msize: 1024, version: "9P2000.L" })],
    ["says that it flushed what was not to be", frame(p9.RFLUSH, 16)],
  ];
  for (const [name, bytes] of lies) {
    it(`that ${name} is left, and all who wait are told`, () => {
      const { pair, client, feed } = alone();
      client.read(0, 0, 10, pair.note("read"));
      client.clunk(1, pair.note("clunk"));
      feed(bytes);
      expect([pair.said(), client.ended, client.inFlight]).to.deep.equal([
        ["read: EINVAL", "clunk: EINVAL"],
        INVALID,
        0,
      ]);
      feed(frame(p9.RREAD, 0, { data: "x" }));
      expect([pair.said(), client.read(0, 0, 1, pair.note("read")), client.flush(0, TIMED_OUT)]).to.deep.equal([
        [],
        NO_TAG,
        false,
      ]);
    });
  }

  it("that walks further, writes more or agrees on more than was asked is left", () => {
    const wqids = (n: number): number[] =>
      emit(
        "*13",
        Array.from({ length: n }, () => ({ type: 0, version: 0, path: 1 })),
      );
    const { pair, client, feed } = alone();
    client.walk(0, 1, ["a"], pair.note("walk"));
    feed(message(p9.RWALK, 0, wqids(2)));
    const other = alone();
    other.client.write(0, 0, utf8("abc"), 0, 3, other.pair.note("write"));
    other.feed(message(p9.RWRITE, 0, integer(4, 4)));
    const third = new Pair({ msize: 1024 });
    third.client.version(third.note("version"));
    const more = frame(p9.RVERSION, p9.NOTAG, { msize: 1025, version: "9P2000.L" });
    third.client.receive(more, 0, more.length);
    expect([pair.said(), other.pair.said(), third.said()]).to.deep.equal([
      ["walk: EINVAL"],
      ["write: EINVAL"],
      ["version: EINVAL"],
    ]);
  });

  it("may send anything: each done is called once", () => {
    const reply = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(
          fc.integer({ min: 0, max: 130 }),
          fc.integer({ min: 0, max: 40 }),
          fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 30 }),
        )
        .map(([type, tag, body]) => message(type, tag, body)),
    );
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 20 }), (replies) => {
        const { pair, client, feed } = alone();
        for (let n = 0; n < 10; n++) client.getattr(n, 1, pair.note("a"));
        client.flush(3, TIMED_OUT);
        for (const bytes of replies) feed(bytes);
        client.close(CLOSED);
        client.close(CLOSED);
        expect(pair.said().length).to.equal(10);
      }),
      { numRuns: 300 },
    );
  });
});
