/**
 * An exporter that has dialled in, as the hive's asking end of that connection. What is asked of it is bounded in number and in
 * time, so whatever it does or leaves undone costs those who asked it an error, and nobody else anything. One that breaks the
 * protocol, or does not answer what must be answered at once, is left; then everything that waits is answered, and nothing is held.
 */
import type { Bytes, Clock } from "../../ports/index.ts";
import { HeldTimer } from "../../pump/held-timer.ts";
import type { TimerPort } from "../../pump/timers.ts";
import { Client, NO_TAG } from "../../secure9p/client.ts";
import { GETATTR_BASIC, QTDIR } from "../../secure9p/constants.ts";
import type { Message } from "../../secure9p/message.ts";
import { BUSY, CLOSED, type Refusal, TIMED_OUT } from "../../secure9p/refusal.ts";
import type { Names } from "../mounts.ts";
import type { QidSource } from "../qids.ts";
import {
  ALL_TAGS,
  FIDS,
  MSIZE,
  MSIZE_LEAST,
  OTHERS_FILES,
  OTHERS_PATIENT,
  OTHERS_WAITING,
  PATIENT,
  TAGS,
  UNSENT,
  WAITING,
} from "./bounds.ts";
import type { RemoteCounters } from "./counters.ts";
import { type Forward, ROOT } from "./forward.ts";
import { RemoteQids } from "./qids.ts";
import { type Manners, RemotePlace } from "./tree.ts";

/** How often it is asked whether it is there. */
const PROBE_US = 30_000_000;
const UNAME = "hive";

export interface RemoteOptions {
  readonly name: string;
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly timers: TimerPort;
  readonly qids: QidSource;
  readonly counters: RemoteCounters;
  /** How long it may take for one answer. */
  readonly providerUs: number;
  readonly manners?: Manners | undefined;
  /** Told what answering one of ours threw. */
  readonly failed: (error: unknown) => void;
  /** Its tree is there. */
  readonly up: (root: RemotePlace) => void;
  /** It is over, be it that it never was up. */
  readonly gone: (why: string) => void;
}

export class RemoteService {
  readonly name: string;
  readonly bytes: Bytes;
  readonly qids: RemoteQids;
  readonly manners: Manners | undefined;
  /** While it is up. */
  root: RemotePlace | undefined;
  readonly #options: RemoteOptions;
  readonly #client: Client;
  readonly #timer: HeldTimer;
  /** By tag: what is under way for somebody, and when whatever is under way has taken too long. */
  readonly #forwards = new Array<Forward | undefined>(ALL_TAGS).fill(undefined);
  readonly #deadlines = new Float64Array(ALL_TAGS).fill(Infinity);
  #inFlight = 0;
  #following = 0;
  /** Of those, and of open files, what is not the hive's own. */
  #othersFollowing = 0;
  #othersFiles = 0;
  /** Workers whose own session has such a read under way. */
  readonly #workersFollowing = new Set<string>();
  readonly #waiting: Forward[] = [];
  /** Fids to give back. */
  readonly #clunks: number[] = [];
  #openingUs: number;
  #probeUs = Infinity;
  #over = false;

