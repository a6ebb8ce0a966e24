import { expect } from "chai";
import {
  BUSY,
  CLOSED,
  INVALID,
  PERMISSION,
  type Refusal,
  STALE,
  TIMED_OUT,
} from "../../../../services/secure9p/refusal.ts";
import { utf8 } from "../../support/ports.ts";
import { Bridge, GRACE, job, LOST, outstanding, Rig } from "./rig.ts";

const AWAY = "ERR BUSY the GPU bridge is away";
const OVERTAKEN = "ERR LOST its end was overtaken in the GPU's status";
const UNKNOWN = "ERR LOST the GPU bridge knows nothing of it";

describe("GPU worker: a bridge that is lost", () => {
  it("finds it again, and tells what it has missed and no line twice", () => {
    const rig = outstanding("a", "b");
    rig.tell("a", "RUNNING");
    rig.give(job("done"));
    rig.tell("done", "QUEUED", "RUNNING", "OK");
    const { ring } = rig.bridge;
    rig.go();
    expect([rig.told.length, rig.pauses]).to.deep.equal([6, [250]]);
    rig.wake();
    expect(rig.pauses).to.deep.equal([500]);
    const back = new Bridge(rig.hive, ring);
    back.tell("a", "OK");
    back.tell("theirs", "QUEUED");
    rig.come(back);
    rig.wake();
    expect(rig.told.slice(6)).to.deep.equal(["a OK", "theirs QUEUED"]);
    rig.tell("b", "RUNNING", "OK");
    rig.tell("done", "RUNNING", "OK");
    expect(rig.told.slice(8)).to.deep.equal(["b RUNNING", "b OK"]);
    rig.give(job("c"));
    expect([back.jobs, rig.pauses, rig.pair.session.fids]).to.deep.equal([[`${job("c")}\n`], [], 7]);
    // The next time it has as long again.
    rig.go();
    expect(rig.pauses).to.deep.equal([250]);
  });

  it("tells a new job from one of the same id that has ended, if it was accepted or comes behind what is told again", () => {
    const rig = new Rig();
    rig.tell("a", "QUEUED", "OK");
    rig.tell("b", "QUEUED", "OK");
    rig.give(job("a"));
    rig.go();
    const back = new Bridge(rig.hive);
    back.tell("a", "QUEUED", "RUNNING");
    back.tell("b", "QUEUED", "RUNNING");
    back.measured = () => back.tell("b", "QUEUED");
    rig.come(back);
    rig.wake();
    expect(rig.told.slice(4)).to.deep.equal(["a QUEUED", "a RUNNING", "b QUEUED"]);
  });

  it("ends what a bridge that came back knows nothing of, and nothing else", () => {
    const rig = outstanding("a", "b", "c");
    rig.go();
    const back = new Bridge(rig.hive);
    back.tell("b", "QUEUED", "RUNNING");
    back.say({ job: "", state: "ERR", detail: "INVALID of before" });
    rig.come(back);
    rig.wake();
    expect(rig.told.slice(3)).to.deep.equal(["b RUNNING", `a ${UNKNOWN}`, `c ${UNKNOWN}`]);
    // Of what was given up nothing is told any more.
    rig.tell("a", "QUEUED", "RUNNING", "OK");
    rig.tell("b", "OK");
    expect(rig.told.slice(6)).to.deep.equal(["b OK"]);
  });

  it("ends all that is outstanding when it has waited ten seconds in vain, and waits no more", () => {
    const rig = outstanding("a", "b");
    rig.go();
    for (const ms of GRACE) {
      expect([rig.pauses, rig.told.length]).to.deep.equal([[ms], 2]);
      rig.wake();
    }
    expect(rig.told.slice(2)).to.deep.equal([`a ${LOST}`, `b ${LOST}`]);
    expect([rig.waiting, GRACE.reduce((sum, ms) => sum + ms)]).to.deep.equal([false, 9750]);
    // A later loss has its own ten seconds.
    rig.come(new Bridge(rig.hive));
    rig.give("", job("c"));
    rig.go();
    expect(rig.pauses).to.deep.equal([250]);
  });

  it("does nothing about it while nothing is outstanding", () => {
    const rig = new Rig();
    rig.go();
    expect([rig.waiting, rig.told]).to.deep.equal([false, []]);
    rig.give(job("a"));
    expect([rig.waiting, rig.told]).to.deep.equal([false, [`a ${AWAY}`]]);
    rig.come(new Bridge(rig.hive));
    expect(rig.bridge.opens).to.equal(0);
    rig.give(job("b"));
    expect([rig.bridge.opens, rig.bridge.jobs]).to.deep.equal([1, [`${job("b")}\n`]]);
  });

  it("looks for it when it is called, and takes no notice of that while it has it", () => {
    const rig = new Rig({ there: false });
    rig.give("");
    rig.come(new Bridge(rig.hive));
    rig.give("");
    expect(rig.bridge.opens).to.equal(1);
    rig.give("", "");
    expect([rig.bridge.opens, rig.told]).to.deep.equal([1, []]);
    rig.tell("theirs", "QUEUED");
    expect(rig.told).to.deep.equal(["theirs QUEUED"]);
  });

  it("looks again at once if it was called while it looked in vain", () => {
    const rig = new Rig({ there: false });
    const slow = new Bridge(rig.hive);
    slow.closed = "later";
    rig.come(slow);
    rig.give("");
    const [opening] = slow.later.splice(0);
    rig.give("");
    slow.closed = undefined;
    opening!.refuse(BUSY);
    rig.run();
    expect([slow.opens, slow.open, rig.waiting]).to.deep.equal([2, 1, false]);
  });

  it("keeps a job that comes meanwhile, and submits it when the bridge is there, or refuses it when it stays away", () => {
    const rig = outstanding("a");
    const { ring } = rig.bridge;
    rig.go();
    rig.give(job("b"));
    expect(rig.told.length).to.equal(1);
    rig.come(new Bridge(rig.hive, ring));
    rig.wake();
    expect(rig.bridge.jobs).to.deep.equal([`${job("b")}\n`]);
    rig.tell("b", "QUEUED");
    rig.go();
    rig.give(job("c"));
    for (let i = 0; i < GRACE.length; i++) rig.wake();
    expect(rig.told.slice(2).sort()).to.deep.equal([`a ${LOST}`, `b ${LOST}`, `c ${AWAY}`].sort());
    expect(rig.result.length).to.equal(3);
  });

  for (const why of [CLOSED, TIMED_OUT]) {
    it(`does not know whether a job was taken whose write ends with ${why.name}, and asks the bridge's status`, () => {
      const rig = new Rig();
      const { ring } = rig.bridge;
      rig.bridge.answer = () => why;
      rig.give(job("a"));
      expect([rig.told, rig.pauses, rig.bridge.open]).to.deep.equal([[], [250], 0]);
      rig.bridge.answer = () => undefined;
      rig.wake();
      expect(rig.told).to.deep.equal([`a ${UNKNOWN}`]);
      rig.bridge.answer = () => why;
      rig.give(job("b"));
      new Bridge(rig.hive, ring).tell("b", "QUEUED");
      rig.wake();
      expect(rig.told.slice(1)).to.deep.equal(["b QUEUED"]);
      rig.tell("b", "OK");
      rig.give("{}");
      expect(rig.told.slice(2)).to.deep.equal(["b OK", ` ${LOST}`]);
    });
  }

  it("knows a job that was being submitted when the bridge went as one that may have been taken", () => {
    const rig = new Rig();
    const { ring } = rig.bridge;
    rig.bridge.answer = () => "later";
    rig.give(job("a"));
    rig.bridge.tell("a", "QUEUED");
    rig.go();
    rig.come(new Bridge(rig.hive, ring));
    rig.wake();
    rig.tell("a", "RUNNING", "OK");
    expect(rig.told).to.deep.equal(["a QUEUED", "a RUNNING", "a OK"]);
  });

  it("ends what the ring has overtaken the end of, for nobody will tell it again", () => {
    const rig = outstanding("a", "b");
    rig.bridge.tell("a", "RUNNING", "OK");
    for (let i = 0; i < 100; i++) rig.bridge.say("x".repeat(4000));
    rig.bridge.tell("b", "RUNNING");
    rig.run();
    rig.wake();
    expect(rig.told).to.deep.equal(["a QUEUED", "b QUEUED", "a RUNNING", "b RUNNING", `a ${OVERTAKEN}`]);
    rig.give(job("c"));
    rig.tell("c", "QUEUED", "OK");
    rig.tell("b", "OK");
    expect(rig.told.slice(5)).to.deep.equal(["c QUEUED", "c OK", "b OK"]);
    // What is lost later is lost for another reason.
    rig.give(job("d"));
    rig.go();
    rig.come(new Bridge(rig.hive));
    rig.wake();
    expect(rig.told.slice(8)).to.deep.equal([`d ${UNKNOWN}`]);
  });

  it("says that too of what it was overtaken of while it was told again", () => {
    const rig = outstanding("a", "b");
    const { ring } = rig.bridge;
    rig.go();
    const back = new Bridge(rig.hive, ring);
    back.measured = () => {
      back.measured = undefined;
      for (let i = 0; i < 100; i++) back.say("x".repeat(4000));
      back.tell("b", "RUNNING");
    };
    rig.come(back);
    rig.wake();
    expect(rig.told).to.deep.equal(["a QUEUED", "b QUEUED", "b RUNNING", `a ${OVERTAKEN}`]);
  });

  it("is overtaken while nothing is outstanding, and tells what comes then", () => {
    const rig = new Rig();
    for (let i = 0; i < 100; i++) rig.bridge.say("x".repeat(4000));
    rig.run();
    rig.wake();
    rig.tell("theirs", "QUEUED", "OK");
    expect(rig.told).to.deep.equal(["theirs QUEUED", "theirs OK"]);
  });

  it("reads on when the ring has overtaken it, in the replay too", () => {
    const rig = outstanding("a");
    const fill = (bridge: Bridge): void => {
      for (let i = 0; i < 100; i++) bridge.say("x".repeat(4000));
    };
    fill(rig.bridge);
    rig.tell("a", "RUNNING");
    expect(rig.pauses).to.deep.equal([250]);
    rig.wake();
    expect(rig.told).to.deep.equal(["a QUEUED", "a RUNNING"]);
    const { ring } = rig.bridge;
    rig.go();
    const back = new Bridge(rig.hive, ring);
    // While it is being read again.
    back.measured = () => {
      back.measured = undefined;
      fill(back);
      back.tell("a", "QUEUED", "RUNNING");
    };
    rig.come(back);
    rig.wake();
    expect(rig.hive.namespace.counters.stale).to.equal(2);
    rig.tell("a", "OK");
    expect(rig.told).to.deep.equal(["a QUEUED", "a RUNNING", "a OK"]);
  });
});

