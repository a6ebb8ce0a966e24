/**
 * One client's console, whatever carries its lines: each line gets exactly one acknowledgement, in order, and what a verb shows
 * comes as fast as it is taken. Memory is bounded, by a queue that takes no more than so many lines and by streams that are
 * produced as there is room; a login that is revoked is over with the next answer.
 */
import type { Door, HiveSession, Login, Source } from "../hive/session.ts";
import type { Bytes, Clock } from "../ports/index.ts";
import { Later } from "../pump/later.ts";
import { isOutOfMemory } from "../pump/out-of-memory.ts";
import { SLICE_US } from "../pump/schedule.ts";
import type { TimerId, TimerPort } from "../pump/timers.ts";
import type { Revocation } from "../roles/budget.ts";
import type { Role } from "../roles/roles.ts";
import { BUSY, CLOSED, PERMISSION, type Refusal as Errno } from "../secure9p/refusal.ts";
import { AnswerWriter } from "./answer.ts";
import { Echoing } from "./echoing.ts";
import { FileClient } from "./file-client.ts";
import type { FileTask, TaskTools } from "./file-task.ts";
import {
  type Command,
  ok,
  parse,
  type Parsed,
  type Refusal,
  type Refused,
  UNKNOWN,
  type Verb,
  VERBS,
} from "./grammar.ts";
import { LineBuffer } from "./line-buffer.ts";
import { Listing } from "./listing.ts";
import { ANSWER_BYTES, type ConsoleSink, Output, PONG_BYTES } from "./output.ts";
import { Patience } from "./patience.ts";
import { type Control, obey, type Obeyed, type QueenCommand } from "./queen-verbs.ts";
import { Reading } from "./reading.ts";
import * as refusals from "./refusals.ts";
import type { Handler, MachineVerb } from "./verbs.ts";

/** What a console needs of the hive. */
export interface ConsoleHive extends Door {
  readonly control: Control;
}

export interface ConsoleSessionOptions {
  readonly sink: ConsoleSink;
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly timers: TimerPort;
  readonly source: Source;
  /** `undefined` as long as there is none. */
  readonly hive: () => ConsoleHive | undefined;
  readonly verbs: Readonly<Record<MachineVerb, Handler>>;
  /** What follows `OK QUIT`. */
  readonly farewell: string;
  /**
   * Switch the transport to 9P once what is said has left, for the login to ask or, if a service is named, to serve that.
   * @returns what follows `OK`, or why it goes on with lines. Not on a serial line.
   */
  readonly upgrade?: (login: HiveSession, service: string | undefined) => string | Errno;
  /** A verb threw. */
  failed(verb: Verb, error: unknown): void;
  /** Lines that may wait; at least 8. */
  readonly queue?: number;
  /** How long a provider may take for one request; 5 s if it is not said. */
  readonly patienceUs?: number;
}

/** Lines that may wait unless it is said otherwise. */
export const QUEUE = 16;
const QUEEN_LOG = { path: "/log/queen.log", names: ["log", "queen.log"] };

export class ConsoleSession {
  /**
   * Lines taken, and those of them that were acknowledged or fell away when the session was closed; times a line was not taken,
   * and requests that were given up.
   */
  readonly counters = { lines: 0, ok: 0, err: 0, dropped: 0, heldBack: 0, timedOut: 0 };
  /** Most lines that ever waited. */
  highWater = 0;
  readonly #options: ConsoleSessionOptions;
  readonly #output: Output;
  readonly #answer: AnswerWriter;
  readonly #queue: Parsed[] = [];
  readonly #capacity: number;
  readonly #patience: Patience;
  #login: HiveSession | undefined;
  #tools: TaskTools | undefined;
  #task: FileTask | undefined;
  #verb: Verb = "PING";
  /** The login's end stands in the answer that is being given. */
  #told = false;
  /** A refusal that is not told yet. */
  #delay: TimerId | undefined;
  #delayed: Extract<Login, { kind: "refused" }> | undefined;
  /** A command that takes a while, and what came of it once that is known. */
  #pending: Later<Obeyed> | undefined;
  #obeyed: Obeyed | undefined;
  #closed = false;

