/**
 * The table of components, as the host functions see it: up to 80, each charged to one pool of memory, each with at most
 * one call, one fault and one violation waiting. They run only while the root has nothing to do, one step each in turn.
 */
import { ComponentProgram, FRAME_BYTES, PAGE } from "./component.ts";
import type { Message, Program } from "./component.ts";
import { WorkerProgram, bundleOf } from "./components/worker.ts";

export const COMPONENTS_MAX = 80;
export const CALL_LABEL_FIRST = 256;
export const EVENT_CALL = 1;
export const EVENT_FAULT = 2;
export const EVENT_VIOLATION = 3;

/** What a component is charged beside its arena: a script's interpreter, its stack and frame; a worker's stack and frame. */
const SCRIPT_BYTES = 1024 * 1024 + FRAME_BYTES;
const WORKER_BYTES = 256 * 1024;

export interface Spawn {
  readonly image: string;
  readonly source: string;
  /** Line table of a worker's bundle. */
  readonly lines?: Uint8Array | undefined;
  readonly arenaBytes: number;
  readonly args: readonly number[];
}

/** The root's side of a component's frame. */
export interface FrameMemory {
  readonly u8: Uint8Array;
  readonly at: number;
}

type Words = readonly [number, number, number, number, number];
const NO_WORDS: Words = [0, 0, 0, 0, 0];

interface Component {
  readonly id: number;
  readonly image: string;
  readonly bytes: number;
  readonly frame: FrameMemory;
  program: Program | undefined;
  state: "running" | "calling" | "faulted";
  suspended: boolean;
  /** What its next step is called with, `undefined` while it waits for an answer. */
  input: readonly number[] | undefined;
  call: Words | undefined;
  fault: Words | undefined;
  violation: boolean;
  calls: number;
  refused: number;
}

export interface ComponentSummary {
  readonly image: string;
  readonly state: "running" | "calling" | "suspended" | "faulted";
  readonly bytes: number;
  readonly calls: number;
  readonly refused: number;
}

export class ComponentTable {
  /** Instances that are being made. */
  starting = 0;
  /** Bytes charged now. */
  used = 0;
  private readonly slots: (Component | undefined)[] = new Array<Component | undefined>(COMPONENTS_MAX).fill(undefined);
  private readonly budget: number;
  private readonly onChange: () => void;
  private readonly waiters: (() => void)[] = [];
  private nextEvent = 0;

  constructor(budget: number, onChange: () => void) {
    this.budget = budget;
    this.onChange = onChange;
  }

  get total(): number {
    return this.budget;
  }

  get live(): number {
    return this.slots.reduce((n, slot) => n + (slot ? 1 : 0), 0);
  }

  /** What a spawn would fail for. */
  refusal({ source, arenaBytes }: Pick<Spawn, "source" | "arenaBytes">): "ids" | "memory" | undefined {
    if (!this.slots.includes(undefined)) return "ids";
    return this.used + charge(source, arenaBytes) > this.budget ? "memory" : undefined;
  }

  /** The caller has asked for `refusal`. The programme starts when its instance is made. */
  spawn(spawn: Spawn, frame: FrameMemory): number {
    const id = this.slots.indexOf(undefined);
    const bytes = charge(spawn.source, spawn.arenaBytes);
    const component: Component = {
      id,
      image: spawn.image,
      bytes,
      frame,
      program: undefined,
      state: "running",
      suspended: false,
      input: [0, ...spawn.args],
      call: undefined,
      fault: undefined,
      violation: false,
      calls: 0,
      refused: 0,
    };
    this.slots[id] = component;
    this.used += bytes;
    this.starting++;
    void load(spawn)
      .then(
        (program) => {
          component.program = program;
        },
        () => {
          this.receive(component, { kind: "fault", words: [4, 0, 0, 0, 0] });
        },
      )
      .finally(() => {
        this.starting--;
        for (const waiter of this.waiters.splice(0)) waiter();
        this.onChange();
      });
    return id;
  }

