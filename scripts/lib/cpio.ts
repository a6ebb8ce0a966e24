/**
 * The `newc` form of a CPIO archive (cpio(5), "New ASCII Format"). Writing is deterministic: same names and
 * bytes in the same order, same archive. Reading refuses a malformed archive and says at which offset.
 */
export interface CpioFile {
  readonly name: string;
  readonly data: Uint8Array;
  /** Type and permissions (stat(2)); a readable file unless given. Not read back. */
  readonly mode?: number;
}

const magic = "070701";
const headerBytes = 110;
const trailer = "TRAILER!!!";
const regularFile = 0o100644;

function aligned(size: number): number {
  return (size + 3) & ~3;
}

function header(ino: number, mode: number, nameBytes: number, dataBytes: number): string {
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [ino, mode, 0, 0, 1, 0, dataBytes, 0, 0, 0, 0, nameBytes, 0];
  return magic + fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0")).join("");
}

/** @throws Error for an empty, repeated or reserved name. */
export function writeCpio(files: readonly CpioFile[]): Uint8Array {
  const names = new Set<string>();
  const chunks: Uint8Array[] = [];
  let length = 0;
  const put = (bytes: Uint8Array): void => {
    chunks.push(bytes);
    length += bytes.length;
  };
  const pad = (): void => {
    put(new Uint8Array(aligned(length) - length));
  };
  const entry = (ino: number, mode: number, name: string, data: Uint8Array): void => {
    const nameBytes = Buffer.from(`${name}\0`, "utf8");
    put(Buffer.from(header(ino, mode, nameBytes.length, data.length), "latin1"));
    put(nameBytes);
    pad();
    put(data);
    pad();
  };
  files.forEach((file, index) => {
    if (file.name === "" || file.name === trailer || file.name.includes("\0") || names.has(file.name)) {
      throw new Error(`cpio: "${file.name}" cannot be a file name in this archive`);
    }
    names.add(file.name);
    entry(index + 1, file.mode ?? regularFile, file.name, file.data);
  });
  entry(0, 0, trailer, new Uint8Array(0));
  return new Uint8Array(Buffer.concat(chunks, length));
}

/** @throws Error naming the offset of the first thing that is wrong. */
export function readCpio(archive: Uint8Array): CpioFile[] {
  const files: CpioFile[] = [];
  const text = (from: number, to: number): string => Buffer.from(archive.subarray(from, to)).toString("latin1");
  let at = 0;
  for (;;) {
    if (at + headerBytes > archive.length) throw new Error(`cpio: the archive ends within a header at ${at}`);
    if (text(at, at + magic.length) !== magic) throw new Error(`cpio: no newc header at ${at}`);
    const field = (index: number): number => {
      const digits = text(at + 6 + index * 8, at + 14 + index * 8);
      if (!/^[0-9A-Fa-f]{8}$/.test(digits)) throw new Error(`cpio: field ${index} of the header at ${at} is no number`);
      return parseInt(digits, 16);
    };
    const dataBytes = field(6);
    const nameBytes = field(11);
    const dataAt = aligned(at + headerBytes + nameBytes);
    if (nameBytes < 1 || dataAt + dataBytes > archive.length) {
      throw new Error(`cpio: the entry at ${at} reaches beyond the archive's end`);
    }
    const name = Buffer.from(archive.subarray(at + headerBytes, at + headerBytes + nameBytes - 1)).toString("utf8");
    if (name === trailer) return files;
    files.push({ name, data: archive.subarray(dataAt, dataAt + dataBytes) });
    at = aligned(dataAt + dataBytes);
  }
}
