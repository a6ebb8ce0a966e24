import { expect } from "chai";
import { SessionTree } from "../../../services/ninedoor/attach.ts";
import type { Role } from "../../../services/roles/roles.ts";
import { PERMISSION } from "../../../services/secure9p/refusal.ts";
import { Session } from "../../../services/secure9p/session.ts";
import type { Tree } from "../../../services/secure9p/tree.ts";
import { FramePort } from "../../../services/workers/frame-port.ts";
import { HeartbeatWorker } from "../../../services/workers/heartbeat.ts";
import { FRAME_BYTES, WORKER, type WorkerArgs } from "../../../services/workers/protocol.ts";
import { Hive } from "../ninedoor/support.ts";
import { nodeBytes } from "../support/ports.ts";
import { Pair } from "./pair.ts";

const TICKET = "a ticket";

/** A heartbeat worker and its root's end, without a component between them. */
class Heartbeat extends Pair {
  readonly hive: Hive;
  readonly id: string;

  constructor(args: WorkerArgs = [1, 0, 250, 0], role: Role = "worker-heartbeat", tree?: Tree) {
    const hive = new Hive();
    const id = hive.spawn();
    const over = tree ?? new SessionTree(hive.view(role, { subject: id }), hive.namespace.counters);
    super((port) => new HeartbeatWorker(port), args, { tree: over, msize: 2048 });
    this.hive = hive;
    this.id = id;
  }

  /** Let it start, and make calls until one waits. @returns the last call's label. */
  override start(): number {
    return super.start(TICKET);
  }

  /** Wake it from its yield. */
  wake(): number {
    this.hive.namespace.workers.find(this.id)!.yielding.due();
    return this.run();
  }

  get telemetry(): string {
    return this.hive.visit("queen").cat(`/worker/${this.id}/telemetry`);
  }
}

describe("heartbeat worker", () => {
  it("says hello, attaches with its ticket and writes a line each time that it has waited", () => {
    const pair = new Heartbeat();
    expect(pair.start()).to.equal(WORKER.FRAMES);
    expect(pair.calls[0]).to.equal(WORKER.HELLO);
    expect([pair.telemetry, pair.hive.yields]).to.deep.equal(["heartbeat 1\n", [250]]);
    for (let i = 0; i < 3; i++) expect(pair.wake()).to.equal(WORKER.FRAMES);
    expect(pair.telemetry).to.equal("heartbeat 1\nheartbeat 2\nheartbeat 3\nheartbeat 4\n");
    expect([pair.session.msize, pair.session.fids]).to.deep.equal([2048, 3]);
  });

  it("ends when it has written as many as it was asked for, without waiting once more", () => {
    const pair = new Heartbeat([1, 2, 100, 0]);
    pair.start();
    expect(pair.wake()).to.equal(WORKER.EXIT);
    expect([pair.telemetry, pair.hive.yields]).to.deep.equal(["heartbeat 1\nheartbeat 2\n", [100]]);
    expect(() => pair.worker.step(WORKER.FRAMES, 0)).to.throw("out of turn");
  });

  it("writes JSON with the hive's time if it is told to", () => {
    const pair = new Heartbeat([1, 0, 100, 1]);
    let ms = 0;
    pair.hive.namespace.addProc("time", () => `uptime_ms ${(ms += 1234)}\nunix_ms 17\n`);
    pair.start();
    pair.wake();
    const lines = pair.telemetry.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).to.deep.equal([
      { tick: 1, ts_ms: 1234 },
      { tick: 2, ts_ms: 2468 },
    ]);
    expect(pair.session.fids).to.equal(3);
  });

  it("ends with a sentence for whatever the hive refuses", () => {
    const refusing: Tree = { attach: (request) => request.refuse(PERMISSION) };
    expect(() => new Heartbeat(undefined, undefined, refusing).start()).to.throw(
      "Worker: the hive refused to attach: EPERM.",
    );
    expect(() => new Heartbeat(undefined, "observer").start()).to.throw(
      "Worker: the hive did not walk all of /worker/self/telemetry.",
    );
    const gone = new Heartbeat();
    gone.hive.namespace.workers.remove(gone.id);
    expect(() => gone.start()).to.throw("Worker: the hive did not walk all of /worker/self/telemetry.");
    const timeless = new Heartbeat([1, 0, 100, 1]);
    timeless.hive.namespace.addProc("time", () => "late\n");
    expect(() => timeless.start()).to.throw("Worker: /proc/time tells no time.");
    const revoked = new Heartbeat();
    revoked.start();
    revoked.session.revoke();
    expect(() => revoked.wake()).to.throw("Worker: the hive refused to let it wait: ESHUTDOWN.");
  });

  it("does not believe what is no 9P, nor answers out of turn", () => {
    const pair = new Heartbeat();
    pair.start();
    pair.frame.fill(0xff, 0, 100);
    expect(() => pair.worker.step(WORKER.FRAMES, 100)).to.throw(/refused to let it wait|no 9P/);
    const early = new Heartbeat();
    early.worker.step(0, 0);
    expect(() => early.worker.step(WORKER.FRAMES, 0)).to.throw("label 514 out of turn");
    expect(() => new Heartbeat([2, 0, 0, 0])).to.throw("this program is no worker of kind 2");
  });
});

describe("worker's frame port", () => {
  it("keeps requests that unread replies hold back, up to a frame of them", () => {
    const pair = new Heartbeat();
    pair.start();
    const { frame, port } = pair;
    // A version request with a too large frame each: 7 bytes in, an Rlerror of 11 out.
    const request = [7, 0, 0, 0, 1, 0, 0];
    const room = Math.floor(FRAME_BYTES / 7) * 7;
    const fill = (): void => {
      for (let at = 0; at < room; at++) frame[at] = request[at % 7]!;
    };
    let answers = 0;
    let calls = 0;
    fill();
    expect(port.take(room)).to.equal(undefined);
    while (pair.answered >= 0 && calls++ < 100) {
      answers += pair.answered;
      pair.answered = -1;
      expect(port.take(0)).to.equal(undefined);
    }
    expect(answers).to.equal((room / 7) * 11);
  });

  it("has enough of one that asks and takes no answers", () => {
    const tree = new Heartbeat();
    tree.start();
    const small = new Session({
      tree: { attach: (r) => r.refuse(PERMISSION) },
      bytes: nodeBytes,
      msize: 512,
      unsentBytes: 512,
    });
    const frame = new Uint8Array(FRAME_BYTES);
    const port = new FramePort(nodeBytes, small, frame, () => undefined);
    for (let at = 0; at + 7 <= FRAME_BYTES; at += 7) frame.set([7, 0, 0, 0, 1, 0, 0], at);
    let wrong: string | undefined;
    for (let i = 0; i < 10 && wrong === undefined; i++) wrong = port.take(16_380);
    expect(wrong).to.equal("more than 16384 bytes of requests, and it takes no replies");
  });

  it("has enough of one that sends no 9P", () => {
    const pair = new Heartbeat();
    pair.start();
    pair.frame.fill(0);
    expect(pair.port.take(100)).to.equal("its requests are no 9P");
  });
});
