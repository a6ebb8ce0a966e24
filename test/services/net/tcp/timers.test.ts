import { expect } from "chai";
import { socketEstablished, type Sent } from "./fixture.ts";

const MSS = 536;

function lengths(sent: Sent[]): number[] {
  return sent.map(({ length }) => length);
}

const MINUTE_US = 60_000_000;
/** Finer than two deadlines follow each other. */
const STEP_US = 100_000;

describe("TCP, a shut window", () => {
  /** Let time pass for a socket that has something to send and a peer without room. @returns probes, the answered ones apart */
  const asked = (
    rig: ReturnType<typeof socketEstablished>,
    us: number,
    answer: (probe: number) => boolean,
  ): [number, number] => {
    let [answered, silent] = [0, 0];
    for (let passed = 0; passed < us; passed += STEP_US) {
      for (const probe of rig.wait(STEP_US)) {
        expect([probe.seq, probe.length]).to.deep.equal([0, 0]);
        if (answer(answered + silent)) {
          answered++;
          rig.peer({ ack: 1, window: 0 });
        } else silent++;
      }
    }
    return [answered, silent];
  };
  const shut = (): ReturnType<typeof socketEstablished> => {
    const rig = socketEstablished({ keepAliveUs: 0 }, { window: 0 });
    rig.peer({ ack: 1, window: 0 });
    rig.write(700);
    expect(rig.sent()).to.deep.equal([]);
    return rig;
  };

  it("is asked about with back-off for as long as the peer answers, and sending goes on when it opens", () => {
    const rig = shut();
    const [probes] = asked(rig, 30 * MINUTE_US, () => true);
    expect(probes).to.be.within(30, 40);
    expect(rig.socket?.state).to.equal("established");
    expect(lengths(rig.peer({ ack: 1, window: 5000 }))).to.deep.equal([MSS, 164]);
  });

  it("is asked about again soon if a probe or its answer was lost, and that ends no connection", () => {
    const rig = shut();
    asked(rig, 10 * MINUTE_US, () => true);
    const [answered, silent] = asked(rig, 60 * MINUTE_US, (probe) => probe % 3 === 2);
    expect([rig.socket?.state, rig.socket?.error]).to.deep.equal(["established", undefined]);
    expect(answered).to.be.within(50, 61);
    expect(silent).to.be.within(2 * answered - 2, 2 * answered + 2);
    expect(lengths(rig.peer({ ack: 1, window: 5000 }))).to.deep.equal([MSS, 164]);
  });

  it("of a peer that falls silent ends the connection two minutes later, and it was asked often until then", () => {
    const rig = shut();
    asked(rig, 30 * MINUTE_US, () => true);
    let last = 0;
    let passed = 0;
    const probes: number[] = [];
    for (; rig.socket?.state === "established" && passed < 10 * MINUTE_US; passed += STEP_US) {
      for (const { flags } of rig.wait(STEP_US)) {
        if (flags === "R") last = passed;
        else probes.push(passed);
      }
    }
    expect(rig.socket?.error).to.equal("timed-out");
    expect(probes.length).to.be.within(6, 10);
    // The answer before the first of them was up to a minute old.
    expect(last - probes[0]!).to.be.within(0.9 * MINUTE_US, 2.1 * MINUTE_US);
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
