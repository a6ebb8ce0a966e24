/**
 * The program of a GPU worker: it takes jobs from its mailbox, submits them to its lease one after the other, and tells each of
 * their states in its telemetry and each end among its results. Every job that it was given has one end: if the bridge does not
 * say it, the worker does, be it that the lease is over or that the bridge stays away.
 */
import type { Done } from "../../secure9p/client-calls.ts";
import { O_RDONLY, O_WRONLY } from "../../secure9p/constants.ts";
import { type Refusal, type RefusalName, STALE } from "../../secure9p/refusal.ts";
import { accept, Program, send, type WorkerPort } from "../program.ts";
import { KIND } from "../protocol.ts";
import { type Job, JOBS_MAX, JobTable } from "./job-table.ts";
import { Link } from "./link.ts";
import { Outlet, RESULT_MAX, TELEMETRY_MAX } from "./outlet.ts";
import { jobOf, recordOf, type Status, statusOf } from "./status-line.ts";

/** Fids, by hand: there are no others. */
const TELEMETRY = 1;
const RESULT = 2;
const JOBS = 3;
const YIELD = 4;
const JOB = 5;
const STATUS = 6;

const TELEMETRY_PATH = ["worker", "self", "telemetry"] as const;
const RESULT_PATH = ["worker", "self", "result"] as const;
const JOBS_PATH = ["worker", "self", "jobs"] as const;
const YIELD_PATH = ["worker", "self", "yield"] as const;

/** Longest line of the mailbox with its newline. A job's own is shorter, and what is longer its bridge refuses. */
const JOB_BYTES = 6400;
const NEWLINE = 0x0a;
/** Milliseconds before each attempt to find a bridge that has jobs of ours. */
const WAITS_MS = [250, 500, 1000, 2000, 2000, 2000, 2000] as const;

/** Ends that the bridge does not say itself. */
const REVOKED = "REVOKED";
const LOST = "LOST the GPU bridge is away";
const UNKNOWN = "LOST the GPU bridge knows nothing of it";
const OVERTAKEN = "LOST its end was overtaken in the GPU's status";
const AWAY = "BUSY the GPU bridge is away";
const FULL = `BUSY ${JOBS_MAX} jobs are outstanding`;
/** Of a line that is refused without a sentence. */
const DETAILS: Readonly<Record<RefusalName, string>> = {
  Permission: REVOKED,
  NotFound: "NOT_FOUND",
  Busy: "BUSY",
  Invalid: "INVALID",
  TooBig: "TOO_BIG",
  Closed: "CLOSED",
  Stale: "STALE",
  RateLimited: "RATE_LIMITED",
  Unsupported: "UNSUPPORTED",
  TimedOut: "TIMED_OUT",
  Foreign: "FOREIGN",
};

/** Whether a write that was refused so may have been done. */
function isUncertain({ name }: Refusal): boolean {
  return name === "Closed" || name === "TimedOut";
}

export class GpuWorker extends Program {
  readonly #jobs = new JobTable();
  readonly #outlet: Outlet;
  #link: Link | undefined = undefined;
  readonly #pause = new Uint8Array(16);
  #pauseLength = 0;
  #pausing = false;
  /** Attempts since a bridge was lost. */
  #attempts = 0;
  /** Whether it was told to look for its bridge since it last began to. */
  #called = false;
  /** Whether lines may be ones that came before. */
  #replaying = false;
  /** Whether lines may be gone that were never read, since all were last told again. */
  #overtaken = false;
  /** Whether the lease is over that it knew; the next one's status begins anew, and knows other jobs only. */
  #revoked = false;
  /** With what all jobs that are outstanding end now, or all that the replay did not mention. */
  #ending: { readonly detail: string; readonly unseen: boolean } | undefined = undefined;

  /** The job at hand; the next is read when it is done with. */
  readonly #line = new Uint8Array(JOB_BYTES);
  #lineLength = 0;
  #reading = false;
  #phase: "none" | "taken" | "writing" | "refused" = "none";
  #id = "";
  /** Its entry, unless its id is none or another's. */
  #own: Job | undefined = undefined;
  /** Whether a bridge was looked for because of it. */
  #tried = false;
  #refusal: Refusal | undefined = undefined;
  /** What the bridge said of a line that it refused, and whether it was asked if it has said all. */
  #reason: string | undefined = undefined;
  #asked = false;

