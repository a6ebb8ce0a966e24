/**
 * Who exports what: one connection a name. A tree that is up can be mounted by its name until its connection is over; then mounts of
 * it answer `Busy` until somebody exports that name again. Each coming and going is a line of the audit log.
 */
import { AuditLog } from "../../log/audit-log.ts";
import type { Bytes, Clock, Log, Pool } from "../../ports/index.ts";
import type { TimerPort } from "../../pump/timers.ts";
import { homeOf } from "../../roles/policy.ts";
import { BUSY, PERMISSION, type Refusal } from "../../secure9p/refusal.ts";
import type { QidSource } from "../qids.ts";
import type { Services } from "../services.ts";
import { MSIZE, PATIENT, READ_FRAME, TAGS, WAITING } from "./bounds.ts";
import { RemoteCounters } from "./counters.ts";
import { KNOWN } from "./qids.ts";
import { RemoteService } from "./service.ts";
import type { Manners, RemotePlace } from "./tree.ts";

/** Refusals that are logged at once; a service dials in seldom. */
const REFUSALS_BURST = 16;
/** Memory of a request that waits, of a read that its exporter has, and of a file that is known. */
const WAITING_BYTES = 1024;
const FOLLOWING_BYTES = 1024;
const KNOWN_BYTES = 128;

/** Who knows what an exporter of a certain name is, and looks after it. */
export interface Keeper extends Manners {
  /** It is there. @param ready lets others see it */
  came(root: RemotePlace, ready: () => void): void;
  /** It is gone, be it that it never came so far. */
  left(): void;
}

export interface ExportsOptions {
  readonly bytes: Bytes;
  readonly clock: Clock;
  readonly timers: TimerPort;
  readonly log: Log;
  readonly services: Services;
  readonly qids: QidSource;
  /** How long an exporter may take for one answer. */
  readonly providerUs: number;
  /** By the exporters' names. */
  readonly keepers: ReadonlyMap<string, Keeper>;
  /** Told what answering a request threw. */
  readonly failed: (error: unknown) => void;
}

export class Exports {
  /** Trees that came up and went, and exports that were refused or never came up. */
  readonly counters = { exported: 0, gone: 0, refused: 0, failed: 0 };
  readonly requests = new RemoteCounters();
  readonly #options: ExportsOptions;
  readonly #live = new Map<string, { readonly service: RemoteService; readonly session: number }>();
  readonly #refusals: AuditLog;

  constructor(options: ExportsOptions) {
    this.#options = options;
    this.#refusals = new AuditLog(options.log, options.clock, REFUSALS_BURST);
  }

  /** Ask whoever speaks on a session's connection for its tree. @returns why not */
  open(name: string, session: number): RemoteService | Refusal {
    const { services } = this.#options;
    // One that is dead without knowing it makes room within its time.
    const live = this.#live.get(name);
    live?.service.probe();
    if (live !== undefined) return this.#refuse(name, session, "in use");
    if (services.find(name) !== undefined) {
      this.#refuse(name, session, "the hive's own");
      return PERMISSION;
    }
    const { bytes, clock, timers, qids, providerUs, failed, log, keepers } = this.#options;
    const keeper = keepers.get(name);
    const service = RemoteService.open({
      name,
      bytes,
      clock,
      timers,
      qids,
      counters: this.requests,
      providerUs,
      failed,
      manners: keeper,
      up: (root) => {
        const ready = (): void => {
          services.add(name, { home: homeOf(name), root });
          this.counters.exported++;
          log.line("export", `exported service=${name} session=${session}`);
        };
        if (keeper === undefined) ready();
        else keeper.came(root, ready);
      },
      gone: (why) => {
        this.#live.delete(name);
        keeper?.left();
        const up = services.remove(name);
        this.counters[up ? "gone" : "failed"]++;
        log.line("export", `${up ? "gone" : "failed"} service=${name} session=${session} why=${why}`);
      },
    });
    if (service === undefined) return this.#refuse(name, session, "no timer is left");
    this.#live.set(name, { service, session });
    return service;
  }

  /** @param most exporters that there may be */
  pools(most: number): Pool[] {
    const { requests } = this;
    let under = 0;
    let waiting = 0;
    let following = 0;
    let known = 0;
    for (const { service } of this.#live.values()) {
      under = Math.max(under, service.inFlight);
      waiting = Math.max(waiting, service.waiting);
      following = Math.max(following, service.following);
      known = Math.max(known, service.qids.size);
    }
    const { inFlightHighWater, waited, waitingHighWater, busy, qidsHighWater, forgotten } = requests;
    const { followingHighWater, followingRefused } = requests;
    const followingBytes = most * PATIENT * (FOLLOWING_BYTES + READ_FRAME);
    return [
      // Each with its Tflush has room on the way to its exporter.
      ["export.requests", most * 2 * TAGS * MSIZE, under, TAGS, inFlightHighWater, "waited", waited],
      ["export.waiting", most * WAITING * WAITING_BYTES, waiting, WAITING, waitingHighWater, "refused", busy],
      ["export.following", followingBytes, following, PATIENT, followingHighWater, "refused", followingRefused],
      ["export.qids", most * KNOWN * KNOWN_BYTES, known, KNOWN, qidsHighWater, "forgotten", forgotten],
    ];
  }

  /** One line for each that is there, and for each name that is mounted in vain. */
  lines(): string {
    let text = "";
    for (const { service, session } of this.#live.values()) {
      const { name, inFlight, waiting, fids, qids } = service;
      // Who looks after it may not let others see it yet.
      const up = this.#options.services.find(name) !== undefined;
      text += `service ${name} ${up ? "up" : "opening"} session=${session} in_flight=${inFlight}`;
      text += ` waiting=${waiting} fids=${fids} qids=${qids.size}\n`;
    }
    for (const name of this.#options.services.away) text += `service ${name} away\n`;
    return text;
  }

  #refuse(name: string, session: number, why: string): Refusal {
    this.counters.refused++;
    this.#refusals.line("export", `refused service=${name} session=${session} why=${why}`);
    return BUSY;
  }
}
