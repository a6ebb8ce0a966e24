/**
 * The grammar of console lines and of their acknowledgements, shared by the serial line, the TCP console and the host tools.
 * Pure text to values and back: every line parses to exactly one command or one refusal, and every acknowledgement
 * that is formatted here has the form `OK <VERB> [detail]` or `ERR <VERB> reason=… [detail=…] [path=…] [error=…]`.
 */

/** Why something was refused. */
export type Reason = "busy" | "quota" | "cut" | "policy";

/** The verbs that a line may begin with, with the word that acknowledges them, whether lines and `END` follow, and what `HELP` says. */
export const VERBS = {
  HELP: { word: "HELP", stream: true, help: "this list" },
  PING: { word: "PING", stream: false, help: "answer PONG" },
  BI: { word: "BOOTINFO", stream: true, help: "kernel, machine, image, boot phases, devices" },
  CAPS: { word: "CAPS", stream: true, help: "capabilities and untyped memory" },
  MEM: { word: "MEM", stream: true, help: "heap, DMA memory, log ring" },
  PS: { word: "PS", stream: true, help: "stages, jobs and components with their counters" },
  NETSTATS: { word: "NETSTATS", stream: true, help: "counters of the network" },
  QUIT: { word: "QUIT", stream: false, help: "how to leave this console" },
} as const;

export type Verb = keyof typeof VERBS;

/** A refusal's fields, in the order in which they are written. */
export interface Refusal {
  readonly reason: Reason;
  readonly detail?: string;
  readonly path?: string;
  readonly error?: string;
}

/** What a line means. `word` is what the acknowledgement names. */
export type Parsed =
  | { readonly kind: "command"; readonly verb: Verb }
  | { readonly kind: "refused"; readonly word: string; readonly refusal: Refusal };

const CONTROL = /\p{Cc}/u;

/** What a line gets that holds bytes which no line may have. */
export const INVALID_CHARACTER: Parsed = refused("PARSE", "invalid-character");
/** What a line beyond the limit gets. */
export const TOO_LONG: Parsed = refused("FRAME", "invalid-length");
const EMPTY: Parsed = refused("PARSE", "empty command");
const UNKNOWN: Parsed = refused("PARSE", "unsupported console command");

function refused(word: string, detail: string): Parsed {
  return { kind: "refused", word, refusal: { reason: "policy", detail } };
}

/** Parse one line, without its end. */
export function parse(line: string): Parsed {
  if (CONTROL.test(line)) return INVALID_CHARACTER;
  const text = line.trim();
  if (text === "") return EMPTY;
  const blank = text.indexOf(" ");
  const verb = (blank < 0 ? text : text.slice(0, blank)).toUpperCase();
  if (!isVerb(verb)) return UNKNOWN;
  // None of these verbs takes an argument; one that is ignored would be a promise.
  if (blank >= 0) return refused(VERBS[verb].word, "invalid-payload");
  return { kind: "command", verb };
}

function isVerb(word: string): word is Verb {
  return Object.hasOwn(VERBS, word);
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
