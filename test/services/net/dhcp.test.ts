import { expect } from "chai";
import * as fc from "fast-check";
import { Dhcp, type DhcpLease } from "../../../services/net/dhcp.ts";
import { Interface } from "../../../services/net/interface.ts";
import { Udp } from "../../../services/net/udp.ts";
import { emitDhcp, parseDhcpOptions } from "../../../services/net/wire/dhcp.ts";
import {
  arpPacket,
  BROADCAST_MAC,
  bytes,
  ethernet,
  FakeClock,
  FakePort,
  ipv4Packet,
  OWN_MAC,
  PEER_MAC,
  u16,
} from "./fixture.ts";

const SERVER = [10, 0, 2, 2];
const OFFERED = [10, 0, 2, 15];
const HOUR = 3_600_000_000;

interface Answer {
  type: number;
  address?: number[];
  options?: number[];
  xid?: number[];
  mac?: number[];
  port?: number;
  unicast?: boolean;
}

/** A client and a server that the test plays. */
class DhcpRig {
  readonly clock = new FakeClock();
  readonly port = new FakePort();
  readonly net = new Interface({ port: this.port, clock: this.clock, bytes });
  readonly udp = new Udp(this.net, bytes);
  readonly changes: (DhcpLease | undefined)[] = [];
  unanswered = 0;
  ready = true;
  #draws = 0;
  readonly dhcp = new Dhcp({
    net: this.net,
    udp: this.udp,
    mac: this.port.mac,
    random: {
      ready: true,
      fill: (into) => {
        if (this.ready) into.set([0x80, 0, 0, ++this.#draws & 0xff]);
        return this.ready;
      },
    },
    changed: (lease) => this.changes.push(lease),
    unanswered: () => this.unanswered++,
  });
  xid: number[] = [];
  #taken = 0;

  /** Do what is due; messages that were sent, as type, ciaddr, destination and options. */
  serve(): { type: number; client: number[]; to: number[]; options: Record<number, number[]> }[] {
    this.dhcp.service(this.clock.us);
    const frames = this.port.sent.slice(this.#taken).filter((frame) => frame[13] === 0);
    this.#taken = this.port.sent.length;
    return frames.map((frame) => {
      const at = 42;
      expect(frame.slice(34, 38)).to.deep.equal([0, 68, 0, 67]);
      this.xid = frame.slice(at + 4, at + 8);
      const options: Record<number, number[]> = {};
      for (let i = at + 240; frame[i] !== 255;) {
        const length = frame[i + 1] ?? 0;
        options[frame[i] ?? 0] = frame.slice(i + 2, i + 2 + length);
        i += 2 + length;
      }
      return { type: options[53]?.[0] ?? 0, client: frame.slice(at + 12, at + 16), to: frame.slice(30, 34), options };
    });
  }

  answer(given: Answer): void {
    const options = given.options ?? [
      54,
      4,
      ...SERVER,
      51,
      4,
      0,
      0,
      0x0e,
      0x10,
      1,
      4,
      255,
      255,
      255,
      0,
      3,
      4,
      ...SERVER,
    ];
    const message = [2, 1, 6, 0, ...(given.xid ?? this.xid), 0, 0, 0, 0, 0, 0, 0, 0];
    message.push(...(given.address ?? OFFERED), 0, 0, 0, 0, 0, 0, 0, 0, ...(given.mac ?? OWN_MAC));
    while (message.length < 236) message.push(0);
    message.push(0x63, 0x82, 0x53, 0x63, 53, 1, given.type, ...options, 255);
    const datagram = [...u16(given.port ?? 67), ...u16(68), ...u16(8 + message.length), 0, 0, ...message];
    const destination = given.unicast === true ? OFFERED : [255, 255, 255, 255];
    const packet = ipv4Packet(datagram, { protocol: 17, source: SERVER, destination });
    this.port.incoming.push(ethernet(given.unicast === true ? OWN_MAC : BROADCAST_MAC, PEER_MAC, 0x0800, packet));
    this.net.poll(8);
  }

  /** The server becomes a neighbour, when it is asked for. */
  meet(): void {
    this.port.incoming.push(ethernet(OWN_MAC, PEER_MAC, 0x0806, arpPacket(2, PEER_MAC, SERVER, OWN_MAC, OFFERED)));
    this.net.poll(1);
  }
}

function bound(): DhcpRig {
  const rig = new DhcpRig();
  rig.serve();
  rig.answer({ type: 2 });
  rig.serve();
  rig.answer({ type: 5 });
  expect(rig.dhcp.state).to.equal("bound");
  return rig;
}

describe("Dhcp", () => {
  it("asks everybody for an address, takes the first offer, and gives it to the interface", () => {
    const rig = new DhcpRig();
    const [discover] = rig.serve();
    expect(discover).to.deep.include({ type: 1, client: [0, 0, 0, 0], to: [255, 255, 255, 255] });
    expect(discover?.options[61]).to.deep.equal([1, ...OWN_MAC]);
    rig.answer({ type: 2 });
    rig.answer({ type: 2, address: [10, 0, 2, 99] });
    const [request] = rig.serve();
    expect(request).to.deep.include({ type: 3, client: [0, 0, 0, 0], to: [255, 255, 255, 255] });
    expect([request?.options[50], request?.options[54]]).to.deep.equal([OFFERED, SERVER]);
    expect(rig.net.own.address).to.equal(0);
    const askedUs = rig.clock.us;
    rig.clock.us += 3_000_000;
    rig.answer({ type: 5 });
    expect(rig.dhcp.lease).to.deep.equal({
      address: "10.0.2.15",
      prefix: 24,
      gateway: "10.0.2.2",
      server: "10.0.2.2",
      renewUs: askedUs + HOUR / 2,
      rebindUs: askedUs + (HOUR * 7) / 8,
      expiresUs: askedUs + HOUR,
    });
    expect(rig.changes).to.deep.equal([rig.dhcp.lease]);
    expect(rig.net.own).to.deep.equal({ address: 0x0a00020f, mask: -256, broadcast: 0x0a0002ff, gateway: 0x0a000202 });
    expect(rig.dhcp.nextUs()).to.equal(askedUs + HOUR / 2);
    expect(rig.dhcp.counters).to.include({ discovers: 1, requests: 1, offers: 1, acknowledged: 1, ignored: 1 });
  });

  it("repeats with back-off and jitter, up to a minute", () => {
    const rig = new DhcpRig();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      expect(rig.serve().map(({ type }) => type)).to.deep.equal([1]);
      waits.push(Math.round((rig.dhcp.nextUs() - rig.clock.us) / 1_000_000));
      rig.clock.us = rig.dhcp.nextUs() - 1;
      expect(rig.serve()).to.deep.equal([]);
      rig.clock.us++;
    }
    expect(waits).to.deep.equal([4, 8, 16, 32, 64, 64, 64, 64]);
  });

  it("says once that nobody answers, and again when a lease that it had is over", () => {
    const rig = new DhcpRig();
    const search = (times: number): void => {
      for (let i = 0; i < times; i++) {
        rig.serve();
        rig.clock.us = Math.max(rig.clock.us, rig.dhcp.nextUs());
      }
    };
    search(1);
    expect(rig.unanswered).to.equal(0);
    search(5);
    expect(rig.unanswered).to.equal(1);
    rig.serve();
    rig.answer({ type: 2 });
    rig.serve();
    rig.answer({ type: 5 });
    expect(rig.dhcp.state).to.equal("bound");
    rig.clock.us = rig.dhcp.lease!.expiresUs;
    search(3);
    expect(rig.unanswered).to.equal(2);
  });

  it("shows its lease and what is left of it", () => {
    const rig = new DhcpRig();
    expect(rig.dhcp.terms(rig.clock.us)).to.deep.equal([]);
    const has = bound();
    expect(has.dhcp.terms(has.clock.us)).to.deep.equal([
      "lease 10.0.2.15/24 gateway 10.0.2.2 server 10.0.2.2 renew_s=1800 expires_s=3600",
    ]);
    expect(has.dhcp.terms(has.dhcp.lease!.renewUs)[0]).to.contain("renew_s=0 expires_s=1800");
  });

  it("looks for another offer when a server does not stand by its own", () => {
    const rig = new DhcpRig();
    rig.serve();
    rig.answer({ type: 2 });
    const types: number[] = [];
    for (let i = 0; i < 5; i++) {
      types.push(...rig.serve().map(({ type }) => type));
      rig.clock.us = Math.max(rig.clock.us, rig.dhcp.nextUs());
    }
    expect(types).to.deep.equal([3, 3, 3, 3, 1]);
  });

  it("waits without chance, and asks as soon as there is some", () => {
    const rig = new DhcpRig();
    rig.ready = false;
    expect(rig.serve()).to.deep.equal([]);
    rig.ready = true;
    rig.clock.us = rig.dhcp.nextUs();
    expect(rig.serve().length).to.equal(1);
  });

  it("renews at half time with its server, at seven eighths with any, and ends with the lease", () => {
    const rig = bound();
    const start = rig.dhcp.lease!.expiresUs - HOUR;
    rig.clock.us = rig.dhcp.nextUs();
    rig.serve();
    rig.meet();
    rig.clock.us = rig.dhcp.nextUs();
    const [renewal] = rig.serve();
    expect(renewal).to.deep.include({ type: 3, client: OFFERED, to: SERVER });
    expect([renewal?.options[50], renewal?.options[54]]).to.deep.equal([undefined, undefined]);
    expect(rig.dhcp.state).to.equal("renewing");
    let messages = 0;
    while (rig.dhcp.state === "renewing") {
      rig.clock.us = rig.dhcp.nextUs();
      messages += rig.serve().length;
    }
    expect(rig.clock.us - start).to.equal((HOUR * 7) / 8);
    while (rig.dhcp.lease !== undefined) {
      rig.clock.us = rig.dhcp.nextUs();
      messages += rig.serve().length;
    }
    expect(rig.clock.us - start).to.equal(HOUR);
    expect(messages).to.be.within(5, 20);
    expect(rig.net.own.address).to.equal(0);
    expect([rig.dhcp.state, rig.dhcp.counters.expired, rig.changes.at(-1)]).to.deep.equal(["selecting", 1, undefined]);
  });

  it("keeps its address and its connections when the lease is renewed", () => {
    const rig = bound();
    let readdressed = 0;
    rig.net.attach(6, { receive: () => 0, readdressed: () => readdressed++ });
    rig.clock.us = rig.dhcp.lease!.rebindUs;
    rig.serve();
    const before = rig.dhcp.lease!.expiresUs;
    rig.answer({ type: 5, unicast: true });
    expect(rig.dhcp.state).to.equal("bound");
    expect(rig.dhcp.lease!.expiresUs).to.be.greaterThan(before);
    expect(readdressed).to.equal(0);
  });

  it("gives the address up at once when the server says so, and begins again after a while", () => {
    const rig = bound();
    rig.clock.us = rig.dhcp.lease!.rebindUs;
    rig.serve();
    rig.answer({ type: 6, options: [54, 4, ...SERVER] });
    expect([rig.dhcp.state, rig.net.own.address, rig.dhcp.counters.refused]).to.deep.equal(["init", 0, 1]);
    expect(rig.serve()).to.deep.equal([]);
    rig.clock.us = rig.dhcp.nextUs();
    expect(rig.serve().map(({ type }) => type)).to.deep.equal([1]);
  });

  it("keeps a lease for ever that is one", () => {
    const rig = new DhcpRig();
    rig.serve();
    const options = [54, 4, ...SERVER, 51, 4, 255, 255, 255, 255];
    rig.answer({ type: 2, options });
    rig.serve();
    rig.answer({ type: 5, options });
    expect(rig.dhcp.lease).to.deep.include({ prefix: 8, gateway: undefined, expiresUs: Infinity });
    expect(rig.dhcp.nextUs()).to.equal(Infinity);
  });

  const lies: [string, Answer][] = [
    ["another question's answer", { type: 2, xid: [1, 2, 3, 4] }],
    ["somebody else's", { type: 2, mac: PEER_MAC }],
    ["one from another port", { type: 2, port: 68 }],
    ["no type", { type: 0, options: [] }],
    ["an acknowledgement of nothing", { type: 5 }],
    ["an offer without a server", { type: 2, options: [51, 4, 0, 0, 14, 16] }],
    ["an offer without a lease", { type: 2, options: [54, 4, ...SERVER] }],
    ["an offer for ten seconds", { type: 2, options: [54, 4, ...SERVER, 51, 4, 0, 0, 0, 10] }],
    ["an offer of a multicast address", { type: 2, address: [224, 0, 0, 1] }],
    ["an option that runs beyond the message", { type: 2, options: [54, 200, 1] }],
  ];
  for (const [what, answer] of lies) {
    it(`ignores ${what}`, () => {
      const rig = new DhcpRig();
      rig.serve();
      rig.answer(answer);
      expect([rig.dhcp.state, rig.dhcp.counters.ignored]).to.deep.equal(["selecting", 1]);
    });
  }

  for (const [what, address, mask] of [
    ["another address than it offered", [10, 0, 2, 16], [255, 255, 255, 0]],
    ["a mask with a hole", OFFERED, [255, 0, 255, 0]],
    ["a mask of 32 bits", OFFERED, [255, 255, 255, 255]],
    ["the subnet's broadcast address", OFFERED, [255, 255, 255, 240]],
  ] as [string, number[], number[]][]) {
    it(`ignores a server that grants ${what}`, () => {
      const rig = new DhcpRig();
      rig.serve();
      rig.answer({ type: 2 });
      rig.serve();
      rig.answer({ type: 5, address, options: [54, 4, ...SERVER, 51, 4, 0, 0, 14, 16, 1, 4, ...mask] });
      expect([rig.dhcp.state, rig.net.own.address]).to.deep.equal(["requesting", 0]);
    });
  }

  it("has no gateway that is not in its subnet", () => {
    const rig = new DhcpRig();
    rig.serve();
    rig.answer({ type: 2 });
    rig.serve();
    const options = [54, 4, ...SERVER, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 3, 4, 8, 8, 8, 8];
    rig.answer({ type: 5, options });
    expect(rig.dhcp.lease?.gateway).to.equal(undefined);
  });

  it("asks again when the link comes back, and keeps the lease meanwhile", () => {
    const rig = bound();
    rig.clock.us += 1_000_000;
    rig.dhcp.linkUp();
    const [request] = rig.serve();
    expect(request).to.deep.include({ type: 3, client: OFFERED, to: [255, 255, 255, 255] });
    expect(rig.net.own.address).to.equal(0x0a00020f);
    rig.answer({ type: 5 });
    expect(rig.dhcp.state).to.equal("bound");
  });

  it("never throws, whatever servers say", () => {
    const noise = fc.record({
      type: fc.integer({ min: 0, max: 8 }),
      address: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 }),
      options: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 }),
    });
    fc.assert(
      fc.property(fc.array(noise, { maxLength: 10 }), (answers) => {
        const rig = new DhcpRig();
        for (const answer of answers) {
          rig.serve();
          rig.answer(answer);
          rig.clock.us = Math.max(rig.clock.us, Math.min(rig.dhcp.nextUs(), rig.clock.us + HOUR));
        }
      }),
    );
  });
});

