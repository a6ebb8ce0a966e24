import { expect } from "chai";
import fc from "fast-check";
import { loadCtlSchemas } from "../../../scripts/lib/schemas.ts";
import {
  clampsOf,
  type Done,
  type Outcome,
  QueenControl,
  type QueenActions,
  type Spawned,
} from "../../../services/queen/control.ts";
import type { Bind, Kill, Mount, SetBudget } from "../../../services/queen/command.ts";
import { Later } from "../../../services/pump/later.ts";
import { type Budget, MAXIMUM_BUDGET, resolveBudget } from "../../../services/roles/budget.ts";
import { BUSY, INVALID, NOT_FOUND, type Refusal } from "../../../services/secure9p/refusal.ts";
import { LineLog, nodeBytes, utf8 } from "../support/ports.ts";
import { EXAMPLES, MISTAKES } from "./lines.ts";

const schemas = await loadCtlSchemas();

interface Session {
  readonly id: number;
}

const SESSION: Session = { id: 3 };
const OTHERWISE: Budget = { ttlS: 300, ops: 10_000, ticks: 1000 };

/** A hive that remembers what it was told to do; `why` makes it refuse. */
class Hive implements QueenActions<Session> {
  readonly done: string[] = [];
  why: Refusal | undefined;
  /** What is told of the next spawn later, if it is. */
  later: Later<Spawned | Refusal> | undefined;

  spawn(spawn: Parameters<QueenActions<Session>["spawn"]>[0], by: Session): ReturnType<QueenActions<Session>["spawn"]> {
    const clamps = clampsOf(resolveBudget(spawn.budget, OTHERWISE, MAXIMUM_BUDGET));
    const now = this.#note(`spawn ${spawn.kind}`, by) ?? { worker: "worker-1", clamps };
    return this.later ?? now;
  }
  kill({ worker }: Kill, by: Session): Refusal | undefined {
    return this.#note(`kill ${worker}`, by);
  }
  bind({ from, to }: Bind, by: Session): Refusal | undefined {
    return this.#note(`bind ${from} ${to}`, by);
  }
  mount({ service, at }: Mount, by: Session): Refusal | undefined {
    return this.#note(`mount ${service} ${at}`, by);
  }
  setBudget({ worker, budget }: SetBudget, by: Session): Done | Refusal {
    const clamps = clampsOf(resolveBudget(budget, OTHERWISE, MAXIMUM_BUDGET));
    return this.#note(`set_budget ${worker}`, by) ?? { clamps };
  }
  setDefaultBudget(budget: SetBudget["budget"], by: Session): Done | Refusal {
    const clamps = clampsOf(resolveBudget(budget, OTHERWISE, MAXIMUM_BUDGET));
    return this.#note("budget", by) ?? { clamps };
  }

  #note(what: string, by: Session): Refusal | undefined {
    if (this.why === undefined) this.done.push(`${by.id}: ${what}`);
    return this.why;
  }
}

interface Bench {
  readonly hive: Hive;
  readonly log: LineLog;
  readonly control: QueenControl<Session>;
}

function bench(): Bench {
  const hive = new Hive();
  const log = new LineLog();
  const nameOf = ({ id }: Session): string => `session ${id} (queen)`;
  return { hive, log, control: new QueenControl({ actions: hive, schemas, bytes: nodeBytes, log, nameOf }) };
}

/** What came of a line that takes no while. */
function now(outcome: Outcome | Later<Outcome>): Outcome {
  if (outcome instanceof Later) throw new Error("it is told later");
  return outcome;
}

const detail = (outcome: Outcome | Later<Outcome>): string => {
  const told = now(outcome);
  return told.done ? told.detail : `refused: ${told.sentence}`;
};

