import { expect } from "chai";
import * as fc from "fast-check";
import * as p9 from "../../../services/secure9p/constants.ts";
import { INVALID } from "../../../services/secure9p/refusal.ts";
import { Session } from "../../../services/secure9p/session.ts";
import { concat, frame, nodeBytes, Peer, TestTree, text, utf8 } from "./fixture.ts";
import { LAYOUTS, message } from "./layouts.ts";

const EBADF = 9;
const EBUSY = 16;
const EINVAL = 22;
const EMSGSIZE = 90;
const EOPNOTSUPP = 95;
const ESHUTDOWN = 108;

function hello(peer: Peer, msize: number, version = "9P2000.L"): [number, string] {
  const m = peer.ask(p9.TVERSION, { msize, version }, p9.NOTAG);
  return m.type === p9.RLERROR
    ? [-m.ecode, ""]
    : [m.msize, text(m.version.bytes.subarray(m.version.start)).slice(0, m.version.length)];
}

function populated(): TestTree {
  const tree = new TestTree();
  tree.root.dir("proc").file("boot", "cohesix\n");
  tree.root.file("log", "");
  return tree;
}

describe("Session: Tversion", () => {
  it("agrees on the smaller msize", () => {
    expect(hello(new Peer(), 8192)).to.deep.equal([8192, "9P2000.L"]);
    expect(hello(new Peer(), 512)).to.deep.equal([512, "9P2000.L"]);
    expect(hello(new Peer(), 0xffffffff)).to.deep.equal([8192, "9P2000.L"]);
    expect(hello(new Peer({ msize: 1024 }), 8192)).to.deep.equal([1024, "9P2000.L"]);
  });

  it("refuses an msize that holds nothing", () => {
    for (const msize of [0, 1, 511]) expect(hello(new Peer(), msize)).to.deep.equal([-EINVAL, ""]);
  });

  it("answers other versions with unknown, and serves nothing then", () => {
    for (const version of ["9P2000", "9P2000.u", "9P2000.L2", "9p2000.l", "", "unknown"]) {
      const peer = new Peer();
      expect(hello(peer, 8192, version)).to.deep.equal([8192, "unknown"]);
      expect(peer.fails(p9.TATTACH, { fid: 0, afid: p9.NOFID })).to.equal(EINVAL);
    }
  });

  it("comes before everything", () => {
    for (const [type] of LAYOUTS) {
      if (type === p9.TVERSION || (type & 1) === 1) continue;
      expect(new Peer().fails(type)).to.equal(EINVAL);
    }
  });

  it("starts the session again: fids go, files are closed, requests get no answer", () => {
    const peer = Peer.attached({ tree: populated() });
    peer.open(1, ["log"]);
    peer.tree.root.children.get("log")!.io = "park";
    peer.send(frame(p9.TREAD, 5, { fid: 1, count: 10 }));
    expect(peer.session.inFlight).to.equal(1);
    expect(hello(peer, 1000)).to.deep.equal([1000, "9P2000.L"]);
    expect([peer.session.fids, peer.session.inFlight, peer.session.msize]).to.deep.equal([0, 0, 1000]);
    expect([peer.tree.opened, peer.tree.closed, peer.tree.cancelled.length]).to.deep.equal([1, 1, 1]);
    expect(peer.fails(p9.TGETATTR, { fid: 0 })).to.equal(EBADF);
    expect(peer.session.counters.dropped).to.equal(1);
    peer.checkLedger();
  });

  it("resets even when it is refused, but not when it is malformed", () => {
    const peer = Peer.attached();
    peer.send(message(p9.TVERSION, p9.NOTAG, [1, 2, 3]));
    expect(peer.replies()[0]!.message.ecode).to.equal(EINVAL);
    expect(peer.session.fids).to.equal(1);
    hello(peer, 100);
    expect([peer.session.fids, peer.session.msize]).to.deep.equal([0, 0]);
  });

  it("lowers the limit of frames, and a new one raises it again", () => {
    const peer = Peer.attached();
    hello(peer, 512);
    peer.send(message(p9.TWRITE, 3, Array<number>(600).fill(0)));
    expect(peer.replies().map((r) => [r.tag, r.message.ecode])).to.deep.equal([[3, EMSGSIZE]]);
    hello(peer, 8192);
    peer.send(message(p9.TWRITE, 3, Array<number>(600).fill(0)));
    expect(peer.replies()[0]!.message.ecode).to.equal(EINVAL);
  });
});

