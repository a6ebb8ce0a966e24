/**
 * Runs command lines against a session, one at a time, and prints each answer whole. It prints through one
 * function and knows neither terminals nor files. Where the hive's console keeps no roles and no logs, the
 * shell answers those verbs and notes behind each such answer (`# …`) that the hive had no part in it.
 */

import { err, INVALID_CHARACTER, parse, TOO_LONG } from "../services/console/grammar.ts";
import { BootLog } from "../services/log/boot-log.ts";
import { nodeBytes } from "./bytes.ts";
import { LOG_LINE_BYTES } from "./log-slice.ts";
import { Session, SessionError } from "./session.ts";
import { BOOT_LOG, SessionVerbs, type VerbAnswer } from "./session-verbs.ts";
import type { Transport } from "./transport.ts";
import { firstWord, SESSION_VERBS } from "./verbs.ts";

/** Most bytes of a command line, as on the hive's own consoles. */
export const COMMAND_LIMIT = 1024;
const LOG_BYTES = 1 << 20;

/** `ok` and `refused` speak of the acknowledgement, `lost` means that none will come any more. */
export type Outcome = "ok" | "refused" | "lost" | "quit";

export interface ShellOptions {
  /** How long a command waits for the next line of its answer. */
  readonly timeoutMs: number;
  /** Print what the machine prints of its own accord, as it comes. */
  readonly follow: boolean;
  readonly print: (line: string) => void;
}

export class Shell {
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #print: (line: string) => void;
  readonly #log: BootLog;
  readonly #verbs: SessionVerbs;
  #follow: boolean;
  #gone: string | undefined;
  #closed = false;
  #stopTail: (() => void) | undefined;
  /** Called when the hive ends by itself. */
  onEnded: ((reason: string) => void) | undefined;

  constructor(transport: Transport, options: ShellOptions) {
    this.#transport = transport;
    this.#print = options.print;
    this.#follow = options.follow;
    // The lines that are kept carry the hive's time already, so the clock is never asked.
    const clock = { nowUs: () => 0 };
    this.#log = new BootLog({ clock, bytes: nodeBytes, ringBytes: LOG_BYTES, lineBytes: LOG_LINE_BYTES });
    this.#verbs = new SessionVerbs(this.#log);
    this.#session = new Session(transport, options.timeoutMs, (line) => {
      this.#log.print(line);
      if (this.#follow || this.#stopTail !== undefined) this.#print(line);
    });
    this.#session.onEnded = (reason) => {
      this.#gone = reason;
      this.#stopTail?.();
      this.onEnded?.(reason);
    };
  }

  /** Why the hive ended by itself, if it did. */
  get gone(): string | undefined {
    return this.#gone;
  }

  /** Print what the machine prints of its own accord from now on, or no longer. */
  set follow(on: boolean) {
    this.#follow = on;
  }

  /** Rejects with one sentence if the hive does not come up. */
  open(signal: AbortSignal): Promise<void> {
    return this.#session.open(signal);
  }

  /** End the hive's side. A command that is still running ends as `lost`, without a word. */
  close(): Promise<void> {
    this.#closed = true;
    this.#stopTail?.();
    return this.#session.close();
  }

  /** Stop a `tail -f`. @returns whether there was one. */
  interrupt(): boolean {
    const stop = this.#stopTail;
    stop?.();
    return stop !== undefined;
  }

  /** Run one command line. An empty line and one that begins with `#` do nothing. */
  async execute(line: string): Promise<Outcome> {
    if (Buffer.byteLength(line) > COMMAND_LIMIT) return this.refuse("too-long");
    if (parse(line) === INVALID_CHARACTER) return this.refuse("invalid-character");
    const command = line.trim();
    if (command === "" || command.startsWith("#")) return "ok";
    if (this.#transport.keeper === "shell") {
      const outcome = this.#answer(command);
      if (outcome !== undefined) return await outcome;
    }
    const verb = firstWord(command);
    try {
      const { acknowledgement } = await this.#session.run(command, this.#print);
      if (!acknowledgement.ok) return "refused";
      if (verb === "help" && this.#transport.keeper === "shell") this.#listOwnVerbs();
      return verb === "quit" ? "quit" : "ok";
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      if (this.#closed) return "lost";
      // The end of a hive is announced by whoever listens for it.
      if (this.#gone === undefined) this.#note(error.message);
      return this.#gone === undefined ? "refused" : "lost";
    }
  }

  /** Answer a line that must not be sent, in the words of a hive's console. */
  refuse(why: "too-long" | "invalid-character"): "refused" {
    const parsed = why === "too-long" ? TOO_LONG : INVALID_CHARACTER;
    if (parsed.kind === "refused") this.#print(err(parsed.word, parsed.refusal));
    this.#note("refused by this shell, not sent");
    return "refused";
  }

  /** The shell's own answer, `undefined` if the verb is the hive's to answer. */
  #answer(command: string): Outcome | Promise<Outcome> | undefined {
    const words = command.split(/ +/);
    const verb = firstWord(command);
    if (verb === "quit") {
      if (words.length > 1) return this.#show(verb, { ok: false, lines: [QUIT_REFUSED] });
      return this.#show(verb, { ok: true, lines: ["OK QUIT"] });
    }
    const follow = verb === "tail" && words[1] === "-f";
    const answer = this.#verbs.answer(follow ? ["tail", ...words.slice(2)].join(" ") : command);
    if (answer === undefined) return undefined;
    if (!follow || !answer.ok) return this.#show(verb, answer);
    for (const text of answer.lines.slice(0, -1)) this.#print(text);
    return this.#followLog();
  }

  #show(verb: string, answer: VerbAnswer): Outcome {
    for (const text of answer.lines) this.#print(text);
    const note = NOTES[verb]?.[answer.ok ? "ok" : "refused"];
    if (note !== undefined) this.#note(note);
    if (!answer.ok) return "refused";
    return verb === "quit" ? "quit" : "ok";
  }

  /** Lines that come are printed while `#stopTail` is set. */
  async #followLog(): Promise<Outcome> {
    if (this.#gone === undefined && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#stopTail = resolve;
      });
      this.#stopTail = undefined;
    }
    this.#print("END");
    return "ok";
  }

  #listOwnVerbs(): void {
    this.#note("answered by this shell, not by the hive:");
    for (const { usage, summary } of SESSION_VERBS) this.#note(`  ${usage.padEnd(28)}${summary}`);
  }

  #note(text: string): void {
    this.#print(`# ${text}`);
  }
}

const QUIT_REFUSED = err("QUIT", { reason: "policy", detail: "invalid-payload" });

const NOT_A_GRANT = {
  ok: "kept by this shell: the hive's console has no roles, and was not asked",
  refused: "refused by this shell: the hive's console has no roles, and was not asked",
};
const CAPTURED = {
  ok: "what this shell has seen on the hive's console since the boot",
  refused: `answered by this shell, which can read ${BOOT_LOG} and needs a role for it (attach queen)`,
};
/** What is noted behind the shell's own answers. */
const NOTES: Readonly<Record<string, { readonly ok?: string; readonly refused?: string }>> = {
  attach: NOT_A_GRANT,
  login: NOT_A_GRANT,
  detach: NOT_A_GRANT,
  tail: CAPTURED,
  log: { refused: `answered by this shell: the hive's audit lines stand in ${BOOT_LOG}` },
  quit: { ok: "the hive that this shell started ends with it" },
};
