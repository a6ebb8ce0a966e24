import { expect } from "chai";
import { readBuildInfo } from "../../../services/config/build-info.ts";

const INFO = { version: "0.1.0", revision: "abcdef0-dirty", imageHash: "0123456789abcdef", quickjs: "2025-04-26" };

describe("build info", () => {
  it("is read as it was written", () => {
    expect(readBuildInfo(JSON.stringify(INFO))).to.deep.equal(INFO);
  });

  for (const name of Object.keys(INFO)) {
    it(`without ${name} is refused by that name`, () => {
      for (const value of [undefined, null, 1, ""]) {
        expect(() => readBuildInfo(JSON.stringify({ ...INFO, [name]: value }))).to.throw(
          `build.json: /${name} must be a text.`,
        );
      }
    });
  }

  it("that is no JSON or no object is refused", () => {
    expect(() => readBuildInfo("}")).to.throw("build.json: it is no JSON.");
    expect(() => readBuildInfo("null")).to.throw("build.json: /version must be a text.");
  });
});
