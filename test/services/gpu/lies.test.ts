import { expect } from "chai";
import { LEASES } from "../../../services/gpu/table.ts";
import { QTFILE } from "../../../services/secure9p/constants.ts";
import { BUSY, STALE } from "../../../services/secure9p/refusal.ts";
import type { OpenFile, Request } from "../../../services/secure9p/tree.ts";
import { FakeBridge, GpuHive } from "../hive/gpu-hive.ts";
import { expectNoErrors } from "../hive/support.ts";
import { TestNode, TestTree, utf8 } from "../secure9p/fixture.ts";

afterEach(expectNoErrors);

const AWAY = "!EBUSY";
const MANY = 10_000;
const LEFT_OUT = "GPU-0 is left out: TimedOut; it is tried again";
/** What of a GPU may not answer, and to which request. */
const SILENT = [
  ["ctl", "opening"],
  ["lease.follow", "asking"],
  ["lessee", "io"],
] as const;

/** A file whose reads are answered by the test. */
class Saying extends TestNode {
  readonly #answer: (request: Request) => void;

  constructor(tree: TestTree, answer: (request: Request) => void) {
    super(tree, QTFILE);
    this.#answer = answer;
  }

  override handle(): OpenFile {
    return { ...super.handle(), read: (request) => this.#answer(request) };
  }
}

function give(request: Request, text: string): void {
  const bytes = utf8(text).subarray(0, request.count);
  request.put(bytes, 0, bytes.length);
  request.done();
}

function line(worker: string, state = "ACTIVE", more: object = {}): string {
  const terms = { mem_mb: 1, streams: 1, ttl_s: 600, priority: 0 };
  return `${JSON.stringify({ schema: "gpu-lease/v1", state, gpu_id: "GPU-0", worker_id: worker, ...terms, ...more })}\n`;
}

/** A tree as a bridge's, of which nothing ever comes. */
function bridgeTree(gpus = ["GPU-0"]): TestTree {
  const tree = new TestTree();
  for (const name of gpus) {
    const gpu = tree.root.dir(name);
    gpu.file("info", "{}\n");
    gpu.file("ctl", "");
    gpu.file("lease.follow", "").io = "park";
    gpu.dir("lessee");
  }
  return tree;
}

/** The tree's first GPU. */
function gpuOf(tree: TestTree): TestNode {
  return tree.root.children.get("GPU-0")!;
}

/** A hive with such a bridge. */
async function lied(tree: TestTree, passMs = 0): Promise<GpuHive> {
  const hive = new GpuHive();
  hive.dial(new FakeBridge([]), tree);
  await hive.settle(passMs);
  return hive;
}

/** A tree whose `lease.follow` answers so. */
function following(answer: (request: Request) => void): TestTree {
  const tree = bridgeTree();
  gpuOf(tree).add("lease.follow", new Saying(tree, answer));
  return tree;
}

/** The hive goes on, with the one worker that is spawned here. */
function healthy(hive: GpuHive): void {
  expect(hive.order({ spawn: "heartbeat" })).to.equal("");
  expect(hive.queen.list("/worker")).to.have.length(1);
  hive.pass(1000);
  expect(hive.queen.cat("/proc/9p/services")).to.be.a("string");
}

describe("hive: a GPU bridge that lies", () => {
  const floods: [string, (request: Request) => void][] = [
    ["tells of leases without end", (request) => give(request, line("worker-9", "ACTIVE", { priority: request.offset % 100 }))],
    ["tells what is no lease without end", (request) => give(request, "nonsense\n".repeat(400))],
    ["tells a line that has no end", (request) => give(request, "x".repeat(4096))],
    ["tells one byte at a time, of no line", (request) => give(request, "x")],
    ["says without end that what was there is lost", (request) => request.refuse(STALE)],
  ]; // prettier-ignore
  for (const [what, answer] of floods) {
    it(`and ${what} is left, and the hive goes on`, async () => {
      const hive = await lied(following(answer));
      expect(hive.told("export").join("\n")).to.match(
        /(?:gone|failed) service=gpu-bridge session=\d+ why=GPU-0: more lines than a GPU's leases can need$/,
      );
      expect(hive.spawn()).to.equal(AWAY);
      healthy(hive);
    });
  }

  it("and answers with nothing where one waits is left", async () => {
    const hive = await lied(following((request) => give(request, "")));
    expect(hive.told("export").at(-1)).to.match(/why=GPU-0: an empty answer where one has to wait$/);
    expect(hive.spawn()).to.equal(AWAY);
    healthy(hive);
  });

  it("and says of its file that it is as large as a number can be is left", async () => {
    const tree = following((request) => give(request, "nonsense\n".repeat(100)));
    const follow = gpuOf(tree).children.get("lease.follow")!;
    follow.content = { length: Number.MAX_SAFE_INTEGER - 100 } as Uint8Array;
    const hive = await lied(tree);
    expect(hive.told("export").at(-1)).to.match(/^failed service=gpu-bridge session=\d+ why=GPU-0: Invalid$/);
    expect(hive.spawn()).to.equal(AWAY);
    healthy(hive);
  });

  it("and is busy where it has to be followed is asked again each second, and no more often", async () => {
    let asked = 0;
    const tree = following((request) => {
      asked++;
      request.refuse(BUSY);
    });
    const hive = await lied(tree);
    for (let i = 0; i < 100; i++) hive.pass(100);
    expect(asked).to.be.within(9, 12);
    expect(hive.queen.cat("/proc/9p/gpu")).to.match(/\ngpu GPU-0 stalled ignored=0\n/);
    healthy(hive);
  });

  it("and tells a little nonsense is followed, and the nonsense counted", async () => {
    const tree = bridgeTree();
    const hive = await lied(tree);
    const wrong = ["nonsense", "[]", "null", '{"schema":"gpu-lease/v1"}', line("../x").trim(), line("worker-1", "MAYBE").trim(), line("worker-1", "ACTIVE", { ttl_s: -1 }).trim(), line("worker-1", "ACTIVE", { gpu_id: "GPU-1" }).trim(), "y".repeat(2000)]; // prettier-ignore
    const text = wrong.map((one) => `${one}\n`).join("");
    tree.unpark().refuse(STALE);
    hive.pass(0);
    const request = tree.unpark();
    give(request, text);
    hive.pass(0);
    expect(hive.queen.cat("/proc/9p/gpu")).to.match(new RegExp(`\ngpu GPU-0 followed ignored=${wrong.length}\n`));
    expect(hive.spawn()).to.equal("");
    hive.order({ kill: "worker-1" });
    healthy(hive);
  });

  it("and has no ctl, or no lease that can be followed, has that GPU left out, with a line of the log", async () => {
    for (const name of ["ctl", "lease.follow", "lessee"]) {
      const tree = bridgeTree();
      gpuOf(tree).children.delete(name);
      const hive = await lied(tree);
      expect(hive.told("gpu"), name).to.deep.equal(["GPU-0 is left out: NotFound"]);
      expect(hive.spawn(), name).to.equal("!ENOENT");
      healthy(hive);
    }
  });

  it("and never answers is seen in time all the same, without its GPUs, and holds nothing of the hive's however often it is tried", async () => {
    for (const [name, behaviour] of SILENT) {
      const tree = bridgeTree(["GPU-0", "GPU-1"]);
      gpuOf(tree).children.get(name)![behaviour] = "park";
      const hive = await lied(tree);
      expect(hive.spawn(), name).to.equal(AWAY);
      expect(hive.told("export"), name).to.deep.equal([]);
      hive.pass(5100);
      expect(hive.told("gpu"), name).to.deep.equal([LEFT_OUT]);
      expect(hive.spawn(), name).to.equal(AWAY);
      expect(hive.told("worker").at(-1), name).to.equal("not spawned: its bridge does not answer for that GPU");
      expect(hive.spawn({ gpu_id: "GPU-1" }), name).to.equal("");
      hive.order({ kill: "worker-1" });
      for (let i = 0; i < 1000; i++) hive.pass(100);
      // A try a second after the end of the one before.
      expect(tree.cancelled.length, name).to.be.within(15, 36);
      // The one GPU's two files, of the other at most those of one try and what is under way; each has its place to wait at.
      expect(tree.opened - tree.closed, name).to.be.at.most(5);
      expect(tree.parked.length, name).to.be.at.most(3);
      // Not every bridge answers a read that waits when its file is closed, so it is told to.
      if (name === "lessee") expect(hive.hive.exports.requests.cancelled).to.be.at.least(15);
      expect(
        hive.told("gpu").filter((text) => text.startsWith("GPU-0")),
        name,
      ).to.deep.equal([LEFT_OUT]);
      expect(hive.queen.cat("/proc/9p/gpu"), name).to.match(/\ngpu GPU-0 away\n/);
      hive.order({ spawn: "heartbeat" });
      expect(hive.queen.list("/worker")).to.have.length(1);
    }
  });

  it("and does not answer for a moment has that GPU again, agreed on as that of a fresh one", async () => {
    for (const [name, behaviour] of SILENT) {
      const tree = bridgeTree();
      const gpu = gpuOf(tree);
      gpu.children.get("lessee")!.dir("worker-70");
      gpu.children.get(name)![behaviour] = "park";
      const hive = await lied(tree);
      hive.pass(5100);
      expect(hive.spawn(), name).to.equal(AWAY);
      gpu.children.get(name)![behaviour] = "answer";
      hive.pass(1000);
      hive.pass(100);
      expect(hive.told("gpu"), name).to.deep.equal([
        LEFT_OUT,
        "GPU-0 is followed again",
        "GPU-0 gave back worker=worker-70",
      ]);
      expect(Buffer.from(gpu.children.get("ctl")!.content).toString(), name).to.equal("RELEASE worker-70\n");
      expect(hive.spawn(), name).to.equal("");
      hive.order({ kill: "worker-1" });
      healthy(hive);
    }
  });

  it("and turns out to have no such GPU when it is tried again has it left out for good", async () => {
    const tree = bridgeTree();
    gpuOf(tree).children.get("lessee")!.opening = "park";
    const hive = await lied(tree);
    hive.pass(5100);
    gpuOf(tree).children.delete("lessee");
    for (let i = 0; i < 50; i++) hive.pass(100);
    expect(hive.told("gpu")).to.deep.equal([LEFT_OUT, "GPU-0 is left out: NotFound"]);
    expect(hive.spawn()).to.equal("!ENOENT");
    healthy(hive);
  });

  it("and is back, but does not answer for a GPU, has its leases still until it says that it has it no more", async () => {
    for (const silent of ["root", "gpu"]) {
      const hive = await lied(bridgeTree());
      for (let i = 0; i < 2; i++) expect(hive.spawn()).to.equal("");
      hive.hangUp();
      const tree = bridgeTree();
      const node = silent === "root" ? tree.root : gpuOf(tree).children.get("lessee")!;
      node.io = "park";
      hive.dial(new FakeBridge([]), tree);
      await hive.settle();
      for (let i = 0; i < 110; i++) hive.pass(100);
      hive.order({ kill: "worker-2" });
      expect(hive.told("gpu").slice(3), silent).to.deep.equal(["GPU-0 released worker=worker-2"]);
      expect(hive.queen.cat("/worker/worker-1/status"), silent).to.match(/\nlease active /);
      tree.root.children.delete("GPU-0");
      node.io = "answer";
      for (let i = 0; i < 70; i++) hive.pass(100);
      expect(hive.told("gpu").slice(4), silent).to.deep.equal(
        silent === "root"
          ? ["its GPUs are listed", "GPU-0 lost worker=worker-1"]
          : ["GPU-0 is left out: NotFound", "GPU-0 lost worker=worker-1"],
      );
      expect(hive.queen.cat("/worker/worker-1/status"), silent).to.match(/\nlease none\n/);
      hive.order({ kill: "worker-1" });
      healthy(hive);
    }
  });

  it("and is back, but answers for a GPU late, leases again what it has lost, and ends what ended meanwhile", async () => {
    const hive = await lied(bridgeTree());
    for (let i = 0; i < 2; i++) expect(hive.spawn()).to.equal("");
    hive.hangUp();
    const tree = bridgeTree();
    const lessee = gpuOf(tree).children.get("lessee")!;
    lessee.dir("worker-2");
    lessee.io = "park";
    hive.dial(new FakeBridge([]), tree);
    await hive.settle(5100);
    hive.order({ kill: "worker-2" });
    lessee.io = "answer";
    for (let i = 0; i < 12; i++) hive.pass(100);
    expect(hive.told("gpu").slice(3)).to.have.members([
      "GPU-0 released worker=worker-2",
      "GPU-0 gave back worker=worker-2",
      "GPU-0 leased again worker=worker-1 ttl_s=54",
      "GPU-0 is followed again",
    ]);
    const told = Buffer.from(gpuOf(tree).children.get("ctl")!.content).toString();
    expect(told).to.match(/^RELEASE worker-2\nLEASE worker-1 mem_mb=512 streams=2 ttl_s=54 priority=5\n$/);
    hive.order({ kill: "worker-1" });
    healthy(hive);
  });

  it("and loses lines of a GPU without saying who is a lessee has it left out until it says so", async () => {
    const tree = bridgeTree();
    const hive = await lied(tree);
    expect(hive.spawn()).to.equal("");
    const lessee = gpuOf(tree).children.get("lessee")!;
    lessee.opening = "park";
    tree.unpark().refuse(STALE);
    hive.pass(100);
    hive.pass(5100);
    expect(hive.told("gpu").slice(1)).to.deep.equal([LEFT_OUT]);
    expect(hive.spawn()).to.equal(AWAY);
    hive.order({ kill: "worker-1" });
    lessee.dir("worker-1");
    lessee.opening = "answer";
    hive.pass(1000);
    hive.pass(100);
    expect(hive.told("gpu").slice(2)).to.deep.equal([
      "GPU-0 released worker=worker-1",
      "GPU-0 is followed again",
      "GPU-0 gave back worker=worker-1",
    ]);
    healthy(hive);
  });

  it("and does not list its GPUs is asked again until it does", async () => {
    for (const behaviour of ["opening", "io"] as const) {
      const tree = bridgeTree();
      tree.root[behaviour] = "park";
      const hive = await lied(tree);
      hive.pass(5100);
      expect(hive.told("gpu")).to.deep.equal(["its GPUs cannot be listed: TimedOut; that is tried again"]);
      expect(hive.spawn()).to.equal(AWAY);
      for (let i = 0; i < 100; i++) hive.pass(100);
      tree.root[behaviour] = "answer";
      hive.pass(6000);
      hive.pass(1000);
      expect(hive.told("gpu").slice(1)).to.deep.equal(["its GPUs are listed"]);
      expect(hive.spawn()).to.equal("");
      hive.order({ kill: "worker-1" });
      healthy(hive);
    }
  });

  it("and has a thousand GPUs has as many of them as a bridge may have", async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `GPU-${i}`);
    const hive = await lied(bridgeTree(names));
    expect(hive.queen.cat("/proc/9p/gpu").match(/^gpu GPU-\d+ followed /gm)).to.have.length(16);
    expect(hive.spawn({ gpu_id: "GPU-999" })).to.equal("!ENOENT");
    expect(hive.spawn({ gpu_id: "GPU-15" })).to.equal("");
    hive.order({ kill: "worker-1" });
    healthy(hive);
  });

