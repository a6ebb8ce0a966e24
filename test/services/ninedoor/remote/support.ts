/**
 * A hive to which services dial in, without the wire between: an exporter is either a session that serves a tree, or the test itself,
 * which sees the hive's requests and answers what it likes.
 */
import { expect } from "chai";
import { Exports, type Keeper } from "../../../../services/ninedoor/remote/exports.ts";
import { RemoteService } from "../../../../services/ninedoor/remote/service.ts";
import { Timers } from "../../../../services/pump/timers.ts";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { DECODED, decode } from "../../../../services/secure9p/decode.ts";
import { Message } from "../../../../services/secure9p/message.ts";
import type { Session } from "../../../../services/secure9p/session.ts";
import { Reader } from "../../../../services/secure9p/wire.ts";
import { concat, frame, type Frame, spanBytes } from "../../secure9p/fixture.ts";
import { emit, message, type QidValue } from "../../secure9p/layouts.ts";
import { nodeBytes, text } from "../../support/ports.ts";
import { Hive, type Visitor } from "../support.ts";

export const PROVIDER_US = 5_000_000;

/** A request of the hive, as far as tests look. */
export interface Asked {
  readonly type: number;
  readonly tag: number;
  readonly fid: number;
  readonly newfid: number;
  readonly names: readonly string[];
  readonly offset: number;
  readonly count: number;
  readonly oldtag: number;
  readonly flags: number;
  readonly data: string;
  readonly aname: string;
  readonly uname: string;
}

/** Who is at the other end of an export. */
export class Exporter {
  readonly service: RemoteService;
  readonly #session: Session | undefined;

  constructor(service: RemoteService, session: Session | undefined) {
    this.service = service;
    this.#session = session;
  }

  /** What the hive sent since this was last asked. */
  bytes(): Uint8Array {
    const { service } = this;
    const parts: Uint8Array[] = [];
    while (service.unsent > 0) {
      parts.push(service.out.slice(service.start, service.start + service.run));
      service.sent(service.run);
    }
    return concat(...parts);
  }

  say(...frames: readonly Uint8Array[]): void {
    for (const bytes of frames) this.service.receive(bytes, 0, bytes.length);
  }

  /** Requests that came, each of which has to decode. */
  asked(): Asked[] {
    const bytes = this.bytes();
    const asked: Asked[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
      const m = new Message();
      expect(decode(m, new Reader(), bytes, at, size)).to.equal(DECODED);
      const { type, tag, fid, newfid, offset, count, oldtag, flags } = m;
      const names = m.wnames.slice(0, m.nwname).map((name) => name.text(nodeBytes));
      const [data, aname, uname] = [m.data, m.aname, m.uname].map((span) => text(spanBytes(span)));
      asked.push({
        ...{ type, tag, fid, newfid, offset, count, oldtag, flags, names },
        ...{ data: data!, aname: aname!, uname: uname! },
      });
      at += size;
    }
    return asked;
  }

  /** The one request that came, which has to be of that type. */
  one(type: number): Asked {
    const asked = this.asked();
    expect(asked.map((request) => request.type)).to.deep.equal([type]);
    return asked[0]!;
  }

  /** Carry bytes between the hive and the session that serves it. @returns whether there were any */
  carry(): boolean {
    const session = this.#session;
    return session !== undefined && carry(this.service, session);
  }

  /** Answer the handshake as a test that plays the exporter. */
  welcome(root = { type: p9.QTDIR, version: 0, path: 1 }, msize = 8192): this {
    this.one(p9.TVERSION);
    this.say(frame(p9.RVERSION, p9.NOTAG, { msize, version: "9P2000.L" }));
    const { tag } = this.one(p9.TATTACH);
    this.say(attached(tag, root));
    return this;
  }

  /** Answer a walk with qids. */
  walked(tag: number, ...paths: readonly number[]): void {
    this.say(walked(tag, ...paths.map((path) => ({ type: p9.QTFILE, version: 0, path }))));
  }

