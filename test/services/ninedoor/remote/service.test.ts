import { expect } from "chai";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { OWN_SESSION } from "../../../../services/ninedoor/place.ts";
import { TestTree } from "../../secure9p/fixture.ts";
import { text } from "../../support/ports.ts";
import type { Visitor } from "../support.ts";
import { ExportHive } from "./support.ts";
import { serve, AWAY, served, leavesNothing } from "./played.ts";

describe("RemoteService: an honest exporter", () => {
  it("is listed, read, written and changed as its own files are", () => {
    const { hive, tree, session, exporter, queen } = served();
    const sub = tree.root.dir("sub");
    sub.file("größe", "fünf");
    const log = tree.root.file("log", "abc\n");
    expect(queen.list("/mnt")).to.deep.equal(["sub", "log"]);
    expect(queen.list("/mnt/sub")).to.deep.equal(["größe"]);
    expect(queen.cat("/mnt/sub/größe")).to.equal("fünf");
    expect([queen.walk("/mnt/none"), queen.walk("/mnt/sub/none/deeper"), queen.walk("/mnt/log/x")]).to.deep.equal([
      "!ENOENT",
      "!ENOENT",
      "!ENOENT",
    ]);
    const fid = queen.walk("/mnt/log") as number;
    expect(queen.size(fid)).to.equal(4);
    expect(queen.cat("/mnt/log")).to.equal("abc\n");
    // The Queen may not write there, wherever it is mounted.
    expect([queen.open("/mnt/log", p9.O_WRONLY), queen.setattr(fid, p9.SETATTR_SIZE)]).to.deep.equal([
      "!EPERM",
      "!EPERM",
    ]);
    queen.clunk(fid);
    expect([exporter.service.fids, session.fids, tree.opened - tree.closed]).to.deep.equal([1, 1, 0]);
    expect(text(log.content)).to.equal("abc\n");
    leavesNothing(hive, exporter);
  });

  it("is written where the table grants it: appended as gpu-bridge's ctl, at an offset as a lessee's blob", () => {
    const hive = new ExportHive();
    const tree = new TestTree();
    const gpu = tree.root.dir("GPU-0");
    const ctl = gpu.file("ctl", "");
    ctl.qid.type = p9.QTAPPEND;
    const blob = gpu.dir("blob").dir("0").file("in", "");
    hive.dial("gpu-bridge", serve(tree));
    const queen = hive.mounted("gpu-bridge");
    expect([queen.echo("RESET\n", "/mnt/GPU-0/ctl"), text(ctl.content)]).to.deep.equal(["6", "RESET\n"]);
    expect(queen.open("/mnt/GPU-0/blob/0/in", p9.O_WRONLY)).to.equal("!EPERM");
    const view = hive.view("worker-gpu", { subject: "worker-1" });
    // As its ticket would.
    view.may = () => undefined;
    expect(view.mount("gpu-bridge", "/gpu")).to.equal(undefined);
    const lessee = hive.watched(hive.enter(view));
    const fid = lessee.opened("/gpu/GPU-0/blob/0/in", p9.O_RDWR | p9.O_TRUNC);
    expect([lessee.write(fid, "12345"), lessee.setattr(fid, p9.SETATTR_SIZE, 3), lessee.read(fid, 1)]).to.deep.equal([
      "5",
      "",
      "2345",
    ]);
    expect(blob.changes).to.deep.equal(["8 3"]);
    const walkedTo = lessee.walk("/gpu/GPU-0/blob/0/in") as number;
    expect([lessee.setattr(walkedTo, p9.SETATTR_SIZE, 0), blob.changes.at(-1)]).to.deep.equal(["", "8 0"]);
    expect(lessee.setattr(walkedTo, p9.SETATTR_MODE)).to.equal("!EINVAL");
  });

  it("may be asked for much at once, and each gets its own answer", () => {
    const { hive, tree, session, exporter, queen } = served();
    const big = "0123456789".repeat(5000);
    tree.root.file("big", big);
    const fid = queen.opened("/mnt/big");
    const results = Array.from({ length: 16 }, (_, i) => queen.readLater(fid, i * 3000, 3000));
    expect(results.map(({ result }) => result).join("")).to.equal(big.slice(0, 48_000));
    expect(queen.cat("/mnt/big")).to.equal(big);
    queen.clunk(fid);
    expect([session.fids, exporter.service.inFlight]).to.deep.equal([1, 0]);
    leavesNothing(hive, exporter);
  });

  it("gets its fids back when ours go, one by one or with the session that had them", () => {
    const { hive, tree, session, exporter, queen } = served();
    tree.root.file("a", "x");
    const fids = Array.from({ length: 10 }, () => queen.opened("/mnt/a"));
    expect([session.fids, tree.opened - tree.closed]).to.deep.equal([11, 10]);
    queen.clunk(fids[0]!);
    expect([session.fids, tree.opened - tree.closed]).to.deep.equal([10, 9]);
    queen.session.close();
    exporter.carry();
    expect([session.fids, tree.opened - tree.closed, exporter.service.fids]).to.deep.equal([1, 0, 1]);
    leavesNothing(hive, exporter);
  });

  it("has at most 384 fids of the hive, 192 of them of files of others, and the next open is refused", () => {
    const { hive, tree, session, exporter } = served();
    tree.root.file("a", "x");
    const enter = (own: boolean) =>
      Array.from({ length: 4 }, () => hive.mounted("files", own ? OWN_SESSION : undefined));
    const open = (queen: Visitor) => Array.from({ length: 60 }, () => queen.open("/mnt/a"));
    const count = (fids: readonly unknown[]) => fids.filter((fid) => typeof fid === "number").length;
    const others = enter(false);
    const theirs = others.flatMap(open);
    expect([count(theirs), theirs.at(-1), session.fids]).to.deep.equal([192, AWAY, 193]);
    const own = enter(true);
    const ours = own.flatMap(open);
    expect([count(ours), ours.at(-1), session.fids]).to.deep.equal([191, AWAY, 384]);
    // A file that is closed makes room for one.
    own[0]!.clunk(ours[0] as number);
    others[0]!.clunk(theirs[0] as number);
    expect([count([others[0]!.open("/mnt/a"), others[0]!.open("/mnt/a")]), session.fids]).to.deep.equal([1, 383]);
    const queens = [...others, ...own];
    for (const queen of queens) queen.session.close();
    exporter.carry();
    expect([session.fids, exporter.service.fids]).to.deep.equal([1, 1]);
    leavesNothing(hive, exporter);
  });

  it("has files that are another's nowhere, however it numbers them, and numbers them anew when it comes back", () => {
    const { hive, tree, exporter, queen } = served();
    tree.root.file("a", "x");
    tree.root.qid.path = hive.namespace.root.qid.path;
    const before = queen.qid("/mnt/a");
    const [page] = queen.page(queen.opened("/mnt"), 0, 4096) as { path: number }[];
    expect(page!.path).to.equal(before.path);
    tree.root.children.get("a")!.qid.version = 9;
    expect(queen.qid("/mnt/a")).to.deep.equal({ ...before, version: 9 });
    const other = hive.dial("other", serve(tree));
    expect(hive.mounted("other").qid("/mnt/a").path).to.not.equal(before.path);
    exporter.service.end("left");
    const back = hive.dial("files", serve(tree));
    const after = queen.qid("/mnt/a").path;
    const seen = [before.path, after, ...["/", "/proc", "/log"].map((path) => queen.qid(path).path)];
    expect(new Set(seen).size).to.equal(seen.length);
    back.service.end("left");
    leavesNothing(hive, other);
  });

  it("has as many files as it likes, and the hive knows a thousand of them at once", () => {
    const { hive, tree, exporter, queen } = served();
    const sub = tree.root.dir("sub");
    for (let i = 0; i < 3000; i++) sub.file(`file-${i}`, "x");
    const first = queen.qid("/mnt/sub/file-0").path;
    const fid = queen.opened("/mnt/sub/file-0");
    expect(queen.list("/mnt/sub")).to.have.length(3000);
    expect(exporter.service.qids.size).to.equal(1024);
    expect(hive.exports.requests.qidsHighWater).to.equal(1024);
    expect(hive.exports.requests.forgotten).to.be.greaterThan(0);
    // Who is open stays who he is, and who is asked for anew may have another number, and never one that was another's.
    expect(queen.read(fid, 0)).to.equal("x");
    expect(queen.size(fid)).to.equal(1);
    expect(queen.qid("/mnt/sub/file-0").path).to.be.greaterThan(first + 2000);
  });

  it("has names that lead in a circle, and they end where every path ends", () => {
    const { hive, tree, exporter, queen } = served();
    tree.root.add("again", tree.root);
    tree.root.file("a", "x");
    const down = (depth: number): string => `/mnt${"/again".repeat(depth)}`;
    expect(queen.list(down(7))).to.deep.equal(["again", "a"]);
    expect(queen.walk(down(8))).to.equal("!EMSGSIZE");
    // A bind leads no deeper into it.
    const view = hive.view("queen");
    expect(view.mount("files", "/mnt")).to.equal(undefined);
    expect(view.bind(down(6), "/deep")).to.equal(undefined);
    const other = hive.watched(hive.enter(view));
    expect(other.list("/deep/again/again")).to.deep.equal(["again", "a"]);
    expect(other.walk("/deep/again/again/again")).to.equal("!EMSGSIZE");
    leavesNothing(hive, exporter);
  });

  it("shows mount points of the session in its directories, one entry a page too, and loses no entry to them", () => {
    const { hive, tree, exporter } = served();
    const sub = tree.root.dir("sub");
    for (const name of ["a", "b", "hidden", "veiled", "c", "covered"]) sub.file(name, name);
    const view = hive.view("queen");
    expect(view.mount("files", "/mnt")).to.equal(undefined);
    for (const name of ["hidden", "veiled", "covered", "new"]) {
      expect(view.bind("/proc/boot", `/mnt/sub/${name}`), name).to.equal(undefined);
    }
    const queen = hive.watched(hive.enter(view));
    for (const count of [35, 64, 4096]) {
      expect(queen.list("/mnt/sub", count), String(count)).to.deep.equal([
        "a",
        "b",
        "c",
        "hidden",
        "veiled",
        "covered",
        "new",
      ]);
    }
    expect(queen.cat("/mnt/sub/new")).to.equal("boot at 0\n");
    leavesNothing(hive, exporter);
  });
});
