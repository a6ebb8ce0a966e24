/**
 * What providers are made of. A {@link Place} is secure9p's `Node` that is told who asks: every plain `Node` is one, so
 * the tree of another server may stand where a file of ours could.
 */
import type { Later } from "../pump/later.ts";
import type { Principal } from "../roles/policy.ts";
import type { AttributeChange } from "../secure9p/message.ts";
import type { Refusal } from "../secure9p/refusal.ts";
import type { OpenFile, Request } from "../secure9p/tree.ts";
import type { Qid } from "../secure9p/wire.ts";

/** Bytes of computed texts that a session has open and most that it ever had, and times that one more was refused. */
export interface HeldTexts {
  used: number;
  peak: number;
  full: number;
}

/** Number of the session that a worker's component has; whoever logs in as the worker has another. */
export const OWN_SESSION = 0;

/** Who asks: a session with its own mounts. */
export interface Client {
  readonly who: Principal;
  /** Number of the session, for the log. */
  readonly session: number;
  /** Computed texts that it has open. */
  readonly texts: HeldTexts;
  /** Let `to` show what `from` shows. @returns why not, and then nothing has changed. */
  bind(from: string, to: string): Refusal | undefined;
  /** Let `at` show a service. @returns why not, and then nothing has changed. */
  mount(service: string, at: string): Refusal | undefined;
}

/** A walk may find any place. */
export interface WalkRequest extends Request {
  found(place: Place): void;
}

/** A file or directory; the promises are those of `Node` in secure9p/tree.ts. */
export interface Place {
  readonly qid: Qid;
  /** Whether `open` answers before it returns, always; such places spare the hive a request that can wait. */
  readonly immediate?: boolean;
  /** Which writes to it are lines of the audit log; none if absent. */
  readonly audits?: "all" | "refused" | undefined;
  /** What `walk` finds, of directories that know at once; they have it beside `walk`, for the same reason. */
  find?(name: string, client: Client): Place | undefined;
  walk(request: WalkRequest, name: string, client: Client): void;
  open(request: Request, client: Client): void;
  getattr(request: Request, file: OpenFile | undefined, client: Client): void;
  setattr(request: Request, change: AttributeChange, file: OpenFile | undefined, client: Client): void;
}

/** Takes whole lines. */
export interface LineHandler {
  /**
   * One line without its newline; the bytes are valid until this returns, and what they say was not checked.
   * @returns why it is refused, and then nothing was done.
   */
  take(bytes: Uint8Array, start: number, length: number, client: Client): Refusal | undefined;
}

/** Takes whole lines of which some take a while: what came of those is told later, and they are undone if nobody waits for it. */
export interface SlowLineHandler {
  /** As {@link LineHandler}. */
  take(bytes: Uint8Array, start: number, length: number, client: Client): Taken | Later<Refusal | undefined>;
}

/** What came of a line: nothing to say, or why it is refused. */
export type Taken = Refusal | undefined;

/** How long some files live: a worker's until it ends. Nobody finds them then; open ones give what they hold, then `Closed`. */
export class Lifetime {
  #ended = false;
  #listeners: (() => void)[] = [];

  get ended(): boolean {
    return this.#ended;
  }

  /** Call that when it ends. */
  onEnd(listener: () => void): void {
    this.#listeners.push(listener);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    // Forgotten, for they hold what holds this: rings are too large to wait for a collection of cycles.
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}
