/**
 * Components in this process, without a machine: each is a program that does one step from an answer to its next call, between turns
 * of the hive, so they meet it only in messages, but nothing isolates them. It is as strict as the engines: what the root must not do
 * to a component, it throws at.
 */

import type { ComponentEvent, Components } from "../../services/ports/index.ts";
import type { WorkerPort } from "../../services/workers/program.ts";
import { programOf } from "../../services/workers/programs.ts";
import { FAILED_BYTES, FRAME_BYTES, WORKER } from "../../services/workers/protocol.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";

/** What a program does next: a call, a fault or violation, or nothing any more though it goes on running. */
export type Doing = readonly [label: number, word: number] | Partial<ComponentEvent> | "hang";

export interface Program {
  step(label: number, word: number): Doing;
}

export type Programs = Readonly<Record<string, (port: WorkerPort) => Program>>;

/** The image's worker. */
export const WORKER_PROGRAM: Programs = { "worker.elf": programOf };

export interface LocalOptions {
  readonly programs?: Programs | undefined;
  /** Most that there may be at once. */
  readonly capacity?: number | undefined;
  /** Called when one could run that could not. */
  readonly wake?: () => void;
}

/** As many as on seL4. */
const COMPONENTS_MAX = 64;

/** What is handed out again and again as the next event. */
export function componentEvent(): ComponentEvent {
  return {
    id: 0,
    kind: "call",
    label: 0,
    words: [0, 0, 0, 0],
    fault: "other",
    ip: 0,
    address: 0,
    detail: 0,
    access: "read",
  };
}

interface Local {
  readonly image: string;
  readonly program: Program;
  readonly bytes: number;
  readonly frame: Uint8Array;
  state: "running" | "calling" | "faulted";
  suspended: boolean;
  /** It runs and will not call any more. */
  hangs: boolean;
  /** The answer that it goes on with. */
  label: number;
  word: number;
  calls: number;
}

export class LocalComponents implements Components {
  programs: Programs;
  /** Components that could be started at once. */
  readonly capacity: number;
  readonly #wake: (() => void) | undefined;
  readonly #live = new Map<number, Local>();
  readonly #events: Partial<ComponentEvent>[] = [];
  readonly #event = componentEvent();

  constructor({ programs = WORKER_PROGRAM, capacity = COMPONENTS_MAX, wake }: LocalOptions = {}) {
    this.programs = programs;
    this.capacity = capacity;
    this.#wake = wake;
  }

  get size(): number {
    return this.#live.size;
  }

  /** How many run, those that hang too. */
  get running(): number {
    let running = 0;
    for (const one of this.#live.values()) if (one.state === "running" && !one.suspended) running++;
    return running;
  }

  /** Whether one runs without end. */
  get hanging(): boolean {
    for (const one of this.#live.values()) if (one.hangs && !one.suspended) return true;
    return false;
  }

  /** Whether {@link run} would do something. */
  get runnable(): boolean {
    return this.#next() !== undefined;
  }

  /** Let one component that may run do one step. @returns whether there was one. */
  run(): boolean {
    const next = this.#next();
    if (next !== undefined) this.#step(...next);
    return next !== undefined;
  }

  spawn(image: string, { arenaBytes, args }: Parameters<Components["spawn"]>[1]): number {
    const make = this.programs[image];
    if (make === undefined) throw new Error(`componentSpawn: no file ${image}`);
    let id = 0;
    while (this.#live.has(id)) id++;
    if (id >= this.capacity) throw new Error(`componentSpawn: all ${this.capacity} components are in use`);
    const frame = new Uint8Array(FRAME_BYTES);
    const program = make({ bytes: nodeBytes, frame, args });
    this.#live.set(id, {
      image,
      program,
      bytes: arenaBytes,
      frame,
      state: "running",
      suspended: false,
      hangs: false,
      label: 0,
      word: 0,
      calls: 0,
    });
    this.#wake?.();
    return id;
  }

  next(): ComponentEvent | undefined {
    const event = this.#events.shift();
    return event === undefined ? undefined : Object.assign(this.#event, event);
  }

  reply(id: number, label: number, w0: number): void {
    const one = this.#get(id);
    if (one.state !== "calling") throw new Error("componentReply: no call waits");
    one.state = "running";
    one.label = label;
    one.word = w0;
    this.#wake?.();
  }

  suspend(id: number): void {
    this.#get(id).suspended = true;
  }

  resume(id: number): void {
    this.#get(id).suspended = false;
    this.#wake?.();
  }

  destroy(id: number): void {
    const { frame } = this.#get(id);
    this.#live.delete(id);
    for (let i = this.#events.length - 1; i >= 0; i--) if (this.#events[i]!.id === id) this.#events.splice(i, 1);
    // Detached, as the engines do it.
    structuredClone(undefined, { transfer: [frame.buffer as ArrayBuffer] });
  }

  frame(id: number): Uint8Array {
    return this.#get(id).frame;
  }

  info(id: number): ReturnType<Components["info"]> {
    const { image, state, suspended, calls, bytes } = this.#get(id);
    return { image, state: state === "running" && suspended ? "suspended" : state, calls, bytes, refused: 0 };
  }

  #next(): [number, Local] | undefined {
    for (const entry of this.#live) {
      const [, one] = entry;
      if (one.state === "running" && !one.suspended && !one.hangs) return entry;
    }
    return undefined;
  }

  #step(id: number, one: Local): void {
    const doing = step(one);
    if (doing === "hang") {
      one.hangs = true;
    } else if ("length" in doing) {
      const [label, word] = doing;
      one.state = "calling";
      one.calls++;
      this.#events.push({ id, kind: "call", label, words: [word, 0, 0, 0] });
    } else {
      one.state = doing.kind === "violation" ? "running" : "faulted";
      this.#events.push({ ...doing, id });
    }
  }

  #get(id: number): Local {
    const one = this.#live.get(id);
    if (one === undefined) throw new Error(`no component ${id}`);
    return one;
  }
}

/** What a program throws becomes the call that an engine would make for it. */
function step({ program, frame, label, word }: Local): Doing {
  try {
    return program.step(label, word);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const bytes = Buffer.from(text).subarray(0, FAILED_BYTES);
    frame.set(bytes);
    return [WORKER.FAILED, bytes.length];
  }
}
