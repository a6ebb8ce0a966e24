/**
 * From a source map to the small table by which an engine turns bundle lines in a stack into TypeScript
 * lines. Layout, little-endian: "LINE", u32 number of files, their NUL-terminated names, zeros to a multiple
 * of 4, u32 number of lines, then for each bundle line from 1 on u16 file (0xffff none) and u16 line.
 */
export interface SourceMap {
  readonly sources: readonly (string | null)[];
  readonly mappings: string;
}

export interface LineTable {
  readonly files: readonly string[];
  /** Index 0 is bundle line 1. */
  readonly lines: readonly { readonly file: number; readonly line: number }[];
}

const none = 0xffff;
const magic = "LINE";
const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The numbers of one mapping segment (source map specification, Base64 VLQ). */
function segmentNumbers(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = base64.indexOf(character);
    if (digit < 0) throw new Error(`line table: "${character}" in the source map's mappings`);
    value += (digit & 31) << shift;
    if (digit & 32) {
      shift += 5;
      continue;
    }
    numbers.push(value & 1 ? -(value >>> 1) : value >>> 1);
    value = 0;
    shift = 0;
  }
  if (shift !== 0) throw new Error("line table: the source map's mappings end within a number");
  return numbers;
}

/**
 * A bundle line belongs to the source line of its first mapped segment.
 * @param rename turns a source as the map names it into the name to print
 */
export function lineTableFromMap(map: SourceMap, rename: (source: string) => string): LineTable {
  const files = map.sources.map((source) => rename(source ?? ""));
  const lines: { file: number; line: number }[] = [];
  let source = 0;
  let sourceLine = 0;
  for (const group of map.mappings.split(";")) {
    let first: { file: number; line: number } | undefined;
    for (const segment of group.split(",")) {
      if (segment === "") continue;
      const [, sourceDelta, lineDelta] = segmentNumbers(segment);
      if (sourceDelta === undefined || lineDelta === undefined) continue;
      source += sourceDelta;
      sourceLine += lineDelta;
      first ??= { file: source, line: sourceLine + 1 };
    }
    lines.push(first ?? { file: none, line: 0 });
  }
  return { files, lines };
}

/** @throws Error if a file or line number does not fit 16 bits. */
export function encodeLineTable(table: LineTable): Uint8Array {
  const names = Buffer.from(table.files.map((file) => `${file}\0`).join(""), "utf8");
  const linesAt = (8 + names.length + 3) & ~3;
  const bytes = Buffer.alloc(linesAt + 4 + table.lines.length * 4);
  bytes.write(magic, 0, "latin1");
  bytes.writeUInt32LE(table.files.length, 4);
  names.copy(bytes, 8);
  bytes.writeUInt32LE(table.lines.length, linesAt);
  table.lines.forEach((line, index) => {
    if (line.line > 0xffff || (line.file >= table.files.length && line.file !== none)) {
      throw new Error(`line table: line ${line.line} of file ${line.file} does not fit`);
    }
    bytes.writeUInt16LE(line.file, linesAt + 4 + index * 4);
    bytes.writeUInt16LE(line.line, linesAt + 6 + index * 4);
  });
  return new Uint8Array(bytes);
}

/** @throws Error if the bytes are no line table. */
export function decodeLineTable(bytes: Uint8Array): LineTable {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length < 12 || buffer.toString("latin1", 0, 4) !== magic) throw new Error("line table: no LINE header");
  const files: string[] = [];
  let at = 8;
  for (let left = buffer.readUInt32LE(4); left > 0; left--) {
    const end = buffer.indexOf(0, at);
    if (end < 0) throw new Error("line table: ends within a file name");
    files.push(buffer.toString("utf8", at, end));
    at = end + 1;
  }
  at = (at + 3) & ~3;
  const count = at + 4 <= buffer.length ? buffer.readUInt32LE(at) : -1;
  if (count < 0 || at + 4 + count * 4 !== buffer.length) throw new Error("line table: its length is not what it says");
  const lines = Array.from({ length: count }, (_, index) => ({
    file: buffer.readUInt16LE(at + 4 + index * 4),
    line: buffer.readUInt16LE(at + 6 + index * 4),
  }));
  return { files, lines };
}
