/**
 * Runs command lines against a session, one at a time, and hands every part of an answer to one output. It knows neither
 * terminals nor files. Who is logged in, what a path holds and whether something may be done are the hive's to say; the shell
 * only fetches the credential for a login, and what it says itself it says as a note.
 */

import { type Acknowledgement, parseAcknowledgement } from "./acknowledgement.ts";
import { err, INVALID_CHARACTER, parse, TOO_LONG } from "../services/console/grammar.ts";
import type { AnswerListener, Output } from "./output.ts";
import { withoutCredentials } from "./redact.ts";
import { type Keys, type Request, requestOf } from "./request.ts";
import { Session, SessionError } from "./session.ts";
import type { Transport } from "./transport.ts";
import { firstWord, SHELL_HELP } from "./verbs.ts";

/** Most bytes of a command line, as on the hive's own consoles. */
export const COMMAND_LIMIT = 1024;
/** Characters that are shown of a line which is not sent. */
const SHOWN_LIMIT = 80;

/** `ok` and `refused` speak of the acknowledgement, `lost` means that none will come any more. */
export type Outcome = "ok" | "refused" | "lost" | "quit";

export interface ShellOptions {
  /** How long a command waits for the next line of its answer. */
  readonly timeoutMs: number;
  /** Print what the machine prints of its own accord, as it comes. */
  readonly follow: boolean;
  readonly output: Output;
  readonly keys: Keys;
  /** Commands that may be sent before the first of them is answered; 1 if it is not said. */
  readonly depth?: number;
}

export class Shell {
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #output: Output;
  readonly #keys: Keys;
  #follow: boolean;
  #gone: string | undefined;
  #open = false;
  #closed = false;
  #role: string | undefined;
  #asking: Promise<unknown> | undefined;
  /** The command before. */
  #last: Promise<unknown> | undefined;
  /** The command at hand is one that the shell answers itself, once it has its turn. */
  #local = false;
  /** Settles when it has had it; nothing is sent before that. */
  #waiting: Promise<unknown> | undefined;
  /** Called when the hive ends by itself. */
  onEnded: ((reason: string) => void) | undefined;

