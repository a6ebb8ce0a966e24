/**
 * What a fuzz run talks to: a hive's namespace whose Queen spawns and kills, small enough to be full soon, with a clock that
 * is moved by hand. It is made anew from nothing, so a run depends on its seed alone.
 */
import { loadCtlSchemas } from "../../scripts/lib/schemas.ts";
import { SessionTree } from "../../services/ninedoor/attach.ts";
import { FollowFile } from "../../services/ninedoor/follow-file.ts";
import { Namespace } from "../../services/ninedoor/namespace.ts";
import { View } from "../../services/ninedoor/view.ts";
import { QueenControl } from "../../services/queen/control.ts";
import { Account, DEFAULT_BUDGETS } from "../../services/roles/budget.ts";
import { Grant } from "../../services/roles/grant.ts";
import type { Role } from "../../services/roles/roles.ts";
import { BUSY, NOT_FOUND, PERMISSION, UNSUPPORTED } from "../../services/secure9p/refusal.ts";
import type { Tree } from "../../services/secure9p/tree.ts";
import type { Random } from "../services/secure9p/fuzzer.ts";
import { ManualClock, nodeBytes, utf8 } from "../services/support/ports.ts";

const schemas = await loadCtlSchemas();
const LIMITS = {
  logBytes: 8192,
  telemetryBytes: 2048,
  traceBytes: 1100,
  resultBytes: 4200,
  workers: 6,
  waiters: 8,
};
const RECORDS = ["heartbeat 1", "x".repeat(500), "", "größer"].map(utf8);

/** Files on which somebody has waited: what sessions leave behind shows here. */
const followed = new Set<FollowFile>();
const wait: (this: FollowFile, ...args: Parameters<FollowFile["wait"]>) => void = Reflect.get(
  FollowFile.prototype,
  "wait",
);
FollowFile.prototype.wait = function (request, cursor): void {
  followed.add(this);
  wait.call(this, request, cursor);
};

export class World {
  readonly clock = new ManualClock();
  readonly namespace: Namespace;
  /** What may be in an `aname`, the last of them good for nothing. */
  readonly anames: readonly string[];
  #sessions = 0;

  constructor() {
    const nobody = { take: () => undefined };
    this.namespace = new Namespace({
      bytes: nodeBytes,
      clock: this.clock,
      limits: LIMITS,
      queen: { take: (bytes, start, length, client) => control.take(bytes, start, length, client.session) },
    });
    const { workers, queenLog } = this.namespace;
    const control = new QueenControl<number>({
      schemas,
      bytes: nodeBytes,
      log: queenLog,
      nameOf: (session) => `session ${session}`,
      actions: {
        spawn: () => {
          const worker = workers.add({ status: () => "state=running\n", control: nobody, yielded: nobody });
          return worker === undefined ? BUSY : { worker: worker.id, clamps: [] };
        },
        kill: ({ worker }) => (workers.remove(worker) ? undefined : NOT_FOUND),
        bind: () => UNSUPPORTED,
        mount: () => UNSUPPORTED,
        setBudget: () => UNSUPPORTED,
        setDefaultBudget: () => UNSUPPORTED,
      },
    });
    this.namespace.addProc("boot", () => "cohesix\n");
    this.anames = ["queen", "observer", "worker-heartbeat", "nobody"];
  }

  /** The tree of a new connection. */
  tree(): Tree {
    const { namespace, clock } = this;
    const views = new Map<string, SessionTree>();
    return {
      attach: (request, aname) => {
        if (!this.anames.slice(0, -1).includes(aname)) return request.refuse(PERMISSION);
        const role = aname as Role;
        let tree = views.get(aname);
        if (tree === undefined) {
          const account = new Account(DEFAULT_BUDGETS[role], 0);
          const grant = new Grant(role, "worker-1", account, [], undefined);
          const session = ++this.#sessions;
          const leases = { isLessee: () => false };
          tree = new SessionTree(
            new View({ namespace, grant, session, leases, log: namespace.queenLog, clock }),
            namespace.counters,
          );
          views.set(aname, tree);
        }
        tree.attach(request);
      },
    };
  }

  /** Something goes on that no session has asked for. */
  happen(random: Random): void {
    const { workers, queenLog } = this.namespace;
    this.clock.us += random.int(200_000);
    const id = `worker-${1 + random.int(8)}`;
    switch (random.int(4)) {
      case 0:
        queenLog.line("fuzz", "goes on");
        break;
      case 1: {
        const record = random.of(RECORDS);
        workers.find(id)?.telemetry.append(record, 0, record.length);
        break;
      }
      case 2:
        if (random.int(4) === 0) workers.remove(id);
        break;
      default:
    }
  }

  /** What sessions have left behind that are all over. */
  leaks(): string | undefined {
    let waiting = 0;
    for (const file of followed) waiting += file.waiting;
    followed.clear();
    return waiting === 0 ? undefined : `${waiting} reads still wait`;
  }
}
