/**
 * A hive's namespace for tests, and visitors who come in by the front door: secure9p's client and session, joined byte by
 * byte. What a visitor is refused reads `!EPERM` and the like, and what waits reads `…`.
 */
import type { Refusal } from "../../../services/secure9p/refusal.ts";
import { SessionTree } from "../../../services/ninedoor/attach.ts";
import { AuditLog } from "../../../services/log/audit-log.ts";
import { Namespace, type NamespaceLimits } from "../../../services/ninedoor/namespace.ts";
import type { Client as Asker, LineHandler } from "../../../services/ninedoor/place.ts";
import { View } from "../../../services/ninedoor/view.ts";
import { Account, DEFAULT_BUDGETS } from "../../../services/roles/budget.ts";
import { Grant } from "../../../services/roles/grant.ts";
import type { Role } from "../../../services/roles/roles.ts";
import type { Scope } from "../../../services/roles/scope.ts";
import type { Quotas } from "../../../services/roles/ticket.ts";
import { Client } from "../../../services/secure9p/client.ts";
import type { Done } from "../../../services/secure9p/client-calls.ts";
import { GETATTR_BASIC, O_RDONLY, RREAD } from "../../../services/secure9p/constants.ts";
import { Entries } from "../../../services/secure9p/entries.ts";
import { AttributeChange } from "../../../services/secure9p/message.ts";
import { INVALID } from "../../../services/secure9p/refusal.ts";
import { Session } from "../../../services/secure9p/session.ts";
import type { Tree } from "../../../services/secure9p/tree.ts";
import { ManualClock, nodeBytes, text, utf8 } from "../support/ports.ts";

export const WAITS = "…";

export interface Found {
  readonly path: number;
  readonly version: number;
  readonly type: number;
}

/** Of a directory; `path` and `type` are its qid's. */
export interface Entry {
  readonly name: string;
  readonly offset: number;
  readonly path: number;
  readonly type: number;
}

/** One 9P connection, attached. */
export class Visitor {
  readonly session: Session;
  readonly client = new Client({ bytes: nodeBytes });
  readonly errors: unknown[] = [];
  /** Moves what has to move elsewhere for an answer; @returns whether anything did. */
  around: (() => boolean) | undefined = undefined;
  #fids = 0;

  /** @param over a tree to serve, or a session that serves one already */
  constructor(over: Tree | Session, aname = "") {
    const failed = (error: unknown): void => void this.errors.push(error);
    this.session = over instanceof Session ? over : new Session({ tree: over, bytes: nodeBytes, failed });
    this.#ask((done) => this.client.version(done));
    this.attached = this.#ask((done) => this.client.attach(0, "", aname, done));
  }

  /** "" or why not. */
  readonly attached: string;

  /** Carry bytes to and fro until there are none. */
  pump(): void {
    const { client, session } = this;
    while (client.unsent + session.unsent > 0 || this.around?.() === true) {
      if (client.unsent > 0) client.sent(session.receive(client.out, client.start, client.run));
      if (session.unsent > 0) {
        const { run } = session;
        client.receive(session.out, session.start, run);
        session.sent(run);
      }
    }
  }

