/**
 * QEMU's gdb stub over a Unix socket (GDB manual, appendix E "Remote Serial Protocol"), for physical memory alone: the machine
 * stands still from opening a session to closing it, so what is read and written in between is one moment of it.
 */
import type { Socket } from "node:net";
import { connectUnix } from "./qmp.ts";

/** What the stub is asked to hold in one packet; its own bound is 4,096 characters, two for each byte. */
const CHUNK_BYTES = 1024;
/** Longest packet that is taken. */
const PACKET_LIMIT = 16_384;
/** In a packet's data these are sent as `}` and the character with bit 5 turned over. */
const ESCAPE = "}";
const ESCAPED = /[#$}*]/g;
/** Why the machine stands: told unasked. */
const STOP_REPLY = /^[STWX]/;
const RESENDS = 3;

export type GdbEvent =
  | { readonly kind: "acknowledged" | "refused" }
  | { readonly kind: "packet"; readonly data: string }
  /** What came is no packet, or a damaged one. */
  | { readonly kind: "damaged"; readonly why: string };

/** Sum of the characters, modulo 256, as two digits. */
function checksum(raw: string): string {
  let sum = 0;
  for (let i = 0; i < raw.length; i++) sum = (sum + raw.charCodeAt(i)) & 0xff;
  return sum.toString(16).padStart(2, "0");
}

function flipped(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) ^ 0x20);
}

/** `$data#checksum`. @param data characters up to U+00FF, one for each byte */
export function encodePacket(data: string): string {
  const raw = data.replace(ESCAPED, (character) => ESCAPE + flipped(character));
  return `$${raw}#${checksum(raw)}`;
}

/** Cuts what comes into acknowledgements and packets, wherever it is cut itself. */
export class PacketReader {
  #text = "";

  /** @param text characters up to U+00FF, one for each byte */
  feed(text: string): GdbEvent[] {
    this.#text += text;
    const events: GdbEvent[] = [];
    for (let event = this.#next(); event !== undefined; event = this.#next()) events.push(event);
    return events;
  }

  #next(): GdbEvent | undefined {
    const text = this.#text;
    const [first] = text;
    if (first === undefined) return undefined;
    if (first !== "$") {
      this.#text = text.slice(1);
      if (first === "+") return { kind: "acknowledged" };
      if (first === "-") return { kind: "refused" };
      return { kind: "damaged", why: `${JSON.stringify(first)} begins no packet` };
    }
    const end = text.indexOf("#");
    if (end < 0 || text.length < end + 3) {
      if (text.length <= PACKET_LIMIT) return undefined;
      this.#text = "";
      return { kind: "damaged", why: `a packet of more than ${PACKET_LIMIT} characters` };
    }
    const raw = text.slice(1, end);
    const given = text.slice(end + 1, end + 3);
    this.#text = text.slice(end + 3);
    if (given.toLowerCase() !== checksum(raw)) return { kind: "damaged", why: `checksum ${given} of ${raw}` };
    // QEMU sends no run lengths; one that does would be misread.
    if (raw.includes("*")) return { kind: "damaged", why: `a run length in ${raw}` };
    return { kind: "packet", data: raw.replace(/\}([^])/g, (_, character: string) => flipped(character)) };
  }
}

export class GdbSession {
  readonly #socket: Socket;
  readonly #reader = new PacketReader();
  readonly #patienceMs: number;
  #waiting: { readonly sent: string; settle(reply: string): void; fail(error: Error): void } | undefined;
  #resends = 0;

  private constructor(socket: Socket, patienceMs: number) {
    this.#socket = socket;
    this.#patienceMs = patienceMs;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#reader.feed(text).forEach((event) => this.#take(event)));
    const gone = (): void => this.#fail("QEMU closed its gdb stub");
    socket.on("error", gone);
    socket.on("close", gone);
  }

  /** Stop the machine. @throws Error if nothing answers there, or if the stub knows no physical memory */
  static async open(path: string, pid: number, patienceMs: number): Promise<GdbSession> {
    const session = new GdbSession(await connectUnix(path, pid, patienceMs), patienceMs);
    try {
      await session.#done("Qqemu.PhyMemMode:1");
    } catch (error) {
      session.#socket.destroy();
      throw error;
    }
    return session;
  }

  /** @throws Error if there is no memory */
  async read(address: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let at = 0; at < length; at += CHUNK_BYTES) {
      const size = Math.min(CHUNK_BYTES, length - at);
      const reply = await this.#ask(`m${(address + at).toString(16)},${size.toString(16)}`);
      const part = Buffer.from(reply, "hex");
      if (part.length !== size) throw new Error(`gdb stub: ${size} bytes at ${address + at}: ${reply}`);
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  /** Registers of devices are written like memory. @throws Error if there is none */
  async write(address: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const part = Buffer.from(bytes.subarray(at, at + CHUNK_BYTES));
      await this.#done(`M${(address + at).toString(16)},${part.length.toString(16)}:${part.toString("hex")}`);
    }
  }

  /** Let the machine go on. */
  async close(): Promise<void> {
    try {
      await this.#done("D");
    } finally {
      this.#socket.destroy();
    }
  }

  async #done(command: string): Promise<void> {
    const reply = await this.#ask(command);
    if (reply !== "OK") throw new Error(`gdb stub: ${command.slice(0, 40)}: ${reply === "" ? "unknown" : reply}`);
  }

  #ask(command: string): Promise<string> {
    if (this.#waiting !== undefined) throw new Error("gdb stub: a command is under way");
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`no answer to ${command.slice(0, 40)}`), this.#patienceMs);
      const sent = encodePacket(command);
      this.#waiting = {
        sent,
        settle: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#resends = 0;
      if (this.#socket.destroyed) this.#fail("QEMU closed its gdb stub");
      else this.#socket.write(sent, "latin1");
    });
  }

  #take(event: GdbEvent): void {
    const waiting = this.#waiting;
    switch (event.kind) {
      case "acknowledged":
        return;
      case "refused":
        if (waiting === undefined) return;
        if (++this.#resends > RESENDS) return this.#fail("it refuses each packet");
        this.#socket.write(waiting.sent, "latin1");
        return;
      case "damaged":
        this.#socket.write("-");
        if (++this.#resends > RESENDS) this.#fail(event.why);
        return;
      case "packet":
        this.#socket.write("+");
        if (waiting === undefined || STOP_REPLY.test(event.data)) return;
        this.#waiting = undefined;
        waiting.settle(event.data);
    }
  }

  #fail(why: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.fail(new Error(`gdb stub: ${why}`));
  }
}
