/**
 * Command lines from a byte stream that is not a terminal. However long a line is, no more than the limit
 * of it (and a CR) is held, and the reader is told instead of being given a part.
 */

export type InputLine = { readonly text: string } | { readonly refused: "too-long" | "invalid-character" };

const LF = 0x0a;
const CR = 0x0d;

/** The lines of `input` with LF or CRLF ends; a last line without an end counts. */
export async function* inputLines(input: AsyncIterable<Uint8Array>, limitBytes: number): AsyncGenerator<InputLine> {
  let held: Uint8Array[] = [];
  let size = 0;
  const take = (): InputLine => {
    let bytes = Buffer.concat(held);
    const dropped = bytes.length < size;
    held = [];
    size = 0;
    if (bytes.at(-1) === CR) bytes = bytes.subarray(0, -1);
    if (dropped || bytes.length > limitBytes) return { refused: "too-long" };
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
    } catch {
      return { refused: "invalid-character" };
    }
  };
  const hold = (part: Uint8Array): void => {
    size += part.length;
    // One byte more than the limit, for the CR of a CRLF.
    if (size > limitBytes + 1) held = [];
    else held.push(part);
  };
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      hold(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    hold(chunk.subarray(start));
  }
  if (size > 0) yield take();
}
