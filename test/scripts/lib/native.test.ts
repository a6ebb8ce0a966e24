import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { removeForeignBuild } from "../../../scripts/lib/native.ts";

describe("the native build directory", () => {
  let folder: string;
  let build: string;
  const cache = (source: string, directory: string): void => {
    mkdirSync(build, { recursive: true });
    const text = `CMAKE_CACHEFILE_DIR:INTERNAL=${directory}\nCMAKE_HOME_DIRECTORY:INTERNAL=${source}\n`;
    writeFileSync(join(build, "CMakeCache.txt"), text);
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "native-test-"));
    build = join(folder, "build");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("stays if it was configured here", () => {
    cache("/here/source", build);
    removeForeignBuild("/here/source", build);
    expect(existsSync(build)).to.equal(true);
  });

  it("is removed if it was copied or moved here with the work tree, or is another project's", () => {
    cache("/here/source", "/elsewhere/build");
    removeForeignBuild("/here/source", build);
    expect(existsSync(build)).to.equal(false);
    cache("/elsewhere/source", build);
    removeForeignBuild("/here/source", build);
    expect(existsSync(build)).to.equal(false);
  });

  it("may not be there yet", () => {
    removeForeignBuild("/here/source", build);
    expect(existsSync(folder)).to.equal(true);
  });
});
