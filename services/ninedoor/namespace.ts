/**
 * The tree of docs/INTERFACES.md: `/proc`, `/log`, `/queen`, `/worker`, each but the third a service that may be mounted
 * elsewhere too. It knows no session: what one sees of it, and whether it may, is its view's business.
 */
import type { Bytes, Clock, Pool } from "../ports/index.ts";
import { QTAPPEND, QTDIR, QTFILE } from "../secure9p/constants.ts";
import { ControlFile } from "./control-file.ts";
import { createNineDoorCounters, type NineDoorCounters } from "./counters.ts";
import { Directory } from "./directory.ts";
import { FileMaker } from "./file-maker.ts";
import { Lifetime, type SlowLineHandler } from "./place.ts";
import { LOG_PREFIX_BYTES, QueenLog } from "./queen-log.ts";
import type { Ring } from "./ring.ts";
import { Services } from "./services.ts";
import { type WorkerLimits, Workers } from "./workers.ts";

export interface NamespaceLimits extends WorkerLimits {
  readonly logBytes: number;
  readonly textBytes: number;
  /** Most bytes of computed texts that one session may have open. */
  readonly openTextBytes: number;
  readonly waiters: number;
}

/** The defaults of docs/INTERFACES.md. */
export const NAMESPACE_LIMITS: NamespaceLimits = {
  lineBytes: 1024,
  logBytes: 1_048_576,
  workers: 64,
  telemetryBytes: 65_536,
  traceBytes: 8192,
  resultBytes: 16_384,
  // A job line is at most 6 KiB, and a result that is inline at most 2 KiB of base64 and what describes it.
  controlLineBytes: 6144 + 64,
  resultLineBytes: 4096,
  textBytes: 65_536,
  openTextBytes: 131_072,
  waiters: 64,
};

/** Rings that may be followed: below `/log`, and of each worker. */
const LOGS = 2;
const RINGS = 3;

export interface NamespaceOptions {
  readonly bytes: Bytes;
  readonly clock: Clock;
  /** What is written to `/queen/ctl`. */
  readonly queen: SlowLineHandler;
  readonly limits?: Partial<NamespaceLimits>;
}

export class Namespace {
  readonly counters: NineDoorCounters = createNineDoorCounters();
  readonly limits: NamespaceLimits;
  readonly files: FileMaker;
  readonly root: Directory;
  readonly workers: Workers;
  readonly services = new Services();
  readonly queenLog: QueenLog;
  readonly #life = new Lifetime();
  readonly #proc: Directory;
  readonly #log: Directory;

  constructor(options: NamespaceOptions) {
    const { bytes, clock, queen } = options;
    const limits = { ...NAMESPACE_LIMITS, ...options.limits };
    const { counters } = this;
    this.limits = limits;
    this.files = new FileMaker(bytes, counters, limits);
    this.root = this.#directory();
    this.#proc = this.#directory();
    this.#log = this.#directory();
    this.workers = new Workers(this.files, limits);
    const { lineBytes } = limits;
    this.queenLog = new QueenLog(bytes, clock, this.files.ring(limits.logBytes, lineBytes + LOG_PREFIX_BYTES));
    this.files.addRing(this.#log, "queen.log", this.queenLog.ring, this.#life, { handler: this.queenLog, lineBytes });
    const control = this.#directory();
    const qid = this.files.qids.next(QTAPPEND);
    control.add("ctl", new ControlFile({ qid, bytes, counters, life: this.#life, handler: queen, lineBytes }));
    this.root.add("proc", this.#proc);
    this.root.add("log", this.#log);
    this.root.add("queen", control);
    this.root.add("worker", this.workers.directory);
    this.services.add("proc", { home: ["proc"], root: this.#proc });
    this.services.add("log", { home: ["log"], root: this.#log });
    this.services.add("worker", { home: ["worker"], root: this.workers.directory });
  }

  pools(): Pool[] {
    const { queenLog, workers, files, limits } = this;
    return [queenLog.ring.pool("log.queen"), ...workers.pools(), ...files.pools(LOGS + RINGS * limits.workers)];
  }

  /** Put a computed file below `/proc`, e.g. `net/tcp`; its directories come with it. @throws Error if the name is taken. */
  addProc(path: string, text: () => string): void {
    const names = path.split("/");
    const name = names.pop()!;
    let into = this.#proc;
    for (const step of names) {
      let next = into.get(step);
      if (next === undefined) {
        next = this.#directory();
        into.add(step, next);
      }
      if (!(next instanceof Directory)) throw new Error(`Namespace: /proc/${path} leads through a file`);
      into = next;
    }
    into.add(name, this.files.text(this.files.qids.next(QTFILE), this.#life, text));
  }

  /** Put a read-only ring below `/log`, with its `.follow`. @throws Error if the name is taken. */
  addLog(name: string, ring: Ring): void {
    this.files.addRing(this.#log, name, ring, this.#life, undefined);
  }

  #directory(): Directory {
    return new Directory({ qid: this.files.qids.next(QTDIR), counters: this.counters, life: this.#life });
  }
}
