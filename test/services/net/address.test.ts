import { expect } from "chai";
import * as fc from "fast-check";
import {
  BROADCAST,
  checkIpv4Config,
  formatIpv4,
  formatMac,
  isUnicast,
  parseIpv4,
} from "../../../services/net/address.ts";

describe("IPv4 addresses", () => {
  it("go from text to number and back", () => {
    expect(parseIpv4("10.0.2.15")).to.equal(0x0a00020f);
    expect(parseIpv4("255.255.255.255")).to.equal(BROADCAST);
    fc.assert(fc.property(fc.integer(), (address) => parseIpv4(formatIpv4(address)) === address));
  });

  it("are refused if anything is odd about the text", () => {
    for (const text of [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "256.1.1.1",
      "01.2.3.4",
      "1.2.3.4 ",
      "1..3.4",
      "a.b.c.d",
      "-1.2.3.4",
    ]) {
      expect(parseIpv4(text), text).to.equal(undefined);
    }
  });

  it("are unicast if one machine can have them", () => {
    const yes = ["1.0.0.0", "10.0.2.15", "126.0.0.1", "128.0.0.1", "223.255.255.255"];
    const no = ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"];
    for (const text of yes) expect(isUnicast(parseIpv4(text) ?? 0), text).to.equal(true);
    for (const text of no) expect(isUnicast(parseIpv4(text) ?? 0), text).to.equal(false);
  });
});

describe("formatMac", () => {
  it("writes six octets", () => {
    expect(formatMac(Uint8Array.from([9, 0x52, 0x54, 0, 0x0a, 0xff, 1]), 1)).to.equal("52:54:00:0a:ff:01");
  });
});

describe("checkIpv4Config", () => {
  it("computes mask and broadcast", () => {
    expect(checkIpv4Config({ address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" })).to.deep.equal({
      address: 0x0a00020f,
      mask: -256,
      broadcast: 0x0a0002ff,
      gateway: 0x0a000202,
    });
  });

  it("knows the edges: no gateway, /0, /31, /32", () => {
    expect(checkIpv4Config({ address: "10.0.0.1", prefix: 8 }).gateway).to.equal(0);
    expect(checkIpv4Config({ address: "10.0.0.1", prefix: 0 }).mask).to.equal(0);
    expect(checkIpv4Config({ address: "10.0.0.0", prefix: 31, gateway: "10.0.0.1" }).broadcast).to.equal(BROADCAST);
    expect(checkIpv4Config({ address: "10.0.0.1", prefix: 32 }).mask).to.equal(-1);
  });

  const mistakes: [object, string][] = [
    [{ address: "10.0.2" }, 'ipv4.address: "10.0.2" is no IPv4 address'],
    [{ address: "224.0.0.1" }, "ipv4.address: 224.0.0.1 is no unicast address"],
    [{ address: "10.0.2.0" }, "ipv4.address: 10.0.2.0 is the subnet's own address"],
    [{ address: "10.0.2.255" }, "ipv4.address: 10.0.2.255 is the subnet's broadcast address"],
    [{ prefix: 33 }, "ipv4.prefix: 33 is not an integer from 0 to 32"],
    [{ prefix: 23.5 }, "ipv4.prefix: 23.5 is not an integer from 0 to 32"],
    [{ gateway: "x" }, 'ipv4.gateway: "x" is no IPv4 address'],
    [{ gateway: "10.0.3.2" }, "ipv4.gateway: 10.0.3.2 is no other machine in 10.0.2.15/24"],
    [{ gateway: "10.0.2.15" }, "ipv4.gateway: 10.0.2.15 is no other machine in 10.0.2.15/24"],
    [{ gateway: "10.0.2.255" }, "ipv4.gateway: 10.0.2.255 is no other machine in 10.0.2.15/24"],
  ];
  for (const [change, sentence] of mistakes) {
    it(`refuses ${JSON.stringify(change)}`, () => {
      const config = { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2", ...change };
      expect(() => checkIpv4Config(config)).to.throw(sentence);
    });
  }
});
