import { expect } from "chai";
import fc from "fast-check";
import { hidden, withoutCredentials } from "../../cohsh/redact.ts";

const TICKET = "cohesix-ticket-0101.00ff";

describe("cohsh credentials in lines", () => {
  for (const [line, shown] of [
    ["attach queen", "attach queen"],
    ["attach queen ", "attach queen "],
    [`attach queen ${TICKET}`, "attach queen ***"],
    ["  LOGIN  worker  s3cret and more", "  LOGIN  worker  ***"],
    ["attach worker subject=worker-1", "attach worker subject=worker-1"],
    ["attach worker subject=worker-1 ", "attach worker subject=worker-1 "],
    [`attach worker subject=worker-1 ${TICKET}`, "attach worker subject=worker-1 ***"],
    ["auth s3cret", "auth ***"],
    [`echo ${TICKET} > /log/queen.log`, "echo *** > /log/queen.log"],
    [`echo ${TICKET.toUpperCase()}x`, "echo ***"],
    ["ping", "ping"],
    ["attachment queen visible", "attachment queen visible"],
  ] as const) {
    it(`shows ${JSON.stringify(line)} as ${JSON.stringify(shown)}`, () => {
      expect(withoutCredentials(line)).to.equal(shown);
      expect(withoutCredentials(shown)).to.equal(shown);
    });
  }

  for (const [line, shown] of [
    ["attach queen ", "attach queen "],
    ["attach queen s3cret two", "attach queen ****** ***"],
    ["LOGIN worker subj", "LOGIN worker subj"],
    ["LOGIN worker subjx", "LOGIN worker *****"],
    ["attach worker subject=w-1 s3cret", "attach worker subject=w-1 ******"],
    ["auth s3cret", "auth ******"],
    ["echo cohesix-ticket-0 > /x", "echo **************** > /x"],
    ["ls /log", "ls /log"],
  ] as const) {
    it(`shows ${JSON.stringify(shown)} while ${JSON.stringify(line)} is typed`, () => {
      expect(hidden(line)).to.equal(shown);
    });
  }

  it("shows nothing of what stands behind a login's role", () => {
    const blanks = fc.stringMatching(/^ {1,3}$/);
    const secret = fc.stringMatching(/^[!-<>-~]{8,40}$/).filter((text) => !"attach login queen".includes(text));
    fc.assert(
      fc.property(fc.constantFrom("attach", "LOGIN"), blanks, blanks, secret, (verb, one, two, text) => {
        expect(withoutCredentials(`${verb}${one}queen${two}${text}`)).to.not.include(text);
      }),
    );
  });
});
