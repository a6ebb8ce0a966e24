import { expect } from "chai";
import { SerialLine } from "../../../engine/sim/serial.ts";

const MEBIBYTE = 1024 * 1024;

describe("serial line, the host's end", () => {
  it("hands bytes to the guest in order and says when none waits", () => {
    const line = new SerialLine();
    expect(line.write(Uint8Array.of(1, 2, 3))).to.equal(3);
    expect(line.pending).to.equal(3);
    expect([line.nextInput(), line.nextInput(), line.nextInput(), line.nextInput()]).to.deep.equal([1, 2, 3, -1]);
  });

  it("takes a bounded number of bytes and says how many", () => {
    const line = new SerialLine();
    expect(line.write(new Uint8Array(MEBIBYTE - 1))).to.equal(MEBIBYTE - 1);
    expect(line.writable).to.equal(1);
    expect(line.write(Uint8Array.of(8, 9))).to.equal(1);
    expect(line.write(Uint8Array.of(9))).to.equal(0);
    line.nextInput();
    expect(line.write(Uint8Array.of(10))).to.equal(1);
    for (let i = 0; i < MEBIBYTE - 2; i++) line.nextInput();
    expect([line.nextInput(), line.nextInput(), line.nextInput()]).to.deep.equal([8, 10, -1]);
  });

  it("collects a bounded number of the guest's bytes, and goes on when they are read", () => {
    const line = new SerialLine();
    let reads = 0;
    line.onRead = () => reads++;
    let taken = 0;
    for (let i = 0; i < MEBIBYTE; i++) if (line.output(i & 0xff)) taken++;
    expect(taken).to.equal(MEBIBYTE);
    expect(line.output(0)).to.equal(false);
    expect(line.readable).to.equal(MEBIBYTE);
    const bytes = line.read();
    expect(bytes.length).to.equal(MEBIBYTE);
    expect(bytes.every((byte, i) => byte === (i & 0xff))).to.equal(true);
    expect(reads).to.equal(1);
    expect(line.output(7)).to.equal(true);
    expect([...line.read()]).to.deep.equal([7]);
    expect(line.sent).to.equal(MEBIBYTE + 1);
  });
});
