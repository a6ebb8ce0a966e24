/**
 * Turns what a serial console prints into lines, as a terminal would show them: carriage returns, erasures
 * and redrawn prompts are applied, the echo of what was sent is taken out. Its memory is bounded, and a
 * line beyond the bound comes in pieces.
 */

import { StringDecoder } from "node:string_decoder";
import { TICKET_PREFIX } from "../../services/roles/ticket.ts";
import { MASK, withoutCredentials } from "../redact.ts";
import type { TransportSink } from "../transport.ts";

/** What the hive's console shows when it takes a command. */
export const PROMPT = "cohesix> ";

/** Log lines carry the time since boot in front: `[   0.123456] pump: …`. */
const LOG_LINE = /^\[ *\d+\.\d{6}\] /;

const LINE_LIMIT = 8192;
/** Sent lines whose echo has not come; a console without echo must not make this grow. */
const ECHO_LIMIT = 16;

/** Where in an ANSI control sequence (ECMA-48 §5.4) the input stands. */
type Escape = "none" | "escape" | "sequence";

export class SerialLines {
  readonly #sink: TransportSink;
  readonly #decoder = new StringDecoder("utf8");
  #line = "";
  #escape: Escape = "none";
  #carriageReturn = false;
  /** The line was written over what stood there, as a console does with what is no answer. */
  #over = false;
  #echoes: string[] = [];
  /** Called when the console shows its prompt and waits. */
  onPrompt: (() => void) | undefined;

  constructor(sink: TransportSink) {
    this.#sink = sink;
  }

  /** A line was sent; when the console echoes it, as it is or with its credentials masked, that is no answer. */
  sent(line: string): void {
    if (this.#echoes.length === ECHO_LIMIT) this.#echoes.shift();
    this.#echoes.push(masked(line));
  }

  feed(chunk: Uint8Array): void {
    for (const character of this.#decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))) {
      this.#take(character);
    }
    if (this.#line === PROMPT) this.onPrompt?.();
  }

  /** The end: what stands on an unfinished line is a line too. */
  end(): void {
    if (this.#line !== "") this.#finish();
  }

  #take(character: string): void {
    if (this.#escape !== "none") {
      this.#inEscape(character);
      return;
    }
    if (character === "\n") {
      this.#carriageReturn = false;
      this.#finish();
      return;
    }
    if (character === "\r") {
      this.#carriageReturn = true;
      return;
    }
    if (character === "\x1b") {
      this.#escape = "escape";
      return;
    }
    if (this.#carriageReturn) {
      // The cursor went back to the margin and something else is written over the line.
      this.#carriageReturn = false;
      this.#erase();
    }
    if (character === "\b") this.#line = this.#line.replace(/.$/su, "");
    else if (character >= " ") this.#line += character;
    if (this.#line.length >= LINE_LIMIT) this.#finish();
  }

  #inEscape(character: string): void {
    if (this.#escape === "escape") {
      this.#escape = character === "[" ? "sequence" : "none";
      return;
    }
    // Parameter and intermediate bytes are 0x20 to 0x3f; anything else ends the sequence.
    if (character >= " " && character <= "?") return;
    this.#escape = "none";
    if (character === "K" && this.#carriageReturn) this.#erase();
  }

  #erase(): void {
    this.#line = "";
    this.#over = true;
  }

  #finish(): void {
    const prompted = this.#line.startsWith(PROMPT);
    const line = prompted ? this.#line.slice(PROMPT.length) : this.#line;
    this.#line = "";
    const over = this.#over;
    this.#over = false;
    // An answer may hold lines of a log, so only what pushed something aside is the machine's for certain.
    if (prompted ? LOG_LINE.test(line) : over) {
      this.#sink.log(line);
      return;
    }
    const echo = this.#echoes.indexOf(masked(line));
    if (echo >= 0) this.#echoes.splice(0, echo + 1);
    else if (!prompted) this.#sink.reply(line);
  }
}

/** A line as it may be echoed: from a credential to its end nothing is shown, here as on the console. */
function masked(line: string): string {
  const ticket = line.indexOf(TICKET_PREFIX);
  const shown = ticket < 0 ? line : line.slice(0, ticket) + MASK;
  return withoutCredentials(shown).trim();
}
