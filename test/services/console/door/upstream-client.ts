/**
 * A client of the console's wire as upstream Cohesix 0.3 makes one (`apps/cohsh/src/transport/tcp.rs` there says what it does; nothing
 * of it is here): the same lines in the same order, the same reading of acknowledgements, the same ways to get lost and to come
 * back. It is stricter than a client need be where upstream is, so what it accepts upstream accepts.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { frame, lengthOf } from "./wire.ts";

/** Longest frame that it takes: its 9P's `msize`. */
export const FRAME_MOST = 8192;
const LENGTH_BYTES = 4;
/** Waits before it connects again: doubled each time up to the second. */
const BACKOFF_MS = 200;
const BACKOFF_MOST_MS = 2000;
const RETRIES = 3;
const ANSWER_MS = 20_000;

/** `OK VERB detail` or `ERR VERB detail`, as upstream takes a line apart: by its first two blanks. */
export interface Ack {
  readonly ok: boolean;
  readonly verb: string;
  readonly detail: string | undefined;
}

export function ackOf(line: string): Ack | undefined {
  const [, status, verb = "", detail = ""] = /^(OK|ERR) ([^ ]*) ?(.*)$/.exec(line.trim()) ?? [];
  if (status === undefined) return undefined;
  return { ok: status === "OK", verb, detail: detail.trim() === "" ? undefined : detail.trim() };
}

const means = (ack: Ack, verb: string): boolean => ack.verb.toUpperCase() === verb;

/** Upstream gives up with one of these sentences. */
export class Refused extends Error {}

export class UpstreamClient {
  /** Lines that were sent and came on the connection at hand, in order: `> ` and `< `. */
  talk: string[] = [];
  /** All bytes that came on it. */
  bytes: Buffer = Buffer.alloc(0);
  /** Acknowledgements that the shell prints and its scripts judge, since it was last asked. */
  acks: string[] = [];
  connects = 0;
  reconnects = 0;
  readonly #port: number;
  readonly #token: string;
  #socket: Socket | undefined;
  #taken = 0;
  #closed = false;
  #changed: () => void = () => undefined;
  #session: { readonly role: string; readonly ticket: string } | undefined;
  #attached = false;
  #short: number | undefined;

  constructor(port: number, token: string) {
    this.#port = port;
    this.#token = token;
  }

  /** @param ticket "" for none: then the line ends with a blank */
  async attach(role: string, ticket: string): Promise<void> {
    await this.#authenticated();
    await this.#attach(role, ticket);
    this.#session = { role, ticket };
  }

  /** The lines of a file or directory. */
  async stream(verb: "TAIL" | "CAT" | "LS", path: string): Promise<string[]> {
    await this.#sendAttached(`${verb} ${path}`);
    const lines: string[] = [];
    let summary: string | undefined;
    for (;;) {
      const line = await this.#protocolLine();
      const ack = ackOf(line);
      if (ack === undefined) {
        if (line === "END") return lines.length === 0 && summary !== undefined ? [summary] : lines;
        lines.push(line);
        continue;
      }
      if (!ack.ok && means(ack, "FRAME")) throw new Refused(`console frame rejected: ${line}`);
      if (!means(ack, verb)) continue;
      this.acks.push(line);
      if (!ack.ok) throw new Refused(`${verb} failed: ${line}`);
      const data = /data=(.+)$/.exec(ack.detail ?? "")?.[1]?.trim();
      if (verb === "CAT" && data !== undefined && data !== "") summary ??= data;
    }
  }

  /** Append one line. */
  async write(path: string, text: string): Promise<void> {
    await this.writeAll(path, [text]);
  }

  /** Append lines without waiting in between. @returns how many were acknowledged */
  async writeAll(path: string, texts: readonly string[]): Promise<number> {
    for (const text of texts) await this.#sendAttached(text === "" ? `ECHO ${path}` : `ECHO ${path} ${text}`);
    for (let acked = 0; acked < texts.length;) {
      const line = await this.#protocolLine();
      const ack = ackOf(line);
      if (ack === undefined) continue;
      this.acks.push(line);
      const lost = !ack.ok && (means(ack, "FRAME") || means(ack, "PARSE"));
      if (lost || (means(ack, "ECHO") && !ack.ok)) throw new Refused(`echo failed: ${line}`);
      if (means(ack, "ECHO")) acked++;
    }
    return texts.length;
  }

  async ping(): Promise<"pong" | "err"> {
    await this.#send("PING");
    for (;;) {
      const line = await this.#protocolLine();
      if (ackOf(line) !== undefined) this.acks.push(line);
      if (line.startsWith("OK PING")) return "pong";
      if (line.startsWith("ERR PING")) return "err";
    }
  }

  /** Say that it is there in the middle of whatever comes; whoever reads next passes over the answer. */
  async heartbeat(): Promise<void> {
    await this.#send("PING");
  }

  /** Spawn and kill are lines of a file to it. */
  spawn(json: string): Promise<void> {
    return this.write("/queen/ctl", json);
  }

  async kill(id: string): Promise<void> {
    await this.write("/queen/ctl", `{"kill":"${id}"}`);
  }

  /** Its `log`. */
  log(): Promise<string[]> {
    return this.stream("TAIL", "/log/queen.log");
  }

  /** @throws Error if the hive does not close */
  async quit(): Promise<void> {
    await this.#send("quit");
    for (;;) {
      const line = await this.#line();
      const ack = ackOf(line);
      if (ack === undefined) continue;
      this.acks.push(line);
      if (!means(ack, "QUIT")) continue;
      if (!ack.ok) throw new Refused(`quit rejected: ${line}`);
      break;
    }
    await this.#untilClosed();
    this.#session = undefined;
    this.#reset();
  }

