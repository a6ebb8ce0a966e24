import { expect } from "chai";
import { arpPacket, ethernet, OWN_IP, OWN_MAC, PEER_MAC } from "../fixture.ts";
import { PEER, PEER_PORT, PORT, type Sent, socketListen, socketSynSent, TcpRig } from "./fixture.ts";

const OURS = 16_384;

describe("TCP, passive open", () => {
  it("answers a SYN with our SYN and every option that the peer offered", () => {
    const rig = socketListen();
    const sent = rig.peer({ flags: "S", seq: 0, mss: 1400, scale: 7, sackPermitted: true, stamps: [77, 0] });
    expect(sent.length).to.equal(1);
    const stamp = sent[0]?.stamps?.[0];
    expect(sent).to.deep.equal([
      {
        seq: 0,
        ack: 1,
        flags: "S",
        window: OURS,
        length: 0,
        mss: 1460,
        scale: 0,
        sackPermitted: true,
        stamps: [stamp, 77],
      },
    ]);
    expect([rig.tcp.halfOpen, rig.tcp.sockets, rig.listener.pending]).to.deep.equal([1, 0, 0]);
    rig.balanced();
  });

  it("offers nothing that the peer did not", () => {
    const rig = socketListen();
    expect(rig.peer({ flags: "S", seq: 0 })).to.deep.equal([
      { seq: 0, ack: 1, flags: "S", window: OURS, length: 0, mss: 1460 },
    ]);
  });

  it("is finished by the peer's acknowledgement, with the data that came along", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0 });
    rig.peer({ ack: 1, flags: "P", data: [1, 2, 3] });
    expect([rig.tcp.halfOpen, rig.tcp.sockets, rig.listener.pending]).to.deep.equal([0, 1, 1]);
    rig.socket = rig.listener.accept();
    expect(rig.socket).to.include({
      remoteAddress: PEER,
      remotePort: PEER_PORT,
      localPort: PORT,
      state: "established",
    });
    expect(rig.read()).to.deep.equal([1, 2, 3]);
    expect(rig.listener.accept()).to.equal(undefined);
    rig.balanced();
  });

  it("is finished by data that overtook the acknowledgement, but not by data outside the window", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0 });
    expect(rig.peer({ seq: 1 + OURS, ack: 1, data: [9] })).to.deep.equal([]);
    expect(rig.listener.pending).to.equal(0);
    rig.peer({ seq: 3, ack: 1, data: [3] });
    rig.peer({ seq: 1, ack: 1, data: [1, 2] });
    rig.socket = rig.listener.accept();
    expect(rig.read()).to.deep.equal([1, 2, 3]);
    rig.balanced();
  });

  it("repeats its answer for a repeated SYN, with the same number", () => {
    const rig = socketListen();
    const first = rig.peer({ flags: "S", seq: 0 });
    const iss = rig.iss;
    rig.clock.us += 500_000;
    expect(rig.peer({ flags: "S", seq: 0 })).to.deep.equal(first);
    expect(rig.iss).to.equal(iss);
    expect(rig.tcp.halfOpen).to.equal(1);
  });

  it("echoes a repeated SYN's own timestamp, so that the peer does not take its time-out for a round trip", () => {
    const rig = socketListen();
    const echo = (stamp: number, seq = 0): number | undefined =>
      rig.peer({ flags: "S", seq, mss: 1460, stamps: [stamp, 0] })[0]?.stamps?.[1];
    expect(echo(1000)).to.equal(1000);
    rig.clock.us += 900_000;
    expect(echo(1900), "the same SYN, sent later").to.equal(1900);
    expect(echo(1000), "the first one, late").to.equal(1900);
    expect(echo(2900, 7), "another connection's").to.equal(1900);
  });

  it("takes no round-trip time from a handshake that it answered more than once", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0 });
    rig.clock.us += 900_000;
    rig.peer({ flags: "S", seq: 0 });
    rig.clock.us += 1_000;
    rig.peer({ ack: 1 });
    rig.socket = rig.listener.accept();
    rig.write(10);
    rig.sent();
    expect(
      rig.wait(1_000_000).map(({ length }) => length),
      "after the first time-out of all (RFC 6298 §2.1)",
    ).to.deep.equal([10]);
  });

  it("repeats its answer after 1, 3 and 7 seconds and gives up after 15", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0 });
    expect(rig.wait(999_999)).to.deep.equal([]);
    expect(rig.wait(1).length).to.equal(1);
    expect(rig.wait(2_000_000).length).to.equal(1);
    expect(rig.wait(4_000_000).length).to.equal(1);
    expect(rig.wait(8_000_000).length).to.equal(0);
    expect(rig.tcp.halfOpen).to.equal(0);
    expect(rig.tcp.counters.halfOpen.expired).to.equal(1);
    expect(rig.tcp.nextUs()).to.equal(Infinity);
  });

  it("does not count an answer that could not be sent, and sends it soon after the neighbour is known", () => {
    const rig = socketListen();
    const source = [10, 0, 2, 78];
    const syns = (sent: Sent[]): string[] => sent.map(({ flags }) => flags);
    expect(syns(rig.peer({ flags: "S", seq: 0, source })), "to where the SYN came from").to.deep.equal(["S"]);
    expect(rig.wait(1_100_000)).to.deep.equal([]);
    rig.feed(ethernet(OWN_MAC, PEER_MAC, 0x0806, arpPacket(2, PEER_MAC, source, OWN_MAC, OWN_IP)));
    expect(syns(rig.wait(250_000))).to.deep.equal(["S"]);
    expect(syns(rig.wait(6_000_000))).to.deep.equal(["S", "S"]);
    rig.wait(9_000_000);
    expect([rig.tcp.halfOpen, rig.tcp.counters.halfOpen.expired, rig.tcp.nextUs()]).to.deep.equal([0, 1, Infinity]);
  });

  it("is given up in time though no answer could be sent again", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0, source: [10, 0, 2, 78] });
    rig.wait(14_900_000);
    expect(rig.tcp.halfOpen).to.equal(1);
    rig.wait(400_000);
    expect(rig.tcp.halfOpen).to.equal(0);
  });

  it("is ended by the peer's reset, not by one with another number", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0 });
    expect(rig.peer({ flags: "R", seq: 2 })).to.deep.equal([]);
    expect(rig.tcp.halfOpen).to.equal(1);
    expect(rig.peer({ flags: "R", seq: 1 })).to.deep.equal([]);
    expect(rig.tcp.halfOpen).to.equal(0);
    rig.balanced();
  });

  it("resets an acknowledgement of something else and waits on", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0 });
    expect(rig.peer({ ack: 2 })).to.deep.equal([{ seq: 2, flags: "R", window: 0, length: 0 }]);
    expect(rig.tcp.halfOpen).to.equal(1);
    expect(rig.peer({ ack: 1 })).to.deep.equal([]);
    expect(rig.listener.pending).to.equal(1);
  });

  it("ignores data and FIN of a SYN without acknowledgement", () => {
    const rig = socketListen();
    expect(rig.peer({ flags: "S", seq: 0, data: [1, 2] })[0]?.ack).to.equal(1);
  });

  it("leaves a finished handshake to be tried again when the backlog is full", () => {
    const rig = socketListen();
    for (let port = 1; port <= 5; port++) {
      rig.peer({ flags: "S", seq: 0, ports: [port, PORT] });
      rig.peer({ ack: 1, ports: [port, PORT] });
    }
    expect([rig.listener.pending, rig.tcp.halfOpen]).to.deep.equal([4, 1]);
    expect(rig.tcp.counters.dropped.backlogFull).to.equal(1);
    rig.listener.accept()?.abort();
    rig.sent();
    rig.peer({ ack: 1, ports: [5, PORT] });
    expect([rig.listener.pending, rig.tcp.halfOpen]).to.deep.equal([4, 0]);
    rig.balanced();
  });

  it("answers nobody while there is no secret", () => {
    const rig = new TcpRig({}, { ready: false, fill: () => false });
    expect(rig.tcp.ready).to.equal(false);
    expect(rig.peer({ flags: "S", seq: 0 })).to.deep.equal([]);
    expect(rig.tcp.counters.dropped.noSecret).to.equal(1);
    expect(rig.tcp.connect(PEER, 9)).to.equal(undefined);
  });

  it("resets those who wait when the listener closes, and answers no more", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0 });
    rig.peer({ ack: 1 });
    rig.peer({ flags: "S", seq: 0, ports: [2, PORT] });
    rig.listener.close();
    rig.serve();
    expect(rig.sent().map(({ flags }) => flags)).to.deep.equal(["R"]);
    expect([rig.tcp.halfOpen, rig.tcp.sockets]).to.deep.equal([0, 0]);
    expect(rig.peer({ flags: "S", seq: 0 })).to.deep.equal([
      { seq: (0 - rig.iss) | 0, ack: 1, flags: "R", window: 0, length: 0 },
    ]);
    expect(() => rig.tcp.listen(PORT, 1)).not.to.throw();
  });
});

