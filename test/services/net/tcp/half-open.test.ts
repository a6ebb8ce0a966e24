import { expect } from "chai";
import { socketEstablished, socketListen } from "./fixture.ts";

describe("TCP, floods", () => {
  it("of SYNs never take a socket or a place in the queue, and the table's size bounds memory and answers", () => {
    const rig = socketEstablished({ halfOpen: 16 });
    for (let i = 0; i < 5000; i++) {
      rig.peer({ flags: "S", seq: 0, source: [10, 0, 2, 100 + (i % 100)], ports: [1 + i, 31337], mss: 1460 });
    }
    expect([rig.tcp.halfOpen, rig.tcp.sockets, rig.listener.pending]).to.deep.equal([16, 1, 0]);
    expect(rig.tcp.counters.sent.cookies).to.equal(5000 - 16);
    rig.balanced();
  });

  it("let an honest peer in, by its cookie", () => {
    const rig = socketEstablished({ halfOpen: 1 });
    rig.peer({ flags: "S", seq: 0, ports: [1, 31337] });
    const [cookie] = rig.peer({ flags: "S", seq: 0, ports: [2, 31337], mss: 1450, scale: 7, sackPermitted: true });
    expect(cookie).to.deep.equal({ seq: 0, ack: 1, flags: "S", window: 16_384, length: 0, mss: 1460 });
    rig.peer({ ack: 1, ports: [2, 31337], flags: "P", data: [1, 2, 3] });
    rig.socket = rig.listener.accept();
    expect(rig.read()).to.deep.equal([1, 2, 3]);
    rig.write(1500);
    rig.sent();
    expect(rig.tcp.counters.halfOpen).to.include({ overflowed: 1, cookiesAccepted: 1 });
  });

  it("refuse a cookie that is old, for somebody else, or guessed", () => {
    const rig = socketListen({ halfOpen: 1 });
    rig.peer({ flags: "S", seq: 0, ports: [1, 31337] });
    rig.peer({ flags: "S", seq: 0, ports: [2, 31337] });
    expect(rig.peer({ ack: 1, ports: [3, 31337] }).map(({ flags }) => flags)).to.deep.equal(["R"]);
    expect(rig.peer({ ack: 9, ports: [2, 31337] }).map(({ flags }) => flags)).to.deep.equal(["R"]);
    expect(rig.peer({ seq: 2, ack: 1, ports: [2, 31337] }).map(({ flags }) => flags)).to.deep.equal(["R"]);
    rig.wait(70_000_000);
    expect(rig.peer({ ack: 1, ports: [2, 31337] }).map(({ flags }) => flags)).to.deep.equal(["R"]);
    expect(rig.listener.pending).to.equal(0);
    rig.balanced();
  });

  it("of goodbyes give way to new connections", () => {
    const rig = socketEstablished({ sockets: 2 });
    rig.socket?.close();
    rig.peer({ flags: "S", seq: 0, ports: [2, 31337] });
    rig.peer({ ack: 1, ports: [2, 31337] });
    rig.peer({ flags: "S", seq: 0, ports: [3, 31337] });
    rig.peer({ ack: 1, ports: [3, 31337] });
    expect(rig.listener.pending).to.equal(2);
    expect(rig.tcp.counters.sockets.reclaimed).to.equal(1);
    rig.balanced();
  });
});
