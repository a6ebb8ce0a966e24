import { expect } from "chai";
import * as fc from "fast-check";
import { Entries } from "../../../services/secure9p/entries.ts";
import { Span } from "../../../services/secure9p/wire.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";
import { emit, integer } from "./layouts.ts";

const entry = (name: string | Uint8Array, offset = 2, path = 3): number[] => {
  const bytes = typeof name === "string" ? utf8(name) : name;
  return [...emit("13", { type: 128, version: 1, path }), ...integer(offset, 8), 4, ...emit("s", [...bytes])];
};

function read(data: readonly number[]): [string[], boolean] {
  const entries = new Entries(nodeBytes);
  const span = new Span();
  span.set(Uint8Array.from([9, ...data, 9]), 1, data.length);
  entries.begin(span);
  const seen: string[] = [];
  while (entries.next()) {
    const { type, version, path } = entries.qid;
    seen.push(`${entries.name.text(nodeBytes)} ${type} ${version} ${path} ${entries.offset} ${entries.type}`);
  }
  return [seen, entries.failed];
}

describe("Entries", () => {
  it("reads each field of each entry", () => {
    expect(read([...entry("a"), ...entry("größe", 5, 6)])).to.deep.equal([
      ["a 128 1 3 2 4", "größe 128 1 6 5 4"],
      false,
    ]);
    expect(read([])).to.deep.equal([[], false]);
  });

  it("stops at one that is cut, and says so", () => {
    const whole = entry("name");
    for (let length = 1; length < whole.length; length++) {
      expect(read([...entry("a"), ...whole.slice(0, length)])).to.deep.equal([["a 128 1 3 2 4"], true]);
    }
  });

  it("refuses names that a directory cannot have, and numbers that are not exact", () => {
    for (const name of ["", "a/b", "a\0b", "x".repeat(256), Uint8Array.of(0xff)]) {
      expect(read(entry(name))).to.deep.equal([[], true]);
    }
    const inexact = entry("a");
    inexact.fill(255, 13, 21);
    expect(read(inexact)).to.deep.equal([[], true]);
    const lost = entry("a");
    lost.fill(255, 5, 13);
    expect(read(lost)).to.deep.equal([[], true]);
  });

  it("takes any bytes", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 120 }), (data) => void read(data)));
  });
});
