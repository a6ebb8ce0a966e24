import { expect } from "chai";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { OWN_SESSION } from "../../../../services/ninedoor/place.ts";
import { OTHERS_PATIENT, PATIENT } from "../../../../services/ninedoor/remote/bounds.ts";
import { utf8 } from "../../support/ports.ts";
import { type Visitor, WAITS } from "../support.ts";
import { type Asked, type Exporter, type ExportHive, PROVIDER_US } from "./support.ts";
import { AWAY, served, played, step, leavesNothing } from "./played.ts";

describe("RemoteService: reads of X.follow", () => {
  const READS = 16;

  /** A Queen's open X.follow, at an exporter that the test plays. */
  function following(hive: ExportHive, exporter: Exporter, session?: number, subject?: string) {
    const queen = hive.mounted("files", session, subject);
    step(queen, "status.follow", 9);
    exporter.walked(exporter.one(p9.TWALK).tag, 7);
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    queen.pump();
    queen.ask((done) => queen.client.open(9, 0, done));
    exporter.opened();
    queen.pump();
    return { queen, fid: 9 };
  }

  const reading = ({ queen, fid }: { queen: Visitor; fid: number }, count = READS) =>
    Array.from({ length: count }, (_, i) => queen.readLater(fid, i));

  it("may take as long as they like, 96 at once, and nothing of 16 requests beside them", () => {
    const { hive, tree, exporter, queen } = served();
    tree.root.file("news.follow", "").io = "park";
    tree.root.file("slow", "").io = "park";
    tree.root.file("a", "x");
    const queens = Array.from({ length: PATIENT / READS }, () => hive.mounted("files", OWN_SESSION));
    const waiting = queens.flatMap((each) => reading({ queen: each, fid: each.opened("/mnt/news.follow") }));
    const results = (asked: readonly { result: string }[]) => [...new Set(asked.map(({ result }) => result))];
    expect([results(waiting), exporter.service.following, exporter.service.inFlight]).to.deep.equal([[WAITS], 96, 0]);
    const other = hive.mounted("files");
    const news = other.opened("/mnt/news.follow");
    expect(other.read(news, 0)).to.equal(AWAY);
    // Nobody times them, and the others go on.
    for (let i = 0; i < 20; i++) {
      hive.pass(30_000);
      exporter.carry();
      expect(queen.cat("/mnt/a")).to.equal("x");
    }
    const busy = reading({ queen, fid: queen.opened("/mnt/slow") });
    expect([results(busy), tree.parked.length, exporter.service.inFlight]).to.deep.equal([[WAITS], 112, 16]);
    const pools = new Map(hive.exports.pools(16).map((pool) => [pool[0], pool] as const));
    expect(pools.get("export.following")!.slice(2)).to.deep.equal([96, 96, 96, "refused", 1]);
    expect(pools.get("export.requests")!.slice(2)).to.deep.equal([16, 16, 16, "waited", 0]);
    // All are served, and then there is room again.
    while (tree.parked.length > 0) {
      const request = tree.unpark();
      request.put(utf8("news"), 0, 4);
      request.done();
    }
    for (const each of [...queens, queen]) each.pump();
    expect([results(waiting), results(busy)]).to.deep.equal([["news"], ["news"]]);
    expect([exporter.service.following, exporter.service.inFlight]).to.deep.equal([0, 0]);
    expect(other.read(news, 0)).to.equal(WAITS);
    leavesNothing(hive, exporter);
  });

  it("of others leave 80 places to the hive and its workers, who find theirs however often one logs in and reads", () => {
    const { hive, exporter } = played();
    const lessee = Array.from({ length: 7 }, () => following(hive, exporter));
    const theirs = lessee.flatMap((each) => reading(each, 15));
    const count = (asked: readonly { result: string }[], result: string) =>
      asked.filter((each) => each.result === result).length;
    expect([count(theirs, WAITS), count(theirs, AWAY)]).to.deep.equal([OTHERS_PATIENT, 7 * 15 - OTHERS_PATIENT]);
    expect(hive.exports.requests.followingRefused).to.equal(7 * 15 - OTHERS_PATIENT);
    expect(exporter.asked()).to.have.length(OTHERS_PATIENT);
    const own = Array.from({ length: 6 }, () => following(hive, exporter, OWN_SESSION));
    const ours = own.flatMap((each) => reading(each, 14));
    expect([count(ours, WAITS), count(ours, AWAY), exporter.service.following]).to.deep.equal([80, 4, PATIENT]);
    // Whoever goes makes room for others, and for no more than went.
    expect(exporter.asked()).to.have.length(80);
    lessee[0]!.queen.session.close();
    for (const { type, tag } of exporter.asked()) exporter.reply(type === p9.TFLUSH ? p9.RFLUSH : p9.RCLUNK, tag);
    expect(exporter.service.following).to.equal(81);
    const again = reading(lessee[6]!);
    expect([count(again, WAITS), count(again, AWAY)]).to.deep.equal([15, 1]);
    leavesNothing(hive, exporter);
  });

  it("of a worker's own session are one at a time, whatever it has become, so that each of 64 finds its place", () => {
    const { hive, exporter } = played();
    const workers = Array.from({ length: 64 }, (_, i) => following(hive, exporter, OWN_SESSION, `worker-${i}`));
    const another = following(hive, exporter, OWN_SESSION, "worker-0");
    const greedy = [...reading(workers[0]!), ...reading(another)];
    expect(greedy.map(({ result }) => result)).to.deep.equal([WAITS, ...new Array<string>(2 * READS - 1).fill(AWAY)]);
    for (const worker of workers.slice(1)) expect(reading(worker, 1)[0]!.result).to.equal(WAITS);
    expect(exporter.service.following).to.equal(64);
    // The next is taken when that is over.
    const [first] = exporter.asked();
    exporter.reply(p9.RREAD, first!.tag, { data: "news" });
    workers[0]!.queen.pump();
    expect(greedy[0]!.result).to.equal("news");
    expect(reading(workers[0]!, 2).map(({ result }) => result)).to.deep.equal([WAITS, AWAY]);
    leavesNothing(hive, exporter);
  });

  it("are not in the way of requests that wait for their turn, nor those in theirs", () => {
    const { hive, exporter, queen } = played();
    const follower = following(hive, exporter);
    const walks = Array.from({ length: 14 }, (_, i) => step(queen, "x", 100 + i));
    const more = hive.mounted("files");
    const late = Array.from({ length: 4 }, (_, i) => step(more, "x", 100 + i));
    expect(exporter.asked()).to.have.length(16);
    expect([exporter.service.inFlight, exporter.service.waiting]).to.deep.equal([16, 2]);
    const [read] = reading(follower, 1);
    const asked = exporter.one(p9.TREAD);
    exporter.reply(p9.RREAD, asked.tag, { data: "news" });
    follower.queen.pump();
    expect([read!.result, exporter.asked()]).to.deep.equal(["news", []]);
    expect([...walks, ...late].map(({ result }) => result)).to.deep.equal(Array(18).fill(WAITS));
    leavesNothing(hive, exporter);
  });

  it("keep their places until what was flushed is over, and that has to be in time", () => {
    for (const answered of [true, false]) {
      const { hive, exporter } = played();
      const follower = following(hive, exporter);
      reading(follower, 1);
      const read = exporter.one(p9.TREAD);
      follower.queen.clunk(9);
      const [flush, clunk] = exporter.asked() as [Asked, Asked];
      expect([flush.type, flush.oldtag, clunk.type]).to.deep.equal([p9.TFLUSH, read.tag, p9.TCLUNK]);
      exporter.reply(p9.RCLUNK, clunk.tag);
      expect(exporter.service.following).to.equal(1);
      hive.pass(PROVIDER_US / 1000 - 1);
      if (answered) {
        exporter.reply(p9.RFLUSH, flush.tag);
        expect(exporter.service.following).to.equal(0);
      }
      hive.pass(1);
      expect(exporter.service.ended).to.equal(!answered);
      leavesNothing(hive, exporter);
    }
  });

  it("have tags for all of them though as many rest, for they were answered and their Tflush were not", () => {
    const { hive, exporter } = played();
    const first = Array.from({ length: PATIENT / READS }, () => following(hive, exporter, OWN_SESSION));
    first.forEach((each) => reading(each));
    const reads = exporter.asked();
    for (const { queen } of first) queen.session.close();
    const left = exporter.asked();
    const flushes = left.filter(({ type }) => type === p9.TFLUSH);
    expect(flushes.map(({ oldtag }) => oldtag)).to.have.members(reads.map(({ tag }) => tag));
    for (const { tag } of reads) exporter.reply(p9.RREAD, tag, { data: "" });
    for (const { type, tag } of left) if (type === p9.TCLUNK) exporter.reply(p9.RCLUNK, tag);
    expect([exporter.service.following, exporter.service.inFlight]).to.deep.equal([0, 0]);
    const second = Array.from({ length: PATIENT / READS }, () => following(hive, exporter, OWN_SESSION));
    const again = second.flatMap((each) => reading(each));
    const asked = exporter.asked();
    expect(asked).to.have.length(PATIENT);
    expect(asked.filter(({ tag }) => reads.some((read) => read.tag === tag))).to.deep.equal([]);
    const others = [hive.mounted("files"), hive.mounted("files")];
    const walks = others.flatMap((other) => Array.from({ length: 8 }, (_, i) => step(other, "x", 9 + i)));
    expect(exporter.asked()).to.have.length(16);
    for (const { tag } of flushes) exporter.reply(p9.RFLUSH, tag);
    for (const { tag } of asked) exporter.reply(p9.RREAD, tag, { data: "news" });
    for (const { queen } of second) queen.pump();
    expect(again.map(({ result }) => result)).to.deep.equal(Array(PATIENT).fill("news"));
    expect(walks.map(({ result }) => result)).to.deep.equal(Array(16).fill(WAITS));
    leavesNothing(hive, exporter);
  });
});
