/**
 * From a source map to the small table by which an engine turns bundle lines in a stack into TypeScript
 * lines. Layout, little-endian: "LINE", u32 number of files, their NUL-terminated names, zeros to a multiple
 * of 4, u32 number of bytes that follow, and those: for each bundle line from 1 on a byte, which says how many
 * lines it is below the one before, in the same file, or 0xff and then u16 file (0xffff none) and u16 line.
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
const stepFar = 0xff;
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
  const steps = stepsOf(table);
  const stepsAt = (8 + names.length + 3) & ~3;
  const bytes = Buffer.alloc(stepsAt + 4 + steps.length);
  bytes.write(magic, 0, "latin1");
  bytes.writeUInt32LE(table.files.length, 4);
  names.copy(bytes, 8);
  bytes.writeUInt32LE(steps.length, stepsAt);
  bytes.set(steps, stepsAt + 4);
  return new Uint8Array(bytes);
}

function stepsOf({ files, lines }: LineTable): number[] {
  const steps: number[] = [];
  let last = { file: none, line: 0 };
  for (const at of lines) {
    if (at.line > 0xffff || (at.file >= files.length && at.file !== none)) {
      throw new Error(`line table: line ${at.line} of file ${at.file} does not fit`);
    }
    const step = at.line - last.line;
    if (at.file === last.file && step >= 0 && step < stepFar) steps.push(step);
    else steps.push(stepFar, at.file & 0xff, at.file >> 8, at.line & 0xff, at.line >> 8);
    last = at;
  }
  return steps;
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
  if (count < 0 || at + 4 + count !== buffer.length) throw new Error("line table: its length is not what it says");
  const lines: { file: number; line: number }[] = [];
  let last = { file: none, line: 0 };
  for (at += 4; at < buffer.length;) {
    const step = buffer[at++]!;
    if (step !== stepFar) last = { file: last.file, line: last.line + step };
    else {
      if (at + 4 > buffer.length) throw new Error("line table: ends within a line");
      last = { file: buffer.readUInt16LE(at), line: buffer.readUInt16LE(at + 2) };
      at += 4;
    }
    lines.push(last);
  }
  return { files, lines };
}
