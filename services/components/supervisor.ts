/**
 * Watches the isolated components: hands their calls to their protocol, names their faults, and ends what breaks a rule.
 * A component can cost the hive at most its budget of calls per second and its share of a turn; whatever it does, the others
 * and the console go on, and its memory comes back.
 */
import type { Clock, ComponentEvent, Components, Log } from "../ports/index.ts";
import type { TimerPort } from "../pump/timers.ts";
import { nameFault } from "./faults.ts";
import type { Layout } from "./layout.ts";

/** What a component may ask, in which order. */
export interface Protocol {
  readonly name: string;
  /** Whether everything that was expected of it has come. */
  readonly settled: boolean;
  /** Answer a call, or leave it unanswered. @returns what was wrong with it, if something was; then nothing was replied. */
  call(event: ComponentEvent, components: Components): string | undefined;
  /** Its component has ended; nothing more comes of it. */
  ended?(end: ComponentEnd): void;
}

/** How a component ended. */
export interface ComponentEnd {
  readonly kind: "fault" | "violation" | "flood" | "timeout" | "stopped";
  readonly why: string;
  /** Whether its memory was taken back; else it stands suspended, to be looked at. */
  readonly destroyed: boolean;
}

/** How one component is run. */
export interface Rules {
  readonly priority: number;
  readonly arenaBytes: number;
  readonly args: readonly [number, number, number, number];
  /** More calls than that in one second suspend it. */
  readonly callsPerSecond: number;
  /** Its protocol must settle within that time, or it is ended; Infinity if somebody else watches it. */
  readonly settleUs: number;
}

/** A component, as `ps` shows it. */
export interface ComponentStatus {
  readonly id: number;
  readonly name: string;
  readonly state: string;
  readonly bytes: number;
  readonly calls: number;
  readonly refused: number;
}

/** One that has ended. */
export interface Ended {
  readonly name: string;
  readonly why: string;
  readonly atUs: number;
}

export interface SupervisorOptions {
  readonly components: Components;
  readonly log: Log;
  readonly clock: Clock;
  readonly timers: TimerPort;
  readonly layout: Layout;
  /** What becomes of a component that faulted or broke a rule: its memory taken back, or kept suspended to be looked at. */
  readonly policy: "destroy" | "keep";
}

const SECOND = 1_000_000;
/** Ended components that are remembered. */
const REMEMBERED = 16;

class Live {
  readonly id: number;
  readonly protocol: Protocol;
  readonly rules: Rules;
  windowUs = 0;
  callsInWindow = 0;
  suspended = false;

  constructor(id: number, protocol: Protocol, rules: Rules) {
    this.id = id;
    this.protocol = protocol;
    this.rules = rules;
  }
}

/** All components. As a source of the pump (stage `ipc`) its unit of work is one event. */
export class Supervisor {
  readonly ended: Ended[] = [];
  /** Components ended for a fault, for breaking their protocol, for flooding, for not settling in time. */
  faults = 0;
  violations = 0;
  floods = 0;
  timeouts = 0;
  readonly #options: SupervisorOptions;
  readonly #live = new Map<number, Live>();
  /** Whether the last look left nothing waiting; until {@link raise} says that an event does. */
  quiet = true;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Start `image`. @returns its id. @throws what the port throws if it cannot be started. */
  start(image: string, protocol: Protocol, rules: Rules): number {
    const { components, timers, clock } = this.#options;
    const { priority, arenaBytes, args } = rules;
    const id = components.spawn(image, { priority, arenaBytes, args });
    const live = new Live(id, protocol, rules);
    this.#live.set(id, live);
    this.quiet = false;
    if (rules.settleUs === Infinity) return id;
    const timer = timers.schedule(clock.nowUs() + rules.settleUs, () => this.#settle(live));
    if (timer === undefined) this.#options.log.line(protocol.name, "no timer left to watch it with");
    return id;
  }

  /** End one for its owner's reasons: its memory is taken back whatever the policy. @returns whether there was one. */
  stop(id: number, why: string): boolean {
    const live = this.#live.get(id);
    if (live === undefined) return false;
    this.#end(live, { kind: "stopped", why, destroyed: true }, this.#options.clock.nowUs());
    return true;
  }

  list(): ComponentStatus[] {
    return [...this.#live.values()].map(({ id, protocol, suspended }) => {
      const info = this.#options.components.info(id);
      return {
        id,
        name: protocol.name,
        state: suspended ? "suspended" : info.state,
        bytes: info.bytes,
        calls: info.calls,
        refused: info.refused,
      };
    });
  }

  /** The engine said that an event waits. */
  raise(): void {
    this.quiet = false;
  }

  ready(): boolean {
    return !this.quiet;
  }

  serve(budget: number, nowUs: number): number {
    const { components } = this.#options;
    let done = 0;
    while (done < budget) {
      const event = components.next();
      if (event === undefined) {
        this.quiet = true;
        break;
      }
      done++;
      const live = this.#live.get(event.id);
      if (live !== undefined) this.#take(live, event, nowUs);
    }
    return done;
  }

  #take(live: Live, event: ComponentEvent, nowUs: number): void {
    if (live.suspended) return;
    if (event.kind === "fault") {
      const { cause, hint, numbers } = nameFault(event, this.#options.layout);
      this.faults++;
      this.#breach(live, "fault", `fault: ${cause} (${numbers}); ${hint}`, nowUs);
    } else if (event.kind === "violation") {
      this.violations++;
      const why = "violation: sent a message that is no call, or one while its call was unanswered";
      this.#breach(live, "violation", why, nowUs);
    } else if (this.#floods(live, nowUs)) {
      this.floods++;
      this.#breach(live, "flood", `flood: more than ${live.rules.callsPerSecond} calls in one second`, nowUs);
    } else {
      const wrong = live.protocol.call(event, this.#options.components);
      if (wrong === undefined) return;
      this.violations++;
      this.#breach(live, "violation", `violation: ${wrong}`, nowUs);
    }
  }

  /** Count one call. @returns whether it is one too many. */
  #floods(live: Live, nowUs: number): boolean {
    if (nowUs - live.windowUs >= SECOND) {
      live.windowUs = nowUs;
      live.callsInWindow = 0;
    }
    return ++live.callsInWindow > live.rules.callsPerSecond;
  }

  #settle(live: Live): void {
    if (live.suspended || this.#live.get(live.id) !== live || live.protocol.settled) return;
    this.timeouts++;
    const seconds = live.rules.settleUs / SECOND;
    this.#breach(live, "timeout", `no answer within ${seconds} s`, this.#options.clock.nowUs());
  }

  #breach(live: Live, kind: ComponentEnd["kind"], why: string, nowUs: number): void {
    this.#end(live, { kind, why, destroyed: this.#options.policy === "destroy" }, nowUs);
  }

  #end(live: Live, end: ComponentEnd, nowUs: number): void {
    const { components, log } = this.#options;
    const { why } = end;
    const { name } = live.protocol;
    if (!live.suspended) {
      components.suspend(live.id);
      live.suspended = true;
      if (this.ended.length === REMEMBERED) this.ended.shift();
      this.ended.push({ name, why, atUs: nowUs });
    }
    if (end.destroyed) {
      const { bytes } = components.info(live.id);
      this.#live.delete(live.id);
      components.destroy(live.id);
      log.line(name, `${why}; destroyed, ${bytes / 1024} KiB returned`);
    } else {
      log.line(name, `${why}; suspended`);
    }
    live.protocol.ended?.(end);
  }
}
