/** One command of a session, from its being sent to the end of its answer, and who waits for that. */

import { type Acknowledgement, parseAcknowledgement } from "./acknowledgement.ts";
import { Follow, type Shown } from "./follow.ts";
import type { AnswerListener } from "./output.ts";
import { firstWord, type Stream, verbOf } from "./verbs.ts";

export interface PendingOptions {
  readonly line: string;
  readonly listener: AnswerListener;
  /** Whether its stream goes on until it is stopped. */
  readonly follows: boolean;
  /** Whether the stream can go on over another connection. */
  readonly resumes: boolean;
  readonly resolve: (acknowledgement: Acknowledgement) => void;
  readonly reject: (error: Error) => void;
}

export class Pending {
  readonly line: string;
  readonly verb: string;
  readonly stream: Stream;
  readonly follows: boolean;
  readonly listener: AnswerListener;
  readonly resolve: (acknowledgement: Acknowledgement) => void;
  readonly reject: (error: Error) => void;
  readonly #follow: Follow | undefined;
  /** On the connection that there is. */
  sent = false;
  /** Whether its acknowledgement is due, for the first time or over another connection. */
  awaited = true;
  /** The first one. */
  acknowledgement: Acknowledgement | undefined;
  /** Whether STOP was sent, and what of the two that it leads to has come. */
  stop: "none" | "sent" | "acknowledged" | "ended" = "none";

  constructor(options: PendingOptions) {
    const { line, listener, follows, resumes, resolve, reject } = options;
    const verb = verbOf(line);
    this.line = line;
    this.verb = verb?.word ?? firstWord(line).toUpperCase();
    this.stream = verb?.stream ?? "none";
    this.follows = follows;
    this.listener = listener;
    this.resolve = resolve;
    this.reject = reject;
    this.#follow = follows && resumes ? Follow.of(line) : undefined;
  }

  /** What is sent for it. */
  get command(): string {
    return this.#follow?.command ?? this.line;
  }

  /** Whether it may be asked for again: reading a file does nothing to it. */
  get canResume(): boolean {
    return this.#follow !== undefined;
  }

  /** Whether it may be silent for as long as it likes. */
  get patient(): boolean {
    if (!this.follows || this.acknowledgement === undefined || this.stop !== "none") return false;
    return !(this.sent && this.awaited);
  }

  /** The connection that it was sent on is lost. */
  interrupted(): void {
    this.sent = false;
    this.awaited = true;
    this.#follow?.interrupted();
  }

  /** Its acknowledgement has come. */
  take(acknowledgement: Acknowledgement, line: string): void {
    this.awaited = false;
    const again = this.acknowledgement !== undefined;
    const shown = this.#follow?.acknowledged(acknowledgement, line) ?? { text: line };
    if (shown.note !== undefined) this.listener.note?.(shown.note);
    const told = shown.text === undefined ? undefined : parseAcknowledgement(shown.text);
    this.acknowledgement ??= told ?? acknowledgement;
    if (told !== undefined && shown.text !== undefined) this.listener.acknowledgement(told, shown.text);
    else if (again && !acknowledgement.ok) this.listener.note?.(`it does not go on: ${line}`);
  }

  /** A line of its stream has come. */
  say(line: string): void {
    const { text, note }: Shown = this.#follow?.line(line) ?? { text: line };
    if (note !== undefined) this.listener.note?.(note);
    if (text !== undefined) this.listener.line(text);
  }
}
