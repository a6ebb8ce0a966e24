/**
 * Lines about jobs: what a bridge says of them, and what a worker makes of that. A bridge is not trusted: what is no status line
 * is none, and whatever stands in one, the records made of it keep to their files' bounds.
 */
import type { Bytes } from "../../ports/index.ts";
import { isOutOfMemory } from "../../pump/out-of-memory.ts";
import { utf8Length } from "../../secure9p/wire.ts";

export type State = "QUEUED" | "RUNNING" | "OK" | "ERR";

/** What became of a job. Members stand in the order in which a record has them. */
export interface Status {
  /** "" is a line that was refused, which is no job. */
  readonly job: string;
  readonly state: State;
  readonly detail: string;
  /** Of an OK: the result's hash, and the result itself if it is inline. */
  readonly result_hash?: string | undefined;
  readonly result_b64?: string | undefined;
}

const ID_MAX = 64;
/** `sha256:` and the digits, and some to spare for another hash. */
const HASH_MAX = 160;
const NOTHING: object = {};

/** Whether it is 1 to 64 letters, digits and `. _ -`. */
function isJobId(value: unknown): value is string {
  if (typeof value !== "string" || value.length === 0 || value.length > ID_MAX) return false;
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i);
    const letter = (unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a;
    const digit = unit >= 0x30 && unit <= 0x39;
    if (!letter && !digit && unit !== 0x2e && unit !== 0x5f && unit !== 0x2d) return false;
  }
  return true;
}

function isState(value: unknown): value is State {
  return value === "QUEUED" || value === "RUNNING" || value === "OK" || value === "ERR";
}

/** The object of a line of JSON, an empty one if it is none. */
function objectOf(bytes: Bytes, from: Uint8Array, start: number, length: number): object {
  if (!bytes.validate(from, start, length)) return NOTHING;
  try {
    const value: unknown = JSON.parse(bytes.decode(from, start, length));
    return typeof value === "object" && value !== null ? value : NOTHING;
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
    return NOTHING;
  }
}

/** The id in a job's line, "" if it has none that can be one. */
export function jobOf(bytes: Bytes, from: Uint8Array, start: number, length: number): string {
  const { job } = objectOf(bytes, from, start, length) as { job?: unknown };
  return isJobId(job) ? job : "";
}

/** A line of a bridge, undefined if it says nothing of a job. */
export function statusOf(bytes: Bytes, from: Uint8Array, start: number, length: number): Status | undefined {
  const line = objectOf(bytes, from, start, length) as Record<keyof Status, unknown>;
  const { job, state, detail, result_hash, result_b64 } = line;
  if (!isState(state) || !(isJobId(job) || (job === "" && state === "ERR"))) return undefined;
  const text = typeof detail === "string" ? detail : "";
  if (state !== "OK") return { job, state, detail: text };
  const hash = typeof result_hash === "string" && result_hash.length <= HASH_MAX ? result_hash : undefined;
  return {
    job,
    state,
    detail: text,
    result_hash: hash,
    result_b64: typeof result_b64 === "string" ? result_b64 : undefined,
  };
}

/** A record of at most `limit` bytes: its detail is cut to that, and a result that leaves no room even then is left out. */
export function recordOf(status: Status, limit: number): string {
  const text = JSON.stringify(status);
  const over = utf8Length(text, Infinity) - limit;
  if (over <= 0) return text;
  const cut = { ...status, detail: shortened(status.detail, over) };
  const shorter = JSON.stringify(cut);
  return utf8Length(shorter, limit) <= limit ? shorter : JSON.stringify({ ...cut, result_b64: undefined });
}

/** A text without its last characters, which take at least so many bytes in JSON. */
function shortened(text: string, bytes: number): string {
  let end = text.length;
  for (let left = bytes; left > 0 && end > 0; end--) {
    const unit = text.charCodeAt(end - 1);
    if ((unit & 0xfc00) === 0xdc00 && (text.charCodeAt(end - 2) & 0xfc00) === 0xd800) {
      end--;
      left -= 4;
    } else left -= sizeOf(unit);
  }
  return text.slice(0, end);
}

/** Bytes that a UTF-16 unit which is no half of a pair takes in JSON. */
function sizeOf(unit: number): number {
  if (unit < 0x20) return unit >= 0x08 && unit <= 0x0d && unit !== 0x0b ? 2 : 6;
  if (unit < 0x80) return unit === 0x22 || unit === 0x5c ? 2 : 1;
  if (unit < 0x800) return 2;
  return (unit & 0xf800) === 0xd800 ? 6 : 3;
}
