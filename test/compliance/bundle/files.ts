/** The boot file system. */
import { between, equal, fail, holds, loose, test, throws } from "./harness.ts";
import type { Test } from "./harness.ts";

function read(name: string): Uint8Array {
  return new Uint8Array(host.rootfsRead(name) ?? fail(`${name} is missing`));
}

/** CRC-32/ISO-HDLC. */
function crc32(bytes: Uint8Array): number {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let value = i;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    table[i] = value;
  }
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

export const fileTests: readonly Test[] = [
  test("rootfsList names the files in archive order, checksums first", () => {
    const names = host.rootfsList();
    equal(names[0], "crc32", "the first file");
    for (const name of ["build.json", "engine.conf", "main.lines", "manifest.json", "pong.elf"]) {
      holds(names.includes(name), `${name} is missing`);
    }
    equal(new Set(names).size, names.length, "different names");
    equal(names.slice(1).join(), names.slice(1).sort().join(), "order");
  }),
  test("every file is what its checksum says", () => {
    const sums = read("crc32");
    const lines = host.utf8Decode(sums, 0, sums.length).trimEnd().split("\n");
    equal(lines.length, host.rootfsList().length - 1, "checksums");
    for (const line of lines) {
      const sum = line.slice(0, 8);
      const name = line.slice(9);
      equal(crc32(read(name)).toString(16).padStart(8, "0"), sum, name);
    }
  }),
  test("engine.conf says how large the heap is", () => {
    const text = host.utf8Decode(read("engine.conf"), 0, read("engine.conf").length);
    const bytes = Number(/^heap=(\d+)\n$/.exec(text)?.[1]);
    // An allocator may need a little of it for itself.
    between(host.memory().heapLimit, 0.99 * bytes, bytes, "heapLimit");
  }),
  test("rootfsRead takes no JavaScript heap for a file's content", () => {
    const { byteLength } = host.rootfsRead("pong.elf") ?? fail("pong.elf is missing");
    const before = host.memory().heapUsed;
    const kept = [read("pong.elf"), read("pong.elf"), read("pong.elf"), read("pong.elf")];
    holds(host.memory().heapUsed - before < byteLength, "the content was copied into the heap");
    equal(kept.length, 4, "files");
  }),
  test("rootfsRead gives null for a file that there is not, and wants a string", () => {
    equal(host.rootfsRead("no-such-file"), null, "no-such-file");
    equal(host.rootfsRead(""), null, "an empty name");
    equal(host.rootfsRead("pong"), null, "a beginning of a name");
    throws("TypeError", "rootfsRead", () => loose("rootfsRead")(1), "a number");
    throws("TypeError", "rootfsRead", () => loose("rootfsRead")(), "nothing");
  }),
];
