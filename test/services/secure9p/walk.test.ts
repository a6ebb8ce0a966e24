import { expect } from "chai";
import * as p9 from "../../../services/secure9p/constants.ts";
import { NOT_FOUND } from "../../../services/secure9p/refusal.ts";
import { frame, Peer, type TestNode, TestTree } from "./fixture.ts";
import { integer, message } from "./layouts.ts";

const [ENOENT, EBADF, EBUSY, EINVAL, EMSGSIZE] = [2, 9, 16, 22, 90];

let tree: TestTree;
let peer: Peer;
let log: TestNode;
let boot: TestNode;

describe("Session: walks", () => {
  beforeEach(() => {
    tree = new TestTree();
    boot = tree.root.dir("proc").file("boot", "cohesix 1\n");
    log = tree.root.file("log", "0123456789");
    peer = Peer.attached({ tree });
  });

  afterEach(() => {
    peer.endCleanly();
  });

  const walk = (names: readonly string[], newfid = 1, fid = 0): number | number[] => peer.walk(names, newfid, fid);

  /** Paths of qids, in the order in which the tree was made. */
  const [ROOT, PROC, BOOT] = [1, 2, 3];

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
});