describe("Session: what is no request", () => {
  it("refuses every R-message, and lives", () => {
    const peer = Peer.attached();
    for (const [type] of LAYOUTS) {
      if ((type & 1) === 0) continue;
      const m = peer.ask(type, {}, 9);
      expect([m.type, m.ecode], `type ${type}`).to.deep.equal([p9.RLERROR, EINVAL]);
    }
    peer.ok(p9.TGETATTR, { fid: 0 });
    peer.checkLedger();
  });

  it("refuses types that 9P2000.L does not have", () => {
    const peer = Peer.attached();
    for (const type of [0, 6, 10, 98, 106, 112, 114, 124, 126, 254]) {
      peer.send(message(type, 4, []));
      expect(peer.replies()[0]!.message.ecode, `type ${type}`).to.equal(EOPNOTSUPP);
    }
    for (const type of [1, 11, 113, 127, 255]) {
      peer.send(message(type, 4, []));
      expect(peer.replies()[0]!.message.ecode, `type ${type}`).to.equal(EINVAL);
    }
  });

  it("refuses requests without a tag, and tags that are in use", () => {
    const peer = Peer.attached({ tree: populated() });
    expect(peer.fails(p9.TGETATTR, { fid: 0 }, p9.NOTAG)).to.equal(EINVAL);
    peer.tree.root.asking = "park";
    peer.send(frame(p9.TGETATTR, 3, { fid: 0 }));
    for (const type of [p9.TGETATTR, p9.TCLUNK, p9.TFLUSH])
      expect(peer.fails(type, { fid: 0, oldtag: 3 }, 3)).to.equal(EINVAL);
    expect(peer.session.inFlight).to.equal(1);
    peer.tree.root.asking = "answer";
    peer.tree.root.getattr(peer.tree.unpark(), undefined);
    expect(peer.replies().map((r) => [r.type, r.tag])).to.deep.equal([[p9.RGETATTR, 3]]);
    peer.ok(p9.TGETATTR, { fid: 0 }, 3);
    peer.checkLedger();
  });

  it("answers a frame over msize with its tag and skips it", () => {
    const peer = Peer.attached();
    const big = message(p9.TWRITE, 77, Array<number>(20000).fill(1));
    const next = frame(p9.TGETATTR, 78, { fid: 0 });
    peer.send(concat(big, next));
    expect(peer.replies().map((r) => [r.tag, r.message.ecode])).to.deep.equal([
      [77, EMSGSIZE],
      [78, 0],
    ]);
    peer.checkLedger();
  });

  it("ends where a length cannot be, having closed everything", () => {
    for (const [bytes, replies] of [
      [[6, 0, 0, 0, 1, 1, 0], 0],
      [[0, 0, 0, 0, 1, 1, 0], 0],
      [[1, 0, 1, 0, 118, 9, 0, 1], 1],
      [[255, 255, 255, 255, 118, 9, 0, 1], 1],
    ] as const) {
      const peer = Peer.attached({ tree: populated() });
      peer.open(1, ["log"]);
      peer.send(Uint8Array.from(bytes));
      expect(peer.replies().map((r) => r.message.ecode)).to.deep.equal(Array(replies).fill(EMSGSIZE));
      expect([peer.session.ended, peer.session.fids, peer.tree.opened - peer.tree.closed]).to.deep.equal([true, 0, 0]);
      peer.send(frame(p9.TGETATTR, 1, { fid: 0 }));
      expect(peer.replies()).to.deep.equal([]);
      peer.checkLedger();
    }
  });
});

