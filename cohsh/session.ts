/**
 * One conversation over a transport: each command gets exactly one acknowledgement and then its stream, in the order in which they
 * were sent. An answer that comes after its deadline is dropped and counted, never taken for the next command's. Over a connection
 * that was lost and is there again, logins and `tail -f` go on; no other command is ever sent twice.
 */

import { type Acknowledgement, parseAcknowledgement } from "./acknowledgement.ts";
import { Owed } from "./owed.ts";
import { Pending } from "./pending.ts";
import type { AnswerListener } from "./output.ts";
import type { Transport, TransportSink } from "./transport.ts";

/** The hive did not answer, or is gone. Its message is one sentence. */
export class SessionError extends Error {
  override readonly name = "SessionError";
}

/** Commands whose answers may still be owed; beyond this the line is not worth listening to. */
const OWED_LIMIT = 8;
/** Words that may acknowledge any line: it was none. */
const REFUSED_LINES: readonly string[] = ["PARSE", "FRAME"];
/** Who hears the answer to a login that is made anew. */
const NOBODY: AnswerListener = { acknowledgement: () => undefined, line: () => undefined, end: () => undefined };

export class Session implements TransportSink {
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #log: (line: string) => void;
  readonly #depth: number;
  /** Commands that are not answered whole; the first is the one whose answer comes next. */
  readonly #queue: Pending[] = [];
  readonly #owed = new Owed(OWED_LIMIT);
  #timer: NodeJS.Timeout | undefined;
  #gone: string | undefined;
  /** `renewing`: the connection is there again, and the login on it is being made anew. */
  #state: "up" | "down" | "renewing" = "up";
  /** The line that made the login that there is. */
  #login: string | undefined;
  #late = 0;
  /** Called when the hive ends by itself. */
  onEnded: ((reason: string) => void) | undefined;
  /** Called when the connection is lost and is looked for. */
  onInterrupted: ((reason: string) => void) | undefined;
  /** Called when it is there again. @param refused why nobody is logged in any more, if somebody was */
  onResumed: ((refused: string | undefined) => void) | undefined;

  /**
   * @param timeoutMs how long a command waits for the next line of its answer.
   * @param log where lines go that the machine printed of its own accord.
   * @param depth commands that may be sent before the first of them is answered.
   */
  constructor(transport: Transport, timeoutMs: number, log: (line: string) => void, depth = 1) {
    this.#transport = transport;
    this.#timeoutMs = timeoutMs;
    this.#log = log;
    this.#depth = depth;
  }

  /** Lines of answers that came after their command's deadline. */
  get late(): number {
    return this.#late;
  }

  /** Whether a command waits for its answer. */
  get busy(): boolean {
    return this.#queue.length > 0;
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#transport.open(this, signal);
  }

  close(): Promise<void> {
    this.#gone ??= "the session is closed";
    this.#failAll(this.#gone);
    return this.#transport.close();
  }