  /** Answer a walk and an open to a file with that path. @returns its fid */
  opened(path = 7, type: number = p9.QTFILE): number {
    const walk = this.one(p9.TWALK);
    this.say(walked(walk.tag, ...walk.names.map(() => ({ type, version: 0, path }))));
    for (const request of this.asked()) {
      if (request.type === p9.TCLUNK) this.say(frame(p9.RCLUNK, request.tag));
      else expect(request.type).to.equal(p9.TLOPEN);
      if (request.type === p9.TLOPEN) this.say(lopened(request.tag, { type, version: 0, path }));
    }
    return walk.newfid;
  }

  reply(type: number, tag: number, fields: Frame = {}): void {
    this.say(frame(type, tag, fields));
  }
}

/** Carry bytes between the hive and the session that serves an exporter's tree. @returns whether there were any */
export function carry(service: RemoteService, session: Session): boolean {
  let moved = false;
  while (!service.ended && service.unsent + session.unsent > 0) {
    moved = true;
    if (service.unsent > 0) service.sent(session.receive(service.out, service.start, service.run));
    if (session.unsent > 0) {
      const { run } = session;
      service.receive(session.out, session.start, run);
      session.sent(run);
    }
  }
  return moved;
}

export function attached(tag: number, root: QidValue): Uint8Array {
  return message(p9.RATTACH, tag, emit("13", root));
}

export function walked(tag: number, ...qids: QidValue[]): Uint8Array {
  return message(p9.RWALK, tag, emit("*13", qids));
}

export function lopened(tag: number, qid: QidValue, iounit = 0): Uint8Array {
  return message(p9.RLOPEN, tag, [...emit("13", qid), ...emit("4", iounit)]);
}

export class ExportHive extends Hive {
  readonly timers = new Timers(16);
  readonly failures: unknown[] = [];
  readonly exports: Exports;
  /** Who looks after exporters; a test may add to it. */
  readonly keepers = new Map<string, Keeper>();
  #exporters: Exporter[] = [];
  #sessionNumber = 100;

  constructor() {
    super();
    const { namespace, clock, timers } = this;
    this.exports = new Exports({
      bytes: nodeBytes,
      clock,
      timers,
      log: namespace.queenLog,
      services: namespace.services,
      qids: namespace.files.qids,
      providerUs: PROVIDER_US,
      keepers: this.keepers,
      failed: (error) => this.failures.push(error),
    });
  }

  /** Somebody exports. @param session serves its tree, or nobody does and the test answers */
  dial(name: string, session?: Session): Exporter {
    const service = this.exports.open(name, ++this.#sessionNumber);
    if (!(service instanceof RemoteService)) throw new Error(`${name}: ${service.code}`);
    const exporter = new Exporter(service, session);
    this.#exporters.push(exporter);
    exporter.carry();
    return exporter;
  }

  /** A Queen who sees a service at `/mnt`. @param session its number, if it is not one more than the last */
  /** @param subject the worker whose session it is */
  mounted(name: string, session?: number, subject = ""): Visitor {
    const view = this.view("queen", { subject }, session);
    expect(view.mount(name, "/mnt")).to.equal(undefined);
    return this.watched(this.enter(view));
  }

  /** One whose requests the exporters answer at once if they can. */
  watched(visitor: Visitor): Visitor {
    visitor.around = () => this.#exporters.map((exporter) => exporter.carry()).includes(true);
    return visitor;
  }

  pass(ms: number): void {
    const until = this.clock.us + ms * 1000;
    while (this.timers.nextUs() <= until) {
      this.clock.us = Math.max(this.clock.us, this.timers.nextUs());
      this.timers.fire(this.clock.us, 16);
    }
    this.clock.us = until;
  }

  /** Lines of the audit log about exports, without their times. */
  audited(): string[] {
    let all = "";
    const { ring } = this.namespace.queenLog;
    ring.send(
      {
        put(bytes, start, length) {
          all += text(bytes.subarray(start, start + length));
          return length;
        },
      },
      ring.start,
      ring.end - ring.start,
    );
    return all
      .split("\n")
      .map((line) => line.replace(/^\[.{11}\] /, ""))
      .filter((line) => line.startsWith("export: "))
      .map((line) => line.slice(8));
  }
}
