/**
 * A hive in this process: the very core that runs on seL4, on ports of Node, with a console and workers but without a machine. It
 * claims nothing that it does not have: what only a machine could say is refused, and its workers are not isolated from it.
 */

import { randomFillSync } from "node:crypto";
import { totalmem } from "node:os";
import type { BuildInfo } from "../../services/config/build-info.ts";
import type { Manifest } from "../../services/config/manifest.ts";
import { LAYOUT } from "../../services/components/layout.ts";
import { Supervisor } from "../../services/components/supervisor.ts";
import type { Answer } from "../../services/console/answer.ts";
import { parse, TOO_LONG } from "../../services/console/grammar.ts";
import { ConsoleSession } from "../../services/console/session.ts";
import { type Handler, type MachineVerb, rootVerbs } from "../../services/console/verbs.ts";
import { Hive } from "../../services/hive/hive.ts";
import { HIVE_LIMITS } from "../../services/hive/limits.ts";
import { BootLog, LogReader } from "../../services/log/boot-log.ts";
import type { Facts, Machine } from "../../services/proc/facts.ts";
import { bootReport, pumpReport, versionReport } from "../../services/proc/reports.ts";
import { Pump, type Source } from "../../services/pump/pump.ts";
import type { TimerPort } from "../../services/pump/timers.ts";
import type { CtlSchemas } from "../../services/queen/schemas.ts";
import { WORKER_RULES } from "../../services/workers/rules.ts";
import { nodeBytes } from "../../scripts/lib/node-bytes.ts";
import type { Credentials } from "../tickets/credentials.ts";
import { LocalComponents } from "./components.ts";

export interface MockHiveOptions {
  readonly credentials: Credentials;
  readonly schemas: CtlSchemas;
  readonly manifest: Manifest;
  readonly build: BuildInfo;
  /** Where lines of answers go. Called in turns of the event loop of their own. */
  readonly reply: (line: string) => void;
  /** Where lines of the boot log go. */
  readonly log: (line: string) => void;
}

export interface MockParts {
  readonly hive: Hive;
  readonly timers: TimerPort;
  readonly nowUs: () => number;
  readonly verbs: Readonly<Record<MachineVerb, Handler>>;
  /** Let it have a turn, for something was asked of it. */
  readonly wake: () => void;
}

/** It is called as a machine's line is, so that the audit log says the same on every transport. */
const LINE = { name: "serial", throttle: 2 ** 32, local: true };
/** Whoever types faster than the console answers. */
const WAITING_LIMIT = 1024;
const TIMERS = 512;
/** An output that is never full: lines leave at once. */
const ALWAYS_FREE = 1 << 20;
/** Longest time that one timer of Node is set for, in milliseconds. */
const SLEEP_MS = 60_000;

