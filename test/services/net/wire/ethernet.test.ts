import { expect } from "chai";
import {
  checkEthernet,
  emitEthernet,
  ETHERNET_MALFORMED,
  ETHERTYPE_ARP,
} from "../../../../services/net/wire/ethernet.ts";
import { OWN_MAC, PEER_MAC } from "../fixture.ts";

describe("Ethernet", () => {
  it("emits every byte of the header and none besides", () => {
    const bytes = new Uint8Array(20).fill(0xa5);
    emitEthernet(bytes, 3, Uint8Array.from([1, ...PEER_MAC]), 1, Uint8Array.from(OWN_MAC), ETHERTYPE_ARP);
    expect([...bytes]).to.deep.equal([0xa5, 0xa5, 0xa5, ...PEER_MAC, ...OWN_MAC, 0x08, 0x06, 0xa5, 0xa5, 0xa5]);
  });

  it("checks length and source", () => {
    const bytes = Uint8Array.from([...OWN_MAC, ...PEER_MAC, 8, 0]);
    expect(checkEthernet(bytes, 0, 14)).to.equal(0x0800);
    expect(checkEthernet(bytes, 0, 13)).to.equal(ETHERNET_MALFORMED);
    bytes[6] = 1;
    expect(checkEthernet(bytes, 0, 14), "a group cannot send").to.equal(ETHERNET_MALFORMED);
  });
});
