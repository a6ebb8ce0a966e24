import { expect } from "chai";
import { connectionLines, tcpPools } from "../../../../services/net/tcp/report.ts";
import {
  PEER_PORT,
  socketCloseWait,
  socketEstablished,
  socketFinWait1,
  socketLastAck,
  socketListen,
  socketSynReceived,
  socketSynSent,
  TcpRig,
} from "./fixture.ts";

/** The numbers of a line by their names. */
function fields(line: string): Record<string, number> {
  const found = [...line.matchAll(/(\w+)=(\S+)/g)];
  return Object.fromEntries(found.map(([, name = "", value]) => [name, Number(value)] as const));
}

function connection(rig: TcpRig): Record<string, number> {
  const lines = connectionLines(rig.tcp, rig.net.own.address);
  expect(lines).to.have.length(1);
  return fields(lines[0]!);
}

/** Use, mark and refusals of a pool. */
function pool(rig: TcpRig, name: string): [used: number, of: number, peak: number, times: number] {
  const found = tcpPools(rig.tcp).find(([other]) => other === name);
  if (found === undefined) throw new Error(`no pool ${name}`);
  return [found[2], found[3], found[4], found[6]];
}

describe("TCP's reports", () => {
  it("show who is connected, in what state, and how far each side is", () => {
    const rig = socketEstablished();
    const [line] = connectionLines(rig.tcp, rig.net.own.address);
    expect(line).to.match(
      new RegExp(`^connection 0 10\\.0\\.2\\.15:31337 10\\.0\\.2\\.77:${PEER_PORT} established una=1 nxt=1 wnd=8192 `),
    );
    rig.write(100);
    rig.peer({ seq: 1, ack: 1, data: [1, 2, 3] });
    expect(connection(rig)).to.include({
      una: 1,
      nxt: 101,
      rcv_nxt: 4,
      bytes_in: 3,
      bytes_out: 0,
      unread: 3,
      unacked: 100,
    });
    rig.peer({ seq: 4, ack: 101 });
    expect(connection(rig)).to.include({ una: 101, nxt: 101, bytes_out: 100, unacked: 0, resent: 0, gaps: 0 });
  });

  const states = {
    socketSynSent,
    socketSynReceived,
    socketEstablished,
    socketFinWait1,
    socketCloseWait,
    socketLastAck,
  };
  for (const [name, make] of Object.entries(states)) {
    it(`tell nobody the sequence numbers that a forged segment would need (${name})`, () => {
      const rig = make();
      for (let ended = 0; ended < 2; ended++) {
        const shown = Object.values(connection(rig)).filter((value) => value !== Infinity);
        expect(shown.length).to.be.greaterThan(12);
        for (const value of shown) expect(value).to.be.within(0, 100_000_000);
        rig.peer({ seq: 1, ack: 1, flags: "R" });
        rig.wait(200_000_000);
        // What is over and still held shows what it had.
        if (connectionLines(rig.tcp, 0).length === 0) break;
      }
    });
  }

  it("count what a connection sends again, and what is behind a gap", () => {
    const rig = socketEstablished();
    rig.write(100);
    rig.wait(2_000_000);
    rig.peer({ seq: 11, ack: 1, data: [1, 2] });
    const shown = connection(rig);
    expect(shown["resent"]).to.be.at.least(1);
    expect(shown["rto_us"]).to.be.greaterThan(0);
    expect(shown["ssthresh"]).to.be.lessThan(Infinity);
    expect(shown["gaps"]).to.equal(1);
  });

  it("have a line for each connection in use and none for others", () => {
    const rig = socketListen();
    expect(connectionLines(rig.tcp, rig.net.own.address)).to.deep.equal([]);
    const own = socketEstablished();
    own.socket!.abort();
    own.serve();
    expect(connectionLines(own.tcp, own.net.own.address)).to.deep.equal([]);
  });

  it("have as many bytes as connections may take, whatever is in use", () => {
    const small = new TcpRig({
      sockets: 4,
      receiveBytes: 1024,
      sendBytes: 2048,
      segments: 8,
      halfOpen: 2,
      timeWait: 2,
    });
    const bytes = Object.fromEntries(tcpPools(small.tcp).map(([name, size]) => [name, size]));
    expect(bytes).to.include({
      "tcp.receive": 4096,
      "tcp.send": 8192,
      "tcp.gaps": 4 * 32 * 16,
      "tcp.segments": 4 * 8 * 37,
    });
  });

  it("move with what buffers hold, keep the mark, and count what they refused", () => {
    const rig = socketEstablished({ receiveBytes: 256, sendBytes: 256 });
    expect(pool(rig, "tcp.receive")).to.deep.equal([0, 256, 0, 0]);
    rig.peer({ seq: 1, ack: 1, data: Array<number>(200).fill(1) });
    expect(pool(rig, "tcp.receive")).to.deep.equal([200, 256, 200, 0]);
    rig.peer({ seq: 201, ack: 1, data: Array<number>(100).fill(1) });
    expect(pool(rig, "tcp.receive")).to.deep.equal([256, 256, 256, 1]);
    rig.socket!.skip(256);
    expect(pool(rig, "tcp.receive")).to.deep.equal([0, 256, 256, 1]);
    expect(rig.write(300)).to.equal(256);
    expect(pool(rig, "tcp.send")).to.deep.equal([256, 256, 256, 1]);
    expect(pool(rig, "tcp.segments")[0]).to.be.at.least(1);
    rig.peer({ seq: 257, ack: 257 });
    expect(pool(rig, "tcp.send")).to.deep.equal([0, 256, 256, 1]);
  });

  it("count gaps up to their bound", () => {
    const rig = socketEstablished();
    for (let i = 0; i < 40; i++) rig.peer({ seq: 3 + 2 * i, ack: 1, data: [1] });
    expect(pool(rig, "tcp.gaps")).to.deep.equal([32, 32, 32, 8]);
  });

  it("count handshakes, and those that got a cookie because there was no place", () => {
    const rig = new TcpRig({ halfOpen: 2 });
    for (let i = 0; i < 5; i++) rig.peer({ seq: 0, flags: "S", ports: [PEER_PORT + i, 31337] });
    expect(pool(rig, "tcp.half_open")).to.deep.equal([2, 2, 2, 3]);
    rig.wait(20_000_000);
    expect(pool(rig, "tcp.half_open")).to.deep.equal([0, 2, 2, 3]);
  });

  it("count finished handshakes that wait, and those that found no place", () => {
    const rig = new TcpRig({ sockets: 2 });
    for (let i = 0; i < 3; i++) {
      const ports: [number, number] = [PEER_PORT + i, 31337];
      rig.peer({ seq: 0, flags: "S", ports });
      rig.peer({ seq: 1, ack: 1, ports });
    }
    expect(pool(rig, "tcp.backlog")).to.deep.equal([2, 2, 2, 1]);
    expect(pool(rig, "tcp.sockets")).to.deep.equal([2, 2, 2, 0]);
    rig.listener.accept();
    expect(pool(rig, "tcp.backlog")).to.deep.equal([1, 2, 2, 1]);
  });
});
