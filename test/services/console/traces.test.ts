/**
 * Replays serial traces: `> ` is what is typed, `< ` what must come out by then, byte for byte. Escapes: \r \n \t \b \e
 * \xHH \\ and \* for any text within a line (times, counters). Lines of other forms are comments.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { Session } from "./session.ts";
import { utf8 } from "../support/ports.ts";

const folder = join(import.meta.dirname, "traces");
const SIMPLE: Readonly<Record<string, number>> = { r: 13, n: 10, t: 9, b: 8, e: 27, "\\": 92 };
/** Stands for `\*`; no byte. */
const ANYTHING = -1;

/** A trace line's text as bytes. */
function decode(source: string): number[] {
  const out: number[] = [];
  for (let at = 0; at < source.length;) {
    if (source[at] !== "\\") {
      const character = String.fromCodePoint(source.codePointAt(at)!);
      out.push(...utf8(character));
      at += character.length;
      continue;
    }
    const code = source[at + 1] ?? "";
    if (code === "x") {
      out.push(parseInt(source.slice(at + 2, at + 4), 16));
      at += 4;
    } else if (code === "*") {
      out.push(ANYTHING);
      at += 2;
    } else {
      const byte = SIMPLE[code];
      if (byte === undefined) throw new Error(`no escape: \\${code}`);
      out.push(byte);
      at += 2;
    }
  }
  return out;
}

/** Bytes as a text of one character each, so that a regular expression can match them. */
const latin1 = (bytes: Iterable<number>): string => String.fromCharCode(...bytes);

function pattern(bytes: readonly number[]): RegExp {
  const parts = bytes.map((byte) => (byte === ANYTHING ? "[^\\r\\n]*?" : `\\x${byte.toString(16).padStart(2, "0")}`));
  return new RegExp(`^${parts.join("")}$`, "s");
}

describe("serial traces", () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".trace"));

  it("are there", () => {
    expect(names.length).to.be.at.least(5);
  });

  for (const name of names) {
    it(`replays ${name}`, () => {
      const session = new Session();
      session.console.open();
      session.settle();
      let expected: number[] = [];
      const check = (line: number): void => {
        const got = latin1(session.line.output());
        if (!pattern(expected).test(got)) {
          expect(got, `${name}, before line ${line}`).to.equal(latin1(expected.map((byte) => (byte < 0 ? 42 : byte))));
        }
        expected = [];
      };
      const lines = readFileSync(join(folder, name), "utf8").split("\n");
      lines.forEach((line, index) => {
        if (line.startsWith("> ")) {
          check(index + 1);
          session.line.type(Uint8Array.from(decode(line.slice(2))));
          session.settle();
        } else if (line.startsWith("< ")) {
          expected.push(...decode(line.slice(2)));
        }
      });
      check(lines.length);
    });
  }
});
