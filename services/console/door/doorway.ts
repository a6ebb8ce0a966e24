/**
 * What the connections of a door share: the hive behind it, the bounds, the counters, and memory that one of them needs at a time.
 */
import type { Authentication, Source } from "../../hive/session.ts";
import type { Bytes, Clock, Pool } from "../../ports/index.ts";
import type { TimerPort } from "../../pump/timers.ts";
import type { ConsoleHive } from "../session.ts";
import type { Handler, MachineVerb } from "../verbs.ts";
import type { DoorCounters } from "./counters.ts";
import type { DoorLimits } from "./limits.ts";
import type { LineScratch } from "./outbox.ts";

/** What the door needs of the hive. */
export interface DoorHive extends ConsoleHive {
  authenticate(token: string, source: Source): Authentication;
}

/** What all connections of a door share. */
export interface Doorway {
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly timers: TimerPort;
  readonly limits: DoorLimits;
  /** `undefined` as long as there is none. */
  readonly hive: () => DoorHive | undefined;
  readonly verbs: Readonly<Record<MachineVerb, Handler>>;
  readonly patienceUs?: number | undefined;
  readonly counters: DoorCounters;
  readonly scratch: LineScratch;
  /** Whether there is a place for one more that is authenticated, or one was made. */
  readonly admits: () => boolean;
  /** A connection is over, which held so much. */
  readonly ended: (pools: readonly Pool[]) => void;
  /** A verb or a client's connection threw. */
  readonly failed: (what: string, error: unknown) => void;
}
