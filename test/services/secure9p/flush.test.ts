import { expect } from "chai";
import * as p9 from "../../../services/secure9p/constants.ts";
import { frame, Peer, type TestNode, TestTree, utf8 } from "./fixture.ts";

describe("Tflush", () => {
  let peer: Peer;
  let tree: TestTree;
  let log: TestNode;
  beforeEach(() => {
    tree = new TestTree();
    log = tree.root.file("log", "0123456789");
    peer = Peer.attached({ tree });
    peer.open(1, ["log"]);
  });
  afterEach(() => {
    peer.checkLedger();
    peer.session.close();
    expect(tree.opened).to.equal(tree.closed);
  });

  const read = (tag: number): Uint8Array => frame(p9.TREAD, tag, { fid: 1, count: 3 });
  const flush = (tag: number, oldtag: number): Uint8Array => frame(p9.TFLUSH, tag, { oldtag });
  const said = (): number[][] => peer.replies().map((r) => [r.type, r.tag]);

  it("after the answer: both are sent, the answer first", () => {
    peer.send(read(5), flush(6, 5));
    expect(said()).to.deep.equal([
      [p9.RREAD, 5],
      [p9.RFLUSH, 6],
    ]);
    expect(peer.session.counters.flushed).to.equal(0);
  });

  it("before the answer: only Rflush, and the provider forgets the request", () => {
    log.io = "park";
    peer.send(read(5), flush(6, 5));
    expect(said()).to.deep.equal([[p9.RFLUSH, 6]]);
    expect([tree.cancelled.length, tree.parked.length, peer.session.inFlight]).to.deep.equal([1, 0, 0]);
    expect([peer.session.counters.flushed, peer.session.counters.dropped]).to.deep.equal([1, 1]);
  });

  it("frees the tag at once, and a late answer is not the next request's", () => {
    log.io = "park";
    peer.send(read(5));
    const late = tree.parked[0]!;
    peer.send(flush(6, 5), read(5));
    said();
    late.put(utf8("old"), 0, 3);
    late.done();
    expect(said()).to.deep.equal([]);
    expect(peer.session.counters.late).to.equal(2);
    const next = tree.unpark();
    expect(next).not.to.equal(late);
    next.put(utf8("new"), 0, 3);
    next.done();
    expect(peer.replies().map((r) => String.fromCharCode(...r.message.data.bytes.slice(11)))).to.deep.equal(["new"]);
  });

  it("of nothing, of itself and of another Tflush is answered", () => {
    peer.send(flush(6, 99), flush(7, 7), flush(8, 6));
    expect(said()).to.deep.equal([
      [p9.RFLUSH, 6],
      [p9.RFLUSH, 7],
      [p9.RFLUSH, 8],
    ]);
  });

  it("twice for one request gets two answers", () => {
    log.io = "park";
    peer.send(read(5), flush(6, 5), flush(7, 5));
    expect(said()).to.deep.equal([
      [p9.RFLUSH, 6],
      [p9.RFLUSH, 7],
    ]);
  });

  it("ends one of several and leaves the others", () => {
    log.io = "park";
    peer.send(read(4), read(5), read(6), flush(7, 5));
    expect(said()).to.deep.equal([[p9.RFLUSH, 7]]);
    tree.unpark(1).done();
    tree.unpark(0).done();
    expect(said()).to.deep.equal([
      [p9.RREAD, 6],
      [p9.RREAD, 4],
    ]);
  });

  it("of a walk gives its fid back, of a walk to itself leaves the fid where it was", () => {
    tree.root.walking = "park";
    peer.send(frame(p9.TWALK, 5, { fid: 0, newfid: 2, names: ["log"] }), flush(6, 5));
    peer.send(frame(p9.TWALK, 5, { fid: 0, newfid: 0, names: ["log"] }), flush(6, 5));
    said();
    expect(peer.session.fids).to.equal(2);
    tree.root.walking = "answer";
    peer.ok(p9.TWALK, { fid: 0, newfid: 2, names: ["log"] });
    peer.ok(p9.TWALK, { fid: 0, newfid: 0, names: ["log"] });
  });

  it("of a Tlopen lets the fid be opened again", () => {
    peer.ok(p9.TWALK, { fid: 0, newfid: 2, names: ["log"] });
    log.opening = "park";
    peer.send(frame(p9.TLOPEN, 5, { fid: 2 }), flush(6, 5));
    said();
    log.opening = "answer";
    peer.ok(p9.TLOPEN, { fid: 2 });
  });

  it("of a Tattach gives its fid back", () => {
    tree.attachBehaviour = "park";
    peer.send(frame(p9.TATTACH, 5, { fid: 2, afid: p9.NOFID }), flush(6, 5));
    expect(said()).to.deep.equal([[p9.RFLUSH, 6]]);
    expect(peer.session.fids).to.equal(2);
  });
});