  #ask(send: (done: Done) => unknown, take?: Done): string {
    const later = this.ask(send, take);
    return later.result;
  }

  /** Ask, and look at `result` again when it may have come. */
  ask(send: (done: Done) => unknown, take?: Done): { result: string; tag: unknown } {
    const outcome: { result: string; tag: unknown } = { result: WAITS, tag: undefined };
    outcome.tag = send((reply, error) => {
      outcome.result = error === undefined ? "" : `!${error.code}`;
      if (error === undefined) {
        take?.(reply, error);
        if (reply.type === RREAD) {
          outcome.result = text(reply.data.bytes.slice(reply.data.start, reply.data.start + reply.data.length));
        }
      }
    });
    this.pump();
    return outcome;
  }

  /** @returns the fid, or why not. */
  walk(path: string): number | string {
    const names = path.split("/").filter((name) => name !== "");
    const fid = ++this.#fids;
    let walked = 0;
    const result = this.#ask(
      (done) => this.client.walk(0, fid, names, done),
      (reply) => {
        walked = reply.nwqid;
      },
    );
    if (result !== "") return result;
    if (walked === names.length) return fid;
    // Why it went no further is what the next step says.
    const part = ++this.#fids;
    this.#ask((done) => this.client.walk(0, part, names.slice(0, walked), done));
    const why = this.#ask((done) => this.client.walk(part, fid, names.slice(walked), done));
    this.clunk(part);
    return why;
  }

  open(path: string, flags = O_RDONLY): number | string {
    const fid = this.walk(path);
    if (typeof fid === "string") return fid;
    const why = this.#ask((done) => this.client.open(fid, flags, done));
    if (why === "") return fid;
    this.clunk(fid);
    return why;
  }

  /** Open what must open. */
  opened(path: string, flags = O_RDONLY): number {
    const fid = this.open(path, flags);
    if (typeof fid === "string") throw new Error(`${path}: ${fid}`);
    return fid;
  }

  read(fid: number, offset: number, count = 4096): string {
    return this.#ask((done) => this.client.read(fid, offset, count, done));
  }

  readLater(fid: number, offset: number, count = 4096): { result: string; tag: unknown } {
    return this.ask((done) => this.client.read(fid, offset, count, done));
  }

  write(fid: number, line: string | Uint8Array, offset = 0): string {
    const bytes = typeof line === "string" ? utf8(line) : line;
    let count = -1;
    const why = this.#ask(
      (done) => this.client.write(fid, offset, bytes, 0, bytes.length, done),
      (reply) => {
        count = reply.count;
      },
    );
    return why === "" ? String(count) : why;
  }

  /** All of a file. */
  cat(path: string): string {
    const fid = this.open(path);
    if (typeof fid === "string") return fid;
    let all = "";
    for (;;) {
      const part = this.read(fid, utf8(all).length);
      if (part === "" || part.startsWith("!")) break;
      all += part;
    }
    this.clunk(fid);
    return all;
  }

  /** Open, write, close. */
  echo(line: string, path: string, flags = 1): string {
    const fid = this.open(path, flags);
    if (typeof fid === "string") return fid;
    const result = this.write(fid, line);
    this.clunk(fid);
    return result;
  }

  /** Entries from an offset, in as many requests as it takes. @param count bytes of each answer */
  list(path: string, count = 4096): string[] | string {
    const fid = this.open(path, O_RDONLY);
    if (typeof fid === "string") return fid;
    const names: string[] = [];
    let offset = 0;
    for (;;) {
      const page = this.page(fid, offset, count);
      if (typeof page === "string") return page;
      if (page.length === 0) break;
      for (const entry of page) names.push(entry.name);
      offset = page[page.length - 1]!.offset;
    }
    this.clunk(fid);
    return names;
  }

  page(fid: number, offset: number, count: number): Entry[] | string {
    const entries = new Entries(nodeBytes);
    const page: Entry[] = [];
    const why = this.#ask(
      (done) => this.client.readdir(fid, offset, count, done),
      (reply) => {
        entries.begin(reply.data);
        while (entries.next()) {
          const { type, path } = entries.qid;
          page.push({ name: entries.name.text(nodeBytes), offset: entries.offset, path, type });
        }
      },
    );
    return why === "" ? page : why;
  }

  size(fid: number): number | string {
    let size = -1;
    const why = this.#ask(
      (done) => this.client.getattr(fid, GETATTR_BASIC, done),
      (reply) => {
        size = reply.attributes.size;
      },
    );
    return why === "" ? size : why;
  }

  /** Where a fid's offset 0 and the file's end stand in bytes since boot, and `valid`. */
  span(fid: number): { start: number; end: number; valid: number } | string {
    let span = { start: -1, end: -1, valid: -1 };
    const why = this.#ask(
      (done) => this.client.getattr(fid, GETATTR_BASIC, done),
      ({ attributes: { size, dataVersion, valid } }) => {
        span = { start: dataVersion - size, end: dataVersion, valid };
      },
    );
    return why === "" ? span : why;
  }

  qid(path: string): Found {
    const fid = this.walk(path);
    if (typeof fid === "string") throw new Error(`${path}: ${fid}`);
    let found: Found = { path: -1, version: -1, type: -1 };
    this.#ask(
      (done) => this.client.getattr(fid, GETATTR_BASIC, done),
      (reply) => {
        found = { ...reply.qid };
      },
    );
    this.clunk(fid);
    return found;
  }

  setattr(fid: number, valid: number, size = 0): string {
    const change = Object.assign(new AttributeChange(), { valid, size });
    return this.#ask((done) => this.client.setattr(fid, change, done));
  }

  clunk(fid: number): string {
    return this.#ask((done) => this.client.clunk(fid, done));
  }
}

