import { expect } from "chai";
import { ASK_INTERVAL_US } from "../../../services/net/arp.ts";
import { NEIGHBOURS_MAX, NOT_FOUND } from "../../../services/net/neighbours.ts";
import { arpPacket, BROADCAST_MAC, ethernet, OWN_IP, OWN_MAC, PEER_IP, PEER_MAC, Rig } from "./fixture.ts";

const PEER = 0x0a00024d;
const NOBODY = [0, 0, 0, 0, 0, 0];

function request(senderIp: number[], targetIp: number[], senderMac = PEER_MAC): number[] {
  return ethernet(BROADCAST_MAC, senderMac, 0x0806, arpPacket(1, senderMac, senderIp, NOBODY, targetIp));
}

function reply(senderIp = PEER_IP, senderMac = PEER_MAC, targetIp = OWN_IP): number[] {
  return ethernet(OWN_MAC, senderMac, 0x0806, arpPacket(2, senderMac, senderIp, OWN_MAC, targetIp));
}

const ANSWER = ethernet(PEER_MAC, OWN_MAC, 0x0806, arpPacket(2, OWN_MAC, OWN_IP, PEER_MAC, PEER_IP));
const QUESTION = ethernet(BROADCAST_MAC, OWN_MAC, 0x0806, arpPacket(1, OWN_MAC, OWN_IP, NOBODY, PEER_IP));

describe("Arp", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  function resolve(address = PEER): { sent: number[][]; mac: number[] | undefined } {
    rig.port.sent.length = 0;
    const at = rig.net.arp.resolve(address, rig.clock.us);
    const mac = at === NOT_FOUND ? undefined : [...rig.net.arp.neighbours.macs.subarray(at, at + 6)];
    return { sent: [...rig.port.sent], mac };
  }

  describe("answering", () => {
    it("answers for its own address, to the one who asks", () => {
      expect(rig.feed(request(PEER_IP, OWN_IP))).to.deep.equal([ANSWER]);
      expect(rig.net.counters.handled.arpRequests).to.equal(1);
    });

    it("answers nobody else's questions", () => {
      expect(rig.feed(request(PEER_IP, [10, 0, 2, 16]), request(PEER_IP, PEER_IP))).to.deep.equal([]);
      expect(rig.dropped()).to.deep.equal({ arpTarget: 2 });
    });

    it("counts somebody who claims its address, and is not drawn into an argument", () => {
      expect(rig.feed(request(OWN_IP, OWN_IP), reply(OWN_IP))).to.deep.equal([]);
      expect(rig.dropped()).to.deep.equal({ arpConflict: 2 });
    });

    it("answers a probe and learns nothing from it", () => {
      const answers = rig.feed(request([0, 0, 0, 0], OWN_IP));
      expect(answers.length).to.equal(1);
      expect(rig.net.arp.neighbours.size()).to.equal(0);
    });

    it("learns who asks for it, if that is a neighbour", () => {
      rig.feed(request(PEER_IP, OWN_IP));
      expect(resolve()).to.deep.equal({ sent: [], mac: PEER_MAC });
      rig.feed(request([192, 168, 1, 1], OWN_IP), request([10, 0, 2, 255], OWN_IP), request([224, 0, 0, 1], OWN_IP));
      expect(rig.net.arp.neighbours.size()).to.equal(1);
    });

    it("counts an answer for which there is no buffer", () => {
      rig.port.buffers = 0;
      rig.feed(request(PEER_IP, OWN_IP));
      expect(rig.dropped()).to.deep.equal({ txFull: 1 });
    });

    it("stays bounded when a thousand neighbours ask", () => {
      for (let i = 0; i < 250; i++) rig.feed(request([10, 0, 2, i + 1], OWN_IP, [2, 0, 0, 0, 0, i]));
      expect(rig.net.arp.neighbours.size()).to.equal(NEIGHBOURS_MAX);
    });
  });

  describe("asking", () => {
    it("asks everybody, and knows after the reply", () => {
      expect(resolve()).to.deep.equal({ sent: [QUESTION], mac: undefined });
      expect(rig.feed(reply())).to.deep.equal([]);
      expect(resolve()).to.deep.equal({ sent: [], mac: PEER_MAC });
      expect(rig.net.counters.handled.arpReplies).to.equal(1);
    });

    it("learns nothing from replies that nobody asked for, gratuitous ones included", () => {
      const gratuitous = ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, arpPacket(2, PEER_MAC, PEER_IP, PEER_MAC, PEER_IP));
      rig.feed(reply(), gratuitous);
      expect(rig.net.arp.neighbours.size()).to.equal(0);
      expect(rig.dropped()).to.deep.equal({ arpUnsolicited: 1, arpTarget: 1 });
    });

    it("believes the first reply, not the second", () => {
      resolve();
      rig.feed(reply(), reply(PEER_IP, [2, 6, 6, 6, 6, 6]));
      expect(resolve().mac).to.deep.equal(PEER_MAC);
      expect(rig.dropped()).to.deep.equal({ arpUnsolicited: 1 });
    });

    it("asks once a second for one address", () => {
      resolve();
      rig.clock.us += ASK_INTERVAL_US - 1;
      expect(resolve().sent).to.deep.equal([]);
      rig.clock.us += 1;
      expect(resolve().sent).to.deep.equal([QUESTION]);
    });

    it("asks at a limited rate for many, and makes no entry for what it does not ask", () => {
      let asked = 0;
      for (let i = 0; i < 200; i++) asked += resolve(0x0a000201 + i).sent.length;
      expect(asked).to.equal(16);
      expect(rig.net.arp.neighbours.size()).to.equal(16);
      expect(rig.net.counters.unsent.arpRequests).to.equal(184);
      rig.clock.us += 1_000_000;
      expect(resolve(0x0a0002f0).sent.length).to.equal(1);
    });

    it("refreshes what it uses, asking that neighbour alone, without a gap", () => {
      resolve();
      rig.feed(reply());
      for (let second = 0; second < 300; second++) {
        rig.clock.us += 1_000_000;
        const { sent, mac } = resolve();
        expect(mac, `after ${second} s`).to.deep.equal(PEER_MAC);
        for (const frame of sent) {
          expect(frame.slice(0, 6)).to.deep.equal(PEER_MAC);
          rig.feed(reply());
        }
      }
      expect(rig.net.counters.sent.arpRequests).to.be.within(4, 7);
    });

    it("gives up a neighbour that does not answer any more, and asks everybody again", () => {
      resolve();
      rig.feed(reply());
      rig.clock.us += 120_000_000;
      expect(resolve()).to.deep.equal({ sent: [QUESTION], mac: undefined });
    });

    it("asks later when there was no buffer", () => {
      rig.port.buffers = 0;
      expect(resolve().sent).to.deep.equal([]);
      expect(rig.net.counters.unsent.txFull).to.equal(1);
      rig.port.buffers = 5;
      expect(resolve().sent).to.deep.equal([QUESTION]);
    });
  });
});
