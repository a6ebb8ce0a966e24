import { expect } from "chai";
import { complete } from "../../cohsh/completion.ts";

const PATHS = ["/log/boot.log"];

describe("cohsh completion", () => {
  for (const [line, candidates, word] of [
    ["pi", ["ping "], "pi"],
    ["PI", ["ping "], "PI"],
    ["  at", ["attach "], "at"],
    ["l", ["login ", "log ", "ls "], "l"],
    ["zz", [], "zz"],
    ["attach ", ["queen ", "worker-heartbeat ", "worker-gpu ", "observer ", "service "], ""],
    ["login wor", ["worker-heartbeat ", "worker-gpu "], "wor"],
    ["attach queen ", [], ""],
    ["tail ", ["/log/boot.log "], ""],
    ["tail -f /lo", ["/log/boot.log "], "/lo"],
    ["tail /log/boot.log ", [], ""],
    ["ping ", [], ""],
    ["unknown x", [], "x"],
  ] as const) {
    it(`offers ${JSON.stringify(candidates)} for ${JSON.stringify(line)}`, () => {
      expect(complete(line, PATHS)).to.deep.equal([candidates, word]);
    });
  }
});