  constructor(options: ConsoleSessionOptions) {
    this.#options = options;
    this.#capacity = options.queue ?? QUEUE;
    this.#output = new Output(options.sink);
    this.#answer = new AnswerWriter(this.#output, this.counters);
    const { clock, timers, patienceUs } = options;
    this.#patience = new Patience({ clock, timers, patienceUs }, () => this.#gaveUp());
  }

  get role(): Role | undefined {
    return this.#login?.view.grant.role;
  }

  /** Lines that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether a line is not answered to the end. */
  get busy(): boolean {
    return this.#task !== undefined || this.#waits || this.#queue.length > 0 || this.#output.held > 0;
  }

  /** Whether it is in the middle of a stream, where a `PING` is answered and `STOP` has an effect. */
  get streaming(): boolean {
    return this.#task !== undefined && this.#answer.acknowledged;
  }

  /** Whether a line would be taken. */
  get accepts(): boolean {
    return !this.#closed && this.#queue.length < this.#capacity;
  }

  /** Whether {@link run} could do something now. */
  get ready(): boolean {
    if (this.#output.held > 0) return this.#output.ready;
    const task = this.#task;
    if (task !== undefined) return this.#tools!.files.waiting || (task.talks && this.#output.offers);
    return (
      (this.#obeyed !== undefined || (!this.#waits && this.#queue.length > 0)) && this.#output.free >= ANSWER_BYTES
    );
  }

  /** Whether what comes next is not known yet. */
  get #waits(): boolean {
    return this.#delayed !== undefined || this.#pending !== undefined;
  }

  /** Take a line without its end. @returns false if it has to be offered again, once others are answered. */
  line(text: string): boolean {
    return this.accepts ? this.take(parse(text)) : this.#full();
  }

  /** Take what a transport has made of a line itself, e.g. `TOO_LONG`. @returns as {@link line} */
  take(parsed: Parsed): boolean {
    if (!this.accepts) return this.#full();
    this.counters.lines++;
    if (parsed.kind === "command") {
      if (parsed.verb === "STOP") this.stop();
      else if (parsed.verb === "DETACH" || parsed.verb === "QUIT" || parsed.verb === "ATTACH") this.endFollows();
      else if (parsed.verb === "PING" && this.#pingNow()) return true;
    } else if (parsed.upgrade !== undefined) this.endFollows();
    this.#queue.push(parsed);
    this.highWater = Math.max(this.highWater, this.#queue.length);
    return true;
  }

  /** End the stream that is coming, as `STOP` does. */
  stop(): void {
    this.#unfollow();
    this.#task?.stop();
    this.#settle();
  }

  /** Go on. @param budget about how many bytes of lines may be produced @returns how many were */
  run(budget: number): number {
    const output = this.#output;
    const before = output.said;
    output.budget = budget;
    const { clock } = this.#options;
    const untilUs = clock.nowUs() + SLICE_US;
    if (output.held === 0 || output.flush()) while (this.#step() && clock.nowUs() < untilUs);
    return output.said - before;
  }

  /** The client is gone: end its login, forget what is unanswered. May be called from within {@link ConsoleSink}. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.counters.dropped += this.#queue.length + (this.#answer.acknowledged ? 0 : 1);
    this.#queue.length = 0;
    this.#task = undefined;
    this.#delayed = undefined;
    this.#pending?.cancel();
    if (this.#delay !== undefined) this.#options.timers.cancel(this.#delay);
    this.#patience.release();
    this.#output.end();
    this.#logout();
  }

  /** @returns whether more may be done at once. */
  #step(): boolean {
    if (this.#closed || this.#output.budget <= 0 || this.#output.held > 0) return false;
    if (this.#task !== undefined) {
      this.#tools!.files.pump();
      this.#task.advance();
      this.#tools!.files.pump();
      this.#settle();
      return this.#task === undefined;
    }
    if (this.#output.free < ANSWER_BYTES) return false;
    if (this.#obeyed !== undefined) return this.#conclude(this.#obeyed);
    if (this.#waits) return false;
    const parsed = this.#queue.shift();
    if (parsed === undefined) return false;
    if (parsed.kind === "refused") this.#refuse(parsed);
    else this.#execute(parsed);
    return true;
  }

  #refuse({ word, refusal, login, upgrade }: Refused): void {
    const stranger = login ? this.#stranger() : undefined;
    this.#answer.begin(word, false);
    if (stranger !== undefined) return this.#refuseStranger(word, stranger);
    if (refusal === UNKNOWN.refusal) this.#audit(word, refusal);
    if (upgrade === undefined || this.#options.upgrade === undefined) return this.#answer.err(refusal);
    // What the console itself had open is not the client's, and counts.
    this.#tools?.files.close();
    this.#tools = undefined;
    const answer = this.#options.upgrade(this.#login!, upgrade.service);
    if (typeof answer === "string") this.#answer.ok(answer);
    else this.#answer.err(refusals.refusalOf(answer));
  }

  #execute(command: Command): void {
    const { word, stream, login } = VERBS[command.verb];
    const answer = this.#answer;
    this.#verb = command.verb;
    answer.begin(word, stream);
    const why = login ? this.#stranger() : undefined;
    if (why !== undefined) return this.#refuseStranger(word, why);
    try {
      this.#do(command);
    } catch (error) {
      if (isOutOfMemory(error)) throw error;
      this.#task = undefined;
      answer.fail();
      this.#options.failed(command.verb, error);
    }
  }

  #do(command: Command): void {
    const answer = this.#answer;
    switch (command.verb) {
      case "PING":
        answer.ok("reply=pong");
        return answer.line("PONG");
      case "QUIT":
        this.#logout();
        answer.ok(this.#options.farewell);
        return this.#output.close();
      case "ATTACH":
        return this.#attach(command.role, command.credential);
      case "DETACH":
        this.#logout();
        return answer.ok();
      case "STOP":
        // A service has nothing that could go on.
        return this.role === "service" ? answer.err(refusals.refusalOf(PERMISSION)) : answer.ok();
      case "SPAWN":
      case "KILL":
      case "BIND":
      case "MOUNT":
        return this.#control(command);
      case "LS":
        return this.#begin((tools) => new Listing(tools, command));
      case "CAT":
        return this.#begin((tools) => new Reading(tools, command, { verb: "CAT" }));
      case "TAIL":
        return this.#begin((tools) => new Reading(tools, command, command));
      case "LOG":
        if (this.role === "queen") return this.#begin((tools) => new Reading(tools, QUEEN_LOG, { verb: "LOG" }));
        // Only a Queen may do that, and the policy writes down who else tried.
        this.#login?.view.may("append", QUEEN_LOG.names);
        return answer.err(refusals.refusalOf(PERMISSION));
      case "ECHO":
        return this.#begin((tools) => new Echoing(tools, command));
      default:
        this.#options.verbs[command.verb](answer);
    }
  }

  #refuseStranger(word: string, why: Refusal): void {
    if (why === refusals.UNAUTHENTICATED) this.#audit(word, why);
    this.#answer.err(why);
  }

  #audit(word: string, { detail = "" }: Refusal): void {
    const { hive, source } = this.#options;
    hive()?.noteRefused(word, detail, source);
  }

  /** Why somebody may do nothing that needs a login. Who had one that was revoked is told so once. */
  #stranger(): Refusal | undefined {
    if (this.#login === undefined) return refusals.UNAUTHENTICATED;
    const revoked = this.#revocation();
    if (revoked === undefined) return undefined;
    this.#logout();
    return refusals.revocationOf(revoked);
  }

  /** Why the login is over, be it that the hive has not come round to saying so. */
  #revocation(): Revocation | undefined {
    const login = this.#login;
    return login?.revoked ?? login?.view.grant.account.check(this.#options.clock.nowUs());
  }

  #attach(role: Role, credential: string): void {
    const { hive, source, clock, timers } = this.#options;
    const login = hive()?.attach(role, credential, source);
    if (login === undefined) return this.#answer.err(refusals.refusalOf(BUSY));
    if (login.kind === "admitted") {
      this.#logout();
      this.#login = login.session;
      return this.#answer.ok(`role=${role}`);
    }
    // Cooling down is said at once, and says itself how long.
    const waits = login.tag !== "rate-limited" && login.delayMs > 0;
    this.#delayed = login;
    if (waits) this.#delay = timers.schedule(clock.nowUs() + login.delayMs * 1000, () => this.#refuseLogin());
    if (this.#delay === undefined) this.#refuseLogin();
  }

  #refuseLogin(): void {
    const refused = this.#delayed;
    this.#delay = undefined;
    this.#delayed = undefined;
    if (refused === undefined) return;
    this.#answer.err(refusals.loginRefusalOf(refused));
    if (refused.tag === "rate-limited") this.#output.close();
  }

  #logout(): void {
    this.#tools?.files.close();
    this.#tools = undefined;
    this.#login?.close();
    this.#login = undefined;
    this.#told = false;
  }

  #control(command: QueenCommand): void {
    const { hive, clock } = this.#options;
    const control = hive()?.control;
    if (control === undefined) return this.#answer.err(refusals.refusalOf(BUSY));
    const obeyed = obey(command, control, this.#login!.view, clock);
    if (!(obeyed instanceof Later)) return void this.#conclude(obeyed);
    this.#pending = obeyed;
    obeyed.hear((result) => (this.#obeyed = result));
  }

  /** @returns true, for more may be done at once. */
  #conclude(obeyed: Obeyed): true {
    this.#pending = undefined;
    this.#obeyed = undefined;
    if (typeof obeyed === "string") this.#answer.ok(obeyed);
    else this.#answer.err(obeyed);
    return true;
  }

  #begin(make: (tools: TaskTools) => FileTask): void {
    this.#tools ??= this.#toolsOf(this.#login!);
    this.#tools.buffer.clear();
    this.#task = make(this.#tools);
    this.#task.start();
    this.#tools.files.pump();
    this.#settle();
  }

  #toolsOf(login: HiveSession): TaskTools {
    const { bytes } = this.#options;
    const failed = (error: unknown): void => this.#taskFailed(error);
    const files = new FileClient({ session: login.open9p(), bytes, failed });
    return {
      files,
      bytes,
      buffer: new LineBuffer(bytes, files.iounit),
      output: this.#output,
      answer: this.#answer,
      refusal: (why, path) => this.#wording(why, path),
    };
  }

  #wording(why: Errno, path: string): Refusal {
    const revoked = this.#revocation();
    if (why !== CLOSED || revoked === undefined) return refusals.refusalOf(why, path);
    this.#told = !this.#answer.acknowledged;
    return refusals.revocationOf(revoked);
  }

