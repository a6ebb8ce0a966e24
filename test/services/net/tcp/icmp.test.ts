import { expect } from "chai";
import { icmpMessage, ipv4Frame, ipv4Packet, OWN_IP, PEER_IP, total, u16 } from "../fixture.ts";
import { PEER_PORT, PORT, socketEstablished, socketSynSent, type TcpRig, u32 } from "./fixture.ts";

/** An ICMP error about a segment of ours: code, its sequence number, and what the next hop takes. */
function complain(rig: TcpRig, code: number, seq: number, mtu = 0, change: Record<string, number[]> = {}): void {
  const head = [...u16(PORT), ...u16(change["port"]?.[0] ?? PEER_PORT), ...u32(rig.iss + seq)];
  const quoted = ipv4Packet(head, { protocol: 6, source: change["source"] ?? OWN_IP, destination: PEER_IP });
  rig.port.incoming.push(ipv4Frame(icmpMessage(3, code, [0, 0, ...u16(mtu), ...quoted])));
  rig.net.poll(64);
  rig.serve();
  const { frames, handled, dropped } = rig.net.counters;
  expect(total(handled) + total(dropped)).to.equal(frames);
}

describe("TCP, ICMP errors", () => {
  for (const code of [2, 3]) {
    it(`of code ${code} end a connection that is being opened`, () => {
      const rig = socketSynSent();
      complain(rig, code, 0);
      expect(rig.socket).to.include({ state: "closed", error: "refused" });
      expect(rig.tcp.counters.icmp.hard).to.equal(1);
    });
  }

  it("do not end one that works, nor one that is being opened if they may pass", () => {
    const open = socketEstablished();
    open.write(10);
    complain(open, 3, 1);
    expect(open.socket?.state).to.equal("established");
    const opening = socketSynSent();
    complain(opening, 1, 0);
    expect(opening.socket?.state).to.equal("syn-sent");
    expect([open.tcp.counters.icmp.soft, opening.tcp.counters.icmp.soft]).to.deep.equal([1, 1]);
  });

  it("count only if they are about what is on its way (RFC 5927)", () => {
    const rig = socketSynSent();
    complain(rig, 3, 1);
    complain(rig, 3, -1);
    complain(rig, 3, 0, 0, { port: [PEER_PORT + 1] });
    complain(rig, 3, 0, 0, { source: PEER_IP });
    expect(rig.socket?.state).to.equal("syn-sent");
    expect(rig.tcp.counters.icmp.ignored).to.equal(3);
    expect(rig.net.counters.handled.icmpErrors).to.equal(0);
  });

  it("of a packet too big make segments smaller and send again what was on its way (RFC 1191)", () => {
    const rig = socketEstablished({}, { mss: 1460 });
    rig.write(3000);
    expect(rig.sent().map(({ length }) => length)).to.deep.equal([1460, 1460, 80]);
    complain(rig, 4, 1, 1000);
    expect(rig.sent().map(({ seq, length }) => [seq, length])).to.deep.equal([
      [1, 960],
      [961, 960],
      [1921, 960],
      [2881, 120],
    ]);
    rig.peer({ ack: 3001 });
    rig.write(2000);
    expect(rig.sent().map(({ length }) => length)).to.deep.equal([960, 960, 80]);
  });

  it("do not make segments smaller than any path needs, nor larger", () => {
    const rig = socketEstablished({}, { mss: 1460 });
    rig.write(1460);
    complain(rig, 4, 1, 68);
    rig.sent();
    rig.peer({ ack: 1461 });
    rig.write(1460);
    expect(rig.sent()[0]?.length).to.equal(512);
    complain(rig, 4, 1461, 1400);
    expect(rig.tcp.counters.icmp).to.include({ tooBig: 1, ignored: 1 });
  });

  it("end what was made with another address when ours changes", () => {
    const rig = socketEstablished();
    rig.net.configure({ address: "10.0.2.16", prefix: 24 });
    expect(rig.socket).to.include({ state: "closed", error: "unreachable" });
    rig.socket?.close();
    expect(rig.tcp.sockets).to.equal(0);
  });
});