describe("Session: the stream", () => {
  it("says the same however requests are cut", () => {
    const requests = concat(
      frame(p9.TVERSION, p9.NOTAG, { msize: 8192, version: "9P2000.L" }),
      frame(p9.TATTACH, 1, { fid: 0, afid: p9.NOFID, aname: "ticket" }),
      frame(p9.TWALK, 2, { fid: 0, newfid: 1, names: ["proc", "boot"] }),
      frame(p9.TLOPEN, 3, { fid: 1, flags: 0 }),
      frame(p9.TREAD, 4, { fid: 1, offset: 2, count: 100 }),
      message(p9.TREAD, 5, [1]),
      frame(p9.TCLUNK, 6, { fid: 1 }),
    );
    const whole = new Peer({ tree: populated() });
    whole.send(requests);
    const expected = [...whole.output()];
    expect(expected.length).to.be.greaterThan(100);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }), (pieces) => {
        const peer = new Peer({ tree: populated() });
        for (let at = 0, n = 0; at < requests.length; n++) {
          const piece = requests.slice(at, at + pieces[n % pieces.length]!);
          peer.send(piece);
          at += piece.length;
        }
        expect([...peer.output()]).to.deep.equal(expected);
      }),
      { numRuns: 50 },
    );
  });

  it("does as many requests at once as it is told", () => {
    const peer = Peer.attached();
    const three = concat(...[1, 2, 3].map((tag) => frame(p9.TGETATTR, tag, { fid: 0 })));
    expect(peer.session.receive(three, 0, three.length, 2)).to.equal((three.length / 3) * 2);
    expect(peer.replies().map((r) => r.tag)).to.deep.equal([1, 2]);
  });

  it("knows whether a frame has begun", () => {
    const peer = Peer.attached();
    expect(peer.session.partial).to.be.false;
    peer.send(Uint8Array.of(100));
    expect(peer.session.partial).to.be.true;
  });
});

describe("Session: back-pressure", () => {
  /** 64 KiB of Treads of 23 bytes ask for 22 MB. */
  it("does not read a peer that does not take its replies", () => {
    const tree = populated();
    tree.root.children.get("log")!.content = new Uint8Array(20000).fill(65);
    const peer = Peer.attached({ tree });
    peer.open(1, ["log"]);
    const read = frame(p9.TREAD, 1, { fid: 1, offset: 0, count: 0xffffffff });
    const input = concat(...Array<Uint8Array>(2849).fill(read));
    let at = peer.session.receive(input, 0, input.length);
    expect(at / read.length).to.equal(8);
    expect(peer.session.unsent).to.be.at.most(65536);
    expect(peer.session.heldBack).to.be.true;
    expect(peer.session.receive(input, at, input.length - at)).to.equal(0);
    expect(peer.session.counters.heldBack).to.equal(2);
    let replies = 0;
    while (at < input.length) {
      const got = peer.replies();
      for (const r of got) expect([r.type, r.message.data.length]).to.deep.equal([p9.RREAD, 8192 - 11]);
      replies += got.length;
      at += peer.session.receive(input, at, input.length - at);
    }
    expect(replies + peer.replies().length).to.equal(2849);
    expect(peer.session.unsentHighWater).to.be.at.most(65536);
    peer.checkLedger();
  });

  it("keeps room for the answers of what is parked", () => {
    const tree = populated();
    const log = tree.root.children.get("log")!;
    log.content = new Uint8Array(20000).fill(66);
    const peer = Peer.attached({ tree });
    peer.open(1, ["log"]);
    log.io = "park";
    for (let tag = 100; tag < 116; tag++) peer.send(frame(p9.TREAD, tag, { fid: 1, count: 8192 }));
    // Each of these is refused for want of a tag, until the peer has as much unsent as it may.
    const read = frame(p9.TREAD, 1, { fid: 1, count: 8192 });
    const input = concat(...Array<Uint8Array>(6000).fill(read));
    expect(peer.session.receive(input, 0, input.length)).to.be.lessThan(input.length);
    while (tree.parked.length > 0) {
      const request = tree.unpark();
      request.put(log.content, 0, 8181);
      request.done();
    }
    expect(peer.session.unsent).to.be.within(57344 + 16 * 8192, 65536 + 16 * 8192);
    expect(peer.replies().filter((r) => r.type === p9.RREAD).length).to.equal(16);
    expect(peer.session.heldBack).to.be.false;
    peer.checkLedger();
  });
});