  /** The next frame is cut off behind so many bytes, and the connection with it. */
  cutNextFrame(bytes: number): void {
    this.#short = bytes;
  }

  /** Cut the connection as it is. */
  cut(): void {
    this.#reset();
  }

  /** What was acknowledged since it was last asked. */
  drain(): string[] {
    return this.acks.splice(0);
  }

  async #authenticated(): Promise<void> {
    if (this.#socket !== undefined) return;
    const socket = connect(this.#port, "127.0.0.1");
    await once(socket, "connect");
    socket.setNoDelay(true);
    this.#socket = socket;
    this.#closed = false;
    this.#taken = 0;
    this.bytes = Buffer.alloc(0);
    this.talk = [];
    this.connects++;
    socket.on("data", (bytes) => {
      if (socket !== this.#socket) return;
      this.bytes = Buffer.concat([this.bytes, bytes]);
      this.#changed();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (socket !== this.#socket) return;
      this.#closed = true;
      this.#changed();
    });
    this.#write(`AUTH ${this.#token}`);
    for (;;) {
      const line = await this.#line();
      const ack = ackOf(line);
      if (ack === undefined) continue;
      this.acks.push(line);
      if (!means(ack, "AUTH")) continue;
      if (!ack.ok) throw new Refused(`authentication rejected: ${line}`);
      // Anything behind it would be a greeting, and waited past.
      if (ack.detail === undefined) return;
    }
  }

  async #attach(role: string, ticket: string): Promise<void> {
    this.#write(`ATTACH ${role} ${ticket}`);
    for (;;) {
      const line = await this.#protocolLine();
      const ack = ackOf(line);
      if (ack === undefined) throw new Refused(`remote attach failed: ${line}`);
      this.acks.push(line);
      if (means(ack, "AUTH") && !ack.ok) throw new Refused(`authentication failed: ${line}`);
      if (!means(ack, "ATTACH")) continue;
      if (!ack.ok) throw new Refused(`remote attach failed: ${line}`);
      this.#attached = true;
      return;
    }
  }

  async #send(line: string): Promise<void> {
    await this.#authenticated();
    this.#write(line);
  }

  /** Send a line on a session that it has; a connection that is lost is made anew, with its login. */
  async #sendAttached(line: string): Promise<void> {
    let waitMs = BACKOFF_MS;
    for (let attempt = 0; ; attempt++) {
      if (this.#session !== undefined && !this.#attached) {
        this.#reset();
        await this.#authenticated();
        await this.#attach(this.#session.role, this.#session.ticket);
      }
      await this.#authenticated();
      if (this.#write(line)) return;
      if (attempt === RETRIES) throw new Error("failed to send command after retries");
      this.reconnects++;
      await sleep(waitMs);
      waitMs = Math.min(BACKOFF_MOST_MS, 2 * waitMs);
    }
  }

  /** @returns false if the frame was cut off, and the connection with it */
  #write(line: string): boolean {
    const text = Buffer.from(line);
    const whole = Buffer.concat([lengthOf(LENGTH_BYTES + text.length), text]);
    const short = this.#short;
    this.#short = undefined;
    if (short !== undefined) {
      this.#socket?.write(whole.subarray(0, short), () => undefined);
      this.#reset();
      return false;
    }
    this.talk.push(`> ${line}`);
    // Length and line are two writes, as they are there.
    this.#socket?.write(whole.subarray(0, LENGTH_BYTES));
    this.#socket?.write(whole.subarray(LENGTH_BYTES));
    return true;
  }

  /** The next line that is no `PONG`: those are heartbeats' answers, wherever they come. */
  async #protocolLine(): Promise<string> {
    for (;;) {
      const line = await this.#line();
      if (line !== "PONG") return line;
    }
  }

  async #line(): Promise<string> {
    const deadline = performance.now() + ANSWER_MS;
    for (;;) {
      const line = this.#next();
      if (line !== undefined) return line;
      if (this.#closed || this.#socket === undefined)
        throw new Error(`closed after ${this.talk.slice(-3).join(" | ")}`);
      await this.#more(deadline);
    }
  }

  #next(): string | undefined {
    const left = this.bytes.length - this.#taken;
    if (left < LENGTH_BYTES) return undefined;
    const size = this.bytes.readUInt32LE(this.#taken);
    if (size < LENGTH_BYTES || size > FRAME_MOST) throw new Error(`invalid frame length ${size}`);
    if (left < size) return undefined;
    const line = this.bytes.toString("utf8", this.#taken + LENGTH_BYTES, this.#taken + size);
    this.#taken += size;
    this.talk.push(`< ${line}`);
    return line;
  }

  async #untilClosed(): Promise<void> {
    const deadline = performance.now() + ANSWER_MS;
    while (!this.#closed) await this.#more(deadline);
  }

  async #more(deadline: number): Promise<void> {
    const left = deadline - performance.now();
    if (left <= 0) throw new Error(`nothing came after ${this.talk.slice(-3).join(" | ")}`);
    await new Promise<void>((settle) => {
      const timer = setTimeout(settle, left);
      this.#changed = () => {
        clearTimeout(timer);
        settle();
      };
    });
  }

  #reset(): void {
    this.#socket?.end();
    this.#socket?.destroySoon();
    this.#socket = undefined;
    this.#attached = false;
  }
}

/** The bytes of frames of these lines, as a hive has to send them. */
export function framesOf(lines: readonly string[]): Buffer {
  return Buffer.concat(lines.map(frame));
}