  it("and has GPUs whose names are none has none of them", async () => {
    const hive = await lied(bridgeTree(["GPU 0", "-x", "GPU\n0", "é", "x".repeat(65)]));
    expect(hive.queen.cat("/proc/9p/gpu")).to.not.match(/^gpu /m);
    expect(hive.spawn()).to.equal("!ENOENT");
    healthy(hive);
  });

  it("and names ten thousand lessees is told of no more than a GPU can have", async () => {
    const tree = bridgeTree();
    const gpu = gpuOf(tree);
    for (let i = 0; i < MANY; i++) gpu.children.get("lessee")!.dir(`worker-${i}`);
    const hive = await lied(tree);
    for (let i = 0; i < 50; i++) hive.pass(100);
    const told = Buffer.from(gpu.children.get("ctl")!.content).toString().split("\n").slice(0, -1);
    expect(told).to.have.length(LEASES);
    expect(new Set(told)).to.have.property("size", LEASES);
    expect(told.every((command) => command.startsWith("RELEASE worker-"))).to.equal(true);
    healthy(hive);
  });

  it("and tells of ever more leases, and ends none of them, is left before they are too many to remember", async () => {
    let told = 0;
    const waiting: Request[] = [];
    const tree = following((request) => {
      waiting.push(request);
      request.park({ cancelled: () => undefined });
    });
    gpuOf(tree).children.get("ctl")!.handle = () => ({
      ...new TestNode(tree, QTFILE).handle(),
      write: (request) => request.refuse(BUSY),
    });
    const hive = await lied(tree);
    for (let second = 0; second < 60 && waiting.length > 0; second++) {
      give(waiting.shift()!, Array.from({ length: 30 }, () => line(`w-${++told}`)).join(""));
      hive.pass(500);
    }
    expect(hive.told("export").at(-1)).to.match(/gone service=gpu-bridge session=\d+ why=GPU-0: /);
    expect(hive.spawn()).to.equal(AWAY);
    expect(told).to.be.lessThan(60 * 30);
    healthy(hive);
  });

  it("and says of a lease at once that it is over has no lessee", async () => {
    const tree = bridgeTree();
    const hive = await lied(tree);
    expect(hive.spawn()).to.equal("");
    const follow = tree.unpark();
    give(follow, line("worker-1", "RELEASED"));
    hive.pass(100);
    expect(hive.hive.office.isLessee("worker-1", "GPU-0")).to.equal(false);
    expect(hive.queen.cat("/worker/worker-1/status")).to.match(/\nlease none\n/);
    hive.order({ kill: "worker-1" });
    healthy(hive);
  });
});
