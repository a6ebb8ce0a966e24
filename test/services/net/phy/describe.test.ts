import { expect } from "chai";
import * as fc from "fast-check";
import { describeFrame } from "../../../../services/net/phy/describe.ts";
import {
  arpPacket,
  BROADCAST_MAC,
  ethernet,
  icmpMessage,
  ipv4Frame,
  OWN_IP,
  OWN_MAC,
  PEER_IP,
  PEER_MAC,
  u16,
} from "../fixture.ts";

const said = (frame: number[]): string => describeFrame(Uint8Array.from([9, 9, ...frame, 9]), 2, frame.length);
const tcp = (flags: number, payload: number[] = []): number[] =>
  ipv4Frame(
    [
      ...u16(40000),
      ...u16(31337),
      0,
      0,
      1,
      2,
      0xff,
      0,
      0,
      1,
      0x60,
      flags,
      ...u16(512),
      0,
      0,
      0,
      0,
      2,
      4,
      5,
      0xb4,
      ...payload,
    ],
    {
      protocol: 6,
    },
  );

describe("describeFrame", () => {
  const cases: [string, number[], string][] = [
    [
      "an ARP request",
      ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, arpPacket(1, PEER_MAC, PEER_IP, [0, 0, 0, 0, 0, 0], OWN_IP)),
      "42 bytes 02:aa:bb:cc:dd:ee > ff:ff:ff:ff:ff:ff ARP who has 10.0.2.15, tell 10.0.2.77",
    ],
    [
      "an ARP reply",
      ethernet(PEER_MAC, OWN_MAC, 0x0806, arpPacket(2, OWN_MAC, OWN_IP, PEER_MAC, PEER_IP)),
      "42 bytes 52:54:00:12:34:56 > 02:aa:bb:cc:dd:ee ARP 10.0.2.15 is at 52:54:00:12:34:56",
    ],
    [
      "an echo",
      ipv4Frame(icmpMessage(0, 0, [1, 2, 0, 3])),
      "42 bytes IPv4 10.0.2.77 > 10.0.2.15 ICMP echo reply id=258 seq=3",
    ],
    [
      "an ICMP error",
      ipv4Frame(icmpMessage(3, 1, [0, 0, 0, 0])),
      "42 bytes IPv4 10.0.2.77 > 10.0.2.15 ICMP type 3 code 1",
    ],
    [
      "UDP",
      ipv4Frame([...u16(68), ...u16(67), ...u16(10), 0, 0, 1, 2], { protocol: 17 }),
      "44 bytes UDP 10.0.2.77:68 > 10.0.2.15:67 len=2",
    ],
    ["a SYN", tcp(0x02), "58 bytes TCP 10.0.2.77:40000 > 10.0.2.15:31337 [SYN] seq=258 ack=4278190081 win=512 len=0"],
    [
      "a segment",
      tcp(0x18, [1, 2, 3]),
      "61 bytes TCP 10.0.2.77:40000 > 10.0.2.15:31337 [PSH ACK] seq=258 ack=4278190081 win=512 len=3",
    ],
    [
      "a protocol that it does not know",
      ipv4Frame([1, 2], { protocol: 89 }),
      "36 bytes IPv4 10.0.2.77 > 10.0.2.15 protocol 89 len=2",
    ],
    ["a fragment", ipv4Frame([1, 2], { fragment: 0x2000 }), "36 bytes IPv4 10.0.2.77 > 10.0.2.15 fragment"],
    ["a lie about its length", ipv4Frame([1, 2], { total: 500 }), "36 bytes IPv4 10.0.2.77 > 10.0.2.15, malformed"],
    [
      "another type",
      ethernet(OWN_MAC, PEER_MAC, 0x86dd, [1]),
      "15 bytes 02:aa:bb:cc:dd:ee > 52:54:00:12:34:56 type 0x86dd",
    ],
    ["a stump", [1, 2, 3], "3 bytes, no Ethernet header"],
  ];
  for (const [what, frame, sentence] of cases) {
    it(`tells of ${what}`, () => {
      expect(said(frame)).to.equal(sentence);
    });
  }

  it("takes a frame cut anywhere, and any bytes whatever", () => {
    for (const [, frame] of cases)
      for (let n = 0; n < frame.length; n++) expect(said(frame.slice(0, n))).to.not.match(/undefined|NaN/);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(0x0800, 0x0806, 0x86dd), (noise, type) => {
        const frame = [...noise];
        if (frame.length > 14) frame.splice(12, 2, ...u16(type));
        if (frame.length > 34 && type === 0x0800) frame.splice(14, 4, 0x45, 0, ...u16(frame.length - 14));
        expect(said(frame)).to.not.match(/undefined|NaN/);
      }),
      { numRuns: 1000, verbose: 1 },
    );
  });
});
