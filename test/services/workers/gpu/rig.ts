/**
 * A GPU worker's program at a hive, with a bridge that says what the test tells it to. Time passes when the test says so; what the
 * worker has told is read as anybody would.
 */
import { SessionTree } from "../../../../services/ninedoor/attach.ts";
import { answerAttributes, MODE_APPEND, MODE_READ_ONLY } from "../../../../services/ninedoor/attributes.ts";
import { Directory } from "../../../../services/ninedoor/directory.ts";
import { FollowFile, type FollowFileOptions } from "../../../../services/ninedoor/follow-file.ts";
import { Lifetime, type Place } from "../../../../services/ninedoor/place.ts";
import { Ring } from "../../../../services/ninedoor/ring.ts";
import { QTAPPEND, QTDIR, QTFILE } from "../../../../services/secure9p/constants.ts";
import { CLOSED, NOT_FOUND, PERMISSION, type Refusal } from "../../../../services/secure9p/refusal.ts";
import type { OpenFile, Request } from "../../../../services/secure9p/tree.ts";
import { GpuWorker } from "../../../../services/workers/gpu/gpu-worker.ts";
import { WORKER } from "../../../../services/workers/protocol.ts";
import { Hive } from "../../ninedoor/support.ts";
import { nodeBytes, text, utf8 } from "../../support/ports.ts";
import { Pair } from "../pair.ts";

export type Line = Record<string, unknown>;

/** Answers a job: why not, nothing for well, or later. */
export type Answer = Refusal | undefined | "later" | "half";

/** A job's line. */
export const job = (id: string): string => `{"job":"${id}","kernel":"vadd","params":{"n":1}}`;

/** How a job ends whose bridge stays away, and milliseconds that a worker waits for it. */
export const LOST = "ERR LOST the GPU bridge is away";
export const GRACE = [250, 500, 1000, 2000, 2000, 2000, 2000];

const NEVER = (request: Request): void => request.refuse(PERMISSION);

/** What a bridge serves of one lease. It is gone for good when it has gone. */
export class Bridge {
  readonly life = new Lifetime();
  readonly ring: Ring;
  readonly root: Directory;
  /** Lines of jobs that came. */
  readonly jobs: string[] = [];
  answer: (line: string) => Answer = () => undefined;
  /** Why `job` is not opened. */
  closed: Refusal | undefined = undefined;
  /** Writes that it has not answered. */
  readonly later: Request[] = [];
  /** Opens of `job`, and files of it that are open. */
  opens = 0;
  open = 0;
  /** Called when the status was asked for its size, and when it is to be read instead of what it has. */
  measured: (() => void) | undefined = undefined;
  reads: ((request: Request) => void) | undefined = undefined;
  /** What the size is, if not what it is. */
  size: number | undefined = undefined;
  #half = "";

  /** @param ring that goes on, a new one if absent */
  constructor(hive: Hive, ring = new Ring(nodeBytes, 65_536, 8192)) {
    const { counters, files } = hive.namespace;
    const { life } = this;
    this.ring = ring;
    const directory = (): Directory => new Directory({ qid: files.qids.next(QTDIR), counters, life });
    const gpu = directory();
    gpu.add("job", this.#job(files.qids.next(QTAPPEND)));
    gpu.add("status.follow", this.#status({ qid: files.qids.next(QTFILE), counters, life, ring, waiters: 8 }));
    this.root = directory();
    this.root.add("GPU-0", gpu);
  }

  /** Say a line. */
  say(line: Line | string | Uint8Array): void {
    const bytes = line instanceof Uint8Array ? line : utf8(typeof line === "string" ? line : JSON.stringify(line));
    this.ring.append(bytes, 0, bytes.length);
  }

  /** Say a job's states. */
  tell(id: string, ...states: readonly string[]): void {
    for (const state of states) {
      const result = state === "OK" ? { result_b64: "AAAA", result_hash: "sha256:00" } : {};
      this.say({ job: id, worker: "worker-1", state, detail: `is ${state}`, ts_ms: 17, ...result });
    }
  }

  /** Refuse lines from now on, with or without saying why. */
  refuse(why: Refusal, detail?: string): void {
    this.answer = () => {
      if (detail !== undefined) this.say({ job: "", worker: "worker-1", state: "ERR", detail, ts_ms: 17 });
      return why;
    };
  }

  #status(options: FollowFileOptions): Place {
    const file = new FollowFile(options);
    return {
      qid: file.qid,
      walk: (request) => file.walk(request),
      setattr: (request) => file.setattr(request),
      open: (request) => {
        const { reads } = this;
        if (reads === undefined) return file.open(request);
        request.opened({ read: reads, write: NEVER, readdir: NEVER, close: () => undefined });
      },
      getattr: (request, opened) => {
        if (this.size === undefined) file.getattr(request, opened);
        else answerAttributes(request, MODE_READ_ONLY, this.size);
        this.measured?.();
      },
    };
  }

  #job(qid: Place["qid"]): Place {
    return {
      qid,
      walk: (request) => request.refuse(NOT_FOUND),
      open: (request) => {
        this.opens++;
        if (this.closed !== undefined) return request.refuse(this.closed);
        this.open++;
        request.opened(this.#opened());
      },
      getattr: (request) => answerAttributes(request, MODE_APPEND, 0),
      setattr: (request) => request.refuse(PERMISSION),
    };
  }

  #opened(): OpenFile {
    return {
      read: (request) => request.done(),
      readdir: (request) => request.refuse(PERMISSION),
      write: (request, bytes, start, length) => this.#write(request, text(bytes.slice(start, start + length))),
      close: () => void this.open--,
    };
  }

