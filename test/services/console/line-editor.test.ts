import { expect } from "chai";
import fc from "fast-check";
import { Edit, echoBytes, LineEditor } from "../../../services/console/line-editor.ts";
import { nodeBytes, text, utf8 } from "../support/ports.ts";

const LIMIT = 16;
const PROMPT = utf8("> ");

class Screen {
  bytes: number[] = [];
  put(byte: number): boolean {
    this.bytes.push(byte);
    return true;
  }
  append(from: Uint8Array, start: number, length: number): boolean {
    this.bytes.push(...from.subarray(start, start + length));
    return true;
  }
  take(): string {
    const shown = text(Uint8Array.from(this.bytes));
    this.bytes = [];
    return shown;
  }
}

const NAMES = ["none", "line", "invalid", "too long", "cancelled"] as const;

/** What somebody gets for typing these bytes: each line ended, and how. */
function typed(input: Uint8Array | string, limit = LIMIT): { events: string[]; screen: string } {
  const screen = new Screen();
  const editor = new LineEditor(nodeBytes, limit, screen, PROMPT);
  const events: string[] = [];
  for (const byte of typeof input === "string" ? utf8(input) : input) {
    const before = screen.bytes.length;
    const edit = editor.push(byte);
    expect(screen.bytes.length - before).to.be.at.most(echoBytes(limit, PROMPT.length));
    if (edit === Edit.NONE) continue;
    events.push(edit === Edit.LINE ? `line ${text(editor.line.subarray(0, editor.length))}` : NAMES[edit]);
    editor.reset();
  }
  return { events, screen: screen.take() };
}

/** The same with plain runs taken at once, as the console does, in reads of the given sizes. */
function pasted(input: Uint8Array, cuts: readonly number[]): { events: string[]; screen: string } {
  const screen = new Screen();
  const editor = new LineEditor(nodeBytes, LIMIT, screen, PROMPT);
  const events: string[] = [];
  let cut = 0;
  for (let at = 0; at < input.length;) {
    const size = Math.min(cuts[cut++ % cuts.length]!, input.length - at);
    const end = at + size;
    while (at < end) {
      const run = editor.pushPlain(input, at, end - at);
      at += run;
      if (run > 0) continue;
      const edit = editor.push(input[at++]!);
      if (edit === Edit.NONE) continue;
      events.push(edit === Edit.LINE ? `line ${text(editor.line.subarray(0, editor.length))}` : NAMES[edit]);
      editor.reset();
    }
  }
  return { events, screen: screen.take() };
}

