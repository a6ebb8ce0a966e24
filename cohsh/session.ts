/**
 * One conversation over a transport: each command gets exactly one acknowledgement and then its stream,
 * in the order in which they were sent. An answer that comes after its deadline is dropped and counted,
 * never taken for the next command's.
 */

import { type Acknowledgement, parseAcknowledgement } from "./acknowledgement.ts";
import type { AnswerListener } from "./output.ts";
import type { Transport, TransportSink } from "./transport.ts";
import { firstWord, type Stream, verbOf } from "./verbs.ts";

/** The hive did not answer, or is gone. Its message is one sentence. */
export class SessionError extends Error {
  override readonly name = "SessionError";
}

interface Pending {
  readonly verb: string;
  readonly stream: Stream;
  readonly follows: boolean;
  readonly listener: AnswerListener;
  readonly resolve: (acknowledgement: Acknowledgement) => void;
  readonly reject: (error: SessionError) => void;
  acknowledgement: Acknowledgement | undefined;
  /** Whether STOP was sent, and what of the two that it leads to has come. */
  stop: "none" | "sent" | "acknowledged" | "ended";
}

/** A command that ran out of time and whose answer may still come. */
interface Owed {
  readonly verb: string;
  readonly stream: Stream;
  acknowledged: boolean;
}

/** Commands whose answers may still be owed; beyond this the line is not worth listening to. */
const OWED_LIMIT = 8;
/** Words that may acknowledge any line: it was none. */
const REFUSED_LINES: readonly string[] = ["PARSE", "FRAME"];

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

  /** Whether a command waits for its answer. */
  get busy(): boolean {
    return this.#pending !== undefined;
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
   * Send a command and wait for the whole of its answer, whose parts the listener hears as they come.
   * @param follows whether its stream goes on until {@link stop}: then no deadline holds between lines
   * @throws SessionError if no answer came in time or the hive is gone.
   */
  run(line: string, listener: AnswerListener, follows = false): Promise<Acknowledgement> {
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
        follows,
        listener,
        resolve,
        reject,
        acknowledgement: undefined,
        stop: "none",
      };
      this.#restartTimer();
      this.#send(line);
    });
  }

  /**
   * End a stream that goes on until then, or with `any` whichever is coming.
   * @returns whether there is one; it is over when its command is.
   */
  stop(any = false): boolean {
    const pending = this.#pending;
    const coming = any && pending?.stream === "lines" && pending.acknowledgement !== undefined;
    if (pending === undefined || (!pending.follows && !coming)) return false;
    if (pending.stop === "none") {
      pending.stop = "sent";
      this.#restartTimer();
      this.#send("stop");
    }
    return true;
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
    if (pending.acknowledgement === undefined) this.#begin(pending, acknowledgement, line);
    else this.#continue(pending, pending.acknowledgement, acknowledgement, line);
  }

  log(line: string): void {
    this.#log(line);
  }

  ended(reason: string): void {
    this.#gone = reason;
    this.#fail(reason);
    this.onEnded?.(reason);
  }

  #begin(pending: Pending, acknowledgement: Acknowledgement | undefined, line: string): void {
    if (acknowledgement === undefined) {
      this.#log(line);
      return;
    }
    const { verb, ok } = acknowledgement;
    if (verb !== pending.verb && !REFUSED_LINES.includes(verb)) {
      this.#late++;
      return;
    }
    pending.acknowledgement = acknowledgement;
    pending.listener.acknowledgement(acknowledgement, line);
    if (!ok || pending.stream === "none") this.#finish(acknowledgement);
    else this.#restartTimer();
  }

  #continue(
    pending: Pending,
    begun: Acknowledgement,
    acknowledgement: Acknowledgement | undefined,
    line: string,
  ): void {
    // The stream may have ended by itself before STOP came, so its two answers come in either order.
    if (acknowledgement?.verb === "STOP" && (pending.stop === "sent" || pending.stop === "ended")) {
      if (pending.stop === "ended") this.#finish(begun);
      else pending.stop = "acknowledged";
    } else if (pending.stream === "lines" && line === "END") {
      pending.listener.end();
      if (pending.stop === "sent") pending.stop = "ended";
      else this.#finish(begun);
    } else {
      pending.listener.line(line);
      if (pending.stream === "pong") this.#finish(begun);
    }
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

  #send(line: string): void {
    try {
      this.#transport.send(line);
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #restartTimer(): void {
    clearTimeout(this.#timer);
    const pending = this.#pending;
    if (pending?.follows === true && pending.acknowledgement !== undefined && pending.stop === "none") return;
    this.#timer = setTimeout(() => {
      if (pending === undefined || pending !== this.#pending) return;
      this.#owed.push({
        verb: pending.verb,
        stream: pending.stream,
        acknowledged: pending.acknowledgement !== undefined,
      });
      this.#fail(`no answer to ${pending.verb} within ${this.#timeoutMs / 1000} s`);
    }, this.#timeoutMs);
  }

  #finish(acknowledgement: Acknowledgement): void {
    this.#take()?.resolve(acknowledgement);
  }

  #fail(reason: string): void {
    this.#take()?.reject(new SessionError(reason));
  }

  #take(): Pending | undefined {
    clearTimeout(this.#timer);
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }
}