  /** @throws Error if it is asked to be another kind of worker. */
  constructor(port: WorkerPort) {
    super(port, KIND.GPU, { fids: 8, tags: 8, unsentBytes: 24_576 });
    this.#outlet = new Outlet({ client: this.client, bytes: this.bytes, telemetry: TELEMETRY, result: RESULT });
  }

  protected override attached(gpu: string): void {
    if (gpu === "") throw new Error("Worker: it was not told which GPU it has.");
    const { client, bytes } = this;
    const link = new Link({ client, bytes, gpu, job: JOB, status: STATUS });
    const start = (): void => {
      this.#link = link;
      this.#open(link);
    };
    this.open(TELEMETRY, TELEMETRY_PATH, O_WRONLY, () =>
      this.open(RESULT, RESULT_PATH, O_WRONLY, () =>
        this.open(JOBS, JOBS_PATH, O_RDONLY, () => this.open(YIELD, YIELD_PATH, O_WRONLY, start)),
      ),
    );
  }

  protected override received(): void {
    const link = this.#link;
    if (link === undefined) return;
    if (this.#revoked && link.state === "open") {
      this.#revoked = false;
      this.#jobs.forgetEnded();
    }
    // What does not fit now is done when some of it has been written.
    while (this.#outlet.ready && this.#advance(link));
    this.#outlet.flush();
    if (!this.#outlet.ready) return;
    link.read();
    if (this.#phase === "none") this.#readJob();
  }

  /** Do one thing that tells at most one record. @returns whether there was one to do */
  #advance(link: Link): boolean {
    return this.#endOne() || this.#takeLine(link) || this.#settle(link) || this.#finishReplay(link) || this.#goOn(link);
  }

  #tell(status: Status): void {
    if (status.state === "OK" || status.state === "ERR") this.#outlet.result(recordOf(status, RESULT_MAX));
    const { job, state, detail } = status;
    this.#outlet.telemetry(recordOf({ job, state, detail }, TELEMETRY_MAX));
  }

  #tellError(job: string, detail: string): void {
    this.#tell({ job, state: "ERR", detail });
  }

