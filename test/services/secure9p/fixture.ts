/**
 * A tree to serve in tests, which counts what it hands out and can answer late, wrongly or not at all; and the other end
 * of a session, which speaks frames.
 */
import { expect } from "chai";
import * as p9 from "../../../services/secure9p/constants.ts";
import { DECODED, decode } from "../../../services/secure9p/decode.ts";
import { encode } from "../../../services/secure9p/encode.ts";
import { Attributes, Message } from "../../../services/secure9p/message.ts";
import { INVALID, NOT_FOUND, PERMISSION } from "../../../services/secure9p/refusal.ts";
import { Session, type SessionOptions } from "../../../services/secure9p/session.ts";
import type { Node, OpenFile, Request, Tree } from "../../../services/secure9p/tree.ts";
import { type Qid, Reader, type Span, Writer } from "../../../services/secure9p/wire.ts";
import { nodeBytes, text, utf8 } from "../support/ports.ts";

export { nodeBytes, text, utf8 };

/** How a node behaves to one kind of request. */
export type Behaviour = "answer" | "park" | "forget" | "throw";

export class TestTree implements Tree {
  #paths = 0;
  opened = 0;
  closed = 0;
  cancelled: Request[] = [];
  /** In the order they came. */
  parked: Request[] = [];
  readonly root = new TestNode(this, p9.QTDIR);
  attachBehaviour: Behaviour = "answer";

  nextPath(): number {
    return ++this.#paths;
  }

  attach(request: Request, aname: string): void {
    if (aname === "no") request.refuse(PERMISSION);
    else this.behave(request, this.attachBehaviour, () => request.found(this.root));
  }

  /** Do what a behaviour says. */
  behave(request: Request, behaviour: Behaviour, answer: () => void): void {
    if (behaviour === "answer") answer();
    else if (behaviour === "throw") throw new Error("provider");
    else if (behaviour === "park") {
      this.parked.push(request);
      request.park({
        cancelled: (over) => {
          expect(over).to.equal(request);
          // One that has been taken to be answered may be over because the answer was wrong.
          const index = this.parked.indexOf(over);
          if (index >= 0) this.parked.splice(index, 1);
          this.cancelled.push(over);
        },
      });
    }
  }

  /** Take a parked request to answer it. */
  unpark(index = 0): Request {
    const [request] = this.parked.splice(index, 1);
    if (request === undefined) throw new Error("nothing is parked");
    return request;
  }
}

export class TestNode implements Node {
  readonly qid: Qid;
  readonly children = new Map<string, TestNode>();
  content: Uint8Array = new Uint8Array(0);
  walking: Behaviour = "answer";
  opening: Behaviour = "answer";
  asking: Behaviour = "answer";
  io: Behaviour = "answer";
  changes: string[] = [];
  readonly tree: TestTree;

  constructor(tree: TestTree, type: number) {
    this.tree = tree;
    this.qid = { type, version: 0, path: tree.nextPath() };
  }

  dir(name: string): TestNode {
    return this.add(name, new TestNode(this.tree, p9.QTDIR));
  }

  file(name: string, content: string): TestNode {
    const node = this.add(name, new TestNode(this.tree, p9.QTFILE));
    node.content = utf8(content);
    return node;
  }

  add(name: string, node: TestNode): TestNode {
    this.children.set(name, node);
    return node;
  }

  walk(request: Request, name: string): void {
    this.tree.behave(request, this.walking, () => {
      const child = this.children.get(name);
      if (child === undefined) request.refuse(NOT_FOUND);
      else request.found(child);
    });
  }

  open(request: Request): void {
    this.tree.behave(request, this.opening, () => request.opened(this.handle()));
  }

  handle(): OpenFile {
    this.tree.opened++;
    let live = true;
    return {
      read: (request) =>
        this.tree.behave(request, this.io, () => {
          const left = Math.max(0, this.content.length - request.offset);
          request.put(this.content, this.content.length - left, left);
          request.done();
        }),
      write: (request, bytes, start, length) =>
        this.tree.behave(request, this.io, () => {
          this.content = Uint8Array.from([...this.content, ...bytes.subarray(start, start + length)]);
          this.qid.version++;
          request.wrote(length);
        }),
      readdir: (request) =>
        this.tree.behave(request, this.io, () => {
          const names = [...this.children];
          for (let i = request.offset; i < names.length; i++) {
            const [name, node] = names[i]!;
            const type = (node.qid.type & p9.QTDIR) === 0 ? p9.DT_REG : p9.DT_DIR;
            if (!request.entry(node.qid, i + 1, type, name)) break;
          }
          request.done();
        }),
      close: () => {
        if (!live) throw new Error("closed twice");
        live = false;
        this.tree.closed++;
      },
    };
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    this.tree.behave(request, this.asking, () => {
      const a = new Attributes();
      a.valid = request.mask & p9.GETATTR_BASIC;
      a.mode = (this.qid.type & p9.QTDIR) === 0 ? p9.S_IFREG | 0o444 : p9.S_IFDIR | 0o555;
      a.size = this.content.length;
      a.nlink = file === undefined ? 1 : 2;
      request.attributes(a);
    });
  }

  setattr(request: Request, change: { valid: number; size: number }): void {
    this.tree.behave(request, this.asking, () => {
      this.changes.push(`${change.valid} ${change.size}`);
      if ((change.valid & p9.SETATTR_MODE) !== 0) request.refuse(INVALID);
      else request.done();
    });
  }
}

