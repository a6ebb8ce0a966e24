import { expect } from "chai";
import { err } from "../../../services/console/grammar.ts";
import {
  loginRefusalOf,
  outcomeRefusalOf,
  refusalOf,
  revocationOf,
  wrongKind,
} from "../../../services/console/refusals.ts";
import { INVALID, REFUSALS, Refusal } from "../../../services/secure9p/refusal.ts";

describe("console refusals", () => {
  it("have one reason, tag and errno for each kind that 9P has", () => {
    expect(REFUSALS.map((why) => err("CAT", refusalOf(why, "/a")))).to.deep.equal([
      "ERR CAT reason=policy detail=denied path=/a error=EPERM",
      "ERR CAT reason=policy detail=not-found path=/a error=ENOENT",
      "ERR CAT reason=busy detail=busy path=/a error=EBUSY",
      "ERR CAT reason=policy detail=invalid-payload path=/a error=EINVAL",
      "ERR CAT reason=quota detail=too-big path=/a error=EMSGSIZE",
      "ERR CAT reason=cut path=/a error=EBADF",
      "ERR CAT reason=cut detail=revoked path=/a error=ESHUTDOWN",
      "ERR CAT reason=quota path=/a error=ESTALE",
      "ERR CAT reason=quota detail=rate-limited path=/a error=EAGAIN",
      "ERR CAT reason=policy detail=unsupported path=/a error=EOPNOTSUPP",
      "ERR CAT reason=busy detail=timed-out path=/a error=ETIMEDOUT",
    ]);
    expect(err("LS", refusalOf(new Refusal("Foreign", "E5", 5)))).to.equal("ERR LS reason=busy error=E5");
    expect(err("LS", wrongKind("/a"))).to.equal("ERR LS reason=policy detail=invalid-path path=/a error=EINVAL");
  });

  it("word a login that is refused or over", () => {
    const login = (tag: Parameters<typeof loginRefusalOf>[0]["tag"]): string =>
      err("ATTACH", loginRefusalOf({ kind: "refused", tag, delayMs: 8000 }));
    expect(login("denied")).to.equal("ERR ATTACH reason=policy detail=denied");
    expect(login("expired")).to.equal("ERR ATTACH reason=cut detail=expired error=ESHUTDOWN");
    expect(login("revoked")).to.equal("ERR ATTACH reason=cut detail=revoked error=ESHUTDOWN");
    expect(login("busy")).to.equal("ERR ATTACH reason=busy detail=busy error=EBUSY");
    expect(login("rate-limited")).to.equal("ERR ATTACH reason=quota detail=rate-limited delay_ms=8000 error=EAGAIN");
    expect(err("LS", revocationOf({ tag: "expired", why: "" }))).to.equal(
      "ERR LS reason=cut detail=expired error=ESHUTDOWN",
    );
  });

  it("point at what is wrong with a command, unless that could be taken for something else", () => {
    const pointed = (pointer: string): string =>
      err("SPAWN", outcomeRefusalOf({ done: false, command: undefined, refusal: INVALID, pointer, sentence: "" }));
    expect(pointed("/budget/ttl_s")).to.equal(
      "ERR SPAWN reason=policy detail=invalid-payload pointer=/budget/ttl_s error=EINVAL",
    );
    const plain = "ERR SPAWN reason=policy detail=invalid-payload error=EINVAL";
    for (const pointer of ["", "/a b", "/x path=/y", "/x\n", "/\u202e", "/"])
      expect(pointed(pointer), pointer).to.equal(plain);
  });
});
