import { expect } from "chai";
import * as p9 from "../../../services/secure9p/constants.ts";
import { Message } from "../../../services/secure9p/message.ts";
import { STALE } from "../../../services/secure9p/refusal.ts";
import type { Request } from "../../../services/secure9p/tree.ts";
import { type Behaviour, frame, nodeBytes, Peer, type TestNode, TestTree, utf8 } from "./fixture.ts";

const EBUSY = 16;

let tree: TestTree;
let peer: Peer;
let log: TestNode;

describe("Session: requests", () => {
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
});