describe("TCP, nobody there", () => {
  it("resets a segment for a port on which nobody listens (RFC 9293 §3.10.7.1)", () => {
    const rig = socketListen();
    const ports: [number, number] = [PEER_PORT, 99];
    expect(rig.peer({ flags: "S", seq: 0, ports })).to.deep.equal([
      { seq: 0, ack: 1, flags: "R", window: 0, length: 0 },
    ]);
    expect(rig.peer({ flags: "F", seq: 5, data: [1, 2], ports })).to.deep.equal([
      { seq: 0, ack: 8, flags: "R", window: 0, length: 0 },
    ]);
    expect(rig.peer({ seq: 5, ack: 1234, ports })).to.deep.equal([{ seq: 1234, flags: "R", window: 0, length: 0 }]);
    expect(rig.peer({ flags: "R", seq: 5, ports })).to.deep.equal([]);
    expect(rig.peer({ flags: "R", seq: 5, ack: 1, ports })).to.deep.equal([]);
    expect(rig.tcp.counters.dropped.noSocket).to.equal(5);
    rig.balanced();
  });

  it("does so at a limited rate", () => {
    const rig = socketListen();
    let resets = 0;
    for (let i = 0; i < 500; i++) resets += rig.peer({ flags: "S", seq: 0, ports: [1 + i, 99] }).length;
    expect(resets).to.equal(100);
    expect(rig.tcp.counters.unsent.resets).to.equal(400);
  });

  it("drops what is damaged, broadcast or has impossible options, each under its name", () => {
    const rig = socketListen();
    rig.peer({ flags: "S", seq: 0, corrupt: true });
    rig.peer({ flags: "S", seq: 0, ports: [0, PORT] });
    rig.peer({ flags: "S", seq: 0, mss: 1460, scale: 3, sacks: [] });
    expect(rig.sent()).to.deep.equal([]);
    expect(rig.tcp.counters.dropped).to.include({ checksum: 1, malformed: 1, options: 1 });
    rig.balanced();
  });
});

