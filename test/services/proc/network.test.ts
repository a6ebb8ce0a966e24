import { expect } from "chai";
import { formatMac } from "../../../services/net/address.ts";
import { createNetCounters } from "../../../services/net/counters.ts";
import { NetStack } from "../../../services/net/stack.ts";
import { networkReports, type Reports } from "../../../services/proc/network.ts";
import { snake } from "../../../services/proc/rows.ts";
import { Timers } from "../../../services/pump/timers.ts";
import {
  arpPacket,
  bytes,
  ethernet,
  FakeClock,
  FakePort,
  icmpMessage,
  ipv4Frame,
  OWN_IP,
  OWN_MAC,
  PEER_IP,
  PEER_MAC,
  u16,
} from "../net/fixture.ts";

const ADDRESS = { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" };

class Setup {
  readonly clock = new FakeClock();
  readonly port = Object.assign(new FakePort(), { linkChanges: 1, queues: () => ["queue net.rx", "queue net.tx"] });
  readonly told: string[] = [];
  readonly stack: NetStack;
  readonly reports: Reports;

  constructor(ipv4?: typeof ADDRESS) {
    const random = { ready: true, fill: (into: Uint8Array) => into.fill(7) !== undefined };
    const { port, clock, told } = this;
    const addressed = (text: string): void => void told.push(text);
    this.stack = new NetStack({ port, clock, bytes, random, timers: new Timers(4), ipv4, addressed });
    this.reports = networkReports(port, this.stack);
  }

  lines(file: string): readonly string[] {
    return this.reports[file]!();
  }

  all(): string[] {
    return Object.values(this.reports).flatMap((lines) => lines());
  }

  feed(...frames: number[][]): void {
    this.port.incoming.push(...frames);
    this.stack.raise();
    this.stack.receive(64);
    this.stack.send(64, this.clock.us);
  }
}

/** A counter of a report's line. */
function count(lines: readonly string[], row: string, name: string): number {
  return Number(new RegExp(`^${row} .*\\b${name}=(\\d+)`, "m").exec(lines.join("\n"))?.[1]);
}

describe("reports on the network", () => {
  it("are a file for each protocol, DHCP's only where it runs", () => {
    const files = ["interface", "arp", "ipv4", "icmp", "udp", "tcp"];
    expect(Object.keys(new Setup(ADDRESS).reports)).to.deep.equal(files);
    expect(Object.keys(new Setup().reports)).to.deep.equal([...files, "dhcp"]);
  });

  it("begin with link and address", () => {
    const { stack, ...setup } = new Setup(ADDRESS);
    expect(setup.reports["interface"]!().slice(0, 5)).to.deep.equal([
      "link up mtu=1500 changes=1",
      "address 10.0.2.15/24 gateway 10.0.2.2",
      "device rx_frames=0 rx_bytes=0 tx_frames=0 tx_bytes=0 device_errors=0 resets=0 tx_full=0",
      "queue net.rx",
      "queue net.tx",
    ]);
    expect(stack.address).to.equal("10.0.2.15/24 gateway 10.0.2.2");
  });

  it("show every counter of the interface once, in the file of the protocol that it belongs to", () => {
    const all = new Setup(ADDRESS).all();
    const { handled, dropped, sent, unsent } = createNetCounters();
    for (const [fate, counters] of Object.entries({ handled, dropped, sent, unsent })) {
      for (const name of Object.keys(counters)) {
        const rows = all.filter((line) => new RegExp(`^\\w+\\.${fate} .*\\b${snake(name)}=0( |$)`).test(line));
        expect(rows, `${fate}.${name}`).to.have.length(1);
        const owner = /^(arp|icmp|ipv4|ethernet)/.exec(name)?.[0];
        if (owner !== undefined)
          expect(rows[0]).to.match(owner === "ethernet" ? /^interface\./ : RegExp(`^${owner}\\.`));
      }
    }
  });

  it("have lines of `name key=value`, each shorter than a console's line", () => {
    for (const line of new Setup().all()) {
      expect(line).to.match(/^[a-z0-9_.]+( \S+)*$/);
      expect(line.length).to.be.below(512);
    }
  });

  it("move with what comes in", () => {
    const setup = new Setup(ADDRESS);
    const question = arpPacket(1, PEER_MAC, PEER_IP, [0, 0, 0, 0, 0, 0], OWN_IP);
    setup.feed(
      ethernet(OWN_MAC, PEER_MAC, 0x0806, question),
      ipv4Frame(icmpMessage(8, 0, [0, 1, 0, 1])),
      ethernet(OWN_MAC, PEER_MAC, 0x86dd, [0, 0]),
      ipv4Frame([...u16(1), ...u16(9), ...u16(8), 0, 0], { protocol: 17 }),
      ipv4Frame([], { fragment: 0x2000 }),
    );
    setup.clock.us += 3_000_000;
    expect(setup.lines("interface")).to.include("frames 5");
    expect(count(setup.lines("interface"), "device", "rx_frames")).to.equal(5);
    expect(count(setup.lines("interface"), "interface.dropped", "ethernet_type")).to.equal(1);
    expect(count(setup.lines("arp"), "arp.handled", "arp_requests")).to.equal(1);
    expect(setup.lines("arp")).to.include(
      `neighbour 10.0.2.77 ${formatMac(Uint8Array.from(PEER_MAC), 0)} offered age_s=3`,
    );
    expect(count(setup.lines("icmp"), "icmp.handled", "echo_requests")).to.equal(1);
    expect(count(setup.lines("icmp"), "icmp.sent", "icmp_errors")).to.equal(1);
    expect(count(setup.lines("udp"), "udp", "no_port")).to.equal(1);
    expect(count(setup.lines("ipv4"), "ipv4.dropped", "ipv4_fragment")).to.equal(1);
    expect(count(setup.lines("ipv4"), "ipv4.sent", "packets")).to.equal(2);
  });

  it("say of DHCP whether it has an address, and that nobody answers, once", () => {
    const setup = new Setup();
    for (let i = 0; i < 6; i++) {
      setup.stack.send(64, setup.clock.us);
      setup.clock.us += 66_000_000;
    }
    expect(setup.told).to.deep.equal(["no DHCP server has given an address yet; asking on"]);
    expect(setup.lines("dhcp")[0]).to.equal("dhcp state selecting");
    expect(count(setup.lines("dhcp"), "dhcp", "discovers")).to.equal(6);
    expect(setup.lines("interface")[1]).to.equal("address none (DHCP selecting)");
  });
});
