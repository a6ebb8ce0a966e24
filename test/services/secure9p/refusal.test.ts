import { constants } from "node:os";
import { expect } from "chai";
import { REFUSALS, refusalOf } from "../../../services/secure9p/refusal.ts";

describe("Refusals", () => {
  it("carry Linux's numbers under their names", function () {
    if (process.platform !== "linux") this.skip(); // other systems number them otherwise
    const numbers: Record<string, number> = { ...constants.errno, ESHUTDOWN: 108 };
    for (const { code, errno } of REFUSALS) expect(numbers[code], code).to.equal(errno);
  });

  it("are found by number; a foreign number is kept", () => {
    for (const refusal of REFUSALS) expect(refusalOf(refusal.errno)).to.equal(refusal);
    expect(refusalOf(5)).to.include({ name: "Foreign", code: "E5", errno: 5 });
  });
});
