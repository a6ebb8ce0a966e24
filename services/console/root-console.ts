/**
 * The operator's session on a serial line: edits, answers, and shows the log between lines without tearing what is being typed.
 * A byte is taken in only when a whole answer would fit behind it, so a slow line slows its own input and nothing is lost;
 * every line is answered exactly once, in order, and memory is fixed at construction.
 */
import { type BootLog, LogReader } from "../log/boot-log.ts";
import type { Bytes, SerialPort } from "../ports/index.ts";
import { isOutOfMemory } from "../pump/out-of-memory.ts";
import type { Source } from "../pump/pump.ts";
import { ByteRing } from "./byte-ring.ts";
import { err, INVALID_CHARACTER, ok, parse, type Parsed, type Refusal, TOO_LONG, type Verb, VERBS } from "./grammar.ts";
import { Edit, echoBytes, LineEditor } from "./line-editor.ts";
import type { Answer, Handler } from "./verbs.ts";

export interface RootConsoleOptions {
  readonly port: SerialPort;
  readonly bytes: Bytes;
  /** Its lines are shown as they come. */
  readonly log: BootLog;
  readonly verbs: Readonly<Record<Verb, Handler>>;
  /** Longest line in bytes. */
  readonly lineBytes: number;
  readonly prompt: string;
  /** Whether anybody may type; without, the line only shows the log. */
  readonly interactive: boolean;
  /** A verb threw. */
  failed(verb: Verb, error: unknown): void;
}

const INPUT_BYTES = 2048;
const OUTPUT_BYTES = 32768;
/** Longest answer; a verb that would write more is cut, and that is counted. */
const ANSWER_BYTES = 16384;
/** What a line that is executed or shown costs of the stage's budget, in bytes of input; and bytes of output that cost one. */
const LINE_COST = 64;
const OUTPUT_PER_INPUT = 4;
/** Lines of the log that are shown in one turn before input has its share. */
const LOG_LINES = 4;

/** The console of one serial line. */
export class RootConsole {
  /** Lines executed, refused, dropped by Ctrl-C; answers cut. */
  executed = 0;
  refusedLines = 0;
  cancelled = 0;
  /** The pump's view: stages `serial-rx`, `dispatch` and `serial-tx`. */
  readonly receive: Source;
  readonly dispatch: Source;
  readonly transmit: Source;

  readonly #options: RootConsoleOptions;
  readonly #port: SerialPort;
  readonly #input: ByteRing;
  readonly #output: ByteRing;
  readonly #editor: LineEditor;
  readonly #reader: LogReader;
  readonly #logLine: Uint8Array;
  readonly #room: number;
  readonly #answer: AnswerWriter;
  #open = false;
  #handedOver = 0;
  #inputFull = 0;
  #outputFull = 0;

  constructor(options: RootConsoleOptions) {
    const { bytes, lineBytes, prompt } = options;
    this.#options = options;
    this.#port = options.port;
    this.#input = new ByteRing(bytes, INPUT_BYTES);
    this.#output = new ByteRing(bytes, OUTPUT_BYTES, lineBytes + 2);
    const shown = new Uint8Array(prompt.length * 3);
    const promptBytes = shown.subarray(0, bytes.encode(prompt, shown, 0));
    this.#editor = new LineEditor(bytes, lineBytes, this.#output, promptBytes);
    this.#room = ANSWER_BYTES + echoBytes(lineBytes, promptBytes.length);
    if (this.#room > OUTPUT_BYTES) throw new RangeError(`console: lines of ${lineBytes} bytes do not fit its output`);
    this.#reader = new LogReader(options.log);
    this.#logLine = new Uint8Array(lineBytes);
    this.#answer = new AnswerWriter(this.#output);

    this.receive = {
      serve: (budget) => this.#receive(budget),
      ready: () => options.interactive && this.#input.free > 0 && this.#port.readable() > 0,
      refused: () => this.#inputFull,
    };
    this.dispatch = {
      serve: (budget) => this.#dispatch(budget),
      ready: () => this.#hasRoom() && (this.#reader.waiting || (this.#open && this.#input.length > 0)),
      backlog: () => this.#input.length + (this.#reader.waiting ? 1 : 0),
      refused: () => this.#outputFull,
    };
    this.transmit = {
      serve: (budget) => this.#transmit(budget),
      ready: () => this.#output.length > 0 && this.#port.writable() > 0,
      backlog: () => this.#output.length + Math.max(0, this.#handedOver - this.#port.counters.sent),
    };
  }

  /** Show the prompt and begin to listen. */
  open(): void {
    if (this.#open || !this.#options.interactive) return;
    this.#showLog(Infinity);
    this.#open = true;
    this.#editor.draw();
  }

  /** Counters as one line. */
  summary(): string {
    return (
      `console lines=${this.executed} refused=${this.refusedLines} cancelled=${this.cancelled}` +
      ` log_lost=${this.#reader.lost} cut=${this.#output.cut} ignored=${this.#editor.ignored}`
    );
  }

  #receive(budget: number): number {
    if (!this.#options.interactive) return 0;
    const done = this.#input.fill(this.#port, budget);
    if (done < budget && this.#input.free === 0 && this.#port.readable() > 0) this.#inputFull++;
    return done;
  }

  #transmit(budget: number): number {
    const done = this.#output.drain(this.#port, budget);
    this.#handedOver += done;
    return done;
  }

  #dispatch(budget: number): number {
    const output = this.#output;
    const before = output.length;
    let cost = this.#reader.waiting && this.#hasRoom() ? this.#showLog(LOG_LINES) * LINE_COST : 0;
    if (!this.#open) return cost;
    // Output counts too: a byte that redraws a long line, or a verb with a long answer, is work for the line.
    while (this.#input.length > 0 && cost + (output.length - before) / OUTPUT_PER_INPUT < budget) {
      if (!this.#hasRoom()) {
        this.#outputFull++;
        break;
      }
      cost += this.#takeInput(budget - cost);
    }
    return Math.ceil(cost + (output.length - before) / OUTPUT_PER_INPUT);
  }

  /** Take a run of plain characters, or one byte. @returns what it cost. */
  #takeInput(budget: number): number {
    const { buffer, head, run } = this.#input;
    const plain = this.#editor.pushPlain(buffer, head, Math.min(run, budget));
    if (plain > 0) {
      this.#input.skip(plain);
      return plain;
    }
    const edit = this.#editor.push(this.#input.take());
    if (edit === Edit.NONE) return 1;
    this.#finish(edit);
    this.#editor.reset();
    this.#editor.draw();
    return 1 + LINE_COST;
  }

  #hasRoom(): boolean {
    return this.#output.free >= this.#room;
  }

