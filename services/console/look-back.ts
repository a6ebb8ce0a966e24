/**
 * Looks at a file from its end: for the newest lines that an acknowledgement has room for, and for where the last so many lines
 * begin. It reads no more than it needs, and gives up where a ring overtakes it.
 */
import type { Bytes } from "../ports/index.ts";
import { type Refusal as Errno, STALE } from "../secure9p/refusal.ts";
import { Span, utf8Length } from "../secure9p/wire.ts";
import type { TaskTools } from "./file-task.ts";
import { shown } from "./line-buffer.ts";

/** Most bytes of the detail of a `CAT`'s acknowledgement. */
export const DETAIL_BYTES = 128;
/** Where lines of clients are preferred, and what the log has put before them: what `ECHO` wrote, and not what the hive says. */
const QUEEN_LOG = "/log/queen.log";
const CLIENT_LINE = /^\[ *\d+\.\d{6}\] client session=\d+ role=[\w-]+(?: subject=[\w.-]+)?: /;
const NEWLINE = 0x0a;
const NOTHING = new Span();

/** `from` is where to read on. With an error it is the oldest byte, and the detail holds no lines. */
type Found = (error: Errno | undefined, detail: string, from: number) => void;

export interface Extent {
  readonly fid: number;
  /** Where the fid's offset 0 and the end stand. */
  readonly base: number;
  readonly end: number;
}

export class LookBack {
  readonly #tools: TaskTools;
  readonly #extent: Extent;

  constructor(tools: TaskTools, extent: Extent) {
    this.#tools = tools;
    this.#extent = extent;
  }

  /** What a `CAT` acknowledges with. A file that one read has whole is then in the buffer. */
  newest(path: string, found: Found): void {
    const { files, bytes, buffer } = this.#tools;
    const { fid, base, end } = this.#extent;
    if (end === Infinity || end === base) return found(undefined, detailOf(path, NOTHING, bytes), base);
    const from = Math.max(base, end - files.iounit);
    files.read(fid, from - base, end - from, ({ data }, error) => {
      if (error !== undefined) return found(error, detailOf(path, NOTHING, bytes), base);
      // The first may be the end of a line.
      if (from > base) return found(undefined, detailOf(path, data, bytes, false), base);
      const detail = detailOf(path, data, bytes);
      // What was all of it need not be read again.
      buffer.add(data.bytes, data.start, data.length);
      found(undefined, detail, base + data.length);
    });
  }

  /** Where the last `count` lines begin. */
  lines(count: number, found: Found): void {
    // The newline at the end of the last one is none between lines.
    this.#before(this.#extent.end, count + 1, found);
  }

  #before(end: number, newlines: number, found: Found): void {
    const { files } = this.#tools;
    const { fid, base } = this.#extent;
    if (end === Infinity || end <= base) return found(undefined, "", base);
    const from = Math.max(base, end - files.iounit);
    files.read(fid, from - base, end - from, ({ data }, error) => {
      if (error !== undefined) return found(error, "", base);
      // A file that shrank: nothing is known of it any more.
      if (data.length < end - from) return found(STALE, "", base);
      let left = newlines;
      let at = data.start + data.length;
      while (left > 0) {
        at = data.bytes.lastIndexOf(NEWLINE, at - 1);
        if (at < data.start) return this.#before(from, left, found);
        if (--left > 0 && at === data.start) return this.#before(from, left, found);
      }
      found(undefined, "", from + (at - data.start) + 1);
    });
  }
}

/**
 * The path, and as many of the newest lines as there is room for. Clients that judge a write by this look for what they wrote, one
 * after the other, so it stands without whose it is: that is in the lines which follow. @param whole whether the first line is one
 */
function detailOf(path: string, data: Span, bytes: Bytes, whole = true): string {
  const head = `path=${path} data=`;
  const written = path === QUEEN_LOG ? newestOf(head, data, bytes, whole, true) : undefined;
  return written ?? newestOf(head, data, bytes, whole, false) ?? head;
}

/** @returns `undefined` if only lines of clients are wanted and there are none */
function newestOf(head: string, data: Span, port: Bytes, whole: boolean, clients: boolean): string | undefined {
  const { bytes, start, length } = data;
  let room = DETAIL_BYTES - utf8Length(head, DETAIL_BYTES);
  let end = start + length;
  let lines: string | undefined;
  if (length > 0 && bytes[end - 1] === NEWLINE) end--;
  else if (length === 0) return clients ? undefined : head;
  for (;;) {
    const newline = end > start ? bytes.lastIndexOf(NEWLINE, end - 1) : -1;
    if (newline < start && !whole) break;
    const at = newline < start ? start : newline + 1;
    const plain = port.plain(bytes, at, end - at) === end - at;
    const written = port.decode(bytes, at, end - at);
    const text = clients ? writtenIn(written) : written;
    if (text !== undefined) {
      const line = plain ? text : shown(text);
      room -= (plain ? line.length : utf8Length(line, DETAIL_BYTES)) + (lines === undefined ? 0 : 1);
      if (room < 0) return head + (lines ?? "");
      lines = lines === undefined ? line : `${line}|${lines}`;
    }
    if (newline < start) break;
    end = newline;
  }
  return lines === undefined ? undefined : head + lines;
}

/** What a client has written, if the line is one of a client's. */
function writtenIn(line: string): string | undefined {
  const head = CLIENT_LINE.exec(line)?.[0];
  return head === undefined ? undefined : line.slice(head.length);
}
