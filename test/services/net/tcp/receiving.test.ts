import { expect } from "chai";
import { socketEstablished, socketModern } from "./fixture.ts";

describe("TCP, receiving", () => {
  it("acknowledges a pushed segment in the turn in which it came, or with the answer to it", () => {
    const rig = socketEstablished();
    expect(rig.peer({ ack: 1, flags: "P", data: [1, 2] }).map(({ ack }) => ack)).to.deep.equal([3]);
    rig.port.incoming.push(rig.frame({ seq: 3, ack: 1, flags: "P", data: [3] }));
    rig.net.poll(64);
    rig.socket!.write(Uint8Array.of(1), 0, 1);
    rig.serve();
    expect(rig.sent()).to.deep.equal([{ seq: 1, ack: 4, flags: "P", window: 16_381, length: 1 }]);
  });

  it("delays the acknowledgement of another by 40 ms, and acknowledges every second full one", () => {
    const rig = socketEstablished();
    expect(rig.peer({ ack: 1, data: Array<number>(100).fill(1) })).to.deep.equal([]);
    expect(rig.wait(39_999)).to.deep.equal([]);
    expect(rig.wait(1).map(({ ack }) => ack)).to.deep.equal([101]);
    const full = Array<number>(1460).fill(1);
    expect(rig.peer({ seq: 101, ack: 1, data: full })).to.deep.equal([]);
    expect(rig.peer({ seq: 1561, ack: 1, data: full }).map(({ ack }) => ack)).to.deep.equal([3021]);
  });

  it("tells of every segment behind a gap at once, and what it has (RFC 2018)", () => {
    const rig = socketModern();
    const [first] = rig.peer({ seq: 11, ack: 1, data: [1] });
    expect([first?.ack, first?.sacks]).to.deep.equal([1, [[11, 12]]]);
    const [second] = rig.peer({ seq: 21, ack: 1, data: [2] });
    expect(second?.sacks).to.deep.equal([
      [21, 22],
      [11, 12],
    ]);
    rig.peer({ seq: 31, ack: 1, data: [3] });
    const [fourth] = rig.peer({ seq: 41, ack: 1, data: [4] });
    expect(fourth?.sacks?.length, "as many as fit beside timestamps").to.equal(3);
    const [last] = rig.peer({ seq: 1, ack: 1, data: Array<number>(40).fill(9) });
    expect([last?.ack, last?.sacks]).to.deep.equal([42, undefined]);
    expect(rig.read().length).to.equal(41);
  });

  it("tells what came twice (RFC 2883)", () => {
    const rig = socketModern();
    rig.peer({ ack: 1, flags: "P", data: [1, 2, 3] });
    const [again] = rig.peer({ seq: 1, ack: 1, data: [1, 2] });
    expect([again?.ack, again?.sacks]).to.deep.equal([4, [[1, 3]]]);
    const [overlap] = rig.peer({ seq: 2, ack: 1, flags: "P", data: [2, 3, 4] });
    expect([overlap?.ack, overlap?.sacks]).to.deep.equal([5, [[2, 4]]]);
    expect(rig.read()).to.deep.equal([1, 2, 3, 4]);
  });

  it("waits with the peer's FIN until what is before it has come, and takes nothing behind it", () => {
    const rig = socketEstablished();
    rig.peer({ seq: 4, ack: 1, flags: "F", data: [4] });
    rig.peer({ seq: 4, ack: 1, data: [4, 5, 6] });
    expect(rig.socket?.state).to.equal("established");
    expect(rig.peer({ seq: 1, ack: 1, data: [1, 2, 3] }).map(({ ack }) => ack)).to.deep.equal([6]);
    expect(rig.socket?.state).to.equal("close-wait");
    expect(rig.read()).to.deep.equal([1, 2, 3, 4]);
  });

  it("shuts its window when nobody reads, opens it in steps worth a segment, and tells at once", () => {
    const rig = socketEstablished({ receiveBytes: 4000 });
    let seq = 1;
    while (rig.socket!.readable < 4000) {
      const data = Array<number>(Math.min(1460, 4000 - rig.socket!.readable)).fill(1);
      rig.peer({ seq, ack: 1, flags: "P", data });
      seq += data.length;
    }
    expect(rig.peer({ seq, ack: 1, data: [1] }).map(({ ack, window }) => [ack, window])).to.deep.equal([[4001, 0]]);
    expect(rig.tcp.counters.receive.beyondWindow).to.equal(1);
    rig.socket!.read(new Uint8Array(100), 0, 100);
    rig.serve();
    expect(rig.sent(), "100 bytes are not worth telling").to.deep.equal([]);
    rig.socket!.skip(1400);
    rig.serve();
    expect(rig.sent().map(({ window }) => window)).to.deep.equal([1500]);
    expect(() => rig.socket!.skip(4001)).to.throw(RangeError);
  });

  it("takes urgent data for data, in its place (RFC 9293 §3.8.5)", () => {
    const rig = socketEstablished();
    rig.peer({ ack: 1, flags: "U", data: [1, 2, 3] });
    rig.peer({ seq: 4, ack: 1, data: [4] });
    expect(rig.read()).to.deep.equal([1, 2, 3, 4]);
  });

  it("lets what is received be looked at in place", () => {
    const rig = socketEstablished();
    rig.peer({ ack: 1, data: [5, 6, 7] });
    const { memory, head, run } = rig.socket!;
    expect([...memory.subarray(head, head + run)]).to.deep.equal([5, 6, 7]);
    rig.socket!.skip(2);
    expect(rig.read()).to.deep.equal([7]);
  });
});