export class MockHive {
  readonly #options: MockHiveOptions;
  readonly #startMs = performance.now();
  readonly #pump: Pump;
  readonly #log: BootLog;
  readonly #supervisor: Supervisor;
  readonly #components: LocalComponents;
  readonly #hive: Hive;
  readonly #verbs: Readonly<Record<MachineVerb, Handler>>;
  readonly #session: ConsoleSession;
  readonly #waiting: string[] = [];
  readonly #soon: () => void;
  #turn: NodeJS.Immediate | undefined;
  #sleep: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: MockHiveOptions) {
    const { manifest } = options;
    this.#options = options;
    this.#soon = () => this.#schedule();
    const clock = { nowUs: () => Math.floor((performance.now() - this.#startMs) * 1000) };
    const bytes = nodeBytes;
    const log = new BootLog({ clock, bytes, ringBytes: manifest.logRingBytes, lineBytes: manifest.lineBytes });
    this.#log = log;
    const pump = new Pump({
      clock,
      log,
      heap: { usedBytes: () => process.memoryUsage().heapUsed, collect: () => 0 },
      describe: (error) => (error instanceof Error ? (error.stack ?? error.message) : String(error)),
      tickUs: manifest.pumpTickUs,
      timers: TIMERS,
    });
    this.#pump = pump;
    this.#components = new LocalComponents({ wake: this.#soon });
    const components = this.#components;
    const { timers } = pump;
    this.#supervisor = new Supervisor({ components, log, clock, timers, layout: LAYOUT, policy: "destroy" });
    log.line("mock", "a hive in the shell's own process: no kernel, no devices, workers that nothing isolates");
    const hive = pump.initialise("ninedoor", () => this.#makeHive(clock));
    if (hive === undefined) throw new Error("the mock hive could not be made");
    this.#hive = hive;
    this.#verbs = {
      ...rootVerbs(this.#facts()),
      BI: unsupported,
      CAPS: unsupported,
      MEM: unsupported,
      PS: unsupported,
      NETSTATS: unsupported,
    };
    this.#session = new ConsoleSession({
      sink: {
        free: ALWAYS_FREE,
        line: (text) => options.reply(text),
        plain: (from, start, size) => options.reply(bytes.decode(from, start, size)),
        close: () => undefined,
      },
      bytes,
      clock,
      timers,
      source: LINE,
      hive: () => hive,
      verbs: this.#verbs,
      farewell: "",
      patienceUs: manifest.limits.providerUs,
      failed: (verb, error) => pump.report(`verb ${verb} failed`, error),
    });
    pump.attach("ipc", "components", this.#supervisor);
    pump.attach("dispatch", "console", this.#console());
    pump.attach("dispatch", "log", this.#showLog());
    this.#schedule();
  }

  /** What another console on the same hive is made of. */
  get parts(): MockParts {
    return {
      hive: this.#hive,
      timers: this.#pump.timers,
      nowUs: () => Math.floor((performance.now() - this.#startMs) * 1000),
      verbs: this.#verbs,
      wake: this.#soon,
    };
  }

  /** Take a command line. @throws Error if too many wait. */
  send(line: string): void {
    if (this.#waiting.length === WAITING_LIMIT) throw new Error(`${WAITING_LIMIT} lines wait for the mock hive`);
    this.#waiting.push(line);
    this.#schedule();
  }

  /** It stands still from now on. */
  close(): void {
    this.#closed = true;
    clearImmediate(this.#turn);
    clearTimeout(this.#sleep);
    this.#session.close();
  }

  #makeHive(clock: { nowUs(): number }): Hive {
    const { manifest, credentials, schemas } = this.#options;
    const { limits, workers, budgetMaximum } = manifest;
    const { sessions, mounts, fids, tags, unsentBytes, providerUs } = limits;
    const hive = new Hive({
      clock,
      spare: this.#pump.spare,
      wallClock: { unixSeconds: () => Math.floor(Date.now() / 1000) },
      random: {
        ready: true,
        fill: (into) => {
          randomFillSync(into);
          return true;
        },
      },
      bytes: nodeBytes,
      timers: this.#pump.timers,
      components: this.#components,
      supervisor: this.#supervisor,
      bootLog: this.#log,
      schemas,
      credentials,
      limits: {
        ...HIVE_LIMITS,
        ...{ sessions, mounts, fids, tags, unsentBytes, providerUs },
        namespace: {
          lineBytes: manifest.lineBytes,
          logBytes: manifest.queenLogBytes,
          workers: limits.workers,
          telemetryBytes: workers.telemetryBytes,
        },
      },
      workers: { ...WORKER_RULES, ...workers, maximum: budgetMaximum },
      failed: (error) => this.#pump.report("a file's provider threw", error),
    });
    const facts = this.#facts();
    hive.namespace.addLog("boot.log", this.#log.ring);
    for (const [name, report] of [
      ["boot", bootReport],
      ["version", versionReport],
      ["pump", pumpReport],
    ] as const) {
      hive.namespace.addProc(name, () => `${report(facts).join("\n")}\n`);
    }
    return hive;
  }

  #facts(): Facts {
    return {
      machine: NO_MACHINE,
      build: this.#options.build,
      pump: this.#pump,
      log: this.#log,
      supervisor: this.#supervisor,
      devices: () => [],
      console: () => ["console in the shell's own process"],
      link: () => [],
      network: () => undefined,
      pools: () => [],
    };
  }

  #console(): Source {
    const session = (): ConsoleSession => this.#session;
    const canTake = (): boolean => this.#waiting.length > 0 && session().accepts;
    return {
      serve: (budget) => {
        while (canTake()) {
          const line = this.#waiting.shift() ?? "";
          const tooLong = Buffer.byteLength(line) > this.#options.manifest.lineBytes;
          session().take(tooLong ? TOO_LONG : parse(line));
        }
        return session().run(budget * 4);
      },
      ready: () => canTake() || session().ready,
      backlog: () => this.#waiting.length,
    };
  }

  #showLog(): Source {
    const reader = new LogReader(this.#log);
    const line = new Uint8Array(this.#options.manifest.lineBytes);
    return {
      serve: (budget) => {
        let done = 0;
        reader.skipGap();
        for (; done < budget && reader.waiting; done += line.length) {
          const length = reader.next(line);
          this.#options.log(nodeBytes.decode(line, 0, length));
        }
        return done;
      },
      ready: () => reader.waiting,
    };
  }

  /** Have a turn soon. */
  #schedule(): void {
    if (this.#closed || this.#turn !== undefined) return;
    clearTimeout(this.#sleep);
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.#run();
    });
  }

  #run(): void {
    if (this.#components.run()) this.#supervisor.raise();
    const nowUs = Math.floor((performance.now() - this.#startMs) * 1000);
    const nextUs = this.#pump.turn(nowUs);
    if (this.#closed) return;
    if (nextUs <= nowUs || this.#components.runnable) this.#schedule();
    else if (nextUs !== Infinity && this.#turn === undefined) {
      const ms = Math.min(SLEEP_MS, Math.ceil((nextUs - nowUs) / 1000));
      clearTimeout(this.#sleep);
      this.#sleep = setTimeout(this.#soon, ms);
    }
  }
}

function unsupported(answer: Answer): void {
  answer.err({ reason: "policy", detail: "unsupported" });
}

/** What stands in reports for the machine that is not there. */
const NO_MACHINE: Machine = {
  bootInfo: () => ({
    kernel: "none",
    platform: `Node.js ${process.version}`,
    ramBytes: Math.floor(totalmem() / 1048576) * 1048576,
    phases: [],
    restarts: 0,
  }),
  caps: () => ({
    ...{ slotsTotal: 0, slotsUsed: 0, untypedCount: 0, untypedBytes: 0, untypedFreeBytes: 0 },
    ...{ deviceUntypedCount: 0, irqHandlers: 0, components: 0, componentsMax: 0 },
  }),
  memory: () => ({
    ...{ heapUsed: process.memoryUsage().heapUsed, heapPeak: 0, heapLimit: 0, heapBlocks: 0 },
    ...{ dmaUsed: 0, dmaTotal: 0, gcRuns: 0, gcLongestUs: 0, jobsDeferred: 0 },
  }),
};
