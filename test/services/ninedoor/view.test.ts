import { expect } from "chai";
import fc from "fast-check";
import { TicketTree } from "../../../services/ninedoor/attach.ts";
import { Directory } from "../../../services/ninedoor/directory.ts";
import { O_RDONLY, O_WRONLY, QTDIR, QTFILE, SETATTR_SIZE } from "../../../services/secure9p/constants.ts";
import { NOT_FOUND, PERMISSION } from "../../../services/secure9p/refusal.ts";
import type { Node, Request } from "../../../services/secure9p/tree.ts";
import { Hive, Visitor, WAITS } from "./support.ts";

/** A directory of another server, which answers when it is told to, and has one child, itself. */
class SlowServer implements Node {
  readonly qid = { type: QTDIR, version: 0, path: 2 ** 40 };
  readonly waiting: Request[] = [];
  cancels = 0;

  walk(request: Request, name: string): void {
    if (name !== "again") return request.refuse(NOT_FOUND);
    this.waiting.push(request);
    request.park({ cancelled: () => this.cancels++ });
  }
  open(request: Request): void {
    request.refuse(PERMISSION);
  }
  getattr(request: Request): void {
    request.refuse(PERMISSION);
  }
  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }
}

/** Lines of the audit log without their times. */
const logged = (visitor: Visitor): string[] =>
  visitor
    .cat("/log/queen.log")
    .replace(/^\[.{11}\] /gm, "")
    .split("\n")
    .slice(0, -1);
const codeOf = (refusal: { code: string } | undefined): string => refusal?.code ?? "";

