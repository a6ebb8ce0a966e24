/**
 * `LS`: the names in a directory. All are known before the first is said, for the acknowledgement counts them; a directory with
 * more than that takes is refused, not cut.
 */
import { Entries } from "../secure9p/entries.ts";
import { INVALID, TOO_BIG } from "../secure9p/refusal.ts";
import type { Path } from "./arguments.ts";
import { FileTask, type TaskTools } from "./file-task.ts";
import { shown } from "./line-buffer.ts";
import { wrongKind } from "./refusals.ts";

/** Most names, and most characters of all of them. */
const NAMES = 1024;
const CHARACTERS = 32768;

export class Listing extends FileTask {
  readonly #names: readonly string[];
  readonly #entries: Entries;
  readonly #found: string[] = [];
  #characters = 0;
  #said = 0;
  #streaming = false;

  constructor(tools: TaskTools, { path, names }: Path) {
    super(tools, path);
    this.#names = names;
    this.#entries = new Entries(tools.bytes);
  }

  override start(): void {
    this.tools.files.open(this.#names, 0, (opened, error) => {
      if (opened === undefined) return this.refuseFor(error);
      this.fid = opened.fid;
      if (!opened.directory) return this.refuse(wrongKind(this.path));
      this.#read(0);
    });
  }

  override get talks(): boolean {
    return this.#streaming;
  }

  override advance(): void {
    if (!this.#streaming) return;
    while (this.#said < this.#found.length) {
      if (!this.tools.output.offer(this.#found[this.#said]!)) return;
      this.#said++;
    }
    this.#end();
  }

  override stop(): void {
    if (this.#streaming) this.#end();
  }

  #read(offset: number): void {
    this.tools.files.readdir(this.fid, offset, ({ data }, error) => {
      if (error !== undefined) return this.refuseFor(error);
      const entries = this.#entries;
      entries.begin(data);
      let next = offset;
      while (entries.next()) {
        next = entries.offset;
        const name = shown(entries.name.text(this.tools.bytes));
        if (name === "." || name === "..") continue;
        this.#characters += name.length;
        if (this.#found.length === NAMES || this.#characters > CHARACTERS) return this.refuseFor(TOO_BIG);
        this.#found.push(name);
      }
      if (entries.failed) return this.refuseFor(INVALID);
      if (data.length > 0 && next > offset) return this.#read(next);
      this.#acknowledge();
    });
  }

  #acknowledge(): void {
    this.tools.files.clunk(this.fid);
    this.fid = -1;
    this.tools.answer.ok(`path=${this.path} entries=${this.#found.length}`);
    this.#streaming = true;
    this.advance();
  }

  #end(): void {
    this.#streaming = false;
    this.tools.answer.end();
    this.finish();
  }
}
