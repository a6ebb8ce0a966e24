import { expect } from "chai";
import { SessionTree } from "../../../services/ninedoor/attach.ts";
import { Udp } from "../../../services/net/udp.ts";
import { addReport } from "../../../services/proc/files.ts";
import { networkReports } from "../../../services/proc/network.ts";
import { Session } from "../../../services/secure9p/session.ts";
import { PEER_PORT, PORT, TcpRig } from "../net/tcp/fixture.ts";
import { bytes } from "../net/fixture.ts";
import { Hive, Visitor } from "../ninedoor/support.ts";
import { nodeBytes } from "../support/ports.ts";

/** As many connections as the largest manifest allows. */
const CONNECTIONS = 88;

describe("reports as files", () => {
  const rig = new TcpRig({ sockets: CONNECTIONS });
  const hive = new Hive();
  const visit = (msize: number): Visitor => {
    const tree = new SessionTree(hive.view("observer"), hive.namespace.counters);
    return new Visitor(new Session({ tree, bytes: nodeBytes, msize }));
  };
  const port = Object.assign(rig.port, { linkChanges: 1, queues: () => [] });
  const reports = networkReports(port, {
    link: rig.net,
    tcp: rig.tcp,
    udp: new Udp(rig.net, bytes),
    dhcp: undefined,
    address: "10.0.2.15/24",
    leaseLines: () => [],
  });

  before(() => {
    for (let i = 0; i < CONNECTIONS; i++) {
      const ports: [number, number] = [PEER_PORT + i, PORT];
      rig.peer({ seq: 0, flags: "S", ports });
      rig.peer({ seq: 1, ack: 1, ports });
      rig.listener.accept();
    }
    for (const [name, lines] of Object.entries(reports)) addReport(hive.namespace, `report/${name}`, lines);
  });

  it("can be read whole in the smallest frames, though they are large", () => {
    const whole = reports["tcp"]!().join("\n") + "\n";
    expect(whole.match(/^connection /gm)).to.have.length(CONNECTIONS);
    expect(whole.length).to.be.greaterThan(16_384);
    for (const msize of [512, 8192]) {
      const visitor = visit(msize);
      const fid = visitor.opened("/proc/report/tcp");
      let read = "";
      for (let part = "more"; part !== ""; read += part) {
        part = visitor.read(fid, read.length, msize - 11);
        expect(part).to.not.match(/^!/);
      }
      expect(read, `msize ${msize}`).to.equal(whole);
      expect(visitor.cat("/proc/report/tcp"), `msize ${msize}`).to.equal(whole);
    }
  });

  it("have lines that a console shows in one piece", () => {
    for (const lines of Object.values(reports)) {
      for (const line of lines()) expect(line.length).to.be.below(512);
    }
  });

  it("are one text from open to close, whatever changes meanwhile", () => {
    const visitor = visit(512);
    const fid = visitor.opened("/proc/report/tcp");
    const whole = reports["tcp"]!().join("\n") + "\n";
    const first = visitor.read(fid, 0, 501);
    rig.peer({ seq: 1, ack: 1, data: [1, 2, 3], ports: [PEER_PORT, PORT] });
    expect(reports["tcp"]!().join("\n") + "\n").to.not.equal(whole);
    expect(first + visitor.read(fid, 501, 501)).to.equal(whole.slice(0, 1002));
  });
});