  /** @returns undefined if all timers are in use. */
  static open(options: RemoteOptions): RemoteService | undefined {
    let service: RemoteService | undefined = undefined;
    const timer = HeldTimer.take(options.timers, (nowUs) => service!.#expire(nowUs));
    if (timer === undefined) return undefined;
    service = new RemoteService(options, timer);
    return service;
  }

  private constructor(options: RemoteOptions, timer: HeldTimer) {
    const { name, bytes, clock, qids, providerUs, failed } = options;
    this.#options = options;
    this.#timer = timer;
    this.name = name;
    this.bytes = bytes;
    this.manners = options.manners;
    this.qids = new RemoteQids(qids, options.counters);
    this.#client = new Client({ bytes, msize: MSIZE, fids: FIDS, tags: ALL_TAGS, unsentBytes: UNSENT, failed });
    this.#openingUs = clock.nowUs() + providerUs;
    this.#client.version((_, error) => this.#attach(error));
    this.#watch(this.#openingUs);
  }

  /** Whether nothing can be asked of it any more. */
  get ended(): boolean {
    return this.#over || this.#client.ended !== undefined;
  }

  /** Requests under way, without reads that may take as long as they like. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Those reads. */
  get following(): number {
    return this.#following;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Fids there, its root's included. */
  get fids(): number {
    return this.#client.fids.inUse;
  }

  /** Largest read and write that is one request. */
  get iounit(): number {
    return this.#client.iounit;
  }

  /** What the connection carries to it; see `Client`. */
  get unsent(): number {
    return this.#client.unsent;
  }

  get out(): Uint8Array {
    return this.#client.out;
  }

  get start(): number {
    return this.#client.start;
  }

  get run(): number {
    return this.#client.run;
  }

  /** Whether a frame has begun to arrive and is not whole. */
  get partial(): boolean {
    return this.#client.partial;
  }

  sent(count: number): void {
    this.#options.counters.bytesOut += count;
    this.#client.sent(count);
  }

  /** Take bytes of it and pass on the answers in them. @returns how many answers there were */
  receive(from: Uint8Array, start: number, length: number): number {
    const { counters } = this.#options;
    const before = counters.answers;
    counters.bytesIn += length;
    this.#client.receive(from, start, length);
    if (this.#client.ended !== undefined) this.end("it broke the protocol");
    return counters.answers - before;
  }

  /** Do what a request wants, or see to it that it is refused. */
  submit(forward: Forward): void {
    const { request } = forward;
    if (request === undefined) return;
    if (this.ended) return request.refuse(CLOSED);
    const { counters, clock, providerUs } = this.#options;
    const { patient, own } = forward;
    const full = this.#inFlight >= TAGS;
    if (patient && !this.#mayFollow(forward)) {
      counters.followingRefused++;
      return request.refuse(BUSY);
    }
    if (!patient && full && !this.#mayWait(own)) {
      counters.busy++;
      return request.refuse(BUSY);
    }
    request.park(forward);
    // Who only wants to know what is known at once has cancelled it by now.
    if (forward.request === undefined) return;
    counters.requests++;
    if (patient) return this.#send(forward);
    this.#watch((forward.deadlineUs = clock.nowUs() + providerUs));
    if (!full) return this.#send(forward);
    forward.keep();
    this.#waiting.push(forward);
    counters.waited++;
    counters.waitingHighWater = Math.max(counters.waitingHighWater, this.#waiting.length);
  }

  /** A worker needs one such read, and whatever it has become it takes no place from the other workers. */
  #mayFollow({ own, subject }: Forward): boolean {
    if (this.#following >= PATIENT) return false;
    return own ? !this.#workersFollowing.has(subject) : this.#othersFollowing < OTHERS_PATIENT;
  }

  /** Whether there is a place to wait: for others, while they do not have all that are for them. */
  #mayWait(own: boolean): boolean {
    const { length } = this.#waiting;
    if (own || length < OTHERS_WAITING) return length < WAITING;
    let others = 0;
    for (const waiting of this.#waiting) if (!waiting.own) others++;
    return length < WAITING && others < OTHERS_WAITING;
  }

  /** Whether others than the hive's own have as many open files as they may. */
  get crowded(): boolean {
    return this.#othersFiles >= OTHERS_FILES;
  }

  /** A file is open, until it is clunked. */
  opened(own: boolean): void {
    if (!own) this.#othersFiles++;
  }

  /** Nobody wants its answer any more. */
  forget(forward: Forward): void {
    this.#options.counters.cancelled++;
    this.#drop(forward);
  }

  /** Answer what waits for something of such places: whoever asked may not have it any more. */
  revoke(whose: (names: Names) => boolean, why: Refusal): void {
    for (const forward of [...this.#forwards, ...this.#waiting]) {
      if (forward === undefined || !whose(forward.place.names)) continue;
      forward.fail(why);
      this.#drop(forward);
    }
  }

  /** Give an open file's fid back. */
  clunk(fid: number, own: boolean): void {
    if (!own) this.#othersFiles--;
    if (this.ended) return;
    this.#clunks.push(fid);
    this.#pump();
  }

  /** Ask whether it is there, now. */
  probe(): void {
    if (this.root === undefined || this.#probeUs === Infinity) return;
    this.#probeUs = Infinity;
    const { clock, providerUs } = this.#options;
    const tag = this.#client.getattr(ROOT, GETATTR_BASIC, () => {
      this.#deadlines[tag] = Infinity;
      if (!this.#over) this.#watch((this.#probeUs = clock.nowUs() + PROBE_US));
    });
    // Half of the tags are there for nothing else: it takes nothing, or has not answered as many Tflush.
    if (tag === NO_TAG) return this.end("it did not answer in time");
    this.#watch((this.#deadlines[tag] = clock.nowUs() + providerUs));
  }

  /** Leave it. May be called again. */
  end(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#client.close(CLOSED);
    for (const forward of this.#waiting.splice(0)) forward.fail(CLOSED);
    this.root = undefined;
    this.#timer.release();
    this.#options.gone(why);
  }

  #attach(refused: Refusal | undefined): void {
    const client = this.#client;
    if (refused !== undefined) return this.#refused("9P2000.L", refused);
    if (client.msize < MSIZE_LEAST) return this.end(`its msize ${client.msize} is below ${MSIZE_LEAST}`);
    client.attach(client.fids.take(), UNAME, this.name, ({ qid }, error) => {
      if (error !== undefined) return this.#refused("to be attached to", error);
      if ((qid.type & QTDIR) === 0) return this.end("its root is no directory");
      this.root = new RemotePlace(this, [], qid);
      this.#openingUs = Infinity;
      this.#probeUs = this.#options.clock.nowUs() + PROBE_US;
      this.#watch(this.#probeUs);
      this.#options.up(this.root);
    });
  }

  #refused(what: string, { code }: Refusal): void {
    if (!this.ended) this.end(`it refuses ${what}: ${code}`);
  }

  /** Ask the next thing for a request. */
  #send(forward: Forward): void {
    const tag = forward.send(this.#client, (reply, error) => this.#answered(forward, reply, error));
    if (tag === NO_TAG) {
      this.#options.counters.busy++;
      forward.fail(BUSY);
      return this.#spare(forward);
    }
    forward.tag = tag;
    this.#forwards[tag] = forward;
    this.#deadlines[tag] = forward.deadlineUs;
    this.#begun(isPatient(forward), forward);
  }

  #begun(patient: boolean, { own, subject }: Pick<Forward, "own" | "subject">): void {
    const { counters } = this.#options;
    if (patient && !own) this.#othersFollowing++;
    if (patient && own && subject !== "") this.#workersFollowing.add(subject);
    if (patient) counters.followingHighWater = Math.max(counters.followingHighWater, ++this.#following);
    else counters.inFlightHighWater = Math.max(counters.inFlightHighWater, ++this.#inFlight);
  }

  #answered(forward: Forward, reply: Message, error: Refusal | undefined): void {
    const { tag } = forward;
    forward.tag = NO_TAG;
    this.#settled(tag, isPatient(forward), forward);
    if (forward.answered(reply, error)) this.#send(forward);
    else this.#spare(forward);
    this.#pump();
  }

  #settled(tag: number, patient: boolean, { own, subject }: Pick<Forward, "own" | "subject">): void {
    this.#forwards[tag] = undefined;
    // What was answered and is being flushed all the same has that to answer still.
    if (!this.#client.busy(tag)) this.#deadlines[tag] = Infinity;
    if (patient && !own) this.#othersFollowing--;
    if (patient && own) this.#workersFollowing.delete(subject);
    if (patient) this.#following--;
    else this.#inFlight--;
    if (!this.ended) this.#options.counters.answers++;
  }

  #spare({ spare }: Forward): void {
    if (spare >= 0 && !this.ended) this.#clunks.push(spare);
  }

  /** Go on with what waits, fids to give back first. */
  #pump(): void {
    while (this.#inFlight < TAGS && !this.ended) {
      const fid = this.#clunks.pop();
      const forward = fid === undefined ? this.#waiting.shift() : undefined;
      if (fid !== undefined) this.#clunk(fid);
      else if (forward !== undefined) this.#send(forward);
      else return;
    }
  }

  #clunk(fid: number): void {
    const { clock, providerUs } = this.#options;
    const tag = this.#client.clunk(fid, () => {
      this.#settled(tag, false, HIVE);
      this.#pump();
    });
    if (tag === NO_TAG) return this.end("it did not answer in time");
    this.#begun(false, HIVE);
    this.#watch((this.#deadlines[tag] = clock.nowUs() + providerUs));
  }

  /** What is under way is flushed; that has to be answered in time. */
  #drop(forward: Forward): void {
    const { tag } = forward;
    if (tag !== NO_TAG) {
      if (!this.#client.flush(tag, TIMED_OUT)) return;
      const { clock, providerUs } = this.#options;
      this.#forwards[tag] = undefined;
      this.#watch((this.#deadlines[tag] = clock.nowUs() + providerUs));
      return;
    }
    const at = this.#waiting.indexOf(forward);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  #late(forward: Forward): void {
    this.#options.counters.timedOut++;
    forward.fail(TIMED_OUT);
    this.#drop(forward);
  }

  #watch(deadlineUs: number): void {
    if (deadlineUs < this.#timer.deadlineUs) this.#timer.set(deadlineUs);
  }

  #expire(nowUs: number): void {
    if (this.#openingUs <= nowUs) return this.end("it did not answer in time");
    for (let tag = 0; tag < this.#deadlines.length; tag++) {
      if (this.#deadlines[tag]! > nowUs) continue;
      const forward = this.#forwards[tag];
      if (forward !== undefined) this.#late(forward);
      else if (this.#client.busy(tag)) return this.end("it did not answer in time");
      else this.#deadlines[tag] = Infinity;
    }
    for (const forward of this.#waiting.filter(({ deadlineUs }) => deadlineUs <= nowUs)) this.#late(forward);
    if (this.#probeUs <= nowUs) this.probe();
    if (this.#over) return;
    let nextUs = Math.min(this.#openingUs, this.#probeUs);
    for (const deadlineUs of this.#deadlines) nextUs = Math.min(nextUs, deadlineUs);
    for (const { deadlineUs } of this.#waiting) nextUs = Math.min(nextUs, deadlineUs);
    this.#watch(nextUs);
  }
}

/** Who gives fids back. */
const HIVE = { own: true, subject: "" };

/** Of one that was submitted: whether it may take as long as it likes. */
function isPatient({ deadlineUs }: Forward): boolean {
  return deadlineUs === Infinity;
}
