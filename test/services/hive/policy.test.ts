import { expect } from "chai";
import { SessionTree } from "../../../services/ninedoor/attach.ts";
import { Directory } from "../../../services/ninedoor/directory.ts";
import type { Place } from "../../../services/ninedoor/place.ts";
import { AuditLog } from "../../../services/log/audit-log.ts";
import { View } from "../../../services/ninedoor/view.ts";
import { Account, DEFAULT_BUDGETS } from "../../../services/roles/budget.ts";
import { Grant } from "../../../services/roles/grant.ts";
import type { Leases } from "../../../services/roles/policy.ts";
import { type Role, ROLES } from "../../../services/roles/roles.ts";
import { O_WRONLY, QTAPPEND, QTDIR, QTFILE } from "../../../services/secure9p/constants.ts";
import { INVALID, NOT_FOUND } from "../../../services/secure9p/refusal.ts";
import { Visitor } from "../ninedoor/support.ts";
import { type Attempt, attemptsOf, namesOf, withSelf, wrongWith } from "./attempts.ts";
import { expectNoErrors, TestHive } from "./support.ts";

afterEach(expectNoErrors);

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
      const steps = namesOf(path);
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
  const view = new View({
    namespace,
    grant,
    session: 99,
    leases: LEASED,
    audit: new AuditLog(namespace.queenLog, clock),
    clock,
  });
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
  return withSelf(found, "worker-1");
}

/** Try it. @returns a fid, "" or what it is refused with; `undefined` if there is nobody who could try */
function attempted({ operation, path, flags }: Attempt, { view, visitor }: Asker): string | number | undefined {
  if (operation === "bind" || operation === "mount") {
    const why = operation === "bind" ? view.bind("/proc/time", path) : view.mount("proc", path);
    return why === undefined ? "" : `!${why.code}`;
  }
  if (visitor === undefined) return undefined;
  const fid = operation === "walk" ? visitor.walk(path) : visitor.open(path, flags);
  if (typeof fid === "number") visitor.clunk(fid);
  return fid;
}

describe("hive: the policy", () => {
  it("is what every role meets on every path there is, whatever it asks, and each denial is counted once", () => {
    const { all, askers, queen } = hive();
    const { counters } = all.hive.namespace;
    const paths = everyPath(queen);
    const wrong: string[] = [];
    let asked = 0;
    for (const role of ROLES) {
      const asker = askers.get(role)!;
      for (const attempt of attemptsOf({ role, subject: asker.view.grant.subject }, paths, asker.leases)) {
        const before = counters.denied;
        const result = attempted(attempt, asker);
        if (result === undefined) {
          expect(attempt.comes).to.not.equal("granted");
          continue;
        }
        const why = wrongWith(attempt, result);
        const denials = counters.denied - before;
        if (why !== undefined) wrong.push(`${role} ${why}`);
        if (attempt.comes !== "absent" && denials !== (attempt.comes === "denied" ? 1 : 0)) {
          wrong.push(`${role} ${attempt.operation} ${attempt.path}: ${denials} denials`);
        }
        asked++;
      }
    }
    expect(wrong).to.deep.equal([]);
    expect(asked).to.be.greaterThan((ROLES.length - 1) * paths.size * 4);
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
