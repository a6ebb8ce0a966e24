import { expect } from "chai";
import {
  PORT,
  socketClosing,
  socketCloseWait,
  socketEstablished,
  socketFinWait1,
  socketFinWait2,
  socketLastAck,
  socketModern,
  socketTimeWait,
  STATES,
  TcpRig,
} from "./fixture.ts";

const OURS = 16_384;

describe("TCP, close", () => {
  it("established: our FIN follows the last byte", () => {
    const rig = socketEstablished();
    rig.socket?.write(new Uint8Array(3), 0, 3);
    rig.socket?.shutdown();
    rig.serve();
    expect(rig.sent()).to.deep.equal([{ seq: 1, ack: 1, flags: "FP", window: OURS, length: 3 }]);
    expect(rig.socket?.writable).to.equal(0);
    expect(rig.write(1)).to.equal(0);
  });

  it("fin-wait-1: data still comes, and FIN and ACK in either order", () => {
    const rig = socketFinWait1();
    rig.peer({ ack: 1, flags: "P", data: [1, 2] });
    expect(rig.read()).to.deep.equal([1, 2]);
    // Three bytes more of window are not worth telling.
    expect(rig.peer({ seq: 3, ack: 2, flags: "F" })).to.deep.equal([
      { seq: 2, ack: 4, flags: "", window: OURS - 3, length: 0 },
    ]);
    expect(rig.socket?.state).to.equal("time-wait");
    rig.balanced();
  });

  it("fin-wait-2: a half-closed connection takes data until the peer's FIN", () => {
    const rig = socketFinWait2();
    rig.peer({ ack: 2, data: [1] });
    rig.peer({ seq: 2, ack: 2, flags: "F", data: [2] });
    expect(rig.socket?.ended).to.equal(false);
    expect(rig.read()).to.deep.equal([1, 2]);
    expect(rig.socket?.ended).to.equal(true);
    rig.socket?.close();
    expect(rig.tcp.sockets).to.equal(0);
  });

  it("fin-wait-2 does not last for ever once nobody here wants it", () => {
    const rig = socketFinWait2();
    rig.socket?.close();
    expect(rig.tcp.sockets).to.equal(1);
    expect(rig.wait(30_000_000).map(({ flags }) => flags)).to.deep.equal(["R"]);
    expect([rig.tcp.sockets, rig.tcp.nextUs()]).to.deep.equal([0, Infinity]);
  });

  it("closing: ends when the peer acknowledges our FIN", () => {
    const rig = socketClosing();
    rig.peer({ seq: 2, ack: 2 });
    expect(rig.socket?.state).to.equal("time-wait");
    rig.balanced();
  });

  it("close-wait: what the peer sent can be read, and we may still send", () => {
    const rig = socketEstablished();
    rig.peer({ ack: 1, flags: "F", data: [1, 2] });
    expect(rig.socket).to.include({ state: "close-wait", readable: 2, ended: false });
    expect(rig.read()).to.deep.equal([1, 2]);
    expect(rig.socket?.ended).to.equal(true);
    rig.write(4);
    expect(rig.sent().map(({ length }) => length)).to.deep.equal([4]);
    expect(rig.peer({ seq: 4, ack: 5 })).to.deep.equal([]);
  });

  it("close-wait: a repeated FIN is acknowledged again", () => {
    const rig = socketCloseWait();
    expect(rig.peer({ ack: 1, flags: "F" }).map(({ ack }) => ack)).to.deep.equal([2]);
  });

  it("last-ack: ends without TIME-WAIT", () => {
    const rig = socketLastAck();
    rig.peer({ seq: 2, ack: 2 });
    expect(rig.socket).to.include({ state: "closed", error: undefined });
    rig.socket?.close();
    expect([rig.tcp.sockets, rig.tcp.timeWait, rig.tcp.nextUs()]).to.deep.equal([0, 0, Infinity]);
  });

  it("a FIN that nobody acknowledges is repeated with back-off, and given up", () => {
    const rig = socketEstablished();
    rig.socket?.close();
    rig.serve();
    expect(rig.sent().length).to.equal(1);
    const repeats = rig.wait(60_000_000);
    expect(repeats.filter(({ flags }) => flags === "F").length).to.be.within(3, 7);
    expect(repeats.at(-1)?.flags).to.equal("R");
    expect([rig.tcp.sockets, rig.tcp.nextUs()]).to.deep.equal([0, Infinity]);
  });

  it("close with unread data resets (RFC 2525 §2.17), and so does data after close", () => {
    const unread = socketEstablished();
    unread.peer({ ack: 1, data: [1] });
    unread.socket?.close();
    expect(unread.sent().map(({ flags }) => flags)).to.deep.equal(["R"]);
    const late = socketEstablished();
    late.socket?.close();
    late.serve();
    late.sent();
    expect(late.peer({ ack: 2, data: [1] }).map(({ flags }) => flags)).to.deep.equal(["R"]);
    expect(late.tcp.counters.receive.afterClose).to.equal(1);
    expect([unread.tcp.sockets, late.tcp.sockets]).to.deep.equal([0, 0]);
  });

  it("a socket that was closed is empty for good, even when its memory is another's", () => {
    const rig = socketEstablished({ sockets: 1 });
    const old = rig.socket!;
    old.abort();
    rig.sent();
    rig.peer({ flags: "S", seq: 0 });
    rig.peer({ ack: 1, data: [1, 2, 3] });
    rig.socket = rig.listener.accept();
    expect(old).to.include({ state: "closed", readable: 0, writable: 0, ended: true });
    expect(old.read(new Uint8Array(9), 0, 9)).to.equal(0);
    old.close();
    old.abort();
    expect(rig.read()).to.deep.equal([1, 2, 3]);
  });
});

