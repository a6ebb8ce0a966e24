/**
 * A command on files that is under way. It moves when it is told that there is room, and when an answer comes; it acknowledges
 * once, and gives back its fid however it ends.
 */
import type { Bytes } from "../ports/index.ts";
import type { Refusal as Errno } from "../secure9p/refusal.ts";
import type { AnswerWriter } from "./answer.ts";
import type { FileClient } from "./file-client.ts";
import type { Refusal } from "./grammar.ts";
import type { LineBuffer } from "./line-buffer.ts";
import type { Output } from "./output.ts";

/** What a task works with. */
export interface TaskTools {
  readonly files: FileClient;
  readonly bytes: Bytes;
  /** Empty when a task begins. */
  readonly buffer: LineBuffer;
  readonly output: Output;
  readonly answer: AnswerWriter;
  /** How a refusal of the hive is worded. */
  refusal(why: Errno, path: string): Refusal;
}

export abstract class FileTask {
  finished = false;
  /** Whether its request may take as long as it likes. */
  patient = false;
  protected readonly tools: TaskTools;
  protected readonly path: string;
  protected fid = -1;

  constructor(tools: TaskTools, path: string) {
    this.tools = tools;
    this.path = path;
  }

  abstract start(): void;

  /** Whether {@link advance} would say something if there is room. */
  get talks(): boolean {
    return false;
  }

  /** Go on, as far as room and budget allow. */
  advance(): void {
    // What says all it has in its acknowledgement has nothing to go on with.
  }

  /** The client wants no more of a stream. */
  stop(): void {
    // What does not stream is not stopped.
  }

  /** It is over: `refusal` says why nothing was done. */
  protected refuse(refusal: Refusal): void {
    this.tools.answer.err(refusal);
    this.finish();
  }

  protected refuseFor(why: Errno): void {
    this.refuse(this.tools.refusal(why, this.path));
  }

  protected finish(): void {
    if (this.fid >= 0) this.tools.files.clunk(this.fid);
    this.fid = -1;
    this.finished = true;
  }
}
