/**
 * `/proc/time` and the counters below `/proc/9p`: one `name value` a line, names that stay.
 */
import type { Namespace } from "../ninedoor/namespace.ts";
import type { Clock } from "../ports/index.ts";
import { snake } from "../proc/rows.ts";
import type { Scheduler } from "../workers/scheduler.ts";
import type { Workers } from "../workers/workers.ts";
import type { LiveSession } from "./sessions.ts";
import type { WallTime } from "./wall-time.ts";

/** What would end a line or move a terminal's cursor. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;

/** Numbers by name. */
export type Counters = Readonly<Record<string, number>>;

/** Lines of counters. @param prefix before each name */
export function counterLines(counters: Counters, prefix = ""): string {
  let text = "";
  for (const [name, value] of Object.entries(counters)) text += `${prefix}${snake(name)} ${value}\n`;
  return text;
}

/** One line a login: its number, role, subject (`-` for none) and whence. */
export function sessionLines(sessions: readonly LiveSession[]): string {
  return sessions
    .map(({ number, view, source }) => {
      const { role, subject } = view.grant;
      return `session ${number} ${role} ${subject === "" ? "-" : subject} ${source.name}\n`;
    })
    .join("");
}

/** What became of the workers, what the scheduler did, and one line for each that lives or ended lately. */
export function workerLines(workers: Workers, scheduler: Scheduler, most: number): string {
  let text = counterLines({ workers: workers.size, most, ...workers.counters });
  text += counterLines(scheduler.counters, "scheduler_");
  for (const worker of workers.list()) text += `worker ${worker.id} ${worker.doing} ${worker.band}\n`;
  for (const ended of workers.ended) text += `ended ${ended.replace(CONTROL, "?")}\n`;
  return text;
}

/** `/proc/time`: milliseconds since boot, and since 1970 if a clock tells. */
export function addTime(namespace: Namespace, clock: Clock, wallTime: WallTime): void {
  namespace.addProc("time", () => {
    const unixMs = wallTime.unixMs();
    return `uptime_ms ${Math.floor(clock.nowUs() / 1000)}\n${unixMs === undefined ? "" : `unix_ms ${unixMs}\n`}`;
  });
}
