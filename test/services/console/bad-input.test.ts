import { expect } from "chai";
import { expectNoErrors, TestHive } from "../hive/support.ts";
import { BAD_INPUT, PONG } from "./bad-input.ts";
import { Session } from "./session.ts";

afterEach(expectNoErrors);

/** What of a terminal's output is no prompt and no echo. */
function answersIn(output: string): string[] {
  return output.split("\r\n").filter((line) => /^(?:OK|ERR) |^PONG$/.test(line));
}

describe("bad input on a terminal's line", () => {
  for (const { what, typed } of BAD_INPUT) {
    if (typed === undefined) continue;
    it(`answers ${what}, at once and key by key, and goes on`, () => {
      const keys = Buffer.concat([typed.keys, Buffer.from("ping\r")]);
      for (const size of [keys.length, 1]) {
        const session = new Session({ hive: new TestHive().hive });
        session.open();
        let output = "";
        for (let at = 0; at < keys.length; at += size) output += session.type(keys.subarray(at, at + size));
        expect(answersIn(output)).to.deep.equal([...typed.answers, ...PONG]);
        expect(session.failures).to.deep.equal([]);
      }
    });
  }
});