describe("queen control", () => {
  it("does every example of the interface in the session that asks, and audits it", () => {
    const { hive, log, control } = bench();
    const details = EXAMPLES.map((line) => detail(control.line(line, SESSION)));
    expect(details).to.deep.equal([
      "id=worker-1",
      "id=worker-1",
      "id=worker-7",
      "",
      "id=worker-7",
      "from=/worker to=/shadow",
      "service=gpu-bridge at=/gpu",
    ]);
    expect(hive.done).to.deep.equal([
      "3: spawn heartbeat",
      "3: spawn gpu",
      "3: kill worker-7",
      "3: budget",
      "3: set_budget worker-7",
      "3: bind /worker /shadow",
      "3: mount gpu-bridge /gpu",
    ]);
    expect(log.lines).to.deep.equal([
      "queen: session 3 (queen): spawn heartbeat id=worker-1",
      "queen: session 3 (queen): spawn gpu gpu_id=GPU-0 id=worker-1",
      "queen: session 3 (queen): kill id=worker-7",
      "queen: session 3 (queen): budget ttl_s=120 ops=1000",
      "queen: session 3 (queen): set_budget id=worker-7 ttl_s=600",
      "queen: session 3 (queen): bind from=/worker to=/shadow",
      "queen: session 3 (queen): mount service=gpu-bridge at=/gpu",
    ]);
    expect(control.counters).to.deep.equal({ lines: 7, done: 7, refused: 0, malformed: 0, clamped: 0 });
  });

  it("says of a command that takes a while what came of it, once, when that is known", () => {
    for (const result of [{ worker: "worker-5", clamps: [] }, BUSY]) {
      const { hive, log, control } = bench();
      hive.later = new Later(() => undefined);
      const line = '{"spawn":"gpu","lease":{"gpu_id":"GPU-0","mem_mb":1,"streams":1,"ttl_s":9}}';
      const outcome = control.take(utf8(line), 0, line.length, SESSION);
      const told: unknown[] = [];
      if (outcome instanceof Later) outcome.hear((why) => told.push(why));
      expect([told, log.lines, control.counters.lines]).to.deep.equal([[], [], 0]);
      hive.later.tell(result);
      hive.later.tell(INVALID);
      expect(told).to.deep.equal([result === BUSY ? BUSY : undefined]);
      const said = result === BUSY ? "spawn gpu gpu_id=GPU-0 refused, Busy" : "spawn gpu gpu_id=GPU-0 id=worker-5";
      expect(log.lines).to.deep.equal([`queen: session 3 (queen): ${said}`]);
    }
  });

  it("undoes a command that takes a while if nobody waits for it any more, and says nothing of it", () => {
    const { hive, log, control } = bench();
    let undone = 0;
    hive.later = new Later(() => undone++);
    const outcome = control.line('{"spawn":"heartbeat"}', SESSION);
    if (!(outcome instanceof Later)) throw new Error("it was told at once");
    outcome.hear(() => log.line("queen", "told"));
    outcome.cancel();
    outcome.cancel();
    hive.later.tell(BUSY);
    expect([undone, log.lines]).to.deep.equal([1, []]);
  });

  it("says in the answer and in the log what was cut down to a maximum", () => {
    const { log, control } = bench();
    const line = '{"spawn":"heartbeat","budget":{"ttl_s":100000,"ops":5,"ticks":9007199254740991}}';
    expect(detail(control.line(line, SESSION))).to.equal("id=worker-1 clamped=ttl_s:86400,ticks:8640000");
    expect(detail(control.line('{"budget":{"ops":10000001}}', SESSION))).to.equal("clamped=ops:10000000");
    expect(log.lines).to.deep.equal([
      "queen: session 3 (queen): spawn heartbeat id=worker-1 clamped=ttl_s:86400,ticks:8640000",
      "queen: session 3 (queen): budget ops=10000001 clamped=ops:10000000",
    ]);
    expect(control.counters).to.deep.include({ done: 2, clamped: 3 });
  });

  it("passes on why the hive refuses, once, with nothing done", () => {
    const { hive, log, control } = bench();
    hive.why = NOT_FOUND;
    const outcome = now(control.line('{"kill":"worker-99"}', SESSION));
    expect(outcome).to.deep.equal({
      done: false,
      command: { verb: "kill", worker: "worker-99" },
      refusal: NOT_FOUND,
      pointer: "",
      sentence: "kill id=worker-99 is refused: NotFound.",
    });
    hive.why = BUSY;
    for (const line of EXAMPLES) {
      const refused = now(control.line(line, SESSION));
      expect(refused.done).to.equal(false);
      expect(!refused.done && refused.refusal).to.equal(BUSY);
    }
    expect(hive.done).to.deep.equal([]);
    expect(log.lines.slice(0, 2)).to.deep.equal([
      "queen: session 3 (queen): kill id=worker-99 refused, NotFound",
      "queen: session 3 (queen): spawn heartbeat refused, Busy",
    ]);
    expect(control.counters).to.deep.equal({ lines: 8, done: 0, refused: 8, malformed: 0, clamped: 0 });
  });

  it("does nothing for a line that is no command, and audits why", () => {
    const { hive, log, control } = bench();
    for (const [line, pointer, sentence] of MISTAKES) {
      const outcome = now(control.line(line, SESSION));
      expect(outcome).to.deep.equal({ done: false, command: undefined, refusal: INVALID, pointer, sentence });
      expect(log.lines.at(-1)).to.equal(`queen: session 3 (queen): refused, Invalid: ${sentence}`);
    }
    expect(hive.done).to.deep.equal([]);
    expect(log.lines).to.have.length(MISTAKES.length);
    expect(control.counters).to.deep.include({ lines: MISTAKES.length, malformed: MISTAKES.length });
  });

  it("takes a line's bytes from the middle of others", () => {
    const { hive, control } = bench();
    const bytes = utf8('xx{"kill":"worker-1"}yy');
    expect(control.take(bytes, 2, bytes.length - 4, SESSION)).to.equal(undefined);
    expect(control.take(bytes, 0, bytes.length, SESSION)).to.equal(INVALID);
    hive.why = NOT_FOUND;
    expect(control.take(bytes, 2, bytes.length - 4, SESSION)).to.equal(NOT_FOUND);
    expect(hive.done).to.deep.equal(["3: kill worker-1"]);
  });

  it("refuses bytes that are not UTF-8", () => {
    const { hive, log, control } = bench();
    const bytes = utf8('{"kill":"worker-1"}');
    bytes[12] = 0xff;
    expect(control.take(bytes, 0, bytes.length, SESSION)).to.equal(INVALID);
    expect(log.lines).to.deep.equal(["queen: session 3 (queen): refused, Invalid: The line is not UTF-8."]);
    expect(control.counters).to.deep.include({ lines: 1, malformed: 1 });
    expect(hive.done).to.deep.equal([]);
  });

  it("gives each line of a random sequence one outcome and one audit line", () => {
    const line = fc.oneof(fc.constantFrom(...EXAMPLES), fc.constantFrom(...MISTAKES.map(([text]) => text)), fc.json());
    const step = fc.record({ line, why: fc.constantFrom(undefined, NOT_FOUND, BUSY) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { hive, log, control } = bench();
        let done = 0;
        for (const [index, { line: text, why }] of steps.entries()) {
          hive.why = why;
          if (now(control.line(text, SESSION)).done) done++;
          expect(hive.done).to.have.length(done);
          expect(log.lines).to.have.length(index + 1);
        }
        const { lines, refused, malformed } = control.counters;
        expect(lines).to.equal(steps.length);
        expect(control.counters.done).to.equal(done);
        expect(done + refused + malformed).to.equal(lines);
      }),
    );
  });
});
