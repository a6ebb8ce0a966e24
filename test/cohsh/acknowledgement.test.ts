import { expect } from "chai";
import fc from "fast-check";
import { parseAcknowledgement } from "../../cohsh/acknowledgement.ts";
import { err } from "../../services/console/grammar.ts";

describe("cohsh acknowledgements", () => {
  it("reads OK with and without a detail", () => {
    expect(parseAcknowledgement("OK HELP")).to.deep.equal({ ok: true, verb: "HELP", detail: "" });
    expect(parseAcknowledgement("OK PING reply=pong")).to.deep.equal({ ok: true, verb: "PING", detail: "reply=pong" });
    expect(parseAcknowledgement("OK CAT path=/a data=x | y")).to.deep.equal({
      ok: true,
      verb: "CAT",
      detail: "path=/a data=x | y",
    });
  });

  it("ends an error's detail at the next path= or error=", () => {
    expect(parseAcknowledgement("ERR TAIL reason=policy detail=not found at all path=/x error=ENOENT")).to.deep.equal({
      ok: false,
      verb: "TAIL",
      reason: "policy",
      detail: "not found at all",
      path: "/x",
      error: "ENOENT",
    });
    expect(
      parseAcknowledgement("ERR ATTACH reason=busy detail=missing required argument: X error=EBUSY"),
    ).to.deep.equal({
      ok: false,
      verb: "ATTACH",
      reason: "busy",
      detail: "missing required argument: X",
      error: "EBUSY",
    });
    expect(parseAcknowledgement("ERR KILL reason=cut")).to.deep.equal({ ok: false, verb: "KILL", reason: "cut" });
  });

  for (const line of [
    "",
    "OK",
    "OK ",
    "ok PING",
    "OK ping reply=pong",
    "OKAY PING",
    " OK PING",
    "OK  PING",
    "ERR",
    "ERR PING",
    "ERR PING detail=denied",
    "ERR PING reason=other",
    "ERR PING reason=policydetail=x",
    "ERR PING reason=policy detail=x\nOK PING",
    "PONG",
    "END",
    "[   0.100000] console: OK PING",
  ]) {
    it(`does not take ${JSON.stringify(line)} for one`, () => {
      expect(parseAcknowledgement(line)).to.equal(undefined);
    });
  }

  it("reads back every error that can be written", () => {
    const word = fc.stringMatching(/^[a-z0-9_=.-]{1,12}$/);
    const detail = fc
      .array(word, { minLength: 1, maxLength: 4 })
      .map((words) => words.join(" "))
      .filter((text) => !/(^| )(path|error)=/.test(text));
    fc.assert(
      fc.property(
        fc.constantFrom("busy" as const, "quota" as const, "cut" as const, "policy" as const),
        fc.option(detail, { nil: undefined }),
        fc.option(
          word.map((name) => `/${name}`),
          { nil: undefined },
        ),
        fc.option(fc.constantFrom("EPERM", "ENOENT", "E2BIG"), { nil: undefined }),
        (reason, text, path, error) => {
          const line = err("VERB", {
            reason,
            ...(text === undefined ? {} : { detail: text }),
            ...(path === undefined ? {} : { path }),
            ...(error === undefined ? {} : { error }),
          });
          const read = parseAcknowledgement(line);
          expect(read).to.include({ ok: false, verb: "VERB", reason });
          if (read === undefined || read.ok) throw new Error("not an error");
          expect([read.detail, read.path, read.error]).to.deep.equal([text, path, error]);
        },
      ),
    );
  });

  it("is linear in the length of a hostile line", () => {
    const line = `ERR X reason=policy detail=${" path=".repeat(200_000)}\n`;
    const start = process.hrtime.bigint();
    expect(parseAcknowledgement(line)).to.equal(undefined);
    expect(Number(process.hrtime.bigint() - start) / 1e6).to.be.below(1000);
  });
});
