import { expect } from "chai";
import * as fc from "fast-check";
import { DhcpServer } from "../../../../engine/sim/gateway/dhcp-server.ts";
import { Interface } from "../../../../services/net/interface.ts";
import { Udp } from "../../../../services/net/udp.ts";
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
} from "../../../services/net/fixture.ts";

const SERVER = [10, 0, 2, 2];
const GIVEN = [10, 0, 2, 15];
const ANY = [0, 0, 0, 0];
const EVERYBODY = [255, 255, 255, 255];
const MAGIC = [0x63, 0x82, 0x53, 0x63];
const [DISCOVER, OFFER, REQUEST, DECLINE, ACKNOWLEDGE, REFUSE] = [1, 2, 3, 4, 5, 6];

interface Question {
  type?: number;
  op?: number;
  client?: number[];
  broadcast?: boolean;
  mac?: number[];
  options?: number[];
  port?: number;
  /** From where, to where. */
  source?: number[];
  destination?: number[];
  cut?: number;
}

/** A server, and a client that the test plays: the peer of the network's fixture. */
class Rig {
  readonly port = new FakePort();
  readonly net = new Interface({
    port: this.port,
    clock: new FakeClock(),
    bytes,
    ipv4: { address: "10.0.2.2", prefix: 24 },
    givesAddresses: true,
  });
  readonly server = new DhcpServer({
    udp: new Udp(this.net, bytes),
    mac: Uint8Array.from(PEER_MAC),
    address: 0x0a00020f,
    mask: 0xffffff00 | 0,
    server: 0x0a000202,
  });

  /** @returns what was answered. */
  ask(question: Question): number[][] {
    const { type = DISCOVER, op = 1, client = ANY, broadcast = false, mac = PEER_MAC, port = 68 } = question;
    const { source = ANY, destination = EVERYBODY, cut = 0 } = question;
    const options = question.options ?? [53, 1, type];
    const message = [op, 1, 6, 9, 0xa1, 0xa2, 0xa3, 0xa4, 0, 7, broadcast ? 0x80 : 0, 0, ...client];
    message.push(...ANY, 1, 2, 3, 4, 0xb1, 0xb2, 0xb3, 0xb4, ...mac, ...Array<number>(10).fill(0xc1));
    message.push(...Array<number>(192).fill(0xd1), ...MAGIC, ...options, 255);
    const whole = message.slice(0, message.length - cut);
    const datagram = [...u16(port), ...u16(67), ...u16(8 + whole.length), 0, 0, ...whole];
    const to = destination === EVERYBODY ? BROADCAST_MAC : OWN_MAC;
    const packet = ipv4Packet(datagram, { protocol: 17, source, destination });
    return this.feed(ethernet(to, PEER_MAC, 0x0800, packet));
  }

  feed(frame: number[]): number[][] {
    this.port.sent.length = 0;
    this.port.incoming.push(frame);
    this.net.poll(8);
    return [...this.port.sent];
  }

  /** The client is a neighbour. */
  meet(): void {
    this.feed(ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, arpPacket(1, PEER_MAC, GIVEN, ANY.concat(0, 0), SERVER)));
  }
}

/** The frame of an answer, where it went and what it says. */
function told(frame: number[]): { to: number[]; type: number; client: number[]; yours: number[]; options: number[] } {
  const at = 42;
  const end = frame.lastIndexOf(255);
  expect(frame.slice(34, 38), "ports").to.deep.equal([0, 67, 0, 68]);
  return {
    to: frame.slice(30, 34),
    type: frame[at + 242] ?? 0,
    client: frame.slice(at + 12, at + 16),
    yours: frame.slice(at + 16, at + 20),
    options: frame.slice(at + 240, end),
  };
}

const ID = [54, 4, ...SERVER];
const TERMS = [51, 4, 0, 1, 0x51, 0x80, 1, 4, 255, 255, 255, 0, 3, 4, ...SERVER];
const wants = (...address: number[]): number[] => [50, 4, ...address];