  /**
   * Send a command and wait for the whole of its answer, whose parts the listener hears as they come.
   * @param follows whether its stream goes on until {@link stop}: then no deadline holds between lines
   * @throws SessionError if no answer came in time or the hive is gone.
   */
  run(line: string, listener: AnswerListener, follows = false): Promise<Acknowledgement> {
    if (this.#queue.length >= this.#depth) {
      throw new Error(`a session runs ${this.#depth === 1 ? "one command" : `${this.#depth} commands`} at a time`);
    }
    const refused =
      this.#gone ?? (this.#owed.full ? `${OWED_LIMIT} commands were not answered, the line is given up` : undefined);
    if (refused !== undefined) {
      listener.begun?.();
      return Promise.reject(new SessionError(refused));
    }
    return new Promise((resolve, reject) => {
      const pending = new Pending({
        line,
        listener,
        follows,
        resumes: this.#transport.resumes === true,
        resolve,
        reject,
      });
      this.#queue.push(pending);
      if (this.#queue.length === 1) this.#begin(pending);
      if (this.#state === "up") this.#send(pending);
    });
  }

  /**
   * End a stream that goes on until then, or with `any` whichever is coming.
   * @returns whether there is one; it is over when its command is.
   */
  stop(any = false): boolean {
    const [pending] = this.#queue;
    const coming = any && pending?.stream === "lines" && pending.acknowledgement !== undefined;
    if (pending === undefined || (!pending.follows && !coming)) return false;
    if (this.#state !== "up") {
      if (pending.acknowledgement === undefined) this.#fail(pending, `${pending.verb} was not sent`);
      else this.#endStream(pending);
    } else if (pending.stop === "none") {
      pending.stop = "sent";
      this.#restartTimer();
      this.#write("stop");
    }
    return true;
  }

  reply(line: string): void {
    const acknowledgement = parseAcknowledgement(line);
    const [pending] = this.#queue;
    if (this.#owed.take(line, acknowledgement, pending?.verb)) {
      this.#late++;
      return;
    }
    if (pending === undefined || !pending.sent) {
      this.#log(line);
      return;
    }
    this.#restartTimer();
    if (pending.awaited) this.#acknowledge(pending, acknowledgement, line);
    else this.#continue(pending, acknowledgement, line);
  }

  log(line: string): void {
    this.#log(line);
  }

  ended(reason: string): void {
    this.#gone = reason;
    this.#failAll(reason);
    this.onEnded?.(reason);
  }

  interrupted(reason: string): void {
    this.#state = "down";
    this.#owed.clear();
    // First, so that what becomes of the commands is read after why.
    this.onInterrupted?.(reason);
    for (const pending of [...this.#queue]) {
      if (pending.acknowledgement !== undefined && pending.stop !== "none") this.#endStream(pending);
      else if (pending.canResume) pending.interrupted();
      else if (pending.sent) this.#fail(pending, lostSentence(pending, reason));
    }
    this.#restartTimer();
  }

  resumed(): void {
    this.#state = "renewing";
    void this.#renew();
  }

  /** Log in anew, and go on with what goes on. */
  async #renew(): Promise<void> {
    const refused = this.#login === undefined ? undefined : await this.#loginAgain(this.#login);
    // It may be lost again meanwhile.
    if (this.#state !== "renewing" || this.#gone !== undefined) return;
    this.#state = "up";
    this.onResumed?.(refused);
    const [first] = this.#queue;
    if (refused !== undefined && first?.canResume === true)
      this.#fail(first, `${first.verb} does not go on: ${refused}`);
    for (const pending of [...this.#queue]) if (!pending.sent) this.#send(pending);
    this.#restartTimer();
  }

  /** @returns why not */
  async #loginAgain(line: string): Promise<string | undefined> {
    try {
      const acknowledgement = await new Promise<Acknowledgement>((resolve, reject) => {
        const pending = new Pending({ line, listener: NOBODY, follows: false, resumes: false, resolve, reject });
        this.#queue.unshift(pending);
        this.#restartTimer();
        this.#send(pending);
      });
      if (acknowledgement.ok) return undefined;
      this.#login = undefined;
      return `the hive refused the login: ${acknowledgement.detail ?? acknowledgement.reason}`;
    } catch (error) {
      if (this.#state === "renewing") this.#login = undefined;
      return error instanceof Error ? error.message : String(error);
    }
  }

  #acknowledge(pending: Pending, acknowledgement: Acknowledgement | undefined, line: string): void {
    if (acknowledgement === undefined) {
      this.#log(line);
      return;
    }
    const { verb, ok } = acknowledgement;
    if (verb !== pending.verb && !REFUSED_LINES.includes(verb)) {
      this.#late++;
      return;
    }
    pending.take(acknowledgement, line);
    if (!ok || pending.stream === "none") this.#finish(pending, acknowledgement);
    else this.#restartTimer();
  }

  #continue(pending: Pending, acknowledgement: Acknowledgement | undefined, line: string): void {
    // The stream may have ended by itself before STOP came, so its two answers come in either order.
    if (acknowledgement?.verb === "STOP" && (pending.stop === "sent" || pending.stop === "ended")) {
      if (pending.stop === "ended") this.#finish(pending, pending.acknowledgement);
      else pending.stop = "acknowledged";
    } else if (pending.stream === "lines" && line === "END") {
      pending.listener.end();
      if (pending.stop === "sent") pending.stop = "ended";
      else this.#finish(pending, pending.acknowledgement);
    } else {
      pending.say(line);
      if (pending.stream === "pong") this.#finish(pending, pending.acknowledgement);
    }
  }

  /** A stream that was to be ended is over, for nothing of it will come any more. */
  #endStream(pending: Pending): void {
    if (pending.stop !== "ended") pending.listener.end();
    this.#finish(pending, pending.acknowledgement);
  }

  #send(pending: Pending): void {
    pending.sent = true;
    this.#write(pending.command);
  }

  #write(line: string): void {
    try {
      this.#transport.send(line);
    } catch (error) {
      // None of them can be answered over a transport that takes nothing.
      this.#failAll(error instanceof Error ? error.message : String(error));
    }
  }

  #begin(pending: Pending): void {
    pending.listener.begun?.();
    this.#restartTimer();
  }

  #restartTimer(): void {
    clearTimeout(this.#timer);
    const [pending] = this.#queue;
    if (pending === undefined || pending.patient) return;
    this.#timer = setTimeout(() => {
      if (pending !== this.#queue[0]) return;
      const seconds = this.#timeoutMs / 1000;
      if (!pending.sent) return this.#fail(pending, `not sent: there was no connection within ${seconds} s`);
      this.#owed.add(pending);
      this.#fail(pending, `no answer to ${pending.verb} within ${seconds} s`);
    }, this.#timeoutMs);
  }

  #finish(pending: Pending, acknowledgement: Acknowledgement | undefined): void {
    if (acknowledgement === undefined) throw new Error("a command is over that was never acknowledged");
    this.#remember(pending, acknowledgement);
    this.#remove(pending);
    pending.resolve(acknowledgement);
  }

  /** Keep the login in mind, to make it anew. */
  #remember(pending: Pending, acknowledgement: Acknowledgement): void {
    if (acknowledgement.ok) {
      if (pending.verb === "ATTACH") this.#login = pending.line;
      else if (pending.verb === "DETACH" || pending.verb === "QUIT") this.#login = undefined;
    } else if (acknowledgement.detail === "unauthenticated" || acknowledgement.detail === "revoked") {
      this.#login = undefined;
    }
  }

  #fail(pending: Pending, reason: string): void {
    this.#remove(pending);
    pending.reject(new SessionError(reason));
  }

  #failAll(reason: string): void {
    for (const pending of this.#queue.splice(0)) pending.reject(new SessionError(reason));
    this.#restartTimer();
  }

  #remove(pending: Pending): void {
    const index = this.#queue.indexOf(pending);
    if (index >= 0) this.#queue.splice(index, 1);
    const [next] = this.#queue;
    if (index === 0 && next !== undefined) this.#begin(next);
    else this.#restartTimer();
  }
}

function lostSentence(pending: Pending, reason: string): string {
  return pending.acknowledgement === undefined
    ? `${pending.verb} is lost, may have been done: ${reason}`
    : `the rest of the answer to ${pending.verb} is lost: ${reason}`;
}
