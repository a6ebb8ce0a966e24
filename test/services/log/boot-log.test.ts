import { expect } from "chai";
import fc from "fast-check";
import { BootLog, LogReader } from "../../../services/log/boot-log.ts";
import { stamp } from "../../../services/log/line-log.ts";
import { ManualClock, nodeBytes, text } from "../support/ports.ts";

function setup(ringBytes = 256, lineBytes = 64) {
  const clock = new ManualClock();
  const log = new BootLog({ clock, bytes: nodeBytes, ringBytes, lineBytes });
  const into = new Uint8Array(lineBytes);
  const next = (reader: LogReader): string | undefined => {
    const length = reader.next(into);
    return length < 0 ? undefined : text(into.subarray(0, length));
  };
  return { clock, log, next };
}

describe("boot log", () => {
  it("stamps lines with seconds and microseconds", () => {
    expect(stamp(0)).to.equal("[   0.000000]");
    expect(stamp(123_456)).to.equal("[   0.123456]");
    expect(stamp(86_400_000_001)).to.equal("[86400.000001]");
  });

  it("keeps lines with their time and subsystem", () => {
    const { clock, log, next } = setup();
    const reader = new LogReader(log);
    clock.us = 1_500_000;
    log.line("net", "link up");
    log.print("banner");
    expect(next(reader)).to.equal("[   1.500000] net: link up");
    expect(next(reader)).to.equal("banner");
    expect(next(reader)).to.equal(undefined);
  });

  it("lets no text begin a line of its own or move the cursor", () => {
    const { log, next } = setup();
    const reader = new LogReader(log);
    log.line("client", "a\n[0] pump: forged\r\x1b[2K\0\u0085\u2028b");
    expect(next(reader)).to.equal("[   0.000000] client: a?[0] pump: forged??[2K???b");
    expect(reader.waiting).to.equal(false);
  });

  it("cuts a line at the limit with a mark and counts it", () => {
    const { log, next } = setup(256, 20);
    const reader = new LogReader(log);
    log.print("x".repeat(20));
    expect(log.cut).to.equal(0);
    log.print("x".repeat(21));
    expect(log.cut).to.equal(1);
    expect(next(reader)).to.equal("x".repeat(20));
    expect(next(reader)).to.equal(`${"x".repeat(17)}…`);
  });

  it("cuts between characters, for any text, never above the limit", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), (line) => {
        const { log, next } = setup(512, 40);
        const reader = new LogReader(log);
        log.print(line);
        const kept = next(reader)!;
        const clean = new TextDecoder().decode(new TextEncoder().encode(line.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, "?")));
        if (log.cut === 0) expect(kept).to.equal(clean);
        else {
          expect(kept.endsWith("…")).to.equal(true);
          expect(clean.startsWith(kept.slice(0, -1))).to.equal(true);
          expect(Buffer.byteLength(clean)).to.be.greaterThan(40);
        }
        expect(Buffer.byteLength(kept)).to.be.at.most(40);
      }),
    );
  });

  it("forgets the oldest lines when full, whole ones only, and tells the reader what it lost", () => {
    const { log, next } = setup(50, 20);
    const reader = new LogReader(log);
    for (let i = 0; i < 10; i++) log.print(`line number ${i}`);
    // 14 bytes each with their newline: three fit.
    expect(log.end - log.start).to.equal(42);
    expect(log.overwritten).to.equal(98);
    expect(reader.skipGap()).to.equal(98);
    expect(reader.lost).to.equal(98);
    expect([next(reader), next(reader), next(reader), next(reader)]).to.deep.equal([
      "line number 7",
      "line number 8",
      "line number 9",
      undefined,
    ]);
    expect(reader.skipGap()).to.equal(0);
  });

  it("gives a reader that keeps up every line once, in order, through any number of wraps", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 30 }), { maxLength: 200 }), (lengths) => {
        const { log, next } = setup(100, 40);
        const reader = new LogReader(log);
        lengths.forEach((length, index) => {
          const line = String(index).padEnd(length, ".");
          log.print(line);
          expect(reader.skipGap()).to.equal(0);
          expect(next(reader)).to.equal(line);
        });
      }),
    );
  });
});
