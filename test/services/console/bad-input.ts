/**
 * What nobody should say to a console, and what it gets for it: the tables of docs/INTERFACES.md with their edges, as frames before
 * and after the token, and as keys on a terminal's line, where the editor comes first. The tests of every console run all of it.
 */
import type { End } from "../../../services/console/door/counters.ts";
import { frame, lengthOf } from "./door/wire.ts";

export interface BadInput {
  readonly what: string;
  /** What a client of the framed wire sends. */
  readonly sent: Buffer;
  /** What it is told once it has said its token, and how the connection ends, if it does. */
  readonly answers: readonly string[];
  readonly end?: Extract<End, "length">;
  /** How it ends before the token: without a word, or with a refusal, for it was a line. */
  readonly early: Extract<End, "malformed" | "denied">;
  /** The same at a terminal, and what is told there; nothing where a line has no such thing. */
  readonly typed?: { readonly keys: Buffer; readonly answers: readonly string[] };
}

export const LENGTH = "ERR FRAME reason=policy detail=invalid-length";
export const CHARACTER = "ERR PARSE reason=policy detail=invalid-character";
export const EMPTY = "ERR PARSE reason=policy detail=empty command";
export const UNKNOWN = "ERR PARSE reason=policy detail=unsupported console command";
export const PONG: readonly string[] = ["OK PING reply=pong", "PONG"];
export const DENIED = "ERR AUTH reason=policy detail=denied";

/** Longest line, and longest frame that is skipped. */
const LINE = 1024;
const FRAME = 65_536;

/** A length that only a frame can claim. */
function framed(what: string, text: string, answer: string): BadInput {
  return { what, sent: frame(text), answers: [answer], early: "malformed" };
}

function line(what: string, text: string | Uint8Array, answer: string, early: BadInput["early"]): BadInput {
  const keys = Buffer.concat([Buffer.from(text as string), Buffer.from("\r")]);
  return { what, sent: frame(text), answers: [answer], early, typed: { keys, answers: [answer] } };
}

/** What is no line in a frame, and is edited away or cut into lines at a terminal. */
function edited(what: string, text: string, answers: readonly string[]): BadInput {
  const typed = { keys: Buffer.from(`${text}\r`), answers };
  return { what, sent: frame(text), answers: [CHARACTER], early: "malformed", typed };
}

function falseLength(what: string, size: number): BadInput {
  return {
    what,
    sent: Buffer.concat([lengthOf(size), frame("PING")]),
    answers: [LENGTH],
    end: "length",
    early: "malformed",
  };
}

export const BAD_INPUT: readonly BadInput[] = [
  falseLength("a length below its own", 3),
  falseLength("a length of nothing", 0),
  falseLength("a false length", FRAME + 1),
  falseLength("the falsest length", 0xffff_ffff),
  line("an empty line", "", EMPTY, "malformed"),
  line("a blank line", "  ", EMPTY, "malformed"),
  line("a line of the limit", "x".repeat(LINE), UNKNOWN, "denied"),
  line("one beyond the limit", "x".repeat(LINE + 1), LENGTH, "malformed"),
  line("a frame of 8.4 kB", "x".repeat(8400), LENGTH, "malformed"),
  framed("the longest that is skipped", "x".repeat(FRAME - 4), LENGTH),
  line("what is not UTF-8", Uint8Array.of(0x50, 0xc0, 0x80), CHARACTER, "malformed"),
  line("half a surrogate", Uint8Array.of(0xed, 0xa0, 0x80), CHARACTER, "malformed"),
  line("a byte that begins nothing", Uint8Array.of(0x41, 0xff), CHARACTER, "malformed"),
  line("a character that is cut off", Uint8Array.of(0x50, 0xe2, 0x82), CHARACTER, "malformed"),
  line("NUL", "PI\0NG", CHARACTER, "malformed"),
  line("a control character", "PING\u0002", CHARACTER, "malformed"),
  line("a tab", "PING\t", CHARACTER, "malformed"),
  line("C1", "PING\u0085", CHARACTER, "malformed"),
  edited("an escape sequence", "PING\u001b[2J", PONG),
  edited("a backspace", "PINGx\u007f", PONG),
  edited("Ctrl-U", "nonsense\u0015PING", PONG),
  edited("Ctrl-C", "nonsense\u0003PING", PONG),
  edited("a newline", "PING\n", [...PONG, EMPTY]),
  edited("two lines", "PING\nPING", [...PONG, ...PONG]),
  line("an unknown verb", "frobnicate", UNKNOWN, "denied"),
  line("no word at all", "{}", UNKNOWN, "denied"),
  line("AUTH where it is none", "AUTH", UNKNOWN, "denied"),
  line("a verb for which nobody is logged in", "LS /", "ERR LS reason=policy detail=unauthenticated", "denied"),
  line("9P for which nobody is logged in", "SECURE9P", "ERR SECURE9P reason=policy detail=unauthenticated", "denied"),
  line(
    "a service for which nobody is logged in",
    "EXPORT log",
    "ERR EXPORT reason=policy detail=unauthenticated",
    "denied",
  ),
  line("a role that is none", "ATTACH emperor x", "ERR ATTACH reason=policy detail=invalid-role", "denied"),
  line("no role", "ATTACH", "ERR ATTACH reason=policy detail=missing required argument: role", "denied"),
  line("no ticket", "ATTACH queen ", "ERR ATTACH reason=policy detail=missing required argument: ticket", "denied"),
  line(
    "a role that is too long",
    `ATTACH ${"q".repeat(17)} x`,
    "ERR ATTACH reason=policy detail=argument role exceeds allowed length",
    "denied",
  ),
  line(
    "a ticket that is too long",
    `ATTACH queen ${"t".repeat(225)}`,
    "ERR ATTACH reason=policy detail=argument ticket exceeds allowed length",
    "denied",
  ),
  line("more than a verb takes", "PING PING", "ERR PING reason=policy detail=invalid-payload", "denied"),
];
