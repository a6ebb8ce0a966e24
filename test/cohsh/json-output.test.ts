import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "chai";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { parseAcknowledgement } from "../../cohsh/acknowledgement.ts";
import { JsonOutput } from "../../cohsh/json-output.ts";
import { inRepository } from "../../scripts/lib/repository.ts";

const schema = JSON.parse(readFileSync(inRepository("cohsh", "schema", "output.schema.json"), "utf8")) as object;
const valid = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false }).compile(schema);

function page() {
  const lines: string[] = [];
  const output = new JsonOutput(
    (line) => lines.push(line),
    () => "2026-01-02T03:04:05.678Z",
  );
  const say = (line: string): void => {
    const acknowledgement = parseAcknowledgement(line);
    if (acknowledgement === undefined) throw new Error(line);
    output.acknowledgement(acknowledgement);
  };
  return { output, say, lines, values: () => lines.map((line): unknown => JSON.parse(line)) };
}

describe("cohsh --json", () => {
  it("says everything as objects of its schema", () => {
    const { output, say, values } = page();
    output.event({ event: "connect", transport: "mock" });
    output.log("[   0.000001] boot: up");
    output.command("attach queen");
    say("OK ATTACH role=queen");
    output.event({ event: "attach", role: "queen", subject: "x" });
    output.command("cat /proc/boot");
    say("OK CAT path=/proc/boot data=x");
    output.line("version 0.1.0");
    output.line("\u001b[2J \u{1f41d}");
    output.end();
    output.command("kill worker-9");
    say("ERR KILL reason=policy detail=not-found path=/worker/worker-9 error=ENOENT");
    output.note("a note");
    output.event({ event: "detach", role: "queen", reason: "quit" });
    output.event({ event: "interrupted", reason: "the hive closed the connection" });
    output.event({ event: "resumed", role: "queen" });
    output.event({ event: "lost", reason: "QEMU ended" });
    output.failure({ file: "x.coh", line: 3, command: "ping", reason: "EXPECT ERR" });
    output.event({ event: "close" });
    const time = "2026-01-02T03:04:05.678Z";
    expect(values()).to.deep.equal([
      { type: "event", time, event: "connect", transport: "mock" },
      { type: "log", text: "[   0.000001] boot: up" },
      { type: "command", command: 1, text: "attach queen" },
      { type: "ack", command: 1, ok: true, verb: "ATTACH", detail: "role=queen" },
      { type: "event", time, event: "attach", role: "queen", subject: "x" },
      { type: "command", command: 2, text: "cat /proc/boot" },
      { type: "ack", command: 2, ok: true, verb: "CAT", detail: "path=/proc/boot data=x" },
      { type: "line", command: 2, verb: "CAT", text: "version 0.1.0" },
      { type: "line", command: 2, verb: "CAT", text: "\u001b[2J \u{1f41d}" },
      { type: "end", command: 2, verb: "CAT", lines: 2 },
      { type: "command", command: 3, text: "kill worker-9" },
      {
        ...{ type: "ack", command: 3, ok: false, verb: "KILL", reason: "policy" },
        ...{ detail: "not-found", path: "/worker/worker-9", error: "ENOENT" },
      },
      { type: "note", text: "a note" },
      { type: "event", time, event: "detach", role: "queen", reason: "quit" },
      { type: "event", time, event: "interrupted", reason: "the hive closed the connection" },
      { type: "event", time, event: "resumed", role: "queen" },
      { type: "event", time, event: "lost", reason: "QEMU ended" },
      { type: "failure", file: "x.coh", line: 3, command: "ping", reason: "EXPECT ERR" },
      { type: "event", time, event: "close" },
    ]);
    for (const value of values()) expect(valid(value), JSON.stringify(valid.errors)).to.equal(true);
  });

  it("keeps every line one line, whatever the hive says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const { output, say, lines, values } = page();
        output.command(text);
        say("OK LS path=/ entries=1");
        output.line(text);
        for (const line of lines) expect(line).to.not.match(/[\n\r]/);
        expect(values().at(-1)).to.have.property("text", text);
        for (const value of values()) expect(valid(value)).to.equal(true);
      }),
    );
  });

  for (const value of [
    {},
    { type: "ack", command: 1, ok: true, verb: "LS" },
    { type: "ack", command: 1, ok: false, verb: "LS", detail: "denied" },
    { type: "ack", command: 0, ok: true, verb: "LS", detail: "" },
    { type: "line", command: 1, verb: "LS", text: "x", more: 1 },
    { type: "other" },
    { type: "event", time: "today", event: "close" },
  ]) {
    it(`would not take ${JSON.stringify(value)} for one`, () => {
      expect(valid(value)).to.equal(false);
    });
  }
});