/** A span of its own bytes. */
export function span(into: Span, value: string | Uint8Array): Span {
  const bytes = typeof value === "string" ? utf8(value) : value;
  into.set(bytes, 0, bytes.length);
  return into;
}

/** A message of numbers and texts. */
export interface Frame {
  readonly [field: string]: number | string | Uint8Array | readonly string[];
}

const writer = new Writer(nodeBytes);

/** Encode a frame from its fields; texts may be given as strings. */
export function frame(type: number, tag: number, fields: Frame = {}): Uint8Array {
  const m = new Message();
  for (const [name, value] of Object.entries(fields)) {
    if (name === "names") {
      const names = value as readonly string[];
      m.nwname = names.length;
      names.forEach((element, i) => span(m.wnames[i]!, element));
    } else if (name === "size" || name === "valid") {
      m.change[name] = value as number;
    } else if (typeof value === "number") Object.assign(m, { [name]: value });
    else span(m[name as "name"], value as string);
  }
  m.type = type;
  m.tag = tag;
  const into = new Uint8Array(20000);
  const size = encode(m, writer, into, 0, into.length);
  if (size < 0) throw new Error(`message ${type} cannot be encoded`);
  return into.slice(0, size);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export interface Reply {
  type: number;
  tag: number;
  message: Message;
}

/** The client's end of a session. */
export class Peer {
  readonly tree: TestTree;
  readonly session: Session;
  readonly errors: unknown[] = [];

  constructor(options: Partial<SessionOptions> & { tree?: TestTree } = {}) {
    this.tree = options.tree ?? new TestTree();
    this.session = new Session({
      bytes: nodeBytes,
      failed: (error) => this.errors.push(error),
      ...options,
      tree: this.tree,
    });
  }

  /** Version, and fid 0 at the root. */
  static attached(options: Partial<SessionOptions> & { tree?: TestTree } = {}): Peer {
    const peer = new Peer(options);
    expect(peer.ask(p9.TVERSION, { msize: 8192, version: "9P2000.L" }, p9.NOTAG).type).to.equal(p9.RVERSION);
    expect(peer.ask(p9.TATTACH, { fid: 0, afid: p9.NOFID, aname: "" }).type).to.equal(p9.RATTACH);
    return peer;
  }

  /** Send bytes, all of which have to be taken. */
  send(...parts: readonly Uint8Array[]): void {
    const bytes = concat(...parts);
    expect(this.session.receive(bytes, 0, bytes.length)).to.equal(bytes.length);
  }

  /** What has been sent back since the last call. */
  output(): Uint8Array {
    const parts: Uint8Array[] = [];
    while (this.session.unsent > 0) {
      const { start, run } = this.session;
      parts.push(this.session.out.slice(start, start + run));
      this.session.sent(run);
    }
    return concat(...parts);
  }

  /** The same as messages, each of which has to decode. */
  replies(): Reply[] {
    const bytes = this.output();
    const replies: Reply[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
      const message = new Message();
      expect(decode(message, new Reader(), bytes, at, size)).to.equal(DECODED);
      replies.push({ type: message.type, tag: message.tag, message });
      at += size;
    }
    return replies;
  }

  /** One request, one reply with its tag. */
  ask(type: number, fields: Frame = {}, tag = 1): Message {
    this.send(frame(type, tag, fields));
    const replies = this.replies();
    expect(replies.map((reply) => reply.tag)).to.deep.equal([tag]);
    return replies[0]!.message;
  }

  /** Paths of the qids that a walk gave, or the errno of its refusal. */
  walk(names: readonly string[], newfid: number, fid: number): number | number[] {
    const m = this.ask(p9.TWALK, { fid, newfid, names });
    return m.type === p9.RLERROR ? m.ecode : m.wqids.slice(0, m.nwqid).map((qid) => qid.path);
  }

  /** End the session; whatever happened in it, every request was answered or dropped and nothing is held any more. */
  endCleanly(): void {
    this.checkLedger();
    this.session.close();
    this.checkLedger();
    expect(this.tree.opened).to.equal(this.tree.closed);
    expect([this.session.inFlight, this.session.fids]).to.deep.equal([0, 0]);
  }

  /** One request that has to succeed. */
  ok(type: number, fields: Frame = {}, tag = 1): Message {
    const reply = this.ask(type, fields, tag);
    expect(reply.type === p9.RLERROR ? `errno ${reply.ecode}` : reply.type).to.equal(type + 1);
    return reply;
  }

  /** One request that has to fail. @returns its errno. */
  fails(type: number, fields: Frame = {}, tag = 1): number {
    const reply = this.ask(type, fields, tag);
    expect(reply.type).to.equal(p9.RLERROR);
    return reply.ecode;
  }

  /** Walk from fid 0 and open. */
  open(fid: number, names: readonly string[], flags = p9.O_RDONLY): void {
    this.ok(p9.TWALK, { fid: 0, newfid: fid, names });
    this.ok(p9.TLOPEN, { fid, flags });
  }

  read(fid: number, offset = 0, count = 8192): string {
    return text(spanBytes(this.ok(p9.TREAD, { fid, offset, count }).data));
  }

  /** The session's books balance, and the tree got back what it gave. */
  checkLedger(): void {
    const { requests, replies, dropped } = this.session.counters;
    expect(requests).to.equal(replies + dropped + this.session.inFlight);
  }
}

export function spanBytes(s: Span): Uint8Array {
  return s.bytes.slice(s.start, s.start + s.length);
}