const events = (input: Uint8Array | string, limit = LIMIT): string[] => typed(input, limit).events;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("line editor", () => {
  it("ends a line at CR, at LF, and once at CR LF", () => {
    expect(events("a\rb\nc\r\nd\r\n")).to.deep.equal(["line a", "line b", "line c", "line d"]);
    expect(events("\r\r\n\n")).to.deep.equal(["line ", "line ", "line "]);
  });

  it("ends it once though CR and LF come in different reads", () => {
    const editor = new LineEditor(nodeBytes, LIMIT, new Screen(), PROMPT);
    expect(editor.push(0x0d)).to.equal(Edit.LINE);
    editor.reset();
    expect(editor.push(0x0a)).to.equal(Edit.NONE);
    expect(editor.push(0x0a)).to.equal(Edit.LINE);
  });

  it("echoes what is typed, and the end of the line", () => {
    expect(typed("ping\r").screen).to.equal("ping\r\n");
  });

  it("takes back one character at backspace and at DEL, none at the line's beginning", () => {
    expect(events("\x08\x7fpinh\x08g\r")).to.deep.equal(["line ping"]);
    expect(typed("ab\x7f").screen).to.equal("ab\b \b");
    expect(typed("\x08").screen).to.equal("");
  });

  it("takes back a whole UTF-8 character and draws the row anew, as its width is not known", () => {
    const { events: got, screen } = typed("aö漢😀\x7f\x7f\r");
    expect(got).to.deep.equal(["line aö"]);
    expect(screen).to.equal("aö漢😀\r\x1b[K> aö漢\r\x1b[K> aö\r\n");
  });

  it("drops the line at Ctrl-U, and at Ctrl-C says so", () => {
    expect(events("garbage\x15ping\r")).to.deep.equal(["line ping"]);
    expect(typed("abc\x15").screen).to.equal("abc\r\x1b[K> ");
    expect(events("garbage\x03ping\r")).to.deep.equal(["cancelled", "line ping"]);
    expect(typed("abc\x03").screen).to.equal("abc^C\r\n");
  });

  it("takes a line of the limit, refuses one byte more once, and goes on with the next", () => {
    const full = "x".repeat(LIMIT);
    expect(events(`${full}\r`)).to.deep.equal([`line ${full}`]);
    expect(events(`${full}y\rping\r`)).to.deep.equal(["too long", "line ping"]);
    expect(events(`${full.repeat(100)}\nping\r`)).to.deep.equal(["too long", "line ping"]);
  });

  it("rings once when the line is full and shows nothing beyond", () => {
    const full = "x".repeat(LIMIT);
    expect(typed(`${full}yyyy`).screen).to.equal(`${full}\x07`);
  });

  it("does not run the rest of a line that was too long, whatever is edited in it", () => {
    const long = "x".repeat(LIMIT + 1);
    expect(events(`${long}\x08\x08\r`)).to.deep.equal(["too long"]);
    expect(events(`${long}\x15ping\r`)).to.deep.equal(["line ping"]);
    expect(events(`${long}\x03ping\r`)).to.deep.equal(["cancelled", "line ping"]);
  });

  it("does not cut a character that crosses the limit", () => {
    expect(events(`${"x".repeat(LIMIT - 1)}ö\r`)).to.deep.equal(["too long"]);
    expect(events(`${"x".repeat(LIMIT - 2)}ö\r`)).to.deep.equal([`line ${"x".repeat(LIMIT - 2)}ö`]);
  });

  it("refuses a line with a control character, and shows where it stands", () => {
    for (const code of [0x00, 0x01, 0x04, 0x09, 0x0b, 0x0c, 0x1a, 0x1c, 0x1f]) {
      expect(events(bytes(0x61, code, 0x62, 0x0d)), `0x${code.toString(16)}`).to.deep.equal(["invalid"]);
    }
    expect(typed("a\x01b").screen).to.equal("a\ufffdb");
    // U+0085 (next line) is one too.
    expect(events(bytes(0xc2, 0x85, 0x0d))).to.deep.equal(["invalid"]);
  });

  it("runs it if what was wrong is taken back", () => {
    expect(events("pi\x01\x7fng\r")).to.deep.equal(["line ping"]);
    expect(events(bytes(0xff, 0xfe, 0x7f, 0x7f, 0x61, 0x0d))).to.deep.equal(["line a"]);
    expect(events(bytes(0xe6, 0xbc, 0x7f, 0x61, 0x0d))).to.deep.equal(["line a"]);
  });

  it("refuses invalid UTF-8: stray, short, overlong, surrogate, beyond U+10FFFF", () => {
    const wrong = [
      [0x80],
      [0xc3],
      [0xc3, 0x28],
      [0xc0, 0xaf],
      [0xe0, 0x80, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xf8, 0x88, 0x80, 0x80],
      [0xe2, 0x82],
      [0xff],
    ];
    for (const sequence of wrong)
      expect(events(bytes(0x61, ...sequence, 0x0d)), sequence.join()).to.deep.equal(["invalid"]);
  });

  it("accepts exactly what a UTF-8 decoder does, control characters aside", () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const visible = fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff }));
    fc.assert(
      fc.property(fc.array(visible, { maxLength: 12 }), (sequence) => {
        let expected: string;
        try {
          const decoded = strict.decode(Uint8Array.from(sequence));
          expected = /\p{Cc}/u.test(decoded) ? "invalid" : `line ${decoded}`;
        } catch {
          expected = "invalid";
        }
        expect(events(bytes(...sequence, 0x0d))).to.deep.equal([expected]);
      }),
      { numRuns: 3000 },
    );
  });

  it("keeps every valid text as it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (line) => {
        fc.pre(!/\p{Cc}/u.test(line));
        expect(events(`${line}\n`, 200)).to.deep.equal([`line ${line}`]);
      }),
    );
  });

  it("ignores escape sequences: arrows, function keys, Alt, bracketed paste", () => {
    const ignored = ["\x1b[A", "\x1b[1;5C", "\x1bOP", "\x1bOA", "\x1bx", "\x1b[200~", "\x1b[15~"];
    for (const sequence of ignored) {
      const { events: got, screen } = typed(`pi${sequence}ng\r`);
      expect(got, JSON.stringify(sequence)).to.deep.equal(["line ping"]);
      expect(screen).to.equal("ping\r\n");
    }
  });

  it("ends a sequence at a control character, which keeps its meaning", () => {
    expect(events("ping\x1b\r")).to.deep.equal(["line ping"]);
    expect(events("ping\x1b[1;\r")).to.deep.equal(["line ping"]);
    expect(events("abc\x1b[\x15ping\r")).to.deep.equal(["line ping"]);
    expect(events("ping\x1b\x1b[A\r")).to.deep.equal(["line ping"]);
    expect(events("abc\x1bO\x03x\r")).to.deep.equal(["cancelled", "line x"]);
  });

  it("does not swallow a line in an endless sequence", () => {
    expect(events(`\x1b[${"1;".repeat(40)}\r`, 200)).to.deep.equal(["invalid"]);
  });

  it("draws prompt and line again after somebody else's output", () => {
    const screen = new Screen();
    const editor = new LineEditor(nodeBytes, LIMIT, screen, PROMPT);
    for (const byte of bytes(0x61, 0xc3, 0xb6, 0x01, 0xc3)) editor.push(byte);
    screen.take();
    editor.erase();
    editor.draw();
    expect(screen.take()).to.equal("\r\x1b[K> aö\ufffd");
    // The unfinished character is shown when it is whole.
    editor.push(0xa4);
    expect(screen.take()).to.equal("ä");
  });

  it("gives the same lines as a simple model of them, for any keys", () => {
    // Keys whose effect needs no knowledge of bytes; the model works on characters.
    const key = fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom("a", "b", " ", "ö", "漢", "😀") },
      { weight: 1, arbitrary: fc.constantFrom("\r", "\n", "\r\n", "\x08", "\x7f", "\x15", "\x03", "\x1b[A", "\x01") },
    );
    fc.assert(
      fc.property(fc.array(key, { maxLength: 120 }), (keys) => {
        const expected: string[] = [];
        let line: string[] = [];
        let overflow = false;
        let lastCr = false;
        const size = (): number => line.reduce((sum, one) => sum + (one === "\x01" ? 1 : utf8(one).length), 0);
        for (const one of keys) {
          const wasCr = lastCr;
          lastCr = one === "\r";
          if (one === "\n" && wasCr) continue;
          if (one === "\r" || one === "\n" || one === "\r\n") {
            expected.push(overflow ? "too long" : line.includes("\x01") ? "invalid" : `line ${line.join("")}`);
            line = [];
            overflow = false;
          } else if (one === "\x08" || one === "\x7f") {
            if (!overflow) line.pop();
          } else if (one === "\x15" || one === "\x03") {
            if (one === "\x03") expected.push("cancelled");
            line = [];
            overflow = false;
          } else if (one !== "\x1b[A" && !overflow) {
            line.push(one);
            if (size() > LIMIT) overflow = true;
          }
        }
        expect(events(keys.join(""))).to.deep.equal(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it("takes a run of plain characters as if they were typed one by one", () => {
    const piece = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom("plain text", "a", "four", "0123456789abcdef") },
      {
        weight: 2,
        arbitrary: fc.constantFrom("\r", "\n", "\r\n", "\x08", "\x15", "\x03", "\x1b[1", "\x1b", "ö", "\x01"),
      },
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece.map(utf8), fc.uint8Array({ maxLength: 3 })), { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 }),
        (pieces, cuts) => {
          const input = Uint8Array.from(pieces.flatMap((bytes) => [...bytes]));
          expect(pasted(input, cuts)).to.deep.equal(typed(input));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("survives any bytes, and takes the next line as if nothing had been", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        const { events: got } = typed(Uint8Array.from([...noise, 0x03, ...utf8("ping\r")]));
        expect(got.slice(-2)).to.deep.equal(["cancelled", "line ping"]);
      }),
      { numRuns: 1000 },
    );
  });
});
