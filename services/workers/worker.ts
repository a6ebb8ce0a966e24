/**
 * One worker as the root sees it: its component's calls, its 9P session, its files and what it has used. It ends itself never:
 * whatever is over with it, it tells {@link Workers}, which undoes all of it at once.
 */
import type { ComponentEnd, Protocol } from "../components/supervisor.ts";
import type { Lease } from "../gpu/table.ts";
import { TicketTree } from "../ninedoor/attach.ts";
import type { NineDoorCounters } from "../ninedoor/counters.ts";
import type { Client, LineHandler } from "../ninedoor/place.ts";
import type { View } from "../ninedoor/view.ts";
import type { WorkerEntry, WorkerFiles } from "../ninedoor/workers.ts";
import type { Bytes, Clock, ComponentEvent, Components } from "../ports/index.ts";
import { HeldTimer } from "../pump/held-timer.ts";
import type { Later } from "../pump/later.ts";
import type { TimerPort } from "../pump/timers.ts";
import type { Spawned } from "../queen/control.ts";
import type { Grant } from "../roles/grant.ts";
import type { WorkerIdentity } from "../roles/ledger.ts";
import type { Role } from "../roles/roles.ts";
import { equalBytes } from "../roles/ticket.ts";
import { BUSY, CLOSED, INVALID, PERMISSION, type Refusal, TOO_BIG, UNSUPPORTED } from "../secure9p/refusal.ts";
import { Session } from "../secure9p/session.ts";
import type { WorkerCause } from "./cause.ts";
import { FramePort } from "./frame-port.ts";
import { FAILED_BYTES, FRAME_BYTES, PROTOCOL_VERSION, WORKER } from "./protocol.ts";
import type { WorkerRules } from "./rules.ts";
import type { Band, Scheduler, Task, TaskOwner } from "./scheduler.ts";

/** What a worker needs of the hive. */
export interface WorkerContext {
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly timers: TimerPort;
  readonly components: Components;
  readonly scheduler: Scheduler;
  readonly rules: WorkerRules;
  readonly counters: NineDoorCounters;
  /** What a grant sees. */
  readonly view: (grant: Grant) => View;
  /** Told what a file's provider threw. */
  readonly failed: (error: unknown) => void;
  /** Told that a worker's 9P session is over. */
  readonly over: (session: Session, takesJobs: boolean) => void;
  /** A line of the audit log about a worker. */
  readonly audit: (text: string) => void;
  /** What a worker's lease of a GPU is, for its status. */
  readonly leaseOf: (worker: string, gpu: string) => Lease | undefined;
  /** It is over with a worker: end it now. */
  readonly end: (worker: Worker, cause: WorkerCause) => void;
  /** It is over with a worker that may be in the middle of something: end it in the next turn. */
  readonly endSoon: (worker: Worker, cause: WorkerCause) => void;
}

/** What its files show. */
export type Doing = "leasing" | "starting" | "running" | "ready" | "waiting" | "paused";

export class Worker implements Protocol, TaskOwner, WorkerFiles, WorkerIdentity {
  readonly role: Role;
  readonly band: Band;
  readonly spawnedAtMs: number | undefined;
  readonly settled = true;
  /** Id of the GPU that it was spawned for, "" for none. */
  readonly gpu: string;
  readonly takesJobs: boolean;
  /** The answer to its lease's request, while that is awaited. */
  leasing: Later<Refusal | undefined> | undefined = undefined;
  /** Whoever waits for that. */
  spawning: Later<Spawned | Refusal> | undefined = undefined;
  readonly alarm: WorkerFiles["alarm"];
  /** Why it ends, once that is decided. */
  cause: WorkerCause | undefined = undefined;
  /** Its component, -1 before it is started. */
  component = -1;
  task: Task | undefined = undefined;
  readonly #context: WorkerContext;
  readonly #timer: HeldTimer | undefined;
  readonly #line: Uint8Array;
  #id = "";
  #entry: WorkerEntry | undefined = undefined;
  #grant: Grant | undefined = undefined;
  #ticket = new Uint8Array(0);
  #port: FramePort | undefined = undefined;
  #session: Session | undefined = undefined;
  #started = false;
  /** Whether it may begin, and whether it asked to. */
  #allowed: boolean;
  #greeted = false;

