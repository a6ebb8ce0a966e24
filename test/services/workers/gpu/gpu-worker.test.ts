import { expect } from "chai";
import {
  BUSY,
  INVALID,
  NOT_FOUND,
  PERMISSION,
  RATE_LIMITED,
  type Refusal,
  TOO_BIG,
  UNSUPPORTED,
} from "../../../../services/secure9p/refusal.ts";
import { GpuWorker } from "../../../../services/workers/gpu/gpu-worker.ts";
import { nodeBytes, utf8 } from "../../support/ports.ts";
import { Bridge, GRACE, job, LOST, outstanding, Rig } from "./rig.ts";

describe("GPU worker", () => {
  it("submits a job as it was given, and tells its states and its result", () => {
    const rig = new Rig();
    rig.give(job("jid-1"));
    expect(rig.bridge.jobs).to.deep.equal([`${job("jid-1")}\n`]);
    rig.tell("jid-1", "QUEUED", "RUNNING");
    expect(rig.telemetry).to.deep.equal([
      { job: "jid-1", state: "QUEUED", detail: "is QUEUED" },
      { job: "jid-1", state: "RUNNING", detail: "is RUNNING" },
    ]);
    expect(rig.result).to.deep.equal([]);
    rig.tell("jid-1", "OK");
    expect(rig.telemetry.slice(2)).to.deep.equal([{ job: "jid-1", state: "OK", detail: "is OK" }]);
    expect(rig.result).to.deep.equal([
      { job: "jid-1", state: "OK", detail: "is OK", result_hash: "sha256:00", result_b64: "AAAA" },
    ]);
    rig.give(job("jid-2"));
    rig.tell("jid-2", "QUEUED", "ERR");
    expect(rig.result.slice(1)).to.deep.equal([{ job: "jid-2", state: "ERR", detail: "is ERR" }]);
    // It has its root, its four files, and two of the bridge's.
    expect([rig.pair.session.fids, rig.bridge.opens, rig.waiting]).to.deep.equal([7, 1, false]);
  });

  it("submits jobs one after the other, in order, and takes none from its mailbox before the last is answered", () => {
    const rig = new Rig();
    rig.bridge.answer = () => "later";
    rig.give(job("a"), job("b"), job("c"));
    expect([rig.bridge.jobs.length, rig.entry.jobs!.size]).to.deep.equal([1, 2]);
    const done = (): void => {
      const request = rig.bridge.later.shift()!;
      request.wrote(request.count);
      rig.run();
    };
    done();
    expect(rig.bridge.jobs).to.deep.equal([`${job("a")}\n`, `${job("b")}\n`]);
    done();
    done();
    expect(rig.bridge.jobs[2]).to.equal(`${job("c")}\n`);
    expect([rig.entry.jobs!.size, rig.entry.jobs!.waiting]).to.deep.equal([0, true]);
  });

  it("sends the rest of a job that is taken by halves", () => {
    const rig = new Rig();
    const answers = ["half", "half", undefined] as const;
    let writes = 0;
    rig.bridge.answer = () => answers[writes++];
    rig.give(job("a"));
    expect(rig.bridge.jobs).to.deep.equal([`${job("a")}\n`]);
    expect(writes).to.equal(3);
  });

  it("tells a state once, in order, and nothing after an end", () => {
    const rig = new Rig();
    rig.give(job("a"));
    rig.tell("a", "QUEUED", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "OK", "OK", "ERR", "RUNNING");
    rig.tell("b", "RUNNING", "OK", "ERR");
    expect(rig.told).to.deep.equal(["a QUEUED", "a RUNNING", "a OK"]);
    expect(rig.result.length).to.equal(1);
    // A job of the same id that is taken later is another one.
    rig.give(job("a"));
    rig.tell("a", "QUEUED", "ERR");
    expect(rig.told.slice(3)).to.deep.equal(["a QUEUED", "a ERR is ERR"]);
  });

  it("tells of jobs that somebody else submitted for its lease, and of lines of theirs that were refused", () => {
    const rig = new Rig();
    rig.tell("other", "QUEUED", "RUNNING", "OK");
    rig.say({ job: "", worker: "worker-1", state: "ERR", detail: "INVALID theirs", ts_ms: 17 });
    expect(rig.told).to.deep.equal(["other QUEUED", "other RUNNING", "other OK", " ERR INVALID theirs"]);
    expect(rig.result.map(({ job: id }) => id)).to.deep.equal(["other", ""]);
  });

  it("writes a result before the telemetry that tells of it", () => {
    const rig = new Rig();
    const order: string[] = [];
    rig.entry.telemetry.watch({ appended: () => void order.push("telemetry") });
    rig.entry.result.watch({ appended: () => void order.push("result") });
    rig.tell("a", "QUEUED");
    order.length = 0;
    rig.tell("a", "OK");
    expect(order).to.deep.equal(["result", "telemetry"]);
  });

  it("ends with a sentence if it is told of no GPU, and if the hive refuses what it cannot do without", () => {
    expect(() => new Rig({ start: "a ticket" })).to.throw("Worker: it was not told which GPU it has.");
    const frame = new Uint8Array(16384);
    expect(() => new GpuWorker({ bytes: nodeBytes, frame, args: [1, 0, 0, 0] })).to.throw("no worker of kind 1");
    const revoked = new Rig();
    revoked.pair.session.revoke();
    expect(() => revoked.run()).to.throw("Worker: the hive refused to give it a job: ESHUTDOWN.");
    const ended = new Rig();
    ended.hive.namespace.workers.remove(ended.id);
    expect(() => ended.run()).to.throw("Worker: the hive refused to give it a job: ESHUTDOWN.");
  });
});

