/**
 * A machine that runs a bundle: the board's devices, QuickJS, and the loop of turns between them. In real time it sleeps
 * until a deadline or an event; in virtual time it jumps there, so an hour of the guest's takes seconds. A bundle that
 * fails is rebuilt at most three times within 60 s of the machine's time, then the machine halts and says why.
 */
import { Board } from "./board.ts";
import type { BoardOptions } from "./board.ts";
import { RealClock, VirtualClock } from "./clock.ts";
import type { DeviceTimer, SimClock } from "./clock.ts";
import { ComponentTable } from "./components.ts";
import type { Pl011 } from "./devices/pl011.ts";
import type { VirtioConsole } from "./devices/virtio/console.ts";
import type { VirtioSlot } from "./devices/virtio/mmio.ts";
import type { VirtioNet } from "./devices/virtio/net.ts";
import type { VirtioRng } from "./devices/virtio/rng.ts";
import { byteFunctions } from "./host/bytes.ts";
import { componentFunctions } from "./host/components.ts";
import { countCollection, describeValue } from "./host/context.ts";
import type { MachineParts } from "./host/context.ts";
import { machineFunctions } from "./host/machine.ts";
import { heapLine, kindLines } from "./host/memory-report.ts";
import { EMPTY_LINE_TABLE, LineTable } from "./lines.ts";
import type { DmaPool } from "./memory.ts";
import { Stop, Thrown } from "./quickjs/errors.ts";
import { Runtime } from "./quickjs/runtime.ts";
import type { SerialLine } from "./serial.ts";

const RAISED_TIMER = 1;
const RAISED_COMPONENT = 2;
const JOBS_PER_TURN = 64;
const RESTARTS = 3;
const RESTART_WINDOW_US = 60_000_000;
/**
 * Virtual time that computing takes, for else a busy guest would stop the clock: what lies at least between two turns,
 * and what a round of component steps takes.
 */
const TURN_US = 1;
const COMPONENT_STEP_US = 10;
/** Turns and steps between two looks at Node's own event loop. */
const BURST = 16;
const BURST_MS = 8;
/** setTimeout's longest. */
const SLEEP_MAX_MS = 2 ** 31 - 1;
const MEBIBYTE = 1024 * 1024;

export interface MachineOptions extends BoardOptions {
  /** The bundle, an ES module that exports `turn`. */
  readonly source: string;
  /** Boot files, in archive order. `main.lines` gives stacks their TypeScript positions. */
  readonly rootfs?: ReadonlyMap<string, Uint8Array>;
  readonly clock?: "real" | "virtual";
  /** Limit of the JavaScript heap, 16 MiB if absent. */
  readonly heapBytes?: number;
  /** Memory for components, 256 MiB if absent. */
  readonly componentBytes?: number;
  /** Text for the debug console. */
  readonly onLog?: (text: string) => void;
}

export class Machine {
  /** The UART's line. */
  readonly serial: SerialLine;
  /** The line of the virtio console if there is one, else the UART's: where a hive has its console. */
  readonly console: SerialLine;
  readonly virtioConsole: VirtioConsole | undefined;
  readonly uart: Pl011;
  readonly net: VirtioNet | undefined;
  readonly rng: VirtioRng | undefined;
  /** virtio slots as QEMU fills them: network, entropy and console from the top. */
  readonly slots: readonly VirtioSlot[];
  readonly clock: SimClock;
  /** Why the machine halted. */
  haltReason: string | undefined;
  turns = 0;
  private readonly options: MachineOptions;
  private readonly board: Board;
  private readonly parts: MachineParts;
  private readonly restartTimes: number[] = [];
  private runtime: Runtime | undefined;
  private turn = 0;
  private deadline = 0;
  private again = false;
  private lastTurnUs = -1;
  private wake: (() => void) | undefined;
  private running: Promise<void> | undefined;
  private stopping = false;

  constructor(options: MachineOptions) {
    this.options = options;
    this.clock = options.clock === "real" ? new RealClock() : new VirtualClock();
    const kick = (): void => {
      this.kick();
    };
    const rootfs = options.rootfs ?? new Map<string, Uint8Array>();
    const phases = [{ name: "kernel", us: this.clock.nowUs() }];
    const board = new Board(options, this.clock, kick);
    this.board = board;
    this.parts = {
      clock: this.clock,
      bus: board.bus,
      interrupts: board.interrupts,
      dma: board.dma,
      rootfs,
      components: new ComponentTable(options.componentBytes ?? 256 * MEBIBYTE, kick),
      lines: new LineTable(rootfs.get("main.lines") ?? EMPTY_LINE_TABLE),
      phases,
      counters: { gcRuns: 0, gcLongestUs: 0, jobsDeferred: 0, restarts: 0 },
      log: (text) => {
        options.onLog?.(text);
      },
      halt: (reason) => {
        throw this.halt(reason);
      },
    };

    const { serial, uart, net, rng, console, slots } = board;
    this.serial = serial;
    this.virtioConsole = console;
    this.console = console?.line ?? serial;
    this.uart = uart;
    this.net = net;
    this.rng = rng;
    this.slots = slots;
    this.phase("platform");
  }

