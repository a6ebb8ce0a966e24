/** What a connection speaks from the acknowledgement of `SECURE9P` or `EXPORT` on, or why it goes on with lines. */
import type { HiveSession } from "../../hive/session.ts";
import type { Clock } from "../../ports/index.ts";
import type { Refusal } from "../../secure9p/refusal.ts";
import type { Connection } from "./connection.ts";
import { Exported } from "./exported.ts";
import { Nine, type Speaker } from "./nine.ts";

export interface Upgrade {
  readonly speaker: Speaker;
  /** The detail of the acknowledgement. */
  readonly said: string;
}

/** @param service of `EXPORT`; without one it is `SECURE9P` */
export function upgrade(
  login: HiveSession,
  service: string | undefined,
  connection: Connection,
  clock: Clock,
): Upgrade | Refusal {
  if (service !== undefined) {
    const exported = login.export9p(service);
    if ("errno" in exported) return exported;
    return { speaker: new Exported(exported, connection), said: `service=${service}` };
  }
  // A role that may see nothing has nothing to ask for.
  const why = login.view.may("walk", []);
  if (why !== undefined) return why;
  const session = login.open9p();
  return { speaker: new Nine(session, connection, clock), said: `msize=${session.msizeMax}` };
}
