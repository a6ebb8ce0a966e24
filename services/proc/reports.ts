/**
 * Reports as lines of text, the same on the console and under `/proc`. Each is bounded by the tables that it prints and is
 * made anew whenever it is asked for; its lines are `name value` or `name key=value …`, so that scripts can read them.
 */
import { poolLine } from "./rows.ts";
import type { Facts, Machine } from "./facts.ts";

/** Microseconds as milliseconds with three decimals. */
const ms = (us: number): string => `${(us / 1000).toFixed(3)} ms`;
const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;

/** What booted, when each part of it came up, and the devices that are served. */
export function bootReport(facts: Facts): string[] {
  const { machine, build, pump } = facts;
  const boot = machine.bootInfo();
  return [
    `version ${build.version} revision ${build.revision}`,
    `image ${build.imageHash} quickjs ${build.quickjs}`,
    `kernel ${boot.kernel}`,
    `platform ${boot.platform}`,
    `ram ${boot.ramBytes / 1048576} MiB`,
    ...boot.phases.map(({ name, us }) => `phase ${name} ${ms(us)}`),
    ...pump.subsystems.map(({ name, upUs }) => `up ${name} ${ms(upUs)}`),
    ...facts.devices().map((device) => `device ${device}`),
    `restarts ${boot.restarts}`,
  ];
}

/** The same, made anew only if something has come up since. */
export function bootReports(facts: Facts): () => readonly string[] {
  let known = -1;
  let lines: readonly string[] = [];
  return () => {
    const parts = facts.pump.subsystems.length + facts.devices().length;
    if (parts !== known) lines = bootReport(facts);
    known = parts;
    return lines;
  };
}

export function versionReport({ machine, build }: Facts): string[] {
  return [
    `Cohesix ${build.version} revision ${build.revision} image ${build.imageHash} on ${machine.bootInfo().kernel}`,
  ];
}

export function capsReport(machine: Machine): string[] {
  const caps = machine.caps();
  return [
    `slots used=${caps.slotsUsed} total=${caps.slotsTotal}`,
    `untyped count=${caps.untypedCount} free=${kib(caps.untypedFreeBytes)} total=${kib(caps.untypedBytes)}`,
    `device-untyped count=${caps.deviceUntypedCount}`,
    `irq-handlers count=${caps.irqHandlers}`,
    `components live=${caps.components} max=${caps.componentsMax}`,
  ];
}

/** Heap, collections, and every pool with its bound. */
export function memoryReport(facts: Facts): string[] {
  const { machine, pump, log } = facts;
  const memory = machine.memory();
  const { collection } = pump;
  return [
    `heap used=${memory.heapUsed} peak=${memory.heapPeak} limit=${memory.heapLimit} blocks=${memory.heapBlocks}`,
    `dma used=${memory.dmaUsed} total=${memory.dmaTotal}`,
    `gc runs=${memory.gcRuns} longest_us=${memory.gcLongestUs} idle=${collection.whileQuiet} busy=${collection.whileBusy} skipped=${collection.skipped}`,
    `promises deferred=${memory.jobsDeferred}`,
    `log lines=${log.lines} cut=${log.cut}`,
    ...[log.ring.pool("log.boot"), ...pump.pools(), ...facts.pools()].map(poolLine),
  ];
}

/** Turns, tick and stages. */
export function pumpReport({ pump }: Facts): string[] {
  const { tick, turnTime } = pump;
  return [
    `turns count=${turnTime.count} p50_us=${turnTime.percentile(0.5)} p99_us=${turnTime.percentile(0.99)} max_us=${turnTime.max} rests=${pump.rests}`,
    `tick period_us=${tick.periodUs} count=${tick.count} missed=${tick.missed} late p50_us=${tick.lateness.percentile(0.5)}` +
      ` p99_us=${tick.lateness.percentile(0.99)} max_us=${tick.lateness.max}`,
    ...pump
      .stages()
      .map(
        ({ name, unit, done, deferred, refused, failed }) =>
          `stage ${name} done=${done} ${unit} deferred=${deferred} refused=${refused} failed=${failed}`,
      ),
  ];
}

/** Jobs and components. */
export function processReport({ pump, supervisor }: Facts): string[] {
  return [
    ...pump
      .jobs()
      .map(
        ({ name, state, runs, restarts, longestUs }) =>
          `job ${name} ${state} runs=${runs} restarts=${restarts} longest_us=${longestUs}`,
      ),
    ...supervisor
      .list()
      .map(
        ({ id, name, state, calls, refused, bytes }) =>
          `component ${id} ${name} ${state} calls=${calls} refused=${refused} bytes=${bytes}`,
      ),
    ...supervisor.ended.map(({ name, why, atUs }) => `ended ${name} at ${ms(atUs)}: ${why}`),
  ];
}
