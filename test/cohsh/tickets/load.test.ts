import { expect } from "chai";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
    writeFileSync(file, formatCredentials(made));
    expect(loadCredentials(file)).to.deep.equal(made);
  });

  it("are refused in one sentence with the file's name, and no secret in it", () => {
    expect(() => loadCredentials(file)).to.throw(`The credentials file ${file} is not there.`);
    expect(() => loadCredentials(directory)).to.throw(`The credentials file ${directory} cannot be read.`);
    writeFileSync(file, '{"token": "s3cret s3cret", "tickets": {}, "secrets": {}}');
    expect(() => loadCredentials(file)).to.throw(
      `The credentials file ${file} is wrong: /token must be a text of 1 to 255 visible ASCII characters.`,
    );
  });
});
