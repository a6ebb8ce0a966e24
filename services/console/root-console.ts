/**
 * The operator's console on a serial line: edits, masks what is secret, hands lines to a {@link ConsoleSession}, and shows the log
 * between lines without tearing what is being typed. A byte is taken in only when a whole answer would fit behind it and the last
 * line is answered to its end, so a slow line slows its own input and nothing is lost; memory is fixed at construction.
 */
import type { Source as LoginSource } from "../hive/session.ts";
import { type BootLog, LogReader } from "../log/boot-log.ts";
import type { Bytes, Clock, Pool, SerialPort } from "../ports/index.ts";
import type { Source } from "../pump/pump.ts";
import { SLICE_US } from "../pump/schedule.ts";
import type { TimerPort } from "../pump/timers.ts";
import { ByteRing } from "./byte-ring.ts";
import { INVALID_CHARACTER, parse, TOO_LONG, type Verb } from "./grammar.ts";
import { SHOWN_LINE_BYTES } from "./line-buffer.ts";
import { Edit, echoBytes, LineEditor } from "./line-editor.ts";
import { ANSWER_BYTES, type ConsoleSink, LINE_OVERHEAD, PING_BYTES, SINK_BYTES } from "./output.ts";
import { type ConsoleHive, ConsoleSession } from "./session.ts";
import { TypeAhead } from "./type-ahead.ts";
import type { Handler, MachineVerb } from "./verbs.ts";

export interface RootConsoleOptions {
  readonly port: SerialPort;
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly timers: TimerPort;
  /** Its lines are shown as they come. */
  readonly log: BootLog;
  /** `undefined` as long as there is none. */
  readonly hive: () => ConsoleHive | undefined;
  readonly verbs: Readonly<Record<MachineVerb, Handler>>;
  /** Longest line in bytes. */
  readonly lineBytes: number;
  /** How long a provider may take for one request; 5 s if it is not said. */
  readonly patienceUs?: number;
  readonly prompt: string;
  /** Whether anybody may type; without, the line only shows the log. */
  readonly interactive: boolean;
  /** A verb threw. */
  failed(verb: Verb, error: unknown): void;
}

