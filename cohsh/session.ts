/**
 * One conversation over a transport: each command gets exactly one acknowledgement and then its stream,
 * in the order in which they were sent. An answer that comes after its deadline is dropped and counted,
 * never taken for the next command's.
 */

import { type Acknowledgement, parseAcknowledgement } from "./acknowledgement.ts";
import type { Transport, TransportSink } from "./transport.ts";
import { firstWord, type Stream, verbOf } from "./verbs.ts";

export interface Answer {
  readonly acknowledgement: Acknowledgement;
  /** The acknowledgement as it came. */
  readonly line: string;
}

/** The hive did not answer, or is gone. Its message is one sentence. */
export class SessionError extends Error {
  override readonly name = "SessionError";
}

interface Pending {
  readonly verb: string;
  readonly stream: Stream;
  readonly print: (line: string) => void;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: SessionError) => void;
  answer: Answer | undefined;
}

/** A command that ran out of time and whose answer may still come. */
interface Owed {
  readonly verb: string;
  readonly stream: Stream;
  acknowledged: boolean;
}

/** Commands whose answers may still be owed; beyond this the line is not worth listening to. */
const OWED_LIMIT = 8;

export class Session implements TransportSink {
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #log: (line: string) => void;
  #pending: Pending | undefined;
  #timer: NodeJS.Timeout | undefined;
  #owed: Owed[] = [];
  #gone: string | undefined;
  #late = 0;
  /** Called when the hive ends by itself. */
  onEnded: ((reason: string) => void) | undefined;

  /**
   * @param timeoutMs how long a command waits for the next line of its answer.
   * @param log where lines go that the machine printed of its own accord.
   */
  constructor(transport: Transport, timeoutMs: number, log: (line: string) => void) {
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
    this.#log = log;
  }

  /** Lines of answers that came after their command's deadline. */
  get late(): number {
    return this.#late;
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#transport.open(this, signal);
  }

  close(): Promise<void> {
    this.#gone ??= "the session is closed";
    this.#fail(this.#gone);
    return this.#transport.close();
  }

  /**
   * Send a command and wait for the whole of its answer.
   * @param print receives the acknowledgement and each line of the stream as they come, `END` left out.
   * @throws SessionError if no answer came in time or the hive is gone.
   */
  run(line: string, print: (line: string) => void): Promise<Answer> {
    if (this.#pending !== undefined) throw new Error("a session runs one command at a time");
    if (this.#gone !== undefined) return Promise.reject(new SessionError(this.#gone));
    if (this.#owed.length >= OWED_LIMIT) {
      return Promise.reject(new SessionError(`${OWED_LIMIT} commands were not answered, the line is given up`));
    }
    const verb = verbOf(line);
    return new Promise((resolve, reject) => {
      this.#pending = {
        verb: verb?.word ?? firstWord(line).toUpperCase(),
        stream: verb?.stream ?? "none",
        print,
        resolve,
        reject,
        answer: undefined,
      };
      this.#restartTimer();
      try {
        this.#transport.send(line);
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
      }
    });
  }

  reply(line: string): void {
    const acknowledgement = parseAcknowledgement(line);
    if (this.#owed.length > 0 && this.#takeLate(line, acknowledgement)) return;
    const pending = this.#pending;
    if (pending === undefined) {
      this.#log(line);
      return;
    }
    this.#restartTimer();
    if (pending.answer === undefined) {
      if (acknowledgement === undefined) {
        this.#log(line);
        return;
      }
      pending.answer = { acknowledgement, line };
      pending.print(line);
      if (!acknowledgement.ok || pending.stream === "none") this.#finish(pending.answer);
      return;
    }
    if (pending.stream === "lines" && line === "END") this.#finish(pending.answer);
    else {
      pending.print(line);
      if (pending.stream === "pong") this.#finish(pending.answer);
    }
  }

  log(line: string): void {
    this.#log(line);
  }

  ended(reason: string): void {
    this.#gone = reason;
    this.#fail(reason);
    this.onEnded?.(reason);
  }

  /** @returns whether the line belonged to a command whose time had run out. */
  #takeLate(line: string, acknowledgement: Acknowledgement | undefined): boolean {
    const owed = this.#owed[0];
    if (owed === undefined) return false;
    if (!owed.acknowledged) {
      if (acknowledgement === undefined) return false;
      // Answers keep their order: another verb's means that the hive never saw the earlier commands.
      if (acknowledgement.verb !== owed.verb && acknowledgement.verb === this.#pending?.verb) {
        this.#owed = [];
        return false;
      }
      owed.acknowledged = true;
      if (!acknowledgement.ok || owed.stream === "none") this.#owed.shift();
    } else if (owed.stream === "pong" || line === "END") {
      this.#owed.shift();
    }
    this.#late++;
    return true;
  }

  #restartTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const pending = this.#pending;
      if (pending === undefined) return;
      this.#owed.push({ verb: pending.verb, stream: pending.stream, acknowledged: pending.answer !== undefined });
      this.#fail(`no answer to ${pending.verb} within ${this.#timeoutMs / 1000} s`);
    }, this.#timeoutMs);
  }

  #finish(answer: Answer): void {
    const pending = this.#take();
    pending?.resolve(answer);
  }

  #fail(reason: string): void {
    const pending = this.#take();
    pending?.reject(new SessionError(reason));
  }

  #take(): Pending | undefined {
    clearTimeout(this.#timer);
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }
}
