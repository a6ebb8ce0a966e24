/**
 * A root console on a test line, driven by a real pump with a clock that only moves when nothing is left to do:
 * what the tests of the console and the replay of traces share.
 */
import { LAYOUT } from "../../../services/components/layout.ts";
import { Supervisor } from "../../../services/components/supervisor.ts";
import { RootConsole } from "../../../services/console/root-console.ts";
import type { ConsoleHive } from "../../../services/console/session.ts";
import { type Handler, type MachineVerb, rootVerbs } from "../../../services/console/verbs.ts";
import { BootLog } from "../../../services/log/boot-log.ts";
import type { Components } from "../../../services/ports/index.ts";
import type { Machine } from "../../../services/proc/facts.ts";
import type { Reports } from "../../../services/proc/network.ts";
import { Pump } from "../../../services/pump/pump.ts";
import { ManualClock, nodeBytes, TestLine, text } from "../support/ports.ts";

const machine: Machine = {
  bootInfo: () => ({
    kernel: "test kernel",
    platform: "test-virt",
    ramBytes: 1024 * 1048576,
    phases: [
      { name: "kernel", us: 12_345 },
      { name: "runtime", us: 23_456 },
    ],
    restarts: 0,
  }),
  caps: () => ({
    slotsTotal: 8192,
    slotsUsed: 300,
    untypedCount: 20,
    untypedBytes: 1024 * 1048576,
    untypedFreeBytes: 1000 * 1048576,
    deviceUntypedCount: 4,
    irqHandlers: 4,
    components: 1,
    componentsMax: 80,
  }),
  memory: () => ({
    heapUsed: 1_000_000,
    heapPeak: 1_100_000,
    heapLimit: 16_777_216,
    heapBlocks: 9_999,
    dmaUsed: 8192,
    dmaTotal: 4_194_304,
    gcRuns: 1,
    gcLongestUs: 1234,
    jobsDeferred: 0,
  }),
};

const noComponents: Components = {
  spawn: () => {
    throw new Error("spawn: none here");
  },
  next: () => undefined,
  reply: () => undefined,
  suspend: () => undefined,
  resume: () => undefined,
  destroy: () => undefined,
  frame: () => new Uint8Array(0),
  info: () => {
    throw new Error("info: none here");
  },
};

export interface SessionOptions {
  readonly verbs?: Partial<Record<MachineVerb, Handler>>;
  readonly hive?: ConsoleHive;
  readonly interactive?: boolean;
  readonly network?: Reports;
  readonly lineBytes?: number;
}

/** A console and what surrounds it. */
export class Session {
  readonly line = new TestLine();
  readonly clock = new ManualClock();
  readonly log: BootLog;
  readonly pump: Pump;
  readonly console: RootConsole;
  readonly failures: string[] = [];

  constructor(options: SessionOptions = {}) {
    const { clock, line } = this;
    const lineBytes = options.lineBytes ?? 1024;
    this.log = new BootLog({ clock, bytes: nodeBytes, ringBytes: 8192, lineBytes });
    this.pump = new Pump({
      clock,
      log: this.log,
      heap: { usedBytes: () => 0, collect: () => 0 },
      describe: String,
      tickUs: 10_000,
    });
    const supervisor = new Supervisor({
      components: noComponents,
      log: this.log,
      clock,
      timers: this.pump.timers,
      layout: LAYOUT,
      policy: "destroy",
    });
    const standard = rootVerbs({
      machine,
      build: { version: "1.2.3", revision: "abcdef0", imageHash: "0123456789abcdef", quickjs: "2025-04-26" },
      pump: this.pump,
      log: this.log,
      supervisor,
      devices: () => ["serial pl011@9000000 irq 33"],
      console: () => [this.console.summary()],
      link: () => [],
      network: () => options.network,
      pools: () => this.console.pools("console"),
    });
    this.console = new RootConsole({
      port: line,
      bytes: nodeBytes,
      clock,
      timers: this.pump.timers,
      log: this.log,
      hive: () => options.hive,
      verbs: { ...standard, ...options.verbs },
      lineBytes,
      prompt: "cohesix> ",
      interactive: options.interactive ?? true,
      failed: (verb, error) => this.failures.push(`${verb}: ${String(error)}`),
    });
    this.pump.attach("serial-rx", "console", this.console.receive);
    this.pump.attach("dispatch", "console", this.console.dispatch);
    this.pump.attach("serial-tx", "console", this.console.transmit);
  }

  /** Turn until the pump wants no turn at this time. @returns how many turns that took. */
  settle(limit = 1_000_000): number {
    for (let turns = 1; turns <= limit; turns++) if (this.pump.turn(this.clock.us) > this.clock.us) return turns;
    throw new Error("the pump never rests");
  }

  /** What comes out for this input. */
  type(input: Uint8Array | string): string {
    this.line.type(input);
    this.settle();
    return text(this.line.output());
  }

  /** Show the prompt; forget what came out so far. */
  open(): void {
    this.console.open();
    this.settle();
    this.line.output();
  }
}
