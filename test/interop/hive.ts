/**
 * A hive as the witnesses of other make need it: the whole core with workers that run, on ports of this process, somewhere to
 * attach, and the host's side of it all, which knows what is really in there.
 */
import type { Namespace } from "../../services/ninedoor/namespace.ts";
import type { Ring } from "../../services/ninedoor/ring.ts";
import type { Session } from "../../services/secure9p/session.ts";
import { TestHive } from "../services/hive/support.ts";
import type { Visitor } from "../services/ninedoor/support.ts";

/** How often its turns are made up for the time that has passed. */
const TURN_MS = 5;
const HEARTBEAT_MS = 200;
/** More than the witnesses ever open at once. */
const SESSIONS = 64;
const LONG_LINES = 2000;
const LINE_BYTES = 1024;
const LONG_BYTES = 65_536;

export class Hive {
  /** The ticket that the Queen attaches with. */
  readonly queen: string;
  /** What is in `/log/long.log`, which is longer than any message and never changes. */
  readonly long: Buffer;
  readonly #all = new TestHive({ rules: { heartbeatMs: HEARTBEAT_MS }, limits: { sessions: SESSIONS } });
  readonly #turns: NodeJS.Timeout;

  constructor() {
    this.queen = this.#all.ticket("queen");
    this.namespace.addProc("boot", () => "a hive for witnesses\n");
    const long = this.namespace.files.ring(LONG_BYTES, LINE_BYTES);
    for (let n = 0; n < LONG_LINES; n++) {
      const line = Buffer.from(`line ${n} größer als ASCII`);
      long.append(line, 0, line.length);
    }
    this.namespace.addLog("long.log", long);
    this.long = bytesOf(long);
    let last = performance.now();
    this.#turns = setInterval(() => {
      const now = performance.now();
      this.#all.pass(now - last);
      last = now;
    }, TURN_MS);
  }

  get namespace(): Namespace {
    return this.#all.hive.namespace;
  }

  /** What serves a new connection, where `aname` decides. @param failed told what a provider threw */
  session(failed: (error: unknown) => void): Session {
    return this.#all.ticketSession({ failed });
  }

  /** The Queen by way of our own client. */
  visit(): Visitor {
    return this.#all.visit(this.#all.login("queen", this.queen));
  }

  /** All that is in `/log/queen.log`, from the ring itself. */
  logBytes(): Buffer {
    return bytesOf(this.namespace.queenLog.ring);
  }

  /** It stands still. @throws Error if a file's provider has thrown. */
  end(): void {
    clearInterval(this.#turns);
    TestHive.all.length = 0;
    const [error] = this.#all.errors;
    if (error !== undefined) throw new Error(`a provider threw: ${(error as Error).message}`, { cause: error });
  }
}

function bytesOf(ring: Ring): Buffer {
  const parts: Uint8Array[] = [];
  const sink = {
    put(bytes: Uint8Array, start: number, length: number): number {
      parts.push(bytes.slice(start, start + length));
      return length;
    },
  };
  ring.send(sink, ring.start, ring.end - ring.start);
  return Buffer.concat(parts);
}