describe("the gateway's DHCP server", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  it("offers its guest the one address, byte for byte", () => {
    const [frame = []] = rig.ask({ broadcast: true });
    const message = frame.slice(42);
    expect(frame.slice(0, 6)).to.deep.equal(BROADCAST_MAC);
    expect(message.slice(0, 44)).to.deep.equal([
      ...[2, 1, 6, 0],
      ...[0xa1, 0xa2, 0xa3, 0xa4],
      ...[0, 0, 0x80, 0],
      ...ANY,
      ...GIVEN,
      ...ANY,
      ...[0xb1, 0xb2, 0xb3, 0xb4],
      ...PEER_MAC,
      ...Array<number>(10).fill(0xc1),
    ]);
    expect(message.slice(44, 236).every((byte) => byte === 0)).to.equal(true);
    expect(message.slice(236)).to.deep.equal([
      ...MAGIC,
      53,
      1,
      OFFER,
      ...ID,
      ...TERMS,
      255,
      ...Array<number>(60 - 28).fill(0),
    ]);
    expect(rig.server.counters).to.include({ offers: 1, ignored: 0, unsent: 0 });
  });

  it("grants the address to who chose it, and to who had it before", () => {
    for (const options of [
      [53, 1, REQUEST, ...wants(...GIVEN), ...ID],
      [53, 1, REQUEST, ...wants(...GIVEN)],
      [0, 0, ...ID, 12, 3, 1, 2, 3, 53, 1, REQUEST, ...wants(...GIVEN)],
    ]) {
      const [frame = []] = rig.ask({ options });
      expect(told(frame)).to.deep.equal({
        to: EVERYBODY,
        type: ACKNOWLEDGE,
        client: ANY,
        yours: GIVEN,
        options: [53, 1, ACKNOWLEDGE, ...ID, ...TERMS],
      });
    }
    expect(rig.server.counters.acknowledged).to.equal(3);
  });

  it("renews by an answer to the guest alone, and to everybody if it wants that", () => {
    const renewal = { type: REQUEST, client: GIVEN, source: GIVEN, destination: SERVER };
    expect(
      rig.ask(renewal).filter((frame) => frame[13] === 0),
      "not a neighbour yet",
    ).to.deep.equal([]);
    expect(rig.server.counters.unsent).to.equal(1);
    rig.meet();
    const [frame = []] = rig.ask(renewal);
    expect(frame.slice(0, 6)).to.deep.equal(PEER_MAC);
    expect(told(frame))
      .to.include({ type: ACKNOWLEDGE })
      .and.to.deep.include({ to: GIVEN, client: GIVEN, yours: GIVEN });
    const [loud = []] = rig.ask({ ...renewal, broadcast: true });
    expect(told(loud)).to.include({ type: ACKNOWLEDGE }).and.to.deep.include({ to: EVERYBODY });
  });

  it("refuses every other address, and everybody hears that", () => {
    rig.meet();
    for (const question of [
      { options: [53, 1, REQUEST, ...wants(10, 0, 2, 16), ...ID] },
      { options: [53, 1, REQUEST] },
      { type: REQUEST, client: [10, 0, 3, 15], source: GIVEN, destination: SERVER },
    ]) {
      const [frame = []] = rig.ask(question);
      expect(told(frame)).to.deep.equal({
        to: EVERYBODY,
        type: REFUSE,
        client: ANY,
        yours: ANY,
        options: [53, 1, REFUSE, ...ID],
      });
    }
    expect(rig.server.counters.refused).to.equal(3);
  });

  for (const [what, question] of [
    ["another machine's question", { mac: OWN_MAC }],
    ["a choice of another server", { options: [53, 1, REQUEST, ...wants(...GIVEN), 54, 4, 10, 0, 2, 3] }],
    ["an answer", { op: 2 }],
    ["a message from another port", { port: 69 }],
    ["a message that asks for nothing", { type: DECLINE }],
    ["a message without a type", { options: [12, 1, 65] }],
    ["an option beyond the message's end", { options: [53, 1, DISCOVER, 12, 9, 1] }],
    ["an option without a length", { options: [53, 1, DISCOVER, 12], cut: 1 }],
    ["a cut message", { cut: 6 }],
    ["another magic number", { cut: 4 + 3 }],
  ] as [string, Question][]) {
    it(`ignores ${what}, and counts it`, () => {
      expect(rig.ask(question)).to.deep.equal([]);
      expect(rig.server.counters).to.deep.equal({ offers: 0, acknowledged: 0, refused: 0, ignored: 1, unsent: 0 });
    });
  }

  it("has one fate for every message, whatever comes, and answers at most once", () => {
    const octet = fc.integer({ min: 0, max: 255 });
    const question = fc.record(
      {
        op: fc.constantFrom(1, 1, 2),
        client: fc.constantFrom(ANY, GIVEN, [10, 0, 2, 99]),
        broadcast: fc.boolean(),
        mac: fc.constantFrom(PEER_MAC, PEER_MAC, OWN_MAC),
        options: fc.oneof(
          fc.array(octet, { maxLength: 40 }),
          fc.tuple(octet, fc.array(octet, { maxLength: 20 })).map(([type, rest]) => [53, 1, type % 8, ...rest]),
        ),
        cut: fc.nat(300),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(question, { maxLength: 20 }), (questions) => {
        rig = new Rig();
        rig.meet();
        let answers = 0;
        for (const asked of questions) {
          const sent = rig.ask(asked).filter((frame) => frame[13] === 0).length;
          expect(sent).to.be.at.most(1);
          answers += sent;
        }
        const { offers, acknowledged, refused, ignored, unsent } = rig.server.counters;
        expect(offers + acknowledged + refused).to.equal(answers);
        expect(answers + ignored + unsent).to.equal(questions.length);
      }),
      { numRuns: 300 },
    );
  });
});
