/**
 * What a fuzz run talks to: a whole hive with workers that run, small enough to be full soon, with a clock that is moved by
 * hand. It is made anew from nothing, so a run depends on its seed alone.
 */
import { FollowFile } from "../../../services/ninedoor/follow-file.ts";
import type { View } from "../../../services/ninedoor/view.ts";
import type { Session } from "../../../services/secure9p/session.ts";
import { TestHive } from "../../services/hive/support.ts";
import type { Random } from "../random.ts";
import { utf8 } from "../../services/support/ports.ts";

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

/** Tickets are the same in every hive of the tests, and the last is good for nothing. */
export const ANAMES: readonly string[] = (["queen", "observer"] as const)
  .map((role) => new TestHive().ticket(role))
  .concat("nobody");

const COMMANDS = [
  '{"spawn":"heartbeat"}',
  '{"spawn":"heartbeat","ticks":2}',
  '{"kill":"worker-1"}',
  '{"kill":"worker-2"}',
  '{"set_budget":{"worker":"worker-3","ops":5}}',
];

export class World {
  readonly #all = new TestHive({ limits: { namespace: LIMITS } });
  readonly #view: View = this.#all.operator().view;

  constructor() {
    // What others in this process have left behind is not this world's.
    followed.clear();
    this.#all.hive.namespace.addProc("boot", () => "cohesix\n");
  }

  /** What serves a new connection. What it throws leaves the session. */
  session(unsentBytes?: number): Session {
    const failed = (error: unknown): void => {
      throw error;
    };
    return this.#all.ticketSession({ failed, ...(unsentBytes === undefined ? {} : { unsentBytes }) });
  }

  /** Something goes on that no session has asked for. */
  happen(random: Random): void {
    const { hive } = this.#all;
    const { workers, queenLog } = hive.namespace;
    switch (random.int(4)) {
      case 0:
        queenLog.line("fuzz", "goes on");
        break;
      case 1: {
        const record = random.of(RECORDS);
        workers.find(`worker-${1 + random.int(8)}`)?.telemetry.append(record, 0, record.length);
        break;
      }
      case 2:
        hive.control.line(random.of(COMMANDS), this.#view);
        break;
      default:
        this.#all.pass(random.int(random.of([2, 500])));
    }
  }

  /** What is wrong when its sessions are all over. */
  leaks(): string | undefined {
    TestHive.all.length = 0;
    let waiting = 0;
    for (const file of followed) waiting += file.waiting;
    followed.clear();
    if (waiting > 0) return `${waiting} reads still wait`;
    const [error] = this.#all.errors;
    return error === undefined ? undefined : `a provider threw: ${(error as Error).message}`;
  }
}
