/** The other end of a console session: it says lines, keeps what comes, and takes as much of it as the test lets it. */
import type { Answer } from "../../../services/console/answer.ts";
import type { Parsed } from "../../../services/console/grammar.ts";
import type { ConsoleSink } from "../../../services/console/output.ts";
import { type ConsoleHive, ConsoleSession, type ConsoleSessionOptions } from "../../../services/console/session.ts";
import type { Handler, MachineVerb } from "../../../services/console/verbs.ts";
import type { Source } from "../../../services/hive/session.ts";
import { TCP, TestHive, TOKEN } from "../hive/support.ts";
import { nodeBytes } from "../support/ports.ts";

export { TCP };
export const SERIAL: Source = { name: "serial", throttle: 2 ** 32, local: true };

const FILES = {
  status: () => "state=running\n",
  control: { take: () => undefined },
  alarm: { set: () => undefined, clear: () => undefined },
  takesJobs: false,
};

const lines: Handler = (answer: Answer) => {
  answer.ok();
  answer.line("a line");
  answer.end();
};

export const MACHINE: Readonly<Record<MachineVerb, Handler>> = {
  HELP: lines,
  BI: lines,
  CAPS: lines,
  MEM: lines,
  PS: lines,
  NETSTATS: lines,
};

export interface TerminalOptions extends Partial<ConsoleSessionOptions> {
  readonly at?: TestHive;
}

export class Terminal implements ConsoleSink {
  readonly all: TestHive;
  readonly session: ConsoleSession;
  /** Bytes that it takes. */
  free = Infinity;
  closed = 0;
  readonly failures: string[] = [];
  /** Everything that came. */
  readonly lines: string[] = [];
  #seen = 0;

  constructor(options: TerminalOptions = {}) {
    const { at = new TestHive(), ...rest } = options;
    this.all = at;
    const hive: ConsoleHive = at.hive;
    this.session = new ConsoleSession({
      sink: this,
      bytes: nodeBytes,
      clock: at.clock,
      timers: at.timers,
      source: SERIAL,
      hive: () => hive,
      verbs: MACHINE,
      farewell: "",
      failed: (verb, error) => this.failures.push(`${verb}: ${String(error)}`),
      ...rest,
    });
  }

  line(text: string): void {
    const size = Buffer.byteLength(text) + 4;
    if (size > this.free) throw new Error(`sink: ${size} bytes where ${this.free} are free`);
    if (/\n|\r/.test(text)) throw new Error(`sink: not one line: ${JSON.stringify(text)}`);
    this.free -= size;
    this.lines.push(text);
  }

  plain(from: Uint8Array, start: number, size: number): void {
    const text = Buffer.from(from.subarray(start, start + size)).toString("latin1");
    if (/[^\x20-\x7e]/.test(text)) throw new Error(`sink: not printable ASCII: ${JSON.stringify(text)}`);
    this.line(text);
  }

  close(): void {
    this.closed++;
  }

  /** Let it go on until it has nothing to do. */
  settle(limit = 100_000): void {
    for (let runs = 0; this.session.ready; runs++) {
      if (runs === limit) throw new Error("the console never rests");
      const before = [this.lines.length, this.session.busy, this.session.ready].join();
      this.session.run(4096);
      if (runs > 1000 && [this.lines.length, this.session.busy, this.session.ready].join() === before) {
        throw new Error("the console is ready and does nothing");
      }
    }
  }

  /** What has come since this was last asked. */
  come(): string[] {
    this.settle();
    const come = this.lines.slice(this.#seen);
    this.#seen = this.lines.length;
    return come;
  }

  /** What comes for these lines. */
  say(...texts: (string | Parsed)[]): string[] {
    for (const text of texts) {
      const taken = typeof text === "string" ? this.session.line(text) : this.session.take(text);
      if (!taken) throw new Error(`not taken: ${JSON.stringify(text)}`);
    }
    return this.come();
  }

  /** Let time pass for the hive; what comes. */
  pass(ms: number): string[] {
    this.all.pass(ms);
    return this.come();
  }

  /** Log in as the operator; forget what came of it. */
  operator(): this {
    const [answer] = this.say(`attach queen ${TOKEN}`);
    if (answer !== "OK ATTACH role=queen") throw new Error(`attach: ${answer}`);
    return this;
  }
}

/** A console on which an operator is logged in. */
export function operator(options: TerminalOptions = {}): Terminal {
  return new Terminal(options).operator();
}

/** A spare hive with a worker in it, that has written so many heartbeats. */
export function heartbeats(count: number): { all: TestHive; append: (line: string) => void; end: () => void } {
  const all = new TestHive();
  const worker = all.hive.namespace.workers.add(FILES);
  if (worker === undefined) throw new Error("no room for a worker");
  const append = (line: string): void => {
    const bytes = Buffer.from(line);
    worker.telemetry.append(bytes, 0, bytes.length);
  };
  for (let i = 1; i <= count; i++) append(`heartbeat ${i}`);
  return { all, append, end: () => void all.hive.namespace.workers.remove(worker.id) };
}
