/**
 * Workers in this process: the port `Components` over the very program that a worker's component runs, without the component. They
 * are stepped one at a time between turns of the hive, so they meet it only in messages, but nothing isolates them.
 */

import { HeartbeatWorker, type WorkerCall } from "../../services/workers/heartbeat.ts";
import { FAILED_BYTES, FRAME_BYTES, WORKER } from "../../services/workers/protocol.ts";
import type { ComponentEvent, Components } from "../../services/ports/index.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";

/** As many as on seL4. */
const COMPONENTS_MAX = 64;

interface Local {
  readonly id: number;
  readonly image: string;
  readonly bytes: number;
  readonly frame: Uint8Array;
  readonly step: (label: number, word: number) => WorkerCall;
  state: "running" | "calling";
  suspended: boolean;
  /** What its next step is called with. */
  label: number;
  word: number;
  /** Its call that the root has not taken yet. */
  call: WorkerCall | undefined;
  calls: number;
}

export class LocalComponents implements Components {
  readonly #slots: (Local | undefined)[] = new Array<Local | undefined>(COMPONENTS_MAX).fill(undefined);
  readonly #wake: () => void;
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

  /** @param wake is called when a worker could run */
  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** Run every worker that can run by one step. @returns whether an event waits. */
  run(): boolean {
    for (const local of this.#slots) {
      if (local === undefined || local.suspended || local.state !== "running") continue;
      local.call = step(local);
      local.state = "calling";
      local.calls++;
    }
    return this.#slots.some((local) => local?.call !== undefined);
  }

  /** Whether a worker could run. */
  get runnable(): boolean {
    return this.#slots.some((local) => local?.state === "running" && !local.suspended);
  }

  spawn(image: string, { arenaBytes, args }: Parameters<Components["spawn"]>[1]): number {
    const id = this.#slots.indexOf(undefined);
    if (id < 0) throw new Error("busy: no component is left");
    const frame = new Uint8Array(FRAME_BYTES);
    const worker = new HeartbeatWorker({ bytes: nodeBytes, frame, args });
    this.#slots[id] = {
      id,
      image,
      bytes: arenaBytes,
      frame,
      step: (label, word) => worker.step(label, word),
      state: "running",
      suspended: false,
      label: 0,
      word: 0,
      call: undefined,
      calls: 0,
    };
    this.#wake();
    return id;
  }

  next(): ComponentEvent | undefined {
    const event = this.#event;
    for (const local of this.#slots) {
      if (local?.call === undefined) continue;
      const [label, word] = local.call;
      local.call = undefined;
      event.id = local.id;
      event.label = label;
      event.words = [word, 0, 0, 0];
      return event;
    }
    return undefined;
  }

  reply(id: number, label: number, w0: number): void {
    const local = this.#at(id);
    if (local.state !== "calling") throw new Error(`component ${id} has no call to answer`);
    local.label = label;
    local.word = w0;
    local.state = "running";
    this.#wake();
  }

  suspend(id: number): void {
    this.#at(id).suspended = true;
  }

  resume(id: number): void {
    this.#at(id).suspended = false;
    this.#wake();
  }

  destroy(id: number): void {
    this.#slots[id] = undefined;
  }

  frame(id: number): Uint8Array {
    return this.#at(id).frame;
  }

  info(id: number): ReturnType<Components["info"]> {
    const { image, suspended, state, bytes, calls } = this.#at(id);
    return { image, state: suspended ? "suspended" : state, bytes, calls, refused: 0 };
  }

  #at(id: number): Local {
    const local = this.#slots[id];
    if (local === undefined) throw new Error(`there is no component ${id}`);
    return local;
  }
}

/** One step. What it throws becomes the call that an engine would make for it. */
function step(local: Local): WorkerCall {
  try {
    const [label, word] = local.step(local.label, local.word);
    return [label, word];
  } catch (error) {
    const text = Buffer.from(error instanceof Error ? (error.stack ?? error.message) : String(error));
    const length = Math.min(text.length, FAILED_BYTES);
    local.frame.set(text.subarray(0, length));
    return [WORKER.FAILED, length];
  }
}
