import { expect } from "chai";
import * as p9 from "../../../services/secure9p/constants.ts";
import { Entries } from "../../../services/secure9p/entries.ts";
import { Message } from "../../../services/secure9p/message.ts";
import { NOT_FOUND, STALE } from "../../../services/secure9p/refusal.ts";
import type { Request } from "../../../services/secure9p/tree.ts";
import { type Behaviour, frame, nodeBytes, Peer, type TestNode, TestTree, utf8 } from "./fixture.ts";
import { emit, fields, integer, LAYOUTS, message } from "./layouts.ts";

const [EPERM, ENOENT, EBADF, EBUSY, EINVAL, EMSGSIZE, EOPNOTSUPP] = [1, 2, 9, 16, 22, 90, 95];

let tree: TestTree;
let peer: Peer;
let log: TestNode;
let boot: TestNode;

beforeEach(() => {
  tree = new TestTree();
  boot = tree.root.dir("proc").file("boot", "cohesix 1\n");
  log = tree.root.file("log", "0123456789");
  peer = Peer.attached({ tree });
});

afterEach(() => {
  peer.checkLedger();
  peer.session.close();
  peer.checkLedger();
  expect(tree.opened).to.equal(tree.closed);
  expect([peer.session.inFlight, peer.session.fids]).to.deep.equal([0, 0]);
});

const walk = (names: readonly string[], newfid = 1, fid = 0): number | number[] => {
  const m = peer.ask(p9.TWALK, { fid, newfid, names });
  return m.type === p9.RLERROR ? m.ecode : m.wqids.slice(0, m.nwqid).map((qid) => qid.path);
};

/** Paths of qids, in the order in which the tree was made. */
const [ROOT, PROC, BOOT] = [1, 2, 3];

describe("Tattach and Tauth", () => {
  it("gives the root's qid", () => {
    const m = peer.ok(p9.TATTACH, { fid: 5, afid: p9.NOFID, aname: "x" });
    expect(m.qid).to.deep.equal({ type: p9.QTDIR, version: 0, path: ROOT });
  });

  it("says that there is no authentication protocol", () => {
    expect(peer.fails(p9.TAUTH, { afid: 3 })).to.equal(ENOENT);
    expect(peer.fails(p9.TATTACH, { fid: 5, afid: 3 })).to.equal(EINVAL);
  });

  it("refuses fids in use, no fid, text that is none, and what the tree refuses", () => {
    expect(peer.fails(p9.TATTACH, { fid: 0, afid: p9.NOFID })).to.equal(EBUSY);
    expect(peer.fails(p9.TATTACH, { fid: p9.NOFID, afid: p9.NOFID })).to.equal(EINVAL);
    for (const bad of [Uint8Array.of(0xff), Uint8Array.of(0x61, 0)]) {
      expect(peer.fails(p9.TATTACH, { fid: 5, afid: p9.NOFID, aname: bad })).to.equal(EINVAL);
      expect(peer.fails(p9.TATTACH, { fid: 5, afid: p9.NOFID, uname: bad })).to.equal(EINVAL);
    }
    expect(peer.fails(p9.TATTACH, { fid: 5, afid: p9.NOFID, aname: "no" })).to.equal(EPERM);
    expect(peer.session.fids).to.equal(1);
  });

  it("may take its time; the fid is taken meanwhile and cannot be used", () => {
    tree.attachBehaviour = "park";
    peer.send(frame(p9.TATTACH, 4, { fid: 5, afid: p9.NOFID }));
    expect(peer.fails(p9.TGETATTR, { fid: 5 })).to.equal(EBADF);
    expect(peer.fails(p9.TCLUNK, { fid: 5 })).to.equal(EBADF);
    expect(walk([], 5)).to.equal(EBUSY);
    tree.unpark().found(tree.root);
    expect(peer.replies().map((r) => [r.type, r.tag])).to.deep.equal([[p9.RATTACH, 4]]);
    peer.ok(p9.TGETATTR, { fid: 5 });
  });
});

