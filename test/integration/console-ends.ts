/**
 * The operator's end of a console, for tests that hold every way to a hive to the same answers: bytes go out as the test wants them,
 * lines come back one at a time. Over TCP a line is a frame, on a terminal's line it ends with CR and comes back echoed.
 */
import { PROMPT, SerialLines } from "../../cohsh/transports/serial-lines.ts";
import { VERBS } from "../../services/console/grammar.ts";

const patienceMs = 20_000;
/** What the machine says of itself between answers. */
const LOG_LINE = /^\[ *\d+\.\d{6}\] /;
/** The words of acknowledgements that lines follow. */
const STREAMS: readonly string[] = Object.values(VERBS).flatMap(({ word, stream }) => (stream ? [word] : []));

/** What all of them have: lines that came, in order. */
export abstract class ConsoleEnd {
  readonly #lines: string[] = [];

  /** Whether no more will come. */
  abstract readonly over: boolean;

  abstract send(...lines: readonly string[]): void;

  /** Settles when something may have come, or at the time-out. */
  protected abstract more(withinMs: number): Promise<void>;

  protected take(text: string): void {
    this.#lines.push(text);
  }

  /** @returns `undefined` if the hive has closed. @throws Error if nothing comes in time */
  async line(withinMs = patienceMs): Promise<string | undefined> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined || this.over) return line;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no line within ${withinMs} ms`);
      await this.more(left);
    }
  }

  /** Say a line. @returns the next that comes, its acknowledgement */
  ask(line: string): Promise<string | undefined> {
    this.send(line);
    return this.line();
  }

  async lines(count: number): Promise<(string | undefined)[]> {
    const lines = [];
    for (let i = 0; i < count; i++) lines.push(await this.line());
    return lines;
  }

  /** Lines up to and with `END` or a refusal. */
  async stream(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === undefined) throw new Error(`the stream was cut after ${lines.join("|")}`);
      lines.push(line);
      if (line === "END" || line.startsWith("ERR ")) return lines;
    }
  }

  /** What the hive says to these lines, up to the answer of the `ping` behind them. */
  async say(...lines: readonly string[]): Promise<string[]> {
    this.send(...lines, "ping");
    return this.untilPong();
  }

  /** Lines up to the next answer to a `ping`, without it. */
  async untilPong(): Promise<string[]> {
    const answers: string[] = [];
    for (let line = await this.line(); line !== undefined; line = await this.line()) {
      if (line === "PONG" && answers.at(-1) === "OK PING reply=pong") return answers.slice(0, -1);
      answers.push(line);
    }
    return answers;
  }
}

/** The terminal of a hive: somebody types, and what is printed comes. */
export interface TerminalOfHive {
  /** Settles when it may be typed on. */
  type(text: string | Uint8Array): void | Promise<void>;
  /** What was printed up to and with this, and was not waited for before. */
  expect(pattern: RegExp, patienceMs: number): Promise<string>;
}

/** The console on a terminal's line. From here on nobody else may read the terminal. */
export class TypedLine extends ConsoleEnd {
  readonly over = false;
  readonly #terminal: TerminalOfHive;
  readonly #read: SerialLines;
  /** The lines of an answer are coming, which may be those of a log. */
  #streaming = false;

  constructor(terminal: TerminalOfHive) {
    super();
    this.#terminal = terminal;
    this.#read = new SerialLines({
      reply: (line) => {
        if (!this.#streaming && LOG_LINE.test(line)) return;
        const word = /^OK (\w+)/.exec(line)?.[1];
        if (!this.#streaming) this.#streaming = word !== undefined && STREAMS.includes(word);
        else if (line === "END") this.#streaming = false;
        this.take(line);
      },
      log: () => undefined,
      ended: () => undefined,
    });
    // Whoever waited for the hive to come up has seen it.
    this.#read.feed(Buffer.from(PROMPT));
  }

  override send(...lines: readonly string[]): void {
    for (const line of lines) {
      this.#read.sent(line);
      void this.raw(`${line}\r`);
    }
  }

  /** Type what is no line, or none that comes back as it was typed. */
  async raw(bytes: Uint8Array | string): Promise<void> {
    await this.#terminal.type(bytes);
  }

  protected override async more(withinMs: number): Promise<void> {
    this.#read.feed(Buffer.from(await this.#terminal.expect(/[^]+/, withinMs)));
  }
}
