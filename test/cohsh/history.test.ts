import { expect } from "chai";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HISTORY_LINES, historyFile, loadHistory, memorable, saveHistory } from "../../cohsh/history.ts";

describe("cohsh history", () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cohsh-history-"));
    file = join(directory, "state", "cohesix", "cohsh_history");
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it("stands in the user's state directory", () => {
    expect(historyFile({ XDG_STATE_HOME: "/s", HOME: "/h" })).to.equal("/s/cohesix/cohsh_history");
    expect(historyFile({ HOME: "/h" })).to.equal("/h/.local/state/cohesix/cohsh_history");
    expect(historyFile({ XDG_STATE_HOME: "relative", HOME: "/h" })).to.equal("/h/.local/state/cohesix/cohsh_history");
  });

  it("comes back in order, in a file that only its user can read", () => {
    expect(saveHistory(file, ["ping", "help"])).to.equal(undefined);
    expect(saveHistory(file, ["bi"])).to.equal(undefined);
    expect(loadHistory(file)).to.deep.equal(["ping", "help", "bi"]);
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    expect(statSync(dirname(file)).mode & 0o777).to.equal(0o700);
    expect(readdirSync(dirname(file))).to.deep.equal(["cohsh_history"]);
  });

  it("never grows beyond its bound", () => {
    for (let round = 0; round < 3; round++) {
      saveHistory(
        file,
        Array.from({ length: HISTORY_LINES }, (_, n) => `ping ${round} ${n}`),
      );
    }
    const lines = loadHistory(file);
    expect(lines).to.have.length(HISTORY_LINES);
    expect(lines[0]).to.equal("ping 2 0");
    expect(readFileSync(file, "utf8").split("\n")).to.have.length(HISTORY_LINES + 1);
  });

  it("never holds a ticket", () => {
    const secret = "cohesix-ticket-00ff.aa";
    for (const line of [
      `attach queen ${secret}`,
      `login queen x`,
      `  ATTACH worker  y`,
      `echo ${secret} > /x`,
      "",
      "  ",
    ]) {
      expect(memorable(line), line).to.equal(false);
    }
    expect(memorable("attach queen")).to.equal(true);
    expect(memorable("attach queen ")).to.equal(true);
    saveHistory(file, ["ping", `attach queen ${secret}`]);
    expect(readFileSync(file, "utf8")).to.equal("ping\n");
  });

  it("never holds a line that its shell knows a credential in, even one that was saved before", () => {
    const secret = (line: string): boolean => line.includes("t0ken");
    expect(memorable("echo t0ken > /x", secret)).to.equal(false);
    expect(memorable("echo token > /x", secret)).to.equal(true);
    saveHistory(file, ["echo t0ken > /x", "ping"]);
    expect(loadHistory(file, secret)).to.deep.equal(["ping"]);
    saveHistory(file, ["echo t0ken > /y", "help"], secret);
    expect(readFileSync(file, "utf8")).to.equal("ping\nhelp\n");
  });

  it("reads only the end of a file that something else has filled", () => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${"x".repeat(3_000_000)}\nping\n`);
    expect(loadHistory(file)).to.deep.equal(["ping"]);
  });

  it("is empty if there is no file, or a directory in its place", () => {
    expect(loadHistory(file)).to.deep.equal([]);
    mkdirSync(file, { recursive: true });
    expect(loadHistory(file)).to.deep.equal([]);
  });

  it("says in one sentence that it could not be saved, and leaves nothing behind", () => {
    mkdirSync(file, { recursive: true });
    writeFileSync(join(file, "in the way"), "");
    expect(saveHistory(file, ["ping"])).to.match(/^the history was not saved to .*: /);
    expect(readdirSync(dirname(file))).to.deep.equal(["cohsh_history"]);
  });
});