  #readJob(): void {
    if (this.#reading) return;
    this.#reading = true;
    send(this.client.read(JOBS, 0, JOB_BYTES, this.#jobRead));
  }

  readonly #jobRead: Done = ({ data: { bytes, start, length } }, error) => {
    this.#reading = false;
    accept("give it a job", error, error !== undefined || (length > 0 && bytes[start + length - 1] === NEWLINE));
    if (length === 1) return this.#call();
    this.bytes.copy(this.#line, 0, bytes, start, length);
    this.#lineLength = length;
    this.#id = jobOf(this.bytes, bytes, start, length);
    this.#phase = "taken";
    this.#tried = false;
    this.#own = undefined;
    this.#reason = undefined;
    this.#asked = false;
  };

  /** Its lease or its bridge is there again. */
  #call(): void {
    const link = this.#link!;
    if (link.state === "away" && link.why === undefined && !this.#pausing) this.#open(link);
    else if (link.state !== "open") this.#called = true;
  }

  #open(link: Link): void {
    this.#called = false;
    this.#replaying = true;
    this.#jobs.unsee();
    link.open();
  }

  /** Deal with a connection that is lost or was not to be had. */
  #settle(link: Link): boolean {
    const { why } = link;
    if (link.state !== "away" || why === undefined) return false;
    link.why = undefined;
    this.#replaying = false;
    if (why === STALE) this.#overtaken = true;
    const over = link.refused && why.name === "Permission";
    if (over) this.#giveUp(REVOKED);
    // What ends with a lease is no part of the next one, and so no answer to being called.
    if (this.#called) this.#open(link);
    else if (over) this.#drop(REVOKED);
    else if (this.#jobs.size === 0 && (why !== STALE || this.#tried)) {
      if (link.refused || this.#tried) this.#drop(AWAY);
    } else if (this.#attempts < WAITS_MS.length) this.#wait(WAITS_MS[this.#attempts++]!);
    else {
      this.#giveUp(LOST);
      this.#drop(AWAY);
    }
    return true;
  }

  #wait(ms: number): void {
    this.#pausing = true;
    this.#pauseLength = this.bytes.encode(`${ms}\n`, this.#pause, 0);
    send(this.client.write(YIELD, 0, this.#pause, 0, this.#pauseLength, this.#waited));
  }

  readonly #waited: Done = (reply, error) => {
    accept("let it wait", error, error !== undefined || reply.count === this.#pauseLength);
    this.#pausing = false;
    this.#open(this.#link!);
  };

  /** All that was told before the connection has been told again. */
  #finishReplay(link: Link): boolean {
    if (!this.#replaying || link.state !== "open" || link.size < 0 || link.offset < link.size) return false;
    this.#replaying = false;
    this.#attempts = 0;
    this.#ending = { detail: this.#overtaken || link.overtaken ? OVERTAKEN : UNKNOWN, unseen: true };
    this.#overtaken = false;
    return true;
  }

  /** Let all jobs that are outstanding end. */
  #giveUp(detail: string): void {
    this.#attempts = 0;
    this.#overtaken = false;
    this.#ending = { detail, unseen: false };
  }

  #endOne(): boolean {
    if (this.#ending === undefined) return false;
    const { detail, unseen } = this.#ending;
    const job = this.#jobs.any(unseen);
    if (job === undefined) {
      this.#ending = undefined;
      if (detail === REVOKED) this.#revoked = true;
    } else {
      const id = this.#jobs.hasEnded(job.id) ? "" : job.id;
      this.#jobs.giveUp(job);
      this.#tellError(id, detail);
    }
    return true;
  }

  #takeLine({ lines, size }: Link): boolean {
    if (!lines.next()) return false;
    const status = statusOf(this.bytes, lines.bytes, lines.start, lines.length);
    if (status === undefined) return true;
    const { job, state, detail } = status;
    const replay = this.#replaying && lines.offset < size;
    if (job !== "") {
      if (this.#jobs.advance(job, state, replay)) this.#tell(status);
    } else if (!replay) {
      this.#takeReason(detail);
    }
    return true;
  }

  /** A line was refused: the one at hand, if that is under way, or somebody else's. */
  #takeReason(detail: string): void {
    const before = this.#reason;
    const under = this.#phase === "writing" || this.#phase === "refused";
    if (under) this.#reason = detail;
    const others = under ? before : detail;
    if (others !== undefined) this.#tellError("", others);
  }

  #goOn(link: Link): boolean {
    switch (this.#phase) {
      case "none":
        return false;
      case "taken":
        return this.#submit(link);
      case "writing":
        return this.#hear(link);
      case "refused":
        return this.#conclude(link);
    }
  }

  /** It will not be submitted. */
  #drop(detail: string): void {
    if (this.#phase !== "taken") return;
    this.#phase = "none";
    const known = this.#jobs.has(this.#id) || this.#jobs.hasEnded(this.#id);
    this.#tellError(known ? "" : this.#id, detail);
  }

  #submit(link: Link): boolean {
    if (link.state === "away" && !this.#pausing) {
      this.#tried = true;
      this.#open(link);
    }
    if (link.state !== "open" || this.#replaying) return false;
    const id = this.#id;
    const own = id !== "" && !this.#jobs.has(id);
    if (own && this.#jobs.full) {
      this.#drop(FULL);
      return true;
    }
    this.#own = own ? this.#jobs.add(id) : undefined;
    this.#phase = "writing";
    link.write(this.#line, this.#lineLength);
    return true;
  }

  /** Whether it was taken. */
  #hear(link: Link): boolean {
    const { answer } = link;
    if (answer === undefined) return false;
    if (answer !== "taken" && !isUncertain(answer)) {
      this.#refusal = answer;
      this.#phase = "refused";
      return true;
    }
    this.#phase = "none";
    // Then it was somebody else's line that was refused.
    const others = this.#reason;
    if (others !== undefined) this.#tellError("", others);
    if (answer === "taken") {
      if (this.#own !== undefined) this.#jobs.accepted(this.#own);
      return true;
    }
    // Whether it was is seen when the status is read again; of a line without an id nothing is.
    link.lose(answer);
    if (this.#id === "" && others === undefined) this.#tellError("", LOST);
    return true;
  }

  /** It was refused. Its reason was told before, but may come after the refusal. */
  #conclude(link: Link): boolean {
    if (this.#reason === undefined && link.state === "open") {
      if (!this.#asked) link.measure();
      this.#asked = true;
      if (link.measured < 0 || link.offset < link.measured) return false;
    }
    this.#phase = "none";
    const own = this.#own;
    const ours = own !== undefined && this.#jobs.isNew(own);
    if (ours) this.#jobs.withdraw(own);
    this.#tellError(ours && !this.#jobs.hasEnded(own.id) ? own.id : "", this.#reason ?? DETAILS[this.#refusal!.name]);
    return true;
  }
}
