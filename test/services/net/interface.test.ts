import { expect } from "chai";
import * as fc from "fast-check";
import { Interface } from "../../../services/net/interface.ts";
import type { Packet, Verdict } from "../../../services/net/packet.ts";
import {
  arpPacket,
  BROADCAST_MAC,
  bytes,
  ethernet,
  icmpMessage,
  ipv4Frame,
  OWN_IP,
  OWN_MAC,
  PEER_IP,
  PEER_MAC,
  Rig,
  total,
} from "./fixture.ts";

const PING = ipv4Frame(icmpMessage(8, 0, [1, 2, 3, 4]));

describe("Interface", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  /** Every frame has one fate. */
  function balanced(): void {
    const { frames, handled, dropped } = rig.net.counters;
    expect(total(handled) + total(dropped)).to.equal(frames);
  }

  it("takes as many frames as its budget allows and flushes once", () => {
    rig.port.incoming.push(...Array<number[]>(10).fill(PING));
    expect([rig.net.poll(4), rig.port.sent.length, rig.port.flushes]).to.deep.equal([4, 4, 1]);
    expect([rig.net.poll(4), rig.net.poll(4), rig.net.poll(4)]).to.deep.equal([4, 2, 0]);
    expect([rig.port.sent.length, rig.port.flushes]).to.deep.equal([10, 4]);
    expect(rig.net.poll(0)).to.equal(0);
  });

  const drops: [string, string, number[]][] = [
    ["a frame without a whole header", "ethernetMalformed", PING.slice(0, 13)],
    ["an empty frame", "ethernetMalformed", []],
    ["a frame from a group", "ethernetMalformed", [...OWN_MAC, 3, ...PING.slice(7)]],
    ["a frame for another machine", "ethernetDestination", [...PEER_MAC, ...PING.slice(6)]],
    ["a multicast", "ethernetDestination", [0x01, 0x00, 0x5e, 0, 0, 1, ...PING.slice(6)]],
    ["IPv6", "ethernetType", ethernet(OWN_MAC, PEER_MAC, 0x86dd, [1, 2, 3])],
    ["an 802.3 length", "ethernetType", ethernet(OWN_MAC, PEER_MAC, 46, Array<number>(46).fill(0))],
    [
      "a cut ARP packet",
      "arpMalformed",
      ethernet(OWN_MAC, PEER_MAC, 0x0806, arpPacket(1, PEER_MAC, PEER_IP, OWN_MAC, OWN_IP).slice(1)),
    ],
    ["a cut IPv4 packet", "ipv4Malformed", PING.slice(0, 40)],
    ["a wrong header checksum", "ipv4Checksum", ipv4Frame([], { checksum: 0x1234 })],
    ["a fragment", "ipv4Fragment", ipv4Frame(icmpMessage(8, 0, [1, 2, 3, 4]), { fragment: 0x2000 })],
    ["another destination", "ipv4Destination", ipv4Frame([], { destination: [10, 0, 2, 16] })],
    ["a multicast destination", "ipv4Destination", ipv4Frame([], { destination: [224, 0, 0, 1] })],
    [
      "a unicast packet in a broadcast frame",
      "ipv4LinkBroadcast",
      ipv4Frame(icmpMessage(8, 0, [1, 2, 3, 4]), {}, BROADCAST_MAC),
    ],
  ];
  for (const source of [
    "0.0.0.0",
    "127.0.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "10.0.2.15",
    "10.0.2.255",
    "240.0.0.1",
  ]) {
    drops.push([
      `a source of ${source}`,
      "ipv4Source",
      ipv4Frame(icmpMessage(8, 0, [1, 2, 3, 4]), { source: source.split(".").map(Number) }),
    ]);
  }
  for (const [what, counter, frame] of drops) {
    it(`drops ${what} under ${counter}`, () => {
      expect(rig.feed(frame)).to.deep.equal([]);
      expect(rig.dropped()).to.deep.equal({ [counter]: 1 });
      balanced();
    });
  }

  it("does not mind a time to live of 1 or 0 (RFC 1122 §3.2.1.7)", () => {
    expect(rig.feed(ipv4Frame(icmpMessage(8, 0, [1, 2, 3, 4]), { ttl: 1 })).length).to.equal(1);
    expect(rig.feed(ipv4Frame(icmpMessage(8, 0, [1, 2, 3, 4]), { ttl: 0 })).length).to.equal(1);
  });

  describe("without an address", () => {
    it("hears broadcasts alone, answers no ARP, and sends nothing but broadcasts", () => {
      rig.net.configure(undefined);
      const heard: number[] = [];
      rig.net.attach(99, {
        receive(packet) {
          heard.push(packet.length);
          return 0;
        },
      });
      const fields = { protocol: 99 };
      rig.feed(
        ipv4Frame([1, 2, 3], fields),
        ipv4Frame([1, 2], { ...fields, destination: [0, 0, 0, 0] }),
        ipv4Frame([1], { ...fields, destination: [255, 255, 255, 255] }, BROADCAST_MAC),
        ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, arpPacket(1, PEER_MAC, PEER_IP, [0, 0, 0, 0, 0, 0], [0, 0, 0, 0])),
      );
      expect(heard).to.deep.equal([1]);
      expect(rig.port.sent).to.deep.equal([]);
      expect(rig.dropped()).to.deep.equal({ ipv4Destination: 2, arpTarget: 1 });
      expect(rig.net.output.begin(99, 0x0a00024d)).to.equal(false);
      expect(rig.net.output.broadcast(99)).to.equal(true);
      rig.net.output.send(0);
      expect(rig.port.sent[0]?.slice(26, 34)).to.deep.equal([0, 0, 0, 0, 255, 255, 255, 255]);
      balanced();
    });

    it("gets one, forgets its neighbours, and tells protocols once", () => {
      let told = 0;
      rig.net.attach(99, { receive: () => 0, readdressed: () => told++ });
      rig.feed(ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, arpPacket(1, PEER_MAC, PEER_IP, [0, 0, 0, 0, 0, 0], OWN_IP)));
      expect(rig.net.arp.neighbours.size()).to.equal(1);
      rig.net.configure({ address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" });
      expect([told, rig.net.arp.neighbours.size()]).to.deep.equal([0, 1]);
      rig.net.configure({ address: "10.0.3.15", prefix: 24 });
      expect([told, rig.net.arp.neighbours.size()]).to.deep.equal([1, 0]);
      expect(() => rig.net.configure({ address: "10.0.3.0", prefix: 24 })).to.throw("the subnet's own address");
      expect(rig.net.own.address).to.equal(0x0a00030f);
      const [answer] = rig.feed(
        ipv4Frame(icmpMessage(8, 0, [1, 2, 3, 4]), { source: [10, 0, 3, 1], destination: [10, 0, 3, 15] }),
      );
      expect(answer?.slice(26, 30)).to.deep.equal([10, 0, 3, 15]);
    });
  });

  it("hears who has no address, and only when that asks everybody, if it gives out addresses", () => {
    const ipv4 = { address: "10.0.2.15", prefix: 24 };
    for (const givesAddresses of [true, false]) {
      const net = new Interface({ port: rig.port, clock: rig.clock, bytes, ipv4, givesAddresses });
      const sources: number[] = [];
      net.attach(17, {
        receive({ source, broadcast }) {
          sources.push(source);
          expect(broadcast).to.equal(true);
          return 0;
        },
      });
      const unaddressed = { source: [0, 0, 0, 0], protocol: 17 };
      rig.port.incoming.push(
        ipv4Frame([1], { ...unaddressed, destination: [255, 255, 255, 255] }, BROADCAST_MAC),
        ipv4Frame([2], { ...unaddressed, destination: OWN_IP }),
        ipv4Frame([3], { ...unaddressed, source: [127, 0, 0, 1], destination: [255, 255, 255, 255] }, BROADCAST_MAC),
      );
      expect(net.poll(8)).to.equal(3);
      expect(sources).to.deep.equal(givesAddresses ? [0] : []);
      expect(net.counters.dropped.ipv4Source).to.equal(givesAddresses ? 2 : 3);
    }
  });

  describe("protocol handlers", () => {
    function record(verdict: Verdict): { seen: object[]; receive(packet: Packet): Verdict } {
      const seen: object[] = [];
      return {
        seen,
        receive(packet) {
          const payload = [...packet.bytes.subarray(packet.start, packet.start + packet.length)];
          seen.push({ payload, source: packet.source, destination: packet.destination, broadcast: packet.broadcast });
          return verdict;
        },
      };
    }

    it("get payload and addresses, without options and padding", () => {
      const handler = record(0);
      rig.net.attach(6, handler);
      rig.feed([...ipv4Frame([5, 6, 7], { protocol: 6, options: [1, 1, 1, 1] }), 0, 0, 0]);
      rig.feed(ipv4Frame([8], { protocol: 6, destination: [255, 255, 255, 255] }, BROADCAST_MAC));
      expect(handler.seen).to.deep.equal([
        { payload: [5, 6, 7], source: 0x0a00024d, destination: 0x0a00020f, broadcast: false },
        { payload: [8], source: 0x0a00024d, destination: -1, broadcast: true },
      ]);
      expect(rig.net.counters.handled.delivered).to.equal(2);
      balanced();
    });

    it("have their refusals counted", () => {
      rig.net.attach(6, record(1));
      expect(rig.feed(ipv4Frame([5], { protocol: 6 }))).to.deep.equal([]);
      expect(rig.dropped()).to.deep.equal({ refused: 1 });
      balanced();
    });

    it("are one to a protocol, and ICMP has one", () => {
      rig.net.attach(6, record(0));
      expect(() => rig.net.attach(6, record(0))).to.throw("protocol 6 has a handler");
      expect(() => rig.net.attach(1, record(0))).to.throw("protocol 1 has a handler");
      for (const bad of [-1, 256, 1.5]) expect(() => rig.net.attach(bad, record(0))).to.throw(RangeError);
    });
  });

  it("never throws, answers at most once, and accounts for each frame, whatever comes", () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const tail = fc.array(octet, { maxLength: 80 });
    const destination = fc.constantFrom(OWN_MAC, BROADCAST_MAC, PEER_MAC);
    const address = fc.constantFrom(OWN_IP, PEER_IP, [10, 0, 2, 255], [0, 0, 0, 0], [255, 255, 255, 255]);
    const noise = fc.array(octet, { maxLength: 1514 });
    const typed = fc
      .tuple(destination, fc.constantFrom(0x0800, 0x0806, 0x86dd), tail)
      .map(([to, type, data]) => ethernet(to, PEER_MAC, type, data));
    const arp = fc
      .tuple(destination, fc.integer({ min: 0, max: 3 }), address, address)
      .map(([to, operation, from, target]) =>
        ethernet(to, PEER_MAC, 0x0806, arpPacket(operation, PEER_MAC, from, OWN_MAC, target)),
      );
    const fields = fc.record(
      {
        source: address,
        destination: address,
        protocol: fc.constantFrom(1, 6, 17, 99),
        fragment: fc.constantFrom(0, 0x4000, 0x2000, 3),
        total: fc.integer({ min: 0, max: 100 }),
        options: fc.constantFrom<number[]>([1, 1, 1, 1], [7, 7, 4, 0, 0, 0, 0, 0]),
      },
      { requiredKeys: [] },
    );
    const ip = fc
      .tuple(
        destination,
        fc.oneof(
          tail,
          tail.map((data) => icmpMessage(8, 0, data)),
        ),
        fields,
      )
      .map(([to, data, given]) => ipv4Frame(data, given, to));
    const flipped = fc
      .tuple(fc.oneof(arp, ip), fc.nat(), octet)
      .map(([frame, at, value]) => frame.map((byte, i) => (i === at % frame.length ? value : byte)));
    fc.assert(
      fc.property(fc.array(fc.oneof(noise, typed, arp, ip, flipped), { maxLength: 40 }), (frames) => {
        rig = new Rig();
        rig.net.attach(6, { receive: (packet) => (packet.length % 3) as Verdict });
        rig.port.buffers = 20;
        const sent = rig.feed(...frames);
        expect(rig.net.counters.frames).to.equal(frames.length);
        expect(sent.length).to.be.at.most(frames.length);
        const { arpReplies, echoReplies, icmpErrors } = rig.net.counters.sent;
        expect(sent.length).to.equal(arpReplies + echoReplies + icmpErrors);
        expect(rig.net.arp.neighbours.size()).to.be.at.most(32);
        balanced();
      }),
      { numRuns: 500 },
    );
  });
});