describe("Session: its end", () => {
  it("closes files, cancels what is parked and says nothing more", () => {
    const peer = Peer.attached({ tree: populated() });
    peer.open(1, ["log"]);
    peer.open(2, ["proc"]);
    peer.tree.root.children.get("log")!.io = "park";
    peer.send(frame(p9.TREAD, 5, { fid: 1, count: 1 }));
    peer.session.close();
    peer.session.close();
    expect([peer.tree.opened, peer.tree.closed, peer.tree.cancelled.length, peer.session.fids]).to.deep.equal([
      2, 2, 1, 0,
    ]);
    peer.send(frame(p9.TGETATTR, 1, { fid: 0 }));
    expect(peer.session.unsent).to.equal(0);
    peer.checkLedger();
  });

  it("revoked, it answers everything so, also what was parked", () => {
    const peer = Peer.attached({ tree: populated() });
    peer.open(1, ["log"]);
    peer.tree.root.children.get("log")!.io = "park";
    peer.send(frame(p9.TREAD, 5, { fid: 1, count: 1 }));
    peer.session.revoke();
    expect(peer.replies().map((r) => [r.tag, r.message.ecode])).to.deep.equal([[5, ESHUTDOWN]]);
    expect([peer.tree.opened - peer.tree.closed, peer.session.fids]).to.deep.equal([0, 0]);
    for (const type of [p9.TGETATTR, p9.TATTACH, p9.TCLUNK, p9.TVERSION]) {
      expect(peer.fails(type, { afid: p9.NOFID, msize: 8192, version: "9P2000.L" })).to.equal(ESHUTDOWN);
    }
    peer.ok(p9.TFLUSH, { oldtag: 5 });
    peer.checkLedger();
  });

  it("may come from within a provider", () => {
    for (const end of ["revoke", "close"] as const) {
      const peer = Peer.attached({ tree: populated() });
      peer.open(1, ["log"], p9.O_WRONLY);
      const log = peer.tree.root.children.get("log")!;
      Object.defineProperty(log, "io", {
        get: () => {
          peer.session[end]();
          return "answer";
        },
      });
      peer.send(frame(p9.TWRITE, 7, { fid: 1, data: "x" }));
      expect(peer.replies().map((r) => r.message.ecode)).to.deep.equal(end === "revoke" ? [ESHUTDOWN] : []);
      expect([peer.session.fids, peer.session.inFlight, peer.session.counters.late]).to.deep.equal([0, 0, 1]);
      expect(peer.tree.opened).to.equal(peer.tree.closed);
      peer.checkLedger();
    }
  });
});