/** A bridge whose status is read in these pieces, or refused, and then waits. */
function scripted(rig: Rig, ...pieces: readonly (string | Refusal)[]): Bridge {
  const bridge = new Bridge(rig.hive);
  const left = [...pieces];
  bridge.reads = (request) => {
    const piece = left.shift();
    if (piece === undefined) return request.park({ cancelled: () => undefined });
    if (typeof piece !== "string") return request.refuse(piece);
    request.put(utf8(piece), 0, piece.length);
    request.done();
  };
  return bridge;
}

describe("GPU worker: a ring that overtakes it", () => {
  const line = (id: string, state: string): string => `{"job":"${id}","state":"${state}","detail":"x"}\n`;

  it("costs it the line that it had half of, and no other", () => {
    const rig = new Rig({ there: false });
    const bridge = scripted(rig, line("a", "QUEUED") + '{"job":"b","sta', STALE, line("c", "QUEUED"));
    bridge.size = 200;
    rig.come(bridge);
    rig.give("");
    expect(rig.told).to.deep.equal(["a QUEUED", "c QUEUED"]);
  });

  it("makes it ask again how much is told again", () => {
    const rig = outstanding("a");
    rig.go();
    const bridge = scripted(rig, STALE, line("b", "QUEUED"), line("a", "RUNNING"));
    bridge.size = 10;
    bridge.measured = () => (bridge.size = line("b", "QUEUED").length + line("a", "RUNNING").length);
    rig.come(bridge);
    rig.wake();
    expect(rig.told).to.deep.equal(["a QUEUED", "b QUEUED", "a RUNNING"]);
  });
});