describe("TCP, active open", () => {
  it("offers everything, and is established by an answer", () => {
    const rig = new TcpRig();
    rig.socket = rig.tcp.connect(PEER, PEER_PORT, PORT);
    expect(rig.socket?.connected).to.equal(false);
    rig.serve();
    const [syn] = rig.sent();
    expect(syn).to.deep.include({ seq: 0, flags: "S", mss: 1460, scale: 0, sackPermitted: true, window: OURS });
    expect(syn?.stamps?.[1]).to.equal(0);
    const answer = rig.peer({ flags: "S", seq: 0, ack: 1, mss: 1000, scale: 2 });
    expect(answer).to.deep.equal([{ seq: 1, ack: 1, flags: "", window: OURS, length: 0 }]);
    expect(rig.socket?.connected).to.equal(true);
    rig.write(1500);
    expect(rig.sent().map(({ length }) => length)).to.deep.equal([1000, 500]);
  });

  it("sends what was written before", () => {
    const rig = socketSynSent();
    expect(rig.write(5)).to.equal(5);
    expect(rig.sent()).to.deep.equal([]);
    expect(rig.peer({ flags: "S", seq: 0, ack: 1 })).to.deep.equal([
      { seq: 1, ack: 1, flags: "P", window: OURS, length: 5 },
    ]);
  });

  it("repeats its SYN with back-off and gives up", () => {
    const rig = socketSynSent();
    expect(rig.wait(1_000_000).length).to.equal(1);
    expect(rig.wait(2_000_000).length).to.equal(1);
    expect(rig.wait(4_000_000).length).to.equal(1);
    rig.wait(30_000_000);
    expect(rig.socket).to.include({ state: "closed", error: "timed-out", ended: true });
    rig.socket?.close();
    expect([rig.tcp.sockets, rig.tcp.nextUs()]).to.deep.equal([0, Infinity]);
  });

  it("is refused by a reset that acknowledges the SYN, and by no other", () => {
    const rig = socketSynSent();
    rig.peer({ flags: "R", seq: 0 });
    rig.peer({ flags: "R", seq: 0, ack: 2 });
    expect(rig.socket?.state).to.equal("syn-sent");
    rig.peer({ flags: "R", seq: 0, ack: 1 });
    expect(rig.socket).to.include({ state: "closed", error: "refused" });
    rig.balanced();
  });

  it("resets an answer to something else and waits on", () => {
    const rig = socketSynSent();
    expect(rig.peer({ flags: "S", seq: 0, ack: 7 })).to.deep.equal([{ seq: 7, flags: "R", window: 0, length: 0 }]);
    expect(rig.socket?.state).to.equal("syn-sent");
  });

  it("meets the peer's own SYN (RFC 9293 figure 8)", () => {
    const rig = socketSynSent();
    expect(rig.peer({ flags: "S", seq: 0, mss: 1460 })).to.deep.include({
      seq: 0,
      ack: 1,
      flags: "S",
      window: OURS,
      length: 0,
      mss: 1460,
    });
    expect(rig.socket?.state).to.equal("syn-received");
    expect(
      rig.peer({ flags: "S", seq: 0 }).map(({ flags }) => flags),
      "the peer's SYN again",
    ).to.deep.equal(["S"]);
    expect(rig.peer({ flags: "S", seq: 0, ack: 1 }), "the peer's answer repeats its SYN").to.deep.equal([
      { seq: 1, ack: 1, flags: "", window: OURS, length: 0 },
    ]);
    expect(rig.socket?.state).to.equal("established");
    rig.balanced();
  });

  it("echoes the latest timestamp when both SYNs cross and come again", () => {
    const rig = socketSynSent();
    const echo = (stamp: number, ack?: number): number | undefined => {
      const stamps: [number, number] = [stamp, 0];
      return rig.peer({ flags: "S", seq: 0, stamps, ...(ack === undefined ? {} : { ack }) })[0]?.stamps?.[1];
    };
    expect(echo(1000)).to.equal(1000);
    rig.clock.us += 1_000_000;
    expect(echo(2000), "the peer's SYN again").to.equal(2000);
    expect(echo(2050, 1), "the peer's answer").to.equal(2050);
    expect(rig.socket?.state).to.equal("established");
  });

  it("takes a free port of its own, another each time", () => {
    const rig = new TcpRig();
    const ports = [1, 2, 3].map(() => rig.tcp.connect(PEER, 9)?.localPort ?? 0);
    expect(new Set(ports).size).to.equal(3);
    for (const port of ports) expect(port).to.be.within(49_152, 65_535);
    expect(rig.tcp.connect(PEER, 9, ports[0])).to.equal(undefined);
  });

  it("has an initial sequence number that grows by 250,000 a second, and differs for each peer and secret", () => {
    const rig = socketSynSent();
    const first = rig.iss;
    rig.socket?.abort();
    rig.clock.us += 1_000_000;
    rig.tcp.connect(PEER, PEER_PORT, PORT);
    rig.serve();
    rig.sent();
    expect((rig.iss - first) | 0).to.equal(250_000);
    rig.tcp.connect(PEER, PEER_PORT + 1, PORT);
    rig.serve();
    rig.sent();
    expect(Math.abs((rig.iss - first) | 0)).to.be.greaterThan(1_000_000);
  });

  it("gets no socket when the pool is empty, and one again after", () => {
    const rig = new TcpRig({ sockets: 2 });
    const [a, b] = [rig.tcp.connect(PEER, 1), rig.tcp.connect(PEER, 2)];
    expect(rig.tcp.connect(PEER, 3)).to.equal(undefined);
    expect(rig.tcp.counters.sockets.poolFull).to.equal(1);
    a?.abort();
    b?.close();
    expect(rig.tcp.sockets).to.equal(0);
    expect(rig.tcp.connect(PEER, 3)).not.to.equal(undefined);
  });
});