describe("TCP, TIME-WAIT", () => {
  it("acknowledges a repeated FIN, at a limited rate, and starts its time again", () => {
    const rig = socketTimeWait();
    rig.wait(20_000_000);
    expect(rig.peer({ ack: 2, flags: "F" })).to.deep.equal([{ seq: 2, ack: 2, flags: "", window: 0, length: 0 }]);
    expect(rig.peer({ ack: 2, flags: "F" })).to.deep.equal([]);
    rig.wait(29_000_000);
    expect(rig.tcp.timeWait).to.equal(1);
    rig.wait(1_000_001);
    expect(rig.tcp.timeWait).to.equal(0);
    rig.balanced();
  });

  it("answers with timestamps if they were agreed on, or the peer would not listen", () => {
    const rig = socketModern();
    rig.socket?.close();
    rig.serve();
    rig.peer({ ack: 2, flags: "F" });
    rig.sent();
    rig.peerStamp += 7;
    expect(rig.peer({ ack: 2, flags: "F" })[0]?.stamps?.[1]).to.equal(rig.peerStamp - 7);
  });

  it("is not ended by a reset (RFC 1337)", () => {
    const rig = socketTimeWait();
    rig.peer({ flags: "R", seq: 2 });
    expect(rig.tcp.timeWait).to.equal(1);
  });

  it("gives way to a later SYN, and answers an earlier one with where it stands", () => {
    const rig = socketTimeWait();
    expect(rig.peer({ flags: "S", seq: 1 })).to.deep.equal([{ seq: 2, ack: 2, flags: "", window: 0, length: 0 }]);
    expect(rig.peer({ flags: "S", seq: 500 })[0]).to.deep.include({ flags: "S", ack: 501 });
    expect([rig.tcp.timeWait, rig.tcp.counters.timeWait.reused]).to.deep.equal([0, 1]);
  });

  it("gives way to a SYN of the same millisecond whose number is later (RFC 6191 §2)", () => {
    const rig = socketEstablished({}, { stamps: [1000, 0] });
    rig.socket?.shutdown();
    rig.serve();
    rig.peer({ ack: 2, flags: "F" });
    expect(rig.socket?.state).to.equal("time-wait");
    expect(rig.peer({ flags: "S", seq: 500, stamps: [999, 0] })[0], "an older one").to.deep.include({ flags: "" });
    rig.clock.us += 1_000_000;
    expect(rig.peer({ flags: "S", seq: 1, stamps: [1000, 0] })[0], "an old number").to.deep.include({ flags: "" });
    expect(rig.peer({ flags: "S", seq: 500, stamps: [1000, 0] })[0]).to.deep.include({ flags: "S", ack: 501 });
  });

  it("holds no socket, and of its bounded table forgets the oldest", () => {
    const rig = new TcpRig({ sockets: 2, timeWait: 3 });
    for (let port = 1; port <= 5; port++) {
      const ports: [number, number] = [port, PORT];
      rig.peer({ flags: "S", seq: 0, ports });
      rig.peer({ ack: 1, ports });
      const socket = rig.listener.accept();
      socket?.close();
      rig.serve();
      rig.peer({ ack: 2, flags: "F", ports });
      rig.clock.us += 1000;
    }
    expect([rig.tcp.sockets, rig.tcp.timeWait]).to.deep.equal([0, 3]);
    expect(rig.tcp.counters.timeWait).to.deep.include({ made: 5, evicted: 2 });
    rig.balanced();
  });
});

