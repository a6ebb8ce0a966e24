/** Peers that break the rules: what they say is counted and costs them, not us. Each is tried in every state in which it can be. */
import { expect } from "chai";
import { connectionLines } from "../../../../services/net/tcp/report.ts";
import type { TcpSettings } from "../../../../services/net/tcp/settings.ts";
import {
  type Fields,
  type Sent,
  socketEstablished,
  socketListen,
  socketModern,
  socketTimeWait,
  STATES,
  type TcpRig,
} from "./fixture.ts";

const EVERY_STATE: typeof STATES = [["listen", socketListen], ...STATES, ["time-wait", socketTimeWait]];
const CONTROLS = ["newreno", "rate"] as const;
const SECOND_US = 1_000_000;
const MINUTE_US = 60 * SECOND_US;

/** State of the connection or of what is left of it. */
function stateOf(rig: TcpRig): (string | number | undefined)[] {
  return [rig.socket?.state, rig.socket?.error, rig.tcp.sockets, rig.tcp.halfOpen, rig.tcp.timeWait];
}

function congestionWindow(rig: TcpRig): number {
  return Number(/ cwnd=(\d+) /.exec(connectionLines(rig.tcp, 0)[0]!)?.[1]);
}

const bytesOf = (sent: Sent[]): number => sent.reduce((sum, { length }) => sum + length, 0);

describe("TCP, a peer that acknowledges what was never sent", () => {
  for (const [name, make] of EVERY_STATE) {
    it(`${name}: changes nothing, and is answered at most once a segment`, () => {
      const rig = make();
      const before = stateOf(rig);
      for (const ack of [1000, 0x40000000, 0x7fffffff, -0x40000000, -70_000]) {
        for (const data of [[], [1, 2, 3]]) expect(rig.peer({ ack, data }).length, `ack ${ack}`).to.be.at.most(1);
      }
      expect(stateOf(rig)).to.deep.equal(before);
      expect(rig.socket?.readable ?? 0).to.equal(0);
      rig.balanced();
    });
  }

  it("frees no byte that is on its way, and each is sent again until it is acknowledged in truth", () => {
    const rig = socketEstablished();
    rig.write(1000);
    expect(bytesOf(rig.sent())).to.equal(1000);
    for (let i = 0; i < 100; i++) rig.peer({ ack: 1002 + i });
    expect(rig.socket?.unacknowledged).to.equal(1000);
    expect(rig.tcp.counters.unsent.challenges).to.be.greaterThan(90);
    rig.sent();
    expect(rig.wait(1_000_000).some(({ seq, length }) => seq === 1 && length > 0)).to.equal(true);
    rig.peer({ ack: 1001 });
    expect(rig.socket?.unacknowledged).to.equal(0);
    rig.balanced();
  });

  for (const control of CONTROLS) {
    it(`${control}: cannot widen the window by acknowledging in crumbs (RFC 3465)`, () => {
      const rig = socketEstablished({ control, sendBytes: 65_536 }, { mss: 1000, window: 60_000 });
      rig.write(60_000);
      const before = congestionWindow(rig);
      for (let ack = 2; ack <= 1001; ack++) rig.peer({ ack, window: 60_000 });
      expect(congestionWindow(rig)).to.be.at.most(before + 1000 + 3000);
      rig.balanced();
    });

    it(`${control}: cannot blow it up by ten thousand duplicates (RFC 5681 §3.2)`, () => {
      const rig = socketEstablished({ control, sendBytes: 65_536 }, { mss: 1000, window: 60_000 });
      rig.write(60_000);
      const first = bytesOf(rig.sent());
      let more = 0;
      for (let i = 0; i < 10_000; i++) more += bytesOf(rig.peer({ ack: 1, window: 60_000 }));
      // What is on its way bounds what can have left the network.
      expect(first + more).to.be.at.most(60_000 + 1000);
      expect(rig.tcp.counters.sent.resent).to.be.at.most(2);
      rig.balanced();
    });
  }
});

