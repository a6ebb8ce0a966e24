import { expect } from "chai";
import { SessionTree } from "../../../services/ninedoor/attach.ts";
import { Directory } from "../../../services/ninedoor/directory.ts";
import type { Place } from "../../../services/ninedoor/place.ts";
import { View } from "../../../services/ninedoor/view.ts";
import { Account, DEFAULT_BUDGETS } from "../../../services/roles/budget.ts";
import { Grant } from "../../../services/roles/grant.ts";
import { decide, type Leases, type Operation } from "../../../services/roles/policy.ts";
import { type Role, ROLES } from "../../../services/roles/roles.ts";
import { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, QTAPPEND, QTDIR, QTFILE } from "../../../services/secure9p/constants.ts";
import { INVALID, NOT_FOUND } from "../../../services/secure9p/refusal.ts";
import { Visitor } from "../ninedoor/support.ts";
import { expectNoErrors, TestHive } from "./support.ts";

afterEach(expectNoErrors);

const EPERM = "EPERM";
const names = (path: string): string[] => path.split("/").filter((name) => name !== "");
const NOBODYS: Leases = { isLessee: () => false };
/** Of the one GPU worker. */
const LEASED: Leases = { isLessee: (worker, gpu) => worker === "worker-2" && gpu === "GPU-0" };

/** A file that may be opened for anything, as another server may have it. */
class AnyFile implements Place {
  readonly qid: Place["qid"];

  constructor(qid: Place["qid"]) {
    this.qid = qid;
  }
  walk: Place["walk"] = (request) => request.refuse(NOT_FOUND);
  open: Place["open"] = (request) =>
    request.opened({
      read: (read) => read.done(),
      write: (write, _bytes, _start, length) => write.wrote(length),
      readdir: (readdir) => readdir.refuse(INVALID),
      close: () => undefined,
    });
  getattr: Place["getattr"] = (request) => request.refuse(INVALID);
  setattr: Place["setattr"] = (request) => request.done();
}

/** What a bridge would graft: a GPU's files, by their kind. */
const GPU_FILES = [
  ...(["info", "lease", "lease.follow", "status", "status.follow", "blob/0/out"] as const).map((path) => ({
    path,
    type: QTFILE,
  })),
  { path: "blob/0/in", type: QTFILE },
  ...["ctl", "job"].map((path) => ({ path, type: QTAPPEND })),
];

interface Asker {
  readonly view: View;
  readonly leases: Leases;
  /** Undefined of a service, which has nothing to attach to. */
  readonly visitor: Visitor | undefined;
}

/** A hive with two workers and two GPUs, and somebody of every role. */
function hive(): { all: TestHive; askers: ReadonlyMap<Role, Asker>; queen: Visitor } {
  const all = new TestHive();
  const { namespace } = all.hive;
  const { counters, files, root } = namespace;
  const directory = (): Directory => new Directory({ qid: files.qids.next(QTDIR), counters, life: root.life });
  const gpus = directory();
  root.add("gpu", gpus);
  for (const id of ["GPU-0", "GPU-1"]) {
    const gpu = directory();
    gpus.add(id, gpu);
    for (const { path, type } of GPU_FILES) {
      let into = gpu;
      const steps = names(path);
      const name = steps.pop()!;
      for (const step of steps) {
        if (into.get(step) === undefined) into.add(step, directory());
        into = into.get(step) as Directory;
      }
      into.add(name, new AnyFile(files.qids.next(type)));
    }
  }
  const operator = all.operator();
  const queen = all.visit(operator);
  for (let i = 0; i < 2; i++) queen.echo('{"spawn":"heartbeat"}\n', "/queen/ctl");
  all.pass(100);
  // What they do in the meantime would only be in the way.
  for (const id of [1, 2]) queen.echo("pause\n", `/worker/worker-${id}/ctl`);
  const askers = new Map<Role, Asker>([["queen", { view: operator.view, leases: NOBODYS, visitor: queen }]]);
  for (const role of ["worker-heartbeat", "observer", "service"] as const) {
    const subject = { "worker-heartbeat": "worker-1", observer: "", service: "gpu-bridge" }[role];
    const session = all.login(role, all.ticket(role, { subject }));
    askers.set(role, {
      view: session.view,
      leases: NOBODYS,
      visitor: role === "service" ? undefined : all.visit(session),
    });
  }
  // There is no bridge, so no worker of the kind is spawned; what one would see is made by hand.
  const grant = new Grant("worker-gpu", "worker-2", new Account(DEFAULT_BUDGETS["worker-gpu"], 0), [], undefined);
  const { clock } = all;
  const view = new View({ namespace, grant, session: 99, leases: LEASED, log: namespace.queenLog, clock });
  askers.set("worker-gpu", { view, leases: LEASED, visitor: new Visitor(new SessionTree(view, counters)) });
  return { all, askers, queen };
}

