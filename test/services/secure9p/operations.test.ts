import { expect } from "chai";
import * as p9 from "../../../services/secure9p/constants.ts";
import { Entries } from "../../../services/secure9p/entries.ts";
import { STALE } from "../../../services/secure9p/refusal.ts";
import { frame, nodeBytes, Peer, type TestNode, TestTree, utf8 } from "./fixture.ts";
import { emit, fields, integer, LAYOUTS, message } from "./layouts.ts";

const [EPERM, ENOENT, EBADF, EBUSY, EINVAL, EOPNOTSUPP] = [1, 2, 9, 16, 22, 95];

let tree: TestTree;
let peer: Peer;
let log: TestNode;

describe("Session: operations", () => {
  beforeEach(() => {
    tree = new TestTree();
    tree.root.dir("proc").file("boot", "cohesix 1\n");
    log = tree.root.file("log", "0123456789");
    peer = Peer.attached({ tree });
  });

  afterEach(() => {
    peer.endCleanly();
  });

  const walk = (names: readonly string[], newfid = 1, fid = 0): number | number[] => peer.walk(names, newfid, fid);

  /** The path of the root's qid. */
  const ROOT = 1;

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
      const body = (valid: number): number[] => [
        ...integer(1, 4),
        ...integer(valid, 4),
        ...Array<number>(52).fill(255),
      ];
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
});