  // ---- state ----

  nowUs(): number {
    return this.clock.nowUs();
  }

  /** How often the runtime was rebuilt. */
  get restarts(): number {
    return this.parts.counters.restarts;
  }

  get heapUsed(): number {
    return this.runtime?.heapUsed ?? 0;
  }

  /** Live components. */
  get componentCount(): number {
    return this.parts.components.live;
  }

  /** DMA memory as the devices see it. */
  get dma(): DmaPool {
    return this.parts.dma;
  }

  /**
   * Let something beside the board act on the machine's clock, as what is at the other end of a cable does.
   * @returns its timer; who sets it from outside of the machine's run says so with {@link kick}.
   */
  attach(fire: () => void): DeviceTimer {
    return this.board.schedule.add(fire);
  }

  private halt(reason: string): Stop {
    this.haltReason = reason;
    this.parts.log(`\ncohesix: halted: ${reason}\n`);
    this.parts.components.destroyAll();
    this.parts.interrupts.reset();
    this.runtime = undefined;
    return new Stop(reason);
  }

  // ---- the runtime ----

  /** Load the bundle. Done by the first run; only to be called for its own sake when the time it takes matters. */
  async boot(): Promise<void> {
    if (this.runtime || this.haltReason !== undefined) return;
    if (this.parts.counters.restarts === 0) this.phase("files");
    const { options, parts } = this;
    const fileBytes = [...parts.rootfs.values()].reduce((n, file) => n + file.length + 16, 0);
    const runtime = await Runtime.create({
      heapBytes: options.heapBytes ?? 16 * MEBIBYTE,
      extraBytes: parts.dma.reserve + fileBytes + options.source.length * 4,
      interrupt: () => false,
      onHeap: () => {
        this.phase("heap");
      },
    });
    parts.dma.adopt(runtime.instance.u8, runtime.instance.malloc(parts.dma.reserve));
    const context = { machine: parts, runtime };
    runtime.defineGlobal(
      "host",
      { ...machineFunctions(context), ...byteFunctions(runtime), ...componentFunctions(context) },
      { engine: runtime.newString("sim"), abi: runtime.newNumber(1) },
    );
    this.runtime = runtime;
    this.deadline = 0;
    this.again = false;
    this.phase("runtime");
    this.guard(() => {
      const namespace = runtime.evaluate(options.source, "main.js", true);
      this.turn = runtime.property(namespace, "turn");
      runtime.release(namespace);
      if (!runtime.isFunction(this.turn)) runtime.throwType("main.js: the bundle exports no function `turn`");
      this.runJobs(runtime);
    });
    this.phase("bundle");
  }

  /** When a part of the boot ended; a rebuild changes nothing, the phases are those of the boot. */
  private phase(name: string): void {
    const { phases } = this.parts;
    if (phases.every((phase) => phase.name !== name)) phases.push({ name, us: this.clock.nowUs() });
  }

  /** Run guest code; what it fails with ends this runtime. */
  private guard(work: () => void): void {
    const { runtime } = this;
    try {
      work();
    } catch (error) {
      if (error instanceof Stop) return;
      if (error instanceof Thrown && runtime) this.report(runtime, error.value);
      else if (isEngineFailure(error)) this.parts.log(`engine: QuickJS failed: ${String(error)}\n`);
      else throw error;
      this.rebuild();
    }
  }

  private report(runtime: Runtime, value: number): void {
    const { parts } = this;
    const outOfMemory = runtime.isOutOfMemory(value);
    const heap = heapLine(runtime);
    runtime.liftLimit();
    parts.log(`engine: uncaught: ${describeValue(parts.lines, runtime, value)}\n`);
    if (outOfMemory) for (const line of [heap, ...kindLines(runtime)]) parts.log(line);
  }

  private rebuild(): void {
    const now = this.clock.nowUs();
    const recent = this.restartTimes.filter((us) => now - us < RESTART_WINDOW_US);
    if (recent.length >= RESTARTS) {
      this.halt(`the runtime failed ${String(RESTARTS + 1)} times within 60 s`);
      return;
    }
    this.restartTimes.splice(0, Infinity, ...recent, now);
    this.parts.counters.restarts++;
    this.parts.log("engine: the runtime is rebuilt\n");
    this.parts.components.destroyAll();
    this.parts.interrupts.reset();
    this.runtime = undefined;
  }

