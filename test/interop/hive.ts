/**
 * A hive as the witnesses of other make need it: the whole core with workers that run, on ports of this process, somewhere to
 * attach, and the host's side of it all, which knows what is really in there.
 */
import type { Namespace } from "../../services/ninedoor/namespace.ts";
import type { Tree } from "../../services/secure9p/tree.ts";
import { TCP, TestHive } from "../services/hive/support.ts";
import { Visitor } from "../services/ninedoor/support.ts";

/** How often its turns are made up for the time that has passed. */
const TURN_MS = 5;
const HEARTBEAT_MS = 200;

export class Hive {
  /** The ticket that the Queen attaches with. */
  readonly queen: string;
  readonly #all = new TestHive({ rules: { heartbeatMs: HEARTBEAT_MS } });
  readonly #turns: NodeJS.Timeout;

  constructor() {
    this.queen = this.#all.ticket("queen");
    this.namespace.addProc("boot", () => "a hive for witnesses\n");
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

  /** The tree of a new connection, where `aname` decides. */
  tree(): Tree {
    return this.#all.hive.ticketTree(TCP);
  }

  /** The Queen by way of our own client. */
  visit(): Visitor {
    return new Visitor(this.tree(), this.queen);
  }

  /** All that is in `/log/queen.log`, from the ring itself. */
  logBytes(): Buffer {
    const { ring } = this.namespace.queenLog;
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

  /** It stands still. @throws Error if a file's provider has thrown. */
  end(): void {
    clearInterval(this.#turns);
    TestHive.all.length = 0;
    const [error] = this.#all.errors;
    if (error !== undefined) throw new Error(`a provider threw: ${(error as Error).message}`, { cause: error });
  }
}
