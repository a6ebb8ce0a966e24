import { expect } from "chai";
import { hasControl, hasInvisible } from "../../../services/roles/invisible.ts";

describe("invisible characters", () => {
  it("are those of Unicode's classes C and Z, each code point of them", () => {
    for (let code = 0; code <= 0x10ffff; code++) {
      const character = String.fromCodePoint(code);
      const invisible = /[\p{C}\p{Z}]/u.test(character);
      if (hasInvisible(`a${character}b`) !== invisible || hasControl(`a${character}b`) !== /\p{C}/u.test(character))
        throw new Error(`U+${code.toString(16)}`);
    }
  });

  it("are found anywhere, and blanks are no control characters", () => {
    expect([hasInvisible(""), hasInvisible("gpu-bridge"), hasInvisible("a b"), hasInvisible("a\u202e")]).to.deep.equal([
      false,
      false,
      true,
      true,
    ]);
    expect([hasControl("a b\u00a0\u2028c"), hasControl("a b\n"), hasControl("\u2066 ")]).to.deep.equal([
      false,
      true,
      true,
    ]);
  });
});