/** Lines have numbers that no address has. */
const SERIAL_LINE: LoginSource = { name: "serial", throttle: 2 ** 32, local: true };
/** A serial line stays, whatever the session does. */
const LINE_END = Uint8Array.of(0x0d, 0x0a);
const FAREWELL = "to leave this console press Ctrl-A, then x";
const INPUT_BYTES = 2048;
/** Unless long lines need more. */
const OUTPUT_BYTES = 32768;
/** Most bytes that a byte which is no UTF-8 takes when it is shown. */
const REPLACED = 3;
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
  readonly #ahead: TypeAhead;
  readonly #session: ConsoleSession;
  readonly #reader: LogReader;
  readonly #logLine: Uint8Array;
  /** What is kept free for the editor. */
  readonly #echoRoom: number;
  #open = false;
  /** Whether prompt and line are on the terminal's last row. */
  #drawn = false;
  #handedOver = 0;
  #inputFull = 0;
  #outputFull = 0;

  constructor(options: RootConsoleOptions) {
    const { bytes, clock, timers, hive, verbs, lineBytes, prompt } = options;
    this.#options = options;
    this.#port = options.port;
    this.#input = new ByteRing(bytes, INPUT_BYTES);
    const shown = new Uint8Array(prompt.length * REPLACED);
    const promptBytes = shown.subarray(0, bytes.encode(prompt, shown, 0));
    this.#echoRoom = echoBytes(lineBytes, promptBytes.length);
    const room = Math.max(OUTPUT_BYTES, SINK_BYTES + this.#echoRoom);
    this.#output = new ByteRing(bytes, room, REPLACED * SHOWN_LINE_BYTES + LINE_OVERHEAD);
    this.#editor = new LineEditor(bytes, lineBytes, this.#output, promptBytes);
    this.#ahead = new TypeAhead(this.#input);
    this.#session = new ConsoleSession({
      sink: this.#sink(),
      bytes,
      clock,
      timers,
      source: SERIAL_LINE,
      hive,
      verbs,
      farewell: FAREWELL,
      ...(options.patienceUs === undefined ? {} : { patienceUs: options.patienceUs }),
      failed: (verb, error) => options.failed(verb, error),
    });
    this.#reader = new LogReader(options.log);
    this.#logLine = new Uint8Array(lineBytes);

    this.receive = {
      serve: (budget) => this.#receive(budget),
      ready: () => options.interactive && this.#input.free > 0 && this.#port.readable() > 0,
      refused: () => this.#inputFull,
    };
    this.dispatch = {
      serve: (budget, nowUs) => this.#dispatch(budget, nowUs),
      ready: () => (this.#reader.waiting && this.#hasRoom()) || (this.#open && this.#canGoOn()),
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
    this.#draw();
  }

  /** Counters as one line. */
  summary(): string {
    const { err, timedOut } = this.#session.counters;
    return (
      `console lines=${this.executed} refused=${this.refusedLines} cancelled=${this.cancelled}` +
      ` err=${err} timed_out=${timedOut}` +
      ` log_lost=${this.#reader.lost} cut=${this.#output.cut} ignored=${this.#editor.ignored}`
    );
  }

  /** @param name of the line */
  pools(name: string): Pool[] {
    return [this.#input.pool(`${name}.input`, this.#inputFull), this.#output.pool(`${name}.output`, this.#outputFull)];
  }

  #sink(): ConsoleSink {
    const output = this.#output;
    const echoRoom = this.#echoRoom;
    return {
      get free(): number {
        return Math.max(0, output.free - echoRoom);
      },
      line(text: string): void {
        output.text(text);
        output.append(LINE_END, 0, LINE_END.length);
      },
      plain(from: Uint8Array, start: number, size: number): void {
        output.append(from, start, size);
        output.append(LINE_END, 0, LINE_END.length);
      },
      close(): void {},
    };
  }

  #receive(budget: number): number {
    if (!this.#options.interactive) return 0;
    if (this.#port.readable() === 0) return 0;
    const done = this.#input.fill(this.#port, budget);
    if (done < budget && this.#input.free === 0 && this.#port.readable() > 0) this.#inputFull++;
    return done;
  }

  #transmit(budget: number): number {
    if (this.#output.length === 0) return 0;
    const done = this.#output.drain(this.#port, budget);
    this.#handedOver += done;
    return done;
  }

  #dispatch(budget: number, nowUs: number): number {
    // Most turns are for others.
    if (this.#input.length === 0 && !this.#reader.waiting && (this.#drawn || !this.#open) && !this.#session.busy)
      return 0;
    const { clock } = this.#options;
    const output = this.#output;
    const before = output.total;
    // Output counts too: a byte that redraws a long line, or a verb with a long answer, is work for the line.
    const spent = (): number => cost + (output.total - before) / OUTPUT_PER_INPUT;
    let cost = this.#reader.waiting && this.#hasRoom() ? this.#showLog(LOG_LINES) * LINE_COST : 0;
    // An answer may have come by a timer.
    if (this.#open) this.#rest();
    while (this.#open && spent() < budget && this.#canGoOn() && (cost === 0 || clock.nowUs() < nowUs + SLICE_US)) {
      if (this.#session.busy) cost += this.#goOn(budget - spent());
      else cost += this.#takeInput(budget - cost);
    }
    if (this.#input.length > 0 && !this.#session.busy && !this.#hasRoom()) this.#outputFull++;
    return Math.ceil(spent());
  }

  #canGoOn(): boolean {
    const session = this.#session;
    if (!session.busy) return !this.#drawn || (this.#input.length > 0 && this.#hasRoom());
    return session.ready || this.#ahead.fresh || (this.#ahead.ping && session.streaming && this.#hasRoomForPing());
  }

  /** Go on with the command that is under way. @returns what it cost beside its output. */
  #goOn(budget: number): number {
    const session = this.#session;
    let cost = 0;
    // The second half of a line end is none of the next line's.
    if (this.#ahead.fresh && this.#editor.afterReturn && this.#input.length > 0 && this.#input.at(0) === 0x0a) {
      this.#editor.push(this.#input.take());
    }
    if (this.#ahead.fresh && this.#ahead.look()) session.stop();
    if (this.#ahead.ping && session.streaming && this.#hasRoomForPing()) cost += this.#takePing();
    session.run(budget * OUTPUT_PER_INPUT);
    this.#rest();
    return cost;
  }

  /** Take the line that is next, a `PING`, in the middle of a stream. */
  #takePing(): number {
    let cost = LINE_COST;
    for (let edit: Edit = Edit.NONE; edit === Edit.NONE; cost++) {
      edit = this.#editor.push(this.#input.take());
      if (edit !== Edit.NONE) this.#finish(edit);
    }
    return cost;
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
    this.#drawn = false;
    this.#finish(edit);
    this.#session.run(budget * OUTPUT_PER_INPUT);
    this.#rest();
    return 1 + LINE_COST;
  }

  #hasRoom(): boolean {
    return this.#output.free >= ANSWER_BYTES + this.#echoRoom;
  }

  #hasRoomForPing(): boolean {
    return this.#output.free >= PING_BYTES / 2 + this.#echoRoom;
  }

  /** A line has ended: have it answered. */
  #finish(edit: Edit): void {
    const parsed = edit === Edit.INVALID ? INVALID_CHARACTER : edit === Edit.TOO_LONG ? TOO_LONG : parse(this.#text());
    this.#editor.reset();
    this.#ahead.reset();
    if (edit === Edit.CANCELLED) {
      this.cancelled++;
      return;
    }
    if (parsed.kind === "refused") this.refusedLines++;
    else this.executed++;
    this.#session.take(parsed);
  }

  #text(): string {
    return this.#options.bytes.decode(this.#editor.line, 0, this.#editor.length);
  }

  /** Show the prompt again once all is answered. */
  #rest(): void {
    if (!this.#session.busy && !this.#drawn) this.#draw();
  }

  #draw(): void {
    this.#editor.draw();
    this.#drawn = true;
  }

  /** In the middle of an answer a program knows by it that the next line is none of the answer's, which may look just so. */
  #setApart(drawn: boolean): void {
    if (this.#open && !drawn) this.#editor.erase();
  }

  /** Show up to `limit` lines of the log above the line that is being typed. @returns how many. */
  #showLog(limit: number): number {
    if (!this.#reader.waiting) return 0;
    const drawn = this.#drawn;
    if (drawn) this.#editor.erase();
    let shown = 0;
    while (shown < limit && this.#reader.waiting && this.#hasRoom()) {
      const gap = this.#reader.skipGap();
      if (gap > 0) {
        this.#setApart(drawn);
        this.#output.text(`… lost ${gap} bytes\r\n`);
      }
      this.#setApart(drawn);
      const length = this.#reader.next(this.#logLine);
      this.#output.append(this.#logLine, 0, length);
      this.#output.text("\r\n");
      shown++;
    }
    if (drawn) this.#editor.draw();
    return shown;
  }
}
