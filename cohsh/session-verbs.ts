/**
 * The verbs of a console session that need a role, over a log ring: ATTACH, LOGIN, DETACH, TAIL, LOG. Every
 * line gets exactly one acknowledgement. No ticket can be checked here, so none is ever accepted.
 */

import { err, ok } from "../services/console/grammar.ts";
import type { BootLog } from "../services/log/boot-log.ts";
import { ROLE_LIMIT, type Role, roleOf } from "../services/roles/roles.ts";
import { linesSince } from "./log-slice.ts";

export const BOOT_LOG = "/log/boot.log";
const QUEEN_LOG = "/log/queen.log";
const PATH_LIMIT = 255;
const WALK_LIMIT = 8;

export interface VerbAnswer {
  readonly ok: boolean;
  /** The acknowledgement and its stream, with the stream's `END`. */
  readonly lines: readonly string[];
}

export class SessionVerbs {
  readonly #log: BootLog;
  #role: Role | undefined;

  constructor(log: BootLog) {
    this.#log = log;
  }

  get role(): Role | undefined {
    return this.#role;
  }

  /** @returns the answer to a line, `undefined` if its verb is none of these. */
  answer(line: string): VerbAnswer | undefined {
    const [verb = "", ...words] = line.trim().split(/ +/);
    switch (verb.toUpperCase()) {
      case "ATTACH":
      case "LOGIN":
        return this.#attach(words);
      case "DETACH":
        return this.#detach(words);
      case "TAIL":
        return this.#tail(words);
      case "LOG":
        return this.#queenLog(words);
      default:
        return undefined;
    }
  }

  #attach(words: readonly string[]): VerbAnswer {
    const [label, ticket, ...rest] = words;
    if (label === undefined) return refusal("ATTACH", "missing required argument: role");
    if (Buffer.byteLength(label) > ROLE_LIMIT) return refusal("ATTACH", "argument role exceeds allowed length");
    const role = roleOf(label);
    if (role === undefined) return refusal("ATTACH", "invalid-role");
    if (rest.length > 0) return refusal("ATTACH", "invalid-payload");
    if (ticket !== undefined) return refusal("ATTACH", "unsupported");
    if (role !== "queen") return refusal("ATTACH", "missing required argument: ticket");
    this.#role = role;
    return { ok: true, lines: [ok("ATTACH", `role=${role}`)] };
  }

  #detach(words: readonly string[]): VerbAnswer {
    if (words.length > 0) return refusal("DETACH", "invalid-payload");
    if (this.#role === undefined) return refusal("DETACH", "unauthenticated");
    this.#role = undefined;
    return { ok: true, lines: [ok("DETACH")] };
  }

  #tail(words: readonly string[]): VerbAnswer {
    if (this.#role === undefined) return refusal("TAIL", "unauthenticated");
    const [path, start, ...rest] = words;
    if (path === undefined) return refusal("TAIL", "missing required argument: path");
    if (path === "-f") return refusal("TAIL", "unsupported");
    if (!validPath(path)) return refusal("TAIL", "invalid-path");
    if (rest.length > 0 || (start !== undefined && !/^\d{1,15}$/.test(start)))
      return refusal("TAIL", "invalid-payload");
    if (path !== BOOT_LOG) return notFound("TAIL", path);
    const slice = linesSince(this.#log, Number(start ?? 0));
    const offset = start === undefined && slice.lost === 0 ? "" : ` offset=${slice.offset}`;
    const gap = slice.lost > 0 ? [`… lost ${slice.lost} bytes`] : [];
    return { ok: true, lines: [ok("TAIL", `path=${path}${offset}`), ...gap, ...slice.lines, "END"] };
  }

  #queenLog(words: readonly string[]): VerbAnswer {
    if (this.#role === undefined) return refusal("LOG", "unauthenticated");
    return words.length > 0 ? refusal("LOG", "invalid-payload") : notFound("LOG", QUEEN_LOG);
  }
}

function refusal(word: string, detail: string): VerbAnswer {
  return { ok: false, lines: [err(word, { reason: "policy", detail })] };
}

function notFound(word: string, path: string): VerbAnswer {
  return { ok: false, lines: [err(word, { reason: "policy", detail: "not-found", path, error: "ENOENT" })] };
}

/** Absolute, within the limits of length and depth, and without empty, `.` or `..` components. */
function validPath(path: string): boolean {
  if (!path.startsWith("/") || Buffer.byteLength(path) > PATH_LIMIT) return false;
  const components = path.slice(1).split("/");
  return components.length <= WALK_LIMIT && components.every((name) => name !== "" && name !== "." && name !== "..");
}
