import { expect } from "chai";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { OWN_SESSION } from "../../../../services/ninedoor/place.ts";
import { frame } from "../../secure9p/fixture.ts";
import { utf8 } from "../../support/ports.ts";
import { WAITS } from "../support.ts";
import { lopened, PROVIDER_US } from "./support.ts";
import { AWAY, FILE, played, step, leavesNothing } from "./played.ts";

describe("RemoteService: bounds", () => {
  it("asks 16 things at once, has 32 wait, and refuses the rest", () => {
    const { hive, exporter } = played();
    const queens = Array.from({ length: 4 }, () => hive.mounted("files", OWN_SESSION));
    const asked = queens.flatMap((queen) => Array.from({ length: 14 }, (_, i) => step(queen, `f${i}`, 100 + i)));
    const first = exporter.asked();
    expect(first).to.have.length(16);
    expect(asked.filter(({ result }) => result === WAITS)).to.have.length(48);
    expect(asked.filter(({ result }) => result === AWAY)).to.have.length(8);
    expect(hive.exports.requests).to.include({ busy: 8, inFlightHighWater: 16, waited: 32, waitingHighWater: 32 });
    expect(
      hive.exports.pools(16).map(([name, , , of, peak, , times]) => [name, of, peak, times]),
    ).to.deep.include.members([
      ["export.requests", 16, 16, 32],
      ["export.waiting", 32, 32, 8],
    ]);
    // Each answer makes room for what has waited longest, once the fid is given back.
    for (let round = 0, last = first; last.length > 0; round++, last = exporter.asked()) {
      for (const { type, tag } of last) {
        if (type === p9.TWALK) exporter.walked(tag, 7);
        else exporter.reply(p9.RCLUNK, tag);
      }
      expect(round).to.be.lessThan(50);
    }
    for (const queen of queens) queen.pump();
    expect(asked.filter(({ result }) => result === "")).to.have.length(48);
    expect(exporter.service.fids).to.equal(1);
    leavesNothing(hive, exporter);
  });

  it("lets 16 wait that are not the hive's own, however many of those do, and has room for them all the same", () => {
    const { hive, exporter } = played();
    const walk = (own: boolean, count: number): string[] => {
      const queen = hive.mounted("files", own ? OWN_SESSION : undefined);
      return Array.from({ length: count }, (_, i) => step(queen, "a", 100 + i)).map(({ result }) => result);
    };
    const results = [walk(true, 14), walk(true, 10), walk(false, 14), walk(false, 4), walk(true, 10)];
    const waiting = results.map((each) => each.filter((result) => result === WAITS).length);
    expect(waiting).to.deep.equal([14, 10, 14, 2, 8]);
    expect([exporter.service.inFlight, exporter.service.waiting]).to.deep.equal([16, 32]);
    leavesNothing(hive, exporter);
  });

  it("keeps what a write that waits has said", () => {
    const { hive, exporter } = played();
    const view = hive.view("queen");
    view.may = () => undefined;
    view.mount("files", "/mnt");
    const queen = hive.enter(view);
    const fid = 5;
    queen.ask((done) => queen.client.walk(0, fid, ["mnt", "a"], done));
    exporter.walked(exporter.one(p9.TWALK).tag, 7);
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    queen.pump();
    queen.ask((done) => queen.client.open(fid, p9.O_RDWR, done));
    exporter.opened();
    queen.pump();
    const others = hive.mounted("files");
    for (let i = 0; i < 16; i++) step(others, "x", 100 + i);
    const walks = exporter.asked();
    const line = utf8("the first");
    const written = queen.ask((done) => queen.client.write(fid, 3, line, 0, line.length, done));
    queen.write(fid, "something else that comes through the same memory");
    exporter.reply(p9.RLERROR, walks[0]!.tag, { ecode: 2 });
    const write = exporter.one(p9.TWRITE);
    expect([write.data, write.offset]).to.deep.equal(["the first", 3]);
    exporter.reply(p9.RWRITE, write.tag, { count: 9 });
    queen.pump();
    expect(written.result).to.equal("");
    leavesNothing(hive, exporter);
  });

  it("gives up what is not answered in time, and has it flushed", () => {
    const { hive, exporter, queen } = played();
    const walking = step(queen, "a", 9);
    const { tag } = exporter.one(p9.TWALK);
    hive.pass(PROVIDER_US / 1000 - 1);
    expect(walking.result).to.equal(WAITS);
    hive.pass(1);
    queen.pump();
    expect(walking.result).to.equal("!ETIMEDOUT");
    const flush = exporter.one(p9.TFLUSH);
    expect(flush.oldtag).to.equal(tag);
    expect(exporter.service.inFlight).to.equal(1);
    exporter.reply(p9.RFLUSH, flush.tag);
    expect([exporter.service.inFlight, exporter.service.fids]).to.deep.equal([0, 1]);
    expect(hive.exports.requests.timedOut).to.equal(1);
    // A new request may have the tag and the fid again.
    step(queen, "b", 9);
    expect(exporter.one(p9.TWALK)).to.include({ tag, newfid: 1 });
    leavesNothing(hive, exporter);
  });

  it("gives back the fid of a walk and of an open that are answered too late", () => {
    const { hive, exporter, queen } = played();
    step(queen, "a", 9);
    exporter.walked(exporter.one(p9.TWALK).tag, 7);
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    queen.pump();
    const opening = queen.ask((done) => queen.client.open(9, 0, done));
    const walk = exporter.one(p9.TWALK);
    hive.pass(PROVIDER_US / 1000);
    queen.pump();
    expect(opening.result).to.equal("!ETIMEDOUT");
    const flush = exporter.one(p9.TFLUSH);
    exporter.walked(walk.tag, 7);
    exporter.reply(p9.RFLUSH, flush.tag);
    const clunk = exporter.one(p9.TCLUNK);
    expect(clunk.fid).to.equal(walk.newfid);
    exporter.reply(p9.RCLUNK, clunk.tag);
    // The same between the walk and the answer to the open.
    const again = queen.ask((done) => queen.client.open(9, 0, done));
    exporter.walked(exporter.one(p9.TWALK).tag, 7);
    const open = exporter.one(p9.TLOPEN);
    hive.pass(PROVIDER_US / 1000);
    queen.pump();
    expect(again.result).to.equal("!ETIMEDOUT");
    const second = exporter.one(p9.TFLUSH);
    exporter.say(lopened(open.tag, FILE), frame(p9.RFLUSH, second.tag));
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    expect([exporter.service.fids, exporter.service.inFlight]).to.deep.equal([1, 0]);
    leavesNothing(hive, exporter);
  });

  it("times what waits for its turn too", () => {
    const { hive, exporter } = played();
    const queens = [hive.mounted("files"), hive.mounted("files")];
    const asked = queens.flatMap((queen) => Array.from({ length: 14 }, (_, i) => step(queen, "x", 100 + i)));
    expect(exporter.asked()).to.have.length(16);
    hive.pass(PROVIDER_US / 1000);
    for (const queen of queens) queen.pump();
    expect(asked.map(({ result }) => result)).to.deep.equal(Array(28).fill("!ETIMEDOUT"));
    expect([exporter.service.waiting, exporter.service.inFlight]).to.deep.equal([0, 16]);
    leavesNothing(hive, exporter);
  });

  it("flushes what its client flushes, clunks or leaves behind", () => {
    const { hive, exporter, queen } = played();
    step(queen, "a", 9);
    exporter.walked(exporter.one(p9.TWALK).tag, 7);
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    queen.pump();
    queen.ask((done) => queen.client.open(9, 0, done));
    const theirs = exporter.opened();
    queen.pump();
    const expectFlushed = (tag: number): void => {
      const [flush, ...more] = exporter.asked();
      expect(flush).to.include({ type: p9.TFLUSH, oldtag: tag });
      exporter.reply(p9.RFLUSH, flush!.tag);
      const clunks = [...more, ...exporter.asked()];
      for (const clunk of clunks) expect(clunk).to.include({ type: p9.TCLUNK, fid: theirs });
      for (const { tag: clunk } of clunks) exporter.reply(p9.RCLUNK, clunk);
    };
    const first = queen.readLater(9, 0);
    const read = exporter.one(p9.TREAD);
    queen.ask((done) => {
      queen.client.flush(first.tag as number, { name: "Closed" } as never);
      done({} as never, undefined);
    });
    expectFlushed(read.tag);
    queen.readLater(9, 0);
    const second = exporter.one(p9.TREAD);
    queen.clunk(9);
    expectFlushed(second.tag);
    expect([exporter.service.fids, exporter.service.inFlight]).to.deep.equal([1, 0]);
    expect(hive.exports.requests.cancelled).to.equal(2);
    step(queen, "a", 10);
    const third = exporter.one(p9.TWALK);
    queen.session.close();
    expectFlushed(third.tag);
    expect([exporter.service.fids, exporter.service.inFlight]).to.deep.equal([1, 0]);
    leavesNothing(hive, exporter);
  });

  it("leaves one that does not answer a Tflush or a Tclunk in time", () => {
    for (const what of ["flush", "clunk"] as const) {
      const { hive, exporter, queen } = played();
      step(queen, "a", 9);
      const { tag } = exporter.one(p9.TWALK);
      if (what === "clunk") exporter.walked(tag, 7);
      hive.pass(PROVIDER_US / 1000 - 1);
      expect(exporter.service.ended, what).to.equal(false);
      hive.pass(1);
      if (what === "flush") hive.pass(PROVIDER_US / 1000);
      expect(hive.audited().at(-1), what).to.equal("gone service=files session=101 why=it did not answer in time");
      leavesNothing(hive, exporter);
    }
  });

  it("asks for its root each 30 s, and leaves it if that is not answered in time", () => {
    const { hive, exporter } = played();
    for (let i = 0; i < 3; i++) {
      hive.pass(29_999);
      expect(exporter.asked()).to.deep.equal([]);
      hive.pass(1);
      const probe = exporter.one(p9.TGETATTR);
      expect(probe.fid).to.equal(0);
      hive.pass(4999);
      exporter.reply(p9.RLERROR, probe.tag, { ecode: 5 });
    }
    hive.pass(30_000);
    exporter.one(p9.TGETATTR);
    hive.pass(4999);
    expect(exporter.service.ended).to.equal(false);
    hive.pass(1);
    expect(hive.audited().at(-1)).to.equal("gone service=files session=101 why=it did not answer in time");
    leavesNothing(hive, exporter);
  });

  it("leaves one that answers what was flushed and not the Tflush in time", () => {
    for (const flushed of [true, false]) {
      const { hive, exporter, queen } = played();
      step(queen, "a", 9);
      const walk = exporter.one(p9.TWALK);
      hive.pass(PROVIDER_US / 1000);
      const flush = exporter.one(p9.TFLUSH);
      exporter.reply(p9.RLERROR, walk.tag, { ecode: 2 });
      expect(exporter.service.inFlight).to.equal(0);
      hive.pass(PROVIDER_US / 1000 - 1);
      if (flushed) exporter.reply(p9.RFLUSH, flush.tag);
      hive.pass(1);
      expect(exporter.service.ended, String(flushed)).to.equal(!flushed);
      if (!flushed) {
        expect(hive.audited().at(-1)).to.equal("gone service=files session=101 why=it did not answer in time");
      }
      leavesNothing(hive, exporter);
    }
  });
});
