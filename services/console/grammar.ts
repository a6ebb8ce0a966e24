/**
 * The grammar of console lines and of their acknowledgements, shared by the serial line, the TCP console and the host tools.
 * Pure text to values and back: every line parses to exactly one command or one refusal, and every acknowledgement
 * that is formatted here has the form `OK <VERB> [detail]` or `ERR <VERB> reason=… [detail=…] [path=…] [error=…]`.
 */
import { type Arguments, ARGUMENTS, exported, trimBlanks } from "./arguments.ts";

/** Why something was refused. */
export type Reason = "busy" | "quota" | "cut" | "policy";

/**
 * The verbs that a line may begin with: the word that acknowledges them, whether lines and `END` follow, whether a login
 * is needed, and what `HELP` says.
 */
export const VERBS = {
  HELP: { word: "HELP", stream: true, login: false, usage: "", help: "this list" },
  PING: { word: "PING", stream: false, login: false, usage: "", help: "answer PONG" },
  BI: { word: "BOOTINFO", stream: true, login: false, usage: "", help: "kernel, machine, image, boot phases, devices" },
  CAPS: { word: "CAPS", stream: true, login: false, usage: "", help: "capabilities and untyped memory" },
  MEM: { word: "MEM", stream: true, login: false, usage: "", help: "heap, DMA memory, buffers and pools" },
  PS: { word: "PS", stream: true, login: false, usage: "", help: "stages, jobs and components with their counters" },
  NETSTATS: { word: "NETSTATS", stream: true, login: false, usage: "", help: "counters of the network" },
  ATTACH: { word: "ATTACH", stream: false, login: false, usage: "<role> <ticket>", help: "log in (also: login)" },
  DETACH: { word: "DETACH", stream: false, login: true, usage: "", help: "end the login" },
  LS: { word: "LS", stream: true, login: true, usage: "<path>", help: "names in a directory" },
  CAT: { word: "CAT", stream: true, login: true, usage: "<path>", help: "the lines of a file" },
  TAIL: {
    word: "TAIL",
    stream: true,
    login: true,
    usage: "[-f] <path> [offset]",
    help: "lines from an offset since boot; -f until stop",
  },
  STOP: { word: "STOP", stream: false, login: true, usage: "", help: "end the lines that are coming" },
  LOG: { word: "LOG", stream: true, login: true, usage: "", help: "the last lines of /log/queen.log" },
  ECHO: {
    word: "ECHO",
    stream: false,
    login: true,
    usage: "<path> <text>",
    help: "append a line (echo <text> > <path>)",
  },
  SPAWN: { word: "SPAWN", stream: false, login: true, usage: "<json>", help: "start a worker, as by /queen/ctl" },
  KILL: { word: "KILL", stream: false, login: true, usage: "<id>", help: "end a worker" },
  BIND: { word: "BIND", stream: false, login: true, usage: "<from> <to>", help: "show a path at another" },
  MOUNT: { word: "MOUNT", stream: false, login: true, usage: "<service> <path>", help: "show a service at a path" },
  QUIT: { word: "QUIT", stream: false, login: false, usage: "", help: "end the login and leave this console" },
} as const;

export type Verb = keyof typeof VERBS;

/** The verbs by the words that stand for them. */
const WORDS: ReadonlyMap<string, Verb> = new Map([
  ...Object.keys(VERBS).map((verb): [string, Verb] => [verb, verb as Verb]),
  ["LOGIN", "ATTACH"],
]);
/** Verbs that turn a console into something else, which a serial line cannot be. */
const SECURE9P = "SECURE9P";
const EXPORT = "EXPORT";

/** A refusal's fields, in the order in which they are written. */
export interface Refusal {
  readonly reason: Reason;
  readonly detail?: string;
  readonly path?: string;
  readonly error?: string;
}

/** A verb with its arguments. */
export type Command = { readonly [V in Verb]: { readonly kind: "command"; readonly verb: V } & Arguments[V] }[Verb];

/** A line that is no command. `word` is what the acknowledgement names. */
export interface Refused {
  readonly kind: "refused";
  readonly word: string;
  readonly refusal: Refusal;
  /** Whether its verb needs a login; who has none is told that before anything about arguments. */
  readonly login: boolean;
  /** A transport that can be switched to 9P does so instead. */
  readonly upgrade?: Upgrade;
}

/** `SECURE9P`, or `EXPORT` of a service. */
export interface Upgrade {
  readonly service?: string;
}

/** What a line means. */
export type Parsed = Command | Refused;

const CONTROL = /\p{Cc}/u;
/** Only ASCII: Unicode has letters whose upper case is one of ours. */
const WORD = /^[A-Za-z0-9]{1,16}$/;

/** What a line gets that holds bytes which no line may have. */
export const INVALID_CHARACTER: Parsed = refused("PARSE", "invalid-character");
/** What a line beyond the limit gets. */
export const TOO_LONG: Parsed = refused("FRAME", "invalid-length");
const EMPTY: Parsed = refused("PARSE", "empty command");
/** What a line gets whose verb there is not. */
export const UNKNOWN: Refused = refused("PARSE", "unsupported console command");

function refused(word: string, detail: string, login = false): Refused {
  return { kind: "refused", word, refusal: { reason: "policy", detail }, login };
}

/** Parse one line, without its end. @param plain whether it is known to be printable ASCII, which need not be looked for again */
export function parse(line: string, plain = false): Parsed {
  if (!plain && CONTROL.test(line)) return INVALID_CHARACTER;
  const text = trimBlanks(line);
  if (text === "") return EMPTY;
  const blank = text.indexOf(" ");
  const word = blank < 0 ? text : text.slice(0, blank);
  if (!plain && !WORD.test(word)) return UNKNOWN;
  const name = word.toUpperCase();
  if (name === SECURE9P || name === EXPORT) return upgrade(name, blank < 0 ? "" : trimBlanks(text.slice(blank)));
  const verb = WORDS.get(name);
  if (verb === undefined) return UNKNOWN;
  const given = ARGUMENTS[verb](blank < 0 ? "" : trimBlanks(text.slice(blank)), plain);
  if (typeof given !== "string") {
    // Made for this line alone. The table of arguments has them by verb, which an index by a union does not show.
    const command = given as { -readonly [Key in keyof Command]: Command[Key] };
    command.kind = "command";
    command.verb = verb;
    return command as Command;
  }
  const { word: acknowledged, login } = VERBS[verb];
  return refused(acknowledged, given, login);
}

function upgrade(word: string, text: string): Refused {
  const plain = refused(word, "unsupported", true);
  if (word === SECURE9P) return text === "" ? { ...plain, upgrade: {} } : refused(word, "invalid-payload", true);
  const given = exported(text);
  return typeof given === "string" ? refused(word, given, true) : { ...plain, upgrade: given };
}

/** `OK <VERB> [detail]`. */
export function ok(word: string, detail = ""): string {
  return detail === "" ? `OK ${word}` : `OK ${word} ${detail}`;
}

/** `ERR <VERB> reason=… [detail=…] [path=…] [error=…]`. */
export function err(word: string, refusal: Refusal): string {
  let text = `ERR ${word} reason=${refusal.reason}`;
  if (refusal.detail !== undefined) text += ` detail=${refusal.detail}`;
  if (refusal.path !== undefined) text += ` path=${refusal.path}`;
  if (refusal.error !== undefined) text += ` error=${refusal.error}`;
  return text;
}
