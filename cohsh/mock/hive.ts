/**
 * A hive in this process, without a machine: a console with roles, PING, HELP and a boot log, in the same
 * grammar as a real one. It claims nothing that it does not have: verbs that need a machine are refused.
 */

import { err, INVALID_CHARACTER, ok, parse, TOO_LONG, VERBS } from "../../services/console/grammar.ts";
import { BootLog } from "../../services/log/boot-log.ts";
import type { Clock } from "../../services/ports/index.ts";
import { nodeBytes } from "../bytes.ts";
import { LOG_LINE_BYTES } from "../log-slice.ts";
import { SessionVerbs } from "../session-verbs.ts";

/** Longest command line in bytes. */
const LINE_LIMIT = 1024;
const LOG_BYTES = 1 << 18;

const HELP: readonly (readonly [string, string])[] = [
  ["help", VERBS.HELP.help],
  ["ping", VERBS.PING.help],
  ["attach", "<role>: take a role (also: login)"],
  ["detach", "give the role back"],
  ["tail", "<path> [offset]: a log from that offset on"],
  ["log", "the last lines of /log/queen.log"],
  ["quit", "end this session"],
];

export class MockHive {
  readonly #log: BootLog;
  readonly #verbs: SessionVerbs;

  constructor(clock: Clock) {
    this.#log = new BootLog({ clock, bytes: nodeBytes, ringBytes: LOG_BYTES, lineBytes: LOG_LINE_BYTES });
    this.#verbs = new SessionVerbs(this.#log);
    this.#log.line("mock", "a hive in the shell's own process: no kernel, no devices, no workers");
    this.#log.line("console", "up, one session");
  }

  /** @returns the whole answer to one line: an acknowledgement and its stream. */
  answer(line: string): readonly string[] {
    const parsed = Buffer.byteLength(line) > LINE_LIMIT ? TOO_LONG : parse(line);
    // The session's verbs here want no ticket, which those of a hive do.
    const session = parsed === INVALID_CHARACTER || parsed === TOO_LONG ? undefined : this.#session(line);
    if (session !== undefined) return session;
    if (parsed.kind === "refused") return [err(parsed.word, parsed.refusal)];
    const { word } = VERBS[parsed.verb];
    switch (parsed.verb) {
      case "PING":
        return [ok(word, "reply=pong"), "PONG"];
      case "HELP":
        return [ok(word), ...HELP.map(([verb, help]) => `${verb.padEnd(9)}${help}`), "END"];
      case "QUIT":
        this.#log.line("console", "session ended");
        return [ok(word)];
      default:
        return [err(word, { reason: "policy", detail: "unsupported" })];
    }
  }

  /** A verb of the session, with its line in the log if it was about a role. */
  #session(line: string): readonly string[] | undefined {
    const before = this.#verbs.role;
    const answer = this.#verbs.answer(line);
    const after = this.#verbs.role;
    const verb = line.trim().split(" ", 1)[0]?.toUpperCase();
    if (verb === "ATTACH" || verb === "LOGIN") {
      this.#log.line("roles", answer?.ok === true ? `attached as ${after}` : "attach refused");
    } else if (verb === "DETACH" && answer?.ok === true) {
      this.#log.line("roles", `detached from ${before}`);
    }
    return answer?.lines;
  }
}