describe("GPU worker: lines of a bridge that is not to be trusted", () => {
  it("takes no notice of what is no status line", () => {
    const rig = new Rig();
    const wrong = [
      "",
      "no JSON",
      "null",
      "7",
      "[]",
      "{}",
      '{"job":"a","state":"DONE","detail":"x"}',
      '{"job":"a b","state":"QUEUED","detail":"x"}',
      `{"job":"${"x".repeat(65)}","state":"QUEUED","detail":"x"}`,
      '{"job":7,"state":"QUEUED","detail":"x"}',
      '{"job":"","state":"QUEUED","detail":"x"}',
      '{"state":"QUEUED","detail":"x"}',
      '{"job":"a","state":["QUEUED"]}',
      "[".repeat(4000),
      Uint8Array.of(...utf8('{"job":"a","state":"QUEUED","detail":"'), 0xff, ...utf8('"}')),
    ];
    rig.say(...wrong);
    expect(rig.telemetry).to.deep.equal([]);
    rig.say('{"job":"a","state":"QUEUED"}', '{"job":"a","state":"OK","detail":7,"result_hash":7,"result_b64":{}}');
    expect(rig.telemetry).to.deep.equal([
      { job: "a", state: "QUEUED", detail: "" },
      { job: "a", state: "OK", detail: "" },
    ]);
    expect(rig.result).to.deep.equal([{ job: "a", state: "OK", detail: "" }]);
  });

  it("skips a line that is too long whole, however it comes, and reads on", () => {
    const rig = new Rig();
    const line = (length: number): string => {
      const head = '{"job":"a","state":"QUEUED","detail":"';
      return `${head}${"x".repeat(length - head.length - 2)}"}`;
    };
    rig.say(line(8192), line(4097), line(5000));
    expect(rig.told).to.deep.equal([]);
    rig.say(line(4096), line(8000), '{"job":"a","state":"OK","detail":"fine"}');
    expect(rig.told).to.deep.equal(["a QUEUED", "a OK"]);
  });

  it("cuts details between characters to what its files take", () => {
    const rig = new Rig();
    for (const [id, character] of [
      ["a", "x"],
      ["b", "ä"],
      ["c", "€"],
      ["d", "😀"],
      ["e", "\u0001"],
      ["f", '"'],
      ["g", "\ud800"],
    ] as const) {
      const most = Math.floor((4096 - 60) / (JSON.stringify(character).length > 6 ? 6 : 4));
      rig.say({ job: id, state: "QUEUED", detail: "" }, { job: id, state: "ERR", detail: character.repeat(most) });
      const [line] = rig.telemetry.filter(({ job: other, state }) => other === id && state === "ERR");
      const detail = String(line!["detail"]);
      expect(
        [...detail].every((one) => one === character),
        id,
      ).to.equal(true);
      const bytes = utf8(JSON.stringify(line)).length;
      expect(bytes, id).to.be.within(id === "a" ? 1024 : 150, 1024);
      expect(String(rig.result.find(({ job: other }) => other === id)!["detail"]), id).to.equal(character.repeat(most));
    }
    expect(rig.hive.namespace.counters.linesTooLong).to.equal(0);
  });

  it("keeps a result within its file's bound, and tells the end of one that cannot be", () => {
    const rig = new Rig();
    const say = (id: string, members: string, result: string): void =>
      rig.say(`{"job":"${id}","state":"QUEUED"}`, `{"job":"${id}","state":"OK",${members}"result_b64":"${result}"}`);
    say("a", '"detail":"inline",', "A".repeat(4000));
    // The record has a detail, though the line has none.
    say("b", "", "A".repeat(4050));
    expect(rig.result).to.deep.equal([
      { job: "a", state: "OK", detail: "inline", result_b64: "A".repeat(4000) },
      { job: "b", state: "OK", detail: "" },
    ]);
    expect(rig.told).to.deep.equal(["a QUEUED", "a OK", "b QUEUED", "b OK"]);
  });

  it("tells more lines than fit one write, all of them and in order", () => {
    const rig = new Rig();
    const detail = "x".repeat(900);
    for (let i = 0; i < 40; i++) {
      rig.bridge.say({ job: `j${i}`, state: "QUEUED", detail });
      rig.bridge.say({ job: `j${i}`, state: "ERR", detail: "y".repeat(600) });
    }
    rig.run();
    expect(rig.told).to.have.length(80);
    expect(rig.result.map(({ job: id }) => id)).to.deep.equal(Array.from({ length: 40 }, (_, i) => `j${i}`));
  });
});

