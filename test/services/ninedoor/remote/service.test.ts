import { expect } from "chai";
import { SERVED } from "../../../../cohsh/export/serve.ts";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { OWN_SESSION } from "../../../../services/ninedoor/place.ts";
import { OTHERS_PATIENT, PATIENT } from "../../../../services/ninedoor/remote/bounds.ts";
import { Session } from "../../../../services/secure9p/session.ts";
import { frame, TestTree } from "../../secure9p/fixture.ts";
import { nodeBytes, text, utf8 } from "../../support/ports.ts";
import { Probe } from "../../../../services/ninedoor/relay.ts";
import { AttributeChange } from "../../../../services/secure9p/message.ts";
import { type Visitor, WAITS } from "../support.ts";
import { type Asked, type Exporter, attached, ExportHive, lopened, PROVIDER_US, walked } from "./support.ts";

const AWAY = "!EBUSY";
const GONE = "!ESHUTDOWN";
const FILE = { type: p9.QTFILE, version: 0, path: 7 };
const DIR = { type: p9.QTDIR, version: 0, path: 8 };

function serve(tree: TestTree): Session {
  return new Session({ tree, bytes: nodeBytes, ...SERVED });
}

/** A hive with a service that serves a tree as it should. */
function served(tree = new TestTree()) {
  const hive = new ExportHive();
  const session = serve(tree);
  const exporter = hive.dial("files", session);
  return { hive, tree, session, exporter, queen: hive.mounted("files") };
}

/** A hive with a service that the test plays. */
function played() {
  const hive = new ExportHive();
  const exporter = hive.dial("files").welcome();
  return { hive, exporter, queen: hive.mounted("files") };
}

/** Where each stands in the service's root. */
const roots = new WeakMap<Visitor, number>();

/** Ask for a name there, in a step of its own, so that the answer says why not. */
function step(queen: Visitor, name: string, fid = 9) {
  const root = roots.get(queen) ?? (queen.walk("/mnt") as number);
  roots.set(queen, root);
  return queen.ask((done) => queen.client.walk(root, fid, [name], done));
}

/** After each test nothing is left of any exporter, whatever it did. */
function leavesNothing(hive: ExportHive, exporter: Exporter): void {
  exporter.service.end("test");
  expect(hive.timers.size, "timers").to.equal(0);
  expect([exporter.service.inFlight, exporter.service.waiting], "under way").to.deep.equal([0, 0]);
  expect(hive.failures).to.deep.equal([]);
}

