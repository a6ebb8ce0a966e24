/** 32-bit floats as people write them, `1,2.5,-3e-2`, and as jobs carry them, little-endian bytes. */

const FLOAT_BYTES = 4;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
/** Decimal digits that tell every 32-bit float from every other. */
const DIGITS_MOST = 9;

/** @returns the nearest 32-bit floats, undefined if the text is no list of numbers in their range */
export function floatsOf(text: string): number[] | undefined {
  const floats = text.split(",").map((part) => (NUMBER.test(part.trim()) ? Math.fround(Number(part)) : NaN));
  return floats.every(Number.isFinite) ? floats : undefined;
}

export function bytesOfFloats(floats: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(floats.length * FLOAT_BYTES);
  const view = new DataView(bytes.buffer);
  floats.forEach((float, i) => view.setFloat32(i * FLOAT_BYTES, float, true));
  return bytes;
}

/** @param bytes whose length is a multiple of 4. @returns the floats by commas, each with the fewest digits that are it */
export function textOfFloats(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const texts = new Array<string>(bytes.length / FLOAT_BYTES);
  for (let i = 0; i < texts.length; i++) texts[i] = textOf(view.getFloat32(i * FLOAT_BYTES, true));
  return texts.join(",");
}

function textOf(float: number): string {
  if (Object.is(float, -0)) return "-0";
  if (Number.isInteger(float) && Math.abs(float) < 1 << 24) return String(float);
  for (let digits = 1; digits < DIGITS_MOST; digits++) {
    const short = Number(float.toPrecision(digits));
    if (Math.fround(short) === float) return String(short);
  }
  return String(Number(float.toPrecision(DIGITS_MOST)));
}