  private runJobs(runtime: Runtime): void {
    this.again = runtime.runJobs(JOBS_PER_TURN);
    if (this.again) this.parts.counters.jobsDeferred++;
    const us = runtime.settle();
    if (us !== undefined) countCollection(this.parts.counters, us);
  }

  private runTurn(runtime: Runtime, raised: number, nowUs: number): void {
    this.turns++;
    this.lastTurnUs = nowUs;
    this.guard(() => {
      const deadline = runtime.callNumbers(this.turn, raised, nowUs, "turn: the next deadline");
      if (Number.isNaN(deadline)) runtime.throwType("turn: returned NaN as the next deadline");
      this.deadline = Math.ceil(deadline);
      this.runJobs(runtime);
    });
  }

  // ---- the loop ----

  private raised(nowUs: number): number {
    const { interrupts, components } = this.parts;
    let raised = interrupts.take();
    if (components.eventWaits) raised |= RAISED_COMPONENT;
    if (nowUs >= this.deadline) raised |= RAISED_TIMER;
    return raised;
  }

  /** Do one thing that is due. @returns false if nothing is. */
  private advance(): boolean {
    const { runtime } = this;
    if (!runtime) return false;
    let now = this.clock.nowUs();
    this.board.schedule.run(now);
    this.uart.pull();
    const raised = this.raised(now);
    if ((raised !== 0 || this.again) && now === this.lastTurnUs) {
      this.clock.advanceTo(now + TURN_US);
      now = this.clock.nowUs();
    }
    if (raised !== 0 || this.again) {
      this.runTurn(runtime, raised, now);
    } else if (this.parts.components.runnable) {
      this.parts.components.step();
      this.clock.advanceTo(now + COMPONENT_STEP_US);
    } else {
      return false;
    }
    if (this.serial.readable > 0) this.serial.onOutput?.();
    if (this.console !== this.serial && this.console.readable > 0) this.console.onOutput?.();
    return true;
  }

  private next(): number {
    return Math.min(this.deadline, this.board.schedule.next());
  }

  /**
   * Run until `done` says so, the machine halts or its clock reaches `limitUs`.
   * @returns whether `done` came true.
   */
  async runUntil(done: () => boolean, limitUs: number): Promise<boolean> {
    if (this.running) throw new Error("the machine runs in real time: stop it first");
    let work = 0;
    let since = performance.now();
    for (;;) {
      if (!this.runtime) await this.boot();
      if (done()) return true;
      if (this.haltReason !== undefined) return false;
      const { components } = this.parts;
      // In virtual time a component starts at the moment of its spawn, however long the instance takes.
      if (this.clock.virtual && components.starting > 0) await components.settled();
      if (this.advance()) {
        if (++work % BURST === 0 && performance.now() - since > BURST_MS) {
          await new Promise<void>((resolve) => setImmediate(resolve));
          since = performance.now();
        }
        if (this.clock.nowUs() > limitUs) return done();
        continue;
      }
      if (!this.runtime) continue;
      const next = this.next();
      if (next > limitUs && (!this.clock.virtual || Number.isFinite(limitUs))) {
        if (this.clock.virtual) {
          this.clock.advanceTo(limitUs);
          return done();
        }
        if (this.clock.nowUs() >= limitUs) return done();
      } else if (this.clock.virtual && next === Infinity) {
        throw new Error("the machine waits for ever: no deadline, no event and no limit");
      }
      if (this.clock.virtual) this.clock.advanceTo(next);
      else await this.sleep(Math.min(next, limitUs));
    }
  }

  /** Run for that long on the machine's clock. */
  async runFor(us: number): Promise<void> {
    await this.runUntil(() => false, this.clock.nowUs() + us);
  }

  private async sleep(untilUs: number): Promise<void> {
    const ms = Math.ceil((untilUs - this.clock.nowUs()) / 1000);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(Math.max(ms, 0), SLEEP_MAX_MS));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = undefined;
  }

  /** Something happened outside the guest: a real-time machine looks at it at once. */
  kick(): void {
    this.wake?.();
  }

  /** Run in real time until `stop` or a halt. @throws Error in virtual time, which has no use for it. */
  start(): Promise<void> {
    if (this.clock.virtual) throw new Error("a machine in virtual time is run with runUntil");
    if (!this.running) {
      this.stopping = false;
      const running = this.runUntil(() => this.stopping, Infinity);
      this.running = running.then(
        () => {
          this.running = undefined;
        },
        (error: unknown) => {
          this.running = undefined;
          throw error;
        },
      );
    }
    return this.running;
  }

  /** @returns when the turn that runs has ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.kick();
    await this.running;
  }
}

/** V8's own end of the guest: its stack is smaller than what some native recursions of QuickJS need. */
function isEngineFailure(error: unknown): boolean {
  return (
    error instanceof WebAssembly.RuntimeError || (error instanceof RangeError && error.message.includes("call stack"))
  );
}