describe("RemoteService: an exporter comes up", () => {
  it("when it has agreed on 9P2000.L and shown its root, and can be mounted from then on", () => {
    const hive = new ExportHive();
    const exporter = hive.dial("files");
    const view = hive.view("queen");
    expect(view.mount("files", "/mnt")?.name).to.equal("NotFound");
    expect(exporter.asked()).to.have.length(1);
    exporter.reply(p9.RVERSION, p9.NOTAG, { msize: 8192, version: "9P2000.L" });
    const attach = exporter.one(p9.TATTACH);
    expect([attach.uname, attach.aname, attach.fid]).to.deep.equal(["hive", "files", 0]);
    expect(view.mount("files", "/mnt")?.name).to.equal("NotFound");
    exporter.say(attached(attach.tag, DIR));
    expect(view.mount("files", "/mnt")).to.equal(undefined);
    expect(hive.audited()).to.deep.equal(["exported service=files session=101"]);
    expect(hive.exports.lines()).to.equal("service files up session=101 in_flight=0 waiting=0 fids=1 qids=1\n");
    leavesNothing(hive, exporter);
  });

  it("but not before who looks after it says so, and until then it is shown as one that opens", () => {
    const hive = new ExportHive();
    let ready: (() => void) | undefined;
    hive.keepers.set("files", {
      came: (_, then) => void (ready = then),
      left: () => undefined,
      lead: (names, name) => [...names, name],
      audits: () => undefined,
    });
    const exporter = hive.dial("files").welcome();
    const view = hive.view("queen");
    expect(view.mount("files", "/mnt")?.name).to.equal("NotFound");
    expect(hive.exports.lines()).to.match(/^service files opening session=101 /);
    ready?.();
    expect(view.mount("files", "/mnt")).to.equal(undefined);
    expect(hive.exports.lines()).to.match(/^service files up session=101 /);
    leavesNothing(hive, exporter);
  });

  const refusals: [why: string, play: (exporter: Exporter, hive: ExportHive) => void][] = [
    ["it did not answer in time", (_, hive) => hive.pass(PROVIDER_US / 1000)],
    [
      "it refuses 9P2000.L: EOPNOTSUPP",
      (exporter) => exporter.reply(p9.RVERSION, p9.NOTAG, { msize: 8192, version: "unknown" }),
    ],
    ["it refuses 9P2000.L: E5", (exporter) => exporter.reply(p9.RLERROR, p9.NOTAG, { ecode: 5 })],
    [
      "its msize 4095 is below 4096",
      (exporter) => exporter.reply(p9.RVERSION, p9.NOTAG, { msize: 4095, version: "9P2000.L" }),
    ],
    [
      "it broke the protocol",
      (exporter) => exporter.reply(p9.RVERSION, p9.NOTAG, { msize: 8193, version: "9P2000.L" }),
    ],
    ["it broke the protocol", (exporter) => exporter.reply(p9.RREAD, 0, { data: "x" })],
    ["it broke the protocol", (exporter) => exporter.reply(p9.TVERSION, p9.NOTAG, { msize: 1, version: "9P2000.L" })],
    ["its root is no directory", (exporter) => exporter.welcome(FILE)],
    [
      "it refuses to be attached to: EPERM",
      (exporter) => {
        exporter.one(p9.TVERSION);
        exporter.reply(p9.RVERSION, p9.NOTAG, { msize: 8192, version: "9P2000.L" });
        exporter.reply(p9.RLERROR, exporter.one(p9.TATTACH).tag, { ecode: 1 });
      },
    ],
    [
      "it did not answer in time",
      (exporter, hive) => {
        exporter.reply(p9.RVERSION, p9.NOTAG, { msize: 8192, version: "9P2000.L" });
        hive.pass(PROVIDER_US / 1000);
      },
    ],
  ];
  for (const [why, play] of refusals) {
    it(`never, and its name is free again: ${why}`, () => {
      const hive = new ExportHive();
      const exporter = hive.dial("files");
      play(exporter, hive);
      expect(hive.audited()).to.deep.equal([`failed service=files session=101 why=${why}`]);
      expect(hive.exports.counters).to.deep.equal({ exported: 0, gone: 0, refused: 0, failed: 1 });
      expect(hive.exports.lines()).to.equal("");
      leavesNothing(hive, exporter);
      leavesNothing(hive, hive.dial("files").welcome());
    });
  }

  it("as long as nobody else has the name; who comes then is refused, and the first is asked whether it is there", () => {
    const { hive, exporter } = played();
    expect(hive.exports.open("files", 200)).to.have.property("name", "Busy");
    for (const name of ["log", "proc", "worker"]) {
      expect(hive.exports.open(name, 200), name).to.have.property("name", "Permission");
    }
    expect(hive.audited().slice(1, 3)).to.deep.equal([
      "refused service=files session=200 why=in use",
      "refused service=log session=200 why=the hive's own",
    ]);
    // The dead one makes room within its time.
    exporter.one(p9.TGETATTR);
    hive.pass(PROVIDER_US / 1000 - 1);
    expect(exporter.service.ended).to.equal(false);
    hive.pass(1);
    expect(hive.audited().at(-1)).to.equal("gone service=files session=101 why=it did not answer in time");
    leavesNothing(hive, hive.dial("files").welcome());
  });

  it("unless no timer is left", () => {
    const hive = new ExportHive();
    while (hive.timers.schedule(1e12, () => undefined) !== undefined);
    expect(hive.exports.open("files", 1)).to.have.property("name", "Busy");
    expect(hive.audited()).to.deep.equal(["refused service=files session=1 why=no timer is left"]);
  });

  it("and refusals beyond a rate are counted and not logged", () => {
    const { hive, exporter } = played();
    for (let i = 0; i < 1000; i++) hive.exports.open("files", i);
    expect(hive.exports.counters.refused).to.equal(1000);
    expect(hive.audited()).to.have.length(17);
    leavesNothing(hive, exporter);
  });
});

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

describe("RemoteService: while an exporter is away", () => {
  it("mounts stay and are busy, open files are closed, and both are there again when it is back", () => {
    const { hive, tree, exporter, queen } = served();
    tree.root.file("a", "text");
    const fid = queen.opened("/mnt/a");
    const walkedTo = queen.walk("/mnt/a") as number;
    const directory = queen.opened("/mnt");
    exporter.service.end("left");
    expect(hive.exports.lines()).to.equal("service files away\n");
    expect([queen.walk("/mnt"), queen.walk("/mnt/a"), queen.cat("/mnt/a")]).to.deep.equal([AWAY, AWAY, AWAY]);
    expect(queen.list("/")).to.include("mnt");
    const closed = (): unknown[] => [
      queen.read(fid, 0),
      queen.size(fid),
      queen.page(directory, 0, 4096),
      queen.size(walkedTo),
    ];
    expect(closed()).to.deep.equal([GONE, GONE, GONE, GONE]);
    expect(hive.view("queen").mount("files", "/x")?.name).to.equal("Busy");
    const back = hive.dial("files", serve(tree));
    expect(queen.cat("/mnt/a")).to.equal("text");
    // What was opened before is not the same file any more.
    expect(closed()).to.deep.equal([GONE, GONE, GONE, GONE]);
    for (const held of [fid, walkedTo, directory]) expect(queen.clunk(held)).to.equal("");
    leavesNothing(hive, back);
    expect(queen.session.fids).to.equal(1);
  });

  it("what was under way is told: Closed on files, busy elsewhere", () => {
    const { hive, exporter, queen } = played();
    const walking = step(queen, "a", 90);
    exporter.one(p9.TWALK);
    const opening = queen.ask((done) => queen.client.walk(0, 91, ["mnt"], done));
    queen.ask((done) => queen.client.open(91, 0, done));
    const fid = exporter.opened(1, p9.QTDIR);
    expect(fid).to.be.greaterThan(0);
    queen.pump();
    const listing = queen.ask((done) => queen.client.readdir(91, 0, 4096, done));
    expect([walking.result, opening.result, listing.result]).to.deep.equal([WAITS, "", WAITS]);
    exporter.service.end("reset");
    queen.pump();
    expect([walking.result, listing.result]).to.deep.equal([AWAY, GONE]);
    leavesNothing(hive, exporter);
    expect(hive.audited().at(-1)).to.equal("gone service=files session=101 why=reset");
  });

  it("what waited for its turn is told too", () => {
    const { hive, exporter } = played();
    const queens = [hive.mounted("files"), hive.mounted("files")];
    const asked = queens.flatMap((queen) => Array.from({ length: 14 }, (_, i) => step(queen, "x", 100 + i)));
    expect(exporter.service.waiting).to.equal(12);
    exporter.service.end("reset");
    for (const queen of queens) queen.pump();
    expect(asked.map(({ result }) => result)).to.deep.equal(Array(28).fill(AWAY));
    leavesNothing(hive, exporter);
  });

  it("names of 16 that went are remembered", () => {
    const hive = new ExportHive();
    for (let i = 0; i < 20; i++) hive.dial(`service-${i}`).welcome().service.end("left");
    expect(hive.exports.lines().split("\n")).to.have.length(17);
    expect(hive.exports.lines()).to.match(/^service service-4 away\n/);
  });
});

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