  #finish(edit: Edit): void {
    if (edit === Edit.CANCELLED) {
      this.cancelled++;
      return;
    }
    const parsed = edit === Edit.INVALID ? INVALID_CHARACTER : edit === Edit.TOO_LONG ? TOO_LONG : parse(this.#text());
    if (parsed.kind === "refused") {
      this.refusedLines++;
      this.#answer.begin(parsed.word, false);
      this.#answer.err(parsed.refusal);
      return;
    }
    this.executed++;
    this.#execute(parsed);
  }

  #text(): string {
    return this.#options.bytes.decode(this.#editor.line, 0, this.#editor.length);
  }

  #execute({ verb }: Extract<Parsed, { kind: "command" }>): void {
    this.#answer.begin(VERBS[verb].word, VERBS[verb].stream);
    try {
      this.#options.verbs[verb](this.#answer);
    } catch (error) {
      if (isOutOfMemory(error)) throw error;
      this.#answer.fail();
      this.#options.failed(verb, error);
    }
  }

  /** Show up to `limit` lines of the log above the line that is being typed. @returns how many. */
  #showLog(limit: number): number {
    if (!this.#reader.waiting) return 0;
    if (this.#open) this.#editor.erase();
    let shown = 0;
    while (shown < limit && this.#reader.waiting && this.#hasRoom()) {
      const gap = this.#reader.skipGap();
      if (gap > 0) this.#output.text(`… lost ${gap} bytes\r\n`);
      const length = this.#reader.next(this.#logLine);
      this.#output.append(this.#logLine, 0, length);
      this.#output.text("\r\n");
      shown++;
    }
    if (this.#open) this.#editor.draw();
    return shown;
  }
}

/** Writes one answer: one acknowledgement, then lines. */
class AnswerWriter implements Answer {
  readonly #output: ByteRing;
  #word = "";
  #acknowledged = false;
  #stream = false;

  constructor(output: ByteRing) {
    this.#output = output;
  }

  begin(word: string, stream: boolean): void {
    this.#word = word;
    this.#stream = stream;
    this.#acknowledged = false;
  }

  ok(detail?: string): void {
    this.#acknowledge(ok(this.#word, detail));
  }

  err(refusal: Refusal): void {
    this.#acknowledge(err(this.#word, refusal));
  }

  line(text: string): void {
    this.#output.text(`${text}\r\n`);
  }

  end(): void {
    this.#output.text("END\r\n");
  }

  /** The verb threw: answer if it had not, end the stream that its OK promised. */
  fail(): void {
    if (!this.#acknowledged) this.err({ reason: "busy", detail: "busy" });
    else if (this.#stream) this.end();
  }

  #acknowledge(text: string): void {
    if (this.#acknowledged) throw new Error(`console: ${this.#word} acknowledged twice`);
    this.#acknowledged = true;
    this.#output.text(`${text}\r\n`);
  }
}
