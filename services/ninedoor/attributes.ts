/**
 * What Rgetattr says of synthetic files, and which Tsetattr they take. Owner and times are nobody's and never: who may do
 * what is decided by role, and a file's qid tells whether it changed.
 */
import * as p9 from "../secure9p/constants.ts";
import { type AttributeChange, Attributes } from "../secure9p/message.ts";
import { CLOSED, NOT_FOUND, PERMISSION } from "../secure9p/refusal.ts";
import type { OpenFile, Request } from "../secure9p/tree.ts";
import type { Lifetime } from "./place.ts";

export const MODE_DIRECTORY = p9.S_IFDIR | 0o555;
export const MODE_READ_ONLY = p9.S_IFREG | 0o444;
export const MODE_APPEND = p9.S_IFREG | 0o644;

const BLOCK_SIZE = 4096;
/** `blocks` counts these (stat(2)). */
const STAT_BLOCK = 512;
const TIMES = p9.SETATTR_ATIME | p9.SETATTR_MTIME | p9.SETATTR_CTIME | p9.SETATTR_ATIME_SET | p9.SETATTR_MTIME_SET;

/** Answers are read before they return, so one record serves all. */
const answer = new Attributes();
// A directory whose count is not 2 + its directories makes find(1) leave its shortcut, as on Linux's own synthetic trees.
answer.nlink = 1;
answer.blksize = BLOCK_SIZE;

/** @param end of a ring, its end in bytes since boot, for `data_version`: a reader knows by it where a fid's offsets stand */
export function answerAttributes(request: Request, mode: number, size: number, end?: number): void {
  answer.valid = end === undefined ? p9.GETATTR_BASIC : p9.GETATTR_BASIC | p9.GETATTR_DATA_VERSION;
  answer.dataVersion = end ?? 0;
  answer.mode = mode;
  answer.size = size;
  answer.blocks = Math.ceil(size / STAT_BLOCK);
  request.attributes(answer);
}

/** Tsetattr of an append-only file: what a shell's `>` and touch(1) need, without effect. */
export function answerAppendOnlySetattr(
  request: Request,
  change: AttributeChange,
  life: Lifetime,
  file: OpenFile | undefined,
): void {
  if (life.ended) request.refuse(file === undefined ? NOT_FOUND : CLOSED);
  else if (isWithoutEffect(change)) request.done();
  else request.refuse(PERMISSION);
}

function isWithoutEffect(change: AttributeChange): boolean {
  if ((change.valid & ~(p9.SETATTR_SIZE | TIMES)) !== 0) return false;
  return (change.valid & p9.SETATTR_SIZE) === 0 || change.size === 0;
}

/** Whether a Tlopen asks for anything that changes a file. */
export function wantsToWrite(flags: number): boolean {
  return (flags & p9.O_ACCMODE) !== p9.O_RDONLY || (flags & p9.O_TRUNC) !== 0;
}
