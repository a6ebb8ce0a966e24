/** The console's session in the whole hive: the same bundle, through its serial line, as an operator uses it. */
import { expect } from "chai";
import { bundle, credentials, Hive, PROMPT } from "./hive.ts";

describe("operator", () => {
  let hive: Hive;
  before(async function () {
    this.timeout(60_000);
    hive = new Hive(await bundle());
    await hive.boot();
  });

  it("logs in with the hive's own token, which the line does not show", async () => {
    expect(await hive.ask("ls /")).to.deep.equal(["ls /", "ERR LS reason=policy detail=unauthenticated"]);
    expect(await hive.ask(`attach queen ${credentials.token}`)).to.deep.equal([
      "attach queen ***",
      "OK ATTACH role=queen",
    ]);
    expect(hive.terminal.transcript).to.not.contain(credentials.token);
  });

  it("sees the namespace, writes to the audit log and reads it again", async () => {
    expect((await hive.ask("ls /")).slice(1)).to.deep.equal([
      "OK LS path=/ entries=4",
      "proc",
      "log",
      "queen",
      "worker",
      "END",
    ]);
    expect(await hive.ask("echo hello > /log/queen.log")).to.include("OK ECHO path=/log/queen.log bytes=6");
    const [, answer, ...lines] = await hive.ask("cat /log/queen.log");
    expect(answer).to.equal("OK CAT path=/log/queen.log data=hello");
    expect(lines.join("\n")).to.match(/^\[ +\d+\.\d{6}\] client session=\d+ role=queen: hello$/m);
    expect(lines.at(-1)).to.equal("END");
    expect((await hive.ask("cat /proc/boot"))[1]).to.match(/^OK CAT path=\/proc\/boot data=/);
    expect((await hive.ask("log"))[1]).to.equal("OK LOG");
  });

  it("follows a log until Ctrl-C", async () => {
    hive.terminal.type("tail -f /log/boot.log\r");
    await hive.terminal.expect("OK TAIL path=/log/boot.log\r\n");
    hive.terminal.type("ping\r");
    await hive.terminal.expect("OK PING reply=pong\r\nPONG\r\n");
    hive.terminal.type("\x03");
    await hive.terminal.expect(`END\r\n${PROMPT}^C\r\n${PROMPT}`);
  });

  it("is out after QUIT", async () => {
    expect((await hive.ask("quit"))[1]).to.match(/^OK QUIT /);
    expect((await hive.ask("log"))[1]).to.equal("ERR LOG reason=policy detail=unauthenticated");
  });
});
