import { expect } from "chai";
import { Interface } from "../../../services/net/interface.ts";
import {
  arpPacket,
  bytes,
  ethernet,
  FakeClock,
  FakePort,
  GATEWAY_IP,
  OWN_IP,
  OWN_MAC,
  ownFrame,
  PEER_IP,
  PEER_MAC,
  Rig,
} from "./fixture.ts";

const PEER = 0x0a00024d;
const FAR = 0x08080808;

describe("Output", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  function know(ip: number[]): void {
    rig.net.output.begin(6, ((ip[0] ?? 0) << 24) | ((ip[1] ?? 0) << 16) | ((ip[2] ?? 0) << 8) | (ip[3] ?? 0) | 0);
    rig.feed(ethernet(OWN_MAC, PEER_MAC, 0x0806, arpPacket(2, PEER_MAC, ip, OWN_MAC, OWN_IP)));
    rig.port.sent.length = 0;
  }

  function send(destination: number, payload: number[]): boolean {
    const output = rig.net.output;
    if (!output.begin(6, destination)) return false;
    output.tx.set(payload, output.payload);
    output.send(payload.length);
    return true;
  }

  it("sends to a neighbour, to the byte", () => {
    know(PEER_IP);
    expect(send(PEER, [1, 2, 3])).to.equal(true);
    expect(rig.port.sent).to.deep.equal([ownFrame([1, 2, 3], 6)]);
  });

  it("sends what is beyond the subnet to the gateway", () => {
    know(GATEWAY_IP);
    expect(send(FAR, [1, 2, 3])).to.equal(true);
    expect(rig.port.sent).to.deep.equal([ownFrame([1, 2, 3], 6, [8, 8, 8, 8])]);
  });

  it("asks for the next hop first, and counts what it does not send", () => {
    expect(send(FAR, [])).to.equal(false);
    expect(rig.port.sent.map((frame) => frame.slice(38, 42))).to.deep.equal([GATEWAY_IP]);
    expect(rig.net.counters.unsent.unresolved).to.equal(1);
    expect(rig.net.counters.sent.packets).to.equal(0);
  });

  it("takes a payload up to the MTU", () => {
    know(PEER_IP);
    expect(rig.net.output.payloadMax).to.equal(1480);
    expect(send(PEER, Array<number>(1480).fill(7))).to.equal(true);
    expect(rig.port.sent[0]?.length).to.equal(1514);
  });

  it("counts a full port", () => {
    know(PEER_IP);
    rig.port.buffers = 0;
    expect(send(PEER, [])).to.equal(false);
    expect(rig.net.counters.unsent.txFull).to.equal(1);
  });

  it("has no way out of the subnet without a gateway", () => {
    const port = new FakePort();
    const ipv4 = { address: "10.0.2.15", prefix: 24 };
    const net = new Interface({ port, clock: new FakeClock(), bytes, ipv4 });
    expect(net.output.begin(6, FAR)).to.equal(false);
    expect(net.counters.unsent.noRoute).to.equal(1);
    expect(port.sent).to.deep.equal([]);
  });
});
