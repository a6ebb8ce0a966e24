/** A worker's program and its root's end, with the frame and without a component between them. */
import { Session, type SessionOptions } from "../../../services/secure9p/session.ts";
import { FramePort } from "../../../services/workers/frame-port.ts";
import type { Program, WorkerPort } from "../../../services/workers/program.ts";
import { FRAME_BYTES, WORKER, type WorkerArgs, type WorkerLabel } from "../../../services/workers/protocol.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";

export class Pair {
  readonly frame = new Uint8Array(FRAME_BYTES);
  readonly worker: Program;
  readonly session: Session;
  readonly port: FramePort;
  /** Labels of the calls so far. */
  readonly calls: number[] = [];
  /** Bytes of replies that the program has not been given, -1 if its call waits. */
  answered = -1;

  constructor(program: (port: WorkerPort) => Program, args: WorkerArgs, options: Omit<SessionOptions, "bytes">) {
    this.worker = program({ bytes: nodeBytes, frame: this.frame, args });
    this.session = new Session({ bytes: nodeBytes, replied: () => this.port.flush(), ...options });
    this.port = new FramePort(nodeBytes, this.session, this.frame, (length) => {
      this.answered = length;
    });
  }

  /** Let it start, and make calls until one waits. @param text of START @returns the last call's label. */
  start(text: string): number {
    this.#call(this.worker.step(0, 0));
    this.frame.set(utf8(text));
    return this.#go(WORKER.START, utf8(text).length);
  }

  /** Go on, if its call was answered, until one waits. @returns the last call's label. */
  run(): number {
    return this.answered < 0 ? WORKER.FRAMES : this.#go(WORKER.FRAMES, this.answered);
  }

  #go(label: WorkerLabel, word: number): number {
    let call = this.worker.step(label, word);
    for (;;) {
      this.#call(call);
      if (call[0] !== WORKER.FRAMES) return call[0];
      this.answered = -1;
      const wrong = this.port.take(call[1]);
      if (wrong !== undefined) throw new Error(wrong);
      if (this.answered < 0) return WORKER.FRAMES;
      call = this.worker.step(WORKER.FRAMES, this.answered);
    }
  }

  #call(call: readonly [number, number]): void {
    this.calls.push(call[0]);
  }
}
