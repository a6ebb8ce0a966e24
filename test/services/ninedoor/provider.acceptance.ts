/**
 * What every provider keeps, whatever it serves. A provider joins by a {@link Subject}; the promises that depend on its
 * kind (may it be written, does it wait at its end) it states, and is held to.
 */
import { expect } from "chai";
import fc from "fast-check";
import type { Place } from "../../../services/ninedoor/place.ts";
import {
  O_APPEND,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  QTDIR,
  SETATTR_ATIME,
  SETATTR_MODE,
  SETATTR_MTIME,
  SETATTR_MTIME_SET,
  SETATTR_SIZE,
} from "../../../services/secure9p/constants.ts";
import { type Hive, type Visitor, WAITS } from "./support.ts";

export interface Subject {
  readonly hive: Hive;
  /** Sees the file as `/file` with all rights. */
  readonly visitor: Visitor;
  /** What it gives now from offset 0 of a new fid. */
  readonly content: string;
  /** Change what the file gives, if it can change; of an append-only file by somebody else. */
  readonly change?: () => void;
  /** End the file's life. */
  readonly end: () => void;
}

export interface Kind {
  readonly directory?: boolean;
  /** What a client may append; undefined if nothing. */
  readonly line?: string;
  /** A read at the end waits. */
  readonly waits?: boolean;
  /** A fid sees what comes after it was opened. */
  readonly grows?: boolean;
}