  /** When the instances that are being made are there. */
  async settled(): Promise<void> {
    while (this.starting > 0) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  find(id: number): { readonly frame: FrameMemory } | undefined {
    return this.slots[id];
  }

  private canRun(component: Component | undefined): component is Component & { program: Program } {
    return (
      component?.program !== undefined &&
      component.state === "running" &&
      !component.suspended &&
      !component.program.hung &&
      component.input !== undefined
    );
  }

  get runnable(): boolean {
    return this.slots.some((component) => this.canRun(component));
  }

  /** One step of everything that can run. */
  step(): void {
    for (const component of this.slots) {
      if (!this.canRun(component)) continue;
      const input = component.input ?? [];
      component.input = NO_WORDS;
      for (const message of component.program.step(input)) this.receive(component, message);
    }
  }

  private receive(component: Component, { kind, words }: Message): void {
    if (kind === "fault") {
      component.state = "faulted";
      component.fault = words;
    } else if (kind === "send" || words[0] < CALL_LABEL_FIRST) {
      // A component on this system only calls.
      component.refused++;
      component.violation = true;
    } else {
      component.program?.readFrame(component.frame.u8, component.frame.at);
      component.state = "calling";
      component.input = undefined;
      component.call = words;
      component.calls++;
    }
  }

  get eventWaits(): boolean {
    return this.slots.some((c) => c !== undefined && (c.call !== undefined || c.fault !== undefined || c.violation));
  }

  /** Take the next event, the components in turn. */
  takeEvent(): { id: number; kind: number; words: Words } | undefined {
    for (let i = 0; i < COMPONENTS_MAX; i++) {
      const id = (this.nextEvent + i) % COMPONENTS_MAX;
      const component = this.slots[id];
      const event = component && takeFrom(component);
      if (event) {
        this.nextEvent = id + 1;
        return { id, ...event };
      }
    }
    return undefined;
  }

  /** @returns false if no call of it waits for an answer. */
  reply(id: number, words: Words): boolean {
    const component = this.slots[id];
    if (component?.state !== "calling" || component.call !== undefined) return false;
    component.program?.writeFrame(component.frame.u8, component.frame.at);
    component.state = "running";
    component.input = words;
    return true;
  }

  suspend(id: number): boolean {
    const component = this.slots[id];
    if (!component) return false;
    component.suspended = true;
    return true;
  }

  /** @returns false if it was not suspended, or has faulted. */
  resume(id: number): boolean {
    const component = this.slots[id];
    if (!component?.suspended || component.state === "faulted") return false;
    component.suspended = false;
    return true;
  }

  destroy(id: number): void {
    const component = this.slots[id];
    if (!component) return;
    this.used -= component.bytes;
    this.slots[id] = undefined;
  }

  destroyAll(): void {
    for (let id = 0; id < COMPONENTS_MAX; id++) this.destroy(id);
  }

  summary(id: number): ComponentSummary | undefined {
    const component = this.slots[id];
    if (!component) return undefined;
    const { image, bytes, calls, refused, suspended, state } = component;
    return { image, bytes, calls, refused, state: suspended && state !== "faulted" ? "suspended" : state };
  }
}

/** Whole pages. */
function arenaOf(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE;
}

function charge(source: string, arenaBytes: number): number {
  return (bundleOf(source) === undefined ? SCRIPT_BYTES : WORKER_BYTES) + arenaOf(arenaBytes);
}

async function load({ source, image, lines, arenaBytes, args }: Spawn): Promise<Program> {
  const bundle = bundleOf(source);
  const arena = arenaOf(arenaBytes);
  if (bundle === undefined) return ComponentProgram.create(source, image, arena);
  return WorkerProgram.create({ bundle, lines, arenaBytes: arena, args });
}

function takeFrom(component: Component): { kind: number; words: Words } | undefined {
  const { call, fault } = component;
  if (call) {
    component.call = undefined;
    return { kind: EVENT_CALL, words: call };
  }
  if (fault) {
    component.fault = undefined;
    return { kind: EVENT_FAULT, words: fault };
  }
  if (component.violation) {
    component.violation = false;
    return { kind: EVENT_VIOLATION, words: NO_WORDS };
  }
  return undefined;
}
