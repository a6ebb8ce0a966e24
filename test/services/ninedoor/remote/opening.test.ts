import { expect } from "chai";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { WAITS } from "../support.ts";
import { type Exporter, attached, ExportHive, PROVIDER_US } from "./support.ts";
import { serve, AWAY, GONE, FILE, DIR, served, played, step, leavesNothing } from "./played.ts";

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