  /** @param gpu whose lease it begins with, "" for a worker without one */
  constructor(context: WorkerContext, band: Band, spawnedAtMs: number | undefined, gpu: string) {
    const { clock, timers } = context;
    this.#context = context;
    this.role = gpu === "" ? "worker-heartbeat" : "worker-gpu";
    this.band = band;
    this.spawnedAtMs = spawnedAtMs;
    this.gpu = gpu;
    this.takesJobs = gpu !== "";
    this.#allowed = gpu === "";
    this.#line = new Uint8Array(LINE_BYTES);
    const timer = HeldTimer.take(timers, () => this.#entry?.yielding.due());
    this.#timer = timer;
    this.alarm = { set: (ms) => timer?.set(clock.nowUs() + ms * 1000), clear: () => timer?.clear() };
  }

  /** For the file that is made of it. Kept there only, for it holds the worker. */
  get control(): LineHandler {
    return { take: (from, start, length, client) => this.#command(from, start, length, client) };
  }

  /** Whether it has all that it needs so far. */
  get timed(): boolean {
    return this.#timer !== undefined;
  }

  /** "" before it has its files. */
  get id(): string {
    return this.#id;
  }

  get name(): string {
    return this.#id;
  }

  get grant(): Grant {
    return this.#grant!;
  }

  /** Its own 9P session while it lives. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** It has its files. */
  enter(entry: WorkerEntry): void {
    this.#id = entry.id;
    this.#entry = entry;
  }

  /** It has its ticket. */
  issue(text: string, grant: Grant): void {
    const { bytes } = this.#context;
    const ticket = new Uint8Array(text.length);
    bytes.encode(text, ticket, 0);
    this.#ticket = ticket;
    this.#grant = grant;
  }

  /** Its component has been started. */
  start(): void {
    const { bytes, clock, components, scheduler, counters, view, failed, over, endSoon } = this.#context;
    const { account } = this.grant;
    const admitter = { admit: (ticket: string) => this.#admit(ticket), view };
    const spent = (): void => {
      if (account.spendOp(clock.nowUs()) !== undefined) endSoon(this, { kind: "budget" });
    };
    const admit = (): Refusal | undefined => {
      if (account.check(clock.nowUs()) === undefined) return undefined;
      endSoon(this, { kind: "budget" });
      return CLOSED;
    };
    const replied = (): void => this.#port?.flush();
    const session = new Session({
      tree: new TicketTree(admitter, counters),
      bytes,
      ...(this.takesJobs ? GPU_WORKER_SESSION : WORKER_SESSION),
      admit,
      spent,
      replied,
      failed,
      over: (ended) => over(ended, this.takesJobs),
    });
    this.#session = session;
    const { component } = this;
    const task = scheduler.add(component, this.band, this);
    this.task = task;
    this.#port = new FramePort(bytes, session, components.frame(component), (length) =>
      scheduler.reply(task, WORKER.FRAMES, length),
    );
  }

  call(event: ComponentEvent): string | undefined {
    const { label } = event;
    const [word] = event.words;
    const task = this.task!;
    this.#context.scheduler.called(task);
    switch (label) {
      case WORKER.HELLO:
        if (this.#greeted || word !== PROTOCOL_VERSION) return `HELLO ${word} out of turn`;
        return this.#hello(task);
      case WORKER.FRAMES:
        if (!this.#started || word > FRAME_BYTES) return `FRAMES of ${word} bytes out of turn`;
        return this.#port!.take(word);
      case WORKER.FAILED:
        if (word > FAILED_BYTES) return `FAILED with ${word} bytes`;
        this.#context.end(this, { kind: "failed", text: this.#port!.text(word) });
        return undefined;
      case WORKER.EXIT:
        this.#context.end(this, word === 0 ? { kind: "finished" } : { kind: "failed", text: `exit status ${word}` });
        return undefined;
      default:
        return `call with label 0x${label.toString(16)}`;
    }
  }

  ended({ kind, why, destroyed }: ComponentEnd): void {
    this.component = -1;
    if (kind !== "stopped") this.#context.end(this, { kind: "component", breach: kind, why, destroyed });
  }

  ran(ticks: number): void {
    const { clock, endSoon } = this.#context;
    if (this.grant.account.spendTicks(ticks, clock.nowUs()) !== undefined) endSoon(this, { kind: "budget" });
  }

  stuck(): void {
    this.#context.endSoon(this, { kind: "stuck" });
  }

  get doing(): Doing {
    const { task } = this;
    if (task?.held === true) return "paused";
    if (!this.#started) return this.#allowed ? "starting" : "leasing";
    if (task?.state === "running") return "running";
    return task?.state === "ready" ? "ready" : "waiting";
  }

  /** An event for those who look what became of it. */
  trace(text: string): void {
    const { bytes, clock } = this.#context;
    // Whatever it was told, a line is a line.
    const line = `${Math.floor(clock.nowUs() / 1000)} ${text}`.replace(CONTROL, "?").slice(0, LINE_BYTES / 3);
    this.#entry?.trace.append(this.#line, 0, bytes.encode(line, this.#line, 0));
  }

  /** It has its lease, so it may begin. */
  allow(): void {
    this.#allowed = true;
    if (this.#greeted && this.task !== undefined) this.#begin(this.task);
  }

  /** Something about its lease is another than it was: it looks itself. */
  wake(): void {
    if (this.#started) this.#entry?.jobs?.put(NOTHING, 0, 0);
  }

  /** Give back what it holds itself, and let go of what is large. Nothing comes of it any more. */
  release(): void {
    this.#port?.close();
    this.#port = undefined;
    this.#session = undefined;
    this.#timer?.release();
    if (this.task !== undefined) this.#context.scheduler.remove(this.task);
    // These hold it too: with the last who knows it all of it goes, and nothing waits for a collection.
    this.task = undefined;
    this.#entry = undefined;
  }

  status(): string {
    const { clock, scheduler } = this.#context;
    const { account } = this.grant;
    scheduler.settle();
    const { ttlS, ops, ticks } = account.left(clock.nowUs());
    const kind = this.takesJobs ? `gpu\n${this.#leaseLines()}` : "heartbeat\n";
    return (
      `state ${this.doing}\nkind ${kind}band ${this.band}\nttl_s_left ${ttlS}\nops_left ${ops}\nticks_left ${ticks}\n` +
      `ops_used ${account.opsUsed}\nticks_used ${account.ticksUsed}\n`
    );
  }

  #leaseLines(): string {
    const { leaseOf, clock } = this.#context;
    const lease = leaseOf(this.#id, this.gpu);
    if (lease === undefined) return `gpu ${this.gpu}\nlease none\n`;
    const left = Math.max(0, Math.ceil((lease.endsUs - clock.nowUs()) / 1_000_000));
    return `gpu ${this.gpu}\nlease active mem_mb=${lease.memMb} streams=${lease.streams} ttl_s_left=${left}\n`;
  }

  #hello(task: Task): undefined {
    this.#greeted = true;
    if (this.#allowed) this.#begin(task);
    return undefined;
  }

  /** Answer its HELLO. */
  #begin(task: Task): void {
    const { bytes, scheduler } = this.#context;
    const tail = new Uint8Array(3 * this.gpu.length + 1);
    const length = this.takesJobs ? bytes.encode(`\n${this.gpu}`, tail, 0) : 0;
    const start = new Uint8Array(this.#ticket.length + length);
    start.set(this.#ticket);
    start.set(tail.subarray(0, length), this.#ticket.length);
    this.#started = true;
    this.trace("started");
    this.#port!.put(start);
    scheduler.reply(task, WORKER.START, start.length);
  }

  /** On its own session its own ticket counts, and no other. */
  #admit(ticket: string): Grant | Refusal {
    const { bytes, audit } = this.#context;
    const buffer = new Uint8Array(3 * ticket.length);
    const given = buffer.subarray(0, bytes.encode(ticket, buffer, 0));
    if (equalBytes(given, this.#ticket)) return this.grant;
    audit(`${this.id} attached with a ticket that is not its own: refused`);
    return PERMISSION;
  }

  #command(from: Uint8Array, start: number, length: number, { who, session }: Client): Refusal | undefined {
    const { bytes, scheduler, audit } = this.#context;
    const task = this.task;
    if (task === undefined || !bytes.validate(from, start, length)) return INVALID;
    const command = bytes.decode(from, start, length);
    if (command.startsWith("job ")) return this.#job(from, start + JOB.length, length - JOB.length, session, who.role);
    if (command === "pause") scheduler.hold(task);
    else if (command === "resume") scheduler.release(task);
    else return INVALID;
    this.trace(command);
    audit(`${this.id} ${command}d by session ${session} (${who.role})`);
    return undefined;
  }

  /** Hand it a job; what becomes of that its telemetry says. */
  #job(from: Uint8Array, start: number, length: number, session: number, role: Role): Refusal | undefined {
    const jobs = this.#entry?.jobs;
    // Jobs are for workers that have a GPU.
    if (jobs === undefined) return UNSUPPORTED;
    if (length > JOB_BYTES) return TOO_BIG;
    if (length === 0) return INVALID;
    if (!jobs.put(from, start, length)) return BUSY;
    this.trace("job");
    this.#context.audit(`${this.id} given a job by session ${session} (${role})`);
    return undefined;
  }
}

/** What stands before a job in a line of `ctl`, and the longest job. */
const JOB = "job ";
const JOB_BYTES = 6144;
const NOTHING = new Uint8Array(0);

/** What a worker's own 9P session may hold; 64 of them have to fit the root's heap. */
export const WORKER_SESSION = { msize: 2048, fids: 16, tags: 2, unsentBytes: 8192 } as const;
/** The same of one that has a GPU: a job is one read and one write, and it waits for several things at once. */
export const GPU_WORKER_SESSION = { msize: 8192, fids: 16, tags: 8, unsentBytes: 16_384 } as const;
/** Bytes of a trace line. */
const LINE_BYTES = 600;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;
