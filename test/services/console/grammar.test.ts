import { expect } from "chai";
import fc from "fast-check";
import {
  err,
  INVALID_CHARACTER,
  ok,
  parse,
  type Parsed,
  TOO_LONG,
  type Verb,
  VERBS,
} from "../../../services/console/grammar.ts";

const answer = (parsed: Parsed): string =>
  parsed.kind === "command" ? `run ${parsed.verb}` : err(parsed.word, parsed.refusal);

describe("console grammar", () => {
  it("knows its verbs in any case, with blanks around them", () => {
    for (const verb of Object.keys(VERBS) as Verb[]) {
      for (const line of [
        verb,
        verb.toLowerCase(),
        `  ${verb.toLowerCase()} `,
        `${verb[0]}${verb.slice(1).toLowerCase()}`,
      ]) {
        expect(answer(parse(line)), line).to.equal(`run ${verb}`);
      }
    }
  });

  const refusals: [line: string, answer: string][] = [
    ["", "ERR PARSE reason=policy detail=empty command"],
    ["   ", "ERR PARSE reason=policy detail=empty command"],
    ["frobnicate", "ERR PARSE reason=policy detail=unsupported console command"],
    ["pingping", "ERR PARSE reason=policy detail=unsupported console command"],
    ["constructor", "ERR PARSE reason=policy detail=unsupported console command"],
    ["__proto__", "ERR PARSE reason=policy detail=unsupported console command"],
    ["bootinfo", "ERR PARSE reason=policy detail=unsupported console command"],
    ["ping twice", "ERR PING reason=policy detail=invalid-payload"],
    ["bi -v", "ERR BOOTINFO reason=policy detail=invalid-payload"],
    ["pi\0ng", "ERR PARSE reason=policy detail=invalid-character"],
    ["ping\n", "ERR PARSE reason=policy detail=invalid-character"],
    ["ping\u0085", "ERR PARSE reason=policy detail=invalid-character"],
  ];
  for (const [line, expected] of refusals) {
    it(`answers ${JSON.stringify(line)} with ${expected}`, () => {
      expect(answer(parse(line))).to.equal(expected);
    });
  }

  it("has one answer for bytes that no line may have, and one for too many", () => {
    expect(answer(INVALID_CHARACTER)).to.equal("ERR PARSE reason=policy detail=invalid-character");
    expect(answer(TOO_LONG)).to.equal("ERR FRAME reason=policy detail=invalid-length");
  });

  it("writes acknowledgements with their fields in order", () => {
    expect(ok("AUTH")).to.equal("OK AUTH");
    expect(ok("PING", "reply=pong")).to.equal("OK PING reply=pong");
    expect(err("CAT", { reason: "policy", error: "NotFound", path: "/a b", detail: "not-found" })).to.equal(
      "ERR CAT reason=policy detail=not-found path=/a b error=NotFound",
    );
    expect(err("LS", { reason: "cut" })).to.equal("ERR LS reason=cut");
  });

  it("gives every line one meaning and never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (line) => {
        expect(answer(parse(line))).to.match(/^(run [A-Z]+|ERR [A-Z]+ reason=policy detail=[a-z -]+)$/);
      }),
    );
  });
});
