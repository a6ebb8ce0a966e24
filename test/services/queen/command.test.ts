import { expect } from "chai";
import fc from "fast-check";
import { loadCtlSchemas } from "../../../scripts/lib/schemas.ts";
import { type Command, readCommand } from "../../../services/queen/command.ts";
import { INVALID } from "../../../services/secure9p/refusal.ts";
import { EXAMPLES, MISTAKES } from "./lines.ts";

const schemas = await loadCtlSchemas();

function accepted(text: string): Command {
  const reading = readCommand(text, schemas);
  if (!("command" in reading)) throw new Error(`${text}: ${reading.sentence}`);
  return reading.command;
}

const NO_BUDGET = { ttlS: undefined, ops: undefined, ticks: undefined };

describe("queen command", () => {
  it("reads every example of the interface", () => {
    expect(EXAMPLES.map(accepted)).to.deep.equal([
      {
        verb: "spawn",
        kind: "heartbeat",
        heartbeats: 100,
        budget: { ttlS: 120, ops: 500, ticks: 1000 },
        priority: "worker",
      },
      {
        verb: "spawn",
        kind: "gpu",
        lease: { gpuId: "GPU-0", memMb: 4096, streams: 2, ttlS: 120, priority: 5 },
        budget: NO_BUDGET,
        priority: "worker",
      },
      { verb: "kill", worker: "worker-7" },
      { verb: "budget", budget: { ttlS: 120, ops: 1000, ticks: undefined } },
      { verb: "set_budget", worker: "worker-7", budget: { ...NO_BUDGET, ttlS: 600 } },
      { verb: "bind", from: "/worker", to: "/shadow" },
      { verb: "mount", service: "gpu-bridge", at: "/gpu" },
    ]);
  });

  it("fills in what may be left out", () => {
    expect(accepted('{"spawn":"heartbeat"}')).to.deep.equal({
      verb: "spawn",
      kind: "heartbeat",
      heartbeats: undefined,
      budget: NO_BUDGET,
      priority: "worker",
    });
    const gpu = accepted(
      '{"spawn":"gpu","lease":{"gpu_id":"GPU-0","mem_mb":1,"streams":1,"ttl_s":1},"priority":"control"}',
    );
    expect(gpu).to.deep.include({ priority: "control", budget: NO_BUDGET });
    expect(gpu).to.have.nested.property("lease.priority", 0);
  });

  it("takes the limits themselves, and a number however it is written", () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(accepted(`{"budget":{"ttl_s":1,"ops":${most},"ticks":1e2}}`)).to.deep.equal({
      verb: "budget",
      budget: { ttlS: 1, ops: most, ticks: 100 },
    });
    for (const path of ["/", "/1/2/3/4/5/6/7/8", `/${"x".repeat(254)}`, `/${"é".repeat(127)}`, "/...", "/.hidden"]) {
      expect(accepted(JSON.stringify({ bind: { from: path, to: "/b" } }))).to.deep.include({ from: path });
    }
    expect(accepted(`{"kill":"${"w".repeat(32)}"}`)).to.deep.include({ verb: "kill" });
  });

  it("takes JSON's blanks and escapes anywhere, a carriage return at the end too", () => {
    expect(accepted('\t{ "\\u006bill" : "worker\\u002d1" } \r')).to.deep.equal({ verb: "kill", worker: "worker-1" });
  });

  describe("refuses, with one exact answer,", () => {
    for (const [line, pointer, sentence] of MISTAKES) {
      const title = line.length > 90 ? `${line.slice(0, 90)}…` : line;
      it(JSON.stringify(title), () => {
        expect(readCommand(line, schemas)).to.deep.equal({ refusal: INVALID, pointer, sentence });
      });
    }
  });

  describe("whatever comes", () => {
    const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    const beats = fc.integer({ min: 1, max: 0xffff_ffff });
    const budget = fc
      .record({ ttl_s: count, ops: count, ticks: count }, { requiredKeys: [] })
      .filter((fields) => Object.keys(fields).length > 0);
    const priority = fc.constantFrom("control", "worker");
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/);
    const path = fc
      .array(fc.stringMatching(/^[a-zé😀.]{1,12}$/u), { maxLength: 8 })
      .filter((names) => names.every((part) => part !== "." && part !== ".."))
      .map((names) => `/${names.join("/")}`)
      .filter((text) => Buffer.byteLength(text) <= 255);
    const byte = fc.integer({ min: 1, max: 255 });
    const command = fc.oneof(
      fc.record({ spawn: fc.constant("heartbeat"), ticks: beats, budget, priority }, { requiredKeys: ["spawn"] }),
      fc.record(
        {
          spawn: fc.constant("gpu"),
          lease: fc.record({ gpu_id: name, mem_mb: byte, streams: byte, ttl_s: count, priority: byte }),
          budget,
          priority,
        },
        { requiredKeys: ["spawn", "lease"] },
      ),
      fc.record({ kill: name }),
      fc.record({ bind: fc.record({ from: path, to: path }) }),
      fc.record({ mount: fc.record({ service: name, at: path }) }),
      fc.record({ set_budget: fc.tuple(name, budget).map(([worker, fields]) => ({ worker, ...fields })) }),
      fc.record({ budget }),
    );

    interface Fields {
      ttlS: number | undefined;
      ops: number | undefined;
      ticks: number | undefined;
    }
    const budgetJson = ({ ttlS: ttl_s, ops, ticks }: Partial<Fields>): object => ({ ttl_s, ops, ticks });

    /** The command as the JSON it came from; what was left out is `undefined` or the default. */
    function written(from: Command): object {
      switch (from.verb) {
        case "spawn": {
          const budgets = Object.values(from.budget).some((value) => value !== undefined)
            ? { budget: budgetJson(from.budget) }
            : {};
          if (from.kind === "heartbeat") {
            return { spawn: "heartbeat", ticks: from.heartbeats, ...budgets, priority: from.priority };
          }
          const { gpuId: gpu_id, memMb: mem_mb, streams, ttlS: ttl_s, priority: rank } = from.lease;
          const lease = { gpu_id, mem_mb, streams, ttl_s, priority: rank };
          return { spawn: "gpu", lease, ...budgets, priority: from.priority };
        }
        case "kill":
          return { kill: from.worker };
        case "bind":
          return { bind: { from: from.from, to: from.to } };
        case "mount":
          return { mount: { service: from.service, at: from.at } };
        case "set_budget":
          return { set_budget: { worker: from.worker, ...budgetJson(from.budget) } };
        case "budget":
          return { budget: budgetJson(from.budget) };
      }
    }

    it("every valid command is read as what was written", () => {
      fc.assert(
        fc.property(command, (json) => {
          const defaults = "spawn" in json ? { priority: "worker" } : {};
          const back: unknown = JSON.parse(JSON.stringify(written(accepted(JSON.stringify(json)))));
          expect(back).to.deep.equal({ ...defaults, ...json });
        }),
        { numRuns: 2000 },
      );
    });

    it("no field can be added to a valid command", () => {
      fc.assert(
        fc.property(command, fc.stringMatching(/^x[a-z_]{0,10}$/), (json, extra) => {
          const answer = readCommand(JSON.stringify({ ...json, [extra]: 1 }), schemas);
          expect(answer).to.deep.include({ refusal: INVALID, pointer: `/${extra}` });
        }),
      );
    });

    /** Text that comes near to a command. */
    const near = fc
      .tuple(command, fc.nat(), fc.nat(3), fc.string({ maxLength: 3, unit: "binary" }))
      .map(([json, at, cut, put]) => {
        const text = JSON.stringify(json);
        const where = at % text.length;
        return text.slice(0, where) + put + text.slice(where + cut);
      });

    it("nothing throws, and a refusal is one printable sentence and a pointer to a field", () => {
      const any = fc.oneof(
        fc.json(),
        fc.string({ unit: "binary" }),
        near,
        command.map((json) => JSON.stringify(json)),
      );
      fc.assert(
        fc.property(any, (text) => {
          const reading = readCommand(text, schemas);
          if ("command" in reading) return;
          expect(reading.refusal).to.equal(INVALID);
          expect(reading.sentence).to.match(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+\.$/u);
          expect(reading.pointer).to.match(/^(?:\/(?:[^/~]|~[01])*)*$/u);
        }),
        { numRuns: 5000 },
      );
    });
  });
});
