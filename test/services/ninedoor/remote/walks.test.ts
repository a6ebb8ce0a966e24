import { expect } from "chai";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { Probe } from "../../../../services/ninedoor/relay.ts";
import { AttributeChange } from "../../../../services/secure9p/message.ts";
import { lopened, walked } from "./support.ts";
import { FILE, DIR, played, step, leavesNothing } from "./played.ts";

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
