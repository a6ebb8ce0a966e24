import { expect } from "chai";
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCredentials, formatCredentials } from "../../../cohsh/tickets/credentials.ts";
import { loadCredentials } from "../../../cohsh/tickets/load.ts";

describe("cohsh credentials in a file", () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cohsh-credentials-"));
    file = join(directory, "credentials.json");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("are read", () => {
    const made = createCredentials((length) => new Uint8Array(length).fill(1));
    writeFileSync(file, formatCredentials(made), { mode: 0o600 });
    const warnings: string[] = [];
    expect(loadCredentials(file, (sentence) => warnings.push(sentence))).to.deep.equal(made);
    expect(warnings).to.deep.equal([]);
  });

  it("are read from a file that others can read too, with one warning", () => {
    const made = createCredentials((length) => new Uint8Array(length).fill(1));
    writeFileSync(file, formatCredentials(made));
    for (const mode of [0o640, 0o604]) {
      const other = `${file}.${mode}`;
      copyFileSync(file, other);
      chmodSync(other, mode);
      const warnings: string[] = [];
      for (let time = 0; time < 2; time++) {
        expect(loadCredentials(other, (sentence) => warnings.push(sentence))).to.deep.equal(made);
      }
      expect(warnings).to.deep.equal([`${other} can be read by others: chmod 600 ${other} makes it yours alone.`]);
    }
  });

  it("are refused in one sentence with the file's name, and no secret in it", () => {
    expect(() => loadCredentials(file)).to.throw(`The credentials file ${file} is not there.`);
    expect(() => loadCredentials(directory)).to.throw(`The credentials file ${directory} cannot be read.`);
    writeFileSync(file, '{"token": "s3cret s3cret", "tickets": {}, "secrets": {}}', { mode: 0o600 });
    expect(() => loadCredentials(file)).to.throw(
      `The credentials file ${file} is wrong: /token must be a text of 1 to 255 visible ASCII characters.`,
    );
  });
});