  #write(request: Request, piece: string): void {
    if (this.life.ended) return request.refuse(CLOSED);
    const line = this.#half + piece;
    this.#half = "";
    const answer = this.answer(line);
    if (answer === "half") {
      const half = Math.ceil(piece.length / 2);
      this.#half = line.slice(0, line.length - piece.length + half);
      return request.wrote(half);
    }
    if (answer === undefined || answer === "later") this.jobs.push(line);
    if (answer === undefined) request.wrote(utf8(piece).length);
    else if (answer !== "later") request.refuse(answer);
    else {
      this.later.push(request);
      request.park({ cancelled: () => undefined });
    }
  }
}

export class Rig {
  readonly hive: Hive;
  readonly id: string;
  readonly pair: Pair;
  bridge: Bridge;
  #pauses = 0;

  /** @param there whether the bridge is, and the worker's lease; the text that it is started with */
  constructor({ there = true, leased = true, start = "a ticket\nGPU-0" } = {}) {
    const hive = new Hive({ telemetryBytes: 262_144, resultBytes: 262_144 });
    const id = hive.spawn(true);
    hive.leased = leased;
    const view = hive.view("worker-gpu", { subject: id }, 0);
    const target = { service: "gpu-bridge", rest: [], names: ["gpu"] };
    view.mounts.set({ at: ["gpu"], from: ["gpu"], target, qid: hive.namespace.root.qid });
    this.hive = hive;
    this.id = id;
    this.bridge = new Bridge(hive);
    const tree = new SessionTree(view, hive.namespace.counters);
    this.pair = new Pair((port) => new GpuWorker(port), [2, 0, 0, 0], { tree, msize: 8192, fids: 16, tags: 8 });
    if (there) this.come(this.bridge);
    if (this.pair.start(start) !== WORKER.FRAMES) throw new Error("the worker ended");
  }

  /** A bridge comes. */
  come(bridge: Bridge): void {
    this.bridge = bridge;
    this.hive.namespace.services.add("gpu-bridge", { home: ["gpu"], root: bridge.root });
  }

  /** The bridge goes: its files are closed. */
  go(): void {
    this.hive.namespace.services.remove("gpu-bridge");
    this.bridge.life.end();
    for (const request of this.bridge.later.splice(0)) request.refuse(CLOSED);
    this.run();
  }

  /** The lease is over, with what the bridge says of it. */
  expire(...ids: readonly string[]): void {
    for (const id of ids) this.bridge.tell(id, "ERR");
    this.hive.leased = false;
    this.bridge.life.end();
    this.run();
  }

  /** Let the worker do what it can. */
  run(): void {
    if (this.pair.run() !== WORKER.FRAMES) throw new Error("the worker ended");
  }

  /** Let the bridge say something, and the worker do what it can. */
  say(...lines: readonly (Line | string | Uint8Array)[]): void {
    for (const line of lines) this.bridge.say(line);
    this.run();
  }

  tell(id: string, ...states: readonly string[]): void {
    this.bridge.tell(id, ...states);
    this.run();
  }

  /** Put lines into the worker's mailbox. */
  give(...lines: readonly string[]): void {
    for (const line of lines) {
      const bytes = utf8(line);
      if (!this.entry.jobs!.put(bytes, 0, bytes.length)) throw new Error("the mailbox is full");
      this.run();
    }
  }

  /** Milliseconds that the worker waited since this was asked last. */
  get pauses(): readonly number[] {
    const pauses = this.hive.yields.slice(this.#pauses);
    this.#pauses = this.hive.yields.length;
    return pauses;
  }

  get waiting(): boolean {
    return this.entry.yielding.waiting;
  }

  /** What it waits for has passed. */
  wake(): void {
    this.entry.yielding.due();
    this.run();
  }

  get entry() {
    return this.hive.namespace.workers.find(this.id)!;
  }

  get telemetry(): Line[] {
    return this.#lines("telemetry");
  }

  get result(): Line[] {
    return this.#lines("result");
  }

  /** Telemetry in short: `a QUEUED`, and with what it ended. */
  get told(): string[] {
    return this.telemetry.map(({ job, state, detail }) => {
      const end = state === "ERR" ? ` ${String(detail)}` : "";
      return `${String(job)} ${String(state)}${end}`;
    });
  }

  #lines(file: "telemetry" | "result"): Line[] {
    const ring = this.entry[file];
    const lines: Line[] = [];
    const record = new Uint8Array(ring.recordBytes);
    for (let at = ring.start; at < ring.end;) {
      const length = ring.record(at, record);
      lines.push(JSON.parse(text(record.subarray(0, length))) as Line);
      at += length + 1;
    }
    return lines;
  }
}

/** A worker whose bridge has some jobs of it. */
export function outstanding(...ids: readonly string[]): Rig {
  const rig = new Rig();
  for (const id of ids) {
    rig.give(job(id));
    rig.tell(id, "QUEUED");
  }
  return rig;
}