/** Every path that a listing of the whole tree shows, with its qid's type, and what only a worker sees. */
function everyPath(queen: Visitor): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const visit = (path: string, type: number): void => {
    found.set(path, type);
    if ((type & QTDIR) === 0) return;
    const fid = queen.opened(path);
    const entries = queen.page(fid, 0, 8000);
    queen.clunk(fid);
    if (typeof entries === "string") throw new Error(`${path}: ${entries}`);
    for (const { name, type: below } of entries) visit(`${path === "/" ? "" : path}/${name}`, below);
  };
  visit("/", QTDIR);
  for (const [path, type] of [...found]) {
    if (path.startsWith("/worker/worker-1")) found.set(path.replace("worker-1", "self"), type);
  }
  found.set("/worker/self/yield", QTAPPEND);
  return found;
}

describe("hive: the policy", () => {
  it("is what every role meets on every path there is, whatever it asks", () => {
    const { askers, queen } = hive();
    const paths = everyPath(queen);
    const wrong: string[] = [];
    let asked = 0;
    for (const role of ROLES) {
      const { view, leases, visitor } = askers.get(role)!;
      const who = { role, subject: view.grant.subject };
      const may = (operation: Operation, path: string): boolean =>
        decide(who, operation, names(path), leases) === "granted";
      const check = (
        operation: Operation,
        path: string,
        result: string | number | undefined,
        granted: boolean,
      ): void => {
        asked++;
        const denied = result === EPERM || result === `!${EPERM}`;
        if (denied === granted) wrong.push(`${role} ${operation} ${path}: ${String(result)}`);
      };
      for (const [path, type] of paths) {
        const worker = role.startsWith("worker-");
        if (path.startsWith("/worker/self") && !worker) {
          // There is none, whatever a row would grant.
          expect(visitor?.walk(path), `${role} ${path}`).to.not.be.a("number");
          continue;
        }
        const writing = (type & QTAPPEND) === 0 ? "write" : "append";
        const [walks, reads, writes] = [may("walk", path), may("read", path), may(writing, path)];
        if (visitor === undefined) {
          expect([walks, reads, writes], `${role} ${path}`).to.deep.equal([false, false, false]);
        } else {
          const fid = visitor.walk(path);
          if (typeof fid === "number") visitor.clunk(fid);
          check("walk", path, fid, walks);
          const open = (flags: number): string | number => {
            const opened = visitor.open(path, flags);
            if (typeof opened === "number") visitor.clunk(opened);
            return opened;
          };
          check("read", path, open(O_RDONLY), reads);
          if ((type & QTDIR) === 0) {
            for (const [flags, granted] of [
              [O_WRONLY, writes],
              [O_RDWR, reads && writes],
              [O_RDONLY | O_TRUNC, reads && writes],
              [O_WRONLY | O_TRUNC, writes],
            ] as const) {
              check(writing, path, open(flags), granted);
            }
          }
        }
        const below = `${path === "/" ? "" : path}/x`;
        check("bind", path, view.bind("/proc/time", below)?.code, may("bind", below));
        check("mount", path, view.mount("proc", below)?.code, may("mount", below));
      }
    }
    expect(wrong).to.deep.equal([]);
    expect(asked).to.be.greaterThan(ROLES.length * paths.size * 4);
    expect([...paths.keys()]).to.include.members([
      ...["/queen/ctl", "/log/queen.log.follow", "/proc/9p/workers", "/worker/worker-2/ctl", "/gpu/GPU-1/blob/0/in"],
    ]);
  });

  it("is said in the log with who wanted what", () => {
    const { all, askers, queen } = hive();
    const observer = askers.get("observer")!.visitor!;
    const worker = askers.get("worker-heartbeat")!.visitor!;
    expect(observer.open("/worker/worker-1/telemetry", O_WRONLY)).to.equal("!EPERM");
    expect(worker.open("/worker/worker-1/ctl", O_WRONLY)).to.equal("!EPERM");
    expect(worker.open("/proc/time", O_WRONLY)).to.equal("!EPERM");
    expect(queen.open("/proc/time", O_WRONLY)).to.equal("!EPERM");
    expect(queen.open("/worker/worker-1/telemetry", O_WRONLY)).to.equal("!EPERM");
    expect(all.log().filter((line) => line.startsWith("audit: "))).to.deep.equal([
      "audit: denied append path=/worker/worker-1/telemetry role=observer why=not-granted session=3",
      "audit: denied append path=/worker/worker-1/ctl role=worker-heartbeat subject=worker-1 why=not-granted session=2",
      "audit: denied write path=/proc/time role=worker-heartbeat subject=worker-1 why=not-granted session=2",
      "audit: denied write path=/proc/time role=queen why=not-granted session=1",
      "audit: denied append path=/worker/worker-1/telemetry role=queen why=not-granted session=1",
    ]);
  });
});