describe("Twalk", () => {
  it("makes a fid of each path, with a qid for each name", () => {
    expect(walk(["proc", "boot"])).to.deep.equal([PROC, BOOT]);
    expect(peer.ok(p9.TGETATTR, { fid: 1 }).qid.path).to.equal(BOOT);
    expect(peer.ok(p9.TGETATTR, { fid: 0 }).qid.path).to.equal(ROOT);
  });

  it("without names copies a fid", () => {
    expect(walk([])).to.deep.equal([]);
    expect(peer.ok(p9.TGETATTR, { fid: 1 }).qid.path).to.equal(ROOT);
  });

  it("to itself moves the fid", () => {
    walk([]);
    expect(walk(["proc"], 1, 1)).to.deep.equal([PROC]);
    expect(walk(["boot"], 1, 1)).to.deep.equal([BOOT]);
    expect(peer.ok(p9.TGETATTR, { fid: 1 }).qid.path).to.equal(BOOT);
  });

  it("that gets only part of the way says how far and makes nothing", () => {
    expect(walk(["proc", "none", "boot"])).to.deep.equal([PROC]);
    expect(peer.fails(p9.TGETATTR, { fid: 1 })).to.equal(EBADF);
    expect(walk(["proc", "boot", "x"])).to.deep.equal([PROC, BOOT]);
    expect(walk(["none", "x"])).to.equal(ENOENT);
    expect(walk(["proc", "none"], 0, 0)).to.deep.equal([PROC]);
    expect(peer.ok(p9.TGETATTR, { fid: 0 }).qid.path).to.equal(ROOT);
    expect(peer.session.fids).to.equal(1);
  });

  it("does . and .. itself and never leaves the root", () => {
    expect(walk(["..", "..", ".", "proc", "..", "proc", ".", "boot"])).to.deep.equal([
      ROOT,
      ROOT,
      ROOT,
      PROC,
      ROOT,
      PROC,
      PROC,
      BOOT,
    ]);
    expect(walk(["..", ".."], 2, 1)).to.equal(ENOENT); // a file has no names in it
    walk(["proc"], 3);
    expect(walk(["..", "..", "log"], 3, 3)).to.deep.equal([ROOT, ROOT, log.qid.path]);
  });

  it("refuses names that are none", () => {
    for (const [name, errno] of [
      ["", EINVAL],
      ["a/b", EINVAL],
      ["a\0", EINVAL],
      ["é".repeat(128), EMSGSIZE],
      ["x".repeat(255), ENOENT],
    ] as const) {
      expect(walk([name]), name).to.equal(errno);
    }
    peer.send(message(p9.TWALK, 1, [...integer(0, 4), ...integer(1, 4), 1, 0, 1, 0, 0xff]));
    expect(peer.replies()[0]!.message.ecode).to.equal(EINVAL);
    expect(walk(["proc", "a/b"])).to.equal(EINVAL);
  });

  it("goes 8 names at once and 8 deep", () => {
    let node = tree.root;
    for (let i = 0; i < 9; i++) node = node.dir("d");
    const names = Array<string>(8).fill("d");
    expect(walk([...names, "d"])).to.equal(EMSGSIZE);
    expect(walk(names)).to.have.length(8);
    expect(walk(["d"], 2, 1)).to.equal(EMSGSIZE);
    expect(walk(["..", "d", "d"], 2, 1)).to.have.length(2);
    expect(peer.session.fids).to.equal(2);
  });

  it("refuses fids in use, unknown fids and no fid", () => {
    walk([]);
    expect(walk(["proc"], 1)).to.equal(EBUSY);
    expect(walk([], 2, 9)).to.equal(EBADF);
    expect(walk([], p9.NOFID)).to.equal(EINVAL);
  });

  it("of an open fid gives another that is not, but cannot move it", () => {
    peer.open(1, ["log"]);
    expect(walk([], 1, 1)).to.equal(EINVAL);
    expect(walk([], 2, 1)).to.deep.equal([]);
    expect(peer.fails(p9.TREAD, { fid: 2, count: 1 })).to.equal(EBADF);
  });

  it("may wait at each name, and others are answered meanwhile", () => {
    tree.root.walking = "park";
    tree.root.children.get("proc")!.walking = "park";
    peer.send(frame(p9.TWALK, 7, { fid: 0, newfid: 1, names: ["proc", "boot"] }));
    expect(walk([], 1)).to.equal(EBUSY);
    tree.unpark().found(tree.root.children.get("proc")!);
    expect(peer.replies()).to.deep.equal([]);
    expect(peer.ok(p9.TGETATTR, { fid: 0 }, 8).tag).to.equal(8);
    tree.unpark().found(boot);
    expect(peer.replies().map((r) => [r.type, r.tag, r.message.nwqid])).to.deep.equal([[p9.RWALK, 7, 2]]);
    peer.ok(p9.TGETATTR, { fid: 1 });
  });

  it("that waits holds the fid it moves, and none of it if it fails", () => {
    walk([]);
    tree.root.walking = "park";
    peer.send(frame(p9.TWALK, 7, { fid: 1, newfid: 1, names: ["proc"] }));
    expect(walk(["proc"], 1, 1)).to.equal(EBUSY);
    expect(peer.fails(p9.TLOPEN, { fid: 1 })).to.equal(EBUSY);
    tree.unpark().refuse(NOT_FOUND);
    expect(peer.replies()[0]!.message.ecode).to.equal(ENOENT);
    peer.ok(p9.TLOPEN, { fid: 1 });
  });
});

