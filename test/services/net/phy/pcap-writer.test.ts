import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { PcapWriter, type PcapSink } from "../../../../services/net/phy/pcap-writer.ts";
import type { WallClock } from "../../../../services/ports/index.ts";
import {
  arpPacket,
  BROADCAST_MAC,
  bytes,
  ethernet,
  FakeClock,
  icmpMessage,
  ipv4Frame,
  OWN_IP,
  PEER_IP,
  PEER_MAC,
} from "../fixture.ts";
import { MemoryPort } from "./memory-port.ts";

const ping = ipv4Frame(icmpMessage(8, 0, [0, 7, 0, 9, 1, 2, 3]));
const arp = ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, arpPacket(1, PEER_MAC, PEER_IP, [0, 0, 0, 0, 0, 0], OWN_IP));

class Rig {
  readonly clock = new FakeClock();
  readonly below = new MemoryPort();
  readonly file: number[] = [];
  readonly port: PcapWriter;

  constructor(sink?: PcapSink, wallClock?: WallClock) {
    const collect: PcapSink = (block, start, length) => this.file.push(...block.subarray(start, start + length)) > 0;
    const { clock } = this;
    const options = { port: this.below, clock, bytes, sink: sink ?? collect };
    this.port = new PcapWriter(wallClock === undefined ? options : { ...options, wallClock });
  }

  receive(frame: number[]): void {
    this.below.deliver(frame);
    expect(this.port.receive()).to.equal(true);
    this.port.receive();
    this.port.release();
  }

  send(frame: number[]): void {
    this.port.reserve();
    this.port.tx.set(frame, this.port.txStart);
    this.port.commit(frame.length);
  }
}

describe("PcapWriter", () => {
  it("writes nothing before the first frame, then the file's head once", () => {
    const rig = new Rig();
    expect(rig.file).to.deep.equal([]);
    rig.send(ping);
    rig.send(ping);
    const head = Buffer.from(rig.file);
    expect(head.subarray(0, 4).toString("hex")).to.equal("0a0d0d0a");
    expect(head.readUInt32LE(8)).to.equal(0x1a2b3c4d);
    expect(head.indexOf(Buffer.from([0x0a, 0x0d, 0x0d, 0x0a]), 4)).to.equal(-1);
    expect([rig.port.written, rig.port.refused]).to.deep.equal([2, 0]);
  });

  it("writes a frame with time, length and direction, padded to four bytes", () => {
    const rig = new Rig(undefined, { unixSeconds: () => 1_767_225_600 });
    rig.clock.us += 123_456;
    rig.receive(ping.slice(0, 43));
    const block = Buffer.from(rig.file).subarray(48);
    expect(block.readUInt32LE(0)).to.equal(6);
    expect(block.readUInt32LE(4)).to.equal(block.length);
    const us = block.readUInt32LE(12) * 2 ** 32 + block.readUInt32LE(16);
    expect(us).to.equal(1_767_225_600_000_000 + 123_456);
    expect([block.readUInt32LE(20), block.readUInt32LE(24)]).to.deep.equal([43, 43]);
    expect([...block.subarray(28, 71)]).to.deep.equal(ping.slice(0, 43));
    expect([...block.subarray(71)]).to.deep.equal([0, 2, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, block.length, 0, 0, 0]);
  });

  it("counts what the sink refuses, and leaves a file that has its head or nothing", () => {
    const taken: number[] = [];
    let room = 0;
    const rig = new Rig((block, start, length) => {
      if (taken.length + length > room) return false;
      taken.push(...block.subarray(start, start + length));
      return true;
    });
    rig.send(ping);
    expect([rig.port.written, rig.port.refused, taken.length]).to.deep.equal([0, 1, 0]);
    room = 48 + 200;
    rig.send(ping);
    rig.send(ping);
    rig.send(ping);
    expect([rig.port.written, rig.port.refused]).to.deep.equal([2, 2]);
    expect(taken.length).to.equal(48 + 2 * 92);
  });

  it("is read by tshark, every frame with its direction and time", function () {
    this.timeout(60_000);
    if (spawnSync("tshark", ["--version"]).status !== 0) this.skip();
    const rig = new Rig(undefined, { unixSeconds: () => 1_767_225_600 });
    rig.receive(arp);
    rig.clock.us += 1_500_000;
    rig.send(ping);
    rig.clock.us += 250_000;
    rig.receive(ping.slice(0, 20));
    const folder = mkdtempSync(join(tmpdir(), "pcap-test-"));
    try {
      const path = join(folder, "frames.pcapng");
      writeFileSync(path, Uint8Array.from(rig.file));
      const fields = ["frame.time_epoch", "frame.len", "frame.packet_flags_direction", "_ws.col.Protocol", "icmp.seq"];
      const tshark = spawnSync(
        "tshark",
        ["-r", path, "-T", "fields", "-E", "separator=|", ...fields.flatMap((field) => ["-e", field])],
        { encoding: "utf8" },
      );
      expect(tshark.status, tshark.stderr).to.equal(0);
      const rows = tshark.stdout.trim().split("\n");
      expect(rows.length).to.equal(3);
      expect(rows[0]).to.match(/^1767225600\.000000000\|42\|(0x0+1|1)\|ARP\|$/);
      expect(rows[1]).to.match(/^1767225601\.500000000\|45\|(0x0+2|2)\|ICMP\|9$/);
      expect(rows[2]).to.match(/^1767225601\.750000000\|20\|(0x0+1|1)\|/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
