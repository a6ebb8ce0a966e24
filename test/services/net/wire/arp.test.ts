import { expect } from "chai";
import { ARP_REPLY, ARP_REQUEST, checkArp, emitArp } from "../../../../services/net/wire/arp.ts";
import { arpPacket, OWN_IP, OWN_MAC, PEER_IP, PEER_MAC } from "../fixture.ts";

/** RFC 826's request, each field with its own value. */
const REQUEST = [
  0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x0a, 0x00, 0x02, 0x4d, 0x00,
  0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x02, 0x0f,
];

describe("ARP packets", () => {
  it("emits every byte and none besides", () => {
    const bytes = new Uint8Array(32).fill(0xa5);
    emitArp(bytes, 2, ARP_REPLY, Uint8Array.from(OWN_MAC), 0x0a00020f, Uint8Array.from(PEER_MAC), 0, 0x0a00024d);
    const packet = arpPacket(2, OWN_MAC, OWN_IP, PEER_MAC, PEER_IP);
    expect([...bytes]).to.deep.equal([0xa5, 0xa5, ...packet, 0xa5, 0xa5]);
    emitArp(bytes, 2, ARP_REQUEST, Uint8Array.from(PEER_MAC), 0x0a00024d, new Uint8Array(6), 0, 0x0a00020f);
    expect([...bytes.subarray(2, 30)]).to.deep.equal(REQUEST);
  });

  it("accepts requests and replies, padded or not", () => {
    const bytes = Uint8Array.from([...REQUEST, ...Array<number>(18).fill(0)]);
    expect(checkArp(bytes, 0, 28)).to.equal(true);
    expect(checkArp(bytes, 0, 46)).to.equal(true);
    bytes[7] = 2;
    expect(checkArp(bytes, 0, 28)).to.equal(true);
  });

  const faults: [string, number, number][] = [
    ["hardware", 1, 6],
    ["protocol", 2, 0x86],
    ["hardware length", 4, 8],
    ["protocol length", 5, 16],
    ["operation 0", 7, 0],
    ["operation 3", 7, 3],
    ["operation's high byte", 6, 1],
    ["group as sender", 8, 0x03],
  ];
  for (const [what, at, value] of faults) {
    it(`refuses another ${what}`, () => {
      const bytes = Uint8Array.from(REQUEST);
      bytes[at] = value;
      expect(checkArp(bytes, 0, 28)).to.equal(false);
    });
  }

  it("refuses a short one", () => {
    expect(checkArp(Uint8Array.from(REQUEST), 0, 27)).to.equal(false);
  });
});
