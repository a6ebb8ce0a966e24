/**
 * What the verbs of the root console answer. Each writes exactly one acknowledgement and, if it has lines to show,
 * those and `END`; each is bounded by the tables that it prints.
 */
import type { Supervisor } from "../components/supervisor.ts";
import type { BuildInfo } from "../config/build-info.ts";
import type { BootLog } from "../log/boot-log.ts";
import type { Pump } from "../pump/pump.ts";
import { type Refusal, type Verb, VERBS } from "./grammar.ts";

/** Where an answer goes. */
export interface Answer {
  ok(detail?: string): void;
  err(refusal: Refusal): void;
  line(text: string): void;
  /** The last line of a stream. */
  end(): void;
}

export type Handler = (answer: Answer) => void;

/** What the machine says of itself. */
export interface Machine {
  bootInfo(): {
    readonly kernel: string;
    readonly platform: string;
    readonly ramBytes: number;
    readonly phases: readonly { readonly name: string; readonly us: number }[];
    readonly restarts: number;
  };
  caps(): {
    readonly slotsTotal: number;
    readonly slotsUsed: number;
    readonly untypedCount: number;
    readonly untypedBytes: number;
    readonly untypedFreeBytes: number;
    readonly deviceUntypedCount: number;
    readonly irqHandlers: number;
    readonly components: number;
    readonly componentsMax: number;
  };
  memory(): {
    readonly heapUsed: number;
    readonly heapPeak: number;
    readonly heapLimit: number;
    readonly heapBlocks: number;
    readonly dmaUsed: number;
    readonly dmaTotal: number;
    readonly gcRuns: number;
    readonly gcLongestUs: number;
    readonly jobsDeferred: number;
  };
}

/** What the verbs look at. */
export interface Facts {
  readonly machine: Machine;
  readonly build: BuildInfo;
  readonly pump: Pump;
  readonly log: BootLog;
  readonly supervisor: Supervisor;
  /** Devices that a driver serves, one line each. */
  devices(): readonly string[];
  /** The console's own counters. */
  console(): string;
  /** Counters of the network, one line each; `undefined` if there is no network. */
  network(): readonly string[] | undefined;
}

/** Microseconds as milliseconds with three decimals. */
const ms = (us: number): string => `${(us / 1000).toFixed(3)} ms`;
const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;

/** The table of verbs. */
export function rootVerbs(facts: Facts): Readonly<Record<Verb, Handler>> {
  return {
    HELP: help,
    PING: (answer) => {
      answer.ok("reply=pong");
      answer.line("PONG");
    },
    BI: (answer) => bootInfo(facts, answer),
    CAPS: (answer) => caps(facts.machine, answer),
    MEM: (answer) => memory(facts, answer),
    PS: (answer) => processes(facts, answer),
    NETSTATS: (answer) => {
      const lines = facts.network();
      if (lines === undefined) {
        answer.err({ reason: "busy", detail: "no network" });
        return;
      }
      answer.ok();
      for (const line of lines) answer.line(line);
      answer.end();
    },
    QUIT: (answer) => answer.ok("to leave this console press Ctrl-A, then x"),
  };
}

function help(answer: Answer): void {
  answer.ok();
  for (const [verb, { help: text }] of Object.entries(VERBS)) answer.line(`${verb.toLowerCase().padEnd(9)}${text}`);
  answer.end();
}

function bootInfo(facts: Facts, answer: Answer): void {
  const { machine, build, pump } = facts;
  const boot = machine.bootInfo();
  answer.ok();
  answer.line(`version ${build.version} revision ${build.revision}`);
  answer.line(`image ${build.imageHash} quickjs ${build.quickjs}`);
  answer.line(`kernel ${boot.kernel}`);
  answer.line(`platform ${boot.platform}`);
  answer.line(`ram ${boot.ramBytes / 1048576} MiB`);
  for (const phase of boot.phases) answer.line(`phase ${phase.name} ${ms(phase.us)}`);
  for (const subsystem of pump.subsystems) answer.line(`up ${subsystem.name} ${ms(subsystem.upUs)}`);
  for (const device of facts.devices()) answer.line(`device ${device}`);
  answer.line(`restarts ${boot.restarts}`);
  answer.end();
}

function caps(machine: Machine, answer: Answer): void {
  const caps = machine.caps();
  answer.ok();
  answer.line(`slots used=${caps.slotsUsed} total=${caps.slotsTotal}`);
  answer.line(`untyped count=${caps.untypedCount} free=${kib(caps.untypedFreeBytes)} total=${kib(caps.untypedBytes)}`);
  answer.line(`device-untyped count=${caps.deviceUntypedCount}`);
  answer.line(`irq-handlers count=${caps.irqHandlers}`);
  answer.line(`components live=${caps.components} max=${caps.componentsMax}`);
  answer.end();
}

function memory({ machine, pump, log }: Facts, answer: Answer): void {
  const memory = machine.memory();
  const { collection } = pump;
  answer.ok();
  answer.line(
    `heap used=${memory.heapUsed} peak=${memory.heapPeak} limit=${memory.heapLimit} blocks=${memory.heapBlocks}`,
  );
  answer.line(`dma used=${memory.dmaUsed} total=${memory.dmaTotal}`);
  answer.line(
    `gc runs=${memory.gcRuns} longest_us=${memory.gcLongestUs} idle=${collection.runs} skipped=${collection.skipped}`,
  );
  answer.line(`promises deferred=${memory.jobsDeferred}`);
  answer.line(
    `log lines=${log.lines} bytes=${log.end - log.start} capacity=${log.capacity} overwritten=${log.overwritten} cut=${log.cut}`,
  );
  answer.end();
}

function processes(facts: Facts, answer: Answer): void {
  const { pump, supervisor } = facts;
  const { tick, turnTime } = pump;
  answer.ok();
  answer.line(
    `turns count=${turnTime.count} p50_us=${turnTime.percentile(0.5)} p99_us=${turnTime.percentile(0.99)} max_us=${turnTime.max}`,
  );
  answer.line(
    `tick period_us=${tick.periodUs} count=${tick.count} missed=${tick.missed} late p50_us=${tick.lateness.percentile(0.5)}` +
      ` p99_us=${tick.lateness.percentile(0.99)} max_us=${tick.lateness.max}`,
  );
  for (const stage of pump.stages()) {
    answer.line(
      `stage ${stage.name} done=${stage.done} ${stage.unit} deferred=${stage.deferred} refused=${stage.refused} failed=${stage.failed}`,
    );
  }
  answer.line(facts.console());
  for (const job of pump.jobs()) {
    answer.line(`job ${job.name} ${job.state} runs=${job.runs} restarts=${job.restarts} longest_us=${job.longestUs}`);
  }
  for (const one of supervisor.list()) {
    answer.line(
      `component ${one.id} ${one.name} ${one.state} calls=${one.calls} refused=${one.refused} bytes=${one.bytes}`,
    );
  }
  for (const one of supervisor.ended) answer.line(`ended ${one.name} at ${ms(one.atUs)}: ${one.why}`);
  answer.end();
}
