/**
 * The console session of one connection. The two know each other only through a link that is cut when the connection is over, so
 * that reference counting alone frees both, with their buffers, and a client that comes and goes leaves nothing to collect.
 */
import type { HiveSession, Source } from "../../hive/session.ts";
import type { Refusal } from "../../secure9p/refusal.ts";
import { ConsoleSession } from "../session.ts";
import type { Doorway } from "./doorway.ts";
import type { LineOutbox } from "./outbox.ts";

/** What a session wants of its connection. */
export interface Carrier {
  /** It has nothing more to say. */
  hangUp(): void;
  /** Speak 9P from now on, as the one who asks if a service is named. @returns what the client is told of it, or why not */
  upgrade(login: HiveSession, service: string | undefined): string | Refusal;
}

export class Link {
  carrier: Carrier | undefined;
}

export function lineSession(door: Doorway, source: Source, out: LineOutbox, link: Link): ConsoleSession {
  const { bytes, clock, timers, hive, verbs, patienceUs, failed } = door;
  return new ConsoleSession({
    sink: out,
    bytes,
    clock,
    timers,
    source,
    hive,
    verbs,
    farewell: "",
    upgrade: (login, service) => link.carrier!.upgrade(login, service),
    failed: (verb, error) => failed(`verb ${verb} failed`, error),
    ...(patienceUs === undefined ? {} : { patienceUs }),
  });
}
