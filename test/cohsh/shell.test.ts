import { expect } from "chai";
import { Shell } from "../../cohsh/shell.ts";
import { FakeTransport } from "./fake-transport.ts";

async function started(options: { keeper?: "hive" | "shell"; follow?: boolean; timeoutMs?: number } = {}) {
  const transport = new FakeTransport(options.keeper ?? "shell");
  const printed: string[] = [];
  const { follow = false, timeoutMs = 5000 } = options;
  const shell = new Shell(transport, { timeoutMs, follow, print: (line) => printed.push(line) });
  await shell.open(new AbortController().signal);
  /** What a command that the shell answers itself prints. */
  const run = async (line: string): Promise<string[]> => {
    printed.length = 0;
    await shell.execute(line);
    return [...printed];
  };
  return { transport, shell, printed, run };
}

describe("cohsh shell", () => {
  it("sends the session's verbs to a hive that keeps roles, and answers none of them itself", async () => {
    const { transport, shell, printed } = await started({ keeper: "hive" });
    const attach = shell.execute("attach queen ticket");
    transport.reply("OK ATTACH role=queen");
    expect(await attach).to.equal("ok");
    const tail = shell.execute("tail /log/queen.log 12");
    transport.reply("OK TAIL path=/log/queen.log offset=12", "line", "END");
    expect(await tail).to.equal("ok");
    const quit = shell.execute("quit");
    transport.reply("OK QUIT");
    expect(await quit).to.equal("quit");
    expect(transport.sent).to.deep.equal(["attach queen ticket", "tail /log/queen.log 12", "quit"]);
    expect(printed.filter((line) => line.startsWith("#"))).to.deep.equal([]);
  });

  it("sends none of them to a console without roles, and never a ticket", async () => {
    const { transport, run } = await started();
    for (const line of [
      "attach queen",
      "login queen cohesix-ticket-00.00",
      "tail /log/boot.log",
      "log",
      "detach",
      "quit",
    ]) {
      await run(line);
    }
    expect(transport.sent).to.deep.equal([]);
  });

  it("sends what it does not know, so that the hive can refuse it", async () => {
    const { transport, shell, printed } = await started();
    const outcome = shell.execute("  frobnicate /x  ");
    transport.reply("ERR PARSE reason=policy detail=unsupported console command");
    expect(await outcome).to.equal("refused");
    expect(transport.sent).to.deep.equal(["frobnicate /x"]);
    expect(printed).to.deep.equal(["ERR PARSE reason=policy detail=unsupported console command"]);
  });

  it("does nothing for an empty line and a comment", async () => {
    const { transport, run } = await started();
    for (const line of ["", "   ", "# ping", "  #"]) expect(await run(line)).to.deep.equal([]);
    expect(transport.sent).to.deep.equal([]);
  });

  it("refuses what a console would take for keys or cut, without sending it", async () => {
    const { transport, run } = await started();
    const invalid = ["ERR PARSE reason=policy detail=invalid-character", "# refused by this shell, not sent"];
    for (const line of ["pi\x03ng", "ping\rping", "a\nb", "tab\there", "\x7f", "\x9bA"]) {
      expect(await run(line)).to.deep.equal(invalid);
    }
    expect((await run("é".repeat(513)))[0]).to.equal("ERR FRAME reason=policy detail=invalid-length");
    expect(transport.sent).to.deep.equal([]);
  });

  it("reads the captured log from an offset, and says what is gone", async () => {
    const { transport, run } = await started();
    await run("attach queen");
    for (let n = 0; n < 3; n++) transport.sink.log(`line ${n}`);
    const captured = "# what this shell has seen on the hive's console since the boot";
    expect(await run("tail /log/boot.log 7")).to.deep.equal([
      ...["OK TAIL path=/log/boot.log offset=7", "line 1", "line 2", "END"],
      captured,
    ]);
    expect(await run("tail /log/boot.log 8")).to.deep.equal([
      ...["OK TAIL path=/log/boot.log offset=14", "line 2", "END"],
      captured,
    ]);
    expect((await run("tail /log/boot.log 999")).slice(0, 2)).to.deep.equal([
      "OK TAIL path=/log/boot.log offset=21",
      "END",
    ]);
    for (let n = 0; n < 2000; n++) transport.sink.log("x".repeat(999));
    const [ok, gap] = await run("tail /log/boot.log");
    const kept = Math.floor((1 << 20) / 1000) * 1000;
    const lost = 21 + 2_000_000 - kept;
    expect(ok).to.equal(`OK TAIL path=/log/boot.log offset=${lost}`);
    expect(gap).to.equal(`… lost ${lost} bytes`);
  });

  for (const [line, answer] of [
    ["tail", "ERR TAIL reason=policy detail=missing required argument: path"],
    ["tail -f", "ERR TAIL reason=policy detail=missing required argument: path"],
    ["tail log/boot.log", "ERR TAIL reason=policy detail=invalid-path"],
    ["tail /", "ERR TAIL reason=policy detail=invalid-path"],
    ["tail /log/../log/boot.log", "ERR TAIL reason=policy detail=invalid-path"],
    ["tail /a/b/c/d/e/f/g/h/i", "ERR TAIL reason=policy detail=invalid-path"],
    [`tail /${"x".repeat(255)}`, "ERR TAIL reason=policy detail=invalid-path"],
    ["tail /log/boot.log -1", "ERR TAIL reason=policy detail=invalid-payload"],
    ["tail /log/boot.log 1 2", "ERR TAIL reason=policy detail=invalid-payload"],
    ["tail -f /proc/boot", "ERR TAIL reason=policy detail=not-found path=/proc/boot error=ENOENT"],
    ["log now", "ERR LOG reason=policy detail=invalid-payload"],
    ["attach queen ticket more", "ERR ATTACH reason=policy detail=invalid-payload"],
    ["detach now", "ERR DETACH reason=policy detail=invalid-payload"],
    ["quit now", "ERR QUIT reason=policy detail=invalid-payload"],
  ] as const) {
    it(`refuses ${line.slice(0, 40)}`, async () => {
      const { run } = await started();
      await run("attach queen");
      expect((await run(line))[0]).to.equal(answer);
    });
  }

  it("keeps the role after a refused attach", async () => {
    const { run } = await started();
    await run("attach queen");
    await run("attach emperor");
    expect((await run("tail /log/boot.log"))[0]).to.equal("OK TAIL path=/log/boot.log");
  });

  it("follows the log with tail -f until it is interrupted", async () => {
    const { transport, shell, printed } = await started();
    transport.sink.log("before");
    await shell.execute("attach queen");
    printed.length = 0;
    expect(shell.interrupt()).to.equal(false);
    const tail = shell.execute("tail -f /log/boot.log");
    transport.sink.log("then");
    expect(printed).to.deep.equal(["OK TAIL path=/log/boot.log", "before", "then"]);
    expect(shell.interrupt()).to.equal(true);
    expect(await tail).to.equal("ok");
    expect(printed.at(-1)).to.equal("END");
    transport.sink.log("after");
    expect(printed).to.not.include("after");
  });

  it("prints what the machine prints only while it follows", async () => {
    const { transport, shell, printed } = await started({ follow: true });
    transport.sink.log("one");
    shell.follow = false;
    transport.sink.log("two");
    expect(printed).to.deep.equal(["one"]);
  });

  it("ends a tail -f and all commands when the hive ends, and tells whoever listens", async () => {
    const { transport, shell, printed } = await started();
    const reasons: string[] = [];
    shell.onEnded = (reason) => reasons.push(reason);
    await shell.execute("attach queen");
    const tail = shell.execute("tail -f /log/boot.log");
    transport.sink.ended("QEMU ended");
    expect(await tail).to.equal("ok");
    expect(shell.gone).to.equal("QEMU ended");
    expect(reasons).to.deep.equal(["QEMU ended"]);
    expect(await shell.execute("ping")).to.equal("lost");
    // What was captured can still be read.
    printed.length = 0;
    expect(await shell.execute("tail /log/boot.log")).to.equal("ok");
  });

  it("says when a command is not answered in time", async () => {
    const { shell, printed } = await started({ timeoutMs: 10 });
    expect(await shell.execute("ping")).to.equal("refused");
    expect(printed).to.deep.equal(["# no answer to PING within 0.01 s"]);
  });

  it("ends a running command without a word when it is closed", async () => {
    const { shell, printed, transport } = await started();
    const ping = shell.execute("ping");
    await shell.close();
    expect(await ping).to.equal("lost");
    expect(printed).to.deep.equal([]);
    expect(transport.closed).to.equal(1);
  });
});
