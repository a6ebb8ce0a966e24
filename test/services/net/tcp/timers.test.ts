import { expect } from "chai";
import { socketEstablished, type Sent } from "./fixture.ts";

const MSS = 536;

function lengths(sent: Sent[]): number[] {
  return sent.map(({ length }) => length);
}

describe("TCP, a shut window", () => {
  it("is asked about with back-off for as long as the peer answers, and sending goes on when it opens", () => {
    const rig = socketEstablished({}, { window: 0 });
    rig.peer({ ack: 1, window: 0 });
    rig.write(700);
    expect(rig.sent()).to.deep.equal([]);
    let probes = 0;
    for (let minute = 0; minute < 30; minute++) {
      for (const probe of rig.wait(60_000_000)) {
        expect([probe.seq, probe.length]).to.deep.equal([0, 0]);
        probes++;
      }
      rig.peer({ ack: 1, window: 0 });
    }
    expect(probes).to.be.within(30, 40);
    expect(rig.socket?.state).to.equal("established");
    expect(lengths(rig.peer({ ack: 1, window: 5000 }))).to.deep.equal([MSS, 164]);
  });

  it("that nobody answers for ends the connection", () => {
    const rig = socketEstablished({ keepAliveUs: 0 }, { window: 0 });
    rig.peer({ ack: 1, window: 0 });
    rig.write(700);
    rig.wait(300_000_000);
    expect(rig.socket?.error).to.equal("timed-out");
  });
});

describe("TCP, keep-alive", () => {
  it("asks a silent peer, is content with an answer, for hours", () => {
    const rig = socketEstablished();
    let probes = 0;
    for (let minute = 0; minute < 600; minute++) {
      for (const probe of rig.wait(60_000_000)) {
        expect([probe.seq, probe.length]).to.deep.equal([0, 0]);
        probes++;
        rig.peer({ ack: 1 });
      }
    }
    expect(probes).to.be.within(290, 601);
    expect(rig.socket?.state).to.equal("established");
    rig.balanced();
  });

  it("gives a peer up that does not answer any more", () => {
    const rig = socketEstablished();
    const sent = rig.wait(200_000_000);
    expect(sent.map(({ flags }) => flags)).to.deep.equal(["", "", "", "", "R"]);
    expect(rig.socket?.error).to.equal("timed-out");
  });

  it("answers the peer's own", () => {
    const rig = socketEstablished({ keepAliveUs: 0 });
    expect(rig.peer({ seq: 0, ack: 1 }).map(({ seq, ack }) => [seq, ack])).to.deep.equal([[1, 1]]);
    expect(rig.tcp.nextUs()).to.equal(Infinity);
  });
});
