import { expect } from "chai";
import { socketEstablished, type Sent, type TcpRig } from "./fixture.ts";

const MSS = 536;

function lengths(sent: Sent[]): number[] {
  return sent.map(({ length }) => length);
}

function seqs(sent: Sent[]): number[] {
  return sent.map(({ seq }) => seq);
}

/** A peer with SACK that takes segments of 100 bytes, all of the window open. */
function small(settings = {}): TcpRig {
  const rig = socketEstablished(settings, { mss: 112, sackPermitted: true, stamps: [1000, 0], window: 60_000 });
  rig.peer({ ack: 1, window: 60_000 });
  return rig;
}

describe("TCP, sending", () => {
  it("cuts into full segments and pushes the last", () => {
    const rig = socketEstablished();
    expect(rig.write(1200)).to.equal(1200);
    expect(rig.sent().map(({ seq, length, flags }) => [seq, length, flags])).to.deep.equal([
      [1, MSS, ""],
      [1 + MSS, MSS, ""],
      [1 + 2 * MSS, 128, "P"],
    ]);
    expect(rig.socket?.unacknowledged).to.equal(1200);
    rig.peer({ ack: 1201 });
    expect(rig.socket?.unacknowledged).to.equal(0);
  });

  it("takes what fits its buffer and says how much", () => {
    const rig = socketEstablished({ sendBytes: 1000 });
    expect(rig.write(1500)).to.equal(1000);
    expect(rig.socket?.writable).to.equal(0);
    rig.peer({ ack: 501 });
    expect(rig.socket?.writable).to.equal(500);
  });

  it("keeps within the peer's window, scaled, and does not send silly segments into it", () => {
    const rig = socketEstablished({}, { mss: 1000, scale: 2, window: 3000 });
    rig.peer({ ack: 1, window: 750 });
    rig.write(9000);
    expect(lengths(rig.sent()), "a SYN's window is not scaled").to.deep.equal([1000, 1000, 1000]);
    expect(lengths(rig.peer({ ack: 3001, window: 400 })), "1600 bytes").to.deep.equal([1000]);
    expect(lengths(rig.peer({ ack: 4001, window: 300 })), "1200 bytes").to.deep.equal([1000]);
    expect(lengths(rig.peer({ ack: 5001, window: 100 })), "400 of 3000 bytes are not worth it").to.deep.equal([]);
  });

  it("does not let an old acknowledgement shrink the window", () => {
    const rig = socketEstablished({}, { mss: 1000, window: 8000 });
    rig.write(1000);
    rig.peer({ ack: 1001, window: 8000 });
    rig.peer({ ack: 1, window: 0 });
    rig.sent();
    rig.write(1000);
    expect(lengths(rig.sent())).to.deep.equal([1000]);
  });

  it("holds a small segment back while one is on its way if Nagle is on, and not if it is off", () => {
    const off = socketEstablished();
    off.write(1);
    off.write(1);
    expect(lengths(off.sent())).to.deep.equal([1, 1]);
    const on = socketEstablished({ nagle: true });
    on.write(1);
    on.write(1);
    on.write(1);
    expect(lengths(on.sent())).to.deep.equal([1]);
    expect(lengths(on.peer({ ack: 2 }))).to.deep.equal([2]);
    on.write(1);
    on.socket!.nagle = false;
    on.write(1);
    expect(lengths(on.sent())).to.deep.equal([2]);
  });

  it("begins with ten segments (RFC 6928) and doubles (RFC 5681)", () => {
    const rig = small();
    rig.write(10_000);
    expect(lengths(rig.sent()).length).to.equal(10);
    rig.clock.us += 50_000;
    expect(rig.peer({ ack: 1001, window: 60_000, stamps: [1001, rig.lastStamp] }).length).to.equal(12);
  });

  it("tries again when there was no buffer, and counts it", () => {
    const rig = socketEstablished();
    rig.port.buffers = 0;
    rig.write(10);
    expect(rig.sent()).to.deep.equal([]);
    expect(rig.tcp.counters.unsent.blocked).to.equal(1);
    rig.port.buffers = 10;
    expect(lengths(rig.wait(2_000))).to.deep.equal([10]);
  });

  it("does no more in one service than its budget", () => {
    const rig = socketEstablished();
    rig.socket!.write(new Uint8Array(5000), 0, 5000);
    expect(rig.tcp.service(3)).to.equal(3);
    expect(rig.tcp.busy(rig.clock.us)).to.equal(true);
    expect(rig.tcp.service(3)).to.equal(3);
  });
});

