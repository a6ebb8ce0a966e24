/**
 * `ECHO`: one line appended to a file. It is acknowledged when the file has taken all of it, newline included.
 */
import { O_WRONLY } from "../secure9p/constants.ts";
import { INVALID } from "../secure9p/refusal.ts";
import { utf8Length } from "../secure9p/wire.ts";
import type { Echo } from "./arguments.ts";
import { FileTask, type TaskTools } from "./file-task.ts";
import { wrongKind } from "./refusals.ts";

export class Echoing extends FileTask {
  readonly #echo: Echo;
  readonly #line: Uint8Array;
  #written = 0;

  constructor(tools: TaskTools, echo: Echo) {
    super(tools, echo.path);
    this.#echo = echo;
    const line = `${echo.text}\n`;
    this.#line = new Uint8Array(utf8Length(line, Infinity));
    tools.bytes.encode(line, this.#line, 0);
  }

  override start(): void {
    this.tools.files.open(this.#echo.names, O_WRONLY, (opened, error) => {
      if (opened === undefined) return this.refuseFor(error);
      this.fid = opened.fid;
      if (opened.directory) return this.refuse(wrongKind(this.path));
      this.#write();
    });
  }

  #write(): void {
    const left = this.#line.length - this.#written;
    this.tools.files.write(this.fid, this.#written, this.#line, this.#written, left, ({ count }, error) => {
      if (error !== undefined) return this.refuseFor(error);
      if (count === 0) return this.refuseFor(INVALID);
      this.#written += count;
      if (this.#written < this.#line.length) return this.#write();
      this.tools.answer.ok(`path=${this.path} bytes=${this.#written}`);
      this.finish();
    });
  }
}
