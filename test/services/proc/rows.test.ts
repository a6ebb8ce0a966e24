import { expect } from "chai";
import { groups, poolLine, row, snake } from "../../../services/proc/rows.ts";

describe("report rows", () => {
  it("name things in lower case with underscores", () => {
    expect(["workersRefused", "mss", "rcvNxt"].map(snake)).to.deep.equal(["workers_refused", "mss", "rcv_nxt"]);
  });

  it("show numbers and leave out what is none", () => {
    expect(row("device", { rxFrames: 3, name: "x", more: { a: 1 }, txFull: 0 })).to.equal(
      "device rx_frames=3 tx_full=0",
    );
    expect(row("arp", { arpOne: 1, other: 2 }, (key) => key.startsWith("arp"))).to.equal("arp arp_one=1");
  });

  it("give each group of counters a line of its own", () => {
    expect(groups("tcp", { segments: 1, timeWait: { made: 2 }, taken: { reset: 3 } })).to.deep.equal([
      "tcp segments=1",
      "tcp.time_wait made=2",
      "tcp.taken reset=3",
    ]);
  });

  it("end a pool's line with what it does when it is full", () => {
    expect(poolLine(["log.boot", 4096, 1, 2, 3, "overwritten", 4])).to.equal(
      "pool log.boot bytes=4096 used=1 of=2 peak=3 overwritten=4",
    );
  });
});
