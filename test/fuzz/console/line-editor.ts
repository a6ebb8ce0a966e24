/**
 * The line editor under fuzz: keys, pastes, escape sequences and noise. Whole runs give what byte by byte gives; after each byte a
 * terminal shows prompt and line, and never a credential; and one byte's echo is within its bound.
 */
import { Edit, type Echo, echoBytes, LineEditor } from "../../../services/console/line-editor.ts";
import { TICKET_PREFIX } from "../../../services/roles/ticket.ts";
import { nodeBytes, text, utf8 } from "../../services/support/ports.ts";
import { Random } from "../random.ts";
import { atLeast, must, type Target } from "../target.ts";
import { consoleLine } from "./lines.ts";

const PROMPT = "cohesix> ";
const LIMITS = [1, 16, 64, 300];
const STARS = "***";
const BAD = 0xff;
const KEYS = [
  "\r",
  "\n",
  "\r\n",
  "\x08",
  "\x7f",
  "\x7f\x7f\x7f",
  "\x15",
  "\x03",
  "\x1b[A",
  "\x1b[1;5C",
  "\x1bOP",
  "\x1b",
  "\t",
  "\0",
];
const SECRETS = [
  "attach queen ",
  "  LOGIN worker  ",
  "attach ",
  "ATTACH queen\u00a0",
  TICKET_PREFIX,
  `ls /${TICKET_PREFIX}`,
];

/** One row of a terminal, as far as the editor uses it. */
class Terminal implements Echo {
  /** Bytes since {@link begin}. */
  written = 0;
  readonly bytes: number[] = [];
  #row: string[] = [];
  #at = 0;
  #escape = "";
  readonly #decoder = new TextDecoder();

  put(byte: number): boolean {
    this.written++;
    this.bytes.push(byte);
    for (const character of this.#decoder.decode(Uint8Array.of(byte), { stream: true })) this.#show(character);
    return true;
  }

  append(from: Uint8Array, start: number, length: number): boolean {
    for (let i = 0; i < length; i++) this.put(from[start + i]!);
    return true;
  }

  /** What stands on the row. */
  get row(): string {
    return this.#row.join("").trimEnd();
  }

  #show(character: string): void {
    if (this.#escape !== "" || character === "\x1b") {
      this.#escape += character;
      if (this.#escape === "\x1b[K") this.#row.length = Math.min(this.#row.length, this.#at);
      if (this.#escape.length === 3) this.#escape = "";
    } else if (character === "\r") this.#at = 0;
    else if (character === "\n") this.#row = [];
    else if (character === "\b") this.#at = Math.max(0, this.#at - 1);
    else if (character !== "\x07") this.#row[this.#at++] = character;
  }
}

/** What of a line may be seen: up to where a credential begins, as its writer would say. */
function open(line: string): number {
  const login = /^ *(?:attach|login) +[^ ]+ +(?=[^ ])/i.exec(line)?.[0].length ?? Infinity;
  const ticket = line.indexOf(TICKET_PREFIX);
  return Math.min(login, ticket < 0 ? Infinity : ticket);
}

/** The whole characters of a line that is being typed; what is none is U+FFFD. */
function shown(line: Uint8Array): string {
  const marked: number[] = [];
  for (const byte of line) marked.push(...(byte === BAD ? [0xef, 0xbf, 0xbd] : [byte]));
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(marked), { stream: true });
}

class Typed {
  readonly terminal = new Terminal();
  readonly editor: LineEditor;
  readonly events: string[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
    this.editor = new LineEditor(nodeBytes, limit, this.terminal, utf8(PROMPT));
    this.editor.draw();
  }

  byte(byte: number): void {
    this.terminal.written = 0;
    const edit = this.editor.push(byte);
    const { written } = this.terminal;
    must(written <= echoBytes(this.#limit, PROMPT.length), () => `${written} bytes of echo for one`);
    this.#after(edit);
  }

  /** The row is prompt and line, without what is secret. */
  check(): void {
    const { terminal, editor } = this;
    const { row } = terminal;
    const line = shown(editor.line.subarray(0, editor.length));
    const wrong = (): string => `the row is ${JSON.stringify(row)}, the line ${JSON.stringify(line)}`;
    if (row === (PROMPT + line).trimEnd()) return must(open(line) >= line.length, wrong);
    // A secret that was there is hidden until all of it is taken back.
    must(row.startsWith(PROMPT) && row.endsWith(STARS), wrong);
    const seen = row.slice(PROMPT.length, -STARS.length);
    must(line.startsWith(seen) && seen.length <= open(line), wrong);
  }

  #after(edit: Edit): void {
    if (edit === Edit.NONE) return;
    const { editor } = this;
    must(editor.length <= this.#limit, () => `a line of ${editor.length} bytes`);
    const bad = editor.line.subarray(0, editor.length).includes(BAD);
    must(edit !== (bad ? Edit.LINE : Edit.INVALID), () => `event ${edit} for a line that is ${bad ? "bad" : "good"}`);
    this.events.push(edit === Edit.LINE ? `line ${text(editor.line.subarray(0, editor.length))}` : `${edit}`);
    editor.reset();
    editor.draw();
  }
}

function keys(random: Random): Uint8Array {
  let input = "";
  for (let left = 1 + random.int(8); left > 0; left--) {
    const what = random.int(8);
    if (what === 0) input += random.of(SECRETS);
    else if (what < 4) input += random.of(KEYS);
    else input += consoleLine(random).slice(0, random.of([5, 20, 400]));
  }
  const bytes = utf8(input);
  for (let noise = random.int(random.of([1, 4])); noise > 0; noise--) bytes[random.int(bytes.length)] = random.int(256);
  return bytes;
}

function fuzz(random: Random, counts: { keys: number; lines: number; hidden: number }): void {
  const limit = random.of(LIMITS);
  const [typed, pasted] = [new Typed(limit), new Typed(limit)];
  const input = keys(random);
  for (const byte of input) {
    typed.byte(byte);
    typed.check();
    if (typed.terminal.row.endsWith(STARS)) counts.hidden++;
  }
  for (let at = 0; at < input.length;) {
    const run = pasted.editor.pushPlain(input, at, Math.min(input.length - at, 1 + random.int(40)));
    if (run > 0) at += run;
    else pasted.byte(input[at++]!);
  }
  must(
    typed.events.join() === pasted.events.join(),
    () => `typed ${typed.events.join()}, pasted ${pasted.events.join()}`,
  );
  must(typed.terminal.bytes.join() === pasted.terminal.bytes.join(), () => "a paste is echoed otherwise than keys");
  for (const event of typed.events) {
    must(!event.startsWith("line ") || !/\p{Cc}/u.test(event), () => `taken: ${JSON.stringify(event)}`);
  }
  counts.keys += input.length;
  counts.lines += typed.events.length;
}

export const lineEditor: Target = {
  name: "line-editor",
  what: "keys, pastes and noise at the line editor, with a terminal as witness",
  run: 512,
  short: 2 * 512,
  counts: () => ({ inputs: 0, keys: 0, lines: 0, hidden: 0 }),
  fuzz(seed, inputs, counts) {
    const random = new Random(seed);
    for (let n = 0; n < inputs; n++) {
      try {
        fuzz(random, counts as { keys: number; lines: number; hidden: number });
      } catch (error) {
        throw new Error(`input ${n}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
    counts["inputs"]! += inputs;
  },
  reached(counts) {
    atLeast(counts, "lines", 0.2, "inputs");
    atLeast(counts, "hidden", 0.02, "keys");
  },
};
