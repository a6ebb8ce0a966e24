/**
 * One connection of the door from its first byte to its last: `AUTH` in time, then lines for a {@link ConsoleSession}, then 9P if
 * the client asks for it. Each line is answered in order or dropped and counted; whatever the peer sends or does not take, memory
 * and time are bounded, and when the connection ends, its login ends with it.
 */
import type { HiveSession, Source } from "../../hive/session.ts";
import type { Pool } from "../../ports/index.ts";
import { formatIpv4 } from "../../net/address.ts";
import { SLICE_US } from "../../pump/schedule.ts";
import { BUSY, type Refusal as Errno } from "../../secure9p/refusal.ts";
import { trimBlanks } from "../arguments.ts";
import { err, INVALID_CHARACTER, ok, parse, type Parsed, type Refusal, TOO_LONG } from "../grammar.ts";
import { ANSWER_BYTES } from "../output.ts";
import { loginRefusalOf, refusalOf } from "../refusals.ts";
import type { ConsoleSession } from "../session.ts";
import type { Connection } from "./connection.ts";
import type { End } from "./counters.ts";
import { Deadlines } from "./deadlines.ts";
import type { Doorway } from "./doorway.ts";
import { BROKEN, LINE, LineFraming, NEED_MORE } from "./framing.ts";
import { lineSession, Link } from "./line-session.ts";
import type { Speaker } from "./nine.ts";
import { LineOutbox } from "./outbox.ts";
import { clientPools } from "./pools.ts";
import { upgrade } from "./upgrade.ts";

type Phase = "auth" | "refusing" | "lines" | "9p" | "closing" | "gone";

/** A line costs as on the serial line, and bytes of input are only copied. */
const LINE_COST = 64;
const INPUT_PER_COST = 16;
const OUTPUT_PER_COST = 4;
/** What a frame that is read may add to the answers at once: that of a `PING`. */
const READ_ROOM = 64;
/** The last words to who says or takes nothing. */
const IDLE = err("FRAME", { reason: "cut", detail: "timed-out" });
const SLOW = err("FRAME", { reason: "quota", detail: "buffer-full" });
const AUTH = /^auth(?: +(.*))?$/i;

export class DoorClient {
  readonly number: number;
  readonly connection: Connection;
  readonly source: Source;
  readonly #door: Doorway;
  readonly #framing: LineFraming;
  readonly #out: LineOutbox;
  readonly #deadlines: Deadlines;
  readonly #link = new Link();
  #phase: Phase = "auth";
  #session: ConsoleSession | undefined;
  #nine: Speaker | undefined;
  /** The answer to a wrong token, until it is told. */
  #refusal: Refusal | undefined;
  /** Nothing more is read; it ends like that when all is answered. */
  #last: End | undefined;
  /** It asked to be switched to 9P: what follows is 9P, or a line if that was refused. */
  #upgrading = false;
  /** It was told to end what goes on, as it cannot be read. */
  #pressed = false;
  #quits = false;
  #shut = false;
  #frames = 0;
  /** Times that it was read no more because its answers waited. */
  #heldBack = 0;
  /** Whether the line that came is printable ASCII. */
  #plain = false;
  #nowUs = 0;

  constructor(door: Doorway, connection: Connection, number: number) {
    const { clock, limits, scratch, bytes } = door;
    this.#door = door;
    this.connection = connection;
    this.number = number;
    const { remoteAddress } = connection;
    this.source = { name: `tcp ${formatIpv4(remoteAddress)}`, throttle: remoteAddress >>> 0, local: false };
    this.#framing = new LineFraming(bytes, limits.lineBytes);
    this.#out = new LineOutbox(scratch, limits.unsentBytes, this.#link);
    this.#deadlines = new Deadlines(limits);
    this.#deadlines.phaseUs = clock.nowUs() + limits.authUs;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get session(): ConsoleSession | undefined {
    return this.#session;
  }

  /** Whether it takes the place of a session. */
  get authenticated(): boolean {
    return this.#phase === "lines" || this.#phase === "9p";
  }

