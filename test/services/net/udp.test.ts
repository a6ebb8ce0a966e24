import { expect } from "chai";
import { BROADCAST } from "../../../services/net/address.ts";
import { Udp, UDP_PORTS_MAX } from "../../../services/net/udp.ts";
import {
  arpPacket,
  BROADCAST_MAC,
  bytes,
  ethernet,
  internetSum,
  ipv4Frame,
  OWN_IP,
  OWN_MAC,
  PEER_IP,
  PEER_MAC,
  Rig,
  u16,
} from "./fixture.ts";

const PEER = 0x0a00024d;

function datagram(from: number, to: number, data: number[], checksum?: number): number[] {
  const whole = [...u16(from), ...u16(to), ...u16(8 + data.length), 0, 0, ...data];
  const sum = ~internetSum([...PEER_IP, ...OWN_IP, 0, 17, ...u16(whole.length), ...whole]) & 0xffff;
  whole.splice(6, 2, ...u16(checksum ?? sum));
  return ipv4Frame(whole, { protocol: 17 });
}

describe("Udp", () => {
  let rig: Rig;
  let udp: Udp;
  const seen: unknown[] = [];
  beforeEach(() => {
    rig = new Rig();
    udp = new Udp(rig.net, bytes);
    seen.length = 0;
    udp.bind(7, {
      datagram: (packet, port, start, length) =>
        seen.push([packet.source, port, [...packet.bytes.subarray(start, start + length)]]),
    });
  });

  it("hands a datagram to whoever has bound its port", () => {
    expect(rig.feed(datagram(1234, 7, [1, 2, 3]))).to.deep.equal([]);
    expect(seen).to.deep.equal([[PEER, 1234, [1, 2, 3]]]);
  });

  it("has every other told that nobody is there, and counts each once", () => {
    expect(rig.feed(datagram(1234, 8, [1])).length).to.equal(1);
    rig.feed(datagram(1234, 7, [1], 1), ipv4Frame([1, 2, 3], { protocol: 17 }), datagram(1, 7, []));
    expect(udp.counters).to.include({ datagrams: 4, delivered: 1, malformed: 1, checksum: 1, noPort: 1 });
    expect(rig.dropped()).to.deep.equal({ unreachable: 1, refused: 2 });
  });

  it("sends to a neighbour, and to everybody", () => {
    expect(udp.begin(PEER)).to.equal(false);
    rig.feed(ethernet(OWN_MAC, PEER_MAC, 0x0806, arpPacket(2, PEER_MAC, PEER_IP, OWN_MAC, OWN_IP)));
    rig.port.sent.length = 0;
    for (const to of [PEER, BROADCAST]) {
      expect(udp.begin(to)).to.equal(true);
      udp.tx.set([5, 6], udp.data);
      udp.send(7, 99, 2);
    }
    const [near, all] = rig.port.sent;
    expect(near?.slice(34, 40)).to.deep.equal([0, 7, 0, 99, 0, 10]);
    expect(near?.slice(42)).to.deep.equal([5, 6]);
    expect(all?.slice(0, 6)).to.deep.equal(BROADCAST_MAC);
    expect(all?.slice(30, 34)).to.deep.equal([255, 255, 255, 255]);
    expect(udp.counters).to.include({ sent: 2, unsent: 1 });
  });

  it("binds a port once, and so many", () => {
    const handler = { datagram: () => undefined };
    expect(() => udp.bind(7, handler)).to.throw("port 7 is taken");
    expect(() => udp.bind(0, handler)).to.throw("0 is no port");
    for (let port = 100; port < 99 + UDP_PORTS_MAX; port++) udp.bind(port, handler);
    expect(() => udp.bind(9, handler)).to.throw("more than 8 ports");
    udp.unbind(7);
    udp.bind(9, handler);
    expect(rig.feed(datagram(1, 7, [1])).length).to.equal(1);
  });
});