describe("GPU worker: what is refused", () => {
  const refusals: readonly (readonly [Refusal, string])[] = [
    [INVALID, "INVALID"],
    [TOO_BIG, "TOO_BIG"],
    [BUSY, "BUSY"],
    [PERMISSION, "REVOKED"],
    [NOT_FOUND, "NOT_FOUND"],
    [RATE_LIMITED, "RATE_LIMITED"],
    [UNSUPPORTED, "UNSUPPORTED"],
  ];
  for (const [why, name] of refusals) {
    it(`ends a job whose line is refused with ${why.name}, by the bridge's sentence or by that name`, () => {
      const rig = new Rig();
      rig.bridge.refuse(why);
      rig.give(job("a"));
      rig.bridge.refuse(why, "NO because");
      rig.give(job("b"));
      const lines = [
        { job: "a", state: "ERR", detail: name },
        { job: "b", state: "ERR", detail: "NO because" },
      ];
      expect([rig.telemetry, rig.result]).to.deep.equal([lines, lines]);
      // It goes on, and has forgotten both.
      rig.bridge.answer = () => undefined;
      rig.give(job("a"));
      rig.tell("a", "QUEUED", "RUNNING", "OK");
      expect(rig.told.slice(2)).to.deep.equal(["a QUEUED", "a RUNNING", "a OK"]);
      rig.go();
      expect(rig.waiting).to.equal(false);
    });
  }

  it("waits for a sentence that comes behind the refusal, and for none that the bridge did not say", () => {
    const rig = new Rig();
    // A bridge whose ring has said more than has been read yet when the refusal comes.
    rig.bridge.answer = () => "later";
    rig.give(job("a"));
    const { session } = rig.pair;
    rig.bridge.later.shift()!.refuse(INVALID);
    rig.bridge.say({ job: "", state: "ERR", detail: "INVALID late" });
    expect(session.ended).to.equal(false);
    rig.run();
    expect(rig.told).to.deep.equal(["a ERR INVALID late"]);
  });

  it("says of nobody's what has no id, another's id, or none that may be one", () => {
    const rig = outstanding("a");
    rig.bridge.refuse(INVALID, "INVALID that");
    for (const line of [job("a"), "{}", "no JSON", job("ü"), '{"job":7}', job("x".repeat(65))]) rig.give(line);
    expect(rig.told).to.deep.equal(["a QUEUED", ...Array.from({ length: 6 }, () => " ERR INVALID that")]);
    rig.tell("a", "RUNNING", "OK");
    expect(rig.told.slice(-2)).to.deep.equal(["a RUNNING", "a OK"]);
  });

  it("says of nobody's what has the id of a job that has ended, for that has its end, until the lease is another", () => {
    const rig = outstanding("a");
    rig.tell("a", "OK");
    const known = "INVALID id: a is the id of a job that is known";
    rig.bridge.refuse(INVALID, known);
    rig.give(job("a"));
    rig.give(job("b"));
    expect(rig.told).to.deep.equal(["a QUEUED", "a OK", ` ERR ${known}`, `b ERR ${known}`]);
    expect(rig.result.map(({ job: id }) => id)).to.deep.equal(["a", "", "b"]);
    rig.expire();
    rig.give(job("a"));
    rig.give(job("c"));
    expect(rig.told.slice(4)).to.deep.equal([" ERR REVOKED", "c ERR REVOKED"]);
    rig.hive.leased = true;
    rig.hive.namespace.services.remove("gpu-bridge");
    rig.come(new Bridge(rig.hive));
    rig.bridge.refuse(INVALID, "INVALID n");
    rig.give("");
    rig.give(job("a"));
    expect(rig.told.slice(6)).to.deep.equal(["a ERR INVALID n"]);
  });

  it("says of nobody's what may have been taken by the id of a job that has ended, and is not told of", () => {
    const rig = outstanding("a");
    rig.tell("a", "OK");
    rig.bridge.answer = () => "later";
    rig.give(job("a"));
    rig.go();
    for (let i = 0; i < GRACE.length; i++) rig.wake();
    expect(rig.told).to.deep.equal(["a QUEUED", "a OK", ` ${LOST}`]);
  });

  it("takes a sentence for another's when its own line was taken", () => {
    const rig = new Rig();
    rig.bridge.answer = () => {
      rig.bridge.say({ job: "", state: "ERR", detail: "INVALID one" });
      rig.bridge.say({ job: "", state: "ERR", detail: "INVALID two" });
      return undefined;
    };
    rig.give(job("a"));
    rig.tell("a", "QUEUED");
    expect(rig.told).to.deep.equal([" ERR INVALID one", " ERR INVALID two", "a QUEUED"]);
  });

  it("has room for 64 that are outstanding, refuses the next, and has room again when one ends", () => {
    const ids = Array.from({ length: 64 }, (_, i) => `j${i}`);
    const rig = outstanding(...ids);
    rig.give(job("more"));
    expect([rig.told.at(-1), rig.bridge.jobs.length]).to.deep.equal(["more ERR BUSY 64 jobs are outstanding", 64]);
    // Somebody else's is not told either, nor what becomes of it.
    rig.tell("theirs", "QUEUED");
    rig.tell("j7", "RUNNING", "OK");
    rig.tell("theirs", "RUNNING");
    rig.give(job("more"));
    rig.tell("more", "QUEUED");
    expect(rig.told.slice(-3)).to.deep.equal(["j7 RUNNING", "j7 OK", "more QUEUED"]);
    rig.go();
    for (const ms of GRACE) {
      expect(rig.pauses).to.deep.equal([ms]);
      rig.wake();
    }
    const lost = rig.told.slice(-64);
    expect(lost.every((line) => line.endsWith(LOST))).to.equal(true);
    expect(new Set(lost).size).to.equal(64);
    expect(rig.result.length).to.equal(66);
  });
});
