/**
 * The console session of one connection. The two know each other only through a link that is cut when the connection is over, so
 * that reference counting alone frees both, with their buffers, and a client that comes and goes leaves nothing to collect.
 */
import type { HiveSession, Source } from "../../hive/session.ts";
import { ConsoleSession } from "../session.ts";
import type { Doorway } from "./doorway.ts";
import type { LineOutbox } from "./outbox.ts";

/** What a session wants of its connection. */
export interface Carrier {
  /** It has nothing more to say. */
  hangUp(): void;
  /** Speak 9P from now on. @returns what the client is told of it */
  upgrade(login: HiveSession): string;
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
    upgrade: (login) => link.carrier!.upgrade(login),
    failed: (verb, error) => failed(`verb ${verb} failed`, error),
    ...(patienceUs === undefined ? {} : { patienceUs }),
  });
}