export function acceptsAsProvider(name: string, kind: Kind, make: () => Subject): void {
  const { directory = false, line, waits = false, grows = false } = kind;

  describe(`provider: ${name}`, () => {
    it("says what it is, the same each time, and nobody else has its qid path", () => {
      const { visitor } = make();
      const { path, type } = visitor.qid("/file");
      expect((type & QTDIR) !== 0).to.equal(directory);
      expect(visitor.qid("/file").path).to.equal(path);
      expect(visitor.qid("/").path).to.not.equal(path);
    });

    it("has nothing below it unless it is a directory, and finds no stranger", () => {
      const { visitor } = make();
      expect(visitor.walk("/file/stranger")).to.equal("!ENOENT");
    });

    it("refuses to be written unless it is append-only, however that is asked for", () => {
      const { visitor } = make();
      for (const flags of [O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_WRONLY | O_APPEND, O_RDONLY | O_TRUNC]) {
        const fid = visitor.open("/file", flags);
        if (line === undefined && !(directory && flags === (O_RDONLY | O_TRUNC)))
          expect(fid, String(flags)).to.equal("!EPERM");
        else expect(fid, String(flags)).to.be.a("number");
      }
    });

    it("takes truncation and times without effect if it is append-only, and changes of nothing else", () => {
      const { visitor, content } = make();
      const fid = visitor.walk("/file") as number;
      const harmless = line === undefined ? "!EPERM" : "";
      expect(visitor.setattr(fid, SETATTR_SIZE, 0)).to.equal(harmless);
      expect(visitor.setattr(fid, SETATTR_ATIME | SETATTR_MTIME | SETATTR_MTIME_SET)).to.equal(harmless);
      expect(visitor.setattr(fid, SETATTR_SIZE, 1)).to.equal("!EPERM");
      expect(visitor.setattr(fid, SETATTR_MODE)).to.equal("!EPERM");
      if (!directory) expect(visitor.read(visitor.opened("/file"), 0, content.length)).to.equal(content);
    });

    it("answers reads and listings each to its kind only", () => {
      const { visitor } = make();
      const fid = visitor.opened("/file");
      if (directory) expect(visitor.read(fid, 0)).to.equal("!EINVAL");
      else expect(visitor.page(fid, 0, 4096)).to.equal("!EINVAL");
      expect(visitor.write(fid, "x\n")).to.equal("!EBADF");
    });

    it("is not found any more when its life has ended", () => {
      const { visitor, end } = make();
      const walked = visitor.walk("/file") as number;
      end();
      expect(visitor.open("/file")).to.equal("!ENOENT");
      expect(visitor.size(walked)).to.equal("!ENOENT");
    });

    it("is called by the book: no request is left or answered twice, and no file left open", () => {
      const { visitor } = make();
      const fid = visitor.opened("/file");
      visitor.readLater(fid, 0);
      visitor.readLater(fid, 1_000_000);
      visitor.page(fid, 0, 100);
      visitor.size(fid);
      visitor.clunk(fid);
      expect(visitor.session.inFlight).to.equal(0);
      const { requests, replies, dropped, late, providerErrors } = visitor.session.counters;
      expect([requests, late, providerErrors]).to.deep.equal([replies + dropped, 0, 0]);
      expect(visitor.errors).to.deep.equal([]);
    });

    if (directory) return;

    it("has a size that is what can be read", () => {
      const { visitor, content } = make();
      const fid = visitor.walk("/file") as number;
      expect(visitor.size(fid)).to.equal(content.length);
      const opened = visitor.opened("/file");
      expect(visitor.size(opened)).to.equal(content.length);
      expect(visitor.read(opened, 0, content.length)).to.equal(content);
    });

    it("gives the same bytes whatever pieces they are read in", () => {
      const { visitor, content } = make();
      const fid = visitor.opened("/file");
      fc.assert(
        fc.property(fc.nat({ max: content.length }), fc.nat({ max: content.length }), (a, b) => {
          const from = Math.min(a, b);
          const to = Math.max(a, b);
          if (to > from) expect(visitor.read(fid, from, to - from)).to.equal(content.slice(from, to));
        }),
      );
      expect(visitor.read(fid, 0, 0)).to.equal("");
    });

    it(`${waits ? "waits" : "gives nothing"} at its end and behind it`, () => {
      const { visitor, content } = make();
      for (const offset of [content.length, content.length + 1, Number.MAX_SAFE_INTEGER - 8192]) {
        const fid = visitor.opened("/file");
        expect(visitor.readLater(fid, offset).result).to.equal(waits ? WAITS : "");
        // Some have but one place to wait.
        visitor.clunk(fid);
      }
    });

    it(`shows an open fid ${grows ? "what comes" : "what it was when it was opened"}`, () => {
      const { visitor, content, change } = make();
      const fid = visitor.opened("/file");
      change?.();
      if (change !== undefined && !grows) expect(visitor.cat("/file")).to.not.equal(content);
      expect(visitor.read(fid, 0, content.length)).to.equal(content);
      if (grows) expect(visitor.size(fid)).to.be.greaterThan(content.length);
      else expect(visitor.size(fid)).to.equal(content.length);
    });

    it("drains what was there when its life ends, then says Closed", () => {
      const { visitor, content, end } = make();
      const fid = visitor.opened("/file");
      const writing = line === undefined ? undefined : visitor.opened("/file", O_WRONLY);
      end();
      if (content !== "") expect(visitor.read(fid, 0)).to.equal(content);
      expect(visitor.read(fid, content.length)).to.equal("!ESHUTDOWN");
      if (writing !== undefined) {
        expect(visitor.write(writing, `${line}\n`)).to.equal("!ESHUTDOWN");
        expect(visitor.setattr(writing, SETATTR_SIZE, 0)).to.equal("!ESHUTDOWN");
      }
    });

    if (line !== undefined) {
      it("ignores the offset of what is appended", () => {
        const { visitor } = make();
        const fid = visitor.opened("/file", O_WRONLY);
        for (const offset of [0, 5, 123_456]) {
          expect(visitor.write(fid, `${line}\n`, offset)).to.equal(String(line.length + 1));
        }
      });
    }
  });
}

/** A hive with one more file, `/file`, that a Queen may do everything with. @param session her session's number, if it matters */
export function place(hive: Hive, file: Place, session?: number): Visitor {
  hive.namespace.root.add("file", file);
  return visitorOf(hive, session);
}

/** One who may do everything with it. */
export function visitorOf(hive: Hive, session?: number): Visitor {
  const view = hive.view("queen", undefined, session);
  // The policy has no row for it, and is not what is tested here.
  view.may = () => undefined;
  return hive.enter(view);
}
