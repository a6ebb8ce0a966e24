import { expect } from "chai";
import fc from "fast-check";
import { ENDED_MAX, JOBS_MAX, JobTable } from "../../../../services/workers/gpu/job-table.ts";
import type { State } from "../../../../services/workers/gpu/status-line.ts";

const STATES: readonly State[] = ["QUEUED", "RUNNING", "OK", "ERR"];
/** Of one life of a job. */
const LIFE = /^QUEUED( RUNNING)?( OK| ERR)?$/;

describe("GPU worker's table of jobs", () => {
  it("lets pass lives in order and nothing else, whatever is told, again or not", () => {
    const line = fc.record({
      id: fc.constantFrom("a", "b", "c"),
      state: fc.constantFrom(...STATES),
      replay: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 200 }), (lines) => {
        const table = new JobTable();
        const lives: Record<string, string[]> = {};
        for (const { id, state, replay } of lines) {
          if (!table.advance(id, state, replay)) continue;
          const own = (lives[id] ??= []);
          if (state === "QUEUED") {
            // No replay brings back to life what has ended.
            if (own.length > 0) expect([replay, own.at(-1)]).to.satisfy(([again]: unknown[]) => again === false);
            own.push(state);
          } else own.push(`${own.pop()!} ${state}`);
        }
        for (const life of Object.values(lives).flat()) expect(life).to.match(LIFE);
      }),
    );
  });

  it("remembers the last 256 that ended, and of a job that is taken anew no end", () => {
    const table = new JobTable();
    for (let i = 0; i <= ENDED_MAX; i++) {
      table.advance(`j${i}`, "QUEUED", false);
      table.advance(`j${i}`, "ERR", false);
    }
    expect(table.advance("j0", "QUEUED", true)).to.equal(true);
    for (const id of ["j1", `j${ENDED_MAX}`]) expect(table.advance(id, "QUEUED", true), id).to.equal(false);
    const again = table.add("j5");
    expect(table.advance("j5", "QUEUED", true)).to.equal(false);
    table.accepted(again);
    expect(table.advance("j5", "QUEUED", true)).to.equal(true);
    expect(table.advance("j5", "OK", false)).to.equal(true);
    // It was over before it was known to be taken.
    table.accepted(again);
    expect(table.advance("j5", "QUEUED", true)).to.equal(false);
    table.forgetEnded();
    expect(table.advance("j1", "QUEUED", true)).to.equal(true);
  });

  it("holds 64, and tells those that a replay does not mention from the others", () => {
    const table = new JobTable();
    for (let i = 0; i < JOBS_MAX; i++) expect(table.advance(`j${i}`, "QUEUED", false)).to.equal(true);
    expect([table.full, table.size, table.advance("more", "QUEUED", false)]).to.deep.equal([true, JOBS_MAX, false]);
    table.unsee();
    for (let i = 1; i < JOBS_MAX; i++) table.advance(`j${i}`, "QUEUED", true);
    const unseen = table.any(true)!;
    expect(unseen.id).to.equal("j0");
    table.end(unseen);
    expect([table.any(true), table.size, table.has("j0")]).to.deep.equal([undefined, JOBS_MAX - 1, false]);
    expect(table.advance("more", "QUEUED", false)).to.equal(true);
  });

  it("knows a job that is being submitted as new until something is told of it", () => {
    const table = new JobTable();
    const job = table.add("a");
    expect(table.isNew(job)).to.equal(true);
    expect(table.advance("a", "RUNNING", false)).to.equal(true);
    expect(table.isNew(job)).to.equal(false);
    const other = table.add("b");
    table.withdraw(other);
    expect([
      table.isNew(other),
      table.advance("b", "RUNNING", false),
      table.advance("b", "QUEUED", true),
    ]).to.deep.equal([false, false, true]);
  });
});