describe("GPU worker: a status file that is not what it says", () => {
  const liars: readonly (readonly [string, (bridge: Bridge) => void])[] = [
    ["gives nothing where it should wait", (bridge) => (bridge.reads = (request) => request.done())],
    ["says each time that it was overtaken", (bridge) => (bridge.reads = (request) => request.refuse(STALE))],
    ["refuses to be read", (bridge) => (bridge.reads = (request) => request.refuse(INVALID))],
    ["says that it is larger than any", (bridge) => (bridge.size = 2 ** 40)],
  ];
  for (const [what, lie] of liars) {
    it(`is as good as none if it ${what}`, () => {
      const rig = outstanding("a");
      rig.go();
      const liar = new Bridge(rig.hive);
      liar.size = 10;
      lie(liar);
      rig.come(liar);
      for (const ms of GRACE) {
        expect(rig.pauses).to.deep.equal([ms]);
        rig.wake();
      }
      expect(rig.told).to.deep.equal(["a QUEUED", `a ${LOST}`]);
      // A job finds it so too, and is over at once.
      rig.give(job("b"));
      expect([rig.told.at(-1), rig.waiting, liar.open]).to.deep.equal([`b ${AWAY}`, false, 0]);
    });
  }
});

describe("GPU worker: a lease that is over", () => {
  it("ends what is outstanding as the bridge said, and then what it did not say", () => {
    const rig = outstanding("a", "b");
    rig.expire("a");
    expect(rig.told.slice(2)).to.deep.equal(["a ERR is ERR"]);
    expect(rig.pauses).to.deep.equal([250]);
    rig.wake();
    expect(rig.told.slice(3)).to.deep.equal(["b ERR REVOKED"]);
    expect([rig.waiting, rig.pair.session.fids]).to.deep.equal([false, 5]);
  });

  it("refuses each job after one look, until it has another lease", () => {
    const rig = new Rig();
    rig.tell("old", "QUEUED", "OK");
    rig.expire();
    rig.give(job("a"), job("b"));
    expect([rig.told.slice(2), rig.waiting]).to.deep.equal([["a ERR REVOKED", "b ERR REVOKED"], false]);
    rig.hive.leased = true;
    rig.hive.namespace.services.remove("gpu-bridge");
    const next = new Bridge(rig.hive);
    rig.come(next);
    // Its ring is a new one, where old ids are new jobs.
    next.tell("old", "QUEUED");
    rig.give("");
    rig.give(job("b"));
    rig.tell("b", "QUEUED", "OK");
    expect(rig.told.slice(4)).to.deep.equal(["old QUEUED", "b QUEUED", "b OK"]);
  });

  it("starts without one, and without a bridge", () => {
    const rig = new Rig({ leased: false });
    expect([rig.told, rig.waiting, rig.bridge.opens]).to.deep.equal([[], false, 0]);
    rig.hive.leased = true;
    rig.give(job("a"));
    expect(rig.bridge.jobs.length).to.equal(1);
    const away = new Rig({ there: false });
    away.give(job("a"));
    expect(away.told).to.deep.equal([`a ${AWAY}`]);
  });

  it("is not told by a bridge that does not open its job file for another reason", () => {
    const rig = new Rig();
    rig.go();
    const back = new Bridge(rig.hive);
    back.closed = BUSY;
    rig.come(back);
    rig.give(job("a"));
    back.closed = PERMISSION;
    rig.give(job("b"));
    expect(rig.told).to.deep.equal([`a ${AWAY}`, "b ERR REVOKED"]);
    expect(rig.pair.session.fids).to.equal(5);
  });
});
