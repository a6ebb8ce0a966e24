import { readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { inRepository } from "../../../scripts/lib/repository.ts";
import * as p9 from "../../../services/secure9p/constants.ts";
import { REFUSALS } from "../../../services/secure9p/refusal.ts";
import { concat, frame, Peer } from "./fixture.ts";

/**
 * Frames that no honest client sends, byte for byte, each with the exact answer. Files are lists of cases:
 *
 * - `from`: what the session has seen. `fresh` nothing; `versioned` a Tversion of msize 8192; `small` one of 512, and fid 0
 *   attached; `attached` fid 0; `opened` fid 1 is `/log` to read and write, fid 2 the root; `waiting` a read of fid 3 waits
 *   with tag 5.
 * - `send`: frames in hexadecimal, in one go; `61*4` is a byte four times.
 * - `answer`: frames in order; `Rlerror <tag> <errno>` is one spelt out.
 * - `then`: the session `serves` as if nothing had been; or it wants a new Tversion or has had one, `reset`; it `waits` for
 *   the rest of the frame; or it is `closed`.
 */
interface Case {
  readonly name: string;
  readonly from: "fresh" | "versioned" | "small" | "attached" | "opened" | "waiting";
  readonly send: readonly string[];
  readonly answer: readonly string[];
  readonly then: "serves" | "reset" | "waits" | "closed";
}

const folder = inRepository("test", "services", "secure9p", "corpus");
const WAITING_TAG = 5;

function bytes(frames: readonly string[]): Uint8Array {
  const parts = frames
    .join(" ")
    .split(" ")
    .filter((token) => token !== "");
  return Buffer.concat(
    parts.map((token) => {
      const [hex = "", times = "1"] = token.split("*");
      expect(hex, token).to.match(/^([0-9a-f]{2})+$/);
      return Buffer.from(hex.repeat(Number(times)), "hex");
    }),
  );
}

function answer(frames: readonly string[]): Uint8Array {
  return concat(
    ...frames.map((one) => {
      const [name, tag, code] = one.split(" ");
      if (name !== "Rlerror") return bytes([one]);
      const refusal = REFUSALS.find((known) => known.code === code);
      if (refusal === undefined) throw new Error(`no refusal is called ${code}`);
      const into = Buffer.alloc(11);
      into.writeUInt32LE(11, 0);
      into[4] = p9.RLERROR;
      into.writeUInt16LE(Number(tag), 5);
      into.writeUInt32LE(refusal.errno, 7);
      return into;
    }),
  );
}

const hex = (some: Uint8Array): string => Buffer.from(some).toString("hex");

/** Open files of a session that has attached, by a fid that no case uses. */
function readsBoot(peer: Peer, from: number): void {
  peer.ok(p9.TWALK, { fid: from, newfid: 0x5000, names: ["proc", "boot"] }, 0x60);
  peer.ok(p9.TLOPEN, { fid: 0x5000, flags: p9.O_RDONLY }, 0x60);
  expect(peer.read(0x5000)).to.equal("cohesix");
  peer.ok(p9.TCLUNK, { fid: 0x5000 }, 0x60);
}

function prepared(from: Case["from"]): Peer {
  const peer = new Peer();
  const { root } = peer.tree;
  root.dir("proc").file("boot", "cohesix");
  root.file("log", "0123456789");
  root.file("slow", "").io = "park";
  if (from === "fresh") return peer;
  peer.ok(p9.TVERSION, { msize: from === "small" ? 512 : 8192, version: p9.VERSION }, p9.NOTAG);
  if (from === "versioned") return peer;
  peer.ok(p9.TATTACH, { fid: 0, afid: p9.NOFID });
  if (from === "opened") {
    peer.open(1, ["log"], p9.O_RDWR);
    peer.open(2, []);
  }
  if (from === "waiting") {
    peer.open(3, ["slow"]);
    peer.send(frame(p9.TREAD, WAITING_TAG, { fid: 3, offset: 0, count: 10 }));
    expect([hex(peer.output()), peer.session.inFlight]).to.deep.equal(["", 1]);
  }
  return peer;
}

/** What has to hold when the case is over. */
function afterwards(peer: Peer, one: Case): void {
  const { session } = peer;
  peer.checkLedger();
  expect(session.ended).to.equal(one.then === "closed");
  expect(session.partial).to.equal(one.then === "waits");
  if (one.then === "closed") {
    const more = frame(p9.TVERSION, p9.NOTAG, { msize: 8192, version: p9.VERSION });
    peer.send(more);
    expect(hex(peer.output())).to.equal("");
  } else if (one.then !== "waits") {
    if (one.then === "serves") {
      if (session.inFlight > 0) {
        const request = peer.tree.unpark();
        expect(request.count).to.equal(10);
        request.done();
        const reply = peer.replies();
        expect(reply.map(({ type, tag }) => [type, tag])).to.deep.equal([[p9.RREAD, WAITING_TAG]]);
      }
      if (one.from !== "fresh" && one.from !== "versioned") readsBoot(peer, 0);
    }
    peer.ok(p9.TVERSION, { msize: 8192, version: p9.VERSION }, p9.NOTAG);
    expect([session.fids, session.inFlight]).to.deep.equal([0, 0]);
    peer.ok(p9.TATTACH, { fid: 0x4000, afid: p9.NOFID });
    readsBoot(peer, 0x4000);
  }
  expect(peer.errors).to.deep.equal([]);
  peer.endCleanly();
}

describe("Session against malformed frames", () => {
  const names = new Set<string>();

  for (const file of readdirSync(folder).sort()) {
    describe(file.replace(".json", ""), () => {
      for (const one of JSON.parse(readFileSync(`${folder}/${file}`, "utf8")) as Case[]) {
        const title = `${file} ${one.name}`;
        if (names.has(title)) throw new Error(`${title} is there twice`);
        names.add(title);

        it(one.name, () => {
          const whole = prepared(one.from);
          const sent = bytes(one.send);
          whole.send(sent);
          expect(hex(whole.output())).to.equal(hex(answer(one.answer)));
          afterwards(whole, one);

          // However the stream is cut, nothing changes.
          const cut = prepared(one.from);
          const got: Uint8Array[] = [];
          for (let at = 0; at < sent.length; at++) {
            cut.send(sent.subarray(at, at + 1));
            got.push(cut.output());
          }
          expect(hex(concat(...got))).to.equal(hex(answer(one.answer)));
          afterwards(cut, one);
        });
      }
    });
  }

  it("holds enough of them", () => {
    expect(names.size).to.be.at.least(200);
  });
});
