/**
 * `ECHO`: one line appended to a file. It is acknowledged when the file has taken all of it, newline included.
 */
import { O_WRONLY } from "../secure9p/constants.ts";
import { INVALID } from "../secure9p/refusal.ts";
import type { Echo } from "./arguments.ts";
import { FileTask, type TaskTools } from "./file-task.ts";
import { wrongKind } from "./refusals.ts";

/** Most bytes that a UTF-16 unit takes in UTF-8. */
const UNIT_BYTES = 3;

export class Echoing extends FileTask {
  readonly #echo: Echo;
  readonly #line: Uint8Array;
  readonly #size: number;
  #written = 0;

  constructor(tools: TaskTools, echo: Echo) {
    super(tools, echo.path);
    this.#echo = echo;
    const line = `${echo.text}\n`;
    this.#line = new Uint8Array(UNIT_BYTES * line.length);
    this.#size = tools.bytes.encode(line, this.#line, 0);
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
    const left = this.#size - this.#written;
    this.tools.files.write(this.fid, this.#written, this.#line, this.#written, left, ({ count }, error) => {
      if (error !== undefined) return this.refuseFor(error);
      if (count === 0) return this.refuseFor(INVALID);
      this.#written += count;
      if (this.#written < this.#size) return this.#write();
      this.tools.answer.ok(`path=${this.path} bytes=${this.#written}`);
      this.finish();
    });
  }
}
