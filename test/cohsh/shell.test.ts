import { expect } from "chai";
import { Shell } from "../../cohsh/shell.ts";
import type { Found } from "../../cohsh/tickets/keyring.ts";
import { FakeTransport, Page } from "./fake-transport.ts";

const SECRET = "s3cret";

async function started(options: { found?: Found; follow?: boolean; timeoutMs?: number } = {}) {
  const transport = new FakeTransport();
  const page = new Page();
  const { found = { credential: SECRET }, follow = false, timeoutMs = 5000 } = options;
  const shell = new Shell(transport, { timeoutMs, follow, output: page, keys: { find: () => found } });
  await shell.open(new AbortController().signal);
  /** A command, and what the hive says to it. */
  const run = async (line: string, ...replies: string[]): Promise<string> => {
    const outcome = shell.execute(line);
    transport.reply(...replies);
    return outcome;
  };
  const attach = (): Promise<string> => run("attach queen", "OK ATTACH role=queen");
  return { transport, shell, page, run, attach };
}

describe("cohsh shell", () => {
  it("sends every verb to the hive and shows its answer as it is", async () => {
    const { transport, page, run } = await started();
    expect(await run("tail /log/queen.log 12", "OK TAIL path=/log/queen.log offset=12", "line", "END")).to.equal("ok");
    expect(await run("ls /", "OK LS path=/ entries=1", "proc", "END")).to.equal("ok");
    expect(await run("kill worker-9", "ERR KILL reason=policy detail=not-found error=ENOENT")).to.equal("refused");
    expect(await run("QUIT", "OK QUIT")).to.equal("quit");
    expect(transport.sent).to.deep.equal(["tail /log/queen.log 12", "ls /", "kill worker-9", "QUIT"]);
    expect(page.take()).to.deep.equal([
      ...["> tail /log/queen.log 12", "OK TAIL path=/log/queen.log offset=12", "line", "(end)"],
      ...["> ls /", "OK LS path=/ entries=1", "proc", "(end)"],
      ...["> kill worker-9", "ERR KILL reason=policy detail=not-found error=ENOENT"],
      ...["> QUIT", "OK QUIT"],
    ]);
  });

  it("fetches the credential for a login, and shows it nowhere", async () => {
    const { transport, page, run } = await started();
    expect(await run("attach queen", "OK ATTACH role=queen")).to.equal("ok");
    expect(await run("login worker subject=worker-1", "OK ATTACH role=worker-heartbeat")).to.equal("ok");
    expect(await run(`attach queen other-${SECRET}`, "OK ATTACH role=queen")).to.equal("ok");
    expect(transport.sent).to.deep.equal([
      `attach queen ${SECRET}`,
      `login worker ${SECRET}`,
      `attach queen other-${SECRET}`,
    ]);
    expect(page.lines.join("\n")).to.not.include(SECRET);
  });

  it("lets the hive refuse a login for which it finds none, and says why there is none", async () => {
    const { transport, page, run } = await started({ found: { missing: "The file is not there." } });
    const refusal = "ERR ATTACH reason=policy detail=missing required argument: ticket";
    expect(await run("attach queen", refusal)).to.equal("refused");
    expect(transport.sent).to.deep.equal(["attach queen"]);
    expect(page.take()).to.deep.equal(["> attach queen", refusal, "# The file is not there."]);
  });

  it("sends what it does not know, so that the hive can refuse it", async () => {
    const { transport, page, run } = await started();
    const refusal = "ERR PARSE reason=policy detail=unsupported console command";
    expect(await run("  frobnicate /x  ", refusal)).to.equal("refused");
    expect(transport.sent).to.deep.equal(["frobnicate /x"]);
    expect(page.take()).to.deep.equal(["> frobnicate /x", refusal]);
  });

  it("does nothing for an empty line and a comment", async () => {
    const { transport, page, run } = await started();
    for (const line of ["", "   ", "# ping", "  #"]) expect(await run(line)).to.equal("ok");
    expect(transport.sent).to.deep.equal([]);
    expect(page.take()).to.deep.equal([]);
  });

  it("refuses what a console would take for keys or cut, without sending it", async () => {
    const { transport, page, run } = await started();
    for (const line of ["pi\x03ng", "ping\rping", "a\nb", "tab\there", "\x7f", "\x9bA"]) {
      expect(await run(line)).to.equal("refused");
      expect(page.take().slice(1)).to.deep.equal([
        "ERR PARSE reason=policy detail=invalid-character",
        "# refused by this shell, not sent",
      ]);
    }
    await run("é".repeat(513));
    expect(page.take()[1]).to.equal("ERR FRAME reason=policy detail=invalid-length");
    expect(transport.sent).to.deep.equal([]);
  });

  it("refuses a spawn that it cannot write the JSON of, without sending it", async () => {
    const { transport, page, run } = await started();
    expect(await run("spawn heartbeat ticks=many")).to.equal("refused");
    expect(page.take()).to.deep.equal([
      "> spawn heartbeat ticks=many",
      "ERR SPAWN reason=policy detail=invalid-payload",
      "# not sent: ticks must be a whole number",
    ]);
    expect(transport.sent).to.deep.equal([]);
  });

  it("follows with tail -f until it is interrupted", async () => {
    const { transport, shell, page } = await started();
    expect(shell.interrupt()).to.equal(false);
    const tail = shell.execute("tail -f /log/queen.log");
    transport.reply("OK TAIL path=/log/queen.log", "before", "then");
    expect(shell.interrupt()).to.equal(true);
    transport.reply("END", "OK STOP");
    expect(await tail).to.equal("ok");
    expect(page.take().slice(2)).to.deep.equal(["before", "then", "(end)"]);
    expect(transport.sent).to.deep.equal(["tail -f /log/queen.log", "stop"]);
  });

  it("knows who is logged in, and tells of every change", async () => {
    const { page, run, shell, transport } = await started();
    await run("attach queen", "OK ATTACH role=queen");
    expect(shell.role).to.equal("queen");
    await run("attach worker subject=worker-1", "OK ATTACH role=worker-heartbeat");
    await run("ls /", "ERR LS reason=policy detail=unauthenticated");
    expect(shell.role).to.equal(undefined);
    await run("login observer", "OK ATTACH role=observer");
    await run("detach", "OK DETACH");
    await run("attach queen", "ERR ATTACH reason=policy detail=denied");
    expect(shell.role).to.equal(undefined);
    transport.sink.ended("QEMU ended");
    await shell.close();
    await shell.close();
    expect(page.lines.filter((line) => line.startsWith("("))).to.deep.equal([
      '(connect) {"transport":"mock"}',
      '(attach) {"role":"queen"}',
      '(detach) {"role":"queen","reason":"attach"}',
      '(attach) {"role":"worker-heartbeat","subject":"worker-1"}',
      '(detach) {"role":"worker-heartbeat","reason":"ended by the hive"}',
      '(attach) {"role":"observer"}',
      '(detach) {"role":"observer","reason":"detach"}',
      '(lost) {"reason":"QEMU ended"}',
      "(close) {}",
    ]);
  });

  it("prints what the machine prints only while it follows", async () => {
    const { transport, shell, page } = await started({ follow: true });
    transport.sink.log("one");
    shell.follow = false;
    transport.sink.log("two");
    expect(page.take()).to.deep.equal(["(log) one"]);
  });

  it("ends a tail -f and all commands when the hive ends, and tells whoever listens", async () => {
    const { transport, shell } = await started();
    const reasons: string[] = [];
    shell.onEnded = (reason) => reasons.push(reason);
    const tail = shell.execute("tail -f /log/queen.log");
    transport.reply("OK TAIL path=/log/queen.log");
    transport.sink.ended("QEMU ended");
    expect(await tail).to.equal("lost");
    expect(shell.gone).to.equal("QEMU ended");
    expect(reasons).to.deep.equal(["QEMU ended"]);
    expect(await shell.execute("ping")).to.equal("lost");
  });

  it("says when a command is not answered in time", async () => {
    const { shell, page } = await started({ timeoutMs: 10 });
    expect(await shell.execute("ping")).to.equal("refused");
    expect(page.take()).to.deep.equal(["> ping", "# no answer to PING within 0.01 s"]);
  });

  it("ends a running command without a word when it is closed", async () => {
    const { shell, page, transport } = await started();
    const ping = shell.execute("ping");
    await shell.close();
    expect(await ping).to.equal("lost");
    expect(page.take()).to.deep.equal(["> ping"]);
    expect(transport.closed).to.equal(1);
  });

  describe("asked for a directory", () => {
    it("asks the hive silently", async () => {
      const { attach, shell, transport, page } = await started();
      await attach();
      page.take();
      const names = shell.list("/worker", 1000);
      transport.reply("OK LS path=/worker entries=1", "worker-1", "END");
      expect(await names).to.deep.equal(["worker-1"]);
      const none = shell.list("/none", 1000);
      transport.reply("ERR LS reason=policy detail=not-found path=/none error=ENOENT");
      expect(await none).to.equal(undefined);
      expect(page.take()).to.deep.equal([]);
    });

    it("says nothing without a login, beside a command, and of a hive that is gone", async () => {
      const { attach, shell, transport, run } = await started();
      expect(await shell.list("/", 1000)).to.equal(undefined);
      await attach();
      const ping = shell.execute("ping");
      expect(await shell.list("/", 1000)).to.equal(undefined);
      transport.reply("OK PING reply=pong", "PONG");
      await ping;
      transport.sink.ended("QEMU ended");
      expect(await shell.list("/", 1000)).to.equal(undefined);
      expect(await run("ping")).to.equal("lost");
      expect(transport.sent).to.not.include("ls /");
    });

    it("waits no longer than it may, and the next command goes out when the hive has answered", async () => {
      const { attach, shell, transport } = await started();
      await attach();
      expect(await shell.list("/worker", 5)).to.equal(undefined);
      const ping = shell.execute("ping");
      expect(transport.sent.at(-1)).to.equal("ls /worker");
      transport.reply("OK LS path=/worker entries=0", "END");
      await new Promise(setImmediate);
      expect(transport.sent.at(-1)).to.equal("ping");
      transport.reply("OK PING reply=pong", "PONG");
      expect(await ping).to.equal("ok");
    });
  });
});