describe("DHCP messages", () => {
  it("are emitted with every byte set, padded to what relays expect", () => {
    const buffer = new Uint8Array(400).fill(0xa5);
    const request = { type: 3, xid: 0x01020304, seconds: 5, client: 0, requested: 0x0a00020f, server: 0x0a000202 };
    expect(emitDhcp(buffer, 1, Uint8Array.from(OWN_MAC), 1500, request)).to.equal(300);
    const head = [1, 1, 6, 0, 1, 2, 3, 4, 0, 5, 0x80, 0, ...Array<number>(16).fill(0), ...OWN_MAC];
    const options = [53, 1, 3, 61, 7, 1, ...OWN_MAC, 50, 4, ...OFFERED, 54, 4, ...SERVER, 57, 2, 5, 0xdc];
    options.push(55, 5, 1, 3, 51, 58, 59, 255);
    const whole = [...head, ...Array<number>(236 - head.length).fill(0), 0x63, 0x82, 0x53, 0x63, ...options];
    while (whole.length < 300) whole.push(0);
    expect([...buffer.subarray(0, 302)]).to.deep.equal([0xa5, ...whole, 0xa5]);
  });

  it("may hold options in the fields for a file and a server's name (RFC 2132 §9.3)", () => {
    const message = new Uint8Array(250);
    message.set([52, 1, 3, 255], 240);
    message.set([53, 1, 5, 255], 108);
    message.set([51, 4, 0, 0, 1, 0, 255], 44);
    const said = { type: 0, server: 0, mask: 0, router: 0, leaseS: 0, renewS: 0, rebindS: 0 };
    expect(parseDhcpOptions(message, 0, 250, said)).to.equal(true);
    expect(said).to.deep.include({ type: 5, leaseS: 256 });
  });
});
