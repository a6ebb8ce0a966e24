/**
 * What every {@link FramePort} has to do, whether it is a driver, a wrapper or a test's own: the suite that all of them run.
 * The peer at the other end of the wire is the test.
 */
import { expect } from "chai";
import type { FramePort } from "../../../../services/ports/index.ts";

/** A port and its peer. */
export interface PortRig {
  readonly port: FramePort;
  /** The peer sends a frame. @returns false if the wire takes no more now. */
  deliver(frame: number[]): boolean;
  /** The peer takes what was flushed: the frames since the last call, in order. */
  collect(): number[][];
  /** The wire holds everything back, or goes on; absent if it cannot. */
  hold?(on: boolean): void;
  /** Pull the plug or put it back; absent if it cannot. */
  setLink?(up: boolean): void;
}

/** Ethernet's header, and how many frames a test of endurance takes. */
const HEADER = 14;
const MANY = 600;

export function patternFrame(length: number, seed: number): number[] {
  return Array.from({ length }, (_, i) => (i * 7 + seed * 13 + (i >> 8)) & 0xff);
}

export function framePortAcceptance(name: string, make: () => PortRig): void {
  describe(`${name} as a FramePort`, () => {
    let rig: PortRig;
    let port: FramePort;
    beforeEach(() => {
      rig = make();
      ({ port } = rig);
    });

    function held(): number[] {
      return [...port.rx.subarray(port.rxStart, port.rxStart + port.rxLength)];
    }

    function take(): number[] | undefined {
      if (!port.receive()) return undefined;
      const frame = held();
      port.release();
      return frame;
    }

    function build(frame: number[]): void {
      port.tx.set(frame, port.txStart);
      port.commit(frame.length);
    }

    function send(frame: number[]): void {
      expect(port.reserve()).to.equal(true);
      build(frame);
    }

    it("has a station's address, an MTU that IPv4 can live with, and a link", () => {
      expect(port.mac.length).to.equal(6);
      expect(port.mac[0]! & 1).to.equal(0);
      expect(port.mtu).to.be.within(68, 65535 - HEADER);
      expect(port.linkUp).to.equal(true);
    });

    it("has no frame where none came, and counts nothing", () => {
      expect([port.receive(), port.receive()]).to.deep.equal([false, false]);
      port.flush();
      expect(rig.collect()).to.deep.equal([]);
      expect(port.counters).to.include({ rxFrames: 0, rxBytes: 0, txFrames: 0, txBytes: 0, txFull: 0 });
    });

    it("hands frames of every length out in order and whole, each until its release", () => {
      const lengths = [HEADER, 15, 60, 64, port.mtu + HEADER - 1, port.mtu + HEADER];
      for (const [i, length] of lengths.entries()) expect(rig.deliver(patternFrame(length, i))).to.equal(true);
      for (const [i, length] of lengths.entries()) {
        expect(port.receive()).to.equal(true);
        const { rxStart, rxLength } = port;
        expect(held()).to.deep.equal(patternFrame(length, i));
        expect(port.receive(), "the same until release").to.equal(true);
        expect([port.rxStart, port.rxLength]).to.deep.equal([rxStart, rxLength]);
        expect(rxStart + rxLength).to.be.at.most(port.rx.length);
        port.release();
        port.flush();
      }
      expect(port.receive()).to.equal(false);
      const total = lengths.reduce((sum, length) => sum + length, 0);
      expect(port.counters).to.include({ rxFrames: lengths.length, rxBytes: total, deviceErrors: 0 });
    });

    it("sends frames of every length in order and whole, at the flush at the latest", () => {
      const lengths = [port.mtu + HEADER, HEADER, 60, port.mtu + HEADER - 1, 61];
      for (const [i, length] of lengths.entries()) send(patternFrame(length, i));
      port.flush();
      expect(rig.collect()).to.deep.equal(lengths.map((length, i) => patternFrame(length, i)));
      const total = lengths.reduce((sum, length) => sum + length, 0);
      expect(port.counters).to.include({ txFrames: lengths.length, txBytes: total });
    });

    it("keeps a reservation, with room for a whole frame, until it is used", () => {
      expect(port.reserve()).to.equal(true);
      const { txStart } = port;
      expect(txStart + port.mtu + HEADER).to.be.at.most(port.tx.length);
      port.flush();
      expect(port.reserve()).to.equal(true);
      expect(port.txStart).to.equal(txStart);
      build(patternFrame(70, 1));
      port.flush();
      expect(rig.collect()).to.deep.equal([patternFrame(70, 1)]);
    });

    it("refuses lengths that are no frame's, and goes on", () => {
      expect(port.reserve()).to.equal(true);
      for (const length of [0, HEADER - 1, port.mtu + HEADER + 1]) {
        expect(() => port.commit(length), String(length)).to.throw(RangeError);
      }
      send(patternFrame(60, 2));
      port.flush();
      expect(rig.collect()).to.deep.equal([patternFrame(60, 2)]);
    });

    it("lets a frame be sent while another is looked at", () => {
      rig.deliver(patternFrame(80, 3));
      expect(port.receive()).to.equal(true);
      send(patternFrame(70, 4));
      port.flush();
      expect(held()).to.deep.equal(patternFrame(80, 3));
      port.release();
      port.flush();
      expect(rig.collect()).to.deep.equal([patternFrame(70, 4)]);
    });

    it(`loses no buffer over ${MANY} frames each way`, () => {
      for (let i = 0; i < MANY; i++) {
        const there = patternFrame(60 + (i % (port.mtu - 50)), i);
        expect(rig.deliver(there)).to.equal(true);
        expect(take()).to.deep.equal(there);
        const back = patternFrame(60 + (i % (port.mtu - 47)), i);
        send(back);
        port.flush();
        expect(rig.collect()).to.deep.equal([back]);
      }
      expect(port.counters).to.include({ rxFrames: MANY, txFrames: MANY, txFull: 0, deviceErrors: 0, resets: 0 });
    });

    it("takes a burst as long as the wire holds, in order", () => {
      let sent = 0;
      while (sent < MANY && rig.deliver(patternFrame(60, sent))) sent++;
      for (let i = 0; i < sent; i++) {
        expect(take(), `frame ${i}`).to.deep.equal(patternFrame(60, i));
        port.flush();
      }
      expect(take()).to.equal(undefined);
    });

    it("says so when its buffers are all out, counts it, and loses none of what it took", function () {
      if (rig.hold === undefined) this.skip();
      rig.hold(true);
      const sent: number[][] = [];
      while (sent.length < 10_000 && port.reserve()) {
        build(patternFrame(60, sent.length));
        sent.push(patternFrame(60, sent.length));
        port.flush();
      }
      expect(sent.length).to.be.within(1, 9999);
      expect(port.counters.txFull).to.be.at.least(1);
      rig.hold(false);
      const got = rig.collect();
      for (let i = 0; i < 100 && got.length < sent.length; i++) {
        port.flush();
        got.push(...rig.collect());
      }
      expect(got).to.deep.equal(sent);
      send(patternFrame(60, 7));
      port.flush();
      expect(rig.collect()).to.deep.equal([patternFrame(60, 7)]);
    });

    it("follows the link", function () {
      if (rig.setLink === undefined) this.skip();
      rig.setLink(false);
      expect(port.linkUp).to.equal(false);
      rig.setLink(true);
      expect(port.linkUp).to.equal(true);
      rig.deliver(patternFrame(60, 8));
      expect(take()).to.deep.equal(patternFrame(60, 8));
    });
  });
}
