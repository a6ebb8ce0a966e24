import { expect } from "chai";
import { Session, SessionError } from "../../cohsh/session.ts";
import { FakeTransport } from "./fake-transport.ts";

class Resuming extends FakeTransport {
  readonly resumes = true;
  up = true;

  override send(line: string): void {
    if (!this.up) throw new Error("not open");
    super.send(line);
  }

  interrupt(reason = "the hive is lost"): void {
    this.up = false;
    this.sink.interrupted?.(reason);
  }

  resume(): void {
    this.up = true;
    this.sink.resumed?.();
  }
}

async function started(timeoutMs = 5000, depth = 1) {
  const transport = new Resuming();
  const printed: string[] = [];
  const session = new Session(transport, timeoutMs, (line) => printed.push(`(log) ${line}`), depth);
  await session.open(new AbortController().signal);
  session.onInterrupted = (reason) => printed.push(`(interrupted) ${reason}`);
  session.onResumed = (refused) => printed.push(`(resumed) ${refused ?? ""}`);
  const run = (line: string, follows = false): Promise<string> => {
    const listener = {
      begun: () => void printed.push(`> ${line}`),
      acknowledgement: (_acknowledgement: unknown, text: string) => void printed.push(text),
      line: (text: string) => void printed.push(text),
      end: () => void printed.push("(end)"),
      note: (text: string) => void printed.push(`# ${text}`),
    };
    return session.run(line, listener, follows).then(
      ({ ok }) => (ok ? "ok" : "refused"),
      (error: unknown) => (error instanceof SessionError ? error.message : String(error)),
    );
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { transport, session, printed, run, turn };
}

describe("cohsh session over a connection that is lost", () => {
  it("says of a command without an acknowledgement that it may have been done, and sends it never again", async () => {
    const { transport, run, turn } = await started();
    const spawn = run("spawn {}");
    transport.interrupt();
    expect(await spawn).to.equal("SPAWN is lost, may have been done: the hive is lost");
    transport.resume();
    await turn();
    expect(transport.sent).to.deep.equal(["spawn {}"]);
  });

  it("says of a stream what of it is lost", async () => {
    const { transport, run } = await started();
    const cat = run("cat /proc/boot");
    transport.reply("OK CAT path=/proc/boot data=x", "one");
    transport.interrupt();
    expect(await cat).to.equal("the rest of the answer to CAT is lost: the hive is lost");
  });

  it("logs in again as the same, and sends what waited only then", async () => {
    const { transport, run, turn } = await started();
    const attach = run("attach queen t1cket");
    transport.reply("OK ATTACH role=queen");
    await attach;
    transport.interrupt();
    const ls = run("ls /");
    transport.resume();
    await turn();
    expect(transport.sent).to.deep.equal(["attach queen t1cket", "attach queen t1cket"]);
    transport.reply("OK ATTACH role=queen");
    await turn();
    expect(transport.sent.at(-1)).to.equal("ls /");
    transport.reply("OK LS path=/ entries=0", "END");
    expect(await ls).to.equal("ok");
  });

  it("does not log in again who has left", async () => {
    const { transport, run, turn } = await started();
    for (const [line, answer] of [
      ["attach queen t1cket", "OK ATTACH role=queen"],
      ["detach", "OK DETACH"],
    ] as const) {
      const done = run(line);
      transport.reply(answer);
      await done;
    }
    transport.interrupt();
    transport.resume();
    await turn();
    expect(transport.sent).to.have.length(2);
  });

  it("goes on following where it was, with what it showed shown once", async () => {
    const { transport, run, session, printed, turn } = await started();
    const tail = run("tail -f /p", true);
    transport.reply("OK TAIL path=/p offset=0", "one", "two");
    transport.interrupt();
    transport.resume();
    await turn();
    expect(transport.sent).to.deep.equal(["tail -f /p 0", "tail -f /p 4"]);
    transport.reply("OK TAIL path=/p offset=4", "two", "three");
    expect(printed).to.deep.equal([
      ...["> tail -f /p", "OK TAIL path=/p", "one", "two"],
      ...["(interrupted) the hive is lost", "(resumed) ", "three"],
    ]);
    session.stop();
    transport.reply("END", "OK STOP");
    expect(await tail).to.equal("ok");
  });

  it("follows no more when the login is refused", async () => {
    const { transport, run, printed, turn } = await started();
    const attach = run("attach queen t1cket");
    transport.reply("OK ATTACH role=queen");
    await attach;
    const tail = run("tail -f /p", true);
    transport.reply("OK TAIL path=/p offset=0");
    transport.interrupt();
    transport.resume();
    transport.reply("ERR ATTACH reason=policy detail=expired");
    await turn();
    expect(await tail).to.equal("TAIL does not go on: the hive refused the login: expired");
    expect(printed.at(-1)).to.equal("(resumed) the hive refused the login: expired");
  });

  it("survives a second loss while it logs in again", async () => {
    const { transport, run, turn } = await started();
    const attach = run("attach queen t1cket");
    transport.reply("OK ATTACH role=queen");
    await attach;
    const tail = run("tail -f /p", true);
    transport.reply("OK TAIL path=/p offset=0", "one");
    for (let n = 0; n < 3; n++) {
      transport.interrupt();
      transport.resume();
      await turn();
    }
    transport.reply("OK ATTACH role=queen");
    await turn();
    expect(transport.sent.at(-1)).to.equal("tail -f /p 0");
    transport.reply("OK TAIL path=/p offset=0", "one", "END");
    expect(await tail).to.equal("ok");
  });

  it("ends a stream that is stopped meanwhile", async () => {
    const { transport, run, session, turn } = await started();
    const tail = run("tail -f /p", true);
    transport.reply("OK TAIL path=/p offset=0", "one");
    transport.interrupt();
    expect(session.stop()).to.equal(true);
    expect(await tail).to.equal("ok");
    transport.resume();
    await turn();
    expect(transport.sent).to.have.length(1);
  });

  it("does not let a command wait for ever, and says that it was not sent", async () => {
    const { transport, run, turn } = await started(20);
    transport.interrupt();
    expect(await run("kill worker-1")).to.equal("not sent: there was no connection within 0.02 s");
    transport.resume();
    await turn();
    expect(transport.sent).to.deep.equal([]);
  });

  it("fails all that waits when the hive does not come back", async () => {
    const { transport, run } = await started();
    const tail = run("tail -f /p", true);
    transport.reply("OK TAIL path=/p offset=0");
    transport.interrupt();
    transport.sink.ended("the hive is gone");
    expect(await tail).to.equal("the hive is gone");
  });

  describe("with several commands on their way", () => {
    it("shows each with its answer, in order", async () => {
      const { transport, run, printed } = await started(5000, 3);
      const all = [run("ping"), run("ls /"), run("kill x")];
      expect(transport.sent).to.deep.equal(["ping", "ls /", "kill x"]);
      expect(() => run("ping")).to.throw("3 commands at a time");
      transport.reply(
        ...["OK PING reply=pong", "PONG", "OK LS path=/ entries=1", "proc", "END"],
        "ERR KILL reason=policy detail=not-found",
      );
      expect(await Promise.all(all)).to.deep.equal(["ok", "ok", "refused"]);
      expect(printed).to.deep.equal([
        ...["> ping", "OK PING reply=pong", "PONG", "> ls /", "OK LS path=/ entries=1", "proc", "(end)"],
        ...["> kill x", "ERR KILL reason=policy detail=not-found"],
      ]);
    });

    it("says of each that is lost that it is", async () => {
      const { transport, run } = await started(5000, 3);
      const all = [run("ping"), run("spawn {}"), run("kill x")];
      transport.reply("OK PING reply=pong", "PONG");
      transport.interrupt();
      expect(await Promise.all(all)).to.deep.equal([
        "ok",
        "SPAWN is lost, may have been done: the hive is lost",
        "KILL is lost, may have been done: the hive is lost",
      ]);
    });

    it("takes no late answer for another's", async () => {
      const { transport, run, session } = await started(20, 2);
      const all = [run("ping"), run("help")];
      expect(await all[0]).to.equal("no answer to PING within 0.02 s");
      transport.reply("OK PING reply=pong", "PONG", "OK HELP", "END");
      expect(await all[1]).to.equal("ok");
      expect(session.late).to.equal(2);
    });
  });
});
