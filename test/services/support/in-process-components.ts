/**
 * Components without a machine: each is a program in this process that does one step from an answer to its next call. It is as
 * strict as the engines: what the root must not do to a component, it throws at. One step runs at a time, when {@link run} says.
 */
import type { ComponentEvent, Components } from "../../../services/ports/index.ts";
import { HeartbeatWorker, type WorkerPort } from "../../../services/workers/heartbeat.ts";
import { FAILED_BYTES, FRAME_BYTES, WORKER } from "../../../services/workers/protocol.ts";
import { nodeBytes, utf8 } from "./ports.ts";

/** What a program does next: a call, a fault or violation, or nothing any more though it goes on running. */
export type Doing = readonly [label: number, word: number] | Partial<ComponentEvent> | "hang";

export interface Program {
  step(label: number, word: number): Doing;
}

export type Programs = Readonly<Record<string, (port: WorkerPort) => Program>>;

/** The image's worker. */
export const WORKER_PROGRAM: Programs = { "worker.elf": (port) => new HeartbeatWorker(port) };

/** What the machine takes for one. */
const COMPONENT_BYTES = 1280 * 1024;

interface Component {
  readonly image: string;
  readonly program: Program;
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

export class InProcessComponents implements Components {
  /** Components that could be started at once, and most that ever could run at once. */
  readonly capacity: number;
  runnableHighWater = 0;
  spawned = 0;
  destroyed = 0;
  programs: Programs;
  readonly #live = new Map<number, Component>();
  readonly #events: Partial<ComponentEvent>[] = [];
  readonly #event: ComponentEvent = {
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

  constructor(programs: Programs = WORKER_PROGRAM, capacity = 64) {
    this.programs = programs;
    this.capacity = capacity;
  }

  get size(): number {
    return this.#live.size;
  }

  /** Bytes that all of them have. */
  get bytes(): number {
    return this.#live.size * COMPONENT_BYTES;
  }

  /** Whether one runs without end. */
  get hanging(): boolean {
    for (const one of this.#live.values()) if (one.hangs && !one.suspended) return true;
    return false;
  }

  /** Let one component that may run do one step. @returns whether there was one. */
  run(): boolean {
    let runnable = 0;
    let chosen: [number, Component] | undefined;
    for (const entry of this.#live) {
      const [, one] = entry;
      if (one.suspended || one.state !== "running") continue;
      runnable++;
      if (!one.hangs) chosen ??= entry;
    }
    this.runnableHighWater = Math.max(this.runnableHighWater, runnable);
    if (chosen === undefined) return false;
    this.#step(...chosen);
    return true;
  }

  spawn(image: string, { args }: { args: readonly [number, number, number, number] }): number {
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
      frame,
      state: "running",
      suspended: false,
      hangs: false,
      label: 0,
      word: 0,
      calls: 0,
    });
    this.spawned++;
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
  }

  suspend(id: number): void {
    this.#get(id).suspended = true;
  }

  resume(id: number): void {
    this.#get(id).suspended = false;
  }

  destroy(id: number): void {
    const { frame } = this.#get(id);
    this.#live.delete(id);
    this.destroyed++;
    for (let i = this.#events.length - 1; i >= 0; i--) if (this.#events[i]!.id === id) this.#events.splice(i, 1);
    // Detached, as the engines do it.
    structuredClone(undefined, { transfer: [frame.buffer as ArrayBuffer] });
  }

  frame(id: number): Uint8Array {
    return this.#get(id).frame;
  }

  info(id: number): ReturnType<Components["info"]> {
    const { image, state, suspended, calls } = this.#get(id);
    const shown = state === "running" && suspended ? "suspended" : state;
    return { image, state: shown, calls, bytes: COMPONENT_BYTES, refused: 0 };
  }

  #step(id: number, one: Component): void {
    const doing = this.#do(one);
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

  /** An exception becomes the engine's FAILED. */
  #do({ program, frame, label, word }: Component): Doing {
    try {
      return program.step(label, word);
    } catch (error) {
      const text =
        error instanceof Error ? `${error.name}: ${error.message}\n    at step (worker.ts:1)` : String(error);
      const bytes = utf8(text).subarray(0, FAILED_BYTES);
      frame.set(bytes);
      return [WORKER.FAILED, bytes.length];
    }
  }

  #get(id: number): Component {
    const one = this.#live.get(id);
    if (one === undefined) throw new Error(`no component ${id}`);
    return one;
  }
}
