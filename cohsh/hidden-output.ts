/**
 * The terminal as a line editor sees it: what the editor shows of a line that it is editing is shown without the credentials in it,
 * a `*` for each character, so that the cursor stands where the editor thinks. What it shows otherwise goes on as it is.
 */

import { Writable } from "node:stream";
import { hidden } from "./redact.ts";

export class HiddenOutput extends Writable {
  readonly #terminal: NodeJS.WriteStream;
  readonly #line: () => string;

  /** @param line that is being edited */
  constructor(terminal: NodeJS.WriteStream, line: () => string) {
    super({ decodeStrings: false });
    this.#terminal = terminal;
    this.#line = line;
  }

  /** The editor breaks lines there. */
  get columns(): number {
    return this.#terminal.columns;
  }

  /** Pass the terminal's changes of size on. @returns what ends that */
  follow(): () => void {
    const resized = (): boolean => this.emit("resize");
    this.#terminal.on("resize", resized);
    return () => this.#terminal.off("resize", resized);
  }

  override _write(text: string | Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.#terminal.write(typeof text === "string" ? this.#shown(text) : text);
    done();
  }

  /** An editor writes the line behind its prompt, or the end of it that was just typed. */
  #shown(text: string): string {
    const line = this.#line();
    const shown = hidden(line);
    if (shown === line || text === "") return text;
    if (text.endsWith(line)) return text.slice(0, text.length - line.length) + shown;
    return line.endsWith(text) ? shown.slice(shown.length - text.length) : text;
  }
}
