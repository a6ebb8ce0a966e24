import { expect } from "chai";
import { VirtioRng } from "../../../../../engine/sim/devices/virtio/rng.ts";
import { Bench, DESC } from "./bench.ts";

function request(seed: string | undefined, ...lengths: number[]): { bytes: Uint8Array[]; bench: Bench; given: number } {
  let rng: VirtioRng | undefined;
  const bench = new Bench((slot) => (rng = new VirtioRng(slot, seed)));
  const [ring] = bench.bringUp(0, 8);
  if (!ring || !rng) throw new Error("no device");
  const addresses = lengths.map((length, index) => {
    const address = bench.place(new Uint8Array(length));
    ring.describe(index, { address, length, flags: DESC.write });
    ring.makeAvailable(index);
    return address;
  });
  bench.notify(0);
  expect(ring.usedIndex).to.equal(lengths.length);
  const bytes = lengths.map((_, index) => bench.bytes(addresses[index] ?? 0, ring.used(index).length));
  return { bytes, bench, given: rng.given };
}

describe("virtio-rng (virtio 1.2 §5.4)", () => {
  it("fills every buffer, says how far, and interrupts", () => {
    const { bytes, bench, given } = request(undefined, 64, 1, 300);
    expect(bytes.map((part) => part.length)).to.deep.equal([64, 1, 300]);
    expect(new Set(bytes[2]).size).to.be.greaterThan(100);
    expect([bench.line, given]).to.deep.equal([true, 365]);
  });

  it("gives other bytes in every run, and the same from the same seed", () => {
    const text = (seed: string | undefined): string => Buffer.from(request(seed, 64).bytes[0] ?? []).toString("hex");
    expect(text(undefined)).not.to.equal(text(undefined));
    expect(text("a")).to.equal(text("a"));
    expect(text("a")).not.to.equal(text("b"));
  });

  it("answers a large request in part", () => {
    expect(request(undefined, 100_000).bytes[0]?.length).to.equal(4096);
  });

  it("needs a reset when it is asked to write what it must not", () => {
    const bench = new Bench((slot) => new VirtioRng(slot, undefined));
    const [ring] = bench.bringUp(0, 8);
    ring?.describe(0, { address: bench.place(new Uint8Array(8)), length: 8 });
    ring?.makeAvailable(0);
    bench.notify(0);
    expect(bench.slot.fault).to.equal("a request for random bytes that the device must not write");
  });
});