  /** Whether what it said was looked at, if only the first of it. */
  get heard(): boolean {
    return this.#frames > 0 || this.#framing.partial;
  }

  /** Bytes that wait for it. */
  get unsent(): number {
    return this.#out.length + (this.#nine?.unsent ?? 0);
  }

  /** What it may hold, and does. */
  pools(): Pool[] {
    const session = this.#session;
    const lines = [session?.waiting ?? 0, session?.highWater ?? 0, session?.counters.heldBack ?? 0] as const;
    return clientPools(this.#door.limits, lines, [this.#out.length, this.#out.highWater, this.#heldBack]);
  }

  /** When {@link expire} has to be called. */
  get nextUs(): number {
    return this.#phase === "gone" ? Infinity : this.#deadlines.nextUs;
  }

  /** Whether {@link serve} could do something now. */
  get ready(): boolean {
    const { connection } = this;
    if (this.#phase === "gone") return false;
    if (!connection.connected) return true;
    switch (this.#phase) {
      case "auth":
        return connection.readable > 0 || connection.ended;
      case "refusing":
        return false;
      case "lines": {
        const session = this.#session!;
        if (session.ready) return true;
        if (this.#last !== undefined || this.#upgrading) return !session.busy;
        if (connection.readable === 0) return connection.ended;
        return this.#reads || (!session.accepts && !this.#pressed);
      }
      case "9p":
        return this.#nine!.ready;
      case "closing":
        return connection.readable > 0 || this.#parting;
    }
  }

  /** Whether {@link transmit} could do something now. */
  get transmits(): boolean {
    return this.#phase !== "gone" && this.unsent > 0 && this.connection.writable > 0;
  }

  /** Take frames and answer them. @param budget in units of the dispatch stage @returns what it cost */
  serve(budget: number, nowUs: number): number {
    this.#nowUs = nowUs;
    const { connection } = this;
    if (!connection.connected) this.#finish("reset");
    let cost = 0;
    const untilUs = nowUs + SLICE_US;
    for (let spent = -1; spent < cost && cost < budget && (cost === 0 || this.#door.clock.nowUs() < untilUs);) {
      spent = cost;
      if (this.#phase === "lines" || this.#phase === "auth") cost += this.#read(budget - cost);
      if (this.#phase === "lines") cost += this.#run(budget - cost);
      if (this.#phase === "9p") cost += this.#nineP(budget - cost, untilUs);
      else if (connection.readable === 0 && this.#session?.busy !== true && !this.#upgrading) break;
    }
    this.#settle();
    return Math.max(1, Math.ceil(cost));
  }

  /** Hand over what the transport takes. @returns bytes */
  transmit(nowUs: number): number {
    this.#nowUs = nowUs;
    let done = this.#out.drain(this.connection);
    if (this.#out.length === 0 && this.#nine !== undefined) done += this.#nine.drain();
    this.#door.counters.bytesOut += done;
    // What a line was waited for was seen to when it was served; it is different for who is on the way out, or took too little.
    if (this.#phase !== "lines" || this.#deadlines.slowing) this.#settle();
    return done;
  }

  /** Do what is due. */
  expire(nowUs: number): void {
    const due = this.#deadlines.due(nowUs);
    switch (due) {
      case undefined:
        return;
      case "phase":
        if (this.#phase === "refusing") this.#refuse(this.#refusal!, "denied");
        else if (this.#phase === "auth") this.#finish("late");
        else this.#end();
        return;
      case "half":
        return this.#finish("half");
      case "idle":
        this.#out.lastWord(IDLE);
        return this.#finish("idle");
      case "slow":
        // In the middle of 9P there is nothing that it could be told.
        if (this.#nine === undefined) this.#out.lastWord(SLOW);
        return this.#finish("slow");
    }
  }

  /** End it at once. */
  abort(why: End): void {
    if (this.#phase === "gone") return;
    if (this.#phase !== "closing") this.#finish(why);
    this.#end();
  }

  /** Whether a frame may be read. */
  get #reads(): boolean {
    if (this.#phase === "auth") return true;
    return this.#last === undefined && !this.#upgrading && this.#session!.accepts && this.#out.free >= READ_ROOM;
  }

  /** Whether all has left that a connection which ends has to say. */
  get #parting(): boolean {
    return this.unsent === 0 && (!this.#shut || this.connection.ended);
  }

  #read(budget: number): number {
    const { connection } = this;
    const framing = this.#framing;
    let cost = 0;
    while (cost < budget && connection.readable > 0 && (this.#phase === "auth" || this.#phase === "lines")) {
      if (!this.#reads) {
        this.#press();
        break;
      }
      this.#pressed = false;
      const state = framing.take(connection.memory, connection.head, connection.run);
      const text = state === LINE ? this.#text() : undefined;
      const { taken } = framing;
      connection.skip(taken);
      this.#door.counters.bytesIn += taken;
      cost += taken / INPUT_PER_COST;
      if (state === NEED_MORE) continue;
      cost += LINE_COST;
      this.#frames++;
      if (this.#phase === "auth") this.#authenticate(text);
      else if (state === LINE) this.#take(text === undefined ? INVALID_CHARACTER : parse(text, this.#plain));
      else this.#take(TOO_LONG, state === BROKEN ? "length" : undefined);
    }
    return cost;
  }

  /** The line that came, `undefined` if it is no text. */
  #text(): string | undefined {
    const { bytes, at, size } = this.#framing;
    const port = this.#door.bytes;
    this.#plain = port.plain(bytes, at, size) === size;
    return this.#plain || port.validate(bytes, at, size) ? port.decode(bytes, at, size) : undefined;
  }

  #authenticate(text: string | undefined): void {
    const words = trimBlanks(text ?? "");
    const { hive, admits, clock } = this.#door;
    if (words === "" || (!this.#plain && parse(words) === INVALID_CHARACTER)) {
      hive()?.noteRefused("AUTH", "malformed", this.source);
      return this.#finish("malformed");
    }
    const token = AUTH.exec(words)?.[1] ?? "";
    const answer = hive()?.authenticate(token, this.source);
    if (answer === undefined) return this.#refuse(refusalOf(BUSY), "busy");
    if (answer.kind === "authenticated") return admits() ? this.#open() : this.#refuse(refusalOf(BUSY), "busy");
    const refusal = loginRefusalOf(answer);
    // Cooling down is said at once, and says itself how long.
    if (answer.tag === "rate-limited" || answer.delayMs <= 0) return this.#refuse(refusal, "denied");
    this.#phase = "refusing";
    this.#refusal = refusal;
    this.#deadlines.phase(clock.nowUs() + answer.delayMs * 1000);
  }

  #refuse(refusal: Refusal, why: End): void {
    this.#out.lastWord(err("AUTH", refusal));
    this.#finish(why);
  }

  #open(): void {
    this.#door.counters.authenticated++;
    this.#phase = "lines";
    this.#deadlines.phase(Infinity);
    this.#deadlines.heard(this.#nowUs);
    this.#out.line(ok("AUTH"));
    this.#link.carrier = {
      hangUp: () => this.#finish(this.#quits ? "quit" : "limited"),
      upgrade: (login, service) => this.#upgrade(login, service),
    };
    this.#session = lineSession(this.#door, this.source, this.#out, this.#link);
  }

  /** A line for the session. @param last it is the last one, and that is how the connection ends */
  #take(parsed: Parsed, last?: End): void {
    this.#deadlines.heard(this.#nowUs);
    if (parsed.kind === "refused" && parsed.upgrade !== undefined) this.#upgrading = true;
    if (parsed.kind === "command" && parsed.verb === "QUIT") this.#quits = true;
    this.#session!.take(parsed);
    if (last !== undefined) this.#hearNoMore(last);
  }

  /** It is not read any more; what came is answered to its end. */
  #hearNoMore(last: End): void {
    this.#last = last;
    this.#session!.endFollows();
  }

  /** Nothing that would stop what goes on can come through a full queue. */
  #press(): void {
    const session = this.#session!;
    if (this.#pressed || session.accepts) return;
    this.#pressed = true;
    session.endFollows();
  }

  #upgrade(login: HiveSession, service: string | undefined): string | Errno {
    const upgraded = upgrade(login, service, this.connection, this.#door.clock);
    if ("errno" in upgraded) return upgraded;
    this.#nine = upgraded.speaker;
    this.#door.counters.upgraded++;
    login.onRevoked(() => this.#finish("revoked"));
    return upgraded.said;
  }

  /** Go on with lines. @returns what it cost */
  #run(budget: number): number {
    const cost = this.#session!.run(budget * OUTPUT_PER_COST) / OUTPUT_PER_COST;
    if (this.#phase !== "lines") return cost;
    if (this.#nine !== undefined) {
      this.#phase = "9p";
      this.#upgrading = false;
      this.#deadlines.phase(Infinity);
      return cost + 1;
    }
    if (this.#session!.busy) return cost;
    // It was answered, and refused: lines follow.
    if (this.#upgrading) {
      this.#upgrading = false;
      return cost + 1;
    }
    if (this.#last !== undefined) this.#finish(this.#last);
    return cost;
  }

  #nineP(budget: number, untilUs: number): number {
    const nine = this.#nine!;
    this.#door.counters.bytesIn += nine.serve(budget, untilUs);
    const { end } = nine;
    if (end !== undefined) this.#finish(end);
    return nine.cost;
  }

  /** See whether it is over, and what it is waited for. */
  #settle(): void {
    if (this.connection.ended) {
      if (this.#phase === "auth") this.#finish("left");
      else if (this.#phase === "lines" && this.#last === undefined && !this.#upgrading) {
        this.#hearNoMore("left");
        if (!this.#session!.busy) this.#finish("left");
      }
    }
    if (this.#phase === "closing") this.#part();
    else this.#watch();
  }

  /** What the client has to do in time. */
  #watch(): void {
    const nowUs = this.#nowUs;
    const deadlines = this.#deadlines;
    const nine = this.#nine;
    let began: boolean;
    if (this.#phase === "9p" && nine !== undefined) {
      deadlines.half(nine.waits, nine.frames, nowUs);
      began = deadlines.slow(nine.heldBack, nine.sent, nowUs);
    } else if (this.#phase === "lines") {
      const full = this.#out.length > this.#door.limits.unsentBytes - ANSWER_BYTES;
      deadlines.half(this.#reads && this.#framing.partial && this.connection.readable === 0, this.#frames, nowUs);
      began = deadlines.slow(full, this.#out.sent, nowUs);
    } else return;
    if (!began) return;
    this.#heldBack++;
    this.#door.counters.heldBack++;
  }

  /** It ends: nothing more is read, what is queued still leaves. */
  #finish(why: End): void {
    if (this.#phase === "closing" || this.#phase === "gone") return;
    const { clock, limits, counters } = this.#door;
    this.#phase = "closing";
    this.#deadlines.phase(clock.nowUs() + limits.lingerUs);
    counters.ends[why]++;
    this.#nine?.close(why);
    counters.unsentHighWater = Math.max(counters.unsentHighWater, this.#out.highWater);
    const session = this.#session;
    if (session === undefined) return;
    session.close();
    const { lines, ok: acknowledged, err: refused, dropped } = session.counters;
    counters.frames += lines;
    counters.ok += acknowledged;
    counters.err += refused;
    counters.dropped += dropped;
  }

  /** Let the client have what it was told last, then let it go. */
  #part(): void {
    const { connection } = this;
    if (!connection.connected) return this.#end();
    if (connection.readable > 0) connection.skip(connection.readable);
    if (this.unsent > 0) return;
    if (!this.#shut) {
      this.#shut = true;
      connection.shutdown();
    }
    if (connection.ended) this.#end();
  }

  #end(): void {
    if (this.#phase === "gone") return;
    this.#phase = "gone";
    this.#door.ended(this.pools());
    if (this.unsent === 0) this.connection.close();
    else this.connection.abort();
    this.#nine = undefined;
    this.#session = undefined;
    this.#link.carrier = undefined;
  }
}
