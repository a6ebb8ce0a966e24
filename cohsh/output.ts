/**
 * What a run of the shell has to say, as it happens and by kind, so that one shell serves a person, a program and a script.
 * Whoever implements it decides the form; no credential is ever among what it is given.
 */

import type { Acknowledgement } from "./acknowledgement.ts";

/** What happened to the connection and to the login on it. */
export type ConnectionEvent =
  | { readonly event: "connect"; readonly transport: string }
  | { readonly event: "attach"; readonly role: string; readonly subject?: string }
  | {
      readonly event: "detach";
      readonly role: string;
      readonly reason: "detach" | "quit" | "attach" | "ended by the hive";
    }
  | { readonly event: "interrupted"; readonly reason: string }
  | { readonly event: "resumed"; readonly role?: string }
  | { readonly event: "lost"; readonly reason: string }
  | { readonly event: "close" };

/** Who hears the parts of an answer. */
export interface AnswerListener {
  /** Its command is the next to be answered; those before it are. */
  begun?(): void;
  /** @param line as it came */
  acknowledgement(acknowledgement: Acknowledgement, line: string): void;
  /** A line of the stream behind it. */
  line(text: string): void;
  /** The stream is over. */
  end(): void;
  /** A word on the answer that is not the hive's. */
  note?(text: string): void;
}

export interface Output extends AnswerListener {
  /** A command begins, without its credentials. */
  command(shown: string): void;
  /** What the machine printed of its own accord. */
  log(text: string): void;
  /** The shell's own word, never the hive's. */
  note(text: string): void;
  event(event: ConnectionEvent): void;
}

/** For people: the hive's lines as they are, the shell's own words behind `# `, and `END` left out. */
export class TextOutput implements Output {
  readonly #print: (line: string) => void;
  readonly #prompt: string | undefined;

  /** @param prompt what commands are shown behind, for runs in which nobody types them; `undefined`: they are not shown. */
  constructor(print: (line: string) => void, prompt?: string) {
    this.#print = print;
    this.#prompt = prompt;
  }

  command(shown: string): void {
    if (this.#prompt !== undefined) this.#print(`${this.#prompt}${shown}`);
  }

  acknowledgement(_acknowledgement: Acknowledgement, line: string): void {
    this.#print(line);
  }

  line(text: string): void {
    this.#print(text);
  }

  end(): void {}

  log(text: string): void {
    this.#print(text);
  }

  note(text: string): void {
    this.#print(`# ${text}`);
  }

  event(): void {}
}