describe("Tlopen", () => {
  it("answers qid and msize − 24", () => {
    walk(["log"]);
    log.qid.version = 7;
    const m = peer.ok(p9.TLOPEN, { fid: 1, flags: p9.O_RDWR });
    expect([m.qid, m.iounit]).to.deep.equal([{ type: 0, version: 7, path: log.qid.path }, 8192 - 24]);
  });

  it("gives a provider's iounit if it is less", () => {
    for (const [given, sent] of [
      [100, 100],
      [100000, 8168],
    ] as const) {
      log.opening = "park";
      walk(["log"], given);
      peer.send(frame(p9.TLOPEN, 1, { fid: given }));
      tree.unpark().opened(log.handle(), given);
      expect(peer.replies()[0]!.message.iounit).to.equal(sent);
    }
  });

  it("refuses what cannot be opened so", () => {
    expect(peer.fails(p9.TLOPEN, { fid: 0, flags: p9.O_WRONLY })).to.equal(EPERM);
    expect(peer.fails(p9.TLOPEN, { fid: 0, flags: p9.O_RDWR })).to.equal(EPERM);
    expect(peer.fails(p9.TLOPEN, { fid: 0, flags: 3 })).to.equal(EINVAL);
    walk(["log"]);
    expect(peer.fails(p9.TLOPEN, { fid: 1, flags: p9.O_DIRECTORY })).to.equal(EINVAL);
    expect(peer.fails(p9.TLOPEN, { fid: 9 })).to.equal(EBADF);
    peer.ok(p9.TLOPEN, { fid: 0, flags: p9.O_DIRECTORY });
    expect(peer.fails(p9.TLOPEN, { fid: 0 })).to.equal(EINVAL);
  });

  it("races nobody: the second finds the first", () => {
    walk(["log"]);
    log.opening = "park";
    peer.send(frame(p9.TLOPEN, 7, { fid: 1 }));
    expect(peer.fails(p9.TLOPEN, { fid: 1 })).to.equal(EBUSY);
    expect(walk([], 1, 1)).to.equal(EBUSY);
    expect(peer.fails(p9.TREAD, { fid: 1, count: 1 })).to.equal(EBADF);
    tree.unpark().opened(log.handle());
    expect(peer.replies().map((r) => r.type)).to.deep.equal([p9.RLOPEN]);
    expect(tree.opened).to.equal(1);
  });
});

