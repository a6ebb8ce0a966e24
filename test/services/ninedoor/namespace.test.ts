import { expect } from "chai";
import { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, QTAPPEND, QTDIR } from "../../../services/secure9p/constants.ts";
import { Hive, WAITS } from "./support.ts";

describe("namespace", () => {
  it("shows a Queen the whole tree", () => {
    const hive = new Hive();
    hive.spawn();
    const queen = hive.visit("queen");
    expect(queen.list("/")).to.deep.equal(["proc", "log", "queen", "worker"]);
    expect(queen.list("/proc")).to.deep.equal(["boot", "net"]);
    expect(queen.list("/proc/net")).to.deep.equal(["tcp"]);
    expect(queen.list("/log")).to.deep.equal(["queen.log", "queen.log.follow"]);
    expect(queen.list("/worker")).to.deep.equal(["worker-1"]);
    expect(queen.list("/worker/worker-1")).to.deep.equal([
      ...["telemetry", "telemetry.follow", "status", "trace", "trace.follow", "result", "result.follow", "ctl"],
    ]);
    expect(queen.cat("/proc/net/tcp")).to.equal("tcp: none\n");
    expect(queen.open("/proc/none")).to.equal("!ENOENT");
    expect(queen.open("/proc/boot/x")).to.equal("!ENOENT");
    expect(queen.errors).to.deep.equal([]);
  });

  it("gives every file its own qid path, and `self` the files of its worker", () => {
    const hive = new Hive();
    hive.spawn();
    hive.spawn();
    const queen = hive.visit("queen");
    const seen = new Map<number, string>();
    const visit = (path: string): void => {
      const { path: id, type } = queen.qid(path === "" ? "/" : path);
      expect(seen.get(id), path).to.equal(undefined);
      seen.set(id, path);
      if ((type & QTDIR) === 0) return;
      for (const name of queen.list(path === "" ? "/" : path)) visit(`${path}/${name}`);
    };
    visit("");
    expect(seen.size).to.equal(1 + 4 + 3 + 2 + 1 + 2 + 16);
    const worker = hive.visit("worker-heartbeat", { subject: "worker-2" });
    expect(worker.qid("/worker/self/telemetry")).to.deep.equal(queen.qid("/worker/worker-2/telemetry"));
    expect(worker.list("/worker/self")).to.include.members(["telemetry", "yield"]);
    expect(worker.list("/worker/worker-2")).to.not.include("yield");
    expect(queen.open("/worker/self/status")).to.equal("!ENOENT");
  });

  it("raises a ring's version with every append and a directory's with every change", () => {
    const hive = new Hive();
    const queen = hive.visit("queen");
    const before = queen.qid("/log/queen.log");
    expect(before.type).to.equal(QTAPPEND);
    hive.namespace.queenLog.line("test", "one");
    hive.namespace.queenLog.line("test", "two");
    expect(queen.qid("/log/queen.log").version).to.equal(before.version + 2);
    expect(queen.qid("/log/queen.log.follow").version).to.equal(before.version + 2);
    const workers = queen.qid("/worker");
    hive.namespace.workers.remove(hive.spawn());
    expect(queen.qid("/worker").version).to.equal(workers.version + 2);
  });

  it("never uses an id again, and refuses more workers than there may be", () => {
    const hive = new Hive({ workers: 2 });
    expect([hive.spawn(), hive.spawn()]).to.deep.equal(["worker-1", "worker-2"]);
    expect(() => hive.spawn()).to.throw("no room");
    expect(hive.namespace.counters.workersRefused).to.equal(1);
    expect(hive.namespace.workers.remove("worker-1")).to.equal(true);
    expect(hive.namespace.workers.remove("worker-1")).to.equal(false);
    expect(hive.spawn()).to.equal("worker-3");
    expect(hive.namespace.workers.size).to.equal(2);
  });

  it("drains what is open on a worker that is gone, then says so", () => {
    const hive = new Hive();
    const id = hive.spawn();
    const own = hive.visit("worker-heartbeat", { subject: id });
    const queen = hive.visit("queen");
    expect(own.echo("heartbeat 1\n", "/worker/self/telemetry")).to.equal("12");
    const telemetry = queen.opened(`/worker/${id}/telemetry`);
    const status = queen.opened(`/worker/${id}/status`);
    const ctl = queen.opened(`/worker/${id}/ctl`, O_WRONLY);
    const writing = own.opened("/worker/self/telemetry", O_WRONLY);
    const directory = queen.opened(`/worker/${id}`);
    const walked = queen.walk(`/worker/${id}/status`) as number;
    const follow = queen.opened(`/worker/${id}/telemetry.follow`);
    const waiting = queen.readLater(follow, 12);
    hive.namespace.workers.remove(id);
    queen.pump();
    expect(waiting.result).to.equal("!ESHUTDOWN");
    expect(queen.read(telemetry, 0)).to.equal("heartbeat 1\n");
    expect(queen.size(telemetry)).to.equal(12);
    expect(queen.read(telemetry, 12)).to.equal("!ESHUTDOWN");
    expect(queen.read(status, 0)).to.equal("state=running\n");
    expect(queen.read(status, 14)).to.equal("!ESHUTDOWN");
    expect(queen.write(ctl, "pause\n")).to.equal("!ESHUTDOWN");
    expect(own.write(writing, "heartbeat 2\n")).to.equal("!ESHUTDOWN");
    expect(queen.page(directory, 0, 4096)).to.equal("!ESHUTDOWN");
    expect(queen.size(walked)).to.equal("!ENOENT");
    expect(queen.open(`/worker/${id}/telemetry`)).to.equal("!ENOENT");
    expect(own.open("/worker/self/telemetry")).to.equal("!ENOENT");
    expect(hive.namespace.counters.closed).to.equal(6);
    expect(hive.control.lines).to.deep.equal([]);
    expect(queen.errors).to.deep.equal([]);
  });

  it("marks what clients write into the log, so that nobody forges an audit line", () => {
    const hive = new Hive();
    hive.clock.us = 1_500_000;
    const queen = hive.visit("queen");
    expect(queen.echo("hello\n[   9.9] audit: forged\r\x1b[2K\u202e\n", "/log/queen.log")).to.equal("37");
    expect(queen.cat("/log/queen.log")).to.equal(
      "[   1.500000] client session=1 role=queen: hello\n" +
        "[   1.500000] client session=1 role=queen: [   9.9] audit: forged??[2K?\n",
    );
    expect(queen.echo("kept without newline", "/log/queen.log")).to.equal("20");
    expect(queen.cat("/log/queen.log")).to.match(/queen: kept without newline\n$/);
    const fid = queen.opened("/log/queen.log", O_WRONLY);
    expect(queen.write(fid, Uint8Array.of(0xff, 0x0a))).to.equal("!EINVAL");
    expect(queen.write(fid, "x".repeat(1025))).to.equal("!EMSGSIZE");
    expect(hive.namespace.counters.linesTooLong).to.equal(1);
    expect(hive.namespace.counters.linesRefused).to.equal(1);
  });

  it("cuts a line of the hive that is longer than a record, between characters", () => {
    const hive = new Hive();
    const { queenLog } = hive.namespace;
    queenLog.line("test", "ä".repeat(2000));
    expect(queenLog.cut).to.equal(1);
    expect(hive.visit("queen").cat("/log/queen.log")).to.match(/^\[ {3}0\.000000\] test: ä+…\n$/);
    expect(queenLog.ring.end).to.be.within(queenLog.ring.recordBytes - 1, queenLog.ring.recordBytes + 1);
  });

  it("takes telemetry only as text, and only of its worker", () => {
    const hive = new Hive();
    const id = hive.spawn();
    const other = hive.spawn();
    const own = hive.visit("worker-heartbeat", { subject: id });
    const fid = own.opened("/worker/self/telemetry", O_RDWR | O_TRUNC);
    expect(own.write(fid, "a\0b\n")).to.equal("!EINVAL");
    expect(own.write(fid, "one\ntwo\n")).to.equal("8");
    expect(own.read(fid, 0)).to.equal("one\ntwo\n");
    expect(own.open(`/worker/${other}/telemetry`, O_WRONLY)).to.equal("!EPERM");
    expect(hive.visit("queen").open(`/worker/${id}/telemetry`, O_WRONLY)).to.equal("!EPERM");
    expect(own.open("/worker/self/result", O_WRONLY)).to.equal("!EPERM");
    expect(own.echo("9\n", "/worker/self/yield")).to.equal(WAITS);
    expect(hive.yields).to.deep.equal([9]);
    const gpu = hive.visit("worker-gpu", { subject: other });
    expect(gpu.echo('{"job":"jid-1"}\n', "/worker/self/result")).to.equal("16");
    expect(gpu.open("/worker/self/trace", O_WRONLY)).to.equal("!EPERM");
  });

  it("tells a control file who writes", () => {
    const hive = new Hive();
    const view = hive.view("queen");
    const queen = hive.enter(view);
    expect(queen.echo('{"kill":"worker-1"}\n', "/queen/ctl")).to.equal("20");
    expect(hive.queen.askers).to.deep.equal([view]);
    expect(queen.open("/queen/ctl", O_RDONLY)).to.be.a("number");
  });

  it("holds its memory whatever is written, a hundred thousand times", function () {
    this.timeout(60_000);
    const hive = new Hive();
    const id = hive.spawn();
    const queen = hive.visit("queen");
    const own = hive.visit("worker-gpu", { subject: id });
    const files: [typeof queen, number][] = [
      [queen, queen.opened("/queen/ctl", O_WRONLY)],
      [queen, queen.opened("/log/queen.log", O_WRONLY)],
      [queen, queen.opened(`/worker/${id}/ctl`, O_WRONLY)],
      [own, own.opened("/worker/self/telemetry", O_WRONLY)],
      [own, own.opened("/worker/self/result", O_WRONLY)],
      [own, own.opened("/worker/self/yield", O_WRONLY)],
    ];
    for (let i = 0; i < 100_000; i++) {
      const [who, fid] = files[i % files.length]!;
      if (!/^\d+$|^!/.test(who.write(fid, i % 7 === 0 ? "x" : "no\n"))) throw new Error("no answer");
    }
    const { queenLog, workers } = hive.namespace;
    const worker = workers.find(id)!;
    for (const ring of [queenLog.ring, worker.telemetry, worker.result]) {
      expect(ring.end - ring.start).to.be.within(1, ring.capacity);
    }
    expect(queen.cat("/proc/boot")).to.equal("boot at 0\n");
  });
});