describe("TCP, reset", () => {
  for (const [name, make] of STATES) {
    if (name === "syn-sent") continue;
    const at = { "close-wait": 2, closing: 2, "last-ack": 2 }[name] ?? 1;
    it(`${name}: one at the window's edge ends it at once`, () => {
      const rig = make();
      expect(rig.peer({ flags: "R", seq: at })).to.deep.equal([]);
      expect(rig.socket).to.include({ state: "closed", error: name === "syn-received" ? "refused" : "reset" });
      expect(rig.socket).to.include({ ended: true, writable: 0 });
      rig.socket?.close();
      expect([rig.tcp.sockets, rig.tcp.nextUs()]).to.deep.equal([0, Infinity]);
      rig.balanced();
    });

    it(`${name}: one elsewhere in the window is challenged, and outside it ignored (RFC 5961 §3)`, () => {
      const rig = make();
      rig.sent();
      const challenge = rig.peer({ flags: "R", seq: at + 1 });
      expect(challenge.map(({ ack, flags }) => [ack, flags])).to.deep.equal([[at, ""]]);
      expect(rig.peer({ flags: "R", seq: at + 1 }), "at a limited rate").to.deep.equal([]);
      expect(rig.peer({ flags: "R", seq: at + OURS })).to.deep.equal([]);
      expect(rig.peer({ flags: "R", seq: at - 1 })).to.deep.equal([]);
      expect(rig.socket?.state).to.equal(name);
      rig.balanced();
    });

    it(`${name}: a SYN in the window is challenged (RFC 5961 §4)`, () => {
      const rig = make();
      rig.sent();
      expect(rig.peer({ flags: "S", seq: at }).map(({ ack, flags }) => [ack, flags])).to.deep.equal([[at, ""]]);
      expect(rig.socket?.state).to.equal(name);
      rig.balanced();
    });
  }

  it("of ours ends a connection from any state, and says so", () => {
    for (const [name, make] of STATES) {
      const rig = make();
      rig.sent();
      rig.socket?.abort();
      expect(
        rig.sent().map(({ flags }) => flags),
        name,
      ).to.deep.equal(name === "syn-sent" ? [] : ["R"]);
      expect(rig.tcp.sockets).to.equal(0);
    }
  });
});

describe("TCP, numbers that cannot be", () => {
  it("challenges an acknowledgement of what was never sent, and one that is too old (RFC 5961 §5)", () => {
    const rig = socketEstablished();
    rig.write(10);
    rig.sent();
    expect(rig.peer({ ack: 12, data: [1] }).map(({ ack }) => ack)).to.deep.equal([1]);
    rig.clock.us += 1_000_000;
    rig.peer({ ack: 11 });
    rig.sent();
    expect(rig.peer({ ack: 11 - 8193, data: [1] }).length).to.equal(1);
    expect(rig.socket?.readable).to.equal(0);
    expect(rig.tcp.counters.dropped.acknowledgement).to.equal(2);
    rig.balanced();
  });

  it("drops a segment without ACK", () => {
    const rig = socketEstablished();
    expect(rig.peer({ data: [1] })).to.deep.equal([]);
    expect(rig.tcp.counters.dropped.flags).to.equal(1);
    rig.balanced();
  });

  it("acknowledges data outside the window, and takes nothing of it", () => {
    const rig = socketEstablished();
    expect(rig.peer({ seq: 1 + OURS, ack: 1, data: [1] }).map(({ ack }) => ack)).to.deep.equal([1]);
    expect(rig.tcp.counters.dropped.outOfWindow).to.equal(1);
    expect(rig.socket?.readable).to.equal(0);
    rig.balanced();
  });

  it("drops what is older than its timestamp allows, and what has none (RFC 7323)", () => {
    const rig = socketModern();
    rig.peerStamp = 2000;
    rig.peer({ ack: 1, data: [1] });
    expect(rig.peer({ seq: 2, ack: 1, data: [2], stamps: [1999, 0] }).map(({ ack }) => ack)).to.deep.equal([2]);
    rig.stamps = false;
    expect(rig.peer({ seq: 2, ack: 1, data: [2] })).to.deep.equal([]);
    expect(rig.tcp.counters.dropped).to.include({ paws: 1, noTimestamp: 1 });
    expect(rig.socket?.readable).to.equal(1);
    rig.balanced();
  });

  it("lets no segment outside the window change what timestamps are believed", () => {
    const rig = socketModern();
    rig.peer({ seq: 1 + OURS, ack: 1, data: [1], stamps: [0x7fffffff, 0] });
    rig.peer({ seq: 1, ack: 1, data: [2] });
    expect(rig.socket?.readable).to.equal(1);
  });
});