describe("Tread and Twrite", () => {
  it("read at an offset as much as there is and fits", () => {
    peer.open(1, ["log"]);
    expect(peer.read(1)).to.equal("0123456789");
    expect(peer.read(1, 4, 3)).to.equal("456");
    expect(peer.read(1, 10)).to.equal("");
    expect(peer.read(1, Number.MAX_SAFE_INTEGER - 8192)).to.equal("");
    expect(peer.read(1, 0, 0)).to.equal("");
  });

  it("cut a count to msize, and refuse a range that no number can hold", () => {
    peer.open(1, ["log"], p9.O_RDWR);
    log.content = new Uint8Array(9000).fill(65);
    expect(peer.read(1, 0, 0xffffffff)).to.have.length(8192 - 11);
    for (const high of [
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0],
      [0, 0, 0, 0, 0, 0, 0x20, 0],
      Array<number>(8).fill(255),
    ]) {
      peer.send(message(p9.TREAD, 1, [...integer(1, 4), ...high, ...integer(5, 4)]));
      peer.send(message(p9.TWRITE, 2, [...integer(1, 4), ...high, ...integer(1, 4), 65]));
      expect(peer.replies().map((r) => r.message.ecode)).to.deep.equal([EINVAL, EINVAL]);
    }
    expect(log.content.length).to.equal(9000);
  });

  it("need a fid that is open for it, and no directory", () => {
    expect(peer.fails(p9.TREAD, { fid: 0, count: 1 })).to.equal(EBADF);
    peer.ok(p9.TLOPEN, { fid: 0 });
    expect(peer.fails(p9.TREAD, { fid: 0, count: 1 })).to.equal(EINVAL);
    peer.open(1, ["log"]);
    expect(peer.fails(p9.TWRITE, { fid: 1, data: "x" })).to.equal(EBADF);
    expect(peer.fails(p9.TREADDIR, { fid: 1, count: 100 })).to.equal(EINVAL);
    peer.open(2, ["log"], p9.O_WRONLY);
    expect(peer.fails(p9.TREAD, { fid: 2, count: 1 })).to.equal(EBADF);
  });

  it("write the bytes they carry", () => {
    peer.open(1, ["log"], p9.O_WRONLY);
    expect(peer.ok(p9.TWRITE, { fid: 1, offset: 3, data: "abc" }).count).to.equal(3);
    expect(peer.ok(p9.TWRITE, { fid: 1, data: "" }).count).to.equal(0);
    expect(log.content).to.deep.equal(utf8("0123456789abc"));
    expect(peer.ok(p9.TGETATTR, { fid: 1 }).qid.version).to.equal(2);
  });

  it("wait for data, and are answered in any order", () => {
    peer.open(1, ["log"]);
    log.io = "park";
    for (const tag of [5, 6, 7]) peer.send(frame(p9.TREAD, tag, { fid: 1, offset: tag, count: 100 * tag }));
    expect(tree.parked.map((r) => [r.offset, r.count])).to.deep.equal([
      [5, 500],
      [6, 600],
      [7, 700],
    ]);
    for (const index of [1, 1, 0]) {
      const request = tree.unpark(index);
      expect(request.put(utf8(`tag ${request.offset}, `), 0, 7)).to.equal(7);
      expect(request.put(utf8("more"), 1, 2)).to.equal(2);
      request.done();
    }
    expect(peer.replies().map((r) => [r.tag, r.message.data.text(nodeBytes)])).to.deep.equal([
      [6, "tag 6, or"],
      [7, "tag 7, or"],
      [5, "tag 5, or"],
    ]);
  });

  it("take no more than was asked for", () => {
    peer.open(1, ["log"]);
    log.io = "park";
    peer.send(frame(p9.TREAD, 5, { fid: 1, count: 4 }));
    const request = tree.unpark();
    expect([
      request.put(utf8("abc"), 0, 3),
      request.put(utf8("def"), 0, 3),
      request.put(utf8("g"), 0, 1),
    ]).to.deep.equal([3, 1, 0]);
    request.done();
    expect(peer.replies()[0]!.message.data.text(nodeBytes)).to.equal("abcd");
  });

  it("refused, leave nothing of what was put", () => {
    peer.open(1, ["log"]);
    log.io = "park";
    peer.send(frame(p9.TREAD, 5, { fid: 1, count: 40 }));
    const request = tree.unpark();
    request.put(utf8("abc"), 0, 3);
    request.refuse(STALE);
    expect(peer.replies().map((r) => [r.type, r.message.ecode])).to.deep.equal([[p9.RLERROR, 116]]);
  });
});

describe("Treaddir", () => {
  function list(count: number): string[] {
    const names: string[] = [];
    const entries = new Entries(nodeBytes);
    for (let offset = 0; ; offset = entries.offset) {
      const m = peer.ok(p9.TREADDIR, { fid: 0, offset, count });
      expect(m.data.length).to.be.at.most(count);
      if (m.data.length === 0) return names;
      entries.begin(m.data);
      while (entries.next()) names.push(`${entries.name.text(nodeBytes)} ${entries.type} ${entries.qid.path}`);
      expect(entries.failed).to.be.false;
    }
  }

  it("lists all, however little fits a reply", () => {
    for (let i = 0; i < 30; i++) tree.root.file(`größe-${i}`, "");
    peer.ok(p9.TLOPEN, { fid: 0 });
    const all = [...tree.root.children].map(
      ([name, node]) => `${name} ${node.qid.type === 0 ? 8 : 4} ${node.qid.path}`,
    );
    for (const count of [36, 50, 200, 8192]) expect(list(count)).to.deep.equal(all);
  });

  it("refuses a count that holds no entry: an empty answer would be the end", () => {
    peer.ok(p9.TLOPEN, { fid: 0 });
    expect(peer.fails(p9.TREADDIR, { fid: 0, count: 27 })).to.equal(EINVAL);
    expect(peer.ok(p9.TREADDIR, { fid: 0, count: 28 }).data.length).to.equal(28);
    expect(peer.ok(p9.TREADDIR, { fid: 0, offset: 2, count: 1 }).data.length).to.equal(0);
  });

  it("needs an open directory and an offset that is exact", () => {
    expect(peer.fails(p9.TREADDIR, { fid: 0, count: 100 })).to.equal(EBADF);
    peer.ok(p9.TLOPEN, { fid: 0 });
    peer.send(message(p9.TREADDIR, 1, [...integer(0, 4), ...Array<number>(8).fill(255), ...integer(100, 4)]));
    expect(peer.replies()[0]!.message.ecode).to.equal(EINVAL);
  });
});

