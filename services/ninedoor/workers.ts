/**
 * `/worker`: a directory for every living worker, and `self` for the one that asks. Ids are never used again. When a
 * worker ends its directory is gone at once; fids that are open give what they hold and then `Closed`.
 */
import type { Pool } from "../ports/index.ts";
import { Several } from "../proc/pools.ts";
import { QTAPPEND, QTDIR, QTFILE } from "../secure9p/constants.ts";
import { isWorker } from "../roles/roles.ts";
import { ControlFile } from "./control-file.ts";
import { Directory } from "./directory.ts";
import type { FileMaker } from "./file-maker.ts";
import { JobsFile, UNUSED } from "./jobs-file.ts";
import { Lifetime, type LineHandler } from "./place.ts";
import { RecordAppender } from "./ring-file.ts";
import type { Ring } from "./ring.ts";
import { type Alarm, YieldFile } from "./yield-file.ts";

/** Most milliseconds that a worker may yield for: a day. */
const YIELD_MS_MAX = 86_400_000;

export interface WorkerLimits {
  /** Most that live at once. */
  readonly workers: number;
  readonly telemetryBytes: number;
  readonly resultBytes: number;
  readonly traceBytes: number;
  /** Longest line of telemetry and trace, of a result, and of `ctl`, which carries whole jobs. */
  readonly lineBytes: number;
  readonly resultLineBytes: number;
  readonly controlLineBytes: number;
}

/** What a worker's files do. */
export interface WorkerFiles {
  readonly status: () => string;
  readonly control: LineHandler;
  /** Wakes it from `yield`; its time come, it calls `WorkerEntry.yielding.due()`. */
  readonly alarm: Alarm;
  /** Whether it has a mailbox for jobs. */
  readonly takesJobs: boolean;
}

/** A worker as the namespace sees it. */
export interface WorkerEntry {
  readonly id: string;
  readonly life: Lifetime;
  readonly telemetry: Ring;
  readonly trace: Ring;
  readonly result: Ring;
  readonly yielding: YieldFile;
  /** Of one that takes jobs. */
  readonly jobs: JobsFile | undefined;
}

interface Entry extends WorkerEntry {
  /** What the worker itself sees. */
  readonly self: Directory;
}

export class Workers {
  readonly directory: Directory;
  readonly #maker: FileMaker;
  readonly #limits: WorkerLimits;
  readonly #entries = new Map<string, Entry>();
  readonly #pools: Several;
  #lastId = 0;

  constructor(maker: FileMaker, limits: WorkerLimits) {
    this.#maker = maker;
    this.#limits = limits;
    this.#pools = new Several(limits.workers, poolsOf({ ...this.#ringsOf(), jobs: undefined }));
    this.directory = new Directory({
      qid: maker.qids.next(QTDIR),
      counters: maker.counters,
      life: new Lifetime(),
      personal: (name, { who }) =>
        name === "self" && isWorker(who.role) ? this.#entries.get(who.subject)?.self : undefined,
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  find(id: string): WorkerEntry | undefined {
    return this.#entries.get(id);
  }

  /** A worker has come. @returns undefined if there are as many as there may be. */
  add(files: WorkerFiles): WorkerEntry | undefined {
    const maker = this.#maker;
    const limits = this.#limits;
    if (this.#entries.size >= limits.workers) {
      maker.counters.workersRefused++;
      return undefined;
    }
    const id = `worker-${++this.#lastId}`;
    const life = new Lifetime();
    const { telemetry, trace, result } = this.#ringsOf();
    const { bytes, counters, qids } = maker;
    const control = { bytes, counters, life };
    const directory = new Directory({ qid: qids.next(QTDIR), counters, life });
    maker.addRing(directory, "telemetry", telemetry, life, {
      handler: new RecordAppender(bytes, telemetry),
      lineBytes: limits.lineBytes,
    });
    directory.add(
      "status",
      maker.text(qids.next(QTFILE), life, () => files.status()),
    );
    maker.addRing(directory, "trace", trace, life, undefined);
    maker.addRing(directory, "result", result, life, {
      handler: new RecordAppender(bytes, result),
      lineBytes: limits.resultLineBytes,
    });
    directory.add(
      "ctl",
      new ControlFile({
        ...control,
        qid: qids.next(QTAPPEND),
        handler: files.control,
        lineBytes: limits.controlLineBytes,
      }),
    );
    const self = new Directory({ qid: qids.next(QTDIR), counters, life });
    directory.copyTo(self);
    const { alarm } = files;
    const yielding = new YieldFile({ qid: qids.next(QTAPPEND), counters, life, alarm, most: YIELD_MS_MAX });
    self.add("yield", yielding);
    const jobs = files.takesJobs ? this.#jobs(life) : undefined;
    if (jobs !== undefined) self.add("jobs", jobs);
    const entry = { id, life, telemetry, trace, result, self, yielding, jobs };
    this.#entries.set(id, entry);
    this.directory.add(id, directory);
    return entry;
  }

  /** A worker has ended. @returns whether there was one. */
  remove(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#pools.ended(poolsOf(entry));
    this.directory.remove(id);
    entry.life.end();
    return true;
  }

  #jobs(life: Lifetime): JobsFile {
    const { bytes, counters, qids } = this.#maker;
    return new JobsFile({ qid: qids.next(QTFILE), bytes, counters, life, lineBytes: this.#limits.controlLineBytes });
  }

  #ringsOf(): { telemetry: Ring; trace: Ring; result: Ring } {
    const { telemetryBytes, traceBytes, resultBytes, lineBytes, resultLineBytes } = this.#limits;
    return {
      telemetry: this.#maker.ring(telemetryBytes, lineBytes),
      trace: this.#maker.ring(traceBytes, lineBytes),
      result: this.#maker.ring(resultBytes, resultLineBytes),
    };
  }

  pools(): Pool[] {
    return this.#pools.pools([...this.#entries.values()].map(poolsOf));
  }
}

type Pooled = Pick<WorkerEntry, "telemetry" | "trace" | "result" | "jobs">;

function poolsOf({ telemetry, trace, result, jobs }: Pooled): Pool[] {
  const rings = [telemetry.pool("worker.telemetry"), trace.pool("worker.trace"), result.pool("worker.result")];
  return [...rings, jobs?.pool() ?? UNUSED];
}
