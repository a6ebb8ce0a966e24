import { expect } from "chai";
import * as fc from "fast-check";
import { ERRORS_PER_SECOND } from "../../../services/net/icmp.ts";
import {
  BROADCAST_MAC,
  icmpMessage,
  ipv4Frame,
  ipv4Packet,
  type Ipv4Fields,
  OWN_IP,
  ownFrame,
  PEER_IP,
  Rig,
} from "./fixture.ts";

function ping(rest: number[], fields: Ipv4Fields = {}, mac?: number[]): number[] {
  return ipv4Frame(icmpMessage(8, 0, rest), fields, mac);
}

/** Identifier, sequence number and the 56 bytes that ping(8) sends. */
const REST = [0x12, 0x34, 0x00, 0x07, ...Array.from({ length: 56 }, (_, i) => i)];

describe("ICMP echo", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  it("is answered to the byte", () => {
    expect(rig.feed(ping(REST))).to.deep.equal([ownFrame(icmpMessage(0, 0, REST), 1)]);
    expect(rig.net.counters.handled.echoRequests).to.equal(1);
    expect(rig.net.counters.sent).to.include({ packets: 1, echoReplies: 1 });
  });

  it("is answered for any identifier, data and length up to the MTU", () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const rest = fc.oneof(
      fc.array(octet, { minLength: 4, maxLength: 1476 }),
      fc.integer({ min: 4, max: 1476 }).map((length) => Array<number>(length).fill(0)),
      fc.integer({ min: 4, max: 1476 }).map((length) => Array<number>(length).fill(0xff)),
    );
    fc.assert(
      fc.property(rest, (data) => {
        expect(rig.feed(ping(data))).to.deep.equal([ownFrame(icmpMessage(0, 0, data), 1)]);
      }),
    );
  });

  it("is answered without the padding of a short frame, and without options", () => {
    const answer = ownFrame(icmpMessage(0, 0, [1, 2, 3, 4]), 1);
    expect(rig.feed([...ping([1, 2, 3, 4]), ...Array<number>(18).fill(0xee)])).to.deep.equal([answer]);
    expect(rig.feed(ping([1, 2, 3, 4], { options: [7, 3, 4, 0, 0, 0, 0, 0] }))).to.deep.equal([answer]);
  });

  it("needs no ARP: the answer goes where the request came from", () => {
    const far = [8, 8, 8, 8];
    expect(rig.feed(ping(REST, { source: far }))).to.deep.equal([ownFrame(icmpMessage(0, 0, REST), 1, far)]);
    expect(rig.net.arp.neighbours.size()).to.equal(0);
  });

  it("is not answered to broadcasts", () => {
    expect(
      rig.feed(
        ping(REST, { destination: [10, 0, 2, 255] }, BROADCAST_MAC),
        ping(REST, { destination: [255, 255, 255, 255] }, BROADCAST_MAC),
      ),
    ).to.deep.equal([]);
    expect(rig.dropped()).to.deep.equal({ icmpBroadcast: 2 });
  });

  it("is not answered if anything is wrong with it", () => {
    const bad = icmpMessage(8, 0, REST);
    bad[20] = (bad[20] ?? 0) ^ 1;
    expect(
      rig.feed(
        ipv4Frame(bad),
        ipv4Frame(icmpMessage(8, 0, REST).slice(0, 7)),
        ipv4Frame(icmpMessage(8, 1, REST)),
        ipv4Frame(icmpMessage(0, 0, REST)),
        ipv4Frame(icmpMessage(13, 0, REST)),
      ),
    ).to.deep.equal([]);
    expect(rig.dropped()).to.deep.equal({ icmpChecksum: 1, icmpMalformed: 1, icmpType: 3 });
  });

  it("is not answered beyond our MTU, since nothing is fragmented", () => {
    rig = new Rig(576);
    expect(rig.feed(ping(Array<number>(553).fill(1)))).to.deep.equal([]);
    expect(rig.feed(ping(Array<number>(552).fill(1))).length).to.equal(1);
    expect(rig.dropped()).to.deep.equal({ icmpTooBig: 1 });
  });

  it("counts those for which there was no buffer", () => {
    rig.port.buffers = 1;
    expect(rig.feed(ping(REST), ping(REST)).length).to.equal(1);
    expect(rig.dropped()).to.deep.equal({ txFull: 1 });
  });
});

describe("ICMP unreachable", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  const payload = Array.from({ length: 30 }, (_, i) => i + 1);

  /** RFC 792: type 3, a zero word, the header with its options and 8 bytes. */
  function error(code: number, fields: Ipv4Fields, quoted = 8): number[] {
    const original = ipv4Packet(payload, fields).slice(0, 20 + (fields.options?.length ?? 0) + quoted);
    return ownFrame(icmpMessage(3, code, [0, 0, 0, 0, ...original]), 1);
  }

  it("says that there is no such protocol, and no such port for UDP", () => {
    expect(rig.feed(ipv4Frame(payload, { protocol: 47 }))).to.deep.equal([error(2, { protocol: 47 })]);
    expect(rig.feed(ipv4Frame(payload, { protocol: 17 }))).to.deep.equal([error(3, { protocol: 17 })]);
    expect(rig.dropped()).to.deep.equal({ ipv4Protocol: 2 });
    expect(rig.net.counters.sent.icmpErrors).to.equal(2);
  });

  it("quotes options whole, and of a short packet what there is", () => {
    const options = Array<number>(40).fill(1);
    expect(rig.feed(ipv4Frame(payload, { protocol: 47, options }))).to.deep.equal([
      error(2, { protocol: 47, options }),
    ]);
    const short = ipv4Packet([9, 9], { protocol: 47 });
    expect(rig.feed(ipv4Frame([9, 9], { protocol: 47 }))).to.deep.equal([
      ownFrame(icmpMessage(3, 2, [0, 0, 0, 0, ...short]), 1),
    ]);
  });

  it("is sent at a limited rate and never for a broadcast", () => {
    const frame = ipv4Frame(payload, { protocol: 47 });
    expect(rig.feed(...Array<number[]>(100).fill(frame)).length).to.equal(ERRORS_PER_SECOND);
    expect(rig.net.counters.unsent.icmpErrors).to.equal(100 - ERRORS_PER_SECOND);
    rig.clock.us += 1_000_000;
    expect(rig.feed(ipv4Frame(payload, { protocol: 47, destination: [10, 0, 2, 255] }, BROADCAST_MAC))).to.deep.equal(
      [],
    );
    expect(rig.feed(frame).length).to.equal(1);
  });

  it("is counted as not sent without a buffer", () => {
    rig.port.buffers = 0;
    rig.feed(ipv4Frame(payload, { protocol: 47 }));
    expect(rig.net.counters.unsent.txFull).to.equal(1);
    expect(rig.dropped()).to.deep.equal({ ipv4Protocol: 1 });
  });

  it("comes from a handler that has nobody for a packet", () => {
    rig.net.attach(17, { receive: () => 2 });
    expect(rig.feed(ipv4Frame(payload, { protocol: 17, source: PEER_IP, destination: OWN_IP }))).to.deep.equal([
      error(3, { protocol: 17 }),
    ]);
    expect(rig.dropped()).to.deep.equal({ unreachable: 1 });
  });
});