describe("RemoteService: reads of X.follow", () => {
  const READS = 16;

  /** A Queen's open X.follow, at an exporter that the test plays. */
  function following(hive: ExportHive, exporter: Exporter, session?: number): { queen: Visitor; fid: number } {
    const queen = hive.mounted("files", session);
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

describe("RemoteService: walks", () => {
  it("of those who only want to know what is known at once are not asked", () => {
    const { hive, exporter } = played();
    const view = hive.view("queen");
    view.mount("files", "/mnt");
    expect(view.bind("/mnt/a/b", "/x")).to.equal(undefined);
    expect([exporter.asked(), exporter.service.fids]).to.deep.equal([[], 1]);
    expect(hive.exports.requests).to.include({ requests: 0, cancelled: 1 });
    leavesNothing(hive, exporter);
  });

  it("to change a file with times that no number holds carry none", () => {
    const { hive, exporter } = played();
    const probe = new Probe();
    probe.park = () => undefined;
    const change = Object.assign(new AttributeChange(), { valid: p9.SETATTR_ATIME, atimeSec: -1, mtimeNsec: 5 });
    exporter.service.root!.setattr(probe, change, undefined, hive.view("queen"));
    exporter.say(walked(exporter.one(p9.TWALK).tag));
    const set = exporter.one(p9.TSETATTR);
    exporter.reply(p9.RSETATTR, set.tag);
    expect(change.atimeSec).to.equal(-1);
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    leavesNothing(hive, exporter);
  });

  it("of which the exporter does a part, or none, find nothing", () => {
    const { hive, exporter, queen } = played();
    step(queen, "d", 9);
    exporter.say(walked(exporter.one(p9.TWALK).tag, DIR));
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    queen.pump();
    for (const qids of [[], [DIR]]) {
      const asked = queen.ask((done) => queen.client.walk(9, 10, ["a"], done));
      const walk = exporter.one(p9.TWALK);
      expect(walk.names).to.deep.equal(["d", "a"]);
      exporter.say(walked(walk.tag, ...qids));
      queen.pump();
      expect(asked.result).to.equal("!ENOENT");
      expect([exporter.service.fids, exporter.service.inFlight, exporter.asked()]).to.deep.equal([1, 0, []]);
    }
    leavesNothing(hive, exporter);
  });

  it("find another file than before under a name: what is asked of the old one finds nothing", () => {
    const { hive, exporter, queen } = played();
    step(queen, "a", 9);
    exporter.walked(exporter.one(p9.TWALK).tag, 7);
    exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
    queen.pump();
    for (const other of [
      { ...FILE, path: 8 },
      { ...FILE, type: p9.QTAPPEND },
      { ...FILE, type: p9.QTDIR },
    ]) {
      const opening = queen.ask((done) => queen.client.open(9, 0, done));
      exporter.say(walked(exporter.one(p9.TWALK).tag, other));
      exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
      queen.pump();
      expect(opening.result).to.equal("!ENOENT");
      // Or it changes between the walk and the open.
      const again = queen.ask((done) => queen.client.open(9, 0, done));
      exporter.walked(exporter.one(p9.TWALK).tag, 7);
      exporter.say(lopened(exporter.one(p9.TLOPEN).tag, other));
      exporter.reply(p9.RCLUNK, exporter.one(p9.TCLUNK).tag);
      queen.pump();
      expect(again.result).to.equal("!ENOENT");
    }
    expect(exporter.service.fids).to.equal(1);
    leavesNothing(hive, exporter);
  });
});