describe("view: the policy", () => {
  it("denies what the role is not granted, and audits who wanted what", () => {
    const hive = new Hive();
    const id = hive.spawn();
    hive.spawn();
    const worker = hive.visit("worker-heartbeat", { subject: id });
    expect(worker.cat("/proc/boot")).to.equal("boot at 0\n");
    expect(worker.open("/proc/net/tcp")).to.equal("!EPERM");
    expect(worker.list("/worker")).to.equal("!EPERM");
    expect(worker.open("/worker/worker-2/telemetry")).to.equal("!EPERM");
    expect(worker.open("/queen/ctl", O_WRONLY)).to.equal("!EPERM");
    expect(worker.open("/log/queen.log", O_WRONLY)).to.equal("!EPERM");
    expect(hive.visit("queen").open("/proc/boot", O_WRONLY)).to.equal("!EPERM");
    expect(logged(worker)).to.deep.equal([
      "audit: denied walk path=/proc/net role=worker-heartbeat subject=worker-1 why=not-granted session=1",
      "audit: denied read path=/worker role=worker-heartbeat subject=worker-1 why=not-granted session=1",
      "audit: denied walk path=/worker/worker-2 role=worker-heartbeat subject=worker-1 why=another-worker session=1",
      "audit: denied walk path=/queen role=worker-heartbeat subject=worker-1 why=not-granted session=1",
      "audit: denied append path=/log/queen.log role=worker-heartbeat subject=worker-1 why=not-granted session=1",
      "audit: denied write path=/proc/boot role=queen why=not-granted session=2",
    ]);
    expect(hive.namespace.counters.denied).to.equal(6);
  });

  it("audits each walk that is denied on its way once, though its client has to ask once more why", () => {
    const hive = new Hive();
    const worker = hive.visit("worker-heartbeat", { subject: hive.spawn() });
    const { counters } = hive.namespace;
    const walk = (from: number, ...names: string[]): number => {
      const before = counters.denied;
      worker.ask((done) => worker.client.walk(from, 60, names, done));
      return counters.denied - before;
    };
    const proc = worker.walk("/proc") as number;
    // The answer to the first is where it ended, and to the second why.
    expect([walk(0, "proc", "net"), walk(proc, "net")]).to.deep.equal([1, 0]);
    // Asked a third time it is another attempt, and so is every walk that starts afresh.
    expect([walk(proc, "net"), walk(0, "proc", "net"), walk(0, "proc", "net")]).to.deep.equal([1, 1, 1]);
    expect([walk(0, "queen"), walk(proc, "net")]).to.deep.equal([1, 1]);
    expect([walk(0, "proc", "net"), walk(proc, "9p"), walk(proc, "net")]).to.deep.equal([1, 1, 1]);
    expect([walk(0, "proc", "net", "tcp"), walk(proc, "net", "tcp")]).to.deep.equal([1, 0]);
    expect(logged(worker)).to.have.length(counters.denied);
  });

  it("audits a walk into what a mount covers once too", () => {
    const hive = new Hive();
    const view = hive.view("observer");
    const observer = hive.enter(view);
    const target = { service: undefined, rest: ["queen"], names: ["queen"] };
    view.mounts.set({ at: ["log", "shown"], from: ["queen"], target, qid: hive.namespace.root.qid });
    expect(observer.open("/log/shown")).to.equal("!EPERM");
    expect(logged(observer)).to.deep.equal(["audit: denied walk path=/queen role=observer why=not-granted session=1"]);
  });

  it("lets nobody change attributes of what he may not write", () => {
    const hive = new Hive();
    const observer = hive.visit("observer");
    const fid = observer.walk("/log/queen.log") as number;
    expect(observer.setattr(fid, SETATTR_SIZE)).to.equal("!EPERM");
    expect(hive.namespace.counters.denied).to.equal(1);
  });

  it("gives a service nothing to attach to", () => {
    const hive = new Hive();
    expect(hive.visit("service", { subject: "gpu-bridge" }).attached).to.equal("!EPERM");
    expect(hive.namespace.counters.attachesRefused).to.equal(1);
  });

  it("sums up denials beyond a rate, so that nobody flushes the log with them", () => {
    const hive = new Hive();
    const observer = hive.visit("observer");
    for (let i = 0; i < 1000; i++) expect(observer.walk("/queen")).to.equal("!EPERM");
    const { counters, queenLog } = hive.namespace;
    expect([counters.denied, counters.deniedUnlogged, queenLog.ring.appends]).to.deep.equal([1000, 872, 128]);
    hive.clock.us += 1_000_000;
    observer.walk("/queen");
    expect(hive.visit("queen").cat("/log/queen.log")).to.match(/session=1 unlogged=872\n$/);
  });

  it("holds an open file to the lease, the scope's rate and the quotas", () => {
    const hive = new Hive();
    const id = hive.spawn();
    const { files, root, counters } = hive.namespace;
    const directory = (): Directory => new Directory({ qid: files.qids.next(QTDIR), counters, life: root.life });
    const [gpus, gpu] = [directory(), directory()];
    root.add("gpu", gpus);
    gpus.add("GPU-0", gpu);
    gpu.add(
      "info",
      files.text(files.qids.next(QTFILE), root.life, () => "a GPU\n"),
    );
    const lessee = hive.visit("worker-gpu", { subject: id });
    const info = lessee.opened("/gpu/GPU-0/info");
    expect(lessee.read(info, 0)).to.equal("a GPU\n");
    hive.leased = false;
    expect(lessee.read(info, 0)).to.equal("!ESHUTDOWN");

    const scoped = hive.visit("observer", { scopes: [{ path: "/proc", verb: "read", ratePerSecond: 2 }] });
    const fid = scoped.opened("/proc/boot");
    expect(scoped.open("/log/queen.log")).to.equal("!EPERM");
    expect(scoped.read(fid, 0)).to.equal("boot at 0\n");
    expect(scoped.read(fid, 0)).to.equal("!EAGAIN");
    hive.clock.us += 1_000_000;
    expect(scoped.read(fid, 0)).to.equal("boot at 0\n");

    const quotas = { bandwidthBytes: 24, cursorResumes: 1, cursorAdvances: 1 };
    const metered = hive.visit("worker-heartbeat", { subject: id, quotas });
    const file = metered.opened("/proc/boot");
    expect(metered.read(file, 0, 4)).to.equal("boot");
    expect(metered.read(file, 4, 4)).to.equal(" at ");
    expect(metered.read(file, 8, 4)).to.equal("!EAGAIN");
    expect(metered.read(file, 0, 4)).to.equal("boot");
    expect(metered.read(file, 0, 4)).to.equal("!EAGAIN");
    const again = metered.opened("/proc/boot");
    expect(metered.read(again, 0)).to.equal("!EAGAIN");
    expect(metered.read(again, 0, 12)).to.equal("boot at 1000");
    expect(metered.read(metered.opened("/proc/boot"), 0, 1)).to.equal("!EAGAIN");
  });
});

