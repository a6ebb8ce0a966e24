/** The boot files of a simulated machine: the same names and order as in the boot image's archive, checksums first. */
import { crc32 } from "../../scripts/lib/crc32.ts";
import { PONG } from "./components/pong.ts";

/** Files that every machine has, beside those of the caller. */
const STAND_INS: Readonly<Record<string, Uint8Array>> = { "pong.elf": Buffer.from(PONG, "utf8") };

/** @returns the files in archive order: `crc32`, then the others by name. */
export function makeRootfs(files: Readonly<Record<string, Uint8Array | string>>): Map<string, Uint8Array> {
  const entries = Object.entries({ ...STAND_INS, ...files })
    .map(([name, data]): [string, Uint8Array] => [name, typeof data === "string" ? Buffer.from(data, "utf8") : data])
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const sums = entries.map(([name, data]) => `${crc32(data).toString(16).padStart(8, "0")} ${name}\n`);
  return new Map([["crc32", Buffer.from(sums.join(""), "utf8")], ...entries]);
}
