import { expect } from "chai";
import fc from "fast-check";
import { BUSY, CLOSED, INVALID, TIMED_OUT } from "../../../../services/secure9p/refusal.ts";
import { Bridge, job, Rig } from "./rig.ts";

/** What happens next: to `n` it is left which job and how. */
const EVENTS = [
  "give",
  "give",
  "state",
  "state",
  "state",
  "noise",
  "go",
  "come",
  "expire",
  "lease",
  "wake",
  "theirs",
] as const;
const event = fc.record({ what: fc.constantFrom(...EVENTS), n: fc.nat(1000) });
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

const STATES = ["QUEUED", "RUNNING", "OK", "ERR"];
const NOISE = [
  "",
  "{}",
  "x".repeat(5000),
  '{"job":"none","state":"OK"}',
  '{"job":"none","state":"RUNNING"}',
  "[".repeat(99),
];

/** A bridge and a hive that do anything that they may do, and some that they may not. */
class Erratic {
  readonly rig = new Rig();
  readonly given: string[] = [];
  /** Jobs that the bridge has, by how many states of theirs it has told. */
  readonly #jobs = new Map<string, number>();
  #there = true;
  /** Whether the ring is of a lease that is over: the next has its own. */
  #over = false;
  #ids = 0;

  constructor() {
    this.#serve(this.rig.bridge);
  }

  happen({ what, n }: Event): void {
    const { rig } = this;
    if (what === "give") this.#give(n);
    else if (what === "state") this.#state(n);
    else if (what === "noise") rig.say(NOISE[n % NOISE.length]!);
    else if (what === "go" && this.#there) this.#go();
    else if (what === "come" && !this.#there) this.#come(n % 2 === 0);
    else if (what === "expire" && rig.hive.leased) this.#expire();
    else if (what === "lease" && !rig.hive.leased) this.#lease();
    else if (what === "wake" && rig.waiting) rig.wake();
    else if (what === "theirs") this.#begin(`their-${this.#ids++}`);
  }

  /** Let all end: the bridge tells what becomes of its jobs, and the worker looks for it as long as it likes. */
  settle(): void {
    const { rig } = this;
    if (!rig.hive.leased) this.#lease();
    if (!this.#there) this.#come(true);
    for (let i = 0; rig.waiting; i++) {
      if (i > 20) throw new Error("it waits for ever");
      rig.wake();
    }
    rig.give("");
    for (const id of this.#jobs.keys()) rig.tell(id, "ERR");
    rig.run();
  }

  #give(n: number): void {
    const id = `j${this.#ids++}`;
    const { entry, bridge } = this.rig;
    if (entry.jobs!.size >= 8) return;
    this.given.push(id);
    bridge.answer = (line) => this.#answer(bridge, line, n);
    this.rig.give(job(id));
  }

  #answer(bridge: Bridge, line: string, n: number) {
    const { job: id } = JSON.parse(line) as { job: string };
    const taken = n % 3 > 0;
    // It says so before it answers, or later.
    if (taken) this.#jobs.set(id, 0);
    if (taken && n % 2 === 0) this.#tell(bridge, id);
    if (n % 7 === 0) return n % 2 === 0 ? CLOSED : TIMED_OUT;
    if (taken) return undefined;
    if (n % 2 === 0) bridge.say({ job: "", state: "ERR", detail: "INVALID it" });
    return n % 5 === 0 ? BUSY : INVALID;
  }

  #begin(id: string): void {
    if (!this.#there || !this.rig.hive.leased) return;
    this.#jobs.set(id, 0);
    this.#state(this.#jobs.size - 1);
  }

  #state(n: number): void {
    const id = [...this.#jobs.keys()][n % Math.max(1, this.#jobs.size)];
    if (id === undefined) return;
    this.#tell(this.rig.bridge, id, n % 4 === 0 ? "ERR" : undefined);
    if (n % 3 === 0) this.#again(id);
    this.rig.run();
  }

  /** Tell a job's next state. */
  #tell(bridge: Bridge, id: string, state?: string): void {
    const told = this.#jobs.get(id)!;
    const next = state !== undefined && told > 0 ? state : STATES[told]!;
    bridge.tell(id, next);
    if (next === "OK" || next === "ERR") this.#jobs.delete(id);
    else this.#jobs.set(id, told + 1);
  }

  /** Tell what was told, but what would be a new job. */
  #again(id: string): void {
    for (const state of ["RUNNING", "QUEUED"].slice(this.#jobs.has(id) ? 1 : 2)) this.rig.bridge.tell(id, state);
  }

  #go(): void {
    this.#there = false;
    this.rig.go();
  }

  #come(again: boolean): void {
    const same = again && !this.#over;
    this.#there = true;
    this.#over = false;
    if (!same) this.#jobs.clear();
    const bridge = new Bridge(this.rig.hive, same ? this.rig.bridge.ring : undefined);
    this.#serve(bridge);
    this.rig.come(bridge);
  }

  #expire(): void {
    for (const id of this.#jobs.keys()) this.rig.bridge.tell(id, "ERR");
    this.#jobs.clear();
    this.#over = true;
    if (this.#there) this.rig.expire();
    else this.rig.hive.leased = false;
  }

  #lease(): void {
    this.rig.hive.leased = true;
    if (!this.#there) return;
    this.rig.hive.namespace.services.remove("gpu-bridge");
    this.#come(false);
  }

  #serve(bridge: Bridge): void {
    bridge.answer = (line) => this.#answer(bridge, line, 1);
  }
}

describe("GPU worker with a bridge and a hive that are erratic", () => {
  it("tells each job's states once and in order, and one end of each job that it was given", function () {
    this.timeout(60_000);
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        const erratic = new Erratic();
        for (const one of events) erratic.happen(one);
        erratic.settle();
        const { rig, given } = erratic;
        const lives = new Map<string, string[]>();
        for (const { job: id, state } of rig.telemetry) {
          lives.set(String(id), [...(lives.get(String(id)) ?? []), String(state)]);
        }
        for (const id of given) expect(lives.get(id)?.join(" "), id).to.match(/^(QUEUED )?(RUNNING )?(OK|ERR)$/);
        for (const [id, life] of lives) {
          if (id !== "") expect(life.join(" "), id).to.match(/^(QUEUED )?(RUNNING )?(OK|ERR)$/);
        }
        const ends = rig.telemetry.filter(({ state }) => state === "OK" || state === "ERR").map(({ job: id }) => id);
        expect(rig.result.map(({ job: id }) => id)).to.deep.equal(ends);
        expect([rig.waiting, rig.pair.session.fids, rig.bridge.open]).to.deep.equal([false, 7, 1]);
      }),
      { numRuns: 300 },
    );
  });
});