describe("The other requests", () => {
  it("Tgetattr asks the node, with the open file if there is one", () => {
    peer.open(1, ["log"]);
    const m = peer.ok(p9.TGETATTR, { fid: 1, mask: 0xffffffff });
    expect([m.attributes.valid, m.attributes.size, m.attributes.nlink]).to.deep.equal([p9.GETATTR_BASIC, 10, 2]);
    expect(peer.ok(p9.TGETATTR, { fid: 0 }).attributes.nlink).to.equal(1);
  });

  it("Tsetattr asks the node; a size has to be exact", () => {
    walk(["log"]);
    peer.ok(p9.TSETATTR, { fid: 1, size: 5, valid: p9.SETATTR_SIZE });
    const body = (valid: number): number[] => [...integer(1, 4), ...integer(valid, 4), ...Array<number>(52).fill(255)];
    peer.send(message(p9.TSETATTR, 1, body(p9.SETATTR_SIZE)), message(p9.TSETATTR, 2, body(p9.SETATTR_ATIME)));
    expect(peer.replies().map((r) => r.message.ecode)).to.deep.equal([EINVAL, 0]);
    expect(log.changes).to.deep.equal(["8 5", "16 -1"]);
    expect(peer.fails(p9.TSETATTR, { fid: 1, valid: p9.SETATTR_MODE })).to.equal(EINVAL);
  });

  it("Tstatfs and Tfsync are answered here", () => {
    const { status } = peer.ok(p9.TSTATFS, { fid: 0 });
    expect([status.type, status.bsize, status.namelen]).to.deep.equal([0x01021997, 4096, 255]);
    expect(peer.fails(p9.TFSYNC, { fid: 0 })).to.equal(EBADF);
    peer.open(1, ["log"]);
    peer.ok(p9.TFSYNC, { fid: 1 });
  });

  it("Tclunk gives a fid back once", () => {
    peer.open(1, ["log"]);
    peer.ok(p9.TCLUNK, { fid: 1 });
    expect(tree.closed).to.equal(1);
    expect(peer.fails(p9.TCLUNK, { fid: 1 })).to.equal(EBADF);
    expect(peer.fails(p9.TREAD, { fid: 1 })).to.equal(EBADF);
  });

  it("Tclunk ends what waits on the fid, before its own answer", () => {
    peer.open(1, ["log"]);
    log.io = "park";
    peer.send(frame(p9.TREAD, 5, { fid: 1, count: 1 }), frame(p9.TREAD, 6, { fid: 1, count: 1 }));
    const [first] = tree.parked;
    peer.send(frame(p9.TCLUNK, 7, { fid: 1 }));
    expect(peer.replies().map((r) => [r.tag, r.message.ecode || r.type])).to.deep.equal([
      [5, EBADF],
      [6, EBADF],
      [7, p9.RCLUNK],
    ]);
    expect([tree.cancelled.length, tree.parked.length]).to.deep.equal([2, 0]);
    first!.put(utf8("x"), 0, 1);
    first!.done();
    expect([peer.replies().length, peer.session.counters.late]).to.deep.equal([0, 2]);
  });

  it("Tremove clunks although it removes nothing", () => {
    peer.open(1, ["log"]);
    expect(peer.fails(p9.TREMOVE, { fid: 1 })).to.equal(EOPNOTSUPP);
    expect([tree.closed, peer.session.fids]).to.deep.equal([1, 1]);
  });

  it("what changes the tree is valid and not offered; on unknown fids it is not valid", () => {
    for (const type of [14, 16, 18, 20, 30, 32, 52, 54, 70, 72, 74, 76]) {
      expect(peer.fails(type, { fid: 0, dfid: 0, name: "n" }), `type ${type}`).to.equal(EOPNOTSUPP);
      expect(peer.fails(type, { fid: 9, dfid: 0, name: "n" }), `type ${type}`).to.equal(EBADF);
    }
    for (const type of [20, 70, 74]) expect(peer.fails(type, { fid: 0, dfid: 9 })).to.equal(EBADF);
    expect(peer.fails(p9.TREADLINK, { fid: 0 })).to.equal(EINVAL);
    expect(peer.session.fids).to.equal(1);
  });

  it("truncated at any byte, each is Invalid and changes nothing", () => {
    for (const [type, name, layout] of LAYOUTS) {
      if ((type & 1) === 1) continue;
      const body = fields(layout).flatMap(({ width }) => {
        if (width === "s" || width === "d") return emit(width, [65]);
        return emit(width, width === "*s" ? [[65]] : 0);
      });
      for (let length = 0; length < body.length; length++) {
        peer.send(message(type, 1, body.slice(0, length)));
        expect(peer.replies()[0]!.message.ecode, `${name} of ${length}`).to.equal(EINVAL);
      }
    }
    expect(peer.session.fids).to.equal(1);
  });
});