describe("view: mounts", () => {
  it("binds for one session what the others see where it was", () => {
    const hive = new Hive();
    hive.spawn();
    const view = hive.view("queen");
    const queen = hive.enter(view);
    const other = hive.visit("queen");
    expect(codeOf(view.bind("/worker", "/shadow"))).to.equal("");
    expect(queen.list("/shadow")).to.deep.equal(["worker-1"]);
    expect(queen.qid("/shadow/worker-1/status")).to.deep.equal(other.qid("/worker/worker-1/status"));
    expect(queen.list("/")).to.deep.equal(["proc", "log", "queen", "worker", "shadow"]);
    expect(queen.list("/", 40)).to.deep.equal(queen.list("/"));
    expect(other.list("/")).to.deep.equal(["proc", "log", "queen", "worker"]);
    expect(other.open("/shadow")).to.equal("!ENOENT");
    expect(codeOf(view.bind("/proc", "/queen"))).to.equal("");
    expect(queen.list("/")).to.deep.equal(["proc", "log", "worker", "shadow", "queen"]);
    expect(queen.cat("/queen/boot")).to.equal("boot at 0\n");
    expect(queen.open("/queen/ctl", O_WRONLY)).to.equal("!ENOENT");
    expect(other.echo("yes\n", "/queen/ctl")).to.equal("4");
    expect(queen.list("/queen/..")).to.deep.equal(queen.list("/"));
  });

  it("asks the policy about what is bound, not about what it is called", () => {
    const hive = new Hive();
    const view = hive.view("queen");
    const queen = hive.enter(view);
    expect(codeOf(view.bind("/queen/ctl", "/log/queen.log"))).to.equal("");
    expect(codeOf(view.bind("/proc/boot", "/queen/ctl"))).to.equal("");
    expect(queen.open("/queen/ctl", O_WRONLY)).to.equal("!EPERM");
    expect(queen.echo("yes\n", "/log/queen.log")).to.equal("4");
    expect(hive.queen.lines).to.deep.equal(["yes"]);
    expect(hive.namespace.queenLog.ring.end).to.be.greaterThan(0);
    expect(queen.list("/log")).to.deep.equal(["queen.log.follow", "queen.log"]);
  });

  it("mounts services where it is told, by their own path for the policy", () => {
    const hive = new Hive();
    const view = hive.view("queen");
    const queen = hive.enter(view);
    for (const service of ["log", "proc", "worker"]) expect(codeOf(view.mount(service, `/my-${service}`))).to.equal("");
    expect(queen.cat("/my-proc/boot")).to.equal("boot at 0\n");
    expect(queen.open("/my-proc/boot", O_WRONLY)).to.equal("!EPERM");
    expect(queen.echo("hi\n", "/my-log/queen.log")).to.equal("3");
    expect(codeOf(view.mount("proc", "/proc"))).to.equal("");
    expect(queen.list("/proc")).to.deep.equal(["boot", "net"]);
    expect(codeOf(view.mount("none", "/x"))).to.equal("ENOENT");
  });

  it("follows a service that goes and comes", () => {
    const hive = new Hive();
    const view = hive.view("queen");
    const queen = hive.enter(view);
    const { services } = hive.namespace;
    const first = new SlowServer();
    services.add("gpu-bridge", { home: ["gpu"], root: first });
    expect(() => services.add("gpu-bridge", { home: ["gpu"], root: first })).to.throw("there is a gpu-bridge");
    expect(codeOf(view.mount("gpu-bridge", "/gpu"))).to.equal("");
    expect(queen.walk("/gpu")).to.be.a("number");
    expect(services.remove("gpu-bridge")).to.equal(true);
    expect(queen.walk("/gpu")).to.equal("!EBUSY");
    services.add("gpu-bridge", { home: ["gpu"], root: new SlowServer() });
    expect(queen.walk("/gpu")).to.be.a("number");
  });

  it("waits for a server that answers late, through a bind too, and tells it when nobody waits any more", () => {
    const hive = new Hive();
    const view = hive.view("queen");
    const queen = hive.enter(view);
    const server = new SlowServer();
    hive.namespace.services.add("gpu-bridge", { home: ["gpu"], root: server });
    view.mount("gpu-bridge", "/gpu");
    expect(codeOf(view.bind("/gpu/other", "/gone"))).to.equal("ENOENT");
    expect(codeOf(view.bind("/gpu/again", "/deep"))).to.equal("");
    expect([server.cancels, server.waiting.splice(0).length]).to.deep.equal([1, 1]);
    const walk = queen.ask((done) => queen.client.walk(0, 50, ["deep", "again"], done));
    expect(walk.result).to.equal(WAITS);
    server.waiting.shift()!.found(server);
    queen.pump();
    expect([walk.result, server.waiting.length]).to.deep.equal([WAITS, 1]);
    server.waiting.shift()!.found(server);
    queen.pump();
    expect(walk.result).to.equal("");
    const flushed = queen.ask((done) => queen.client.walk(0, 51, ["deep"], done));
    queen.client.flush(flushed.tag as number, NOT_FOUND);
    queen.pump();
    expect([flushed.result, server.cancels]).to.deep.equal(["!ENOENT", 2]);
    expect(queen.session.counters.providerErrors).to.equal(0);
  });

  it("refuses circles, directly and through other mounts, and changes nothing then", () => {
    const hive = new Hive();
    const view = hive.view("queen");
    const refused = (from: string, to: string): string => codeOf(view.bind(from, to));
    expect(refused("/worker", "/worker")).to.equal("EINVAL");
    expect(refused("/proc", "/proc/net/again")).to.equal("EINVAL");
    expect(refused("/", "/all")).to.equal("EINVAL");
    expect(refused("/proc", "/")).to.equal("EINVAL");
    expect(codeOf(view.mount("proc", "/proc/net/again"))).to.equal("EINVAL");
    expect(refused("/proc", "/log/proc")).to.equal("");
    expect(refused("/log", "/proc/log")).to.equal("EINVAL");
    expect(refused("/log", "/queen/log")).to.equal("");
    expect(refused("/queen", "/proc/queen")).to.equal("EINVAL");
    expect(view.mounts.size).to.equal(2);
    // What is below may take the place of what it is in.
    expect(refused("/proc/net", "/proc")).to.equal("");
    expect(hive.enter(view).list("/proc")).to.deep.equal(["tcp"]);
  });

  it("refuses paths that are none or lead nowhere", () => {
    const hive = new Hive();
    const view = hive.view("queen");
    for (const path of ["", "proc", "/proc/", "//", "/a/../b", "/a\0b", `/${"x".repeat(256)}`, "/1/2/3/4/5/6/7/8/9"]) {
      expect(codeOf(view.bind("/proc", path)), path).to.equal("EINVAL");
      expect(codeOf(view.bind(path, "/x")), path).to.equal("EINVAL");
      expect(codeOf(view.mount("proc", path)), path).to.equal("EINVAL");
    }
    expect(codeOf(view.bind("/none", "/x"))).to.equal("ENOENT");
    expect(codeOf(view.bind("/proc", "/none/x"))).to.equal("ENOENT");
    expect(codeOf(view.bind("/proc", "/queen/ctl/x"))).to.equal("ENOENT");
    expect(codeOf(view.bind("/proc/boot/x", "/x"))).to.equal("ENOENT");
    expect(view.mounts.size).to.equal(0);
    expect(hive.namespace.counters.mountsRefused).to.equal(8 * 3 + 4);
  });

  it("holds eight, of which one at a place is replaced", () => {
    const view = new Hive().view("queen");
    for (let i = 0; i < 8; i++) expect(codeOf(view.mount("proc", `/p${i}`))).to.equal("");
    expect(codeOf(view.mount("proc", "/p8"))).to.equal("EBUSY");
    expect(codeOf(view.mount("log", "/p3"))).to.equal("");
    expect(view.mounts.size).to.equal(8);
    expect(view.mounts.resolve(["p3", "queen.log"]).names).to.deep.equal(["log", "queen.log"]);
  });

  it("is for the Queen alone, and says who else wanted it", () => {
    const hive = new Hive();
    for (const role of ["worker-heartbeat", "worker-gpu", "observer"] as const) {
      const view = hive.view(role, { subject: "worker-1" });
      expect(codeOf(view.bind("/proc", "/shadow"))).to.equal("EPERM");
      expect(codeOf(view.mount("proc", "/shadow"))).to.equal("EPERM");
      expect(view.mounts.size).to.equal(0);
    }
    expect(hive.visit("queen").cat("/log/queen.log")).to.include("denied bind path=/shadow role=worker-gpu");
  });

  it("ends every walk, whatever is bound to whatever", () => {
    const paths = ["/proc", "/proc/net", "/log", "/queen", "/worker", "/a", "/proc/b", "/log/c", "/queen/d", "/a/e"];
    const pick = fc.constantFrom(...paths);
    fc.assert(
      fc.property(fc.array(fc.tuple(pick, pick), { maxLength: 14 }), (binds) => {
        const view = new Hive({ logBytes: 4096 }).view("queen");
        for (const [from, to] of binds) view.bind(from, to);
        expect(view.mounts.size).to.be.at.most(8);
        // Following the mounts inside what each shows, no mount is met again.
        const { mounts } = view.mounts;
        const below = (path: readonly string[], top: readonly string[]): boolean =>
          top.every((name, i) => path[i] === name);
        const follow = (i: number, seen: readonly number[]): void => {
          expect(seen).to.not.include(i);
          mounts.forEach(({ at }, j) => {
            if (below(at, mounts[i]!.from)) follow(j, [...seen, i]);
          });
        };
        mounts.forEach((_, i) => follow(i, []));
      }),
    );
  });
});

describe("attach", () => {
  it("lets the ticket decide, and shows one grant the same mounts each time", () => {
    const hive = new Hive();
    const queen = hive.view("queen");
    let views = 0;
    const tree = new TicketTree(
      {
        admit: (ticket) => (ticket === "good" ? queen.grant : PERMISSION),
        view: () => {
          views++;
          return queen;
        },
      },
      hive.namespace.counters,
    );
    expect(new Visitor(tree, "bad").attached).to.equal("!EPERM");
    expect(new Visitor(tree, "good").cat("/proc/boot")).to.equal("boot at 0\n");
    expect(new Visitor(tree, "good").open("/queen/ctl", O_RDONLY)).to.be.a("number");
    expect([views, hive.namespace.counters.attachesRefused]).to.deep.equal([1, 1]);
  });
});