  #taskFailed(error: unknown): void {
    if (isOutOfMemory(error)) throw error;
    this.#task = undefined;
    this.#answer.fail();
    this.#options.failed(this.#verb, error);
    // Nobody knows what it left open.
    this.#tools?.files.close();
    this.#tools = undefined;
  }

  #gaveUp(): void {
    this.counters.timedOut++;
    this.#settle();
  }

  /** Look after the task: it may be over, or wait for a provider. */
  #settle(): void {
    const task = this.#task;
    if (task === undefined) return;
    const { files } = this.#tools!;
    if (task.finished) {
      this.#task = undefined;
      this.#patience.rest();
      files.pump();
      if (this.#told) this.#logout();
    } else if (files.busy && !task.patient) {
      this.#patience.watch(files);
    } else {
      this.#patience.rest();
    }
  }

  /** In the middle of a stream with nothing before it, a `PING` is answered there. @returns whether it was. */
  #pingNow(): boolean {
    if (!this.streaming || this.#queue.length > 0 || this.#output.free < PONG_BYTES) return false;
    this.counters.ok++;
    this.#output.say(ok("PING", "reply=pong"));
    this.#output.say("PONG");
    return true;
  }

  /** Nothing would come through that ends what has no end of its own. */
  #full(): false {
    this.counters.heldBack++;
    if (!this.#closed) this.endFollows();
    return false;
  }

  /** End what goes on until it is stopped, for nothing that stops it can come. */
  endFollows(): void {
    this.#unfollow();
    if (this.#task?.patient === true || !this.#answer.acknowledged) this.#task?.stop();
    this.#settle();
  }

  /** What was asked for and has not begun ends with the lines that there are. */
  #unfollow(): void {
    for (let i = 0; i < this.#queue.length; i++) {
      const parsed = this.#queue[i]!;
      if (parsed.kind === "command" && parsed.verb === "TAIL") this.#queue[i] = { ...parsed, follow: false };
    }
  }
}