  constructor(transport: Transport, options: ShellOptions) {
    this.#transport = transport;
    this.#output = options.output;
    this.#keys = options.keys;
    this.#follow = options.follow;
    this.#session = new Session(
      transport,
      options.timeoutMs,
      (line) => {
        if (this.#follow) this.#output.log(line);
      },
      options.depth,
    );
    this.#session.onInterrupted = (reason) => {
      this.#output.event({ event: "interrupted", reason });
      this.#output.note(`${reason}; connecting again`);
    };
    this.#session.onResumed = (refused) => this.#resumed(refused);
    this.#session.onEnded = (reason) => {
      this.#gone = reason;
      this.#output.event({ event: "lost", reason });
      this.onEnded?.(reason);
    };
  }

  /** Why the hive ended by itself, if it did. */
  get gone(): string | undefined {
    return this.#gone;
  }

  /** The role of the login, as the hive called it; `undefined` without one. */
  get role(): string | undefined {
    return this.#role;
  }

  /** Print what the machine prints of its own accord from now on, or no longer. */
  set follow(on: boolean) {
    this.#follow = on;
  }

  /** Rejects with one sentence if the hive does not come up. */
  async open(signal: AbortSignal): Promise<void> {
    try {
      await this.#session.open(signal);
    } catch (error) {
      this.#output.event({ event: "lost", reason: error instanceof Error ? error.message : String(error) });
      throw error;
    }
    this.#open = true;
    this.#output.event({ event: "connect", transport: this.#transport.name });
  }

  /** End the hive's side. A command that is still running ends as `lost`, without a word. */
  async close(): Promise<void> {
    const announced = this.#open && !this.#closed;
    this.#closed = true;
    await this.#session.close();
    if (announced) this.#output.event({ event: "close" });
  }

  /** Stop a `tail -f`, or with `any` whatever is being printed. @returns whether there was something. */
  interrupt(any = false): boolean {
    return this.#session.stop(any);
  }

  /** Run one command line. An empty line and one that begins with `#` do nothing. */
  async execute(line: string): Promise<Outcome> {
    const command = line.trim();
    if (command === "" || command.startsWith("#")) return "ok";
    if (this.#asking !== undefined) await this.#asking;
    if (this.#waiting !== undefined) await this.#waiting;
    const before = this.#last;
    const outcome = this.#run(line, command, before);
    this.#last = outcome;
    if (this.#local) {
      this.#local = false;
      this.#waiting = outcome.finally(() => (this.#waiting = undefined));
    }
    return outcome;
  }

  async #run(line: string, command: string, before: Promise<unknown> | undefined): Promise<Outcome> {
    const wrong = Buffer.byteLength(line) > COMMAND_LIMIT ? "too-long" : undefined;
    const why = wrong ?? (parse(line) === INVALID_CHARACTER ? "invalid-character" : undefined);
    const request = why === undefined ? requestOf(command, this.#keys) : undefined;
    // What the shell answers itself has its turn like everything else.
    if (request?.kind !== "send" && this.#session.busy) {
      this.#local = true;
      await before;
    }
    if (why !== undefined || request === undefined) return this.refuse(why ?? "invalid-character", line);
    const output = this.#output;
    const shown = withoutCredentials(command);
    if (request.kind === "refused") {
      output.command(shown);
      this.#answer(err(request.word, { reason: "policy", detail: "invalid-payload" }));
      this.#output.note(`not sent: ${request.why}`);
      return "refused";
    }
    try {
      const acknowledgement = await this.#session.run(request.line, heard(output, shown), request.follows);
      return this.#done(firstWord(command), acknowledgement, request);
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      if (this.#closed) return "lost";
      // The end of a hive is announced by whoever listens for it.
      if (this.#gone === undefined) this.#output.note(error.message);
      return this.#gone === undefined ? "refused" : "lost";
    }
  }

  /** Answer a line that must not be sent, in the words of a hive's console. */
  refuse(why: "too-long" | "invalid-character", line = ""): "refused" {
    const parsed = why === "too-long" ? TOO_LONG : INVALID_CHARACTER;
    this.#output.command(withoutCredentials(line.slice(0, SHOWN_LIMIT)));
    if (parsed.kind === "refused") this.#answer(err(parsed.word, parsed.refusal));
    this.#output.note("refused by this shell, not sent");
    return "refused";
  }

  /**
   * The names in a directory, for completion: asked of the hive on the login that there is, silently.
   * @returns `undefined` if the hive did not say in time, is busy with a command, or nobody is logged in
   */
  list(path: string, patienceMs: number): Promise<readonly string[] | undefined> {
    if (this.#role === undefined || this.#gone !== undefined || this.#closed) return Promise.resolve(undefined);
    if (this.#session.busy || this.#asking !== undefined || /\s/.test(path)) return Promise.resolve(undefined);
    const names: string[] = [];
    const listener = {
      acknowledgement: () => undefined,
      line: (text: string) => names.push(text),
      end: () => undefined,
    };
    const asked = this.#session.run(`ls ${path}`, listener).then(
      ({ ok }) => (ok ? names : undefined),
      () => undefined,
    );
    this.#asking = asked.finally(() => (this.#asking = undefined));
    return Promise.race([asked, late(patienceMs)]);
  }

  #done(verb: string, acknowledgement: Acknowledgement, request: Extract<Request, { kind: "send" }>): Outcome {
    if (!acknowledgement.ok) {
      if (request.hint !== undefined) this.#output.note(request.hint);
      if (verb === "attach" || verb === "login") this.#keys.renew?.();
      if (acknowledgement.detail === "unauthenticated" || acknowledgement.detail === "revoked") {
        this.#keys.renew?.();
        this.#leave("ended by the hive");
      }
      return "refused";
    }
    switch (verb) {
      case "attach":
      case "login": {
        const role = /(?:^| )role=(\S+)/.exec(acknowledgement.detail)?.[1] ?? "unknown";
        const { subject } = request;
        this.#leave("attach");
        this.#role = role;
        this.#output.event({ event: "attach", role, ...(subject === undefined ? {} : { subject }) });
        return "ok";
      }
      case "detach":
        this.#leave("detach");
        return "ok";
      case "help":
        this.#output.note("what this shell adds:");
        for (const [usage, what] of SHELL_HELP) this.#output.note(`  ${usage}: ${what}`);
        return "ok";
      case "quit":
        this.#leave("quit");
        return "quit";
      default:
        return "ok";
    }
  }

  #resumed(refused: string | undefined): void {
    if (refused !== undefined) this.#leave("ended by the hive");
    const role = this.#role;
    this.#output.event({ event: "resumed", ...(role === undefined ? {} : { role }) });
    const who = refused ?? (role === undefined ? undefined : `logged in as ${role}`);
    this.#output.note(`connected again${who === undefined ? "" : `; ${who}`}`);
  }

  #leave(reason: "detach" | "quit" | "attach" | "ended by the hive"): void {
    const role = this.#role;
    this.#role = undefined;
    if (role !== undefined) this.#output.event({ event: "detach", role, reason });
  }

  /** An acknowledgement that the shell gives itself. */
  #answer(line: string): void {
    const acknowledgement = parseAcknowledgement(line);
    if (acknowledgement !== undefined) this.#output.acknowledgement(acknowledgement, line);
  }
}

/** The output as a command's listener, which shows the command when its answer is due. */
function heard(output: Output, shown: string): AnswerListener {
  return {
    begun: () => output.command(shown),
    acknowledgement: (acknowledgement, line) => output.acknowledgement(acknowledgement, line),
    line: (text) => output.line(text),
    end: () => output.end(),
    note: (text) => output.note(text),
  };
}

function late(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms).unref();
  });
}
