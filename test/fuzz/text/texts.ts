/** Damage for texts: what typing errors, bad programs and ill-wishers make of them. */
import type { Random } from "../random.ts";

/** Characters at which a reader may change its mind. */
const ODD = [
  "\0", "\t", "\n", "\r", "\x1b", "\x7f", "\u0085", "\u00a0", "\u2028", "\ufeff", "\ufffd", "\ud800", "\udc00", " ", "  ", '"', "'", "\\",
  "/", "//", "..", "{", "}", "[", "]", ":", ",", "=", "#", "*", "~", "-", "+", ".", "_", "ö", "漢", "😀", "e\u0301", "\u0131", "K",
]; // prettier-ignore
const NUMBERS = [
  "0", "-0", "00", "1", "-1", "1e3", "1e999", "0.5", "255", "256", "1024", "65535", "65536", "4294967295", "4294967296",
  "9007199254740991", "9007199254740992", "99999999999999999999", "NaN", "Infinity", "0x10", "true", "false", "null",
]; // prettier-ignore

/** A text that is none in particular. */
export function noise(random: Random, longest: number): string {
  let text = "";
  for (let left = random.int(longest + 1); left > 0; left--) {
    text += random.once(6) ? random.of(ODD) : String.fromCharCode(0x20 + random.int(0x5f));
  }
  return text;
}

/** The text with something about it changed. @param words that belong to its language */
export function damageText(text: string, words: readonly string[], random: Random): string {
  const at = random.int(text.length + 1);
  const size = 1 + random.int(random.of([1, 2, 8, 40]));
  const before = text.slice(0, at);
  switch (random.int(9)) {
    case 0:
      return before + random.of(ODD) + text.slice(at);
    case 1:
      return before + text.slice(at + size);
    case 2:
      return before;
    case 3:
      return before + text.slice(at, at + size) + text.slice(at);
    case 4:
      return before + random.of(words) + text.slice(at);
    case 5: {
      // another word or number in the place of one
      const rest = text.slice(at).replace(/[\w.-]+/, random.once(2) ? random.of(NUMBERS) : random.of(words));
      return before + rest;
    }
    case 6: {
      // two pieces change places
      const [a, b] = [text.slice(at, at + size), text.slice(at + size, at + 2 * size)];
      return before + b + a + text.slice(at + 2 * size);
    }
    case 7:
      return before + noise(random, 12) + text.slice(at + random.int(size));
    default:
      return (
        before +
        String.fromCharCode(text.charCodeAt(at % Math.max(1, text.length)) ^ (1 << random.int(7))) +
        text.slice(at + 1)
      );
  }
}

/** A few times {@link damageText}, at times none. */
export function damaged(text: string, words: readonly string[], random: Random): string {
  let result = text;
  for (let times = random.int(4); times > 0; times--) result = damageText(result, words, random);
  return result;
}

/** A value of JSON with something about it changed, at any depth. */
export function damageJson(value: unknown, words: readonly string[], random: Random): unknown {
  if (typeof value === "object" && value !== null && random.int(5) > 0) {
    if (Array.isArray(value)) {
      const list = [...(value as readonly unknown[])];
      const at = random.int(list.length + 1);
      if (at < list.length && random.int(3) > 0) list[at] = damageJson(list[at], words, random);
      else list.splice(at, random.int(2), leaf(words, random));
      return list;
    }
    const entries = Object.entries(value as Record<string, unknown>);
    const at = random.int(entries.length + 1);
    const [name, old] = entries[at] ?? ["", undefined];
    if (at < entries.length && random.int(4) > 0) entries[at] = [name, damageJson(old, words, random)];
    else if (random.once(3) && at < entries.length) entries[at] = [random.of(words), old];
    else if (random.once(3) && typeof old === "string") entries[at] = [old, name];
    else if (random.once(2)) entries.splice(at, 1);
    else entries.push([random.once(2) ? random.of(words) : noise(random, 8), leaf(words, random)]);
    return Object.fromEntries(entries);
  }
  if (random.once(2)) return leaf(words, random);
  if (typeof value === "number") return random.of([value + 1, value - 1, -value, value * 1000, value + 0.5]);
  if (typeof value === "string") return damageText(value, words, random);
  return leaf(words, random);
}

function leaf(words: readonly string[], random: Random): unknown {
  switch (random.int(8)) {
    case 0:
      return random.of(words);
    case 1:
      return noise(random, 20);
    case 2:
      return random.of([0, -1, 1, 1.5, 255, 65_536, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, 2 ** 53, -0, 1e300]);
    case 3:
      return random.of([true, false, null]);
    case 4:
      return [];
    case 5:
      return {};
    case 6:
      return nested(1 + random.int(12));
    default:
      return random.int(10_000);
  }
}

function nested(depth: number): unknown {
  return depth === 0 ? 0 : depth % 2 === 0 ? [nested(depth - 1)] : { a: nested(depth - 1) };
}

/** One line of print, as a log or a terminal may have it. */
export const PRINTABLE = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u;
