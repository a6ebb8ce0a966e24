import { expect } from "chai";
import { expectStep, SerialScript, type Step } from "../../../scripts/lib/serial-script.ts";

const send = (text: string): Step => ({ kind: "send", text });

describe("serial script", () => {
  let typed: string[];
  const script = (...steps: Step[]): SerialScript => new SerialScript(steps, (text) => typed.push(text));
  beforeEach(() => {
    typed = [];
  });

  it("is done when every expectation was seen, in any order and across pieces", () => {
    const run = script(expectStep("PONG 1"), expectStep("PING 1"));
    run.printed("PI");
    run.printed("NG 1\r\nPO");
    expect(run.done).to.equal(false);
    expect(run.waitingFor.map(({ source }) => source)).to.deep.equal(["PONG 1"]);
    run.printed("NG 1");
    expect(run.done).to.equal(true);
  });

  it("matches ^ and $ at lines that end in CR LF", () => {
    const run = script(expectStep("^OK HELP$"));
    run.printed("an OK HELP\r\nOK HELPER\r\n");
    expect(run.done).to.equal(false);
    run.printed("OK HELP\r\n");
    expect(run.done).to.equal(true);
  });

  it("types a first line after the prompt and ends at the prompt after it", () => {
    const run = script(send("help"));
    run.printed("banner\r\n");
    expect(typed).to.deep.equal([]);
    run.printed("cohesix> ");
    expect(typed).to.deep.equal(["help\r"]);
    expect(run.done).to.equal(false);
    run.printed("help\r\nOK HELP\r\ncohesix> ");
    expect(run.done).to.equal(true);
  });

  it("types after the expectation before it, without waiting for a prompt", () => {
    const run = script(expectStep("ready"), send("go"), expectStep("gone"));
    run.printed("ready");
    expect(typed).to.deep.equal(["go\r"]);
    run.printed("gone");
    expect(run.done).to.equal(true);
  });

  it("takes an expectation after a typed line from what came after it only", () => {
    const run = script(expectStep("tick 1"), send("bi"), expectStep("tick"));
    run.printed("tick 1\r\n");
    expect(run.done).to.equal(false);
    run.printed("tick 2\r\n");
    expect(run.done).to.equal(true);
  });

  it("waits for the prompt between two lines", () => {
    const run = script(send("a"), send("b"));
    run.printed("cohesix> ");
    run.printed("a\r\n");
    expect(typed).to.deep.equal(["a\r"]);
    run.printed("cohesix> ");
    expect(typed).to.deep.equal(["a\r", "b\r"]);
  });

  it("has nothing to wait for without steps", () => {
    expect(script().done).to.equal(true);
  });

  it("names a regular expression that is none", () => {
    expect(() => expectStep("(")).to.throw("--expect (: ");
  });
});
