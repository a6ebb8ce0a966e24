/** Frames of the console's wire, as a client makes and reads them. */

/** A line, or any bytes, behind its length. */
export function frame(line: string | Uint8Array): Buffer {
  const payload = Buffer.from(line as string);
  return Buffer.concat([lengthOf(4 + payload.length), payload]);
}

/** What stands before a line: all bytes of the frame, these four included. */
export function lengthOf(size: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(size);
  return length;
}

/** The lines of whole frames. @throws Error if the last is not whole */
export function linesOf(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : Infinity;
    if (size < 4 || at + size > bytes.length)
      throw new Error(`a frame of ${size} bytes, and ${bytes.length - at} came`);
    lines.push(bytes.toString("utf8", at + 4, at + size));
    at += size;
  }
  return lines;
}
