import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ensureCredentials, hiveCredentials } from "../../../scripts/lib/credentials.ts";
import { readCredentials } from "../../../services/roles/credentials.ts";

describe("credentials of an image", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "credentials-test-"));
    path = join(folder, "hive", "credentials.json");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("are drawn anew where there are none, for the owner's eyes, and kept from then on", () => {
    const first = ensureCredentials(path);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    expect(statSync(join(folder, "hive")).mode & 0o777).to.equal(0o700);
    expect(ensureCredentials(path)).to.equal(first);
    expect(readFileSync(path, "utf8")).to.equal(first);
    expect(ensureCredentials(join(folder, "another.json"))).to.not.equal(first);
  });

  it("that others could read are closed to them again", () => {
    ensureCredentials(path);
    writeFileSync(join(folder, "open.json"), readFileSync(path), { mode: 0o644 });
    ensureCredentials(join(folder, "open.json"));
    expect(statSync(join(folder, "open.json")).mode & 0o777).to.equal(0o600);
  });

  it("that are damaged are refused by the file's name, and nothing of them is shown", () => {
    writeFileSync(join(folder, "bad.json"), '{"token":"hunter2');
    expect(() => ensureCredentials(join(folder, "bad.json"))).to.throw(
      /bad\.json: credentials\.json: \/ is no JSON\.$/,
    );
  });

  it("go into the image without tickets, which only clients need", () => {
    const text = ensureCredentials(path);
    expect(readCredentials(hiveCredentials(text))).to.deep.equal({ ...readCredentials(text), tickets: {} });
  });
});
