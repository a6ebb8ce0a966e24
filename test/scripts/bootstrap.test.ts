import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { dependenciesFresh, nodeSatisfies } from "../../scripts/bootstrap.mjs";

const lock = {
  "": { version: "1.0.0" },
  "node_modules/a": { version: "1.2.3", integrity: "sha512-a" },
  "node_modules/b-win": { version: "1.0.0", integrity: "sha512-b", optional: true },
};

describe("bootstrap", () => {
  let folder: string;
  const write = (installed: object): void => {
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    writeFileSync(join(folder, "node_modules/.package-lock.json"), JSON.stringify({ packages: installed }));
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "bootstrap-"));
    writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ packages: lock }));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("installs when there is no node_modules", () => {
    expect(dependenciesFresh(folder)).to.equal(false);
  });

  it("is content with what the lock file asks for, without another platform's packages", () => {
    write({ "node_modules/a": { version: "1.2.3", integrity: "sha512-a" } });
    expect(dependenciesFresh(folder)).to.equal(true);
  });

  it("installs when a package is missing, of another version, of another content, or too many", () => {
    write({});
    expect(dependenciesFresh(folder)).to.equal(false);
    write({ "node_modules/a": { version: "1.2.4", integrity: "sha512-a" } });
    expect(dependenciesFresh(folder)).to.equal(false);
    write({ "node_modules/a": { version: "1.2.3", integrity: "sha512-x" } });
    expect(dependenciesFresh(folder)).to.equal(false);
    write({ "node_modules/a": { version: "1.2.3", integrity: "sha512-a" }, "node_modules/z": { version: "1.0.0" } });
    expect(dependenciesFresh(folder)).to.equal(false);
  });

  it("compares Node's version number by number", () => {
    expect(nodeSatisfies("20.19.0", ">=20.19")).to.equal(true);
    expect(nodeSatisfies("20.9.9", ">=20.19")).to.equal(false);
    expect(nodeSatisfies("18.99.0", ">=20.19")).to.equal(false);
    expect(nodeSatisfies("22.0.0", ">=20.19")).to.equal(true);
  });

  it("finds no download address in package-lock.json", () => {
    const text = readFileSync("package-lock.json", "utf8");
    expect(text).not.to.match(/"resolved"/);
    expect(text).not.to.match(/https?:\/\/[^"]*\.tgz/);
  });
});