describe("TCP, retransmission", () => {
  it("sends the first segment again when the timer runs out, doubling the time each time (RFC 6298)", () => {
    const rig = socketEstablished();
    rig.write(1000);
    rig.sent();
    const start = rig.clock.us;
    const at: number[] = [];
    while (at.length < 4) {
      rig.clock.us = rig.tcp.nextUs();
      rig.serve();
      if (rig.sent().length > 0) at.push(rig.clock.us - start);
    }
    const first = at[0]!;
    expect(first).to.be.within(200_000, 1_000_000);
    expect(at.slice(1)).to.deep.equal([3 * first, 7 * first, 15 * first]);
    expect(rig.tcp.counters.recovery.timeouts).to.equal(4);
  });

  it("gives up after the user time-out, with a reset", () => {
    const rig = socketEstablished();
    rig.write(10);
    rig.sent();
    const sent = rig.wait(300_000_000);
    expect(sent.length).to.be.lessThan(12);
    expect(sent.at(-1)?.flags).to.equal("R");
    expect(rig.socket).to.include({ state: "closed", error: "timed-out" });
  });

  it("without SACK, three duplicates send the first again at once, and a partial acknowledgement the next (RFC 6582)", () => {
    const rig = socketEstablished({}, { mss: 100, window: 60_000 });
    rig.peer({ ack: 1, window: 60_000 });
    rig.write(1000);
    expect(rig.sent().length).to.equal(10);
    const duplicate = { ack: 1, window: 60_000 };
    expect(seqs(rig.peer(duplicate))).to.deep.equal([]);
    expect(seqs(rig.peer(duplicate))).to.deep.equal([]);
    expect(seqs(rig.peer(duplicate))).to.deep.equal([1]);
    expect(rig.tcp.counters.recovery.fast).to.equal(1);
    expect(seqs(rig.peer(duplicate))).to.deep.equal([]);
    expect(seqs(rig.peer({ ack: 301, window: 60_000 }))).to.deep.equal([301]);
    expect(seqs(rig.peer({ ack: 1001, window: 60_000 }))).to.deep.equal([]);
    expect(rig.tcp.counters.recovery).to.include({ fast: 1, timeouts: 0 });
  });

  for (const [name, sackPermitted] of [
    ["without SACK", false],
    ["with SACK", true],
  ] as const) {
    it(`${name}, sends new data for the first two duplicates and the first segment again for the third (RFC 3042)`, () => {
      const rig = socketEstablished({}, { mss: 100, window: 60_000, sackPermitted });
      rig.peer({ ack: 1, window: 60_000 });
      rig.write(4000);
      expect(rig.sent().length).to.equal(10);
      rig.clock.us += 50_000;
      const duplicate = (n: number): number[] => {
        const sacks: [number, number][] = [[101, 101 + 100 * n]];
        return seqs(rig.peer({ ack: 1, window: 60_000, ...(sackPermitted ? { sacks } : {}) }));
      };
      expect(duplicate(1)).to.deep.equal([1001]);
      expect(duplicate(2)).to.deep.equal([1101]);
      expect(duplicate(3)).to.include(1);
      expect(rig.tcp.counters.sent.resent).to.equal(1);
    });
  }

  it("duplicates with data, or with another window, are none", () => {
    const rig = socketEstablished({}, { mss: 100, window: 60_000 });
    rig.write(500);
    rig.sent();
    for (let i = 0; i < 5; i++) rig.peer({ seq: 1 + i, ack: 1, data: [1], window: 60_000 });
    for (let i = 0; i < 5; i++) rig.peer({ seq: 6, ack: 1, window: 50_000 - i });
    expect(rig.tcp.counters.recovery.fast).to.equal(0);
  });

  it("with SACK, sends again exactly what is missing, and new data meanwhile", () => {
    const rig = small();
    rig.write(1500);
    expect(rig.sent().length).to.equal(10);
    rig.clock.us += 10_000;
    // The second and the sixth are lost.
    rig.peer({ ack: 101, window: 60_000 });
    rig.sent();
    rig.peer({ ack: 101, window: 60_000, sacks: [[201, 501]] });
    const sent = rig.peer({
      ack: 101,
      window: 60_000,
      sacks: [
        [601, 1001],
        [201, 501],
      ],
    });
    expect(seqs(rig.sent().concat(sent)).filter((seq) => seq < 1001)).to.include(501);
    expect(rig.tcp.counters.sent.resent).to.equal(2);
    expect(rig.tcp.counters.recovery).to.include({ fast: 1, timeouts: 0 });
  });

  it("finds a retransmission that was lost, too, by time (RFC 8985)", () => {
    const rig = small();
    rig.write(2000);
    rig.sent();
    rig.clock.us += 10_000;
    expect(seqs(rig.peer({ ack: 1, window: 60_000, sacks: [[101, 501]] }))).to.include(1);
    rig.clock.us += 10_000;
    expect(seqs(rig.peer({ ack: 1, window: 60_000, sacks: [[101, 1001]] }))).to.include(1001);
    rig.clock.us += 10_000;
    // What was sent after the retransmission arrives, it does not.
    const later = rig.peer({ ack: 1, window: 60_000, sacks: [[101, 1101]] });
    expect(seqs([...later, ...rig.wait(3_000)])).to.include(1);
    expect(rig.tcp.counters.recovery.timeouts).to.equal(0);
  });

  it("waits a quarter of a round trip for a segment that may only be late (RFC 8985)", () => {
    const rig = small();
    rig.write(300);
    rig.sent();
    rig.clock.us += 40_000;
    expect(seqs(rig.peer({ ack: 1, window: 60_000, sacks: [[101, 201]] }))).to.deep.equal([]);
    const [probe] = rig.wait(10_001);
    expect(probe?.seq).to.equal(1);
  });

  it("probes the tail after two round trips (RFC 8985 §7)", () => {
    const rig = small();
    rig.write(300);
    rig.sent();
    rig.clock.us += 100_000;
    rig.peer({ ack: 301, window: 60_000, stamps: [1001, rig.lastStamp] });
    rig.write(300);
    rig.sent();
    expect(seqs(rig.wait(150_000))).to.deep.equal([501]);
    expect(rig.tcp.counters.sent.tailProbes).to.equal(1);
    expect(rig.tcp.counters.recovery.timeouts).to.equal(0);
  });

  /** A probe of the tail is out, the last of 300 bytes again; then the first copies are acknowledged. */
  function probed(): { rig: TcpRig; window: () => number; before: number } {
    const rig = small();
    rig.write(300);
    rig.sent();
    rig.clock.us += 50_000;
    rig.peer({ ack: 301, window: 60_000, stamps: [1001, rig.lastStamp] });
    rig.write(300);
    rig.sent();
    expect(seqs(rig.wait(150_000))).to.deep.equal([501]);
    const window = (): number => rig.tcp.blocks.find(({ used }) => used)!.control.window;
    const before = window();
    rig.peer({ ack: 601, window: 60_000, stamps: [1002, rig.lastStamp] });
    return { rig, window, before };
  }

  it("is none the slower for a probe that the peer says was in vain (RFC 8985 §7.4.2, case 1)", () => {
    const { rig, window, before } = probed();
    rig.peer({ ack: 601, window: 60_000, stamps: [1003, rig.lastStamp], sacks: [[501, 601]] });
    expect(window()).to.be.at.least(before);
    rig.write(100);
    rig.peer({ ack: 701, window: 60_000, stamps: [1004, rig.lastStamp] });
    expect(window()).to.be.at.least(before);
    rig.balanced();
  });

  it("takes a probe that nobody calls in vain for the repair of a loss", () => {
    const { rig, window, before } = probed();
    expect(window(), "it may be that its answer is still on its way").to.be.at.least(before);
    rig.write(100);
    rig.peer({ ack: 701, window: 60_000, stamps: [1003, rig.lastStamp] });
    expect(window()).to.be.lessThan(before);
    rig.balanced();
  });

  it("takes a repeated acknowledgement without ranges for the word that a probe was in vain (case 2)", () => {
    const { rig, window, before } = probed();
    rig.peer({ ack: 601, window: 60_000, stamps: [1003, rig.lastStamp] });
    rig.write(100);
    rig.peer({ ack: 701, window: 60_000, stamps: [1004, rig.lastStamp] });
    expect(window()).to.be.at.least(before);
  });

  it("ignores ranges that cannot be", () => {
    const rig = small();
    rig.write(1000);
    rig.sent();
    for (const sacks of [[[101, 5001]], [[501, 201]], [[-500, -400]], [[0x7fffff00, 0x7fffff10]]] as [
      number,
      number,
    ][][]) {
      rig.peer({ ack: 1, window: 60_000, sacks });
    }
    expect(rig.tcp.counters.sent.resent).to.equal(0);
    expect(rig.tcp.counters.recovery.fast).to.equal(0);
    rig.balanced();
  });

  it("starts anew with what a peer has taken back (RFC 2018 §8)", () => {
    const rig = small();
    rig.write(500);
    rig.sent();
    rig.peer({ ack: 1, window: 60_000, sacks: [[1, 101]] });
    rig.wait(1_000_000);
    expect(rig.tcp.counters.recovery.reneged).to.equal(1);
    rig.peer({ ack: 501, window: 60_000 });
    expect(rig.socket?.unacknowledged).to.equal(0);
  });

  it("takes round trips from timestamps, so that back-off ends with the first answer", () => {
    const rig = small();
    rig.write(100);
    rig.sent();
    rig.wait(4_000_000);
    rig.peer({ ack: 101, window: 60_000, stamps: [2000, rig.lastStamp] });
    rig.write(100);
    rig.sent();
    const start = rig.clock.us;
    expect(rig.tcp.nextUs() - start).to.be.lessThan(1_500_000);
  });
});