describe("Providers that err", () => {
  const kinds: [string, (behaviour: Behaviour) => Uint8Array][] = [
    ["attach", (b) => ((tree.attachBehaviour = b), frame(p9.TATTACH, 1, { fid: 8, afid: p9.NOFID }))],
    ["walk", (b) => ((tree.root.walking = b), frame(p9.TWALK, 1, { fid: 0, newfid: 8, names: ["log"] }))],
    ["open", (b) => ((tree.root.opening = b), frame(p9.TLOPEN, 1, { fid: 0 }))],
    ["getattr", (b) => ((tree.root.asking = b), frame(p9.TGETATTR, 1, { fid: 0 }))],
    ["setattr", (b) => ((tree.root.asking = b), frame(p9.TSETATTR, 1, { fid: 0 }))],
    ["read", (b) => ((log.io = b), frame(p9.TREAD, 1, { fid: 1, count: 1 }))],
    ["write", (b) => ((log.io = b), frame(p9.TWRITE, 1, { fid: 1, data: "x" }))],
  ];

  for (const [name, make] of kinds) {
    for (const behaviour of ["forget", "throw"] as const) {
      it(`${name}: one that would ${behaviour} gets the client Busy`, () => {
        peer.open(1, ["log"], p9.O_RDWR);
        peer.send(make(behaviour));
        expect(peer.replies().map((r) => r.message.ecode)).to.deep.equal([EBUSY]);
        expect(peer.errors.length).to.equal(behaviour === "throw" ? 1 : 0);
        expect([peer.session.counters.providerErrors, peer.session.inFlight]).to.deep.equal([1, 0]);
        peer.send(make("answer"));
        expect(peer.replies().every((r) => r.type !== p9.RLERROR)).to.be.true;
      });
    }

    it(`${name}: an answer of another kind gets the client Busy, and a file is closed`, () => {
      const wrong: Record<string, (request: Request) => void> = {
        found: (request) => request.found(log),
        opened: (request) => request.opened(log.handle()),
        put: (request) => expect(request.put(utf8("x"), 0, 1)).to.equal(0),
        entry: (request) => expect(request.entry(log.qid, 1, 8, "x")).to.be.false,
        wrote: (request) => request.wrote(1),
        attributes: (request) => request.attributes(new Message().attributes),
        done: (request) => request.done(),
      };
      const right: Record<string, string[]> = {
        attach: ["found"],
        walk: ["found"],
        open: ["opened"],
        getattr: ["attributes"],
        setattr: ["done"],
        read: ["put", "done"],
        write: ["wrote"],
      };
      peer.open(1, ["log"], p9.O_RDWR);
      for (const [answer, give] of Object.entries(wrong)) {
        if (right[name]!.includes(answer)) continue;
        peer.send(make("park"));
        give(tree.parked[0]!);
        expect(
          peer.replies().map((r) => r.message.ecode),
          answer,
        ).to.deep.equal([EBUSY]);
        expect([tree.parked.length, peer.session.inFlight]).to.deep.equal([0, 0]);
      }
      expect(tree.opened - tree.closed).to.equal(1);
    });
  }

  it("a file that comes after its Tlopen is over is closed", () => {
    walk(["log"]);
    log.opening = "park";
    peer.send(frame(p9.TLOPEN, 7, { fid: 1 }));
    const request = tree.parked[0]!;
    peer.ok(p9.TFLUSH, { oldtag: 7 });
    request.opened(log.handle());
    expect([tree.opened, tree.closed, peer.session.counters.late]).to.deep.equal([1, 1, 1]);
    log.opening = "answer";
    peer.ok(p9.TLOPEN, { fid: 1 });
  });

  it("a second answer is counted and goes nowhere", () => {
    log.asking = "park";
    walk(["log"]);
    peer.send(frame(p9.TSETATTR, 7, { fid: 1 }));
    const request = tree.unpark();
    request.done();
    request.done();
    request.refuse(STALE);
    request.park({ cancelled: () => expect.fail() });
    expect([peer.replies().length, peer.session.counters.late]).to.deep.equal([1, 3]);
  });

  it("numbers, counts and names that no reply can carry get the client Busy", () => {
    peer.open(1, ["log"], p9.O_RDWR);
    const park = (type: number, fid: number): Request => {
      log.io = tree.root.io = log.asking = tree.root.walking = "park";
      peer.send(frame(type, 1, { fid, newfid: 9, count: 100, data: "abc", names: ["log"] }));
      return tree.parked[0]!;
    };
    peer.ok(p9.TLOPEN, { fid: 0 });
    const bad = (run: (request: Request) => void, type: number, fid: number): void => {
      run(park(type, fid));
      expect(peer.replies().map((r) => r.message.ecode)).to.deep.equal([EBUSY]);
      expect(tree.parked).to.deep.equal([]);
    };
    for (const count of [4, -1, NaN]) bad((request) => request.wrote(count), p9.TWRITE, 1);
    const qid = { type: 0, version: 0, path: 2 ** 53 };
    bad((request) => request.entry(qid, 1, 8, "n"), p9.TREADDIR, 0);
    bad((request) => request.entry(log.qid, -1, 8, "n"), p9.TREADDIR, 0);
    bad((request) => request.entry(log.qid, 1, 8, ""), p9.TREADDIR, 0);
    bad((request) => request.entry(log.qid, 1, 8, "é".repeat(128)), p9.TREADDIR, 0);
    bad((request) => request.attributes(Object.assign(new Message().attributes, { size: 0.5 })), p9.TGETATTR, 1);
    const lost = Object.assign(Object.create(log) as TestNode, { qid });
    bad((request) => request.found(lost), p9.TWALK, 0);
  });

  it("two answers put together at once: the second spoils the first", () => {
    peer.open(1, ["log"]);
    log.io = "park";
    for (const tag of [5, 6]) peer.send(frame(p9.TREAD, tag, { fid: 1, count: 10 }));
    const [first, second] = [tree.parked[0]!, tree.parked[1]!];
    first.put(utf8("abc"), 0, 3);
    second.put(utf8("def"), 0, 3);
    second.done();
    first.done();
    expect(
      peer.replies().map((r) => [r.tag, r.type === p9.RLERROR ? r.message.ecode : r.message.data.text(nodeBytes)]),
    ).to.deep.equal([
      [6, "def"],
      [5, EBUSY],
    ]);
  });

  it("what close or cancelled throw is told and harms nobody", () => {
    log.opening = "park";
    walk(["log"]);
    peer.send(frame(p9.TLOPEN, 1, { fid: 1 }));
    tree.unpark().opened({
      ...log.handle(),
      read: (request) =>
        request.park({
          cancelled: () => {
            throw new Error("cancelled");
          },
        }),
      close: () => {
        tree.closed++;
        throw new Error("close");
      },
    });
    peer.send(frame(p9.TREAD, 2, { fid: 1, count: 1 }), frame(p9.TCLUNK, 3, { fid: 1 }));
    expect(peer.replies().map((r) => r.type)).to.deep.equal([p9.RLOPEN, p9.RLERROR, p9.RCLUNK]);
    expect(peer.errors.map(String)).to.deep.equal(["Error: cancelled", "Error: close"]);
    expect(peer.session.counters.providerErrors).to.equal(2);
  });
});