/** What a control file was given; a line that starts with `no` is refused. */
export class Commands implements LineHandler {
  readonly lines: string[] = [];
  readonly askers: Asker[] = [];

  take(bytes: Uint8Array, start: number, length: number, client: Asker): Refusal | undefined {
    const line = text(bytes.slice(start, start + length));
    if (line.startsWith("no")) return INVALID;
    this.lines.push(line);
    this.askers.push(client);
    return undefined;
  }
}

export interface Ticket {
  readonly subject?: string;
  readonly scopes?: readonly Scope[];
  readonly quotas?: Quotas;
}

/** A namespace and what it is connected to. */
export class Hive {
  readonly clock = new ManualClock();
  readonly queen = new Commands();
  readonly control = new Commands();
  /** Milliseconds for which workers wait, by the order in which they began to; it wakes nobody. */
  readonly yields: number[] = [];
  readonly alarm = { set: (ms: number) => void this.yields.push(ms), clear: () => undefined };
  readonly namespace: Namespace;
  readonly audit: AuditLog;
  leased = true;
  status = "state=running\n";
  #sessions = 0;

  constructor(limits: Partial<NamespaceLimits> = {}) {
    this.namespace = new Namespace({
      bytes: nodeBytes,
      clock: this.clock,
      queen: this.queen,
      limits: { logBytes: 8192, telemetryBytes: 4096, traceBytes: 2048, resultBytes: 4200, ...limits },
    });
    this.audit = new AuditLog(this.namespace.queenLog, this.clock);
    this.namespace.addProc("boot", () => `boot at ${this.clock.us}\n`);
    this.namespace.addProc("net/tcp", () => "tcp: none\n");
  }

  spawn(takesJobs = false): string {
    const worker = this.namespace.workers.add({
      status: () => this.status,
      control: this.control,
      alarm: this.alarm,
      takesJobs,
    });
    if (worker === undefined) throw new Error("no room for a worker");
    return worker.id;
  }

  grant(role: Role, { subject = "", scopes = [], quotas }: Ticket = {}): Grant {
    return new Grant(role, subject, new Account(DEFAULT_BUDGETS[role], 0), scopes, quotas);
  }

  /** @param session its number, another for each if absent */
  view(role: Role, ticket?: Ticket, session = ++this.#sessions): View {
    return new View({
      namespace: this.namespace,
      grant: this.grant(role, ticket),
      session,
      leases: { isLessee: () => this.leased },
      audit: this.audit,
      clock: this.clock,
    });
  }

  visit(role: Role, ticket?: Ticket): Visitor {
    return this.enter(this.view(role, ticket));
  }

  enter(view: View): Visitor {
    return new Visitor(new SessionTree(view, this.namespace.counters));
  }
}