describe("TCP, a peer that shrinks its window (RFC 9293 §3.8.6)", () => {
  const open: [Partial<TcpSettings>, Fields] = [{ keepAliveUs: 0 }, { mss: 1000, window: 8000 }];

  it("gets nothing new beyond the new edge, and all of it when the edge goes on", () => {
    const rig = socketEstablished(...open);
    rig.write(3000);
    expect(bytesOf(rig.sent())).to.equal(3000);
    rig.peer({ ack: 1, window: 1500 });
    rig.write(3000);
    expect(rig.sent()).to.deep.equal([]);
    expect(rig.peer({ ack: 3001, window: 500 }), "500 bytes are not worth it").to.deep.equal([]);
    expect(bytesOf(rig.peer({ ack: 3001, window: 3000 }))).to.equal(3000);
    rig.peer({ ack: 6001 });
    expect(rig.socket?.unacknowledged).to.equal(0);
  });

  it("to nothing while data is on its way is asked for as long as it answers, and then loses none", () => {
    const rig = socketEstablished(...open);
    rig.write(3000);
    rig.peer({ ack: 1, window: 0 });
    rig.sent();
    let asked = 0;
    for (let minute = 0; minute < 30; minute++) {
      asked += rig.wait(MINUTE_US).length;
      rig.peer({ ack: 1, window: 0 });
      rig.sent();
    }
    expect(asked).to.be.within(20, 60);
    expect(rig.socket?.state).to.equal("established");
    rig.peer({ ack: 1, window: 8000 });
    // The back-off ends with the first that is acknowledged.
    for (let i = 0; i < 10 && rig.socket?.unacknowledged !== 0; i++) {
      rig.wait(MINUTE_US);
      rig.peer({ ack: Math.min(3001, 1 + 1000 * (i + 1)), window: 8000 });
    }
    expect(rig.socket?.unacknowledged).to.equal(0);
    rig.balanced();
  });

  it("to nothing, and whose answers are lost now and then, is asked all the same", () => {
    const rig = socketEstablished(...open);
    rig.write(3000);
    rig.peer({ ack: 1, window: 0 });
    rig.sent();
    let asked = 0;
    for (let second = 0; second < 3600; second++) {
      for (let sent = rig.wait(SECOND_US).length; sent > 0; sent--) {
        if (asked++ % 3 !== 0) continue;
        rig.peer({ ack: 1, window: 0 });
        rig.sent();
      }
    }
    expect([rig.socket?.state, rig.socket?.error]).to.deep.equal(["established", undefined]);
  });

  it("to nothing and is silent ends the connection", () => {
    const rig = socketEstablished(...open);
    rig.write(3000);
    rig.peer({ ack: 1, window: 0 });
    rig.wait(10 * MINUTE_US);
    expect(rig.socket?.error).to.equal("timed-out");
    expect(rig.tcp.nextUs()).to.equal(Infinity);
  });

  it("and widens it again with every segment makes us send no more than it ever had room for", () => {
    const rig = socketEstablished({ sendBytes: 65_536 }, { mss: 1000, window: 8000 });
    rig.write(60_000);
    let sent = bytesOf(rig.sent());
    for (let i = 0; i < 200; i++) sent += bytesOf(rig.peer({ ack: 1, window: i % 2 === 0 ? 0 : 8000 }));
    expect(sent).to.be.at.most(8000 + 1000);
    rig.balanced();
  });
});

describe("TCP, options that cannot be", () => {
  const bad: [string, number[]][] = [
    ["length 0", [254, 0, 0, 0]],
    ["length 1", [254, 1, 0, 0]],
    ["a length that ends beyond the header", [254, 9, 0, 0]],
    ["a maximum segment size that is cut in two by the header's end", [1, 1, 2, 4]],
    ["timestamps that are cut in two by the header's end", [8, 10, 0, 0, 0, 1, 0, 0]],
    ["ranges that are cut in two by the header's end", [1, 1, 5, 10, 0, 0, 0, 1]],
    ["a kind without a length", [1, 1, 1, 3]],
  ];
  for (const [name, make] of EVERY_STATE) {
    it(`${name}: the segment is dropped whole, and the connection is as it was`, () => {
      for (const [what, options] of bad) {
        const rig = make();
        const before = stateOf(rig);
        const fields: Fields =
          name === "listen"
            ? { flags: "S", seq: 0 }
            : name === "syn-sent"
              ? { flags: "S", seq: 0, ack: 1 }
              : { ack: 1, data: [1, 2, 3] };
        expect(rig.peer({ ...fields, options }), what).to.deep.equal([]);
        expect(stateOf(rig), what).to.deep.equal(before);
        expect(rig.tcp.counters.dropped.options, what).to.equal(1);
        rig.peer(fields);
        expect(rig.tcp.counters.segments - rig.tcp.counters.dropped.options, "the same without them").to.be.at.least(1);
        if (name === "listen") expect(rig.tcp.halfOpen).to.equal(1);
        if (name === "syn-sent" || name === "established") expect(rig.socket?.state).to.equal("established");
        if (name === "established") expect(rig.socket?.readable).to.equal(3);
        rig.balanced();
      }
    });
  }

  it("doubled: the last counts", () => {
    const rig = socketEstablished({}, { options: [2, 4, 0x05, 0xb4, 3, 3, 14, 2, 4, 0x01, 0xf4, 3, 3, 1, 4, 2, 4, 2] });
    rig.peer({ ack: 1, window: 8000 });
    rig.write(1500);
    expect(rig.sent().map(({ length }) => length)).to.deep.equal([500, 500, 500]);
    expect(connectionLines(rig.tcp, 0)[0]).to.contain(" wnd=16000 ");
  });

  it("behind the end of the options are not read, whatever they are", () => {
    const rig = socketEstablished({}, { options: [2, 4, 0x01, 0xf4, 0, 2, 0, 0xff, 8, 10, 1] });
    rig.write(1000);
    expect(rig.sent().map(({ length, stamps }) => [length, stamps])).to.deep.equal([
      [500, undefined],
      [500, undefined],
    ]);
  });

  for (const mss of [0, 1, 63]) {
    it(`a maximum segment size of ${mss} makes us send no crumbs`, () => {
      const rig = socketEstablished({}, { mss });
      rig.write(640);
      expect(rig.sent().map(({ length }) => length)).to.deep.equal(Array<number>(10).fill(64));
    });
  }

  it("that only a SYN may have change nothing later", () => {
    const rig = socketModern();
    rig.peer({ ack: 1, window: 100, mss: 64, scale: 14 });
    rig.write(3000);
    const stamps = 12;
    expect(rig.sent()[0]?.length).to.equal(1460 - stamps);
    expect(connectionLines(rig.tcp, 0)[0]).to.contain(` wnd=${100 << 7} `);
  });
});