describe("Session: limits", () => {
  it("refuses options that cannot hold", () => {
    const tree = new TestTree();
    for (const options of [
      { msize: 511 },
      { msize: 8193 },
      { msize: NaN },
      { unsentBytes: 8191 },
      { fids: 0 },
      { tags: 0 },
    ]) {
      expect(() => new Session({ tree, bytes: nodeBytes, ...options }), JSON.stringify(options)).to.throw(RangeError);
    }
  });

  it("has 64 fids", () => {
    const peer = Peer.attached();
    for (let fid = 1; fid < 64; fid++) peer.ok(p9.TWALK, { fid: 0, newfid: fid, names: [] });
    expect(peer.fails(p9.TWALK, { fid: 0, newfid: 64, names: [] })).to.equal(EBUSY);
    expect(peer.fails(p9.TATTACH, { fid: 64, afid: p9.NOFID })).to.equal(EBUSY);
    peer.ok(p9.TCLUNK, { fid: 7 });
    peer.ok(p9.TWALK, { fid: 0, newfid: 0xfffffffe, names: [] });
    expect(peer.session.inFlight).to.equal(0);
  });

  it("has 16 tags for what is parked; the 17th gets Busy, and Tflush, Tclunk and what needs no waiting still work", () => {
    const peer = Peer.attached({ tree: populated() });
    peer.open(1, ["log"]);
    peer.tree.root.children.get("log")!.io = "park";
    for (let tag = 10; tag < 26; tag++) peer.send(frame(p9.TREAD, tag, { fid: 1, count: 1 }));
    expect(peer.fails(p9.TREAD, { fid: 1, count: 1 })).to.equal(EBUSY);
    expect(peer.fails(p9.TWALK, { fid: 0, newfid: 9, names: [] })).to.equal(EBUSY);
    expect(peer.fails(p9.TATTACH, { fid: 9, afid: p9.NOFID })).to.equal(EBUSY);
    expect(peer.session.fids).to.equal(2);
    peer.ok(p9.TFLUSH, { oldtag: 10 });
    peer.ok(p9.TGETATTR, { fid: 0 });
    peer.send(frame(p9.TCLUNK, 1, { fid: 1 }));
    expect(peer.replies().map((r) => r.message.ecode || r.type)).to.deep.equal([
      ...Array<number>(15).fill(EBADF),
      p9.RCLUNK,
    ]);
    peer.checkLedger();
  });

  it("counts the operations of a budget, and asks for leave before each", () => {
    let left = 3;
    const limited = Peer.attached({
      tree: populated(),
      admit: () => (left-- > 0 ? undefined : { name: "Closed", code: "ESHUTDOWN", errno: ESHUTDOWN }),
    });
    limited.ok(p9.TWALK, { fid: 0, newfid: 1, names: ["log"] });
    limited.ok(p9.TLOPEN, { fid: 1 });
    expect(limited.fails(p9.TREADDIR, { fid: 1, count: 100 })).to.equal(EINVAL);
    for (const type of [p9.TREAD, p9.TSTATFS, p9.TAUTH]) expect(limited.fails(type, { fid: 1 })).to.equal(ESHUTDOWN);
    limited.ok(p9.TFLUSH, { oldtag: 1 });
    limited.ok(p9.TCLUNK, { fid: 1 });
    expect(limited.session.counters.ops).to.equal(2);
  });

  it("tells of each reply, and of each request that a budget counts, when it is queued", () => {
    const told: string[] = [];
    const peer: Peer = new Peer({
      spent: () => told.push(`spent ${peer.session.counters.ops}`),
      replied: () => told.push(`replied ${peer.session.counters.replies}`),
    });
    peer.tree.root.file("a", "text").io = "park";
    peer.ok(p9.TVERSION, { msize: 8192, version: "9P2000.L" }, p9.NOTAG);
    peer.ok(p9.TATTACH, { fid: 0, afid: p9.NOFID, aname: "" });
    expect(told.splice(0)).to.deep.equal(["replied 1", "replied 2"]);
    peer.open(1, ["a"]);
    peer.ok(p9.TSTATFS, { fid: 0 });
    expect(told.splice(0)).to.deep.equal([...["replied 3", "spent 1", "replied 4", "spent 2", "replied 5", "spent 3"]]);
    for (const tag of [1, 2]) peer.send(frame(p9.TREAD, tag, { fid: 1, offset: 0, count: 4 }));
    expect(told).to.deep.equal([]);
    peer.tree.unpark().refuse(INVALID);
    const read = peer.tree.unpark();
    read.put(utf8("text"), 0, 4);
    read.done();
    expect(told.splice(0)).to.deep.equal(["replied 6", "replied 7", "spent 4"]);
    peer.replies();
    peer.fails(p9.TREAD, { fid: 9 });
    peer.ok(p9.TCLUNK, { fid: 1 });
    expect(told).to.deep.equal(["replied 8", "replied 9"]);
  });
});
