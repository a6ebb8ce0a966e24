/**
 * `CAT`, `TAIL` and `LOG`: the lines of a file, from where and up to where the verb says, as fast as they are taken. Offsets are
 * those of rings since boot, so what a ring overwrote meanwhile is counted and said, and a line is whole, or the last before a gap.
 */
import { GETATTR_DATA_VERSION } from "../secure9p/constants.ts";
import { NOT_FOUND, CLOSED, type Refusal as Errno, STALE, UNSUPPORTED } from "../secure9p/refusal.ts";
import type { Path } from "./arguments.ts";
import type { OpenDone } from "./file-client.ts";
import { FileTask, type TaskTools } from "./file-task.ts";
import { LookBack } from "./look-back.ts";
import { wrongKind } from "./refusals.ts";

/** Lines that `LOG` shows. */
export const LOG_LINES = 64;
const FOLLOW = ".follow";
/** How often a reading begins anew because a ring was faster, before it goes on with what there is. */
const ATTEMPTS = 3;

/** What to read. */
export type ReadingOrder =
  | { readonly verb: "CAT" | "LOG" }
  | { readonly verb: "TAIL"; readonly follow: boolean; readonly offset: number | undefined };

export class Reading extends FileTask {
  readonly #names: readonly string[];
  readonly #order: ReadingOrder;
  /** Whether the file's end is waited at. */
  #follow: boolean;
  /** Where the fid's offset 0, the next byte and the end of what is wanted stand, in bytes since boot. */
  #base = 0;
  #at = 0;
  #end = Infinity;
  #attempts = 0;
  /** Lines to say before those in the buffer. */
  readonly #lines: string[] = [];
  #streaming = false;
  /** No more is read. */
  #over = false;

  constructor(tools: TaskTools, { path, names }: Path, order: ReadingOrder) {
    super(tools, path);
    this.#names = names;
    this.#order = order;
    this.#follow = order.verb === "TAIL" && order.follow;
  }

  override start(): void {
    const { files } = this.tools;
    const opened: OpenDone = (found, error) => {
      if (found === undefined) return this.refuseFor(error);
      this.fid = found.fid;
      if (found.directory) return this.refuse(wrongKind(this.path));
      this.#measure();
    };
    const name = this.#names.at(-1);
    if (!this.#follow || name === undefined || name.endsWith(FOLLOW)) return files.open(this.#names, 0, opened);
    files.open([...this.#names.slice(0, -1), name + FOLLOW], 0, (...outcome) => {
      if (outcome[1] !== NOT_FOUND) return opened(...outcome);
      // It may be there and be none that can be followed.
      files.open(this.#names, 0, (found, error) => {
        if (found === undefined) return this.refuseFor(error);
        this.fid = found.fid;
        if (found.directory) this.refuse(wrongKind(this.path));
        else this.refuseFor(UNSUPPORTED);
      });
    });
  }

  override get talks(): boolean {
    // While more is asked for, all that there was is said.
    return this.#streaming && !this.tools.files.busy;
  }

  override advance(): void {
    if (!this.#streaming) return;
    const { buffer, output, answer, files } = this.tools;
    for (;;) {
      if (this.#lines.length > 0) {
        if (!output.offer(this.#lines[0]!)) return;
        this.#lines.shift();
      } else if (buffer.next()) {
        if (!output.offerLine(buffer)) return;
        buffer.take();
      } else if (this.#over) {
        if (!buffer.rest()) break;
      } else if (this.#at >= this.#end) {
        this.#over = true;
      } else {
        // With no room for a line there is no use in reading one.
        if (!files.busy && output.offers) this.#read();
        return;
      }
    }
    this.#streaming = false;
    answer.end();
    this.finish();
  }

  override stop(): void {
    if (!this.#streaming) {
      // It has not begun: what is there is all that is wanted.
      this.#follow = false;
      return;
    }
    this.#lines.length = 0;
    this.tools.buffer.clear();
    this.#over = true;
    this.patient = false;
    if (this.tools.files.busy) this.tools.files.cancel(CLOSED);
    else this.advance();
  }

  /** Learn where the file stands. */
  #measure(): void {
    this.tools.files.getattr(this.fid, ({ attributes: { size, valid, dataVersion } }, error) => {
      if (error !== undefined) return this.refuseFor(error);
      const ring = (valid & GETATTR_DATA_VERSION) !== 0;
      this.#base = ring ? dataVersion - size : 0;
      // A file of no size may be one that knows no size.
      this.#end = ring || size > 0 ? this.#base + size : Infinity;
      this.#begin();
    });
  }

  #begin(): void {
    const order = this.#order;
    this.#at = this.#base;
    if (order.verb === "TAIL") return this.#tail(order.offset);
    const behind = new LookBack(this.tools, { fid: this.fid, base: this.#base, end: this.#end });
    const done = (error: Errno | undefined, detail: string, from: number): void => {
      if (error === STALE && ++this.#attempts < ATTEMPTS) return this.#measure();
      if (error !== undefined && error !== STALE) return this.refuseFor(error);
      this.#at = from;
      this.#acknowledge(detail);
    };
    if (order.verb === "LOG") behind.lines(LOG_LINES, done);
    else behind.newest(this.path, done);
  }

  #tail(offset: number | undefined): void {
    if (offset !== undefined) {
      if (offset < this.#base) this.#lines.push(lost(this.#base - offset));
      this.#at = Math.min(Math.max(offset, this.#base), this.#end);
    }
    if (this.#follow) this.#end = Infinity;
    this.patient = this.#follow;
    this.#acknowledge(`path=${this.path}${offset === undefined ? "" : ` offset=${this.#at}`}`);
  }

  #acknowledge(detail: string): void {
    this.tools.answer.ok(detail);
    this.#streaming = true;
    this.advance();
  }

  #read(): void {
    const { files, buffer } = this.tools;
    const wanted = Math.min(this.#end - this.#at, files.iounit);
    files.read(this.fid, this.#at - this.#base, wanted, ({ data }, error) => {
      if (this.#over) return this.advance();
      if (error === STALE) return this.#overtaken();
      if (error !== undefined) return this.#cut(error);
      if (data.length === 0) this.#over = true;
      buffer.add(data.bytes, data.start, data.length);
      this.#at += data.length;
      this.advance();
    });
  }

  /** The ring has lost what would have been next; the same offset is now its oldest line. */
  #overtaken(): void {
    const { files } = this.tools;
    this.#keepRest();
    files.getattr(this.fid, ({ attributes: { size, dataVersion } }, error) => {
      if (this.#over) return this.advance();
      if (error !== undefined) return this.#cut(error);
      const offset = this.#at - this.#base;
      this.#base = dataVersion - size;
      this.#lines.push(lost(this.#base + offset - this.#at));
      this.#at = this.#base + offset;
      this.advance();
    });
  }

  /** What has come of a line stands before what is said next. */
  #keepRest(): void {
    const { buffer } = this.tools;
    if (!buffer.rest()) return;
    this.#lines.push(buffer.text());
    buffer.take();
  }

  /** The acknowledgement is out, so a line says why the stream ends before its time. */
  #cut(why: Errno): void {
    const { detail, error } = this.tools.refusal(why, this.path);
    this.#keepRest();
    this.#lines.push(`… cut: ${detail ?? error ?? why.name}`);
    this.#over = true;
    this.advance();
  }
}

function lost(bytes: number): string {
  return `… lost ${bytes} bytes`;
}
